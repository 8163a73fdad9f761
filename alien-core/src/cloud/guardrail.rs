//! What the customer can set beside a deployment, so that less of it remains to be disclosed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A rule of the cloud's own that the customer can set above a deployment: a policy of the organisation, the account or the
/// group. It keeps everybody, the vendor too, from something that no condition of a permission keeps. This library prints such
/// rules and never sets one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Guardrail {
    /// What it keeps from happening, and to what else it applies, in a sentence.
    pub what: String,
    /// The command of the cloud's own tool that sets it.
    pub command: String,
    /// The name of the file that the command reads; empty if it reads none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// The text of that file.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The URL at which the cloud documents it.
    pub source: String,
}
