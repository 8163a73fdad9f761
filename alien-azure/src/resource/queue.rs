//! `queue`: a Service Bus queue with its own dead-letter queue, in the deployment's namespace; keys off.

#[cfg(feature = "client")]
pub(crate) mod calls;
#[cfg(feature = "client")]
pub(crate) mod namespace;

#[cfg(feature = "client")]
use alien_core::adapter::last;
use alien_core::adapter::{On, Placed, Rows, join};
use alien_core::{Queue, Set};

use crate::Azure;
use crate::naming::Ids;
use crate::operations as op;
use crate::operations::Scope;

/// The name of a queue has at most 260 characters.
const MAX: usize = 260;
/// The name of a namespace has 6 to 50 characters and is unique in the world.
const NAMESPACE_MAX: usize = 50;

impl On<Azure> for Queue {
    /// A queue's write redirects messages (`forwardTo`) and creates: management is no more than heartbeat.
    fn set(set: Set) -> Rows<Azure> {
        match set {
            Set::Heartbeat => &[op::GET_NAMESPACE, op::GET_QUEUE],
            Set::Provision => &[op::PUT_QUEUE, op::DELETE_QUEUE],
            Set::Reconfigure => &[op::PUT_QUEUE],
            Set::DataRead => &[op::RECEIVE_MESSAGE],
            Set::DataWrite => &[op::SEND_MESSAGE],
            Set::Setup | Set::Management | Set::Logs | Set::Dispatch | Set::Invoke | Set::Run => &[],
        }
    }

    fn name(&self, placed: &Placed<'_, Azure>, things: &mut Vec<(Scope, String)>) {
        let (ids, id) = (Ids(placed.target), placed.id());
        things.push((Scope::Queue, queue(ids, id)));
        things.push((Scope::Namespace, namespace(ids)));
    }
}

/// The id of the namespace: one, for all queues of a deployment.
pub(crate) fn namespace(ids: Ids<'_>) -> String {
    ids.resource(&["Microsoft.ServiceBus/namespaces/", &ids.global("namespace", NAMESPACE_MAX)])
}

/// The id of the queue that a resource of this id is.
pub(super) fn queue(ids: Ids<'_>, id: &str) -> String {
    join(&[&namespace(ids)], &["/queues/", &ids.physical(id, MAX)])
}

/// Namespace and name of a queue, from its resource id.
#[cfg(feature = "client")]
pub(crate) fn split(id: &str) -> (&str, &str) {
    let (namespace, queue) = id.rsplit_once("/queues/").unwrap_or(("", id));
    (last(namespace), queue)
}

/// The address of a queue.
#[cfg(feature = "client")]
pub(crate) fn address(id: &str) -> String {
    let (namespace, queue) = split(id);
    format!("https://{namespace}.servicebus.windows.net/{queue}")
}
