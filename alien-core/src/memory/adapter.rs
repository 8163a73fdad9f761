//! The in-process cloud's adapter: what the adapters of real clouds do, in its smallest form.

use std::sync::Arc;

use async_trait::async_trait;

use super::account::{Account, BROKEN, Clients, Credential, Identity, State, Stored, add, found};
use super::cloud::{LocalPrincipal, Memory, Scope, Target, operations as op};
use super::enter::{Agent, Vendor};
use crate::admin::Admin;
use crate::call::CallContext;
use crate::calling::CallConfig;
use crate::clock::later;
use crate::cloud::{AccessControl, Operation, field_drift};
use crate::connect::{Connect, ConnectOption, Connection};
use crate::deployment::DeploymentId;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result, ResultExt, or_undo};
use crate::impersonate::{Impersonate, Impersonator};
use crate::manage::{Change, Command, Health, Heartbeat, LogLine, LogPage, LogQuery, Runs};
use crate::marks::{Claim, Marks};
use crate::name::RELEASE_VARIABLE;
use crate::operate::Operate;
use crate::problem::Problem;
use crate::provision::Data;
use crate::reconcile::{Observed, Provider, Reconcile, ReconcileIdentity, Removal};
use crate::release::Artifacts;
use crate::resource::{Code, CodeForm, Resource, ResourceSettings, Running};
use crate::stack::decode;

/// How to reach an account, and who the vendor is there.
#[derive(Debug, Clone)]
pub struct Config {
    account: Account,
    vendor: Vendor,
    agent: Option<LocalPrincipal>,
    calls: CallConfig,
}

impl Config {
    /// Creates the configuration of an account. Calls wait on the account's clock. The vendor has the name `vendor` and
    /// presents the proof `proof`.
    #[must_use]
    pub fn new(account: Account) -> Self {
        let calls = CallConfig::new(Arc::clone(&account.clock));
        let vendor = Vendor { account: account.clone(), vendor: "vendor".to_owned(), proof: "proof".to_owned() };
        Self { account, vendor, agent: None, calls }
    }

    /// Sets how calls are made: with which clock, retries and recorder.
    #[must_use]
    pub fn with_calls(mut self, calls: CallConfig) -> Self {
        self.calls = calls;
        self
    }

    /// Sets the name of the vendor, and the proof that it presents.
    #[must_use]
    pub fn with_vendor(mut self, vendor: impl Into<String>, proof: impl Into<String>) -> Self {
        (self.vendor.vendor, self.vendor.proof) = (vendor.into(), proof.into());
        self
    }

    /// Sets the principal of the account as which an agent runs.
    #[must_use]
    pub fn with_agent(mut self, principal: LocalPrincipal) -> Self {
        self.agent = Some(principal);
        self
    }
}

/// Creates the agent's side of the account: what opens sessions in the deployments that name its principal. Without one
/// ([`Config::with_agent`]) nobody lets it in.
#[must_use]
pub fn agent(config: &Config) -> Arc<dyn Impersonate> {
    let agent = Agent { account: config.account.clone(), principal: config.agent.clone() };
    Arc::new(Impersonator::new(agent, config.calls.clone()))
}

/// Creates the admin of the account, for the deployment of this id at a target.
#[must_use]
pub fn admin(config: &Config, id: DeploymentId, target: Target) -> Admin {
    Admin::new(engine(config, id, target))
}

/// Creates the engine that [`admin`] uses, for a program that sets how much it does at once, or how long its claim
/// lasts.
#[must_use]
pub fn engine(config: &Config, id: DeploymentId, target: Target) -> Engine<Memory, Clients> {
    let clients = Clients { account: config.account.clone(), credential: Credential::Admin };
    Engine::new(clients, id, target, config.calls.clone())
}

/// Creates the vendor's side of the account: what opens sessions in its deployments.
#[must_use]
pub fn vendor(config: &Config) -> Arc<dyn Impersonate> {
    Arc::new(Impersonator::new(config.vendor.clone(), config.calls.clone()))
}

/// One account behind the interface that all adapters implement: for programs that serve several clouds.
///
/// Calls are made as the account's configuration says, not as the connection does.
#[derive(Debug, Clone)]
pub struct Adapter(Config);

