//! The state of the emulator, and the shared handle to it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::data::Data;
use super::entra::Directory;
use super::fail::Fail;
use super::faults::Knobs;
use super::operation::Operation;
use super::rbac::assignment::Assignment;
use super::rbac::decide;
use super::rbac::role::Role;
use crate::audit::{Decision, Log, Request};
use crate::clock::Clock;

/// A handle to the state of an emulator. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Inner>);

impl fmt::Debug for Shared {
    /// The state holds tokens and keys, so none of it is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("url", &self.url()).finish_non_exhaustive()
    }
}

struct Inner {
    state: Mutex<State>,
    url: OnceLock<String>,
    tenant: String,
    certificate: OnceLock<String>,
}

/// The sender of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The object id of the principal.
    pub(crate) object: String,
    /// The client id of an application or managed identity, or the name of a user.
    pub(crate) client: String,
    /// The audience of the token, such as `https://management.azure.com/`.
    pub(crate) audience: String,
}

/// A resource, by its id.
#[derive(Clone, Default)]
pub(crate) struct Thing {
    /// The id as it was first written. Ids are compared without regard to case.
    pub(crate) id: String,
    /// The body that Resource Manager returns once the write is done.
    pub(crate) body: Value,
    /// Data that no answer contains, such as keys and secrets.
    pub(crate) hidden: Value,
    /// When a write in progress will be done, and the `provisioningState` until then.
    pub(crate) writing: Option<(Timestamp, &'static str)>,
    /// When a deletion in progress will be done.
    pub(crate) gone: Option<Timestamp>,
}

impl fmt::Debug for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thing").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Thing {
    /// The body that a GET returns now.
    pub(crate) fn shown(&self, now: Timestamp) -> Value {
        let mut body = self.body.clone();
        let word = match self.writing {
            _ if self.gone.is_some() => Some("Deleting"),
            Some((until, word)) if until > now => Some(word),
            _ => None,
        };
        if let (Some(word), Some(properties)) = (word, body.get_mut("properties").and_then(Value::as_object_mut)) {
            properties.insert("provisioningState".to_owned(), word.into());
        }
        body
    }
}

/// The whole state. It has no `Debug`, because it holds tokens and keys.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) tenant: String,
    /// Subscriptions, resource groups and resources, by their ids in lower case.
    things: BTreeMap<String, Thing>,
    /// Which of them are being deleted, and when they will be gone.
    leaving: Vec<(Timestamp, String)>,
    /// The ids of the locks among them, because every request checks locks.
    locks: BTreeSet<String>,
    pub(crate) directory: Directory,
    /// Custom roles, by their names (GUIDs) in lower case.
    pub(crate) roles: BTreeMap<String, Role>,
    /// Role assignments, by their ids in lower case.
    pub(crate) assignments: BTreeMap<String, Assignment>,
    pub(crate) operations: HashMap<String, Operation>,
    /// The contents of the data planes.
    pub(crate) data: Data,
    pub(crate) decisions: Log<Decision>,
    pub(crate) requests: Log<Request>,
    pub(crate) knobs: Knobs,
    pub(crate) clock: Clock,
    /// The URL of the emulator.
    pub(crate) url: String,
}

impl State {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Finds the resource with an id.
    ///
    /// # Errors
    ///
    /// If it does not exist: `ResourceNotFound`, or the code that Azure uses for its type.
    pub(crate) fn thing(&self, id: &str) -> Result<&Thing, Fail> {
        self.things.get(&id.to_lowercase()).ok_or_else(|| Fail::missing(id))
    }

    /// Like [`Self::thing`].
    pub(crate) fn thing_mut(&mut self, id: &str) -> Result<&mut Thing, Fail> {
        self.things.get_mut(&id.to_lowercase()).ok_or_else(|| Fail::missing(id))
    }

    /// Creates a resource, or replaces its body but keeps its hidden data. Returns whether it is new.
    pub(crate) fn put(&mut self, id: &str, body: Value) -> bool {
        let mut is_new = false;
        let thing = self.things.entry(id.to_lowercase()).or_insert_with(|| {
            is_new = true;
            Thing { id: id.to_owned(), ..Thing::default() }
        });
        thing.body = body;
        if is_new && id.to_lowercase().contains("/microsoft.authorization/locks/") {
            self.locks.insert(id.to_lowercase());
        }
        is_new
    }

    /// Everything directly or indirectly below an id, in the order of the ids.
    pub(crate) fn under(&self, id: &str) -> impl Iterator<Item = &Thing> {
        let prefix = format!("{}/", id.to_lowercase().trim_end_matches('/'));
        // Ids are sorted, so everything below the prefix follows it without a gap.
        self.things.range(prefix.clone()..).take_while(move |(id, _)| id.starts_with(&prefix)).map(|(_, thing)| thing)
    }

