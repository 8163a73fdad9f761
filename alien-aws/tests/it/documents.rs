//! What the documents say, as files to be reviewed.

use alien_aws::Aws;
use alien_conformance::{golden, stacks};
use alien_core::{Kind, Lifecycle, Stack};
use serde_json::{Value, json};

use crate::agents::{clusters_target, roles_target};
use crate::target;

#[test]
fn documents_of_my_app() {
    golden::documents::<Aws>(target, |name, text| insta::assert_snapshot!(name, text));
}

#[test]
fn documents_of_my_app_where_releases_are_pulled() {
    insta::assert_snapshot!("pulled_by_a_role", golden::pulled::<Aws>(target, roles_target));
    insta::assert_snapshot!("pulled_by_a_cluster", golden::pulled::<Aws>(target, clusters_target));
}

#[test]
fn rules_that_a_customer_can_set() {
    insta::assert_snapshot!("guardrails", golden::guardrails::<Aws>(target));
}

#[test]
fn permissions_of_every_set() {
    insta::assert_snapshot!("sets", golden::sets::<Aws>());
}

#[test]
fn sixty_triggered_functions_with_long_names_fit() {
    let mut resources: Vec<Value> = (0..60)
        .map(|n| {
            let id = format!("a-function-with-a-name-that-is-as-long-as-a-name-may-be-indeed-{n:02}");
            let mut function = stacks::resource(&id[2..], Kind::Function, Lifecycle::Live);
            function["triggers"] = json!([{ "queue": "jobs" }]);
            function
        })
        .collect();
    resources.push(stacks::resource("jobs", Kind::Queue, Lifecycle::Frozen));
    let document = json!({
        "name": "long",
        "resources": resources,
        "permissions": { "profiles": { "execution": { "jobs": ["queue/data-read"] } } },
    });
    let stack = Stack::from_json(&document.to_string()).unwrap();
    let rendered = alien_core::render(&stack, &target("p".repeat(32).parse().unwrap())).unwrap();
    assert!(rendered.sizes.iter().all(|size| size.size <= size.limit));
}
