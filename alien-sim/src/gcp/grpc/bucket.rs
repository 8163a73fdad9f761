//! Converts a bucket between its gRPC form and its REST form. The emulator stores the REST form. Sources:
//! <https://docs.cloud.google.com/storage/docs/reference/rpc/google.storage.v2> and
//! <https://docs.cloud.google.com/storage/docs/json_api/v1/buckets>.

use googleapis_tonic_google_storage_v2::google::storage::v2::Bucket;
use googleapis_tonic_google_storage_v2::google::storage::v2::bucket::lifecycle::{Rule, rule};
use googleapis_tonic_google_storage_v2::google::storage::v2::bucket::{
    Autoclass, Billing, Cors, CustomPlacementConfig, Encryption, HierarchicalNamespace, IamConfig, Lifecycle, Logging,
    ObjectRetention, RetentionPolicy, SoftDeletePolicy, Versioning, Website, iam_config,
};
use googleapis_tonic_google_storage_v2::google::r#type::Date;
use prost_types::FieldMask;
use serde_json::{Map, Value, json};

use super::json::{
    flag, items, map, number, object, seconds, small_number, some_seconds, some_text, some_texts, text, texts, time,
};

/// The prefix of bucket names over gRPC.
pub(super) const PREFIX: &str = "projects/_/buckets/";

/// The fields that a caller may write, in REST form.
///
/// # Errors
///
/// A field that is not modelled: it must not be dropped silently.
pub(super) fn to_json(bucket: &Bucket) -> Result<Value, String> {
    let refused = [
        ("acl", !bucket.acl.is_empty()),
        ("default_object_acl", !bucket.default_object_acl.is_empty()),
        ("ip_filter", bucket.ip_filter.is_some()),
        ("owner", bucket.owner.is_some()),
    ];
    if let Some((field, _)) = refused.into_iter().find(|(_, is_set)| *is_set) {
        return Err(format!("the field `{field}` of a bucket is not modelled over gRPC: leave it out"));
    }
    Ok(object([
        ("location", some_text(&bucket.location)),
        ("storageClass", some_text(&bucket.storage_class)),
        ("rpo", some_text(&bucket.rpo)),
        ("etag", some_text(&bucket.etag)),
        ("labels", (!bucket.labels.is_empty()).then(|| json!(bucket.labels))),
        ("defaultEventBasedHold", bucket.default_event_based_hold.then_some(Value::Bool(true))),
        (
            "lifecycle",
            bucket
                .lifecycle
                .as_ref()
                .map(|lifecycle| json!({"rule": lifecycle.rule.iter().map(rule_to_json).collect::<Vec<_>>()})),
        ),
        ("cors", (!bucket.cors.is_empty()).then(|| bucket.cors.iter().map(cors_to_json).collect())),
        (
            "website",
            bucket.website.as_ref().map(|website| {
                object([
                    ("mainPageSuffix", some_text(&website.main_page_suffix)),
                    ("notFoundPage", some_text(&website.not_found_page)),
                ])
            }),
        ),
        ("versioning", bucket.versioning.map(|versioning| json!({"enabled": versioning.enabled}))),
        (
            "logging",
            bucket.logging.as_ref().map(|logging| {
                object([
                    ("logBucket", some_text(logging.log_bucket.trim_start_matches(PREFIX))),
                    ("logObjectPrefix", some_text(&logging.log_object_prefix)),
                ])
            }),
        ),
        (
            "encryption",
            bucket
                .encryption
                .as_ref()
                .map(|encryption| object([("defaultKmsKeyName", some_text(&encryption.default_kms_key))])),
        ),
        ("billing", bucket.billing.map(|billing| json!({"requesterPays": billing.requester_pays}))),
        (
            "retentionPolicy",
            bucket
                .retention_policy
                .map(|policy| object([("retentionPeriod", some_seconds(policy.retention_duration.as_ref()))])),
        ),
        (
            "iamConfiguration",
            bucket.iam_config.as_ref().map(|config| {
                object([
                    (
                        "uniformBucketLevelAccess",
                        config.uniform_bucket_level_access.map(|uniform| json!({"enabled": uniform.enabled})),
                    ),
                    ("publicAccessPrevention", some_text(&config.public_access_prevention)),
                ])
            }),
        ),
        (
            "customPlacementConfig",
            bucket.custom_placement_config.as_ref().map(|config| json!({"dataLocations": config.data_locations})),
        ),
        (
            "autoclass",
            bucket.autoclass.as_ref().map(|autoclass| {
                object([
                    ("enabled", Some(autoclass.enabled.into())),
                    ("terminalStorageClass", autoclass.terminal_storage_class.as_deref().and_then(some_text)),
                ])
            }),
        ),
        ("hierarchicalNamespace", bucket.hierarchical_namespace.map(|namespace| json!({"enabled": namespace.enabled}))),
        (
            "softDeletePolicy",
            bucket
                .soft_delete_policy
                .map(|policy| object([("retentionDurationSeconds", some_seconds(policy.retention_duration.as_ref()))])),
        ),
        (
            "objectRetention",
            bucket.object_retention.and_then(|retention| retention.enabled.then(|| json!({"mode": "Enabled"}))),
        ),
    ]))
}

