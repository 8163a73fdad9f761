//! What is told of a wrong input.

use alien_core::{Error, Problem, Rule};

pub(super) fn wrong(what: impl Into<String>, help: &str) -> Problem {
    Problem::error(Rule::Form, what.into(), help.to_owned())
}

pub(super) fn one(problem: Problem) -> Error {
    vec![problem].into()
}
