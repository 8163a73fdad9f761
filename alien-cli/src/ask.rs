//! Asks for confirmation.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use alien_core::Exit;

use crate::output::Failure;

/// Whether the user has confirmed with a flag, or can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent {
    Given,
    Asked,
}

impl Consent {
    /// Confirmed by a flag, or to be asked for. A run with `--json` never asks.
    ///
    /// # Errors
    ///
    /// [`Failure::Stopped`] if neither is possible: no terminal, or JSON output.
    pub(crate) fn of(yes: bool, json: bool) -> Result<Self, Failure> {
        if yes {
            Ok(Self::Given)
        } else if !json && io::stdin().is_terminal() && io::stderr().is_terminal() {
            Ok(Self::Asked)
        } else {
            Err(Failure::stopped(
                Exit::Refused,
                "cannot ask for confirmation here, so nothing was done; pass `--yes` to continue without asking",
            ))
        }
    }

    /// Asks, unless the user confirmed with a flag.
    pub(crate) async fn to(self, what: &str) -> Result<(), Failure> {
        if self == Self::Given {
            return Ok(());
        }
        let mut err = io::stderr().lock();
        let asked = write!(err, "{what}? [y/N] ").and_then(|()| err.flush());
        drop(err);
        // Elsewhere, so that Ctrl-C ends the question.
        let answered = tokio::task::spawn_blocking(|| {
            let mut answer = String::new();
            io::stdin().lock().read_line(&mut answer).map(|_| answer)
        });
        match (asked, answered.await) {
            (Ok(()), Ok(Ok(answer))) if is_yes(&answer) => Ok(()),
            _ => Err(Failure::stopped(Exit::Refused, "not confirmed, so nothing was done")),
        }
    }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        assert!(is_yes("y\n") && is_yes("YES\r\n"));
        assert!(["", "\n", "n\n", "yep\n", "yes no\n"].iter().all(|answer| !is_yes(answer)));
    }
}
