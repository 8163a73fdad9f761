//! What a rollout does by itself, and what its operators tell it.

use jiff::Timestamp;

use super::event::{Action, Event, Refusal, Scope};
use super::head::{HaltReason, Head, PauseReason, Phase};
use super::plan::OnHalt;

/// Carries out an order of an operator.
pub(super) fn order(head: &mut Head, event: &Event, now: Timestamp, actions: &mut Vec<Action>) -> Result<(), Refusal> {
    match event {
        Event::Start if head.phase == Phase::Planned => {
            if head.paused.is_none() {
                head.start_clock(now);
            }
            open(head, 0, now, actions);
        }
        Event::Start => return Err(Refusal::Late),
        Event::Pause { pause, why } => {
            if head.phase.is_final() {
                return Err(Refusal::Over(head.phase));
            }
            // Of two who pause at once the second has what it wants.
            if head.paused.is_some() {
                return Ok(());
            }
            if *pause != head.pauses + 1 {
                return Err(Refusal::Late);
            }
            suspend(head, PauseReason::Asked(why.clone()), now, actions);
        }
        Event::Resume { pause } => {
            let Some(reason) = head.paused.take_if(|_| *pause == head.pauses) else { return Err(Refusal::Late) };
            head.excused = head.present().unreachable;
            if let PauseReason::NoneGood { wave } = reason {
                head.accepted = Some(wave);
            }
            if head.phase != Phase::Planned {
                head.start_clock(now);
            }
            actions.push(Action::Resumed);
        }
        Event::Halt { why } => match head.phase {
            Phase::Open | Phase::Baking | Phase::Gate => halt(head, HaltReason::Asked(why.clone()), actions),
            Phase::Halted | Phase::Reverting => {}
            Phase::Planned => return Err(Refusal::OutOfStep),
            Phase::Done | Phase::Reverted | Phase::Superseded | Phase::Cancelled => {
                return Err(Refusal::Over(head.phase));
            }
        },
        Event::Revert(scope) => match head.phase {
            _ if head.twin.is_none() => return Err(Refusal::NoTwin),
            Phase::Open | Phase::Baking | Phase::Gate | Phase::Halted | Phase::Done => {
                revert(head, *scope, now, actions);
            }
            Phase::Reverting => {}
            Phase::Planned => return Err(Refusal::OutOfStep),
            Phase::Reverted | Phase::Superseded | Phase::Cancelled => return Err(Refusal::Over(head.phase)),
        },
        Event::Approve { wave } => {
            if *wave as usize >= head.waves().len() {
                return Err(Refusal::OutOfStep);
            }
            head.approved.insert(*wave);
        }
        Event::Supersede { by } => {
            if *by <= head.release.max(head.twin.map_or(head.release, |twin| twin.sequence)) {
                return Err(Refusal::NotNewer);
            }
            end(head, Phase::Superseded, actions)?;
            head.superseded.get_or_insert(*by);
        }
        Event::Cancel => end(head, Phase::Cancelled, actions)?,
        Event::Tick
        | Event::Standing { .. }
        | Event::Claim { .. }
        | Event::Work { .. }
        | Event::Look { .. }
        | Event::Expire { .. }
        | Event::Close { .. } => {}
    }
    Ok(())
}

fn turn_to(head: &mut Head, phase: Phase, actions: &mut Vec<Action>) {
    if head.phase != phase {
        head.phase = phase;
        actions.push(Action::Became { phase, wave: head.wave });
    }
}

fn open(head: &mut Head, wave: u32, now: Timestamp, actions: &mut Vec<Action>) {
    (head.phase, head.wave, head.excused) = (Phase::Open, wave, 0);
    head.opened = head.running(now);
    actions.push(Action::Became { phase: Phase::Open, wave });
}

fn suspend(head: &mut Head, reason: PauseReason, now: Timestamp, actions: &mut Vec<Action>) {
    head.stop_clock(now);
    head.pauses += 1;
    head.paused = Some(reason.clone());
    actions.push(Action::Paused(reason));
}

fn halt(head: &mut Head, reason: HaltReason, actions: &mut Vec<Action>) {
    head.halted = Some(reason.clone());
    actions.push(Action::Halted(reason));
    turn_to(head, Phase::Halted, actions);
}

fn revert(head: &mut Head, scope: Scope, now: Timestamp, actions: &mut Vec<Action>) {
    head.reverting = Some(match scope {
        Scope::Wave => head.wave,
        Scope::All => 0,
    });
    head.opened = head.running(now);
    head.over = false;
    turn_to(head, Phase::Reverting, actions);
}

