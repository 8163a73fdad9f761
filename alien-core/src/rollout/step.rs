//! What happens to one deployment.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::due::{bars, closes, excluded, owed, room, turn, waits_until};
use super::event::{Action, Ended, Event, Refusal, Sight, Step, Work};
use super::head::Head;
use super::row::{Lease, Pass, Row, Stage, Verdict};
use super::why::Why;
use crate::deployment::DeploymentId;
use crate::name::{ResourceId, RunId};

/// Carries out an event of one deployment.
pub(super) fn step(
    head: &Head,
    row: &mut Row,
    event: &Event,
    now: Timestamp,
    actions: &mut Vec<Action>,
) -> Result<(), Refusal> {
    match event {
        Event::Standing { standing, .. } => {
            if standing.revision <= row.standing.revision {
                return Err(Refusal::Late);
            }
            row.standing = standing.clone();
            // A reason that may no longer hold is found anew.
            if row.waits().is_some_and(Why::is_parked) {
                row.wait(None, None);
            }
        }
        Event::Claim { deployment, fence, owner } => {
            if *fence != row.fence {
                return Err(Refusal::Late);
            }
            actions.push(Action::Go(claim(head, row, *deployment, owner, now)?));
        }
        Event::Work { fence, step, .. } => {
            if *fence != row.fence {
                return Err(Refusal::Late);
            }
            work(head, row, step, now)?;
        }
        Event::Look { fence, look, sight, .. } => {
            if *fence != row.fence {
                return Err(Refusal::Late);
            }
            watch(head, row, *look, sight, now)?;
        }
        Event::Expire { fence, .. } => {
            if *fence != row.fence {
                return Err(Refusal::Late);
            }
            let Some(lease) = row.lease() else { return Err(Refusal::Late) };
            if now < lease.until {
                return Err(Refusal::Early);
            }
            if lease.handed {
                let is_updating = matches!(row.stage, Stage::Updating(_));
                let silent = Ended::Unreachable("its agent did not report in time".to_owned());
                end(head, row, &silent, is_updating, now)?;
            } else {
                interrupted(head, row);
            }
        }
        Event::Close { .. } => {
            let verdict = closes(head, row, now).ok_or(Refusal::OutOfStep)?;
            row.pass = owed(head, row).unwrap_or(row.pass);
            row.settle(verdict);
        }
        Event::Tick
        | Event::Start
        | Event::Pause { .. }
        | Event::Resume { .. }
        | Event::Halt { .. }
        | Event::Revert(_)
        | Event::Approve { .. }
        | Event::Supersede { .. }
        | Event::Cancel => {}
    }
    // What is not updated at all does not wait for its time, also if that became known while a worker had it.
    if matches!(row.stage, Stage::Waiting { .. }) && excluded(head, row, row.pass).is_some() {
        row.wait(None, None);
    }
    Ok(())
}

fn claim(head: &Head, row: &mut Row, deployment: DeploymentId, owner: &RunId, now: Timestamp) -> Result<Work, Refusal> {
    let is_free = matches!(row.stage, Stage::Waiting { .. } | Stage::Settled);
    let pass = owed(head, row).filter(|_| is_free && closes(head, row, now).is_none()).ok_or(Refusal::OutOfStep)?;
    if waits_until(row, now).is_some() {
        return Err(Refusal::Waits(row.waits().cloned().unwrap_or(Why::Interrupted)));
    }
    if let Some(why) = turn(head, row, pass) {
        return Err(Refusal::Waits(why));
    }
    if let Some((why, until)) = bars(row, pass, now) {
        if pass == Pass::Release {
            row.wait(Some(why.clone()), until);
        }
        return Err(Refusal::Waits(why));
    }
    if let Some(why) = room(head, row) {
        return Err(Refusal::Waits(why));
    }
    if row.pass != pass {
        (row.pass, row.tries, row.uncertain) = (pass, 0, false);
    }
    row.fence += 1;
    let until = later(now, head.options().lease);
    row.stage = Stage::Claimed(Lease { owner: owner.clone(), until, handed: false });
    let release = match (pass, head.twin) {
        (Pass::Twin, Some(twin)) => twin.sequence,
        _ => head.release,
    };
    Ok(Work { deployment, fence: row.fence, until, release, pass, is_uncertain: row.uncertain })
}

