//! Buckets and objects: <https://docs.cloud.google.com/storage/docs/json_api/v1>.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::POLICY;
use crate::gcp::call::{Call, Done, done, set, text};
use crate::gcp::fail::Fail;
use crate::gcp::state::{State, etag};

const BUCKET: &str = "acl* autoclass* billing* cors* customPlacementConfig* defaultEventBasedHold defaultObjectAcl* \
    encryption* etag generation hardDeleteTime hierarchicalNamespace* \
    iamConfiguration{publicAccessPrevention uniformBucketLevelAccess{enabled lockedTime} bucketPolicyOnly{enabled lockedTime}} \
    id ipFilter* kind labels* lifecycle{rule{action{type storageClass} condition*}} location locationType logging* \
    metageneration name objectRetention* owner* projectNumber retentionPolicy{effectiveTime isLocked retentionPeriod} rpo \
    satisfiesPZI satisfiesPZS selfLink softDeletePolicy* softDeleteTime storageClass timeCreated updated \
    versioning{enabled} website*";
const CONDITIONS: &[&str] = &["ifMetagenerationMatch", "ifMetagenerationNotMatch", "projection", "predefinedAcl"];

pub(super) fn find(id: &str) -> Option<Done> {
    Some(match id {
        "buckets.insert" => {
            done(insert).body(BUCKET).query(&["project", "projection", "predefinedAcl", "enableObjectRetention"])
        }
        "buckets.get" => done(get).query(CONDITIONS),
        "buckets.list" => done(list).query(&["project", "maxResults", "pageToken", "prefix", "projection"]),
        "buckets.patch" => done(patch).body(BUCKET).query(CONDITIONS),
        "buckets.delete" => done(delete).query(CONDITIONS),
        "buckets.getIamPolicy" => done(policy).query(&["optionsRequestedPolicyVersion"]),
        "buckets.setIamPolicy" => done(set_policy).body(POLICY),
        "buckets.testIamPermissions" => done(super::test).query(&["permissions"]),
        "objects.insert" => done(insert_object).query(&["name", "ifGenerationMatch", "contentEncoding"]),
        "objects.get" => done(object).query(&["projection", "generation", "ifGenerationMatch"]),
        "objects.list" => done(objects).query(&[
            "prefix",
            "maxResults",
            "pageToken",
            "projection",
            "versions",
            "softDeleted",
            "delimiter",
        ]),
        "objects.copy" | "objects.rewrite" => done(copy).body("*").query(&["ifGenerationMatch", "projection"]),
        "objects.delete" => done(delete_object).query(&["generation", "ifGenerationMatch"]),
        _ => return None,
    })
}

fn bucket_name(id: &str) -> String {
    format!("//storage.googleapis.com/projects/_/buckets/{id}")
}

/// Source: <https://docs.cloud.google.com/storage/docs/buckets#naming>.
fn is_bucket_id(id: &str) -> bool {
    (3..=63).contains(&id.len())
        && id.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && id.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && !id.starts_with("goog")
        && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c))
}

fn insert(call: &mut Call<'_>) -> Result<Value, Fail> {
    let id = call.text("/name");
    if !is_bucket_id(&id) {
        return Err(Fail::invalid(format!("Invalid bucket name: '{id}'")));
    }
    let project = call.project.clone();
    let number = call.state.projects.get(&project).map(|known| known.number);
    let Some(number) = number else { return Err(Fail::missing(&format!("projects/{project}"))) };
    let now = call.state.now().to_string();
    let mut body = call.body.clone();
    for (field, value) in [
        ("kind", "storage#bucket".to_owned()),
        ("id", id.clone()),
        ("projectNumber", number.to_string()),
        ("metageneration", "1".to_owned()),
        ("generation", call.state.now().as_microsecond().to_string()),
        ("timeCreated", now.clone()),
        ("updated", now),
        ("etag", etag()),
        ("selfLink", format!("{}/storage/v1/b/{id}", call.state.url)),
    ] {
        set(&mut body, field, value);
    }
    let location = Some(text(&body, "/location")).filter(|location| !location.is_empty());
    set(&mut body, "location", location.map_or_else(|| "US".to_owned(), |location| location.to_uppercase()));
    if body.get("softDeletePolicy").is_none() {
        // Seven days: <https://docs.cloud.google.com/storage/docs/soft-delete>.
        set(&mut body, "softDeletePolicy", json!({"retentionDurationSeconds": "604800"}));
    }
    for (field, default) in [("storageClass", "STANDARD"), ("locationType", "region")] {
        if text(&body, &format!("/{field}")).is_empty() {
            set(&mut body, field, default);
        }
    }
    call.state.create(&bucket_name(&id), &project, body.clone()).map_err(|fail| fail.because("conflict"))?;
    Ok(body)
}

