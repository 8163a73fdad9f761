//! A failure as JSON, in the shape of all the programs: `docs/errors.md`.

use alien_core::{Error, ErrorKind, Exit, Problem};
use serde::Serialize;

/// What `--json` prints where there is no result.
#[derive(Serialize)]
struct Failed<'a> {
    error: Told<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    exit: Exit,
    code: u8,
    /// If there are several problems, that of the first.
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<ErrorKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    problems: &'a [Problem],
}

/// A call, or a file, that is wrong.
pub(super) fn failed(error: &Error) -> String {
    let first = error.problems().iter().find(|problem| problem.is_error());
    let message = first.map_or_else(|| error.to_string(), ToString::to_string);
    shown(Told {
        message: message.trim_start_matches("error: ").to_owned(),
        kind: Some(error.kind()),
        operation: error.operation(),
        resource: error.resource(),
        request_id: error.request_id(),
        problems: error.problems(),
        ..plain(Exit::of(error))
    })
}

/// A command line that is wrong.
pub(super) fn usage(wrong: &clap::Error) -> String {
    let message = wrong.render().to_string();
    shown(Told { message: message.trim_start_matches("error: ").trim_end().to_owned(), ..plain(Exit::Usage) })
}

const fn plain(exit: Exit) -> Told<'static> {
    let code = exit.code();
    Told {
        exit,
        code,
        message: String::new(),
        kind: None,
        operation: None,
        resource: None,
        request_id: None,
        problems: &[],
    }
}

fn shown(error: Told<'_>) -> String {
    // Texts and a number have a JSON form.
    format!("{}\n", serde_json::to_string_pretty(&Failed { error }).unwrap_or_default())
}