fn work(head: &Head, row: &mut Row, step: &Step, now: Timestamp) -> Result<(), Refusal> {
    let Some(lease) = row.lease().cloned() else { return late(head, row, step, now) };
    match (step, &mut row.stage) {
        (Step::Renew, Stage::Claimed(lease) | Stage::Begun(lease) | Stage::Updating(lease)) => {
            lease.until = lease.until.max(later(now, head.options().lease));
        }
        (Step::Begin { sick }, Stage::Claimed(_)) => {
            may_go_on(head, row, &lease, now)?;
            // What is sick after an update that was interrupted may be the release's fault.
            if !row.touched {
                row.before = sick.clone();
            }
            row.stage = Stage::Begun(lease);
        }
        (Step::Hand { until }, Stage::Begun(_)) => {
            may_go_on(head, row, &lease, now)?;
            row.stage = Stage::Begun(Lease { until: *until, handed: true, ..lease });
        }
        // The calls that it makes are not stopped.
        (Step::Hand { until }, Stage::Updating(kept)) => {
            if now >= lease.until {
                return Err(Refusal::LeaseOver);
            }
            (kept.until, kept.handed) = (*until, true);
        }
        (Step::Send, Stage::Begun(_)) => {
            may_go_on(head, row, &lease, now)?;
            row.touched = true;
            row.stage = Stage::Updating(lease);
        }
        // They were told before, and the worker may go on.
        (Step::Begin { .. }, Stage::Begun(_)) | (Step::Send, Stage::Updating(_)) => {
            if now >= lease.until {
                return Err(Refusal::LeaseOver);
            }
        }
        (Step::End(ended), stage) => {
            let is_updating = matches!(stage, Stage::Updating(_));
            end(head, row, ended, is_updating, now)?;
        }
        _ => return Err(Refusal::OutOfStep),
    }
    Ok(())
}

/// Whoever has begun was silent for too long, and nothing was begun since: what it says of its own attempt still counts.
fn late(head: &Head, row: &mut Row, step: &Step, now: Timestamp) -> Result<(), Refusal> {
    let is_silent = row.uncertain && row.waits().is_some_and(Why::is_blind);
    if !is_silent || owed(head, row) != Some(row.pass) || closes(head, row, now).is_some() {
        return Err(Refusal::OutOfStep);
    }
    match step {
        Step::Back { owner, until } => {
            if let Some(why) = room(head, row) {
                return Err(Refusal::Waits(why));
            }
            row.stage = Stage::Updating(Lease { owner: owner.clone(), until: *until, handed: true });
            Ok(())
        }
        Step::End(ended) => end(head, row, ended, true, now),
        _ => Err(Refusal::OutOfStep),
    }
}

/// Looks again whether a worker may do what it claimed. If not, it has lost the deployment.
fn may_go_on(head: &Head, row: &mut Row, lease: &Lease, now: Timestamp) -> Result<(), Refusal> {
    if now >= lease.until {
        return Err(Refusal::LeaseOver);
    }
    let pass = row.pass;
    let own = || excluded(head, row, pass).or_else(|| bars(row, pass, now).map(|(why, _)| why));
    let Some(why) = turn(head, row, pass).or_else(own) else { return Ok(()) };
    row.wait(None, None);
    Err(Refusal::Waits(why))
}

