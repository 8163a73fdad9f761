//! How a program ended, as its exit code.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};

/// How a program ended. All programs of this workspace exit with these codes; a program that embeds the library may, too.
///
/// ```
/// use alien_core::{Error, ErrorKind, Exit};
///
/// let error = Error::new(ErrorKind::Credentials, "there are no credentials");
/// assert_eq!(Exit::of(&error), Exit::Credentials);
/// assert_eq!(Exit::Credentials.code(), 5);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Exit {
    /// 0: it is done.
    Done,
    /// 1: a defect of the program, an answer that makes no sense, or a result that could not be written.
    Internal,
    /// 2: the command line is wrong.
    Usage,
    /// 3: a file, or the value of an option, is wrong.
    Input,
    /// 4: refused: a promise would be broken, somebody must agree first, or the cloud denies it.
    Refused,
    /// 5: there are no credentials, they have expired, or they are of another account; or the access was revoked.
    Credentials,
    /// 6: the cloud, the network, a store or a disk did not do it.
    Cloud,
    /// 7: it was looked at, and is not as it should be: it differs, is not healthy, or is not there.
    Drift,
    /// 8: it took longer than allowed.
    TimedOut,
    /// 9: another run holds it, or it has changed meanwhile: what was asked for does not fit how it stands.
    Held,
    /// 10: the rollout is done, and a deployment is bad, or it is not known how it is.
    RolloutBad,
    /// 11: the rollout was halted.
    RolloutHalted,
    /// 12: the rollout was reverted.
    RolloutReverted,
    /// 13: a newer release took the rollout's place, or an operator cancelled it.
    RolloutEnded,
    /// 130: it was interrupted, and says what is left.
    Interrupted,
}

impl Exit {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 15] = [
        Self::Done,
        Self::Internal,
        Self::Usage,
        Self::Input,
        Self::Refused,
        Self::Credentials,
        Self::Cloud,
        Self::Drift,
        Self::TimedOut,
        Self::Held,
        Self::RolloutBad,
        Self::RolloutHalted,
        Self::RolloutReverted,
        Self::RolloutEnded,
        Self::Interrupted,
    ];

    /// The exit code, for ever the same.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Internal => 1,
            Self::Usage => 2,
            Self::Input => 3,
            Self::Refused => 4,
            Self::Credentials => 5,
            Self::Cloud => 6,
            Self::Drift => 7,
            Self::TimedOut => 8,
            Self::Held => 9,
            Self::RolloutBad => 10,
            Self::RolloutHalted => 11,
            Self::RolloutReverted => 12,
            Self::RolloutEnded => 13,
            Self::Interrupted => 130,
        }
    }

    /// What it says, as one line of a help text.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Done => "it is done",
            Self::Internal => {
                "a defect of the program, an answer that makes no sense, or a result that could not be written"
            }
            Self::Usage => "the command line is wrong",
            Self::Input => "a file, or the value of an option, is wrong",
            Self::Refused => "refused: a promise would be broken, somebody must agree first, or the cloud denies it",
            Self::Credentials => "no valid credentials of the right account; or the access was revoked",
            Self::Cloud => "the cloud, the network, a store or a disk did not do it",
            Self::Drift => "it is not as it should be: it differs, is not healthy, or is not there",
            Self::TimedOut => "it took longer than allowed",
            Self::Held => "another run holds it, or it has changed meanwhile: look, and try again",
            Self::RolloutBad => "the rollout is done, and a deployment is bad, or it is not known how it is",
            Self::RolloutHalted => "the rollout was halted",
            Self::RolloutReverted => "the rollout was reverted",
            Self::RolloutEnded => "a newer release took the rollout's place, or an operator cancelled it",
            Self::Interrupted => "it was interrupted, and says what is left",
        }
    }

    /// These codes with what each says, for below a help text: no line is longer than 80 characters.
    #[must_use]
    pub fn help(these: impl IntoIterator<Item = Self>) -> String {
        let mut text = "Exit codes:".to_owned();
        for exit in these {
            let mut line = format!("  {:<4}", exit.code());
            for word in exit.describe().split(' ') {
                if line.len() + 1 + word.len() > 80 {
                    text.push_str(&format!("\n{line}"));
                    line = " ".repeat(6);
                }
                line.push_str(&format!(" {word}"));
            }
            text.push_str(&format!("\n{line}"));
        }
        text
    }

    /// How a program ends because of this error.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        error.kind().into()
    }
}

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Input => Self::Input,
            ErrorKind::NotGranted
            | ErrorKind::Denied
            | ErrorKind::NotOwned
            | ErrorKind::Rejected
            | ErrorKind::TooLarge
            | ErrorKind::Unsupported => Self::Refused,
            ErrorKind::Credentials | ErrorKind::Expired | ErrorKind::Revoked => Self::Credentials,
            ErrorKind::NotFound | ErrorKind::AlreadyExists => Self::Drift,
            ErrorKind::Throttled
            | ErrorKind::Unavailable
            | ErrorKind::Unreachable
            | ErrorKind::Propagating
            | ErrorKind::Busy
            | ErrorKind::Failed => Self::Cloud,
            ErrorKind::TimedOut => Self::TimedOut,
            ErrorKind::Locked | ErrorKind::Conflict => Self::Held,
            ErrorKind::Internal => Self::Internal,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_code_of_its_own_and_the_page_lists_all() {
        let page = include_str!("../../docs/errors.md");
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `") && line.contains("` | ")).collect();
        let rows: Vec<&str> =
            rows.into_iter().filter(|row| row.as_bytes().get(3).is_some_and(u8::is_ascii_digit)).collect();
        let listed = Exit::ALL.map(|exit| {
            let name = serde_json::to_value(exit).unwrap();
            format!("| `{}` | `{}` | {} |", exit.code(), name.as_str().unwrap(), exit.describe())
        });
        assert_eq!(rows, listed, "the table of docs/errors.md");
        assert!(Exit::ALL.is_sorted_by(|a, b| a.code() < b.code()));
    }

    #[test]
    fn the_help_has_every_code_with_its_words_within_80_columns() {
        let help = Exit::help(Exit::ALL);
        let words = Exit::ALL.map(|exit| format!("{} {}", exit.code(), exit.describe())).join(" ");
        assert_eq!(help.split_whitespace().skip(2).collect::<Vec<_>>().join(" "), words);
        assert!(help.lines().all(|line| line.len() <= 80), "{help}");
        assert!(
            help.contains("\n  1    a defect of") && help.contains("\n       could not be written\n  2    the"),
            "{help}"
        );
    }
}
