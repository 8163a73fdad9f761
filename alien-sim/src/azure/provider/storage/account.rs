//! Storage accounts: <https://learn.microsoft.com/rest/api/storagerp/storage-accounts>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::azure::call::{Answer, Call, Codes, merge, set, text};
use crate::azure::fail::Fail;
use crate::azure::operation::Lro;
use crate::azure::state::{State, Thing};

const LRO: Lro = Lro {
    path: "/subscriptions/{subscriptionId}/providers/Microsoft.Storage/locations/{location}/asyncoperations",
    header: "location",
    version: "2025-08-01",
    word: "Creating",
};

/// The fields of a PUT, or of a PATCH, where they are optional.
macro_rules! account {
    ($must:literal) => {
        concat!(
            "etag extendedLocation* tags* zones placement* identity{type principalId tenantId userAssignedIdentities*} ",
            $must,
            " properties{accessTier=Hot|Cool|Premium|Cold|Smart allowBlobPublicAccess allowCrossTenantReplication \
            allowSharedKeyAccess allowedCopyScope=PrivateLink|AAD azureFilesIdentityBasedAuthentication* customDomain* \
            defaultToOAuthAuthentication dnsEndpointType=Standard|AzureDnsZone dualStackEndpointPreference* \
            enableExtendedGroups encryption* immutableStorageWithVersioning* isHnsEnabled isLocalUserEnabled \
            isNfsV3Enabled isSftpEnabled keyPolicy{keyExpirationPeriodInDays!} largeFileSharesState=Disabled|Enabled \
            minimumTlsVersion=TLS1_0|TLS1_1|TLS1_2|TLS1_3 \
            networkAcls{bypass defaultAction!=Allow|Deny ipRules{value! action} ipv6Rules{value! action} \
            resourceAccessRules* virtualNetworkRules{id! action state}} \
            publicNetworkAccess=Enabled|Disabled|SecuredByPerimeter routingPreference* \
            sasPolicy{sasExpirationPeriod! expirationAction!} supportsHttpsTrafficOnly geoPriorityReplicationStatus* \
            provisioningState primaryEndpoints* primaryLocation statusOfPrimary lastGeoFailoverTime secondaryLocation \
            statusOfSecondary creationTime secondaryEndpoints* keyCreationTime* geoReplicationStats* failoverInProgress \
            privateEndpointConnections* blobRestoreStatus* storageAccountSkuConversionStatus* \
            accountMigrationInProgress}"
        )
    };
}

pub(super) const PUT: &str = account!(
    "location! kind!=StorageV2|Storage|BlobStorage|FileStorage|BlockBlobStorage \
    sku!{tier name!=Standard_LRS|Standard_GRS|Standard_RAGRS|Standard_ZRS|Premium_LRS|Premium_ZRS|Standard_GZRS|Standard_RAGZRS}"
);
pub(super) const PATCH: &str = account!(
    "location kind=StorageV2|Storage|BlobStorage|FileStorage|BlockBlobStorage \
    sku{tier name!=Standard_LRS|Standard_GRS|Standard_RAGRS|Standard_ZRS|Premium_LRS|Premium_ZRS|Standard_GZRS|Standard_RAGZRS}"
);

/// The properties that only the provider writes.
const FIXED: &[&str] = &[
    "provisioningState",
    "primaryEndpoints",
    "primaryLocation",
    "statusOfPrimary",
    "creationTime",
    "keyCreationTime",
    "privateEndpointConnections",
    "secondaryLocation",
    "statusOfSecondary",
    "secondaryEndpoints",
];

impl State {
    /// Finds an account by its name. Names are globally unique.
    pub(crate) fn account(&self, name: &str) -> Option<&Thing> {
        let kind = "Microsoft.Storage/storageAccounts";
        let is_named = |body: &Value| text(body, "/type") == kind && text(body, "/name").eq_ignore_ascii_case(name);
        self.things().find(|thing| is_named(&thing.body))
    }
}

fn is_name(name: &str) -> bool {
    (3..=24).contains(&name.len()) && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
}

fn check(name: &str) -> Result<(), Fail> {
    if is_name(name) {
        return Ok(());
    }
    Err(Fail::invalid(
        "AccountNameInvalid",
        format!(
            "{name} is not a valid storage account name. Storage account name must be between 3 and 24 characters in length and use numbers and lower-case letters only."
        ),
    ))
}

/// Source: <https://learn.microsoft.com/rest/api/storagerp/storage-accounts/check-name-availability>.
pub(super) fn check_name(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let name = call.text("/name");
    let body = match (check(&name), call.state.account(&name)) {
        (Err(fail), _) => json!({"nameAvailable": false, "reason": "AccountNameInvalid", "message": fail.message}),
        (_, Some(_)) => json!({
            "nameAvailable": false,
            "reason": "AlreadyExists",
            "message": format!("The storage account named {name} is already taken."),
        }),
        _ => json!({"nameAvailable": true}),
    };
    Ok(Answer::json(200, &body))
}

fn new_key() -> String {
    let mut bytes = [0; 64];
    bytes.fill_with(|| fastrand::u8(..));
    STANDARD.encode(bytes)
}