impl Adapter {
    /// Serves the account of this configuration.
    #[must_use]
    pub const fn new(config: Config) -> Self {
        Self(config)
    }
}

#[async_trait]
impl Connect for Adapter {
    type Cloud = Memory;

    const OPTIONS: &'static [ConnectOption] = &[];

    async fn admin(&self, id: DeploymentId, target: Target, _: &Connection) -> Result<Admin> {
        Ok(admin(&self.0, id, target))
    }

    async fn vendor(&self, _: &Target, _: &Connection) -> Result<Arc<dyn Impersonate>> {
        Ok(vendor(&self.0))
    }

    async fn agent(&self, _: &Target, _: &Connection) -> Result<Arc<dyn Impersonate>> {
        Ok(agent(&self.0))
    }
}

type Context<'a> = CallContext<'a, Memory, Clients>;
type Row = &'static Operation<Scope>;

/// Makes one call through the gate.
async fn request<T: Send>(
    cx: Context<'_>,
    row: Row,
    then: impl Fn(&mut State, &str) -> Result<T> + Send + Sync,
) -> Result<T> {
    let (name, Clients { account, credential }) = (cx.full_name(row.on)?, cx.clients);
    cx.call(&[row], || account.request(*credential, row.permission, name, |inside| then(inside, name))).await
}

/// Makes one call about something that is not an identity.
async fn with_thing<T: Send>(cx: Context<'_>, row: Row, then: impl Fn(&mut Stored) -> T + Send + Sync) -> Result<T> {
    request(cx, row, |inside, name| Ok(then(found(&mut inside.things, name)?))).await
}

/// Changes a thing, unless it is no longer at the revision that was seen. Returns the revision after it.
async fn advance(
    cx: Context<'_>,
    row: Row,
    seen: Option<u64>,
    change: impl Fn(&mut Stored) + Send + Sync,
) -> Result<u64> {
    let changed = request(cx, row, |inside, name| {
        let thing = found(&mut inside.things, name)?;
        let next = thing.advance(seen)?;
        change(thing);
        Ok(next)
    });
    match changed.await {
        // The answer of an own attempt was lost, and nobody has changed it since.
        Err(error) if error.may_conflict_with_itself() => {
            let now = with_thing(cx, op::GET, |thing| {
                let mut changed = thing.clone();
                change(&mut changed);
                (thing.revision, (&changed.code, &changed.settings) == (&thing.code, &thing.settings))
            });
            match now.await? {
                (now, true) if seen.is_some_and(|seen| now == seen + 1) => Ok(now),
                _ => Err(error),
            }
        }
        changed => changed,
    }
}

/// Makes one call about an identity.
async fn with_identity<T: Send>(
    cx: Context<'_>,
    row: Row,
    then: impl Fn(&mut Identity) -> T + Send + Sync,
) -> Result<T> {
    request(cx, row, |inside, name| Ok(then(found(&mut inside.identities, name)?))).await
}

fn observed(cx: Context<'_>, id: &str, thing: &Stored) -> Observed {
    let owner = thing.deployment.as_deref().map(|owner| (Marks::DEPLOYMENT, owner));
    let fingerprint = thing.fingerprint.as_deref().map(|fingerprint| (Marks::FINGERPRINT, fingerprint));
    Observed::marked(id, cx.deployment().owner(), owner.into_iter().chain(fingerprint))
}

fn made(marks: &Marks) -> Stored {
    Stored { deployment: Some(marks.deployment.to_string()), ..Stored::default() }
}

/// The code that a thing runs.
fn code(thing: &Stored) -> Option<Code> {
    let named = |form: &str| thing.code.strip_prefix(form)?.strip_suffix("\")");
    let zip = named("Zip(\"").map(|digest| CodeForm::Zip(digest).into());
    zip.or_else(|| named("Image(\"").map(|reference| CodeForm::Image(reference.to_owned()).into()))
}

/// What a thing runs of the part that the vendor may change.
fn running(thing: &Stored) -> Running {
    let Some(resource) = decode::resource(&thing.settings) else { return Running::new() };
    let mut running = Running { code: code(thing), ..resource.settings().describe().running() };
    running.revision = Some(thing.revision.to_string());
    if let Some(environment) = &mut running.environment {
        environment.extend(resource.links().iter().map(|id| (id.variable(), id.to_string())));
        environment.extend(thing.mark.map(|release| (RELEASE_VARIABLE.to_owned(), release.to_string())));
    }
    running
}

