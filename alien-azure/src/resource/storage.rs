//! `storage`: a blob container in its own storage account, without keys and without public access.

#[cfg(feature = "client")]
pub(crate) mod calls;

use alien_core::adapter::{On, Placed, Rows, Settings};
use alien_core::{Set, Storage};

use crate::Azure;
use crate::naming::Ids;
use crate::operations as op;
use crate::operations::Scope;

/// The longest name of a storage account: 3 to 24 lower-case letters and digits, unique across Azure.
const ACCOUNT_MAX: usize = 24;
/// The longest name of a blob container: 3 to 63 characters, without a double hyphen.
const CONTAINER_MAX: usize = 63;

/// <https://learn.microsoft.com/rest/api/storagerp/storage-accounts>,
/// <https://learn.microsoft.com/rest/api/storagerp/blob-services>
const SETTINGS: &[Settings] = &[
    ACCOUNT,
    Settings::set_back(&[
        "container.properties.publicAccess",
        "blobService.properties.isVersioningEnabled",
        "lifecycle.properties.policy.rules",
    ]),
    CUSTOMERS_ACCOUNT,
    Settings::customers(
        "how long what was deleted can be restored",
        &["blobService.properties.deleteRetentionPolicy", "blobService.properties.containerDeleteRetentionPolicy"],
    ),
    Settings::customers(
        "which pages in a browser may ask it, and what it tells of its changes",
        &["blobService.properties.cors", "blobService.properties.changeFeed"],
    ),
    Settings::customers("words about it", &["container.properties.metadata"]),
];

/// Of the account that a storage or a kv has for itself.
pub(super) const ACCOUNT: Settings = Settings::set_back(&[
    "account.properties.allowSharedKeyAccess",
    "account.properties.allowBlobPublicAccess",
    "account.properties.allowCrossTenantReplication",
    "account.properties.minimumTlsVersion",
    "account.properties.supportsHttpsTrafficOnly",
]);
pub(super) const CUSTOMERS_ACCOUNT: Settings = Settings::customers(
    "from which networks it is reached, which key encrypts it, and what it costs",
    &[
        "account.properties.networkAcls",
        "account.properties.publicNetworkAccess",
        "account.properties.encryption",
        "account.properties.accessTier",
        "account.sku",
    ],
);

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

    fn settings() -> &'static [Settings] {
        SETTINGS
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
