//! What a look at a deployment means.

use alien_core::rollout::Sight;
use alien_core::{Error, ErrorKind, Health, Heartbeat, ResourceId, Result};

/// A look that found this of two resources.
fn of(beats: [Result<Heartbeat>; 2]) -> Sight {
    let names = ["api", "orders"].map(|name| name.parse::<ResourceId>().unwrap());
    Sight::of(names.into_iter().zip(beats))
}

fn is(health: Health) -> Result<Heartbeat> {
    Ok(Heartbeat::new(health, "why"))
}

fn fails(kind: ErrorKind) -> Result<Heartbeat> {
    Err(Error::new(kind, "why"))
}

#[test]
fn what_does_not_work_or_is_missing_is_sick() {
    let Sight::Seen(sick) = of([is(Health::Degraded), is(Health::Missing)]) else { panic!() };
    assert_eq!(sick.len(), 2);
    assert_eq!(of([is(Health::Healthy), is(Health::Healthy)]), Sight::Seen([].into()));
}

#[test]
fn a_revoked_access_is_told_before_all_else() {
    for other in [fails(ErrorKind::Unavailable), fails(ErrorKind::Throttled), is(Health::Degraded)] {
        assert!(matches!(of([other, fails(ErrorKind::Revoked)]), Sight::Revoked(_)));
    }
}

#[test]
fn who_does_not_answer_or_may_not_be_looked_at_is_out_of_sight() {
    for other in [fails(ErrorKind::Unavailable), fails(ErrorKind::TimedOut), is(Health::Denied)] {
        assert!(matches!(of([is(Health::Degraded), other]), Sight::Unreachable(_)));
    }
}

#[test]
fn a_fault_of_the_manager_says_nothing_of_the_deployment() {
    for kind in [ErrorKind::Throttled, ErrorKind::Credentials, ErrorKind::Internal] {
        assert!(matches!(of([fails(kind), fails(ErrorKind::Unavailable)]), Sight::Fault(_)));
    }
}
