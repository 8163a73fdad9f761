//! Role assignments: <https://learn.microsoft.com/azure/role-based-access-control/role-assignments>.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::dated::Dated;

/// A role of a principal at a scope.
#[derive(Clone, Debug)]
pub(crate) struct Assignment {
    pub(crate) id: String,
    pub(crate) scope: String,
    /// The id of the role definition, as it was written.
    pub(crate) role: String,
    /// An object id.
    pub(crate) principal: String,
    /// Such as `ServicePrincipal`.
    pub(crate) kind: &'static str,
    pub(crate) description: Option<String>,
    pub(crate) created: Timestamp,
    /// Whether it exists. A deleted assignment may still be in effect.
    pub(crate) live: Dated<bool>,
}

impl Assignment {
    pub(crate) fn name(&self) -> &str {
        self.id.rsplit('/').next().unwrap_or_default()
    }

    /// The assignment, as Resource Manager answers it.
    pub(crate) fn body(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name(),
            "type": "Microsoft.Authorization/roleAssignments",
            "properties": {
                "roleDefinitionId": self.role,
                "principalId": self.principal,
                "principalType": self.kind,
                "scope": self.scope,
                "condition": null,
                "conditionVersion": null,
                "description": self.description,
                "createdOn": self.created.to_string(),
                "updatedOn": self.created.to_string(),
            },
        })
    }
}
