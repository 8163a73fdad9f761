//! The calls by path and method, over a fleet.

use alien_core::{Error, ErrorKind};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use tokio::sync::watch;

use super::acting::Api;
use super::calls::{deployments, events, releases, rollouts, tokens};
use super::describe::About;
use super::failure::Failure;
use super::table::Routes;
use crate::access::Role;
use crate::fleet::Fleet;

/// The router. A layer in front of it finds out who calls, and puts a [`Caller`](crate::Caller) into the extensions of the request.
pub(super) fn router(fleet: &Fleet, closing: watch::Receiver<bool>) -> Router {
    let api = Api::new(fleet.clone(), closing);
    let unknown = |method: Method, uri: Uri| async move {
        let what = format!("there is no call {method} {}", uri.path());
        Failure(Error::new(ErrorKind::NotFound, what))
    };
    let router = routes().router.fallback(unknown).method_not_allowed_fallback(unknown);
    router.layer(from_fn_with_state(api.clone(), to_its_end)).with_state(api)
}

/// The calls of operators, for a server that finds out who calls: in front of the router, a layer puts a [`Caller`](crate::Caller) into the
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
    let listed = routes().list.into_iter();
    listed.filter_map(|route| Some(Call { role: route.role?, method: route.method, path: route.path })).collect()
}

/// What a call of a cloud may fail with.
const CLOUD: &[ErrorKind] = &[
    ErrorKind::NotFound,
    ErrorKind::Unsupported,
    ErrorKind::TimedOut,
    ErrorKind::Conflict,
    ErrorKind::Denied,
    ErrorKind::Revoked,
    ErrorKind::Rejected,
    ErrorKind::Failed,
    ErrorKind::TooLarge,
];

/// The same, and what registering may fail with.
const REGISTER: &[ErrorKind] = &[
    ErrorKind::Locked,
    ErrorKind::NotOwned,
    ErrorKind::NotFound,
    ErrorKind::Unsupported,
    ErrorKind::TimedOut,
    ErrorKind::Denied,
    ErrorKind::Revoked,
    ErrorKind::Rejected,
    ErrorKind::Failed,
];

