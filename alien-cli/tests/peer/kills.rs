//! Real kills.

use std::io::{self, BufRead as _, BufReader, Lines, PipeReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use alien_conformance::interrupted;
use alien_conformance::life::product;
use alien_conformance::seed::{self, Chance};
use alien_core::Exit;

use crate::room::{Room, said, words};

/// Programs that set up, and half as many that take down, are killed at moments of chance; the next one converges.
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
    let (whole_up, whole_down) = (Whole::of(room, &up), Whole::of(room, &down));
    let mut chance = seed::chance();
    let wanted = interrupted::kills(9);
    let (mut killed, mut rounds) = (0, 0);
    while killed < wanted {
        // One that has ended before it could be killed does not count, and another is killed for it.
        assert!(
            rounds < 2 * wanted,
            "only {killed} programs were killed in {rounds} rounds before they ended by themselves"
        );
        let mut kill = |arguments: &[&str], whole: &Whole, what: &str| {
            let moment = whole.moment(&mut chance);
            let ran = moment.kill(room.command("alien-deploy", arguments, &room.cloud.admin));
            let ended = if ran { "" } else { "; it had ended by itself" };
            println!("round {rounds}: killed while it {what}, {:?} after line {}{ended}", moment.after, moment.line);
            killed += usize::from(ran);
        };
        kill(&up, &whole_up, "set up");
        room.succeeds("alien-deploy", &up);
        room.succeeds("alien-deploy", &status);
        // What is killed at its very end has left nothing for the next one to find, which says so.
        let is_killed = rounds % 2 == 0;
        if is_killed {
            kill(&down, &whole_down, "took down");
        }
        let output = room.run("alien-deploy", &down);
        let told = said(&output);
        let is_over = is_killed && told.contains("nothing of deployment");
        assert!(output.status.success() || is_over, "{told}");
        let told = room.fails(Exit::Drift, "alien-deploy", &status);
        let states = told.split("error: ").next().unwrap_or_default();
        assert!(!states.contains("right") && !states.contains("differs") && states.contains("missing"), "{told}");
        assert_eq!((room.cloud.there)(), before, "something was left, or taken");
        rounds += 1;
    }
}

/// A program under way, and what it writes of what it has done.
struct Run {
    child: Child,
    lines: Lines<BufReader<PipeReader>>,
}

impl Run {
    fn of(mut command: Command) -> Self {
        let (reader, writer) = io::pipe().unwrap();
        let child = command.stdout(Stdio::null()).stderr(writer).spawn().unwrap();
        // The command, which ends here, holds the other end: without it, what is read ends with the program.
        Self { child, lines: BufReader::new(reader).lines() }
    }
}

/// When a whole run wrote its lines.
struct Whole(Vec<Duration>);

impl Whole {
    fn of(room: &Room, arguments: &[&str]) -> Self {
        let start = Instant::now();
        let Run { mut child, lines } = Run::of(room.command("alien-deploy", arguments, &room.cloud.admin));
        let lines = lines.map(|line| (start.elapsed(), line.unwrap()));
        let (times, said): (Vec<_>, Vec<_>) = lines.unzip();
        assert!(child.wait().unwrap().success(), "{arguments:?}: {said:#?}");
        assert!(times.len() > 5, "{arguments:?}: {said:#?}");
        Self(times)
    }

    /// A moment of it, well before its end: as likely in a step that takes long as in one that does not.
    fn moment(&self, chance: &mut Chance) -> Moment {
        let line = chance.usize(..self.0.len() - 2);
        let at = |line: usize| self.0.get(line).copied().unwrap_or_default();
        let last = line.checked_sub(1).map(at).unwrap_or_default();
        Moment { line, after: (at(line) - last).mul_f64(chance.f64()) }
    }
}

/// So long after so many lines. By time alone it would be in another step on a machine that is slower than when the whole run was
/// measured, and behind the end on a faster one.
struct Moment {
    line: usize,
    after: Duration,
}

impl Moment {
    /// Kills a program, by SIGKILL. Tells whether it still ran.
    fn kill(&self, command: Command) -> bool {
        let Run { mut child, mut lines } = Run::of(command);
        let _ = lines.by_ref().take(self.line).count();
        std::thread::sleep(self.after);
        child.kill().unwrap();
        child.wait().unwrap().signal().is_some()
    }
}
