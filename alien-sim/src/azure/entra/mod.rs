//! Microsoft Entra ID: principals, their tokens, and the issuers that they trust.

pub(crate) mod federation;
pub(crate) mod issuer;
pub(crate) mod token;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use self::federation::Credential;
use self::token::Token;
use crate::azure::call::text;
use crate::azure::state::{State, Thing};
use crate::dated::Dated;

/// A principal that roles can be assigned to.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    /// The object id.
    pub(crate) object: String,
    /// The client id of an application or managed identity, or the name of a user.
    pub(crate) client: String,
    /// The display name.
    pub(crate) name: String,
    /// The type in role assignments: `User`, `Group` or `ServicePrincipal`.
    pub(crate) kind: &'static str,
    /// The id of the managed identity's resource, if it is a managed identity.
    pub(crate) resource: Option<String>,
    /// When Azure RBAC starts to know it.
    pub(crate) known: Timestamp,
}

/// The directory of a tenant.
#[derive(Default)]
pub(crate) struct Directory {
    /// Principals by object id.
    principals: BTreeMap<String, Principal>,
    /// The object ids of the members of groups, by the group's object id.
    pub(crate) members: BTreeMap<String, Vec<String>>,
    pub(crate) tokens: HashMap<String, Token>,
    /// Federated credentials by client id.
    pub(crate) federated: BTreeMap<String, Dated<Vec<Credential>>>,
    /// The key sets of issuers, by URL.
    pub(crate) issuers: BTreeMap<String, Value>,
    /// Documents on the emulated web, by URL.
    pub(crate) web: BTreeMap<String, Vec<u8>>,
    /// The object id of the identity that the metadata service issues tokens for.
    pub(crate) default_identity: Option<String>,
    /// How long tokens last, if not as long as in Azure.
    pub(crate) lifetime: Option<Duration>,
}

impl Directory {
    pub(crate) fn principal(&self, object: &str) -> Option<&Principal> {
        self.principals.get(&object.to_lowercase())
    }

    /// Whether what is assigned to a principal is for another one: itself, or a member of the group that it is. Source:
    /// <https://learn.microsoft.com/azure/role-based-access-control/overview#groups>.
    pub(crate) fn is_for(&self, assigned: &str, object: &str) -> bool {
        let is_member = |member: &String| member.eq_ignore_ascii_case(object);
        assigned.eq_ignore_ascii_case(object)
            || self.members.get(assigned).is_some_and(|members| members.iter().any(is_member))
    }

    pub(crate) fn by_client(&self, client: &str) -> Option<&Principal> {
        self.principals.values().find(|principal| principal.client.eq_ignore_ascii_case(client))
    }
}

impl State {
    /// Creates a principal and returns its object id. Azure RBAC knows it after the configured delay.
    pub(crate) fn make_principal(&mut self, client: &str, kind: &'static str, resource: Option<&str>) -> String {
        let object = Uuid::new_v4().to_string();
        let known = self.now() + self.knobs.directory;
        let resource = resource.map(str::to_owned);
        let name = resource.as_deref().and_then(|id| id.rsplit('/').next()).unwrap_or(client).to_owned();
        let client = client.to_owned();
        let principal = Principal { object: object.clone(), client, name, kind, resource, known };
        self.directory.principals.insert(object.clone(), principal);
        object
    }

    /// Sets the federated credentials of a client. They take effect after the configured delay.
    pub(crate) fn write_federated(&mut self, client: &str, credentials: Vec<Credential>) {
        let (now, delay) = (self.now(), self.knobs.federation);
        self.directory.federated.entry(client.to_owned()).or_default().write(credentials, now, delay);
    }

    /// Changes the display name of a principal.
    pub(crate) fn name_principal(&mut self, object: &str, name: &str) {
        if let Some(principal) = self.directory.principals.get_mut(object) {
            name.clone_into(&mut principal.name);
        }
    }

    /// Removes a principal. Its tokens stop working; its assignments remain but allow nothing.
    pub(crate) fn forget_principal(&mut self, object: &str) {
        if let Some(principal) = self.directory.principals.remove(object) {
            self.directory.federated.remove(&principal.client);
        }
        self.directory.tokens.retain(|_, token| token.object != object);
    }

    /// Removes the principal of a deleted resource, if it has one.
    pub(crate) fn forget_identity(&mut self, thing: &Thing) {
        let of_identity = text(&thing.body, "/properties/principalId");
        let of_resource = text(&thing.body, "/identity/principalId");
        for object in [of_identity, of_resource] {
            let is_own = self.directory.principal(&object).is_some_and(|principal| {
                principal.resource.as_ref().is_some_and(|id| id.eq_ignore_ascii_case(&thing.id))
            });
            if is_own {
                self.forget_principal(&object);
            }
        }
    }
}
