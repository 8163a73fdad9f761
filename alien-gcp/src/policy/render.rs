//! Renders grants as a service account, its roles and its bindings.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use alien_core::adapter::{Cloud, Holder, Layout, SubjectType, digest as short_digest};
use alien_core::{Grants, Kind, Layer, Set};

use super::{Binding, Condition, CustomRole, Principal, ServiceAccount, Text, limits, named_exactly};
use crate::Gcp;
use crate::identity;
use crate::naming::{Paths, relative};
use crate::operations::Scope;

/// Where a role is bound so that it covers a scope.
enum Way {
    /// On the resource itself.
    OnResource,
    /// On the project, with a condition that names the resource.
    Conditioned,
    /// On the project: nothing narrower exists.
    OnProject,
}

/// The narrowest way to cover a scope. Roles cannot be bound on a resource that does not exist yet, so the admin's
/// roles are bound on the project, with a condition if the service supports `resource.name`
/// (<https://docs.cloud.google.com/iam/docs/conditions-resource-attributes>; Cloud Run, Pub/Sub, service accounts and VPC
/// networks do not).
fn way(scope: Scope, layer: Layer) -> Way {
    match (scope, layer) {
        (Scope::Project, _) => Way::OnProject,
        (Scope::Database | Scope::LogView, _) | (Scope::Bucket | Scope::Subnetwork, Layer::Provisioning) => {
            Way::Conditioned
        }
        (_, Layer::Provisioning) => Way::OnProject,
        _ => Way::OnResource,
    }
}

/// What a role is for. Its permissions depend on this alone, so every deployment in a project has the same role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Purpose {
    /// A permission set on one scope.
    At(SubjectType, Set, Scope),
    /// The permission sets of a subject type that only the admin has: one role for everything that is bound on the
    /// project without a condition, and one for each scope that a condition can name.
    SetUp(SubjectType, Option<Scope>),
}

/// Length of the digest in a role's id, in hexadecimal digits: 40 bits.
const DIGEST: usize = 8;

/// Renders the permissions of one holder.
pub(crate) fn principal(layout: &Layout<Gcp>, grants: &Grants) -> Principal {
    let paths = Paths(&layout.target);
    let account_id = paths.account_id(&grants.holder.name());
    let email = paths.email(&account_id);
    let member = ["serviceAccount:", &email].concat();
    let layer = grants.holder.layer();

    let mut bound = BTreeMap::<Purpose, Vec<&str>>::new();
    for (topic, set, row, names) in layout.granted(grants) {
        let purpose = match (layer, set, way(row.on, layer)) {
            (Layer::Management | Layer::Runtime, ..) | (_, Set::Heartbeat, _) => Purpose::At(topic, set, row.on),
            (Layer::Provisioning, _, Way::Conditioned) => Purpose::SetUp(topic, Some(row.on)),
            (Layer::Provisioning, ..) => Purpose::SetUp(topic, None),
        };
        let bound = bound.entry(purpose).or_default();
        for name in names {
            // Rows of the same scope are adjacent, and name the same resources.
            if bound.last() != Some(&name) {
                bound.push(name);
            }
        }
    }
    let mut custom_roles = Vec::with_capacity(bound.len() + 2);
    let mut bindings = Vec::new();
    for (purpose, mut names) in bound {
        names.sort_unstable();
        names.dedup();
        let Some(defined) = role(purpose) else { continue };
        let role = paths.in_project(&["roles/", &defined.role_id]);
        custom_roles.push(defined);
        let way = match purpose {
            Purpose::At(_, _, scope) | Purpose::SetUp(_, Some(scope)) => way(scope, layer),
            Purpose::SetUp(_, None) => Way::OnProject,
        };
        let bind =
            |resource, condition| Binding { resource, role: role.clone(), members: vec![member.clone()], condition };
        match way {
            Way::OnResource => bindings.extend(names.into_iter().map(|name| bind(name.to_owned(), None))),
            Way::OnProject => bindings.push(bind(paths.project(), None)),
            Way::Conditioned => {
                let chunks = names.chunks(limits::NAMES_PER_CONDITION);
                bindings.extend(chunks.map(|names| bind(paths.project(), Some(condition(names)))));
            }
        }
    }
    if grants.holder == Holder::Vendor {
        custom_roles.extend(identity::impersonation_roles(layout));
    }
    Principal {
        name: grants.holder.label().to_owned(),
        service_account: ServiceAccount { account_id, email },
        impersonators: identity::impersonators(layout, &grants.holder),
        custom_roles,
        bindings,
    }
}

