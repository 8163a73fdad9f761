//! `container`: a container app with at least one replica.
//!
//! Its names and its sets are what it [shares](super::compute) with a function.

#[cfg(feature = "client")]
pub(crate) mod calls;

use alien_core::adapter::{On, Placed, Rows};
use alien_core::{Container, Problem, Rule, Set};

use super::compute;
use crate::Azure;
use crate::operations::Scope;

impl On<Azure> for Container {
    fn set(set: Set) -> Rows<Azure> {
        compute::set(set)
    }

    fn name(&self, placed: &Placed<'_, Azure>, things: &mut Vec<(Scope, String)>) {
        compute::names(placed, things);
    }

    /// An app on the consumption plan has two GiB of memory for each processor
    /// (<https://learn.microsoft.com/azure/container-apps/containers#allocations>).
    fn check(&self, placed: &Placed<'_, Azure>, problems: &mut Vec<Problem>) {
        compute::check(self.code(), problems);
        let (cpu, memory) = (self.cpu(), self.memory());
        let quarters = cpu.div_ceil(250).max(memory.div_ceil(512)).min(16);
        let (fitting_cpu, fitting) = (quarters * 250, quarters * 512);
        if (cpu, memory) != (fitting_cpu, fitting) {
            problems.push(Problem::error(
                Rule::Cloud,
                format!("Container Apps has no app of {cpu} thousandths of a processor and {memory} MiB"),
                format!("set cpu to {fitting_cpu} and memory to {fitting} MiB"),
            ));
        }
        compute::check_links(placed, problems);
    }
}
