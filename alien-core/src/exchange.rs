//! A request to a cloud and its answer, as recordings hold them: without secrets.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Result;

/// A request to a cloud, and all of its answer, without secrets: a line of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// `GET`, `POST`, …
    pub verb: String,
    /// The host that was called.
    pub host: String,
    /// The path and the encoded query.
    pub target: String,
    /// The headers that say what the request is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// JSON or a string.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub body: Value,
    /// The status of the answer.
    pub status: u16,
    /// The headers that say what the answer is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub answered: BTreeMap<String, String>,
    /// JSON or a string.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub answer: Value,
}

/// A function that receives every request and its answer, where a cloud's client shows them.
pub type Exchanges = Arc<dyn Fn(&Exchange) + Send + Sync>;

/// A function that answers every request in the cloud's place, so that nothing is called: a recording, played again.
///
/// It is given a request without its answer and without secrets, and gives it back with its answer.
pub type Answers = Arc<dyn Fn(Exchange) -> Pin<Box<dyn Future<Output = Result<Exchange>> + Send>> + Send + Sync>;

/// The longest body that is kept, in bytes. A longer one is code.
const LONGEST: usize = 1 << 20;

/// What stands in the place of a secret.
const REDACTED: &str = "redacted";

/// Fields whose value is a secret, in lower case and without what separates words.
const SECRETS: [&str; 30] = [
    "accesskeyid",
    "accesstoken",
    "accountkey",
    "assertion",
    "authorization",
    "clientassertion",
    "clientsecret",
    "connectionstring",
    "idtoken",
    "key",
    "password",
    "primaryconnectionstring",
    "primarykey",
    "primarysharedkey",
    "privatekey",
    "privatekeydata",
    "refreshtoken",
    "secondaryconnectionstring",
    "secondarykey",
    "secondarysharedkey",
    "secretaccesskey",
    "securitytoken",
    "sessiontoken",
    "sharedaccesskey",
    "sharedaccesssignature",
    "sharedkey",
    "sig",
    "signature",
    "token",
    "webidentitytoken",
];

/// A name may have one of a service before it: `X-…-Security-Token`, `X-…-Signature`.
fn is_secret(name: &str) -> bool {
    let words: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let name = name.to_ascii_lowercase();
    SECRETS.contains(&words.as_str()) || ["-security-token", "-signature"].iter().any(|end| name.ends_with(end))
}

/// Returns whether a field is the name of a pair, as `key` and `value` of a tag are: that key is no secret.
fn is_key(name: &str) -> bool {
    name.eq_ignore_ascii_case("key")
}

fn is_value(name: &str) -> bool {
    name.eq_ignore_ascii_case("value")
}

impl Exchange {
    /// A request, before its answer. `url` is its whole address.
    pub fn asked<'h>(
        verb: &str,
        url: &str,
        headers: impl IntoIterator<Item = (&'h str, &'h str)>,
        body: &[u8],
    ) -> Self {
        let (_, rest) = url.split_once("://").unwrap_or(("", url));
        let (host, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let target = match target.split_once('?') {
            Some((path, query)) => format!("{path}?{}", pairs(query)),
            None => target.to_owned(),
        };
        Self {
            verb: verb.to_owned(),
            host: host.to_owned(),
            target,
            headers: described(headers),
            body: shown(body),
            status: 0,
            answered: BTreeMap::new(),
            answer: Value::Null,
        }
    }

    /// The same with its answer.
    #[must_use]
    pub fn with_answer<'h>(
        self,
        status: u16,
        headers: impl IntoIterator<Item = (&'h str, &'h str)>,
        body: &[u8],
    ) -> Self {
        Self { status, answered: described(headers), answer: shown(body), ..self }
    }

    /// The body of the answer, as it goes over the wire.
    #[must_use]
    pub fn answer_body(&self) -> Vec<u8> {
        match &self.answer {
            Value::Null => Vec::new(),
            Value::String(text) => text.clone().into_bytes(),
            json => json.to_string().into_bytes(),
        }
    }
}

fn described<'h>(headers: impl IntoIterator<Item = (&'h str, &'h str)>) -> BTreeMap<String, String> {
    headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), bearerless(value))).collect()
}

/// A body without secrets: as JSON where it is JSON, else as text.
fn shown(body: &[u8]) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    if body.len() > LONGEST {
        return format!("{} bytes", body.len()).into();
    }
    if let Ok(mut json) = serde_json::from_slice(body) {
        hide(&mut json);
        return json;
    }
    let Ok(text) = std::str::from_utf8(body) else { return format!("{} bytes that are no text", body.len()).into() };
    if text.trim_start().starts_with('<') { elements(text) } else { pairs(text) }.into()
}

