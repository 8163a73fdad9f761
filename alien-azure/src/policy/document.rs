//! Role definitions, role assignments and federated credentials, as types.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Text that is borrowed if this library wrote it, and owned if it was read.
pub type Text = Cow<'static, str>;

/// An identity and its permissions: a managed identity, the tokens it accepts, and its role assignments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Principal {
    /// The name of the layer or of the profile.
    pub name: String,
    /// The managed identity.
    pub identity: Identity,
    /// The tokens that it accepts.
    pub federated_credentials: Vec<FederatedCredential>,
    /// The roles that the assignments name.
    pub role_definitions: Vec<RoleDefinition>,
    /// The role assignments of the identity.
    pub role_assignments: Vec<RoleAssignment>,
}

/// A user-assigned managed identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Its name.
    pub name: String,
    /// Its resource id.
    pub id: String,
}

/// A federated identity credential.
/// <https://learn.microsoft.com/rest/api/managedidentity/federated-identity-credentials/create-or-update>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FederatedCredential {
    /// Its name.
    pub name: String,
    /// The issuer of the tokens.
    pub issuer: String,
    /// The subject of the tokens; it must match exactly.
    pub subject: String,
    /// The audiences of the tokens.
    pub audiences: Vec<String>,
}

/// A custom role. <https://learn.microsoft.com/azure/role-based-access-control/role-definitions>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleDefinition {
    /// Its GUID.
    pub name: String,
    /// Its properties.
    pub properties: RoleProperties,
}

/// The properties of a custom role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RoleProperties {
    /// Its display name, unique in the tenant.
    pub role_name: String,
    /// What it is for.
    pub description: String,
    /// `CustomRole`.
    #[serde(rename = "type")]
    pub kind: Text,
    /// Its permissions.
    pub permissions: Vec<RolePermission>,
    /// Where it can be assigned.
    pub assignable_scopes: Vec<String>,
}

/// Permissions of a role: actions except the excluded ones, and the same for the data plane.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RolePermission {
    /// Actions of the control plane.
    pub actions: Vec<Text>,
    /// Excluded actions of the control plane.
    pub not_actions: Vec<Text>,
    /// Actions of the data plane.
    pub data_actions: Vec<Text>,
    /// Excluded actions of the data plane.
    pub not_data_actions: Vec<Text>,
}

/// The permissions of a caller as Azure returns them, with a condition. Other fields are ignored.
#[cfg(feature = "client")]
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Held {
    pub(crate) actions: Vec<String>,
    pub(crate) not_actions: Vec<String>,
    pub(crate) data_actions: Vec<String>,
    pub(crate) not_data_actions: Vec<String>,
    /// If it is set, the permission holds only for some requests.
    pub(crate) condition: Option<String>,
}

/// A role assigned to the identity. <https://learn.microsoft.com/azure/role-based-access-control/role-assignments>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleAssignment {
    /// Its GUID.
    pub name: String,
    /// The resource id at which it is assigned: it applies there and below.
    pub scope: String,
    /// Its properties.
    pub properties: AssignmentProperties,
}

/// The properties of a role assignment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AssignmentProperties {
    /// The resource id of the role.
    pub role_definition_id: String,
    /// `ServicePrincipal`. If it is stated, the assignment need not wait until the identity has propagated in the
    /// directory.
    pub principal_type: Text,
}