/// Converts the stored form of a bucket.
pub(super) fn from_json(bucket: &Value) -> Bucket {
    let part = |name: &str| bucket.get(name).filter(|part| part.is_object());
    let name = text(bucket, "name");
    Bucket {
        name: format!("{PREFIX}{name}"),
        bucket_id: name,
        etag: text(bucket, "etag"),
        project: number(bucket, "projectNumber").map(|number| format!("projects/{number}")).unwrap_or_default(),
        metageneration: number(bucket, "metageneration").unwrap_or_default(),
        location: text(bucket, "location"),
        location_type: text(bucket, "locationType"),
        storage_class: text(bucket, "storageClass"),
        rpo: text(bucket, "rpo"),
        lifecycle: part("lifecycle")
            .map(|lifecycle| Lifecycle { rule: items(lifecycle, "rule").map(rule_from_json).collect() }),
        create_time: time(bucket, "timeCreated"),
        update_time: time(bucket, "updated"),
        cors: items(bucket, "cors").map(cors_from_json).collect(),
        default_event_based_hold: flag(bucket, "defaultEventBasedHold"),
        labels: map(bucket, "labels"),
        website: part("website").map(|website| Website {
            main_page_suffix: text(website, "mainPageSuffix"),
            not_found_page: text(website, "notFoundPage"),
        }),
        versioning: part("versioning").map(|versioning| Versioning { enabled: flag(versioning, "enabled") }),
        logging: part("logging").map(|logging| Logging {
            log_bucket: format!("{PREFIX}{}", text(logging, "logBucket")),
            log_object_prefix: text(logging, "logObjectPrefix"),
        }),
        encryption: part("encryption").map(|encryption| Encryption {
            default_kms_key: text(encryption, "defaultKmsKeyName"),
            ..Encryption::default()
        }),
        billing: part("billing").map(|billing| Billing { requester_pays: flag(billing, "requesterPays") }),
        retention_policy: part("retentionPolicy").map(|policy| RetentionPolicy {
            effective_time: time(policy, "effectiveTime"),
            is_locked: flag(policy, "isLocked"),
            retention_duration: seconds(policy, "retentionPeriod"),
        }),
        iam_config: part("iamConfiguration").map(|config| IamConfig {
            uniform_bucket_level_access: config.get("uniformBucketLevelAccess").map(|uniform| {
                iam_config::UniformBucketLevelAccess {
                    enabled: flag(uniform, "enabled"),
                    lock_time: time(uniform, "lockedTime"),
                }
            }),
            public_access_prevention: text(config, "publicAccessPrevention"),
        }),
        satisfies_pzs: flag(bucket, "satisfiesPZS"),
        custom_placement_config: part("customPlacementConfig")
            .map(|config| CustomPlacementConfig { data_locations: texts(config, "dataLocations") }),
        autoclass: part("autoclass").map(|autoclass| Autoclass {
            enabled: flag(autoclass, "enabled"),
            toggle_time: time(autoclass, "toggleTime"),
            terminal_storage_class: Some(text(autoclass, "terminalStorageClass")).filter(|class| !class.is_empty()),
            terminal_storage_class_update_time: time(autoclass, "terminalStorageClassUpdateTime"),
        }),
        hierarchical_namespace: part("hierarchicalNamespace")
            .map(|namespace| HierarchicalNamespace { enabled: flag(namespace, "enabled") }),
        soft_delete_policy: part("softDeletePolicy").map(|policy| SoftDeletePolicy {
            retention_duration: seconds(policy, "retentionDurationSeconds"),
            effective_time: time(policy, "effectiveTime"),
        }),
        object_retention: part("objectRetention")
            .map(|retention| ObjectRetention { enabled: text(retention, "mode") == "Enabled" }),
        ..Bucket::default()
    }
}

