//! A table of calls: where each is, what carries it out, and what is said of it.

use alien_core::{Error, ErrorKind};
use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, on};
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::describe::{About, Described, Draft};
use super::failure::{Failure, form, refused};
use crate::access::Role;
use crate::caller::Caller;

/// The routes, and a list of them.
pub(super) struct Routes<S> {
    pub(super) router: Router<S>,
    pub(super) list: Vec<Route>,
}

/// A call of the table.
pub(super) struct Route {
    /// The least role of an operator that may make it; `None` for calls of others.
    pub(super) role: Option<Role>,
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    about: About,
    describe: fn(&mut Draft<'_>),
}

impl Route {
    /// The operation of the document.
    pub(super) fn operation(&self, generator: &mut SchemaGenerator) -> Map<String, Value> {
        let mut draft = Draft::new(generator, self.path);
        // Each may be sent away, or find that the store does not answer; and each refuses parameters that it does not have.
        draft.fails(&[ErrorKind::Input, ErrorKind::Throttled, ErrorKind::Unavailable]);
        if self.role.is_some() {
            draft.fails(&[ErrorKind::Credentials, ErrorKind::NotGranted]);
        }
        (self.describe)(&mut draft);
        let mut operation = draft.finish(self.about);
        if let Some(role) = self.role {
            operation.insert("description".to_owned(), format!("Needs the role `{}`.", role.name()).into());
            operation.insert("x-alien-role".to_owned(), json!(role));
        }
        operation
    }
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    pub(super) fn new() -> Self {
        Self { router: Router::new(), list: Vec::new() }
    }

    /// A call that is let to this role and those above.
    pub(super) fn to<H, T>(self, role: Role, method: &'static str, path: &'static str, handler: H, about: About) -> Self
    where
        H: Handler<T, S> + Described<T>,
        T: 'static,
    {
        self.add(Some(role), method, path, handler, about)
    }

    /// A call that finds out by itself who makes it.
    #[cfg(feature = "agents")]
    pub(super) fn open<H, T>(self, method: &'static str, path: &'static str, handler: H, about: About) -> Self
    where
        H: Handler<T, S> + Described<T>,
        T: 'static,
    {
        self.add(None, method, path, handler, about)
    }

    fn add<H, T>(
        mut self,
        role: Option<Role>,
        method: &'static str,
        path: &'static str,
        handler: H,
        about: About,
    ) -> Self
    where
        H: Handler<T, S> + Described<T>,
        T: 'static,
    {
        let filter = match method {
            "DELETE" => MethodFilter::DELETE,
            "POST" => MethodFilter::POST,
            "PUT" => MethodFilter::PUT,
            _ => MethodFilter::GET,
        };
        let mut route = on(filter, handler);
        if !H::HAS_QUERY {
            route = route.layer(from_fn(without_parameters));
        }
        if let Some(role) = role {
            route = route.layer(from_fn_with_state(role, allowed));
        }
        self.list.push(Route { role, method, path, about, describe: H::describe });
        Self { router: self.router.route(path, route), list: self.list }
    }
}

/// The failure where no layer has found out who calls.
pub(super) fn nobody() -> Failure {
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

/// Refuses parameters after the path, where a call has none.
async fn without_parameters(request: Request, next: Next) -> Response {
    let given = request.uri().query().and_then(|query| query.split(['=', '&']).find(|name| !name.is_empty()));
    match given {
        None => next.run(request).await,
        Some(name) => {
            let what = format!("unknown field `{name}`, there are no parameters after the path");
            Failure(refused(form("query", what))).into_response()
        }
    }
}
