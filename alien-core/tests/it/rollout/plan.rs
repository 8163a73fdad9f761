//! Plans: what is wrong with one, and who is in which wave.

use alien_core::rollout::*;
use alien_core::{Problem, Problems};

use super::fleet::{RELEASE, id, members, minutes, twin};

fn waves(plan: &Plan, members: Vec<Member>) -> Vec<u32> {
    let rollout = Rollout::new(RELEASE.into(), twin(), plan.clone(), members).unwrap();
    rollout.rows().values().map(Row::wave).collect()
}

fn places(problems: &Problems) -> Vec<&str> {
    problems.as_slice().iter().filter_map(|problem: &Problem| problem.subject.as_deref()).collect()
}

#[test]
fn the_canary_comes_first_and_each_percentage_counts_the_waves_before_it() {
    let plan = Plan::builder().canary(2).then_percent([10, 50, 100]).build().unwrap();
    assert_eq!(plan.waves(), 4);
    // 10 % of 11 are two, rounded up: both are in the canary already.
    assert_eq!(waves(&plan, members(11)), [0, 0, 2, 2, 2, 2, 3, 3, 3, 3, 3]);
}

#[test]
fn a_plan_without_waves_takes_all_at_once() {
    assert_eq!(waves(&Plan::builder().build().unwrap(), members(3)), [0, 0, 0]);
}

#[test]
fn a_canary_is_no_larger_than_the_fleet_and_prefers_who_can_be_updated_at_once() {
    let plan = Plan::builder().canary(2).then(Wave::Rest).build().unwrap();
    assert_eq!(waves(&plan, members(1)), [0]);
    let mut fleet = members(4);
    fleet[0] = fleet[0].clone().standing(Standing::new(1).held("a demo"));
    fleet[1] = fleet[1].clone().standing(Standing::new(1).pinned(1.into()));
    assert_eq!(waves(&plan, fleet.clone()), [1, 1, 0, 0]);
    fleet[2] = fleet[2].clone().standing(Standing::new(1).pinned(RELEASE.into()));
    fleet[3] = fleet[3].clone().standing(Standing::new(1).window(super::windows::nightly()));
    assert_eq!(waves(&plan, fleet), [0, 1, 0, 1], "whoever is pinned to this release can be updated");
}

#[test]
fn a_canary_may_be_named_and_a_wave_may_be_a_label_or_a_count() {
    let plan = Plan::builder()
        .canary_of([id(3)])
        .then(Wave::Label { name: "region".to_owned(), value: "eu".to_owned() })
        .then(Wave::Count(2))
        .then(Wave::Rest)
        .build()
        .unwrap();
    let mut fleet = members(7);
    for (number, region) in [(3, "eu"), (4, "eu"), (5, "us")] {
        fleet[number] = fleet[number].clone().label("region", region);
    }
    assert_eq!(waves(&plan, fleet), [2, 2, 3, 0, 1, 3, 3]);
}

#[test]
fn every_problem_of_a_plan_is_told_at_once() {
    let plan = Plan::builder()
        .canary(0)
        .then(Wave::Percent(0))
        .then(Wave::Rest)
        .then(Wave::Count(0))
        .parallel_percent(101)
        .per_account(0)
        .bake(minutes(31 * 24 * 60))
        .looks(1)
        .halt_at_bad(0)
        .halt_at_share(0, 101)
        .pause_at_unreachable(0)
        .gate_after(3)
        .lease(minutes(0))
        .retry(minutes(0), 0)
        .patience(minutes(366 * 24 * 60));
    let problems = plan.build().unwrap_err();
    let expected = [
        "canary",
        "parallel",
        "perAccount",
        "looks",
        "haltAtBad",
        "haltAtShare.min",
        "haltAtShare.percent",
        "pauseAtUnreachable",
        "attempts",
        "waves[0]",
        "waves[2]",
        "bake",
        "lease",
        "retry",
        "patience",
        "waves[1]",
        "gates",
    ];
    assert_eq!(places(&problems), expected);
    let told = problems.to_string();
    assert!(told.contains("error: `looks`: 1 is out of bounds; use 2 to 100"), "{told}");
    assert!(told.contains("error: `canary`: 0 is out of bounds; use 1 or more"), "{told}");
    assert!(told.contains("error: `gates`: no wave comes after wave 3; put the gate after an earlier wave"), "{told}");
}

