//! What only GCP has: policies that many write, grants that take their time, roles that deployments share, and what is told
//! beforehand.

use std::collections::BTreeSet;
use std::time::Duration;

use alien_conformance::life::product;
use alien_conformance::world::{Calls, Case, HurriedClock, Patience, World, quickly, release};
use alien_core::adapter::{AccessControl, DeploymentContext};
use alien_core::{
    Code, Container, ContainerUpdate, Data, ErrorKind, Existing, Function, FunctionUpdate, Health, Layer, Live,
    Network, Profile, Queue, Release, Stack, Storage,
};
use alien_gcp::Gcp;
use serde_json::{Value, json};

use crate::world::{ADMIN, LOCATION, NUMBER, PROJECT, Peer, image, project, role_name};

/// The code of a function that says this.
pub(crate) fn code(says: &str) -> Code {
    image(says).parse().unwrap()
}

/// A stack of what has a policy on the resource and one on the project.
pub(crate) fn small() -> Stack {
    let mut stack = Stack::builder("small");
    let data = stack.frozen("data", Storage::new());
    stack.frozen("cache", alien_core::Kv::new());
    stack.live("api", Function::new(code("small"), "api"));
    stack.profile("api", Profile::new().on(&data, [Storage::DATA_READ]));
    stack.build().unwrap()
}

/// To get in, to send the revision, and to see that it works: nothing less can do it. Looking is repeated until it does.
pub(crate) async fn the_fewest_calls(peer: &Peer) {
    let stack = small();
    let case = Case::new(peer, "few", stack.clone());
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    let (manager, calls) = case.manager(&deployment);
    let api = manager.find::<Function, Live>("api").unwrap();
    manager.update(&api, FunctionUpdate::new().with_code(code("second"))).await.unwrap();
    let made = calls.operations();
    let enter = "iamcredentials.projects.serviceAccounts.generateAccessToken";
    let (patch, look) = ("run.projects.locations.services.patch", "run.projects.locations.services.get");
    assert_eq!(made[..5], [enter, look, enter, patch, look], "{made:?}");
    assert!(made[5..].iter().all(|call| *call == look), "{made:?}");
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}

/// Of a revision that does not work the reason is told, and what was runs on.
pub(crate) async fn a_broken_revision_is_taken_back(peer: &Peer) {
    let stack = small();
    let case = Case::new(peer, "taken", stack.clone());
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    let (manager, _) = case.manager(&deployment);
    let api = manager.find::<Function, Live>("api").unwrap();
    let broken = image("x").replace("/echo@", "/broken@").parse().unwrap();
    let error = manager.update(&api, FunctionUpdate::new().with_code(broken)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed, "{error}");
    assert!(error.is_put_back() && error.to_string().contains("the previous revision was put back"), "{error}");
    let body = peer.sim.body(&deployment.resources["api"]).unwrap();
    assert_eq!(body["template"]["containers"][0]["image"], image("small"), "{body}");
    assert!(manager.heartbeat(&api).await.unwrap().health == Health::Healthy);
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}

/// Whether each binding that is rendered stands in the policy of what it is on.
fn everything_is_bound(peer: &Peer, deployment: &alien_core::Deployment, when: &str) {
    let context = DeploymentContext::<Gcp>::of(deployment).unwrap();
    let holders = context.permissions().runtime.iter().chain([&context.permissions().management]);
    for binding in holders.flat_map(|grants| Gcp::principal(&context.layout, grants).bindings) {
        let policy = peer.sim.policy(&binding.resource).unwrap();
        let condition = binding.condition.map(|condition| condition.expression).unwrap_or_default();
        let holds = policy["bindings"].as_array().unwrap().iter().any(|found| {
            found["role"] == binding.role.as_str()
                && found["members"].as_array().unwrap().contains(&json!(binding.members[0]))
                && found["condition"]["expression"].as_str().unwrap_or_default() == condition
        });
        assert!(holds, "{when}: {:?} lack `{}` on {}: {policy:#}", binding.members, binding.role, binding.resource);
    }
}

