//! What the documents say, as files to be reviewed.

use alien_conformance::golden;
use alien_conformance::stacks::{digest, in_network};
use alien_core::{Code, Function, Profile, Queue, Stack};
use alien_gcp::Gcp;
use serde_json::Value;

use crate::agents::agents_target;
use crate::target;

#[test]
fn documents_of_my_app() {
    golden::documents::<Gcp>(target, |name, text| insta::assert_snapshot!(name, text));
}

#[test]
fn documents_of_my_app_where_releases_are_pulled() {
    insta::assert_snapshot!("pulled_by_a_service_account", golden::pulled::<Gcp>(target, agents_target));
}

#[test]
fn rules_that_a_customer_can_set() {
    insta::assert_snapshot!("guardrails", golden::guardrails::<Gcp>(target));
}

/// The custom constraints of a stack, as their files say them.
fn constraints(stack: &Stack, prefix: &str) -> Vec<Value> {
    let reviewed = alien_core::review(stack, &target(prefix.parse().unwrap())).unwrap();
    let files = reviewed.guardrails.iter().filter(|rule| rule.file.ends_with(".constraint.json"));
    files.map(|rule| serde_json::from_str(&rule.text).unwrap()).collect()
}

#[test]
fn a_customer_can_keep_services_in_the_networks_of_their_stack() {
    let code = Code::image("docker.io/vendor/worker", &digest('0')).unwrap();
    let made = constraints(&in_network(code), "acme-eu");
    let [made] = made.as_slice() else { panic!("{made:?}") };
    assert_eq!(
        made["name"],
        "organizations/ORGANIZATION_ID/customConstraints/custom.alienNetworks1OfacmeXeuIn123456789012"
    );
    insta::assert_snapshot!("networks_of_services", made["condition"].as_str().unwrap());
}

/// A condition has 1000 characters at most, and each account is in one.
#[test]
fn constraints_for_many_accounts_are_parted() {
    let mut stack = Stack::builder("shop");
    let jobs = stack.frozen("jobs", Queue::new());
    for number in 0..20 {
        let code = Code::image("docker.io/vendor/api", &digest('0')).unwrap();
        stack.live(format!("function-{number}"), Function::new(code, format!("profile-{number}")));
        stack.profile(format!("profile-{number}"), Profile::new().on(&jobs, [Queue::DATA_WRITE]));
    }
    let made = constraints(&stack.build().unwrap(), "acme");
    let conditions: Vec<&str> = made.iter().map(|made| made["condition"].as_str().unwrap()).collect();
    assert!(conditions.len() > 1 && conditions.iter().all(|condition| condition.len() <= 1000), "{conditions:?}");
    assert_eq!(conditions.concat().matches(".iam.gserviceaccount.com'").count(), 20, "{conditions:?}");
    let names: std::collections::BTreeSet<&str> = made.iter().map(|made| made["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), made.len(), "{names:?}");
}

#[test]
fn permissions_of_every_set() {
    insta::assert_snapshot!("sets", golden::sets::<Gcp>());
}
