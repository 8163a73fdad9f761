//! The way to the manager: HTTPS outbound, and nothing else.

use std::fmt;
use std::time::Duration;

use alien_core::adapter::{CONNECT, chain, untrusted};
use alien_core::{Error, ErrorKind, Problem, Result, Rule};
use alien_release::HttpTransport;
use async_trait::async_trait;
use http::header::USER_AGENT;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use reqwest::{Certificate, Client, ClientBuilder, Url, redirect};

/// How long a whole call takes at most.
pub(crate) const WHOLE: Duration = Duration::from_secs(40);
/// How long nothing may come of a file of a repository, which may take longer as a whole.
const SILENCE: Duration = Duration::from_secs(30);

/// What it calls itself.
const NAME: &str = concat!("alien-agent/", env!("CARGO_PKG_VERSION"));

/// What certificates of authorities are to be given as.
const CERTIFICATES: &str = "give a file of certificates that begin with `-----BEGIN CERTIFICATE-----`";

/// Carries the calls of an agent to its manager, and the answers back. [`Https`] does so over the network; a host may have a way of its
/// own.
#[async_trait]
pub trait Channel: Send + Sync + fmt::Debug {
    /// Makes a call, once, and reads at most `most` bytes of the answer's body. The URI of the request is the path of the call, as
    /// `/v1/agent/desired`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if there is no answer; [`ErrorKind::TooLarge`] if it is larger. An answer of any status is no error.
    async fn exchange(&self, request: Request<Vec<u8>>, most: usize) -> Result<Response<Vec<u8>>>;
}

/// Calls over HTTPS. It follows no redirect, so it talks to no other address. It goes through the proxy that the variables `HTTPS_PROXY`,
/// `ALL_PROXY` and `NO_PROXY` name, and trusts the authorities that the system trusts, and those that it is given.
#[derive(Debug, Clone)]
pub struct Https {
    base: Url,
    client: Client,
    files: Client,
}

impl Https {
    /// Calls a manager at this address, as the record has it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] if it is not an `https://` or `http://` address without query and fragment; [`ErrorKind::Unavailable`] if
    /// this machine cannot call by HTTPS.
    pub fn new(base: &str) -> Result<Self> {
        Self::trusting(base, &[])
    }

    /// As [`new`](Self::new), and trusts the authorities whose certificates these are, in PEM: of a proxy that opens TLS on its way out of
    /// the network, for example.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and [`ErrorKind::Input`] if there is no certificate in it.
    pub fn with_ca(base: &str, pem: &[u8]) -> Result<Self> {
        let found = Certificate::from_pem_bundle(pem);
        let found = found
            .map_err(|error| wrong(format!("the certificates cannot be read: {}", chain(&error)), CERTIFICATES))?;
        if found.is_empty() {
            return Err(wrong("there is no certificate of an authority in it".to_owned(), CERTIFICATES));
        }
        Self::trusting(base, &found)
    }

    fn trusting(base: &str, authorities: &[Certificate]) -> Result<Self> {
        let help = "write the address of the manager, as in `https://releases.vendor.example`";
        let parsed = Url::parse(base);
        let base = parsed.map_err(|error| wrong(format!("`{base}` is not an address: {error}"), help))?;
        let is_web = matches!(base.scheme(), "http" | "https") && base.host().is_some();
        if !is_web || base.query().is_some() || base.fragment().is_some() || !base.username().is_empty() {
            return Err(wrong(format!("`{base}` is not the address of a manager"), help));
        }
        let client = |builder: ClientBuilder| {
            let builder = authorities.iter().fold(builder, |builder, one| builder.tls_certs_merge([one.clone()]));
            let built = builder.connect_timeout(CONNECT).redirect(redirect::Policy::none()).build();
            built.map_err(|error| match authorities {
                [] => Error::new(ErrorKind::Unavailable, "this machine cannot call by HTTPS").caused_by(&error),
                _ => wrong(format!("the certificates cannot be read: {}", chain(&error)), CERTIFICATES),
            })
        };
        Ok(Self {
            base,
            client: client(Client::builder().timeout(WHOLE))?,
            files: client(Client::builder().user_agent(NAME).read_timeout(SILENCE))?,
        })
    }

