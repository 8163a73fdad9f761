//! Two managers and an admin at work on one deployment, interleaved by chance: in the end the record tells what runs.

use std::sync::Arc;
use std::time::Duration;

use alien_conformance::seed;
use alien_conformance::world::{Case, World};
use alien_core::adapter::{Purpose, Runs};
use alien_core::memory::Fault;
use alien_core::{Admin, DeploymentId, ErrorKind, Manager, RecordStore, RecordsInMemory, Release};

use crate::in_process::InProcess;
use crate::records::two;

/// What one of them does next.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A release of this number.
    Release(u8),
    /// A release that is dropped after so many steps.
    Dropped(u8, u64),
    /// A set-up with the first stack.
    Up,
    /// A revocation, and a set-up that gives the access again.
    Revoked,
    /// A set-up that takes back what was released.
    Reset,
    /// A pause, in milliseconds.
    Pause(u64),
}

fn number(code: u8) -> Release {
    two(&[b'r', b'0' + code])
}

/// Whatever is refused because another is at work is tried again later, as a person would.
fn is_others(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Locked | ErrorKind::Conflict | ErrorKind::Revoked | ErrorKind::Input)
}

async fn manage(world: &InProcess, store: &Arc<RecordsInMemory>, id: DeploymentId, steps: &[Step]) {
    for step in steps {
        let manager = Manager::open(world.vendor(world.calling()), store.clone(), id).await.unwrap();
        match *step {
            Step::Release(code) => {
                let release = number(code);
                let released = manager.release(&release).await;
                if let Some(refusal) = released.refusal() {
                    assert!(is_others(refusal.kind()), "{refusal}");
                }
            }
            Step::Dropped(code, after) => {
                let release = number(code);
                let dropped = async { manager.release(&release).await.is_ok() };
                let _ = tokio::time::timeout(Duration::from_millis(after), dropped).await;
            }
            Step::Pause(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
            Step::Up | Step::Revoked | Step::Reset => {}
        }
    }
}

async fn set_up(admin: &Admin, store: &Arc<RecordsInMemory>, id: DeploymentId, reset: bool) {
    let record = store.load(id).await.unwrap().unwrap();
    let first = number(0);
    let plan = admin.plan(&first).previous(&record);
    let plan = if reset { plan.reset_live().await } else { plan.await };
    if let Err(error) = admin.apply(&plan.unwrap()).keep_in(store.clone()).await {
        assert!(is_others(error.kind()), "{error}");
    }
}

async fn administrate(admin: &Admin, store: &Arc<RecordsInMemory>, id: DeploymentId, steps: &[Step]) {
    for step in steps {
        match *step {
            Step::Up => set_up(admin, store, id, false).await,
            Step::Reset => set_up(admin, store, id, true).await,
            Step::Revoked => {
                let record = store.load(id).await.unwrap().unwrap();
                admin.revoke(&record).await.unwrap();
                set_up(admin, store, id, false).await;
            }
            Step::Pause(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
            Step::Release(_) | Step::Dropped(..) => {}
        }
    }
}

/// What runs is what the record says of it, or the record says that it does not know.
async fn the_record_tells_what_runs(world: &InProcess, store: &Arc<RecordsInMemory>, id: DeploymentId, seen: &str) {
    let record = store.load(id).await.unwrap().unwrap();
    let session = world.vendor(world.calling()).session(&record, &Purpose::Watch).await.unwrap();
    for resource in record.stack.resources() {
        let compared = session.compare(resource).await.unwrap();
        assert!(matches!(compared.runs, Runs::Settings(_)));
        let begun = record.in_flight.iter().any(|in_flight| in_flight.resources.contains(resource.id()));
        let is_known = !begun && !record.uncertain.contains(resource.id());
        assert!(!is_known || compared.unrecorded.is_none(), "{seen}: {}: {compared:?}", resource.id());
    }
}

#[tokio::test(start_paused = true)]
async fn two_managers_and_an_admin_end_with_a_record_that_tells_what_runs() {
    let mut chance = seed::chance();
    for round in 0..200 {
        let world = InProcess::new();
        let first = number(0);
        let case = Case::new(&world, "two", first.stack().clone());
        let deployment = case.up(&first, None).await.unwrap();
        let store = Arc::new(RecordsInMemory::new());
        store.save(&deployment).await.unwrap();
        // Calls that take time, some of which fail, let one come in between another's.
        world.account.throttle_every(chance.usize(2..6));
        let mut vendors = || -> Vec<Step> {
            (0..chance.usize(1..5))
                .map(|_| match chance.usize(..4) {
                    0 | 1 => Step::Release(chance.u8(1..9)),
                    2 => Step::Dropped(chance.u8(1..9), chance.u64(..300)),
                    _ => Step::Pause(chance.u64(..90_000)),
                })
                .collect()
        };
        let (one, other) = (vendors(), vendors());
        let admins: Vec<Step> = (0..chance.usize(..4))
            .map(|_| match chance.usize(..5) {
                0 | 1 => Step::Up,
                2 => Step::Revoked,
                3 => Step::Reset,
                _ => Step::Pause(chance.u64(..1000)),
            })
            .collect();
        let seen = format!("round {round}: {one:?}, {other:?}, {admins:?}");
        if chance.usize(..3) == 0 {
            world.account.fail_at(chance.usize(..60), Fault::AnswerLost);
        }
        tokio::join!(
            manage(&world, &store, deployment.id, &one),
            manage(&world, &store, deployment.id, &other),
            administrate(&case.admin, &store, deployment.id, &admins),
        );
        world.account.throttle_every(0);
        // Access may have been revoked by an admin who could not set up again meanwhile.
        tokio::time::sleep(Duration::from_secs(61)).await;
        set_up(&case.admin, &store, deployment.id, false).await;
        the_record_tells_what_runs(&world, &store, deployment.id, &seen).await;
        // And the next release brings everything to where it should be.
        let manager = Manager::open(world.vendor(world.calling()), store.clone(), deployment.id).await.unwrap();
        let released = manager.release(&number(9)).await;
        assert!(released.is_ok(), "{seen}: {released:?}");
        let now = store.load(deployment.id).await.unwrap().unwrap();
        assert_eq!((&now.stack, now.uncertain.len(), now.in_flight.is_none()), (number(9).stack(), 0, true), "{seen}");
        the_record_tells_what_runs(&world, &store, deployment.id, &seen).await;
    }
}
