//! What holds of every event, whatever came before it. The laws are reckoned from the rows, and share no code with the
//! rollout.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use alien_core::DeploymentId;
use alien_core::rollout::*;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// What the laws know of the plan, and of what has happened so far.
#[derive(Debug, Clone)]
pub(super) struct Laws {
    options: Arc<Options>,
    told: BTreeMap<(DeploymentId, bool), Outcome>,
    approved: BTreeSet<u32>,
    accepted: BTreeSet<u32>,
    was_over: u32,
    /// For how long the rollout has been running, pauses left out, and until when that was counted.
    ran: SignedDuration,
    counted: Option<Timestamp>,
}

/// The options of a plan that the laws need.
#[derive(Debug)]
struct Options {
    parallel: Option<u32>,
    parallel_percent: Option<u32>,
    per_account: Option<u32>,
    bake: SignedDuration,
    looks: u32,
    halt_at_bad: Option<u32>,
    halt_at_share: Option<(u32, u32)>,
    gates: BTreeSet<u32>,
    has_canary: bool,
}

fn number(value: &Value) -> Option<u32> {
    value.as_u64().map(|number| number as u32)
}

impl Options {
    fn of(plan: &Plan) -> Self {
        let json = serde_json::to_value(plan).unwrap();
        let share = &json["haltAtShare"];
        Self {
            parallel: number(&json["parallel"]["count"]),
            parallel_percent: number(&json["parallel"]["percent"]),
            per_account: number(&json["perAccount"]),
            bake: json["bake"].as_str().unwrap().parse().unwrap(),
            looks: number(&json["looks"]).unwrap(),
            halt_at_bad: number(&json["haltAtBad"]),
            halt_at_share: number(&share["min"]).zip(number(&share["percent"])),
            gates: json["gates"].as_array().unwrap().iter().filter_map(number).collect(),
            has_canary: !json["canary"].is_null(),
        }
    }
}

fn is_claimed(row: &Row) -> bool {
    matches!(row.stage(), Stage::Claimed(_) | Stage::Begun(_) | Stage::Updating(_))
}

fn parked(row: &Row) -> bool {
    let Stage::Waiting { why: Some(why), .. } = row.stage() else { return false };
    matches!(why, Why::Window(_) | Why::Held(_) | Why::Approval(_) | Why::AdminOnly(_))
}

fn is_rolling(phase: Phase) -> bool {
    matches!(phase, Phase::Open | Phase::Baking | Phase::Gate)
}

fn is_final(phase: Phase) -> bool {
    matches!(phase, Phase::Done | Phase::Reverted | Phase::Superseded | Phase::Cancelled)
}

fn fence_of(event: &Event) -> Option<u64> {
    match event {
        Event::Claim { fence, .. }
        | Event::Work { fence, .. }
        | Event::Look { fence, .. }
        | Event::Expire { fence, .. } => Some(*fence),
        _ => None,
    }
}

impl Laws {
    pub(super) fn new(plan: &Plan) -> Self {
        let (told, approved, accepted) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        Self {
            options: Arc::new(Options::of(plan)),
            told,
            approved,
            accepted,
            was_over: 0,
            ran: SignedDuration::ZERO,
            counted: None,
        }
    }