fn mark(thing: &mut Stored, marks: &Marks) {
    thing.deployment = Some(marks.deployment.to_string());
    thing.fingerprint = Some(marks.seal());
}

async fn finish(cx: Context<'_>, row: Row, marks: &Marks) -> Result<()> {
    with_thing(cx, row, |thing| mark(thing, marks)).await
}

/// The wanted settings of a resource.
struct Wanted {
    resource: Resource,
    code: String,
    broken: bool,
}

impl Wanted {
    fn of(resource: &Resource, artifacts: &Artifacts) -> Self {
        let code = resource.settings().compute().map(|compute| compute.code);
        let bytes = code.and_then(|code| artifacts.bytes(code));
        Self {
            resource: resource.clone(),
            code: code.and_then(Code::only).map_or_else(String::new, |code| match code {
                CodeForm::Zip(digest) => format!("Zip({digest:?})"),
                CodeForm::Image(reference) => format!("Image({reference:?})"),
            }),
            broken: bytes.is_some_and(|bytes| **bytes == *BROKEN),
        }
    }

    /// How a thing is not as it was set. What of that which runs no code was changed is for the admin to see. Settings are
    /// compared in whichever version they were written, and a lifecycle is none.
    fn drift(&self, thing: &Stored, is_vendors: bool) -> Option<String> {
        if is_vendors && !self.resource.kind().runs_code() {
            return None;
        }
        let Some(mut found) = decode::resource(&thing.settings) else {
            return Some("its settings cannot be read".to_owned());
        };
        if let Some(code) = self.resource.code() {
            found.set_code(code.clone());
        }
        let other_code = (thing.code != self.code).then_some("code");
        let fields: Vec<&str> = other_code.into_iter().chain(self.resource.changed_fields(&found)).collect();
        field_drift(&fields)
    }

    /// Sets the code. Returns the revision after it.
    async fn set_code(&self, cx: Context<'_>, seen: Option<u64>) -> Result<u64> {
        advance(cx, op::SET_CODE, seen, |thing| (thing.code, thing.broken) = (self.code.clone(), self.broken)).await
    }

    /// Sets the settings. Returns the revision after it.
    async fn set_settings(&self, cx: Context<'_>, row: Row, seen: Option<u64>) -> Result<u64> {
        // Serializing a resource cannot fail.
        let settings = serde_json::to_string(&self.resource).unwrap_or_default();
        let mark = self.resource.mark;
        advance(cx, row, seen, |thing| (thing.settings, thing.mark) = (settings.clone(), mark)).await
    }
}

#[async_trait]
impl<S: ResourceSettings> Reconcile<Memory, Clients> for S {
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        let (resource, id) = (cx.resource()?, cx.full_name(Scope::Thing)?);
        let wanted = Wanted::of(resource, cx.deployment().artifacts());
        let seen =
            with_thing(cx, op::GET, |thing| observed(cx, id, thing).drifted(wanted.drift(thing, cx.is_vendors())));
        if resource.is_adopted() {
            return seen.await.map(|_| Observed::Adopted { id: cx.deployment().id_of(cx.subject).to_owned() });
        }
        Ok(seen.await.optional()?.unwrap_or(Observed::Absent))
    }

    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        // Code is created under its identity, which must have propagated by then.
        if S::KIND.runs_code() {
            request(cx, op::GIVE_IDENTITY, |inside, name| {
                let known = found(&mut inside.identities, name)?.known <= cx.gate.clock().now();
                if known {
                    Ok(())
                } else {
                    Err(Error::new(ErrorKind::Propagating, "the identity has not propagated yet"))
                }
            })
            .await?;
        }
        request(cx, op::CREATE, |inside, name| add(&mut inside.things, name, made(marks))).await
    }

    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let wanted = Wanted::of(cx.resource()?, cx.deployment().artifacts());
        if S::KIND.runs_code() {
            wanted.set_settings(cx, op::SET_SETTINGS, None).await?;
            wanted.set_code(cx, None).await?;
        } else if cx.holds(op::SET) {
            wanted.set_settings(cx, op::SET, None).await?;
        }
        // The vendor may create it, and only the admin says that it is finished.
        if cx.holds(op::MARK) {
            finish(cx, op::MARK, marks).await?;
        }
        Ok(())
    }

    async fn delete(&self, cx: Context<'_>, data: Data) -> Result<Removal> {
        request(cx, op::DELETE, |inside, name| {
            let objects = found(&mut inside.things, name)?.objects;
            if objects > 0 && data != Data::Delete {
                return Ok(Removal::HoldsData(format!("it holds {objects} objects")));
            }
            inside.things.remove(name);
            Ok(Removal::Gone)
        })
        .await
    }
}

