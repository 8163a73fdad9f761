//! The vendor of a deployment that pulls: `alien` over a manager, which is in this process.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use alien_conformance::world::Shipped;
use alien_core::{CallConfig, Code, Connection, ImageDigests, Images, Platform};
use alien_fleet::api::AgentApi;
use alien_fleet::store::Embedded;
use alien_fleet::{ArtifactFolder, Clouds, Fleet, NewToken, Products, Role, Who};
use alien_manager::{Router, Server, Tls};
use jiff::SignedDuration;
use serde_json::Value;
use tokio::sync::{oneshot, watch};

use crate::room::{Room, said, words};

/// The vendor: keys, a repository, and a manager that serves both agents and operators.
pub(super) struct Vendor<'r> {
    room: &'r Room,
    pub(super) manager: Manager,
}

impl<'r> Vendor<'r> {
    pub(super) fn new(room: &'r Room) -> Self {
        let repository = room.path("repository");
        for keys in ["init", "vendor"] {
            room.succeeds("alien", &["keys", keys, "--out", &room.path("keys")]);
        }
        let root = room.path("keys/public/1.root.json");
        let mut init = room.command("alien", &[], &Vec::new());
        let output = init.args(["repository", "init", &repository, "--root", &root]).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        Self { room, manager: Manager::begin(Path::new(&room.path(""))) }
    }

    /// Invites a customer to a stack, by a signed file.
    pub(super) fn invite(&self, stack: &str) -> String {
        let (room, out) = (self.room, self.room.path("invitation.json"));
        let (root, sign) = (room.path("keys/public/1.root.json"), room.path("keys/vendor.pem"));
        let invite = ["invite", "--stack", stack, "--cloud", room.cloud.name, "--pull", "--manager", &self.manager.url];
        room.succeeds("alien", &[&invite[..], &["--root", &root, "--sign", &sign, "--out", &out]].concat());
        out
    }

    /// The flags that release a stack with this code, signed.
    pub(super) fn release(&self, stack: &str, code: &[&Shipped]) -> Vec<String> {
        let mut images = Images::new();
        for code in code {
            if let Shipped::Image(name) = code {
                let digest = Code::zip(name.as_bytes()).only().unwrap().digest().to_owned();
                images.insert(name, Platform::LinuxAmd64, ImageDigests { manifest: digest.clone(), config: digest });
            }
        }
        let images = self.room.write("images.json", &serde_json::to_vec(&images).unwrap());
        let sign = [
            ("--images", images),
            ("--sign", self.room.path("repository")),
            ("--release-key", self.room.path("keys/release.pem")),
            ("--online-key", self.room.path("keys/online.pem")),
        ];
        let flags = sign.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
        let begin = ["release".to_owned(), stack.to_owned()];
        let names: Vec<String> = (0..code.len()).map(|number| format!("code-{number}")).collect();
        let zips: Vec<_> = names.iter().map(String::as_str).zip(code.iter().copied()).collect();
        begin.into_iter().chain(flags).chain(self.room.zips(&zips)).collect()
    }

    /// Releases, and waits for the end. Gives the report.
    pub(super) fn releases(&self, stack: &str, code: &[&Shipped]) -> Value {
        let report = self.does(&[&words(&self.release(stack, code))[..], &["--bake", "1s", "--json"]].concat());
        serde_json::from_str(&report).unwrap()
    }

    /// The health of the only deployment, over all its resources, as its agent reported last.
    pub(super) fn health(&self) -> Value {
        let output = self.command(&["fleet", "heartbeat", "--json"]).output().unwrap();
        let beats: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(beats.as_array().map(Vec::len), Some(1), "{}", said(&output));
        beats[0].clone()
    }

    /// The last rollout, as `rollout status` tells.
    pub(super) fn rollout(&self) -> Value {
        serde_json::from_str(&self.does(&["rollout", "status", "--json"])).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let Manager { url, folder, .. } = &self.manager;
        let at = |name: &str| folder.join(name).display().to_string();
        let mut command = self.room.command("alien", &[], &Vec::new());
        command.args(arguments).args(["--manager", url, "--manager-token-file", &at("admin.token")]);
        command.args(["--ca-file", &at("cert.pem")]);
        command
    }

    /// Runs `alien` over the manager. Gives what it printed.
    pub(super) fn does(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same, however it ends.
    pub(super) fn tells(&self, arguments: &[&str]) -> String {
        said(&self.command(arguments).output().unwrap())
    }
}

/// A manager in this process, until this is dropped.
pub(super) struct Manager {
    pub(super) folder: PathBuf,
    pub(super) url: String,
    pub(super) address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Manager {
    fn begin(folder: &Path) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
        let (began, begun) = oneshot::channel();
        let (stop, stopped) = watch::channel(false);
        let of_thread = folder.to_owned();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            runtime.block_on(answer(&of_thread, began, stopped));
        });
        let address = begun.blocking_recv().unwrap();
        let url = format!("https://localhost:{}", address.port());
        Self { folder: folder.to_owned(), url, address, stop, thread: Some(thread) }
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

/// Answers, and works for the fleet. It has no credentials of any cloud.
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
    let host = format!("localhost:{}", server.address().port());
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
