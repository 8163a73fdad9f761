//! What a token of one product sees of another: nothing.

use std::time::Duration;

use alien_core::rollout::Plan;
use alien_core::{
    Artifacts, Code, CommandId, DeploymentId, ErrorKind, Function, Images, Profile, Release, ResourceId, Stack,
    StackName,
};
use alien_fleet::{Order, Products, RevertTo, Role, RolloutId, Setting};
use futures_util::StreamExt as _;

use crate::api::{Served, failure, world};
use crate::world::{World, product};

fn billing() -> StackName {
    "billing".parse().unwrap()
}

/// A release of the other product.
fn bill(zip: &[u8]) -> Release {
    let mut stack = Stack::builder("billing");
    stack.live("api", Function::new(Code::zip(zip), "api"));
    stack.profile("api", Profile::new());
    Release::new(stack.build().unwrap(), [std::sync::Arc::from(zip)].into_iter().collect::<Artifacts>()).unwrap()
}

/// A deployment of the other product, with a rollout.
async fn with_billing(world: &World) -> (DeploymentId, RolloutId) {
    let release = bill(b"bills");
    world.fleet.publish(&release, Images::new(), RevertTo::Before).await.unwrap();
    let id = DeploymentId::new();
    let (invitation, record) = world.set_up(id, "b0", &release).await;
    world.fleet.register(&invitation, &record).await.unwrap();
    let published = world.fleet.publish(&bill(b"more"), Images::new(), RevertTo::Before).await.unwrap();
    let plan = Plan::builder().build().unwrap();
    let rollout = world.fleet.roll_out(&billing(), published.release.sequence(), &plan).await.unwrap();
    world.fleet.set(id, Setting::Hold("a secret of billing".to_owned())).await.unwrap();
    (id, rollout)
}

#[tokio::test(start_paused = true)]
async fn lists_leave_it_out_and_calls_fail_as_if_nothing_of_it_were_there() {
    let world = world(1).await;
    let (id, rollout) = with_billing(&world).await;
    let served = Served::begin(&world.fleet).await;
    let (_, token) = served.token("shop", Role::Admin, Products::Only([product()].into())).await;
    let (client, ann) = (served.with(&token), served.client("ann").await);
    let (own, other) = (world.ids[0], billing());
    let (nothing, none): (StackName, _) = ("nothing".parse().unwrap(), DeploymentId::new());
    let no_rollout: RolloutId = "nothing/1".parse().unwrap();
    let (plan, api): (_, ResourceId) = (Plan::builder().build().unwrap(), "api".parse().unwrap());
    // Whoever may see everything sees both.
    assert_eq!(ann.products().await.unwrap(), [other.clone(), product()]);
    assert_eq!(ann.health().await.unwrap().len(), 2);
    assert!(ann.deployment(id).await.is_ok() && ann.status(&rollout).await.is_ok());

    assert_eq!(client.products().await.unwrap(), [product()]);
    assert_eq!(client.health().await.unwrap().into_keys().collect::<Vec<_>>(), [own]);
    assert_eq!(client.deployments(&product()).await.unwrap().len(), 1);
    assert!(client.deployments(&other).await.unwrap().is_empty());
    assert!(client.releases(&other).await.unwrap().is_empty());
    assert!(client.rollouts(&other).await.unwrap().is_empty());
    assert_eq!(client.last_release(&other).await.unwrap(), None);
    assert!(client.check_stack(bill(b"bills").stack()).await.unwrap().is_empty());

    // The same words as for what is not there, but for its name.
    let told = |error: alien_core::Error, name: &str| (error.kind(), error.to_string().replace(name, "…"));
    let (there, missing) = (id.to_string(), none.to_string());
    let order = Order::Cancel;
    macro_rules! same {
        ($($call:expr, $absent:expr, $name:expr, $missing:expr);+ $(;)?) => { $(
            let (found, wanted) = (told(failure($call), $name), told(failure($absent), $missing));
            assert_eq!(found, wanted, "{}", stringify!($call));
            assert_eq!(found.0, ErrorKind::NotFound, "{}", stringify!($call));
        )+ };
    }
    let hold = || Setting::Hold("mine".to_owned());
    same! {
        client.deployment(id).await, ann.deployment(none).await, &there, &missing;
        client.watched(id).await, ann.watched(none).await, &there, &missing;
        client.heartbeat(id).await, ann.heartbeat(none).await, &there, &missing;
        client.logs(id, &api, None, 10).await, ann.logs(none, &api, None, 10).await, &there, &missing;
        client.dispatch(id, &api, CommandId::new(), b"x").await, ann.dispatch(none, &api, CommandId::new(), b"x").await, &there, &missing;
        client.set(id, hold()).await, ann.set(none, hold()).await, &there, &missing;
        client.remove(id).await, ann.remove(none).await, &there, &missing;
        client.published(&other, 1.into()).await, ann.published(&nothing, 1.into()).await, "billing", "nothing";
        client.planned(&other, 1.into(), &plan).await, ann.planned(&nothing, 1.into(), &plan).await, "billing", "nothing";
        client.roll_out(&other, 1.into(), &plan).await, ann.roll_out(&nothing, 1.into(), &plan).await, "billing", "nothing";
        client.status(&rollout).await, ann.status(&no_rollout).await, "billing", "nothing";
        client.order(&rollout, &order).await, ann.order(&no_rollout, &order).await, "billing", "nothing";
    }
    served.end().await;
}

