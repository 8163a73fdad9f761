//! What the documents say, as files to be reviewed.

use alien_conformance::golden;
use alien_gcp::Gcp;

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

#[test]
fn permissions_of_every_set() {
    insta::assert_snapshot!("sets", golden::sets::<Gcp>());
}