fn check_metageneration(call: &Call<'_>) -> Result<(), Fail> {
    let wanted = call.query("ifMetagenerationMatch");
    let present = text(&call.state.thing(&call.on)?.body, "/metageneration");
    if wanted.is_empty() || wanted == present { Ok(()) } else { Err(unmet()) }
}

fn unmet() -> Fail {
    let mut fail = Fail::precondition("At least one of the pre-conditions you specified did not hold.");
    fail.code = 412;
    fail.because("conditionNotMet")
}

fn get(call: &mut Call<'_>) -> Result<Value, Fail> {
    check_metageneration(call)?;
    super::get(call)
}

fn list(call: &mut Call<'_>) -> Result<Value, Fail> {
    let prefix = call.query("prefix").to_owned();
    let items: Vec<Value> = call
        .state
        .things
        .iter()
        .filter(|(name, thing)| {
            name.strip_prefix(&bucket_name("")).is_some_and(|id| !id.contains('/') && id.starts_with(&prefix))
                && thing.project == call.project
        })
        .map(|(_, thing)| thing.body.clone())
        .collect();
    Ok(json!({"kind": "storage#buckets", "items": items}))
}

fn patch(call: &mut Call<'_>) -> Result<Value, Fail> {
    check_metageneration(call)?;
    if call.body.get("acl").is_some() || call.body.pointer("/iamConfiguration/publicAccessPrevention").is_some() {
        let on = call.on.clone();
        call.require("storage.buckets.setIamPolicy", &on)?;
    }
    let mut body = super::get(call)?;
    let given = call.body.as_object().cloned().unwrap_or_default();
    for (field, value) in given {
        let fixed = [
            "name",
            "id",
            "kind",
            "selfLink",
            "projectNumber",
            "metageneration",
            "generation",
            "etag",
            "timeCreated",
            "updated",
            "location",
            "locationType",
        ];
        if fixed.contains(&field.as_str()) {
            continue;
        }
        let mut merged = body.get(&field).cloned().unwrap_or_default();
        patch_value(&mut merged, value);
        set(&mut body, &field, merged);
    }
    if let Some(fields) = body.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    let metageneration: u64 = text(&body, "/metageneration").parse().unwrap_or(1);
    set(&mut body, "metageneration", (metageneration + 1).to_string());
    set(&mut body, "etag", etag());
    set(&mut body, "updated", call.state.now().to_string());
    call.state.thing_mut(&call.on)?.body = body.clone();
    Ok(body)
}

/// Applies a JSON merge patch: null removes a field, objects are merged, everything else is replaced.
/// <https://www.rfc-editor.org/rfc/rfc7396>.
fn patch_value(into: &mut Value, from: Value) {
    match from {
        Value::Object(from) => {
            if !into.is_object() {
                *into = json!({});
            }
            let Some(into) = into.as_object_mut() else { return };
            for (name, value) in from {
                if value.is_null() {
                    into.remove(&name);
                } else {
                    patch_value(into.entry(name).or_insert(Value::Null), value);
                }
            }
        }
        other => *into = other,
    }
}

fn delete(call: &mut Call<'_>) -> Result<Value, Fail> {
    check_metageneration(call)?;
    let below = format!("{}/objects/", call.on);
    let live = call.state.things.range(below.clone()..).next().is_some_and(|(name, _)| name.starts_with(&below));
    let replaced = |past: &Past| past.bucket == call.on && past.until.is_none();
    if live || call.state.past.iter().any(replaced) {
        let mut fail = Fail::aborted("The bucket you tried to delete is not empty.");
        fail.status = "FAILED_PRECONDITION";
        return Err(fail);
    }
    call.state.things.remove(&call.on);
    Ok(Value::Null)
}

fn policy(call: &mut Call<'_>) -> Result<Value, Fail> {
    let mut policy = super::policy(call)?;
    set(&mut policy, "kind", "storage#policy");
    set(&mut policy, "resourceId", call.on.trim_start_matches("//storage.googleapis.com/"));
    Ok(policy)
}

fn set_policy(call: &mut Call<'_>) -> Result<Value, Fail> {
    let policy = call.body.clone();
    call.state.set_policy(&call.on.clone(), &policy)
}

