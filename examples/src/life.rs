//! The life of a stack on one cloud, from the plan to the take-down, printed as it goes.

use std::error::Error;
use std::sync::Arc;

use alien_core::adapter::{Change, Purpose};
use alien_core::{Clock, Data, Deployment, Event, Frozen, Function, Handle, Live, Manager, Result, SystemClock};
use anstream::{print, println};
use futures_util::TryStreamExt;

use crate::Sides;
use crate::around::{Attempt, Outcome};
use crate::shop::{FROZEN, LIVE};

/// Runs it.
///
/// # Errors
///
/// If something fails, or if something is allowed that must be refused.
pub async fn live(sides: Sides) -> Result<(), Box<dyn Error>> {
    let Sides { admin, vendor, invitation, product, around } = sides;
    let told = |event: &Event| println!("  {event}");

    println!("\n== The customer's admin plans: nothing is changed\n");
    let plan = admin.plan(&product.first).await?;
    print!("{plan}");

    println!("\n== … and sets up, with the admin's own credentials\n");
    let deployment = admin.apply(&plan).progress(told).await?;
    let again = admin.plan(&product.first).previous(&deployment).await?;
    println!("\nSet up. To set up again would change nothing: {}.", again.is_empty());

    if let Some(prepared) = around.prepare(&deployment).await? {
        println!("{prepared}");
    }

    println!("\n== The vendor registers the record that came back\n");
    vendor.register(&invitation, &deployment).await?;
    println!(
        "`{}` lets in the vendor, as the invitation says, and the vendor can watch everything.",
        deployment.identity
    );

    println!("\n== … and watches everything, frozen or live\n");
    let manager = Manager::new(Arc::clone(&vendor), deployment.clone());
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
    let api = manager.find::<Function, Live>(LIVE)?;
    manager.update(&api, product.second()?).await?;
    println!("`{LIVE}` runs new code.");
    let begin = SystemClock.now() - std::time::Duration::from_secs(60);
    let answer = manager.dispatch(&api, br#"{"say":"hello"}"#).await?;
    println!("It answers a command: {}", String::from_utf8_lossy(&answer));
    println!("Its log: {:?}", log(&manager, &api, begin).await?);

    println!("\n== … and may not update what is frozen\n");
    let billing = manager.find::<Function, Frozen>(FROZEN)?;
    // `manager.update(&billing, …)` does not compile. Whoever bypasses the types is stopped by the session's grants,
    // and whoever bypasses the library is stopped by the cloud.
    let change = again_as_it_is(&deployment, billing.id().as_str())?;
    let session = vendor.session(&deployment, &Purpose::Watch).await?;
    match session.update(billing.id(), &change).await {
        Ok(_) => return Err("what is frozen was updated".into()),
        Err(error) => println!("{error}"),
    }
    for attempt in [Attempt::UpdateFrozen, Attempt::RunAsAnother] {
        match around.attempt(&deployment, attempt).await? {
            Outcome::Allowed => return Err("the cloud allowed what it must refuse".into()),
            Outcome::Refused { code, message, .. } => println!("Without the library: {code}: {message}"),
            Outcome::Untried(why) => {
                println!("Without the library: {why}.");
                break;
            }
        }
    }

    println!("\n== The customer takes the access back\n");
    admin.revoke(&deployment).await?;
    match manager.heartbeat(&api).await {
        Ok(beat) => return Err(format!("the vendor still sees {beat:?}").into()),
        Err(error) => println!("{error}"),
    }

    println!("\n== … and takes everything down\n");
    let remains = admin.destroy(&deployment).data(Data::Delete).progress(told).await?;
    println!("\nLeft over: {}.", remains.kept.len() + remains.foreign.len());
    if let Some(decided) = around.decided() {
        println!("{decided}");
    }
    Ok(())
}

/// A change that leaves a resource as it is.
pub fn again_as_it_is(deployment: &Deployment, id: &str) -> Result<Change, Box<dyn Error>> {
    let resource = deployment.stack.resource(id).ok_or("no such resource")?.clone();
    Ok(Change { resource, zip: None, previous_zip: None, again: false, runs: None })
}

/// Reads the lines that contain `hello`. A cloud takes a while to show what was just written.
pub async fn log(
    manager: &Manager,
    api: &Handle<Function, Live>,
    begin: jiff::Timestamp,
) -> Result<Vec<String>, Box<dyn Error>> {
    for _ in 0..30 {
        let lines: Vec<_> = manager.logs(api).since(begin).read().try_collect().await?;
        let hello: Vec<String> =
            lines.into_iter().map(|line| line.text).filter(|text| text.contains("hello")).collect();
        if !hello.is_empty() {
            return Ok(hello);
        }
        SystemClock.sleep(std::time::Duration::from_secs(1)).await;
    }
    Err("the log never contained `hello`".into())
}