    /// The resources of a type, such as `Microsoft.App/containerApps`, at or below a scope, as a list returns them.
    pub(crate) fn list(&self, scope: &str, kind: &str) -> Vec<Value> {
        let now = self.now();
        let of_kind = |thing: &&Thing| {
            thing.body.get("type").and_then(Value::as_str).is_some_and(|known| known.eq_ignore_ascii_case(kind))
        };
        self.under(scope).filter(of_kind).map(|thing| thing.shown(now)).collect()
    }

    /// All locks.
    pub(crate) fn locks(&self) -> impl Iterator<Item = &Thing> {
        self.locks.iter().filter_map(|id| self.things.get(id))
    }

    /// All resources.
    pub(crate) fn things(&self) -> impl Iterator<Item = &Thing> {
        self.things.values()
    }

    /// Removes a resource with everything in it, and the assignments, locks and data there.
    pub(crate) fn remove(&mut self, id: &str) {
        let lower = id.to_lowercase();
        let prefix = format!("{lower}/");
        let is_in = |known: &str| known == lower || known.starts_with(&prefix);
        let removed: Vec<String> = self.things.keys().filter(|known| is_in(known)).cloned().collect();
        for id in &removed {
            if let Some(thing) = self.things.remove(id) {
                self.forget_identity(&thing);
            }
            self.locks.remove(id);
            self.data.forget(id);
        }
        self.assignments.retain(|known, _| !is_in(known));
    }

    /// Starts to delete a resource. It is shown as being deleted until `gone`.
    ///
    /// # Errors
    ///
    /// If it does not exist.
    pub(crate) fn leave(&mut self, id: &str, gone: Timestamp) -> Result<(), Fail> {
        self.thing_mut(id)?.gone = Some(gone);
        self.leaving.push((gone, id.to_owned()));
        Ok(())
    }

    /// Removes the resources whose deletion is now done.
    pub(crate) fn settle(&mut self) {
        let now = self.now();
        let (due, left): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.leaving).into_iter().partition(|(at, _)| *at <= now);
        self.leaving = left;
        for (_, id) in due {
            self.remove(&id);
        }
    }

    /// Authorises an action, and records the decision.
    pub(crate) fn authorise(&mut self, caller: &Caller, key: &str, action: &str, scope: &str) -> Result<(), Fail> {
        if self.asks(caller, key, decide::Plane::Control, action, scope) {
            return Ok(());
        }
        Err(Fail::new(
            403,
            "AuthorizationFailed",
            format!(
                "The client '{}' with object id '{}' does not have authorization to perform action '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
                caller.client, caller.object
            ),
        ))
    }

    /// Authorises a data action, and records the decision. Returns whether it is allowed; the data plane reports the
    /// refusal in its own words.
    pub(crate) fn authorise_data(&mut self, caller: &Caller, key: &str, data_action: &str, scope: &str) -> bool {
        self.asks(caller, key, decide::Plane::Data, data_action, scope)
    }

    /// Decides whether a principal is allowed an action, and records it in the audit log.
    pub(crate) fn asks(&mut self, caller: &Caller, key: &str, plane: decide::Plane, action: &str, scope: &str) -> bool {
        let at = self.now();
        let verdict = decide::decide(self, &caller.object, plane, action, scope);
        let allowed = verdict.allowed;
        self.decisions.push(Decision {
            at,
            principal: caller.object.clone(),
            method: key.to_owned(),
            permission: action.to_owned(),
            resource: scope.to_owned(),
            allowed,
            why: verdict.why,
        });
        allowed
    }

    /// Records a request without its secrets. A data plane's body is null unless it is JSON.
    pub(crate) fn remember(&mut self, key: &str, verb: &str, path: &str, query: &[(String, String)], body: &Value) {
        let mut body = body.clone();
        crate::audit::redact(&mut body);
        let is_plain = |name: &str| !["sig", "code", "key"].contains(&name) && !name.contains("token");
        self.requests.push(Request {
            method: key.to_owned(),
            verb: verb.to_owned(),
            path: path.to_owned(),
            query: query.iter().filter(|(name, _)| is_plain(name)).cloned().collect(),
            body,
        });
    }
}

impl Shared {
    pub(crate) fn new() -> Self {
        let tenant = Uuid::new_v4().to_string();
        let state = State { tenant: tenant.clone(), ..State::default() };
        Self(Arc::new(Inner { state: Mutex::new(state), url: OnceLock::new(), tenant, certificate: OnceLock::new() }))
    }

    /// Locks the state while the guard is held. Never hold it across an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_url(&self, url: &str, certificate: &str) {
        self.lock().url = url.to_owned();
        let _ = self.0.url.set(url.to_owned());
        let _ = self.0.certificate.set(certificate.to_owned());
    }

    /// The URL of the emulator, such as `https://127.0.0.1:8080`.
    pub(crate) fn url(&self) -> &str {
        self.0.url.get().map_or("", String::as_str)
    }

    pub(crate) fn certificate(&self) -> &str {
        self.0.certificate.get().map_or("", String::as_str)
    }

    pub(crate) fn tenant(&self) -> &str {
        &self.0.tenant
    }
}

/// A new etag, in quotes.
pub(crate) fn etag() -> String {
    format!("\"{}\"", Uuid::new_v4())
}
