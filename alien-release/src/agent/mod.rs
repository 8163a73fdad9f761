//! What an agent and its manager say to each other: the forms alone, without a connection.
//!
//! An agent asks outbound, over HTTPS, and nobody asks it:
//!
//! | call | form | answer |
//! | --- | --- | --- |
//! | `POST /v1/agent/token`, once an hour | [`TokenRequest`], signed | [`Token`] |
//! | `GET /v1/agent/desired`, about every 30 seconds | the bearer, and the [`ETag`] of the last answer | 304, or [`Desired`] |
//! | `POST /v1/agent/report` | [`Report`], signed | 204, or [`Hold`] |
//! | `POST /v1/agent/commands/{id}` | [`CommandReply`], signed | 200 with the command's bytes, or 204 |
//! | `POST /v1/agent/logs/{id}` | [`LogPage`], signed | 204 |
//!
//! Every message of the agent is canonical JSON ([RFC 8785](https://www.rfc-editor.org/rfc/rfc8785)): the bytes of the body are what is
//! [signed](Signed), and the signature stands in the header [`SIGNATURE_HEADER`]. So a message is verified before it is read. All
//! but the request for a token carry a counter, which only rises: what was sent once is refused the second time.
//!
//! A message with a field or a code that is not known is refused, with its name. So a manager and an agent of different releases must know
//! the same, and the version of a form says what that is:
//!
//! * The fields and codes of a version never change: kinds of errors, health, reasons to wait and to refuse, how an attempt ended. A new one
//!   needs another version. Until that is spoken, an agent says the nearest code that the version has.
//! * A version is read in one release, and written from the next one on. So a manager serves the agents of the release before and of the
//!   release after its own.
//!
//! ```
//! use alien_core::{AgentVersion, DeploymentId};
//! use alien_release::SigningKey;
//! use alien_release::agent::{Report, Signed};
//!
//! // The agent:
//! let key = SigningKey::generate()?;
//! let deployment = DeploymentId::new();
//! let report = Report::new(deployment, 7, AgentVersion::new(1, 0, 0));
//! let sent = Signed::of(&report, &key)?;
//!
//! // The manager, which was given the public half of the key:
//! let received = Signed::<Report>::new(sent.body().to_vec(), sent.signature().clone());
//! assert_eq!(received.verify(key.public())?, report);
//! # Ok::<(), alien_core::Error>(())
//! ```

mod commands;
mod desired;
mod kinds;
mod logs;
mod report;
mod signed;
mod token;
mod version;

pub use commands::{CommandReply, Replied};
pub use desired::{CommandAsked, Desired, ETag, LogAsked, Wanted};
pub use logs::LogPage;
pub use report::{Attempt, Condition, Ended, Hold, Report, State, Waits};
pub use signed::{Message, SIGNATURE_HEADER, Signed};
pub use token::{Bearer, Nonce, Token, TokenRequest};
