//! The program.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_program_says_in_one_line_what_is_needed_to_ask_it() {
    let program = env!("CARGO_BIN_EXE_alien-sim");
    let mut child = Killed(Command::new(program).arg("azure").stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let told: Value = serde_json::from_str(&line).unwrap();
    let text = |name: &str| told[name].as_str().unwrap_or_else(|| panic!("{name} in {told}")).to_owned();
    for name in ["tenant", "subscription", "principal", "clientId", "token", "assertion"] {
        assert!(!text(name).is_empty(), "{name}");
    }
    assert_eq!(text("resourceGroup"), format!("/subscriptions/{}/resourceGroups/sim-group", text("subscription")));
    assert!(text("issuer").starts_with(&text("url")));
    let certificate = text("certificate");
    assert!(std::fs::read_to_string(&certificate).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    std::fs::remove_file(certificate).unwrap();
    std::net::TcpStream::connect(text("url").trim_start_matches("https://")).unwrap();
}

#[test]
fn the_program_tells_how_it_is_used() {
    for arguments in [&[][..], &["aws"], &["azure", "--port"], &["azure", "--port", "x"], &["azure", "now"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_alien-sim")).args(arguments).output().unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains("usage: alien-sim gcp|azure"), "{arguments:?}");
    }
}
