//! Test access to data planes, without permission checks.

use bytes::Bytes;
use serde_json::Value;
use uuid::Uuid;

use super::broker::Sent;
use crate::azure::handle::Azure;
use crate::azure::provider::app;
use crate::azure::state::State;

impl Azure {
    /// Puts a blob into a container of a storage account.
    ///
    /// # Panics
    ///
    /// If there is no such container.
    #[track_caller]
    pub fn put_blob(&self, account: &str, container: &str, name: &str, body: &[u8]) {
        let done = self.faults().0.lock().put_blob(account, container, name, Bytes::copy_from_slice(body));
        assert!(done, "there is no container {container} in an account {account}");
    }

    /// Lists the names of the blobs in a container of a storage account, sorted. Empty if there is no such container.
    #[must_use]
    pub fn blobs(&self, account: &str, container: &str) -> Vec<String> {
        let faults = self.faults();
        let state = faults.0.lock();
        let Some(account) = state.account(account) else { return Vec::new() };
        let at = State::container_id(&account.id, container).to_lowercase();
        state.data.blobs.get(&at).map(|blobs| blobs.keys().cloned().collect()).unwrap_or_default()
    }

    /// Puts an entity, an object of plain properties, into a table of a storage account. It replaces an entity with the
    /// same keys.
    ///
    /// # Panics
    ///
    /// If there is no such table.
    #[track_caller]
    pub fn put_entity(&self, account: &str, table: &str, partition: &str, row: &str, properties: &Value) {
        let done = self.faults().0.lock().put_entity(account, table, partition, row, properties);
        assert!(done, "there is no table {table} in an account {account}");
    }

    /// Sends a message to a queue of a Service Bus namespace, and returns its `MessageId`.
    ///
    /// # Panics
    ///
    /// If there is no such queue.
    #[track_caller]
    pub fn send_message(&self, namespace: &str, queue: &str, body: &str) -> String {
        let faults = self.faults();
        let state = &mut *faults.0.lock();
        let id = Uuid::new_v4().simple().to_string();
        let sent = Sent { body: Bytes::from(body.to_owned()), id: id.clone(), ..Sent::default() };
        let namespace = state.namespace(namespace).map(|thing| thing.id.clone()).unwrap_or_default();
        let done = state.send(&State::queue_id(&namespace, queue), sent).is_ok();
        assert!(done, "there is no queue {queue} to send to");
        app::work(state);
        id
    }

    /// The bodies of the messages in a queue of a Service Bus namespace, oldest first, locked ones included. Its dead
    /// letters are in `{queue}/$deadletterqueue`.
    #[must_use]
    pub fn messages(&self, namespace: &str, queue: &str) -> Vec<String> {
        let faults = self.faults();
        let state = &mut *faults.0.lock();
        app::work(state);
        let Some(namespace) = state.namespace(namespace).map(|thing| thing.id.clone()) else { return Vec::new() };
        let id = State::queue_id(&namespace, queue);
        let now = state.now();
        if let Some(rules) = state.queue_rules(&id) {
            state.data.broker.settle(&id.to_lowercase(), &rules, now);
        }
        let messages = state.data.broker.messages(&id.to_lowercase());
        messages.iter().map(|message| String::from_utf8_lossy(&message.sent.body).into_owned()).collect()
    }
}
