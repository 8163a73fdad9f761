//! Set-ups and take-downs at their edges: what others do meanwhile, what is refused, and what stays in the record.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use alien_conformance::world::{Case, World, release};
use alien_core::memory::{self, Right};
use alien_core::{
    Action, Admin, Call, Code, Data, Error, ErrorKind, Event, Existing, Function, FunctionUpdate, Kv, Layer, Live,
    Network, Plan, Profile, Queue, Release, Stack, Stage,
};

use crate::in_process::InProcess;
use crate::records::two;
use crate::redeploy::digest;

fn queues(ids: &[&str]) -> Stack {
    let mut stack = Stack::builder("edges");
    for id in ids {
        stack.live(*id, Queue::new());
    }
    stack.build().unwrap()
}

fn step<'p>(plan: &'p Plan, subject: &str) -> (Action, &'p str) {
    let step = plan.steps.iter().find(|step| step.subject == subject).unwrap_or_else(|| panic!("{plan}"));
    (step.action, &step.why)
}

/// The admin with all rights of the documents but this one.
fn without(world: &InProcess, case: &Case<'_, InProcess>, permission: &str, on: &str) {
    let rendered = alien_core::render(&case.invitation.stack, &case.target).unwrap();
    let mut rights: Vec<Right> = rendered.documents.layers.principals(Layer::Provisioning)[0].rights.clone();
    rights.retain(|right| (right.permission.as_str(), right.on.as_str()) != (permission, on));
    world.account.limit_admin(rights);
}

/// The admin, who does something after each call.
fn watched(world: &InProcess, case: &Case<'_, InProcess>, watch: impl Fn(&Call) + Send + Sync + 'static) -> Admin {
    world.admin(case.invitation.id, case.target.clone(), world.calling().with_recorder(Arc::new(watch)))
}

