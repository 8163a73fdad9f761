//! A fleet of 200 deployments on the reference cloud: a release in a canary and three waves, and one that is broken, halted in
//! its canary and taken back.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use alien_core::rollout::{OnHalt, Plan, PlanBuilder, Sequence, Window, Zone};
use alien_core::{
    Artifacts, CallConfig, Clock, Code, Connection, DeploymentId, Function, Images, Invitation, Kv, Profile, Release,
    Stack, memory,
};
use alien_fleet::store::InMemory;
use alien_fleet::{Clouds, Fleet, RevertTo, RolloutId, Setting, Status, Who};
use anstream::println;
use jiff::tz::TimeZone;

const DEPLOYMENTS: usize = 200;

/// A day takes as long as a good minute.
const SPEED: u32 = 1000;

/// Runs it, and prints a table for each rollout.
///
/// # Errors
///
/// If something goes otherwise than it should.
pub async fn roll_out() -> Result<(), Box<dyn Error>> {
    let clock = Arc::new(memory::TestClock::new());
    let config = memory::Config::new(memory::Account::new(clock.clone()));
    let connection = Connection::new(CallConfig::new(clock.clone()), "ann");
    let clouds = Clouds::none().with(Arc::new(memory::Adapter::new(config.clone())), connection);
    let fleet = Fleet::builder(InMemory::new(), clouds).clock(clock.clone()).acting_as(Who::claimed("ann"));
    let fleet = fleet.open().await?;

    let first = release(b"the first release")?;
    fleet.publish(&first, Images::new(), RevertTo::Before).await?;
    let mut ids = Vec::new();
    for number in 0..DEPLOYMENTS {
        let (id, target) = (DeploymentId::new(), memory::Target::new(&format!("customer-{number}"))?);
        let invitation = Invitation::new(id, &target, first.stack().clone())?;
        let admin = memory::admin(&config, id, target);
        let record = admin.apply(&admin.plan(&first).await?).await?;
        fleet.register(&invitation, &record).await?;
        if number == 7 {
            admin.revoke(&record).await?;
        }
        ids.push(id);
    }
    let [pinned, windowed, ..] = ids.as_slice() else { return Err("there are too few deployments".into()) };
    fleet.set(*pinned, Setting::Pin(Sequence::from(1))).await?;
    // Its window opens in an hour.
    let opens = (clock.now() + Duration::from_secs(3600)).to_zoned(TimeZone::UTC);
    let zone = Zone::of(&TimeZone::UTC, clock.now());
    let window = Window::new([opens.weekday()], opens.time(), Duration::from_secs(3600), zone)?;
    fleet.set(*windowed, Setting::Window(window)).await?;
    println!(
        "{DEPLOYMENTS} deployments are registered; one is pinned, one has a window, one customer revoked the access"
    );
    clock.run(SPEED);

    let plan = || Plan::builder().canary(5).then_percent([20, 60, 100]).parallel(50).lease(Duration::from_secs(3600));
    let second = rolled_out(&fleet, b"the second release", plan()).await?;
    show(&second);
    let broken = plan().halt_at_bad(2).on_halt(OnHalt::RevertAll);
    let third = rolled_out(&fleet, memory::BROKEN, broken).await?;
    show(&third);
    Ok(())
}

fn release(zip: &[u8]) -> Result<Release, Box<dyn Error>> {
    let mut stack = Stack::builder("fleet");
    stack.frozen("orders", Kv::new());
    stack.live("api", Function::new(Code::zip(zip), "api"));
    stack.profile("api", Profile::new());
    Ok(Release::new(stack.build()?, [Arc::from(zip)].into_iter().collect::<Artifacts>())?)
}

async fn rolled_out(fleet: &Fleet, zip: &[u8], plan: PlanBuilder) -> Result<Status, Box<dyn Error>> {
    let published = fleet.publish(&release(zip)?, Images::new(), RevertTo::Before).await?;
    let (product, sequence) = ("fleet".parse()?, published.release.sequence());
    let id: RolloutId = fleet.roll_out(&product, sequence, &plan.build()?).await?;
    fleet.worker().without_watch().until_over().run(std::future::pending()).await?;
    Ok(fleet.status(&id).await?)
}

fn show(status: &Status) {
    let head = status.rollout.head();
    println!("\nrollout {} of release {}: {}", status.id, head.release(), head.phase());
    println!("{:>8} {:>6} {:>6} {:>6} {:>9} {:>9}", "wave", "all", "good", "bad", "not tried", "reverted");
    for (number, wave) in head.waves().iter().enumerate() {
        let name = if number == 0 { "canary".to_owned() } else { number.to_string() };
        let [all, good, bad] = [wave.all, wave.good, wave.bad];
        println!("{name:>8} {all:>6} {good:>6} {bad:>6} {:>9} {:>9}", wave.not_tried, wave.reverted);
    }
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for row in status.rollout.rows().values() {
        if let Some(outcome) = row.outcome().filter(|outcome| outcome.why().is_some()) {
            *reasons.entry(outcome.to_string()).or_default() += 1;
        }
    }
    for (reason, count) in reasons {
        println!("{count:>4} × {reason}");
    }
}
