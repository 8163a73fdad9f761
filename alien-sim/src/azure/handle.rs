//! The handle that tests use.

use std::fmt;
use std::io;
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use super::call::text;
use super::entra::federation::{AUDIENCE, Credential};
use super::entra::issuer::Issuer;
use super::fail::Fail;
use super::faults::Faults;
use super::provider::authorization::Wanted;
use super::rbac::role::{self, Permission};
use super::state::Shared;
use super::{server, tls};
use crate::audit::{Decision, Request};
use crate::serve::{self, Server};

/// An emulated Microsoft Azure on the loopback interface, with one tenant. It stops when this value is dropped.
///
/// It runs on its own thread, so it answers even while the caller's runtime is blocked.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use alien_sim::azure::Azure;
///
/// let azure = Azure::start().await?;
/// azure.subscription("00000000-0000-0000-0000-000000000001");
/// let group = azure.resource_group("00000000-0000-0000-0000-000000000001", "acme", "westeurope");
/// let ada = azure.user("ada@example.com");
/// azure.assign(&group, "Reader", &ada);
/// // Any client that trusts this certificate may now read this group with this token at this URL, and do nothing else.
/// let token = azure.token(&ada, "https://management.azure.com/");
/// let (_certificate, _url, _token) = (azure.certificate(), azure.url(), token);
/// assert!(azure.decisions().is_empty());
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
pub struct Azure {
    shared: Shared,
    _server: Server,
}

impl fmt::Debug for Azure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Azure").field("url", &self.url()).finish_non_exhaustive()
    }
}

/// An application registered in the tenant, with its service principal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Application {
    /// The client id, used to request tokens.
    pub client_id: String,
    /// The object id of the service principal, used in role assignments.
    pub principal: String,
}

/// A handle call that fails is a mistake in the test.
#[expect(clippy::panic, reason = "a test handle reports failures by panicking, as tests do")]
#[track_caller]
fn must<T>(result: Result<T, Fail>) -> T {
    result.unwrap_or_else(|fail| panic!("{}: {}", fail.code, fail.message))
}

impl Azure {
    /// Starts an emulator on a free port of 127.0.0.1, with a tenant but no subscription.
    ///
    /// # Errors
    ///
    /// If no port, thread or key is available.
    pub async fn start() -> io::Result<Self> {
        Self::start_on(0).await
    }

    /// Starts an emulator on a port of 127.0.0.1. Port 0 picks a free one.
    ///
    /// # Errors
    ///
    /// If the port is taken, or no thread or key is available.
    #[expect(clippy::unused_async, reason = "starting may need to wait in future, and callers are asynchronous")]
    pub async fn start_on(port: u16) -> io::Result<Self> {
        let listener = serve::listen(port)?;
        let (certificate, acceptor) = tls::acceptor()?;
        let shared = Shared::new();
        shared.set_url(&format!("https://{}", listener.local_addr()?), &certificate);
        let served = shared.clone();
        let server = Server::start("alien-sim-azure", listener, move |stream| {
            server::connection(served.clone(), acceptor.clone(), stream)
        })?;
        Ok(Self { shared, _server: server })
    }

    /// The URL of the emulator, such as `https://127.0.0.1:40123`.
    #[must_use]
    pub fn url(&self) -> &str {
        self.shared.url()
    }

    /// The emulator's self-signed certificate, as PEM. It is valid for 127.0.0.1, localhost, and the hosts of the data
    /// planes.
    #[must_use]
    pub fn certificate(&self) -> &str {
        self.shared.certificate()
    }

    /// The id of the tenant, a GUID.
    #[must_use]
    pub fn tenant(&self) -> &str {
        self.shared.tenant()
    }

    /// Creates a subscription with all resource providers registered, unless it exists. Returns its id, such as
    /// `/subscriptions/00000000-0000-0000-0000-000000000001`.
    pub fn subscription(&self, id: &str) -> String {
        self.shared.lock().make_subscription(id)
    }

    /// Creates a resource group, unless it exists. Returns its id.
    ///
    /// # Panics
    ///
    /// If there is no such subscription.
    #[track_caller]
    pub fn resource_group(&self, subscription: &str, name: &str, location: &str) -> String {
        must(self.shared.lock().make_group(subscription, name, location))
    }

    /// Creates a user in the tenant, such as `ada@example.com`, and returns the object id.
    #[must_use]
    pub fn user(&self, name: &str) -> String {
        self.shared.lock().make_principal(name, "User", None)
    }

