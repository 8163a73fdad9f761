//! The account: its contents, who may do what, and the faults that a test can cause.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::cloud::operations::SET_SETTINGS;
use super::cloud::{LocalPrincipal, Principal, Right, Trust};
use crate::clock::{Clock, later};
use crate::deployment::DeploymentId;
use crate::error::{Error, ErrorKind, Result};
use crate::manage::LogLine;
use crate::rollout::Sequence;

/// The bytes of a zip that does not start: whatever runs it is degraded.
pub const BROKEN: &[u8] = b"broken";

/// An account of the in-process cloud. Clones share the same account.
#[derive(Clone)]
pub struct Account {
    state: Arc<Mutex<State>>,
    pub(super) clock: Arc<dyn Clock>,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Account").field("things", &state.things.len()).field("calls", &state.asked.len()).finish()
    }
}

/// The contents of an account, by name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Saved {
    things: BTreeMap<String, Stored>,
    identities: BTreeMap<String, Identity>,
}

/// A call that reached the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Who called: `admin`, or the name of an identity.
    pub who: String,
    /// The permission that it needed.
    pub right: Right,
    /// Whether the account allowed it.
    pub allowed: bool,
}

/// A fault of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The program is killed before the call arrives: neither this call nor any later one arrives.
    KilledBefore,
    /// The program is killed after the call was done: its answer is lost, and no later call arrives.
    KilledAfter,
    /// The call is not done, and can be made again.
    Lost,
    /// The call is done, its answer is lost, and it can be made again.
    AnswerLost,
    /// The call is throttled, and not done.
    Throttled,
    /// The call arrives this much later.
    Delayed(Duration),
}

/// What an allowed call works on, and what the account knows of callers.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) things: BTreeMap<String, Stored>,
    pub(super) identities: BTreeMap<String, Identity>,
    pub(super) settling: Duration,
    latency: Duration,
    tokens: HashMap<u64, Token>,
    admin: Option<Vec<Right>>,
    asked: Vec<Asked>,
    faults: BTreeMap<usize, Fault>,
    every: Option<usize>,
    killed: bool,
    lifetime: Duration,
}

/// Something in the account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Stored {
    /// The deployment that it belongs to; `None` if it belongs to none.
    pub(super) deployment: Option<String>,
    /// The fingerprint of its settings; version 1 called it a seal.
    #[serde(alias = "seal")]
    pub(super) fingerprint: Option<String>,
    /// Its settings, and what it runs.
    pub(super) settings: String,
    pub(super) code: String,
    pub(super) broken: bool,
    /// The number of the release that set it last.
    #[serde(default)]
    pub(super) mark: Option<Sequence>,
    /// How often its code or settings were set, or its instances started anew.
    #[serde(default)]
    pub(super) revision: u64,
    /// Data in it.
    pub(super) objects: u64,
    pub(super) log: Vec<LogLine>,
}

impl Stored {
    /// Begins the next revision, unless the thing is no longer at the one that the caller has seen.
    pub(super) fn advance(&mut self, seen: Option<u64>) -> Result<u64> {
        if seen.is_some_and(|seen| seen != self.revision) {
            let what = format!("it is at revision {}", self.revision);
            return Err(Error::new(ErrorKind::Conflict, what).into_conflict());
        }
        self.revision += 1;
        Ok(self.revision)
    }
}

/// An identity.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) thing: Stored,
    pub(super) claim: Option<String>,
    pub(super) document: Option<Principal>,
    /// When it has propagated.
    pub(super) known: Timestamp,
}

#[derive(Debug, Clone)]
struct Token {
    identity: String,
    narrowed: Option<Vec<Right>>,
    expires: Timestamp,
}

/// The credentials of a caller.
#[derive(Debug, Clone, Copy)]
pub(super) enum Credential {
    Admin,
    Session(u64),
}

pub(super) fn found<'a, T>(things: &'a mut BTreeMap<String, T>, name: &str) -> Result<&'a mut T> {
    things.get_mut(name).ok_or_else(|| Error::new(ErrorKind::NotFound, format!("`{name}` does not exist")))
}

