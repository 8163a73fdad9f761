//! A repository on a web server.

use std::time::Duration;

use alien_core::adapter::chain;
use alien_core::{Error, ErrorKind, Problem, Result, Rule};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use tokio::time::{Instant, timeout_at};

use super::transport::{ByteStream, Transport};
use crate::repository::length;

/// How long it takes at most to open a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long nothing may come.
const SILENCE: Duration = Duration::from_secs(30);
/// The bytes a second that a server sends at least, in the mean. Otherwise one that sends a byte every few seconds would hold whoever
/// reads for ever (<https://theupdateframework.io/docs/security/>, "slow retrieval").
const SLOWEST: u64 = 1024;

/// Reads a repository from a web server. It follows no redirect, so it talks to no other address.
#[derive(Debug, Clone)]
pub struct HttpTransport {
    base: Url,
    client: Client,
}

impl HttpTransport {
    /// Reads what is below this address.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] if it is not an `http://` or `https://` address without query and fragment; [`ErrorKind::Unavailable`] if
    /// this machine cannot call by HTTPS.
    pub fn new(base: &str) -> Result<Self> {
        let client = Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("alien-release/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::Unavailable, "this machine cannot call by HTTPS").caused_by(&error)
            })?;
        Self::with_client(base, client)
    }

    /// Reads what is below this address, with a client that has a proxy or certificates of its own.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] if it is not an `http://` or `https://` address without query and fragment.
    pub fn with_client(base: &str, client: Client) -> Result<Self> {
        let wrong = |what: String| -> Error {
            let help = "write the address of the repository, as in `https://releases.vendor.example`";
            vec![Problem::error(Rule::Form, what, help.to_owned())].into()
        };
        let base = Url::parse(base).map_err(|error| wrong(format!("`{base}` is not an address: {error}")))?;
        if !matches!(base.scheme(), "http" | "https") || base.query().is_some() || base.fragment().is_some() {
            return Err(wrong(format!("`{base}` is not the address of a folder on a web server")));
        }
        Ok(Self { base, client })
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn fetch(&self, name: &str) -> Result<Option<ByteStream>> {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            // Below the base, whatever the name is.
            path.pop_if_empty().push(name);
        }
        let shown = url.to_string();
        let unread = |why: &str| Error::new(ErrorKind::Unavailable, format!("`{shown}` cannot be read: {why}"));
        let answer = self.client.get(url).send().await.map_err(|error| unread(&chain(&error.without_url())))?;
        match answer.status() {
            status if status.is_success() => Ok(Some(Box::pin(paced(pieces(answer))))),
            // A bucket that may not be listed says 403 of what it does not have.
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN | StatusCode::GONE => Ok(None),
            status => Err(unread(&format!("the server answers {status}"))),
        }
    }
}

fn pieces(answer: Response) -> impl Stream<Item = Result<Bytes>> + Send + Sync {
    stream::try_unfold(answer, |mut answer| async move {
        let piece = answer.chunk().await.map_err(|error| {
            Error::new(
                ErrorKind::Unavailable,
                format!("the answer of the server broke off: {}", chain(&error.without_url())),
            )
        })?;
        Ok(piece.map(|piece| (piece, answer)))
    })
}

/// The same pieces, as long as they come fast enough.
fn paced(pieces: impl Stream<Item = Result<Bytes>> + Send + Sync) -> impl Stream<Item = Result<Bytes>> + Send + Sync {
    let begin = Instant::now();
    stream::try_unfold((Box::pin(pieces), 0), move |(mut pieces, read)| async move {
        let latest = begin + SILENCE + Duration::from_secs(read / SLOWEST);
        let slow = |_| {
            let what = format!("the server sends too slowly: {read} bytes in {:?}", begin.elapsed());
            Error::new(ErrorKind::Unavailable, what)
        };
        let piece = timeout_at(latest, pieces.next()).await.map_err(slow)?.transpose()?;
        Ok(piece.map(|piece| {
            let read = read.saturating_add(length(&piece));
            (piece, (pieces, read))
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads pieces of this size that come this many seconds apart.
    async fn read(size: usize, seconds: u64) -> Result<usize> {
        let pieces = stream::iter(0..100).then(move |_| async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            Ok(Bytes::from(vec![0; size]))
        });
        let mut paced = Box::pin(paced(pieces));
        let mut read = 0;
        while let Some(piece) = paced.next().await {
            read += piece?.len();
        }
        Ok(read)
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_drips_does_not_hold_who_reads() {
        assert_eq!(read(1024, 1).await.unwrap(), 100 * 1024);
        assert_eq!(read(20 * 1024, 20).await.unwrap(), 2_048_000);
        for (size, seconds, told) in [
            (1, 29, "1 bytes in 30s"),
            (1, 31, "0 bytes in 30s"),
            // 500 bytes a second: half of what they should be.
            (500, 1, "28500 bytes in 57s"),
        ] {
            let error = read(size, seconds).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert_eq!(error.to_string(), format!("the server sends too slowly: {told}"));
        }
    }
}
