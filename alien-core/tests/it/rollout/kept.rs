//! What is kept: small, with a version, and refused if it holds what is not known.

use alien_core::rollout::*;

use super::fleet::{Fleet, ill, members};

#[test]
fn a_row_and_the_head_are_kept_apart_and_put_together_again() {
    let mut fleet = Fleet::started(&Plan::builder().build().unwrap(), members(3));
    fleet.make_good(0);
    fleet.send_to(1);
    let head = serde_json::to_string(fleet.rollout.head()).unwrap();
    let rows: Vec<_> =
        fleet.rollout.rows().iter().map(|(id, row)| (*id, serde_json::to_string(row).unwrap())).collect();
    let rows = rows.iter().map(|(id, row)| (*id, serde_json::from_str::<Row>(row).unwrap()));
    let rollout = Rollout::from_rows(serde_json::from_str(&head).unwrap(), rows);
    assert_eq!(rollout, fleet.rollout);
}

#[test]
fn a_row_is_small() {
    let mut fleet = Fleet::started(&Plan::builder().build().unwrap(), members(1));
    let row = |fleet: &Fleet| serde_json::to_string(fleet.row(0)).unwrap();
    let expected = r#"{"version":1,"wave":0,"account":"account-0","ran":1,"fence":0,"standing":{"revision":0},"pass":"release","stage":{"waiting":{}}}"#;
    assert_eq!(row(&fleet), expected);
    fleet.send_to(0);
    let stage = r#""stage":{"updating":{"owner":"worker","until":"2026-11-27T08:01:00Z"}},"touched":true}"#;
    assert!(row(&fleet).ends_with(stage), "{}", row(&fleet));
    fleet.work(0, Step::End(Ended::Done));
    let stage =
        r#""stage":{"baking":{"since":"PT0S","next":"PT5M","look":0,"well":0,"sick":0,"blind":0}},"touched":true}"#;
    assert!(row(&fleet).ends_with(stage), "{}", row(&fleet));
    fleet.bake(0, 2);
    assert!(row(&fleet).ends_with(r#""stage":"settled","touched":true,"outcome":"good"}"#), "{}", row(&fleet));
}

#[test]
fn another_version_or_an_unknown_field_is_refused() {
    let fleet = Fleet::started(&Plan::builder().build().unwrap(), members(1));
    let head = serde_json::to_string(fleet.rollout.head()).unwrap();
    let row = serde_json::to_string(fleet.row(0)).unwrap();
    let rollout = serde_json::to_string(&fleet.rollout).unwrap();
    for (old, new, told) in [
        (r#""version":1"#, r#""version":2"#, "version 2 of the form is not 1; use the program that wrote it"),
        (r#"{"version":1"#, r#"{"speed":9,"version":1"#, "unknown field `speed`"),
    ] {
        let error = serde_json::from_str::<Head>(&head.replacen(old, new, 1)).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
        let error = serde_json::from_str::<Row>(&row.replacen(old, new, 1)).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
        let error = serde_json::from_str::<Rollout>(&rollout.replace(old, new)).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
    let stage = row.replace(r#""waiting":{}"#, r#""waiting":{"speed":9}"#);
    assert!(serde_json::from_str::<Row>(&stage).unwrap_err().to_string().contains("unknown field `speed`"));
    let event = r#"{"claim":{"deployment":"00000000-0000-0000-0000-000000000000","fence":1,"owner":"a","speed":9}}"#;
    assert!(serde_json::from_str::<Event>(event).unwrap_err().to_string().contains("unknown field `speed`"));
}

#[test]
fn the_head_does_not_grow_with_the_fleet() {
    let size = |count| {
        let fleet = Fleet::started(&Plan::builder().canary(1).then_percent([50, 100]).build().unwrap(), members(count));
        serde_json::to_string(fleet.rollout.head()).unwrap().len()
    };
    assert!(size(1000) < size(10) + 20);
    assert!(size(1000) < 2000, "{} bytes", size(1000));
}

#[test]
fn the_head_keeps_no_account_in_which_nobody_is_at_work() {
    let mut fleet = Fleet::started(&Plan::builder().build().unwrap(), members(4));
    let claimed = |fleet: &Fleet| serde_json::to_value(fleet.rollout.head()).unwrap()["claimed"].to_string();
    fleet.send_to(0);
    fleet.send_to(1);
    fleet.send_to(2);
    assert_eq!(claimed(&fleet), r#"{"account-0":2,"account-1":1}"#);
    fleet.work(0, Step::End(Ended::Done));
    fleet.work(2, Step::End(Ended::Done));
    assert_eq!(claimed(&fleet), r#"{"account-0":1}"#);
    fleet.work(1, Step::End(Ended::Done));
    assert_eq!(claimed(&fleet), "{}");
}

#[test]
fn the_head_tells_what_is_rolled_out() {
    let fleet = Fleet::started(&Plan::builder().build().unwrap(), members(1));
    let head = fleet.rollout.head();
    assert_eq!((head.release(), head.twin()), (3.into(), super::fleet::twin()));
    assert_eq!(head.plan(), &Plan::builder().build().unwrap());
    assert_eq!((fleet.row(0).pass(), fleet.row(0).account()), (Pass::Release, "account-0"));
}

#[test]
fn a_plan_is_kept_with_all_its_options() {
    let plan = serde_json::to_string(&Plan::builder().build().unwrap()).unwrap();
    let expected = concat!(
        r#"{"version":1,"canary":null,"waves":["rest"],"parallel":{"count":20},"perAccount":null,"bake":"PT10M","looks":2,"#,
        r#""haltAtBad":null,"haltAtShare":{"min":5,"percent":20},"onHalt":"stop","pauseAtUnreachable":50,"gates":[],"#,
        r#""toTwin":false,"lease":"PT1M","retry":"PT1M","attempts":5,"patience":"PT168H"}"#,
    );
    assert_eq!(plan, expected);
}

#[test]
fn reasons_and_outcomes_are_told_in_words() {
    for (outcome, words) in [
        (Outcome::Good, "good"),
        (Outcome::Bad(Why::Failed(ill("api"))), "bad: failed: `api`: does not start"),
        (Outcome::Bad(Why::Sick(ill("api"))), "bad: sick since the update: `api`: does not start"),
        (Outcome::Unknown(Why::SickBefore(ill("api"))), "unknown: failed, and was sick before: `api`: does not start"),
        (Outcome::Unknown(Why::Interrupted), "unknown: the update was interrupted"),
        (Outcome::NotTried(Why::Pinned(1.into())), "not tried: pinned to release 1"),
        (Outcome::NotTried(Why::Superseded(5.into())), "not tried: superseded by release 5"),
        (Outcome::NotTried(Why::Held("a demo".to_owned())), "not tried: held: a demo"),
        (Outcome::NotTried(Why::Approval("a form".to_owned())), "not tried: awaits the customer's approval: a form"),
        (Outcome::NotTried(Why::AdminOnly("a".to_owned())), "not tried: awaits the customer's admin: a"),
        (Outcome::NotTried(Why::Revoked("403".to_owned())), "not tried: the customer revoked the access: 403"),
        (Outcome::NotTried(Why::Unreachable("a".to_owned())), "not tried: unreachable: a"),
        (Outcome::NotTried(Why::Manager("429".to_owned())), "not tried: a fault of the manager: 429"),
        (Outcome::NotTried(Why::Cancelled), "not tried: the rollout was cancelled"),
        (Outcome::NotTried(Why::Done), "not tried: the rollout is done"),
        (Outcome::NotTried(Why::Halted), "not tried: the rollout was halted"),
        (
            Outcome::NotTried(Why::Window(super::fleet::morning())),
            "not tried: its window opens at 2026-11-27T08:00:00Z",
        ),
        (Outcome::Reverted, "reverted"),
        (
            Outcome::NotReverted(Why::Older(Some(1.into()))),
            "bad, not reverted: it ran release 1, which is older than what the twin holds",
        ),
        (Outcome::NotReverted(Why::Older(None)), "bad, not reverted: it is not known to have run what the twin holds"),
        (Outcome::NotTried(Why::Planned), "not tried: the rollout has not begun"),
        (Outcome::NotTried(Why::Wave(2)), "not tried: wave 2 has not begun"),
        (Outcome::NotTried(Why::Gate(2)), "not tried: wave 2 awaits an approval"),
        (Outcome::NotTried(Why::Paused), "not tried: the rollout is paused"),
        (Outcome::NotTried(Why::Parallel), "not tried: as many as allowed are being updated"),
        (Outcome::NotTried(Why::Account), "not tried: as many as allowed are being updated in its account"),
    ] {
        assert_eq!(outcome.to_string(), words);
    }
    for (refusal, words) in [
        (Refusal::Late, "it is late: another event came before it"),
        (Refusal::LeaseOver, "the lease has ended; claim the deployment again"),
        (Refusal::Early, "it is too early"),
        (Refusal::OutOfStep, "it does not follow from where the rollout stands"),
        (Refusal::Waits(Why::Paused), "the deployment waits: the rollout is paused"),
        (Refusal::NoRow, "no row of the deployment is loaded"),
        (Refusal::NoTwin, "the release has no twin to go back to"),
        (Refusal::NotNewer, "the release is not newer than this one and its twin"),
    ] {
        assert_eq!(refusal.to_string(), words);
    }
    let phases = [
        (Phase::Planned, "planned"),
        (Phase::Open, "open"),
        (Phase::Baking, "baking"),
        (Phase::Gate, "awaiting an approval"),
        (Phase::Done, "done"),
        (Phase::Halted, "halted"),
        (Phase::Reverting, "reverting"),
        (Phase::Reverted, "reverted"),
        (Phase::Superseded, "superseded"),
        (Phase::Cancelled, "cancelled"),
    ];
    for (phase, words) in phases {
        assert_eq!(Refusal::Over(phase).to_string(), format!("the rollout is {words}"));
    }
    assert_eq!((Sequence::from(3).number(), Sequence::from(3).twin().to_string()), (3, "4".to_owned()));
}