#[tokio::test(start_paused = true)]
async fn what_someone_else_deletes_at_the_last_moment_is_gone() {
    let world = InProcess::new();
    let stack = queues(&["jobs"]);
    let case = Case::new(&world, "edges", stack.clone());
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    let (account, begun) = (world.account.clone(), Mutex::new(false));
    let admin = watched(&world, &case, move |call| {
        // The vendor is shut out first: from then on the take-down deletes.
        let mut begun = begun.lock().unwrap();
        *begun |= call.operation == "identity.set";
        if *begun && call.operation == "thing.get" {
            account.remove("queue/edges-jobs-5");
        }
    });
    let report = admin.destroy(&deployment).data(Data::Delete).await.unwrap();
    assert!(report.deleted.contains(&"jobs".to_owned()), "{report:?}");
    assert_eq!(world.account.names(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_the_admin_may_not_do_is_told_at_the_thing() {
    let denied = |error: &Error, needs: &str| {
        assert_eq!((error.kind(), error.resource()), (ErrorKind::Denied, Some("jobs")), "{error}");
        assert!(error.to_string().contains(&format!("it needs {needs}: the administrator")), "{error}");
    };
    let on = "queue/edges-jobs-5";
    let world = InProcess::new();
    let stack = queues(&["jobs"]);
    let case = Case::new(&world, "edges", stack.clone());
    without(&world, &case, "thing.create", on);
    denied(&case.up(&release(&stack, &[]), None).await.unwrap_err(), "thing.create");
    without(&world, &case, "", "");
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    without(&world, &case, "thing.get", on);
    denied(&case.admin.plan(&release(&stack, &[])).previous(&deployment).await.unwrap_err(), "thing.get");
    for permission in ["thing.get", "thing.delete"] {
        without(&world, &case, permission, on);
        denied(&case.admin.destroy(&deployment).data(Data::Delete).await.unwrap_err(), permission);
        assert!(world.account.names().contains(&on.to_owned()));
    }
}

/// What the customer gave and cannot be looked at is no reason to say that it is gone.
#[tokio::test(start_paused = true)]
async fn a_network_of_the_customers_that_cannot_be_looked_at_stops_a_take_down() {
    let world = InProcess::new();
    let mut stack = Stack::builder("edges");
    let network = stack.frozen("net", Network::default());
    let stack = stack.build().unwrap();
    let case = Case::new(&world, "edges", stack.clone());
    world.account.add_foreign("customers-net");
    world.account.add_foreign("other-net");
    let with = |name: &str| release(&stack.with_existing(&network, Existing::new(name)).unwrap(), &[]);
    let deployment = case.up(&with("customers-net"), None).await.unwrap();
    // Another network of the customer's in its place is nothing to delete.
    let plan = case.admin.plan(&with("other-net")).previous(&deployment).allow_frozen_changes().await.unwrap();
    assert!(plan.steps.iter().all(|step| step.action != Action::Delete), "{plan}");
    world.account.limit_admin(vec![Right { permission: "identity.get".to_owned(), on: deployment.identity.clone() }]);
    let error = case.admin.destroy(&deployment).await.unwrap_err();
    assert_eq!((error.kind(), error.resource()), (ErrorKind::Denied, Some("net")), "{error}");
}

/// What the set-up made goes when something of the customer's takes its place.
#[tokio::test(start_paused = true)]
async fn an_own_network_goes_when_the_customer_gives_one() {
    let world = InProcess::new();
    let mut stack = Stack::builder("edges");
    let network = stack.frozen("net", Network::default());
    let stack = stack.build().unwrap();
    let case = Case::new(&world, "edges", stack.clone());
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    assert_eq!(world.account.names()[0], "network/edges-net-5");
    world.account.add_foreign("customers-net");
    let next = release(&stack.with_existing(&network, Existing::new("customers-net")).unwrap(), &[]);
    let plan = case.admin.plan(&next).previous(&deployment).allow_frozen_changes().await.unwrap();
    let actions: Vec<Action> = plan.steps.iter().filter(|step| step.subject == "net").map(|step| step.action).collect();
    assert_eq!(actions, [Action::Adopt, Action::Delete], "{plan}");
    case.admin.apply(&plan).await.unwrap();
    assert_eq!(world.account.names(), ["customers-net", "identity/edges-management-5"]);
}

#[tokio::test(start_paused = true)]
async fn what_becomes_another_kind_is_made_anew_and_the_old_goes() {
    let world = InProcess::new();
    let stack = |is_queue: bool| {
        let mut stack = Stack::builder("edges");
        if is_queue {
            stack.live("data", Queue::new());
        } else {
            stack.live("data", Kv::new());
        }
        stack.build().unwrap()
    };
    let case = Case::new(&world, "edges", stack(false));
    let deployment = case.up(&release(&stack(false), &[]), None).await.unwrap();
    assert_eq!(deployment.identity_id, None, "the cloud chooses none");
    case.up(&release(&stack(true), &[]), Some(&deployment)).await.unwrap();
    assert_eq!(world.account.names(), ["queue/edges-data-5", "identity/edges-management-5"]);
}

fn function(is_live: bool, memory: u32) -> Release {
    let mut stack = Stack::builder("edges");
    let function = Function::new(Code::zip(b"code"), "code").with_memory_mib(memory);
    if is_live {
        stack.live("api", function);
    } else {
        stack.frozen("api", function);
    }
    stack.profile("code", Profile::new());
    Release::new(stack.build().unwrap(), [Arc::from(*b"code")].into_iter().collect()).unwrap()
}

/// That code is frozen now is no change of it. A change of it at the same time is one, and the admin's to allow.
#[tokio::test(start_paused = true)]
async fn live_code_may_be_frozen_as_it_is_and_not_otherwise() {
    let world = InProcess::new();
    let case = Case::new(&world, "edges", function(true, 512).stack().clone());
    let deployment = case.up(&function(true, 512), None).await.unwrap();
    let plan = case.admin.plan(&function(false, 512)).previous(&deployment).await.unwrap();
    assert_eq!(step(&plan, "api"), (Action::Update, "it is frozen now, and was live"));
    let plan = case.admin.plan(&function(false, 1024)).previous(&deployment).await.unwrap();
    let (action, why) = step(&plan, "api");
    assert!(action == Action::Refuse && why.starts_with("it is frozen, and its settings changed"), "{plan}");
    // Back to live, what the vendor may change is left.
    let plan = case.admin.plan(&function(false, 512)).previous(&deployment).await.unwrap();
    let frozen = case.admin.apply(&plan).await.unwrap();
    assert!(case.admin.plan(&function(false, 512)).previous(&frozen).await.unwrap().is_empty());
    let plan = case.admin.plan(&function(true, 512)).previous(&frozen).await.unwrap();
    assert_ne!(step(&plan, "api").0, Action::Refuse, "{plan}");
}

/// What a set-up wrote and did not finish is no release of the vendor's: the next one sets it to what the stack says.
#[tokio::test(start_paused = true)]
async fn what_a_set_up_did_not_finish_is_set_and_not_left() {
    let world = InProcess::new();
    let case = Case::new(&world, "edges", function(true, 512).stack().clone());
    without(&world, &case, "thing.mark", "function/edges-api-5");
    case.up(&function(true, 512), None).await.unwrap_err();
    without(&world, &case, "", "");
    let plan = case.admin.plan(&function(true, 1024)).await.unwrap();
    let api = plan.steps.iter().find(|step| step.subject == "api").unwrap();
    assert_eq!((api.action, api.vendors.as_deref()), (Action::Update, None), "{plan}");
    assert!(api.why.starts_with("it is not finished"), "{plan}");
    assert_eq!(case.admin.apply(&plan).await.unwrap().stack, *function(true, 1024).stack());
    assert!(case.admin.plan(&function(true, 1024)).await.unwrap().is_empty());
}

/// What the vendor released within the bounds that were, and what the bounds of the new stack do not allow, does not stay.
#[tokio::test(start_paused = true)]
async fn a_number_beyond_what_is_approved_is_set_and_what_else_the_vendor_released_stays() {
    let bounded = |most: Option<u32>| {
        let mut stack = Stack::builder("edges");
        let function = Function::new(Code::zip(b"code"), "code").with_memory_mib(512);
        stack.live(
            "api",
            match most {
                Some(most) => function.with_memory_bounds(256..=most),
                None => function,
            },
        );
        stack.profile("code", Profile::new());
        Release::new(stack.build().unwrap(), [Arc::from(*b"code")].into_iter().collect()).unwrap()
    };
    let world = InProcess::new();
    let case = Case::new(&world, "edges", bounded(Some(1024)).stack().clone());
    let deployment = case.up(&bounded(Some(1024)), None).await.unwrap();
    let (manager, _) = case.manager(&deployment);
    let api = manager.find::<Function, Live>("api").unwrap();
    manager.update(&api, FunctionUpdate::new().with_memory_mib(1024)).await.unwrap();
    let record = manager.deployment();
    let plan = case.admin.plan(&bounded(Some(1024))).previous(&record).await.unwrap();
    assert_eq!(step(&plan, "api").0, Action::Leave, "{plan}");
    for (most, approved) in [(Some(768), "256 to 768"), (None, "512")] {
        let plan = case.admin.plan(&bounded(most)).previous(&record).await.unwrap();
        let (action, why) = step(&plan, "api");
        let told = format!("memory in MiB is 1024, and the customer approved {approved}");
        assert!(action == Action::Update && why.contains(&told), "{plan}");
    }
    let record = case.up(&bounded(Some(768)), Some(&record)).await.unwrap();
    assert_eq!(record.stack, *bounded(Some(768)).stack());
    assert!(case.admin.plan(&bounded(Some(768))).previous(&record).await.unwrap().is_empty());

    // What else the vendor has released stays, and the number is the stack's.
    let (manager, _) = case.manager(&record);
    let api = manager.find::<Function, Live>("api").unwrap();
    let update = FunctionUpdate::new().with_memory_mib(768).with_variable("MODE", "second");
    manager.update(&api, update).await.unwrap();
    let record = case.up(&bounded(None), Some(&manager.deployment())).await.unwrap();
    let api = serde_json::to_value(record.stack.resource("api").unwrap()).unwrap();
    // 512 is the default, which is not written.
    assert_eq!((api.get("memoryMib"), &api["environment"]["MODE"]), (None, &"second".into()), "{api}");
    assert!(case.admin.plan(&bounded(None)).previous(&record).await.unwrap().is_empty());
}

/// What the vendor began and did not end stays uncertain in a set-up that leaves it, and is certain in one that sets it.
#[tokio::test(start_paused = true)]
async fn what_the_vendor_did_not_end_is_known_again_when_it_is_set() {
    let world = InProcess::new();
    let case = Case::new(&world, "edges", two(b"first").stack().clone());
    let deployment = case.up(&two(b"first"), None).await.unwrap();
    let (manager, _) = case.manager(&deployment);
    manager.release(&two(b"second")).await.into_result().unwrap();
    let ids: std::collections::BTreeSet<_> = deployment.resources.keys().cloned().collect();
    let mut begun = deployment.clone();
    begun.uncertain = ids.clone();
    (begun.revision, begun.writer) = (7, Some("ann".to_owned()));
    let left = case.up(&two(b"first"), Some(&begun)).await.unwrap();
    assert_eq!((&left.uncertain, left.revision, left.writer.as_deref()), (&ids, 7, Some("ann")));
    assert_eq!(left.stack, *two(b"second").stack(), "it tells what runs");
    let plan = case.admin.plan(&two(b"first")).previous(&begun).reset_live().await.unwrap();
    let [from, to] = [b"second".as_slice(), b"first"].map(digest);
    let downgrade = format!("DOWNGRADE of what the vendor has released: code; code from `{from}` to `{to}`");
    assert_eq!(step(&plan, "one"), (Action::Update, downgrade.as_str()), "{plan}");
    let set = case.admin.apply(&plan).await.unwrap();
    assert_eq!((set.uncertain.len(), &set.stack), (0, two(b"first").stack()));
}

/// What is created or set as a whole is not uncertain any more, whether or not the vendor may update it.
#[tokio::test(start_paused = true)]
async fn what_was_uncertain_and_is_created_anew_is_known() {
    let world = InProcess::new();
    let mut stack = Stack::builder("edges");
    for id in ["api", "left"] {
        stack.live(id, Function::new(Code::zip(b"code"), "code"));
    }
    stack.live("jobs", Queue::new());
    stack.profile("code", Profile::new());
    let release = Release::new(stack.build().unwrap(), [Arc::from(*b"code")].into_iter().collect()).unwrap();
    let case = Case::new(&world, "edges", release.stack().clone());
    let mut begun = case.up(&release, None).await.unwrap();
    begun.uncertain = begun.resources.keys().cloned().collect();
    world.account.remove(&begun.resources["api"]);
    assert_eq!(case.up(&release, Some(&begun)).await.unwrap().uncertain, ["left".parse().unwrap()].into());
}

/// No more is begun at once than was asked for.
#[tokio::test(start_paused = true)]
async fn only_so_many_things_are_set_up_at_once() {
    let world = InProcess::new();
    let ids = ["a", "b", "c", "d", "e", "f"];
    let stack = queues(&ids);
    let case = Case::new(&world, "edges", stack.clone());
    let (id, target) = (case.invitation.id, case.target.clone());
    let width = NonZeroUsize::new(2).unwrap();
    let engine = memory::engine(&world.config(world.calling()), id, target).with_width(width);
    let admin = Admin::new(engine);
    let plan = admin.plan(&release(&stack, &[])).await.unwrap();
    let (now, most) = (Mutex::new(0_usize), Mutex::new(0));
    let watch = |event: &Event| {
        let mut now = now.lock().unwrap();
        match event.stage {
            Stage::Creating => *now += 1,
            Stage::Created => *now -= 1,
            _ => {}
        }
        let mut most = most.lock().unwrap();
        *most = now.max(*most);
    };
    admin.apply(&plan).progress(watch).await.unwrap();
    assert_eq!(*most.lock().unwrap(), 2);
}
