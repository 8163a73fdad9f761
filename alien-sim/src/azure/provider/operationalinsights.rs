//! Microsoft.OperationalInsights: Log Analytics workspaces,
//! <https://learn.microsoft.com/rest/api/loganalytics/workspaces>.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Provider;
use super::resource::{self, is_name};
use super::rows::rows;
use crate::azure::call::{Answer, Call, Codes, merge, set, text};
use crate::azure::fail::Fail;
use crate::azure::operation::{self, Lro};
use crate::azure::route::Method;
use crate::azure::state::{State, Thing};

pub(super) const PROVIDER: Provider = Provider {
    namespace: "Microsoft.OperationalInsights",
    versions: &["2025-07-01", "2025-02-01", "2023-09-01", "2022-10-01", "2021-06-01", "2020-08-01"],
    tables: &[TABLE],
    links: &[],
};

const LRO: Lro = Lro {
    path: "/subscriptions/{subscriptionId}/providers/Microsoft.OperationalInsights/locations/{location}/operationStatuses",
    header: "azure-asyncoperation",
    version: "2025-07-01",
    word: "Creating",
};

/// How long a deleted workspace can be recovered:
/// <https://learn.microsoft.com/azure/azure-monitor/logs/delete-workspace>.
const RECOVERABLE: Duration = Duration::from_hours(14 * 24);

/// The fields of a PUT, and of a PATCH, whose location is optional.
macro_rules! workspace {
    ($location:literal) => {
        concat!(
            "etag ",
            $location,
            " tags* identity{type principalId tenantId userAssignedIdentities*} \
            properties{provisioningState customerId sku{name! capacityReservationLevel lastSkuUpdate} retentionInDays \
            workspaceCapping{dailyQuotaGb quotaNextResetTime dataIngestionStatus} createdDate modifiedDate \
            publicNetworkAccessForIngestion=Enabled|Disabled|SecuredByPerimeter \
            publicNetworkAccessForQuery=Enabled|Disabled|SecuredByPerimeter forceCmkForQuery \
            privateLinkScopedResources* features* defaultDataCollectionRuleResourceId replication* failover*}"
        )
    };
}

