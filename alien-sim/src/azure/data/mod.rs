//! Data planes: hosts beside Azure Resource Manager's, whose requests are decided by data actions.

use bytes::Bytes;
use http::HeaderMap;

use super::call::Answer;
use super::state::State;

/// What is in the data planes.
#[derive(Default)]
pub(crate) struct Data {}

impl Data {
    /// Takes away what is in a resource that is removed, by its id in lower case.
    pub(crate) fn forget(&mut self, _id: &str) {}
}

/// A data plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// `{name}.servicebus.windows.net`
    ServiceBus(String),
    /// `{name}.blob.core.windows.net`
    Blob(String),
    /// `{name}.table.core.windows.net`
    Table(String),
    /// `api.loganalytics.io`: `/v1/workspaces/{customerId}/query`
    Logs,
}

/// A request of a data plane. Who asks is asked of [`State::data_caller`].
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) service: Service,
    /// `GET`, `POST`, …
    pub(crate) verb: &'a str,
    /// The path below the host and the query, encoded.
    pub(crate) target: &'a str,
    pub(crate) bearer: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: Bytes,
}

/// Answers a request of a data plane.
pub(crate) fn answer(_state: &mut State, ask: &Ask<'_>) -> Answer {
    super::fail::Fail::unimplemented(format!("The emulator does not model {:?}.", ask.service)).into()
}
