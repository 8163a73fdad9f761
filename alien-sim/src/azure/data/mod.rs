//! Data planes: hosts other than Azure Resource Manager's, whose requests are authorised by data actions.

pub(crate) mod blob;
pub(crate) mod broker;
mod handle;
mod kql;
pub(crate) mod logs;
mod odata;
pub(crate) mod servicebus;
pub(crate) mod table;
mod xml;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;

use super::call::Answer;
use super::faults::Faults;
use super::provider::app::Revision;
use super::provider::operationalinsights::Deleted;
use super::state::State;

/// The contents of the data planes and what emulated code has done. All keys are ids in lower case.
#[derive(Default)]
pub(crate) struct Data {
    pub(crate) broker: broker::Broker,
    /// Blobs by container, then by name.
    blobs: HashMap<String, BTreeMap<String, blob::Blob>>,
    /// Entities by table, then by partition key and row key.
    entities: HashMap<String, BTreeMap<(String, String), serde_json::Value>>,
    /// Records by workspace.
    pub(crate) logs: HashMap<String, Vec<logs::Record>>,
    /// Deleted workspaces that can be recovered.
    pub(crate) deleted: HashMap<String, Deleted>,
    /// Revisions by container app, oldest first.
    pub(crate) apps: HashMap<String, Vec<Revision>>,
    /// What was already logged once about a revision.
    pub(crate) said: HashSet<String>,
    /// How long a new revision takes to become ready.
    pub(crate) revisions_take: Duration,
    /// How long until queries find a record.
    ingestion: Duration,
}

impl Data {
    /// Removes the contents of a deleted resource, by its id in lower case.
    pub(crate) fn forget(&mut self, id: &str) {
        self.broker.forget(id);
        self.blobs.remove(id);
        self.entities.remove(id);
        self.logs.remove(id);
        self.apps.remove(id);
    }
}

impl Faults {
    /// Sets how long a new revision of a container app takes to become ready. Its operation lasts at least as long.
    pub fn revisions_take(&self, duration: Duration) {
        self.0.lock().data.revisions_take = duration;
    }

    /// Sets how long it takes until queries find a log record. In Azure it is 20 seconds to 3 minutes:
    /// <https://learn.microsoft.com/azure/azure-monitor/logs/data-ingestion-time>.
    pub fn ingestion(&self, delay: Duration) {
        self.0.lock().data.ingestion = delay;
    }
}

/// The host of a data plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// `{name}.servicebus.windows.net`
    ServiceBus(String),
    /// `{name}.blob.core.windows.net`
    Blob(String),
    /// `{name}.table.core.windows.net`
    Table(String),
    /// `api.loganalytics.io`: `/v1/workspaces/{customerId}/query`
    Logs,
}

/// A request to a data plane. [`State::data_caller`] identifies the caller.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) service: Host,
    /// `GET`, `POST`, …
    pub(crate) verb: &'a str,
    /// The encoded path below the host, and the query.
    pub(crate) target: &'a str,
    pub(crate) bearer: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: Bytes,
}

impl Ask<'_> {
    /// A header, or empty.
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The path, still encoded, and the query parameters.
    fn parts(&self) -> (&str, Vec<(String, String)>) {
        let (path, query) = self.target.split_once('?').unwrap_or((self.target, ""));
        (path, crate::uri::query(query))
    }
}

/// A query parameter, or empty.
fn parameter<'a>(query: &'a [(String, String)], name: &str) -> &'a str {
    query.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
}

/// Why a data plane refused a request. Each plane reports it in its own form.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    status: u16,
    code: String,
    message: String,
}

impl Refused {
    fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into() }
    }

    fn unmodelled(message: impl Into<String>) -> Self {
        Self::new(501, "NotImplemented", message)
    }
}

impl From<super::fail::Fail> for Refused {
    fn from(fail: super::fail::Fail) -> Self {
        Self { status: fail.status, code: fail.code, message: fail.message }
    }
}

/// Answers a request of a data plane.
pub(crate) fn answer(state: &mut State, ask: &Ask<'_>) -> Answer {
    state.settle();
    super::provider::app::work(state);
    let answer = match &ask.service {
        Host::ServiceBus(name) => servicebus::answer(state, ask, name),
        Host::Blob(name) => blob::answer(state, ask, name),
        Host::Table(name) => table::answer(state, ask, name),
        Host::Logs => logs::answer(state, ask),
    };
    super::provider::app::work(state);
    answer
}

/// Formats a time as in HTTP headers.
fn http_date(at: jiff::Timestamp) -> String {
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap_or_default()
}
