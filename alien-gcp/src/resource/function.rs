//! `function`: a Cloud Run service that scales to zero.
//!
//! Its names and most of its permission sets are those of every [service](super::compute).

#[cfg(feature = "client")]
pub(crate) mod calls;

use alien_core::adapter::{CodeForms, Fields, On, Operation, Placed, Rows};
use alien_core::{Function, Problem, Queue, Resource, Rule, Set};

use super::{compute, queue};
use crate::Gcp;
use crate::operations as op;
use crate::operations::Scope;

impl On<Gcp> for Function {
    fn set(set: Set) -> Rows<Gcp> {
        match set {
            Set::Dispatch | Set::Invoke => &[op::INVOKE_SERVICE],
            // Cloud Run writes the output of the code with its own identity: the code needs no permission for its logs.
            Set::Run => &[op::PUSH_TO_SERVICE],
            _ => compute::set(set),
        }
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

    /// Checks the image, the variables, and whether a queue waits for its answer: Pub/Sub pushes a message again that was not
    /// acknowledged in time (<https://docs.cloud.google.com/pubsub/docs/push#receive_push>).
    fn check(&self, placed: &Placed<'_, Gcp>, problems: &mut Vec<Problem>) {
        compute::check(placed, problems);
        for id in placed.resource.settings().triggers() {
            let Some(queue) = placed.stack.resource(id).and_then(Resource::settings_of::<Queue>) else { continue };
            let (waits, runs) = (u64::from(queue::deadline(queue)), self.timeout().as_secs());
            if runs > waits {
                let what = format!(
                    "it may run for {runs} seconds, and Pub/Sub sends a message of its queue `{id}` again after {waits}"
                );
                let help = "set the queue's visibility timeout to the function's timeout, at most 300 seconds, or lower the \
                            function's";
                problems.push(Problem::warning(Rule::Cloud, what, help.to_owned()));
            }
        }
    }
}
