//! `function`: a container app that scales to zero, and the Service Bus queue through which it takes commands.

#[cfg(feature = "client")]
pub(crate) mod calls;

use alien_core::permission::Set;
use alien_core::{Code, Problem, Rule};

use super::Rows;
use crate::operations as op;

pub(super) fn set(set: Set) -> Rows {
    match set {
        // The queues of commands and answers hold nobody's data: sending to the one runs code, and the other holds what the
        // code answers.
        Set::Dispatch => &[op::SEND_COMMAND, op::RECEIVE_ANSWER],
        // An app is called over its ingress, which no role guards: callers need the app's address and nothing else.
        Set::Invoke => &[],
        Set::Setup => &[
            op::PUT_COMMAND_QUEUE,
            op::GET_COMMAND_QUEUE,
            op::DELETE_COMMAND_QUEUE,
            op::PUT_ANSWER_QUEUE,
            op::GET_ANSWER_QUEUE,
            op::DELETE_ANSWER_QUEUE,
        ],
        // The platform collects what the code prints: the code needs no right for its logs. It counts the messages of a queue
        // that starts the code under the code's own identity
        // (<https://learn.microsoft.com/azure/container-apps/scale-app#authentication-2>).
        Set::Run => &[op::RECEIVE_COMMAND, op::SEND_ANSWER, op::COUNT_COMMANDS, op::COUNT_MESSAGES],
        _ => super::compute::set(set),
    }
}

/// Container Apps runs images only (<https://learn.microsoft.com/azure/container-apps/containers>).
pub(super) fn check(code: &Code, problems: &mut Vec<Problem>) {
    if let Code::Image(image) = code
        && image.split('/').next().is_some_and(|host| host.ends_with(".azurecr.io"))
    {
        problems.push(Problem::warning(
            Rule::Cloud,
            format!("the app's identity has no right to pull `{image}`"),
            "let it pull from that registry before set-up, or use one that needs no right".to_owned(),
        ));
    }
    if let Code::Zip(_) = code {
        problems.push(Problem::error(
            Rule::Cloud,
            "Container Apps runs images, and this is a zip".to_owned(),
            "ship the function as an image".to_owned(),
        ));
    }
}
