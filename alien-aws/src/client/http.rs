//! The HTTP client of all calls to AWS: those of the SDK's clients, of its providers of credentials, and of EC2's client.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, fmt};

use alien_core::adapter::{
    Answers, CONNECT, Exchange, Exchanges, LARGEST_ANSWER, LARGEST_TEXT, Peer, is_page, read_bytes,
};
use alien_core::{Error, ErrorKind};
use aws_config::timeout::TimeoutConfig;
use aws_sdk_iam::config::{AsyncSleep as _, SharedAsyncSleep, Sleep};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use futures_util::future::{self, Either};
use futures_util::stream::{self, Stream, StreamExt as _};
use http_body_util::{BodyExt as _, BodyStream, LengthLimitError, Limited, StreamBody};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// The variable with the path of the certificates that are trusted in the place of this machine's, as AWS's own tools read it
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-gen-config.html>).
const CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// The limits of an attempt. That of the answer's beginning comes first, because its error says whom it waited for.
pub(super) fn limits(attempt: Duration) -> TimeoutConfig {
    let limits = TimeoutConfig::builder().connect_timeout(CONNECT).read_timeout(attempt);
    limits.operation_attempt_timeout(attempt.saturating_add(Duration::from_secs(5))).build()
}

/// An HTTP client as the SDK's own, which each of the SDK's clients would otherwise build for itself.
/// <https://docs.aws.amazon.com/sdk-for-rust/latest/dg/http.html>
pub(super) fn client() -> SharedHttpClient {
    let bundle = env::var_os(CA_BUNDLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    let trusted = bundle.map_or_else(|| of_this_machine().map(|()| None), |path| trusted(&path).map(Some));
    match trusted {
        Ok(pem) => told(calling(pem.as_deref())),
        Err(error) => SharedHttpClient::new(CheckedClient(Err(error))),
    }
}

/// Fails if this machine trusts nobody. The SDK would trust nobody then, and its debug build ends the program.
fn of_this_machine() -> Result<(), Error> {
    let found = rustls_native_certs::load_native_certs();
    if !found.certs.is_empty() {
        return Ok(());
    }
    let why =
        found.errors.first().map_or_else(|| "it has no certificates of authorities".to_owned(), ToString::to_string);
    Err(Peer { service: "AWS", host: None }.uncallable(&why))
}

/// The same client, with errors that say whom it called. What is not AWS's own answer is an error.
pub(super) fn told(client: SharedHttpClient) -> SharedHttpClient {
    SharedHttpClient::new(CheckedClient(Ok(client)))
}

fn calling(trusted: Option<&[u8]>) -> SharedHttpClient {
    let store = trusted.map(|pem| TrustStore::empty().with_pem_certificate(pem));
    // Without a store of its own, the certificates of the system are read once for all connectors.
    let context = store.and_then(|store| TlsContext::builder().with_trust_store(store).build().ok());
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = ConnectorBuilder::default().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        if let Some(context) = &context {
            connector.set_tls_context(context.clone());
        }
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.set_proxy_config(Some(ProxyConfig::from_env()));
        connector.build()
    })
}

/// Reads a bundle of certificates. The SDK ends the program if it has none, or one that cannot be read.
fn trusted(path: &Path) -> Result<Vec<u8>, Error> {
    let wrong = |why: String| {
        let what = format!("`{CA_BUNDLE}` names `{}`, {why}", path.display());
        Error::new(ErrorKind::Input, what).because("name a file with certificates in PEM, or unset the variable")
    };
    let pem = read_bytes(path, LARGEST_TEXT).map_err(|unread| {
        let told = unread.to_string();
        wrong(format!("which {}", told.strip_prefix(&format!("`{}` ", path.display())).unwrap_or(&told)))
    })?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|error| wrong(format!("which is not in PEM: {error}")))?;
    if found.is_empty() {
        return Err(wrong("which has no certificate".to_owned()));
    }
    let mut store = RootCertStore::empty();
    for one in found {
        store.add(one).map_err(|error| wrong(format!("with a certificate that cannot be used: {error}")))?;
    }
    Ok(pem)
}

/// A client that says whom it called; or why it cannot call.
#[derive(Debug)]
struct CheckedClient(Result<SharedHttpClient, Error>);

