//! The whole life of a stack: described, planned, set up, registered, watched, updated, commanded, revoked, taken down.
//!
//! In this process, without an account: `cargo run --bin quickstart`; with `-- --cloud gcp`, by Google's own clients on an
//! emulated project that enforces IAM. On AWS's interface, against a peer such as ministack:
//! `cargo run --bin quickstart -- --cloud aws --endpoint-url http://127.0.0.1:4566`.

mod aws;
mod code;
mod gcp;

use std::error::Error;
use std::sync::Arc;

use alien_core::call::Calling;
use alien_core::engine::Data;
use alien_core::impersonate::Purpose;
use alien_core::manage::Change;
use alien_core::memory::{self, Account};
use alien_core::provision::Options;
use alien_core::{
    Artifacts, Clock, Code, DeploymentId, Event, Frozen, Function, FunctionUpdate, Impersonate, Invitation, Kv, Live,
    Manager, Profile, Provision, Queue, Release, Stack, Storage, SystemClock,
};
use futures_util::TryStreamExt;
use uuid::Uuid;

/// Both sides of a deployment. In life they are two programs, of two companies.
struct Sides {
    /// The customer's admin's.
    provisioner: Arc<dyn Provision>,
    /// The vendor's.
    vendor: Arc<dyn Impersonate>,
    invitation: Invitation,
    /// The emulated cloud, where there is one: it ends with this.
    emulator: Option<gcp::Emulator>,
}

/// In which form a cloud takes code.
#[derive(Debug, Clone, Copy)]
enum Ships {
    Zips,
    Images,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let ships = if let ["--cloud", "gcp"] = arguments.as_slice() { Ships::Images } else { Ships::Zips };
        let (stack, zips) = shop(ships)?;
        let sides = match arguments.as_slice() {
            [] | ["--cloud", "memory"] => in_process(stack)?,
            ["--cloud", "gcp"] => gcp::sides(stack).await?,
            ["--cloud", "aws", "--endpoint-url", url] => aws::sides(stack, url).await?,
            _ => return Err("usage: quickstart [--cloud memory | --cloud gcp | --cloud aws --endpoint-url URL]".into()),
        };
        live(&sides, ships, zips).await
    })
}

/// The vendor's product: an API that is the vendor's to update, and what is the customer's.
fn shop(ships: Ships) -> Result<(Stack, Artifacts), Box<dyn Error>> {
    let mut zips = Artifacts::default();
    let mut ship = |release: &str| -> Result<Code, Box<dyn Error>> {
        Ok(match ships {
            Ships::Zips => zips.insert(code::zip(release)?),
            Ships::Images => Code::image(gcp::image(release)),
        })
    };
    let (api, billing) = (ship("first")?, ship("billing")?);
    Ok((described(api, billing)?, zips))
}

fn described(api: Code, billing: Code) -> Result<Stack, alien_core::Problems> {
    let mut stack = Stack::builder("shop");
    let orders = stack.frozen("orders", Kv::new());
    let receipts = stack.frozen("receipts", Storage::new().versioned());
    let jobs = stack.frozen("jobs", Queue::new().dead_letter_after(5));
    let api = stack.live("api", Function::new(api, "api").commands());
    let billing = stack.frozen("billing", Function::new(billing, "billing"));
    stack.link(&api, &orders);
    stack.link(&api, &jobs);
    stack.link(&billing, &receipts);
    stack.profile("api", Profile::new().on(&orders, [Kv::DATA_READ, Kv::DATA_WRITE]).on(&jobs, [Queue::DATA_WRITE]));
    stack.profile("billing", Profile::new().on(&receipts, [Storage::DATA_WRITE]));
    stack.build()
}

fn in_process(stack: Stack) -> Result<Sides, Box<dyn Error>> {
    let account = Account::new(Arc::new(SystemClock));
    let target = memory::Target::new("acme")?;
    let how = Calling::new(Arc::new(SystemClock));
    let id = DeploymentId::from(Uuid::now_v7());
    let trust = alien_core::trust::<memory::Memory>(&target)?;
    let invitation = Invitation { version: Invitation::VERSION, id, cloud: "memory".to_owned(), trust, stack };
    Ok(Sides {
        emulator: None,
        vendor: Arc::new(memory::impersonator(&account, &target.vendor, &target.proof, how.clone())),
        provisioner: Arc::new(memory::provisioner(&account, id, target, how)),
        invitation,
    })
}