/// Two deployments and two admins write one project's policy at once, a hundred times: nobody's bindings are lost, and what
/// others wrote stays.
pub(crate) async fn nobody_disturbs_anothers_bindings(peer: &Peer) {
    const ROUNDS: usize = 100;
    let stack = small();
    let foreign = json!({ "role": "roles/pubsub.subscriber", "members": ["user:someone@example.com"],
        "condition": { "title": "theirs", "expression": "request.time < timestamp(\"2100-01-01T00:00:00Z\")" } });
    let mut policy = peer.sim.policy(&project()).unwrap();
    policy["bindings"].as_array_mut().unwrap().push(foreign.clone());
    policy["version"] = 3.into();
    peer.sim.set_policy(&project(), &policy);

    let calls = Calls::default();
    let second = "user:second-admin@example.com";
    peer.sim.bind(&project(), "roles/owner", second);
    let cases = [("one", ADMIN), ("two", second)].map(|(prefix, admin)| {
        let mut case = Case::new(peer, prefix, stack.clone());
        let how = quickly(HurriedClock::begin(), Duration::from_secs(600)).with_recorder(calls.recorder());
        let config = peer.config(admin).with_calls(how);
        case.admin = alien_gcp::admin(&config, case.invitation.id, case.target.clone());
        case
    });
    let release: Release = release(&stack, &[]);
    let mut deployments = Vec::new();
    for case in &cases {
        deployments.push(case.up(&release, None).await.unwrap());
    }
    for round in 0..ROUNDS {
        // Each admin takes the access to one deployment back and gives it again, which unbinds and binds everything.
        let work = cases.iter().zip(&deployments).map(|(case, deployment)| {
            let release = &release;
            async move {
                case.admin.revoke(deployment).await.unwrap();
                case.up(release, None).await.unwrap();
            }
        });
        futures_util::future::join_all(work).await;
        for deployment in &deployments {
            everything_is_bound(peer, deployment, &format!("round {round}"));
        }
        let policy = peer.sim.policy(&project()).unwrap();
        assert!(policy["bindings"].as_array().unwrap().contains(&foreign), "round {round}: {policy:#}");
    }
    let again = |call: &alien_core::Call| call.attempts.saturating_sub(1);
    let conflicts: u32 = calls.take().iter().map(again).sum();
    println!("{ROUNDS} rounds, {conflicts} writes that came too late and were made again");
    assert!(conflicts > 0, "they never met, and nothing was shown");
}

/// Roles are the project's: a second deployment uses those of the first, and one that someone deleted is taken back.
pub(crate) async fn roles_are_shared_and_taken_back(peer: &Peer) {
    let stack = small();
    let release = release(&stack, &[]);
    let one = Case::new(peer, "one", stack.clone());
    let first = one.up(&release, None).await.unwrap();
    let roles = |peer: &Peer| -> BTreeSet<String> {
        peer.sim.things().into_iter().filter(|name| name.contains("/roles/")).collect()
    };
    let made = roles(peer);
    Case::new(peer, "two", stack.clone()).up(&release, None).await.unwrap();
    assert_eq!(roles(peer), made, "a second deployment makes no role of its own");
    // Someone deletes a role, and someone else widens another. A role's id ends in a digest of what it permits.
    let named = |begin: &str| -> String {
        let begin = format!("//iam.googleapis.com/{}.", role_name(begin));
        let found = made.iter().find(|name| name.starts_with(&begin)).unwrap();
        found.trim_start_matches("//iam.googleapis.com/").to_owned()
    };
    let deleted = format!("/v1/{}", named("alien.storage.data_read.Bucket"));
    let widened = named("alien.storage.heartbeat.Bucket");
    let token = peer.sim.token(ADMIN);
    let client = reqwest::Client::new();
    let answer = client.delete(format!("{}{deleted}", peer.sim.url())).bearer_auth(&token).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    peer.sim.set_role(&widened, &["storage.buckets.get", "storage.buckets.delete"]);
    let plan = one.admin.plan(&release).previous(&first).await.unwrap();
    assert!(plan.to_string().contains("permits something else"), "{plan}");
    let _ = peer.sim.take_requests();
    let third = Case::new(peer, "three", stack.clone());
    third.up(&release, None).await.unwrap();
    let asked: BTreeSet<String> = peer.sim.take_requests().into_iter().map(|request| request.method).collect();
    assert!(asked.contains("iam.projects.roles.undelete") && asked.contains("iam.projects.roles.patch"), "{asked:?}");
    assert!(!asked.contains("iam.projects.roles.create"), "{asked:?}");
    let role = peer.sim.role(&widened).unwrap();
    assert_eq!(role["includedPermissions"], json!(["storage.buckets.get"]));
}

/// What was granted takes its time: registration waits for it, and a denial afterwards is a denial.
pub(crate) async fn a_grant_that_takes_its_time_is_waited_for(peer: &Peer) {
    let stack = small();
    let case = Case::new(peer, "slow", stack.clone());
    // Longer than the test takes; it is over when the vendor has waited ten times.
    const PROPAGATION: Duration = Duration::from_secs(1800);
    let faults = peer.sim.faults();
    faults.propagation(PROPAGATION);
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    let clock = HurriedClock::telling(move |waits| {
        if waits == 10 {
            faults.advance(PROPAGATION);
        }
    });
    // No call is tried again, but for what was just granted.
    let vendor = peer.vendor(quickly(clock, Duration::ZERO));
    vendor.register(&case.invitation, &deployment).await.unwrap();
    let denied =
        peer.sim.decisions().iter().any(|decision| !decision.allowed && decision.principal == peer.vendor_member());
    assert!(denied, "nothing was denied at first, and nothing was shown");
    peer.sim.faults().propagation(Duration::ZERO);
    let (manager, calls) = case.manager(&deployment);
    let data = manager.resources().into_iter().find(|resource| resource.id().as_str() == "data").unwrap();
    peer.take_away(&deployment, "storage.buckets.get", &[deployment.resources["data"].clone()]).await;
    let beat = manager.heartbeat(&data).await;
    let told = format!("{beat:?}");
    assert!(told.contains("enied") && told.contains("storage.buckets.get"), "{told}");
    let looks = calls.operations().into_iter().filter(|call| *call == "storage.buckets.get").count();
    assert!(looks <= 2, "a denial later is a denial: {looks} looks");
}

