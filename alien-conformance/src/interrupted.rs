//! P8 on a cloud that can be called: lost answers, and runs that are killed between two calls.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alien_core::{
    Admin, CallConfig, Container, Data, Deployment, Function, Kv, Network, Profile, Queue, Release, Stack, Storage,
};
use futures_util::future::BoxFuture;

use crate::world::{Calls, Case, HurriedClock, World, quickly, release};

/// A world whose peer can lose an answer and list everything in it.
pub trait Faulty: World {
    /// Lists everything in the peer, except what it contains before any deployment.
    fn there(&self) -> BTreeSet<String>;

    /// Returns the methods that were called to change something, and forgets them.
    fn take_changes(&self) -> BTreeSet<String>;

    /// Makes the next call of a method succeed but lose its answer.
    fn lose_an_answer(&self, method: &str);
}

/// A stack with one resource of each kind, wired as in a real product.
fn each_kind<W: World>(world: &W) -> Stack {
    let (api, worker) = (world.code("each").code(), world.code("worker").code());
    let mut stack = Stack::builder("each");
    let network = stack.frozen("net", Network::new("10.20.0.0/16"));
    let data = stack.frozen("data", Storage::new());
    stack.frozen("cache", Kv::new().with_time_to_live("expires"));
    let jobs = stack.live("jobs", Queue::new().with_dead_letters_after(5));
    stack.live("api", Function::new(api, "code").with_commands().with_trigger(&jobs));
    stack.live("worker", Container::new(worker, "code").with_network(&network));
    let profile = Profile::new().on(&data, [Storage::DATA_READ]).on(&jobs, [Queue::DATA_READ]);
    stack.profile("code", profile);
    stack.build().unwrap_or_else(|problems| panic!("{problems}"))
}

fn hurried() -> CallConfig {
    quickly(HurriedClock::begin(), Duration::from_secs(600))
}

fn admin_of<W: World>(world: &W, case: &Case<'_, W>, how: CallConfig) -> Admin {
    Case::<W>::admin_of(world, case.invitation.id, case.target.clone(), how)
}

async fn up(admin: &Admin, release: &Release) -> alien_core::Result<Deployment> {
    let plan = admin.plan(release).take_over().await?;
    admin.apply(&plan).take_over().await
}

/// Compares deployments without the id that the cloud chooses for a new identity.
fn same(one: &Deployment, other: &Deployment) -> bool {
    let without = |deployment: &Deployment| {
        let mut deployment = deployment.clone();
        deployment.identity_id = None;
        deployment
    };
    without(one) == without(other)
}

/// Sets up and takes down once for each method that changes something, losing that method's answer. Returns the number
/// of methods.
///
/// # Panics
///
/// If a set-up or a take-down does not recover.
pub async fn a_lost_answer_does_no_harm<W: Faulty>(world: &W) -> usize {
    let stack = each_kind(world);
    let release = release(&stack, &[]);
    let case = Case::new(world, "lost", stack.clone());
    let admin = admin_of(world, &case, hurried());
    let before = world.there();
    let _ = world.take_changes();
    let wanted = up(&admin, &release).await.unwrap();
    admin.revoke(&wanted).await.unwrap();
    up(&admin, &release).await.unwrap();
    admin.destroy(&wanted).data(Data::Delete).await.unwrap();
    assert_eq!(world.there(), before);
    let changes = world.take_changes();
    for method in &changes {
        world.lose_an_answer(method);
        let made = up(&admin, &release).await.unwrap_or_else(|error| panic!("{method}, set up: {error}"));
        assert!(same(&made, &wanted), "{method}: {made:?}");
        let plan = admin.plan(&release).previous(&made).await.unwrap();
        assert!(plan.is_empty(), "{method}:\n{plan}");
        world.lose_an_answer(method);
        let remains = admin.destroy(&made).data(Data::Delete).take_over().await;
        let remains = remains.unwrap_or_else(|error| panic!("{method}, take down: {error}"));
        assert!(remains.kept.is_empty() && remains.foreign.is_empty(), "{method}: {remains:?}");
        assert_eq!(world.there(), before, "{method}");
    }
    println!("{} methods lost their answers, once while setting up and once while taking down", changes.len());
    changes.len()
}

