//! The blob, table, queue and file services of an account:
//! <https://learn.microsoft.com/rest/api/storagerp/blob-services>.

use serde_json::{Value, json};

use crate::azure::call::{Answer, Call, Codes, merge, set, text};
use crate::azure::fail::Fail;

pub(super) const BLOBS: &str = "etag sku* properties{cors{corsRules*} defaultServiceVersion \
    deleteRetentionPolicy{enabled days allowPermanentDelete} isVersioningEnabled automaticSnapshotPolicyEnabled \
    changeFeed{enabled retentionInDays} restorePolicy{enabled! days lastEnabledTime minRestoreTime} \
    containerDeleteRetentionPolicy{enabled days allowPermanentDelete} \
    lastAccessTimeTrackingPolicy{enable! name trackingGranularityInDays blobType} staticWebsite*}";
pub(super) const OTHERS: &str = "etag properties{cors{corsRules*}}";

/// A service exists as soon as its account does.
fn body(call: &Call<'_>, id: &str) -> Result<Value, Fail> {
    if let Ok(known) = call.state.thing(id) {
        return Ok(known.body.clone());
    }
    let (account, service) = id.split_once("Services/default").unwrap_or((id, ""));
    let (account, kind) = account.rsplit_once('/').unwrap_or((account, service));
    let account = call.state.thing(account)?;
    let mut properties = json!({"cors": {"corsRules": []}});
    if kind == "blob" {
        set(&mut properties, "deleteRetentionPolicy", json!({"enabled": false, "allowPermanentDelete": false}));
    }
    Ok(json!({
        "id": id,
        "name": "default",
        "type": format!("Microsoft.Storage/storageAccounts/{kind}Services"),
        "sku": account.body.get("sku"),
        "properties": properties,
    }))
}

pub(super) fn get(call: &mut Call<'_>) -> Result<Answer, Fail> {
    Ok(Answer::json(200, &body(call, &call.route.path)?))
}

pub(super) fn list(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let id = format!("{}/default", call.route.path);
    Ok(Answer::list(vec![body(call, &id)?]))
}

fn days(properties: &Value, policy: &str, most: u64) -> Result<(), Fail> {
    let Some(given) = properties.get(policy) else { return Ok(()) };
    let days = given.get("days").and_then(Value::as_u64);
    let is_enabled = given.get("enabled") == Some(&Value::Bool(true));
    if !is_enabled || days.is_some_and(|days| (1..=most).contains(&days)) {
        return Ok(());
    }
    Err(Fail::invalid(
        "InvalidXmlDocument",
        format!("XML specified is not syntactically valid: {policy} needs days from 1 to {most} when it is enabled."),
    ))
}

pub(super) fn put(call: &mut Call<'_>) -> Result<Answer, Fail> {
    call.id.clone_from(&call.route.path);
    let mut whole = body(call, &call.id)?;
    let given = call.body.get("properties").cloned().unwrap_or_else(|| json!({}));
    // Source: <https://learn.microsoft.com/azure/storage/blobs/soft-delete-blob-overview>.
    days(&given, "deleteRetentionPolicy", 365)?;
    days(&given, "containerDeleteRetentionPolicy", 365)?;
    let mut properties = whole.get("properties").cloned().unwrap_or_default();
    merge(&mut properties, &given);
    set(&mut whole, "properties", properties);
    let kind = text(&whole, "/type");
    debug_assert!(kind.ends_with("Services"), "{kind}");
    let codes = Codes { made: 200, changed: 200, making: 200, changing: 200 };
    call.write(whole, codes, None)
}
