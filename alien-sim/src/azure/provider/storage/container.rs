//! Blob containers: <https://learn.microsoft.com/rest/api/storagerp/blob-containers>.

use serde_json::{Value, json};

use crate::azure::call::{Answer, Call, Codes, merge, set, text};
use crate::azure::fail::Fail;
use crate::azure::state::{State, etag};

pub(super) const CONTAINER: &str = "etag properties{version deleted deletedTime remainingRetentionDays \
    defaultEncryptionScope denyEncryptionScopeOverride publicAccess=None|Blob|Container lastModifiedTime \
    leaseStatus leaseState leaseDuration metadata* immutabilityPolicy* legalHold* hasLegalHold hasImmutabilityPolicy \
    immutableStorageWithVersioning* enableNfsV3RootSquash enableNfsV3AllSquash}";

const KIND: &str = "Microsoft.Storage/storageAccounts/blobServices/containers";

/// The properties that only the provider writes.
const FIXED: &[&str] = &[
    "version",
    "deleted",
    "deletedTime",
    "remainingRetentionDays",
    "lastModifiedTime",
    "leaseStatus",
    "leaseState",
    "leaseDuration",
    "immutabilityPolicy",
    "legalHold",
    "hasLegalHold",
    "hasImmutabilityPolicy",
];

impl State {
    /// The id of a container of an account.
    pub(crate) fn container_id(account: &str, name: &str) -> String {
        format!("{account}/blobServices/default/containers/{name}")
    }
}

/// Source: <https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata>.
fn is_name(name: &str) -> bool {
    (3..=63).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && !name.ends_with('-')
        && !name.contains("--")
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// Finds the container, or fails with the code of the storage service.
fn known(call: &Call<'_>) -> Result<Value, Fail> {
    call.state
        .thing(&call.id)
        .map(|thing| thing.body.clone())
        .map_err(|_| Fail::new(404, "ContainerNotFound", "The specified container does not exist."))
}

pub(super) fn get(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let body = known(call)?;
    let etag = text(&body, "/etag");
    Ok(Answer::json(200, &body).header("etag", etag))
}

pub(super) fn list(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let filter = call.query("$filter");
    if !filter.is_empty() || !call.query("$include").is_empty() {
        return Err(Fail::unimplemented("$filter and $include of containers are not emulated."));
    }
    let account = call.route.path.split("/blobServices").next().unwrap_or_default();
    Ok(Answer::list(call.state.list(account, KIND)))
}

fn write(call: &mut Call<'_>, mut properties: Value, made: u16) -> Result<Answer, Fail> {
    let account = call.id.split("/blobServices").next().unwrap_or_default().to_owned();
    let public = text(&properties, "/publicAccess");
    let allows =
        call.state.thing(&account)?.body.pointer("/properties/allowBlobPublicAccess") == Some(&Value::Bool(true));
    if !matches!(public.as_str(), "" | "None") && !allows {
        return Err(Fail::conflict(
            "PublicAccessNotPermitted",
            "Public access is not permitted on this storage account.",
        ));
    }
    if public.is_empty() {
        set(&mut properties, "publicAccess", "None");
    }
    let now = call.now().to_string();
    set(&mut properties, "lastModifiedTime", now);
    for (field, value) in [
        ("leaseStatus", json!("Unlocked")),
        ("leaseState", json!("Available")),
        ("hasLegalHold", json!(false)),
        ("hasImmutabilityPolicy", json!(false)),
        ("deleted", json!(false)),
    ] {
        set(&mut properties, field, value);
    }
    let etag = etag().replace('-', "").to_uppercase();
    let mut body = call.resource(properties);
    set(&mut body, "etag", etag.clone());
    let codes = Codes { made, changed: 200, making: made, changing: 200 };
    Ok(call.write(body, codes, None)?.header("etag", etag))
}

fn given(call: &Call<'_>) -> Value {
    let mut properties = call.body.get("properties").cloned().unwrap_or_else(|| json!({}));
    if let Some(members) = properties.as_object_mut() {
        members.retain(|name, _| !FIXED.contains(&name.as_str()));
    }
    properties
}

pub(super) fn put(call: &mut Call<'_>) -> Result<Answer, Fail> {
    if !is_name(call.name()) {
        return Err(Fail::invalid("InvalidResourceName", "The specified resource name contains invalid characters."));
    }
    let properties = given(call);
    write(call, properties, 201)
}

/// A PATCH keeps what it does not name; the metadata is replaced as a whole.
pub(super) fn patch(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let mut properties = known(call)?.get("properties").cloned().unwrap_or_default();
    let given = given(call);
    if let Some(metadata) = given.get("metadata") {
        set(&mut properties, "metadata", metadata.clone());
    }
    let mut rest = given.clone();
    if let Some(members) = rest.as_object_mut() {
        members.remove("metadata");
    }
    merge(&mut properties, &rest);
    write(call, properties, 200)
}

/// Deletes the container with its blobs, unless a legal hold protects it. The code of the refusal is not published. Source:
/// <https://learn.microsoft.com/azure/storage/blobs/immutable-container-level-worm-policies#legal-holds>.
pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Fail> {
    if is_held(call.state, &call.id) {
        let message = format!("The container '{}' is protected from deletion by a legal hold.", call.name());
        return Err(Fail::conflict("ContainerProtectedByLegalHold", message));
    }
    call.delete(200, None)
}

fn is_held(state: &State, id: &str) -> bool {
    state.thing(id).is_ok_and(|thing| thing.body.pointer("/properties/hasLegalHold") == Some(&Value::Bool(true)))
}

impl State {
    /// A container of an account that a legal hold protects.
    pub(crate) fn held_container(&self, account: &str) -> Option<String> {
        let all = self.list(account, KIND);
        all.iter().map(|body| text(body, "/id")).find(|id| is_held(self, id))
    }
}

/// Source: <https://learn.microsoft.com/rest/api/storagerp/blob-containers/set-legal-hold>.
pub(super) fn hold(call: &mut Call<'_>) -> Result<Answer, Fail> {
    held(call, true)
}

/// Source: <https://learn.microsoft.com/rest/api/storagerp/blob-containers/clear-legal-hold>.
pub(super) fn release(call: &mut Call<'_>) -> Result<Answer, Fail> {
    held(call, false)
}

fn held(call: &mut Call<'_>, is_held: bool) -> Result<Answer, Fail> {
    let id = call.route.path.rsplit_once('/').map_or("", |(container, _)| container).to_owned();
    let tags = call.body.get("tags").cloned().unwrap_or_default();
    let thing = call.state.thing_mut(&id)?;
    if let Some(properties) = thing.body.get_mut("properties") {
        set(properties, "hasLegalHold", is_held);
    }
    Ok(Answer::json(200, &json!({"hasLegalHold": is_held, "tags": tags})))
}
