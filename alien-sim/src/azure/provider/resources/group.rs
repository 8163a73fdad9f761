//! Resource groups: <https://learn.microsoft.com/rest/api/resources/resource-groups>.

use serde_json::{Value, json};

use crate::azure::call::{Answer, Call, Codes, set, text};
use crate::azure::fail::Fail;
use crate::azure::operation::Lro;
use crate::azure::state::State;

const DELETION: Lro = Lro {
    path: "/subscriptions/{subscriptionId}/operationresults",
    header: "location",
    version: "2025-04-01",
    word: "Deleting",
};

pub(super) fn body(id: &str, location: &str, given: &Value) -> Value {
    let mut body = json!({
        "id": id,
        "name": id.rsplit('/').next().unwrap_or_default(),
        "type": "Microsoft.Resources/resourceGroups",
        "location": location.replace(' ', "").to_lowercase(),
        "properties": {"provisioningState": "Succeeded"},
    });
    for field in ["tags", "managedBy"] {
        if let Some(value) = given.get(field).filter(|value| !value.is_null()) {
            set(&mut body, field, value.clone());
        }
    }
    body
}

/// Source: <https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftresources>.
fn name_is_valid(name: &str) -> Result<(), Fail> {
    let is_valid = |c: char| c.is_alphanumeric() || "-_.()".contains(c);
    if name.chars().all(is_valid) && (1..=90).contains(&name.chars().count()) && !name.ends_with('.') {
        return Ok(());
    }
    Err(Fail::invalid(
        "InvalidResourceGroup",
        format!(
            "The provided resource group name '{name}' has these invalid characters: only letters, digits and '-_.()' are allowed, 90 at most, and no period at the end."
        ),
    ))
}

pub(super) fn put(call: &mut Call<'_>) -> Result<Answer, Fail> {
    name_is_valid(call.name())?;
    let location = call.text("/location");
    // Microsoft's own clients send `resourcegroups`, and get the id in this form.
    let id = format!("/subscriptions/{}/resourceGroups/{}", call.route.parameter("subscriptionId"), call.name());
    let body = body(&id, &location, &call.body);
    let wait = Codes { made: 201, changed: 200, making: 201, changing: 200 };
    call.write(body, wait, None).map_err(|fail| {
        if fail.code == "InvalidResourceLocation" {
            Fail::conflict("InvalidResourceGroupLocation", fail.message)
        } else {
            fail
        }
    })
}

pub(super) fn patch(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let mut body = call.state.thing(&call.id)?.body.clone();
    for field in ["tags", "managedBy"] {
        if let Some(value) = call.body.get(field) {
            set(&mut body, field, value.clone());
        }
    }
    call.write(body, Codes { made: 200, changed: 200, making: 200, changing: 200 }, None)
}

pub(super) fn head(call: &mut Call<'_>) -> Result<Answer, Fail> {
    Ok(Answer::empty(if call.state.thing(&call.id).is_ok() { 204 } else { 404 }))
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Fail> {
    call.state.thing(&call.id)?;
    call.delete(200, Some(&DELETION))
}

pub(super) fn list(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let groups = call.state.list(&call.id, "Microsoft.Resources/resourceGroups");
    Ok(Answer::list(filtered(call, groups)?))
}

/// Lists the resources that Resource Manager itself tracks: those with a location, directly in a group.
pub(super) fn resources(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let is_tracked = |id: &str| id.split('/').count() == 9;
    let short = |body: &Value| {
        let fields = ["id", "name", "type", "location", "tags", "kind", "sku", "identity"];
        let pick = |name: &str| body.get(name).map(|value| (name.to_owned(), value.clone()));
        Value::Object(fields.into_iter().filter_map(pick).collect())
    };
    let state: &State = call.state;
    let found = state.under(&call.id).filter(|thing| is_tracked(&thing.id) && thing.body.get("location").is_some());
    let bodies = found.map(|thing| short(&thing.body)).collect();
    Ok(Answer::list(filtered(call, bodies)?))
}

/// Filters by `resourceType eq 'T'`, or by `tagName eq 'N'` and `tagValue eq 'V'`:
/// <https://learn.microsoft.com/rest/api/resources/resources/list>.
fn filtered(call: &Call<'_>, mut bodies: Vec<Value>) -> Result<Vec<Value>, Fail> {
    let mut tag = String::new();
    for clause in call.query("$filter").split(" and ").map(str::trim).filter(|clause| !clause.is_empty()) {
        let parts = clause.split_once(" eq ").map(|(name, value)| (name.trim(), value.trim().trim_matches('\'')));
        match parts {
            Some(("resourceType", kind)) => bodies.retain(|body| text(body, "/type").eq_ignore_ascii_case(kind)),
            Some(("tagName", name)) => {
                name.clone_into(&mut tag);
                bodies.retain(|body| tag_of(body, name).is_some());
            }
            Some(("tagValue", value)) => bodies.retain(|body| tag_of(body, &tag).as_deref() == Some(value)),
            _ => return Err(Fail::unimplemented(format!("The filter '{clause}' is not emulated."))),
        }
    }
    Ok(bodies)
}

fn tag_of(body: &Value, name: &str) -> Option<String> {
    let tags = body.get("tags")?.as_object()?;
    tags.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?.1.as_str().map(str::to_owned)
}
