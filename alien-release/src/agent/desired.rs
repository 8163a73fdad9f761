//! What a deployment should run, and what is asked of its agent.

use std::fmt;
use std::str::FromStr;

use alien_core::adapter::{FormVersion, read_json};
use alien_core::rollout::Sequence;
use alien_core::{CommandId, Error, Problem, ResourceId, Result, Rule};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::version::Version;

/// What `GET /v1/agent/desired` answers: at most 2,000 bytes.
///
/// It selects, and makes nothing: the agent takes only a release that the repository signs, and checks each command and log
/// against its customer's policy.
///
/// ```
/// use alien_release::agent::{Desired, Wanted};
///
/// let digest = format!("sha256:{}", "0".repeat(64));
/// let desired = Desired::new().with_release(Wanted { release: 3.into(), digest, fence: 1 });
/// assert_eq!(Desired::from_json(desired.to_json().as_bytes())?, desired);
/// assert_ne!(desired.etag(), Desired::new().etag());
/// # Ok::<(), alien_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Desired {
    version: Version,
    /// The release that it should run; `None` if none was rolled out to it since it was registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Wanted>,
    /// Why nothing is to be begun for now; `None` if the release may be begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
    /// Commands for its functions, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<CommandAsked>,
    /// Logs that are asked for, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<LogAsked>,
    /// How long to wait before the next poll, in seconds; `None` for the usual 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_poll: Option<u32>,
}

/// A release to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Wanted {
    /// Its number.
    pub release: Sequence,
    /// The digest of its file, `release-N.json`.
    pub digest: String,
    /// The number of the attempt, which only rises. What the agent reports of the attempt carries it, and so does the record.
    pub fence: u64,
}

/// A command that waits. Its bytes are given to whoever takes it: see [`CommandReply`](super::CommandReply).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CommandAsked {
    /// Its id.
    pub id: CommandId,
    /// The function.
    pub function: ResourceId,
    /// When nobody waits for the answer any more: it is not to be taken after this.
    pub deadline: Timestamp,
}

/// A log that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LogAsked {
    /// The id of the request.
    pub id: CommandId,
    /// The function or container.
    pub resource: ResourceId,
    /// The time of the first line that is asked for; `None` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The most lines.
    pub limit: u32,
    /// When nobody waits for it any more.
    pub deadline: Timestamp,
}

impl Default for Desired {
    fn default() -> Self {
        Self::new()
    }
}

impl Desired {
    /// The most bytes of its JSON.
    pub const MOST: usize = 2000;

    /// The most bytes of the reason of a hold.
    const LONGEST_HOLD: usize = 300;

    /// Nothing to run, and nothing asked.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            version: FormVersion,
            release: None,
            hold: None,
            commands: Vec::new(),
            logs: Vec::new(),
            next_poll: None,
        }
    }

    /// Sets the release to run.
    #[must_use]
    pub fn with_release(mut self, wanted: Wanted) -> Self {
        self.release = Some(wanted);
        self
    }

    /// Holds, for a reason. A reason of more than 300 bytes is cut.
    #[must_use]
    pub fn held(mut self, why: &str) -> Self {
        let end = why.floor_char_boundary(Self::LONGEST_HOLD);
        self.hold = Some(why.get(..end).unwrap_or_default().to_owned());
        self
    }

    /// Adds a command; `false` if it does not fit any more. It waits until others are answered.
    #[must_use]
    pub fn asks_command(&mut self, command: CommandAsked) -> bool {
        self.commands.push(command);
        let fits = self.to_json().len() <= Self::MOST;
        if !fits {
            self.commands.pop();
        }
        fits
    }

    /// Adds a log; `false` if it does not fit any more. It waits until others are answered.
    #[must_use]
    pub fn asks_log(&mut self, log: LogAsked) -> bool {
        self.logs.push(log);
        let fits = self.to_json().len() <= Self::MOST;
        if !fits {
            self.logs.pop();
        }
        fits
    }

    /// Its canonical JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Texts and numbers have a JSON form.
        serde_json_canonicalizer::to_string(self).unwrap_or_default()
    }

    /// Reads it, at most 2,000 bytes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](alien_core::ErrorKind::Input) if it is larger or not of the form: an unknown field is named.
    pub fn from_json(text: &[u8]) -> Result<Self> {
        let wrong = |what: String| -> Error {
            let help = "ask the manager again; if it stays so, one of both is of another version".to_owned();
            vec![Problem::error(Rule::Form, what, help)].into()
        };
        if text.len() > Self::MOST {
            return Err(wrong(format!("it has {} bytes, and at most {} are taken", text.len(), Self::MOST)));
        }
        read_json(text).map_err(|error| wrong(format!("this is not what to run: {error}")))
    }

    /// The tag of this content: two with the same tag are the same.
    #[must_use]
    pub fn etag(&self) -> ETag {
        let [a, b, c, d, e, f, ..] = <[u8; 32]>::from(Sha256::digest(self.to_json().as_bytes()));
        ETag([a, b, c, d, e, f])
    }
}

/// The tag of an answer (<https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3>): 48 bits of its SHA-256. Its text is 8
/// characters of Base64 for URLs in quotation marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ETag([u8; 6]);

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for ETag {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // A proxy on the way may have marked it as weak.
        let strong = text.strip_prefix("W/").unwrap_or(text);
        let inner = strong.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let bytes = inner.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).and_then(|bytes| bytes.try_into().ok());
        let wrong = || {
            let help = "give the one of the last answer, or none".to_owned();
            vec![Problem::error(Rule::Form, "this is not the tag of an answer".to_owned(), help)].into()
        };
        bytes.map(Self).ok_or_else(wrong)
    }
}
