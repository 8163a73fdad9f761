//! The admin's rights that a deployment's life does not use.

use alien_conformance::life;

use crate::world::Peer;

/// Rights that this life does not use, each with what does.
const UNUSED: [(&str, &str); 8] = [
    ("Microsoft.App/containerApps/revisions/read on App", "a revision that does not work: why"),
    ("Microsoft.App/containerApps/revisions/replicas/read on App", "whoever sets it up may watch it"),
    (
        "Microsoft.Network/networkSecurityGroups/read on Subscription",
        "a subnet of the customer's that has a security group",
    ),
    ("Microsoft.Network/routeTables/read on Subscription", "a subnet of the customer's that has a route table"),
    ("Microsoft.Network/virtualNetworks/subnets/read on VirtualNetwork", "whoever sets it up may watch it"),
    ("Microsoft.Network/virtualNetworks/subnets/write on VirtualNetwork", "a subnet that someone removed"),
    ("Microsoft.ServiceBus/namespaces/read on Namespace", "whoever sets it up may watch it"),
    ("Microsoft.Storage/storageAccounts/managementPolicies/write on LifecycleRules", "blobs that expire"),
];

/// What is spare is listed, with the reason.
pub(crate) async fn the_admins_rights_are_used(peer: &Peer) {
    let spare = life::rights_that_a_life_does_not_use(peer).await;
    let expected: Vec<&str> = UNUSED.iter().map(|(right, _)| *right).collect();
    assert_eq!(spare, expected, "a right that is not used, or one of the list that is");
}
