//! What the result of a release on one deployment means for its rollout: whose fault a failure is.

use std::time::Duration;

use alien_core::rollout::Ended;
use alien_core::{ErrorKind, Released};
use serde_json::json;

use super::fleet::morning;

fn read(value: serde_json::Value) -> Released {
    serde_json::from_value(value).unwrap()
}

fn error(kind: ErrorKind) -> serde_json::Value {
    json!({"kind": kind, "message": "no"})
}

fn refused(kind: ErrorKind) -> Ended {
    Ended::of(&read(json!({"refusal": error(kind), "outcomes": {}})), morning())
}

fn not_updated(kind: ErrorKind) -> Ended {
    let outcomes = json!({"api": {"outcome": "not-updated", "error": error(kind)}, "web": {"outcome": "updated"}});
    Ended::of(&read(json!({"outcomes": outcomes})), morning())
}

/// The result for resources `r0` and on. The message of each error is the number of its resource.
fn of(outcomes: &[(&str, Option<ErrorKind>)]) -> Ended {
    let each = outcomes.iter().enumerate().map(|(number, (outcome, kind))| {
        let error = |kind| json!({"kind": kind, "message": number.to_string()});
        let content =
            kind.map_or(json!({"outcome": outcome}), |kind| json!({"outcome": outcome, "error": error(kind)}));
        (format!("r{number}"), content)
    });
    Ended::of(&read(json!({"outcomes": each.collect::<serde_json::Map<_, _>>()})), morning())
}

#[test]
fn each_kind_of_failure_has_somebody_whose_fault_it_is() {
    let no = || "no".to_owned();
    let failed = || Ended::Failed([("api".parse().unwrap(), no())].into());
    for kind in [ErrorKind::Rejected, ErrorKind::TooLarge, ErrorKind::Failed] {
        assert_eq!((not_updated(kind), refused(kind)), (failed(), Ended::AdminOnly(no())), "{kind:?}");
    }
    let set_up = [
        ErrorKind::Input,
        ErrorKind::Denied,
        ErrorKind::NotFound,
        ErrorKind::AlreadyExists,
        ErrorKind::NotOwned,
        ErrorKind::Unsupported,
    ];
    let managers = [
        ErrorKind::NotGranted,
        ErrorKind::Credentials,
        ErrorKind::Expired,
        ErrorKind::Locked,
        ErrorKind::Conflict,
        ErrorKind::Throttled,
        ErrorKind::Propagating,
        ErrorKind::Busy,
        ErrorKind::Internal,
    ];
    let told = |kind: ErrorKind, ended: Ended| assert_eq!((not_updated(kind), refused(kind)), (ended.clone(), ended));
    told(ErrorKind::Revoked, Ended::Revoked(no()));
    set_up.into_iter().for_each(|kind| told(kind, Ended::AdminOnly(no())));
    managers.into_iter().for_each(|kind| told(kind, Ended::Fault { why: no(), again: None }));
    told(ErrorKind::Unavailable, Ended::Unreachable(no()));
    told(ErrorKind::TimedOut, Ended::Unreachable(no()));
}

#[test]
fn of_several_failures_the_one_that_decides_is_told() {
    assert_eq!(of(&[]), Ended::Done);
    let done = [("updated", None), ("unchanged", None), ("created", None), ("deleted", None)];
    assert_eq!(of(&done), Ended::Done);
    let unknown = ("unknown", Some(ErrorKind::TimedOut));
    let throttled = ("not-updated", Some(ErrorKind::Throttled));
    let revoked = ("not-updated", Some(ErrorKind::Revoked));
    let put_back = ("put-back", Some(ErrorKind::TimedOut));
    assert_eq!(of(&[unknown, revoked]), Ended::Uncertain);
    assert!(matches!(of(&[unknown, throttled, put_back]), Ended::Failed(failed) if failed.len() == 1));
    assert_eq!(of(&[throttled, revoked]), Ended::Revoked("1".to_owned()));
    assert_eq!(of(&[revoked, throttled]), Ended::Revoked("0".to_owned()));
    assert_eq!(of(&[throttled, throttled]), Ended::Fault { why: "0".to_owned(), again: None }, "the first of two");
}

#[test]
fn the_cloud_says_when_to_come_again() {
    let error = json!({"kind": ErrorKind::Throttled, "message": "no", "retryAfter": Duration::from_secs(90)});
    let ended = Ended::of(&read(json!({"refusal": error, "outcomes": {}})), morning());
    let again = morning() + jiff::SignedDuration::from_secs(90);
    assert_eq!(ended, Ended::Fault { why: "no".to_owned(), again: Some(again) });
}