/// The queue that starts a function pushes to it, under the function's own identity; what was dead is kept.
pub(crate) async fn a_queue_starts_its_function(peer: &Peer) {
    let mut stack = Stack::builder("pushed");
    let jobs = stack.frozen("jobs", Queue::new().with_dead_letters_after(5));
    stack.live("api", Function::new(code("pushed"), "api").with_trigger(&jobs));
    stack.profile("api", Profile::new().on(&jobs, [Queue::DATA_READ, Queue::DATA_WRITE]));
    let stack = stack.build().unwrap();
    let case = Case::new(peer, "pushed", stack.clone());
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    let topic = deployment.resources["jobs"].trim_start_matches("//pubsub.googleapis.com/").to_owned();
    let url = format!("{}/v1/{topic}:publish", peer.sim.url());
    let body = json!({ "messages": [{ "data": "aGVsbG8=" }] }).to_string();
    let account = format!("serviceAccount:pushed-runtime-api-6@{PROJECT}.iam.gserviceaccount.com");
    let client = reqwest::Client::new();
    let request = client.post(url).bearer_auth(peer.sim.token(&account)).header("content-type", "application/json");
    let answer = request.body(body).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    let (manager, _) = case.manager(&deployment);
    let api = manager.find::<Function, Live>("api").unwrap();
    let patience = Patience::new();
    loop {
        let lines = manager.logs(&api).read();
        let lines = futures_util::TryStreamExt::try_collect::<Vec<_>>(lines).await.unwrap();
        if lines.iter().any(|line| line.text.contains("aGVsbG8=")) {
            break;
        }
        patience.wait(&*peer.calling().clock, &lines).await;
    }
    let plan = case.admin.plan(&release(&stack, &[])).previous(&deployment).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
    let remains = case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
    assert!(remains.kept.is_empty() && remains.foreign.is_empty(), "{remains:?}");
    let left: Vec<String> = peer.sim.things().into_iter().filter(|name| name.contains("pushed")).collect();
    assert_eq!(left, [""; 0]);
}

/// Another project's number, an API that is off, and an admin who lacks a right: all are told in the plan, and nothing is done.
pub(crate) async fn preflight_tells(peer: &Peer) {
    let stack = product(&peer.code("first"));
    let case = Case::new(peer, "told", stack.clone());
    let release = release(&stack, &[]);
    let id = case.invitation.id;
    let refused = async |principal: &str, target: alien_gcp::Target, words: &[&str]| {
        let admin = alien_gcp::admin(&peer.config(principal).with_calls(peer.calling()), id, target);
        let told = match admin.plan(&release).await {
            Ok(plan) => {
                let error = admin.apply(&plan).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Input, "{error}");
                error.to_string()
            }
            Err(error) => error.to_string(),
        };
        for word in words {
            assert!(told.contains(word), "{word}: {told}");
        }
    };
    let mut other = case.target.clone();
    other.project_number = "999999999999".parse().unwrap();
    refused(ADMIN, other, &[NUMBER, "not `999999999999`"]).await;

    // An admin with the provisioning documents, but for one permission.
    let rendered = alien_core::render(&stack, &case.target).unwrap();
    let provisioning = &rendered.documents.layers.principals(Layer::Provisioning)[0];
    let admin = "user:less@example.com";
    for binding in &provisioning.bindings {
        let id = binding.role.rsplit('/').next().unwrap();
        let role = provisioning.custom_roles.iter().find(|role| role.role_id == id).unwrap();
        let permissions: Vec<&str> =
            role.included_permissions.iter().map(AsRef::as_ref).filter(|one| *one != "run.services.create").collect();
        let name = role_name(&format!("less.{id}"));
        peer.sim.set_role(&name, &permissions);
        let mut policy = peer.sim.policy(&project()).unwrap();
        let mut bound = json!({ "role": name, "members": [admin] });
        if let Some(condition) = &binding.condition {
            bound["condition"] = json!({ "title": condition.title, "expression": condition.expression });
        }
        policy["version"] = 3.into();
        policy["bindings"].as_array_mut().unwrap().push(bound);
        peer.sim.set_policy(&project(), &policy);
    }
    refused(admin, case.target.clone(), &["may not run.services.create on"]).await;
    peer.sim.disable_api(PROJECT, "firestore.googleapis.com");
    refused(ADMIN, case.target.clone(), &["gcloud services enable firestore.googleapis.com"]).await;
    let things: Vec<String> = peer.sim.things().into_iter().filter(|name| name.contains("told-")).collect();
    assert_eq!(things, [""; 0], "nothing was done");
}

