//! What the documents say, as files to be reviewed.

use alien_azure::Azure;
use alien_conformance::{golden, stacks};
use alien_core::{Kind, Lifecycle};
use serde_json::json;

use crate::agents::{clusters_target, machines_target};
use crate::target;

#[test]
fn documents_of_my_app() {
    golden::documents::<Azure>(target, |name, text| insta::assert_snapshot!(name, text));
}

#[test]
fn documents_of_my_app_where_releases_are_pulled() {
    insta::assert_snapshot!("pulled_by_a_machine", golden::pulled::<Azure>(target, machines_target));
    insta::assert_snapshot!("pulled_by_a_cluster", golden::pulled::<Azure>(target, clusters_target));
}

#[test]
fn rules_that_a_customer_can_set() {
    insta::assert_snapshot!("guardrails", golden::guardrails::<Azure>(target));
}

#[test]
fn permissions_of_every_set() {
    insta::assert_snapshot!("sets", golden::sets::<Azure>());
}

/// Only apps stand in an environment: a queue that is linked to one finds nobody by name.
#[test]
fn apps_are_told_that_they_do_not_find_apps_of_another_environment() {
    let mut resources = vec![stacks::resource("api", Kind::Function, Lifecycle::Live)];
    let apart =
        [("worker", Kind::Container), ("other", Kind::Function), ("jobs", Kind::Queue), ("data", Kind::Storage)];
    for (id, kind) in apart {
        let mut resource = stacks::resource(id, kind, Lifecycle::Frozen);
        resource["links"] = json!(["api"]);
        resources.push(resource);
    }
    let stack = stacks::stack_of(&resources);
    let rendered = alien_core::render(&stack, &target("acme".parse().unwrap())).unwrap();
    let told = rendered.warnings.iter().filter(|warning| warning.what.contains("another environment"));
    let told: Vec<_> = told.filter_map(|warning| warning.subject.as_deref()).collect();
    assert_eq!(told, ["other", "worker"]);
}
