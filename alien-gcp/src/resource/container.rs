//! `container`: a Cloud Run service with at least one instance.
//!
//! Its names and permission sets are those of every [service](super::compute).

#[cfg(feature = "client")]
pub(crate) mod calls;

use alien_core::adapter::{CodeForms, Fields, On, Operation, Placed, Rows};
use alien_core::{Container, Problem, Rule, Set};

use super::compute;
use crate::Gcp;
use crate::operations::Scope;

impl On<Gcp> for Container {
    fn set(set: Set) -> Rows<Gcp> {
        compute::set(set)
    }

    fn writes(row: &Operation<Scope>) -> &'static [Fields] {
        compute::writes(row)
    }

    fn name(&self, placed: &Placed<'_, Gcp>, things: &mut Vec<(Scope, String)>) {
        compute::names(placed, things);
    }

    fn code() -> CodeForms {
        compute::CODE
    }

    /// Checks the image, variables, CPU, memory and port. The memory that a service may have depends on its CPU
    /// (<https://docs.cloud.google.com/run/docs/configuring/services/memory-limits>).
    fn check(&self, placed: &Placed<'_, Gcp>, problems: &mut Vec<Problem>) {
        compute::check(placed, problems);
        let (smallest, largest) = match self.cpu_millis() {
            250 => (512, 512),
            500 => (512, 1024),
            1000 => (512, 4096),
            2000 => (512, 8192),
            _ => (2048, 16_384),
        };
        if self.cpu_millis() < 1000 {
            problems.push(Problem::warning(
                Rule::Cloud,
                "Cloud Run gives a service of less than one vCPU time only while it handles a request".to_owned(),
                "set `cpuMillis` to 1000 or more if the code works between requests".to_owned(),
            ));
        }
        if self.port().is_none() {
            problems.push(Problem::warning(
                Rule::Cloud,
                "Cloud Run counts a revision as broken if it does not listen on port 8080".to_owned(),
                "let the code listen on that port, or set `port`".to_owned(),
            ));
        }
        let memory = self.memory_mib();
        if !(smallest..=largest).contains(&memory) {
            problems.push(Problem::error(
                Rule::Cloud,
                format!("Cloud Run does not run {} thousandths of a vCPU with {memory} MiB", self.cpu_millis()),
                format!("set memory to {smallest} to {largest} MiB"),
            ));
        }
    }
}