#[test]
fn the_bounds_of_a_plan_belong_to_it() {
    let widest = Plan::builder().canary(1).then_percent([1, 100]).parallel_percent(100).per_account(1);
    let widest = widest.bake(minutes(30 * 24 * 60)).looks(100).halt_at_bad(1).halt_at_share(1, 100);
    let widest = widest.pause_at_unreachable(100).gate_after(1).lease(minutes(60)).retry(minutes(24 * 60), 100);
    widest.patience(minutes(365 * 24 * 60)).build().unwrap();
    let least = Plan::builder().bake(minutes(0)).looks(2).lease(std::time::Duration::from_secs(1));
    least.retry(std::time::Duration::from_secs(1), 1).patience(minutes(0)).parallel_percent(1).build().unwrap();
    for (plan, at) in [
        (Plan::builder().then_percent([20, 20, 100]), "waves[1]"),
        (Plan::builder().then_percent([20, 101]), "waves[1]"),
        (Plan::builder().then_percent([100]).then(Wave::Rest), "waves[0]"),
        (Plan::builder().gate_after(0), "gates"),
        (Plan::builder().canary_of([]), "canary"),
        (Plan::builder().parallel(0), "parallel"),
        (Plan::builder().parallel_percent(0), "parallel"),
        (Plan::builder().looks(101), "looks"),
        (Plan::builder().retry(minutes(1), 101), "attempts"),
        (Plan::builder().lease(minutes(61)), "lease"),
    ] {
        assert_eq!(places(&plan.build().unwrap_err()), [at]);
    }
}

#[test]
fn every_problem_of_a_fleet_is_told_at_once() {
    let plan = Plan::builder().canary_of([id(9)]).then_percent([50]);
    let plan = plan.then(Wave::Label { name: "region".to_owned(), value: "eu".to_owned() });
    let plan = plan.on_halt(OnHalt::RevertAll).build().unwrap();
    let mut fleet = members(4);
    fleet.push(fleet[0].clone());
    let problems = Rollout::new(RELEASE.into(), None, plan.clone(), fleet).unwrap_err();
    assert_eq!(places(&problems), ["members", "onHalt", "canary", "waves[1]", "waves"]);
    let told = problems.to_string();
    assert!(told.contains("2 of 5 deployments are in no wave"), "{told}");
    let wrong = Some(Twin { sequence: 5.into(), content: 3.into() });
    let problems = Rollout::new(RELEASE.into(), wrong, Plan::builder().build().unwrap(), Vec::new()).unwrap_err();
    assert_eq!(places(&problems), ["members", "twin"]);
    for (sequence, content) in [(5, 1), (4, 3)] {
        let wrong = Some(Twin { sequence: Sequence::from(sequence), content: Sequence::from(content) });
        let plan = Plan::builder().build().unwrap();
        assert_eq!(places(&Rollout::new(RELEASE.into(), wrong, plan, members(1)).unwrap_err()), ["twin"]);
    }
}

#[test]
fn a_plan_that_is_read_is_checked_too() {
    let plan = Plan::builder().canary(1).gate_after(0).build().unwrap();
    let file = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&file).unwrap(), plan);
    let wrong = file.replace(r#""looks":2"#, r#""looks":1"#);
    let told = serde_json::from_str::<Plan>(&wrong).unwrap_err().to_string();
    assert!(told.contains("`looks`: 1 is out of bounds"), "{told}");
    let no_halt = file.replace(r#""haltAtShare":{"min":5,"percent":20}"#, r#""haltAtShare":null"#);
    let told = serde_json::from_str::<Plan>(&no_halt).unwrap_err().to_string();
    assert!(told.contains("nothing halts the rollout"), "{told}");
    let unknown = file.replace(r#""looks":2"#, r#""looks":2,"speed":1"#);
    assert!(serde_json::from_str::<Plan>(&unknown).unwrap_err().to_string().contains("unknown field `speed`"));
}
