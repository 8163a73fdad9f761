//! Lifecycle policies of blobs: <https://learn.microsoft.com/rest/api/storagerp/management-policies>.

use serde_json::{Value, json};

use crate::azure::call::{Answer, Call, Codes, set, text};
use crate::azure::fail::Fail;

pub(super) const POLICY: &str = "properties!{lastModifiedTime policy!{rules!{enabled name! type!=Lifecycle \
    definition!{actions!{baseBlob* snapshot* version*} filters{prefixMatch blobTypes! blobIndexMatch*}}}}}";

fn default(call: &Call<'_>) -> Result<(), Fail> {
    if call.name().eq_ignore_ascii_case("default") {
        return Ok(());
    }
    Err(Fail::invalid("InvalidParameter", "The name of a management policy is 'default'."))
}

pub(super) fn get(call: &mut Call<'_>) -> Result<Answer, Fail> {
    default(call)?;
    let thing = call
        .state
        .thing(&call.id)
        .map_err(|_| Fail::new(404, "ManagementPolicyNotFound", "No ManagementPolicy found for account."))?;
    Ok(Answer::json(200, &thing.body))
}

pub(super) fn put(call: &mut Call<'_>) -> Result<Answer, Fail> {
    default(call)?;
    let mut properties = call.body.get("properties").cloned().unwrap_or_else(|| json!({}));
    let rules = properties.pointer("/policy/rules").and_then(Value::as_array).cloned().unwrap_or_default();
    if rules.is_empty() {
        return Err(Fail::invalid("InvalidRequestPropertyValue", "The value of 'rules' is not valid: name a rule."));
    }
    for rule in &rules {
        let actions = rule.pointer("/definition/actions").and_then(Value::as_object);
        if actions.is_none_or(serde_json::Map::is_empty) {
            return Err(Fail::invalid(
                "InvalidRequestPropertyValue",
                format!("The rule '{}' has no action.", text(rule, "/name")),
            ));
        }
    }
    let now = call.now().to_string();
    set(&mut properties, "lastModifiedTime", now);
    let body = call.resource(properties);
    call.write(body, Codes { made: 200, changed: 200, making: 200, changing: 200 }, None)
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Fail> {
    default(call)?;
    call.delete(200, None)
}