#[async_trait]
impl<S: ResourceSettings> Operate<Memory, Clients> for S {
    async fn heartbeat(&self, cx: Context<'_>) -> Result<Heartbeat> {
        with_thing(cx, op::GET, |thing| {
            let beat = match (thing.broken, &thing.fingerprint) {
                (true, _) => Heartbeat::new(Health::Degraded, "its code does not start"),
                (false, None) if thing.deployment.is_some() => Heartbeat::new(Health::Degraded, "it is not finished"),
                (false, _) => Heartbeat::new(Health::Healthy, "it works"),
            };
            match code(thing).and_then(|code| Some(code.only()?.digest().to_owned())) {
                Some(digest) => beat.running(digest),
                None => beat,
            }
        })
        .await
    }

    async fn running(&self, cx: Context<'_>) -> Result<Runs> {
        with_thing(cx, op::GET, |thing| Runs::Settings(running(thing))).await
    }

    async fn update(&self, cx: Context<'_>, change: &Change) -> Result<()> {
        if !S::KIND.runs_code() {
            let what = format!("a {} is not updated by the vendor", S::KIND);
            return Err(Error::new(ErrorKind::Unsupported, what));
        }
        let was = Wanted::of(cx.resource()?, &Artifacts::default());
        let wanted = Wanted::of(&change.resource, &change.zip.iter().cloned().collect());
        let (new_code, new_settings) = change.since(cx.resource()?);
        let mut seen = change.revision().and_then(|revision| revision.parse().ok());
        if new_code {
            with_identity(cx, op::GIVE_IDENTITY, |_| ()).await?;
            let now = wanted.set_code(cx, seen).await?;
            seen = Some(now);
            let beat = self.heartbeat(cx).await?;
            if beat.health != Health::Healthy {
                let failed = Error::new(ErrorKind::Failed, format!("the new code does not work: {}", beat.reason));
                let back = async { was.set_code(cx, Some(now)).await.map(drop) };
                return or_undo(Err(failed), back, "code").await;
            }
        }
        if new_settings {
            let set = wanted.set_settings(cx, op::SET_SETTINGS, seen).await;
            // The code was set by then.
            set.map_err(|error| if new_code { error.with_sent() } else { error })?;
        }
        Ok(())
    }

    async fn redeploy(&self, cx: Context<'_>) -> Result<()> {
        let seen = with_thing(cx, op::GET, |thing| thing.revision).await?;
        advance(cx, op::SET_SETTINGS, Some(seen), |_| ()).await?;
        let beat = self.heartbeat(cx).await?;
        if beat.health == Health::Healthy {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Failed, format!("the new instances do not work: {}", beat.reason)))
    }

    async fn logs(&self, cx: Context<'_>, query: &LogQuery) -> Result<LogPage> {
        let skipped: usize = match &query.cursor {
            None => 0,
            Some(cursor) => cursor
                .parse()
                .map_err(|_| Error::new(ErrorKind::Input, format!("`{cursor}` is not a cursor of this log")))?,
        };
        with_thing(cx, op::READ_LOGS, |thing| {
            let from = thing.log.iter().filter(|line| line.at >= query.from);
            let lines: Vec<LogLine> = from.clone().skip(skipped).take(query.limit.into()).cloned().collect();
            let read = skipped + lines.len();
            let next = (read < from.count()).then(|| read.to_string());
            LogPage { lines, next }
        })
        .await
    }

    async fn dispatch(&self, cx: Context<'_>, command: &Command) -> Result<Vec<u8>> {
        let (name, Clients { account, credential }) = (cx.full_name(Scope::Thing)?, cx.clients);
        let now = cx.gate.clock().now();
        cx.call_once(&[op::INVOKE], || {
            account.request(*credential, op::INVOKE.permission, name, |inside| {
                let text = format!("command {}", String::from_utf8_lossy(&command.body));
                found(&mut inside.things, name)?.log.push(LogLine { at: now, text });
                Ok(command.body.to_vec())
            })
        })
        .await
    }
}

