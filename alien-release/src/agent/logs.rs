//! A part of a log that was asked for.

use alien_core::adapter::FormVersion;
use alien_core::{CommandId, DeploymentId, ErrorKind, LogLine};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::kinds;
use super::signed::{Message, sealed};
use super::version::Version;

/// `POST /v1/agent/logs/{id}`: a page of a log that was asked for, or why there is none. Signed by the agent's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LogPage {
    version: Version,
    /// The deployment.
    pub deployment: DeploymentId,
    /// A number that is higher than that of every message before.
    pub counter: u64,
    /// The id of the request.
    pub id: CommandId,
    /// The number of the page, from 0 on.
    pub page: u32,
    /// The lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "lines")]
    pub lines: Vec<LogLine>,
    /// Whether more pages follow.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
    /// Why it ends here: `denied` if the customer's policy does not let it through.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "kinds::sent_if_any")]
    pub error: Option<ErrorKind>,
}

impl LogPage {
    /// Creates the last page of a log, without lines.
    #[must_use]
    pub const fn new(deployment: DeploymentId, counter: u64, id: CommandId, page: u32) -> Self {
        Self { version: FormVersion, deployment, counter, id, page, lines: Vec::new(), more: false, error: None }
    }

    /// Sets the lines.
    #[must_use]
    pub fn with_lines(mut self, lines: Vec<LogLine>) -> Self {
        self.lines = lines;
        self
    }

    /// Says that more pages follow.
    #[must_use]
    pub const fn and_more(mut self) -> Self {
        self.more = true;
        self
    }

    /// Says why it ends here.
    #[must_use]
    pub const fn failed(mut self, error: ErrorKind) -> Self {
        self.error = Some(error);
        self
    }
}

impl sealed::Sealed for LogPage {}

impl Message for LogPage {
    const CONTEXT: &'static str = "alien/agent/log";
    const MOST: usize = 1 << 20;
    const NAME: &'static str = "a page of a log";

    fn deployment(&self) -> DeploymentId {
        self.deployment
    }
}

/// Reads lines, and refuses fields that they do not have.
fn lines<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<LogLine>, D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        at: Timestamp,
        text: String,
    }
    let lines = Vec::<Line>::deserialize(deserializer)?;
    Ok(lines.into_iter().map(|Line { at, text }| LogLine { at, text }).collect())
}
