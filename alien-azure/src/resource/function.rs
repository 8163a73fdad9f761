//! `function`: a container app that scales to zero, and the Service Bus queues for its commands and answers.

#[cfg(feature = "client")]
mod answers;
#[cfg(feature = "client")]
pub(crate) mod calls;

use alien_core::adapter::{CodeForms, Fields, On, Operation, Placed, Rows};
use alien_core::{Function, Problem, Queue, Resource, Rule, Set};

use super::compute;
use crate::Azure;
use crate::operations as op;
use crate::operations::Scope;

/// The longest lock of a message, in seconds; that of a command
/// (<https://learn.microsoft.com/azure/service-bus-messaging/message-transfers-locks-settlement>).
const LOCKED: u64 = 300;

/// The most memory on the consumption plan, in MiB
/// (<https://learn.microsoft.com/azure/container-apps/containers#allocations>).
const LARGEST: u32 = 8192;

impl On<Azure> for Function {
    fn set(set: Set) -> Rows<Azure> {
        match set {
            // The queues for commands and answers hold no customer data: sending to one runs code, and the other holds
            // the answers of code.
            Set::Dispatch => &[op::SEND_COMMAND, op::RECEIVE_ANSWER],
            // An app is called over its ingress, and no role controls that: callers need only the app's address.
            Set::Invoke => &[],
            // The queues go with the admin's next set-up.
            Set::Setup => &[
                op::PATCH_APP,
                op::JOIN_ENVIRONMENT,
                op::GET_RUNTIME_IDENTITY,
                op::ASSIGN_IDENTITY,
                op::PUT_COMMAND_QUEUE,
                op::GET_COMMAND_QUEUE,
                op::DELETE_COMMAND_QUEUE,
                op::PUT_ANSWER_QUEUE,
                op::GET_ANSWER_QUEUE,
                op::DELETE_ANSWER_QUEUE,
            ],
            // The platform collects the output of code, so the code needs no permission for its logs. The platform
            // counts the messages of a queue that triggers the code with the code's own identity
            // (<https://learn.microsoft.com/azure/container-apps/scale-app#authentication-2>).
            Set::Run => &[op::RECEIVE_COMMAND, op::SEND_ANSWER, op::COUNT_COMMANDS, op::COUNT_MESSAGES],
            _ => compute::set(set),
        }
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

    fn check(&self, placed: &Placed<'_, Azure>, problems: &mut Vec<Problem>) {
        compute::check(placed, problems);
        let waits = self.is_triggered() || self.takes_commands();
        if waits {
            // <https://learn.microsoft.com/azure/container-apps/scale-app#authentication-2> names no role for it, and
            // <https://github.com/kedacore/keda/issues/806> wants one on more than the queue.
            problems.push(Problem::warning(
                Rule::Cloud,
                "no replica of it runs while it waits, and that Azure counts the messages of its queue by a role on that \
                 queue alone is not documented"
                    .to_owned(),
                "after the set-up, send it a message; if nothing starts, run the code as a container, which has one replica \
                 at least, and reads the queue itself"
                    .to_owned(),
            ));
        }
        check_locks(self, placed, problems);
        if self.memory_mib() > LARGEST {
            problems.push(Problem::error(
                Rule::Cloud,
                format!("Container Apps does not run an app with {} MiB", self.memory_mib()),
                format!("set memory to at most {LARGEST} MiB"),
            ));
        }
        compute::check_links(placed, problems);
    }
}

/// Warns where a run may outlast the lock of its message: then the message is received again while the code still works on it.
/// The code receives messages itself, and may renew a lock for as long as it works, so nothing is refused
/// (<https://learn.microsoft.com/azure/service-bus-messaging/message-transfers-locks-settlement#renew-locks>).
fn check_locks(function: &Function, placed: &Placed<'_, Azure>, problems: &mut Vec<Problem>) {
    let runs = function.timeout().as_secs();
    for id in placed.resource.settings().triggers() {
        let Some(queue) = placed.stack.resource(id).and_then(Resource::settings_of::<Queue>) else { continue };
        let locked = u64::from(queue.visibility_timeout_seconds());
        if runs <= locked {
            continue;
        }
        let what = format!(
            "it may run for {runs} seconds, and a message of its queue `{id}` is locked for {locked}: then it is received again"
        );
        let renewed = "let the code renew the lock while it works";
        let help = if runs > LOCKED {
            format!("{renewed}; a lock lasts {LOCKED} seconds at most")
        } else {
            format!("set the queue's visibility timeout to {runs} seconds, or {renewed}")
        };
        problems.push(Problem::warning(Rule::Cloud, what, help));
    }
    if function.takes_commands() && runs > LOCKED {
        problems.push(Problem::warning(
            Rule::Cloud,
            format!("it may run for {runs} seconds, and a command is locked for {LOCKED}: then it is received again"),
            "let the code renew the lock while it works".to_owned(),
        ));
    }
}
