//! The state of the emulator, and the shared handle to it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use aws_lc_rs::rsa::KeyPair;
use jiff::Timestamp;
use serde_json::Value;

use super::fail::Fail;
use super::faults::Knobs;
use super::iam::decide;
use super::iam::policy::Policy;
use super::iam::role::Role;
use super::iam::token::Token;
use super::operation::Operation;
use crate::audit::{Decision, Log, Request};
use crate::clock::Clock;
use crate::dated::Dated;

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
}

/// The sender of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The caller as a member in a policy: `user:…` or `serviceAccount:…`.
    pub(crate) principal: String,
    /// The OAuth scopes of the bearer token.
    pub(crate) scopes: Vec<String>,
}

/// A resource, by its full resource name.
#[derive(Clone, Debug)]
pub(crate) struct Thing {
    /// The body that the REST API returns.
    pub(crate) body: Value,
    /// Its allow policy.
    pub(crate) policy: Dated<Policy>,
    /// The project whose policy it inherits.
    pub(crate) project: String,
    /// Whether it is deleted but can be undeleted.
    pub(crate) deleted: bool,
}

/// A project of the emulator.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    pub(crate) number: u64,
    /// The disabled APIs, such as `run.googleapis.com`.
    pub(crate) disabled: BTreeSet<String>,
    /// The directory customer id of the organisation that it is in.
    pub(crate) customer: String,
    /// The rules of the organisation that are in effect here, by the name of the constraint.
    pub(crate) rules: BTreeMap<String, Value>,
}

