//! AWS on a peer that is not ours: ministack, which enforces IAM. Where it cannot be had, the tests are reported as
//! ignored; with `ALIEN_PEERS=required` they fail.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a suite of tests says what is wrong by panicking"
)]

mod buckets;
#[path = "../recorded/clock.rs"]
mod clock;
mod decided;
#[path = "../recorded/exchange.rs"]
mod exchange;
mod forbidden;
#[path = "../it/keys.rs"]
mod keys;
#[path = "../recorded/life.rs"]
mod life;
mod mistakes;
mod only_aws;
mod parts;
mod proved;
mod record;
mod restored;
mod roles;
#[path = "../recorded/server.rs"]
mod server;
mod spare;
mod tagged;
mod undecided;
mod unenforced;
mod upgrade;
mod wire;
mod world;

use alien_aws::Target;
use alien_conformance::pulled::Pulling;
use alien_conformance::world::World as _;
use alien_conformance::{agreed, fleet, interleaved, life as suite, marked, ministack, pulled};
use futures_util::future::BoxFuture;
use libtest_mimic::Arguments;
use world::Peer;

fn main() {
    let trial = |name: &str, test: fn(&Peer) -> BoxFuture<'_, ()>| {
        ministack::trial(name, move |server| {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async { test(&Peer::new(server).await).await });
        })
    };
    let cluster = |name: &str, test: fn(&Peer) -> BoxFuture<'_, ()>| {
        ministack::trial(name, move |server| {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async { test(&Peer::in_a_cluster(server).await).await });
        })
    };
    let mut trials = vec![
        trial("one_release_reaches_every_deployment_of_a_fleet", |peer| {
            Box::pin(fleet::one_release_reaches_every_deployment(peer, 20))
        }),
        ministack::trial("a_release_takes_hardly_longer_than_a_bare_client", |server| {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let peer = Peer::remembering(server).await;
                assert!(fleet::beside_a_bare_client(&peer, 20).await <= fleet::MOST);
            });
        })
        .with_ignored_flag(true),
        trial("a_few_rounds_of_two_managers_and_an_admin_end_with_a_record_that_tells_what_runs", |peer| {
            Box::pin(interleaved::a_few_rounds_end_with_a_record_that_tells_what_runs(peer))
        }),
        trial("what_lost_its_marks_is_marked_again", |peer| {
            Box::pin(marked::what_lost_its_marks_is_marked_again(peer, &["net"]))
        }),
        trial("the_whole_life_of_a_stack", |peer| Box::pin(suite::the_whole_life_of_a_stack(peer))),
        trial("the_whole_life_of_a_stack_that_an_agent_manages", |peer| {
            Box::pin(async move { suite::the_whole_life_of_a_stack(&Pulling(peer)).await })
        }),
        cluster("every_grant_of_an_agent_in_a_cluster_is_needed_and_none_is_missing", |peer| {
            Box::pin(async move { suite::every_grant_is_needed_and_none_is_missing(&Pulling(peer)).await })
        }),
        trial("a_deployment_moves_from_push_to_pull_and_back", |peer| {
            Box::pin(pulled::a_deployment_moves_from_push_to_pull_and_back(peer))
        }),
        cluster("a_deployment_moves_to_an_agent_in_a_cluster_and_back", |peer| {
            Box::pin(pulled::a_deployment_moves_from_push_to_pull_and_back(peer))
        }),
        trial("what_is_set_is_marked_with_the_number_of_its_release", |peer| {
            Box::pin(async move { pulled::what_is_set_is_marked_with_the_number_of_its_release(&Pulling(peer)).await })
        }),
        trial("a_target_of_one_model_is_no_target_of_the_other", |peer| {
            Box::pin(pulled::a_target_of_one_model_is_no_target_of_the_other(peer))
        }),
        trial("a_deployment_is_found_where_it_is_alone", |peer| {
            let elsewhere = Target { region: "us-east-1".parse().unwrap(), ..peer.target("placed") };
            Box::pin(suite::a_deployment_is_found_where_it_is_alone(peer, elsewhere))
        }),
        trial("another_accounts_credentials_conclude_nothing", |peer| {
            Box::pin(only_aws::another_accounts_credentials_conclude_nothing(peer))
        }),
        trial("what_the_customer_lets_the_vendor_is_created_and_deleted", |peer| {
            Box::pin(agreed::what_the_customer_lets_the_vendor_is_created_and_deleted(peer))
        }),
        trial("every_grant_to_create_or_delete_is_needed", |peer| {
            Box::pin(agreed::every_grant_to_create_or_delete_is_needed(peer))
        }),
        trial("every_grant_is_needed_and_none_is_missing", |peer| {
            Box::pin(suite::every_grant_is_needed_and_none_is_missing(peer))
        }),
        trial("a_plain_client_with_the_session_is_refused_what_the_promises_forbid", |peer| {
            Box::pin(forbidden::a_plain_client_is_refused(peer))
        }),
        ministack::trial("deployments_of_earlier_versions_are_taken_over", |_| {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(upgrade::earlier_deployments_are_taken_over());
        }),
        trial("the_admins_rights_are_used", |peer| Box::pin(spare::the_admins_rights_are_used(peer))),
        trial("a_release_costs_the_fewest_calls_that_can_do_it", |peer| Box::pin(only_aws::the_fewest_calls(peer))),
        trial("an_existing_network_is_used_and_never_touched", |peer| {
            Box::pin(suite::an_existing_network_is_used(peer))
        }),
        trial("code_is_placed_in_the_subnets_that_are_given_and_no_others", |peer| {
            Box::pin(only_aws::code_is_placed_in_the_subnets_that_are_given(peer))
        }),
        trial("a_cluster_that_is_no_longer_needed_goes", |peer| {
            Box::pin(only_aws::a_cluster_that_is_no_longer_needed_goes(peer))
        }),
        trial("what_is_relied_on_is_proved_and_nothing_is_left", |peer| {
            Box::pin(proved::what_is_relied_on_holds_and_nothing_is_left(peer))
        }),
        trial("what_is_relied_on_and_false_is_found", |peer| Box::pin(proved::what_is_false_is_found(peer))),
        trial("roles_are_made_with_the_boundary", |peer| Box::pin(only_aws::roles_are_made_with_the_boundary(peer))),
        trial("a_role_that_somebody_widened_is_told_and_mended", |peer| {
            Box::pin(roles::a_role_that_somebody_widened_is_told_and_mended(peer))
        }),
        trial("a_policy_that_may_not_be_detached_is_told", |peer| {
            Box::pin(roles::a_policy_that_may_not_be_detached_is_told(peer))
        }),
        trial("managed_policies_are_compared_and_mended", |peer| {
            Box::pin(roles::managed_policies_are_compared_and_mended(peer))
        }),
        trial("a_log_group_that_somebody_deleted_is_made_again", |peer| {
            Box::pin(parts::a_log_group_is_made_again(peer))
        }),
        trial("a_url_and_its_permissions_that_somebody_removed_are_made_again", |peer| {
            Box::pin(parts::a_url_and_its_permissions_are_made_again(peer))
        }),
        trial("a_trigger_that_somebody_deleted_or_turned_off_is_made_again", |peer| {
            Box::pin(parts::a_trigger_is_made_again(peer))
        }),
        trial("a_dead_letter_queue_that_somebody_deleted_is_made_again", |peer| {
            Box::pin(parts::a_dead_letter_queue_is_made_again(peer))
        }),
        trial("each_restored_setting_of_a_function_is_told_and_set_back", |peer| {
            Box::pin(restored::each_setting_of_a_function_is_told_and_set_back(peer))
        }),
        ministack::trial("each_restored_setting_of_a_service_is_told_and_set_back", |server| {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let peer = Peer::remembering(server).await;
                restored::each_setting_of_a_service_is_told_and_set_back(&peer).await;
            });
        }),
        trial("every_setting_of_a_frozen_thing_is_set_back_or_the_customers", |peer| {
            Box::pin(mistakes::every_setting_is_told_or_the_customers(peer))
        }),
        trial("what_the_customer_added_to_a_buckets_policy_stays", |peer| {
            Box::pin(buckets::what_the_customer_added_to_a_buckets_policy_stays(peer))
        }),
        trial("all_versions_of_a_bucket_are_deleted", |peer| {
            Box::pin(buckets::all_versions_of_a_bucket_are_deleted(peer))
        }),
        trial("a_version_that_may_not_be_deleted_is_told", |peer| {
            Box::pin(buckets::a_version_that_may_not_be_deleted_is_told(peer))
        }),
        trial("wrong_credentials_and_missing_rights_are_told_before_anything_is_done", |peer| {
            Box::pin(only_aws::preflight_tells(peer))
        }),
    ];
    if record::is_asked_for() {
        trials.push(ministack::trial("the_life_that_is_replayed_is_recorded", |_| {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(record::the_life_is_recorded());
        }));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