pub(super) fn put(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let name = call.name().to_owned();
    check(&name)?;
    let id = call.id.clone();
    // Source: <https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-storage-account-name>.
    if let Some(other) = call.state.account(&name).filter(|other| !other.id.eq_ignore_ascii_case(&id)) {
        let own = |id: &str| id.split('/').nth(2).map(str::to_lowercase);
        let (code, message) = if own(&other.id) == own(&id) {
            (
                "StorageAccountInAnotherResourceGroup",
                format!("The account {name} is already in another resource group in this subscription."),
            )
        } else {
            ("StorageAccountAlreadyTaken", format!("The storage account named {name} is already taken."))
        };
        return Err(Fail::conflict(code, message));
    }
    let mut properties = call.body.get("properties").cloned().unwrap_or_else(|| json!({}));
    clear(&mut properties);
    let known = call.state.thing(&id).ok().cloned();
    if let Some(known) = &known {
        // A PUT keeps the properties that it does not name.
        let mut before = known.body.get("properties").cloned().unwrap_or_default();
        merge(&mut before, &properties);
        properties = before;
    } else {
        let now = call.now().to_string();
        set(&mut properties, "creationTime", now.clone());
        set(&mut properties, "keyCreationTime", json!({"key1": now, "key2": now}));
        set(&mut properties, "primaryLocation", call.text("/location").replace(' ', "").to_lowercase());
        set(&mut properties, "statusOfPrimary", "available");
        set(&mut properties, "privateEndpointConnections", json!([]));
        let endpoint = |service: &str| format!("https://{name}.{service}.core.windows.net/");
        set(
            &mut properties,
            "primaryEndpoints",
            json!({"blob": endpoint("blob"), "table": endpoint("table"), "queue": endpoint("queue"), "file": endpoint("file"), "dfs": endpoint("dfs")}),
        );
        let defaults = [
            ("supportsHttpsTrafficOnly", json!(true)),
            ("minimumTlsVersion", json!("TLS1_0")),
            ("allowBlobPublicAccess", json!(false)),
            (
                "networkAcls",
                json!({"bypass": "AzureServices", "virtualNetworkRules": [], "ipRules": [], "defaultAction": "Allow"}),
            ),
            (
                "encryption",
                json!({"services": {"blob": {"keyType": "Account", "enabled": true}, "file": {"keyType": "Account", "enabled": true}}, "keySource": "Microsoft.Storage"}),
            ),
        ];
        for (field, value) in defaults {
            if properties.get(field).is_none() {
                set(&mut properties, field, value);
            }
        }
        let is_flat = matches!(call.text("/kind").as_str(), "StorageV2" | "BlobStorage");
        if is_flat && properties.get("accessTier").is_none() {
            set(&mut properties, "accessTier", "Hot");
        }
    }
    let mut body = call.resource(properties);
    set(&mut body, "kind", call.text("/kind"));
    if let Some(identity) = call.body.get("identity") {
        set(&mut body, "identity", identity.clone());
    }
    let sku = call.text("/sku/name");
    let tier = sku.split('_').next().unwrap_or_default().to_owned();
    set(&mut body, "sku", json!({"name": sku, "tier": tier}));
    let is_new = known.is_none();
    // 200 if it is done at once, even for a creation; otherwise a creation answers 202 without a body.
    let codes = Codes { made: 200, changed: 200, making: 202, changing: 200 };
    let mut answer = call.write(body, codes, is_new.then_some(&LRO))?;
    if is_new {
        call.state.thing_mut(&id)?.hidden = json!({"key1": new_key(), "key2": new_key()});
    }
    if answer.status == 202 {
        answer.body = bytes::Bytes::new();
    }
    Ok(answer)
}

/// Removes the properties that only the provider writes.
fn clear(properties: &mut Value) {
    if let Some(members) = properties.as_object_mut() {
        members.retain(|name, _| !FIXED.contains(&name.as_str()));
    }
}

pub(super) fn patch(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let mut body = call.state.thing(&call.id)?.body.clone();
    let mut given = call.body.clone();
    if let Some(properties) = given.get_mut("properties") {
        clear(properties);
    }
    // Tags are replaced as a whole.
    if let (Some(tags), Some(members)) = (given.get("tags").cloned(), given.as_object_mut()) {
        set(&mut body, "tags", tags);
        members.remove("tags");
    }
    merge(&mut body, &given);
    let codes = Codes { made: 200, changed: 200, making: 200, changing: 200 };
    call.write(body, codes, None)
}

/// Deletes the account with all that is in it, unless a legal hold protects some of it. Source:
/// <https://learn.microsoft.com/azure/storage/blobs/immutable-storage-overview>.
pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Fail> {
    if let Some(held) = call.state.held_container(&call.id) {
        let message = format!("The storage account holds the container '{held}', which a legal hold protects.");
        return Err(Fail::conflict("StorageAccountProtectedFromDeletion", message));
    }
    call.delete(200, None)
}

/// Lists the keys, even if key access is disabled. Source:
/// <https://learn.microsoft.com/azure/storage/common/shared-key-authorization-prevent>.
pub(super) fn keys(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let thing = call.state.thing(&call.id)?;
    let made = text(&thing.body, "/properties/creationTime");
    let key = |name: &str| json!({"keyName": name, "value": text(&thing.hidden, &format!("/{name}")), "permissions": "FULL", "creationTime": made});
    Ok(Answer::json(200, &json!({"keys": [key("key1"), key("key2")]})))
}

pub(super) fn regenerate(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let (id, name) = (call.id.clone(), call.text("/keyName"));
    set(&mut call.state.thing_mut(&id)?.hidden, &name, new_key());
    keys(call)
}
