//! What a cloud's own tools print about the example stack's identities, audited.

use alien_core::Report;
use alien_core::adapter::{AccessControl, Answer, Documented};

use crate::golden::my_app;

/// The report of the audit of these answers.
///
/// # Panics
///
/// If they are not enough, or cannot be read.
#[must_use]
pub fn audited<C: AccessControl>(target: &C::Target, answers: &[Answer]) -> Report {
    let documents = C::collected(&my_app(), target, answers).unwrap();
    C::audited(&my_app(), target, &documents).unwrap()
}

/// The problems of answers that are not enough or cannot be read, as text.
///
/// # Panics
///
/// If nothing is wrong with them.
#[must_use]
pub fn refused<C: AccessControl>(target: &C::Target, answers: &[Answer]) -> Vec<String> {
    let problems = C::collected(&my_app(), target, answers).unwrap_err();
    problems.as_slice().iter().map(ToString::to_string).collect()
}