const TABLE: &[Method] = rows! {
    "https://learn.microsoft.com/azure/role-based-access-control/permissions/monitor#microsoftoperationalinsights"
    "Microsoft.OperationalInsights"
    "/subscriptions/{subscriptionId}" {
        POST "register" ["register/action"].done(super::resources::provider);
        GET "workspaces" ["workspaces/read"].done(resource::list);
        GET "deletedWorkspaces" ["deletedworkspaces/read"].done(deleted);
        GET "locations/{location}/operationStatuses/{asyncOperationId}" ["locations/operationstatuses/read"].done(operation::status);
    }
    "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}" {
        GET "workspaces" ["workspaces/read"].done(resource::list);
        GET "deletedWorkspaces" ["deletedworkspaces/read"].done(deleted);
        GET "workspaces/{workspaceName}" ["workspaces/read"].done(resource::show);
        PUT "workspaces/{workspaceName}" ["workspaces/write"].done(put).body(workspace!("location!"));
        PATCH "workspaces/{workspaceName}" ["workspaces/write"].done(patch).body(workspace!("location"));
        DELETE "workspaces/{workspaceName}" ["workspaces/delete"].done(delete).query(&["force"]);
        POST "workspaces/{workspaceName}/sharedKeys" ["workspaces/sharedkeys/action"].done(keys);
        POST "workspaces/{workspaceName}/regenerateSharedKey" ["workspaces/regenerateSharedKey/action"].done(regenerate).body("keyType!=PrimarySharedKey|SecondarySharedKey");
        POST "workspaces/{workspaceName}/listKeys" ["workspaces/listKeys/action"];
        POST "workspaces/{workspaceName}/purge" ["workspaces/purge/action"];
        GET "workspaces/{workspaceName}/usages" ["workspaces/usages/read"];
        POST "workspaces/{workspaceName}/schema" ["workspaces/schema/action"];
        GET "workspaces/{workspaceName}/savedSearches" ["workspaces/savedSearches/read"];
        GET "workspaces/{workspaceName}/savedSearches/{savedSearchId}" ["workspaces/savedSearches/read"];
        PUT "workspaces/{workspaceName}/savedSearches/{savedSearchId}" ["workspaces/savedSearches/write"];
        DELETE "workspaces/{workspaceName}/savedSearches/{savedSearchId}" ["workspaces/savedSearches/delete"];
        GET "workspaces/{workspaceName}/dataExports" ["workspaces/dataexports/read"];
        GET "workspaces/{workspaceName}/dataExports/{dataExportName}" ["workspaces/dataexports/read"];
        PUT "workspaces/{workspaceName}/dataExports/{dataExportName}" ["workspaces/dataexports/write"];
        DELETE "workspaces/{workspaceName}/dataExports/{dataExportName}" ["workspaces/dataexports/delete"];
        GET "workspaces/{workspaceName}/linkedServices/{linkedServiceName}" ["workspaces/linkedservices/read"];
        PUT "workspaces/{workspaceName}/linkedServices/{linkedServiceName}" ["workspaces/linkedservices/write"];
        DELETE "workspaces/{workspaceName}/linkedServices/{linkedServiceName}" ["workspaces/linkedservices/delete"];
        GET "workspaces/{workspaceName}/linkedStorageAccounts/{dataSourceType}" ["workspaces/linkedstorageaccounts/read"];
        PUT "workspaces/{workspaceName}/linkedStorageAccounts/{dataSourceType}" ["workspaces/linkedstorageaccounts/write"];
        DELETE "workspaces/{workspaceName}/linkedStorageAccounts/{dataSourceType}" ["workspaces/linkedstorageaccounts/delete"];
        GET "workspaces/{workspaceName}/tables" ["workspaces/tables/read"];
        GET "workspaces/{workspaceName}/tables/{tableName}" ["workspaces/tables/read"];
        PUT "workspaces/{workspaceName}/tables/{tableName}" ["workspaces/tables/write"];
        PATCH "workspaces/{workspaceName}/tables/{tableName}" ["workspaces/tables/write"];
        DELETE "workspaces/{workspaceName}/tables/{tableName}" ["workspaces/tables/delete"];
        POST "workspaces/{workspaceName}/tables/{tableName}/migrate" ["workspaces/tables/migrate/action"];
        POST "workspaces/{workspaceName}/tables/{tableName}/cancelSearch" ["workspaces/tables/cancelSearch/action"];
    }
};

/// A deleted workspace, and until when it can be recovered.
#[derive(Clone, Debug)]
pub(crate) struct Deleted {
    thing: Thing,
    until: Timestamp,
    logs: Vec<crate::azure::data::logs::Record>,
}

fn new_key() -> String {
    let mut bytes = [0; 64];
    bytes.fill_with(|| fastrand::u8(..));
    STANDARD.encode(bytes)
}

pub(super) const KEYS: [&str; 2] = ["primarySharedKey", "secondarySharedKey"];

impl State {
    /// Finds a workspace by its customer id, if the key is one of its keys.
    pub(super) fn workspace_by_key(&self, customer: &str, key: &str) -> Option<&Thing> {
        let thing = self.workspace(customer)?;
        KEYS.iter().any(|name| thing.hidden.get(*name).and_then(Value::as_str) == Some(key)).then_some(thing)
    }

    /// Finds a workspace by its customer id.
    pub(crate) fn workspace(&self, customer: &str) -> Option<&Thing> {
        if customer.is_empty() {
            return None;
        }
        self.things().find(|thing| text(&thing.body, "/properties/customerId").eq_ignore_ascii_case(customer))
    }
}

fn checked(properties: &mut Value) -> Result<(), Fail> {
    if properties.get("sku").is_none() {
        set(properties, "sku", json!({"name": "PerGB2018"}));
    }
    let sku = text(properties, "/sku/name");
    let known =
        ["PerGB2018", "CapacityReservation", "LACluster", "Free", "Standalone", "PerNode", "Standard", "Premium"];
    if !known.iter().any(|name| name.eq_ignore_ascii_case(&sku)) {
        return Err(Fail::invalid("InvalidParameter", format!("The pricing tier '{sku}' is not valid.")));
    }
    // Source: <https://learn.microsoft.com/azure/azure-monitor/logs/data-retention-configure>.
    let days = properties.get("retentionInDays").and_then(Value::as_i64).unwrap_or(30);
    if !(4..=730).contains(&days) {
        return Err(Fail::invalid("InvalidParameter", "'RetentionInDays' property doesn't match the SKU limits"));
    }
    set(properties, "retentionInDays", days);
    Ok(())
}