fn end(head: &Head, row: &mut Row, ended: &Ended, is_updating: bool, now: Timestamp) -> Result<(), Refusal> {
    let plan = head.options();
    match ended {
        Ended::Done | Ended::Failed(_) | Ended::Uncertain if !is_updating => return Err(Refusal::OutOfStep),
        Ended::Waits { why, .. } if is_updating || !why.is_parked() => return Err(Refusal::OutOfStep),
        Ended::Done => {
            (row.tries, row.uncertain) = (0, false);
            let since = head.running(now);
            let next = since.saturating_add(plan.bake / plan.looks as i32);
            row.stage = Stage::Baking { since, next, look: 0, well: 0, sick: 0, blind: 0 };
        }
        Ended::Failed(resources) => {
            row.uncertain = false;
            let worse = worse(resources, &row.before);
            row.settle(if worse.is_empty() {
                Verdict::Open(Why::SickBefore(resources.clone()))
            } else {
                Verdict::Bad(Why::Failed(worse))
            });
        }
        Ended::Uncertain => interrupted(head, row),
        Ended::Fault { why, again } => {
            row.uncertain |= is_updating;
            row.wait(Some(Why::Manager(why.clone())), Some(again.unwrap_or_else(|| later(now, plan.retry))));
        }
        Ended::Unreachable(why) => {
            row.uncertain |= is_updating;
            row.tries += 1;
            let why = Why::Unreachable(why.clone());
            if row.tries >= plan.attempts {
                row.settle(Verdict::Open(why));
            } else {
                row.wait(Some(why), Some(later(now, backoff(plan.retry, row.tries))));
            }
        }
        Ended::Revoked(why) => row.settle(Verdict::Open(Why::Revoked(why.clone()))),
        Ended::AdminOnly(why) => {
            row.uncertain |= is_updating;
            row.wait(Some(Why::AdminOnly(why.clone())), None);
        }
        Ended::Waits { why, until } => row.wait(Some(why.clone()), *until),
    }
    Ok(())
}

/// Takes a deployment from a worker that did not end. What it was sent may have been done.
fn interrupted(head: &Head, row: &mut Row) {
    if matches!(row.stage, Stage::Updating(_)) {
        row.uncertain = true;
        row.tries += 1;
    }
    if row.tries >= head.options().attempts {
        row.settle(Verdict::Open(Why::Interrupted));
    } else {
        row.wait(Some(Why::Interrupted), None);
    }
}

fn watch(head: &Head, row: &mut Row, number: u32, sight: &Sight, now: Timestamp) -> Result<(), Refusal> {
    if closes(head, row, now).is_some() {
        return Err(Refusal::OutOfStep);
    }
    let plan = head.options();
    let running = head.running(now);
    let Stage::Baking { since, next, look, well, sick, blind } = &mut row.stage else {
        return Err(Refusal::OutOfStep);
    };
    if number != *look {
        return Err(Refusal::Late);
    }
    if running < *next {
        return Err(Refusal::Early);
    }
    *look += 1;
    let ends = since.saturating_add(plan.bake);
    let spacing = plan.bake / plan.looks as i32;
    match sight {
        Sight::Seen(resources) => {
            *blind = 0;
            let worse = worse(resources, &row.before);
            if worse.is_empty() {
                (*well, *sick) = (*well + 1, 0);
                // The last look comes at the end, whatever was rounded.
                let at_end = *well + 1 >= plan.looks;
                *next = running.saturating_add(spacing).max(if at_end { ends } else { SignedDuration::ZERO });
                if *well >= plan.looks && running >= ends {
                    row.settle(Verdict::Good);
                }
            } else {
                // It is looked at once more: it may just be starting.
                *sick += 1;
                *next = running.saturating_add(spacing.min(plan.retry));
                if *sick >= 2 {
                    row.settle(Verdict::Bad(Why::Sick(worse)));
                }
            }
        }
        Sight::Unreachable(why) => {
            *blind += 1;
            *next = running.saturating_add(backoff(plan.retry, *blind));
            if *blind >= plan.attempts {
                row.settle(Verdict::Open(Why::Unreachable(why.clone())));
            }
        }
        Sight::Fault(_) => *next = running.saturating_add(plan.retry),
        Sight::Revoked(why) => row.settle(Verdict::Open(Why::Revoked(why.clone()))),
    }
    Ok(())
}

/// What is sick, and was not before.
fn worse(sick: &BTreeMap<ResourceId, String>, before: &BTreeSet<ResourceId>) -> BTreeMap<ResourceId, String> {
    let new = sick.iter().filter(|(id, _)| !before.contains(*id));
    new.map(|(id, why)| (id.clone(), why.clone())).collect()
}

fn backoff(first: SignedDuration, tries: u32) -> SignedDuration {
    first.saturating_mul(1 << tries.saturating_sub(1).min(4))
}

fn later(now: Timestamp, time: SignedDuration) -> Timestamp {
    now.saturating_add(time).unwrap_or(Timestamp::MAX)
}
