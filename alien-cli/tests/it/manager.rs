//! A manager that answers over HTTPS for a store in a file, and works for it. It has no credentials of any cloud.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use alien_core::{CallConfig, Connection};
use alien_fleet::api::AgentApi;
use alien_fleet::store::Embedded;
use alien_fleet::{ArtifactFolder, Clouds, Fleet, NewToken, Products, Role, Who};
use alien_manager::{Router, Server, Tls};
use jiff::SignedDuration;
use tokio::sync::{oneshot, watch};

/// The name by which it is called.
const HOST: &str = "localhost";

/// A manager in this process, until this is dropped.
pub(crate) struct Manager {
    /// `https://localhost:PORT`. It listens on 127.0.0.1.
    pub(crate) url: String,
    /// The file with the token of its admin.
    pub(crate) token: String,
    /// The file with its certificate.
    pub(crate) certificate: String,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Manager {
    /// Begins to answer operators for a store in this folder, and agents for the repository `repository` in it.
    pub(crate) fn begin(folder: &Path) -> Self {
        let at = |name: &str| folder.join(name).display().to_string();
        let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
        fs::write(at("key.pem"), made.signing_key.serialize_pem()).unwrap();
        fs::write(at("cert.pem"), made.cert.pem()).unwrap();
        let (began, begun) = oneshot::channel();
        let (stop, stopped) = watch::channel(false);
        let of_thread: PathBuf = folder.to_owned();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            runtime.block_on(answer(&of_thread, began, stopped));
        });
        let url = format!("https://{HOST}:{}", begun.blocking_recv().unwrap().port());
        Self { url, token: at("admin.token"), certificate: at("cert.pem"), stop, thread: Some(thread) }
    }

    /// The flags that reach it, as its admin.
    pub(crate) fn flags(&self) -> Vec<&str> {
        self.flags_with(&self.token)
    }

    /// The same, with the token in another file.
    pub(crate) fn flags_with<'a>(&'a self, token: &'a str) -> Vec<&'a str> {
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
    let clouds = Clouds::none().with(Arc::new(alien_aws::Adapter), connection());
    let clouds = clouds.with(Arc::new(alien_gcp::Adapter), connection());
    let clouds = clouds.with(Arc::new(alien_azure::Adapter), connection());
    let store = Embedded::open(&folder.join("fleet.redb")).await.unwrap();
    let fleet = Fleet::builder(store, clouds).artifacts(ArtifactFolder::new(folder.join("artifacts")));
    let fleet = fleet.acting_as(Who::claimed("manager")).open().await.unwrap();
    let (name, products, valid_for) = ("admin".to_owned(), Products::All, SignedDuration::from_hours(1));
    let (_, text) = fleet.make_token(&NewToken { name, role: Role::Admin, products, valid_for }).await.unwrap();
    fs::write(folder.join("admin.token"), text.reveal()).unwrap();
    let tls = Tls::open(folder.join("cert.pem"), folder.join("key.pem")).unwrap();
    let server = Server::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap().tls(tls);
    let host = format!("{HOST}:{}", server.address().port());
    let agents = fleet.agents().host(&host).open().await.unwrap();
    let router = Router::new(&fleet).with_agents(AgentApi::new(&agents).repository(folder.join("repository")));
    began.send(server.address()).unwrap();
    let until = || {
        let mut stopped = stopped.clone();
        async move { drop(stopped.wait_for(|stop| *stop).await) }
    };
    let (served, worked) = tokio::join!(server.serve(router, until()), fleet.worker().run(until()));
    served.and(worked).unwrap();
}
