//! Requests over a Unix socket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use alien_core::{Error, ErrorKind, Result};
use async_trait::async_trait;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::transport::Transport;
use super::who::claim;
use crate::log::Who;

/// Connects to a Unix socket, for each request anew: that costs little, and no connection is found broken.
#[derive(Debug)]
pub(super) struct OverSocket {
    path: PathBuf,
}

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);

impl OverSocket {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

#[async_trait]
impl Transport for OverSocket {
    async fn send(&self, mut request: Request, who: &Who) -> Result<Response> {
        claim(who, &mut request)?;
        // There is no host, and the header must be there: <https://www.rfc-editor.org/rfc/rfc9112#section-3.2>
        request.headers_mut().insert(header::HOST, HeaderValue::from_static("localhost"));
        let stream = connect(&self.path).await?;
        let broken = |error: hyper::Error| {
            let what = format!("the program at `{}` did not answer", self.path.display());
            Error::new(ErrorKind::Unavailable, what).caused_by(&error)
        };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // It ends with the answer, or when that is dropped. What goes wrong with it is told to whoever reads the answer.
        tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(|error| broken(error).with_sent())?;
        Ok(response.map(Body::new))
    }

    fn called(&self) -> String {
        format!("the program at `{}`", self.path.display())
    }
}

/// Connects to a socket on which a program answers.
///
/// # Errors
///
/// [`Unavailable`](ErrorKind::Unavailable) if none does.
pub(super) async fn connect(path: &Path) -> Result<UnixStream> {
    let connected = tokio::time::timeout(CONNECT, UnixStream::connect(path)).await;
    let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    connected.map_err(|error| {
        let what = format!("no program answers at `{}`", path.display());
        Error::new(ErrorKind::Unavailable, what).caused_by(&error)
    })
}
