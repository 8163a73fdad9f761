//! Linked access checks. A caller who writes a reference to another resource must also be allowed to use that resource:
//! <https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-linked-authorization-failed>.

use std::collections::BTreeSet;

use serde_json::Value;

use super::decide::{Plane, matches};
use crate::azure::fail::Fail;
use crate::azure::provider::PROVIDERS;
use crate::azure::route::Route;
use crate::azure::state::{Caller, State};

/// A field of a body that refers to another resource, and the action needed on that resource.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// The action of the write, or a pattern for it.
    pub action: &'static str,
    /// The path of the id: fields separated by dots. `[]` after a field means each item, `{}` each key.
    pub field: &'static str,
    /// The action needed on the resource that the id names.
    pub needs: &'static str,
    /// The page of Microsoft's documentation that documents it.
    pub source: &'static str,
}

/// Lists every field that is checked when a PUT or PATCH writes a resource.
pub fn links() -> impl Iterator<Item = &'static Link> {
    PROVIDERS.iter().flat_map(|provider| provider.links)
}

/// Checks the references in the body of a PUT or PATCH.
///
/// # Errors
///
/// 403 `LinkedAuthorizationFailed` if the caller may not use one of them.
pub(crate) fn check(state: &mut State, caller: &Caller, route: &Route, id: &str, body: &Value) -> Result<(), Fail> {
    if !matches!(route.method.verb, "PUT" | "PATCH") {
        return Ok(());
    }
    for link in links() {
        let Some(action) = route.method.actions.iter().find(|action| matches(link.action, action)) else { continue };
        let mut named = BTreeSet::new();
        collect(body, link.field, &mut named);
        for linked in named {
            if !state.asks(caller, route.key, Plane::Control, link.needs, &linked) {
                return Err(Fail::new(
                    403,
                    "LinkedAuthorizationFailed",
                    format!(
                        "The client '{}' with object id '{}' has permission to perform action '{action}' on scope '{id}'; however, it does not have permission to perform action(s) '{}' on the linked scope(s) '{linked}' (respectively) or the linked scope(s) are invalid.",
                        caller.client, caller.object, link.needs
                    ),
                ));
            }
        }
    }
    Ok(())
}

/// Collects the ids at a field.
fn collect(value: &Value, field: &str, into: &mut BTreeSet<String>) {
    let (name, rest) = field.split_once('.').unwrap_or((field, ""));
    let plain = name.trim_end_matches("[]").trim_end_matches("{}");
    // Names in bodies are read without regard to case.
    let found = value.as_object().into_iter().flatten().find(|(known, _)| known.eq_ignore_ascii_case(plain));
    let Some((_, value)) = found else { return };
    match value {
        Value::Object(members) if name.ends_with("{}") => {
            // A null value removes its key.
            into.extend(members.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name.clone()));
        }
        Value::Array(items) if name.ends_with("[]") => items.iter().for_each(|item| collect(item, rest, into)),
        Value::String(id) if rest.is_empty() && !id.is_empty() => {
            into.insert(id.clone());
        }
        value if !rest.is_empty() => collect(value, rest, into),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::collect;

    #[test]
    fn ids_are_found_in_fields_lists_and_names() {
        let body = json!({
            "identity": {"userAssignedIdentities": {"/one": {}, "/gone": null}},
            "properties": {
                "ENVIRONMENTID": "/environment",
                "subnets": [{"properties": {"routeTable": {"id": "/first"}}}, {"properties": {}}, {"id": "/other"}],
            },
        });
        for (field, expected) in [
            ("identity.userAssignedIdentities{}", vec!["/one"]),
            ("properties.environmentId", vec!["/environment"]),
            ("properties.subnets[].properties.routeTable.id", vec!["/first"]),
            ("properties.subnets[].id", vec!["/other"]),
            ("properties.absent.id", vec![]),
        ] {
            let mut found = BTreeSet::new();
            collect(&body, field, &mut found);
            assert_eq!(found.into_iter().collect::<Vec<_>>(), expected, "{field}");
        }
    }
}
