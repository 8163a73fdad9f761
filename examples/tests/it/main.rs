//! The examples as programs.

use std::process::{Command, Stdio};

#[test]
fn an_example_whose_reader_has_gone_ends_quietly() {
    let mut example = Command::new(env!("CARGO_BIN_EXE_quickstart"));
    let mut example = example.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
    // As `quickstart | head -0` does.
    drop(example.stdout.take());
    let output = example.wait_with_output().unwrap();
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
