//! What goes out, and why a command fails.

use std::fmt::{self, Display};
use std::io::{self, Write as _};

use alien_core::{Error, ErrorKind, Problem, Problems, Remedy, RenderError, Rule};
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::args::Format;

/// Why a command fails.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The input is wrong, or refused.
    Refused(Vec<Problem>),
    /// A call failed, or was not made.
    Failed(Error),
    /// It stops here, for this reason.
    Stopped(String),
}

impl Failure {
    /// It stops here, for this reason.
    pub(crate) fn stopped(why: impl Into<String>) -> Self {
        Self::Stopped(why.into())
    }

    /// The result could not be written.
    pub(crate) fn unwritten(why: impl Display) -> Self {
        Self::Stopped(format!("cannot write: {why}"))
    }

    /// Something is wrong with a file or flag.
    pub(crate) fn form(at: impl Into<String>, what: impl Into<String>, help: &str) -> Self {
        Problem::error(Rule::Form, what.into(), help.to_owned()).at(at).into()
    }
}

/// Every reason on a line of its own, as for standard error.
impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problems = match self {
            Self::Refused(problems) => problems,
            Self::Failed(error) if error.problems().is_empty() => {
                return write!(f, "error: {error}{}", mend(error.kind()));
            }
            Self::Failed(error) => error.problems(),
            Self::Stopped(why) => return write!(f, "error: {why}"),
        };
        let lines: Vec<String> = problems.iter().map(told).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// A problem, with the word that these programs have for what helps.
fn told(problem: &Problem) -> String {
    remedied(&problem.to_string(), problem.remedy)
}

/// A reason, with the word that these programs have for what helps.
pub(crate) fn remedied(why: &str, remedy: Option<Remedy>) -> String {
    let word = match remedy {
        None => return why.to_owned(),
        Some(Remedy::AllowFrozenChanges) => "--allow-frozen-changes",
        Some(Remedy::DeleteData) => "alien-deploy down --delete-data",
        Some(Remedy::TakeDownAgain) => "alien-deploy down",
        Some(Remedy::InviteAgain) => "alien invite --record",
        Some(Remedy::GrantProvisioning) => "alien-deploy review --documents",
        // A newer library's: the words say it.
        Some(_) => return why.to_owned(),
    };
    format!("{why} (`{word}`)")
}

/// Who can mend it, where the error itself does not say.
const fn mend(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Credentials => "; whoever runs this needs valid credentials of the right account",
        ErrorKind::Expired => "; log in again",
        ErrorKind::NotGranted => {
            "; the vendor would have to ask for it in the stack, and the customer's admin to set up again"
        }
        ErrorKind::Locked => " with `--take-over`",
        _ => "",
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Refused(vec![problem])
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Refused(problems.as_slice().to_vec())
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
                let help = "this is a defect of the program: report it, and do not use documents made another way";
                Problem::error(Rule::Cloud, other.to_string(), help.to_owned()).into()
            }
        }
    }
}

/// Prints text and a line end.
pub(crate) fn line(text: impl Display) -> Result<(), Failure> {
    bytes(format!("{text}\n").as_bytes())
}

/// Prints bytes as they are.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        // Whoever reads has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(Failure::unwritten),
    }
}

/// Prints a value as JSON, indented.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    line(serde_json::to_string_pretty(value).map_err(Failure::unwritten)?)
}

/// Prints a line on standard error.
pub(crate) fn note(text: impl Display) {
    // Where standard error is closed there is nobody left to tell.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints problems on standard error.
pub(crate) fn warn<'p>(problems: impl IntoIterator<Item = &'p Problem>) {
    problems.into_iter().map(told).for_each(note);
}

/// Both, or everything that is wrong with either.
pub(crate) fn both<A, B>(a: Result<A, Failure>, b: Result<B, Failure>) -> Result<(A, B), Failure> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(Failure::Refused(mut problems)), Err(Failure::Refused(more))) => {
            problems.extend(more);
            Err(Failure::Refused(problems))
        }
        (Err(failure), _) | (_, Err(failure)) => Err(failure),
    }
}

/// A table for the terminal or for a document.
pub(crate) fn table(format: Format, header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    if format == Format::Markdown {
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_content_arrangement(ContentArrangement::Disabled);
    } else {
        table.load_style(presets::UTF8_FULL_CONDENSED);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(120);
    }
    table.set_header(header.iter().copied());
    // A cell of a Markdown table is one line, and a bar ends it.
    let cell =
        |text: String| if format == Format::Markdown { text.replace('|', "\\|").replace('\n', "<br>") } else { text };
    table.add_rows(rows.into_iter().map(|row| row.into_iter().map(cell).collect::<Vec<_>>()));
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_who_can_mend_it() {
        for (kind, words) in [
            (ErrorKind::Credentials, "needs valid credentials"),
            (ErrorKind::Expired, "log in again"),
            (ErrorKind::NotGranted, "in the stack, and the customer's admin"),
            (ErrorKind::Locked, "or take over with `--take-over`"),
        ] {
            let error = Error::new(kind, "no; wait, or take over");
            let told = Failure::from(error).to_string();
            assert!(told.starts_with("error: no; ") && told.contains(words), "{told}");
        }
        assert_eq!(Failure::from(Error::new(ErrorKind::Failed, "no")).to_string(), "error: no");
    }

    #[test]
    fn every_problem_is_a_line() {
        let problem = |what: &str| Problem::error(Rule::Form, what.to_owned(), "mend it".to_owned());
        let problems = vec![problem("one").at("a"), problem("two")];
        let told = "error: `a`: one; mend it\nerror: two; mend it";
        assert_eq!(Failure::Refused(problems.clone()).to_string(), told);
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
