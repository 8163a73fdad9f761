//! The two programs on clouds that enforce: a deployment from its invitation to its end, and real kills. Where the peer of AWS
//! cannot be had, its tests are reported as ignored; with `ALIEN_PEERS=required` they fail. GCP is emulated in this process.

#![expect(clippy::unwrap_used, reason = "a suite of tests says what is wrong by panicking")]

mod aws;
mod deployment;
mod gcp;
mod kills;
mod room;

use alien_conformance::ministack;
use libtest_mimic::{Arguments, Trial};
use room::Room;

/// What is done in a room.
type Test = fn(&Room);

fn main() {
    let tests: [(&str, Test); 2] = [
        ("a_deployment_from_its_invitation_to_its_end", deployment::a_deployment),
        ("programs_killed_at_random_are_finished_by_the_next", kills::kills),
    ];
    let mut trials = Vec::new();
    for (name, test) in tests {
        let (on_aws, on_gcp) = (format!("aws_{name}"), format!("gcp_{name}"));
        let folder = on_aws.clone();
        trials.push(ministack::trial(&on_aws, move |server| test(&Room::new(&folder, aws::cloud(server)))));
        let folder = on_gcp.clone();
        trials.push(Trial::test(on_gcp, move || {
            test(&Room::new(&folder, gcp::cloud()));
            Ok(())
        }));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
