//! A manager that answers over HTTPS for a store in a file, and works for it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use alien_core::{CallConfig, Connection};
use alien_fleet::store::Embedded;
use alien_fleet::{ArtifactFolder, Clouds, Fleet, NewToken, Products, Role, Who};
use alien_manager::{Router, Server, Tls};
use jiff::SignedDuration;
use tokio::sync::{oneshot, watch};

use crate::{alien, done, told, with};

/// A manager, until this is dropped.
pub(crate) struct Manager {
    folder: PathBuf,
    url: String,
    token: String,
    certificate: String,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Manager {
    /// Begins to answer for a store in this folder.
    pub(crate) fn begin(folder: &Path) -> Self {
        let at = |name: &str| folder.join(name).display().to_string();
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        fs::write(at("key.pem"), made.signing_key.serialize_pem()).unwrap();
        fs::write(at("cert.pem"), made.cert.pem()).unwrap();
        let (began, begun) = oneshot::channel();
        let (stop, stopped) = watch::channel(false);
        let folder = folder.to_owned();
        let of_thread = folder.clone();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            runtime.block_on(answer(&of_thread, began, stopped));
        });
        let url = format!("https://{}", begun.blocking_recv().unwrap());
        let (token, certificate) = (at("admin.token"), at("cert.pem"));
        Self { folder, url, token, certificate, stop, thread: Some(thread) }
    }

    fn at(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// The flags that reach it, as its admin.
    pub(crate) fn flags(&self) -> Vec<&str> {
        self.flags_with(&self.token)
    }

    fn flags_with<'a>(&'a self, token: &'a str) -> Vec<&'a str> {
        vec!["--manager", &self.url, "--manager-token-file", token, "--ca-file", &self.certificate]
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// Answers, and works for the fleet, until it is told to stop.
async fn answer(folder: &Path, began: oneshot::Sender<SocketAddr>, stopped: watch::Receiver<bool>) {
    let connection = || Connection::new(CallConfig::default(), "manager");
    let clouds = Clouds::none().with(Arc::new(alien_gcp::Adapter), connection());
    let clouds = clouds.with(Arc::new(alien_azure::Adapter), connection());
    let store = Embedded::open(&folder.join("fleet.redb")).await.unwrap();
    let fleet = Fleet::builder(store, clouds).artifacts(ArtifactFolder::new(folder.join("artifacts")));
    let fleet = fleet.acting_as(Who::claimed("manager")).open().await.unwrap();
    let admin = NewToken {
        name: "admin".to_owned(),
        role: Role::Admin,
        products: Products::All,
        valid_for: SignedDuration::from_hours(1),
    };
    let (_, text) = fleet.make_token(&admin).await.unwrap();
    fs::write(folder.join("admin.token"), text.reveal()).unwrap();
    let tls = Tls::open(folder.join("cert.pem"), folder.join("key.pem")).unwrap();
    let server = Server::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap().tls(tls);
    began.send(server.address()).unwrap();
    let until = || {
        let mut stopped = stopped.clone();
        async move { drop(stopped.wait_for(|stop| *stop).await) }
    };
    let (served, worked) = tokio::join!(server.serve(Router::new(&fleet), until()), fleet.worker().run(until()));
    served.and(worked).unwrap();
}

#[test]
fn a_token_is_made_used_and_revoked_and_its_text_stands_in_its_file_alone() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("manager-tokens");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let manager = Manager::begin(&folder);
    let does = |arguments: &[&str], token: &str| alien(&with(arguments, &manager.flags_with(token)));
    let file = manager.at("ann.token");
    let create = ["manager", "token", "create", "ann", "--role", "read", "--all-products", "--out", &file];
    let said = done(&does(&create, &manager.token));
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("alien_") && !said.contains(text.trim()), "{said}");

    assert_eq!(done(&does(&["rollout", "list", "--json"], &file)).trim(), "[]");
    let told = told(&does(&["manager", "token", "list"], &file));
    assert!(told.contains("admin"), "{told}");
    let listed = done(&does(&["manager", "token", "list", "--json"], &manager.token));
    assert!(!listed.contains(text.trim()), "{listed}");
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let ann = listed.as_array().unwrap().iter().find(|token| token["name"] == "ann").unwrap();
    let id = ann["id"].as_str().unwrap();
    done(&does(&["manager", "token", "revoke", id], &manager.token));
    let refused = does(&["rollout", "list"], &file);
    assert!(!refused.status.success());
}
