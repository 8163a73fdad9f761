//! Each call gives the same as the fleet itself, in this process and for another program.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use alien_core::rollout::{Phase, Scope, Wave};
use alien_core::{Code, CommandId, DeploymentId, ErrorKind, Function, Images, Profile, ResourceId, Result, Stack};
use alien_fleet::api::Client;
use alien_fleet::store::InMemory;
use alien_fleet::{ArtifactStore, ArtifactsInMemory, Clouds, Fit, Fleet, Order, RevertTo, Seen, Setting, Status, What};
use async_trait::async_trait;
use jiff::Timestamp;

use super::{OVER, Served, failure, world};
use crate::world::{digest, plan, product, release};

/// The time at which it was read is another each time.
fn timeless(status: Status) -> Status {
    Status { now: Timestamp::UNIX_EPOCH, ..status }
}

/// Checks that a call gives the same, on the fleet and on both clients: a value or an error.
macro_rules! same {
    ($fleet:expr, $clients:expr, $(|$each:ident| $call:expr);+ $(;)?) => { $(
        let wanted = { let $each = $fleet; $call };
        for (name, $each) in $clients {
            assert_eq!($call, wanted, "{name}: {}", stringify!($call));
        }
    )+ };
}

async fn clients(world: &crate::world::World, served: &Served) -> [(&'static str, Client); 2] {
    [("in process", Client::local(&world.fleet)), (OVER, served.client("ann").await)]
}

pub(crate) async fn what_is_read_is_the_same() {
    let world = world(3).await;
    let published = world.publish(b"second").await;
    let second = published.release.sequence();
    world.fleet.set(world.ids[0], Setting::Label("tier".into(), "gold".into())).await.unwrap();
    world.fleet.set(world.ids[1], Setting::Hold("they asked".into())).await.unwrap();
    let id = world.begin(second, plan().canary(1)).await;
    let served = Served::begin(&world.fleet).await;
    let clients = clients(&world, &served).await;
    let (fleet, shop, nobody) = (&world.fleet, product(), "nobody".parse().unwrap());
    let (one, none) = (world.ids[0], DeploymentId::new());
    let (api, orders): (ResourceId, ResourceId) = ("api".parse().unwrap(), "orders".parse().unwrap());
    let no_rollout = "shop/9".parse().unwrap();
    let checked_plan = plan().canary(2).then_percent([50, 100]).build().unwrap();
    let no_label = plan().then(Wave::Label { name: "x".into(), value: "y".into() }).build().unwrap();
    let wider = {
        let mut wider = Stack::builder("shop");
        wider.live("api", Function::new(Code::zip(b"second"), "api"));
        wider.profile("api", Profile::new());
        wider.build().unwrap()
    };
    same!(fleet, &clients,
        |all| all.products().await;
        |all| all.releases(&shop).await;
        |all| all.releases(&nobody).await;
        |all| all.published(&shop, second).await;
        |all| all.published(&shop, second.twin()).await;
        |all| all.published(&shop, 99.into()).await;
        |all| all.last_release(&shop).await;
        |all| all.last_release(&nobody).await;
        |all| all.check(&published.release).await;
        |all| all.check_stack(&wider).await;
        |all| all.rollouts(&shop).await.map(|all| all.into_iter().map(timeless).collect::<Vec<_>>());
        |all| all.rollouts(&nobody).await;
        |all| all.status(&id).await.map(timeless);
        |all| all.status(&no_rollout).await;
        |all| all.planned(&shop, second, &checked_plan).await;
        |all| all.planned(&shop, second, &no_label).await;
        |all| all.planned(&shop, second.twin(), &checked_plan).await;
        |all| all.planned(&shop, 99.into(), &checked_plan).await;
        |all| all.deployments(&shop).await;
        |all| all.deployments(&nobody).await;
        |all| all.deployment(one).await;
        |all| all.deployment(none).await;
        |all| all.watched(one).await;
        |all| all.health().await;
        |all| all.heartbeat(one).await;
        |all| all.heartbeat(none).await;
        |all| all.log(0, 5).await;
        |all| all.log(2, 0).await;
        |all| all.log(1000, 10).await;
        |all| all.logs(one, &"nothing".parse().unwrap(), None, 10).await;
        |all| all.logs(one, &orders, None, 10).await;
        |all| all.dispatch(one, &orders, CommandId::new(), b"hello").await;
        |all| all.dispatch(none, &api, CommandId::new(), b"hello").await;
    );
    // What was compared was there.
    assert_eq!(fleet.products().await.unwrap(), std::slice::from_ref(&shop));
    assert_eq!(fleet.health().await.unwrap().len(), 3);
    assert!(fleet.heartbeat(one).await.unwrap().iter().all(|beat| matches!(beat.seen, Seen::Heartbeat(_))));
    let checked = fleet.check_stack(&wider).await.unwrap();
    assert!(matches!(checked[0].fit, Fit::AdminOnly { .. }), "{checked:?}");
    served.end().await;
}

pub(crate) async fn logs_and_commands_are_the_same_and_the_log_tells_who_had_them() {
    let world = world(1).await;
    let served = Served::begin(&world.fleet).await;
    let clients = clients(&world, &served).await;
    let (one, api): (_, ResourceId) = (world.ids[0], "api".parse().unwrap());
    let everything: Vec<u8> = (0..=255).collect();
    for (name, client) in &clients {
        let answer = client.dispatch(one, &api, CommandId::new(), &everything).await.unwrap();
        assert_eq!(answer, everything, "{name}");
    }
    let lines = world.fleet.logs(one, &api, None, 10).await.unwrap();
    assert_eq!(lines.len(), 2);
    for (name, client) in &clients {
        assert_eq!(client.logs(one, &api, None, 10).await.unwrap(), lines, "{name}");
        assert_eq!(client.logs(one, &api, None, 1).await.unwrap(), lines[..1], "{name}");
        let later = lines[1].at + Duration::from_secs(1);
        assert!(client.logs(one, &api, Some(later), 10).await.unwrap().is_empty(), "{name}");
    }
    served.client("bob").await.dispatch(one, &api, CommandId::new(), b"x").await.unwrap();
    let log = crate::rollouts::log(&world).await;
    let used = log.iter().filter_map(|entry| match &entry.what {
        What::Used { resource, operation, .. } => Some((entry.who.clone(), resource.as_str(), operation.as_str())),
        _ => None,
    });
    let used: Vec<_> = used.collect();
    assert_eq!(used.iter().filter(|(_, _, operation)| *operation == "dispatch").count(), 3);
    assert_eq!(used.iter().filter(|(_, _, operation)| *operation == "logs").count(), 7);
    assert_eq!(used.last().unwrap(), &(served.who("bob"), "api", "dispatch"));
    served.end().await;
}

pub(crate) async fn what_is_changed_is_what_the_fleet_has() {
    let mut world = world(2).await;
    let served = Served::begin(&world.fleet).await;
    for (name, client) in clients(&world, &served).await {
        let shop = product();
        // A deployment is registered, changed, removed and added again.
        let id = DeploymentId::new();
        let (invitation, record) = world.set_up(id, &name[..2], &release(b"first")).await;
        let listed = client.register(&invitation, &record).await.unwrap();
        assert_eq!(world.fleet.deployment(id).await.unwrap().0, listed, "{name}");
        for setting in [
            Setting::Pin(1.into()),
            Setting::Unpin,
            Setting::Hold("they asked".into()),
            Setting::Release,
            Setting::AwaitApproval("a change".into()),
            Setting::Approve,
            Setting::AnyTime,
            Setting::Label("tier".into(), "gold".into()),
            Setting::Unlabel("tier".into()),
        ] {
            let listed = client.set(id, setting.clone()).await.unwrap();
            assert_eq!(world.fleet.deployment(id).await.unwrap().0, listed, "{name}: {setting}");
        }
        client.remove(id).await.unwrap();
        assert_eq!(failure(world.fleet.deployment(id).await).kind(), ErrorKind::NotFound, "{name}");
        let added = client.add(&record).await.unwrap();
        assert_eq!(world.fleet.deployment(id).await.unwrap().0, added, "{name}");
        world.ids.push(id);

        // A release is published, rolled out, paused and gone on with, and cancelled.
        let zip = format!("zip {name}").into_bytes();
        let published = client.publish(&release(&zip), Images::new(), RevertTo::Before).await.unwrap();
        assert_eq!(world.fleet.last_release(&shop).await.unwrap().as_ref(), Some(&published.release), "{name}");
        let twin = published.twin.unwrap();
        assert_eq!(world.fleet.published(&shop, twin.sequence()).await.unwrap(), twin, "{name}");
        let sequence = published.release.sequence();
        let rollout = client.roll_out(&shop, sequence, &plan().canary(1).gate_after(0).build().unwrap()).await.unwrap();
        let phase = async || world.fleet.status(&rollout).await.unwrap().rollout.head().phase();
        assert_eq!(phase().await, Phase::Open, "{name}");
        client.order(&rollout, &Order::Pause("a customer complained".into())).await.unwrap();
        assert!(world.fleet.status(&rollout).await.unwrap().rollout.head().paused().is_some(), "{name}");
        client.order(&rollout, &Order::Resume).await.unwrap();
        assert!(world.fleet.status(&rollout).await.unwrap().rollout.head().paused().is_none(), "{name}");
        let resumed = client.order(&rollout, &Order::Resume).await;
        assert_eq!(failure(resumed), failure(world.fleet.order(&rollout, &Order::Resume).await), "{name}");
        client.order(&rollout, &Order::Halt("it is broken".into())).await.unwrap();
        assert_eq!(phase().await, Phase::Halted, "{name}");
        client.order(&rollout, &Order::Revert(Scope::All)).await.unwrap();
        client.order(&rollout, &Order::Cancel).await.unwrap();
        assert_eq!(phase().await, Phase::Cancelled, "{name}");
    }
    served.end().await;
}

pub(crate) async fn a_zip_is_sent_if_the_fleet_lacks_it() {
    let kept = Counted::default();
    let fleet = Fleet::builder(InMemory::new(), Clouds::none()).artifacts(kept.clone()).open().await.unwrap();
    let served = Served::begin(&fleet).await;
    let client = served.client("ann").await;
    // More than one part of a body.
    let zip: Vec<u8> = (0..3_000_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    let published = client.publish(&release(&zip), Images::new(), RevertTo::Before).await.unwrap();
    assert_eq!(published.release.zips().get(&digest(&zip)), Some(&3_000_000));
    assert_eq!(kept.store.get(&digest(&zip)).await.unwrap().as_deref(), Some(&*zip));
    assert_eq!(kept.puts.load(Ordering::Relaxed), 1, "as it was sent");
    let published = client.publish(&release(&zip), Images::new(), RevertTo::Nothing).await.unwrap();
    assert_eq!(published.twin, None);
    assert_eq!(kept.puts.load(Ordering::Relaxed), 1, "it is not sent again");
    served.end().await;
}

/// Counts what is put.
#[derive(Debug, Clone, Default)]
struct Counted {
    store: Arc<ArtifactsInMemory>,
    puts: Arc<AtomicUsize>,
}

#[async_trait]
impl ArtifactStore for Counted {
    async fn put(&self, bytes: Arc<[u8]>) -> Result<String> {
        self.puts.fetch_add(1, Ordering::Relaxed);
        self.store.put(bytes).await
    }

    async fn get(&self, digest: &str) -> Result<Option<Arc<[u8]>>> {
        self.store.get(digest).await
    }

    async fn has(&self, digest: &str) -> Result<bool> {
        self.store.has(digest).await
    }
}

pub(crate) async fn twenty_clients_at_once_are_all_answered() {
    let world = world(5).await;
    let served = Served::begin(&world.fleet).await;
    let mut clients = Vec::new();
    for number in 0..20 {
        clients.push(served.client(&format!("operator-{number}")).await);
    }
    let calls = clients.into_iter().enumerate().map(|(number, client)| {
        let id = world.ids[number % 5];
        tokio::spawn(async move {
            for round in 0..5 {
                let label = Setting::Label(format!("l{number}"), round.to_string());
                assert_eq!(client.set(id, label).await.unwrap().labels[&format!("l{number}")], round.to_string());
                assert_eq!(client.deployments(&product()).await.unwrap().len(), 5);
            }
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    let log = crate::rollouts::log(&world).await;
    let set: Vec<_> = log.iter().filter(|entry| matches!(entry.what, What::Set { .. })).collect();
    assert_eq!(set.len(), 100);
    assert_eq!(set.iter().map(|entry| entry.who.name.as_str()).collect::<BTreeSet<_>>().len(), 20);
    served.end().await;
}
