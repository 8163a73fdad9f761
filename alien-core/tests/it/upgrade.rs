//! Deployments that earlier versions set up on the in-process cloud.

use alien_conformance::stacks::IMAGE;
use alien_conformance::upgrade::{self, Kept};
use alien_conformance::world::{Shipped, World};

use crate::in_process::InProcess;

#[tokio::test(start_paused = true)]
async fn a_deployment_of_an_earlier_version_is_taken_over() {
    if let Some(version) = upgrade::version_to_keep() {
        let state = async |world: &InProcess| ("state.json", world.account.save());
        let new = async || InProcess::new();
        upgrade::keep(&version, Shipped::Zip(b"first".to_vec()), IMAGE, new, state).await;
    }
    for kept in Kept::all("memory") {
        let world = InProcess::new();
        world.account.load(serde_json::from_str(&kept.text("state.json", &[])).unwrap());
        upgrade::is_taken_over(&world, &kept, &[], &world.code("next")).await;
    }
}
