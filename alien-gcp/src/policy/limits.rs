//! IAM's limits on roles and policies. <https://docs.cloud.google.com/iam/quotas>

use std::collections::{BTreeMap, BTreeSet};

use alien_core::{Layer, Layers, Size};

use super::Principal;

/// The most custom roles of a project; soft-deleted ones count.
const ROLES: usize = 300;
/// The most permissions of a custom role.
const PERMISSIONS: usize = 3_000;
/// The most principals in all bindings of one resource's policy; every occurrence counts.
const PRINCIPALS: usize = 1_500;
/// The most bindings of the same role and member that differ only in their conditions.
const CONDITIONED: usize = 20;
/// The most names that one condition compares: it may have 12 logical operators, one between two names.
pub(super) const NAMES_PER_CONDITION: usize = 13;
/// The most service accounts of a project.
const ACCOUNTS: usize = 100;

const SOURCE: &str = "https://docs.cloud.google.com/iam/quotas";

pub(crate) fn sizes(layers: &Layers<Principal>) -> Vec<Size> {
    let mut sizes = Vec::new();
    let mut roles = BTreeMap::<&str, usize>::new();
    let mut policies = BTreeMap::<&str, usize>::new();
    let mut accounts = BTreeSet::new();
    for layer in Layer::ALL {
        let mut conditioned = BTreeMap::<(&str, &str), usize>::new();
        for principal in layers.principals(layer) {
            accounts.insert(principal.service_account.email.as_str());
            roles.extend(principal.custom_roles.iter().map(|role| (&*role.role_id, role.included_permissions.len())));
            for binding in &principal.bindings {
                *policies.entry(&binding.resource).or_default() += binding.members.len();
                if binding.condition.is_some() {
                    *conditioned.entry((&principal.service_account.account_id, &binding.role)).or_default() += 1;
                }
            }
        }
        if let Some(((account, role), count)) = conditioned.into_iter().max_by_key(|(_, count)| *count) {
            let document = format!("{layer}: conditioned bindings of {role} to {account}");
            sizes.push(size(document, "bindings", count, CONDITIONED));
        }
    }
    if let Some((role, permissions)) = roles.iter().max_by_key(|(_, permissions)| **permissions) {
        sizes.push(size(format!("custom role {role}"), "permissions", *permissions, PERMISSIONS));
    }
    if let Some((resource, principals)) = policies.iter().max_by_key(|(_, principals)| **principals) {
        sizes.push(size(format!("policy of {resource}"), "principals", *principals, PRINCIPALS));
    }
    sizes.push(size("custom roles of the project".to_owned(), "roles", roles.len(), ROLES));
    sizes.push(size("service accounts of the project".to_owned(), "service accounts", accounts.len(), ACCOUNTS));
    sizes
}

fn size(document: String, unit: &'static str, size: usize, limit: usize) -> Size {
    Size { document, unit: unit.into(), size, limit, source: SOURCE.into() }
}
