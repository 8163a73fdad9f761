//! How a request is authorised:
//! <https://learn.microsoft.com/azure/role-based-access-control/overview#how-azure-rbac-determines-if-a-user-has-access-to-a-resource>.

use super::role;
use crate::azure::state::State;

/// Actions and data actions are separate:
/// <https://learn.microsoft.com/azure/role-based-access-control/role-definitions#control-and-data-actions>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plane {
    Control,
    Data,
}

/// A decision, and the reason.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) allowed: bool,
    pub(crate) why: String,
}

/// Decides whether a principal is allowed an action at a scope, by the union of its assignments there and above.
pub(crate) fn decide(state: &State, object: &str, plane: Plane, action: &str, scope: &str) -> Verdict {
    let now = state.now();
    let mut reaching = 0;
    for assignment in state.assignments.values() {
        if !*assignment.live.in_effect(now)
            || !state.directory.is_for(&assignment.principal, object)
            || !reaches(&assignment.scope, scope)
        {
            continue;
        }
        let Some(role) = role::find(state, &assignment.role) else { continue };
        reaching += 1;
        if role.in_effect(now).iter().any(|permission| permission.allows(plane, action)) {
            let why =
                format!("assignment {} of role '{}' at {} allows it", assignment.id, role.name(), assignment.scope);
            return Verdict { allowed: true, why };
        }
    }
    let why = if reaching == 0 {
        "no assignment of the principal is in effect at the scope or above it".to_owned()
    } else {
        format!("of the principal's {reaching} assignments at the scope or above it none allows the action")
    };
    Verdict { allowed: false, why }
}

/// Whether one scope equals or contains another. Compares segments, without regard to case.
pub(crate) fn reaches(above: &str, below: &str) -> bool {
    let above = above.trim_end_matches('/');
    match below.get(..above.len()) {
        Some(start) => {
            let rest = below.get(above.len()..).unwrap_or_default();
            start.eq_ignore_ascii_case(above) && (rest.is_empty() || rest.starts_with('/'))
        }
        None => false,
    }
}

/// Whether a name matches a pattern, in which `*` stands for any text, `/` included. Case is ignored:
/// <https://learn.microsoft.com/azure/role-based-access-control/role-definitions#actions-format>.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_ascii_lowercase(), name.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let Some(first) = parts.next() else { return false };
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::{matches, reaches};

    #[test]
    fn a_scope_reaches_itself_and_what_is_below_by_whole_segments() {
        for (above, below, expected) in [
            ("/subscriptions/s/resourceGroups/acme", "/subscriptions/s/resourceGroups/acme", true),
            ("/subscriptions/s/resourceGroups/acme", "/subscriptions/S/RESOURCEGROUPS/Acme/providers/x", true),
            ("/subscriptions/s/resourceGroups/acme", "/subscriptions/s/resourceGroups/acme-prod", false),
            ("/subscriptions/s/resourceGroups/acme", "/subscriptions/s", false),
            ("/", "/subscriptions/s", true),
            ("", "/subscriptions/s", true),
            ("/subscriptions/ä", "/subscriptions/a", false),
        ] {
            assert_eq!(reaches(above, below), expected, "{above} {below}");
        }
    }

    #[test]
    fn a_star_is_any_text() {
        for (pattern, name, expected) in [
            ("*", "Microsoft.App/containerApps/read", true),
            ("*/read", "Microsoft.App/containerApps/read", true),
            ("*/read", "Microsoft.App/containerApps/write", false),
            ("Microsoft.App/*", "microsoft.app/containerapps/WRITE", true),
            ("Microsoft.App/*/read", "Microsoft.App/containerApps/revisions/read", true),
            ("Microsoft.App/*/read", "Microsoft.App/read", false),
            ("Microsoft.App/*", "Microsoft.AppConfiguration/read", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("Microsoft.App/containerApps/read", "Microsoft.App/containerApps/readAll", false),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
