//! Somebody with the admin's credentials, who changes each setting of frozen things.

use alien_conformance::mistakes::{Mistakable, every_setting_is_set_back_or_the_customers, resource};
use alien_core::{Deployment, Kind};
use async_trait::async_trait;
use serde_json::{Value, json};

use crate::world::{ADMIN, LOCATION, PROJECT, Peer};

/// A part of a resource: where it is read and written, and how.
struct Part {
    url: String,
    form: Form,
}

/// How a request names the fields that it writes.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// By being there: a merge patch.
    Merge,
    /// In the query.
    Query,
    /// In the body, beside the thing.
    Beside,
}

impl Peer {
    /// The part of a resource that a path begins with, and the field of it.
    fn part<'p>(&self, deployment: &Deployment, kind: Kind, path: &'p str) -> (Part, &'p str) {
        let id = &deployment.resources[resource(kind)];
        let name = id.rsplit('/').next().unwrap();
        let at = |form, rest: String| Part { url: format!("{}/{rest}", self.sim.url()), form };
        if kind == Kind::Storage {
            return (at(Form::Merge, format!("storage/v1/b/{name}")), path.trim_end_matches("[]"));
        }
        let (part, field) = path.split_once('.').unwrap();
        let pubsub = |rest: &str| at(Form::Beside, format!("v1/projects/{PROJECT}/{rest}"));
        let field_of = |field: &str| {
            let rest = format!("v1/projects/{PROJECT}/databases/{name}/collectionGroups/items/fields/{field}");
            at(Form::Query, rest)
        };
        let compute = |rest: &str| at(Form::Merge, format!("compute/v1/projects/{PROJECT}/{rest}/{name}"));
        let part = match part {
            "topic" => pubsub(&format!("topics/{name}")),
            "subscription" => pubsub(&format!("subscriptions/{name}")),
            "deadLetters" => pubsub(&format!("subscriptions/{name}-dead")),
            "database" => at(Form::Query, format!("v1/projects/{PROJECT}/databases/{name}")),
            "field" => field_of("expires"),
            "otherField" => field_of("theirs"),
            "network" => compute("global/networks"),
            "firewall" => compute("global/firewalls"),
            "subnetwork" => compute(&format!("regions/{LOCATION}/subnetworks")),
            other => panic!("{other} is no part of a {kind}"),
        };
        (part, field)
    }

    async fn told(&self, url: &str) -> Value {
        let answer = self.plain().get(url).bearer_auth(self.sim.token(ADMIN)).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{url}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }
}

fn pointer(field: &str) -> String {
    format!("/{}", field.replace('.', "/"))
}

/// An object with this value at a path.
fn nested(field: &str, value: &Value) -> Value {
    field.rsplit('.').fold(value.clone(), |below, name| json!({ name: below }))
}

