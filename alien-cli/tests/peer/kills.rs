//! Real kills.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use alien_conformance::life::product;

use crate::room::{Room, words};

/// Ten programs that set up, and some that take down, are killed at moments of chance; the next one converges.
pub(crate) fn kills(room: &Room) {
    let before = (room.cloud.there)();
    let code = (room.cloud.code)("first");
    let file = room.write("stack.json", &serde_json::to_vec(&product(&code)).unwrap());
    let (invitation, record, zips) = (room.invite(&file), room.path("record.json"), room.zips(&[("code", &code)]));
    let zips = words(&zips);
    let up = room.deploy("up", &invitation, &[&["--record", &record, "--yes", "--take-over"], &zips[..]].concat());
    let down = room.deploy("down", &invitation, &["--delete-data", "--yes", "--take-over"]);
    let status = room.deploy("status", &invitation, &zips);
    let (up, down, status) = (words(&up), words(&down), words(&status));
    let timed = |arguments: &[&str]| {
        let start = Instant::now();
        room.succeeds("alien-deploy", arguments);
        start.elapsed()
    };
    let (whole_up, whole_down) = (timed(&up), timed(&down));
    let mut killed = 0;
    for round in 0..10 {
        let after = whole_up.mul_f64(fastrand::f64());
        killed += usize::from(kill(room.command("alien-deploy", &up, &room.cloud.admin), after));
        room.succeeds("alien-deploy", &up);
        room.succeeds("alien-deploy", &status);
        if round % 2 == 0 {
            let after = whole_down.mul_f64(fastrand::f64());
            println!("round {round}: killed while it took down, after {after:?}");
            killed += usize::from(kill(room.command("alien-deploy", &down, &room.cloud.admin), after));
        }
        room.succeeds("alien-deploy", &down);
        let status = room.fails("alien-deploy", &status);
        assert!(!status.contains("right") && !status.contains("differs") && status.contains("missing"), "{status}");
        assert_eq!((room.cloud.there)(), before, "something was left, or taken");
        println!("round {round}: killed while it set up, after {after:?} of {whole_up:?}; finished by the next");
    }
    assert!(killed >= 8, "{killed} of 15 programs were killed before they ended by themselves");
}

/// Kills a program, by SIGKILL, after a while. Tells whether it still ran.
fn kill(mut command: Command, after: Duration) -> bool {
    let mut child: Child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(after);
    let running = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    running
}
