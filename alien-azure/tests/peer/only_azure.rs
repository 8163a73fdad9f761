//! What only Azure has: what takes its time, what is shared, what is linked, and what is told beforehand.

use std::collections::BTreeSet;
use std::time::Duration;

use alien_azure::Azure;
use alien_conformance::life::product;
use alien_conformance::world::{Calls, Case, HurriedClock, World, quickly, release};
use alien_core::adapter::{AccessControl, DeploymentContext};
use alien_core::{
    Action, Container, Data, Deployment, ErrorKind, Function, FunctionUpdate, Health, Layer, Live, Network, Profile,
    Queue, Stack, Storage,
};
use futures_util::TryStreamExt;
use serde_json::{Value, json};

use crate::world::{Peer, code, image};

fn small() -> Stack {
    let mut stack = Stack::builder("small");
    let data = stack.frozen("data", Storage::new());
    stack.live("api", Function::new(code("small"), "api"));
    stack.profile("api", Profile::new().on(&data, [Storage::DATA_READ]));
    stack.build().unwrap()
}

/// To get in, to see what there is, to send the template, and to see that it works: nothing less can do it.
pub(crate) async fn the_fewest_calls(peer: &Peer) {
    let stack = small();
    let case = Case::new(peer, "few", stack.clone());
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    let (manager, calls) = case.manager(&deployment);
    let api = manager.find::<Function, Live>("api").unwrap();
    let _ = peer.sim.take_requests();
    manager.update(&api, FunctionUpdate::new().with_code(code("second"))).await.unwrap();
    let made = calls.operations();
    let (look, patch) = ("GET containerApps", "PATCH containerApps");
    let enter = "POST oauth2/v2.0/token";
    assert_eq!(made[..6], [enter, look, enter, look, patch, look], "{made:?}");
    assert!(made[6..].iter().all(|call| *call == look), "{made:?}");
    // The template and nothing else.
    let sent = peer.sim.take_requests().into_iter().find(|request| request.verb == "PATCH").unwrap();
    let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        (fields(&sent.body), fields(&sent.body["properties"])),
        (vec!["properties".into()], vec!["template".into()])
    );
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}

/// Of a revision that does not work the reason is told, and what was runs on.
pub(crate) async fn a_broken_revision_is_taken_back(peer: &Peer) {
    let stack = small();
    let case = Case::new(peer, "taken", stack.clone());
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    let (manager, _) = case.manager(&deployment);
    let api = manager.find::<Function, Live>("api").unwrap();
    let broken = image("x").replace("/echo@", "/broken@");
    let error = manager.update(&api, FunctionUpdate::new().with_code(broken.parse().unwrap())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed, "{error}");
    assert!(error.to_string().contains("the previous revision was put back"), "{error}");
    assert!(error.is_put_back());
    let body = peer.sim.body(&deployment.resources["api"]).unwrap();
    assert_eq!(body["properties"]["template"]["containers"][0]["image"], image("small"), "{body}");
    assert_eq!(manager.heartbeat(&api).await.unwrap().health, Health::Healthy);
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}

/// Whether each assignment that is rendered is there.
fn everything_is_assigned(peer: &Peer, deployment: &Deployment) {
    let context = DeploymentContext::<Azure>::of(deployment).unwrap();
    let holders = context.permissions().runtime.iter().chain([&context.permissions().management]);
    for principal in holders.map(|grants| Azure::principal(&context.layout, grants)) {
        let held = peer.sim.assignments(&peer.principal_id(&principal.identity.id));
        let held: BTreeSet<String> = held.iter().map(|one| one["id"].as_str().unwrap().to_ascii_lowercase()).collect();
        let due = principal.role_assignments.iter().map(|due| {
            format!("{}/providers/Microsoft.Authorization/roleAssignments/{}", due.scope, due.name).to_ascii_lowercase()
        });
        assert_eq!(held, due.collect(), "{}", principal.identity.name);
    }
}

/// How long everything takes that takes its time, by the emulator's clock.
const SETTLING: Duration = Duration::from_secs(20);

/// How much later it is there after each wait of a caller's. What settles is waited for several times, and on a slow machine
/// once less at most for every twenty seconds that it loses; nothing is over too late.
const A_WAIT: Duration = Duration::from_secs(4);

