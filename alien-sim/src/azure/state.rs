//! What the emulator remembers, and the handle on it that everything shares.

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

/// The one state of an emulator. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Inner>);

impl fmt::Debug for Shared {
    /// The state holds tokens and keys: none of it is shown.
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

/// Who sent a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The object id of the principal.
    pub(crate) object: String,
    /// The client id of an application or managed identity, the name of a user.
    pub(crate) client: String,
    /// For whom the token is, such as `https://management.azure.com/`.
    pub(crate) audience: String,
}

/// A resource, by its id.
#[derive(Clone, Default)]
pub(crate) struct Thing {
    /// The id as it was first written: ids are compared without regard to case.
    pub(crate) id: String,
    /// As Resource Manager answers it once its writing is done.
    pub(crate) body: Value,
    /// What no answer shows, such as keys and secrets.
    pub(crate) hidden: Value,
    /// Until when it is being written, and the `provisioningState` until then.
    pub(crate) writing: Option<(Timestamp, &'static str)>,
    /// When it is gone.
    pub(crate) gone: Option<Timestamp>,
}

impl fmt::Debug for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thing").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Thing {
    /// What a GET answers now.
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

/// Everything; it has no `Debug`, for it holds tokens and keys.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) tenant: String,
    /// Subscriptions, resource groups and resources, by their ids in lower case.
    things: BTreeMap<String, Thing>,
    /// What of them is gone, and when.
    leaving: Vec<(Timestamp, String)>,
    /// The ids of the locks among them: every request asks for them.
    locks: BTreeSet<String>,
    pub(crate) directory: Directory,
    /// Custom roles, by their names (GUIDs) in lower case.
    pub(crate) roles: BTreeMap<String, Role>,
    /// By their ids in lower case.
    pub(crate) assignments: BTreeMap<String, Assignment>,
    pub(crate) operations: HashMap<String, Operation>,
    /// What is in the data planes.
    pub(crate) data: Data,
    pub(crate) decisions: Log<Decision>,
    pub(crate) requests: Log<Request>,
    pub(crate) knobs: Knobs,
    pub(crate) clock: Clock,
    /// Where the emulator answers.
    pub(crate) url: String,
}

impl State {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What is there under an id.
    ///
    /// # Errors
    ///
    /// Nothing is: `ResourceNotFound` or what Azure says of its kind.
    pub(crate) fn thing(&self, id: &str) -> Result<&Thing, Fail> {
        self.things.get(&id.to_lowercase()).ok_or_else(|| Fail::missing(id))
    }

    /// As [`Self::thing`].
    pub(crate) fn thing_mut(&mut self, id: &str) -> Result<&mut Thing, Fail> {
        self.things.get_mut(&id.to_lowercase()).ok_or_else(|| Fail::missing(id))
    }

    /// Puts what is new, or writes what is there; what is hidden stays. Whether it is new.
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

    /// Everything directly or indirectly under an id, in the order of the ids.
    pub(crate) fn under(&self, id: &str) -> impl Iterator<Item = &Thing> {
        let prefix = format!("{}/", id.to_lowercase().trim_end_matches('/'));
        // What follows the prefix in order has it, up to what has it no more.
        self.things.range(prefix.clone()..).take_while(move |(id, _)| id.starts_with(&prefix)).map(|(_, thing)| thing)
    }

    /// The resources of a type, such as `Microsoft.App/containerApps`, at or below a scope, as a list answers them.
    pub(crate) fn list(&self, scope: &str, kind: &str) -> Vec<Value> {
        let now = self.now();
        let of_kind = |thing: &&Thing| {
            thing.body.get("type").and_then(Value::as_str).is_some_and(|known| known.eq_ignore_ascii_case(kind))
        };
        self.under(scope).filter(of_kind).map(|thing| thing.shown(now)).collect()
    }

    /// The locks that there are.
    pub(crate) fn locks(&self) -> impl Iterator<Item = &Thing> {
        self.locks.iter().filter_map(|id| self.things.get(id))
    }

    /// Every resource there is.
    pub(crate) fn things(&self) -> impl Iterator<Item = &Thing> {
        self.things.values()
    }

    /// Takes away a resource, what is in it, and the assignments, locks and data there.
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

    /// Lets what is there be gone at a point in time; until then it is shown as being deleted.
    ///
    /// # Errors
    ///
    /// Nothing is there.
    pub(crate) fn leave(&mut self, id: &str, gone: Timestamp) -> Result<(), Fail> {
        self.thing_mut(id)?.gone = Some(gone);
        self.leaving.push((gone, id.to_owned()));
        Ok(())
    }

    /// Lets time pass: what is being deleted and whose time has come is gone.
    pub(crate) fn settle(&mut self) {
        let now = self.now();
        let (due, left): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.leaving).into_iter().partition(|(at, _)| *at <= now);
        self.leaving = left;
        for (_, id) in due {
            self.remove(&id);
        }
    }

    /// Decides on an action, and remembers the decision.
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

    /// Decides on a data action, and remembers the decision: whether it is allowed. The refusal is in the words of the
    /// data plane.
    pub(crate) fn authorise_data(&mut self, caller: &Caller, key: &str, data_action: &str, scope: &str) -> bool {
        self.asks(caller, key, decide::Plane::Data, data_action, scope)
    }

    /// Whether a principal may, as an entry of the audit log.
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

    /// Remembers a request without its secrets; the body of a data plane is null if it is not JSON.
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

    /// The state, for as long as the guard is held: never across an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_url(&self, url: &str, certificate: &str) {
        self.lock().url = url.to_owned();
        let _ = self.0.url.set(url.to_owned());
        let _ = self.0.certificate.set(certificate.to_owned());
    }

    /// Where the emulator answers, such as `https://127.0.0.1:8080`.
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
