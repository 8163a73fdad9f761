//! `kv`: a DynamoDB table with one key and no index.

#[cfg(feature = "client")]
pub(crate) mod calls;

use alien_core::adapter::{On, Placed, Rows, Settings};
use alien_core::{Kv, Set};

use crate::Aws;
use crate::naming::Arns;
use crate::operations as op;
use crate::operations::Scope;

/// The longest name of a table, in characters
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateTable.html>).
const MAX: usize = 255;

/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTable.html>
const SETTINGS: &[Settings] = &[
    Settings::set_back(&["PointInTimeRecovery", "TimeToLive"]),
    Settings::customers("whether it can be deleted", &["DeletionProtectionEnabled"]),
    Settings::customers("where copies and news of what it holds go", &["StreamSpecification", "Replicas"]),
    Settings::customers("what it costs, and how fast it is", &["BillingMode", "TableClass", "GlobalSecondaryIndexes"]),
    Settings::customers("the key that it is encrypted with", &["SSESpecification"]),
    Settings::customers("who else of the account may use it", &["ResourcePolicy"]),
];

impl On<Aws> for Kv {
    /// Management gets no more than heartbeat: UpdateTable can turn on streams and replicas, and UpdateTimeToLive
    /// deletes data.
    fn set(set: Set) -> Rows<Aws> {
        match set {
            Set::Heartbeat => &[op::DESCRIBE_TABLE],
            Set::Provision => &[op::CREATE_TABLE, op::DELETE_TABLE, op::TAG_TABLE, op::LIST_TABLE_TAGS],
            Set::Reconfigure => &[op::UPDATE_TIME_TO_LIVE, op::DESCRIBE_TIME_TO_LIVE],
            Set::Setup => &[op::UPDATE_CONTINUOUS_BACKUPS, op::DESCRIBE_CONTINUOUS_BACKUPS],
            Set::DataRead => &[op::GET_ITEM, op::BATCH_GET_ITEM, op::QUERY, op::SCAN, op::CONDITION_CHECK_ITEM],
            Set::DataWrite => &[op::PUT_ITEM, op::UPDATE_ITEM, op::DELETE_ITEM, op::BATCH_WRITE_ITEM],
            Set::Management | Set::Logs | Set::Dispatch | Set::Invoke | Set::Run => &[],
        }
    }

    fn settings() -> &'static [Settings] {
        SETTINGS
    }

    fn name(&self, placed: &Placed<'_, Aws>, things: &mut Vec<(Scope, String)>) {
        let (arns, id) = (Arns(placed.target), placed.id());
        things.push((Scope::Table, arns.regional("dynamodb", &["table/", &arns.physical(id, MAX)])));
    }
}