/// Hides the secrets of a document in JSON.
fn hide(json: &mut Value) {
    match json {
        Value::Object(fields) => {
            let is_pair = fields.keys().any(|name| is_value(name));
            for (name, value) in fields {
                match value {
                    Value::String(text) if is_secret(name) && !(is_pair && is_key(name)) => REDACTED.clone_into(text),
                    value => hide(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::String(text) => *text = pairs(text),
        _ => {}
    }
}

/// Hides the secrets of a form, a query or a connection string, wherever one stands in a text. Other text stays as it is.
fn pairs(text: &str) -> String {
    let ends = |c: char| matches!(c, '&' | '?' | ';' | '"') || c.is_whitespace();
    let hidden = |part: &str| {
        let (pair, end) = part.split_at(part.rfind(ends).unwrap_or(part.len()));
        match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => format!("{name}={REDACTED}{end}"),
            _ => bearerless(pair) + end,
        }
    };
    text.split_inclusive(ends).map(hidden).collect()
}

/// Hides the secrets of a document in XML: elements without others in them.
fn elements(text: &str) -> String {
    let mut parts = text.split('<');
    let mut hidden = parts.next().unwrap_or_default().to_owned();
    while let Some(part) = parts.next() {
        hidden.push('<');
        let (name, value) = part.split_once('>').unwrap_or_default();
        // The end of this element comes before the next one.
        let next = parts.clone().nth(1).and_then(|next| next.split_once('>'));
        let is_pair = is_key(name) && next.is_some_and(|(name, _)| is_value(name));
        if is_secret(name) && !is_pair && !name.starts_with('/') && !value.is_empty() {
            hidden.push_str(name);
            hidden.push('>');
            hidden.push_str(REDACTED);
        } else {
            hidden.push_str(&bearerless(part));
        }
    }
    hidden
}

/// Hides words that are tokens, wherever they stand: signed tokens of three parts, and opaque ones that begin with `ya29.`.
fn bearerless(text: &str) -> String {
    let is_of_a_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find(is_of_a_token) {
        let (before, word) = rest.split_at(begin);
        let (word, after) = word.split_at(word.find(|c| !is_of_a_token(c)).unwrap_or(word.len()));
        shown.push_str(before);
        // A sentence may end with it.
        let is_signed = word.starts_with("eyJ") && word.trim_end_matches('.').matches('.').count() == 2;
        shown.push_str(if is_signed || word.starts_with("ya29.") { REDACTED } else { word });
        rest = after;
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn no_secret_is_in_an_exchange_wherever_it_stands() {
        const SECRET: &str = "hunter2";
        let token = format!("eyJh.{SECRET}.c2ln");
        let form = format!("grant_type=a&client_assertion={SECRET}&scope=b");
        let asked = Exchange::asked(
            "POST",
            &format!("https://sts.example:8443/path?Security-Token={SECRET}&a=b"),
            [("Content-Type", "application/x")],
            form.as_bytes(),
        );
        let xml = format!("<R><SecretAccessKey>{SECRET}</SecretAccessKey><Name>shop</Name><E/></R>");
        let answered = asked.clone().with_answer(200, [("etag", token.as_str())], xml.as_bytes());
        assert_eq!(answered.target, "/path?Security-Token=redacted&a=b");
        assert_eq!((answered.host.as_str(), answered.verb.as_str()), ("sts.example:8443", "POST"));
        assert_eq!(answered.body, json!("grant_type=a&client_assertion=redacted&scope=b"));
        let hidden = "<R><SecretAccessKey>redacted</SecretAccessKey><Name>shop</Name><E/></R>";
        assert_eq!(answered.answer, json!(hidden));
        assert_eq!(answered.headers, BTreeMap::from([("content-type".to_owned(), "application/x".to_owned())]));
        assert_eq!(answered.answered, BTreeMap::from([("etag".to_owned(), "redacted".to_owned())]));
        let tags = "<Tags><member><Key>owner</Key><Value>shop</Value></member></Tags>";
        assert_eq!(asked.clone().with_answer(200, [], tags.as_bytes()).answer, json!(tags));
        let alone = asked.clone().with_answer(200, [], format!("<R><Key>{SECRET}</Key></R>").as_bytes());
        assert_eq!(alone.answer, json!("<R><Key>redacted</Key></R>"));
        for wrong in [
            format!("https://b.store.example/x?versionId=1&X-Amz-Security-Token={SECRET}&X-Amz-Signature={SECRET}"),
            format!("see https://h.example/b?sv=1&sig={SECRET} or {token}."),
            format!("DefaultEndpointsProtocol=https;AccountName=shop;AccountKey={SECRET};EndpointSuffix=example"),
        ] {
            for body in [wrong.clone(), json!({ "location": wrong }).to_string(), json!([wrong]).to_string()] {
                let shown = asked.clone().with_answer(200, [], body.as_bytes());
                assert!(!shown.answer.to_string().contains(SECRET), "{shown:?}");
            }
        }
        let harmless = "a=b&c=d; e \"f\" https://h.example/?page=2";
        assert_eq!(asked.clone().with_answer(200, [], harmless.as_bytes()).answer, json!(harmless));
        let document = json!({
            "tags": [{ "key": "owner", "value": "shop" }], "key": SECRET,
            "access_token": SECRET, "keys": [{ "primarySharedKey": SECRET }], "nextToken": "page",
            "text": format!("Bearer {token}, and more"),
        });
        let answered = asked.with_answer(200, [], document.to_string().as_bytes());
        assert!(!serde_json::to_string(&answered).unwrap().contains(SECRET), "{answered:?}");
        let expected = json!({
            "tags": [{ "key": "owner", "value": "shop" }], "key": "redacted",
            "access_token": "redacted", "keys": [{ "primarySharedKey": "redacted" }], "nextToken": "page",
            "text": "Bearer redacted, and more",
        });
        assert_eq!(answered.answer, expected);
        let line = serde_json::to_string(&answered).unwrap();
        assert_eq!(serde_json::from_str::<Exchange>(&line).unwrap(), answered);
    }

    #[test]
    fn a_long_body_is_told_by_its_size() {
        let long = vec![b'a'; LONGEST + 1];
        assert_eq!(Exchange::asked("PUT", "https://h/p", [], &long).body, json!("1048577 bytes"));
        assert_eq!(Exchange::asked("PUT", "https://h/p", [], &[0xff]).body, json!("1 bytes that are no text"));
        assert_eq!(Exchange::asked("GET", "https://h/p", [], &[]).body, Value::Null);
    }
}
