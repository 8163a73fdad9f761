//! Role definitions, role assignments and federated credentials, as types.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Text that is known at compile time where this library wrote it, and owned where it was read.
pub type Text = Cow<'static, str>;

/// An identity and all that it may do: a managed identity, whose tokens it accepts, and the roles assigned to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Principal {
    /// The layer, or the name of the profile.
    pub name: String,
    /// The managed identity.
    pub identity: Identity,
    /// Whose tokens it accepts.
    pub federated_credentials: Vec<FederatedCredential>,
    /// The roles that the assignments name.
    pub role_definitions: Vec<RoleDefinition>,
    /// What is assigned to it.
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
    /// Who signs the tokens.
    pub issuer: String,
    /// Whom the tokens are about, to the letter.
    pub subject: String,
    /// Whom the tokens are for.
    pub audiences: Vec<String>,
}

/// A custom role. <https://learn.microsoft.com/azure/role-based-access-control/role-definitions>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleDefinition {
    /// Its GUID.
    pub name: String,
    /// What it says.
    pub properties: RoleProperties,
}

/// What a custom role says.
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
    /// What it permits.
    pub permissions: Vec<RolePermission>,
    /// Where it can be assigned.
    pub assignable_scopes: Vec<String>,
}

/// What a role permits: actions without the excepted ones, and the same for the data plane.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RolePermission {
    /// Actions of the control plane.
    pub actions: Vec<Text>,
    /// Except these.
    pub not_actions: Vec<Text>,
    /// Actions of the data plane.
    pub data_actions: Vec<Text>,
    /// Except these.
    pub not_data_actions: Vec<Text>,
}

/// What a role permits, as Azure tells it: with whatever else it says.
#[cfg(feature = "client")]
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Held {
    pub(crate) actions: Vec<String>,
    pub(crate) not_actions: Vec<String>,
    pub(crate) data_actions: Vec<String>,
    pub(crate) not_data_actions: Vec<String>,
    /// It holds for some requests alone.
    pub(crate) condition: Option<String>,
}

/// A role assigned to the identity. <https://learn.microsoft.com/azure/role-based-access-control/role-assignments>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleAssignment {
    /// Its GUID.
    pub name: String,
    /// The resource id it is assigned at: it holds there and below.
    pub scope: String,
    /// What it says.
    pub properties: AssignmentProperties,
}

/// What a role assignment says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AssignmentProperties {
    /// The resource id of the role.
    pub role_definition_id: String,
    /// `ServicePrincipal`: stated, an assignment need not wait for the directory to know the identity.
    pub principal_type: Text,
}
