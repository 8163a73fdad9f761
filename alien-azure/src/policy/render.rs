//! From a holding to a managed identity, its roles and their assignments.

use std::collections::{BTreeMap, BTreeSet};

use alien_core::cloud::{Deployed, Operation};
use alien_core::permission::{Holding, Layer, Set, Topic};
use uuid::Uuid;

use super::{
    AssignmentProperties, Identity, Principal, RoleAssignment, RoleDefinition, RolePermission, RoleProperties, Text,
};
use crate::Azure;
use crate::identity;
use crate::naming::Ids;
use crate::operations::{Place, is_data};

/// The namespace of the GUIDs made here: that of `https://example.com/alien` in the namespace of URLs (RFC 9562,
/// version 5).
const NAMESPACE: Uuid = Uuid::from_u128(0x9402_c492_c39b_573f_9508_05a5_e367_518e);

/// What a role is for. The admin sets things up before they are there, so its roles are assigned at the resource group,
/// and one role a topic is enough; everyone else's are assigned at the very thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Purpose {
    SetUp(Topic),
    At(Topic, Set, Place),
}

/// Renders a holding.
pub(crate) fn principal(deployment: &Deployed<'_, Azure>, holding: &Holding) -> Principal {
    let ids = Ids(deployment.target);
    let name = ids.identity_name(&holding.holder.name());
    let identity = Identity { id: ids.identity(&name), name };
    let group = ids.group();
    let admin = holding.holder.layer() == Layer::Provisioning;

    let mut roles = BTreeMap::<Purpose, Role>::new();
    let mut assigned = BTreeSet::new();
    let mut role_assignments = Vec::new();
    for grant in &holding.grants {
        let Some(topic) = grant.subject.topic(deployment.stack) else { continue };
        let rows = crate::set(topic, grant.set);
        for (position, row) in rows.iter().enumerate() {
            let place = row.on;
            let purpose = if admin { Purpose::SetUp(topic) } else { Purpose::At(topic, grant.set, place) };
            if admin {
                let role = roles.entry(purpose).or_insert_with(|| Role::new(purpose, &identity, &group));
                role.permit(row);
            } else if rows.iter().take(position).any(|earlier| earlier.on == place) {
                // The place was handled at its first row.
                continue;
            }
            let names = deployment.names.at(place, grant.subject);
            for scope in names.map(|name| if admin { group.as_str() } else { name }) {
                let role = roles.entry(purpose).or_insert_with(|| Role::of(purpose, rows, &identity, &group));
                // Things that several resources share are assigned once.
                if assigned.insert((purpose, scope)) {
                    role_assignments.push(assignment(scope, &role.id, &identity.id));
                }
            }
        }
    }
    Principal {
        name: holding.holder.label().to_owned(),
        federated_credentials: identity::trust(deployment, &holding.holder),
        role_definitions: roles.into_iter().map(|(purpose, role)| role.define(purpose, &identity, &group)).collect(),
        role_assignments,
        identity,
    }
}

/// A role in the making.
struct Role {
    name: Uuid,
    id: String,
    actions: BTreeSet<&'static str>,
}

impl Role {
    fn new(purpose: Purpose, identity: &Identity, group: &str) -> Self {
        let name = Uuid::new_v5(&NAMESPACE, format!("{}|{purpose:?}", identity.id.to_ascii_lowercase()).as_bytes());
        let id = [group, "/providers/Microsoft.Authorization/roleDefinitions/", &name.to_string()].concat();
        Self { name, id, actions: BTreeSet::new() }
    }

    /// The role of a set at a place.
    fn of(purpose: Purpose, rows: &[&'static Operation<Place>], identity: &Identity, group: &str) -> Self {
        let mut role = Self::new(purpose, identity, group);
        for row in rows {
            if matches!(purpose, Purpose::At(_, _, place) if place == row.on) {
                role.permit(row);
            }
        }
        role
    }

    fn permit(&mut self, row: &'static Operation<Place>) {
        self.actions.insert(row.permission);
    }

    /// Role names are unique in the tenant, so each ends in the beginning of its GUID.
    fn define(self, purpose: Purpose, identity: &Identity, group: &str) -> RoleDefinition {
        let guid = self.name.to_string();
        let what = match purpose {
            Purpose::SetUp(topic) => format!("set-up of {}", topic.name()),
            Purpose::At(topic, set, place) => format!("{}/{} on {place:?}", topic.name(), set.name()),
        };
        let role_name = format!("alien {}: {what} ({})", identity.name, guid.get(..8).unwrap_or_default());
        let (data_actions, actions) =
            self.actions.into_iter().map(Text::Borrowed).partition(|action: &Text| is_data(action));
        RoleDefinition {
            name: guid,
            properties: RoleProperties {
                role_name,
                description: format!("what `{}` needs for {what}", identity.name),
                kind: "CustomRole".into(),
                permissions: vec![RolePermission { actions, data_actions, ..RolePermission::default() }],
                assignable_scopes: vec![group.to_owned()],
            },
        }
    }
}

/// An assignment's GUID follows from scope, identity and role, so that a second run finds what the first one made.
fn assignment(scope: &str, role: &str, identity: &str) -> RoleAssignment {
    let seed = [scope, "|", identity, "|", role].concat().to_ascii_lowercase();
    RoleAssignment {
        name: Uuid::new_v5(&NAMESPACE, seed.as_bytes()).to_string(),
        scope: scope.to_owned(),
        properties: AssignmentProperties {
            role_definition_id: role.to_owned(),
            principal_type: "ServicePrincipal".into(),
        },
    }
}
