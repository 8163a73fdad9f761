//! A fleet that was opened with a root rolls out what the vendor's keys signed, and nothing else, whoever has its store.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use alien_core::rollout::{Outcome, Phase, Scope};
use alien_core::{Artifacts, Clock, ErrorKind, Images, PublishedRelease};
use alien_fleet::store::{InMemory, Key, Store, Table};
use alien_fleet::{Order, Published, RevertTo};
use alien_release::{FolderTransport, Repository, Root, RootDraft, RootKeys, SigningKey, Verifier};
use serde_json::Value;

use crate::world::{PRODUCT, World, digest, plan, product, release, two_hours, work};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The vendor's keys, and the repository that they sign.
struct Vendor {
    release: SigningKey,
    online: SigningKey,
    root: Root,
    folder: PathBuf,
    clock: Arc<dyn Clock>,
}

impl Vendor {
    async fn new(name: &str, clock: Arc<dyn Clock>) -> Self {
        let [a, b, release, online] = std::array::from_fn(|_| SigningKey::generate().unwrap());
        let keys = RootKeys::new(2, [*a.public(), *b.public()], *release.public(), *online.public()).unwrap();
        let mut draft = RootDraft::first(&keys, clock.now()).unwrap();
        draft.sign(&a).await.unwrap();
        draft.sign(&b).await.unwrap();
        let root = draft.finish().unwrap();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Repository::create(folder.join("repository"), &root).unwrap();
        Self { release, online, root, folder, clock }
    }

    fn repository(&self) -> Repository {
        Repository::open(self.folder.join("repository"))
            .unwrap()
            .with_clock(Arc::clone(&self.clock))
            .with_release_key(Arc::new(self.release.clone()))
            .with_online_key(Arc::new(self.online.clone()))
    }

    /// Signs what was published.
    async fn sign(&self, published: &Published, zip: &[u8]) {
        let artifacts: Artifacts = [Arc::from(zip)].into_iter().collect();
        self.repository().publish(&published.release, published.twin.as_ref(), &artifacts).await.unwrap();
    }

    fn verifier(&self) -> Verifier {
        let transport = FolderTransport::new(self.folder.join("repository"));
        Verifier::new(self.root.clone(), self.folder.join("trust"), transport).with_clock(Arc::clone(&self.clock))
    }
}

/// A world whose fleet asks for signatures, over a store that somebody else can write too. Its first release is signed.
async fn asking(name: &str, deployments: usize) -> (World, Vendor, Arc<InMemory>) {
    let store = Arc::new(InMemory::new());
    let mut world = World::over(Arc::clone(&store), deployments).await;
    let vendor = Vendor::new(name, Arc::clone(&world.clock)).await;
    let first = world.fleet.published(&product(), 1.into()).await.unwrap();
    vendor.sign(&Published { release: first, twin: None }, b"first").await;
    world.fleet = world.again(Arc::clone(&store), |fleet| fleet.trusting(product(), vendor.verifier())).await;
    (world, vendor, store)
}