pub(super) fn add<T>(things: &mut BTreeMap<String, T>, name: &str, thing: T) -> Result<()> {
    if things.contains_key(name) {
        return Err(Error::new(ErrorKind::AlreadyExists, format!("`{name}` already exists")));
    }
    things.insert(name.to_owned(), thing);
    Ok(())
}

#[cfg(feature = "tokio")]
impl Default for Account {
    /// Creates an empty account that uses the machine's clock.
    fn default() -> Self {
        Self::new(Arc::new(crate::clock::SystemClock))
    }
}

impl Account {
    /// Creates an empty account that uses this clock. Sessions last an hour.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let state = State { lifetime: Duration::from_secs(3600), ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), clock }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets how long the sessions last that are opened from now on.
    pub fn set_lifetime(&self, lifetime: Duration) {
        self.lock().lifetime = lifetime;
    }

    /// Sets how long it takes until what is created from now on has propagated.
    pub fn set_settling(&self, settling: Duration) {
        self.lock().settling = settling;
    }

    /// Sets how long every call takes from now on, before it is done.
    pub fn set_latency(&self, latency: Duration) {
        self.lock().latency = latency;
    }

    /// Causes a fault at the `n`th call from now on, counted from 0.
    pub fn fail_at(&self, n: usize, fault: Fault) {
        let mut state = self.lock();
        let at = state.asked.len() + n;
        state.faults.insert(at, fault);
    }

    /// Throttles every `n`th call from now on; none if `n` is 0.
    pub fn throttle_every(&self, n: usize) {
        self.lock().every = (n > 0).then_some(n);
    }

    /// Clears all faults. If a program was killed, calls arrive again, as from a new program.
    pub fn restart(&self) {
        let mut state = self.lock();
        state.faults.clear();
        state.every = None;
        state.killed = false;
    }

    /// Whether a fault has killed the program: its calls arrive no more.
    #[must_use]
    pub fn is_killed(&self) -> bool {
        self.lock().killed
    }

    /// Limits the admin to these permissions from now on. By default, the admin may do everything.
    pub fn limit_admin(&self, rights: Vec<Right>) {
        self.lock().admin = Some(rights);
    }