    /// Creates a group of principals in the tenant, given by their object ids, and returns its object id. Roles that are
    /// assigned to it are its members'.
    #[must_use]
    pub fn group(&self, name: &str, members: &[&str]) -> String {
        let state = &mut *self.shared.lock();
        let group = state.make_principal(name, "Group", None);
        state.directory.members.insert(group.clone(), members.iter().map(|member| (*member).to_owned()).collect());
        group
    }

    /// Creates an application in the tenant. Its display name need not be unique.
    #[must_use]
    pub fn application(&self, name: &str) -> Application {
        let state = &mut *self.shared.lock();
        let client_id = Uuid::new_v4().to_string();
        let principal = state.make_principal(&client_id, "ServicePrincipal", None);
        state.name_principal(&principal, name);
        Application { client_id, principal }
    }

    /// Removes a principal from the directory. Its tokens stop working; its assignments remain but allow nothing.
    pub fn remove_principal(&self, object: &str) {
        self.shared.lock().forget_principal(object);
    }

    /// Makes an application or managed identity trust a subject of an issuer, for the audience
    /// `api://AzureADTokenExchange`. It takes effect at once, and creates no resource in Resource Manager.
    pub fn federate(&self, client_id: &str, issuer: &str, subject: &str) {
        let state = &mut *self.shared.lock();
        let known = state.directory.federated.entry(client_id.to_owned()).or_default();
        let mut credentials = known.latest.clone();
        credentials.push(Credential {
            name: format!("handle-{}", credentials.len()),
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            audience: AUDIENCE.to_owned(),
        });
        *known = crate::dated::Dated::new(credentials);
    }

    /// Creates an issuer of assertions. Its keys are published at its URL, below the emulator's URL.
    #[must_use]
    pub fn issuer(&self, name: &str) -> Issuer {
        Issuer::new(&self.shared, name)
    }

    /// Publishes the key set of an external issuer: what Entra would fetch from the `jwks_uri` in the issuer's
    /// discovery document.
    pub fn publish(&self, issuer: &str, keys: &Value) {
        self.shared.lock().directory.issuers.insert(issuer.to_owned(), keys.clone());
    }

    /// Puts a document on the emulated web, at an `https://` URL, in the place of one that is there. Entra fetches
    /// the keys of an issuer that it does not know otherwise from `{issuer}/.well-known/openid-configuration` and the
    /// `jwks_uri` in it, anew for each assertion.
    pub fn host(&self, url: &str, document: &[u8]) {
        self.shared.lock().directory.web.insert(url.to_owned(), document.to_owned());
    }

    /// Issues an access token to a principal, by object id, for an audience such as `https://management.azure.com/`.
    ///
    /// # Panics
    ///
    /// If there is no such principal.
    #[must_use]
    #[track_caller]
    pub fn token(&self, principal: &str, audience: &str) -> String {
        let made = self.shared.lock().access_token(principal, audience);
        must(made.ok_or_else(|| Fail::new(404, "PrincipalNotFound", principal))).token
    }

    /// Sets how long new tokens last. In Azure it is an hour or more, and a day for managed identities.
    pub fn tokens_last(&self, lifetime: Duration) {
        self.shared.lock().directory.lifetime = Some(lifetime);
    }

    /// Assigns a role to a principal at a scope, at once, and returns the assignment's id. The role is given by its id,
    /// or by its name if it is built in.
    ///
    /// # Panics
    ///
    /// If the role or the principal does not exist, or the role is already assigned.
    #[track_caller]
    pub fn assign(&self, scope: &str, role: &str, principal: &str) -> String {
        let name = Uuid::new_v4().to_string();
        self.assign_as(scope, &name, role, principal)
    }

    #[track_caller]
    fn assign_as(&self, scope: &str, name: &str, role: &str, principal: &str) -> String {
        let state = &mut *self.shared.lock();
        let delay = std::mem::take(&mut state.knobs.propagation);
        let wanted = Wanted { scope, name, role, principal, kind: "", description: None };
        let written = state.write_assignment(&wanted);
        state.knobs.propagation = delay;
        must(written).0
    }

    /// Returns a custom role, by its GUID or an id that ends with it.
    #[must_use]
    pub fn role(&self, id: &str) -> Option<Value> {
        let state = self.shared.lock();
        let guid = id.rsplit('/').next().unwrap_or_default().to_lowercase();
        state.roles.get(&guid).map(|role| {
            let scope = role.assignable.first().map_or("", String::as_str);
            role::Found::Custom(role).body(scope)
        })
    }

    /// Creates a custom role with a GUID, assignable everywhere, or replaces its permissions, at once.
    pub fn set_role(&self, id: &str, actions: &[&str], data_actions: &[&str]) {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let permission =
            Permission { actions: list(actions), data_actions: list(data_actions), ..Permission::default() };
        self.set_permission(id, permission);
    }

