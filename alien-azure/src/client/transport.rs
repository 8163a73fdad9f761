//! What carries every request to Azure, to Entra and to the metadata service of a machine, and says whom it called if that fails.

use std::fmt;
use std::sync::Arc;

use alien_core::adapter::{
    ATTEMPT, Answers, CONNECT, Exchange, Exchanges, LARGEST_ANSWER, Peer, causes, chain, is_page,
};
use alien_core::{Error, ErrorKind, Result};
use async_trait::async_trait;
use azure_core::Bytes;
use azure_core::error::ErrorKind as CoreKind;
use azure_core::http::headers::{HeaderName, Headers};
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request, Url};
use futures_util::StreamExt as _;

/// Builds a transport. It follows no redirect: a token that is valid at one address must not be sent to another.
pub(super) fn transport(builder: reqwest::ClientBuilder) -> Result<Arc<dyn HttpClient>> {
    let builder = builder.connect_timeout(CONNECT).timeout(ATTEMPT).redirect(reqwest::redirect::Policy::none());
    let azure = Peer { service: "Azure", host: None };
    let client = builder.build().map_err(|error| azure.uncallable(&chain(&error)))?;
    Ok(Arc::new(Told(client)))
}

/// Says whom it called. What is not Azure's own answer is an error.
#[derive(Debug)]
struct Told<T>(T);

#[async_trait]
impl<T: HttpClient> HttpClient for Told<T> {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let host = host(request.url());
        let peer = Peer { service: "Azure", host: Some(&host) };
        let answer = self.0.execute_request(request).await.map_err(|error| passed(unanswered(&error, peer)))?;
        let (status, headers, body) = answer.deconstruct();
        let (number, kind) = (u16::from(status), headers.get_optional_str(&HeaderName::from_static("content-type")));
        // No call of ours is answered by a redirect.
        if matches!(number, 300..=399 | 407) || is_page(kind, b"") {
            return Err(passed(peer.not_its_own(number)));
        }
        // The SDK's words of a token that was not issued name nobody.
        if number >= 500 && request.url().path().ends_with("/oauth2/v2.0/token") {
            let what = format!("no token was issued: the service answered {number}");
            return Err(passed(peer.at_fault(Error::new(ErrorKind::Unavailable, what))));
        }
        let mut read = 0_usize;
        let body = body.map(move |piece| {
            let peer = Peer { service: "Azure", host: Some(&host) };
            let piece = piece.map_err(|error| passed(unanswered(&error, peer)))?;
            read = read.saturating_add(piece.len());
            if read > LARGEST_ANSWER { Err(passed(peer.endless())) } else { Ok(piece) }
        });
        Ok(AsyncRawResponse::new(status, headers, Box::pin(body)))
    }
}

/// The same transport, which tells every request and its answer.
pub(super) fn recorded(transport: Arc<dyn HttpClient>, exchanges: Exchanges) -> Arc<dyn HttpClient> {
    Arc::new(Recorded { transport, exchanges })
}

struct Recorded {
    transport: Arc<dyn HttpClient>,
    exchanges: Exchanges,
}

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded").finish_non_exhaustive()
    }
}

/// Headers that say what a request or an answer is. None has a secret.
const DESCRIBING: [&str; 7] =
    ["brokerproperties", "content-type", "etag", "if-match", "location", "retry-after", "x-ms-error-code"];

fn described(headers: &Headers) -> impl Iterator<Item = (&str, &str)> {
    let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    pairs.filter(|(name, _)| DESCRIBING.contains(name))
}

fn asked(request: &Request) -> Exchange {
    let body = match request.body() {
        Body::Bytes(bytes) => bytes.clone(),
        // No call of ours sends a stream.
        Body::SeekableStream(_) => Bytes::new(),
    };
    Exchange::asked(request.method().as_str(), request.url().as_str(), described(request.headers()), &body)
}

#[async_trait]
impl HttpClient for Recorded {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let asked = asked(request);
        let answer = self.transport.execute_request(request).await?.try_into_raw_response().await?;
        let (status, headers, body) = answer.deconstruct();
        let body: Bytes = body.into();
        (self.exchanges)(&asked.with_answer(status.into(), described(&headers), &body));
        Ok(AsyncRawResponse::from_bytes(status, headers, body))
    }
}

/// A transport that calls nothing: what answers in Azure's place is given.
pub(super) fn answered(answers: Answers) -> Arc<dyn HttpClient> {
    Arc::new(Answered(answers))
}

struct Answered(Answers);

impl fmt::Debug for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answered").finish_non_exhaustive()
    }
}

#[async_trait]
impl HttpClient for Answered {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let given = self.0(asked(request)).await.map_err(passed)?;
        let mut headers = Headers::new();
        let body = given.answer_body();
        for (name, value) in given.answered {
            headers.insert(name, value);
        }
        Ok(AsyncRawResponse::from_bytes(given.status.into(), headers, body))
    }
}

/// The host of an address, with the port that it names.
pub(super) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn unanswered(error: &azure_core::Error, peer: Peer<'_>) -> Error {
    let is_late =
        causes(error).any(|cause| cause.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_timeout));
    if is_late { peer.late() } else { peer.unanswered(error) }
}

/// Passes an error of this library through the SDK.
fn passed(error: Error) -> azure_core::Error {
    azure_core::Error::new(CoreKind::Io, error)
}

#[cfg(test)]
mod tests {
    use azure_core::http::Method;
    use futures_util::stream;

    use super::*;

    /// Answers with pieces of 1 MiB without end, or with a body.
    #[derive(Debug)]
    struct Answers(u16, Option<&'static str>, Option<&'static str>);

    #[async_trait]
    impl HttpClient for Answers {
        async fn execute_request(&self, _: &Request) -> azure_core::Result<AsyncRawResponse> {
            let mut headers = Headers::new();
            if let Some(kind) = self.1 {
                headers.insert("content-type", kind);
            }
            let Some(body) = self.2 else {
                let pieces = stream::repeat_with(|| Ok(Bytes::from(vec![b' '; 1 << 20])));
                return Ok(AsyncRawResponse::new(self.0.into(), headers, Box::pin(pieces)));
            };
            Ok(AsyncRawResponse::from_bytes(self.0.into(), headers, body))
        }
    }

    async fn sent(answers: Answers) -> Result<Bytes> {
        let request = Request::new("https://login.example:8443/t".parse().unwrap(), Method::Get);
        let answered = async { Told(answers).execute_request(&request).await?.try_into_raw_response().await };
        let told = |error: azure_core::Error| Error::among(&error).unwrap().clone();
        Ok(Bytes::copy_from_slice(answered.await.map_err(told)?.body()))
    }

    #[tokio::test]
    async fn what_is_not_azures_own_answer_is_an_error_and_none_is_without_end() {
        assert_eq!(sent(Answers(403, Some("application/json"), Some("{}"))).await.unwrap(), "{}");
        for (status, kind, expected) in [
            (302, "text/plain", ErrorKind::Unreachable),
            (403, "text/html", ErrorKind::Unreachable),
            (407, "text/plain", ErrorKind::Unreachable),
            (502, "text/html; charset=utf-8", ErrorKind::Unavailable),
        ] {
            let error = sent(Answers(status, Some(kind), Some("<p>"))).await.unwrap_err();
            assert_eq!(error.kind(), expected, "{error}");
            assert!(error.to_string().contains("Azure at `login.example:8443`"), "{error}");
        }
        let error = sent(Answers(200, None, None)).await.unwrap_err();
        assert!(error.to_string().contains("has more than 64 MiB"), "{error}");
    }
}