    /// Every call that reached the account, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.lock().asked.clone()
    }

    /// The names of everything in the account.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let state = self.lock();
        state.things.keys().chain(state.identities.keys()).cloned().collect()
    }

    /// Returns the contents of the account, to be [loaded](Self::load) by another program. They include neither
    /// sessions nor faults.
    #[must_use]
    pub fn save(&self) -> Saved {
        let state = self.lock();
        Saved { things: state.things.clone(), identities: state.identities.clone() }
    }

    /// Replaces the contents of the account.
    pub fn load(&self, saved: Saved) {
        let mut state = self.lock();
        (state.things, state.identities) = (saved.things, saved.identities);
    }

    /// Adds something that belongs to no deployment.
    pub fn add_foreign(&self, name: &str) {
        self.lock().things.insert(name.to_owned(), Stored::default());
    }

    /// Takes the marks off something, as if a program had replaced its tags.
    pub fn unmark(&self, name: &str) {
        let mut state = self.lock();
        let State { things, identities, .. } = &mut *state;
        let identity = identities.get_mut(name).map(|identity| &mut identity.thing);
        if let Some(thing) = identity.or(things.get_mut(name)) {
            (thing.deployment, thing.fingerprint) = (None, None);
        }
    }

    /// Marks something as another deployment's.
    pub fn mark(&self, name: &str, deployment: DeploymentId) {
        let mut state = self.lock();
        let State { things, identities, .. } = &mut *state;
        let identity = identities.get_mut(name).map(|identity| &mut identity.thing);
        if let Some(thing) = identity.or(things.get_mut(name)) {
            thing.deployment = Some(deployment.to_string());
        }
    }

    /// How many objects a thing holds.
    #[must_use]
    pub fn objects(&self, name: &str) -> u64 {
        self.lock().things.get(name).map_or(0, |thing| thing.objects)
    }

    /// Deletes something, as if by another program.
    pub fn remove(&self, name: &str) {
        self.lock().things.remove(name);
    }

    /// Sets how many objects a thing holds.
    pub fn set_objects(&self, name: &str, objects: u64) {
        if let Some(thing) = self.lock().things.get_mut(name) {
            thing.objects = objects;
        }
    }

    /// How often the code or the settings of a thing were set, or its instances started anew: each time, new instances
    /// run. It is 0 if there is no such thing.
    #[must_use]
    pub fn revision(&self, name: &str) -> u64 {
        self.lock().things.get(name).map_or(0, |thing| thing.revision)
    }

    /// Ends every session before it expires.
    pub fn end_sessions(&self) {
        let now = self.clock.now();
        for token in self.lock().tokens.values_mut() {
            token.expires = token.expires.min(now);
        }
    }

    /// The settings of something that runs code, or holds data, as they were set last; `None` if there is no such thing.
    #[must_use]
    pub fn settings(&self, name: &str) -> Option<Value> {
        self.lock().things.get(name).and_then(|thing| serde_json::from_str(&thing.settings).ok())
    }

    /// Sets one field of the settings of something that runs code, or removes it where the value is `null`: as any program
    /// could with a session as this identity, or as the admin where none is given.
    ///
    /// # Errors
    ///
    /// [`Denied`](ErrorKind::Denied) if the identity may not set the settings of this thing, [`NotFound`](ErrorKind::NotFound) if
    /// there is no such thing.
    pub fn set_field(&self, identity: Option<&str>, name: &str, field: &str, value: Value) -> Result<()> {
        let mut state = self.lock();
        let right = Right { permission: SET_SETTINGS.permission.to_owned(), on: name.to_owned() };
        if let Some(identity) = identity {
            let document = state.identities.get(identity).and_then(|found| found.document.as_ref());
            if !document.is_some_and(|document| document.rights.contains(&right)) {
                let Right { permission, on } = right;
                return Err(Error::new(ErrorKind::Denied, format!("{identity} may not `{permission}` on `{on}`")));
            }
        }
        let thing = found(&mut state.things, name)?;
        let mut settings: Map<String, Value> = serde_json::from_str(&thing.settings).unwrap_or_default();
        match value {
            Value::Null => drop(settings.remove(field)),
            value => drop(settings.insert(field.to_owned(), value)),
        }
        thing.settings = Value::from(settings).to_string();
        thing.revision += 1;
        Ok(())
    }

    /// Takes a permission away from every identity. Only the documents in the account change, not the deployment.
    pub fn without(&self, right: &Right) {
        for identity in self.lock().identities.values_mut() {
            if let Some(document) = &mut identity.document {
                document.rights.retain(|held| held != right);
            }
        }
    }

    /// Sets the document of an identity, as if by another program.
    pub fn set_document(&self, identity: &str, document: Principal) {
        if let Some(identity) = self.lock().identities.get_mut(identity) {
            identity.document = Some(document);
        }
    }

    /// The document of an identity.
    #[must_use]
    pub fn document(&self, identity: &str) -> Option<Principal> {
        self.lock().identities.get(identity).and_then(|identity| identity.document.clone())
    }

    /// Makes a call. The account decides whether it is allowed, and then does it.
    pub(super) async fn request<T>(
        &self,
        credential: Credential,
        permission: &str,
        on: &str,
        then: impl FnOnce(&mut State) -> Result<T>,
    ) -> Result<T> {
        self.pause().await;
        let mut state = self.lock();
        let killed = || Error::new(ErrorKind::Internal, "the program was killed");
        if state.killed {
            return Err(killed());
        }
        let number = state.asked.len();
        let right = Right { permission: permission.to_owned(), on: on.to_owned() };
        let (who, allowed) = state.decide(credential, &right, self.clock.now());
        state.asked.push(Asked { who, right, allowed: allowed.is_ok() });
        let throttled = state.every.is_some_and(|every| number % every == every - 1);
        let fault = state.faults.remove(&number).or(throttled.then_some(Fault::Throttled));
        match fault {
            Some(Fault::KilledBefore) => {
                state.killed = true;
                return Err(killed());
            }
            Some(Fault::Lost) => return Err(Error::new(ErrorKind::Unavailable, "the call was lost")),
            Some(Fault::Throttled) => return Err(Error::new(ErrorKind::Throttled, "too many calls")),
            Some(Fault::KilledAfter | Fault::AnswerLost | Fault::Delayed(_)) | None => {}
        }
        allowed?;
        let done = then(&mut state);
        match fault {
            Some(Fault::KilledAfter) => {
                state.killed = true;
                Err(killed())
            }
            Some(Fault::AnswerLost) => Err(Error::new(ErrorKind::Unavailable, "the answer was lost")),
            _ => done,
        }
    }

    /// Opens a session as an identity, if the identity trusts the caller.
    pub(super) async fn assume(
        &self,
        identity: &str,
        caller: &Caller<'_>,
        narrowed: Option<Vec<Right>>,
    ) -> Result<(u64, Timestamp)> {
        self.pause().await;
        let mut state = self.lock();
        let now = self.clock.now();
        let known = state.identities.get(identity).filter(|found| found.known <= now);
        let trusts = known.and_then(|found| found.document.as_ref()).and_then(|document| document.trusts.clone());
        let trusted = trusts.is_some_and(|trusts| caller.is(&trusts));
        let who = caller.name();
        let right = Right { permission: "identity.assume".to_owned(), on: identity.to_owned() };
        state.asked.push(Asked { who: who.to_owned(), right, allowed: trusted });
        if !trusted {
            return Err(Error::new(ErrorKind::Denied, format!("`{identity}` does not trust `{who}`")));
        }
        let expires = later(now, state.lifetime);
        let token = state.asked.len() as u64;
        state.tokens.insert(token, Token { identity: identity.to_owned(), narrowed, expires });
        Ok((token, expires))
    }
}

