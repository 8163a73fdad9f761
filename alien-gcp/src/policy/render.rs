//! From a holding to a service account, its roles and its bindings.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use alien_core::cloud::{Deployed, Operation};
use alien_core::permission::{Holder, Holding, Layer, Set, Topic};

use super::{Binding, Condition, CustomRole, Principal, ServiceAccount, Text, limits, named_exactly};
use crate::Gcp;
use crate::identity;
use crate::naming::Paths;
use crate::operations::Place;

/// How a role reaches a place.
enum Way {
    /// Bound on the resource itself.
    OnResource,
    /// Bound on the project, with a condition that names the resource.
    Conditioned,
    /// Bound on the project: nothing narrower exists.
    OnProject,
}

/// The narrowest way to a place. What is being provisioned is not there yet, so nothing can be bound on it: the admin's
/// roles are bound on the project, with a condition where the service heeds `resource.name`
/// (<https://docs.cloud.google.com/iam/docs/conditions-resource-attributes>; not Cloud Run, Pub/Sub, service accounts).
fn way(place: Place, layer: Layer) -> Way {
    match (place, layer) {
        (Place::Project, _) => Way::OnProject,
        (Place::Database | Place::Network | Place::LogView, _)
        | (Place::Bucket | Place::Subnetwork, Layer::Provisioning) => Way::Conditioned,
        (_, Layer::Provisioning) => Way::OnProject,
        _ => Way::OnResource,
    }
}

/// Renders a holding.
pub(crate) fn principal(deployment: &Deployed<'_, Gcp>, holding: &Holding) -> Principal {
    let paths = Paths(deployment.target);
    let account_id = paths.account_id(&holding.holder.name());
    let email = paths.email(&account_id);
    let member = ["serviceAccount:", &email].concat();
    let layer = holding.holder.layer();
    let project = paths.project();

    let mut roles = BTreeMap::<(Topic, Set, Place), CustomRole>::new();
    let mut bindings = Vec::new();
    // On the project a role is bound once, however many resources ask for it.
    let mut on_project = BTreeSet::new();
    let mut conditioned = BTreeMap::<(Topic, Set, Place), Vec<&str>>::new();
    for grant in &holding.grants {
        let Some(topic) = grant.subject.topic(deployment.stack) else { continue };
        let rows = crate::set(topic, grant.set);
        for (position, row) in rows.iter().enumerate() {
            let place = row.on;
            // A place is handled at its first row.
            if rows.iter().take(position).any(|earlier| earlier.on == place) {
                continue;
            }
            for name in deployment.names.at(place, grant.subject) {
                let key = (topic, grant.set, place);
                let role = &roles.entry(key).or_insert_with(|| custom_role(key, rows)).role_id;
                let resource = match way(place, layer) {
                    Way::OnResource => name.to_owned(),
                    Way::OnProject if on_project.insert(key) => project.clone(),
                    Way::OnProject => continue,
                    Way::Conditioned => {
                        conditioned.entry(key).or_default().push(relative(name));
                        continue;
                    }
                };
                let role = paths.in_project(&["roles/", role]);
                bindings.push(Binding { resource, role, members: vec![member.clone()], condition: None });
            }
        }
    }
    for (key, names) in conditioned {
        let Some(role) = roles.get(&key) else { continue };
        for names in names.chunks(limits::NAMES_PER_CONDITION) {
            let role = paths.in_project(&["roles/", &role.role_id]);
            let condition = Some(condition(names));
            bindings.push(Binding { resource: project.clone(), role, members: vec![member.clone()], condition });
        }
    }
    let mut custom_roles: Vec<CustomRole> = roles.into_values().collect();
    if holding.holder == Holder::Vendor {
        custom_roles.push(identity::impersonation_role());
    }
    Principal {
        name: holding.holder.label().to_owned(),
        service_account: ServiceAccount { account_id, email },
        impersonators: identity::impersonators(deployment, &holding.holder),
        custom_roles,
        bindings,
    }
}

fn custom_role((topic, set, place): (Topic, Set, Place), rows: &[&'static Operation<Place>]) -> CustomRole {
    let mut role_id = String::with_capacity(48);
    // A set's words are joined by a hyphen, which a role id may not have. Writing to a string cannot fail.
    let _ = write!(role_id, "alien.{}.{}.{place:?}", topic.name(), set.name().replace('-', "_"));
    let title = ["alien: ", topic.name(), "/", set.name()].concat();
    let description = format!("what `{}/{}` needs on a {place:?}", topic.name(), set.name());
    let mut permissions: Vec<Text> =
        rows.iter().filter(|row| row.on == place).map(|row| Text::Borrowed(row.permission)).collect();
    permissions.sort_unstable();
    permissions.dedup();
    CustomRole::new(role_id, title, description, permissions)
}

/// A full resource name without its service: the form that conditions compare.
fn relative(name: &str) -> &str {
    name.strip_prefix("//").and_then(|name| name.split_once('/')).map_or(name, |(_, relative)| relative)
}

/// The condition that a resource is exactly one of these.
fn condition(names: &[&str]) -> Condition {
    let first = names.first().and_then(|name| name.rsplit('/').next()).unwrap_or_default();
    let title = match names.len() {
        1 => format!("only {first}"),
        several => format!("only {first} and {} more", several - 1),
    };
    Condition { title, expression: named_exactly(names) }
}
