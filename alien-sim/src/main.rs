//! `alien-sim gcp [--port N]`: an emulated Google Cloud until it is killed.

use std::io::{self, Write as _};
use std::process::ExitCode;

use alien_sim::gcp::Gcp;
use serde_json::json;

const USAGE: &str = "usage: alien-sim gcp [--port N]";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without a standard error there is nobody to tell.
            let _ = writeln!(io::stderr(), "alien-sim: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, USAGE)
}

fn run() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some("gcp") {
        return Err(usage());
    }
    let port = match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (None, None, None) => 0,
        (Some("--port"), Some(port), None) => port.parse().map_err(|_| usage())?,
        _ => return Err(usage()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let gcp = runtime.block_on(Gcp::start_on(port))?;
    gcp.project("sim-project", 100_000_000_001);
    let admin = "user:admin@example.com";
    gcp.bind("//cloudresourcemanager.googleapis.com/projects/sim-project", "roles/owner", admin);
    let line = json!({
        "url": gcp.url(),
        "project": "sim-project",
        "principal": admin,
        "token": gcp.token(admin),
    });
    let mut out = io::stdout();
    writeln!(out, "{line}")?;
    out.flush()?;
    loop {
        std::thread::park();
    }
}
