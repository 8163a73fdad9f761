//! What leaves the network of how a deployment is and how an attempt ended: codes, and the cloud's own words only where the policy lets
//! them.

use alien_core::rollout;
use alien_core::{Error, ErrorKind, Heartbeat, Outcome, Released, Result};
use alien_release::agent::{Condition, Ended};
use jiff::Timestamp;

use crate::policy::Policy;

/// How a resource is.
pub(crate) fn condition(beat: &Result<Heartbeat>, policy: &Policy) -> Condition {
    match beat {
        Ok(beat) => worded(Condition::seen(beat.health), policy.text(&beat.reason)),
        Err(error) => failed(error, policy),
    }
}

fn failed(error: &Error, policy: &Policy) -> Condition {
    worded(Condition::failed(error.kind()), policy.text(error.message()))
}

fn worded(condition: Condition, text: Option<&str>) -> Condition {
    match text {
        Some(text) => condition.because(text),
        None => condition,
    }
}

/// How an attempt ended; `None` if nobody knows yet.
pub(crate) fn ended(released: &Released, now: Timestamp, policy: &Policy) -> Option<Ended> {
    let fault = || {
        let of_resource = || released.outcomes().find_map(|(_, outcome)| outcome.error());
        released.refusal().or_else(of_resource).map_or(ErrorKind::Internal, Error::kind)
    };
    Some(match rollout::Ended::of(released, now) {
        rollout::Ended::Done => Ended::Done,
        rollout::Ended::Uncertain => return None,
        rollout::Ended::Failed(which) => {
            let errors = released.outcomes().filter(|(id, _)| which.contains_key(*id));
            let errors = errors.filter_map(|(id, outcome)| Some((id.clone(), outcome.error()?)));
            Ended::Failed(errors.map(|(id, error)| (id, failed(error, policy))).collect())
        }
        rollout::Ended::Unreachable(_) => Ended::Unreachable,
        rollout::Ended::Revoked(_) => Ended::Revoked,
        rollout::Ended::AdminOnly(_) => Ended::AdminOnly,
        rollout::Ended::Fault { .. } | rollout::Ended::Waits { .. } => Ended::Fault(fault()),
    })
}

/// How an attempt ends where the marks in the cloud are not known: nothing is begun.
pub(crate) fn unmarked(error: &Error) -> Ended {
    match error.kind() {
        ErrorKind::Revoked => Ended::Revoked,
        kind if kind.is_transient() => Ended::Unreachable,
        kind => Ended::Fault(kind),
    }
}

/// Whether something of a release was changed in the cloud.
pub(crate) fn is_changed(released: &Released) -> bool {
    released.outcomes().any(|(_, outcome)| !matches!(outcome, Outcome::Unchanged))
}
