//! What is relied on is proved on the peer, with what AWS documents of it and the peer does not do; and what is false is found.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use alien_aws::{Aws, Config};
use alien_conformance::stacks::IMAGE;
use alien_conformance::world::World as _;
use alien_core::adapter::{AccessControl as _, DeploymentContext, Exchange};
use alien_core::{AnyTarget, DeploymentId, Invitation, RecordsInMemory};
use alien_prove::{Attempt, AwsVendor, Findings, Life, Product, Step, Verdict, Who};

use crate::decided;
use crate::world::Peer;

fn of(findings: &Findings, verdict: Verdict) -> BTreeSet<&str> {
    findings.facts.iter().filter(|found| found.verdict == verdict).map(|found| found.fact.as_str()).collect()
}

/// Whether a request is that of a call, as AWS's API references describe it.
fn is_of(call: &str, request: &Exchange) -> bool {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let verb = request.verb.as_str();
    match call {
        "sts:AssumeRole" => request.body.as_str().is_some_and(|form| form.contains("Action=AssumeRole&")),
        "lambda:GetFunctionConfiguration" => verb == "GET" && path.ends_with("/configuration"),
        "lambda:UpdateFunctionConfiguration" => verb == "PUT" && path.ends_with("/configuration"),
        "lambda:UpdateFunctionCode" => verb == "PUT" && path.ends_with("/code"),
        "lambda:GetFunction" => verb == "GET" && path.contains("/functions/") && !path.ends_with("/configuration"),
        "lambda:CreateFunction" => verb == "POST" && path.ends_with("/functions"),
        "s3:ListObjectsV2" => verb == "GET" && query.contains("list-type=2"),
        call => {
            let target = request.headers.get("x-amz-target").and_then(|target| target.rsplit('.').next());
            call.strip_prefix("ecs:").is_some_and(|name| target == Some(name))
        }
    }
}

/// An exchange with the cloud, and the step that it was made in.
type Told = (Option<Step>, Exchange);

/// Each attempt enters, and then makes the calls that it names.
fn calls_what_it_names(attempt: &Attempt, told: &[Told]) {
    let step = Some(Step::Attempt(attempt.name));
    let requests: Vec<&Exchange> = told.iter().filter(|(of, _)| *of == step).map(|(_, request)| request).collect();
    let named: Vec<&str> = ["sts:AssumeRole"].iter().chain(attempt.after).copied().chain([attempt.call]).collect();
    assert_eq!(requests.len(), named.len(), "{}: {named:?} {requests:#?}", attempt.name);
    for (call, request) in named.into_iter().zip(requests) {
        assert!(is_of(call, request), "{}: {call} {request:#?}", attempt.name);
    }
}

/// A whole life, with an AWS that does not have these keys.
async fn proved(peer: &Peer, name: &str, unknown: &'static [&'static str]) -> Findings {
    let cloud = alien_prove::ALL.into_iter().find(|known| known.adapter().cloud() == "aws").unwrap();
    let product = Product::new(&alien_aws::Adapter, &IMAGE.parse().unwrap(), false).unwrap();
    let (id, target) = (DeploymentId::new(), peer.target(name));
    let invitation = Invitation::new(id, &target, product.stack().clone()).unwrap();
    let known = AnyTarget::of::<Aws>(&target).unwrap();
    let record = cloud.adapter().record(&invitation, &known).unwrap();
    let context = DeploymentContext::<Aws>::of(&record).unwrap();
    let role = Aws::principal(&context.layout, &context.permissions().management);
    let step = Arc::new(Mutex::new(None));
    let told = Arc::<Mutex<Vec<Told>>>::default();
    let exchanges = {
        let (step, told) = (Arc::clone(&step), Arc::clone(&told));
        Arc::new(move |exchange: &Exchange| told.lock().unwrap().push((*step.lock().unwrap(), exchange.clone())))
    };
    let sdk = peer.vendor_over(|inner| decided::client(inner, &role, unknown));
    let outsider = Config::new(sdk).with_calls(peer.calling().with_exchanges(exchanges)).sdk_config();
    let life = Life {
        cloud,
        invitation,
        target: known,
        admin: peer.admin(id, target, peer.calling()),
        vendor: peer.vendor(peer.calling()),
        outsider: Box::new(AwsVendor::new(outsider)),
        product,
        store: Arc::new(RecordsInMemory::new()),
        clock: peer.calling().clock,
        told: Box::new(move |next| *step.lock().unwrap() = Some(next)),
    };
    let findings = life.live(std::future::pending()).await;
    let needs = cloud.needs(&record).unwrap();
    let vendors: Vec<&str> =
        needs.iter().filter(|need| need.who == Who::Vendor).map(|need| need.call.as_str()).collect();
    for attempt in cloud.attempts() {
        calls_what_it_names(attempt, &told.lock().unwrap());
        assert!(attempt.after.iter().all(|call| vendors.contains(call)), "{attempt:?}");
    }
    findings
}

pub(crate) async fn what_is_relied_on_holds_and_nothing_is_left(peer: &Peer) {
    let findings = proved(peer, "proved", &[]).await;
    assert_eq!(of(&findings, Verdict::False), BTreeSet::new(), "{findings:#?}");
    assert_eq!(of(&findings, Verdict::Unseen), BTreeSet::new(), "{findings:#?}");
    assert!(of(&findings, Verdict::Holds).len() > 15, "{findings:#?}");
    assert_eq!(findings.left, [""; 0], "{findings:#?}");
}

/// The AWS here does not know how large a task definition is, nor that a function's network is emptied.
pub(crate) async fn what_is_false_is_found(peer: &Peer) {
    let findings = proved(peer, "refuted", &["ecs:task-cpu", "ecs:task-memory", "lambda:VpcIds"]).await;
    assert_eq!(of(&findings, Verdict::False), ["emptied-network", "task-size-keys"].into(), "{findings:#?}");
    assert_eq!(of(&findings, Verdict::Unseen), BTreeSet::new(), "{findings:#?}");
    let left = ["a revision of the container's task definition: deregister it in ECS"];
    assert_eq!(findings.left, left, "{findings:#?}");
}
