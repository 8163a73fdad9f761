//! What is kept as JSON, or sent, is read back as it was; and a plan that was kept is checked again before it is applied.

use std::fmt;
use std::io;
use std::sync::Mutex;
use std::time::Duration;

use alien_conformance::world::{Calls, Case, Shipped, World, release};
use alien_conformance::{life, stacks};
use alien_core::adapter::{Command, Documented, LogQuery, Purpose};
use alien_core::memory::{self, Fault, Memory, Principal, Target};
use alien_core::{
    Code, Deployment, Documents, Error, ErrorKind, Event, Function, FunctionUpdate, Heartbeat, Invitation, Kv, Live,
    Manager, Plan, Profile, Release, Remedy, Stack, Stage,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::in_process::{InProcess, first};

#[track_caller]
fn is_read_back<T: Serialize + DeserializeOwned + PartialEq + fmt::Debug>(value: &T) {
    let text = serde_json::to_string(value).unwrap();
    assert_eq!(serde_json::from_str::<T>(&text).unwrap(), *value, "{text}");
}

fn kept(plan: &Plan) -> Plan {
    serde_json::from_str(&serde_json::to_string_pretty(plan).unwrap()).unwrap()
}

fn suite() -> [Stack; 2] {
    let code = Shipped::Zip(b"first".to_vec());
    [life::product(&code), stacks::full(&code, stacks::IMAGE)]
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_or_sent_is_read_back_as_it_was() {
    for stack in suite() {
        let world = InProcess::new();
        let case = Case::new(&world, "kept", stack.clone());
        let (calls, events) = (Calls::default(), Mutex::new(Vec::new()));
        let told = |event: &Event| events.lock().unwrap().push(event.clone());
        let how = world.calling().with_recorder(calls.recorder());
        let admin = world.admin(case.invitation.id, case.target.clone(), how);
        let release = release(&stack, &[first(&world)]);

        let reviewed = Memory::reviewed(&stack, &case.target).unwrap();
        is_read_back(&reviewed);
        is_read_back(&reviewed.report);
        is_read_back(&reviewed.review);
        let rendered = alien_core::render(&stack, &case.target).unwrap();
        is_read_back::<Documents<Target, Principal>>(&rendered.documents);
        is_read_back(&case.invitation);
        is_read_back(&stack.diff(&suite()[0]));

        let plan = admin.plan(&release).await.unwrap();
        assert_eq!(serde_json::to_value(kept(&plan)).unwrap(), serde_json::to_value(&plan).unwrap());
        let record = admin.apply(&plan).progress(told).await.unwrap();
        is_read_back(&record);
        assert_eq!(Deployment::from_json(&serde_json::to_string(&record).unwrap()).unwrap(), record);
        let text = serde_json::to_string(&case.invitation).unwrap();
        assert_eq!(Invitation::from_json(&text).unwrap(), case.invitation);

        let vendor = world.vendor(world.calling().with_recorder(calls.recorder()));
        let session = vendor.session(&record, &Purpose::Watch).await.unwrap();
        let api = record.stack.resource("api").unwrap().id();
        is_read_back::<Heartbeat>(&session.heartbeat(api).await.unwrap());
        session.dispatch(api, &Command::new(*b"ring")).await.unwrap();
        is_read_back(&session.logs(api, &LogQuery::from(jiff::Timestamp::UNIX_EPOCH)).await.unwrap());

        world.account.set_objects(&record.resources["data"], 3);
        world.account.remove(&record.resources["jobs"]);
        world.account.add_foreign(&record.resources["jobs"]);
        world.account.mark(&record.resources["jobs"], alien_core::DeploymentId::new());
        let report = admin.destroy(&record).progress(told).await.unwrap();
        assert_eq!((report.kept.len(), report.foreign.len()), (1, 1));
        is_read_back(&report);
        is_read_back(&calls.take());
        let events = events.into_inner().unwrap();
        for stage in [Stage::Creating, Stage::Created, Stage::Deleting, Stage::Deleted, Stage::Kept] {
            assert!(events.iter().any(|event| event.stage == stage), "{stage:?}");
        }
        is_read_back(&events);
    }
}

/// An error is sent with all that it says: where, why, what caused it, and what is wrong with an input.
#[tokio::test(start_paused = true)]
async fn an_error_is_read_back_with_all_that_it_says() {
    let cause = io::Error::other(io::Error::other("the socket is closed"));
    let error = Error::new(ErrorKind::Throttled, "too many").at("api").in_operation("thing.get").caused_by(&cause);
    let error = error.with_request_id(Some("7")).with_retry_after(Some(Duration::from_millis(1500)));
    is_read_back(&error);
    let read: Error = serde_json::from_str(&serde_json::to_string(&error).unwrap()).unwrap();
    assert_eq!(alien_core::adapter::chain(&read), "`api`: too many (thing.get, request 7): the socket is closed");

    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let case = Case::new(&world, "errors", stack.clone());
    let record = case.up(&release(&stack, &[first(&world)]), None).await.unwrap();
    let mut other = record.clone();
    other.cloud = "other".to_owned();
    let mut problems = case.invitation.differences(&other);
    problems.push(problems[0].clone().remedy(Remedy::InviteAgain));
    let error = Error::from(problems);
    assert_eq!(error.problems().len(), 2);
    is_read_back(&error);
    is_read_back(&error.problems().to_vec());
    case.admin.revoke(&record).await.unwrap();
    let (manager, _) = case.manager(&record);
    is_read_back(&manager.heartbeat(&manager.resources()[0]).await.unwrap_err());
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_was_kept_is_applied_where_nothing_changed() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let case = Case::new(&world, "kept", stack.clone());
    let release = release(&stack, &[first(&world)]);
    let text = serde_json::to_string(&case.admin.plan(&release).await.unwrap()).unwrap();
    // The next day, in another program.
    tokio::time::advance(Duration::from_secs(86_400)).await;
    let admin = world.admin(case.invitation.id, case.target.clone(), world.calling());
    let plan: Plan = serde_json::from_str(&text).unwrap();
    let error = admin.apply(&plan).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(error.to_string().contains("`api`: no file has the digest of its zip"), "{error}");
    assert_eq!(world.account.names(), [""; 0], "nothing was done");
    let plan = plan.with_artifacts(release.artifacts().clone());
    let record = admin.apply(&plan).await.unwrap();
    let again = admin.plan(&release).previous(&record).await.unwrap();
    assert!(again.is_empty(), "{again}");

    // What was approved is in the plan, and not in how it is applied.
    let mut form = serde_json::to_value(&stack).unwrap();
    form["resources"].as_array_mut().unwrap().iter_mut().find(|it| it["id"] == "ledger").unwrap()["memoryMib"] =
        512.into();
    let next = Release::partial(Stack::from_json(&form.to_string()).unwrap(), release.artifacts().clone());
    let plan = kept(&admin.plan(&next).previous(&record).allow_frozen_changes().await.unwrap());
    assert!(plan.approved.contains("ledger"));
    let plan = plan.with_artifacts(release.artifacts().clone());
    assert_eq!(admin.apply(&plan).await.unwrap().stack, *next.stack());
}

/// A plan that was kept and was being applied by a program that was killed, at any of its calls, is applied again.
#[tokio::test(start_paused = true)]
async fn a_plan_that_was_kept_is_gone_on_with() {
    let mut stack = Stack::builder("small");
    let table = stack.frozen("table", Kv::new());
    let api = Function::new(Code::zip(b"first"), "execution");
    let api = stack.live("api", api);
    stack.link(&api, &table);
    stack.profile("execution", Profile::new());
    let stack = stack.build().unwrap();
    let killed = async |at| {
        let world = InProcess::new();
        let case = Case::new(&world, "kept", stack.clone());
        let release = release(&stack, &[first(&world)]);
        let plan = case.admin.plan(&release).await.unwrap();
        let plan = kept(&plan).with_artifacts(release.artifacts().clone());
        let planned = world.account.asked().len();
        world.account.fail_at(at, Fault::KilledAfter);
        let killed = case.admin.apply(&plan).await;
        let calls = world.account.asked().len() - planned;
        world.account.restart();
        let record = case.admin.apply(&plan).take_over().await;
        let record = record.unwrap_or_else(|error| panic!("{at}: {error}"));
        assert!(case.admin.plan(&release).previous(&record).await.unwrap().is_empty(), "{at}");
        assert!(killed.is_err() || at + 2 >= calls, "{at}: only the claim was not given back");
        calls
    };
    let calls = killed(usize::MAX / 2).await;
    assert!(calls > 20, "{calls}");
    for at in 0..calls {
        killed(at).await;
    }
}

/// Each is a change to what is there, or to the file.
#[tokio::test(start_paused = true)]
async fn a_plan_that_was_kept_is_refused_where_something_changed() {
    type Change = fn(&InProcess, &mut Value);
    let changes: [(&str, Change); 8] = [
        ("it says leave for `data`, but now that would be create: it is not there", |world, _| {
            world.account.remove("storage/kept-data-4");
        }),
        ("it says leave for `worker`, but now that would be update: it is not as it was set up", |world, _| {
            let mut there = serde_json::to_value(world.account.save()).unwrap();
            there["things"]["container/kept-worker-4"]["settings"] = "{}".into();
            world.account.load(serde_json::from_value(there).unwrap());
        }),
        ("something of this name already exists, and it is not marked as any deployment's", |world, _| {
            world.account.add_foreign("queue/kept-more-4");
        }),
        ("this version of the library renders other permission documents", |_, plan| {
            plan["documents"]["layers"]["management"]["principals"][0]["rights"].as_array_mut().unwrap().pop();
        }),
        ("it says nothing for `more`, but now that would be create", |_, plan| {
            plan["steps"].as_array_mut().unwrap().retain(|step| step["subject"] != "more");
        }),
        ("it does not allow a change of the frozen `ledger`", |_, plan| plan["approved"] = json!(["mailer"])),
        ("it is frozen, and its settings changed", |_, plan| plan["approved"] = json!([])),
        ("has another target", |_, plan| plan["target"]["vendor"] = "another".into()),
    ];
    for (told, change) in changes {
        let world = InProcess::new();
        let stack = life::product(&first(&world));
        let case = Case::new(&world, "kept", stack.clone());
        let record = case.up(&release(&stack, &[first(&world)]), None).await.unwrap();
        let mut form = serde_json::to_value(&stack).unwrap();
        let resources = form["resources"].as_array_mut().unwrap();
        resources.iter_mut().find(|it| it["id"] == "ledger").unwrap()["memoryMib"] = 512.into();
        resources.push(json!({ "id": "more", "type": "queue", "lifecycle": "live" }));
        let next = release(&Stack::from_json(&form.to_string()).unwrap(), &[first(&world)]);
        let plan = case.admin.plan(&next).previous(&record).allow_frozen_changes().await.unwrap();

        let mut text = serde_json::to_value(&plan).unwrap();
        change(&world, &mut text);
        let before = serde_json::to_value(world.account.save()).unwrap();
        let plan = serde_json::from_str::<Plan>(&text.to_string()).unwrap();
        let plan = plan.with_artifacts(next.artifacts().clone());
        let error = case.admin.apply(&plan).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input, "{told}: {error}");
        assert!(error.to_string().contains(told), "{told}: {error}");
        assert_eq!(serde_json::to_value(world.account.save()).unwrap(), before, "{told}: nothing was done");
    }
}

/// What the vendor shows stands in the invitation, the record and the identity's own document; no error and no call says it.
#[tokio::test(start_paused = true)]
async fn no_error_and_no_call_says_what_the_vendor_shows() {
    let world = InProcess::new();
    let stack = life::product(&first(&world));
    let mut case = Case::new(&world, "secret", stack.clone());
    case.target.trust = memory::Trust::Vendor("vendor".to_owned(), "what-is-shown".to_owned());
    case.invitation.trust.insert("proof".to_owned(), "what-is-shown".to_owned());
    let calls = Calls::default();
    let how = || world.calling().with_recorder(calls.recorder());
    let admin = world.admin(case.invitation.id, case.target.clone(), how());
    let plan = admin.plan(&release(&stack, &[first(&world)])).await.unwrap();
    let record = admin.apply(&plan).await.unwrap();
    let vendor = |proof: &str| memory::vendor(&world.config(how()).with_vendor("vendor", proof));
    let honest = vendor("what-is-shown");
    honest.register(&case.invitation, &record).await.unwrap();
    let manager = Manager::new(honest, record.clone());
    let api = manager.find::<Function, Live>("api").unwrap();
    let broken = manager.update(&api, FunctionUpdate::new().with_zip(*b"broken")).await.unwrap_err();
    let untrusted = Manager::new(vendor("another"), record.clone()).heartbeat(&api).await.unwrap_err();
    let mut other = record.clone();
    other.cloud = "other".to_owned();
    let mistaken = vendor("what-is-shown").register(&case.invitation, &other).await.unwrap_err();
    admin.revoke(&record).await.unwrap();
    let revoked = manager.heartbeat(&api).await.unwrap_err();
    for error in [broken, untrusted, mistaken, revoked] {
        let told = format!("{error} {error:?} {}", serde_json::to_string(&error).unwrap());
        assert!(!told.contains("what-is-shown"), "{told}");
    }
    let called = serde_json::to_string(&calls.take()).unwrap();
    assert!(called.contains("identity.assume") && !called.contains("what-is-shown"));
}
