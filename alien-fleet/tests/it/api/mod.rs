//! The calls over HTTP: in this process, and over a socket.

mod follow;
#[cfg(feature = "redb")]
mod open;
mod refused;
mod same;
mod socket;
mod suite;

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use alien_core::{Error, Result};
use alien_fleet::api::{Client, Socket};
use alien_fleet::{Fleet, Who};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::folder::Folder;
use crate::world::World;

/// How calls come.
const OVER: &str = "over a socket";

/// A fleet that answers on a socket.
pub(crate) struct Served {
    pub(crate) path: PathBuf,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
    _folder: Folder,
}

impl Served {
    pub(crate) async fn begin(fleet: &Fleet) -> Self {
        let folder = Folder::new();
        let socket = Socket::bind(&folder.join("fleet.redb.sock")).await.unwrap();
        let path = socket.path().to_owned();
        let (stop, stopped) = oneshot::channel::<()>();
        let fleet = fleet.clone();
        let ended = tokio::spawn(async move { socket.serve(&fleet, async { drop(stopped.await) }).await });
        Self { path, stop, ended, _folder: folder }
    }

    pub(crate) async fn client(&self, name: &str) -> Client {
        Client::socket(&self.path, self.who(name))
    }

    pub(crate) fn who(&self, name: &str) -> Who {
        Who::claimed(name)
    }

    /// Sends a call of ann's as it is, and returns the status and the body of what is answered.
    pub(crate) async fn raw(&self, call: &str, body: &[u8]) -> (u16, String) {
        raw(&self.path, &format!("{call} HTTP/1.1\r\nalien-operator: ann"), body).await
    }

    /// Shuts down, and waits until that is done.
    pub(crate) async fn end(self) {
        self.stop.send(()).unwrap();
        self.ended.await.unwrap();
    }
}

/// A fleet with so many deployments, and the machine's time from here on: a socket takes real time.
pub(crate) async fn world(deployments: usize) -> World {
    let world = World::new(deployments).await;
    tokio::time::resume();
    world
}

/// Sends bytes as they are, and returns the status and the body of what is answered.
pub(crate) async fn raw(path: &Path, head: &str, body: &[u8]) -> (u16, String) {
    let (path, length) = (path.to_owned(), body.len());
    let mut sent = format!("{head}\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n").into_bytes();
    sent.extend_from_slice(body);
    let answered = tokio::task::spawn_blocking(move || {
        let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        // What is too large is refused before all of it is sent.
        let _ = stream.write_all(&sent);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    });
    let answer = answered.await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("an answer without a head: {answer:?}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// The error of an answer.
pub(crate) fn error(answer: &str) -> Error {
    serde_json::from_str(answer).unwrap_or_else(|_| panic!("no error: {answer}"))
}

/// The failure of a call.
pub(crate) fn failure<T: std::fmt::Debug>(result: Result<T>) -> Error {
    result.unwrap_err()
}
