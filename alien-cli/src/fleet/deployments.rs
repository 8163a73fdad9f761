//! `alien deployments`: the deployments of a fleet, and what holds for each.

use alien_core::rollout::{Sequence, Window};
use alien_core::{Clock as _, CommandId, Deployment, DeploymentId, Exit, SystemClock};
use alien_fleet::{Fit, Listed, Setting};
use schemars::JsonSchema;
use serde::Serialize;

use super::listing::{self, Known};
use super::open::{self, Absent};
use crate::args::Shown;
use crate::args::fleet::{
    DeploymentDispatchArgs, DeploymentLogsArgs, DeploymentsCommand, InviteArgs, LabelArgs, OfProduct, One,
    RegisterArgs, RemoveArgs, ShowArgs, WindowArgs,
};
use crate::ask::Consent;
use crate::keys::{self, Signing};
use crate::output::{self, Failure};
use crate::{file, watch};

pub(crate) async fn deployments(command: &DeploymentsCommand, shown: Shown) -> Result<(), Failure> {
    match command {
        DeploymentsCommand::List(args) => list(args, shown).await,
        DeploymentsCommand::Show(args) => show(args, shown).await,
        DeploymentsCommand::Pin(args) => set(&args.one, [Setting::Pin(args.release.into())], shown).await,
        DeploymentsCommand::Unpin(one) => set(one, [Setting::Unpin], shown).await,
        DeploymentsCommand::Label(args) => set(&args.one, labels(args), shown).await,
        DeploymentsCommand::Window(args) => set(&args.one, [opening(args)?], shown).await,
        DeploymentsCommand::Hold(args) => set(&args.one, [Setting::Hold(args.why.clone())], shown).await,
        DeploymentsCommand::Unhold(one) => set(one, [Setting::Release], shown).await,
        DeploymentsCommand::Register(args) => register(args, shown).await,
        DeploymentsCommand::Remove(args) => remove(args, shown).await,
        DeploymentsCommand::Invite(args) => invite(args, shown).await,
        DeploymentsCommand::Logs(args) => logs(args, shown).await,
        DeploymentsCommand::Dispatch(args) => dispatch(args, shown).await,
    }
}

async fn list(args: &OfProduct, shown: Shown) -> Result<(), Failure> {
    let reached = open::open(&args.store, Absent::Refuse).await?;
    let mut all: Vec<Known> = Vec::new();
    for product in reached.products(args.product.as_ref()).await? {
        all.extend(listing::known(&reached.client, &product).await?);
    }
    shown.result(&all, |all| listing::text(all))
}

/// The result of `alien deployments show`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Whole {
    /// What the fleet knows of the deployment.
    deployment: Known,
    /// Its record.
    record: Deployment,
}

async fn show(args: &ShowArgs, shown: Shown) -> Result<(), Failure> {
    let reached = open::open(&args.one.store, Absent::Refuse).await?;
    let (listed, record) = reached.client.deployment(args.one.id).await?;
    let all = listing::known(&reached.client, &listed.product).await?;
    let found = all.into_iter().find(|known| known.listed.id == listed.id);
    let deployment = found.unwrap_or(Known { listed, runs: None, health: None });
    shown.result(&Whole { deployment, record }, |Whole { deployment, record }| listing::whole(deployment, record))
}

fn labels(args: &LabelArgs) -> Vec<Setting> {
    let set = args.set.iter().map(|(name, value)| Setting::Label(name.clone(), value.clone()));
    set.chain(args.remove.iter().cloned().map(Setting::Unlabel)).collect()
}

fn opening(args: &WindowArgs) -> Result<Setting, Failure> {
    let Some(text) = &args.window else { return Ok(Setting::AnyTime) };
    Ok(Setting::Window(Window::read(text, SystemClock.now())?))
}

/// The result of a command that says something of a deployment.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Said {
    /// The deployment.
    deployment: DeploymentId,
    /// What was said of it.
    said: Vec<Setting>,
}

impl Said {
    fn text(&self) -> String {
        let told = self.said.iter().map(|setting| match setting {
            Setting::Window(window) => format!("{}: update in its window alone: {window}", self.deployment),
            other => format!("{}: {other}", self.deployment),
        });
        told.collect::<Vec<_>>().join("\n")
    }
}

