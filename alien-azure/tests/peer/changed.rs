//! Stacks that change, and what others change: what is set follows, and what is somebody else's stays.

use alien_conformance::world::{Case, World, release};
use alien_core::adapter::{Change, LogQuery, Purpose};
use alien_core::{
    Container, Data, Deployment, ErrorKind, Existing, Function, FunctionUpdate, Health, Live, Network, Profile, Queue,
    Stack, Storage,
};
use serde_json::{Value, json};

use crate::world::{ARM, LOCATION, Peer, code, image, rendered};

/// One app of the id `api`, which `place` puts into the stack.
fn with_app(place: impl FnOnce(&mut alien_core::Builder)) -> Stack {
    let mut stack = Stack::builder("changes");
    place(&mut stack);
    stack.profile("api", Profile::new());
    stack.build().unwrap()
}

fn function(says: &str) -> Function {
    Function::new(code(says), "api")
}

/// What is set up as the next stack says, whether frozen or not; and then nothing more is to be done.
async fn follow(case: &Case<'_, Peer>, stack: &Stack, before: Option<&Deployment>) -> Deployment {
    let release = release(stack, &[]);
    let plan = case.admin.plan(&release).previous(before).allow_frozen_changes().await.unwrap();
    let deployment = case.admin.apply(&plan).await.unwrap();
    let again = case.admin.plan(&release).previous(&deployment).await.unwrap();
    assert!(again.is_empty(), "{again}");
    deployment
}

