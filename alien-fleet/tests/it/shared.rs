//! What programs that share a store find in it, and what they leave.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use alien_core::rollout::Why;
use alien_core::{DeploymentId, ErrorKind, Images};
use alien_fleet::store::{InMemory, Key, Store as _, Table, View};
use alien_fleet::{RevertTo, Setting};
use serde_json::Value;

use crate::faulty::Faulty;
use crate::rollouts::{log, with_backups};
use crate::world::{World, plan, product, release, two_hours};

fn another(kept: &Arc<InMemory>, world: &World) -> Faulty {
    Faulty::new(kept, None, &Arc::new(AtomicBool::new(false)), &world.account)
}

#[tokio::test(start_paused = true)]
async fn a_fleet_goes_by_the_time_of_its_store() {
    let kept = Arc::new(InMemory::new());
    let world = World::over(Arc::clone(&kept), 1).await;
    let store = another(&kept, &world).ahead(Duration::from_secs(3600));
    let fleet = World::open(store, &world.clock, &world.config, &world.artifacts, world.troubles.clone()).await;
    fleet.set(world.ids[0], Setting::Hold("a demo".to_owned())).await.unwrap();
    let last = log(&world).await.pop().unwrap();
    assert_eq!(last.at.duration_since(world.clock.now()).as_secs(), 3600);
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_is_dropped_lets_go_of_its_store() {
    let kept = Arc::new(InMemory::new());
    let world = World::over(Arc::clone(&kept), 1).await;
    drop(world);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(Arc::strong_count(&kept), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_is_added_while_a_rollout_is_planned_is_part_of_it() {
    let kept = Arc::new(InMemory::new());
    let world = World::over(Arc::clone(&kept), 1).await;
    let published = world.publish(b"second").await;
    let (_, record) = world.set_up(DeploymentId::new(), "late", &release(b"first")).await;
    let fleet = world.fleet.clone();
    let store = another(&kept, &world).meanwhile(async move { drop(fleet.add(&record).await.unwrap()) });
    let fleet = World::open(store, &world.clock, &world.config, &world.artifacts, world.troubles.clone()).await;
    let id = fleet.roll_out(&product(), published.release.sequence(), &plan().build().unwrap()).await.unwrap();
    assert_eq!(fleet.status(&id).await.unwrap().rollout.rows().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn more_documents_than_are_read_at_once_are_all_listed() {
    let kept = Arc::new(InMemory::new());
    let world = World::over(Arc::clone(&kept), 0).await;
    let of = |name: &str| Key::new(Table::Product, "", name);
    let found = kept.read(&[of(product().as_str())]).await.unwrap().pop().flatten().unwrap();
    let product: Value = serde_json::from_str(&found.text).unwrap();
    let names: Vec<String> = (0..2100).map(|number| format!("product-{number}")).collect();
    let keys: Vec<Key> = names.iter().map(|name| of(name)).collect();
    let change = move |view: &mut View| keys.iter().try_for_each(|key| view.put(key.clone(), &product, None));
    kept.change([].into(), Box::new(change)).await.unwrap();
    assert_eq!(world.fleet.products().await.unwrap().len(), names.len() + 1);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_ends_a_worker() {
    let kept = Arc::new(InMemory::new());
    let world = World::over(Arc::clone(&kept), 1).await;
    let key = Key::new(Table::Product, "", "newer");
    let change = move |view: &mut View| view.put(key.clone(), &"of a newer version", None);
    kept.change([].into(), Box::new(change)).await.unwrap();
    let ended = world.fleet.worker().without_watch().run(two_hours()).await;
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Internal);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_an_admin_still_waits_after_another_setting() {
    let world = World::new(1).await;
    let published = world.fleet.publish(&with_backups(b"second"), Images::new(), RevertTo::Before).await.unwrap();
    let id = world.begin(published.release.sequence(), plan()).await;
    world.fleet.set(world.ids[0], Setting::Label("tier".to_owned(), "gold".to_owned())).await.unwrap();
    let status = world.fleet.status(&id).await.unwrap();
    let why = status.rollout.why(world.ids[0], status.now);
    assert!(matches!(&why, Some(Why::AdminOnly(why)) if why.contains("backups")), "{why:?}");
}
