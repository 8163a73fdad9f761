//! The calls of a registry: bounded in size and time, and each answer compared with its digest.
//!
//! They read an answer piece by piece. So a registry that never ends one costs no more memory than the bound.

use std::collections::HashMap;
use std::error::Error as _;
use std::fmt::Write as _;
use std::time::Duration;

use alien_core::adapter::sha256;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use http_auth::{ChallengeParser, ChallengeRef};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Response, StatusCode, Url, redirect};
use serde::Deserialize;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::credential::{Credential, Secret};
use super::document::{self, BuiltFor, Document};
use super::location::{Location, is_loopback};
use super::registry::Registry;
use super::unresolved::{Fault, shown};

/// The largest index, manifest or config that is read, in bytes. Registries take manifests up to this size.
/// <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests>
const LARGEST_DOCUMENT: usize = 4 * 1024 * 1024;

/// The largest answer of a token service that is read, in bytes.
const LARGEST_TOKEN: usize = 64 * 1024;

/// How much of an answer that tells an error is read, in bytes.
const LARGEST_ERROR: usize = 8 * 1024;

/// The timeout for opening a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// How often an answer may lead to another address.
const REDIRECTS: usize = 5;

/// The calls of one resolution.
pub(super) struct Calls {
    http: reqwest::Client,
    registries: Registry,
    /// What opened each repository, by registry and name.
    known: Mutex<HashMap<(String, String), HeaderValue>>,
}

impl Calls {
    pub(super) fn new(registries: &Registry) -> Result<Self, Fault> {
        let plain = registries.plain_on_loopback;
        // A redirect leads to another host, usually a store of blobs. The client leaves the credential out there.
        let redirects = redirect::Policy::custom(move |attempt| {
            if attempt.previous().len() > REDIRECTS || !is_allowed(attempt.url(), plain) {
                attempt.stop()
            } else {
                attempt.follow()
            }
        });
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(registries.timeout)
            .redirect(redirects)
            .user_agent(concat!("alien-release/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Fault::unavailable(format!("this machine cannot call by HTTPS: {}", causes(error))))?;
        Ok(Self { http, registries: registries.clone(), known: Mutex::default() })
    }

    /// Reads the index or manifest of this digest.
    pub(super) async fn document(&self, at: &Location, digest: &str) -> Result<Document, Fault> {
        Document::read(&self.read(at, &format!("manifests/{digest}"), digest).await?)
    }

    /// Reads the config of this digest, and returns the platform that it says.
    pub(super) async fn config(&self, at: &Location, digest: &str) -> Result<BuiltFor, Fault> {
        BuiltFor::of_config(&self.read(at, &format!("blobs/{digest}"), digest).await?)
    }

    async fn read(&self, at: &Location, path: &str, digest: &str) -> Result<Vec<u8>, Fault> {
        let response = self.open(at, path).await?;
        let Some(bytes) = body(response, LARGEST_DOCUMENT).await? else {
            return Err(Fault::unreadable(format!("{digest} is larger than {LARGEST_DOCUMENT} bytes")));
        };
        let found = sha256(&bytes);
        if found != digest {
            return Err(Fault::digest(format!("the registry answers {found} in the place of {digest}")));
        }
        Ok(bytes)
    }

    /// Asks for something of a repository, and once more with what opens the repository, if the registry wants it.
    async fn open(&self, at: &Location, path: &str) -> Result<Response, Fault> {
        let scheme = if self.registries.plain_on_loopback && is_loopback(&at.registry) { "http" } else { "https" };
        let Location { registry, repository, .. } = at;
        let url = format!("{scheme}://{registry}/v2/{repository}/{path}");
        let url = Url::parse(&url).map_err(|error| Fault::reference(format!("{url} is no address: {error}")))?;
        let place = (registry.clone(), repository.clone());
        let known = match self.registries.credentials.get(registry) {
            Some(Credential(Secret::Bearer(token))) => Some(secret(&format!("Bearer {}", token.as_str()))?),
            _ => self.known.lock().await.get(&place).cloned(),
        };
        let response = self.send(&url, known.as_ref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return checked(response).await;
        }
        let Some(opens) = self.authorize(at, &response).await? else { return checked(response).await };
        let response = self.send(&url, Some(&opens)).await?;
        if response.status().is_success() {
            self.known.lock().await.insert(place, opens);
        }
        checked(response).await
    }

    async fn send(&self, url: &Url, authorization: Option<&HeaderValue>) -> Result<Response, Fault> {
        let mut request = self.http.get(url.clone()).header(ACCEPT, document::ACCEPT);
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request.send().await.map_err(failed)
    }

    /// What answers the challenge of a registry; `None` if there is nothing else to try.
    /// <https://distribution.github.io/distribution/spec/auth/token/>
    async fn authorize(&self, at: &Location, response: &Response) -> Result<Option<HeaderValue>, Fault> {
        let credential = self.registries.credentials.get(&at.registry).map(|Credential(secret)| secret);
        if let Some(Secret::Bearer(_)) = credential {
            return Ok(None);
        }
        let headers = response.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(|header| header.to_str().ok());
        let challenges: Vec<ChallengeRef<'_>> = headers.flat_map(ChallengeParser::new).filter_map(Result::ok).collect();
        let challenge = |scheme: &str| challenges.iter().find(|found| found.scheme.eq_ignore_ascii_case(scheme));
        if let Some(bearer) = challenge("bearer") {
            return self.token(at, bearer, credential).await.map(Some);
        }
        match (challenge("basic"), credential) {
            (Some(_), Some(Secret::Basic { user, password })) => {
                let pair = Zeroizing::new(format!("{user}:{}", password.as_str()));
                secret(&format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes()))).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Gets a token that may pull from one repository, and nothing else, whatever the registry asks for.
    async fn token(
        &self,
        at: &Location,
        challenge: &ChallengeRef<'_>,
        credential: Option<&Secret>,
    ) -> Result<HeaderValue, Fault> {
        #[derive(Deserialize)]
        struct Answer {
            token: Option<Zeroizing<String>>,
            access_token: Option<Zeroizing<String>>,
        }
        let field = |wanted: &str| {
            let found = challenge.params.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.to_unescaped())
        };
        let mut url = match field("realm").map(|realm| Url::parse(&realm)) {
            Some(Ok(url)) if is_allowed(&url, self.registries.plain_on_loopback) => url,
            _ => return Err(Fault::unreadable("the registry does not say by HTTPS where it gives tokens")),
        };
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = field("service") {
                query.append_pair("service", &service);
            }
            query.append_pair("scope", &format!("repository:{}:pull", at.repository));
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        let mut request = self.http.get(url);
        if let Some(Secret::Basic { user, password }) = credential {
            request = request.basic_auth(user, Some(password.as_str()));
        }
        let response = checked(request.send().await.map_err(failed)?).await?;
        let wrong = || Fault::unreadable(format!("{host} does not answer with a token"));
        let bytes = Zeroizing::new(body(response, LARGEST_TOKEN).await?.ok_or_else(wrong)?);
        let Answer { token, access_token } = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
        let token = token.or(access_token).ok_or_else(wrong)?;
        secret(&format!("Bearer {}", token.as_str()))
    }
}

/// Whether an address may be called: by HTTPS, or on this machine without TLS if that was asked for.
fn is_allowed(url: &Url, plain_on_loopback: bool) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => plain_on_loopback && url.host_str().is_some_and(is_loopback),
        _ => false,
    }
}