    /// The host of the manager, with the port if it is not 443: for whom a request for a token is.
    #[must_use]
    pub fn host(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        self.base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The repository that the manager serves, by the same way.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] never, for an address that was taken.
    pub fn repository(&self) -> Result<HttpTransport> {
        HttpTransport::with_client(self.below("/v1/repository").as_str(), self.files.clone())
    }

    /// The address of a path below the base.
    fn below(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path.split('/').filter(|part| !part.is_empty()));
        }
        url
    }

    /// Why there is no answer.
    fn unanswered(&self, error: reqwest::Error) -> Error {
        let (is_connect, is_timeout) = (error.is_connect(), error.is_timeout());
        let error = error.without_url();
        let (why, host) = (chain(&error), self.host());
        let (what, help) = if let Some(why) = untrusted(&error) {
            let what = format!("the certificate that answers for `{host}` is not trusted: {why}");
            (what, "if a proxy of your network opens TLS, give the certificate of its authority with `--ca`")
        } else if is_connect && is_timeout {
            (
                format!("no connection to `{host}` within {} seconds", CONNECT.as_secs()),
                "see whether it may be reached from here",
            )
        } else if is_timeout {
            (format!("`{host}` did not answer within {} seconds", WHOLE.as_secs()), "it is asked again")
        } else if is_connect {
            (
                format!("`{host}` cannot be reached: {why}"),
                "see whether the name is known and the address may be reached from here",
            )
        } else {
            (format!("the answer of `{host}` broke off: {why}"), "it is asked again")
        };
        Error::new(ErrorKind::Unavailable, what).because(help)
    }
}

#[async_trait]
impl Channel for Https {
    async fn exchange(&self, request: Request<Vec<u8>>, most: usize) -> Result<Response<Vec<u8>>> {
        let (parts, body) = request.into_parts();
        // A poll says no more than it must. Whose it is stands in what the agent sends else.
        let name = (parts.method != Method::GET).then(|| (USER_AGENT, HeaderValue::from_static(NAME)));
        let call = self.client.request(parts.method, self.below(parts.uri.path())).headers(parts.headers);
        let call = call.headers(HeaderMap::from_iter(name)).body(body);
        let mut answer = call.send().await.map_err(|error| self.unanswered(error))?;
        let mut response = Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            headers.clone_from(answer.headers());
        }
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| self.unanswered(error))? {
            if body.len().saturating_add(piece.len()) > most {
                let what = format!("the answer of `{}` has more than {most} bytes", self.host());
                return Err(Error::new(ErrorKind::TooLarge, what).because("a manager does not answer so: see who does"));
            }
            body.extend_from_slice(&piece);
        }
        let defect = |error: http::Error| Error::new(ErrorKind::Internal, "an answer cannot be read").caused_by(&error);
        response.body(body).map_err(defect)
    }
}

fn wrong(what: String, help: &str) -> Error {
    vec![Problem::error(Rule::Form, what, help.to_owned())].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_calls_are_below_it() {
        for (base, host, desired) in [
            ("https://m.example", "m.example", "https://m.example/v1/agent/desired"),
            ("https://m.example:8443/a/", "m.example:8443", "https://m.example:8443/a/v1/agent/desired"),
            ("https://m.example:443/a", "m.example", "https://m.example/a/v1/agent/desired"),
            ("http://[::1]:80/", "[::1]", "http://[::1]/v1/agent/desired"),
        ] {
            let https = Https::new(base).unwrap();
            assert_eq!((https.host().as_str(), https.below("/v1/agent/desired").as_str()), (host, desired));
        }
        for base in
            ["", "m.example", "ftp://m.example", "https://m.example?a=b", "https://u:p@m.example", "https://m/#a"]
        {
            let error = Https::new(base).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Input, "{base}");
        }
        for pem in [b"".as_slice(), b"-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n"] {
            assert_eq!(Https::with_ca("https://m.example", pem).unwrap_err().kind(), ErrorKind::Input);
        }
    }
}
