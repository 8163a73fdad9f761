//! A client for one emulated cloud, which knows neither this library nor any cloud.

use std::error::Error;

use alien_core::Result;
use alien_prove::plain;
use reqwest::Method;
use serde_json::Value;

use examples::around::Outcome;

pub(crate) use alien_prove::plain::{Answer, Body};

/// A client for one URL.
pub(crate) struct Plain {
    client: plain::Plain,
    url: String,
}

impl Plain {
    /// Connects to a URL. `certificate` is a PEM certificate to trust, if the server has its own.
    pub(crate) fn new(url: &str, certificate: Option<&str>) -> Result<Self> {
        Ok(Self { client: plain::Plain::new(certificate)?, url: url.to_owned() })
    }

    /// Sends a request, with a bearer token if one is given.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Body<'_>,
    ) -> Result<Answer, Box<dyn Error>> {
        Ok(self.client.send(method, &format!("{}{path}", self.url), token, body).await?)
    }

    /// Gets a resource that must exist.
    pub(crate) async fn get(&self, path: &str, token: &str) -> Result<Value, Box<dyn Error>> {
        Ok(self.client.get(&format!("{}{path}", self.url), token).await?)
    }
}

/// Tells whether a request was allowed or refused, with the permission that it lacked. Anything else is an error, because an invalid
/// request would be refused for the wrong reason.
pub(crate) fn outcome(answer: &Answer, permission: Option<String>) -> Result<Outcome, Box<dyn Error>> {
    match answer.outcome() {
        alien_prove::Outcome::Allowed => Ok(Outcome::Allowed),
        // Entra refuses with 400 and its own number.
        alien_prove::Outcome::Unclear(told) if !answer.code().starts_with("AADSTS") => Err(told.into()),
        _ => Ok(Outcome::Refused {
            code: answer.code().to_owned(),
            permission: permission.unwrap_or_default(),
            message: answer.message().to_owned(),
        }),
    }
}
