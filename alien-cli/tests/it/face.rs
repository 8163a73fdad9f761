//! What every command has in common: exit codes, errors as JSON, and what reaches a terminal.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use alien_core::Exit;
use serde_json::{Value, json};

use crate::bad::{Bad, Server};
use crate::fleet::Fleet;
use crate::invite::{CLOUDS, record};
use crate::network::Case;
use crate::{AWS, AZURE, GCP, MY_APP, alien, alien_deploy, done, ended, file, nowhere, out, ran, refused, told, with};

fn failed(arguments: &[&str], exit: Exit) -> Value {
    let output = alien(arguments);
    assert!(ended(&output, exit), "{arguments:?}: {:?} {}", output.status, told(&output));
    let failed: Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!(failed["error"]["code"], exit.code(), "{failed}");
    failed
}

#[test]
fn credentials_of_a_vendor_who_has_none_on_a_cloud_are_refused() {
    let image = format!("registry.example/app@sha256:{}", "1".repeat(64));
    let run = ["run", "--dry-run", "--image", &image, "--vendor-credentials", "vendor"];
    let prove = |target: &[&str]| ran(env!("CARGO_BIN_EXE_alien-prove"), &with(&run, target));
    let told = refused(&prove(&AZURE));
    assert!(told.contains("`--vendor-credentials`: the vendor has neither a profile nor"), "{told}");
    done(&prove(&GCP));
}

#[test]
fn what_fails_is_json_where_json_is_asked_for() {
    let usage = failed(&["heartbeat", "--json"], Exit::Usage);
    assert!(usage["error"]["message"].as_str().unwrap().contains("--record"), "{usage}");
    let input = failed(&["heartbeat", "--json", "--record", "absent.json"], Exit::Input);
    assert_eq!(input["error"]["problems"][0]["at"], "absent.json", "{input}");
    let none = nowhere("face-none.redb");
    let absent = failed(&["rollout", "list", "--json", "--store", none.to_str().unwrap()], Exit::Input);
    assert!(absent["error"]["message"].as_str().unwrap().contains("there is no store"), "{absent}");
    // Without it, the same is a sentence, and nothing else is printed.
    let output = alien(&["heartbeat", "--record", "absent.json"]);
    assert_eq!((out(&output).as_str(), output.status.code()), ("", Some(Exit::Input.code().into())));
    assert!(told(&output).starts_with("error: `absent.json`: cannot be read"), "{}", told(&output));
}

#[test]
fn a_result_that_is_not_as_it_should_be_is_printed_whole_and_the_code_tells() {
    let mut next: Value = serde_json::from_str(&fs::read_to_string(MY_APP).unwrap()).unwrap();
    next["resources"][0]["versioning"] = true.into();
    let next = file("face-next.json", &next);
    let output = alien(&["check", "--format", "json", "--previous", MY_APP, "--stack", next.to_str().unwrap()]);
    assert!(ended(&output, Exit::Refused), "{output:?}");
    let diff: Value = serde_json::from_str(&out(&output)).unwrap();
    assert!(diff["changes"].is_array() && diff["error"].is_null(), "{diff}");
    assert!(told(&output).contains("frozen, but changed: versioning"), "{}", told(&output));
}

