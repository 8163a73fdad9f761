//! The unit that runs an agent, as systemd reads it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::room::said;

/// A record of before, whose deployment pulls now.
const RECORD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/upgrade/v1/gcp/product/record.json");

/// Whether there is a systemd that reads units.
pub(crate) fn can_read() -> bool {
    Command::new("systemd-analyze").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// systemd reads every line of the unit as it is meant: it tells of names and values that it does not know, and goes on without them.
pub(crate) fn is_read() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("unit");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let mut record: Value = serde_json::from_str(&fs::read_to_string(RECORD).unwrap()).unwrap();
    let root = format!("sha256:{}", "5".repeat(64));
    record["delivery"] = json!({ "pull": { "manager": "https://releases.vendor.example", "root": root } });
    let target = record["target"].as_object_mut().unwrap();
    target.remove("vendor").unwrap();
    let project = target["project"].as_str().unwrap().to_owned();
    target.insert("agent".to_owned(), format!("alien-agent@{project}.iam.gserviceaccount.com").into());
    let path = folder.join("record.json");
    fs::write(&path, record.to_string()).unwrap();
    let mut print = Command::new(env!("CARGO_BIN_EXE_alien-deploy"));
    let printed = print.args(["agent", "--for", "systemd", "--record"]).arg(&path).output().unwrap();
    assert!(printed.status.success(), "{}", said(&printed));
    // The program is not installed here.
    let program = std::env::current_exe().unwrap().display().to_string();
    let unit = String::from_utf8(printed.stdout).unwrap().replace("/usr/local/bin/alien-agent", &program);
    let read = |name: &str, unit: &str| {
        let path = folder.join(name);
        fs::write(&path, unit).unwrap();
        let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path).output().unwrap();
        (output.status.success(), said(&output))
    };
    assert_eq!(read("alien-agent.service", &unit), (true, String::new()));
    // It would tell.
    for (right, wrong) in [("WatchdogSec=", "WatchDogSec="), ("ProtectSystem=strict", "ProtectSystem=strictly")] {
        let (_, told) = read("wrong.service", &unit.replace(right, wrong));
        assert!(told.contains("wrong.service"), "{wrong}: {told}");
    }
}
