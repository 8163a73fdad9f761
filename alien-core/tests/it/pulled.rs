//! Deployments that pull their releases: a principal of the customer's manages them, and the vendor has no identity there.

use std::collections::BTreeMap;
use std::sync::Arc;

use alien_conformance::world::{Case, World, pulled, release};
use alien_conformance::{life, pulled as suite};
use alien_core::adapter::Connect;
use alien_core::memory::{self, Account, Adapter as InMemory, LocalPrincipal, Memory, Target, Trust};
use alien_core::{
    Adapter, Admin, AnyTarget, CallConfig, Connection, Delivery, DeploymentId, ErrorKind, Impersonate, Invitation, Kv,
    Layers, Model, Promise, Queue, Result, Stack, audit, render, review,
};
use async_trait::async_trait;
use serde_json::json;

use crate::in_process::{AGENT, InProcess};

fn stack() -> Stack {
    let mut stack = Stack::builder("shop");
    stack.live("jobs", Queue::new());
    stack.frozen("cache", Kv::new());
    stack.build().unwrap()
}

fn target() -> Target {
    Target::pulled("acme", AGENT.parse().unwrap()).unwrap()
}

fn texts(texts: &[(&str, &str)]) -> BTreeMap<String, String> {
    texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn the_whole_life_of_a_stack_that_an_agent_manages() {
    life::the_whole_life_of_a_stack(&InProcess::of(Model::Pull)).await;
}

#[tokio::test(start_paused = true)]
async fn every_grant_of_an_agent_is_needed_and_none_is_missing() {
    life::every_grant_is_needed_and_none_is_missing(&InProcess::of(Model::Pull)).await;
}

#[tokio::test(start_paused = true)]
async fn a_deployment_moves_from_push_to_pull_and_back() {
    suite::a_deployment_moves_from_push_to_pull_and_back(&InProcess::new()).await;
}

#[tokio::test(start_paused = true)]
async fn a_target_of_one_model_is_no_target_of_the_other() {
    suite::a_target_of_one_model_is_no_target_of_the_other(&InProcess::new()).await;
}

/// The customer decides which of its principals manages a deployment; a set-up puts another in its place.
#[tokio::test(start_paused = true)]
async fn another_agent_is_a_set_up_away() {
    let world = InProcess::of(Model::Pull);
    let case = Case::new(&world, "acme", stack());
    let one = case.up(&release(&stack(), &[]), None).await.unwrap();
    let agent = |name: &str| {
        let config = world.config(world.calling()).with_agent(name.parse().unwrap());
        memory::agent(&config)
    };
    agent(AGENT).register(&case.invitation, &one).await.unwrap();
    let other = Target::pulled("acme", "local:other".parse().unwrap()).unwrap();
    let admin = world.admin(one.id, other, world.calling()).with_delivery(pulled());
    let two = admin.apply(&admin.plan(&release(&stack(), &[])).previous(&one).await.unwrap()).await.unwrap();
    agent("local:other").register(&case.invitation, &two).await.unwrap();
    let refused = agent(AGENT).register(&case.invitation, &two).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Revoked);
    assert!(refused.to_string().contains("does not accept the agent as"), "{refused}");
    // Another vendor is not: the invitation names it, and an invitation is for one deployment.
    let push = InProcess::new();
    let case = Case::new(&push, "acme", stack());
    let one = case.up(&release(&stack(), &[]), None).await.unwrap();
    let mut other = case.target.clone();
    other.trust = Trust::Vendor("another".to_owned(), "proof".to_owned());
    let error = push.admin(one.id, other, push.calling()).plan(&release(&stack(), &[])).previous(&one).await;
    assert!(error.unwrap_err().to_string().contains("the record has another target"));
}

