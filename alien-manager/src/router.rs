//! What is answered: the calls of operators behind their tokens, and how the manager is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use alien_core::{Error, ErrorKind};
use alien_fleet::api::{AgentApi, Closing, operators, refusal};
use alien_fleet::{Caller, Fleet, Products};
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio::sync::Mutex;

use crate::auth::authenticated;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::observe::observed;
use crate::openapi::openapi;
use crate::shed::{Requests, shed};

/// What a [`Server`](crate::Server) answers: the calls of operators of a fleet, `/healthz`, `/readyz`, `/metrics` and
/// `/openapi.json`.
#[derive(Debug)]
pub struct Router {
    app: axum::Router,
    closing: Closing,
    metrics: Arc<Metrics>,
}

impl Router {
    /// The calls of a fleet's operators. Each is made with a token: see [`Fleet::make_token`].
    #[must_use]
    pub fn new(fleet: &Fleet) -> Self {
        let metrics = Arc::<Metrics>::default();
        let (calls, closing) = operators(fleet);
        let counted = Arc::clone(&metrics);
        let calls = calls
            .route("/metrics", get(move |request: Request| async move { told(&counted, &request) }))
            .layer(from_fn_with_state(fleet.clone(), authenticated));
        let document = Bytes::from(openapi().to_string());
        let ready = Arc::new(Ready { fleet: fleet.clone(), last: Mutex::new(None) });
        let app = axum::Router::new()
            .route("/healthz", get(async || "ok\n"))
            .route("/openapi.json", get(move || std::future::ready(described(&document))))
            .route("/readyz", get(is_ready))
            .with_state(ready)
            .merge(calls);
        Self { app, closing, metrics }
    }

    /// Adds the calls of agents, and the files of their repository. Both find out by themselves who calls.
    #[must_use]
    pub fn with_agents(mut self, agents: AgentApi) -> Self {
        self.app = self.app.merge(agents.router());
        self
    }

    pub(crate) fn within(self, limits: Limits) -> (axum::Router, Closing, Arc<Metrics>) {
        let Self { app, closing, metrics } = self;
        let requests = Arc::new(Requests::new(limits, Arc::clone(&metrics)));
        let app = app
            .layer(from_fn(unframed))
            .layer(from_fn_with_state(requests, shed))
            .layer(from_fn_with_state(Arc::clone(&metrics), observed));
        (app, closing, metrics)
    }
}

/// Nothing that is answered is shown as a page of its own. Where nothing changed there is nothing to show: a poll is short.
async fn unframed(request: Request, next: axum::middleware::Next) -> Response {
    let mut response = next.run(request).await;
    if response.status() != StatusCode::NOT_MODIFIED {
        response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    response
}

/// What may be called. It has no secret, so nobody needs a token to read it.
fn described(document: &Bytes) -> Response {
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (kind, Body::from(document.clone())).into_response()
}

/// What was counted, for whoever may read everything.
fn told(metrics: &Metrics, request: &Request) -> Response {
    let sees_all = request.extensions().get::<Caller>().is_some_and(|caller| *caller.products() == Products::All);
    if !sees_all {
        return refusal(Error::new(ErrorKind::NotGranted, "the metrics are of all products, and the token is not"));
    }
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4"))];
    (kind, Body::from(metrics.text())).into_response()
}

/// Whether the store answers, as it was asked last.
struct Ready {
    fleet: Fleet,
    last: Mutex<Option<(Instant, bool)>>,
}

/// How long an answer of the store counts: nobody needs a token to ask, so the store is not asked each time.
const FRESH: Duration = Duration::from_secs(1);

/// How long the store may take.
const PATIENCE: Duration = Duration::from_secs(5);

async fn is_ready(State(ready): State<Arc<Ready>>) -> Response {
    let mut last = ready.last.lock().await;
    let is_ready = match *last {
        Some((at, is_ready)) if at.elapsed() < FRESH => is_ready,
        _ => {
            let asked = tokio::time::timeout(PATIENCE, ready.fleet.log(u64::MAX, 1)).await;
            let is_ready = matches!(asked, Ok(Ok(_)));
            *last = Some((Instant::now(), is_ready));
            is_ready
        }
    };
    drop(last);
    if is_ready {
        return "ready\n".into_response();
    }
    refusal(Error::new(ErrorKind::Unavailable, "the store does not answer"))
}
