//! Rollouts as text.

use alien_core::DeploymentId;
use alien_core::rollout::{Head, Outcome, Rollout, Row, Stage};
use alien_fleet::Status;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::ending::{Total, standing};
use crate::args::Format;
use crate::output;

/// The waves of a rollout.
pub(super) fn waves(head: &Head) -> String {
    let rows = head.waves().iter().enumerate().map(|(number, wave)| {
        let name = if number == head.wave() as usize { format!("{number} *") } else { number.to_string() };
        let counts = [wave.all, wave.good, wave.bad, wave.unknown, wave.not_tried, wave.baking, wave.claimed];
        let waits = [wave.waiting, wave.parked, wave.reverted];
        [name].into_iter().chain(counts.into_iter().chain(waits).map(count)).collect()
    });
    let header =
        ["wave", "all", "good", "bad", "unknown", "not tried", "watched", "updating", "waiting", "parked", "reverted"];
    output::table(Format::Table, &header, rows.collect())
}

/// Zeros are noise among many numbers.
fn count(number: u32) -> String {
    if number == 0 { "·".to_owned() } else { number.to_string() }
}

/// A deployment of a rollout, and how it is in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "RolloutDeployment")]
pub(super) struct Told {
    /// The deployment.
    pub(super) deployment: DeploymentId,
    /// The cloud and the account it is in.
    pub(super) account: String,
    /// Its wave.
    pub(super) wave: u32,
    /// As `good` or `waiting`.
    pub(super) state: &'static str,
    /// The reason.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) why: String,
}

impl Told {
    pub(super) fn of(rollout: &Rollout, deployment: DeploymentId, row: &Row, now: Timestamp) -> Self {
        let (state, why) = state(rollout, deployment, row, now);
        Self { deployment, account: row.account().to_owned(), wave: row.wave(), state, why }
    }

    /// All deployments of a rollout, by waves.
    pub(super) fn all(rollout: &Rollout, now: Timestamp) -> Vec<Self> {
        let all = rollout.rows().iter().map(|(id, row)| Self::of(rollout, *id, row, now));
        let mut all: Vec<Self> = all.collect();
        all.sort_by_key(|told| (told.wave, told.deployment));
        all
    }

    /// Whether the release, or the revert, failed on it.
    pub(super) fn is_failure(&self) -> bool {
        [BAD, UNKNOWN, NOT_REVERTED].contains(&self.state)
    }

    /// Whether there is nothing to say of it.
    pub(super) fn is_good(&self) -> bool {
        self.state == GOOD
    }

    /// As `0189… (gcp project) is bad: …`.
    pub(super) fn line(&self) -> String {
        let why = if self.why.is_empty() { String::new() } else { format!(": {}", self.why) };
        format!("{} ({}) {}{why}", self.deployment, self.account, self.state)
    }
}

const GOOD: &str = "good";
const BAD: &str = "bad";
const UNKNOWN: &str = "unknown";
const NOT_REVERTED: &str = "bad, not reverted";

fn state(rollout: &Rollout, id: DeploymentId, row: &Row, now: Timestamp) -> (&'static str, String) {
    let is_reverted = row.outcome().is_some();
    match (row.stage(), row.reverted().or(row.outcome())) {
        (Stage::Waiting { .. }, _) => {
            let why = rollout.why(id, now).map(|why| why.to_string()).unwrap_or_default();
            (if is_reverted { "to be reverted" } else { "waiting" }, why)
        }
        (Stage::Claimed(lease) | Stage::Begun(lease) | Stage::Updating(lease), _) => {
            let why = format!("by {}, until {} at least", lease.owner, lease.until);
            (if is_reverted { "reverting" } else { "updating" }, why)
        }
        (Stage::Baking { well, sick, blind, .. }, _) => {
            let looks = [(*well, "well"), (*sick, "sick"), (*blind, "out of sight")].into_iter();
            let looks = looks.filter(|(count, _)| *count > 0).map(|(count, how)| format!("{count} looks {how}"));
            ("watched", looks.collect::<Vec<_>>().join(", "))
        }
        (Stage::Settled, Some(outcome)) => {
            let word = match outcome {
                Outcome::Good => GOOD,
                Outcome::Bad(_) => BAD,
                Outcome::Unknown(_) => UNKNOWN,
                Outcome::NotTried(_) => "not tried",
                Outcome::Reverted => "reverted",
                Outcome::NotReverted(_) => NOT_REVERTED,
            };
            (word, outcome.why().map(ToString::to_string).unwrap_or_default())
        }
        (Stage::Settled, None) => ("settled", String::new()),
    }
}

