//! `container`: a container app with at least one replica.
//!
//! It [shares](super::compute) its names and permission sets with a function.

#[cfg(feature = "client")]
pub(crate) mod calls;

use alien_core::adapter::{CodeForms, Fields, On, Operation, Placed, Rows};
use alien_core::{Container, Problem, Rule, Set};

use super::compute;
use crate::Azure;
use crate::operations::Scope;

/// The sizes that a container of a stack can have, in thousandths of a vCPU.
const SIZES: [u32; 5] = [250, 500, 1000, 2000, 4000];

impl On<Azure> for Container {
    fn set(set: Set) -> Rows<Azure> {
        compute::set(set)
    }

    fn writes(row: &Operation<Scope>) -> &'static [Fields] {
        compute::writes(row)
    }

    fn name(&self, placed: &Placed<'_, Azure>, things: &mut Vec<(Scope, String)>) {
        compute::names(placed, things);
    }

    fn code() -> CodeForms {
        compute::CODE
    }

    /// Checks CPU and memory: an app on the consumption plan has two GiB of memory for each vCPU
    /// (<https://learn.microsoft.com/azure/container-apps/containers#allocations>).
    fn check(&self, placed: &Placed<'_, Azure>, problems: &mut Vec<Problem>) {
        compute::check(placed, problems);
        let (cpu, memory) = (self.cpu_millis(), self.memory_mib());
        let mut sizes = SIZES.iter().map(|cpu| (*cpu, cpu * 2048 / 1000));
        let fitting =
            sizes.clone().find(|(most_cpu, most)| *most_cpu >= cpu && *most >= memory).or_else(|| sizes.next_back());
        if let Some((fitting_cpu, fitting)) = fitting.filter(|fitting| *fitting != (cpu, memory)) {
            problems.push(Problem::error(
                Rule::Cloud,
                format!("Container Apps does not run {cpu} thousandths of a vCPU with {memory} MiB"),
                format!("set cpu to {fitting_cpu} and memory to {fitting} MiB"),
            ));
        }
        compute::check_links(placed, problems);
    }
}