fn end(head: &mut Head, phase: Phase, actions: &mut Vec<Action>) -> Result<(), Refusal> {
    if head.phase != phase && head.phase.is_final() {
        return Err(Refusal::Over(head.phase));
    }
    turn_to(head, phase, actions);
    Ok(())
}

/// Goes on as far as the counts allow.
pub(super) fn advance(head: &mut Head, now: Timestamp, actions: &mut Vec<Action>) {
    loop {
        let at = (head.phase, head.wave);
        if head.phase.is_rolling() {
            roll(head, now, actions);
        } else if head.phase == Phase::Reverting && head.owed() == 0 && unsettled(head) == 0 {
            turn_to(head, Phase::Reverted, actions);
        }
        if at == (head.phase, head.wave) {
            break;
        }
    }
    if head.phase.is_final() && !head.over && unsettled(head) == 0 && head.owed() == 0 {
        head.over = true;
        actions.push(Action::Over(head.phase));
    }
}

fn unsettled(head: &Head) -> u32 {
    head.sum(super::tally::Tally::unsettled)
}

fn roll(head: &mut Head, now: Timestamp, actions: &mut Vec<Action>) {
    if let Some(reason) = halts(head) {
        halt(head, reason, actions);
        match head.options().on_halt {
            OnHalt::Stop => {}
            OnHalt::RevertWave => revert(head, Scope::Wave, now, actions),
            OnHalt::RevertAll => revert(head, Scope::All, now, actions),
        }
        return;
    }
    let present = head.present();
    head.excused = head.excused.min(present.unreachable);
    if head.paused.is_none()
        && let Some(percent) = head.options().pause_at_unreachable
        && present.unreachable > head.excused
        && reaches(present.unreachable, percent, present.all)
    {
        let reason = PauseReason::Unreachable { count: present.unreachable, of: present.all };
        suspend(head, reason, now, actions);
    }
    let is_last = head.wave + 1 == head.waves().len() as u32;
    // The last wave ends with all others: some of theirs may have waited for their window until now.
    let [busy, baking, parked] = if is_last {
        [
            head.sum(|tally| tally.waiting + tally.claimed),
            head.sum(|tally| tally.baking),
            head.sum(|tally| tally.parked),
        ]
    } else {
        [present.waiting + present.claimed, present.baking, present.parked]
    };
    if head.phase == Phase::Gate {
        if head.approved.contains(&head.wave) && head.paused.is_none() {
            open(head, head.wave + 1, now, actions);
        }
    } else if busy > 0 {
        turn_to(head, Phase::Open, actions);
    } else if baking > 0 {
        turn_to(head, Phase::Baking, actions);
    } else if parked > 0 && head.is_patient(now) && (is_last || present.good == 0) {
        turn_to(head, Phase::Open, actions);
    } else if is_last {
        turn_to(head, Phase::Done, actions);
    } else {
        leave(head, now, actions);
    }
}

/// Goes on from a wave that is over to the next one.
fn leave(head: &mut Head, now: Timestamp, actions: &mut Vec<Action>) {
    let present = head.present();
    let is_canary = head.wave == 0 && head.options().canary.is_some();
    let was_tried = is_canary || present.bad + present.unknown > 0;
    let shows_nothing = present.good == 0 && was_tried && head.accepted != Some(head.wave);
    if shows_nothing {
        if head.paused.is_none() {
            suspend(head, PauseReason::NoneGood { wave: head.wave }, now, actions);
        }
    } else if head.options().gates.contains(&head.wave) {
        turn_to(head, Phase::Gate, actions);
    } else if head.paused.is_none() {
        open(head, head.wave + 1, now, actions);
    }
}

/// Why the rollout has to be halted, if it has.
fn halts(head: &Head) -> Option<HaltReason> {
    let bad = head.sum(|tally| tally.bad);
    let counted = bad + head.sum(|tally| tally.good);
    let plan = head.options();
    let by_count = plan.halt_at_bad.is_some_and(|limit| bad >= limit);
    let by_share = plan.halt_at_share.is_some_and(|share| counted >= share.min && reaches(bad, share.percent, counted));
    (by_count || by_share).then_some(HaltReason::Bad { bad, counted })
}

fn reaches(part: u32, percent: u32, whole: u32) -> bool {
    u64::from(part) * 100 >= u64::from(percent) * u64::from(whole)
}
