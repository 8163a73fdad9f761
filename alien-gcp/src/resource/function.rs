//! `function`: a Cloud Run service that scales to zero.
//!
//! Its names and most of its sets are those of every [service](super::compute).

#[cfg(feature = "client")]
pub(crate) mod calls;

use alien_core::permission::Set;
use alien_core::{Code, Problem, Rule};

use super::Rows;
use crate::operations as op;

pub(super) fn set(set: Set) -> Rows {
    match set {
        Set::Dispatch | Set::Invoke => &[op::INVOKE_SERVICE],
        // Cloud Run writes what the code prints under its own identity: the code needs no right for its logs.
        Set::Run => &[op::PUSH_TO_SERVICE],
        _ => super::compute::set(set),
    }
}

/// Cloud Run runs images only (<https://docs.cloud.google.com/run/docs/deploying>).
pub(super) fn check(code: &Code, problems: &mut Vec<Problem>) {
    if let Code::Zip(_) = code {
        problems.push(Problem::error(
            Rule::Cloud,
            "Cloud Run runs images, and this is a zip".to_owned(),
            "ship the function as an image".to_owned(),
        ));
    }
}