/// Principals that the directory does not know yet, roles and federated credentials that settle slowly, operations that take
/// their time, requests that are too many, writes that meet: all is waited out within the stated budgets.
pub(crate) async fn what_takes_its_time_is_waited_for(peer: &Peer) {
    let stack = product(&peer.code("first"));
    let case = Case::new(peer, "slow", stack.clone());
    let faults = peer.sim.faults();
    faults.directory(SETTLING);
    faults.propagation(SETTLING);
    faults.federation(SETTLING);
    faults.operations_take(SETTLING);
    faults.federation_conflicts(2);
    faults.throttle(3);
    let clock = || {
        let faults = peer.sim.faults();
        HurriedClock::telling(move |_| faults.advance(A_WAIT))
    };
    let admin = peer.admin(case.invitation.id, case.target.clone(), quickly(clock(), Duration::from_secs(600)));
    let release = release(&stack, &[]);
    let plan = admin.plan(&release).await.unwrap();
    let deployment = admin.apply(&plan).await.unwrap();
    everything_is_assigned(peer, &deployment);
    faults.throttle_tokens(2);
    let vendor = peer.vendor(quickly(clock(), Duration::from_secs(600)));
    vendor.register(&case.invitation, &deployment).await.unwrap();
    let plan = admin.plan(&release).previous(&deployment).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
    let remains = admin.destroy(&deployment).data(Data::Delete).await.unwrap();
    assert!(remains.kept.is_empty() && remains.foreign.is_empty(), "{remains:?}");
}

/// What stands in the group when everything is set: no keys, nothing public, one trust, each role at its very thing, apps that
/// nobody reaches whom the stack does not name.
pub(crate) async fn what_is_made_is_closed(peer: &Peer) {
    let stack = product(&peer.code("first"));
    let case = Case::new(peer, "closed", stack.clone());
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    everything_is_assigned(peer, &deployment);
    let body = |id: &str| peer.sim.body(id).unwrap_or_else(|| panic!("{id} is not there"));
    let resource = |id: &str| body(&deployment.resources[id]);
    for id in ["data", "cache"] {
        let account = body(
            deployment.resources[id].split("/blobServices").next().unwrap().split("/tableServices").next().unwrap(),
        );
        let says = &account["properties"];
        assert_eq!(
            (&says["allowSharedKeyAccess"], &says["allowBlobPublicAccess"]),
            (&json!(false), &json!(false)),
            "{account:#}"
        );
        assert_eq!(
            (&says["supportsHttpsTrafficOnly"], &says["minimumTlsVersion"]),
            (&json!(true), &json!("TLS1_2")),
            "{account:#}"
        );
        assert_eq!(says["allowCrossTenantReplication"], json!(false), "{account:#}");
    }
    let service = deployment.resources["data"].split("/containers").next().unwrap().to_owned();
    assert_eq!(peer.read(&service, "2025-08-01").await["properties"]["isVersioningEnabled"], true);
    let namespace = body(deployment.resources["jobs"].split("/queues").next().unwrap());
    assert_eq!(namespace["properties"]["disableLocalAuth"], true, "{namespace:#}");
    assert_eq!(resource("jobs")["properties"]["maxDeliveryCount"], 5);
    for (id, environment, least) in
        [("api", "live", 0), ("ledger", "frozen", 0), ("worker", "live-net", 1), ("mailer", "frozen", 1)]
    {
        let app = resource(id);
        let stands = app["properties"]["environmentId"].as_str().unwrap();
        assert!(stands.ends_with(&format!("/closed-{environment}-6")), "{id}: {stands}");
        assert!(app["properties"]["configuration"]["ingress"].is_null(), "{id}: {app:#}");
        assert_eq!(app["properties"]["template"]["scale"]["minReplicas"].as_i64().unwrap_or_default(), least, "{id}");
        let identities: Vec<&String> = app["identity"]["userAssignedIdentities"].as_object().unwrap().keys().collect();
        let profile = if ["api", "worker"].contains(&id) { "execution" } else { "ledger" };
        assert_eq!(identities.len(), 1, "{id}");
        assert!(identities[0].ends_with(&format!("/closed-runtime-{profile}-6")), "{id}: {identities:?}");
    }
    let network = peer.read(&deployment.resources["net"], "2025-07-01").await;
    let subnets = network["properties"]["subnets"].as_array().unwrap();
    let delegated = |subnet: &Value| {
        subnet["properties"]["delegations"][0]["properties"]["serviceName"] == "Microsoft.App/environments"
    };
    assert!(subnets.len() == 2 && subnets.iter().all(delegated), "{network:#}");
    let trusted: Vec<String> =
        peer.sim.things().into_iter().filter(|id| id.contains("/federatedIdentityCredentials/")).collect();
    assert_eq!(trusted, [format!("{}/federatedIdentityCredentials/vendor", deployment.identity)]);
    let trust = body(&trusted[0]);
    assert_eq!(trust["properties"]["subject"], "deployment:closed");
    assert_eq!(trust["properties"]["audiences"], json!(["api://AzureADTokenExchange"]));
    // The key of a workspace is in nothing that anybody can read.
    assert!(!peer.sim.requests().iter().any(|request| request.body.to_string().contains("primarySharedKey")));
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}

