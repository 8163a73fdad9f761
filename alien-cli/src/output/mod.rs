//! Output, and the reasons why a command fails.

pub(crate) mod failed;
mod table;

use std::fmt::{self, Display};
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;

use alien_core::adapter::printable;
use alien_core::{Error, ErrorKind, Exit, Problem, Problems, Remedy, RenderError, Rule};
use anstyle::{AnsiColor, Style};
use serde::Serialize;
use tokio::io::Interest;
use tokio::net::unix::pipe;

pub(crate) use table::{beside, fitting, paragraph, table, wrapped};

use crate::args::Shown;

/// Why a command fails.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A file, or the value of an option, is wrong.
    Input(Vec<Problem>),
    /// It is refused: somebody must agree, or something must be mended first.
    Refused(Vec<Problem>),
    /// A call failed or was not made.
    Failed(Error),
    /// The command stopped for this reason.
    Stopped(Exit, String),
    /// The command did its work and printed its result, which is not as it should be.
    Ended(Exit, String),
}

impl Failure {
    /// How the program ends.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Input(_) => Exit::Input,
            Self::Refused(_) => Exit::Refused,
            Self::Failed(error) => Exit::of(error),
            Self::Stopped(exit, _) | Self::Ended(exit, _) => *exit,
        }
    }

    /// The command stopped for this reason.
    pub(crate) fn stopped(exit: Exit, why: impl Into<String>) -> Self {
        Self::Stopped(exit, why.into())
    }

    /// The result was printed, and is not as it should be.
    pub(crate) fn ended(exit: Exit, why: impl Display) -> Self {
        Self::Ended(exit, why.to_string())
    }

    /// What a plan or a comparison refuses, where nothing of it was printed.
    pub(crate) fn refused(error: Error) -> Self {
        match error.problems() {
            [] => Self::Failed(error),
            problems => Self::Refused(problems.to_vec()),
        }
    }

    /// The same, where the result was printed already.
    pub(crate) fn shown(self) -> Self {
        Self::Ended(self.exit(), self.to_string())
    }

    /// The result could not be written.
    pub(crate) fn unwritten(why: impl Display) -> Self {
        Self::Stopped(Exit::Internal, format!("cannot write: {why}"))
    }

    /// A file or flag is invalid.
    pub(crate) fn form(at: impl Into<String>, what: impl Into<String>, help: &str) -> Self {
        Problem::error(Rule::Form, what.into(), help.to_owned()).at(at).into()
    }
}

/// Prints one problem per line.
impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problems = match self {
            Self::Input(problems) | Self::Refused(problems) => problems,
            Self::Failed(error) if error.problems().is_empty() => {
                return write!(f, "error: {error}{}", mend(error));
            }
            Self::Failed(error) => error.problems(),
            Self::Stopped(_, why) => return write!(f, "error: {why}"),
            Self::Ended(_, why) => return f.write_str(why),
        };
        let lines: Vec<String> = problems.iter().map(told).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// A problem, with the flag or command that resolves it.
fn told(problem: &Problem) -> String {
    remedied(&problem.to_string(), problem.remedy)
}

/// A reason, with the flag or command that resolves it.
pub(crate) fn remedied(why: &str, remedy: Option<Remedy>) -> String {
    let word = match remedy {
        None => return why.to_owned(),
        Some(Remedy::AllowFrozenChanges) => "--allow-frozen-changes",
        Some(Remedy::ResetLive) => "--reset-live",
        Some(Remedy::MarkAgain) => "alien-deploy up --mark-again",
        Some(Remedy::DeleteData) => "alien-deploy down --delete-data",
        Some(Remedy::TakeDownAgain) => "alien-deploy down",
        Some(Remedy::InviteAgain) => "alien invite --record",
        Some(Remedy::GrantProvisioning) => "alien-deploy review --documents",
        // A remedy that a newer library knows: its message says what to do.
        Some(_) => return why.to_owned(),
    };
    format!("{why} (`{word}`)")
}

