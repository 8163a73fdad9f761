//! Both models on one cloud: who is let in, who is not, and how a deployment moves from one to the other.

use std::sync::Arc;

use alien_core::adapter::{Cloud, Purpose};
use alien_core::rollout::Sequence;
use alien_core::{
    Action, Admin, CallConfig, Data, Delivery, Deployment, DeploymentId, Error, ErrorKind, Function, Health,
    Impersonate, Invitation, Kv, Live, Manager, Plan, Profile, Queue, Stack, Storage,
};
use async_trait::async_trait;

use crate::world::{Calls, Case, Shipped, World, pulled, release};

/// A world in which releases are pushed, and can be pulled as well.
pub trait BothModels: World {
    /// The target of a deployment with this prefix that a principal of the customer's own account manages.
    fn agents_target(&self, prefix: &str) -> <Self::Cloud as Cloud>::Target;

    /// The side of that principal.
    fn agent(&self, how: CallConfig) -> Arc<dyn Impersonate>;
}

/// A world whose own deployments pull: the same peer, with an agent in the place of the vendor.
#[derive(Debug)]
pub struct Pulling<'w, W>(
    /// The world in which both is possible.
    pub &'w W,
);

#[async_trait]
impl<W: BothModels> World for Pulling<'_, W> {
    type Cloud = W::Cloud;

    fn target(&self, prefix: &str) -> <Self::Cloud as Cloud>::Target {
        self.0.agents_target(prefix)
    }

    fn delivery(&self) -> Delivery {
        pulled()
    }

    fn calling(&self) -> CallConfig {
        self.0.calling()
    }

    fn admin(&self, id: DeploymentId, target: <Self::Cloud as Cloud>::Target, how: CallConfig) -> Admin {
        self.0.admin(id, target, how)
    }

    fn vendor(&self, how: CallConfig) -> Arc<dyn Impersonate> {
        self.0.agent(how)
    }

    fn code(&self, says: &str) -> Shipped {
        self.0.code(says)
    }

    async fn take_away(&self, deployment: &Deployment, permission: &str, on: &[String]) {
        self.0.take_away(deployment, permission, on).await;
    }

    async fn give_back(&self, deployment: &Deployment) {
        self.0.give_back(deployment).await;
    }

    async fn prepare(&self, deployment: &Deployment) {
        self.0.prepare(deployment).await;
    }

    fn is_undecided(&self, permission: &str) -> bool {
        self.0.is_undecided(permission)
    }
}

fn small(code: &Shipped) -> Stack {
    let mut stack = Stack::builder("moved");
    stack.frozen("data", Storage::new());
    stack.live("cache", Kv::new());
    stack.live("jobs", Queue::new());
    stack.live("api", Function::new(code.code(), "api").with_memory_mib(256).with_memory_bounds(256..=512));
    stack.profile("api", Profile::new());
    stack.build().unwrap()
}

/// Who is let in by the library is one thing; here the cloud itself is asked, with a record that says what the caller
/// would like it to say.
async fn is_shut_out(way: &Arc<dyn Impersonate>, record: &Deployment) {
    let refused = way.session(record, &Purpose::Watch).await.map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Revoked, "{refused}");
}

/// The library refuses before anything is asked of the cloud.
async fn is_refused_unasked(way: &Arc<dyn Impersonate>, calls: &Calls, invitation: &Invitation, record: &Deployment) {
    let told = |error: Error, what: &str| {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains(what), "{error}");
    };
    let what = "has no identity there";
    told(way.session(record, &Purpose::Watch).await.map(drop).unwrap_err(), what);
    told(way.register(invitation, record).await.unwrap_err(), what);
    assert_eq!(calls.operations(), [""; 0]);
}

/// Only the identity is written, and nothing is made.
fn only_the_identity_changes(plan: &Plan) {
    let changed = plan.steps.iter().filter(|step| step.action != Action::Leave);
    let changed: Vec<_> = changed.map(|step| (step.action, &*step.kind, step.subject.as_str())).collect();
    let [(Action::Update, "identity", name)] = changed[..] else { panic!("{plan}") };
    assert!(name.starts_with("the identity that trusts"), "{plan}");
}

/// Everything stays what it was: the identity, the resources, and their ids.
fn nothing_is_made_anew(before: &Deployment, after: &Deployment) {
    let ids = |record: &Deployment| {
        (record.id, record.identity.clone(), record.identity_id.clone(), record.resources.clone())
    };
    assert_eq!(ids(before), ids(after));
    assert_ne!((&before.delivery, &before.target), (&after.delivery, &after.target));
}

