//! What `az` prints about identities, roles and assignments, taken as documents.

use std::collections::{BTreeMap, BTreeSet};

use alien_core::adapter::{Answer, Collected, Layout, last};
use serde::Deserialize;
use serde_json::Value;

use super::document::{
    AssignmentProperties, FederatedCredential, Identity, Principal, RoleAssignment, RoleDefinition, RolePermission,
    RoleProperties,
};
use crate::Azure;
use crate::naming::Ids;

const KNOWN: &str = "the JSON of `az identity show`, `az identity federated-credential list`, `az role assignment list --all` and \
    `az role definition list`";

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: String,
    name: String,
    principal_id: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Credential {
    id: String,
    name: String,
    issuer: String,
    subject: String,
    audiences: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Assigned {
    name: String,
    scope: String,
    role_definition_id: String,
    principal_id: String,
    principal_type: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Defined {
    name: String,
    role_name: String,
    description: Option<String>,
    role_type: String,
    permissions: Vec<Permitted>,
    assignable_scopes: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Permitted {
    actions: Vec<String>,
    #[serde(default)]
    not_actions: Vec<String>,
    #[serde(default)]
    data_actions: Vec<String>,
    #[serde(default)]
    not_data_actions: Vec<String>,
}

/// Everything that the answers say.
#[derive(Default)]
struct Told {
    identities: Vec<Shown>,
    credentials: Vec<Credential>,
    assignments: Vec<Assigned>,
    /// The names of empty lists, which do not say what they are of.
    empty: Vec<String>,
    roles: BTreeMap<String, Defined>,
}

/// Takes the managed identities that the answers show, with all that is assigned to them.
pub(super) fn collect(layout: &Layout<Azure>, answers: &[Answer]) -> Collected<Principal> {
    let mut collected = Collected::default();
    let mut told = Told::default();
    for answer in answers {
        if let Err(why) = told.take(answer) {
            collected.unread(answer, why, KNOWN);
        }
    }
    let Told { identities, credentials, assignments, empty, roles } = told;
    let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
    if identities.is_empty() {
        let what = "the id of the principal that roles are assigned to is not told";
        collected.missing("identity", what, "az identity show --ids ID -o json");
    }
    // Whether such a list of an identity is there and empty.
    let is_empty = |what: &str, identity: &str| {
        let is_alone = identities.len() == 1;
        empty.iter().any(|name| name.contains(what) && (is_alone || name.contains(&identity.to_ascii_lowercase())))
    };
    for other in &assignments {
        if !identities.iter().any(|identity| same(&identity.principal_id, &other.principal_id)) {
            let what = format!("`{}` is assigned to a principal that no answer shows", last(&other.role_definition_id));
            collected.missing(&other.principal_id, what, "az identity show --ids ID -o json");
        }
    }
    let labels: Vec<(String, &str)> = layout
        .permissions()
        .holders()
        .map(|grants| (Ids(&layout.target).identity_name(&grants.holder.name()), grants.holder.label()))
        .collect();
    let mut unknown = BTreeSet::new();
    for Shown { id, name, principal_id } in &identities {
        let held = credentials.iter().filter(|credential| {
            let of = credential.id.to_ascii_lowercase();
            of.split_once("/federatedidentitycredentials/").is_some_and(|(of, _)| same(of, id))
        });
        let held: Vec<FederatedCredential> = held
            .map(|Credential { name, issuer, subject, audiences, .. }| FederatedCredential {
                name: name.clone(),
                issuer: issuer.clone(),
                subject: subject.clone(),
                audiences: audiences.clone(),
            })
            .collect();
        if held.is_empty() && !is_empty("credential", name) {
            let list = format!("az identity federated-credential list --identity-name {name} -o json");
            collected.missing(
                name,
                "which tokens it accepts is not told",
                &format!("{list} > credentials-{name}.json"),
            );
        }
        let mine: Vec<&Assigned> =
            assignments.iter().filter(|assigned| same(&assigned.principal_id, principal_id)).collect();
        if mine.is_empty() && !is_empty("assignment", name) {
            let list = format!("az role assignment list --all --assignee {principal_id} -o json");
            collected.missing(name, "what is assigned to it is not told", &format!("{list} > assignments-{name}.json"));
        }
        let mut role_definitions = BTreeMap::new();
        for assigned in &mine {
            let guid = last(&assigned.role_definition_id).to_ascii_lowercase();
            match roles.get(&guid) {
                Some(defined) => drop(role_definitions.insert(guid, defined.clone().definition())),
                None => drop(unknown.insert(assigned.role_definition_id.clone())),
            }
        }
        let assignment = |assigned: &Assigned| RoleAssignment {
            name: assigned.name.clone(),
            scope: assigned.scope.clone(),
            properties: AssignmentProperties {
                role_definition_id: assigned.role_definition_id.clone(),
                principal_type: assigned.principal_type.clone().into(),
            },
        };
        // Names of identities are compared without case.
        let label = labels.iter().find(|(identity, _)| same(identity, name)).map_or(name.as_str(), |(_, label)| label);
        let due = labels.iter().find(|(identity, _)| same(identity, name)).map(|(identity, _)| identity.clone());
        let identity = match due.map(|name| Identity { id: Ids(&layout.target).identity(&name), name }) {
            Some(due) if same(&due.id, id) => due,
            _ => Identity { id: id.clone(), name: name.clone() },
        };
        collected.principals.push(Principal {
            name: label.to_owned(),
            identity,
            federated_credentials: held,
            role_definitions: role_definitions.into_values().collect(),
            role_assignments: mine.into_iter().map(assignment).collect(),
        });
    }
    for role in unknown {
        let command = format!("az role definition list --name {} -o json", last(&role));
        collected.missing(&role, "what this role permits is not told", &command);
    }
    collected
}

impl Told {
    fn take(&mut self, answer: &Answer) -> Result<(), String> {
        let one = std::slice::from_ref(&answer.value);
        let each = answer.value.as_array().map_or(one, Vec::as_slice);
        if each.is_empty() {
            // An empty list does not say of what.
            self.empty.push(answer.name.to_ascii_lowercase());
        }
        for value in each {
            let kind = value.get("type").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
            match kind.as_str() {
                "microsoft.managedidentity/userassignedidentities" => self.identities.push(parsed(value)?),
                "microsoft.managedidentity/userassignedidentities/federatedidentitycredentials" => {
                    self.credentials.push(parsed(value)?);
                }
                "microsoft.authorization/roleassignments" => {
                    self.assignments.push(parsed(value)?);
                }
                "microsoft.authorization/roledefinitions" => {
                    let role: Defined = parsed(value)?;
                    self.roles.insert(role.name.to_ascii_lowercase(), role);
                }
                _ => return Err("this is no identity, credential, assignment or role".to_owned()),
            }
        }
        Ok(())
    }
}

impl Defined {
    fn definition(self) -> RoleDefinition {
        let texts = |texts: Vec<String>| texts.into_iter().map(Into::into).collect();
        let permission = |found: Permitted| RolePermission {
            actions: texts(found.actions),
            not_actions: texts(found.not_actions),
            data_actions: texts(found.data_actions),
            not_data_actions: texts(found.not_data_actions),
        };
        RoleDefinition {
            name: self.name,
            properties: RoleProperties {
                role_name: self.role_name,
                description: self.description.unwrap_or_default(),
                kind: self.role_type.into(),
                permissions: self.permissions.into_iter().map(permission).collect(),
                assignable_scopes: self.assignable_scopes,
            },
        }
    }
}

fn parsed<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, String> {
    T::deserialize(value).map_err(|error| error.to_string())
}
