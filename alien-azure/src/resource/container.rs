//! `container`: a container app with at least one replica.
//!
//! Its names and its sets are those of a [function](super::function): both are apps.

use alien_core::permission::Set;
use alien_core::{Container, Problem, Rule};

use super::Rows;

pub(super) fn set(set: Set) -> Rows {
    super::function::app_set(set)
}

/// An app on the consumption plan has two GiB of memory for each processor
/// (<https://learn.microsoft.com/azure/container-apps/containers#allocations>).
pub(super) fn check(container: &Container, problems: &mut Vec<Problem>) {
    let (cpu, memory) = (container.cpu(), container.memory());
    let fitting = cpu * 2048 / 1000;
    if memory != fitting {
        problems.push(Problem::error(
            Rule::Cloud,
            format!("Container Apps has no app of {cpu} thousandths of a processor and {memory} MiB"),
            format!("set memory to {fitting} MiB"),
        ));
    }
}
