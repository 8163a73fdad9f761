//! A vendor with two customers, each in an account of its own: set up, released to, commanded, revoked and taken down.
//!
//! The cloud is in this process, so `cargo run -p examples --bin two-customers` needs nothing. What differs on a real cloud is
//! in three calls: the target, and how the admin and the vendor get in. Whatever is not as it should be ends in an error.

use std::error::Error;
use std::sync::Arc;

use alien_core::{
    Admin, Artifacts, Clock, Data, DeploymentId, ErrorKind, Function, Health, Invitation, Kv, Live, Manager, Outcome,
    Problems, Profile, Release, Stack, memory,
};
use anstream::println;
use futures_util::{StreamExt, TryStreamExt, future};

/// Both sides of one customer. In life they are two programs: the vendor has no [`Admin`], the customer no [`Manager`].
struct Customer {
    name: &'static str,
    account: memory::Account,
    admin: Admin,
    manager: Manager,
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(two_customers(&|line| println!("{line}")))
}

/// A release of the product: a function that reads a table of orders. The customer keeps the table, the vendor updates the code.
fn release(code: &'static [u8]) -> Result<Release, Problems> {
    let mut zips = Artifacts::default();
    let mut stack = Stack::builder("shop");
    let orders = stack.frozen("orders", Kv::new());
    let api = stack.live("api", Function::new(zips.insert(code), "api").with_commands());
    stack.link(&api, &orders);
    stack.profile("api", Profile::new().on(&orders, [Kv::DATA_READ]));
    Release::new(stack.build()?, zips)
}

async fn two_customers(say: &(dyn Fn(String) + Sync)) -> Result<(), Box<dyn Error>> {
    // Nobody waits on this clock: what would wait moves it on.
    let clock = Arc::new(memory::TestClock::new());
    let first = release(b"the zip of release 1")?;

    let mut customers = Vec::new();
    for name in ["acme", "globex"] {
        say(format!("== {name} is invited, reviews the plan, and sets up"));
        // The vendor says what it wants to run there, and whom to trust. In life this goes as a file, and so does the record.
        let target = memory::Target::new(name)?;
        let invitation = Invitation::new(DeploymentId::new(), &target, first.stack().clone())?;

        // The customer's admin calls with credentials of its own, which the vendor never sees.
        let account = memory::Account::new(clock.clone());
        let config = memory::Config::new(account.clone());
        let admin = memory::admin(&config, invitation.id, target);
        let plan = admin.plan(&first).await?;
        say(plan.to_string());
        let record = admin.apply(&plan).progress(|event| say(format!("{name}: {event}"))).await?;

        // The vendor checks what came back: it is what it invited to, and the identity accepts nobody without the proof.
        let vendor = memory::vendor(&config);
        vendor.register(&invitation, &record).await?;
        let manager = Manager::new(vendor, record);
        customers.push(Customer { name, account, admin, manager });
    }

    say("== The vendor releases to both".into());
    let second = release(b"the zip of release 2")?;
    for Customer { name, manager, .. } in &customers {
        let released = manager.release(&second).progress(|event| say(format!("{name}: {event}"))).await;
        say(format!("{name}:\n{released}"));
        released.into_result()?;
    }

    say("== A release that does not start is put back".into());
    let third = release(memory::BROKEN)?;
    for Customer { name, manager, .. } in &customers {
        // With the zips that run now: a cloud that runs zips puts one back only where it is given its bytes.
        let released = manager.release(&third).previous(second.artifacts()).await;
        say(format!("{name}:\n{released}"));
        let put_back = released.outcomes().filter(|(_, outcome)| matches!(outcome, Outcome::PutBack(_))).count();
        check(put_back == 1, "release 3 was not put back")?;
        let health = manager.heartbeat(&manager.find::<Function, Live>("api")?).await?.health;
        check(health == Health::Healthy, "what was put back does not run")?;
    }

    let [acme, globex] = customers.as_slice() else { return Err("there are not two customers".into()) };
    let (acmes, globexes) =
        (acme.manager.find::<Function, Live>("api")?, globex.manager.find::<Function, Live>("api")?);

    say("== The vendor follows a log while it sends a command".into());
    // A log that is followed has no end: take what is awaited. Here, each command leaves a line.
    let follow = acme.manager.logs(&acmes).since(clock.now()).follow().take(2).try_collect::<Vec<_>>();
    let send = async {
        acme.manager.dispatch(&acmes, b"count the orders").await?;
        acme.manager.dispatch(&acmes, b"count again").await
    };
    let (lines, answer) = future::try_join(follow, send).await?;
    lines.iter().for_each(|line| say(format!("{}: {} {}", acme.name, line.at, line.text)));
    check(answer == b"count again", "the command was not answered with itself")?;

    say("== One customer takes the access back".into());
    acme.admin.revoke(&acme.manager.deployment()).await?;
    match acme.manager.heartbeat(&acmes).await {
        Err(error) if error.kind() == ErrorKind::Revoked => say(format!("{}: {error}", acme.name)),
        other => return Err(format!("the vendor is not told that it was revoked: {other:?}").into()),
    }
    let health = globex.manager.heartbeat(&globexes).await?.health;
    say(format!("{}: api is {}", globex.name, health.name()));
    check(health == Health::Healthy, "the other customer is not as before")?;

    say("== Both are taken down".into());
    for Customer { name, account, admin, manager } in &customers {
        let report = admin.destroy(&manager.deployment()).data(Data::Delete).await?;
        check(report.kept.is_empty() && report.foreign.is_empty(), "something was kept")?;
        check(account.names().is_empty(), "something is left in the account")?;
        say(format!("{name}: nothing is left"));
    }
    Ok(())
}

fn check(right: bool, otherwise: &str) -> Result<(), Box<dyn Error>> {
    if right { Ok(()) } else { Err(otherwise.into()) }
}

#[test]
fn both_customers_are_told_everything_and_nothing_is_left() {
    let said = std::sync::Mutex::new(String::new());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(two_customers(&|line| *said.lock().unwrap() += &(line + "\n"))).unwrap();
    let said = said.into_inner().unwrap();
    for customer in ["acme", "globex"] {
        let lines =
            [":\napi: updated\norders: unchanged", ":\napi: put back: the new code does not work", ": nothing is left"];
        for line in lines {
            assert!(said.contains(&format!("\n{customer}{line}")), "{line}:\n{said}");
        }
    }
    for line in ["command count again", "access was revoked", "globex: api is healthy"] {
        assert!(said.contains(line), "{line}:\n{said}");
    }
}