#[test]
fn nothing_that_a_terminal_obeys_is_printed() {
    let wild = "\u{1b}[2J\u{9b}31m\u{202e}";
    let mut stack: Value = serde_json::from_str(&fs::read_to_string(MY_APP).unwrap()).unwrap();
    stack["name"] = format!("shop{wild}").into();
    let named = file("face-wild.json", &stack);
    let named = named.to_str().unwrap();
    for format in ["table", "markdown", "json"] {
        let output = alien(&with(&["permissions", "--format", format, "--stack", named], &AWS));
        let said = format!("{}{}", out(&output), told(&output));
        assert!(said.contains("\\u001b[2J") && said.contains("\\u202e"), "{said}");
        assert!(!said.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{said:?}");
    }
    let output = alien(&[&format!("x{wild}")]);
    assert!(ended(&output, Exit::Usage) && !told(&output).contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{output:?}");
    // A name that looks like another is refused, and not shown as if it were that.
    let mut stack: Value = serde_json::from_str(&fs::read_to_string(MY_APP).unwrap()).unwrap();
    stack["resources"][3]["code"]["images"] =
        json!({ "registry.example.com/\u{202e}ipa": "sha256:".to_owned() + &"1".repeat(64) });
    let image = file("face-image.json", &stack);
    let output = alien(&with(&["permissions", "--stack", image.to_str().unwrap()], &AWS));
    assert!(ended(&output, Exit::Input), "{output:?}");
    assert!(told(&output).contains("\\u202eipa"), "{}", told(&output));
}

#[test]
fn a_record_is_written_to_a_file_and_to_nothing_else() {
    for path in ["/dev/stdout", "/dev/null"] {
        let invitation = crate::invite::CLOUDS[0].invitation();
        let output = crate::invite::CLOUDS[0].deploy(&["up", "--yes", "--record", path], "face-record", &invitation);
        assert!(ended(&output, Exit::Input), "{output:?}");
        assert!(told(&output).contains(&format!("`{path}` is no file")), "{}", told(&output));
    }
}

#[test]
fn a_stream_ends_with_its_reader() {
    let fleet = Fleet::new("face-stream");
    let mut command = Command::new(env!("CARGO_BIN_EXE_alien"));
    command.args(["fleet", "events", "--follow", "--store", &fleet.store]).env_clear().stdin(Stdio::null());
    let mut following = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert!(line.contains("registered"), "{line}");
    drop(lines);
    let end = Instant::now() + Duration::from_secs(30);
    let status = loop {
        match following.try_wait().unwrap() {
            Some(status) => break status,
            None if Instant::now() > end => {
                following.kill().unwrap();
                panic!("it goes on although nobody reads");
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    assert!(status.success(), "{status}");
}

/// As `alien logs … --follow | head -1` does, also while nothing comes that could be written.
#[test]
fn a_log_that_is_followed_ends_with_its_reader() {
    for invited in &CLOUDS {
        let (server, issuer) = (Server::start(Bad::Hangs, true, true), Server::start(Bad::Hangs, false, true));
        let case = Case::on(invited, "logs", Bad::Hangs);
        let mut command = case.program(&server, &issuer, "https", &server.pem);
        // The other clouds are called by an authority that is named so.
        let authority = nowhere(&format!("face-follows-{}.pem", invited.cloud));
        fs::write(&authority, &server.pem).unwrap();
        command.arg("--follow").env("SSL_CERT_FILE", &authority).stdout(Stdio::piped());
        let mut following = command.spawn().unwrap();
        let begin = Instant::now();
        while !server.is_called() {
            assert!(begin.elapsed() < Duration::from_secs(60), "{}: it calls nobody", invited.cloud);
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(following.stdout.take());
        let begin = Instant::now();
        let status = loop {
            match following.try_wait().unwrap() {
                Some(status) => break status,
                None if begin.elapsed() > Duration::from_secs(30) => {
                    following.kill().unwrap();
                    panic!("{}: it goes on although nobody reads", invited.cloud);
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        assert!(status.success(), "{}: {status}", invited.cloud);
    }
}

/// As `alien permissions … | head -1` does.
#[test]
fn a_result_that_nobody_reads_is_no_panic() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alien"));
    command.args(with(&["permissions", "--stack", MY_APP, "--json"], &AWS)).env_clear().stdin(Stdio::null());
    let mut printing = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(printing.stdout.take());
    let output = printing.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && told.lines().all(|line| line.starts_with("warning: ")), "{told}");
}

/// On a terminal, which util-linux's `script` makes.
#[test]
fn colours_are_for_terminals_of_those_who_want_them() {
    let shown = |variables: &[(&str, &str)]| {
        let mut script = Command::new("script");
        let line = format!("{} fleet", env!("CARGO_BIN_EXE_alien"));
        script.args(["-qc", &line, "/dev/null"]).env_clear().env("PATH", std::env::var("PATH").unwrap());
        let output = script.env("TERM", "xterm").envs(variables.iter().copied()).stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("Usage"), "{text}");
        text
    };
    assert!(shown(&[]).contains('\u{1b}'));
    assert!(!shown(&[("NO_COLOR", "1")]).contains('\u{1b}'));
}

/// A cloud that does not answer is waited for.
#[test]
fn what_is_waited_for_is_shown_on_a_terminal_and_nowhere_else() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let [aws, ..] = &CLOUDS;
    let record = file("face-waits.json", &record(aws, &aws.invitation()));
    let line = [env!("CARGO_BIN_EXE_alien"), "heartbeat", "--record", record.to_str().unwrap(), "--endpoint-url", &url];
    let shown = |words: &[&str]| {
        let mut command = Command::new("timeout");
        command.args(["--signal=INT", "8"]).args(words).env_clear().env("PATH", std::env::var("PATH").unwrap());
        command.env("TERM", "xterm").env("AWS_ACCESS_KEY_ID", "a").env("AWS_SECRET_ACCESS_KEY", "b");
        let output = command.stdin(Stdio::null()).output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let on_a_terminal = shown(&["script", "-qc", &line.join(" "), "/dev/null"]);
    assert!(on_a_terminal.contains("looking at every resource"), "{on_a_terminal}");
    let elsewhere = shown(&line);
    assert!(!elsewhere.contains("looking at every resource"), "{elsewhere}");
}

#[test]
fn completions_and_pages_are_made_from_the_command_lines() {
    for (shell, words) in [("bash", "complete -F"), ("zsh", "#compdef alien"), ("fish", "complete -c alien")] {
        assert!(done(&alien(&["completions", shell])).contains(words), "{shell}");
        assert!(done(&alien_deploy(&["completions", shell])).contains(words), "{shell}");
    }
    let folder = nowhere("face-man");
    let _ = fs::remove_dir_all(&folder);
    done(&alien(&["man", folder.to_str().unwrap()]));
    done(&alien_deploy(&["man", folder.to_str().unwrap()]));
    for page in ["alien.1", "alien-fleet-events.1", "alien-deploy.1", "alien-deploy-up.1"] {
        let page = fs::read_to_string(folder.join(page)).unwrap();
        assert!(page.contains(".SH NAME"), "{page}");
    }
    assert!(fs::read_to_string(folder.join("alien.1")).unwrap().contains("it was interrupted, and says what is left"));
}