async fn works<W: World>(world: &W, way: Arc<dyn Impersonate>, record: &Deployment, mebibytes: u32) -> Deployment {
    let manager = Manager::new(way, record.clone());
    for resource in manager.resources() {
        let beat = manager.heartbeat(&resource).await.unwrap();
        assert_eq!(beat.health, Health::Healthy, "{resource:?}: {beat:?}");
    }
    let api = manager.find::<Function, Live>("api").unwrap();
    let update = world.code(&format!("at {mebibytes}")).update().with_memory_mib(mebibytes);
    manager.update(&api, update).await.unwrap();
    manager.deployment()
}

/// From push to pull and back by set-ups with other invitations. Each time the one side gets in and the other does not, and
/// nothing is made anew.
///
/// # Panics
///
/// At the first unexpected result.
pub async fn a_deployment_moves_from_push_to_pull_and_back<W: BothModels>(world: &W) {
    let code = world.code("first");
    let stack = small(&code);
    let case = Case::new(world, "moved", stack.clone());
    let first = release(&stack, std::slice::from_ref(&code));
    let asked = || {
        let calls = Calls::default();
        let how = world.calling().with_recorder(calls.recorder());
        (how, calls)
    };
    let pushed = case.up(&first, None).await.unwrap();
    let (vendor, agent) = (world.vendor(world.calling()), world.agent(world.calling()));
    vendor.register(&case.invitation, &pushed).await.unwrap();
    let pushed = works(world, vendor, &pushed, 512).await;

    // What the agent would like to be told it is not told: the record says who gets in, and the cloud does.
    let target = world.agents_target("moved");
    let Delivery::Pull { manager, root } = pulled() else { panic!("it pulls") };
    let invitation = Invitation::pull::<W::Cloud>(pushed.id, manager, root, stack.clone()).unwrap();
    let agents = world.admin(pushed.id, target.clone(), world.calling()).with_delivery(pulled());
    let plan = agents.plan(&first).previous(&pushed).await.unwrap();
    let mut forged = pushed.clone();
    (forged.delivery, forged.target) = (pulled(), plan.target.clone());
    is_shut_out(&agent, &forged).await;
    let (how, calls) = asked();
    is_refused_unasked(&world.agent(how), &calls, &case.invitation, &pushed).await;

    // To pull.
    only_the_identity_changes(&plan);
    assert_eq!(serde_json::from_str::<Plan>(&serde_json::to_string(&plan).unwrap()).unwrap().delivery, pulled());
    let moved = agents.apply(&plan).await.unwrap();
    world.prepare(&moved).await;
    nothing_is_made_anew(&pushed, &moved);
    assert_eq!(moved.delivery, pulled());
    assert_eq!(Deployment::from_json(&serde_json::to_string(&moved).unwrap()).unwrap(), moved);
    assert!(agents.plan(&first).previous(&moved).await.unwrap().is_empty());
    assert_eq!(invitation.differences(&moved), []);
    let agent = world.agent(world.calling());
    agent.register(&invitation, &moved).await.unwrap();
    let moved = works(world, agent, &moved, 256).await;
    // A new way in, because a session that the vendor opened before lasts until its end.
    is_shut_out(&world.vendor(world.calling()), &pushed).await;
    let (how, calls) = asked();
    is_refused_unasked(&world.vendor(how), &calls, &invitation, &moved).await;
    let told = case.invitation.differences(&moved);
    assert!(told.iter().any(|problem| problem.what.contains("the delivery")), "{told:?}");

    // Revoked, and given again: to the agent.
    agents.revoke(&moved).await.unwrap();
    is_shut_out(&world.agent(world.calling()), &moved).await;
    is_shut_out(&world.vendor(world.calling()), &pushed).await;
    let plan = agents.plan(&first).previous(&moved).await.unwrap();
    let moved = agents.apply(&plan).await.unwrap();
    world.prepare(&moved).await;
    let agent = world.agent(world.calling());
    agent.register(&invitation, &moved).await.unwrap();
    is_shut_out(&world.vendor(world.calling()), &pushed).await;

    // And back.
    let plan = case.admin.plan(&first).previous(&moved).await.unwrap();
    only_the_identity_changes(&plan);
    let back = case.admin.apply(&plan).await.unwrap();
    world.prepare(&back).await;
    nothing_is_made_anew(&moved, &back);
    let vendor = world.vendor(world.calling());
    vendor.register(&case.invitation, &back).await.unwrap();
    works(world, vendor, &back, 512).await;
    is_shut_out(&world.agent(world.calling()), &moved).await;

    // A record of the other model takes the deployment down too: where it is, it says.
    let report = agents.destroy(&back).data(Data::Delete).await.unwrap();
    assert!(report.kept.is_empty() && report.foreign.is_empty() && !report.found_nothing(), "{report:?}");
}

