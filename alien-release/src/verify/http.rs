//! A repository on a web server.

use std::time::Duration;

use alien_core::adapter::chain;
use alien_core::{Error, ErrorKind, Problem, Result, Rule};
use async_trait::async_trait;
use futures_util::stream;
use reqwest::{Client, Response, StatusCode, Url, redirect};

use super::transport::{ByteStream, Transport};

/// How long it takes at most to open a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long nothing may come.
const SILENCE: Duration = Duration::from_secs(30);

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
            status if status.is_success() => Ok(Some(pieces(answer))),
            // A bucket that may not be listed says 403 of what it does not have.
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN | StatusCode::GONE => Ok(None),
            status => Err(unread(&format!("the server answers {status}"))),
        }
    }
}

fn pieces(answer: Response) -> ByteStream {
    Box::pin(stream::try_unfold(answer, |mut answer| async move {
        let piece = answer.chunk().await.map_err(|error| {
            Error::new(
                ErrorKind::Unavailable,
                format!("the answer of the server broke off: {}", chain(&error.without_url())),
            )
        })?;
        Ok(piece.map(|piece| (piece, answer)))
    }))
}
