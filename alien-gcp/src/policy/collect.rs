//! What `gcloud` prints about policies and roles, taken as documents.

use std::collections::{BTreeMap, BTreeSet};

use alien_core::adapter::{AccessControl, Answer, Collected, Holder, Layout};
use serde::Deserialize;
use serde_json::Value;

use super::document::{Binding, Condition, CustomRole, Impersonator, Principal};
use crate::Gcp;
use crate::naming::Paths;

const KNOWN: &str = "the JSON of `gcloud … get-iam-policy` of each thing, in a file named after it, and of `gcloud iam roles describe` of \
    each role";

/// A policy as `get-iam-policy` prints it. <https://docs.cloud.google.com/iam/docs/reference/rest/v1/Policy>
#[derive(Debug, Clone, Default, Deserialize)]
struct Policy {
    #[serde(default)]
    bindings: Vec<Bound>,
}

#[derive(Debug, Clone, Deserialize)]
struct Bound {
    role: String,
    #[serde(default)]
    members: Vec<String>,
    condition: Option<Expression>,
}

#[derive(Debug, Clone, Deserialize)]
struct Expression {
    #[serde(default)]
    title: String,
    expression: String,
}

/// A role as `describe` prints it. <https://docs.cloud.google.com/iam/docs/reference/rest/v1/projects.roles>
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Role {
    name: String,
    #[serde(default)]
    included_permissions: Vec<String>,
}

/// Everything that the answers say.
#[derive(Default)]
struct Told {
    /// Policies, by the full names of what they are on.
    policies: BTreeMap<String, Policy>,
    roles: BTreeMap<String, Vec<String>>,
}

/// Takes the service accounts of the deployment, with all that the answers give them.
pub(super) fn collect(layout: &Layout<Gcp>, answers: &[Answer]) -> Collected<Principal> {
    let mut collected = Collected::default();
    let held = layout.permissions().holders().filter(|grants| grants.holder != Holder::Admin);
    let due: Vec<Principal> = held.map(|grants| Gcp::principal(layout, grants)).collect();
    let accounts: BTreeMap<String, String> = due
        .iter()
        .map(|due| (Paths(&layout.target).full("iam", &["serviceAccounts/", &due.service_account.email]), member(due)))
        .collect();
    let bound = due.iter().flat_map(|due| due.bindings.iter().map(|binding| binding.resource.clone()));
    let mut places: BTreeSet<String> = bound.chain(accounts.keys().cloned()).collect();
    places.insert(Paths(&layout.target).project());
    let mut told = Told::default();
    for answer in answers {
        if let Err(why) = told.take(answer, &places) {
            collected.unread(answer, why, KNOWN);
        }
    }
    for place in places.iter().filter(|place| !told.policies.contains_key(*place)) {
        let command = format!("gcloud … get-iam-policy --format=json > {}.json", short(place));
        collected.missing(place, "who is bound to what on it is not told", &command);
    }
    let mut unknown = BTreeSet::new();
    for due in due {
        let own = member(&due);
        let account = Paths(&layout.target).full("iam", &["serviceAccounts/", &due.service_account.email]);
        let (mut bindings, mut impersonators) = (Vec::new(), Vec::new());
        for (resource, bound) in
            told.policies.iter().flat_map(|(place, policy)| policy.bindings.iter().map(move |bound| (place, bound)))
        {
            if bound.members.contains(&own) {
                let condition = bound.condition.clone();
                bindings.push(Binding {
                    resource: resource.clone(),
                    role: bound.role.clone(),
                    members: vec![own.clone()],
                    condition: condition.map(|Expression { title, expression }| Condition { title, expression }),
                });
            }
            if *resource == account {
                // The deployment's own accounts are judged by their bindings. A condition counts as met.
                let others = bound.members.iter().filter(|member| !accounts.values().any(|own| own == *member));
                let role = &bound.role;
                impersonators.extend(others.map(|who| Impersonator { member: who.clone(), role: role.clone() }));
            }
        }
        let bound = bindings.iter().map(|binding| &binding.role);
        let named: BTreeSet<&String> = bound.chain(impersonators.iter().map(|found| &found.role)).collect();
        let mut custom_roles = Vec::new();
        for role in named {
            let Some((_, id)) = role.strip_prefix("projects/").and_then(|role| role.split_once("/roles/")) else {
                // Google defines it, and can change it: it counts as everything.
                continue;
            };
            match told.roles.get(role) {
                Some(permissions) => {
                    let permissions = permissions.iter().cloned().map(Into::into).collect();
                    custom_roles.push(CustomRole::new(id.to_owned(), String::new(), String::new(), permissions));
                }
                None => drop(unknown.insert(role.clone())),
            }
        }
        let Principal { name, service_account, .. } = due;
        collected.principals.push(Principal { name, service_account, impersonators, custom_roles, bindings });
    }
    for role in unknown {
        let (project, id) = role.trim_start_matches("projects/").split_once("/roles/").unwrap_or_default();
        let command = format!("gcloud iam roles describe {id} --project={project} --format=json");
        collected.missing(&role, "what this role permits is not told", &command);
    }
    collected
}

impl Told {
    fn take(&mut self, answer: &Answer, places: &BTreeSet<String>) -> Result<(), String> {
        let value = &answer.value;
        if value.get("includedPermissions").is_some() || value.get("stage").is_some() {
            let Role { name, included_permissions } = parsed(value)?;
            self.roles.insert(name, included_permissions);
        } else if value.get("bindings").is_some() || value.get("etag").is_some() {
            let ending = format!("_{}", answer.name);
            let is_named = |place: &&String| flat(place).ends_with(&ending);
            let mut named = places.iter().filter(is_named);
            let place = match (named.next(), named.next()) {
                (Some(place), None) => place,
                (None, _) => {
                    let names: Vec<String> = places.iter().map(|place| format!("`{}.json`", short(place))).collect();
                    return Err(format!(
                        "a policy does not say what it is of; name the file one of {}",
                        names.join(", ")
                    ));
                }
                (Some(one), Some(other)) => {
                    return Err(format!(
                        "it may be of `{one}` or of `{other}`; name the file `{}.json` or `{}.json`",
                        two(one),
                        two(other)
                    ));
                }
            };
            self.policies.insert(place.clone(), parsed(value)?);
        } else {
            return Err("this is no policy and no role".to_owned());
        }
        Ok(())
    }
}

fn member(principal: &Principal) -> String {
    ["serviceAccount:", &principal.service_account.email].concat()
}

/// A full name as it can end the name of a file.
fn flat(place: &str) -> String {
    place.replace('/', "_")
}

/// The last part of a full name.
fn short(place: &str) -> &str {
    place.rsplit('/').next().unwrap_or(place)
}

/// The last two parts of a full name, as the name of a file.
fn two(place: &str) -> String {
    let mut parts = place.rsplit('/');
    let (last, before) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    format!("{before}_{last}")
}

fn parsed<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, String> {
    T::deserialize(value).map_err(|error| error.to_string())
}
