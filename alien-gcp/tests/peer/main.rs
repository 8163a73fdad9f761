//! GCP on an emulated control plane that enforces IAM, in this process. What is compared with Google's published
//! descriptions is reported as ignored where they are not there.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a suite of tests says what is wrong by panicking"
)]

mod adversary;
mod changed;
mod conflict;
mod described;
mod erased;
mod forbidden;
mod mistakes;
mod only_gcp;
mod spare;
mod tagged;
mod upgrade;
mod vanished;
mod world;

use alien_conformance::pulled::Pulling;
use alien_conformance::world::World as _;
use alien_conformance::{agreed, fleet, interleaved, interrupted, life, marked, pulled};
use alien_gcp::Target;
use futures_util::future::BoxFuture;
use libtest_mimic::{Arguments, Trial};
use world::Peer;

fn main() {
    let trial = |name: &str, test: fn(&Peer) -> BoxFuture<'_, ()>| {
        Trial::test(name, move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
            runtime.block_on(async { test(&Peer::new().await).await });
            Ok(())
        })
    };
    let mut trials = vec![
        trial("one_release_reaches_every_deployment_of_a_fleet", |peer| {
            Box::pin(fleet::one_release_reaches_every_deployment(peer, 20))
        }),
        // How long an answer of a cloud takes is what a network and a cloud need at least.
        trial("a_release_takes_hardly_longer_than_a_bare_client", |peer| {
            Box::pin(async {
                peer.sim.faults().answers_take(fleet::ANSWER);
                assert!(fleet::beside_a_bare_client(peer, 20).await <= fleet::MOST);
            })
        })
        .with_ignored_flag(true),
        trial("a_few_rounds_of_two_managers_and_an_admin_end_with_a_record_that_tells_what_runs", |peer| {
            Box::pin(interleaved::a_few_rounds_end_with_a_record_that_tells_what_runs(peer))
        }),
        trial("what_lost_its_marks_is_marked_again", |peer| {
            Box::pin(marked::what_lost_its_marks_is_marked_again(peer, &[]))
        }),
        trial("the_whole_life_of_a_stack", |peer| Box::pin(life::the_whole_life_of_a_stack(peer))),
        trial("the_whole_life_of_a_stack_that_an_agent_manages", |_| {
            Box::pin(async { life::the_whole_life_of_a_stack(&Pulling(&Peer::new().await)).await })
        }),
        trial("every_grant_of_an_agent_is_needed_and_none_is_missing", |_| {
            Box::pin(async {
                life::every_grant_is_needed_and_none_is_missing(&Pulling(&Peer::in_a_cluster().await)).await
            })
        }),
        trial("a_deployment_moves_from_push_to_pull_and_back", |peer| {
            Box::pin(pulled::a_deployment_moves_from_push_to_pull_and_back(peer))
        }),
        trial("a_deployment_moves_to_an_agent_in_a_cluster_and_back", |_| {
            Box::pin(async { pulled::a_deployment_moves_from_push_to_pull_and_back(&Peer::in_a_cluster().await).await })
        }),
        trial("what_is_set_is_marked_with_the_number_of_its_release", |_| {
            Box::pin(async {
                pulled::what_is_set_is_marked_with_the_number_of_its_release(&Pulling(&Peer::new().await)).await
            })
        }),
        trial("a_target_of_one_model_is_no_target_of_the_other", |peer| {
            Box::pin(pulled::a_target_of_one_model_is_no_target_of_the_other(peer))
        }),
        trial("a_deployment_is_found_where_it_is_alone", |peer| {
            let elsewhere = Target { location: "europe-west1".parse().unwrap(), ..peer.target("placed") };
            Box::pin(life::a_deployment_is_found_where_it_is_alone(peer, elsewhere))
        }),
        trial("what_the_customer_lets_the_vendor_is_created_and_deleted", |peer| {
            Box::pin(agreed::what_the_customer_lets_the_vendor_is_created_and_deleted(peer))
        }),
        trial("every_grant_to_create_or_delete_is_needed", |peer| {
            Box::pin(agreed::every_grant_to_create_or_delete_is_needed(peer))
        }),
        trial("every_grant_is_needed_and_none_is_missing", |peer| {
            Box::pin(life::every_grant_is_needed_and_none_is_missing(peer))
        }),
        trial("a_plain_client_with_the_token_is_refused_what_the_promises_forbid", |peer| {
            Box::pin(forbidden::a_plain_client_is_refused(peer))
        }),
        trial("deployments_of_earlier_versions_are_taken_over", |_| {
            Box::pin(upgrade::earlier_deployments_are_taken_over())
        }),
        trial("the_admins_rights_are_used", |peer| Box::pin(spare::the_admins_rights_are_used(peer))),
        trial("the_provisioning_documents_suffice", |peer| {
            Box::pin(only_gcp::the_provisioning_documents_suffice(peer))
        }),
        trial("a_release_costs_the_fewest_calls_that_can_do_it", |peer| Box::pin(only_gcp::the_fewest_calls(peer))),
        trial("a_broken_revision_is_taken_back", |peer| Box::pin(only_gcp::a_broken_revision_is_taken_back(peer))),
        trial("nobody_disturbs_anothers_bindings_in_a_hundred_rounds", |peer| {
            Box::pin(only_gcp::nobody_disturbs_anothers_bindings(peer))
        }),
        trial("a_token_from_before_a_revocation_is_worth_nothing", |peer| {
            Box::pin(only_gcp::a_token_from_before_is_worth_nothing(peer))
        }),
        trial("what_is_made_is_closed", |peer| Box::pin(only_gcp::what_is_made_is_closed(peer))),
        trial("an_identity_that_someone_changed_is_mended", |peer| {
            Box::pin(changed::an_identity_that_someone_changed_is_mended(peer))
        }),
        trial("a_bucket_that_someone_changed_is_mended", |peer| {
            Box::pin(changed::a_bucket_that_someone_changed_is_mended(peer))
        }),
        trial("every_setting_of_a_frozen_thing_is_set_back_or_the_customers", |peer| {
            Box::pin(mistakes::every_setting_is_told_or_the_customers(peer))
        }),
        trial("a_plan_reads_each_policy_once", |peer| Box::pin(changed::a_plan_reads_each_policy_once(peer))),
        trial("labels_of_the_vendors_decide_nothing", |peer| {
            Box::pin(changed::labels_of_the_vendors_decide_nothing(peer))
        }),
        trial("a_conflict_is_read_again", |peer| Box::pin(conflict::a_conflict_is_read_again(peer))),
        trial("an_update_that_comes_late_is_refused", |peer| {
            Box::pin(conflict::an_update_that_comes_late_is_refused(peer))
        }),
        trial("what_came_over_a_broken_revision_is_left", |peer| {
            Box::pin(conflict::what_came_over_a_broken_revision_is_left(peer))
        }),
        trial("a_conflict_is_no_data", |peer| Box::pin(conflict::a_conflict_is_no_data(peer))),
        trial("a_command_that_code_refuses_is_sent_once", |peer| {
            Box::pin(conflict::a_command_that_code_refuses_is_sent_once(peer))
        }),
        trial("parts_of_logs_that_vanish_are_made_again", |peer| Box::pin(vanished::of_logs(peer))),
        trial("parts_of_a_queue_that_vanish_are_made_again", |peer| Box::pin(vanished::of_a_queue(peer))),
        trial("parts_of_a_database_that_vanish_are_made_again", |peer| Box::pin(vanished::of_a_database(peer))),
        trial("parts_of_a_network_that_vanish_are_made_again", |peer| Box::pin(vanished::of_a_network(peer))),
        trial("parts_of_a_function_that_vanish_are_made_again", |peer| Box::pin(vanished::of_a_function(peer))),
        trial("data_is_deleted_or_told", |peer| Box::pin(erased::data_is_deleted_or_told(peer))),
        trial("a_lost_answer_does_no_harm", |peer| {
            Box::pin(async { assert!(interrupted::a_lost_answer_does_no_harm(peer).await > 25) })
        }),
        trial("what_is_killed_is_finished_by_the_next_run", |peer| {
            Box::pin(async { assert!(interrupted::what_is_killed_is_finished(peer).await > 30) })
        }),
        trial("roles_are_shared_and_taken_back", |peer| Box::pin(only_gcp::roles_are_shared_and_taken_back(peer))),
        trial("a_grant_that_takes_its_time_is_waited_for", |peer| {
            Box::pin(only_gcp::a_grant_that_takes_its_time_is_waited_for(peer))
        }),
        trial("an_existing_network_is_used_and_never_touched", |peer| {
            Box::pin(life::an_existing_network_is_used(peer))
        }),
        trial("a_subnetwork_that_the_customer_gives_is_used", |peer| {
            Box::pin(only_gcp::a_given_subnetwork_is_used(peer))
        }),
        trial("a_queue_starts_its_function", |peer| Box::pin(only_gcp::a_queue_starts_its_function(peer))),
        trial("every_field_that_an_update_can_write_has_its_fate", |peer| {
            Box::pin(adversary::every_field_has_its_fate(peer))
        })
        .with_ignored_flag(alien_conformance::oracle::read("update-fields.json").is_none()),
        trial("every_field_of_a_container_has_its_fate", |peer| {
            Box::pin(adversary::every_field_of_a_container_has_its_fate(peer))
        })
        .with_ignored_flag(alien_conformance::oracle::read("update-fields.json").is_none()),
        trial("what_is_wrong_is_told_before_anything_is_done", |peer| Box::pin(only_gcp::preflight_tells(peer))),
        trial("what_the_organisation_forbids_is_told_beforehand", |peer| {
            Box::pin(only_gcp::what_the_organisation_forbids_is_told_beforehand(peer))
        }),
        trial("calls_are_recorded_by_their_names", |peer| Box::pin(only_gcp::calls_are_recorded_by_their_names(peer))),
        trial("what_the_organisation_lets_in_is_told_beforehand", |peer| {
            Box::pin(only_gcp::what_the_organisation_lets_in_is_told_beforehand(peer))
        }),
        trial("a_public_function_is_called_by_everyone", |peer| {
            Box::pin(only_gcp::a_public_function_is_called_by_everyone(peer))
        }),
        trial("an_image_of_the_vendors_project_is_pulled_by_what_is_granted", |peer| {
            Box::pin(only_gcp::an_image_of_the_vendors_project_is_pulled_by_what_is_granted(peer))
        }),
        trial("an_agent_that_is_not_named_is_told_beforehand", |peer| {
            Box::pin(only_gcp::an_agent_that_is_not_named_is_told_beforehand(peer))
        }),
        trial("an_agent_that_does_not_exist_is_told", |peer| {
            Box::pin(only_gcp::an_agent_that_does_not_exist_is_told(peer))
        }),
    ];
    trials.extend(described::trials());
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
