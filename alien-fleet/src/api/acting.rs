//! The state and the caller that handlers get.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio::sync::{Semaphore, watch};

use super::describe::{Draft, Part, TOKEN};
use super::failure::Failure;
use super::scope::Scoped;
use super::table::nobody;
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
    pub(super) fn new(fleet: Fleet, closing: watch::Receiver<bool>) -> Self {
        Self { fleet, uploads: Arc::new(Semaphore::new(UPLOADS)), closing }
    }

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

impl Part for Acting {
    fn describe(draft: &mut Draft<'_>) {
        draft.bearer(TOKEN);
    }
}
