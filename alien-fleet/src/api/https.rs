//! Requests to a manager, over HTTPS.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use alien_core::adapter::{CONNECT, Peer, chain, is_page};
use alien_core::{Error, ErrorKind, Problem, Result, Rule};
use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::uri::{PathAndQuery, Scheme};
use axum::http::{self, HeaderMap, HeaderValue, Uri, header};
use axum::response::Response;
use reqwest::{Certificate, ClientBuilder, redirect};

use super::transport::Transport;
use crate::log::Who;
use crate::tokens::TokenText;

/// How long a connection that nothing is asked on is kept: less than a manager keeps it.
const IDLE: Duration = Duration::from_secs(30);

/// Asks a manager, by the proxy of this machine's variables if there is one. Connections are kept, and used again.
pub(super) struct OverHttps {
    client: reqwest::Client,
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
        let trusting = trusting(authorities).map_err(|problem| problems.push(problem)).ok();
        let (Some(base), Some(token), Some(builder)) = (base, token, trusting) else { return Err(problems.into()) };
        let mut builder = builder
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .http1_only()
            // The token is for this manager alone.
            .redirect(redirect::Policy::none());
        if base.scheme() == Some(&Scheme::HTTP) {
            // It is on this machine, where no proxy reaches it.
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| match authorities {
            Some(_) => Error::from(vec![unusable(&error)]),
            None => peer(&base).uncallable(&chain(&error)),
        })?;
        let prefix = base.path().trim_end_matches('/').to_owned();
        Ok(Self { client, base, prefix, token })
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
        let unsent = |error: &(dyn std::error::Error + 'static)| {
            Error::new(ErrorKind::Internal, "the request cannot be written").caused_by(error)
        };
        let (head, body) = request.into_parts();
        let body = to_bytes(body, usize::MAX).await.map_err(|error| unsent(&error))?;
        let request =
            http::Request::from_parts(head, body).try_into().map_err(|error: reqwest::Error| unsent(&error))?;
        let answer = self.client.execute(request).await.map_err(|error| {
            let is_unsent = error.is_connect() || is_safe;
            // Messages name the host alone.
            let failed = peer(&self.base).unanswered(&error.without_url());
            if is_unsent { failed } else { failed.with_sent() }
        })?;
        if !is_a_managers(answer.status().is_success(), answer.headers()) {
            let failed = peer(&self.base).not_its_own(answer.status().as_u16());
            return Err(if is_safe { failed } else { failed.with_sent() });
        }
        Ok(http::Response::from(answer).map(Body::new))
    }

    fn called(&self) -> String {
        let host = self.base.authority().map_or("", |place| place.as_str());
        format!("the manager at `{host}`")
    }
}

/// The manager, as messages name it.
fn peer(base: &Uri) -> Peer<'_> {
    Peer { service: "the manager", host: base.authority().map(|place| place.as_str()) }
}

/// Whether an answer can be a manager's: its errors are JSON, and nothing of it is a page.
fn is_a_managers(succeeded: bool, headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if succeeded { !is_page(kind, &[]) } else { kind == Some(super::failure::JSON) }
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

/// Trusts the authorities that are given, or else those of this machine.
fn trusting(authorities: Option<&[u8]>) -> Result<ClientBuilder, Problem> {
    let builder = reqwest::Client::builder();
    let Some(pem) = authorities else { return Ok(builder) };
    let authorities = Certificate::from_pem_bundle(pem).map_err(|error| unusable(&error))?;
    if authorities.is_empty() {
        return Err(wrong_authorities("there is no certificate".to_owned()));
    }
    Ok(builder.tls_certs_only(authorities))
}

fn unusable(error: &reqwest::Error) -> Problem {
    wrong_authorities(format!("a certificate cannot be used: {}", chain(error)))
}

fn wrong_authorities(what: String) -> Problem {
    let help = "give certificates of authorities in PEM".to_owned();
    Problem::error(Rule::Setting, what, help).at("authorities")
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
    fn a_page_and_an_error_without_json_are_not_a_managers() {
        let of = |kind: &'static str| HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
        for (succeeded, headers, expected) in [
            (true, of("application/json"), true),
            (true, of("text/event-stream"), true),
            (true, HeaderMap::new(), true),
            (true, of("text/html; charset=utf-8"), false),
            (false, of("application/json"), true),
            (false, of("text/html"), false),
            (false, HeaderMap::new(), false),
        ] {
            assert_eq!(is_a_managers(succeeded, &headers), expected, "{succeeded} {headers:?}");
        }
        let told = peer(&"https://m.example:8443/fleet".parse().unwrap()).not_its_own(403).to_string();
        assert!(told.contains("the manager at `m.example:8443` answered 403"), "{told}");
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