impl HttpClient for CheckedClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.0.as_ref().map(|client| client.http_connector(settings, components)).map_err(Clone::clone);
        SharedHttpConnector::new(CheckedConnector {
            inner,
            patience: settings.read_timeout(),
            sleep: components.sleep_impl(),
        })
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.as_ref().map_or(Ok(()), |client| client.validate_base_client_config(components, config))
    }

    fn validate_final_config(&self, components: &RuntimeComponents, config: &ConfigBag) -> Result<(), BoxError> {
        self.0.as_ref().map_or(Ok(()), |client| client.validate_final_config(components, config))
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.0.as_ref().ok()?.connector_metadata()
    }
}

struct CheckedConnector {
    inner: Result<SharedHttpConnector, Error>,
    /// How long the beginning of an answer may take, and then the rest of it.
    patience: Option<Duration>,
    sleep: Option<SharedAsyncSleep>,
}

impl fmt::Debug for CheckedConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckedConnector").finish_non_exhaustive()
    }
}

impl HttpConnector for CheckedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let inner = match &self.inner {
            Ok(inner) => inner,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.clone().into()))),
        };
        let host = host(request.uri());
        let sent = inner.call(request);
        // From here on: the limit of the SDK comes a little later, and its error does not say whom it waited for.
        let late = self.sleep.as_ref().zip(self.patience).map(|(clock, patience)| clock.sleep(patience + MARGIN));
        HttpConnectorFuture::new(async move {
            let peer = Peer { service: "AWS", host: Some(&host) };
            match sent.await {
                Ok(answer) => its_own(answer, peer).map(|answer| limited(marked(answer, &host), &host, late)),
                Err(error) if error.is_timeout() => Err(ConnectorError::timeout(peer.late().into())),
                Err(error) => Err(ConnectorError::io(peer.unanswered(&error).into())),
            }
        })
    }
}

/// The same client, which tells every request and its answer.
pub(super) fn recorded(client: SharedHttpClient, exchanges: Exchanges) -> SharedHttpClient {
    SharedHttpClient::new(Recorded { client, exchanges })
}

/// Headers that say what a request or an answer is. None has a secret.
const DESCRIBING: [&str; 7] = [
    "content-type",
    "etag",
    "retry-after",
    "x-amz-function-error",
    "x-amz-target",
    "x-amzn-errortype",
    "x-amzn-query-error",
];

fn described(headers: &Headers) -> impl Iterator<Item = (&str, &str)> {
    headers.iter().filter(|(name, _)| DESCRIBING.contains(name))
}

struct Recorded<T> {
    client: T,
    exchanges: Exchanges,
}

impl<T> fmt::Debug for Recorded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded").finish_non_exhaustive()
    }
}

impl HttpClient for Recorded<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let client = self.client.http_connector(settings, components);
        SharedHttpConnector::new(Recorded { client, exchanges: Arc::clone(&self.exchanges) })
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.client.validate_base_client_config(components, config)
    }

    fn validate_final_config(&self, components: &RuntimeComponents, config: &ConfigBag) -> Result<(), BoxError> {
        self.client.validate_final_config(components, config)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.client.connector_metadata()
    }
}

fn asked(request: &HttpRequest) -> Exchange {
    let body = request.body().bytes().unwrap_or_default();
    Exchange::asked(request.method(), request.uri(), described(request.headers()), body)
}

impl HttpConnector for Recorded<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let asked = asked(&request);
        let (sent, exchanges) = (self.client.call(request), Arc::clone(&self.exchanges));
        HttpConnectorFuture::new(async move {
            let mut answer = sent.await?;
            let body = std::mem::replace(answer.body_mut(), SdkBody::taken()).collect().await;
            let body = body.map_err(ConnectorError::io)?.to_bytes();
            exchanges(&asked.with_answer(answer.status().as_u16(), described(answer.headers()), &body));
            *answer.body_mut() = SdkBody::from(body);
            Ok(answer)
        })
    }
}

/// Returns a client that makes no calls: `answers` answers in AWS's place.
pub(super) fn answered(answers: Answers) -> SharedHttpClient {
    SharedHttpClient::new(Answered(answers))
}

#[derive(Clone)]
struct Answered(Answers);

impl fmt::Debug for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answered").finish_non_exhaustive()
    }
}

impl HttpClient for Answered {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Answered {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let given = self.0(asked(&request));
        HttpConnectorFuture::new(async move {
            let given = given.await.map_err(|error| ConnectorError::io(error.into()))?;
            let status = given.status.try_into().map_err(|error| ConnectorError::other(Box::new(error), None))?;
            let mut answer = HttpResponse::new(status, SdkBody::from(given.answer_body()));
            for (name, value) in given.answered {
                // A header that is none was not AWS's.
                let _ = answer.headers_mut().try_insert(name, value);
            }
            Ok(answer)
        })
    }
}