/// Who wants to assume an identity.
#[derive(Debug, Clone, Copy)]
pub(super) enum Caller<'a> {
    /// A vendor, and the proof that it presents.
    Vendor(&'a str, Option<&'a str>),
    /// A principal of the account.
    Local(&'a LocalPrincipal),
}

impl Caller<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Vendor(name, _) => name,
            Self::Local(principal) => principal.as_str(),
        }
    }

    fn is(&self, trusted: &Trust) -> bool {
        match (self, trusted) {
            (Self::Vendor(name, proof), Trust::Vendor(vendor, shown)) => {
                name == vendor && *proof == Some(shown.as_str())
            }
            (Self::Local(principal), Trust::Agent(agent)) => *principal == agent,
            (Self::Vendor(..), Trust::Agent(_)) | (Self::Local(_), Trust::Vendor(..)) => false,
        }
    }
}

impl Account {
    /// Takes the time of a call over a network, and yields to other tasks at least once.
    async fn pause(&self) {
        let wait = {
            let state = &mut *self.lock();
            let number = state.asked.len();
            match state.faults.get(&number) {
                Some(Fault::Delayed(delay)) => {
                    let delay = *delay;
                    state.faults.remove(&number);
                    state.latency.saturating_add(delay)
                }
                _ => state.latency,
            }
        };
        if !wait.is_zero() {
            self.clock.sleep(wait).await;
        }
        pause().await;
    }
}

impl State {
    fn decide(&self, credential: Credential, right: &Right, now: Timestamp) -> (String, Result<()>) {
        let decide = |who: &str, allowed: bool| {
            let Right { permission, on } = right;
            let denied = || Error::new(ErrorKind::Denied, format!("{who} may not `{permission}` on `{on}`"));
            (who.to_owned(), if allowed { Ok(()) } else { Err(denied()) })
        };
        match credential {
            Credential::Admin => decide("admin", self.admin.as_ref().is_none_or(|rights| rights.contains(right))),
            Credential::Session(token) => {
                let Some(Token { identity, narrowed, expires }) = self.tokens.get(&token) else {
                    return decide("nobody", false);
                };
                if *expires <= now {
                    let over = Error::new(ErrorKind::Expired, "the session is over");
                    return (identity.clone(), Err(over));
                }
                let document = self.identities.get(identity).and_then(|found| found.document.as_ref());
                let held = document.is_some_and(|document| document.rights.contains(right));
                decide(identity, held && narrowed.as_ref().is_none_or(|rights| rights.contains(right)))
            }
        }
    }
}

/// Yields to other tasks once, as a call over a network would.
async fn pause() {
    let mut paused = false;
    futures_util::future::poll_fn(|context| {
        if std::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The client of an account, with somebody's credentials.
#[derive(Debug, Clone)]
pub struct Clients {
    pub(super) account: Account,
    pub(super) credential: Credential,
}