async fn set(one: &One, settings: impl IntoIterator<Item = Setting>, shown: Shown) -> Result<(), Failure> {
    let reached = open::open(&one.store, Absent::Refuse).await?;
    let mut said = Said { deployment: one.id, said: Vec::new() };
    for setting in settings {
        if let Err(error) = reached.client.set(one.id, setting.clone()).await {
            // What was said before that stays.
            if !said.said.is_empty() {
                output::note(said.text());
            }
            return Err(error.into());
        }
        said.said.push(setting);
    }
    shown.result(&said, Said::text)
}

async fn register(args: &RegisterArgs, shown: Shown) -> Result<(), Failure> {
    let (invitation, record) = output::both(file::invitation(&args.invitation), file::record(&args.record))?;
    // Differences are found without opening the store.
    let differences = invitation.differences(&record);
    if !differences.is_empty() {
        return Err(Failure::Refused(differences));
    }
    let given = args.agent_key.as_deref().map(keys::public).transpose()?;
    let recorded = || record.agent_key.as_deref().map(str::parse).transpose();
    let key = given.map_or_else(recorded, |key| Ok(Some(key)))?;
    let reached = open::calling(&args.fleet, Absent::Make).await?;
    let client = &reached.client;
    let mut listed = match &key {
        Some(key) => client.register_agent(&invitation, &record, key).await?,
        None => client.register(&invitation, &record).await?,
    };
    for (name, value) in &args.label {
        client.set(listed.id, Setting::Label(name.clone(), value.clone())).await?;
        listed.labels.insert(name.clone(), value.clone());
    }
    shown.result(&listed, |Listed { id, product, account, .. }| format!("registered {id} of `{product}` ({account})"))
}

async fn remove(args: &RemoveArgs, shown: Shown) -> Result<(), Failure> {
    let consent = Consent::of(args.yes, shown.json)?;
    let reached = open::open(&args.one.store, Absent::Refuse).await?;
    let (listed, _) = reached.client.deployment(args.one.id).await?;
    consent.to(&format!("remove {} ({}) from the fleet", listed.id, listed.account)).await?;
    reached.client.remove(listed.id).await?;
    shown.result(&listed, |listed| format!("removed {} from the fleet; its customer's admin takes it down", listed.id))
}

async fn logs(args: &DeploymentLogsArgs, shown: Shown) -> Result<(), Failure> {
    let reached = open::calling(&args.of.fleet, Absent::Refuse).await?;
    let since = args.since.before(SystemClock.now());
    let lines = reached.client.logs(args.of.id, &args.resource, Some(since), args.limit.into()).await?;
    lines.iter().try_for_each(|line| watch::show(line, shown))
}

async fn dispatch(args: &DeploymentDispatchArgs, shown: Shown) -> Result<(), Failure> {
    let payload = watch::payload(&args.payload)?;
    let reached = open::calling(&args.of.fleet, Absent::Refuse).await?;
    let answer = reached.client.dispatch(args.of.id, &args.resource, CommandId::new(), &payload).await?;
    watch::answer(answer, shown)
}

async fn invite(args: &InviteArgs, shown: Shown) -> Result<(), Failure> {
    let signing = Signing::of(&args.sign)?;
    let reached = open::open(&args.one.store, Absent::Refuse).await?;
    let (listed, _) = reached.client.deployment(args.one.id).await?;
    let release = match args.release {
        Some(number) => Some(reached.client.published(&listed.product, Sequence::from(number)).await?),
        None => reached.client.last_release(&listed.product).await?,
    };
    let release =
        release.ok_or_else(|| Failure::stopped(Exit::Drift, format!("`{}` has no release yet", listed.product)))?;
    let all = reached.client.check(&release).await?;
    let fit = all.into_iter().find(|fitted| fitted.deployment == listed.id).map(|fitted| fitted.fit);
    match fit {
        Some(Fit::AdminOnly { changes, invitation }) => {
            output::warn(&changes);
            signing.written(*invitation).await?.to(args.out.as_deref(), shown)
        }
        Some(Fit::NotThere { problems }) => Err(Failure::Refused(problems)),
        Some(Fit::Ready) | None => {
            let what = format!("its customer's admin has nothing to do for release {}", release.sequence());
            Err(Failure::stopped(Exit::Drift, format!("{}: {what}", listed.id)))
        }
    }
}
