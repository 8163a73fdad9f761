//! What goes out, and why a command fails.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::Path;

use alien_core::cloud::RenderError;
use alien_core::{Problem, Problems, Rule, Stack};
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::args::Format;

/// Why a command fails.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The result could not be written.
    Unwritten(String),
    /// The input is wrong, or refused.
    Refused(Vec<Problem>),
    /// The report that was shown has breaches.
    Breached,
}

impl Failure {
    /// Says so on standard error.
    pub(crate) fn report(&self) {
        let lines: Vec<String> = match self {
            Self::Unwritten(why) => vec![format!("error: cannot write: {why}")],
            Self::Refused(problems) => problems.iter().map(ToString::to_string).collect(),
            Self::Breached => vec!["error: the documents break a promise".to_owned()],
        };
        // Where standard error is closed there is nobody left to tell.
        let _ = writeln!(io::stderr().lock(), "{}", lines.join("\n"));
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Refused(problems.as_slice().to_vec())
    }
}

impl From<RenderError> for Failure {
    fn from(error: RenderError) -> Self {
        match error {
            RenderError::Problems(problems) => problems.into(),
            other => {
                let help = "this is a defect of the program: report it, and do not use documents made another way";
                Self::Refused(vec![Problem::error(Rule::Cloud, other.to_string(), help.to_owned())])
            }
        }
    }
}

/// Prints text and a line end.
pub(crate) fn line(text: impl Display) -> Result<(), Failure> {
    match writeln!(io::stdout().lock(), "{text}") {
        // Whoever reads has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::Unwritten(error.to_string())),
        Ok(()) => Ok(()),
    }
}

/// Prints a value as JSON, indented.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value);
    line(text.map_err(|error| Failure::Unwritten(error.to_string()))?)
}

/// Prints warnings on standard error.
pub(crate) fn warn(problems: &[Problem]) {
    for problem in problems {
        let _ = writeln!(io::stderr().lock(), "{problem}");
    }
}

/// Reads a file as text.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| {
        let what = format!("cannot be read: {error}");
        let problem = Problem::error(Rule::Form, what, "name a file that can be read".to_owned());
        Failure::Refused(vec![problem.at(path.display().to_string())])
    })
}

/// Reads a stack.
pub(crate) fn read_stack(path: &Path) -> Result<Stack, Failure> {
    Ok(Stack::from_json(&read(path)?)?)
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