/// A header that is not shown.
fn secret(text: &str) -> Result<HeaderValue, Fault> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Fault::unauthorized("the token cannot be sent: it is not plain text"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The body of an answer; `None` if it is larger than this.
async fn body(mut response: Response, largest: usize) -> Result<Option<Vec<u8>>, Fault> {
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(failed)? {
        if bytes.len() + piece.len() > largest {
            return Ok(None);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Some(bytes))
}

/// Refuses an answer that tells an error, with what the registry says of it.
async fn checked(response: Response) -> Result<Response, Fault> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let host = response.url().host_str().unwrap_or_default().to_owned();
    let mut what = format!("{host} answers {status}");
    if let Some(says) = message(response).await {
        let _ = write!(what, ": {says}");
    }
    Err(match status {
        StatusCode::NOT_FOUND => Fault::not_found(what),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Fault::unauthorized(what),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Fault::unavailable(what),
        status if status.is_server_error() => Fault::unavailable(what),
        _ => Fault::unreadable(what),
    })
}

/// What a registry says of an error.
/// <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes>
async fn message(response: Response) -> Option<String> {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<Told>,
    }
    #[derive(Deserialize)]
    struct Told {
        code: String,
        #[serde(default)]
        message: String,
    }
    let bytes = body(response, LARGEST_ERROR).await.ok().flatten()?;
    let Errors { errors } = serde_json::from_slice(&bytes).ok()?;
    let Told { code, message } = errors.into_iter().next()?;
    Some(format!("{} {}", shown(&code, 50), shown(&message, 200)).trim_end().to_owned())
}

/// A call without an answer.
fn failed(error: reqwest::Error) -> Fault {
    let host = error.url().and_then(Url::host_str).unwrap_or("the registry").to_owned();
    let what = if error.is_timeout() { "does not answer in time" } else { "cannot be reached" };
    Fault::unavailable(format!("{host} {what}: {}", causes(error)))
}

/// What led to an error. Its address stays out: that of a blob can hold a signature.
fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}