    /// Checks one event.
    pub(super) fn hold(
        &mut self,
        before: &Rollout,
        event: &Event,
        now: Timestamp,
        after: &Rollout,
        actions: &[Action],
    ) {
        let options = Arc::clone(&self.options);
        if before.head().phase() != Phase::Planned && before.head().paused().is_none() {
            self.ran += self.counted.map_or(SignedDuration::ZERO, |counted| now.duration_since(counted));
        }
        self.counted = Some(now);
        let seen = || format!("{event:?} at {now}: {actions:?}\nbefore: {before:#?}\nafter: {after:#?}");
        if super::fleet::refusal(actions).is_none() {
            match event {
                Event::Approve { wave } => drop(self.approved.insert(*wave)),
                Event::Resume { .. } => {
                    if let Some(PauseReason::NoneGood { wave }) = before.head().paused() {
                        self.accepted.insert(*wave);
                    }
                }
                _ => {}
            }
        }
        for (id, row) in after.rows() {
            let old = &before.rows()[id];
            if old != row {
                assert_eq!(event.deployment(), Some(*id), "an event changes the row it is about: {}", seen());
                the_row_follows(&options, before, event, now, old, row, &seen);
            }
            for (pass, old, new) in [(false, old.outcome(), row.outcome()), (true, old.reverted(), row.reverted())] {
                let told = actions.iter().filter(|action| match action {
                    Action::Tell { deployment, outcome } => {
                        let is_revert = matches!(outcome, Outcome::Reverted | Outcome::NotReverted(_));
                        deployment == id && is_revert == pass && Some(outcome) == new
                    }
                    _ => false,
                });
                assert_eq!(told.count(), usize::from(old != new), "an outcome is told once: {}", seen());
                if old != new {
                    assert_eq!(old, None, "an outcome is never replaced: {}", seen());
                    self.told.insert((*id, pass), new.unwrap().clone());
                }
            }
        }
        if let (Some(fence), Some(row)) = (fence_of(event), event.deployment().map(|id| &before.rows()[&id]))
            && fence != row.fence()
        {
            assert_eq!(super::fleet::refusal(actions), Some(Refusal::Late), "{}", seen());
            assert_eq!(before.rows(), after.rows(), "{}", seen());
        }
        // A clock that is put back counts nothing, and is not reckoned with here.
        let is_exact = self.ran >= SignedDuration::ZERO && !is_final(before.head().phase());
        assert!(!is_exact || after.head().running(now) == self.ran, "a pause stops the time of watching: {}", seen());
        no_more_than_allowed(&options, after, &seen);
        the_head_counts_the_rows(after, &seen);
        self.no_wave_is_opened_early(&options, before, now, after, actions, &seen);
        it_halts_when_it_must(&options, after, actions, &seen);
        let over = actions.iter().filter(|action| matches!(action, Action::Over(_))).count() as u32;
        let again = !before.head().is_over() || matches!(event, Event::Revert(_));
        assert!(over <= u32::from(again), "it is over once: {}", seen());
        self.was_over += over;
        if after.head().is_over() {
            assert!(after.rows().values().all(|row| row.outcome().is_some()), "{}", seen());
            assert!(is_final(after.head().phase()), "{}", seen());
        }
        if let Event::Supersede { by } = event
            && *by > 4.into()
            && !is_final(before.head().phase())
        {
            assert_eq!(after.head().phase(), Phase::Superseded, "a newer release is never blocked: {}", seen());
        }
    }

    fn no_wave_is_opened_early(
        &self,
        options: &Options,
        before: &Rollout,
        now: Timestamp,
        after: &Rollout,
        actions: &[Action],
        seen: &dyn Fn() -> String,
    ) {
        let mut present = before.head().wave();
        for action in actions {
            let Action::Became { phase: Phase::Open, wave } = action else { continue };
            if *wave == present {
                continue;
            }
            assert_eq!(*wave, present + 1, "waves come one after another: {}", seen());
            let rows = || after.rows().values().filter(|row| row.wave() == present);
            assert!(after.head().paused().is_none(), "no wave is opened in a pause: {}", seen());
            assert!(!options.gates.contains(&present) || self.approved.contains(&present), "{}", seen());
            let was_gate = before.head().phase() == Phase::Gate;
            let is_over = |row: &Row| row.outcome().is_some() || parked(row);
            assert!(was_gate || rows().all(is_over), "a wave is opened when the one before is over: {}", seen());
            let is_good = |row: &Row| row.outcome() == Some(&Outcome::Good);
            let none_is_good = rows().count() > 0 && !rows().any(is_good);
            let was_tried = rows().any(|row| matches!(row.outcome(), Some(Outcome::Bad(_) | Outcome::Unknown(_))));
            let is_canary = options.has_canary && present == 0;
            if none_is_good && (is_canary || was_tried) {
                assert!(self.accepted.contains(&present) || was_gate, "an operator accepted it: {}", seen());
            }
            let _ = now;
            present = *wave;
        }
        assert!(after.head().wave() == present, "a wave is opened with a word: {}", seen());
    }