/// What a release with a number sets has that number in the cloud, and whoever manages the deployment reads it there. It is
/// no part of what is compared.
///
/// # Panics
///
/// At the first unexpected result.
pub async fn what_is_set_is_marked_with_the_number_of_its_release<W: World>(world: &W) {
    let codes = ["first", "second", "third"].map(|says| world.code(says));
    let releases = codes.each_ref().map(|code| release(&small(code), std::slice::from_ref(code)));
    let case = Case::new(world, "numbered", small(&codes[0]));
    let record = case.up(&releases[0], None).await.unwrap();
    let (manager, _) = case.manager(&record);
    let marked = || async {
        let mut marks = manager.marks().await;
        let Some((id, Ok(mark))) = marks.pop() else { panic!("{marks:?}") };
        assert_eq!((id.as_str(), marks), ("api", Vec::new()));
        mark
    };
    assert_eq!(marked().await, None, "the admin has set it up");
    let rolled_out = |position: usize, number: Option<u64>| {
        let request = manager.release(&releases[position]);
        let request = number.into_iter().fold(request, |request, number| request.numbered(Sequence::from(number)));
        async { request.await.into_result().unwrap() }
    };
    rolled_out(1, Some(7)).await;
    assert_eq!(marked().await, Some(Sequence::from(7)));
    // The same content under another number is not sent.
    rolled_out(1, Some(9)).await;
    assert_eq!(marked().await, Some(Sequence::from(7)));
    // It is no drift.
    let plan = case.admin.plan(&releases[1]).previous(&manager.deployment()).await.unwrap();
    assert!(plan.is_empty() && plan.steps.iter().all(|step| step.vendors.is_none()), "{plan}");
    rolled_out(2, None).await;
    assert_eq!(marked().await, None);
    case.admin.destroy(&manager.deployment()).data(Data::Delete).await.unwrap();
}

/// Whoever is named in a target carries releases in, wherever that is said.
///
/// # Panics
///
/// If a target of the one model is taken for the other.
pub async fn a_target_of_one_model_is_no_target_of_the_other<W: BothModels>(world: &W) {
    let code = world.code("first");
    let stack = small(&code);
    let case = Case::new(world, "mixed", stack.clone());
    let first = release(&stack, std::slice::from_ref(&code));
    let refused = |error: Error| {
        assert_eq!(error.kind(), ErrorKind::Input, "{error}");
        assert!(error.to_string().contains("in the place of"), "{error}");
    };
    let admin = |target| world.admin(case.invitation.id, target, world.calling());
    let (vendors, agents) = (case.target.clone(), world.agents_target("mixed"));
    refused(admin(vendors.clone()).with_delivery(pulled()).plan(&first).await.unwrap_err());
    refused(admin(agents.clone()).plan(&first).await.unwrap_err());
    let mut plan = admin(vendors).plan(&first).await.unwrap();
    plan.delivery = pulled();
    refused(case.admin.apply(&plan).await.unwrap_err());
    assert!(Invitation::new(case.invitation.id, &agents, stack.clone()).is_err());

    let set_up = case.up(&first, None).await.unwrap();
    for (way, delivery) in [(world.vendor(world.calling()), Delivery::Push), (world.agent(world.calling()), pulled())] {
        let other = match delivery {
            Delivery::Push => admin(agents.clone()).with_delivery(pulled()).plan(&first).await.unwrap().target,
            Delivery::Pull { .. } => set_up.target.clone(),
        };
        let mut mixed = set_up.clone();
        (mixed.delivery, mixed.target) = (delivery, other);
        refused(way.session(&mixed, &Purpose::Watch).await.map(drop).unwrap_err());
    }
    case.admin.destroy(&set_up).data(Data::Delete).await.unwrap();
}
