//! Deployments that earlier versions set up, on a peer that is brought to the state they left.

use alien_conformance::bootstrap;
use alien_conformance::stacks::IMAGE;
use alien_conformance::upgrade::{self, Kept};
use alien_conformance::world::{Shipped, World};

use crate::wire;
use crate::world::Peer;

pub(crate) async fn earlier_deployments_are_taken_over() {
    if let Some(version) = upgrade::version_to_keep() {
        // A program that is the same whatever compiles it.
        let code = Shipped::Zip(bootstrap::script("first"));
        let state = async |peer: &Peer| ("calls.json", peer.changes());
        upgrade::keep(&version, code, IMAGE, async || Peer::recorded().await, state).await;
    }
    for kept in Kept::all("aws") {
        let peer = Peer::new(alien_conformance::ministack::Ministack::start().unwrap()).await;
        let swaps = wire::send_again(&peer.url(), &kept.calls()).await;
        upgrade::is_taken_over(&peer, &kept, &swaps, &peer.code("next")).await;
    }
}
