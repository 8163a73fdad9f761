//! `container`: a container app with at least one replica.
//!
//! Its names and its sets are what it [shares](super::compute) with a function.

#[cfg(feature = "client")]
pub(crate) mod calls;

use alien_core::permission::Set;
use alien_core::{Container, Problem, Rule};

use super::Rows;

pub(super) fn set(set: Set) -> Rows {
    super::compute::set(set)
}

/// An app on the consumption plan has two GiB of memory for each processor
/// (<https://learn.microsoft.com/azure/container-apps/containers#allocations>).
pub(super) fn check(container: &Container, problems: &mut Vec<Problem>) {
    super::compute::check(container.code(), problems);
    let (cpu, memory) = (container.cpu(), container.memory());
    let quarters = cpu.div_ceil(250).max(memory.div_ceil(512)).min(16);
    let (fitting_cpu, fitting) = (quarters * 250, quarters * 512);
    if (cpu, memory) != (fitting_cpu, fitting) {
        problems.push(Problem::error(
            Rule::Cloud,
            format!("Container Apps has no app of {cpu} thousandths of a processor and {memory} MiB"),
            format!("set cpu to {fitting_cpu} and memory to {fitting} MiB"),
        ));
    }
}
