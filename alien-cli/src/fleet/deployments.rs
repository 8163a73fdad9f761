//! `alien deployments`: the deployments of a fleet, and what holds for each.

use alien_core::rollout::{Sequence, Window};
use alien_core::{Clock as _, CommandId, Exit, SystemClock};
use alien_fleet::{Fit, Listed, Setting};

use super::listing::{self, Known};
use super::open::{self, Absent};
use crate::args::fleet::{
    DeploymentDispatchArgs, DeploymentLogsArgs, DeploymentsCommand, InviteArgs, LabelArgs, OfProduct, One,
    RegisterArgs, RemoveArgs, ShowArgs, WindowArgs,
};
use crate::ask::Consent;
use crate::keys::{self, Signing};
use crate::output::{self, Failure};
use crate::{file, watch};

pub(crate) async fn deployments(command: &DeploymentsCommand) -> Result<(), Failure> {
    match command {
        DeploymentsCommand::List(args) => list(args).await,
        DeploymentsCommand::Show(args) => show(args).await,
        DeploymentsCommand::Pin(args) => set(&args.one, [Setting::Pin(args.release.into())]).await,
        DeploymentsCommand::Unpin(one) => set(one, [Setting::Unpin]).await,
        DeploymentsCommand::Label(args) => set(&args.one, labels(args)).await,
        DeploymentsCommand::Window(args) => set(&args.one, [opening(args)?]).await,
        DeploymentsCommand::Hold(args) => set(&args.one, [Setting::Hold(args.why.clone())]).await,
        DeploymentsCommand::Unhold(one) => set(one, [Setting::Release]).await,
        DeploymentsCommand::Register(args) => register(args).await,
        DeploymentsCommand::Remove(args) => remove(args).await,
        DeploymentsCommand::Invite(args) => invite(args).await,
        DeploymentsCommand::Logs(args) => logs(args).await,
        DeploymentsCommand::Dispatch(args) => dispatch(args).await,
    }
}

async fn list(args: &OfProduct) -> Result<(), Failure> {
    let reached = open::open(&args.store, Absent::Refuse).await?;
    let mut all: Vec<Known> = Vec::new();
    for product in reached.products(args.product.as_ref()).await? {
        all.extend(listing::known(&reached.client, &product).await?);
    }
    if args.shown.json { output::json(&all) } else { output::line(listing::text(&all)) }
}

async fn show(args: &ShowArgs) -> Result<(), Failure> {
    let reached = open::open(&args.one.store, Absent::Refuse).await?;
    let (listed, record) = reached.client.deployment(args.one.id).await?;
    let all = listing::known(&reached.client, &listed.product).await?;
    let found = all.into_iter().find(|known| known.listed.id == listed.id);
    let known = found.unwrap_or(Known { listed, runs: None, health: None });
    if args.shown.json {
        return output::json(&serde_json::json!({ "deployment": known, "record": record }));
    }
    output::line(listing::whole(&known, &record))
}

fn labels(args: &LabelArgs) -> Vec<Setting> {
    let set = args.set.iter().map(|(name, value)| Setting::Label(name.clone(), value.clone()));
    set.chain(args.remove.iter().cloned().map(Setting::Unlabel)).collect()
}

fn opening(args: &WindowArgs) -> Result<Setting, Failure> {
    let Some(text) = &args.window else { return Ok(Setting::AnyTime) };
    Ok(Setting::Window(Window::read(text, SystemClock.now())?))
}

async fn set(one: &One, settings: impl IntoIterator<Item = Setting>) -> Result<(), Failure> {
    let reached = open::open(&one.store, Absent::Refuse).await?;
    for setting in settings {
        reached.client.set(one.id, setting.clone()).await?;
        let told = match &setting {
            Setting::Window(window) => format!("update in its window alone: {window}"),
            other => other.to_string(),
        };
        output::line(format_args!("{}: {told}", one.id))?;
    }
    Ok(())
}

async fn register(args: &RegisterArgs) -> Result<(), Failure> {
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
    let Listed { id, product, account, .. } = match &key {
        Some(key) => client.register_agent(&invitation, &record, key).await?,
        None => client.register(&invitation, &record).await?,
    };
    for (name, value) in &args.label {
        reached.client.set(id, Setting::Label(name.clone(), value.clone())).await?;
    }
    output::line(format_args!("registered {id} of `{product}` ({account})"))
}

async fn remove(args: &RemoveArgs) -> Result<(), Failure> {
    let consent = Consent::of(args.yes, false)?;
    let reached = open::open(&args.one.store, Absent::Refuse).await?;
    let (listed, _) = reached.client.deployment(args.one.id).await?;
    consent.to(&format!("remove {} ({}) from the fleet", listed.id, listed.account)).await?;
    reached.client.remove(listed.id).await?;
    output::line(format_args!("removed {} from the fleet; its customer's admin takes it down", listed.id))
}

async fn logs(args: &DeploymentLogsArgs) -> Result<(), Failure> {
    let reached = open::calling(&args.of.fleet, Absent::Refuse).await?;
    let since = args.since.before(SystemClock.now());
    let lines = reached.client.logs(args.of.id, &args.resource, Some(since), args.limit.into()).await?;
    lines.iter().try_for_each(|line| watch::show(line, args.json))
}

async fn dispatch(args: &DeploymentDispatchArgs) -> Result<(), Failure> {
    let payload = watch::payload(&args.payload)?;
    let reached = open::calling(&args.of.fleet, Absent::Refuse).await?;
    let answer = reached.client.dispatch(args.of.id, &args.resource, CommandId::new(), &payload).await?;
    output::answer(&answer)
}

async fn invite(args: &InviteArgs) -> Result<(), Failure> {
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
            signing.written(*invitation).await?.to(args.out.as_deref())
        }
        Some(Fit::NotThere { problems }) => Err(Failure::Refused(problems)),
        Some(Fit::Ready) | None => {
            let what = format!("its customer's admin has nothing to do for release {}", release.sequence());
            Err(Failure::stopped(Exit::Drift, format!("{}: {what}", listed.id)))
        }
    }
}