    /// At the end everybody's outcome was told.
    pub(super) fn everything_was_told(&self, rollout: &Rollout) {
        assert!(self.was_over >= 1);
        for (id, row) in rollout.rows() {
            assert_eq!(self.told.get(&(*id, false)), row.outcome());
            assert_eq!(self.told.get(&(*id, true)), row.reverted());
            assert!(row.outcome().is_some());
        }
    }
}

fn the_row_follows(
    options: &Options,
    before: &Rollout,
    event: &Event,
    now: Timestamp,
    old: &Row,
    new: &Row,
    seen: &dyn Fn() -> String,
) {
    let head = before.head();
    let rank = |row: &Row| match row.stage() {
        Stage::Claimed(_) => 1,
        Stage::Begun(_) => 2,
        Stage::Updating(_) => 3,
        _ => 0,
    };
    if new.fence() != old.fence() {
        assert!(!is_claimed(old) && matches!(new.stage(), Stage::Claimed(_)), "one claims at a time: {}", seen());
        assert_eq!(new.fence(), old.fence() + 1, "{}", seen());
    }
    if matches!(event, Event::Work { step: Step::Back { .. }, .. }) {
        let is_silent = matches!(old.stage(), Stage::Waiting { why: Some(Why::Unreachable(_)), .. });
        assert!(is_silent && old.is_uncertain() && old.pass() == new.pass(), "who is back had begun: {}", seen());
        assert!(!is_final(head.phase()), "nothing newer was ordered: {}", seen());
    } else if rank(new) > rank(old) {
        assert_eq!(rank(new), rank(old) + 1, "{}", seen());
        assert!(head.paused().is_none(), "nothing is begun in a pause: {}", seen());
        let may = match old.outcome() {
            None => is_rolling(head.phase()) && new.wave() <= head.wave(),
            Some(_) => head.phase() == Phase::Reverting,
        };
        assert!(may, "nothing is begun out of turn: {}", seen());
        if let Some(lease) = old.lease() {
            assert!(now < lease.until, "nothing is begun after the lease: {}", seen());
        }
    }
    if old.outcome() != new.outcome() {
        let is_failure = matches!(event, Event::Work { step: Step::End(Ended::Failed(_)), .. });
        let is_seen = matches!(event, Event::Look { sight: Sight::Seen(_), .. });
        match new.outcome().unwrap() {
            Outcome::Bad(_) => assert!(is_failure || is_seen, "only the release's own faults count: {}", seen()),
            Outcome::Good => {
                let Stage::Baking { since, well, .. } = old.stage() else { panic!("{}", seen()) };
                assert!(is_seen && *well + 1 >= options.looks, "{}", seen());
                assert!(head.running(now) - *since >= options.bake, "{}", seen());
            }
            Outcome::Unknown(_) => {}
            Outcome::NotTried(_) => {
                assert!(!matches!(old.stage(), Stage::Baking { .. } | Stage::Updating(_)), "{}", seen());
            }
            Outcome::Reverted | Outcome::NotReverted(_) => panic!("{}", seen()),
        }
    }
    if old.reverted() != new.reverted() {
        assert!(new.outcome().is_some(), "{}", seen());
    }
}

fn no_more_than_allowed(options: &Options, after: &Rollout, seen: &dyn Fn() -> String) {
    let claimed = |rollout: &Rollout| rollout.rows().values().filter(|row| is_claimed(row)).count();
    let percent = options.parallel_percent.map(|percent| (after.rows().len() * percent as usize / 100).max(1));
    let most = options.parallel.map(|count| count as usize).or(percent).unwrap();
    assert!(claimed(after) <= most, "{}", seen());
    let mut accounts: BTreeMap<&str, u32> = BTreeMap::new();
    for row in after.rows().values().filter(|row| is_claimed(row)) {
        *accounts.entry(row.account()).or_default() += 1;
    }
    let limit = options.per_account.unwrap_or(u32::MAX);
    assert!(accounts.values().all(|count| *count <= limit), "{}", seen());
}

