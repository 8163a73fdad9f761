//! Custom roles and bindings, as types.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Text that is borrowed if this library wrote it, and owned if it was read.
pub type Text = Cow<'static, str>;

/// An identity and its permissions: a service account, who may impersonate it, and its bindings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Principal {
    /// The name of the layer or of the profile.
    pub name: String,
    /// The service account.
    pub service_account: ServiceAccount,
    /// Who may impersonate it. These are bindings on the service account itself, never on the project.
    pub impersonators: Vec<Impersonator>,
    /// The custom roles that the bindings name.
    pub custom_roles: Vec<CustomRole>,
    /// The bindings of the service account.
    pub bindings: Vec<Binding>,
}

/// A service account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ServiceAccount {
    /// Its id in the project.
    pub account_id: String,
    /// Its email.
    pub email: String,
}

/// A member that may impersonate a service account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Impersonator {
    /// `serviceAccount:` followed by an email.
    pub member: String,
    /// The role that allows it.
    pub role: String,
}

/// A custom role of the project. <https://docs.cloud.google.com/iam/docs/reference/rest/v1/projects.roles>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CustomRole {
    /// Its id: every deployment in the project uses the same role for the same permission set.
    pub role_id: Text,
    /// Its title.
    pub title: Text,
    /// What it is for.
    pub description: Text,
    /// Its permissions.
    pub included_permissions: Vec<Text>,
    /// `GA`.
    pub stage: Text,
}

impl CustomRole {
    /// Builds a role with these permissions.
    #[must_use]
    pub fn new(
        role_id: impl Into<Text>,
        title: impl Into<Text>,
        description: impl Into<Text>,
        included_permissions: Vec<Text>,
    ) -> Self {
        let (role_id, title, description) = (role_id.into(), title.into(), description.into());
        Self { role_id, title, description, included_permissions, stage: Text::Borrowed("GA") }
    }
}

/// A role bound to members on a resource. <https://docs.cloud.google.com/iam/docs/reference/rest/v1/Policy#Binding>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// The full resource name of the resource that has the binding.
    pub resource: String,
    /// The role.
    pub role: String,
    /// The members that get the role.
    pub members: Vec<String>,
    /// When it applies; `None` for always.
    pub condition: Option<Condition>,
}

/// When a binding applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Its name.
    pub title: String,
    /// A CEL expression.
    pub expression: String,
}

/// A CEL expression that holds for exactly these resources, by their relative names.
/// <https://docs.cloud.google.com/iam/docs/conditions-attribute-reference#resource-name>
pub(crate) fn named_exactly(names: &[&str]) -> String {
    let mut expression = String::with_capacity(names.iter().map(|name| name.len() + 24).sum());
    for (position, name) in names.iter().enumerate() {
        let or = if position == 0 { "" } else { OR };
        expression.extend([or, NAMED, name, "\""]);
    }
    expression
}

/// The names in such an expression; `None` if it is any other expression.
pub(crate) fn exact_names(expression: &str) -> Option<Vec<&str>> {
    let name = |comparison| {
        let name = str::strip_prefix(comparison, NAMED)?.strip_suffix('"')?;
        (!name.contains(['"', '\\'])).then_some(name)
    };
    expression.split(OR).map(name).collect()
}

const NAMED: &str = "resource.name == \"";
const OR: &str = " || ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_read_back_only_where_it_compares_names() {
        let expression = named_exactly(&["projects/p/databases/a", "projects/p/databases/b"]);
        assert_eq!(
            expression,
            r#"resource.name == "projects/p/databases/a" || resource.name == "projects/p/databases/b""#
        );
        assert_eq!(exact_names(&expression).unwrap(), ["projects/p/databases/a", "projects/p/databases/b"]);
        for other in [
            "true",
            "",
            r#"resource.name.startsWith("projects/p/databases/a")"#,
            r#"resource.name == "a" || true"#,
            r#"resource.name == "a\" || true || resource.name == \"b""#,
            r#"resource.name != "a""#,
        ] {
            assert_eq!(exact_names(other), None, "{other}");
        }
    }
}