/// The platform counts the messages of a queue and starts the code, both under the code's own identity.
pub(crate) async fn a_queue_starts_its_function(peer: &Peer) {
    let mut stack = Stack::builder("started");
    let jobs = stack.frozen("jobs", Queue::new().with_dead_letters_after(5));
    stack.live("api", Function::new(code("started"), "api").with_trigger(&jobs).with_variable("SAYS", "got"));
    stack.profile("api", Profile::new().on(&jobs, [Queue::DATA_READ, Queue::DATA_WRITE]));
    let stack = stack.build().unwrap();
    let case = Case::new(peer, "started", stack.clone());
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    let queue = &deployment.resources["jobs"];
    let namespace = queue.split("/namespaces/").nth(1).unwrap().split('/').next().unwrap();
    let url =
        format!("{}/{namespace}.servicebus.windows.net/{}/messages", peer.sim.url(), queue.rsplit('/').next().unwrap());
    let runtime =
        format!("{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/started-runtime-api-7", peer.group());
    let token = peer.sim.token(&peer.principal_id(&runtime), "https://servicebus.azure.net");
    let answer = peer.plain().post(url).bearer_auth(token).body("hello").send().await.unwrap();
    assert_eq!(answer.status(), 201, "{answer:?}");
    let (manager, _) = case.manager(&deployment);
    let api = manager.find::<Function, Live>("api").unwrap();
    let lines = manager.logs(&api).since(jiff::Timestamp::UNIX_EPOCH).read().try_collect::<Vec<_>>().await.unwrap();
    assert!(lines.iter().any(|line| line.text == "got hello"), "{lines:?}");
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}