/// What containers share.
struct Cluster;

#[async_trait]
impl Reconcile<Memory, Clients> for Cluster {
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        let Ok(id) = cx.full_name(Scope::Cluster) else { return Ok(Observed::Unneeded) };
        let seen = with_thing(cx, op::GET_CLUSTER, |thing| observed(cx, id, thing));
        Ok(seen.await.optional()?.unwrap_or(Observed::Absent))
    }

    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        request(cx, op::CREATE_CLUSTER, |inside, name| add(&mut inside.things, name, made(marks))).await
    }

    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        finish(cx, op::MARK_CLUSTER, marks).await
    }

    async fn delete(&self, cx: Context<'_>, _: Data) -> Result<Removal> {
        request(cx, op::DELETE_CLUSTER, |inside, name| {
            inside.things.remove(name);
            Ok(Removal::Gone)
        })
        .await
    }
}

/// Identities, with the documents that say what they may do.
struct Identities;

#[async_trait]
impl Reconcile<Memory, Clients> for Identities {
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        let id = cx.full_name(Scope::Identity)?;
        let seen = with_identity(cx, op::GET_IDENTITY, |identity| observed(cx, id, &identity.thing));
        Ok(seen.await.optional()?.unwrap_or(Observed::Absent))
    }

    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let now = cx.gate.clock().now();
        request(cx, op::CREATE_IDENTITY, |inside, name| {
            let known = later(now, inside.settling);
            add(&mut inside.identities, name, Identity { thing: made(marks), known, ..Identity::default() })
        })
        .await
    }

    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let document = Memory::principal(&cx.deployment().layout, cx.deployment().grants(cx.subject)?);
        with_identity(cx, op::SET_IDENTITY, |identity| identity.document = Some(document.clone())).await?;
        with_identity(cx, op::SET_IDENTITY, |identity| mark(&mut identity.thing, marks)).await
    }

    async fn delete(&self, cx: Context<'_>, _: Data) -> Result<Removal> {
        request(cx, op::DELETE_IDENTITY, |inside, name| {
            inside.identities.remove(name);
            Ok(Removal::Gone)
        })
        .await
    }
}

#[async_trait]
impl ReconcileIdentity<Memory, Clients> for Identities {
    async fn claim(&self, cx: Context<'_>) -> Result<Option<Claim>> {
        let claim = with_identity(cx, op::GET_IDENTITY, |identity| identity.claim.clone()).await?;
        Ok(claim.and_then(|claim| claim.parse().ok()))
    }

    async fn write_claim(&self, cx: Context<'_>, claim: Option<&Claim>) -> Result<()> {
        let text = claim.map(ToString::to_string);
        with_identity(cx, op::SET_IDENTITY, |identity| identity.claim.clone_from(&text)).await
    }

    async fn revoke(&self, cx: Context<'_>) -> Result<()> {
        // The next set-up writes the document again.
        with_identity(cx, op::SET_IDENTITY, |identity| {
            (identity.document, identity.thing.fingerprint) = (None, Some(Marks::REVOKED.to_owned()));
        })
        .await
    }
}

#[async_trait]
impl Provider<Memory> for Clients {
    type Clients = Self;

    async fn clients(&self) -> Result<&Self> {
        Ok(self)
    }

    fn identity(&self) -> &dyn ReconcileIdentity<Memory, Clients> {
        &Identities
    }

    fn shared(&self) -> Option<&dyn Reconcile<Memory, Clients>> {
        Some(&Cluster)
    }

    async fn preflight(&self, _: Context<'_>) -> Result<Vec<Problem>> {
        Ok(Vec::new())
    }
}