    /// Like [`Self::set_role`], with `notActions` and `notDataActions`.
    pub fn set_role_without(
        &self,
        id: &str,
        actions: &[&str],
        not_actions: &[&str],
        data_actions: &[&str],
        not_data_actions: &[&str],
    ) {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let permission = Permission {
            actions: list(actions),
            not_actions: list(not_actions),
            data_actions: list(data_actions),
            not_data_actions: list(not_data_actions),
        };
        self.set_permission(id, permission);
    }

    fn set_permission(&self, id: &str, permission: Permission) {
        let state = &mut *self.shared.lock();
        let guid = id.rsplit('/').next().unwrap_or_default().to_lowercase();
        let known = state.roles.get(&guid).map(|role| (role.name.clone(), role.assignable.clone()));
        let (name, assignable) = known.unwrap_or_else(|| (guid.clone(), vec!["/".to_owned()]));
        let delay = std::mem::take(&mut state.knobs.propagation);
        state.write_role(&guid, &name, "", vec![permission], assignable);
        state.knobs.propagation = delay;
    }

    /// The assignments of a principal, as Resource Manager answers them.
    #[must_use]
    pub fn assignments(&self, principal: &str) -> Vec<Value> {
        let state = self.shared.lock();
        let own = state.assignments.values().filter(|known| known.live.latest && known.principal == principal);
        own.map(super::rbac::assignment::Assignment::body).collect()
    }

    /// Writes an assignment with an id of the form `{scope}/providers/Microsoft.Authorization/roleAssignments/{GUID}`,
    /// at once, replacing any existing one.
    ///
    /// # Panics
    ///
    /// If the id is invalid, or the role or the principal does not exist.
    #[track_caller]
    pub fn set_assignment(&self, id: &str, role: &str, principal: &str) {
        self.remove_assignment(id);
        let parts = id.rsplit_once("/providers/Microsoft.Authorization/roleAssignments/");
        let (scope, name) = must(parts.ok_or_else(|| Fail::missing(id)));
        self.assign_as(scope, name, role, principal);
    }

    /// Removes an assignment, at once.
    pub fn remove_assignment(&self, id: &str) {
        self.shared.lock().assignments.remove(&id.to_lowercase());
    }

    /// The ids of everything that exists, sorted: subscriptions, resource groups, resources, locks, custom roles and
    /// assignments.
    #[must_use]
    pub fn things(&self) -> Vec<String> {
        let state = &mut *self.shared.lock();
        state.settle();
        let roles = state.roles.values().map(|role| {
            let scope = role.assignable.first().map_or("", String::as_str);
            role::Found::Custom(role).full_id(scope)
        });
        let assignments = state.assignments.values().filter(|known| known.live.latest).map(|known| known.id.clone());
        let things = state.things().map(|thing| thing.id.clone());
        let mut ids: Vec<String> = things.chain(roles).chain(assignments).collect();
        ids.sort();
        ids
    }

    /// The body that a GET of an id would return.
    #[must_use]
    pub fn body(&self, id: &str) -> Option<Value> {
        let lower = id.to_lowercase();
        {
            let state = &mut *self.shared.lock();
            state.settle();
            if let Ok(thing) = state.thing(id) {
                return Some(thing.shown(state.now()));
            }
            if let Some(assignment) = state.assignments.get(&lower).filter(|known| known.live.latest) {
                return Some(assignment.body());
            }
        }
        if lower.contains("/roledefinitions/") { self.role(id) } else { None }
    }

    /// Sets the identity that the instance metadata service issues tokens for: the id of a user-assigned identity, or
    /// an object id.
    pub fn default_identity(&self, id: &str) {
        let state = &mut *self.shared.lock();
        let of_resource = state.thing(id).map(|thing| text(&thing.body, "/properties/principalId"));
        state.directory.default_identity = Some(of_resource.unwrap_or_else(|_| id.to_owned()));
    }

    /// Injects faults and delays.
    #[must_use]
    pub fn faults(&self) -> Faults {
        Faults(self.shared.clone())
    }

    /// The newest 65,536 decisions, oldest first.
    #[must_use]
    pub fn decisions(&self) -> Vec<Decision> {
        self.shared.lock().decisions.all()
    }

    /// Returns the decisions, and forgets them.
    #[must_use]
    pub fn take_decisions(&self) -> Vec<Decision> {
        self.shared.lock().decisions.take()
    }

    /// The newest 65,536 requests, oldest first, without secrets. They include those to data planes.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.all()
    }

    /// Returns the requests, and forgets them.
    #[must_use]
    pub fn take_requests(&self) -> Vec<Request> {
        self.shared.lock().requests.take()
    }
}