/// An app stands in the environment of its lifecycle and its network, whatever it was before; what nobody needs any more goes.
pub(crate) async fn an_app_moves_with_its_lifecycle_and_its_network(peer: &Peer) {
    let before = peer.sim.things();
    let live = with_app(|stack| drop(stack.live("api", function("one"))));
    let case = Case::new(peer, "moves", live.clone());
    let deployment = follow(&case, &live, None).await;
    let stands = |deployment: &Deployment| {
        let app = peer.sim.body(&deployment.resources["api"]).unwrap();
        app["properties"]["environmentId"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    };
    let environments = || peer.sim.things().iter().filter(|id| id.contains("/managedEnvironments/moves")).count();
    assert_eq!((stands(&deployment).as_str(), environments()), ("moves-live-5", 1));
    let frozen = with_app(|stack| drop(stack.frozen("api", function("one"))));
    let deployment = follow(&case, &frozen, Some(&deployment)).await;
    assert_eq!(stands(&deployment), "moves-frozen-5");
    let inside = with_app(|stack| {
        let network = stack.frozen("net", Network::new("10.50.0.0/24"));
        stack.frozen("api", function("one").with_network(&network));
    });
    let deployment = follow(&case, &inside, Some(&deployment)).await;
    assert_eq!(stands(&deployment), "moves-frozen-net-5");
    let deployment = follow(&case, &live, Some(&deployment)).await;
    assert_eq!((stands(&deployment).as_str(), environments()), ("moves-live-5", 1), "{:#?}", peer.sim.things());
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
    assert_eq!(peer.sim.things(), before);
}

/// A subnet of a network, delegated to these services.
fn subnet(name: &str, range: &str, services: &[&str]) -> Value {
    let delegations: Vec<Value> =
        services.iter().map(|service| json!({ "name": "apps", "properties": { "serviceName": service } })).collect();
    json!({ "name": name, "properties": { "addressPrefix": range, "delegations": delegations } })
}

/// Of a network of the customer's, apps are in the two subnets that were given, and move with them. The network stays as it is.
pub(crate) async fn the_given_subnets_are_used(peer: &Peer) {
    let network = format!("{}/providers/Microsoft.Network/virtualNetworks/corporate", peer.group());
    let apps = "Microsoft.App/environments";
    let body = json!({ "location": LOCATION, "properties": {
        "addressSpace": { "addressPrefixes": ["10.80.0.0/16"] },
        "subnets": [
            subnet("frozen-apps", "10.80.1.0/24", &[apps]),
            subnet("live-apps", "10.80.2.0/24", &[apps]),
            subnet("More_apps", "10.80.3.0/24", &[apps]),
            subnet("machines", "10.80.4.0/24", &[]),
        ],
    } });
    put(peer, reqwest::Method::PUT, &network, "2025-07-01", &body).await;
    let before = (peer.sim.things(), peer.read(&network, "2025-07-01").await);

    let stack = with_app(|stack| {
        let network = stack.frozen("net", Network::default());
        stack.frozen("worker", Container::new(code("worker"), "api").with_network(&network));
        stack.live("api", function("one").with_network(&network));
    });
    let given =
        |subnets: [&str; 2]| stack.with_existing("net", Existing::new("corporate").with_subnets(subnets)).unwrap();
    let case = Case::new(peer, "adopts", stack.clone());
    for (subnets, kind, words) in [
        (["nowhere", "live-apps"], ErrorKind::NotFound, "the network has no subnet `nowhere`; give two that it has"),
        (
            ["frozen-apps", "machines"],
            ErrorKind::Rejected,
            "no subnet `machines` of at least 32 addresses that is delegated",
        ),
    ] {
        let error = case.admin.plan(&release(&given(subnets), &[])).await.unwrap_err();
        assert_eq!((error.kind(), error.resource()), (kind, Some("net")), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }

    let first = given(["frozen-apps", "live-apps"]);
    let deployment = follow(&case, &first, None).await;
    let subnet_of = |id: &str| {
        let app = peer.sim.body(&deployment.resources[id]).unwrap();
        let environment = peer.sim.body(app["properties"]["environmentId"].as_str().unwrap()).unwrap();
        let subnet = environment["properties"]["vnetConfiguration"]["infrastructureSubnetId"].as_str().unwrap();
        subnet.strip_prefix(&format!("{network}/subnets/")).unwrap().to_owned()
    };
    assert_eq!((subnet_of("worker").as_str(), subnet_of("api").as_str()), ("frozen-apps", "live-apps"));
    let (manager, _) = case.manager(&deployment);
    for resource in manager.resources() {
        let beat = manager.heartbeat(&resource).await.unwrap();
        assert_eq!(beat.health, Health::Healthy, "{resource:?}: {beat:?}");
    }
    let api = manager.find::<Function, Live>("api").unwrap();
    manager.update(&api, FunctionUpdate::new().with_code(code("two"))).await.unwrap();
    assert_eq!(subnet_of("api"), "live-apps", "the vendor's update moves nothing");
    // The vendor's own stack names no subnet: what was given once stays.
    let deployment = follow(&case, &stack, Some(&deployment)).await;
    assert_eq!(subnet_of("api"), "live-apps");

    let second = given(["frozen-apps", "More_apps"]);
    let plan = case.admin.plan(&release(&second, &[])).previous(&deployment).await.unwrap();
    assert!(plan.to_string().contains("update  api (function): its settings changed"), "{plan}");
    assert!(plan.to_string().contains("refuse  worker (container): it is frozen"), "{plan}");
    let deployment = follow(&case, &second, Some(&deployment)).await;
    assert_eq!((subnet_of("worker").as_str(), subnet_of("api").as_str()), ("frozen-apps", "More_apps"));
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
    assert_eq!((peer.sim.things(), peer.read(&network, "2025-07-01").await), before, "what is the customer's stays");
}

/// A subnet that is too small, or in which something is already, is told by the plan, before anything is made.
pub(crate) async fn a_subnet_that_does_not_fit_is_told_by_the_plan(peer: &Peer) {
    let network = format!("{}/providers/Microsoft.Network/virtualNetworks/corporate", peer.group());
    let apps = ["Microsoft.App/environments"];
    let with = |name: &str, range: &str, field: &str, used: Value| {
        let mut subnet = subnet(name, range, &apps);
        subnet["properties"][field] = json!([used]);
        subnet
    };
    let link =
        json!({ "name": "legionservicelink", "properties": { "linkedResourceType": "Microsoft.App/environments" } });
    let body = json!({ "location": LOCATION, "properties": {
        "addressSpace": { "addressPrefixes": ["10.80.0.0/16", "100.100.128.0/19"] },
        "subnets": [
            subnet("fits", "10.80.0.0/27", &apps),
            subnet("small", "10.80.1.0/28", &apps),
            subnet("taken", "10.80.2.0/24", &apps),
            subnet("reserved", "100.100.130.0/27", &apps),
            with("linked", "10.80.3.0/24", "serviceAssociationLinks", link),
            with("ended", "10.80.4.0/24", "privateEndpoints", json!({ "id": "/theirs/endpoint" })),
            with("addressed", "10.80.5.0/24", "ipConfigurations", json!({ "id": "/theirs/address" })),
        ],
    } });
    put(peer, reqwest::Method::PUT, &network, "2025-07-01", &body).await;
    let environment = format!("{}/providers/Microsoft.App/managedEnvironments/theirs", peer.group());
    let body = json!({ "location": LOCATION, "properties": {
        "workloadProfiles": [{ "name": "Consumption", "workloadProfileType": "Consumption" }],
        "vnetConfiguration": { "infrastructureSubnetId": format!("{network}/subnets/taken") },
    } });
    put(peer, reqwest::Method::PUT, &environment, "2025-07-01", &body).await;

    let stack = with_app(|stack| {
        let network = stack.frozen("net", Network::default());
        stack.live("api", function("one").with_network(&network));
    });
    let given =
        |live: &str| stack.with_existing("net", Existing::new("corporate").with_subnets(["unneeded", live])).unwrap();
    put(
        peer,
        reqwest::Method::PUT,
        &format!("{network}/subnets/unneeded"),
        "2025-07-01",
        &subnet("unneeded", "10.80.6.0/29", &[]),
    )
    .await;
    let before = peer.sim.things();
    let case = Case::new(peer, "fits", stack.clone());
    for (subnet, words) in [
        ("small", "its subnet `small` is `10.80.1.0/28`, and Container Apps needs at least 32 addresses, a /27"),
        ("reserved", "its subnet `reserved` is `100.100.130.0/27`, and Container Apps reserves `100.100.128.0/19`"),
        ("taken", "its subnet `taken` is in use by the environment `theirs`"),
        ("linked", "its subnet `linked` is in use by the service `Microsoft.App/environments`"),
        ("ended", "its subnet `ended` is in use by the private endpoint `/theirs/endpoint`"),
        ("addressed", "its subnet `addressed` is in use by the address `/theirs/address`"),
    ] {
        let error = case.admin.plan(&release(&given(subnet), &[])).await.unwrap_err();
        assert_eq!((error.kind(), error.resource()), (ErrorKind::Rejected, Some("net")), "{subnet}: {error}");
        assert!(error.to_string().contains(words), "{subnet}: {error}");
    }
    assert_eq!(peer.sim.things(), before, "nothing was made");
    // The smallest that fits does, and the deployment's own environment in it is in nobody's way.
    let deployment = follow(&case, &given("fits"), None).await;
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}

/// A route table or a security group of the customer's that lets nothing out is told by the plan, which refuses nothing: what cannot be
/// read, and what lets some of it out, is the customer's to know.
pub(crate) async fn a_subnet_without_a_way_to_the_registry_is_told_by_the_plan(peer: &Peer) {
    let provider = format!("{}/providers/Microsoft.Network", peer.group());
    let version = "2025-07-01";
    let table = async |name: &str, hop: &str| {
        let route = json!({ "name": "out", "properties": { "addressPrefix": "0.0.0.0/0", "nextHopType": hop } });
        let id = format!("{provider}/routeTables/{name}");
        let body = json!({ "location": LOCATION, "properties": { "routes": [route] } });
        put(peer, reqwest::Method::PUT, &id, version, &body).await;
        json!({ "id": id })
    };
    let group = async |name: &str, allowed: bool| {
        let rule = |name: &str, priority: u32, access: &str, to: &str| {
            json!({ "name": name, "properties": {
                "direction": "Outbound", "access": access, "priority": priority, "protocol": "*",
                "sourceAddressPrefix": "*", "sourcePortRange": "*",
                "destinationAddressPrefix": to, "destinationPortRange": "*",
            } })
        };
        let some = allowed.then(|| rule("registry", 200, "Allow", "AzureContainerRegistry"));
        let rules: Vec<Value> = some.into_iter().chain([rule("nothing", 4000, "Deny", "*")]).collect();
        let id = format!("{provider}/networkSecurityGroups/{name}");
        let body = json!({ "location": LOCATION, "properties": { "securityRules": rules } });
        put(peer, reqwest::Method::PUT, &id, version, &body).await;
        json!({ "id": id })
    };
    let with = |name: &str, range: &str, field: &str, of: Value| {
        let mut subnet = subnet(name, range, &["Microsoft.App/environments"]);
        subnet["properties"][field] = of;
        subnet
    };
    let network = format!("{provider}/virtualNetworks/corporate");
    let body = json!({ "location": LOCATION, "properties": {
        "addressSpace": { "addressPrefixes": ["10.81.0.0/16"] },
        "subnets": [
            subnet("unneeded", "10.81.0.0/27", &[]),
            with("firewalled", "10.81.1.0/27", "routeTable", table("firewalled", "Internet").await),
            with("nowhere", "10.81.2.0/27", "routeTable", table("nowhere", "None").await),
            with("closed", "10.81.3.0/27", "networkSecurityGroup", group("closed", false).await),
            with("filtered", "10.81.4.0/27", "networkSecurityGroup", group("filtered", true).await),
        ],
    } });
    put(peer, reqwest::Method::PUT, &network, version, &body).await;
    let stack = with_app(|stack| {
        let network = stack.frozen("net", Network::default());
        stack.live("api", function("one").with_network(&network));
    });
    let case = Case::new(peer, "way", stack.clone());
    let told = async |live: &str| {
        let given = stack.with_existing("net", Existing::new("corporate").with_subnets(["unneeded", live])).unwrap();
        let plan = case.admin.plan(&release(&given, &[])).await.unwrap();
        assert!(plan.refusal().is_ok(), "{plan}");
        let ways = plan.problems.iter().map(ToString::to_string).filter(|told| told.contains("way to the registry"));
        ways.collect::<Vec<_>>()
    };
    for (subnet, why) in [
        ("firewalled", None),
        ("filtered", None),
        ("nowhere", Some("its route table drops what leaves it: 0.0.0.0/0 goes to `None`")),
        ("closed", Some("its security group lets nothing out by TCP 443")),
    ] {
        let told = told(subnet).await;
        let expected = why.map(|why| {
            format!("warning: `net`: its subnet `{subnet}` may have no way to the registry: {why}; let TCP 443 out to the registry")
        });
        let begins: Vec<bool> = told.iter().map(|told| told.starts_with(expected.as_deref().unwrap_or("!"))).collect();
        assert_eq!(begins, vec![true; usize::from(why.is_some())], "{subnet}: {told:#?}");
    }
}

/// Commands that are switched off leave no queue, and no namespace.
pub(crate) async fn commands_that_are_switched_off_leave_nothing(peer: &Peer) {
    let with = with_app(|stack| drop(stack.live("api", function("one").with_commands())));
    let without = with_app(|stack| drop(stack.live("api", function("one"))));
    let case = Case::new(peer, "quiet", with.clone());
    let deployment = follow(&case, &with, None).await;
    let queues = || peer.sim.things().iter().filter(|id| id.contains("/namespaces/")).count();
    assert!(queues() >= 3, "{:#?}", peer.sim.things());
    let deployment = follow(&case, &without, Some(&deployment)).await;
    assert_eq!(queues(), 0, "{:#?}", peer.sim.things());
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}

/// A function that becomes a container is the same app, and is not removed as what it was.
pub(crate) async fn a_function_becomes_a_container(peer: &Peer) {
    let one = with_app(|stack| drop(stack.live("api", function("one"))));
    let other = with_app(|stack| drop(stack.live("api", Container::new(code("one"), "api"))));
    let case = Case::new(peer, "becomes", one.clone());
    let deployment = follow(&case, &one, None).await;
    let deployment = follow(&case, &other, Some(&deployment)).await;
    let app = peer.sim.body(&deployment.resources["api"]).unwrap();
    assert_eq!(app["properties"]["template"]["scale"]["minReplicas"], 1, "{app:#}");
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}

/// An update that was interrupted is made again, and so is the next one; a variable without a value is one.
pub(crate) async fn an_update_follows_one_that_was_made_again(peer: &Peer) {
    let stack = with_app(|stack| drop(stack.live("api", function("one").with_variable("EMPTY", ""))));
    let case = Case::new(peer, "again", stack.clone());
    let deployment = follow(&case, &stack, None).await;
    let (manager, _) = case.manager(&deployment);
    let api = manager.find::<Function, Live>("api").unwrap();
    let vendor = case.world.vendor(case.world.calling());
    let session = vendor.session(&deployment, &Purpose::Update([api.id().clone()].into())).await.unwrap();
    let resource = deployment.stack.resource("api").unwrap().clone();
    for _ in 0..2 {
        let change = Change { resource: resource.clone(), zip: None, previous_zip: None, again: true, runs: None };
        session.update(api.id(), &change).await.unwrap();
    }
    for says in ["two", "three"] {
        manager.update(&api, FunctionUpdate::new().with_code(code(says))).await.unwrap();
        let app = peer.sim.body(&deployment.resources["api"]).unwrap();
        assert_eq!(app["properties"]["template"]["containers"][0]["image"], image(says));
        assert_eq!(manager.heartbeat(&api).await.unwrap().health, Health::Healthy);
    }
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}

async fn put(peer: &Peer, verb: reqwest::Method, path: &str, version: &str, body: &Value) {
    let url = format!("{}{path}?api-version={version}", peer.sim.url());
    let request = peer.plain().request(verb, url).bearer_auth(peer.sim.token(&peer.admin, ARM));
    let answer = request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
    let status = answer.status();
    assert!(status.is_success(), "{path}: {status} {}", answer.text().await.unwrap());
}

/// New replicas are another revision of the same, and nothing else of the app is sent. The next update makes a revision of its
/// own.
pub(crate) async fn new_replicas_are_another_revision_of_the_same(peer: &Peer) {
    let stack = with_app(|stack| drop(stack.live("api", function("one"))));
    let case = Case::new(peer, "anew", stack.clone());
    let deployment = follow(&case, &stack, None).await;
    let (manager, _) = case.manager(&deployment);
    let api = manager.find::<Function, Live>("api").unwrap();
    let app = async || peer.read(&deployment.resources["api"], "2025-07-01").await;
    let before = app().await;
    let _ = peer.sim.take_requests();
    manager.redeploy(&api).await.unwrap();
    let sent: Vec<Value> =
        peer.sim.take_requests().into_iter().filter(|sent| sent.verb == "PATCH").map(|sent| sent.body).collect();
    let after = app().await;
    let suffix = after["properties"]["template"]["revisionSuffix"].clone();
    assert_eq!(sent, [json!({ "properties": { "template": { "revisionSuffix": suffix } } })]);
    let revision = format!("{}--{}", after["name"].as_str().unwrap(), suffix.as_str().unwrap());
    for field in ["latestRevisionName", "latestReadyRevisionName"] {
        assert_eq!(after["properties"][field], revision.as_str(), "{after:#}");
    }
    let without = |app: &Value| {
        let mut template = app["properties"]["template"].clone();
        template.as_object_mut().unwrap().remove("revisionSuffix");
        template
    };
    assert_eq!(
        (without(&after), &after["properties"]["configuration"]),
        (without(&before), &before["properties"]["configuration"])
    );
    manager.update(&api, FunctionUpdate::new().with_code(code("two"))).await.unwrap();
    assert_ne!(app().await["properties"]["latestReadyRevisionName"], revision.as_str());
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}

/// What somebody else has rolled out since the look of a release is seen by the look of the update, and left.
pub(crate) async fn an_update_that_comes_late_is_refused(peer: &Peer) {
    let stack = with_app(|stack| drop(stack.live("api", function("one"))));
    let case = Case::new(peer, "late", stack.clone());
    let deployment = follow(&case, &stack, None).await;
    let other = case.manager(&deployment).0;
    let api = other.find::<Function, Live>("api").unwrap();
    let session = peer.vendor(peer.calling()).session(&deployment, &Purpose::Watch).await.unwrap();
    let wanted = stack.with_code("api", code("two")).unwrap().resource("api").unwrap().clone();
    let seen = session.compare(&wanted).await.unwrap().runs;
    other.redeploy(&api).await.unwrap();
    let purpose = Purpose::Update([api.id().clone()].into());
    let late = peer.vendor(peer.calling()).session(&deployment, &purpose).await.unwrap();
    let change = Change { resource: wanted.clone(), zip: None, previous_zip: None, again: false, runs: Some(seen) };
    let _ = peer.sim.take_requests();
    let error = late.update(api.id(), &change).await.unwrap_err();
    assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Conflict, false), "{error}");
    assert!(peer.sim.take_requests().iter().all(|sent| sent.verb != "PATCH"), "nothing was sent");
    // After another look it is made.
    let change = Change { runs: Some(session.compare(&wanted).await.unwrap().runs), ..change };
    late.update(api.id(), &change).await.unwrap();
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}