/// Each call of a plan is recorded by the name of what is called, as the cloud sees it.
pub(crate) async fn calls_are_recorded_by_their_names(peer: &Peer) {
    let stack = product(&peer.code("first"));
    let case = Case::new(peer, "named", stack.clone());
    let calls = Calls::default();
    let how = quickly(HurriedClock::begin(), Duration::from_secs(600)).with_recorder(calls.recorder());
    let admin = alien_gcp::admin(&peer.config(ADMIN).with_calls(how), case.invitation.id, case.target.clone());
    let _ = peer.sim.take_requests();
    admin.plan(&release(&stack, &[])).await.unwrap();
    let seen: BTreeSet<String> = peer.sim.take_requests().into_iter().map(|request| request.method).collect();
    let recorded: BTreeSet<String> = calls.operations().into_iter().collect();
    assert_eq!(recorded, seen);
    assert!(recorded.contains("cloudresourcemanager.projects.testIamPermissions"), "{recorded:?}");
}

/// The exact provisioning documents are enough for a whole life: no right is missing in them.
pub(crate) async fn the_provisioning_documents_suffice(peer: &Peer) {
    let stack = product(&peer.code("first"));
    let case = Case::new(peer, "exactly", stack.clone());
    let rendered = alien_core::render(&stack, &case.target).unwrap();
    let provisioning = &rendered.documents.layers.principals(Layer::Provisioning)[0];
    let admin = "user:exact@example.com";
    let mut policy: Value = peer.sim.policy(&project()).unwrap();
    policy["version"] = 3.into();
    for binding in &provisioning.bindings {
        let id = binding.role.rsplit('/').next().unwrap();
        let role = provisioning.custom_roles.iter().find(|role| role.role_id == id).unwrap();
        let permissions: Vec<&str> = role.included_permissions.iter().map(AsRef::as_ref).collect();
        let name = role_name(id);
        peer.sim.set_role(&name, &permissions);
        let mut bound = json!({ "role": name, "members": [admin] });
        if let Some(condition) = &binding.condition {
            bound["condition"] = json!({ "title": condition.title, "expression": condition.expression });
        }
        policy["bindings"].as_array_mut().unwrap().push(bound);
    }
    peer.sim.set_policy(&project(), &policy);
    let config = peer.config(admin).with_calls(peer.calling());
    let admin = alien_gcp::admin(&config, case.invitation.id, case.target.clone());
    let plan = admin.plan(&release(&stack, &[])).await.unwrap();
    let deployment = admin.apply(&plan).await.unwrap();
    admin.revoke(&deployment).await.unwrap();
    let remains = admin.destroy(&deployment).await.unwrap();
    assert!(remains.foreign.is_empty(), "{remains:?}");
}

/// The rule that only principals of these organisations may be in policies.
fn only_of(customers: &[String]) -> Value {
    json!({ "values": { "allowedValues": customers.iter().map(|one| format!("is:{one}")).collect::<Vec<_>>() } })
}

/// What the organisation forbids is told by the plan, with what to do; and by Google, where the plan is applied all the same.
pub(crate) async fn what_the_organisation_forbids_is_told_beforehand(peer: &Peer) {
    let stack = small();
    let case = Case::new(peer, "forbidden", stack.clone());
    let told = async || case.admin.plan(&release(&stack, &[])).await.unwrap();
    let customer = |project: &str| peer.sim.customer(project).unwrap();
    assert_eq!(told().await.problems, [], "no rule forbids anything");

    const DOMAINS: &str = "iam.allowedPolicyMemberDomains";
    peer.sim.rule(PROJECT, DOMAINS, only_of(&[customer(PROJECT)]));
    let plan = told().await;
    let words = format!(
        "will refuse the vendor's account `{}`, unless that is of `{}`",
        peer.vendor_member().trim_start_matches("serviceAccount:"),
        customer(PROJECT)
    );
    assert!(plan.to_string().contains(&words) && plan.to_string().contains("gcloud org-policies"), "{plan}");
    let error = case.admin.apply(&plan).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
    assert!(error.to_string().contains("a policy of the organisation forbids it"), "{error}");
    // The organisation admits the vendor's.
    peer.sim.rule(PROJECT, DOMAINS, only_of(&[customer(PROJECT), customer("vendor-project")]));
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
    peer.sim.rule(PROJECT, DOMAINS, json!({ "denyAll": true }));
    assert!(told().await.refusal().unwrap_err().to_string().contains("allows nobody"));
    peer.sim.rule(PROJECT, DOMAINS, json!({ "allowAll": true }));

    const MEMBERS: &str = "iam.managed.allowedPolicyMembers";
    let set = format!("//cloudresourcemanager.googleapis.com/organizations/{}", customer(PROJECT));
    let rule = |subjects: &[String]| json!({ "enforce": true, "parameters": { "allowedPrincipalSets": [set], "allowedMemberSubjects": subjects } });
    peer.sim.rule(PROJECT, MEMBERS, rule(&[]));
    let plan = told().await;
    assert!(plan.to_string().contains("add `serviceAccount:vendor@vendor-project"), "{plan}");
    assert_eq!(case.admin.apply(&plan).await.unwrap_err().kind(), ErrorKind::Rejected);
    peer.sim.rule(PROJECT, MEMBERS, rule(&[peer.vendor_member()]));
    assert_eq!(told().await.problems, []);

    // Who may not read the policies is told so, and goes on.
    peer.sim.disable_api(PROJECT, "orgpolicy.googleapis.com");
    let plan = told().await;
    assert!(
        plan.refusal().is_ok() && plan.to_string().contains("cannot read whether the organisation forbids"),
        "{plan}"
    );
}