impl State {
    /// Puts an object into a bucket, replacing an existing one, and returns its metadata.
    pub(crate) fn put_object(
        &mut self,
        bucket: &str,
        name: &str,
        kind: &str,
        bytes: bytes::Bytes,
    ) -> Result<Value, Fail> {
        let project = self.thing(&bucket_name(bucket))?.project.clone();
        let full = format!("{}/objects/{name}", bucket_name(bucket));
        let now = self.now();
        self.replace(bucket, &full);
        let newest = self.past.iter().filter_map(|past| text(&past.body, "/generation").parse().ok()).max();
        let generation = now.as_microsecond().max(newest.unwrap_or(0) + 1).to_string();
        let body = json!({
            "kind": "storage#object",
            "id": format!("{bucket}/{name}/{generation}"),
            "name": name,
            "bucket": bucket,
            "generation": generation,
            "metageneration": "1",
            "contentType": kind,
            "storageClass": "STANDARD",
            "size": bytes.len().to_string(),
            "crc32c": STANDARD.encode(crc32c(&bytes).to_be_bytes()),
            "etag": etag(),
            "timeCreated": now.to_string(),
            "updated": now.to_string(),
        });
        self.create(&full, &project, body.clone())?;
        self.media.insert(full, bytes);
        Ok(body)
    }
}

/// A version of an object that is no longer the live one.
#[derive(Clone, Debug)]
pub(crate) struct Past {
    /// The full name of its bucket.
    bucket: String,
    body: Value,
    /// Until when it can be restored, if it was deleted; otherwise it is a version that the bucket keeps.
    until: Option<Timestamp>,
}

impl State {
    /// Takes away the live version of an object. A bucket with versioning keeps it as a version; else it is deleted.
    /// <https://docs.cloud.google.com/storage/docs/object-versioning>
    pub(crate) fn replace(&mut self, bucket: &str, full: &str) {
        self.media.remove(full);
        let Some(thing) = self.things.remove(full) else { return };
        let bucket = bucket_name(bucket);
        let versioned = self.things.get(&bucket).and_then(|bucket| bucket.body.pointer("/versioning/enabled").cloned());
        if versioned == Some(Value::Bool(true)) {
            self.past.push(Past { bucket, body: thing.body, until: None });
        } else {
            self.bury(&bucket, thing.body);
        }
    }

    /// Deletes a version: it can be restored for as long as the bucket's policy says.
    fn bury(&mut self, bucket: &str, mut body: Value) {
        let policy =
            self.things.get(bucket).map(|bucket| text(&bucket.body, "/softDeletePolicy/retentionDurationSeconds"));
        let Some(seconds) = policy.and_then(|seconds| seconds.parse().ok()).filter(|seconds| *seconds > 0) else {
            return;
        };
        let now = self.now();
        let until = now + Duration::from_secs(seconds);
        set(&mut body, "softDeleteTime", now.to_string());
        set(&mut body, "hardDeleteTime", until.to_string());
        self.past.push(Past { bucket: bucket.to_owned(), body, until: Some(until) });
    }
}

/// The CRC-32C (Castagnoli) checksum: <https://www.rfc-editor.org/rfc/rfc3720#appendix-B.4>.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82F6_3B78 } else { crc >> 1 })
    })
}

fn check_generation(call: &Call<'_>, name: &str) -> Result<(), Fail> {
    let wanted = call.query("ifGenerationMatch");
    let present = call.state.things.get(name).map_or_else(|| "0".to_owned(), |thing| text(&thing.body, "/generation"));
    if wanted.is_empty() || wanted == present { Ok(()) } else { Err(unmet()) }
}

fn insert_object(call: &mut Call<'_>) -> Result<Value, Fail> {
    if !call.route.method.path.starts_with("/upload/") || call.query("uploadType") != "media" {
        return Err(Fail::unimplemented("Only the simple upload of objects is emulated: `uploadType=media`."));
    }
    let (bucket, name) = (call.parameter("bucket"), call.required("name")?);
    let on = call.on.clone();
    if call.state.things.contains_key(&on) {
        call.require("storage.objects.delete", &on)?;
    }
    check_generation(call, &on)?;
    let bytes = call.media.take().unwrap_or_default();
    let kind =
        if call.content_type.is_empty() { "application/octet-stream".to_owned() } else { call.content_type.clone() };
    call.state.put_object(&bucket, &name, &kind, bytes)
}

