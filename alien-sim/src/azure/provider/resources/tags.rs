//! Tags of any resource: <https://learn.microsoft.com/rest/api/resources/tags>.

use serde_json::{Map, Value, json};

use crate::azure::call::{Answer, Call, set};
use crate::azure::fail::Fail;
use crate::azure::state::State;

/// Checks the tags of a body. Source:
/// <https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources#limitations>.
///
/// # Errors
///
/// If there are more than 50, or a name or value is too long or not a string.
pub(crate) fn check(tags: &Value) -> Result<(), Fail> {
    let Some(tags) = tags.as_object() else {
        return if tags.is_null() {
            Ok(())
        } else {
            Err(Fail::invalid("InvalidRequestContent", "Tags have to be an object."))
        };
    };
    if tags.len() > 50 {
        return Err(Fail::invalid("InvalidTagCount", "A resource can have at most 50 tags."));
    }
    for (name, value) in tags {
        if name.is_empty() || name.chars().count() > 512 || name.contains(['<', '>', '%', '&', '\\', '?', '/']) {
            return Err(Fail::invalid(
                "InvalidTagNameCharacters",
                format!("The tag name '{name}' is longer than 512 characters, empty, or has one of '<,>,%,&,\\,?,/'."),
            ));
        }
        if value.as_str().is_none_or(|value| value.chars().count() > 256) {
            return Err(Fail::invalid(
                "InvalidTagValue",
                format!("The value of the tag '{name}' is longer than 256 characters, or no text."),
            ));
        }
    }
    Ok(())
}

/// The body of the resource that has the tags.
fn tagged(state: &State, scope: &str) -> Result<Value, Fail> {
    let body = &state.thing(scope)?.body;
    let is_own = scope.split('/').count() <= 5 || body.get("location").is_some();
    if is_own {
        Ok(body.clone())
    } else {
        Err(Fail::invalid("TagsNotSupported", format!("The resource '{scope}' has no tags.")))
    }
}

fn answer(scope: &str, tags: Option<&Value>) -> Answer {
    let id = format!("{}/providers/Microsoft.Resources/tags/default", scope.trim_end_matches('/'));
    let tags = tags.cloned().unwrap_or_else(|| json!({}));
    let body = json!({"id": id, "name": "default", "type": "Microsoft.Resources/tags", "properties": {"tags": tags}});
    Answer::json(200, &body)
}

pub(super) fn get(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let scope = call.parameter("scope");
    Ok(answer(scope, tagged(call.state, scope)?.get("tags")))
}

fn write(call: &mut Call<'_>, tags: Map<String, Value>) -> Result<Answer, Fail> {
    let scope = call.parameter("scope").to_owned();
    let tags = Value::Object(tags);
    check(&tags)?;
    tagged(call.state, &scope)?;
    set(&mut call.state.thing_mut(&scope)?.body, "tags", tags.clone());
    Ok(answer(&scope, Some(&tags)))
}

fn given(call: &Call<'_>) -> Map<String, Value> {
    call.body.pointer("/properties/tags").and_then(Value::as_object).cloned().unwrap_or_default()
}

pub(super) fn put(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let tags = given(call);
    write(call, tags)
}

pub(super) fn patch(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let given = given(call);
    let body = tagged(call.state, call.parameter("scope"))?;
    let mut tags = body.get("tags").and_then(Value::as_object).cloned().unwrap_or_default();
    let same = |known: &String, name: &String| known.eq_ignore_ascii_case(name);
    match call.text("/operation").as_str() {
        "Replace" => tags = given,
        "Merge" => {
            for (name, value) in given {
                tags.retain(|known, _| !same(known, &name));
                tags.insert(name, value);
            }
        }
        // A tag is deleted only if its value is the same.
        "Delete" => tags.retain(|known, value| !given.iter().any(|(name, gone)| same(known, name) && gone == value)),
        other => {
            return Err(Fail::invalid(
                "InvalidRequestContent",
                format!("The operation '{other}' is none of Replace, Merge and Delete."),
            ));
        }
    }
    write(call, tags)
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Fail> {
    write(call, Map::new())?;
    Ok(Answer::empty(200))
}
