//! Renders grants as a managed identity, its roles and their assignments.

use std::collections::{BTreeMap, BTreeSet};

use alien_core::adapter::{Layout, SubjectType};
use alien_core::{Grants, Layer, Set};
use uuid::Uuid;

use super::{
    AssignmentProperties, Identity, Principal, RoleAssignment, RoleDefinition, RolePermission, RoleProperties, Text,
};
use crate::Azure;
use crate::identity;
use crate::naming::Ids;
use crate::operations::{Scope, is_data};

/// The namespace of the GUIDs: that of `https://example.com/alien` in the namespace of URLs (RFC 9562, version 5).
const NAMESPACE: Uuid = Uuid::from_u128(0x9402_c492_c39b_573f_9508_05a5_e367_518e);

/// What a role is for. The admin creates resources, so the admin's roles are assigned at the resource group, and one
/// role for each subject type is enough. All other roles are assigned at the resource itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Purpose {
    SetUp(SubjectType),
    At(SubjectType, Set, Scope),
}

impl Purpose {
    /// Describes the purpose: `queue/heartbeat on Queue`. It distinguishes the roles of one holder.
    fn describe(self) -> String {
        match self {
            Self::SetUp(topic) => ["set-up of ", topic.name()].concat(),
            Self::At(topic, set, scope) => [topic.name(), "/", set.name(), " on ", &format!("{scope:?}")].concat(),
        }
    }
}

/// Renders the permissions of one holder.
pub(crate) fn principal(layout: &Layout<Azure>, grants: &Grants) -> Principal {
    let ids = Ids(&layout.target);
    let name = ids.identity_name(&grants.holder.name());
    let identity = Identity { id: ids.identity(&name), name };
    let namespace = Uuid::new_v5(&NAMESPACE, identity.id.to_ascii_lowercase().as_bytes());
    let group = ids.group();
    let admin = grants.holder.layer() == Layer::Provisioning;

    let mut roles = BTreeMap::<Purpose, Role>::new();
    let mut assigned = BTreeSet::new();
    let mut role_assignments = Vec::new();
    // The documents end at the resource group: what is asked of the subscription is asked without a right of theirs.
    let granted = layout.granted(grants).filter(|(_, _, row, _)| row.on != Scope::Subscription);
    for (topic, set, row, names) in granted {
        let purpose = if admin { Purpose::SetUp(topic) } else { Purpose::At(topic, set, row.on) };
        let role = roles.entry(purpose).or_insert_with(|| Role::new(purpose, namespace, &group));
        role.actions.insert(row.permission);
        for scope in names.map(|name| if admin { group.as_str() } else { name }) {
            // A scope has several rows, and several resources may share it: each role is assigned once.
            if assigned.insert((purpose, scope)) {
                role_assignments.push(assignment(scope, role, &group));
            }
        }
    }
    Principal {
        name: grants.holder.label().to_owned(),
        federated_credentials: identity::trust(layout, &grants.holder),
        role_definitions: roles.into_values().map(|role| role.define(&identity, &group)).collect(),
        role_assignments,
        identity,
    }
}

/// A role that is being built.
struct Role {
    name: Uuid,
    id: String,
    what: String,
    actions: BTreeSet<&'static str>,
}

impl Role {
    fn new(purpose: Purpose, namespace: Uuid, group: &str) -> Self {
        let what = purpose.describe();
        let name = Uuid::new_v5(&namespace, what.as_bytes());
        let mut guid = Uuid::encode_buffer();
        let guid = &*name.hyphenated().encode_lower(&mut guid);
        let id = [group, "/providers/Microsoft.Authorization/roleDefinitions/", guid].concat();
        Self { name, id, what, actions: BTreeSet::new() }
    }

    /// Role names are unique in the tenant, so each ends in the first part of its GUID.
    fn define(self, identity: &Identity, group: &str) -> RoleDefinition {
        let guid = self.name.to_string();
        let beginning = guid.get(..8).unwrap_or_default();
        let role_name = [&role_prefix(identity), self.what.as_str(), " (", beginning, ")"].concat();
        let description = ["what ", &identity.name, " needs for ", &self.what].concat();
        let (data_actions, actions) =
            self.actions.into_iter().map(Text::Borrowed).partition(|action: &Text| is_data(action));
        RoleDefinition {
            name: guid,
            properties: RoleProperties {
                role_name,
                description,
                kind: "CustomRole".into(),
                permissions: vec![RolePermission { actions, data_actions, ..RolePermission::default() }],
                assignable_scopes: vec![group.to_owned()],
            },
        }
    }
}

/// The prefix of the names of an identity's roles.
pub(crate) fn role_prefix(identity: &Identity) -> String {
    ["alien ", &identity.name, ": "].concat()
}

/// Builds an assignment. Its GUID derives from the role, which belongs to one identity in one group, and from the scope
/// relative to the group, so that a second run finds what the first one created.
fn assignment(scope: &str, role: &Role, group: &str) -> RoleAssignment {
    let below = scope.strip_prefix(group).unwrap_or(scope);
    RoleAssignment {
        name: Uuid::new_v5(&role.name, below.to_ascii_lowercase().as_bytes()).to_string(),
        scope: scope.to_owned(),
        properties: AssignmentProperties {
            role_definition_id: role.id.clone(),
            principal_type: "ServicePrincipal".into(),
        },
    }
}