/// Converts an update with a mask to the body of a REST patch (<https://www.rfc-editor.org/rfc/rfc7396>). Each path is
/// replaced by the bucket's value, and `*` replaces everything that may be written.
///
/// # Errors
///
/// If the mask is empty, or a path or a field is not modelled.
pub(super) fn patch(current: &Value, bucket: &Bucket, mask: Option<&FieldMask>) -> Result<Value, String> {
    let paths = mask.map(|mask| mask.paths.as_slice()).unwrap_or_default();
    if paths.is_empty() {
        return Err("`update_mask` is required: name the fields to write, or `*`".to_owned());
    }
    let wanted = to_json(bucket)?;
    let mut patch = Map::new();
    for path in paths {
        if path == "*" {
            for (_, name) in WRITABLE {
                patch.insert((*name).to_owned(), replacement(current.get(name), wanted.get(name)));
            }
            continue;
        }
        let (first, rest) = path.split_once('.').map_or((path.as_str(), None), |(first, rest)| (first, Some(rest)));
        let Some((_, name)) = WRITABLE.iter().find(|(field, _)| *field == first) else {
            return Err(format!("`update_mask` names `{path}`, which is no field of a bucket that may be written"));
        };
        let (old, new) = (current.get(name), wanted.get(name));
        match rest {
            None => {
                patch.insert((*name).to_owned(), replacement(old, new));
            }
            Some(rest) => {
                let key =
                    inner(first, rest).ok_or_else(|| format!("`update_mask` names `{path}`, which is not modelled"))?;
                let value = replacement(old.and_then(|old| old.get(&key)), new.and_then(|new| new.get(&key)));
                let entry = patch.entry(*name).or_insert_with(|| json!({}));
                if let Some(fields) = entry.as_object_mut() {
                    fields.insert(key, value);
                }
            }
        }
    }
    Ok(Value::Object(patch))
}

/// The fields that an update may name, with their REST names.
const WRITABLE: &[(&str, &str)] = &[
    ("storage_class", "storageClass"),
    ("rpo", "rpo"),
    ("labels", "labels"),
    ("default_event_based_hold", "defaultEventBasedHold"),
    ("lifecycle", "lifecycle"),
    ("cors", "cors"),
    ("website", "website"),
    ("versioning", "versioning"),
    ("logging", "logging"),
    ("encryption", "encryption"),
    ("billing", "billing"),
    ("retention_policy", "retentionPolicy"),
    ("iam_config", "iamConfiguration"),
    ("autoclass", "autoclass"),
    ("soft_delete_policy", "softDeletePolicy"),
];

/// The REST name of a nested field.
fn inner(field: &str, path: &str) -> Option<String> {
    if field == "labels" {
        return Some(path.to_owned());
    }
    let name = match (field, path) {
        ("lifecycle", "rule") => "rule",
        ("versioning" | "autoclass", "enabled") => "enabled",
        ("autoclass", "terminal_storage_class") => "terminalStorageClass",
        ("website", "main_page_suffix") => "mainPageSuffix",
        ("website", "not_found_page") => "notFoundPage",
        ("logging", "log_bucket") => "logBucket",
        ("logging", "log_object_prefix") => "logObjectPrefix",
        ("encryption", "default_kms_key") => "defaultKmsKeyName",
        ("billing", "requester_pays") => "requesterPays",
        ("retention_policy", "retention_duration") => "retentionPeriod",
        ("soft_delete_policy", "retention_duration") => "retentionDurationSeconds",
        ("iam_config", "uniform_bucket_level_access" | "uniform_bucket_level_access.enabled") => {
            "uniformBucketLevelAccess"
        }
        ("iam_config", "public_access_prevention") => "publicAccessPrevention",
        _ => return None,
    };
    Some(name.to_owned())
}

