//! A recording as a server: every request that was recorded gets the answer that it got, in the order of the recording.

use std::sync::{Arc, LazyLock, Mutex};

use alien_conformance::upgrade::Sent;
use alien_core::Deployment;
use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_smithy_http_client::Builder;
use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;

use crate::exchange::{Exchange, Recorded, sent};
use crate::life::{self, CUSTOMER, VENDOR};
use crate::server::{Body, Server, whole};

/// What was recorded, in order.
pub(crate) static RECORDING: LazyLock<Vec<Recorded>> =
    LazyLock::new(|| include_str!("life.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect());

/// The record that both sides have.
pub(crate) fn record() -> Deployment {
    Deployment::from_json(include_str!("record.json")).unwrap()
}

/// The answer as it went over the wire.
pub(crate) fn answer(Exchange { sent, status, answered }: &Exchange) -> Response<Body> {
    let body = match &sent.answer {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        json => json.to_string(),
    };
    let response =
        answered.iter().fold(Response::builder().status(*status), |made, (name, value)| made.header(name, value));
    response.body(whole(body)).unwrap()
}

/// What is not recorded is told, and refused.
pub(crate) fn strange(sent: &Sent) -> Response<Body> {
    eprintln!("sent, and not recorded: {sent:#?}");
    Response::builder().status(400).body(whole("")).unwrap()
}

/// The secret key of someone of an account.
pub(crate) fn secret(account: &str) -> String {
    format!("secret-of-{account}")
}

/// A configuration whose calls go to `url`, with that key.
pub(crate) fn config(url: &str, account: &str) -> SdkConfig {
    let credentials = Credentials::new(account, secret(account), None, None, "test");
    life::config(url, credentials, Builder::new().build_http())
}

/// The recording, as far as it was not asked for yet.
pub(crate) struct Replay {
    server: Server,
    rest: Arc<Mutex<Rest>>,
}

#[derive(Default)]
struct Rest {
    lines: Vec<Recorded>,
    /// What was sent, and is not recorded in the step that was under way.
    strange: Vec<Sent>,
}

impl Replay {
    pub(crate) async fn begin() -> Self {
        let rest = Arc::new(Mutex::new(Rest { lines: RECORDING.clone(), strange: Vec::new() }));
        let left = Arc::clone(&rest);
        let server = Server::start(move |request| {
            let response = left.lock().unwrap().next(&request);
            async { response }
        });
        Self { server: server.await, rest }
    }

    pub(crate) fn admin(&self) -> SdkConfig {
        config(self.server.url(), CUSTOMER)
    }

    pub(crate) fn vendor(&self) -> SdkConfig {
        config(self.server.url(), VENDOR)
    }

    /// A step has ended: what was sent in it is what was recorded in it.
    pub(crate) fn ended(&self, step: &str) {
        let Rest { lines, strange } = &*self.rest.lock().unwrap();
        assert!(strange.is_empty(), "{step}: sent, and not recorded: {strange:#?}");
        let left: Vec<&Recorded> = lines.iter().filter(|left| left.step == step).collect();
        assert!(left.is_empty(), "{step}: recorded, and not sent: {left:#?}");
    }

    pub(crate) fn is_over(&self) {
        assert_eq!(self.rest.lock().unwrap().lines, []);
    }
}

impl Rest {
    /// The next answer to a request, within the step that is under way.
    fn next(&mut self, request: &Request<Bytes>) -> Response<Body> {
        let sent = sent(request);
        let step = self.lines.first().map(|next| next.step.clone());
        let asked = |next: &Recorded| Some(&next.step) == step.as_ref() && next.exchange.is_asked_for(&sent);
        let Some(at) = self.lines.iter().position(asked) else {
            self.strange.push(sent.clone());
            return strange(&sent);
        };
        let response = answer(&self.lines[at].exchange);
        match &mut self.lines[at].times {
            1 => drop(self.lines.remove(at)),
            times => *times -= 1,
        }
        response
    }
}