/// Where the organisation lets nothing be reached from everywhere, a plan says of each function that it is.
pub(crate) async fn what_the_organisation_lets_in_is_told_beforehand(peer: &Peer) {
    const INGRESS: &str = "run.allowedIngress";
    let told = async |stack: &Stack| {
        let case = Case::new(peer, "reached", stack.clone());
        let plan = case.admin.plan(&release(stack, &[])).await.unwrap();
        plan.refusal().map_err(|error| error.to_string())
    };
    let mut contained = Stack::builder("contained");
    contained.live("worker", Container::new(code("contained"), "worker").with_port(8080));
    contained.profile("worker", Profile::new());
    let contained = contained.build().unwrap();
    let only = |values: &[&str]| json!({ "values": { "allowedValues": values } });
    peer.sim.rule(PROJECT, INGRESS, only(&["internal", "internal-and-cloud-load-balancing"]));
    let refused = told(&small()).await.unwrap_err();
    let expected = format!("error: `api`: the organisation lets no service be reached from everywhere: `{INGRESS}`");
    assert!(refused.contains(&expected), "{refused}");
    assert_eq!(told(&contained).await, Ok(()), "a container is internal");
    peer.sim.rule(PROJECT, INGRESS, only(&["internal", "all"]));
    assert_eq!(told(&small()).await, Ok(()));
    peer.sim.rule(PROJECT, INGRESS, json!({ "denyAll": true }));
    assert!(told(&small()).await.is_err());
}

/// Everyone calls a public function although the organisation lets nobody of another into policies: its callers are not checked.
/// What an earlier version bound for that is taken away.
pub(crate) async fn a_public_function_is_called_by_everyone(peer: &Peer) {
    let mut stack = Stack::builder("public");
    stack.live("api", Function::new(code("public"), "api").with_public_url());
    stack.profile("api", Profile::new());
    let stack = stack.build().unwrap();
    let customers = ["vendor-project", PROJECT].map(|project| peer.sim.customer(project).unwrap());
    peer.sim.rule(PROJECT, "iam.allowedPolicyMemberDomains", only_of(&customers));
    let case = Case::new(peer, "public", stack.clone());
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    let api = &deployment.resources["api"];
    let uri = peer.sim.body(api).unwrap()["uri"].as_str().unwrap().to_owned();
    let ask = async || reqwest::Client::new().post(&uri).body("{}").send().await.unwrap().status().as_u16();
    assert_eq!(ask().await, 200);
    let (manager, _) = case.manager(&deployment);
    let handle = manager.find::<Function, Live>("api").unwrap();
    manager.update(&handle, FunctionUpdate::new().with_code(code("next"))).await.unwrap();
    assert_eq!(ask().await, 200, "an update leaves it public");
    let deployment = manager.deployment();
    let plan = async || case.admin.plan(&release(&stack, &[])).previous(&deployment).await.unwrap();
    assert!(plan().await.is_empty(), "{}", plan().await);

    // As an earlier version made it.
    peer.sim.write(api, "invokerIamDisabled", &Value::Null);
    peer.sim.bind(api, "roles/run.invoker", "allUsers");
    case.admin.apply(&plan().await).await.unwrap();
    assert_eq!((ask().await, &peer.sim.body(api).unwrap()["invokerIamDisabled"]), (200, &json!(true)));
    assert!(!peer.sim.policy(api).unwrap().to_string().contains("allUsers"));

    // A public function is refused by the plan where the organisation wants callers checked, and mended where it is no more public.
    peer.sim.rule(PROJECT, "run.managed.requireInvokerIam", json!({ "enforce": true }));
    assert!(plan().await.refusal().unwrap_err().to_string().contains("without the check of its callers"));
    let mut closed = Stack::builder("public");
    closed.live("api", Function::new(code("next"), "api"));
    closed.profile("api", Profile::new());
    let closed = closed.build().unwrap();
    case.up(&release(&closed, &[]), Some(&deployment)).await.unwrap();
    assert_eq!(ask().await, 403);
}

