//! The store in a PostgreSQL database: the suite of all stores, several managers at once, and a database that breaks. Without
//! PostgreSQL's programs these tests are reported as ignored; with `ALIEN_PEERS=required` they fail.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a suite of tests says what is wrong by panicking"
)]

mod broken;
#[expect(dead_code, reason = "one part needs a clock that is wound on")]
#[path = "../it/late.rs"]
mod late;
mod managers;
mod measured;
mod opened;
mod proxy;
#[expect(dead_code, reason = "it also has what only the tests of other stores use")]
#[path = "../it/stores/mod.rs"]
mod stores;
#[expect(dead_code, reason = "it also has what only the tests of other stores use")]
#[path = "../it/world.rs"]
mod world;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use alien_conformance::postgres::{Postgres as Server, Shared};
use alien_fleet::store::{Postgres, PostgresOptions, Store};
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use libtest_mimic::{Arguments, Trial};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use crate::stores::Backend;

/// A schema of a database, which no other test uses.
#[derive(Clone)]
struct Schema {
    url: String,
    name: String,
}

impl Schema {
    fn of(server: &Server) -> Self {
        Self::at(server.url())
    }

    fn at(url: String) -> Self {
        Self { url, name: format!("s{}", Uuid::new_v4().simple()) }
    }

    fn options(&self) -> PostgresOptions {
        // The machine may have more to do.
        PostgresOptions::new(&self.url).schema(&self.name).connections(8).timeout(Duration::from_secs(60))
    }

    async fn store(&self) -> Postgres {
        self.options().open().await.unwrap()
    }

    /// A store whose calls end early.
    async fn hurried(&self) -> Postgres {
        self.options().timeout(Duration::from_secs(4)).open().await.unwrap()
    }

    /// What an operator has: a connection for SQL.
    async fn sql(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

#[async_trait]
impl Backend for Schema {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.store().await)
    }
}

/// Runs a test, and fails if something waits forever.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(stores::in_time(test));
}

/// A check of the suite of all stores.
type Check = for<'a> fn(&'a dyn Backend) -> BoxFuture<'a, ()>;

/// The tests that share a server, each in a schema of its own.
fn on_one_server(server: &Shared) -> Vec<Trial> {
    let check = |name: &str, check: Check| {
        server.trial(&format!("stores::{name}"), move |server| run(async { check(&Schema::of(server)).await }))
    };
    let mut trials: Vec<Trial> = stores::suite!(@each trials check);
    let mut test = |name: &str, test: fn(Schema) -> BoxFuture<'static, ()>| {
        trials.push(server.trial(name, move |server| run(test(Schema::of(server)))));
    };
    macro_rules! tests {
        ($($part:ident::$test:ident)+) => {
            $(test(concat!(stringify!($part), "::", stringify!($test)), |schema| Box::pin($part::$test(schema)));)+
        };
    }
    macro_rules! late {
        ($($name:ident $test:ident)+) => {
            $(test(concat!("late::", stringify!($name)), |schema| {
                Box::pin(async move { late::$test(Arc::new(schema.store().await)).await })
            });)+
        };
    }
    late! {
        an_agent_that_is_back_late_goes_on_with_what_it_began goes_on
        an_agent_that_is_back_after_a_newer_release_was_ordered_is_too_late is_too_late
    }
    tests! {
        managers::two_managers_neither_lose_a_change_nor_take_a_document_twice
        managers::a_lock_of_somebody_else_is_given_up_in_time
        managers::an_announcement_that_may_have_been_missed_counts
        opened::programs_that_open_an_empty_schema_at_once_make_each_table_once
        opened::a_newer_version_is_refused_by_name
        opened::whoever_may_not_create_opens_what_is_there
        opened::a_database_that_is_not_utf8_is_refused
        opened::a_schema_with_another_name_than_allowed_is_refused
        opened::neither_an_error_nor_debug_shows_the_password
        opened::ids_are_ordered_as_bytes_in_a_database_that_orders_as_people_do
        opened::a_document_comes_back_byte_for_byte
        broken::a_change_whose_commit_is_cut_says_that_it_may_have_been_written
        broken::a_database_that_falls_silent_is_given_up_in_time
    }
    trials
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let server = Shared::default();
    let mut trials = on_one_server(&server);
    trials.extend([
        alien_conformance::postgres::trial("broken::what_was_acknowledged_outlives_a_kill_of_the_server", || {
            // Whoever sets this for the whole server does not lose what this store has acknowledged.
            let lazy = [("synchronous_commit", "off"), ("wal_writer_delay", "10s"), ("bgwriter_delay", "10s")];
            let server = Server::start(&lazy)?;
            run(broken::what_was_acknowledged_outlives_a_kill_of_the_server(server));
            Ok(())
        }),
        alien_conformance::postgres::trial("opened::tls_checks_whose_database_it_is", || {
            let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
            let certificate = made.cert.pem();
            let server = Server::start_with_tls(&certificate, &made.signing_key.serialize_pem())?;
            run(opened::tls_checks_whose_database_it_is(server, certificate));
            Ok(())
        }),
    ]);
    // Only where somebody asks: it takes a while, and says nothing of right or wrong.
    if std::env::var_os("ALIEN_MEASURE").is_some() {
        trials.push(alien_conformance::postgres::trial("measured::speeds", || {
            let server = Server::start(&[("fsync", "on"), ("shared_buffers", "256MB")])?;
            run(measured::speeds(server));
            Ok(())
        }));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    // The server stops before this program does.
    drop(server);
    conclusion.exit_code()
}