fn the_head_counts_the_rows(rollout: &Rollout, seen: &dyn Fn() -> String) {
    for (wave, tally) in rollout.head().waves().iter().enumerate() {
        let rows: Vec<&Row> = rollout.rows().values().filter(|row| row.wave() as usize == wave).collect();
        let count = |is_counted: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| is_counted(row)).count() as u32;
        let first = |row: &Row| row.outcome().is_none();
        let counted = [
            (tally.all, count(&|_| true)),
            (tally.waiting, count(&|row| first(row) && matches!(row.stage(), Stage::Waiting { .. }) && !parked(row))),
            (tally.parked, count(&|row| first(row) && parked(row))),
            (tally.claimed, count(&is_claimed)),
            (tally.baking, count(&|row| first(row) && matches!(row.stage(), Stage::Baking { .. }))),
            (tally.good, count(&|row| matches!(row.outcome(), Some(Outcome::Good)))),
            (tally.bad, count(&|row| matches!(row.outcome(), Some(Outcome::Bad(_))))),
            (tally.unknown, count(&|row| matches!(row.outcome(), Some(Outcome::Unknown(_))))),
            (tally.not_tried, count(&|row| matches!(row.outcome(), Some(Outcome::NotTried(_))))),
            (tally.reverted, count(&|row| row.reverted().is_some())),
        ];
        for (position, (kept, reckoned)) in counted.into_iter().enumerate() {
            assert_eq!(kept, reckoned, "count {position} of wave {wave}: {}", seen());
        }
    }
}

fn it_halts_when_it_must(options: &Options, after: &Rollout, actions: &[Action], seen: &dyn Fn() -> String) {
    let count = |is_counted: fn(&Outcome) -> bool| {
        after.rows().values().filter_map(Row::outcome).filter(|outcome| is_counted(outcome)).count() as u32
    };
    let bad = count(|outcome| matches!(outcome, Outcome::Bad(_)));
    let counted = bad + count(|outcome| matches!(outcome, Outcome::Good));
    let by_count = options.halt_at_bad.is_some_and(|limit| bad >= limit);
    let by_share = options.halt_at_share.is_some_and(|(min, percent)| {
        counted >= min && f64::from(bad) / f64::from(counted) >= f64::from(percent) / 100.0
    });
    let must = by_count || by_share;
    assert!(!must || !is_rolling(after.head().phase()), "it must halt: {}", seen());
    for action in actions {
        if let Action::Halted(HaltReason::Bad { bad: told, counted: of }) = action {
            assert!(must, "it halts without need: {}", seen());
            assert_eq!((*told, *of), (bad, counted));
        }
    }
}

/// The same event gives the same with the row alone, and changes nothing when it is told again; and all can be kept.
pub(super) fn the_fold_is_local_and_repeatable(before: &Rollout, event: &Event, now: Timestamp) {
    let (after, actions) = next(before, event, now);
    let one = event.deployment().and_then(|id| Some((id, before.rows().get(&id)?.clone())));
    let alone = Rollout::from_rows(before.head().clone(), one);
    let (after_alone, actions_alone) = next(&alone, event, now);
    assert_eq!(actions_alone, actions, "{event:?}");
    assert_eq!(after_alone.head(), after.head(), "{event:?}");
    for (id, row) in after_alone.rows() {
        assert_eq!(row, &after.rows()[id], "{event:?}");
    }
    // A deployment whose revert was given up has two outcomes to close.
    if !matches!(event, Event::Close { .. }) {
        let (again, repeated) = next(&after, event, now);
        assert_eq!(again, after, "{event:?} a second time: {repeated:?}");
        assert!(!repeated.iter().any(|action| !matches!(action, Action::Refused(_))), "{event:?}: {repeated:?}");
    }
    let (ticked, nothing) = next(&after, &Event::Tick, now);
    assert_eq!((&ticked, &nothing), (&after, &Vec::new()), "it goes on as far as it can at once: {event:?}");
    let kept = serde_json::to_string(&after).unwrap();
    assert_eq!(serde_json::from_str::<Rollout>(&kept).unwrap(), after);
    let kept = serde_json::to_string(&(event, &actions)).unwrap();
    assert_eq!(serde_json::from_str::<(Event, Vec<Action>)>(&kept).unwrap(), (event.clone(), actions));
}
