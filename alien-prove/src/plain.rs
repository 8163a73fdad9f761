//! A client for JSON over HTTP that knows neither this library nor any cloud.

use std::fmt;

use alien_core::adapter::{Answers, Exchange, Exchanges, chain};
use alien_core::{CallConfig, Error, ErrorKind, Result};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Certificate, Client, Method, StatusCode};
use serde_json::Value;

use crate::cloud::Outcome;

/// A client for JSON over HTTP.
pub struct Plain {
    client: Client,
    exchanges: Option<Exchanges>,
    answers: Option<Answers>,
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plain").finish_non_exhaustive()
    }
}

/// The body of a request.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// None.
    Nothing,
    /// JSON.
    Json(&'a Value),
    /// The fields of a form.
    Form(&'a [(&'a str, &'a str)]),
}

/// The answer to a request.
#[derive(Debug)]
pub struct Answer {
    status: StatusCode,
    /// The code of an error, in the cloud's own words.
    code: String,
    body: Value,
}

impl Plain {
    /// Makes a client. `certificate` is a certificate in PEM to trust, if the server has its own.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the certificate cannot be read, or this machine has none.
    pub fn new(certificate: Option<&str>) -> Result<Self> {
        let builder = match certificate {
            Some(pem) => {
                let trusted = Certificate::from_pem(pem.as_bytes()).map_err(|error| unsent(&error))?;
                Client::builder().tls_certs_only([trusted])
            }
            None => Client::builder(),
        };
        let client = builder.timeout(alien_core::adapter::ATTEMPT).build().map_err(|error| unsent(&error))?;
        Ok(Self { client, exchanges: None, answers: None })
    }

    /// Tells each request and its answer, without secrets; or calls nothing, where something answers in the cloud's place.
    #[must_use]
    pub fn as_of(mut self, calls: &CallConfig) -> Self {
        (self.exchanges, self.answers) = (calls.exchanges.clone(), calls.answers.clone());
        self
    }

    /// Sends a request, with a bearer token if one is given.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if there is no answer.
    pub async fn send(&self, method: Method, url: &str, token: Option<&str>, body: Body<'_>) -> Result<Answer> {
        // Azure's storage answers bearer tokens since this version.
        let mut request = self.client.request(method, url).header("x-ms-version", "2021-08-06");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let request = match body {
            Body::Nothing => request,
            Body::Json(value) => request.header(CONTENT_TYPE, "application/json").body(value.to_string()),
            Body::Form(fields) => request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form(fields)),
        };
        let request = request.build().map_err(|error| unsent(&error))?;
        let sent = request.body().and_then(|body| body.as_bytes()).unwrap_or_default();
        let asked =
            Exchange::asked(request.method().as_str(), request.url().as_str(), described(request.headers()), sent);
        if let Some(answers) = &self.answers {
            let given = answers(asked).await?;
            let status = StatusCode::from_u16(given.status);
            let status = status.map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?;
            let text = String::from_utf8_lossy(&given.answer_body()).into_owned();
            return Ok(Answer::of(status, given.answered.get(CODE).cloned(), text));
        }
        let answer = self.client.execute(request).await.map_err(|error| unsent(&error))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let named = headers.get(CODE).and_then(|code| code.to_str().ok()).map(str::to_owned);
        let text = answer.text().await.map_err(|error| unsent(&error))?;
        if let Some(exchanges) = &self.exchanges {
            exchanges(&asked.with_answer(status.as_u16(), described(&headers), text.as_bytes()));
        }
        Ok(Answer::of(status, named, text))
    }

    /// Gets something that must be there.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send) and [`Answer::done`].
    pub async fn get(&self, url: &str, token: &str) -> Result<Value> {
        self.send(Method::GET, url, Some(token), Body::Nothing).await?.done()
    }
}

/// The header with the code of an error of Azure's storage.
const CODE: &str = "x-ms-error-code";

/// The headers that say what a request or an answer is. None has a secret.
fn described(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let described = ["content-type", CODE];
    described.into_iter().filter_map(|name| Some((name, headers.get(name)?.to_str().ok()?)))
}

fn unsent(error: &reqwest::Error) -> Error {
    Error::new(ErrorKind::Unavailable, chain(error))
}

/// `application/x-www-form-urlencoded`: <https://url.spec.whatwg.org/#urlencoded-serializing>.
fn form(fields: &[(&str, &str)]) -> String {
    let escaped = |text: &str| -> String {
        let each = text.bytes().map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        });
        each.collect()
    };
    let pairs: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
    pairs.join("&")
}

/// The code of an error: Azure's code, Google's status, or Entra's number.
fn code(body: &Value) -> Option<String> {
    let text = |pointer| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let entra = || body.pointer("/error_codes/0").map(|number| format!("AADSTS{number}"));
    text("/error/code").or_else(|| text("/error/status")).or_else(entra).or_else(|| text("/error/errors/0/reason"))
}

impl Answer {
    fn of(status: StatusCode, named: Option<String>, text: String) -> Self {
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self { status, code: named.or_else(|| code(&body)).unwrap_or_else(|| status.to_string()), body }
    }

    /// Returns the body.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Rejected`] if the request did not succeed, with what the cloud says.
    pub fn done(self) -> Result<Value> {
        if self.status.is_success() { Ok(self.body) } else { Err(Error::new(ErrorKind::Rejected, self.told())) }
    }

    /// The code of an error, in the cloud's own words; else the status.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The first line of what the cloud says.
    #[must_use]
    pub fn message(&self) -> &str {
        let said = ["/error/message", "/error_description"].into_iter().find_map(|at| self.body.pointer(at)?.as_str());
        said.or(self.body.as_str()).and_then(|said| said.lines().next()).unwrap_or_default()
    }

    fn told(&self) -> String {
        format!("{}: {}", self.code, self.message())
    }

    /// Whether it was refused. What is neither done nor refused says nothing of rights.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self.status {
            status if status.is_success() => Outcome::Allowed,
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => Outcome::Refused(self.told()),
            _ => Outcome::Unclear(self.told()),
        }
    }
}

/// A text of an answer.
pub(crate) fn text(answer: &Value, at: &str) -> Result<String> {
    let none = || Error::new(ErrorKind::Internal, format!("an answer has no `{at}`"));
    answer.pointer(at).and_then(Value::as_str).map(str::to_owned).ok_or_else(none)
}
