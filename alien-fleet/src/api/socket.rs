//! The socket beside a store's file, on which whoever holds the store answers.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use alien_core::{Error, ErrorKind, Result};
use axum::Router;
use axum::middleware::from_fn;
use futures_util::FutureExt as _;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::router::operators;
use super::who::claimed;
use crate::fleet::Fleet;

/// How many connections are served at once. Others wait.
const CONNECTIONS: usize = 128;

/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(10);

/// How long calls may take that are going on when the server shuts down.
const GRACE: Duration = Duration::from_secs(10);

/// How long the server waits after it could not accept a connection: what is missing (a descriptor) comes back.
const AGAIN: Duration = Duration::from_millis(100);

/// The socket beside a store's file: `fleet.redb.sock` beside `fleet.redb`.
#[must_use]
pub fn socket_of(store: &Path) -> PathBuf {
    let mut path = OsString::from(store);
    path.push(".sock");
    path.into()
}

/// Answers on the socket beside a store's file until `shutdown` is ready: [`Socket::bind`] and [`Socket::serve`].
///
/// # Errors
///
/// As [`Socket::bind`].
pub async fn serve(fleet: &Fleet, store: &Path, shutdown: impl Future<Output = ()>) -> Result<()> {
    Socket::bind(&socket_of(store)).await?.serve(fleet, shutdown).await;
    Ok(())
}

/// A Unix socket, for its owner alone. It is removed when this is dropped.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    file: Made,
}

impl Socket {
    /// Makes the socket, which nobody else can reach at any moment. Replaces one that a dead program has left. Needs a
    /// tokio runtime.
    ///
    /// # Errors
    ///
    /// [`Locked`](ErrorKind::Locked) if another program answers there; [`Input`](ErrorKind::Input) if something else is
    /// there, or the path is too long for a socket; [`Unavailable`](ErrorKind::Unavailable) if the folder cannot be written.
    pub async fn bind(path: &Path) -> Result<Self> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::InvalidInput => {
                let what = format!("`{}` is too long for the path of a socket", path.display());
                Error::new(ErrorKind::Input, what).because("keep the store under a shorter path")
            }
            _ => unusable(path, &error),
        };
        SocketAddr::from_pathname(path).map_err(failed)?;
        look(path).await?;
        // Whoever has no right to the folder cannot reach what is in it, whatever the mode of that is at first.
        let folder = Private::beside(path)?;
        let begun = folder.path.join("s");
        let listener = UnixListener::bind(&begun).map_err(failed)?;
        fs::set_permissions(&begun, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        let made = fs::symlink_metadata(&begun).map_err(failed)?;
        fs::rename(&begun, path).map_err(failed)?;
        Ok(Self { listener, file: Made { path: path.to_owned(), inode: (made.dev(), made.ino()) } })
    }

    /// The path of the socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// Answers until `shutdown` is ready. Then the socket is removed, streams end, and calls that are going on have ten
    /// seconds.
    pub async fn serve(self, fleet: &Fleet, shutdown: impl Future<Output = ()>) {
        let Self { listener, file } = self;
        let (router, closing) = operators(fleet);
        let app = router.layer(from_fn(claimed));
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        let mut shutdown = std::pin::pin!(shutdown.fuse());
        loop {
            while connections.try_join_next().is_some() {}
            let accepted = async {
                let place = Arc::clone(&places).acquire_owned().await.map_err(io::Error::other)?;
                let (stream, _) = listener.accept().await?;
                Ok::<_, io::Error>((stream, place))
            };
            tokio::select! {
                () = &mut shutdown => break,
                accepted = accepted => match accepted {
                    Ok((stream, place)) => drop(connections.spawn(answer(stream, app.clone(), place))),
                    Err(error) => {
                        tracing::warn!(%error, "a connection was not accepted");
                        tokio::time::sleep(AGAIN).await;
                    }
                },
            }
        }
        drop((file, listener, app));
        if tokio::time::timeout(GRACE, closing.close()).await.is_err() {
            tracing::warn!("calls that were going on were cut off");
        }
        connections.shutdown().await;
    }
}

async fn answer(stream: UnixStream, app: Router, _place: OwnedSemaphorePermit) {
    let mut http = http1::Builder::new();
    // A connection carries one request: to open another costs little, and none is left open by whoever is idle.
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).keep_alive(false);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app)).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Looks at what is where the socket will be.
async fn look(path: &Path) -> Result<()> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unusable(path, &error)),
    };
    if !found.file_type().is_socket() {
        let what = format!("`{}` is no socket; remove it, or keep the store elsewhere", path.display());
        return Err(Error::new(ErrorKind::Input, what));
    }
    match UnixStream::connect(path).await {
        // The program that made it is gone.
        Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(unusable(path, &error)),
        _ => {
            let what = format!("another program answers at `{}`", path.display());
            Err(Error::new(ErrorKind::Locked, what))
        }
    }
}

fn unusable(path: &Path, error: &io::Error) -> Error {
    let what = format!("no socket can be made at `{}`", path.display());
    Error::new(ErrorKind::Unavailable, what).caused_by(error)
}

/// The file of a socket. It is removed when this is dropped, unless another was put in its place.
#[derive(Debug)]
struct Made {
    path: PathBuf,
    inode: (u64, u64),
}

impl Drop for Made {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.inode) {
            // Who comes next finds that nobody answers there.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A folder that nobody else can enter, beside the socket. It is removed when this is dropped.
struct Private {
    path: PathBuf,
}

impl Private {
    fn beside(path: &Path) -> Result<Self> {
        // The path of a socket is short, so the name is.
        let name = format!(".{:08x}", fastrand::u32(..));
        let folder = path.with_file_name(name);
        fs::DirBuilder::new().mode(0o700).create(&folder).map_err(|error| unusable(path, &error))?;
        Ok(Self { path: folder })
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        // A folder that stays is in nobody's way.
        let _ = fs::remove_dir_all(&self.path);
    }
}