/// Deployments of a rollout as a table.
pub(super) fn deployments<'t>(told: impl IntoIterator<Item = &'t Told>) -> String {
    let rows = told.into_iter().map(|told| {
        let (id, account) = (told.deployment.to_string(), told.account.clone());
        vec![told.wave.to_string(), id, account, told.state.to_owned(), told.why.clone()]
    });
    output::table(Format::Table, &["wave", "deployment", "account", "state", "why"], rows.collect())
}

/// A rollout in a line: `rollout shop/3 of release 5: wave 1 is open`.
pub(super) fn headline(status: &Status) -> String {
    let head = status.rollout.head();
    format!("rollout {} of release {}: {}", status.id, head.release(), standing(head))
}

/// How fast a rollout goes, and how long it takes at that pace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pace {
    /// Updated in a minute.
    pub(super) per_minute: f64,
    /// `None` if nothing is left that goes on by itself.
    pub(super) left: Option<SignedDuration>,
}

impl Pace {
    /// `None` until the first is updated. Pauses are left out, and so are those that wait for their customer.
    pub(super) fn of(head: &Head, now: Timestamp) -> Option<Self> {
        let total = Total::of(head);
        let done = total.good + total.bad + total.unknown + total.baking;
        let ran = head.running(now).as_secs_f64();
        if done == 0 || ran <= 0.0 {
            return None;
        }
        let left = total.claimed + total.waiting;
        let time = ran * f64::from(left) / f64::from(done);
        let left = (left > 0).then(|| SignedDuration::from_secs(time as i64));
        Some(Self { per_minute: f64::from(done) * 60.0 / ran, left })
    }
}

/// As `12 a minute, 3m left`.
impl std::fmt::Display for Pace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.per_minute >= 10.0 {
            write!(f, "{:.0} a minute", self.per_minute)?;
        } else {
            write!(f, "{:.1} a minute", self.per_minute)?;
        }
        self.left.map_or(Ok(()), |left| write!(f, ", about {left:#} left"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use alien_core::rollout::{Ended, Event, Scope};

    use super::*;
    use crate::fleet::example::{end, id, rollout, updated};

    fn failed() -> Ended {
        Ended::Failed(BTreeMap::from([("api".parse().unwrap(), "its code does not start".to_owned())]))
    }

    #[test]
    fn every_deployment_is_told_with_its_state_and_the_reason() {
        let (mut rollout, now) = rollout(3);
        let now = end(&mut rollout, now, &failed());
        let _ = rollout.apply(&Event::Halt { why: "it is broken".to_owned() }, now);
        let told = Told::all(&rollout, now);
        insta::assert_snapshot!("deployments", deployments(&told));
        insta::assert_snapshot!("waves", waves(rollout.head()));
        let failures: Vec<&Told> = told.iter().filter(|told| told.is_failure()).collect();
        assert_eq!(failures.iter().map(|told| told.deployment).collect::<Vec<_>>(), [id(0)]);
        let line = "01890000-0000-7000-8000-000000000000 (gcp customer) bad: failed: `api`: its code does not start";
        assert_eq!(failures.first().unwrap().line(), line);
    }

    #[test]
    fn what_is_reverted_is_bad_until_then() {
        let (mut rollout, now) = rollout(1);
        let now = end(&mut rollout, now, &failed());
        // It was paused: its canary was not good.
        let _ = rollout.apply(&Event::Revert(Scope::All), now);
        let _ = rollout.apply(&Event::Resume { pause: 1 }, now);
        let state = |rollout: &Rollout| Told::all(rollout, now).first().map(|told| told.state).unwrap();
        assert_eq!(state(&rollout), "bad");
        let _ = updated(&mut rollout, now);
        assert_eq!(state(&rollout), "watched");
    }

    #[test]
    fn the_pace_follows_from_what_was_updated_since_the_beginning() {
        let (mut rollout, now) = rollout(31);
        assert_eq!(Pace::of(rollout.head(), now), None);
        let now = updated(&mut rollout, now) + SignedDuration::from_secs(59);
        let pace = Pace::of(rollout.head(), now).unwrap();
        assert_eq!(pace.to_string(), "1.0 a minute, about 30m left");
    }
}