/// The one table of calls: the least role that may make each, where it is, what carries it out, and what is said of it. What only
/// reads is `Read`. Logs are `Operate`: to read them is written into the fleet's log.
pub(super) fn routes() -> Routes<Api> {
    use ErrorKind::{Conflict, Locked, NotFound, NotOwned, Rejected};
    use Role::{Admin, Operate, Read};
    let is = |id, summary, kinds| About { id, summary, kinds };
    Routes::new()
        .to(
            Read,
            "GET",
            "/v1/products",
            releases::products,
            is("products", "Lists the products that have a release.", &[]),
        )
        .to(Operate, "GET", "/v1/zips/{digest}", releases::has_zip, is("hasZip", "Whether a zip is kept.", &[NotFound]))
        .to(
            Operate,
            "PUT",
            "/v1/zips/{digest}",
            releases::put_zip,
            is("putZip", "Keeps a zip, of at most 250 MiB.", &[]),
        )
        .to(
            Read,
            "POST",
            "/v1/checks",
            releases::check_stack,
            is("checkStack", "Whether a stack fits each deployment of its product.", &[]),
        )
        .to(
            Operate,
            "POST",
            "/v1/releases",
            releases::publish,
            is("publish", "Publishes a release whose zips were sent before.", &[NotFound, Conflict]),
        )
        .to(
            Read,
            "GET",
            "/v1/releases/{product}",
            releases::list,
            is("releases", "Lists the releases of a product.", &[]),
        )
        .to(
            Read,
            "GET",
            "/v1/releases/{product}/last",
            releases::last,
            is("lastRelease", "The last release of a product.", &[]),
        )
        .to(Read, "GET", "/v1/releases/{product}/{sequence}", releases::one, is("release", "A release.", &[NotFound]))
        .to(
            Read,
            "GET",
            "/v1/releases/{product}/{sequence}/check",
            releases::check,
            is("checkRelease", "Whether a release fits each deployment of its product.", &[NotFound]),
        )
        .to(
            Read,
            "GET",
            "/v1/rollouts/{product}",
            rollouts::list,
            is("rollouts", "Lists the rollouts of a product.", &[]),
        )
        .to(
            Operate,
            "POST",
            "/v1/rollouts/{product}",
            rollouts::begin,
            is("beginRollout", "Begins to roll a release out.", &[NotFound, Conflict, Rejected]),
        )
        .to(
            Read,
            "POST",
            "/v1/rollouts/{product}/plans",
            rollouts::plan,
            is("planRollout", "A rollout as it would begin.", &[NotFound, Conflict, Rejected]),
        )
        .to(
            Read,
            "GET",
            "/v1/rollouts/{product}/{number}",
            rollouts::status,
            is("rollout", "How a rollout stands.", &[NotFound]),
        )
        .to(
            Operate,
            "POST",
            "/v1/rollouts/{product}/{number}/orders",
            rollouts::order,
            is(
                "orderRollout",
                "Pauses, resumes, halts, reverts, approves or cancels a rollout.",
                &[NotFound, Conflict],
            ),
        )
        .to(
            Read,
            "GET",
            "/v1/deployments",
            deployments::list,
            is("deployments", "Lists the deployments of a product.", &[]),
        )
        .to(
            Operate,
            "POST",
            "/v1/deployments",
            deployments::register,
            is("register", "Registers a deployment, after a look at its cloud.", REGISTER),
        )
        .to(
            Read,
            "GET",
            "/v1/deployments/{id}",
            deployments::show,
            is("deployment", "A deployment, its record and its health.", &[NotFound]),
        )
        .to(
            Admin,
            "PUT",
            "/v1/deployments/{id}",
            deployments::add,
            is("addDeployment", "Adds the record of a deployment, without a look at its cloud.", &[Locked, NotOwned]),
        )
        .to(
            Admin,
            "DELETE",
            "/v1/deployments/{id}",
            deployments::remove,
            is("removeDeployment", "Removes a deployment from the fleet. It stays in its cloud.", &[NotFound]),
        )
        .to(
            Operate,
            "POST",
            "/v1/deployments/{id}/settings",
            deployments::set,
            is("setDeployment", "Pins, holds, labels a deployment, or sets its window.", &[NotFound]),
        )
        .to(
            Read,
            "GET",
            "/v1/deployments/{id}/heartbeat",
            deployments::heartbeat,
            is("heartbeat", "How each resource of a deployment is, as its cloud says it.", CLOUD),
        )
        .to(
            Operate,
            "GET",
            "/v1/deployments/{id}/logs/{resource}",
            deployments::logs,
            is("logs", "Lines of the log of a function or a container.", CLOUD),
        )
        .to(
            Operate,
            "POST",
            "/v1/deployments/{id}/commands/{resource}",
            deployments::dispatch,
            is("dispatch", "Sends a command to a function, and waits for its answer.", CLOUD),
        )
        .to(
            Read,
            "GET",
            "/v1/health",
            deployments::health,
            is("health", "The health of all deployments, as it was seen last.", &[]),
        )
        .to(Read, "GET", "/v1/events", events::list, is("events", "A part of the log.", &[]))
        .to(
            Read,
            "GET",
            "/v1/events/stream",
            events::stream,
            is("streamEvents", "Each entry of the log as it is written, as Server-Sent Events.", &[]),
        )
        .to(Admin, "GET", "/v1/tokens", tokens::list, is("tokens", "Lists tokens.", &[]))
        .to(Admin, "POST", "/v1/tokens", tokens::make, is("makeToken", "Makes a token, and shows its text once.", &[]))
        .to(Admin, "DELETE", "/v1/tokens/{id}", tokens::revoke, is("revokeToken", "Revokes a token.", &[NotFound]))
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