/// An image of the vendor's project is pulled once its owner made the grants that the review prints, and each is needed.
pub(crate) async fn an_image_of_the_vendors_project_is_pulled_by_what_is_granted(peer: &Peer) {
    let repository = peer.sim.repository("vendor-project", LOCATION, "app");
    let theirs = |says: &str| image(says).replace(PROJECT, "vendor-project").parse::<Code>().unwrap();
    let mut stack = Stack::builder("theirs");
    stack.live("api", Function::new(theirs("first"), "api"));
    stack.profile("api", Profile::new());
    let stack = stack.build().unwrap();
    let case = Case::new(peer, "theirs", stack.clone());
    let reader = "roles/artifactregistry.reader";
    peer.sim.bind(&repository, reader, ADMIN);
    let error = case.up(&release(&stack, &[]), None).await.unwrap_err();
    let agent = format!("service-{NUMBER}@serverless-robot-prod.iam.gserviceaccount.com");
    assert!(error.to_string().contains(&agent) && error.kind() == ErrorKind::Denied, "{error}");
    let rendered = alien_core::render(&stack, &case.target).unwrap();
    let [agents, managements] = rendered.registry_grants[0].to.as_slice() else { panic!("two read it") };
    assert!(rendered.registry_grants[0].command.contains(&format!("--member {agents} --role {reader}")));
    peer.sim.bind(&repository, reader, agents);
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    let (manager, _) = case.manager(&deployment);
    let api = manager.find::<Function, Live>("api").unwrap();
    let next = || FunctionUpdate::new().with_code(theirs("next"));
    assert_eq!(manager.update(&api, next()).await.unwrap_err().kind(), ErrorKind::Denied);
    peer.sim.bind(&repository, reader, managements);
    manager.update(&api, next()).await.unwrap();
    case.admin.destroy(&manager.deployment()).data(Data::Delete).await.unwrap();
}

/// An agent of Google's that nobody has made yet does not come by waiting: what makes it is told at once.
pub(crate) async fn an_agent_that_does_not_exist_is_told(peer: &Peer) {
    peer.sim.faults().lack_agent("gcp-sa-pubsub");
    let mut stack = Stack::builder("dead");
    stack.frozen("jobs", Queue::new().with_dead_letters_after(5));
    let stack = stack.build().unwrap();
    let case = Case::new(peer, "dead", stack.clone());
    let plan = case.admin.plan(&release(&stack, &[])).await.unwrap();
    assert!(plan.refusal().is_ok() && plan.problems.len() == 1, "{plan}");
    let error = case.admin.apply(&plan).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
    let make = format!("gcloud beta services identity create --service pubsub.googleapis.com --project {NUMBER}");
    assert!(error.to_string().contains(&make), "{error}");
}

