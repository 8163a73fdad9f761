//! `alien fleet events`: what happened, and who did it.

use alien_core::rollout::{Action, PauseReason};
use alien_fleet::api::Client;
use alien_fleet::{Entry, What};
use futures_util::TryStreamExt as _;

use super::open::{self, Absent};
use crate::args::Shown;
use crate::args::fleet::EventsArgs;
use crate::interrupt::Interrupts;
use crate::output::{self, Failure};

/// How many entries are read at once.
const PAGE: usize = 500;

pub(super) async fn events(args: &EventsArgs, shown: Shown) -> Result<(), Failure> {
    let reached = open::open(&args.store, Absent::Refuse).await?;
    if !args.follow {
        let mut after = args.since;
        loop {
            let page = reached.client.log(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.number;
            page.iter().try_for_each(|entry| show(entry, shown))?;
        }
    }
    let mut interrupts = Interrupts::new()?;
    let reached = reached.answering().await?;
    let follow = follow(&reached.client, args, shown);
    tokio::select! {
        followed = follow => followed,
        () = interrupts.next() => Ok(()),
        () = output::unread() => Ok(()),
    }
}

async fn follow(client: &Client, args: &EventsArgs, shown: Shown) -> Result<(), Failure> {
    let mut entries = client.follow(args.since);
    while let Some(entry) = entries.try_next().await? {
        show(&entry, shown)?;
    }
    Ok(())
}

fn show(entry: &Entry, shown: Shown) -> Result<(), Failure> {
    shown.entry(entry, |Entry { number, at, who, what, .. }| {
        format!("{number:>6} {} {who}: {}", at.strftime("%F %T"), words(what))
    })
}

fn words(what: &What) -> String {
    match what {
        What::Published { product, release, twin_of: Some(before), .. } => {
            format!("published release {release} of `{product}`, to be reverted to {before}")
        }
        What::Published { product, release, twin_of: None, .. } => {
            format!("published release {release} of `{product}`")
        }
        What::Registered { deployment, product } => format!("registered {deployment} of `{product}`"),
        What::Removed { deployment, .. } => format!("removed {deployment}"),
        What::Set { deployment, change, .. } => format!("{deployment}: {change}"),
        What::Begun { rollout, release, deployments } => {
            format!("began rollout {rollout} of release {release} to {deployments} deployments")
        }
        What::Ordered { rollout, order } => format!("told rollout {rollout}: {order}"),
        What::Claimed { rollout, deployment, release, .. } => {
            format!("claimed {deployment} for release {release} (rollout {rollout})")
        }
        What::Handed { rollout, deployment, release, .. } => {
            format!("handed {deployment} to its agent for release {release} (rollout {rollout})")
        }
        What::Reported { rollout, deployment, release, what, .. } => {
            format!("agent of {deployment} about release {release}: {what} (rollout {rollout})")
        }
        What::Outcome { rollout, deployment, outcome } => format!("{deployment} is {outcome} (rollout {rollout})"),
        What::Moved { rollout, action } => format!("rollout {rollout}: {}", moved(action)),
        What::Health { deployment, health, .. } => format!("{deployment}: {health}"),
        What::Used { deployment, resource, operation, .. } => format!("{operation} of `{resource}` of {deployment}"),
        What::TokenMade { token, name, role, products, .. } => {
            format!("made token {token}: {name} may {role} ({products})")
        }
        What::TokenRevoked { token } => format!("revoked token {token}"),
        // What a newer library logs.
        other => serde_json::to_string(other).unwrap_or_default(),
    }
}

fn moved(action: &Action) -> String {
    match action {
        Action::Became { phase, wave } => format!("{phase} (wave {wave})"),
        Action::Paused(PauseReason::Asked(why)) => format!("paused: {why}"),
        Action::Paused(reason) => format!("paused: {}", serde_json::to_string(reason).unwrap_or_default()),
        Action::Resumed => "goes on".to_owned(),
        Action::Halted(reason) => format!("halted: {}", serde_json::to_string(reason).unwrap_or_default()),
        Action::Over(phase) => format!("over: {phase}"),
        Action::Go(_) | Action::Refused(_) | Action::Tell { .. } => serde_json::to_string(action).unwrap_or_default(),
    }
}
