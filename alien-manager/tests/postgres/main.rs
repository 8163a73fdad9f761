//! Two managers on one PostgreSQL database. Without PostgreSQL's programs these tests are reported as ignored; with
//! `ALIEN_PEERS=required` they fail.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a suite of tests says what is wrong by panicking"
)]

#[expect(dead_code, reason = "it also has what only the tests of one manager use")]
#[path = "../it/api/served.rs"]
mod api;
#[expect(dead_code, reason = "it also has what only the tests of the fleet use")]
#[path = "../../../alien-fleet/tests/it/folder.rs"]
mod folder;
#[expect(dead_code, unexpected_cfgs, reason = "it also has what only the tests of the fleet use")]
#[path = "../../../alien-fleet/tests/it/world.rs"]
mod world;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use alien_conformance::postgres::{Postgres as Server, Shared};
use alien_core::{ErrorKind, Images};
use alien_fleet::store::{Postgres, PostgresOptions};
use alien_fleet::{Clouds, Fleet, Products, RevertTo, Role, Setting, Who};
use futures_util::StreamExt as _;
use libtest_mimic::Arguments;

use crate::api::{Served, failure};
use crate::world::{World, product, release};

async fn store(server: &Server, schema: &str) -> Postgres {
    // The machine may have more to do.
    let options = PostgresOptions::new(server.url()).schema(schema).connections(8).timeout(Duration::from_secs(60));
    options.open().await.unwrap()
}

/// Another manager's fleet: with clouds of its own, which is none.
async fn another(server: &Server, schema: &str) -> Fleet {
    let fleet = Fleet::builder(store(server, schema).await, Clouds::none()).acting_as(Who::claimed("second"));
    fleet.open().await.unwrap()
}

async fn what_one_manager_writes_the_other_answers_at_once(server: &Server) {
    let world = World::over(store(server, "written").await, 1).await;
    let second = another(server, "written").await;
    let managers = [Served::begin(&world.fleet).await, Served::begin(&second).await];
    let (_, text) = managers[0].token("ann", Role::Admin, Products::All).await;
    let clients = [managers[0].with(&text), managers[1].with(&text)];
    let mut entries = clients[1].follow(world.fleet.log(0, 1000).await.unwrap().len() as u64);
    for (number, client) in clients.iter().enumerate() {
        let other = &clients[1 - number];
        let label = Setting::Label("tier".to_owned(), number.to_string());
        let listed = client.set(world.ids[0], label).await.unwrap();
        assert_eq!(other.deployments(&product()).await.unwrap(), [listed]);
        let begun = Instant::now();
        let entry = entries.next().await.unwrap().unwrap();
        assert_eq!(entry.who, managers[0].who("ann"));
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
    let published = clients[0].publish(&release(b"next"), Images::new(), RevertTo::Before).await.unwrap();
    assert_eq!(clients[1].last_release(&product()).await.unwrap(), Some(published.release));
    for manager in managers {
        manager.end().await;
    }
}

async fn a_token_that_one_manager_revokes_the_other_refuses_at_once_and_its_streams_end(server: &Server) {
    let (first, second) = (another(server, "revoked").await, another(server, "revoked").await);
    let managers = [Served::begin(&first).await, Served::begin(&second).await];
    let (token, text) = managers[0].token("ann", Role::Read, Products::All).await;
    let client = managers[1].with(&text);
    client.products().await.unwrap();
    let mut stream = client.follow(0);
    stream.next().await.unwrap().unwrap();
    let admin = managers[0].client("admin").await;
    admin.revoke_token(&token.id).await.unwrap();
    assert_eq!(failure(client.products().await).kind(), ErrorKind::Credentials);
    // The announcement may take its time on a machine that has more to do; without it, it would take 30 seconds.
    tokio::time::timeout(Duration::from_secs(15), stream.count()).await.expect("the stream goes on");
    for manager in managers {
        manager.end().await;
    }
}

/// Runs a test, and fails if something waits forever.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_mins(2), test).await.expect("it waits forever") });
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let server = Shared::default();
    let trials = vec![
        server.trial("what_one_manager_writes_the_other_answers_at_once", |server| {
            run(what_one_manager_writes_the_other_answers_at_once(server));
        }),
        server.trial("a_token_that_one_manager_revokes_the_other_refuses_at_once_and_its_streams_end", |server| {
            run(a_token_that_one_manager_revokes_the_other_refuses_at_once_and_its_streams_end(server));
        }),
    ];
    let conclusion = libtest_mimic::run(&arguments, trials);
    // The server stops before this program does.
    drop(server);
    conclusion.exit_code()
}