/// Where no policy names the agent, a plan says so before anything is done, and only where the stack needs it.
pub(crate) async fn an_agent_that_is_not_named_is_told_beforehand(peer: &Peer) {
    let of = |keeps: bool, pushes: bool| {
        let mut stack = Stack::builder("agents");
        let queue = Queue::new();
        let jobs = stack.frozen("jobs", if keeps { queue.with_dead_letters_after(5) } else { queue });
        let api = Function::new(code("agents"), "api");
        stack.live("api", if pushes { api.with_trigger(&jobs) } else { api });
        stack.profile("api", Profile::new().on(&jobs, [Queue::DATA_READ]));
        stack.build().unwrap()
    };
    let of_plan = |plan: &alien_core::Plan| {
        assert!(plan.refusal().is_ok(), "{plan}");
        plan.problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let told = async |stack: Stack| {
        let plan = Case::new(peer, "other", stack.clone()).admin.plan(&release(&stack, &[])).await.unwrap();
        of_plan(&plan)
    };
    assert_eq!(told(of(true, true)).await, [""; 0], "the project's policy names it");

    // What somebody took away of the project's policy, the topic of an earlier set-up still shows.
    let case = Case::new(peer, "agents", of(true, false));
    let release_of_it = release(&of(true, false), &[]);
    let deployment = case.up(&release_of_it, None).await.unwrap();
    let mut policy = peer.sim.policy(&project()).unwrap();
    let bindings = policy["bindings"].as_array_mut().unwrap();
    let before = bindings.len();
    bindings.retain(|binding| binding["role"] != "roles/pubsub.serviceAgent");
    assert_eq!(bindings.len() + 1, before);
    peer.sim.set_policy(&project(), &policy);
    assert_eq!(told(of(true, false)).await.len(), 1, "nothing names it");
    assert_eq!(of_plan(&case.admin.plan(&release_of_it).previous(&deployment).await.unwrap()), [""; 0]);
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();

    peer.sim.faults().lack_agent("gcp-sa-pubsub");
    assert_eq!(told(of(false, false)).await, [""; 0], "nothing needs it");
    for (keeps, pushes, needs) in [
        (true, false, "it forwards the dead letters of `jobs`"),
        (false, true, "it makes the tokens of the pushes of `jobs`"),
        (true, true, "it forwards the dead letters of `jobs`, and makes the tokens of its pushes"),
    ] {
        let told = told(of(keeps, pushes)).await;
        let [told] = told.as_slice() else { panic!("{told:?}") };
        assert!(told.contains(needs) && told.contains("may not exist yet"), "{told}");
        let make = format!("gcloud beta services identity create --service pubsub.googleapis.com --project {PROJECT}");
        assert!(told.contains(&make), "{told}");
    }
}

/// What stands in the project when everything is set: closed buckets, services that let nobody in but whom the stack names,
/// logs of live services alone, dead letters kept, and one vendor who is trusted.
pub(crate) async fn what_is_made_is_closed(peer: &Peer) {
    let stack = product(&peer.code("first"));
    let case = Case::new(peer, "closed", stack.clone());
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    everything_is_bound(peer, &deployment, "set up");
    let body = |id: &str| peer.sim.body(&deployment.resources[id]).unwrap();
    let bucket = body("data");
    assert_eq!(bucket["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"], true, "{bucket:#}");
    assert_eq!(bucket["iamConfiguration"]["publicAccessPrevention"], "enforced", "{bucket:#}");
    assert_eq!(bucket["versioning"]["enabled"], true, "{bucket:#}");
    let (api, worker) = (body("api"), body("worker"));
    assert_eq!(worker["ingress"], "INGRESS_TRAFFIC_INTERNAL_ONLY", "{worker:#}");
    assert_eq!(worker["template"]["scaling"]["minInstanceCount"], 1, "{worker:#}");
    let interface = &worker["template"]["vpcAccess"]["networkInterfaces"][0];
    assert!(interface["subnetwork"].as_str().unwrap().ends_with("/subnetworks/closed-net-6"), "{worker:#}");
    assert_eq!(api["template"]["scaling"]["minInstanceCount"].as_i64().unwrap_or_default(), 0, "{api:#}");
    let runtime = |name: &str| format!("closed-runtime-{name}-6@{PROJECT}.iam.gserviceaccount.com");
    assert_eq!(api["template"]["serviceAccount"], runtime("execution"));
    assert_eq!(body("ledger")["template"]["serviceAccount"], runtime("ledger"));
    let nobody = reqwest::Client::new().post(api["uri"].as_str().unwrap()).body("{}").send().await.unwrap();
    assert!([401, 403].contains(&nobody.status().as_u16()), "{nobody:?}");
    let members = |name: &str| -> BTreeSet<String> {
        let policy = peer.sim.policy(name).unwrap();
        let bindings = policy["bindings"].as_array().cloned().unwrap_or_default();
        let members = bindings.iter().flat_map(|binding| binding["members"].as_array().unwrap().clone());
        members.map(|member| member.as_str().unwrap().to_owned()).collect()
    };
    let management = format!("serviceAccount:closed-management-6@{PROJECT}.iam.gserviceaccount.com");
    let execution = format!("serviceAccount:{}", runtime("execution"));
    // The function's own account is what its queue calls it by.
    assert_eq!(members(&deployment.resources["api"]), [management.clone(), execution].into());
    assert_eq!(members(&deployment.resources["ledger"]), [management.clone()].into());
    let subscription = deployment.resources["jobs"].replace("/topics/", "/subscriptions/");
    let subscription = peer.sim.body(&subscription).unwrap();
    assert_eq!(subscription["deadLetterPolicy"]["maxDeliveryAttempts"], 5, "{subscription:#}");
    assert!(subscription["deadLetterPolicy"]["deadLetterTopic"].as_str().unwrap().ends_with("closed-jobs-6-dead"));
    let sink = peer.sim.things().into_iter().find(|name| name.ends_with("/sinks/closed-live-6")).unwrap();
    let filter = peer.sim.body(&sink).unwrap()["filter"].as_str().unwrap().to_owned();
    for (service, taken) in [("api", true), ("worker", true), ("ledger", false), ("mailer", false)] {
        assert_eq!(filter.contains(&format!("\"closed-{service}-6\"")), taken, "{service}: {filter}");
    }
    assert!(!peer.sim.things().iter().any(|name| name.ends_with("/closed-frozen-6")), "nobody may read frozen logs");
    assert_eq!(members(&deployment.identity), [peer.vendor_member()].into());
    let field = format!("{}/collectionGroups/items/fields/expires", deployment.resources["cache"]);
    assert_eq!(peer.sim.body(&field).unwrap()["ttlConfig"]["state"], "ACTIVE");
}

/// Of a network of the customer's, code is placed in the subnetwork that was given, and nobody is let do anything with it.
pub(crate) async fn a_given_subnetwork_is_used(peer: &Peer) {
    let mut own = Stack::builder("own");
    own.frozen("net", Network::new("10.30.0.0/16"));
    let own = own.build().unwrap();
    let made = Case::new(peer, "customers", own.clone()).up(&release(&own, &[]), None).await.unwrap();
    let network = made.resources["net"].rsplit('/').next().unwrap();
    let inner = format!("//compute.googleapis.com/projects/{PROJECT}/regions/{LOCATION}/subnetworks/inner");
    let url = format!("{}/compute/v1/projects/{PROJECT}/regions/{LOCATION}/subnetworks", peer.sim.url());
    let path = format!("projects/{PROJECT}/global/networks/{network}");
    let body = json!({ "name": "inner", "network": path, "ipCidrRange": "10.40.0.0/24" }).to_string();
    let request = reqwest::Client::new().post(url).bearer_auth(peer.sim.token(ADMIN)).body(body);
    let answer = request.header("content-type", "application/json").send().await.unwrap();
    assert_eq!(answer.status(), 200, "{answer:?}");

    let mut stack = Stack::builder("adopts");
    let net = stack.frozen("net", Network::default());
    stack.live("worker", Container::new(code("worker"), "worker").with_network(&net));
    stack.profile("worker", Profile::new());
    let stack = stack.build().unwrap();
    let case = Case::new(peer, "adopts", stack.clone());
    let given = |subnet: &str| {
        let existing = Existing::new(network).with_subnets([subnet]);
        release(&stack.with_existing(&net, existing).unwrap(), &[])
    };
    let error = case.admin.plan(&given("outer")).await.unwrap_err();
    assert_eq!((error.kind(), error.resource()), (ErrorKind::NotFound, Some("net")), "{error}");
    assert!(error.to_string().contains("has no subnetwork `outer` in `europe-west3`"), "{error}");

    let deployment = case.up(&given("inner"), None).await.unwrap();
    let subnetwork = || {
        let body = peer.sim.body(&deployment.resources["worker"]).unwrap();
        body["template"]["vpcAccess"]["networkInterfaces"][0]["subnetwork"].as_str().unwrap().to_owned()
    };
    let expected = inner.trim_start_matches("//compute.googleapis.com/");
    assert_eq!(subnetwork(), expected);
    let (manager, _) = case.manager(&deployment);
    for resource in manager.resources() {
        let beat = manager.heartbeat(&resource).await.unwrap();
        assert_eq!(beat.health, Health::Healthy, "{resource:?}: {beat:?}");
    }
    let worker = manager.find::<Container, Live>("worker").unwrap();
    manager.update(&worker, ContainerUpdate::new().with_code(code("next"))).await.unwrap();
    assert_eq!(subnetwork(), expected, "the vendor's update moves nothing");
    let plan = case.admin.plan(&given("inner")).previous(&manager.deployment()).await.unwrap();
    assert!(plan.is_empty() && plan.to_string().contains("updated by the vendor"), "{plan}");
    let policy = peer.sim.policy(&inner).unwrap_or_default();
    assert_eq!(policy["bindings"].as_array().map_or(0, Vec::len), 0, "{policy:#}");
    let remains = case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
    assert!(remains.kept.is_empty(), "{remains:?}");
    assert!(peer.sim.things().contains(&inner), "what is the customer's stays");

    // Code that ran in the one is moved to the other where the customer says so.
    let first = case.up(&given("inner"), None).await.unwrap();
    let plan = case.admin.plan(&given(network)).previous(&first).await.unwrap();
    assert!(plan.to_string().contains("update  worker (container): its settings changed"), "{plan}");
    case.up(&given(network), Some(&first)).await.unwrap();
    assert!(subnetwork().ends_with(&format!("/subnetworks/{network}")), "{}", subnetwork());
}

/// What was given before the customer took the access back is worth nothing.
pub(crate) async fn a_token_from_before_is_worth_nothing(peer: &Peer) {
    let stack = small();
    let case = Case::new(peer, "before", stack.clone());
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    let token = peer.session(&deployment).await;
    let path = deployment.resources["api"].trim_start_matches("//run.googleapis.com/").to_owned();
    let url = format!("{}/v2/{path}", peer.sim.url());
    let look = async || {
        let answer = reqwest::Client::new().get(&url).bearer_auth(&token).send().await.unwrap();
        answer.status().as_u16()
    };
    assert_eq!(look().await, 200);
    case.admin.revoke(&deployment).await.unwrap();
    assert_eq!(look().await, 403);
    case.up(&release(&stack, &[]), None).await.unwrap();
    assert_eq!(look().await, 200, "the customer let the vendor in again, and the token has not ended");
}