/// The header that an answer is given here, with the host that gave it: all else that the SDK tells of an error is from the answer.
const ANSWERED_BY: &str = "alien-answered-by";

fn marked(mut answer: HttpResponse, host: &str) -> HttpResponse {
    // A host that is no value of a header is not told.
    let _ = answer.headers_mut().try_insert(ANSWERED_BY, host.to_owned());
    answer
}

/// The host that gave an answer.
pub(super) fn answered_by(answer: &HttpResponse) -> Option<&str> {
    answer.headers().get(ANSWERED_BY)
}

/// The host of an address, with the port that it names.
pub(super) fn host(uri: &str) -> String {
    let (_, rest) = uri.split_once("://").unwrap_or(("", uri));
    rest.split(['/', '?', '#']).next().unwrap_or_default().to_owned()
}

/// Refuses what no service of AWS answers.
fn its_own(answer: HttpResponse, peer: Peer<'_>) -> Result<HttpResponse, ConnectorError> {
    let status = answer.status().as_u16();
    if status == 407 || is_page(answer.headers().get("content-type"), b"") {
        return Err(ConnectorError::io(peer.not_its_own(status).into()));
    }
    Ok(answer)
}

/// How much longer the rest of an answer may take than its beginning.
const MARGIN: Duration = Duration::from_secs(2);

/// An answer of which no more is read than any has, and for no longer than any takes.
fn limited(mut answer: HttpResponse, host: &str, late: Option<Sleep>) -> HttpResponse {
    // What is there already is no stream.
    if answer.body().bytes().is_some() {
        return answer;
    }
    let (host, of_limit) = (host.to_owned(), host.to_owned());
    let body = std::mem::replace(answer.body_mut(), SdkBody::taken());
    let limited = Limited::new(body, LARGEST_ANSWER).map_err(move |error| {
        if error.is::<LengthLimitError>() {
            Peer { service: "AWS", host: Some(&of_limit) }.endless().into()
        } else {
            error
        }
    });
    *answer.body_mut() = match late {
        Some(late) => SdkBody::from_body_1_x(StreamBody::new(until(late, BodyStream::new(limited), host))),
        None => SdkBody::from_body_1_x(limited),
    };
    answer
}

/// The parts of a body, until it is late.
fn until<T>(
    late: Sleep,
    parts: impl Stream<Item = Result<T, BoxError>> + Send + Sync,
    host: String,
) -> impl Stream<Item = Result<T, BoxError>> + Send + Sync
where
    T: Send + Sync,
{
    stream::unfold(Some((Box::pin(parts), late, host)), |state| async move {
        let (mut parts, late, host) = state?;
        match future::select(parts.next(), late).await {
            Either::Left((part, late)) => Some((part?, Some((parts, late, host)))),
            Either::Right(((), _)) => Some((Err(Peer { service: "AWS", host: Some(&host) }.late().into()), None)),
        }
    })
    // Whoever reads a body may ask again after its end.
    .fuse()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_bundle_of_certificates_is_looked_at_before_the_sdk_gets_it() {
        let path = env::temp_dir().join(format!("alien-bundle-{}.pem", uuid::Uuid::new_v4()));
        for (text, words) in [
            ("", "which has no certificate"),
            ("-----BEGIN CERTIFICATE-----\nAAA", "which is not in PEM"),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "with a certificate that cannot be used",
            ),
        ] {
            fs::write(&path, text).unwrap();
            let error = trusted(&path).unwrap_err();
            assert!(error.kind() == ErrorKind::Input && error.to_string().contains(words), "{error}");
        }
        fs::remove_file(&path).unwrap();
        assert!(trusted(&path).unwrap_err().to_string().contains("which cannot be read"));
        let endless = trusted(Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(endless.contains("`AWS_CA_BUNDLE` names `/dev/zero`, which is a pipe or a device"), "{endless}");
    }

    #[test]
    fn a_host_is_told_with_its_port() {
        assert_eq!(host("https://sts.eu-central-1.amazonaws.com/?a=b"), "sts.eu-central-1.amazonaws.com");
        assert_eq!(host("http://127.0.0.1:4566"), "127.0.0.1:4566");
    }
}
