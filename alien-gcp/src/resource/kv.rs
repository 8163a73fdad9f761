//! `kv`: a Firestore database. A database cannot have labels, so a Pub/Sub topic of the same name holds them. Nobody
//! publishes to that topic.

#[cfg(feature = "client")]
pub(crate) mod calls;

use alien_core::adapter::{On, Placed, Rows, Settings};
use alien_core::{Kv, Problem, Rule, Set};

use crate::Gcp;
use crate::naming::Paths;
use crate::operations as op;
use crate::operations::Scope;

/// The longest id of a database, in characters; the shortest has 4
/// (<https://docs.cloud.google.com/firestore/docs/manage-databases#database_id>).
const MAX: usize = 63;

/// The collection group of documents that expire. Firestore cannot set an expiry for all collection groups at once
/// (<https://docs.cloud.google.com/firestore/native/docs/ttl>).
const COLLECTION: &str = "items";

/// <https://docs.cloud.google.com/firestore/docs/reference/rest/v1/projects.databases>,
/// <https://docs.cloud.google.com/firestore/docs/reference/rest/v1/projects.databases.collectionGroups.fields>
const SETTINGS: &[Settings] = &[
    Settings::set_back(&["field.ttlConfig"]),
    Settings::customers("by which other fields documents expire, and what is indexed", &["otherField.ttlConfig"]),
    Settings::customers(
        "from when it can be restored, and whether it can be deleted",
        &["database.pointInTimeRecoveryEnablement", "database.deleteProtectionState"],
    ),
    Settings::customers("how writes at the same time are decided", &["database.concurrencyMode"]),
];

impl On<Gcp> for Kv {
    /// Management gets no more than heartbeat: writing the settings of a database or a field can destroy data.
    fn set(set: Set) -> Rows<Gcp> {
        match set {
            Set::Heartbeat => &[op::GET_DATABASE],
            // Whoever creates a database marks whose it is.
            Set::Provision => &[
                op::CREATE_DATABASE,
                op::GET_DATABASE_OPERATION,
                op::DELETE_DATABASE,
                op::CREATE_TOPIC,
                op::GET_MARKER,
                op::PATCH_MARKER,
                op::DELETE_MARKER,
            ],
            Set::Reconfigure => &[op::PATCH_DATABASE_FIELD, op::GET_DATABASE_FIELD],
            Set::DataRead => &[op::GET_DOCUMENT, op::LIST_DOCUMENTS],
            // A write that depends on a read needs a transaction.
            Set::DataWrite => &[op::CREATE_DOCUMENT, op::UPDATE_DOCUMENT, op::DELETE_DOCUMENT, op::BEGIN_TRANSACTION],
            Set::Setup => &[op::GET_MARKER_POLICY, op::SET_MARKER_POLICY],
            Set::Management | Set::Logs | Set::Dispatch | Set::Invoke | Set::Run => &[],
        }
    }

    fn settings() -> &'static [Settings] {
        SETTINGS
    }

    /// Adds the names of the database. Databases have no policy of their own: conditions name them, by their relative
    /// names.
    fn name(&self, placed: &Placed<'_, Gcp>, things: &mut Vec<(Scope, String)>) {
        let (paths, id) = (Paths(placed.target), placed.id());
        let name = paths.physical(id, MAX);
        things.push((Scope::Id, paths.full("firestore", &["databases/", &name])));
        things.push((Scope::Database, paths.in_project(&["databases/", &name])));
        things.push((Scope::Marker, paths.full("pubsub", &["topics/", &name, "-kv"])));
    }

    /// Warns that Firestore expires documents by collection group.
    fn check(&self, _: &Placed<'_, Gcp>, problems: &mut Vec<Problem>) {
        if let Some(attribute) = self.time_to_live() {
            let what = format!("Firestore expires documents by `{attribute}` only in the collection `{COLLECTION}`");
            let help = format!("on GCP, keep documents that expire in collections named `{COLLECTION}`");
            problems.push(Problem::warning(Rule::Cloud, what, help));
        }
    }
}