fn run() -> Options {
    Options::new(Uuid::now_v7().to_string())
}

async fn live(sides: &Sides, ships: Ships, zips: Artifacts) -> Result<(), Box<dyn Error>> {
    let Sides { provisioner, vendor, invitation, emulator } = sides;
    let told = |event: &Event| println!("  {} {} ({})", event.stage.name(), event.subject, event.kind);
    let release = Release::new(invitation.stack.clone(), zips)?;

    println!("\n== The customer's admin plans: nothing is changed\n");
    let plan = provisioner.plan(&release, None, &run()).await?;
    print!("{plan}");

    println!("\n== … and sets up, with the admin's own credentials\n");
    let deployment = provisioner.apply(&plan, &run(), &told).await?;
    let again = provisioner.plan(&release, Some(&deployment), &run()).await?;
    println!("\nSet up. To set up again would change nothing: {}.", again.is_empty());

    println!("\n== The vendor registers the record that came back\n");
    vendor.register(invitation, &deployment).await?;
    println!("`{}` lets the vendor in, as the invitation asked, and everything can be watched.", deployment.identity);

    println!("\n== … and watches everything, frozen or live\n");
    let manager = Manager::new(Arc::clone(vendor), deployment.clone());
    for resource in manager.resources() {
        let beat = manager.heartbeat(&resource).await?;
        println!(
            "{:<10} {:<8} {:<8} {}: {}",
            resource.id(),
            resource.kind(),
            resource.lifecycle(),
            beat.health.name(),
            beat.reason
        );
    }

    println!("\n== … updates what is live\n");
    let api = manager.find::<Function, Live>("api")?;
    let second = match ships {
        Ships::Zips => FunctionUpdate::new().zip(code::zip("second")?),
        Ships::Images => FunctionUpdate::new().image(gcp::image("second")),
    };
    manager.update(&api, second.variable("GREETING", "hello")).await?;
    println!("`api` runs new code.");
    let begin = SystemClock.now() - std::time::Duration::from_secs(60);
    let answer = manager.dispatch(&api, br#"{"say":"hello"}"#).await?;
    println!("It answers a command: {}", String::from_utf8_lossy(&answer));
    println!("Its log: {:?}", log(&manager, &api, begin).await?);

    println!("\n== … and is refused what is frozen\n");
    let billing = manager.find::<Function, Frozen>("billing")?;
    // `manager.update(&billing, …)` does not compile. Whoever goes round the types meets the session's grants, and whoever
    // goes round the library meets the cloud.
    let change = Change {
        resource: deployment.stack.resource("billing").ok_or("no `billing`")?.clone(),
        zip: None,
        previous_zip: None,
        again: false,
    };
    let session = vendor.session(&deployment, &Purpose::Watch).await?;
    match session.update(billing.id(), &change).await {
        Ok(()) => return Err("what is frozen was updated".into()),
        Err(error) => println!("{error}"),
    }
    if let Some(emulator) = emulator {
        println!("Whoever goes round the library: {}", emulator.goes_round(&deployment, "billing").await?);
    }

    println!("\n== The customer takes the access back\n");
    provisioner.revoke(&deployment, &run()).await?;
    match manager.heartbeat(&api).await {
        Ok(beat) => return Err(format!("the vendor still sees {beat:?}").into()),
        Err(error) => println!("{error}"),
    }

    println!("\n== … and takes everything down\n");
    let remains = provisioner.destroy(&deployment, Data::Delete, &run(), &told).await?;
    println!("\nLeft over: {}.", remains.kept.len() + remains.foreign.len());
    if let Some(emulator) = emulator {
        println!("{}", emulator.decided());
    }
    Ok(())
}

/// The lines that say hello. A cloud takes a while to show what was just written.
async fn log(
    manager: &Manager,
    api: &alien_core::Handle<Function, Live>,
    begin: jiff::Timestamp,
) -> Result<Vec<String>, Box<dyn Error>> {
    for _ in 0..30 {
        let lines: Vec<_> = manager.logs(api, begin).try_collect().await?;
        let hello: Vec<String> =
            lines.into_iter().map(|line| line.text).filter(|text| text.contains("hello")).collect();
        if !hello.is_empty() {
            return Ok(hello);
        }
        SystemClock.sleep(std::time::Duration::from_secs(1)).await;
    }
    Err("the log never said hello".into())
}
