//! What is relied on is proved on the peer, which does some of it otherwise than AWS: that is found.

use std::collections::BTreeSet;
use std::sync::Arc;

use alien_aws::Aws;
use alien_conformance::stacks::IMAGE;
use alien_conformance::world::World as _;
use alien_core::{AnyTarget, DeploymentId, Invitation, RecordsInMemory};
use alien_prove::{AwsVendor, Findings, Life, Product, Verdict};

use crate::world::Peer;

/// Facts that are false on the peer: it knows no keys of requests to Lambda, and looks at no role that is passed; and calls of ECS are
/// made as its root's (`unenforced.rs`).
const FALSE: [&str; 5] = ["emptied-network", "exec-key", "network-key", "pass-role", "service-network-key"];
/// It looks for the layer before it decides.
const UNSEEN: [&str; 1] = ["layer-key"];
/// What it lets the vendor make.
const LEFT: [&str; 2] = [
    "the function whose name ends in `-another`: delete it in Lambda",
    "a revision of the container's task definition: deregister it in ECS",
];

fn of(findings: &Findings, verdict: Verdict) -> BTreeSet<&str> {
    findings.facts.iter().filter(|found| found.verdict == verdict).map(|found| found.fact.as_str()).collect()
}

pub(crate) async fn what_is_false_is_found(peer: &Peer) {
    let cloud = alien_prove::ALL.into_iter().find(|known| known.adapter().cloud() == "aws").unwrap();
    let product = Product::new(&alien_aws::Adapter, &IMAGE.parse().unwrap(), false).unwrap();
    let (id, target) = (DeploymentId::new(), peer.target("proved"));
    let invitation = Invitation::new(id, &target, product.stack().clone()).unwrap();
    let life = Life {
        cloud,
        invitation,
        target: AnyTarget::of::<Aws>(&target).unwrap(),
        admin: peer.admin(id, target, peer.calling()),
        vendor: peer.vendor(peer.calling()),
        outsider: Box::new(AwsVendor::new(peer.vendor_config())),
        product,
        store: Arc::new(RecordsInMemory::new()),
        clock: peer.calling().clock,
        told: Box::new(|_| {}),
    };
    let findings = life.live(std::future::pending()).await;
    assert_eq!(of(&findings, Verdict::False), FALSE.into(), "{findings:#?}");
    assert_eq!(of(&findings, Verdict::Unseen), UNSEEN.into(), "{findings:#?}");
    assert_eq!(findings.left, LEFT, "{findings:#?}");
}
