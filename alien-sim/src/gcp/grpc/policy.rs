//! Converts an allow policy between gRPC and REST: <https://docs.cloud.google.com/iam/docs/reference/rest/v1/Policy>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use googleapis_tonic_google_iam_v1::google::iam::v1::{Binding, Policy};
use googleapis_tonic_google_storage_v2::google::r#type::Expr;
use serde_json::{Value, json};

use super::json::{items, object, small_number, some_text, text, texts};

/// # Errors
///
/// If it has audit configurations, which are not modelled.
pub(super) fn to_json(policy: &Policy) -> Result<Value, String> {
    if !policy.audit_configs.is_empty() {
        return Err("`audit_configs` of a policy are not modelled over gRPC: leave them out".to_owned());
    }
    let bindings: Vec<Value> = policy
        .bindings
        .iter()
        .map(|binding| {
            object([
                ("role", Some(binding.role.as_str().into())),
                ("members", Some(json!(binding.members))),
                (
                    "condition",
                    binding.condition.as_ref().map(|condition| {
                        object([
                            ("title", some_text(&condition.title)),
                            ("description", some_text(&condition.description)),
                            ("location", some_text(&condition.location)),
                            ("expression", Some(condition.expression.as_str().into())),
                        ])
                    }),
                ),
            ])
        })
        .collect();
    Ok(object([
        ("version", Some(policy.version.into())),
        ("bindings", Some(bindings.into())),
        ("etag", some_text(&STANDARD.encode(&policy.etag))),
    ]))
}

pub(super) fn from_json(policy: &Value) -> Policy {
    Policy {
        version: small_number(policy, "version").unwrap_or_default(),
        bindings: items(policy, "bindings")
            .map(|binding| Binding {
                role: text(binding, "role"),
                members: texts(binding, "members"),
                condition: binding.get("condition").map(|condition| Expr {
                    expression: text(condition, "expression"),
                    title: text(condition, "title"),
                    description: text(condition, "description"),
                    location: text(condition, "location"),
                }),
            })
            .collect(),
        audit_configs: Vec::new(),
        etag: STANDARD.decode(text(policy, "etag")).unwrap_or_default(),
    }
}
