//! What an agent says to a command.

use std::fmt;

use alien_core::adapter::FormVersion;
use alien_core::{CommandId, DeploymentId, ErrorKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kinds;
use super::signed::{Message, sealed};
use super::version::Version;

/// `POST /v1/agent/commands/{id}`: takes a command, and answers it. Signed by the agent's key.
///
/// A command is given away once: whoever took it and ended before its answer was sent leaves it unanswered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CommandReply {
    version: Version,
    /// The deployment.
    pub deployment: DeploymentId,
    /// A number that is higher than that of every message before.
    pub counter: u64,
    /// The command.
    pub id: CommandId,
    /// What the agent says to it.
    pub reply: Replied,
}

/// What an agent says to a command.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Replied {
    /// It takes the command. The manager answers with the command's bytes, and gives them to nobody again.
    Take,
    /// The function answered with these bytes: at most 256 KiB.
    Answer(
        #[serde(with = "bytes")]
        #[schemars(with = "String")]
        Vec<u8>,
    ),
    /// The customer's policy does not let it through. The function was not called.
    Refused,
    /// The function was called, or may have been, and did not answer as it should.
    Failed(#[serde(serialize_with = "kinds::sent")] ErrorKind),
}

impl Replied {
    /// The most bytes of an answer.
    pub const MOST: usize = 256 << 10;
}

/// Shows how long an answer is: it is the customer's.
impl fmt::Debug for Replied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Take => f.write_str("Take"),
            Self::Answer(bytes) => write!(f, "Answer({} bytes)", bytes.len()),
            Self::Refused => f.write_str("Refused"),
            Self::Failed(kind) => f.debug_tuple("Failed").field(kind).finish(),
        }
    }
}

impl CommandReply {
    /// Creates what the agent says to a command.
    #[must_use]
    pub const fn new(deployment: DeploymentId, counter: u64, id: CommandId, reply: Replied) -> Self {
        Self { version: FormVersion, deployment, counter, id, reply }
    }
}

impl sealed::Sealed for CommandReply {}

impl Message for CommandReply {
    const CONTEXT: &'static str = "alien/agent/command";
    // Base64 takes four bytes for three.
    const MOST: usize = Replied::MOST / 3 * 4 + 1024;
    const NAME: &'static str = "a reply to a command";

    fn deployment(&self) -> DeploymentId {
        self.deployment
    }
}

/// Bytes in Base64.
mod bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        // What it is stays unsaid: it is the customer's.
        STANDARD.decode(text).map_err(|_| serde::de::Error::custom("an answer is not Base64"))
    }
}