#[async_trait]
impl Mistakable for Peer {
    fn mistaken(&self, kind: Kind, path: &str) -> Option<Value> {
        let account = format!("alien-agent@{PROJECT}.iam.gserviceaccount.com");
        Some(match (kind, path) {
            (_, "iamConfiguration.publicAccessPrevention") => json!("inherited"),
            (_, "iamConfiguration.uniformBucketLevelAccess.enabled" | "versioning.enabled") => json!(false),
            (_, "lifecycle.rule") => json!([]),
            (_, "lifecycle.rule[]") => json!([
                { "action": { "type": "Delete" }, "condition": { "age": 30, "isLive": true } },
                { "action": { "type": "AbortIncompleteMultipartUpload" }, "condition": { "age": 7 } },
            ]),
            (_, "retentionPolicy") => json!({ "retentionPeriod": "60" }),
            (_, "softDeletePolicy") => json!({ "retentionDurationSeconds": "0" }),
            (_, "defaultEventBasedHold") => json!(true),
            (_, "encryption") => json!({ "defaultKmsKeyName": "projects/p/locations/l/keyRings/r/cryptoKeys/k" }),
            (_, "logging") => json!({ "logBucket": "theirs" }),
            (_, "cors") => json!([{ "origin": ["*"], "method": ["GET"], "maxAgeSeconds": 60 }]),
            (_, "website") => json!({ "mainPageSuffix": "index.html" }),
            (_, "storageClass") => json!("NEARLINE"),
            (_, "autoclass") => json!({ "enabled": true }),
            (_, "billing") => json!({ "requesterPays": true }),
            (_, "rpo") => json!("ASYNC_TURBO"),
            (_, "subscription.ackDeadlineSeconds") => json!(600),
            (_, "subscription.messageRetentionDuration" | "deadLetters.messageRetentionDuration") => json!("600s"),
            (_, "subscription.expirationPolicy" | "deadLetters.expirationPolicy") => json!({ "ttl": "86400s" }),
            (_, "subscription.deadLetterPolicy.deadLetterTopic") => Value::Null,
            (_, "subscription.deadLetterPolicy.maxDeliveryAttempts") => json!(100),
            (_, "subscription.pushConfig" | "deadLetters.pushConfig") => {
                json!({ "pushEndpoint": "https://theirs.example.com", "oidcToken": { "serviceAccountEmail": account } })
            }
            (_, "subscription.bigqueryConfig" | "deadLetters.bigqueryConfig") => json!({ "table": "p.d.t" }),
            (_, "subscription.cloudStorageConfig" | "deadLetters.cloudStorageConfig") => json!({ "bucket": "theirs" }),
            (_, "subscription.bigtableConfig" | "deadLetters.bigtableConfig") => {
                json!({ "table": "projects/p/instances/i/tables/t" })
            }
            (_, "subscription.retryPolicy") => json!({ "minimumBackoff": "10s", "maximumBackoff": "60s" }),
            (_, "subscription.retainAckedMessages" | "subscription.enableExactlyOnceDelivery") => json!(true),
            (_, "topic.messageRetentionDuration") => json!("86400s"),
            (_, "topic.messageStoragePolicy") => json!({ "allowedPersistenceRegions": ["europe-west3"] }),
            (_, "topic.kmsKeyName") => json!("projects/p/locations/l/keyRings/r/cryptoKeys/k"),
            (_, "topic.schemaSettings") => json!({ "schema": "projects/p/schemas/s", "encoding": "JSON" }),
            (_, "topic.ingestionDataSourceSettings") => json!({ "cloudStorage": { "bucket": "theirs" } }),
            (_, "subscription.messageTransforms" | "topic.messageTransforms") => {
                json!([{ "javascriptUdf": { "functionName": "f", "code": "function f(m) { return m; }" } }])
            }
            (_, "field.ttlConfig") => Value::Null,
            (_, "otherField.ttlConfig") => json!({}),
            (_, "database.pointInTimeRecoveryEnablement") => json!("POINT_IN_TIME_RECOVERY_ENABLED"),
            (_, "database.deleteProtectionState") => json!("DELETE_PROTECTION_ENABLED"),
            (_, "database.concurrencyMode") => json!("OPTIMISTIC"),
            (_, "subnetwork.privateIpGoogleAccess") => json!(false),
            (_, "firewall.sourceRanges") => json!(["0.0.0.0/0"]),
            (_, "firewall.allowed") => json!([{ "IPProtocol": "tcp", "ports": ["22"] }]),
            (_, "firewall.disabled") => json!(true),
            (_, "firewall.priority") => json!(7),
            (_, "firewall.destinationRanges") => json!(["10.90.0.0/28"]),
            (_, "firewall.targetTags") => json!(["some"]),
            (_, "firewall.logConfig" | "subnetwork.logConfig") => json!({ "enable": true }),
            (_, "subnetwork.secondaryIpRanges") => json!([{ "rangeName": "more", "ipCidrRange": "10.91.0.0/24" }]),
            (_, "network.routingConfig.routingMode") => json!("GLOBAL"),
            (_, "network.mtu") => json!(1500),
            // Emulated alone as a word.
            (_, "ipFilter") => return None,
            other => panic!("{other:?} has no value"),
        })
    }

    async fn setting(&self, deployment: &Deployment, kind: Kind, path: &str) -> Value {
        let (part, field) = self.part(deployment, kind, path);
        self.told(&part.url).await.pointer(&pointer(field)).cloned().unwrap_or_default()
    }

    async fn write(&self, deployment: &Deployment, kind: Kind, path: &str, value: &Value) -> Result<(), String> {
        let (Part { mut url, form }, field) = self.part(deployment, kind, path);
        let before = self.told(&url).await;
        let mut body = if value.is_null() && form != Form::Merge { json!({}) } else { nested(field, value) };
        match form {
            // A subnetwork is changed by who has seen it as it is.
            Form::Merge if path.starts_with("subnetwork.") => body["fingerprint"] = before["fingerprint"].clone(),
            Form::Merge => {}
            Form::Query => url = format!("{url}?updateMask={field}"),
            Form::Beside => {
                let of = if path.starts_with("topic.") { "topic" } else { "subscription" };
                for name in ["name", "topic"] {
                    if let Some(known) = before.get(name) {
                        body[name] = known.clone();
                    }
                }
                body = json!({ of: body, "updateMask": field });
            }
        }
        let request = self.plain().patch(url).bearer_auth(self.sim.token(ADMIN));
        let request = request.header("content-type", "application/json").body(body.to_string());
        let answer = request.send().await.unwrap();
        let (status, said) = (answer.status(), answer.text().await.unwrap());
        if status.is_success() { Ok(()) } else { Err(format!("{status} {said}")) }
    }
}

pub(crate) async fn every_setting_is_told_or_the_customers(peer: &Peer) {
    insta::assert_snapshot!("settings_of_frozen_things", every_setting_is_set_back_or_the_customers(peer).await);
}
