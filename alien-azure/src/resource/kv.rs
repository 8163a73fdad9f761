//! `kv`: a table in its own storage account, without keys and without public access.

#[cfg(feature = "client")]
pub(crate) mod calls;

use alien_core::adapter::{On, Placed, Rows, Settings};
use alien_core::{Kv, Problem, Rule, Set};

use super::storage;
use crate::Azure;
use crate::naming::Ids;
use crate::operations as op;
use crate::operations::Scope;

/// The longest name of a table, in letters and digits; the shortest has 3
/// (<https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model>).
const MAX: usize = 63;

/// <https://learn.microsoft.com/rest/api/storagerp/storage-accounts>
const SETTINGS: &[Settings] = &[
    storage::ACCOUNT,
    storage::CUSTOMERS_ACCOUNT,
    Settings::customers(
        "policies of signatures, which are worth nothing without keys",
        &["table.properties.signedIdentifiers"],
    ),
];

impl On<Azure> for Kv {
    /// Management gets no more than heartbeat: a table's only settings are access policies.
    fn set(set: Set) -> Rows<Azure> {
        match set {
            Set::Heartbeat => &[op::GET_ACCOUNT, op::GET_TABLE],
            // Only the admin gives roles on a table, and so only the admin creates one.
            Set::Provision => &[op::DELETE_TABLE],
            Set::Setup => &[op::PUT_TABLE, op::PUT_ACCOUNT, op::CLOSE_ACCOUNT, op::LIST_TABLES, op::DELETE_ACCOUNT],
            Set::DataRead => &[op::READ_ENTITY],
            Set::DataWrite => &[op::WRITE_ENTITY, op::ADD_ENTITY, op::UPDATE_ENTITY, op::DELETE_ENTITY],
            Set::Management | Set::Reconfigure | Set::Logs | Set::Dispatch | Set::Invoke | Set::Run => &[],
        }
    }

    fn settings() -> &'static [Settings] {
        SETTINGS
    }

    fn name(&self, placed: &Placed<'_, Azure>, things: &mut Vec<(Scope, String)>) {
        let (ids, id) = (Ids(placed.target), placed.id());
        let account = storage::account(ids, &[id, "/table"].concat());
        let table = ["/tableServices/default/tables/", &ids.global(id, MAX)].concat();
        things.push((Scope::Table, [&account, table.as_str()].concat()));
        things.push((Scope::Account, account));
    }

    fn check(&self, _: &Placed<'_, Azure>, problems: &mut Vec<Problem>) {
        if let Some(attribute) = self.time_to_live() {
            problems.push(Problem::warning(
                Rule::Cloud,
                format!("Azure tables do not expire records: those that expired by `{attribute}` stay"),
                "let the code delete expired records, or leave out `ttlAttribute`".to_owned(),
            ));
        }
    }
}