/// The patch that turns the old value into the new one. Fields that are gone must be named as null.
fn replacement(old: Option<&Value>, new: Option<&Value>) -> Value {
    match (old, new) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let gone = old.keys().filter(|key| !new.contains_key(*key)).map(|key| (key.clone(), Value::Null));
            let kept = new.iter().map(|(key, value)| (key.clone(), replacement(old.get(key), Some(value))));
            Value::Object(gone.chain(kept).collect())
        }
        (_, Some(new)) => new.clone(),
        (_, None) => Value::Null,
    }
}

fn cors_to_json(cors: &Cors) -> Value {
    object([
        ("origin", some_texts(&cors.origin)),
        ("method", some_texts(&cors.method)),
        ("responseHeader", some_texts(&cors.response_header)),
        ("maxAgeSeconds", (cors.max_age_seconds != 0).then(|| cors.max_age_seconds.into())),
    ])
}

fn cors_from_json(cors: &Value) -> Cors {
    Cors {
        origin: texts(cors, "origin"),
        method: texts(cors, "method"),
        response_header: texts(cors, "responseHeader"),
        max_age_seconds: small_number(cors, "maxAgeSeconds").unwrap_or_default(),
    }
}

fn rule_to_json(rule: &Rule) -> Value {
    let action = rule.action.as_ref().map(|action| {
        object([("type", some_text(&action.r#type)), ("storageClass", some_text(&action.storage_class))])
    });
    let condition = rule.condition.as_ref().map(|condition| {
        object([
            ("age", condition.age_days.map(Value::from)),
            ("createdBefore", some_date(condition.created_before.as_ref())),
            ("isLive", condition.is_live.map(Value::from)),
            ("numNewerVersions", condition.num_newer_versions.map(Value::from)),
            ("matchesStorageClass", some_texts(&condition.matches_storage_class)),
            ("daysSinceCustomTime", condition.days_since_custom_time.map(Value::from)),
            ("customTimeBefore", some_date(condition.custom_time_before.as_ref())),
            ("daysSinceNoncurrentTime", condition.days_since_noncurrent_time.map(Value::from)),
            ("noncurrentTimeBefore", some_date(condition.noncurrent_time_before.as_ref())),
            ("matchesPrefix", some_texts(&condition.matches_prefix)),
            ("matchesSuffix", some_texts(&condition.matches_suffix)),
        ])
    });
    object([("action", action), ("condition", condition)])
}

fn rule_from_json(rule: &Value) -> Rule {
    Rule {
        action: rule
            .get("action")
            .map(|action| rule::Action { r#type: text(action, "type"), storage_class: text(action, "storageClass") }),
        condition: rule.get("condition").map(|condition| rule::Condition {
            age_days: small_number(condition, "age"),
            created_before: date(condition, "createdBefore"),
            is_live: condition.get("isLive").and_then(Value::as_bool),
            num_newer_versions: small_number(condition, "numNewerVersions"),
            matches_storage_class: texts(condition, "matchesStorageClass"),
            days_since_custom_time: small_number(condition, "daysSinceCustomTime"),
            custom_time_before: date(condition, "customTimeBefore"),
            days_since_noncurrent_time: small_number(condition, "daysSinceNoncurrentTime"),
            noncurrent_time_before: date(condition, "noncurrentTimeBefore"),
            matches_prefix: texts(condition, "matchesPrefix"),
            matches_suffix: texts(condition, "matchesSuffix"),
        }),
    }
}

fn some_date(date: Option<&Date>) -> Option<Value> {
    date.map(|date| format!("{:04}-{:02}-{:02}", date.year, date.month, date.day).into())
}

fn date(value: &Value, name: &str) -> Option<Date> {
    let date: jiff::civil::Date = value.get(name).and_then(Value::as_str)?.parse().ok()?;
    Some(Date { year: date.year().into(), month: date.month().into(), day: date.day().into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bucket with every modelled field that may be written.
    fn full() -> Value {
        json!({
            "name": "b", "location": "EU", "storageClass": "STANDARD", "rpo": "DEFAULT", "etag": "CAE=",
            "labels": {"a": "b"}, "defaultEventBasedHold": true,
            "lifecycle": {"rule": [{
                "action": {"type": "SetStorageClass", "storageClass": "NEARLINE"},
                "condition": {"age": 1, "createdBefore": "2026-01-31", "isLive": false, "numNewerVersions": 2,
                    "matchesStorageClass": ["STANDARD"], "daysSinceCustomTime": 3, "customTimeBefore": "2026-02-01",
                    "daysSinceNoncurrentTime": 4, "noncurrentTimeBefore": "2026-03-01", "matchesPrefix": ["p"],
                    "matchesSuffix": ["s"]},
            }]},
            "cors": [{"origin": ["*"], "method": ["GET"], "responseHeader": ["x"], "maxAgeSeconds": 60}],
            "website": {"mainPageSuffix": "index.html", "notFoundPage": "404.html"},
            "versioning": {"enabled": false},
            "logging": {"logBucket": "logs", "logObjectPrefix": "b"},
            "encryption": {"defaultKmsKeyName": "projects/p/locations/l/keyRings/r/cryptoKeys/k"},
            "billing": {"requesterPays": true},
            "retentionPolicy": {"retentionPeriod": "86400"},
            "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": true}, "publicAccessPrevention": "enforced"},
            "customPlacementConfig": {"dataLocations": ["A", "B"]},
            "autoclass": {"enabled": true, "terminalStorageClass": "NEARLINE"},
            "hierarchicalNamespace": {"enabled": true},
            "softDeletePolicy": {"retentionDurationSeconds": "604800"},
            "objectRetention": {"mode": "Enabled"},
        })
    }

    #[test]
    fn every_field_that_may_be_written_comes_back_as_it_was() {
        let mut expected = full();
        expected.as_object_mut().unwrap().remove("name");
        assert_eq!(to_json(&from_json(&full())).unwrap(), expected);
    }

    #[test]
    fn what_a_mask_names_is_replaced_and_nothing_else() {
        let bucket = Bucket {
            labels: [("kept".to_owned(), "new".to_owned())].into(),
            iam_config: Some(IamConfig { public_access_prevention: "inherited".into(), ..IamConfig::default() }),
            ..Bucket::default()
        };
        let current = json!({"labels": {"kept": "old", "gone": "x"}, "versioning": {"enabled": true}});
        let paths = |paths: &[&str]| FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() };
        let patched = |mask| patch(&current, &bucket, Some(&mask)).unwrap();
        assert_eq!(patched(paths(&["labels"])), json!({"labels": {"kept": "new", "gone": null}}));
        assert_eq!(patched(paths(&["labels.gone"])), json!({"labels": {"gone": null}}));
        assert_eq!(
            patched(paths(&["versioning", "iam_config.public_access_prevention"])),
            json!({"versioning": null, "iamConfiguration": {"publicAccessPrevention": "inherited"}})
        );
        assert_eq!(patched(paths(&["*"])).as_object().unwrap().len(), WRITABLE.len());
        for wrong in ["location", "project", "labels_", "website.colour"] {
            let refused = patch(&current, &bucket, Some(&paths(&[wrong]))).unwrap_err();
            assert!(refused.contains(&format!("`{wrong}`")), "{refused}");
        }
        assert!(patch(&current, &bucket, None).unwrap_err().contains("`update_mask` is required"));
    }

    #[test]
    fn a_field_that_is_not_modelled_is_refused_by_its_name() {
        let bucket = Bucket { acl: vec![Default::default()], ..Bucket::default() };
        assert!(to_json(&bucket).unwrap_err().contains("`acl`"));
    }
}
