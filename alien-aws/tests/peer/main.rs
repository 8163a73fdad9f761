//! AWS on a peer that is not ours: ministack, which enforces IAM. Where it cannot be had, the tests are reported as
//! ignored; with `ALIEN_PEERS=required` they fail.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a suite of tests says what is wrong by panicking")]

mod forbidden;
mod spare;
mod unenforced;
mod world;

use alien_conformance::life;
use alien_conformance::ministack::{self, Ministack};
use libtest_mimic::{Arguments, Trial};
use world::Peer;

fn main() {
    let arguments = Arguments::from_args();
    let absent = match ministack::install() {
        Ok(_) => false,
        Err(ministack::Absent(why)) => {
            eprintln!("no peer for AWS: {why}");
            true
        }
    };
    let trial = |name: &str, test: fn(&Peer) -> futures_util::future::BoxFuture<'_, ()>| {
        let run = move || {
            let server = Ministack::start().map_err(|ministack::Absent(why)| why)?;
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
            runtime.block_on(async {
                let peer = Peer::new(server).await;
                test(&peer).await;
            });
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(absent && !ministack::is_required())
    };
    let trials = vec![
        trial("the_whole_life_of_a_stack", |peer| Box::pin(life::the_whole_life_of_a_stack(peer))),
        trial("every_grant_is_needed_and_none_is_missing", |peer| {
            Box::pin(life::every_grant_is_needed_and_none_is_missing(peer))
        }),
        trial("a_plain_client_with_the_session_is_refused_what_the_promises_forbid", |peer| {
            Box::pin(forbidden::a_plain_client_is_refused(peer))
        }),
        trial("the_admins_rights_are_used", |peer| Box::pin(spare::the_admins_rights_are_used(peer))),
        trial("a_release_costs_the_fewest_calls_that_can_do_it", |peer| Box::pin(forbidden::the_fewest_calls(peer))),
        trial("an_existing_network_is_used_and_never_touched", |peer| {
            Box::pin(forbidden::an_existing_network_is_used(peer))
        }),
        trial("wrong_credentials_and_missing_rights_are_told_before_anything_is_done", |peer| {
            Box::pin(forbidden::preflight_tells(peer))
        }),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}