fn put(call: &mut Call<'_>) -> Result<Answer, Fail> {
    if !is_name(call.name(), 4..=63, "-") {
        return Err(Fail::invalid(
            "InvalidResourceName",
            format!("The workspace name '{}' is not valid: 4 to 63 letters, digits and hyphens.", call.name()),
        ));
    }
    let id = call.id.clone();
    let now = call.now();
    let mut properties = call.body.get("properties").cloned().unwrap_or_else(|| json!({}));
    checked(&mut properties)?;
    let known = call.state.thing(&id).ok().cloned();
    let recovered = match &known {
        Some(_) => None,
        None => call.state.data.deleted.remove(&id.to_lowercase()).filter(|deleted| deleted.until > now),
    };
    let before = known.as_ref().or(recovered.as_ref().map(|deleted| &deleted.thing));
    let (customer, created, hidden) = match before {
        Some(thing) => (
            text(&thing.body, "/properties/customerId"),
            text(&thing.body, "/properties/createdDate"),
            thing.hidden.clone(),
        ),
        None => {
            let hidden = json!({"primarySharedKey": new_key(), "secondarySharedKey": new_key()});
            (Uuid::new_v4().to_string(), now.to_string(), hidden)
        }
    };
    set(&mut properties, "customerId", customer);
    set(&mut properties, "createdDate", created);
    set(&mut properties, "modifiedDate", now.to_string());
    for access in ["publicNetworkAccessForIngestion", "publicNetworkAccessForQuery"] {
        if properties.get(access).is_none() {
            set(&mut properties, access, "Enabled");
        }
    }
    let body = call.resource(properties);
    let codes = Codes { made: 201, changed: 200, making: 201, changing: 200 };
    let answer = call.write(body, codes, Some(&LRO))?;
    call.state.thing_mut(&id)?.hidden = hidden;
    if let Some(recovered) = recovered {
        call.state.data.logs.insert(id.to_lowercase(), recovered.logs);
    }
    Ok(answer)
}

fn patch(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let mut body = call.state.thing(&call.id)?.body.clone();
    let mut given = call.body.clone();
    // Fields that only the provider writes are ignored.
    for field in ["customerId", "createdDate", "modifiedDate", "provisioningState"] {
        if let Some(members) = given.get_mut("properties").and_then(Value::as_object_mut) {
            members.remove(field);
        }
    }
    merge(&mut body, &given);
    if let Some(properties) = body.get_mut("properties") {
        checked(properties)?;
    }
    let codes = Codes { made: 200, changed: 200, making: 200, changing: 200 };
    call.write(body, codes, None)
}

/// Deletes a workspace. Without `force`, writing it again recovers it for a while.
fn delete(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let id = call.id.clone();
    if let Ok(thing) = call.state.thing(&id) {
        let thing = thing.clone();
        let lower = id.to_lowercase();
        if call.query("force") == "true" {
            call.state.data.deleted.remove(&lower);
        } else {
            let until = call.now() + RECOVERABLE;
            let logs = call.state.data.logs.get(&lower).cloned().unwrap_or_default();
            call.state.data.deleted.insert(lower, Deleted { thing, until, logs });
        }
    }
    call.delete(200, Some(&LRO))
}

fn deleted(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let now = call.now();
    let prefix = format!("{}/", call.id.to_lowercase());
    let kept = call.state.data.deleted.iter().filter(|(id, deleted)| id.starts_with(&prefix) && deleted.until > now);
    Ok(Answer::list(kept.map(|(_, deleted)| deleted.thing.body.clone()).collect()))
}

fn keys(call: &mut Call<'_>) -> Result<Answer, Fail> {
    Ok(Answer::json(200, &call.state.thing(&call.id)?.hidden))
}

fn regenerate(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let field = if call.text("/keyType") == "PrimarySharedKey" { KEYS[0] } else { KEYS[1] };
    let id = call.id.clone();
    let thing = call.state.thing_mut(&id)?;
    set(&mut thing.hidden, field, new_key());
    Ok(Answer::json(200, &thing.hidden))
}
