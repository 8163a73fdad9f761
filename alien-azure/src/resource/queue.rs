//! `queue`: a Service Bus queue with its own dead-letter queue, in the deployment's namespace, without keys.

#[cfg(feature = "client")]
pub(crate) mod calls;
#[cfg(feature = "client")]
pub(crate) mod namespace;

#[cfg(feature = "client")]
use alien_core::adapter::last;
use alien_core::adapter::{On, Placed, Rows, Settings, join};
use alien_core::{Queue, Set};

use crate::Azure;
use crate::naming::Ids;
use crate::operations as op;
use crate::operations::Scope;

/// The longest name of a queue, in characters.
const MAX: usize = 260;
/// The longest name of a namespace, in characters; the shortest has 6. It is unique across Azure.
const NAMESPACE_MAX: usize = 50;

/// <https://learn.microsoft.com/rest/api/servicebus/controlplane-stable/queues>,
/// <https://learn.microsoft.com/rest/api/servicebus/controlplane-stable/namespaces>
const SETTINGS: &[Settings] = &[
    Settings::set_back(&[
        "queue.properties.lockDuration",
        "queue.properties.defaultMessageTimeToLive",
        "queue.properties.maxDeliveryCount",
        "queue.properties.deadLetteringOnMessageExpiration",
        "queue.properties.forwardTo",
        "queue.properties.forwardDeadLetteredMessagesTo",
        "queue.properties.autoDeleteOnIdle",
        "queue.properties.status",
        "namespace.properties.disableLocalAuth",
        "namespace.properties.minimumTlsVersion",
    ]),
    Settings::customers(
        "how much it holds, and words about it, until it is set again",
        &["queue.properties.maxSizeInMegabytes", "queue.properties.userMetadata"],
    ),
    Settings::customers("from which networks it is reached", &["namespace.properties.publicNetworkAccess"]),
];

impl On<Azure> for Queue {
    /// Management gets no more than heartbeat: a queue's write creates queues and redirects messages (`forwardTo`).
    fn set(set: Set) -> Rows<Azure> {
        match set {
            Set::Heartbeat => &[op::GET_NAMESPACE, op::GET_QUEUE],
            // Only the admin gives roles on a queue, and so only the admin creates one.
            Set::Provision => &[op::DELETE_QUEUE],
            Set::Reconfigure => &[op::PUT_QUEUE],
            Set::DataRead => &[op::RECEIVE_MESSAGE],
            Set::DataWrite => &[op::SEND_MESSAGE],
            Set::Setup | Set::Management | Set::Logs | Set::Dispatch | Set::Invoke | Set::Run => &[],
        }
    }

    fn settings() -> &'static [Settings] {
        SETTINGS
    }

    fn name(&self, placed: &Placed<'_, Azure>, things: &mut Vec<(Scope, String)>) {
        let (ids, id) = (Ids(placed.target), placed.id());
        things.push((Scope::Queue, queue(ids, id)));
        things.push((Scope::Namespace, namespace(ids)));
    }
}

/// The id of the namespace, which all queues of a deployment share.
pub(crate) fn namespace(ids: Ids<'_>) -> String {
    ids.resource(&["Microsoft.ServiceBus/namespaces/", &ids.global("namespace", NAMESPACE_MAX)])
}

/// The resource id of the queue for a resource's id.
pub(super) fn queue(ids: Ids<'_>, id: &str) -> String {
    join(&[&namespace(ids)], &["/queues/", &ids.physical(id, MAX)])
}

/// The namespace and the name of a queue, from its resource id.
#[cfg(feature = "client")]
pub(crate) fn split(id: &str) -> (&str, &str) {
    let (namespace, queue) = id.rsplit_once("/queues/").unwrap_or(("", id));
    (last(namespace), queue)
}

/// The URL of a queue.
#[cfg(feature = "client")]
pub(crate) fn address(id: &str) -> String {
    let (namespace, queue) = split(id);
    format!("https://{namespace}.servicebus.windows.net/{queue}")
}
