//! `alien rollout`: looks at rollouts, and tells them what to do.

use alien_core::rollout::Scope;
use alien_fleet::{Order, Status};

use super::ending::{Total, standing};
use super::open::{self, Absent, Reached};
use super::table::{self, Told};
use crate::args::fleet::{OfProduct, Rollout, RolloutCommand, StatusArgs};
use crate::args::{Format, Shown};
use crate::output::{self, Failure};

pub(crate) async fn rollout(command: &RolloutCommand, shown: Shown) -> Result<(), Failure> {
    match command {
        RolloutCommand::List(args) => list(args, shown).await,
        RolloutCommand::Status(args) => status(args, shown).await,
        RolloutCommand::Pause(args) => order(&args.rollout, Order::Pause(args.why.clone()), shown).await,
        RolloutCommand::Resume(args) => order(args, Order::Resume, shown).await,
        RolloutCommand::Halt(args) => order(&args.rollout, Order::Halt(args.why.clone()), shown).await,
        RolloutCommand::Revert(args) => {
            let scope = if args.wave { Scope::Wave } else { Scope::All };
            order(&args.rollout, Order::Revert(scope), shown).await
        }
        RolloutCommand::Approve(args) => {
            let reached = open::open(&args.rollout.store, Absent::Refuse).await?;
            let id = reached.rollout(args.rollout.rollout.as_ref()).await?;
            let wave = match args.after {
                Some(wave) => wave,
                None => reached.client.status(&id).await?.rollout.head().wave(),
            };
            tell(&reached, &id, &Order::Approve(wave), shown).await
        }
        RolloutCommand::Cancel(args) => order(args, Order::Cancel, shown).await,
    }
}

async fn order(args: &Rollout, order: Order, shown: Shown) -> Result<(), Failure> {
    let reached = open::open(&args.store, Absent::Refuse).await?;
    let id = reached.rollout(args.rollout.as_ref()).await?;
    tell(&reached, &id, &order, shown).await
}

async fn tell(reached: &Reached, id: &alien_fleet::RolloutId, order: &Order, shown: Shown) -> Result<(), Failure> {
    reached.client.order(id, order).await?;
    let status = reached.client.status(id).await?;
    shown.result(&status, table::headline)?;
    let head = status.rollout.head();
    let has_work = head.paused().is_none() && !head.is_over() && super::ending::Ending::of(head).is_none();
    if reached.is_alone() && has_work {
        output::note("nobody works for the fleet now: run `alien fleet run`");
    }
    Ok(())
}

async fn list(args: &OfProduct, shown: Shown) -> Result<(), Failure> {
    let reached = open::open(&args.store, Absent::Refuse).await?;
    let mut all = Vec::new();
    for product in reached.products(args.product.as_ref()).await? {
        all.extend(reached.client.rollouts(&product).await?);
    }
    shown.result(&all, |all| listed(all))
}

fn listed(all: &[Status]) -> String {
    let rows = all.iter().map(|status| {
        let head = status.rollout.head();
        let total = Total::of(head);
        let counts = [total.all, total.good, total.bad, total.unknown, total.not_tried, total.reverted];
        let begin = [status.id.to_string(), head.release().to_string(), standing(head)];
        let end = [status.by.to_string(), status.at.strftime("%F %H:%M").to_string()];
        begin.into_iter().chain(counts.map(|count| count.to_string())).chain(end).collect()
    });
    let header =
        ["rollout", "release", "state", "all", "good", "bad", "unknown", "not tried", "reverted", "by", "begun (UTC)"];
    output::table(Format::Table, &header, rows.collect())
}

async fn status(args: &StatusArgs, shown: Shown) -> Result<(), Failure> {
    let reached = open::open(&args.rollout.store, Absent::Refuse).await?;
    let id = reached.rollout(args.rollout.rollout.as_ref()).await?;
    let status = reached.client.status(&id).await?;
    shown.result(&status, |status| {
        let told = Told::all(&status.rollout, status.now);
        text(status, told.iter().filter(|told| args.all || !told.is_good()))
    })
}

/// The waves of a rollout, and some of its deployments.
fn text<'t>(status: &Status, told: impl Iterator<Item = &'t Told>) -> String {
    let head = status.rollout.head();
    let pace = table::Pace::of(head, status.now).filter(|_| !head.is_over());
    let pace = pace.map(|pace| format!(" ({pace})")).unwrap_or_default();
    let mut text = format!("{}{pace}, begun by {}\n\n{}", table::headline(status), status.by, table::waves(head));
    let told: Vec<&Told> = told.collect();
    if !told.is_empty() {
        text.push_str("\n\n");
        text.push_str(&table::deployments(told));
    }
    text
}
