//! The calls by path and method, over a fleet.

use std::sync::Arc;

use alien_core::{Error, ErrorKind};
use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::handler::Handler;
use axum::http::request::Parts;
use axum::http::{Method, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, on};
use tokio::sync::{Semaphore, watch};

use super::calls::{deployments, events, releases, rollouts};
use super::failure::Failure;
use crate::fleet::Fleet;
use crate::log::Who;

/// How many zips are received at once. Each is held in memory until it is whole.
const UPLOADS: usize = 2;

/// What calls work with.
#[derive(Debug, Clone)]
pub(super) struct Api {
    fleet: Fleet,
    pub(super) uploads: Arc<Semaphore>,
    /// Becomes true when the server shuts down. The sender sees when nobody works any more.
    closing: watch::Receiver<bool>,
}

impl Api {
    /// Waits until the server shuts down.
    pub(super) async fn closing(mut self) {
        // In this process nobody shuts down, and the sender is gone.
        if self.closing.wait_for(|closing| *closing).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The fleet, for whoever acts: a layer in front of the calls has put it into the extensions of the request.
#[derive(Debug)]
pub(super) struct Acting(pub(super) Fleet);

impl FromRequestParts<Api> for Acting {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        let unknown = || Failure(Error::new(ErrorKind::Credentials, "nobody said who acts"));
        let who = parts.extensions.get::<Who>().ok_or_else(unknown)?;
        Ok(Self(api.fleet.acting_as(who.clone())))
    }
}

/// The router. A layer in front of it finds out who acts, and puts a [`Who`] into the extensions of the request.
pub(super) fn router(fleet: &Fleet, closing: watch::Receiver<bool>) -> Router {
    let api = Api { fleet: fleet.clone(), uploads: Arc::new(Semaphore::new(UPLOADS)), closing };
    let unknown = |method: Method, uri: Uri| async move {
        let what = format!("there is no call {method} {}", uri.path());
        Failure(Error::new(ErrorKind::NotFound, what))
    };
    let router = routes().router.fallback(unknown).method_not_allowed_fallback(unknown);
    router.layer(from_fn_with_state(api.clone(), to_its_end)).with_state(api)
}

/// Carries a call that changes something to its end, also if whoever called has hung up.
async fn to_its_end(State(api): State<Api>, request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let call = tokio::spawn(async move {
        let response = next.run(request).await;
        // The server waits for whoever has it.
        drop(api);
        response
    });
    let ended = |error| Failure(Error::new(ErrorKind::Internal, "the call ended early").caused_by(&error).with_sent());
    call.await.unwrap_or_else(|error| ended(error).into_response())
}

/// The routes, and a list of them.
struct Routes {
    router: Router<Api>,
    list: Vec<String>,
}

impl Routes {
    fn on<H: Handler<T, Api>, T: 'static>(mut self, method: &str, path: &str, handler: H) -> Self {
        let filter = match method {
            "DELETE" => MethodFilter::DELETE,
            "POST" => MethodFilter::POST,
            "PUT" => MethodFilter::PUT,
            _ => MethodFilter::GET,
        };
        self.list.push(format!("{method} {path}"));
        Self { router: self.router.route(path, on(filter, handler)), list: self.list }
    }
}

fn routes() -> Routes {
    Routes { router: Router::new(), list: Vec::new() }
        .on("GET", "/v1/products", releases::products)
        .on("GET", "/v1/zips/{digest}", releases::has_zip)
        .on("PUT", "/v1/zips/{digest}", releases::put_zip)
        .on("POST", "/v1/checks", releases::check_stack)
        .on("POST", "/v1/releases", releases::publish)
        .on("GET", "/v1/releases/{product}", releases::list)
        .on("GET", "/v1/releases/{product}/last", releases::last)
        .on("GET", "/v1/releases/{product}/{sequence}", releases::one)
        .on("GET", "/v1/releases/{product}/{sequence}/check", releases::check)
        .on("GET", "/v1/rollouts/{product}", rollouts::list)
        .on("POST", "/v1/rollouts/{product}", rollouts::begin)
        .on("POST", "/v1/rollouts/{product}/plans", rollouts::plan)
        .on("GET", "/v1/rollouts/{product}/{number}", rollouts::status)
        .on("POST", "/v1/rollouts/{product}/{number}/orders", rollouts::order)
        .on("GET", "/v1/deployments", deployments::list)
        .on("POST", "/v1/deployments", deployments::register)
        .on("GET", "/v1/deployments/{id}", deployments::show)
        .on("PUT", "/v1/deployments/{id}", deployments::add)
        .on("DELETE", "/v1/deployments/{id}", deployments::remove)
        .on("POST", "/v1/deployments/{id}/settings", deployments::set)
        .on("GET", "/v1/deployments/{id}/heartbeat", deployments::heartbeat)
        .on("GET", "/v1/deployments/{id}/logs/{resource}", deployments::logs)
        .on("POST", "/v1/deployments/{id}/commands/{resource}", deployments::dispatch)
        .on("GET", "/v1/health", deployments::health)
        .on("GET", "/v1/events", events::list)
        .on("GET", "/v1/events/stream", events::stream)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_calls_are_these() {
        insta::assert_snapshot!(super::routes().list.join("\n"));
    }
}
