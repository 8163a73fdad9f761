//! P8 on GCP: answers that are lost, and runs that end between two calls.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use alien_conformance::world::{Case, HurriedClock, quickly, release, run};
use alien_core::call::Calling;
use alien_core::engine::Data;
use alien_core::{
    Code, Container, Deployment, Function, Kv, Network, Profile, Provision, Queue, Release, Silent, Stack, Storage,
};

use crate::world::{ADMIN, Peer, image};

/// One of each kind, wired as products are.
fn each_kind() -> Stack {
    let mut stack = Stack::builder("each");
    let network = stack.frozen("net", Network::new("10.20.0.0/16"));
    let data = stack.frozen("data", Storage::new());
    stack.frozen("cache", Kv::new().time_to_live("expires"));
    let jobs = stack.live("jobs", Queue::new().dead_letter_after(5));
    stack.live("api", Function::new(Code::image(image("each")), "code").commands().trigger(&jobs));
    stack.live("worker", Container::new(Code::image(image("worker")), "code").network(&network));
    let profile = Profile::new().on(&data, [Storage::DATA_READ]).on(&jobs, [Queue::DATA_READ]);
    stack.profile("code", profile);
    stack.build().unwrap()
}

fn hurried() -> Calling {
    quickly(HurriedClock::begin(), Duration::from_secs(600))
}

/// What stands in the project, without roles, which are for every deployment.
fn there(peer: &Peer) -> BTreeSet<String> {
    peer.sim.things().into_iter().filter(|name| !name.contains("/roles/alien.")).collect()
}

fn provisioner(peer: &Peer, case: &Case<'_, Peer>, how: Calling) -> Arc<dyn Provision> {
    Arc::new(alien_gcp::provisioner(&peer.config(ADMIN), case.invitation.id, case.target.clone(), how))
}

async fn up(provisioner: &dyn Provision, release: &Release) -> alien_core::Result<Deployment> {
    let options = run().take_over();
    let plan = provisioner.plan(release, None, &options).await?;
    provisioner.apply(&plan, &options, &Silent).await
}

/// Every method that changes something once does it, and its answer is lost.
pub(crate) async fn a_lost_answer_does_no_harm(peer: &Peer) {
    let stack = each_kind();
    let release = release(&stack, &[]);
    let case = Case::new(peer, "lost", stack.clone());
    let admin = provisioner(peer, &case, hurried());
    let before = there(peer);
    let _ = peer.sim.take_requests();
    let wanted = up(&*admin, &release).await.unwrap();
    admin.revoke(&wanted, &run()).await.unwrap();
    up(&*admin, &release).await.unwrap();
    admin.destroy(&wanted, Data::Delete, &run(), &Silent).await.unwrap();
    assert_eq!(there(peer), before);
    let changes = peer.sim.take_requests().into_iter().filter(|request| request.verb != "GET");
    let changes: BTreeSet<String> = changes.map(|request| request.method).collect();
    let asks = ["getIamPolicy", "testIamPermissions"];
    let changes: Vec<&String> = changes.iter().filter(|method| !asks.iter().any(|ask| method.ends_with(ask))).collect();
    for method in &changes {
        peer.sim.faults().fail_after(method, 1, "UNAVAILABLE");
        let made = up(&*admin, &release).await.unwrap_or_else(|error| panic!("{method}, set up: {error}"));
        assert_eq!(made, wanted, "{method}");
        let plan = admin.plan(&release, Some(&made), &run()).await.unwrap();
        assert!(plan.is_empty(), "{method}:\n{plan}");
        peer.sim.faults().fail_after(method, 1, "UNAVAILABLE");
        let remains = admin.destroy(&made, Data::Delete, &run().take_over(), &Silent).await;
        let remains = remains.unwrap_or_else(|error| panic!("{method}, take down: {error}"));
        assert!(remains.kept.is_empty() && remains.foreign.is_empty(), "{method}: {remains:?}");
        assert_eq!(there(peer), before, "{method}");
    }
    println!("{} methods lost their answers, once while setting up and once while taking down", changes.len());
    assert!(changes.len() > 25, "{changes:?}");
}

/// Runs something until it has made so many calls, and drops it. Gives whether it ended by itself before.
async fn killed_after<T>(
    calls: usize,
    work: impl FnOnce(Calling) -> futures_util::future::BoxFuture<'static, T>,
) -> bool {
    let made = Arc::new(AtomicUsize::new(0));
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let stop = std::sync::Mutex::new(Some(stop));
    let counted = Arc::clone(&made);
    let how = hurried().recorder(Arc::new(move |_| {
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

/// Runs end after their first call, their fifth, their ninth, …: the next run finishes what was begun.
pub(crate) async fn what_is_killed_is_finished(peer: &Peer) {
    const STRIDE: usize = 4;
    let stack = each_kind();
    let release = release(&stack, &[]);
    let case = Case::new(peer, "killed", stack.clone());
    let admin = provisioner(peer, &case, hurried());
    let before = there(peer);
    let wanted = up(&*admin, &release).await.unwrap();
    admin.destroy(&wanted, Data::Delete, &run(), &Silent).await.unwrap();
    let (mut killed, mut calls) = (0, 1);
    loop {
        let ended = killed_after(calls, |how| {
            let (admin, release) = (provisioner(peer, &case, how), release.clone());
            Box::pin(async move { up(&*admin, &release).await })
        });
        let up_ended = ended.await;
        let made = up(&*admin, &release).await.unwrap_or_else(|error| panic!("after {calls} calls: {error}"));
        assert_eq!(made, wanted);
        let plan = admin.plan(&release, Some(&made), &run()).await.unwrap();
        assert!(plan.is_empty(), "after {calls} calls:\n{plan}");
        let ended = killed_after(calls, |how| {
            let (admin, made) = (provisioner(peer, &case, how), made.clone());
            Box::pin(async move { admin.destroy(&made, Data::Delete, &run(), &Silent).await })
        });
        let down_ended = ended.await;
        let remains = admin.destroy(&made, Data::Delete, &run().take_over(), &Silent).await;
        let remains = remains.unwrap_or_else(|error| panic!("after {calls} calls: {error}"));
        assert!(remains.kept.is_empty() && remains.foreign.is_empty(), "{remains:?}");
        assert_eq!(there(peer), before, "after {calls} calls something was left, or taken");
        killed += usize::from(!up_ended) + usize::from(!down_ended);
        if up_ended && down_ended {
            break;
        }
        calls += STRIDE;
    }
    println!("{killed} runs were killed, the last after {calls} calls");
    assert!(killed > 30, "{killed}");
}