/// A role that was renamed is the identity's still when the access is taken back, and one that is assigned under another name is
/// assigned.
pub(crate) async fn roles_are_known_whatever_they_are_called(peer: &Peer) {
    let stack = with_app(|stack| drop(stack.live("api", function("one"))));
    let case = Case::new(peer, "called", stack.clone());
    let deployment = follow(&case, &stack, None).await;
    let principal = rendered(&deployment);
    let id = peer.principal_id(&deployment.identity);
    // The same role at the same place, under another name.
    let due = &principal.role_assignments[0];
    let at = |name: &str| format!("{}/providers/Microsoft.Authorization/roleAssignments/{name}", due.scope);
    peer.sim.remove_assignment(&at(&due.name));
    peer.sim.set_assignment(&at("11111111-2222-3333-4444-555555555555"), &due.properties.role_definition_id, &id);
    let deployment = follow(&case, &stack, Some(&deployment)).await;
    assert!(peer.sim.body(&at(&due.name)).is_some());
    // A role under another name.
    let role = &principal.role_definitions[0];
    let path = format!("{}/providers/Microsoft.Authorization/roleDefinitions/{}", peer.group(), role.name);
    let mut body = json!({ "properties": role.properties });
    body["properties"]["roleName"] = "somebody's own".into();
    put(peer, reqwest::Method::PUT, &path, "2022-04-01", &body).await;
    case.admin.revoke(&deployment).await.unwrap();
    assert_eq!(peer.sim.assignments(&id), [Value::Null; 0]);
    let deployment = follow(&case, &stack, None).await;
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}

