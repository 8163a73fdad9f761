//! `alien-sim gcp [--port N]` and `alien-sim azure [--port N]`: run an emulated cloud until the process is killed.

use std::io::{self, Write as _};
use std::process::ExitCode;

use alien_sim::azure::Azure;
use alien_sim::gcp::Gcp;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const USAGE: &str = "usage: alien-sim gcp|azure [--port N]";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error is closed, nobody can be told.
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
    let cloud = arguments.next();
    let port = match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (None, None, None) => 0,
        (Some("--port"), Some(port), None) => port.parse().map_err(|_| usage())?,
        _ => return Err(usage()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    match cloud.as_deref() {
        Some("gcp") => gcp(&runtime, port),
        Some("azure") => azure(&runtime, port),
        _ => Err(usage()),
    }
}

fn gcp(runtime: &Runtime, port: u16) -> io::Result<()> {
    let gcp = runtime.block_on(Gcp::start_on(port))?;
    gcp.project("sim-project", 100_000_000_001);
    let admin = "user:admin@example.com";
    gcp.bind("//cloudresourcemanager.googleapis.com/projects/sim-project", "roles/owner", admin);
    tell(&json!({
        "url": gcp.url(),
        "project": "sim-project",
        "principal": admin,
        "token": gcp.token(admin),
    }))?;
    wait()
}

fn azure(runtime: &Runtime, port: u16) -> io::Result<()> {
    let azure = runtime.block_on(Azure::start_on(port))?;
    let subscription = "00000000-0000-0000-0000-000000000001";
    let scope = azure.subscription(subscription);
    let group = azure.resource_group(subscription, "sim-group", "westeurope");
    let owner = azure.application("owner");
    azure.assign(&scope, "Owner", &owner.principal);
    let issuer = azure.issuer("vendor");
    let subject = "deployment:acme";
    azure.federate(&owner.client_id, issuer.url(), subject);
    let certificate = std::env::temp_dir().join(format!("alien-sim-azure-{}.pem", std::process::id()));
    std::fs::write(&certificate, azure.certificate())?;
    tell(&json!({
        "url": azure.url(),
        "certificate": certificate,
        "tenant": azure.tenant(),
        "subscription": subscription,
        "resourceGroup": group,
        "principal": owner.principal,
        "clientId": owner.client_id,
        "token": azure.token(&owner.principal, "https://management.azure.com/"),
        "issuer": issuer.url(),
        "assertion": issuer.token(subject, "api://AzureADTokenExchange"),
    }))?;
    wait()
}

/// Prints what a client needs, as one line of JSON.
fn tell(line: &Value) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{line}")?;
    out.flush()
}

fn wait() -> io::Result<()> {
    loop {
        std::thread::park();
    }
}
