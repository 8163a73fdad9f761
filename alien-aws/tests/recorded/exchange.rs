//! A request and its answer, as recordings hold them: without signatures, tokens, and what only the transport needs.

use std::collections::BTreeMap;

use alien_conformance::upgrade::Sent;
use bytes::Bytes;
use http::{HeaderMap, Request};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Headers that say what a request is; all others are the client's own, or are made anew with the signature.
const ASKED: [&str; 2] = ["content-type", "x-amz-target"];

/// One line of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Recorded {
    /// The step of the life that it is of.
    pub(crate) step: String,
    /// How often the same was asked for and answered, one after another.
    pub(crate) times: usize,
    #[serde(flatten)]
    pub(crate) exchange: Exchange,
}

/// A request, and all of its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Exchange {
    #[serde(flatten)]
    pub(crate) sent: Sent,
    pub(crate) status: u16,
    /// The headers that say what the answer is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) answered: BTreeMap<String, String>,
}

impl Exchange {
    /// Whether this is asked for: JSON is compared as JSON, whatever the order of its fields; the clock of the life and its
    /// answers leave nothing else that may differ.
    pub(crate) fn is_asked_for(&self, sent: &Sent) -> bool {
        let Sent { verb, target, headers, body, answer: _ } = sent;
        (verb, target, headers, body) == (&self.sent.verb, &self.sent.target, &self.sent.headers, &self.sent.body)
    }
}

/// A request without its answer. The service that it was signed for is the host that AWS would have got it at.
pub(crate) fn sent(request: &Request<Bytes>) -> Sent {
    let mut headers = kept(request.headers(), &ASKED);
    let scope = kept(request.headers(), &["authorization"]).remove("authorization").unwrap_or_default();
    let service = scope.split("/aws4_request").next().and_then(|scope| scope.rsplit('/').next()).unwrap_or_default();
    headers.insert("service".to_owned(), service.to_owned());
    Sent {
        verb: request.method().to_string(),
        target: request.uri().path_and_query().unwrap().to_string(),
        headers,
        body: shown(request.body()),
        answer: Value::Null,
    }
}

/// A body as JSON where it is JSON, else as text.
pub(crate) fn shown(body: &Bytes) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(body).unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned().into())
}

/// Those of these headers that are there.
pub(crate) fn kept(headers: &HeaderMap, names: &[&str]) -> BTreeMap<String, String> {
    let text = |name: &str| Some(headers.get(name)?.to_str().unwrap().to_owned());
    names.iter().filter_map(|name| Some(((*name).to_owned(), text(name)?))).collect()
}
