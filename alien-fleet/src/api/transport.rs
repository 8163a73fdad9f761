//! How a client's requests reach the router.

use std::fmt;

use alien_core::Result;
use async_trait::async_trait;
use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use tokio::sync::watch;
use tower::ServiceExt as _;

use super::router::router;
use crate::caller::Caller;
use crate::fleet::Fleet;
use crate::log::Who;

/// Carries a request to a router, and its answer back.
#[async_trait]
pub(super) trait Transport: Send + Sync + fmt::Debug {
    /// Sends a request, for whoever acts. The body of the answer is still to be read.
    async fn send(&self, request: Request, who: &Who) -> Result<Response>;

    /// Whom this calls, as messages name it.
    fn called(&self) -> String {
        "the fleet".to_owned()
    }

    /// The fleet, where it is in this process.
    fn here(&self) -> Option<&Fleet> {
        None
    }
}

/// Calls the router in this process.
#[derive(Debug)]
pub(super) struct InProcess {
    fleet: Fleet,
    router: Router,
}

impl InProcess {
    pub(super) fn new(fleet: &Fleet) -> Self {
        // Nobody shuts this down.
        let (_, closing) = watch::channel(false);
        Self { fleet: fleet.clone(), router: router(fleet, closing) }
    }
}

#[async_trait]
impl Transport for InProcess {
    async fn send(&self, mut request: Request, who: &Who) -> Result<Response> {
        request.extensions_mut().insert(Caller::unlimited(who.clone()));
        match self.router.clone().oneshot(request).await {
            Ok(response) => Ok(response),
            Err(never) => match never {},
        }
    }

    fn here(&self) -> Option<&Fleet> {
        Some(&self.fleet)
    }
}