#[test]
fn a_target_has_the_fields_of_one_model() {
    let read = |fields: &[(&str, &str)]| InMemory::new(memory::Config::new(Account::default())).target(texts(fields));
    let push = read(&[("prefix", "acme"), ("vendor", "vendor"), ("proof", "proof")]).unwrap();
    let pull = read(&[("prefix", "acme"), ("agent", AGENT)]).unwrap();
    assert_eq!((push.model::<Memory>(), pull.model::<Memory>()), (Model::Push, Model::Pull));
    assert_eq!(*pull.typed::<Memory>().unwrap(), target());
    assert_eq!(serde_json::to_value(target()).unwrap(), json!({ "prefix": "acme", "agent": AGENT }));
    // Everything that is wrong at once.
    let told =
        read(&[("prefix", "Acme"), ("vendor", "vendor"), ("agent", "vendor"), ("x", "y")]).unwrap_err().to_string();
    for what in [
        "`prefix`: `Acme` is not",
        "`agent`: `vendor` is not a local principal",
        "`vendor`: names the vendor, which has no identity where releases are pulled",
        "`x`: has no meaning",
    ] {
        assert!(told.contains(what), "{what}: {told}");
    }
    let adapter = InMemory::new(memory::Config::new(Account::default()));
    let told = adapter.target_as(Model::Pull, texts(&[("prefix", "acme")])).unwrap_err().to_string();
    assert!(told.contains("`agent`: missing; give the principal of the account"), "{told}");
    let told = adapter.target_as(Model::Push, texts(&[("prefix", "acme"), ("agent", AGENT)])).unwrap_err().to_string();
    assert!(told.contains("`agent`: names an agent") && told.contains("`vendor`: missing"), "{told}");
    // What no field says together is no target either, from whichever file it is read.
    for wrong in [
        json!({ "prefix": "acme", "agent": AGENT, "vendor": "vendor", "proof": "proof" }),
        json!({ "prefix": "acme", "vendor": "vendor" }),
        json!({ "prefix": "acme" }),
        json!({ "prefix": "acme", "agent": AGENT, "proof": "proof" }),
    ] {
        let any: AnyTarget = serde_json::from_value(wrong.clone()).unwrap();
        assert!(any.typed::<Memory>().is_err() && serde_json::from_value::<Target>(wrong.clone()).is_err(), "{wrong}");
    }
    for bad in ["", "agent", "local:", "local:Agent", "local:a b", "local:*", "other:agent"] {
        assert!(bad.parse::<LocalPrincipal>().is_err(), "{bad}");
    }
}

/// Whatever is planted in the trust of any identity is a breach.
#[test]
fn an_identity_that_trusts_somebody_else_is_a_breach() {
    let mut stack = Stack::builder("shop");
    stack.live("api", alien_core::Function::new(alien_core::Code::zip(b"first"), "api"));
    stack.profile("api", alien_core::Profile::new());
    let stack = stack.build().unwrap();
    let rendered = render(&stack, &target()).unwrap().documents;
    assert_eq!(serde_json::to_value(&rendered).unwrap()["layers"]["management"]["principals"][0]["trusts"], AGENT);
    let breaches = |change: &dyn Fn(&mut Layers<memory::Principal>)| {
        let mut documents = rendered.clone();
        change(&mut documents.layers);
        let report = audit(&stack, &target(), &serde_json::to_string(&documents).unwrap()).unwrap();
        report.breaches.iter().map(|breach| breach.promise).collect::<Vec<_>>()
    };
    assert_eq!(breaches(&|_| ()), []);
    let others = [
        None,
        Some(Trust::Vendor("vendor".to_owned(), "proof".to_owned())),
        Some(Trust::Vendor(AGENT.to_owned(), String::new())),
        Some(Trust::Agent("local:other".parse().unwrap())),
    ];
    for other in others {
        let planted = breaches(&|layers| layers.management.as_mut().unwrap().principals[0].trusts = other.clone());
        assert_eq!(planted, [Promise::P13], "{other:?}");
    }
    let anyone = Some(Trust::Vendor("vendor".to_owned(), "proof".to_owned()));
    let planted = breaches(&|layers| layers.runtime.as_mut().unwrap().principals[0].trusts = anyone.clone());
    assert_eq!(planted, [Promise::P13]);
    let planted = breaches(&|layers| layers.provisioning.as_mut().unwrap().principals[0].trusts = anyone.clone());
    assert_eq!(planted, [Promise::P13]);
}

