//! The steps of a deployment's life.

use std::fmt;

/// A step of a deployment's life. Those about one resource have its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The admin's plan finds nothing that must be mended first.
    Plan,
    /// The admin sets up.
    SetUp,
    /// Looked at again, everything is as it was set up.
    Compare,
    /// The vendor enters, and nobody enters without the vendor's proof.
    Enter,
    /// The vendor watches a resource, and it is healthy.
    Watch(&'static str),
    /// The vendor releases other code or settings of a resource.
    Release(&'static str),
    /// The vendor has new instances of what runs.
    Redeploy(&'static str),
    /// The vendor sends a command to a function, and gets its answer.
    Command(&'static str),
    /// The vendor finds in a function's log what the command said.
    Logs(&'static str),
    /// The vendor, with its own session and without this library, tries something that must be refused.
    Attempt(&'static str),
    /// The customer revokes the access, and the vendor is told so.
    Revoke,
    /// The customer sets up again, and the vendor enters.
    Return,
    /// The customer takes everything down.
    Down,
    /// Nothing is left.
    Gone,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan => f.write_str("plan"),
            Self::SetUp => f.write_str("set up"),
            Self::Compare => f.write_str("compare"),
            Self::Enter => f.write_str("enter"),
            Self::Watch(id) => write!(f, "watch {id}"),
            Self::Release(id) => write!(f, "release {id}"),
            Self::Redeploy(id) => write!(f, "redeploy {id}"),
            Self::Command(id) => write!(f, "command {id}"),
            Self::Logs(id) => write!(f, "logs {id}"),
            Self::Attempt(name) => write!(f, "attempt {name}"),
            Self::Revoke => f.write_str("revoke"),
            Self::Return => f.write_str("set up again"),
            Self::Down => f.write_str("take down"),
            Self::Gone => f.write_str("nothing is left"),
        }
    }
}
