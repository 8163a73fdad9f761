//! The two programs on clouds that enforce: a deployment from its invitation to its end, and real kills. Where the peer of AWS
//! cannot be had, its tests are reported as ignored; with `ALIEN_PEERS=required` they fail. GCP and Azure are emulated in this process.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a suite of tests says what is wrong by panicking")]

mod aws;
mod azure;
mod deployment;
mod fleet;
mod front;
mod gcp;
#[path = "../../../alien-aws/tests/it/keys.rs"]
mod keys;
mod kills;
#[path = "../it/manager.rs"]
mod manager;
mod managers;
mod proved;
mod pulled;
mod room;
#[path = "../../../alien-aws/tests/peer/undecided.rs"]
mod undecided;

use std::process::ExitCode;

use alien_agent::program::AgentCloud;
use alien_conformance::ministack;
use alien_conformance::postgres::{self, Postgres};
use libtest_mimic::{Arguments, Trial};
use room::{Cloud, Room};

/// What is done in a room.
type Test = fn(&Room);

/// Starts a cloud.
type Start = fn() -> Cloud;

/// What is emulated in this process.
const EMULATED: [(&str, Start); 2] = [("gcp", gcp::cloud), ("azure", azure::cloud)];

/// The variable that makes this program `alien-agent`, with every cloud: a test cannot have the program of another crate.
const PROGRAM: &str = "ALIEN_TESTS_PROGRAM";

fn main() -> ExitCode {
    if std::env::var_os(PROGRAM).is_some() {
        return alien_agent::program::main(vec![
            AgentCloud::of(alien_aws::Adapter),
            AgentCloud::of(alien_gcp::Adapter),
            AgentCloud::of(alien_azure::Adapter),
        ]);
    }
    // Where calls cannot be recorded, that is shown.
    let records = pulled::can_record();
    let tests: [(&str, Test, bool); 4] = [
        ("a_deployment_from_its_invitation_to_its_end", deployment::a_deployment, true),
        ("a_deployment_that_pulls_its_releases_from_its_invitation_to_its_end", pulled::a_deployment, true),
        ("an_agent_connects_to_its_manager_and_its_cloud_and_to_nobody_else", pulled::connections, records),
        ("programs_killed_at_random_are_finished_by_the_next", kills::kills, true),
    ];
    let mut trials = Vec::new();
    for (name, test, can) in tests {
        let on_aws = format!("aws_{name}");
        let folder = format!("{on_aws}{}", pulled::of_whom());
        let trial = ministack::trial(&on_aws, move |server| test(&Room::new(&folder, aws::cloud(server))));
        trials.push(if can { trial } else { trial.with_ignored_flag(true) });
        for (cloud, there) in EMULATED {
            let on_cloud = format!("{cloud}_{name}");
            let folder = format!("{on_cloud}{}", pulled::of_whom());
            let trial = Trial::test(on_cloud, move || {
                test(&Room::new(&folder, there()));
                Ok(())
            });
            trials.push(trial.with_ignored_flag(!can));
        }
    }
    for (cloud, there) in EMULATED {
        let name = format!("{cloud}_what_is_relied_on_is_proved_and_what_is_false_is_found");
        let folder = name.clone();
        trials.push(Trial::test(name, move || {
            proved::proved(&Room::new(&folder, there()));
            Ok(())
        }));
    }
    for (cloud, there) in EMULATED {
        let name = format!("{cloud}_a_proof_that_is_interrupted_leaves_nothing");
        let folder = name.clone();
        trials.push(Trial::test(name, move || {
            proved::interrupted(&Room::new(&folder, there()));
            Ok(())
        }));
    }
    for (name, test) in [
        ("aws_what_is_relied_on_is_proved_and_what_is_false_is_found", proved::proved as Test),
        ("aws_a_proof_that_is_interrupted_leaves_nothing", proved::interrupted),
    ] {
        trials.push(ministack::trial(name, move |server| test(&Room::new(name, aws::documented(server)))));
    }
    let name = "gcp_a_fleet_is_released_to_paused_halted_and_reverted_by_several_programs";
    trials.push(Trial::test(name, move || {
        fleet::in_a_file(&Room::new("gcp_a_fleet", gcp::cloud()));
        Ok(())
    }));
    let name = "gcp_a_fleet_in_a_database_is_released_to_paused_halted_and_reverted_by_several_programs";
    trials.push(postgres::trial(name, || {
        let server = Postgres::start(&[])?;
        fleet::in_a_database(&Room::new("gcp_a_fleet_in_a_database", gcp::cloud()), &server.url());
        Ok(())
    }));
    // A project of Google's has room for the identities of some thirty deployments; a group of Azure's has for more.
    let name = "azure_managers_killed_at_random_lose_nothing";
    trials.push(postgres::trial(name, || {
        let server = Postgres::start(&[])?;
        managers::killed(&Room::new("azure_managers", azure::cloud()), &server.url());
        Ok(())
    }));
    let name = "azure_the_only_manager_of_a_file_killed_at_random_loses_nothing";
    trials.push(Trial::test(name, || {
        managers::killed_alone(&Room::new("azure_manager_alone", azure::cloud()));
        Ok(())
    }));
    let name = "azure_a_token_of_the_vendors_is_found_wherever_it_is_and_judged";
    trials.push(Trial::test(name, move || {
        azure::tokens(name);
        Ok(())
    }));
    let name = "azure_the_vendors_own_issuer_is_made_rotated_and_trusted";
    trials.push(Trial::test(name, move || {
        azure::own_issuer(name);
        Ok(())
    }));
    let unit = Trial::test("systemd_reads_every_line_of_the_unit_that_runs_an_agent", || {
        pulled::unit::is_read();
        Ok(())
    });
    trials.push(unit.with_ignored_flag(!pulled::unit::can_read()));
    let mut arguments = Arguments::from_args();
    // The programs wait more than they work: for their claims to be seen, and for things to be made.
    arguments.test_threads = arguments.test_threads.or(Some(trials.len()));
    libtest_mimic::run(&arguments, trials).exit_code()
}
