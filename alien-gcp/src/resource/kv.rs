//! `kv`: a Firestore database of its own. It can have no labels, so a Pub/Sub topic of the same name, which nobody publishes
//! to, carries them.

#[cfg(feature = "client")]
pub(crate) mod calls;

use alien_core::adapter::{On, Placed, Rows};
use alien_core::{Kv, Problem, Rule, Set};

use crate::Gcp;
use crate::naming::Paths;
use crate::operations as op;
use crate::operations::Scope;

/// A database id has 4 to 63 characters
/// (<https://docs.cloud.google.com/firestore/docs/manage-databases#database_id>).
const MAX: usize = 63;

/// The collection group that documents with an expiry are kept in: Firestore has no expiry for all of them
/// (<https://docs.cloud.google.com/firestore/native/docs/ttl>).
const COLLECTION: &str = "items";

impl On<Gcp> for Kv {
    /// Writing a database's settings or a field's can destroy data: management is no more than heartbeat.
    fn set(set: Set) -> Rows<Gcp> {
        match set {
            Set::Heartbeat => &[op::GET_DATABASE],
            Set::Provision => &[op::CREATE_DATABASE, op::GET_DATABASE_OPERATION, op::DELETE_DATABASE],
            Set::Reconfigure => &[op::PATCH_DATABASE_FIELD, op::GET_DATABASE_FIELD],
            Set::Setup => &[op::CREATE_TOPIC, op::GET_MARKER, op::PATCH_MARKER, op::DELETE_MARKER],
            Set::DataRead => &[op::GET_DOCUMENT, op::LIST_DOCUMENTS],
            // A write that depends on a read is a transaction.
            Set::DataWrite => &[op::CREATE_DOCUMENT, op::UPDATE_DOCUMENT, op::DELETE_DOCUMENT, op::BEGIN_TRANSACTION],
            Set::Management | Set::Logs | Set::Dispatch | Set::Invoke | Set::Run => &[],
        }
    }

    /// Databases have no policy of their own: a condition names them, in their relative form.
    fn name(&self, placed: &Placed<'_, Gcp>, things: &mut Vec<(Scope, String)>) {
        let (paths, id) = (Paths(placed.target), placed.id());
        let name = paths.physical(id, MAX);
        things.push((Scope::Id, paths.full("firestore", &["databases/", &name])));
        things.push((Scope::Database, paths.in_project(&["databases/", &name])));
        things.push((Scope::Marker, paths.full("pubsub", &["topics/", &name, "-kv"])));
    }

    /// What expires is told by its collection.
    fn check(&self, _: &Placed<'_, Gcp>, problems: &mut Vec<Problem>) {
        if let Some(attribute) = self.time_to_live_attribute() {
            let what = format!("Firestore expires documents by `{attribute}` in the collection `{COLLECTION}` alone");
            let help = format!("on GCP keep what is to expire in collections named `{COLLECTION}`");
            problems.push(Problem::warning(Rule::Cloud, what, help));
        }
    }
}