/// Says who can fix it, if the error itself does not.
fn mend(error: &Error) -> &'static str {
    match error.kind() {
        // What a token lacks, the fleet's own admin gives.
        _ if error.to_string().contains("; ask an admin of the fleet") => "",
        ErrorKind::Credentials => "; run this again with valid credentials of the right account",
        ErrorKind::Expired => "; log in again",
        ErrorKind::NotGranted => {
            "; the vendor must ask for it in the stack, and the customer's admin must set up again"
        }
        // A store that another program holds is not taken over.
        ErrorKind::Locked if error.to_string().ends_with("take over") => " with `--take-over`",
        _ => "",
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Input(vec![problem])
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Input(problems.as_slice().to_vec())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<RenderError> for Failure {
    fn from(error: RenderError) -> Self {
        match error {
            RenderError::Problems(problems) => problems.into(),
            other => {
                let help = "this is a bug in the program: report it, and do not use documents made in another way";
                Problem::error(Rule::Cloud, other.to_string(), help.to_owned()).into()
            }
        }
    }
}

/// Prints a line. What a terminal would obey is written out.
pub(crate) fn line(text: impl Display) -> Result<(), Failure> {
    bytes(format!("{}\n", printable(&text.to_string())).as_bytes())
}

impl Shown {
    /// Prints the result of a command: as JSON, or as the text that is made from it.
    pub(crate) fn result<R: Serialize>(self, result: &R, text: impl FnOnce(&R) -> String) -> Result<(), Failure> {
        if self.json { json(result) } else { line(text(result)) }
    }

    /// Prints one of many results that come one after the other: as JSON in one line, or as text.
    pub(crate) fn entry<R: Serialize>(self, entry: &R, text: impl FnOnce(&R) -> String) -> Result<(), Failure> {
        if self.json { line(serde_json::to_string(entry).map_err(Failure::unwritten)?) } else { line(text(entry)) }
    }
}

/// Prints an answer: as it is, or with what a terminal would obey written out where one shows it.
pub(crate) fn answer(answer: &[u8]) -> Result<(), Failure> {
    if io::stdout().is_terminal() { line(String::from_utf8_lossy(answer)) } else { bytes(answer) }
}

/// Prints bytes as they are.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        // The reader, such as `head`, has stopped reading.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(Failure::unwritten),
    }
}

/// Waits until the reader of standard output, such as `head`, closes the pipe. Never returns if it is not a pipe.
pub(crate) async fn unread() {
    let stdout = io::stdout().as_fd().try_clone_to_owned().ok();
    match stdout.and_then(|stdout| pipe::Sender::from_owned_fd_unchecked(stdout).ok()) {
        Some(stdout) => drop(stdout.ready(Interest::ERROR).await),
        // A file, or nothing.
        None => std::future::pending().await,
    }
}

/// Prints a value as indented JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    line(serde_json::to_string_pretty(value).map_err(Failure::unwritten)?)
}

/// Prints a line on standard error; the words `error:` and `warning:` in colour, where that is shown.
pub(crate) fn note(text: impl Display) {
    let mut err = anstream::stderr().lock();
    for line in printable(&text.to_string()).split('\n') {
        let (style, word) = match line.split_once(' ') {
            Some(("error:", _)) => (ERROR, "error:"),
            Some(("warning:", _)) => (WARNING, "warning:"),
            _ => (Style::new(), ""),
        };
        let rest = line.strip_prefix(word).unwrap_or(line);
        // If standard error is closed, nobody can be told.
        let _ = writeln!(err, "{style}{word}{style:#}{rest}");
    }
}

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// Prints problems on standard error.
pub(crate) fn warn<'p>(problems: impl IntoIterator<Item = &'p Problem>) {
    problems.into_iter().map(told).for_each(note);
}

/// Returns both values, or the problems of both.
pub(crate) fn both<A, B>(a: Result<A, Failure>, b: Result<B, Failure>) -> Result<(A, B), Failure> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(Failure::Input(mut problems)), Err(Failure::Input(more))) => {
            problems.extend(more);
            Err(Failure::Input(problems))
        }
        (Err(failure), _) | (_, Err(failure)) => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_who_can_mend_it() {
        for (kind, words) in [
            (ErrorKind::Credentials, "with valid credentials"),
            (ErrorKind::Expired, "log in again"),
            (ErrorKind::NotGranted, "in the stack, and the customer's admin"),
            (ErrorKind::Locked, "or take over with `--take-over`"),
        ] {
            let error = Error::new(kind, "no; wait, or take over");
            let told = Failure::from(error).to_string();
            assert!(told.starts_with("error: no; ") && told.contains(words), "{told}");
        }
        assert_eq!(Failure::from(Error::new(ErrorKind::Failed, "no")).to_string(), "error: no");
        let held = Error::new(ErrorKind::Locked, "it is held; wait until that has ended");
        assert_eq!(Failure::from(held).to_string(), "error: it is held; wait until that has ended");
    }

    #[test]
    fn every_problem_is_a_line() {
        let problem = |what: &str| Problem::error(Rule::Form, what.to_owned(), "mend it".to_owned());
        let problems = vec![problem("one").at("a"), problem("two")];
        let told = "error: `a`: one; mend it\nerror: two; mend it";
        assert_eq!(Failure::Input(problems.clone()).to_string(), told);
        assert_eq!(Failure::from(Error::from(problems)).to_string(), told);
    }

    #[test]
    fn both_tell_what_is_wrong_with_either() {
        let wrong = |at: &str| Failure::form(at, "wrong", "mend it");
        let failure = both::<(), ()>(Err(wrong("a")), Err(wrong("b"))).unwrap_err();
        assert_eq!(failure.to_string(), "error: `a`: wrong; mend it\nerror: `b`: wrong; mend it");
        assert!(both(Ok(()), Err::<(), _>(wrong("b"))).is_err());
    }
}
