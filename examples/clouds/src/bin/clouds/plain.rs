//! A client for plain JSON over HTTP, which knows neither this library nor any cloud.

use std::error::Error;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Certificate, Client, Method, StatusCode};
use serde_json::Value;

use examples::around::Outcome;

/// A client for one URL.
pub(crate) struct Plain {
    client: Client,
    url: String,
}

/// The body of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body<'a> {
    Nothing,
    Json(&'a Value),
    Form(&'a [(&'a str, &'a str)]),
}

/// The answer to a request.
pub(crate) struct Answer {
    status: StatusCode,
    /// The code of an error, in the cloud's own words.
    code: String,
    pub(crate) body: Value,
}

impl Plain {
    /// Connects to a URL. `certificate` is a PEM certificate to trust, if the server has its own.
    pub(crate) fn new(url: &str, certificate: Option<&str>) -> Result<Self, Box<dyn Error>> {
        let builder = match certificate {
            Some(pem) => Client::builder().tls_certs_only([Certificate::from_pem(pem.as_bytes())?]),
            None => Client::builder(),
        };
        Ok(Self { client: builder.build()?, url: url.to_owned() })
    }

    /// Sends a request, with a bearer token if one is given.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Body<'_>,
    ) -> Result<Answer, Box<dyn Error>> {
        let mut request =
            self.client.request(method, format!("{}{path}", self.url)).header("x-ms-version", "2021-08-06");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let request = match body {
            Body::Nothing => request,
            Body::Json(value) => request.header(CONTENT_TYPE, "application/json").body(value.to_string()),
            Body::Form(fields) => request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form(fields)),
        };
        let answer = request.send().await?;
        let status = answer.status();
        let named = answer.headers().get("x-ms-error-code").and_then(|code| code.to_str().ok()).map(str::to_owned);
        let text = answer.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Answer { status, code: named.or_else(|| code(&body)).unwrap_or_else(|| status.to_string()), body })
    }

    /// Gets a resource that must exist.
    pub(crate) async fn get(&self, path: &str, token: &str) -> Result<Value, Box<dyn Error>> {
        self.send(Method::GET, path, Some(token), Body::Nothing).await?.done()
    }
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
    /// Returns the body, or an error if the request did not succeed.
    pub(crate) fn done(self) -> Result<Value, Box<dyn Error>> {
        if self.status.is_success() { Ok(self.body) } else { Err(self.failure()) }
    }

    fn failure(&self) -> Box<dyn Error> {
        format!("{} {}: {}", self.status, self.code, self.message()).into()
    }

    fn message(&self) -> String {
        let said = ["/error/message", "/error_description"].into_iter().find_map(|at| self.body.pointer(at)?.as_str());
        let said = said.or(self.body.as_str()).unwrap_or_default();
        said.lines().next().unwrap_or_default().to_owned()
    }

    /// Tells whether the request was allowed or refused. Anything else is an error, because an invalid request would be
    /// refused for the wrong reason.
    pub(crate) fn outcome(&self, permission: Option<String>) -> Result<Outcome, Box<dyn Error>> {
        match self.status {
            status if status.is_success() => Ok(Outcome::Allowed),
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => Ok(self.refused(permission)),
            // Entra refuses with 400 and its own number.
            StatusCode::BAD_REQUEST if self.code.starts_with("AADSTS") => Ok(self.refused(permission)),
            _ => Err(self.failure()),
        }
    }

    fn refused(&self, permission: Option<String>) -> Outcome {
        Outcome::Refused {
            code: self.code.clone(),
            permission: permission.unwrap_or_default(),
            message: self.message(),
        }
    }
}