/// A request starts a function that waits for messages and for commands too: each is a rule, and a request needs one of its own.
pub(crate) async fn a_request_starts_a_function_that_waits_for_messages(peer: &Peer) {
    let mut stack = Stack::builder("woken");
    let jobs = stack.frozen("jobs", Queue::new());
    stack.live("api", Function::new(code("woken"), "api").with_trigger(&jobs).with_commands().with_public_url());
    stack.profile("api", Profile::new().on(&jobs, [Queue::DATA_READ]));
    let stack = stack.build().unwrap();
    let case = Case::new(peer, "woken", stack.clone());
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    let app = &deployment.resources["api"];
    let address =
        peer.sim.body(app).unwrap()["properties"]["configuration"]["ingress"]["fqdn"].as_str().unwrap().to_owned();
    let ask = async || {
        let request = peer.plain().post(format!("{}/{address}/", peer.sim.url())).body("hello");
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(ask().await, (200, "hello".to_owned()));
    let (manager, _) = case.manager(&deployment);
    let api = manager.find::<Function, Live>("api").unwrap();
    manager.update(&api, FunctionUpdate::new().with_code(code("next"))).await.unwrap();
    assert_eq!(ask().await.0, 200, "an update keeps the rule");
    // Without it, nothing is started: a set-up of an earlier version is mended.
    let mut body = peer.sim.body(app).unwrap();
    let rules = body["properties"]["template"]["scale"]["rules"].as_array_mut().unwrap();
    rules.retain(|rule| rule["http"].is_null());
    let token = peer.sim.token(&peer.admin, "https://management.azure.com");
    let url = format!("{}{app}?api-version=2025-07-01", peer.sim.url());
    let template = json!({ "properties": { "template": body["properties"]["template"] } }).to_string();
    let request = peer.plain().patch(url).bearer_auth(token).header("content-type", "application/json");
    assert!(request.body(template).send().await.unwrap().status().is_success());
    assert_eq!(ask().await.0, 503);
    let before = manager.deployment();
    let plan = case.admin.plan(&release(&stack, &[])).previous(&before).await.unwrap();
    assert!(plan.steps.iter().any(|step| step.subject == "api" && step.action == Action::Update), "{plan}");
    case.admin.apply(&plan).await.unwrap();
    assert_eq!(ask().await.0, 200);
    case.admin.destroy(&before).data(Data::Delete).await.unwrap();
}

/// What resources share is removed with the last that needs it, and what stands in it is never taken with it.
pub(crate) async fn what_is_shared_goes_with_the_last(peer: &Peer) {
    let stack = |with_queue: bool, with_worker: bool| {
        let mut stack = Stack::builder("shares");
        let network = stack.frozen("net", Network::new("10.40.0.0/24"));
        stack.live("api", Function::new(code("shares"), "api"));
        if with_queue {
            stack.frozen("jobs", Queue::new());
        }
        if with_worker {
            stack.frozen("worker", Container::new(code("worker"), "api").with_network(&network));
        }
        stack.profile("api", Profile::new());
        stack.build().unwrap()
    };
    let is_named = |id: &String, what: &str| id.contains(what) && !id.contains("/Microsoft.Authorization/");
    let there = |what: &str| peer.sim.things().iter().filter(|id| is_named(id, what)).count();
    let (large, small) = (stack(true, true), stack(false, false));
    let case = Case::new(peer, "shares", large.clone());
    let before = peer.sim.things();
    let deployment = case.up(&release(&large, &[]), None).await.unwrap();
    assert_eq!((there("/namespaces/shares"), there("/managedEnvironments/"), there("/workspaces/")), (2, 2, 2));
    let plan = case.admin.plan(&release(&small, &[])).previous(&deployment).allow_frozen_changes().await.unwrap();
    assert!(plan.steps.iter().any(|step| step.action == Action::Delete), "{plan}");
    let deployment = case.admin.apply(&plan).await.unwrap();
    assert_eq!(there("/namespaces/shares"), 0);
    assert_eq!(there("/managedEnvironments/shares-live-6"), 1);
    let plan = case.admin.plan(&release(&small, &[])).previous(&deployment).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
    // A queue that someone else put into the namespace keeps it.
    let deployment = case.up(&release(&large, &[]), Some(&deployment)).await.unwrap();
    let namespace = deployment.resources["jobs"].split("/queues/").next().unwrap().to_owned();
    let url = format!("{}{namespace}/queues/theirs?api-version=2024-01-01", peer.sim.url());
    let token = peer.sim.token(&peer.admin, crate::world::ARM);
    let request = peer.plain().put(url).bearer_auth(token).header("content-type", "application/json").body("{}");
    assert!(request.send().await.unwrap().status().is_success());
    let remains = case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
    assert!(remains.kept.len() == 1 && remains.kept[0].why.contains("theirs"), "{remains:?}");
    let left: Vec<String> = peer.sim.things().into_iter().filter(|id| !before.contains(id)).collect();
    assert_eq!(left.len(), 2, "the namespace and what stands in it: {left:?}");
}

/// A group that is not there, an admin who lacks a right, a tenant that is another: all are told before anything is done.
pub(crate) async fn preflight_tells(peer: &Peer) {
    let stack = product(&peer.code("first"));
    let case = Case::new(peer, "told", stack.clone());
    let release = release(&stack, &[]);
    let before = peer.sim.things();
    let refused = async |principal: &str, target: alien_azure::Target, words: &[&str]| {
        let config = peer.config(principal).with_calls(peer.calling());
        let admin = alien_azure::admin(&config, case.invitation.id, target);
        let told = match admin.plan(&release).await {
            Ok(plan) => admin.apply(&plan).await.unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        for word in words {
            assert!(told.contains(word), "{word}: {told}");
        }
    };
    let admin = alien_azure::admin(&peer.for_vendor(peer.vendor_token()), case.invitation.id, case.target.clone());
    let error = admin.plan(&release).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials, "{error}");
    assert!(error.to_string().contains("make the config by `Config::found`"), "{error}");
    let mut other = case.target.clone();
    other.resource_group = "no-such-group".parse().unwrap();
    refused(&peer.admin, other, &["cannot read the resource group `no-such-group`", "`resourceGroup`: "]).await;
    // An admin with the provisioning documents, but for one permission.
    let less = documented(peer, &stack, &case.target, Some("Microsoft.App/containerApps/write"));
    refused(&less, case.target.clone(), &["may not Microsoft.App/containerApps/write in"]).await;
    // A provider that is not registered is refused by Azure half-way, and by the plan before.
    peer.sim.faults().unregister("Microsoft.App");
    let register = "`az provider register --namespace Microsoft.App";
    refused(
        &peer.admin,
        case.target.clone(),
        &["`subscription`: ", "`Microsoft.App`: it is `NotRegistered`", register],
    )
    .await;
    let things: Vec<String> =
        peer.sim.things().into_iter().filter(|id| !before.contains(id) && id.contains("told-")).collect();
    assert_eq!(things, [""; 0], "nothing was done");
    // The tenant is seen by the first identity that is made.
    let mut other = case.target.clone();
    other.tenant = "99999999-9999-9999-9999-999999999999".parse().unwrap();
    let group = peer.group();
    let subscription = group.split("/resourceGroups/").next().unwrap();
    let owner = peer.sim.user("owner@example.com");
    peer.sim.assign(subscription, "Owner", &owner);
    let token = peer.sim.token(&owner, "https://management.azure.com");
    let send = async |method: reqwest::Method, id: &str, version: &str, body: &Value| {
        let url = format!("{}{id}?api-version={version}", peer.sim.url());
        let request = peer.plain().request(method, url).bearer_auth(&token).header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let environment = format!("{group}/providers/Microsoft.App/managedEnvironments/new");
    let body = json!({ "location": "westeurope", "properties": {} });
    let (status, told) = send(reqwest::Method::PUT, &environment, "2025-07-01", &body).await;
    assert!(status == 409 && told.contains("MissingSubscriptionRegistration"), "{status}: {told}");
    let register = format!("{subscription}/providers/Microsoft.App/register");
    assert_eq!(send(reqwest::Method::POST, &register, "2025-04-01", &Value::Null).await.0, 200);
    let (status, told) = send(reqwest::Method::PUT, &environment, "2025-07-01", &body).await;
    assert!([200, 201].contains(&status), "it is registered now: {status}: {told}");
    refused(&peer.admin, other, &["the subscription belongs to the tenant", "correct the target's tenant"]).await;
}

/// An admin who holds what the provisioning documents say, but for an action.
fn documented(peer: &Peer, stack: &Stack, target: &alien_azure::Target, without: Option<&str>) -> String {
    let rendered = alien_core::render(stack, target).unwrap();
    let provisioning = &rendered.documents.layers.principals(Layer::Provisioning)[0];
    let admin = peer.sim.user("exact@example.com");
    for assignment in &provisioning.role_assignments {
        let id = &assignment.properties.role_definition_id;
        let role = provisioning.role_definitions.iter().find(|role| id.ends_with(&role.name)).unwrap();
        let held = &role.properties.permissions[0];
        let actions: Vec<&str> = held.actions.iter().map(AsRef::as_ref).filter(|one| Some(*one) != without).collect();
        let data: Vec<&str> = held.data_actions.iter().map(AsRef::as_ref).collect();
        let guid = uuid::Uuid::new_v4().to_string();
        peer.sim.set_role(&guid, &actions, &data);
        let at =
            format!("{}/providers/Microsoft.Authorization/roleAssignments/{}", assignment.scope, uuid::Uuid::new_v4());
        peer.sim.set_assignment(&at, &guid, &admin);
    }
    admin
}

/// The exact provisioning documents are enough for a whole life: no right is missing in them.
pub(crate) async fn the_provisioning_documents_suffice(peer: &Peer) {
    let stack = product(&peer.code("first"));
    let case = Case::new(peer, "exactly", stack.clone());
    let admin = documented(peer, &stack, &case.target, None);
    let calls = Calls::default();
    let config = peer.config(&admin).with_calls(peer.calling().with_recorder(calls.recorder()));
    let admin = alien_azure::admin(&config, case.invitation.id, case.target.clone());
    let release = release(&stack, &[]);
    let plan = admin.plan(&release).await.unwrap();
    assert!(plan.to_string().contains("cannot read which resource providers are registered"), "{plan}");
    let made = calls.take();
    let asked: Vec<_> = made.iter().filter(|call| call.operation == "GET providers").collect();
    let [asked] = asked.as_slice() else { panic!("once, and no more after a denial: {asked:?}") };
    assert_eq!((asked.failure, asked.permissions[0].scope.as_str()), (Some(ErrorKind::Denied), "Subscription"));
    let deployment = admin.apply(&plan).await.unwrap();
    admin.revoke(&deployment).await.unwrap();
    let remains = admin.destroy(&deployment).data(Data::Delete).await.unwrap();
    assert!(remains.kept.is_empty() && remains.foreign.is_empty(), "{remains:?}");
    let elsewhere =
        peer.sim.decisions().into_iter().filter(|decision| !decision.allowed).map(|decision| decision.permission);
    // Which providers are registered is the subscription's to tell; whoever may not ask is told so in the plan.
    assert_eq!(
        elsewhere.collect::<BTreeSet<_>>(),
        BTreeSet::from(["Microsoft.Resources/subscriptions/providers/read".to_owned()])
    );
}