#[test]
fn a_review_says_that_the_vendor_has_no_identity_and_who_manages() {
    let reviewed = review(&stack(), &target()).unwrap().with_delivery(&pulled());
    insta::assert_snapshot!(reviewed.review.to_markdown());
    let written = serde_json::to_string(&reviewed).unwrap();
    assert_eq!(serde_json::from_str::<alien_core::Reviewed>(&written).unwrap(), reviewed);
    // Where the vendor manages, nothing of it is said or written.
    let push = review(&stack(), &Target::new("acme").unwrap()).unwrap().with_delivery(&pulled());
    assert_eq!(push.review.pulled, None);
    assert!(!serde_json::to_string(&push).unwrap().contains("pulled"));
}

/// Through the face that is the same for all clouds.
#[tokio::test(start_paused = true)]
async fn a_program_that_serves_all_clouds_enters_as_the_one_or_the_other() {
    let world = InProcess::new();
    let cloud: &dyn Adapter = &InMemory::new(world.config(world.calling()));
    let (id, connection) = (DeploymentId::new(), Connection::new(CallConfig::default(), "tests"));
    let given = texts(&[("vendor", "vendor"), ("proof", "proof")]);
    let told = cloud.invite(id, given.clone(), pulled(), stack()).unwrap_err().to_string();
    assert!(told.contains("`proof`: names the vendor") && told.contains("`vendor`: names the vendor"), "{told}");
    let push = cloud.invite(id, given, Delivery::Push, stack()).unwrap();
    let pull = cloud.invite(id, BTreeMap::new(), pulled(), stack()).unwrap();
    assert_eq!(Invitation::from_json(&serde_json::to_string(&pull).unwrap()).unwrap(), pull);

    let vendors = cloud.target(texts(&[("prefix", "acme"), ("vendor", "vendor"), ("proof", "proof")])).unwrap();
    let agents = cloud.target_as(Model::Pull, texts(&[("prefix", "acme"), ("agent", AGENT)])).unwrap();
    for (invitation, target, other) in [(&push, &vendors, &agents), (&pull, &agents, &vendors)] {
        let error = cloud.record(invitation, other).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input, "{error}");
        let record = cloud.record(invitation, target).unwrap();
        assert_eq!((invitation.differences(&record), &record.delivery), (vec![], &invitation.delivery));
    }
    assert_eq!(cloud.vendor(&agents, &connection).await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(cloud.agent(&vendors, &connection).await.unwrap_err().kind(), ErrorKind::Unsupported);
    let admin = cloud.admin(id, &agents, &connection).await.unwrap().with_delivery(pull.delivery.clone());
    let record = admin.apply(&admin.plan(&release(&stack(), &[])).await.unwrap()).await.unwrap();
    cloud.agent(&agents, &connection).await.unwrap().register(&pull, &record).await.unwrap();
    // Who the agent is, is what it runs as, and no name that it gives.
    let nobody = memory::agent(&memory::Config::new(world.account.clone()).with_calls(world.calling()));
    assert_eq!(nobody.register(&pull, &record).await.unwrap_err().kind(), ErrorKind::Credentials);
}

/// A cloud that has no agents says so.
#[tokio::test(start_paused = true)]
async fn a_cloud_without_agents_says_so() {
    #[derive(Debug)]
    struct Without(memory::Config);

    #[async_trait]
    impl Connect for Without {
        type Cloud = Memory;

        const OPTIONS: &'static [alien_core::ConnectOption] = &[];

        async fn admin(&self, id: DeploymentId, target: Target, _: &Connection) -> Result<Admin> {
            Ok(memory::admin(&self.0, id, target))
        }

        async fn vendor(&self, _: &Target, _: &Connection) -> Result<Arc<dyn Impersonate>> {
            Ok(memory::vendor(&self.0))
        }
    }
    let cloud = Without(memory::Config::new(Account::default()));
    let agents = cloud.target(texts(&[("prefix", "acme"), ("agent", AGENT)])).unwrap();
    let error = Adapter::agent(&cloud, &agents, &Connection::new(CallConfig::default(), "tests")).await.unwrap_err();
    assert_eq!(error.to_string(), "no deployment on memory pulls its releases");
}

#[tokio::test(start_paused = true)]
async fn what_is_set_is_marked_with_the_number_of_its_release() {
    for model in [Model::Pull, Model::Push] {
        suite::what_is_set_is_marked_with_the_number_of_its_release(&InProcess::of(model)).await;
    }
}
