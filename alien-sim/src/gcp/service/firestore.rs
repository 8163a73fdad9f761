//! Firestore databases: <https://docs.cloud.google.com/firestore/docs/reference/rest/v1/projects.databases>.

use serde_json::{Value, json};

use crate::gcp::call::{Call, Done, done, set, text};
use crate::gcp::fail::Fail;
use crate::gcp::mask;
use crate::gcp::state::etag;

const DATABASE: &str = "name uid createTime updateTime deleteTime locationId \
    type=DATABASE_TYPE_UNSPECIFIED|FIRESTORE_NATIVE|DATASTORE_MODE \
    concurrencyMode=CONCURRENCY_MODE_UNSPECIFIED|OPTIMISTIC|PESSIMISTIC|OPTIMISTIC_WITH_ENTITY_GROUPS \
    versionRetentionPeriod earliestVersionTime \
    pointInTimeRecoveryEnablement=POINT_IN_TIME_RECOVERY_ENABLEMENT_UNSPECIFIED|POINT_IN_TIME_RECOVERY_ENABLED|POINT_IN_TIME_RECOVERY_DISABLED \
    appEngineIntegrationMode=APP_ENGINE_INTEGRATION_MODE_UNSPECIFIED|ENABLED|DISABLED keyPrefix \
    deleteProtectionState=DELETE_PROTECTION_STATE_UNSPECIFIED|DELETE_PROTECTION_DISABLED|DELETE_PROTECTION_ENABLED \
    cmekConfig* previousId sourceInfo* tags* freeTier etag \
    databaseEdition=DATABASE_EDITION_UNSPECIFIED|STANDARD|ENTERPRISE \
    firestoreDataAccessMode=DATA_ACCESS_MODE_UNSPECIFIED|DATA_ACCESS_MODE_ENABLED|DATA_ACCESS_MODE_DISABLED \
    mongodbCompatibleDataAccessMode=DATA_ACCESS_MODE_UNSPECIFIED|DATA_ACCESS_MODE_ENABLED|DATA_ACCESS_MODE_DISABLED \
    realtimeUpdatesMode=REALTIME_UPDATES_MODE_UNSPECIFIED|REALTIME_UPDATES_MODE_ENABLED|REALTIME_UPDATES_MODE_DISABLED";
const FIELD: &str = "name indexConfig* ttlConfig{state expirationOffset}";

pub(super) fn find(id: &str) -> Option<Done> {
    Some(match id.strip_prefix("projects.databases.")? {
        "create" => done(create).body(DATABASE).query(&["databaseId"]),
        "get" => done(super::get),
        "list" => done(list).query(&["showDeleted"]),
        "patch" => done(patch).body(DATABASE).query(&["updateMask"]),
        "delete" => done(delete).query(&["etag", "validateOnly"]),
        "operations.get" => done(operation),
        "collectionGroups.fields.get" => done(field),
        "collectionGroups.fields.patch" => done(patch_field).body(FIELD).query(&["updateMask"]),
        "documents.commit" | "documents.batchWrite" | "documents.write" => {
            done(write).body("writes* transaction labels* options* streamId streamToken")
        }
        _ => return None,
    })
}

const KIND: &str = "google.firestore.admin.v1.Database";

fn begin(call: &mut Call<'_>, database: &str, kind: &str, metadata: &str, response: Value) -> Value {
    let name = format!("{database}/operations/{:016x}", fastrand::u64(..));
    let metadata = json!({"@type": format!("type.googleapis.com/google.firestore.admin.v1.{metadata}")});
    call.state.start(name, kind, metadata, response)
}

