//! What the example says is what came to pass: otherwise it ends in an error.

use std::process::Command;

#[test]
fn it_ends_well_and_tells_the_whole_story() {
    let output = Command::new(env!("CARGO_BIN_EXE_pull")).output().unwrap();
    let [said, wrong] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(output.status.success(), "{said}{wrong}");
    let ends: Vec<&str> = said.lines().filter(|line| line.starts_with("rollout ")).collect();
    let told = [
        "rollout shop/1 of release 3: done",
        "rollout shop/2 of release 3: done",
        "rollout shop/3 of release 5: reverted",
        "rollout shop/4 of release 7: done",
    ];
    assert_eq!(ends, told, "{said}");
    assert_eq!(said.matches("  customer-").count(), 20, "{said}");
}
