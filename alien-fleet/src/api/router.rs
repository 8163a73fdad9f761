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

use super::calls::{deployments, events, releases, rollouts, tokens};
use super::failure::Failure;
use super::scope::Scoped;
use crate::access::Role;
use crate::caller::Caller;
use crate::fleet::Fleet;

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

/// The fleet, as whoever calls sees it: a layer in front of the calls has put a [`Caller`] into the extensions of the request.
#[derive(Debug)]
pub(super) struct Acting(pub(super) Scoped);

impl FromRequestParts<Api> for Acting {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        let caller = parts.extensions.get::<Caller>().ok_or_else(nobody)?;
        Ok(Self(Scoped::new(&api.fleet, caller)))
    }
}

fn nobody() -> Failure {
    Failure(Error::new(ErrorKind::Credentials, "nobody said who acts"))
}

/// Lets through whoever has the role that a call needs.
async fn allowed(State(role): State<Role>, request: Request, next: Next) -> Response {
    let allowed = match request.extensions().get::<Caller>() {
        Some(caller) => caller.may(role).map_err(Failure),
        None => Err(nobody()),
    };
    match allowed {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

/// The router. A layer in front of it finds out who calls, and puts a [`Caller`] into the extensions of the request.
pub(super) fn router(fleet: &Fleet, closing: watch::Receiver<bool>) -> Router {
    let api = Api { fleet: fleet.clone(), uploads: Arc::new(Semaphore::new(UPLOADS)), closing };
    let unknown = |method: Method, uri: Uri| async move {
        let what = format!("there is no call {method} {}", uri.path());
        Failure(Error::new(ErrorKind::NotFound, what))
    };
    let router = routes().router.fallback(unknown).method_not_allowed_fallback(unknown);
    router.layer(from_fn_with_state(api.clone(), to_its_end)).with_state(api)
}

/// The calls of operators, for a server that finds out who calls: in front of the router, a layer puts a [`Caller`] into the
/// extensions of each request. Without one, every call is refused.
pub fn operators(fleet: &Fleet) -> (Router, Closing) {
    let (closing, closed) = watch::channel(false);
    (router(fleet, closed), Closing(closing))
}

/// Ends the calls of a [router](operators).
#[derive(Debug)]
pub struct Closing(watch::Sender<bool>);

impl Closing {
    /// Ends streams, and waits until calls that change something have ended: also those whose callers have gone. Drop every
    /// clone of the router before, or when it is called.
    pub async fn close(self) {
        self.0.send_replace(true);
        self.0.closed().await;
    }
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

/// A call: what it needs, and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// The least role that may make it.
    pub role: Role,
    /// The method.
    pub method: &'static str,
    /// The path, with its parameters in braces.
    pub path: &'static str,
}

/// Every call of operators, and the role that each needs.
#[must_use]
pub fn calls() -> Vec<Call> {
    routes().list
}

/// The routes, and a list of them.
struct Routes {
    router: Router<Api>,
    list: Vec<Call>,
}

impl Routes {
    fn on<H: Handler<T, Api>, T: 'static>(
        mut self,
        role: Role,
        method: &'static str,
        path: &'static str,
        handler: H,
    ) -> Self {
        let filter = match method {
            "DELETE" => MethodFilter::DELETE,
            "POST" => MethodFilter::POST,
            "PUT" => MethodFilter::PUT,
            _ => MethodFilter::GET,
        };
        self.list.push(Call { role, method, path });
        let guarded = on(filter, handler).layer(from_fn_with_state(role, allowed));
        Self { router: self.router.route(path, guarded), list: self.list }
    }
}

/// The one table of calls: the least role that may make each, where it is, and what carries it out. What only reads is
/// `Read`. Logs are `Operate`: to read them is written into the fleet's log.
fn routes() -> Routes {
    use Role::{Admin, Operate, Read};
    Routes { router: Router::new(), list: Vec::new() }
        .on(Read, "GET", "/v1/products", releases::products)
        .on(Operate, "GET", "/v1/zips/{digest}", releases::has_zip)
        .on(Operate, "PUT", "/v1/zips/{digest}", releases::put_zip)
        .on(Read, "POST", "/v1/checks", releases::check_stack)
        .on(Operate, "POST", "/v1/releases", releases::publish)
        .on(Read, "GET", "/v1/releases/{product}", releases::list)
        .on(Read, "GET", "/v1/releases/{product}/last", releases::last)
        .on(Read, "GET", "/v1/releases/{product}/{sequence}", releases::one)
        .on(Read, "GET", "/v1/releases/{product}/{sequence}/check", releases::check)
        .on(Read, "GET", "/v1/rollouts/{product}", rollouts::list)
        .on(Operate, "POST", "/v1/rollouts/{product}", rollouts::begin)
        .on(Read, "POST", "/v1/rollouts/{product}/plans", rollouts::plan)
        .on(Read, "GET", "/v1/rollouts/{product}/{number}", rollouts::status)
        .on(Operate, "POST", "/v1/rollouts/{product}/{number}/orders", rollouts::order)
        .on(Read, "GET", "/v1/deployments", deployments::list)
        .on(Operate, "POST", "/v1/deployments", deployments::register)
        .on(Read, "GET", "/v1/deployments/{id}", deployments::show)
        .on(Admin, "PUT", "/v1/deployments/{id}", deployments::add)
        .on(Admin, "DELETE", "/v1/deployments/{id}", deployments::remove)
        .on(Operate, "POST", "/v1/deployments/{id}/settings", deployments::set)
        .on(Read, "GET", "/v1/deployments/{id}/heartbeat", deployments::heartbeat)
        .on(Operate, "GET", "/v1/deployments/{id}/logs/{resource}", deployments::logs)
        .on(Operate, "POST", "/v1/deployments/{id}/commands/{resource}", deployments::dispatch)
        .on(Read, "GET", "/v1/health", deployments::health)
        .on(Read, "GET", "/v1/events", events::list)
        .on(Read, "GET", "/v1/events/stream", events::stream)
        .on(Admin, "GET", "/v1/tokens", tokens::list)
        .on(Admin, "POST", "/v1/tokens", tokens::make)
        .on(Admin, "DELETE", "/v1/tokens/{id}", tokens::revoke)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_calls_are_these() {
        let calls =
            super::calls().into_iter().map(|call| format!("{:<7} {} {}", call.role.name(), call.method, call.path));
        insta::assert_snapshot!(calls.collect::<Vec<_>>().join("\n"));
    }
}