/// Copies an object in one call: needs `get` on the source and `create` on the target. Source:
/// <https://docs.cloud.google.com/storage/docs/json_api/v1/objects/rewrite>.
fn copy(call: &mut Call<'_>) -> Result<Value, Fail> {
    if call.body.as_object().is_some_and(|fields| !fields.is_empty()) {
        return Err(Fail::unimplemented("Copying an object with other metadata is not emulated: send none."));
    }
    let source = format!("{}/objects/{}", bucket_name(&call.parameter("sourceBucket")), call.parameter("sourceObject"));
    call.require("storage.objects.get", &source)?;
    let on = call.on.clone();
    if call.state.things.contains_key(&on) {
        call.require("storage.objects.delete", &on)?;
    }
    check_generation(call, &on)?;
    let kind = text(&call.state.thing(&source)?.body, "/contentType");
    let bytes = call.state.media.get(&source).cloned().unwrap_or_default();
    let size = bytes.len().to_string();
    let (bucket, name) = (call.parameter("destinationBucket"), call.parameter("destinationObject"));
    let object = call.state.put_object(&bucket, &name, &kind, bytes)?;
    Ok(match call.route.method.id {
        "storage.objects.copy" => object,
        _ => json!({
            "kind": "storage#rewriteResponse",
            "totalBytesRewritten": size,
            "objectSize": size,
            "done": true,
            "resource": object,
        }),
    })
}

fn object(call: &mut Call<'_>) -> Result<Value, Fail> {
    call.media = call.state.media.get(&call.on).cloned();
    super::get(call)
}

fn objects(call: &mut Call<'_>) -> Result<Value, Fail> {
    call.state.thing(&call.on)?;
    if !call.query("delimiter").is_empty() {
        return Err(Fail::unimplemented("Listing with a delimiter is not emulated."));
    }
    if call.query("softDeleted") == "true" {
        let now = call.state.now();
        let buried = |past: &&Past| past.bucket == call.on && past.until.is_some_and(|until| until > now);
        let items: Vec<Value> = call.state.past.iter().filter(buried).map(|past| past.body.clone()).collect();
        return Ok(json!({"kind": "storage#objects", "items": items}));
    }
    let base = format!("{}/objects/", call.on);
    let prefix = format!("{base}{}", call.query("prefix"));
    let most: usize = call.query("maxResults").parse().unwrap_or(1_000);
    let after = call.query("pageToken").to_owned();
    let mut items: Vec<Value> = call
        .state
        .things
        .range(prefix.clone()..)
        .take_while(|(name, _)| name.starts_with(&prefix))
        .filter(|(name, _)| name.get(base.len()..).is_some_and(|name| name > after.as_str()))
        .map(|(_, thing)| thing.body.clone())
        .take(most + 1)
        .collect();
    // All versions that a newer one replaced are on the first page.
    if call.query("versions") == "true" && after.is_empty() {
        let replaced = |past: &&Past| past.bucket == call.on && past.until.is_none();
        items.splice(0..0, call.state.past.iter().filter(replaced).map(|past| past.body.clone()));
    }
    let mut answer = json!({"kind": "storage#objects"});
    if items.len() > most {
        items.truncate(most);
        set(&mut answer, "nextPageToken", items.last().map(|last| text(last, "/name")).unwrap_or_default());
    }
    set(&mut answer, "items", items);
    Ok(answer)
}

fn delete_object(call: &mut Call<'_>) -> Result<Value, Fail> {
    check_generation(call, &call.on)?;
    let (on, bucket, generation) = (call.on.clone(), call.parameter("bucket"), call.query("generation").to_owned());
    if generation.is_empty() {
        call.state.thing(&on)?;
        call.state.replace(&bucket, &on);
        return Ok(Value::Null);
    }
    // A version that is named is deleted, whether it is the live one or not:
    // <https://docs.cloud.google.com/storage/docs/deleting-objects#delete-noncurrent>.
    let full = bucket_name(&bucket);
    if call.state.thing(&on).is_ok_and(|live| text(&live.body, "/generation") == generation) {
        call.state.media.remove(&on);
        if let Some(live) = call.state.things.remove(&on) {
            call.state.bury(&full, live.body);
        }
        return Ok(Value::Null);
    }
    let named =
        |past: &Past| past.bucket == full && past.until.is_none() && text(&past.body, "/generation") == generation;
    let Some(at) = call.state.past.iter().position(named) else {
        return Err(Fail::missing(crate::gcp::state::relative(&on)));
    };
    let past = call.state.past.remove(at);
    call.state.bury(&full, past.body);
    Ok(Value::Null)
}