/// What the customer chose for an account stays when it is closed again; an app of the customer's keeps its environment.
pub(crate) async fn what_the_customer_chose_stays(peer: &Peer) {
    let stack = with_app(|stack| {
        stack.frozen("data", Storage::new());
        stack.live("api", function("one"));
    });
    let case = Case::new(peer, "chose", stack.clone());
    let deployment = follow(&case, &stack, None).await;
    let account = deployment.resources["data"].split("/blobServices").next().unwrap().to_owned();
    let opened = json!({ "sku": { "name": "Standard_ZRS" }, "properties": { "allowSharedKeyAccess": true } });
    put(peer, reqwest::Method::PATCH, &account, "2025-08-01", &opened).await;
    put(
        peer,
        reqwest::Method::PATCH,
        &format!("{account}/providers/Microsoft.Resources/tags/default"),
        "2025-04-01",
        &json!({ "operation": "Merge", "properties": { "tags": { "cost-centre": "7" } } }),
    )
    .await;
    let plan = case.admin.plan(&release(&stack, &[])).previous(&deployment).await.unwrap();
    assert!(plan.to_string().contains("its keys are on"), "{plan}");
    let deployment = follow(&case, &stack, Some(&deployment)).await;
    let found = peer.sim.body(&account).unwrap();
    assert_eq!(found["properties"]["allowSharedKeyAccess"], false);
    assert_eq!(
        (&found["sku"]["name"], &found["tags"]["cost-centre"]),
        (&json!("Standard_ZRS"), &json!("7")),
        "{found:#}"
    );
    let api = peer.sim.body(&deployment.resources["api"]).unwrap();
    let theirs = format!("{}/providers/Microsoft.App/containerApps/theirs", peer.group());
    let body = json!({ "location": crate::world::LOCATION, "properties": {
        "environmentId": api["properties"]["environmentId"],
        "template": { "containers": [{ "name": "app", "image": "registry.example.com/theirs:1" }] } } });
    put(peer, reqwest::Method::PUT, &theirs, "2025-07-01", &body).await;
    let remains = case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
    assert!(remains.kept.len() == 1 && remains.kept[0].why.contains("theirs"), "{remains:?}");
    assert!(peer.sim.body(&theirs).is_some());
}