/// Source: <https://docs.cloud.google.com/firestore/docs/reference/rest/v1/projects.databases/create>.
fn is_database_id(id: &str) -> bool {
    id == "(default)"
        || (4..=63).contains(&id.len())
            && id.starts_with(|c: char| c.is_ascii_lowercase())
            && !id.ends_with('-')
            && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn create(call: &mut Call<'_>) -> Result<Value, Fail> {
    let id = call.required("databaseId")?;
    if !is_database_id(&id) {
        return Err(Fail::invalid(format!(
            "The database id `{id}` is not valid: 4 to 63 lower-case letters, digits and hyphens, a letter first."
        )));
    }
    if call.text("/locationId").is_empty() || call.text("/type").is_empty() {
        return Err(Fail::invalid("A database needs `locationId` and `type`."));
    }
    let relative = format!("projects/{}/databases/{id}", call.project);
    let now = call.state.now().to_string();
    let mut body = call.body.clone();
    for (field, value) in [
        ("name", relative.clone()),
        ("uid", format!("{:032x}", fastrand::u128(..))),
        ("createTime", now.clone()),
        ("updateTime", now),
        ("etag", etag()),
    ] {
        set(&mut body, field, value);
    }
    for (field, default) in [
        ("concurrencyMode", "PESSIMISTIC"),
        ("deleteProtectionState", "DELETE_PROTECTION_DISABLED"),
        ("pointInTimeRecoveryEnablement", "POINT_IN_TIME_RECOVERY_DISABLED"),
        ("appEngineIntegrationMode", "DISABLED"),
        ("databaseEdition", "STANDARD"),
        ("versionRetentionPeriod", "3600s"),
    ] {
        if text(&body, &format!("/{field}")).is_empty() {
            set(&mut body, field, default);
        }
    }
    let project = call.project.clone();
    call.state.create(&format!("//firestore.googleapis.com/{relative}"), &project, body.clone())?;
    Ok(begin(call, &relative, KIND, "CreateDatabaseMetadata", body))
}

fn list(call: &mut Call<'_>) -> Result<Value, Fail> {
    let below = format!("//firestore.googleapis.com/projects/{}/databases", call.project);
    Ok(super::list(call, &below, "databases"))
}

fn check_etag(call: &Call<'_>, given: &str) -> Result<(), Fail> {
    let present = text(&call.state.thing(&call.on)?.body, "/etag");
    if given.is_empty() || given == present {
        return Ok(());
    }
    Err(Fail::precondition(format!("The database has the etag {present}, and the request {given}.")))
}

fn patch(call: &mut Call<'_>) -> Result<Value, Fail> {
    check_etag(call, &call.text("/etag"))?;
    let mut mask = call.query("updateMask").to_owned();
    if mask.is_empty() {
        // Fields that only the service writes are ignored.
        let own = call.body.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        mask = own.filter(|name| !matches!(*name, "name" | "etag" | "uid")).collect::<Vec<_>>().join(",");
    }
    let fixed = ["locationId", "type", "name", "uid", "location_id"];
    if let Some(field) = mask.split(',').find(|field| fixed.contains(field)) {
        return Err(Fail::invalid(format!("The field `{field}` of a database cannot be changed.")));
    }
    let mut body = if mask.is_empty() { super::get(call)? } else { super::merged(call, DATABASE, &mask, &call.body)? };
    set(&mut body, "etag", etag());
    set(&mut body, "updateTime", call.state.now().to_string());
    call.state.thing_mut(&call.on)?.body = body.clone();
    let relative = text(&body, "/name");
    Ok(begin(call, &relative, KIND, "UpdateDatabaseMetadata", body))
}

fn delete(call: &mut Call<'_>) -> Result<Value, Fail> {
    check_etag(call, call.query("etag"))?;
    let body = super::get(call)?;
    if text(&body, "/deleteProtectionState") == "DELETE_PROTECTION_ENABLED" {
        return Err(Fail::precondition(
            "The database is protected from deletion: disable its delete protection first.",
        ));
    }
    let below = format!("{}/", call.on);
    call.state.things.retain(|name, _| !name.starts_with(&below));
    call.state.things.remove(&call.on);
    let relative = text(&body, "/name");
    Ok(begin(call, &relative, KIND, "DeleteDatabaseMetadata", body))
}

fn operation(call: &mut Call<'_>) -> Result<Value, Fail> {
    let name = format!(
        "projects/{}/databases/{}/operations/{}",
        call.project,
        call.parameter("database"),
        call.parameter("operation")
    );
    let now = call.state.now();
    call.state.operations.get(&name).map(|operation| operation.at(now)).ok_or_else(|| Fail::missing(&name))
}

fn field_name(call: &Call<'_>) -> String {
    format!(
        "{}/collectionGroups/{}/fields/{}",
        call.on.trim_start_matches("//firestore.googleapis.com/"),
        call.parameter("group"),
        call.parameter("field")
    )
}

fn field(call: &mut Call<'_>) -> Result<Value, Fail> {
    call.state.thing(&call.on)?;
    let name = field_name(call);
    let known = call.state.things.get(&format!("//firestore.googleapis.com/{name}"));
    Ok(known.map_or_else(|| json!({"name": name, "indexConfig": {"usesAncestorConfig": true}}), |t| t.body.clone()))
}

fn patch_field(call: &mut Call<'_>) -> Result<Value, Fail> {
    let mut body = field(call)?;
    let relative = field_name(call);
    let mask = call.query("updateMask").to_owned();
    mask::merge(FIELD, &mask, &call.body, &mut body)?;
    if let Some(ttl) = body.get_mut("ttlConfig").filter(|ttl| ttl.is_object()) {
        set(ttl, "state", "ACTIVE");
    }
    set(&mut body, "name", relative.clone());
    let name = format!("//firestore.googleapis.com/{relative}");
    call.state.things.remove(&name);
    let project = call.project.clone();
    call.state.create(&name, &project, body.clone())?;
    let database = call.on.trim_start_matches("//firestore.googleapis.com/").to_owned();
    Ok(begin(call, &database, "google.firestore.admin.v1.Field", "FieldOperationMetadata", body))
}

/// Only the permissions of a write are modelled, not its effect.
fn write(call: &mut Call<'_>) -> Result<Value, Fail> {
    let on = call.on.clone();
    let writes = call.body.get("writes").and_then(Value::as_array).cloned().unwrap_or_default();
    for write in &writes {
        let needs: &[&str] =
            match (write.get("delete"), write.pointer("/currentDocument/exists").and_then(Value::as_bool)) {
                (Some(_), _) => &["datastore.entities.delete"],
                (None, Some(false)) => &["datastore.entities.create"],
                (None, Some(true)) => &["datastore.entities.update"],
                (None, None) => &["datastore.entities.create", "datastore.entities.update"],
            };
        for permission in needs {
            call.require(permission, &on)?;
        }
    }
    if writes.is_empty() {
        call.require("datastore.entities.update", &on)?;
    }
    Err(Fail::unimplemented("Documents are not emulated: only who may write them is."))
}
