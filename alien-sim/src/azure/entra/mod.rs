//! Microsoft Entra ID: principals, their tokens, and whom they trust.

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

/// Somebody who can be assigned a role.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    /// The object id.
    pub(crate) object: String,
    /// The client id of an application or a managed identity, the name of a user.
    pub(crate) client: String,
    /// For people.
    pub(crate) name: String,
    /// In the words of role assignments: `User` or `ServicePrincipal`.
    pub(crate) kind: &'static str,
    /// The id of the managed identity's resource, if it is one.
    pub(crate) resource: Option<String>,
    /// From when on Azure RBAC knows it.
    pub(crate) known: Timestamp,
}

/// A tenant's directory.
#[derive(Default)]
pub(crate) struct Directory {
    /// By object id.
    principals: BTreeMap<String, Principal>,
    pub(crate) tokens: HashMap<String, Token>,
    /// Federated credentials by client id.
    pub(crate) federated: BTreeMap<String, Dated<Vec<Credential>>>,
    /// The key sets of issuers, by their URLs.
    pub(crate) issuers: BTreeMap<String, Value>,
    /// The object id of the identity that the metadata service speaks for.
    pub(crate) default_identity: Option<String>,
    /// How long tokens last, if it is not as in Azure.
    pub(crate) lifetime: Option<Duration>,
}

impl Directory {
    pub(crate) fn principal(&self, object: &str) -> Option<&Principal> {
        self.principals.get(&object.to_lowercase())
    }

    pub(crate) fn by_client(&self, client: &str) -> Option<&Principal> {
        self.principals.values().find(|principal| principal.client.eq_ignore_ascii_case(client))
    }
}

impl State {
    /// A new principal, known to Azure RBAC after the delay that is set; its object id.
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

    /// Writes whom a client trusts, which takes effect after the delay that is set.
    pub(crate) fn write_federated(&mut self, client: &str, credentials: Vec<Credential>) {
        let (now, delay) = (self.now(), self.knobs.federation);
        self.directory.federated.entry(client.to_owned()).or_default().write(credentials, now, delay);
    }

    /// Gives a principal another name for people.
    pub(crate) fn name_principal(&mut self, object: &str, name: &str) {
        if let Some(principal) = self.directory.principals.get_mut(object) {
            name.clone_into(&mut principal.name);
        }
    }

    /// Takes a principal out of the directory: its tokens end, its assignments stay and allow nothing.
    pub(crate) fn forget_principal(&mut self, object: &str) {
        if let Some(principal) = self.directory.principals.remove(object) {
            self.directory.federated.remove(&principal.client);
        }
        self.directory.tokens.retain(|_, token| token.object != object);
    }

    /// Takes the principal of a resource that is removed out of the directory, if it has one.
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