/// The whole state. It has no `Debug`, because it holds tokens and keys.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) projects: BTreeMap<String, Project>,
    pub(crate) things: BTreeMap<String, Thing>,
    pub(crate) roles: BTreeMap<String, Role>,
    pub(crate) tokens: HashMap<String, Token>,
    pub(crate) refresh: HashMap<String, String>,
    /// The revisions of Cloud Run services, by full name.
    pub(crate) serving: HashMap<String, super::service::run::Serving>,
    pub(crate) keys: HashMap<String, (String, Arc<KeyPair>)>,
    pub(crate) operations: HashMap<String, Operation>,
    /// Messages waiting in subscriptions, by the subscription's full name.
    pub(crate) messages: HashMap<String, Vec<super::service::pubsub::Waiting>>,
    /// Log entries, by the full name of the log bucket that stores them.
    pub(crate) logs: HashMap<String, Vec<Value>>,
    /// The versions of objects that newer ones replaced, and objects that were deleted and can be restored.
    pub(crate) past: Vec<super::service::storage::Past>,
    /// The bytes of objects, by full name.
    pub(crate) media: HashMap<String, bytes::Bytes>,
    pub(crate) default_account: Option<String>,
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

    /// The id of a project, given its id or number.
    pub(crate) fn project_id(&self, name: &str) -> Option<String> {
        if self.projects.contains_key(name) {
            return Some(name.to_owned());
        }
        let number: u64 = name.parse().ok()?;
        self.projects.iter().find(|(_, project)| project.number == number).map(|(id, _)| id.clone())
    }

    pub(crate) fn thing(&self, name: &str) -> Result<&Thing, Fail> {
        self.things.get(name).filter(|thing| !thing.deleted).ok_or_else(|| Fail::missing(relative(name)))
    }

    pub(crate) fn thing_mut(&mut self, name: &str) -> Result<&mut Thing, Fail> {
        self.things.get_mut(name).filter(|thing| !thing.deleted).ok_or_else(|| Fail::missing(relative(name)))
    }

    /// Creates a resource.
    ///
    /// # Errors
    ///
    /// If a resource of that name exists.
    pub(crate) fn create(&mut self, name: &str, project: &str, body: Value) -> Result<(), Fail> {
        if self.things.contains_key(name) {
            return Err(Fail::exists(relative(name)));
        }
        let thing = Thing { body, policy: Dated::default(), project: project.to_owned(), deleted: false };
        self.things.insert(name.to_owned(), thing);
        Ok(())
    }

    /// Writes to a thing as somebody else would: another etag, and the label `met` where it has labels.
    pub(crate) fn touch(&mut self, name: &str) {
        if let Some(role) = name.strip_prefix("//iam.googleapis.com/").and_then(|name| self.roles.get_mut(name)) {
            role.etag = etag();
        }
        let Some(body) = self.things.get_mut(name).map(|thing| &mut thing.body) else { return };
        if body.get("etag").is_some() {
            super::call::set(body, "etag", etag());
        }
        let next = body.get("metageneration").and_then(Value::as_str).and_then(|text| text.parse::<u64>().ok());
        if let Some(next) = next {
            super::call::set(body, "metageneration", (next + 1).to_string());
        }
        if let Some(labels) = body.get_mut("labels").and_then(Value::as_object_mut) {
            labels.insert("met".to_owned(), "yes".into());
        }
    }

    /// Authorises a permission, and records the decision.
    pub(crate) fn authorise(
        &mut self,
        caller: &Caller,
        method: &'static str,
        permission: &str,
        on: &str,
    ) -> Result<(), Fail> {
        if self.asks(&caller.principal, method, permission, on) {
            Ok(())
        } else {
            Err(Fail::denied(permission, relative(on)))
        }
    }

    /// Decides whether a principal has a permission, and records it in the audit log.
    pub(crate) fn asks(&mut self, principal: &str, method: &'static str, permission: &str, on: &str) -> bool {
        let now = self.now();
        let verdict = decide::decide(self, principal, permission, on, now);
        let allowed = verdict.allowed;
        self.decisions.push(Decision {
            at: now,
            principal: principal.to_owned(),
            method: method.to_owned(),
            permission: permission.to_owned(),
            resource: on.to_owned(),
            allowed,
            why: verdict.why,
        });
        allowed
    }

    /// Identifies the caller by bearer token.
    pub(crate) fn caller(&self, bearer: Option<&str>) -> Result<Caller, Fail> {
        let Some(bearer) = bearer else {
            return Err(Fail::unauthenticated(
                "Request is missing required authentication credential. Expected OAuth 2 access token.",
            ));
        };
        let now = self.now();
        self.tokens
            .get(bearer)
            .filter(|token| token.expires > now && token.audience.is_none())
            .map(|token| Caller { principal: token.principal.clone(), scopes: token.scopes.clone() })
            .ok_or_else(|| {
                Fail::unauthenticated(
                    "Request had invalid authentication credentials. Expected OAuth 2 access token, which is not expired.",
                )
            })
    }
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner { state: Mutex::default(), url: OnceLock::new() }))
    }

    /// Locks the state while the guard is held. Never hold it across an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_url(&self, url: &str) {
        self.lock().url = url.to_owned();
        let _ = self.0.url.set(url.to_owned());
    }

    /// The URL of the emulator, such as `http://127.0.0.1:8080`.
    pub(crate) fn url(&self) -> &str {
        self.0.url.get().map_or("", String::as_str)
    }
}

/// A new etag. It is the same in both base64 alphabets, because some of Google's APIs write one and some the other, and
/// clients read only what their API writes.
pub(crate) fn etag() -> String {
    use base64::Engine as _;
    // The base64 of digits contains none of the characters in which the alphabets differ.
    base64::engine::general_purpose::STANDARD.encode(format!("{:012}", fastrand::u64(..1_000_000_000_000)))
}

/// The name without `//service.googleapis.com/`.
pub(crate) fn relative(full: &str) -> &str {
    full.strip_prefix("//").and_then(|rest| rest.split_once('/')).map_or(full, |(_, rest)| rest)
}

/// The full resource name of a project.
pub(crate) fn project_name(project: &str) -> String {
    format!("//cloudresourcemanager.googleapis.com/projects/{project}")
}
