//! Azure on an emulated Entra and Resource Manager that enforce RBAC, in this process. What is compared with published
//! contracts is reported as ignored where they are not there.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a suite of tests says what is wrong by panicking"
)]

mod adversary;
mod changed;
mod commanded;
mod described;
mod entered;
mod forbidden;
mod mistakes;
mod only_azure;
mod parts;
mod retagged;
mod rights;
mod signed;
mod spare;
mod tagged;
mod upgrade;
mod world;

use alien_azure::Target;
use alien_conformance::pulled::Pulling;
use alien_conformance::world::World as _;
use alien_conformance::{agreed, fleet, interleaved, interrupted, life, marked, pulled};
use futures_util::future::BoxFuture;
use libtest_mimic::{Arguments, Trial};
use world::Peer;

fn main() {
    let on = |name: &str, issuer: Option<&'static str>, test: fn(&Peer) -> BoxFuture<'_, ()>| {
        Trial::test(name, move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
            runtime.block_on(async { test(&Peer::trusting(issuer).await).await });
            Ok(())
        })
    };
    let trial = |name: &str, test| on(name, None, test);
    let signed = |name: &str, test| on(name, Some(world::ISSUER), test);
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
        trial("the_whole_life_of_a_stack_that_an_agent_in_a_cluster_manages", |_| {
            Box::pin(async { life::the_whole_life_of_a_stack(&Pulling(&Peer::new().await)).await })
        }),
        trial("the_whole_life_of_a_stack_that_an_agent_on_a_machine_manages", |_| {
            Box::pin(async { life::the_whole_life_of_a_stack(&Pulling(&Peer::with_a_machine().await)).await })
        }),
        trial("every_grant_of_an_agent_on_a_machine_is_needed_and_none_is_missing", |_| {
            Box::pin(async {
                life::every_grant_is_needed_and_none_is_missing(&Pulling(&Peer::with_a_machine().await)).await
            })
        }),
        trial("a_deployment_moves_from_push_to_pull_and_back", |peer| {
            Box::pin(pulled::a_deployment_moves_from_push_to_pull_and_back(peer))
        }),
        trial("a_deployment_moves_to_an_agent_on_a_machine_and_back", |_| {
            Box::pin(async {
                pulled::a_deployment_moves_from_push_to_pull_and_back(&Peer::with_a_machine().await).await
            })
        }),
        trial("what_is_set_is_marked_with_the_number_of_its_release", |_| {
            Box::pin(async {
                pulled::what_is_set_is_marked_with_the_number_of_its_release(&Pulling(&Peer::with_a_machine().await))
                    .await
            })
        }),
        trial("a_target_of_one_model_is_no_target_of_the_other", |peer| {
            Box::pin(pulled::a_target_of_one_model_is_no_target_of_the_other(peer))
        }),
        trial("a_deployment_is_found_where_it_is_alone", |peer| {
            let elsewhere = Target { location: "northeurope".parse().unwrap(), ..peer.target("placed") };
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
        trial("an_assertion_that_does_not_fit_is_told_by_its_field", |peer| {
            Box::pin(entered::an_assertion_that_does_not_fit_is_told_by_its_field(peer))
        }),
        trial("many_who_ask_at_once_share_one_exchange", |peer| Box::pin(entered::many_share_one_exchange(peer))),
        trial("a_session_ends_by_the_given_clock", |peer| Box::pin(entered::a_session_ends_by_the_given_clock(peer))),
        signed("a_fleet_is_entered_by_one_key_that_signs_for_each_subject", |peer| {
            Box::pin(signed::a_fleet_is_entered_by_one_key(peer))
        }),
        signed("old_and_new_tokens_work_while_both_keys_are_published", |peer| {
            Box::pin(signed::a_key_is_rotated(peer))
        }),
        signed("a_deployment_that_trusts_another_issuer_is_refused_before_the_network", |peer| {
            Box::pin(signed::another_issuer_is_refused_before_the_network(peer))
        }),
        trial("one_customers_trust_does_not_fit_anothers", |peer| {
            Box::pin(entered::one_customers_trust_does_not_fit_anothers(peer))
        }),
        trial("a_token_from_before_a_revocation_is_worth_nothing", |peer| {
            Box::pin(entered::a_token_from_before_is_worth_nothing(peer))
        }),
        trial("deployments_of_earlier_versions_are_taken_over", |_| {
            Box::pin(upgrade::earlier_deployments_are_taken_over())
        }),
        trial("the_admins_rights_are_used", |peer| Box::pin(spare::the_admins_rights_are_used(peer))),
        trial("the_provisioning_documents_suffice", |peer| {
            Box::pin(only_azure::the_provisioning_documents_suffice(peer))
        }),
        trial("a_release_costs_the_fewest_calls_that_can_do_it", |peer| Box::pin(only_azure::the_fewest_calls(peer))),
        trial("a_broken_revision_is_taken_back", |peer| Box::pin(only_azure::a_broken_revision_is_taken_back(peer))),
        trial("what_takes_its_time_is_waited_for", |peer| {
            Box::pin(only_azure::what_takes_its_time_is_waited_for(peer))
        }),
        trial("roles_and_assignments_that_others_changed_are_put_right", |peer| {
            Box::pin(rights::what_others_changed_is_put_right(peer))
        }),
        trial("whatever_gives_an_identity_more_is_told_and_taken_away", |peer| {
            Box::pin(rights::more_is_told_and_taken_away(peer))
        }),
        trial("tags_that_the_vendor_writes_do_not_take_a_live_app_away", |peer| {
            Box::pin(tagged::tags_do_not_take_an_app_away(peer))
        }),
        trial("a_fingerprint_that_the_vendor_writes_hides_nothing", |peer| {
            Box::pin(tagged::a_fingerprint_hides_nothing(peer))
        }),
        trial("every_part_that_vanishes_is_told_and_made_again", |peer| {
            Box::pin(parts::every_part_is_made_again(peer))
        }),
        trial("logs_go_to_their_workspace_again", |peer| Box::pin(parts::logs_go_to_their_workspace_again(peer))),
        trial("what_else_an_app_was_given_is_taken_away", |peer| Box::pin(parts::what_else_an_app_was_given(peer))),
        trial("data_with_versions_goes_or_is_told_as_kept", |peer| Box::pin(parts::data_goes_or_is_told(peer))),
        trial("an_app_of_somebody_elses_stays_theirs", |peer| Box::pin(tagged::an_app_of_others_stays_theirs(peer))),
        trial("what_the_admin_may_not_take_away_is_told", |peer| {
            Box::pin(rights::what_the_admin_may_not_take_away_is_told(peer))
        }),
        trial("what_is_made_is_closed", |peer| Box::pin(only_azure::what_is_made_is_closed(peer))),
        trial("a_queue_starts_its_function", |peer| Box::pin(only_azure::a_queue_starts_its_function(peer))),
        trial("a_request_starts_a_function_that_waits_for_messages", |peer| {
            Box::pin(only_azure::a_request_starts_a_function_that_waits_for_messages(peer))
        }),
        trial("two_operators_send_many_commands_at_once", |peer| Box::pin(commanded::many_commands_at_once(peer))),
        trial("an_answer_is_returned_though_it_cannot_be_deleted", |peer| {
            Box::pin(commanded::an_answer_that_cannot_be_deleted(peer))
        }),
        trial("a_command_that_was_sent_is_never_sent_again", |peer| {
            Box::pin(commanded::a_command_is_never_sent_again(peer))
        }),
        trial("a_command_that_is_too_large_is_not_sent", |peer| Box::pin(commanded::a_command_that_is_too_large(peer))),
        trial("what_is_shared_goes_with_the_last_who_needs_it", |peer| {
            Box::pin(only_azure::what_is_shared_goes_with_the_last(peer))
        }),
        trial("an_app_moves_with_its_lifecycle_and_its_network", |peer| {
            Box::pin(changed::an_app_moves_with_its_lifecycle_and_its_network(peer))
        }),
        trial("a_subnet_that_does_not_fit_is_told_by_the_plan", |peer| {
            Box::pin(changed::a_subnet_that_does_not_fit_is_told_by_the_plan(peer))
        }),
        trial("a_subnet_without_a_way_to_the_registry_is_told_by_the_plan", |peer| {
            Box::pin(changed::a_subnet_without_a_way_to_the_registry_is_told_by_the_plan(peer))
        }),
        trial("the_given_subnets_of_a_network_are_used", |peer| Box::pin(changed::the_given_subnets_are_used(peer))),
        trial("commands_that_are_switched_off_leave_nothing", |peer| {
            Box::pin(changed::commands_that_are_switched_off_leave_nothing(peer))
        }),
        trial("a_function_becomes_a_container", |peer| Box::pin(changed::a_function_becomes_a_container(peer))),
        trial("an_update_follows_one_that_was_made_again", |peer| {
            Box::pin(changed::an_update_follows_one_that_was_made_again(peer))
        }),
        trial("new_replicas_are_another_revision_of_the_same", |peer| {
            Box::pin(changed::new_replicas_are_another_revision_of_the_same(peer))
        }),
        trial("an_update_that_comes_late_is_refused", |peer| {
            Box::pin(changed::an_update_that_comes_late_is_refused(peer))
        }),
        trial("roles_are_known_whatever_they_are_called", |peer| {
            Box::pin(changed::roles_are_known_whatever_they_are_called(peer))
        }),
        trial("what_is_somebody_elses_is_refused", |peer| Box::pin(changed::what_is_somebody_elses_is_refused(peer))),
        trial("a_log_is_read_page_by_page", |peer| Box::pin(changed::a_log_is_read_page_by_page(peer))),
        trial("frozen_settings_change_when_the_admin_allows_it", |peer| {
            Box::pin(changed::frozen_settings_change_when_the_admin_allows_it(peer))
        }),
        trial("every_setting_of_a_frozen_thing_is_set_back_or_the_customers", |peer| {
            Box::pin(mistakes::every_setting_is_told_or_the_customers(peer))
        }),
        trial("what_the_customer_chose_stays", |peer| Box::pin(changed::what_the_customer_chose_stays(peer))),
        trial("every_field_that_an_update_can_write_has_its_fate", |peer| {
            Box::pin(adversary::every_field_has_its_fate(peer))
        })
        .with_ignored_flag(alien_conformance::oracle::read("update-fields.json").is_none()),
        trial("what_is_wrong_is_told_before_anything_is_done", |peer| Box::pin(only_azure::preflight_tells(peer))),
        trial("an_existing_network_is_used_and_never_touched", |peer| {
            Box::pin(life::an_existing_network_is_used(peer))
        }),
        trial("a_lost_answer_does_no_harm", |peer| {
            Box::pin(async { assert!(interrupted::a_lost_answer_does_no_harm(peer).await > 15) })
        }),
        trial("what_is_killed_is_finished_by_the_next_run", |peer| {
            Box::pin(async { assert!(interrupted::what_is_killed_is_finished(peer).await > 30) })
        }),
    ];
    trials.extend(described::trials());
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