/// Runs work until it has made this many calls, and drops it. Returns whether it finished first.
async fn killed_after<T>(calls: usize, work: impl FnOnce(CallConfig) -> BoxFuture<'static, T>) -> bool {
    let made = Arc::new(AtomicUsize::new(0));
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let stop = Mutex::new(Some(stop));
    let counted = Arc::clone(&made);
    let how = hurried().with_recorder(Arc::new(move |_| {
        if counted.fetch_add(1, Ordering::SeqCst) + 1 == calls {
            let _ = stop.lock().unwrap().take().map(|stop| stop.send(()));
        }
    }));
    tokio::select! {
        biased;
        _ = stopped => false,
        _ = work(how) => true,
    }
}

/// How many runs a test kills: `ALIEN_KILLS` from the environment, or else `usual`.
///
/// # Panics
///
/// If `ALIEN_KILLS` is not a number.
#[must_use]
pub fn kills(usual: usize) -> usize {
    let given = std::env::var("ALIEN_KILLS").ok();
    given.map_or(usual, |given| {
        given.parse().unwrap_or_else(|_| panic!("ALIEN_KILLS is `{given}`, and must be a number"))
    })
}

/// Kills runs after different numbers of calls, spread over all calls of a run, and checks that the next run finishes
/// the work. With enough [`kills`], every call is covered. Returns the number of killed runs.
///
/// # Panics
///
/// If the next run does not finish, leaves something behind, or removes something else.
pub async fn what_is_killed_is_finished<W: Faulty>(world: &W) -> usize {
    let stack = each_kind(world);
    let release = release(&stack, &[]);
    let case = Case::new(world, "killed", stack.clone());
    let admin = admin_of(world, &case, hurried());
    let before = world.there();
    let made = Calls::default();
    let wanted = up(&admin_of(world, &case, hurried().with_recorder(made.recorder())), &release).await.unwrap();
    admin.destroy(&wanted).data(Data::Delete).await.unwrap();
    // Half of the kills are of take-downs.
    let whole = made.take().len();
    let stride = (whole / kills(40).div_ceil(2)).max(1);
    let (mut killed, mut calls) = (0, 1);
    loop {
        let ended = killed_after(calls, |how| {
            let (admin, release) = (admin_of(world, &case, how), release.clone());
            Box::pin(async move { up(&admin, &release).await })
        });
        let up_ended = ended.await;
        let made = up(&admin, &release).await.unwrap_or_else(|error| panic!("after {calls} calls: {error}"));
        assert!(same(&made, &wanted), "{made:?}");
        let plan = admin.plan(&release).previous(&made).await.unwrap();
        assert!(plan.is_empty(), "after {calls} calls:\n{plan}");
        let ended = killed_after(calls, |how| {
            let (admin, made) = (admin_of(world, &case, how), made.clone());
            Box::pin(async move { admin.destroy(&made).data(Data::Delete).await })
        });
        let down_ended = ended.await;
        let remains = admin.destroy(&made).data(Data::Delete).take_over().await;
        let remains = remains.unwrap_or_else(|error| panic!("after {calls} calls: {error}"));
        assert!(remains.kept.is_empty() && remains.foreign.is_empty(), "{remains:?}");
        assert_eq!(world.there(), before, "after {calls} calls something was left, or taken");
        killed += usize::from(!up_ended) + usize::from(!down_ended);
        if up_ended && down_ended {
            break;
        }
        calls += stride;
    }
    println!("{killed} runs were killed, one every {stride} calls of {whole}");
    killed
}