#[tokio::test(start_paused = true)]
async fn it_is_not_written_to_either_nor_taken_over() {
    let world = world(1).await;
    let (id, _) = with_billing(&world).await;
    let served = Served::begin(&world.fleet).await;
    let (_, token) = served.token("shop", Role::Admin, Products::Only([product()].into())).await;
    let client = served.with(&token);
    let published = client.publish(&bill(b"mine"), Images::new(), RevertTo::Before).await;
    assert_eq!(failure(published).kind(), ErrorKind::NotGranted);
    let (_, record) = world.fleet.deployment(id).await.unwrap();
    assert_eq!(failure(client.add(&record).await).kind(), ErrorKind::NotGranted);
    // A record of the own product under the id of the other's deployment.
    let (_, mut own) = world.fleet.deployment(world.ids[0]).await.unwrap();
    own.id = id;
    assert_eq!(failure(client.add(&own).await).kind(), ErrorKind::NotOwned);
    assert_eq!(world.fleet.deployment(id).await.unwrap().1, record);
    served.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_log_and_its_stream_leave_it_out() {
    let world = world(1).await;
    let (id, _) = with_billing(&world).await;
    let served = Served::begin(&world.fleet).await;
    let (_, token) = served.token("shop", Role::Read, Products::Only([product()].into())).await;
    let client = served.with(&token);
    world.fleet.set(world.ids[0], Setting::Hold("a demo".to_owned())).await.unwrap();
    world.fleet.remove(id).await.unwrap();
    let all = world.fleet.log(0, 1000).await.unwrap();
    let seen = client.log(0, 1000).await.unwrap();
    let wanted: Vec<_> = all.iter().filter(|entry| entry.what.product() == Some(&product())).cloned().collect();
    assert_eq!(seen, wanted);
    assert!(seen.len() >= 3 && all.len() > seen.len() + 5);
    let text = serde_json::to_string(&seen).unwrap();
    for secret in [id.to_string(), "billing".to_owned(), "a secret".to_owned(), "shop (token".to_owned()] {
        assert!(!text.contains(&secret), "{secret}: {text}");
    }
    // A part of the log is as long as was asked for, if there is so much.
    assert_eq!(client.log(0, 2).await.unwrap(), wanted[..2]);
    let (_, everything) = served.token("ann", Role::Read, Products::All).await;
    assert_eq!(served.with(&everything).log(0, all.len()).await.unwrap(), all);
    let streamed: Vec<_> = client.follow(0).take(wanted.len()).map(Result::unwrap).collect().await;
    assert_eq!(streamed, wanted);
    let mut later = client.follow(wanted.last().unwrap().number);
    let nothing = tokio::time::timeout(Duration::from_millis(1500), later.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    served.end().await;
}
