//! The admin's rights that a deployment's life does not use.

use alien_conformance::life;

use crate::world::Peer;

/// Rights that this life does not use, each with what does.
const UNUSED: [(&str, &str); 7] = [
    ("compute.subnetworks.update on Subnetwork", "a subnetwork that someone changed"),
    ("iam.roles.undelete on Project", "a role that someone deleted"),
    ("iam.roles.update on Project", "a role that someone changed, or that an older version of the library made"),
    ("logging.buckets.undelete on Project", "another set-up within seven days of a take-down"),
    ("logging.sinks.update on Project", "a service more or less"),
    ("logging.views.create on Project", "a log view that someone deleted"),
    ("pubsub.subscriptions.update on DeadSubscription", "a subscription of dead letters that someone changed"),
];

/// What is spare is listed, with the reason.
pub(crate) async fn the_admins_rights_are_used(peer: &Peer) {
    let spare = life::rights_that_a_life_does_not_use(peer).await;
    let expected: Vec<&str> = UNUSED.iter().map(|(right, _)| *right).collect();
    assert_eq!(spare, expected, "a right that is not used, or one of the list that is");
}
