//! The program, as a process of its own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A program that answers, until it is killed or this is dropped.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: SocketAddr,
}

/// The program with these arguments, and nothing of this process's environment.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alien-manager"));
    command.args(arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

impl Program {
    /// Starts it on a free port of the loopback interface, and waits until it answers.
    pub(crate) fn begin(arguments: &[&str]) -> Self {
        // A fleet that this process has dropped closes its store beside this.
        let mut tries = (0..100).map(|_| Self::begun(arguments));
        let is_held = |told: &String| told.contains("is held by another program");
        loop {
            match tries.next() {
                Some(Ok(program)) => break program,
                Some(Err(told)) if is_held(&told) => std::thread::sleep(Duration::from_millis(50)),
                ended => panic!("it ended: {}", ended.and_then(Result::err).unwrap_or_default()),
            }
        }
    }

    /// The same, or what it told before it ended.
    fn begun(arguments: &[&str]) -> Result<Self, String> {
        let mut child = program(arguments).args(["--listen", "127.0.0.1:0"]).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut told = Vec::new();
        let address = loop {
            let Some(line) = lines.next() else {
                let _ = child.wait();
                return Err(told.join("\n"));
            };
            let read: serde_json::Value = serde_json::from_str(&line).unwrap();
            if let Some(address) = read["address"].as_str() {
                break address.parse().unwrap();
            }
            told.push(line);
        };
        // Whoever does not read its log holds it up.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, address })
    }

    /// Kills it, by SIGKILL, and waits until it has gone.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}
