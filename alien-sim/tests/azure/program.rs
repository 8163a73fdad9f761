//! The program, on both clouds.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use alien_conformance::printed::reviewed;
use serde_json::Value;

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("alien-sim-test-{:016x}", fastrand::u64(..)))
}

fn ended(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_alien-sim")).args(arguments).output().unwrap();
    let (told, said) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    if !status.success() {
        reviewed(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/azure/messages.txt"), &said);
    }
    (status.code(), told, said)
}

#[test]
fn the_program_tells_whom_to_be_in_files_of_its_users_own_and_removes_them_on_a_signal() {
    for (cloud, signal) in [("gcp", "INT"), ("azure", "TERM"), ("azure", "HUP")] {
        let folder = folder();
        let mut program = Command::new(env!("CARGO_BIN_EXE_alien-sim"));
        program.args([cloud, "--json", "--folder", folder.to_str().unwrap()]).stdout(Stdio::piped());
        let mut child = Killed(program.spawn().unwrap());
        let mut line = String::new();
        BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();

        assert_eq!(told["folder"].as_str(), folder.to_str());
        let (_, address) = told["url"].as_str().unwrap().split_once("://").unwrap();
        std::net::TcpStream::connect(address).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
            // Nothing that lets anybody in is printed.
            let content = fs::read_to_string(&path).unwrap();
            let script = path.extension().is_some_and(|extension| extension == "sh");
            assert!(script || content.lines().all(|secret| secret.len() < 20 || !line.contains(secret)), "{line}");
        }
        for (script, who) in [("admin.sh", "admin"), ("vendor.sh", "vendor"), ("agent.sh", "agent")] {
            let exports: String = told[who]
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, value)| format!("export {name}={}\n", value.as_str().unwrap()))
                .collect();
            let mut lines: Vec<_> = exports.lines().collect();
            let written = fs::read_to_string(folder.join(script)).unwrap();
            let mut found: Vec<_> = written.lines().collect();
            lines.sort_unstable();
            found.sort_unstable();
            assert_eq!(lines, found);
        }

        let kill = Command::new("kill").args(["-s", signal, &child.0.id().to_string()]).status().unwrap();
        assert!(kill.success());
        assert_eq!(child.0.wait().unwrap().code(), Some(0), "{cloud}: {signal}");
        assert!(!folder.exists(), "{cloud}: {signal}");
    }
}

#[test]
fn the_program_ends_as_the_others_do() {
    let (code, told, _) = ended(&["--version"]);
    assert_eq!((code, told), (Some(0), format!("alien-sim {}\n", env!("CARGO_PKG_VERSION"))));
    let (code, told, _) = ended(&["--help"]);
    assert!(code == Some(0) && told.contains("Usage: alien-sim [OPTIONS] <CLOUD>"), "{told}");
    for wrong in [&[][..], &["aws"], &["azure", "--port"], &["azure", "--port", "x"], &["gcp", "now\u{202e}"]] {
        let (code, told, said) = ended(wrong);
        assert!(code == Some(2) && told.is_empty() && said.starts_with("error: "), "{wrong:?}: {said}");
        assert!(!said.contains('\u{202e}'), "{said}");
    }

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (code, _, said) = ended(&["gcp", "--port", &taken.local_addr().unwrap().port().to_string()]);
    assert!(code == Some(6) && said.starts_with("error: cannot listen on port "), "{said}");
    let folder = folder();
    fs::create_dir(&folder).unwrap();
    let (code, _, said) = ended(&["azure", "--folder", folder.to_str().unwrap()]);
    assert!(code == Some(3) && said.contains("exists: name a folder that does not"), "{said}");
    fs::remove_dir(&folder).unwrap();
    let (code, _, said) = ended(&["azure", "--folder", "a\u{1b}[31m"]);
    assert!(code == Some(3) && said.contains("has characters that a terminal obeys"), "{said}");
    assert!(!said.contains('\u{1b}'), "{said}");
}
