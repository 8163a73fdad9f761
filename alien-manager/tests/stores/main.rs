//! The suite of a fleet's calls on each store, and two managers on one PostgreSQL database. Without PostgreSQL's programs these tests are reported as ignored; with
//! `ALIEN_PEERS=required` they fail.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a suite of tests says what is wrong by panicking"
)]

#[expect(dead_code, reason = "it also has what only the tests of one manager use")]
mod api;
#[expect(dead_code, reason = "it also has what only the tests of the fleet use")]
#[path = "../../../alien-fleet/tests/it/folder.rs"]
mod folder;
mod killed;
#[path = "../it/process.rs"]
mod process;
#[expect(dead_code, unexpected_cfgs, reason = "it also has what only the tests of the fleet use")]
#[path = "../../../alien-fleet/tests/it/world.rs"]
mod world;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use alien_conformance::postgres::{Postgres as Server, Shared};
use alien_conformance::world::pulled;
use alien_core::rollout::Plan;
use alien_core::{AgentVersion, Delivery, DeploymentId, ErrorKind, Health, Images, Invitation, ResourceId, memory};
use alien_fleet::store::{Postgres, PostgresOptions};
use alien_fleet::{Clouds, Fleet, Poll, Products, RevertTo, Role, Setting, Who};
use alien_release::SigningKey;
use alien_release::agent::{Attempt, Condition, Desired, Ended, Report, Signed, State, TokenRequest};
use futures_util::StreamExt as _;
use jiff::Timestamp;
use libtest_mimic::{Arguments, Trial};

use crate::api::{Place, Served, failure};
use crate::world::{World, product, release};

/// Where the checks find the log.
mod rollouts {
    pub(crate) use crate::world::log;
}

fn options(server: &Server, schema: &str) -> PostgresOptions {
    // The machine may have more to do.
    PostgresOptions::new(server.url()).schema(schema).connections(8).timeout(Duration::from_secs(60))
}

async fn store(server: &Server, schema: &str) -> Postgres {
    options(server, schema).open().await.unwrap()
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

/// How often a release is timed: on a machine that has more to do, most take longer.
const TIMED: u8 = 5;

async fn a_release_changes_what_the_agent_of_another_manager_should_run_within_a_second(server: &Server) {
    const HOST: &str = "releases.vendor.example";
    let world = World::over(store(server, "agents").await, 0).await;
    let second = store(server, "agents").await;
    let second = World::open(second, &world.clock, &world.config, &world.artifacts, world.troubles.clone()).await;
    // The customer's admin sets up a deployment that an agent manages, and the vendor registers it.
    let id = DeploymentId::new();
    let Delivery::Pull { manager, root } = pulled() else { panic!("it is pulled") };
    let (first, key) = (release(b"first"), SigningKey::generate().unwrap());
    let target = memory::Target::pulled("c0", "local:agent".parse().unwrap()).unwrap();
    let invitation = Invitation::pull::<memory::Memory>(id, manager, root, first.stack().clone()).unwrap();
    let admin = memory::admin(&world.config, id, target).with_delivery(pulled());
    let record = admin.apply(&admin.plan(&first).await.unwrap()).await.unwrap();
    let served = Served::begin(&world.fleet).await;
    let client = served.client("ann").await;
    client.register_agent(&invitation, &record, key.public()).await.unwrap();

    let agents = second.agents().host(HOST).open().await.unwrap();
    // The database says what time it is.
    let request = TokenRequest::new(id, Timestamp::now(), HOST).unwrap();
    let bearer = agents.token(&Signed::of(&request, &key).unwrap()).await.unwrap().bearer;
    let mut counter = 0;
    let mut report = async |runs: Option<Attempt>, doing: State| {
        counter += 1;
        let mut report = Report::new(id, counter, AgentVersion::new(1, 0, 0)).doing(doing);
        report.runs = runs.as_ref().map(|attempt| attempt.release);
        report.outcome = runs;
        let healthy = |id: &ResourceId| (id.clone(), Condition::seen(Health::Healthy));
        report.resources = record.resources.keys().map(healthy).collect();
        assert_eq!(agents.report(&bearer, &Signed::of(&report, &key).unwrap()).await.unwrap(), None);
    };
    // A deployment is updated once its agent was heard of.
    report(None, State::Idle).await;
    let wanted = async || match agents.desired(&bearer, None).await.unwrap() {
        Poll::Desired(_, json) => Desired::from_json(json.as_bytes()).unwrap().release,
        other => panic!("{other:?}"),
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let fleet = world.fleet.clone();
    let worker = tokio::spawn(async move { fleet.worker().run(async { drop(stopped.await) }).await });
    let mut times = Vec::new();
    for number in 0..TIMED {
        let begun = Instant::now();
        let published = client.publish(&release(&[number]), Images::new(), RevertTo::Before).await.unwrap();
        let sequence = published.release.sequence();
        client.roll_out(&product(), sequence, &Plan::builder().build().unwrap()).await.unwrap();
        let fence = loop {
            match wanted().await {
                Some(wanted) if wanted.release == sequence => break wanted.fence,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        times.push(begun.elapsed());
        report(None, State::Beginning { release: sequence, fence }).await;
        report(Some(Attempt { release: sequence, fence, ended: Ended::Done }), State::Idle).await;
    }
    println!("from the release to what an agent should run: {times:?}");
    assert!(times.iter().min() < Some(&Duration::from_secs(1)), "{times:?}");
    stop.send(()).unwrap();
    worker.await.unwrap().unwrap();
    served.end().await;
}

/// Runs a test, and fails if something waits forever.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LONGEST, test).await.expect("it waits forever") });
}

/// How long a test may take.
const LONGEST: Duration = Duration::from_mins(2);

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let server = Shared::default();
    let mut trials = vec![
        server.trial("what_one_manager_writes_the_other_answers_at_once", |server| {
            run(what_one_manager_writes_the_other_answers_at_once(server));
        }),
        server.trial("a_token_that_one_manager_revokes_the_other_refuses_at_once_and_its_streams_end", |server| {
            run(a_token_that_one_manager_revokes_the_other_refuses_at_once_and_its_streams_end(server));
        }),
        server.trial("a_release_changes_what_the_agent_of_another_manager_should_run_within_a_second", |server| {
            run(a_release_changes_what_the_agent_of_another_manager_should_run_within_a_second(server));
        }),
        server.trial(
            "in_postgres_with_two_managers::one_that_is_killed_loses_no_report_that_it_acknowledged",
            |server| {
                // The program has its tables in this schema.
                run(killed::no_report_is_lost(killed::Place::database(server.url(), options(server, "alien"))));
            },
        ),
    ];
    trials.push(Trial::test("in_a_file::a_manager_that_is_killed_loses_no_report_that_it_acknowledged", || {
        run(killed::no_report_is_lost(killed::Place::file()));
        Ok(())
    }));
    for (name, check) in api::checks() {
        trials.push(Trial::test(format!("in_a_file::{name}"), move || {
            api::on_a_file(check);
            Ok(())
        }));
        trials.push(server.trial(&format!("in_postgres_with_two_managers::{name}"), move |server| {
            let options = options(server, name.get(..48).unwrap_or(name));
            api::on(Place::Database(options), check);
        }));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    // The server stops before this program does.
    drop(server);
    conclusion.exit_code()
}
