//! Role definitions: <https://learn.microsoft.com/azure/role-based-access-control/role-definitions>.

use std::sync::OnceLock;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::decide::{Plane, matches};
use crate::azure::state::State;
use crate::dated::Dated;

/// The permissions of a role: actions without the excluded ones, and likewise data actions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Permission {
    pub(crate) actions: Vec<String>,
    pub(crate) not_actions: Vec<String>,
    pub(crate) data_actions: Vec<String>,
    pub(crate) not_data_actions: Vec<String>,
}

impl Permission {
    pub(crate) fn allows(&self, plane: Plane, action: &str) -> bool {
        let (with, without) = match plane {
            Plane::Control => (&self.actions, &self.not_actions),
            Plane::Data => (&self.data_actions, &self.not_data_actions),
        };
        let has = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, action));
        has(with) && !has(without)
    }

    pub(crate) fn parse(body: &Value) -> Self {
        let list = |name: &str| {
            let items = body.get(name).and_then(Value::as_array).into_iter().flatten();
            items.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Self {
            actions: list("actions"),
            not_actions: list("notActions"),
            data_actions: list("dataActions"),
            not_data_actions: list("notDataActions"),
        }
    }

    pub(crate) fn body(&self) -> Value {
        json!({
            "actions": self.actions,
            "notActions": self.not_actions,
            "dataActions": self.data_actions,
            "notDataActions": self.not_data_actions,
        })
    }
}

/// A custom role.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    /// A GUID.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) permissions: Dated<Vec<Permission>>,
    pub(crate) assignable: Vec<String>,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
}

/// A built-in role.
#[derive(Debug)]
pub(crate) struct BuiltIn {
    /// A GUID.
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    permissions: Vec<Permission>,
}

/// Any role.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found<'a> {
    BuiltIn(&'static BuiltIn),
    Custom(&'a Role),
}

impl Found<'_> {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::BuiltIn(role) => role.name,
            Self::Custom(role) => &role.name,
        }
    }

    pub(crate) fn id(&self) -> &str {
        match self {
            Self::BuiltIn(role) => role.id,
            Self::Custom(role) => &role.id,
        }
    }

    pub(crate) fn in_effect(&self, now: Timestamp) -> &[Permission] {
        match self {
            Self::BuiltIn(role) => &role.permissions,
            Self::Custom(role) => role.permissions.in_effect(now),
        }
    }

    /// The id of the role as asked for at a scope: below a subscription, it is the subscription's.
    pub(crate) fn full_id(&self, scope: &str) -> String {
        let subscription = scope.trim_end_matches('/').split('/').take(3).collect::<Vec<_>>().join("/");
        format!("{subscription}/providers/Microsoft.Authorization/roleDefinitions/{}", self.id())
    }

    /// The role, as Resource Manager answers it at a scope.
    pub(crate) fn body(&self, scope: &str) -> Value {
        let properties = match self {
            Self::BuiltIn(role) => json!({
                "roleName": role.name,
                "type": "BuiltInRole",
                "description": role.description,
                "assignableScopes": ["/"],
                "permissions": role.permissions.iter().map(Permission::body).collect::<Vec<_>>(),
            }),
            Self::Custom(role) => json!({
                "roleName": role.name,
                "type": "CustomRole",
                "description": role.description,
                "assignableScopes": role.assignable,
                "permissions": role.permissions.latest.iter().map(Permission::body).collect::<Vec<_>>(),
                "createdOn": role.created.to_string(),
                "updatedOn": role.updated.to_string(),
            }),
        };
        json!({
            "id": self.full_id(scope),
            "name": self.id(),
            "type": "Microsoft.Authorization/roleDefinitions",
            "properties": properties,
        })
    }
}

/// The built-in roles that the emulator knows:
/// <https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/privileged>,
/// <https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/general>,
/// <https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/identity> and
/// <https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/containers>.
pub(crate) fn built_in() -> &'static [BuiltIn] {
    static ROLES: OnceLock<Vec<BuiltIn>> = OnceLock::new();
    ROLES.get_or_init(|| {
        let role = |id, name, description, actions: &[&str], not_actions: &[&str]| {
            let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let permission =
                Permission { actions: list(actions), not_actions: list(not_actions), ..Permission::default() };
            BuiltIn { id, name, description, permissions: vec![permission] }
        };
        vec![
            role(
                "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
                "Owner",
                "Grants full access to manage all resources, including the ability to assign roles in Azure RBAC.",
                &["*"],
                &[],
            ),
            role(
                "b24988ac-6180-42a0-ab88-20f7382dd24c",
                "Contributor",
                "Grants full access to manage all resources, but does not allow you to assign roles in Azure RBAC, manage assignments in Azure Blueprints, or share image galleries.",
                &["*"],
                &[
                    "Microsoft.Authorization/*/Delete",
                    "Microsoft.Authorization/*/Write",
                    "Microsoft.Authorization/elevateAccess/Action",
                    "Microsoft.Blueprint/blueprintAssignments/write",
                    "Microsoft.Blueprint/blueprintAssignments/delete",
                    "Microsoft.Compute/galleries/share/action",
                    "Microsoft.Purview/consents/write",
                    "Microsoft.Purview/consents/delete",
                    "Microsoft.Resources/deploymentStacks/manageDenySetting/action",
                    "Microsoft.Subscription/cancel/action",
                    "Microsoft.Subscription/enable/action",
                ],
            ),
            role(
                "acdd72a7-3385-48ef-bd42-f606fba81ae7",
                "Reader",
                "View all resources, but does not allow you to make any changes.",
                &["*/read"],
                &[],
            ),
            role(
                "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
                "User Access Administrator",
                "Lets you manage user access to Azure resources.",
                &["*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"],
                &[],
            ),
            role(
                "f1a07417-d97a-45cb-824c-7a7467783830",
                "Managed Identity Operator",
                "Read and assign user assigned identity.",
                &[
                    "Microsoft.ManagedIdentity/userAssignedIdentities/*/read",
                    "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action",
                    "Microsoft.Authorization/*/read",
                    "Microsoft.Insights/alertRules/*",
                    "Microsoft.Resources/subscriptions/resourceGroups/read",
                    "Microsoft.Resources/deployments/*",
                    "Microsoft.Support/*",
                ],
                &[],
            ),
            role(
                "7f951dda-4ed3-4680-a7ca-43fe172d538d",
                "AcrPull",
                "Pull artifacts from a container registry.",
                &["Microsoft.ContainerRegistry/registries/pull/read"],
                &[],
            ),
        ]
    })
}

/// Finds a role by its GUID or an id that ends with it, or by its name if it is built in.
pub(crate) fn find<'a>(state: &'a State, id: &str) -> Option<Found<'a>> {
    let guid = id.rsplit('/').next().unwrap_or_default();
    let known =
        built_in().iter().find(|role| role.id.eq_ignore_ascii_case(guid) || role.name.eq_ignore_ascii_case(guid));
    known.map(Found::BuiltIn).or_else(|| state.roles.get(&guid.to_lowercase()).map(Found::Custom))
}