#[tokio::test(start_paused = true)]
async fn what_is_signed_is_rolled_out_and_reverted() {
    let (world, vendor, _) = asking("signed-rolled-out", 3).await;
    let second = world.publish(b"second").await;
    vendor.sign(&second, b"second").await;
    let id = world.begin(second.release.sequence(), plan().canary(1).then_percent([100])).await;
    world.fleet.worker().until_over().run(two_hours()).await.unwrap();
    for deployment in &world.ids {
        assert_eq!(world.runs(*deployment).await, digest(b"second"));
    }
    drop(id);
    let third = world.publish(b"third").await;
    vendor.sign(&third, b"third").await;
    let id = world.begin(third.release.sequence(), plan().canary(1).then_percent([100]).gate_after(0)).await;
    work(&world, seconds(600)).await;
    world.fleet.order(&id, &Order::Halt("it is slow".to_owned())).await.unwrap();
    world.fleet.order(&id, &Order::Revert(Scope::All)).await.unwrap();
    world.fleet.worker().until_over().run(two_hours()).await.unwrap();
    assert_eq!(world.fleet.status(&id).await.unwrap().rollout.head().phase(), Phase::Reverted);
    for deployment in &world.ids {
        assert_eq!(world.runs(*deployment).await, digest(b"second"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_signed_is_refused_before_anything_is_written() {
    let (world, vendor, _) = asking("signed-refused", 1).await;
    let begin = async |world: &World, sequence| {
        world.fleet.roll_out(&product(), sequence, &plan().build().unwrap()).await.unwrap_err()
    };
    let second = world.publish(b"second").await;
    let told = begin(&world, second.release.sequence()).await;
    assert_eq!(told.kind(), ErrorKind::NotFound);
    assert!(told.to_string().contains("the repository has no release 3"), "{told}");
    // Without its twin, it could not be reverted.
    let alone = Published { twin: None, ..second.clone() };
    vendor.sign(&alone, b"second").await;
    let told = begin(&world, second.release.sequence()).await;
    assert!(told.to_string().contains("the repository has no release 4"), "{told}");
    assert!(world.fleet.rollouts(&product()).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_rollout_begins_while_the_repository_is_fresh_and_ends_when_it_is_not() {
    let (world, vendor, _) = asking("signed-expired", 2).await;
    let second = world.publish(b"second").await;
    vendor.sign(&second, b"second").await;
    let id = world.begin(second.release.sequence(), plan().canary(1).then_percent([100])).await;
    world.clock.sleep(seconds(8 * 24 * 3600)).await;
    world.fleet.worker().until_over().run(two_hours()).await.unwrap();
    let status = world.fleet.status(&id).await.unwrap();
    assert!(world.outcomes(&status).iter().all(|outcome| *outcome == Some(Outcome::Good)), "{status:#?}");
    let told = world.fleet.roll_out(&product(), second.release.sequence(), &plan().build().unwrap()).await.unwrap_err();
    assert!(told.to_string().contains("expired at"), "{told}");
    assert_eq!(told.kind(), ErrorKind::Expired);
}

/// Whoever has the store can write any release into it, and a rollout of it.
#[tokio::test(start_paused = true)]
async fn whoever_has_the_store_cannot_make_a_release() {
    let (world, vendor, store) = asking("signed-made", 2).await;
    drop(vendor);
    // The thief's own fleet asks for nothing.
    let thief = world.again(Arc::clone(&store), |fleet| fleet).await;
    let made = thief.publish(&release(b"made"), Images::new(), RevertTo::Before).await.unwrap();
    let id = thief.roll_out(&product(), made.release.sequence(), &plan().build().unwrap()).await.unwrap();
    work(&world, seconds(90)).await;
    let status = world.fleet.status(&id).await.unwrap();
    assert!(format!("{:?}", status.rollout.rows()).contains("the repository has no release 3"), "{status:#?}");
    for deployment in &world.ids {
        assert_eq!(world.runs(*deployment).await, digest(b"first"));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_changes_a_release_in_the_store_changes_nothing_that_is_rolled_out() {
    let (world, vendor, store) = asking("signed-changed", 2).await;
    let second = world.publish(b"second").await;
    vendor.sign(&second, b"second").await;
    let other = PublishedRelease::new(second.release.sequence(), &release(b"other"), Images::new()).unwrap();
    let key = Key::new(Table::Release, PRODUCT, format!("{:020}", second.release.sequence().number()));
    let keys = [key.clone()].into();
    let change = move |view: &mut alien_fleet::store::View| {
        let mut kept: Value = view.get(&key)?.unwrap();
        kept["file"] = other.to_json().into();
        view.put(key.clone(), &kept, None)
    };
    store.change(keys, Box::new(change)).await.unwrap();
    world.begin(second.release.sequence(), plan()).await;
    world.fleet.worker().until_over().run(two_hours()).await.unwrap();
    for deployment in &world.ids {
        assert_eq!(world.runs(*deployment).await, digest(b"second"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_published_by_a_fleet_that_asks_for_signatures_is_verified_too() {
    let (world, vendor, store) = asking("signed-kept", 1).await;
    let second = world.publish(b"second").await;
    // Somebody else begins a rollout of it, which nobody signed.
    let thief = world.again(store, |fleet| fleet).await;
    thief.roll_out(&product(), second.release.sequence(), &plan().build().unwrap()).await.unwrap();
    work(&world, seconds(90)).await;
    assert_eq!(world.runs(world.ids[0]).await, digest(b"first"));
    // Another release has this number in the repository.
    let other = PublishedRelease::new(second.release.sequence(), &release(b"other"), Images::new()).unwrap();
    vendor.sign(&Published { release: other, twin: None }, b"other").await;
    let told = world.fleet.roll_out(&product(), second.release.sequence(), &plan().build().unwrap()).await.unwrap_err();
    assert_eq!(told.kind(), ErrorKind::Rejected);
    assert!(told.to_string().contains("is signed"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn another_product_is_refused_by_a_fleet_that_asks_for_signatures() {
    let (world, vendor, store) = asking("signed-other", 1).await;
    let other = world.again(store, |fleet| fleet.trusting("another".parse().unwrap(), vendor.verifier())).await;
    let told = other.roll_out(&product(), 1.into(), &plan().build().unwrap()).await.unwrap_err();
    assert_eq!(told.kind(), ErrorKind::Rejected);
    assert!(told.to_string().contains("knows no root of `shop`"), "{told}");
}