/// What stands under a name of the deployment's and is not its own is told, and not touched: neither by a set-up nor by a
/// take-down.
pub(crate) async fn what_is_somebody_elses_is_refused(peer: &Peer) {
    let stack = with_app(|stack| {
        stack.frozen("data", Storage::new());
        stack.frozen("jobs", Queue::new());
        stack.frozen("net", Network::new("10.60.0.0/24"));
        stack.live("api", function("one"));
    });
    let release = release(&stack, &[]);
    let model = Case::new(peer, "strange", stack.clone());
    let made = model.up(&release, None).await.unwrap();
    model.admin.destroy(&made).data(Data::Delete).await.unwrap();
    let before = peer.sim.things();
    let namespace = made.resources["jobs"].split("/queues/").next().unwrap().to_owned();
    let account = made.resources["data"].split("/blobServices").next().unwrap().to_owned();
    let environment = format!("{}/providers/Microsoft.App/managedEnvironments/strange-live-7", peer.group());
    let located = json!({ "location": crate::world::LOCATION });
    let with = |more: Value| {
        let mut body = located.clone();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (id, version, body) in [
        (made.identity.clone(), "2024-11-30", located.clone()),
        (namespace, "2024-01-01", with(json!({ "sku": { "name": "Standard" } }))),
        (account, "2025-08-01", with(json!({ "kind": "StorageV2", "sku": { "name": "Standard_LRS" } }))),
        (environment, "2025-07-01", with(json!({ "properties": {} }))),
        (
            made.resources["net"].clone(),
            "2025-07-01",
            with(json!({ "properties": { "addressSpace": { "addressPrefixes": ["10.60.0.0/24"] } } })),
        ),
    ] {
        put(peer, reqwest::Method::PUT, &id, version, &body).await;
        let theirs = peer.read(&id, version).await;
        let error = match model.admin.plan(&release).await {
            Ok(plan) => model.admin.apply(&plan).await.unwrap_err(),
            Err(error) => error,
        };
        assert!(error.to_string().contains("not marked as any deployment's"), "{id}: {error}");
        let remains = model.admin.destroy(&made).data(Data::Delete).await;
        let told = format!("{remains:?}");
        assert!(told.contains("not marked as any deployment's"), "{id}: {told}");
        assert_eq!(peer.read(&id, version).await, theirs, "{id} was touched");
        put(peer, reqwest::Method::DELETE, &id, version, &json!({})).await;
        assert_eq!(peer.sim.things(), before, "{id}");
    }
}

/// A log is read page by page, without a line lost or told twice, also where several are of one moment.
pub(crate) async fn a_log_is_read_page_by_page(peer: &Peer) {
    let stack =
        with_app(|stack| drop(stack.live("api", function("one").with_commands().with_variable("SAYS", "line"))));
    let case = Case::new(peer, "pages", stack.clone());
    let deployment = follow(&case, &stack, None).await;
    let (manager, _) = case.manager(&deployment);
    let api = manager.find::<Function, Live>("api").unwrap();
    let from = jiff::Timestamp::now() - std::time::Duration::from_secs(60);
    let vendor = peer.vendor(peer.calling());
    let session = vendor.session(&deployment, &Purpose::Watch).await.unwrap();
    let first = session.logs(api.id(), &LogQuery::from(from)).await.unwrap();
    assert_eq!((first.lines.len(), first.next), (0, None), "nothing was printed yet");
    for number in 0..7 {
        manager.dispatch(&api, number.to_string().as_bytes()).await.unwrap();
    }
    for limit in [1, 2, 3, 7, 100] {
        let mut query = LogQuery { from, cursor: None, limit };
        let mut lines = Vec::new();
        loop {
            let page = session.logs(api.id(), &query).await.unwrap();
            assert!(page.lines.len() <= usize::from(limit));
            lines.extend(page.lines.into_iter().map(|line| line.text));
            match page.next {
                Some(next) => query.cursor = Some(next),
                None => break,
            }
        }
        let due: Vec<String> = (0..7).map(|number| format!("line {number}")).collect();
        assert_eq!(lines, due, "in pages of {limit}");
    }
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}

/// A frozen queue is changed when the admin allows it, and not before; a subnet that someone removed is made again.
pub(crate) async fn frozen_settings_change_when_the_admin_allows_it(peer: &Peer) {
    let stack = |deliveries: u32| {
        with_app(|stack| {
            stack.frozen("jobs", Queue::new().with_dead_letters_after(deliveries));
            stack.frozen("net", Network::new("10.70.0.0/24"));
        })
    };
    let case = Case::new(peer, "allows", stack(5));
    let deployment = follow(&case, &stack(5), None).await;
    let next = release(&stack(9), &[]);
    let plan = case.admin.plan(&next).previous(&deployment).await.unwrap();
    assert!(plan.to_string().contains("refuse  jobs"), "{plan}");
    let deployment = follow(&case, &stack(9), Some(&deployment)).await;
    assert_eq!(peer.sim.body(&deployment.resources["jobs"]).unwrap()["properties"]["maxDeliveryCount"], 9);
    let subnet = format!("{}/subnets/live", deployment.resources["net"]);
    put(peer, reqwest::Method::DELETE, &subnet, "2025-07-01", &json!({})).await;
    let plan = case.admin.plan(&next).previous(&deployment).await.unwrap();
    assert!(plan.to_string().contains("its subnet `live` is not as it should be"), "{plan}");
    follow(&case, &stack(9), Some(&deployment)).await;
    let found = peer.read(&subnet, "2025-07-01").await;
    assert_eq!(found["properties"]["addressPrefix"], "10.70.0.128/25");
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}
