//! `storage`: a blob container in its own storage account, without keys and without public access.

#[cfg(feature = "client")]
pub(crate) mod calls;

use alien_core::adapter::{On, Placed, Rows};
use alien_core::{Set, Storage};

use crate::Azure;
use crate::naming::Ids;
use crate::operations as op;
use crate::operations::Scope;

/// The longest name of a storage account: 3 to 24 lower-case letters and digits, unique across Azure.
const ACCOUNT_MAX: usize = 24;
/// The longest name of a blob container: 3 to 63 characters, without a double hyphen.
const CONTAINER_MAX: usize = 63;

impl On<Azure> for Storage {
    /// Management gets no more than heartbeat: a container's write can set public access.
    fn set(set: Set) -> Rows<Azure> {
        match set {
            Set::Heartbeat => &[op::GET_ACCOUNT, op::GET_CONTAINER],
            // Only the admin gives roles on a container, and so only the admin creates one.
            Set::Provision => &[op::DELETE_CONTAINER],
            Set::Reconfigure => &[
                op::GET_BLOB_SERVICE,
                op::PUT_BLOB_SERVICE,
                op::GET_LIFECYCLE,
                op::PUT_LIFECYCLE,
                op::DELETE_LIFECYCLE,
            ],
            Set::Setup => {
                &[op::PUT_CONTAINER, op::PUT_ACCOUNT, op::CLOSE_ACCOUNT, op::LIST_CONTAINERS, op::DELETE_ACCOUNT]
            }
            Set::DataRead => &[op::READ_BLOB],
            Set::DataWrite => &[op::WRITE_BLOB, op::ADD_BLOB, op::DELETE_BLOB],
            Set::Management | Set::Logs | Set::Dispatch | Set::Invoke | Set::Run => &[],
        }
    }

    fn name(&self, placed: &Placed<'_, Azure>, things: &mut Vec<(Scope, String)>) {
        let (ids, id) = (Ids(placed.target), placed.id());
        let account = account(ids, id);
        let container = ["/blobServices/default/containers/", &ids.physical(id, CONTAINER_MAX)].concat();
        things.push((Scope::Container, [&account, container.as_str()].concat()));
        things.push((Scope::BlobService, [&account, "/blobServices/default"].concat()));
        things.push((Scope::LifecycleRules, [&account, "/managementPolicies/default"].concat()));
        things.push((Scope::Account, account));
    }
}

/// The storage account of a resource.
pub(super) fn account(ids: Ids<'_>, id: &str) -> String {
    ids.resource(&["Microsoft.Storage/storageAccounts/", &ids.global(id, ACCOUNT_MAX)])
}
