//! The admin's rights that a deployment's life does not use.

use std::collections::BTreeSet;

use alien_conformance::life::product;
use alien_conformance::world::{Calls, Case, World, needed, release, run};
use alien_core::engine::Data;
use alien_core::{Silent, Site};
use alien_gcp::Gcp;

use crate::world::Peer;

/// Rights that this life does not use, each with what does.
const UNUSED: [(&str, &str); 4] = [
    ("iam.roles.undelete on Project", "a role that someone deleted"),
    ("iam.roles.update on Project", "a role that someone changed, or that an older version of the library made"),
    ("logging.buckets.undelete on Project", "another set-up within seven days of a take-down"),
    ("logging.sinks.update on Project", "a service more or less"),
];

/// P6, for the admin: the rights that a set-up, a second one, a revocation and a take-down do not use. Every call goes
/// through the gate, so nothing is missing; what is spare is listed, with the reason.
pub(crate) async fn the_admins_rights_are_used(peer: &Peer) {
    let code = peer.code("first");
    let stack = product(&code);
    let case = Case::new(peer, "spare", stack.clone());
    let calls = Calls::default();
    let how = peer.calling().recorder(calls.recorder());
    let provisioner = peer.provisioner(case.invitation.id, case.target.clone(), how);
    let first = release(&stack, &[]);
    let plan = provisioner.plan(&first, None, &run()).await.unwrap();
    let deployment = provisioner.apply(&plan, &run(), &Silent).await.unwrap();
    provisioner.revoke(&deployment, &run()).await.unwrap();
    let plan = provisioner.plan(&first, Some(&deployment), &run()).await.unwrap();
    provisioner.apply(&plan, &run(), &Silent).await.unwrap();
    provisioner.destroy(&deployment, Data::KeepUnlessEmpty, &run(), &Silent).await.unwrap();
    provisioner.destroy(&deployment, Data::Delete, &run(), &Silent).await.unwrap();

    let used: BTreeSet<(&str, String)> =
        needed(&calls.take()).into_iter().map(|(_, permission, place)| (permission, place)).collect();
    let site = Site::<Gcp>::of(&deployment).unwrap();
    let granted = site.deployed();
    let granted: BTreeSet<(&str, String)> = granted
        .granted(&site.permissions.provisioning)
        .map(|(_, _, row, _)| (row.permission, format!("{:?}", row.on)))
        .collect();
    let spare: Vec<String> =
        granted.difference(&used).map(|(permission, place)| format!("{permission} on {place}")).collect();
    let expected: Vec<&str> = UNUSED.iter().map(|(right, _)| *right).collect();
    assert_eq!(spare, expected, "a right that is not used, or one of the list that is");
}
