//! Locks: <https://learn.microsoft.com/azure/azure-resource-manager/management/lock-resources>.

use serde_json::json;

use crate::azure::call::{Answer, Call, Codes, text};
use crate::azure::fail::Fail;
use crate::azure::rbac::decide::reaches;
use crate::azure::route::Route;
use crate::azure::state::State;

const KIND: &str = "Microsoft.Authorization/locks";

/// The scope that a lock applies to.
fn scope_of(lock: &str) -> &str {
    lock.rsplit_once("/providers/").map_or(lock, |(scope, _)| scope)
}

pub(super) fn put(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let mut properties = call.body.get("properties").cloned().unwrap_or_else(|| json!({}));
    if let Some(members) = properties.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    let body = json!({"id": call.id, "name": call.name(), "type": KIND, "properties": properties});
    call.write(body, Codes { made: 201, changed: 200, making: 201, changing: 200 }, None)
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Fail> {
    call.delete(200, None)
}

/// Lists the locks at, above and below a scope.
pub(super) fn list(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let scope = call.parameter("scope");
    let locks = call.state.list("", KIND);
    let related = |id: &str| reaches(id, scope) || reaches(scope, id);
    Ok(Answer::list(locks.into_iter().filter(|lock| related(scope_of(&text(lock, "/id")))).collect()))
}

/// Refuses what a lock forbids: the deletion of a locked resource, its children or its parents, and any change under a
/// read-only lock.
///
/// # Errors
///
/// 409 `ScopeLocked` if a lock forbids it.
pub(crate) fn locked(state: &State, route: &Route, id: &str) -> Result<(), Fail> {
    if route.method.verb == "GET" || route.method.verb == "HEAD" || route.key.ends_with(KIND) {
        return Ok(());
    }
    // Tags are part of the resource that has them.
    let (verb, id) = match id.rsplit_once("/providers/") {
        Some((of, rest)) if rest.eq_ignore_ascii_case("Microsoft.Resources/tags/default") => ("PUT", of),
        _ => (route.method.verb, id),
    };
    let is_delete = verb == "DELETE";
    for lock in state.locks() {
        let (level, scope) = (text(&lock.body, "/properties/level"), scope_of(&lock.id));
        let holds = level == "ReadOnly" || (level == "CanNotDelete" && is_delete);
        if holds && (reaches(scope, id) || (is_delete && reaches(id, scope))) {
            let operation = if is_delete { "delete" } else { "write" };
            return Err(Fail::conflict(
                "ScopeLocked",
                format!(
                    "The scope '{id}' cannot perform {operation} operation because following scope(s) are locked: '{scope}'. Please remove the lock and try again."
                ),
            ));
        }
    }
    Ok(())
}
