//! Requests to a manager, over HTTPS.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use alien_core::{Error, ErrorKind, Problem, Result, Rule};
use async_trait::async_trait;
use axum::body::Body;
use axum::extract::Request;
use axum::http::uri::{PathAndQuery, Scheme};
use axum::http::{HeaderValue, Uri, header};
use axum::response::Response;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Builder};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::transport::Transport;
use crate::log::Who;
use crate::tokens::TokenText;

/// How long connecting may take, without the handshake of TLS.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a connection that nothing is asked on is kept: less than a manager keeps it.
const IDLE: Duration = Duration::from_secs(30);

/// Asks a manager. Connections are kept, and used again.
pub(super) struct OverHttps {
    client: legacy::Client<HttpsConnector<HttpConnector>, Body>,
    base: Uri,
    /// What is in front of every path.
    prefix: String,
    token: HeaderValue,
}

/// Shows where the manager is, and nothing of the token.
impl fmt::Debug for OverHttps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OverHttps").field("base", &self.base).finish_non_exhaustive()
    }
}

impl OverHttps {
    pub(super) fn new(url: &str, token: &TokenText, authorities: Option<&[u8]>) -> Result<Self> {
        let mut problems = Vec::new();
        let base = base(url).map_err(|problem| problems.push(problem)).ok();
        let token = bearer(token).map_err(|problem| problems.push(problem)).ok();
        let roots = roots(authorities).map_err(|problem| problems.push(problem)).ok();
        let (Some(base), Some(token), Some(roots)) = (base, token, roots) else { return Err(problems.into()) };
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_nodelay(true);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(|error| Error::new(ErrorKind::Internal, "TLS cannot be used").caused_by(&error))?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1();
        let mut builder = Builder::new(TokioExecutor::new());
        builder.pool_idle_timeout(IDLE).pool_timer(TokioTimer::new());
        let prefix = base.path().trim_end_matches('/').to_owned();
        Ok(Self { client: builder.build(connector.wrap_connector(tcp)), base, prefix, token })
    }

    /// The address of a call.
    fn uri(&self, call: &Uri) -> Result<Uri> {
        let call = call.path_and_query().map_or("/", PathAndQuery::as_str);
        let mut parts = self.base.clone().into_parts();
        let wrong = |error: &dyn std::error::Error| {
            Error::new(ErrorKind::Internal, format!("`{call}` is no path")).caused_by(error)
        };
        parts.path_and_query = Some(format!("{}{call}", self.prefix).parse().map_err(|error| wrong(&error))?);
        Uri::from_parts(parts).map_err(|error| wrong(&error))
    }
}

#[async_trait]
impl Transport for OverHttps {
    /// The token says who acts.
    async fn send(&self, mut request: Request, _: &Who) -> Result<Response> {
        *request.uri_mut() = self.uri(request.uri())?;
        request.headers_mut().insert(header::AUTHORIZATION, self.token.clone());
        let is_safe = request.method().is_safe();
        let response = self.client.request(request).await.map_err(|error| {
            // The innermost cause is the one to act on: a name that is unknown, a certificate that is not trusted.
            let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
            let why = causes.last().map(ToString::to_string).unwrap_or_default();
            let what = format!("the manager at `{}` did not answer: {why}", self.base);
            let failed = Error::new(ErrorKind::Unavailable, what).caused_by(&error);
            if error.is_connect() || is_safe { failed } else { failed.with_sent() }
        })?;
        Ok(response.map(Body::new))
    }
}

/// The address of a manager. What goes over a network goes over TLS: the token is a secret.
fn base(url: &str) -> Result<Uri, Problem> {
    let wrong = |what: String| {
        let help = "write `https://` and the manager's name, as `https://manager.example.com`";
        Problem::error(Rule::Setting, what, help.to_owned()).at("manager")
    };
    // Whoever writes a password into it does not see it again.
    let uri: Uri = url.parse().map_err(|error| wrong(format!("it is not the address of a manager: {error}")))?;
    let host = uri.host().unwrap_or_default();
    if host.is_empty() || uri.query().is_some() || uri.authority().is_some_and(|place| place.as_str().contains('@')) {
        return Err(wrong(
            "it is not the address of a manager: it has no host, or more than host, port and path".into(),
        ));
    }
    let is_own =
        host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(|address: IpAddr| address.is_loopback());
    match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS || (*scheme == Scheme::HTTP && is_own) => Ok(uri),
        _ => Err(wrong(format!("`{host}` would be asked without TLS, and see the token on its way"))),
    }
}

fn bearer(token: &TokenText) -> Result<HeaderValue, Problem> {
    let wrong = |_| {
        let help = "give the file that `token create` has written".to_owned();
        Problem::error(Rule::Setting, "it is not a token".to_owned(), help).at("token")
    };
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.reveal().trim())).map_err(wrong)?;
    value.set_sensitive(true);
    Ok(value)
}

/// The authorities that are trusted: those that are given, or else those of this machine.
fn roots(authorities: Option<&[u8]>) -> Result<RootCertStore, Problem> {
    let mut roots = RootCertStore::empty();
    let Some(pem) = authorities else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    let wrong = |what: String| {
        let help = "give certificates of authorities in PEM".to_owned();
        Problem::error(Rule::Setting, what, help).at("authorities")
    };
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| wrong(format!("a certificate cannot be read: {error}")))?;
        roots.add(certificate).map_err(|error| wrong(format!("a certificate cannot be used: {error}")))?;
    }
    if roots.is_empty() { Err(wrong("there is no certificate".to_owned())) } else { Ok(roots) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_over_tls_or_stays_on_this_machine() {
        for good in [
            "https://m.example",
            "https://m.example:8443/fleet/",
            "http://127.0.0.1:8080",
            "http://[::1]:1",
            "http://localhost",
        ] {
            assert!(base(good).is_ok(), "{good}");
        }
        for bad in [
            "http://m.example",
            "m.example",
            "ftp://127.0.0.1",
            "https://",
            "https://ann:pw@m.example",
            "https://m.example?a=b",
            "",
        ] {
            let problem = base(bad).unwrap_err();
            assert!(!problem.to_string().contains("pw"), "{problem}");
        }
    }

    #[test]
    fn a_path_in_front_is_kept_and_nothing_shows_the_token() {
        let authority = rcgen::generate_simple_self_signed(["m.example".to_owned()]).unwrap().cert.pem();
        let token = TokenText::new("alien_secret\n");
        let over = OverHttps::new("https://m.example/fleet/", &token, Some(authority.as_bytes())).unwrap();
        let uri = over.uri(&"/v1/events?after=1".parse().unwrap()).unwrap();
        assert_eq!(uri, "https://m.example/fleet/v1/events?after=1");
        assert!(!format!("{over:?} {:?}", over.token).contains("secret"));
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let error = OverHttps::new("http://m.example", &TokenText::new("a\nb"), Some(b"")).unwrap_err();
        assert_eq!(error.problems().len(), 3, "{error}");
    }
}
