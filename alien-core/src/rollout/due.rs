//! What is due for a deployment, and why it waits.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::head::{Head, Phase};
use super::row::{Pass, Row, Stage, Verdict};
use super::sequence::Sequence;
use super::why::Why;

/// What is due for a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// A worker claims it: [`Event::Claim`](super::Event::Claim).
    Claim,
    /// Somebody looks at it: [`Event::Look`](super::Event::Look). No claim is needed.
    Look {
        /// The number of the look.
        look: u32,
    },
    /// Its worker did not come back: [`Event::Expire`](super::Event::Expire).
    Expire,
    /// Nothing more is done for it: [`Event::Close`](super::Event::Close).
    Close,
}

/// What is due for this deployment now.
pub(super) fn task(head: &Head, row: &Row, now: Timestamp) -> Option<Task> {
    if let Some(lease) = row.lease() {
        return (now >= lease.until).then_some(Task::Expire);
    }
    if closes(head, row, now).is_some() {
        return Some(Task::Close);
    }
    if let Stage::Baking { next, look, .. } = row.stage {
        let is_due = head.paused.is_none() && head.running(now) >= next;
        return is_due.then_some(Task::Look { look });
    }
    let pass = owed(head, row)?;
    let is_free = waits_until(row, now).is_none() && turn(head, row, pass).is_none();
    // Who is not claimed but parked needs no place.
    let is_parked = pass == Pass::Release && bars(row, pass, now).is_some();
    let is_claimed = bars(row, pass, now).is_none() && room(head, row).is_none();
    (is_free && (is_parked || is_claimed)).then_some(Task::Claim)
}

/// When the next task of this deployment can be due, if nothing else happens.
pub(super) fn next(head: &Head, row: &Row, now: Timestamp) -> Option<Timestamp> {
    if let Some(lease) = row.lease() {
        return Some(lease.until);
    }
    if task(head, row, now).is_some() {
        return Some(now);
    }
    match &row.stage {
        Stage::Baking { next, .. } => head.reaches(*next),
        _ => waits_until(row, now).flatten(),
    }
}

/// Why a deployment without a worker waits; `None` if nothing keeps it, or it does not wait.
pub(super) fn why(head: &Head, row: &Row, now: Timestamp) -> Option<Why> {
    if row.lease().is_some() || matches!(row.stage, Stage::Baking { .. }) {
        return None;
    }
    let pass = owed(head, row)?;
    let own = waits_until(row, now).and_then(|_| row.waits().cloned());
    let head_first = head.paused.as_ref().map(|_| Why::Paused);
    head_first
        .or(own)
        .or_else(|| turn(head, row, pass))
        .or_else(|| bars(row, pass, now).map(|(why, _)| why))
        .or_else(|| room(head, row))
}

/// The pass that is still to be done; `None` if nothing is.
pub(super) fn owed(head: &Head, row: &Row) -> Option<Pass> {
    match row.outcome {
        None => Some(Pass::Release),
        Some(_) => head.owes(row).then_some(Pass::Twin),
    }
}

/// Whether it waits by itself, and until when, if that is known.
pub(super) fn waits_until(row: &Row, now: Timestamp) -> Option<Option<Timestamp>> {
    match &row.stage {
        Stage::Waiting { due: Some(due), .. } => (*due > now).then_some(Some(*due)),
        Stage::Waiting { why: Some(why), due: None } if why.is_parked() => Some(None),
        _ => None,
    }
}

/// Why the rollout as a whole does not let a worker begin with it.
pub(super) fn turn(head: &Head, row: &Row, pass: Pass) -> Option<Why> {
    head.paused.as_ref().map(|_| Why::Paused).or_else(|| out_of_turn(head, row, pass))
}

fn out_of_turn(head: &Head, row: &Row, pass: Pass) -> Option<Why> {
    match (pass, head.phase) {
        (Pass::Release, Phase::Open | Phase::Baking | Phase::Gate) if row.wave <= head.wave => None,
        (Pass::Twin, Phase::Reverting) => None,
        (_, Phase::Gate) if row.wave == head.wave + 1 => Some(Why::Gate(head.wave)),
        (_, Phase::Open | Phase::Baking | Phase::Gate) => Some(Why::Wave(row.wave)),
        (_, Phase::Planned) => Some(Why::Planned),
        (_, Phase::Halted | Phase::Reverting | Phase::Reverted) => Some(Why::Halted),
        (_, Phase::Superseded) => Some(Why::Superseded(head.superseded.unwrap_or(head.release))),
        (_, Phase::Cancelled) => Some(Why::Cancelled),
        (_, Phase::Done) => Some(Why::Done),
    }
}

/// Why it must not be touched for now, and when that ends, if that is known. A revert does not wait for a window.
pub(super) fn bars(row: &Row, pass: Pass, now: Timestamp) -> Option<(Why, Option<Timestamp>)> {
    let closed = || {
        let window = row.standing.window.as_ref().filter(|_| pass == Pass::Release)?;
        window.opens(now).map(|opens| (Why::Window(opens), Some(opens)))
    };
    row.standing.bars().map(|why| (why, None)).or_else(closed)
}

/// Why it must not be touched at all.
pub(super) fn excluded(head: &Head, row: &Row, pass: Pass) -> Option<Why> {
    let newer = |ran: &Sequence| *ran > head.release;
    match (pass, head.twin) {
        (Pass::Release, _) => {
            let ran_newer = || row.ran.filter(newer).map(Why::Superseded);
            row.standing.excludes(head.release).or_else(ran_newer)
        }
        (Pass::Twin, Some(twin)) => {
            let is_older = !head.options().to_twin && row.ran.is_none_or(|ran| ran < twin.content);
            row.standing.excludes(twin.sequence).or_else(|| is_older.then_some(Why::Older(row.ran)))
        }
        (Pass::Twin, None) => None,
    }
}

/// Why no further worker may begin.
pub(super) fn room(head: &Head, row: &Row) -> Option<Why> {
    let account_is_full = |limit| head.claimed_in(&row.account) >= limit;
    if head.claimed() >= head.parallel() {
        Some(Why::Parallel)
    } else if head.options().per_account.is_some_and(account_is_full) {
        Some(Why::Account)
    } else {
        None
    }
}

/// How the row ends, if nothing more is done for it.
pub(super) fn closes(head: &Head, row: &Row, now: Timestamp) -> Option<Verdict> {
    let is_waiting = match row.stage {
        Stage::Claimed(_) | Stage::Begun(_) | Stage::Updating(_) => return None,
        Stage::Waiting { .. } | Stage::Settled => true,
        Stage::Baking { .. } => false,
    };
    let pass = owed(head, row)?;
    let why = match (head.phase, pass) {
        (Phase::Superseded | Phase::Cancelled, _) => out_of_turn(head, row, pass),
        (Phase::Open | Phase::Baking | Phase::Gate, Pass::Release) if is_waiting && row.wave <= head.wave => {
            excluded(head, row, pass)
        }
        (Phase::Reverting, Pass::Twin) if is_waiting => {
            let is_over = !head.is_patient(now);
            let own = || row.waits().filter(|why| why.is_parked()).cloned();
            excluded(head, row, pass).or_else(|| row.standing.bars().or_else(own).filter(|_| is_over))
        }
        (Phase::Reverting | Phase::Reverted, Pass::Release) if is_waiting || head.reverting <= Some(row.wave) => {
            Some(Why::Halted)
        }
        (Phase::Done, Pass::Release) => Some(row.waits().cloned().unwrap_or(Why::Done)),
        _ => None,
    };
    why.map(Verdict::Open)
}
