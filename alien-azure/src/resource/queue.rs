//! `queue`: a Service Bus queue with its own dead-letter queue, in the deployment's namespace; keys off.

use alien_core::permission::Set;

use super::Rows;
use crate::naming::Ids;
use crate::operations as op;
use crate::operations::Place;

/// The name of a queue has at most 260 characters.
const MAX: usize = 260;
/// The name of a namespace has 6 to 50 characters and is unique in the world.
const NAMESPACE_MAX: usize = 50;

/// A queue's write redirects messages (`forwardTo`) and creates: management is no more than heartbeat.
pub(super) fn set(set: Set) -> Rows {
    match set {
        Set::Heartbeat => &[op::GET_NAMESPACE, op::GET_QUEUE],
        Set::Provision => &[op::PUT_QUEUE, op::DELETE_QUEUE],
        Set::Reconfigure => &[op::PUT_QUEUE],
        Set::DataRead => &[op::RECEIVE_MESSAGE],
        Set::DataWrite => &[op::SEND_MESSAGE],
        // The namespace is made once, for all queues of a deployment.
        Set::Setup => &[op::PUT_NAMESPACE, op::DELETE_NAMESPACE],
        Set::Management | Set::Logs | Set::Dispatch | Set::Invoke | Set::Run => &[],
    }
}

/// Names the namespace.
pub(crate) fn namespace(ids: Ids<'_>, things: &mut Vec<(Place, String)>) {
    things.push((Place::Namespace, ids.resource(&["Microsoft.ServiceBus/namespaces/", &namespace_name(ids)])));
}

pub(super) fn namespace_name(ids: Ids<'_>) -> String {
    ids.global("namespace", NAMESPACE_MAX)
}

pub(super) fn names(ids: Ids<'_>, id: &str, things: &mut Vec<(Place, String)>) {
    let queue = ids.physical(id, MAX);
    let id = ids.resource(&["Microsoft.ServiceBus/namespaces/", &namespace_name(ids), "/queues/", &queue]);
    things.push((Place::Queue, id));
}