/// The role of each purpose. A role depends on the operation table alone, so it is built once per process.
static ROLES: LazyLock<BTreeMap<Purpose, CustomRole>> = LazyLock::new(|| {
    let topics = Kind::ALL.iter().map(|kind| SubjectType::Kind(*kind));
    let topics = topics.chain([SubjectType::Deployment, SubjectType::Identity]);
    let purposes = topics.flat_map(|topic| {
        let rows = Set::ALL.into_iter().flat_map(move |set| Gcp::set(topic, set).iter().map(move |row| (set, row.on)));
        rows.flat_map(move |(set, on)| {
            [Purpose::At(topic, set, on), Purpose::SetUp(topic, Some(on)), Purpose::SetUp(topic, None)]
        })
    });
    purposes.collect::<BTreeSet<_>>().into_iter().map(|purpose| (purpose, define(purpose))).collect()
});

/// The role of a purpose; `None` if the purpose has no operation.
fn role(purpose: Purpose) -> Option<CustomRole> {
    let CustomRole { role_id, title, description, included_permissions, .. } = ROLES.get(&purpose)?;
    Some(CustomRole::new(&**role_id, &**title, &**description, included_permissions.clone()))
}

/// Builds the role of a purpose. A set's name may have hyphens, which a role's id may not. The id ends in a digest of
/// the permissions, so another version of this library with other permissions for a set gets a role of its own.
fn define(purpose: Purpose) -> CustomRole {
    let (name, what) = match purpose {
        Purpose::At(topic, set, at) => {
            let (topic, set) = (topic.name(), set.name());
            (format!("{topic}.{}.{at:?}", set.replace('-', "_")), format!("{topic}/{set} on {at:?}"))
        }
        Purpose::SetUp(topic, Some(at)) => {
            (format!("{}.setup.{at:?}", topic.name()), format!("set-up of {} on {at:?}", topic.name()))
        }
        Purpose::SetUp(topic, None) => (format!("{}.setup", topic.name()), format!("set-up of {}", topic.name())),
    };
    let permissions: Vec<&'static str> = permissions(purpose).into_iter().collect();
    let digest = short_digest(&permissions);
    let role_id = format!("alien.{name}.{}", digest.get(..DIGEST).unwrap_or(&digest));
    let (title, description) = (format!("alien: {what}"), format!("what is needed for {what}"));
    CustomRole::new(role_id, title, description, permissions.into_iter().map(Text::Borrowed).collect())
}

/// The permissions of a role, whatever the stack: deployments share roles, and must not overwrite each other's.
fn permissions(purpose: Purpose) -> BTreeSet<&'static str> {
    match purpose {
        Purpose::At(topic, set, scope) => {
            Gcp::set(topic, set).iter().filter(|row| row.on == scope).map(|row| row.permission).collect()
        }
        Purpose::SetUp(topic, conditioned) => [Set::Provision, Set::Reconfigure, Set::Setup]
            .iter()
            .flat_map(|set| Gcp::set(topic, *set))
            .filter(|row| match (conditioned, way(row.on, Layer::Provisioning)) {
                (Some(scope), Way::Conditioned) => row.on == scope,
                (None, Way::OnProject | Way::OnResource) => true,
                _ => false,
            })
            .map(|row| row.permission)
            .collect(),
    }
}

/// The condition that holds for exactly these resources.
fn condition(names: &[&str]) -> Condition {
    let names: Vec<&str> = names.iter().map(|name| relative(name)).collect();
    let first = names.first().and_then(|name| name.rsplit('/').next()).unwrap_or_default();
    let title = match names.len() {
        1 => format!("only {first}"),
        several => format!("only {first} and {} more", several - 1),
    };
    Condition { title, expression: named_exactly(&names) }
}
