//! What is refused: by name, with every problem, within bounds.

use alien_core::{Deployment, DeploymentId, ErrorKind, Images, Release, memory};
use alien_fleet::api::calls;
use alien_fleet::{RevertTo, Setting};
use jiff::civil::{Weekday, time};
use serde_json::{Value, json};

use super::{Served, error, failure, world};
use crate::world::{PRODUCT, digest, release, stack};

/// What stands in bodies under names that are chosen: there, a field that is not known is a wrong value.
const MAPS: [&str; 6] = [
    "/invitation/trust",
    "/record/resources",
    "/record/target",
    "/record/versions",
    "/stack/permissions/profiles",
    "/stack/permissions/profiles/api",
];

pub(crate) async fn a_field_that_is_not_known_is_refused_by_its_name_by_every_call_and_at_every_depth() {
    let world = world(1).await;
    let second = world.publish(b"second").await.release.sequence();
    let served = Served::begin(&world.fleet).await;
    let (id, plan) = (world.ids[0], crate::world::plan().canary(1).build().unwrap());
    let (invitation, record) = world.set_up(DeploymentId::new(), "c1", &release(b"first")).await;
    let zone = alien_core::rollout::Zone::of(&jiff::tz::TimeZone::UTC, world.clock.now());
    let hour = std::time::Duration::from_secs(3600);
    let window = alien_core::rollout::Window::new([Weekday::Monday], time(9, 0, 0, 0), hour, zone).unwrap();
    let document = alien_fleet::api::openapi();
    let (mut bodies, mut places) = (0, 0);
    for call in calls() {
        let path = call.path.replace("{id}", &id.to_string()).replace("{product}", "shop").replace("{number}", "1");
        let path = path.replace("{sequence}", "1").replace("{resource}", "api").replace("{digest}", &digest(b"second"));
        let path = format!("{} {path}", call.method);
        let (status, answer) = served.raw(&format!("{path}?colour=1"), b"").await;
        // The id of a token is another kind of id.
        let path = path.replace(&format!("tokens/{id}"), "tokens/0123456789");
        let (status, answer) = match call.path {
            "/v1/tokens/{id}" => served.raw(&format!("{path}?colour=1"), b"").await,
            _ => (status, answer),
        };
        assert_eq!((status, error(&answer).kind()), (400, ErrorKind::Input), "{path}: {answer}");
        assert!(answer.contains("`colour`"), "{path}: {answer}");
        let body = &document["paths"][call.path][call.method.to_lowercase()]["requestBody"]["content"];
        if body.get("application/json").is_none() {
            continue;
        }
        let taken = match (call.method, call.path) {
            ("POST", "/v1/releases") => vec![json!({"stack": stack(b"second"), "revertTo": {"release": 1}})],
            ("POST", "/v1/checks") => vec![json!({"stack": stack(b"second")})],
            ("POST", "/v1/rollouts/{product}" | "/v1/rollouts/{product}/plans") => {
                vec![json!({"release": second, "plan": plan})]
            }
            ("POST", "/v1/rollouts/{product}/{number}/orders") => vec![json!({"order": "pause", "with": "they asked"})],
            ("POST", "/v1/deployments") => vec![json!({"invitation": invitation, "record": record})],
            ("PUT", "/v1/deployments/{id}") => vec![json!({"record": world.fleet.deployment(id).await.unwrap().1})],
            ("POST", "/v1/deployments/{id}/settings") => {
                vec![json!({"set": "unpin"}), json!(Setting::Window(window.clone())), json!({"set": "pin", "to": 1})]
            }
            ("POST", "/v1/tokens") => {
                vec![json!({"name": "new", "role": "read", "products": {"only": ["shop"]}, "validFor": "PT1H"})]
            }
            _ => panic!("{path}: say what it takes"),
        };
        for taken in taken {
            bodies += 1;
            for place in objects(&taken, String::new()) {
                // Before all others and after them, where the order is that of names, and after them where it is preserved.
                for name in ["Colour", "zz-colour"] {
                    let mut body = taken.clone();
                    body.pointer_mut(&place).unwrap()[name] = json!(1);
                    let (status, answer) = served.raw(&path, body.to_string().as_bytes()).await;
                    assert_eq!((status, error(&answer).kind()), (400, ErrorKind::Input), "{path} {place}: {answer}");
                    assert!(is_map(&place) || answer.contains(name), "{path} {place} {name}: {answer}");
                }
                places += 1;
            }
            let (status, answer) = served.raw(&path, taken.to_string().as_bytes()).await;
            assert!(status == 200, "{path}: {status} {answer}");
        }
    }
    assert!(bodies >= 11 && places > 50, "{bodies} {places}");
    served.end().await;
}

fn is_map(place: &str) -> bool {
    MAPS.contains(&place.replace("/record/stack", "/stack").replace("/invitation/stack", "/stack").as_str())
}

/// Where objects stand in a document, as JSON pointers.
fn objects(value: &Value, at: String) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let within = fields.iter().flat_map(|(name, field)| objects(field, format!("{at}/{name}")));
            let within: Vec<String> = within.collect();
            std::iter::once(at).chain(within).collect()
        }
        Value::Array(all) => {
            all.iter().enumerate().flat_map(|(number, one)| objects(one, format!("{at}/{number}"))).collect()
        }
        _ => Vec::new(),
    }
}

pub(crate) async fn every_problem_is_told_at_once() {
    let world = world(1).await;
    let served = Served::begin(&world.fleet).await;
    let told = async |call: &str, body: Value| {
        let (_, answer) = served.raw(call, body.to_string().as_bytes()).await;
        error(&answer).problems().len()
    };
    let mut plan = serde_json::to_value(crate::world::plan().build().unwrap()).unwrap();
    (plan["parallel"], plan["looks"]) = (json!({"count": 0}), json!(1));
    assert_eq!(told("POST /v1/rollouts/shop", json!({"release": 1, "plan": plan})).await, 2);
    let stack = json!({"version": 1, "colour": 1, "shape": 2});
    let problems = alien_core::Stack::from_json(&stack.to_string()).unwrap_err();
    assert!(problems.as_slice().len() > 2);
    assert_eq!(told("POST /v1/releases", json!({"stack": stack})).await, problems.as_slice().len());
    assert_eq!(told("POST /v1/deployments", json!({"invitation": {}, "record": {}})).await, 2);
    served.end().await;
}

pub(crate) async fn a_release_with_problems_is_refused_before_a_zip_is_sent() {
    let world = world(0).await;
    let served = Served::begin(&world.fleet).await;
    let client = served.client("ann").await;
    let lacking = Release::partial(stack(b"new"), Default::default());
    let wanted = failure(world.fleet.publish(&lacking, Images::new(), RevertTo::Before).await);
    assert_eq!(failure(client.publish(&lacking, Images::new(), RevertTo::Before).await), wanted);
    // Of a stack that names a zip which nobody has sent, the fleet says so itself.
    let body = json!({"stack": stack(b"new")}).to_string();
    let (status, answer) = served.raw("POST /v1/releases", body.as_bytes()).await;
    assert_eq!(status, 400);
    assert!(error(&answer).problems()[0].what.contains(&digest(b"new")), "{answer}");
    let missing = client.publish(&release(b"new"), Images::new(), RevertTo::Release(77.into())).await;
    let wanted = world.fleet.publish(&release(b"new"), Images::new(), RevertTo::Release(77.into())).await;
    assert_eq!(failure(missing), failure(wanted));
    served.end().await;
}

pub(crate) async fn a_zip_of_another_digest_is_refused() {
    let world = world(0).await;
    let served = Served::begin(&world.fleet).await;
    let put = async |digest: &str| served.raw(&format!("PUT /v1/zips/{digest}"), b"the bytes").await;
    let has = async |digest: &str| served.raw(&format!("GET /v1/zips/{digest}"), b"").await.0;
    let (wrong, right) = (digest(b"other bytes"), digest(b"the bytes"));
    let (status, answer) = put(&wrong).await;
    assert_eq!(status, 400);
    assert!(answer.contains(&right) && answer.contains(&wrong), "{answer}");
    assert_eq!((has(&wrong).await, has(&right).await), (404, 404));
    assert_eq!(put(&right).await.0, 200);
    assert_eq!((has(&wrong).await, has(&right).await), (404, 200));
    served.end().await;
}

pub(crate) async fn bodies_and_limits_have_bounds() {
    let world = world(1).await;
    let served = Served::begin(&world.fleet).await;
    let (client, id) = (served.client("ann").await, world.ids[0]);
    let long = "x".repeat(65 << 10);
    let order = json!({"order": "pause", "with": long}).to_string();
    let (status, answer) = served.raw("POST /v1/rollouts/shop/1/orders", order.as_bytes()).await;
    assert_eq!((status, error(&answer).kind()), (413, ErrorKind::TooLarge), "{answer}");
    assert_eq!(failure(client.set(id, Setting::Hold(long)).await), error(&answer));
    let command = vec![b'x'; (6 << 20) + 1];
    let path = format!("POST /v1/deployments/{id}/commands/api");
    assert_eq!(served.raw(&path, &command).await.0, 413);
    let api = "api".parse().unwrap();
    let sent = client.dispatch(id, &api, alien_core::CommandId::new(), &command).await;
    assert_eq!(failure(sent).kind(), ErrorKind::TooLarge);
    for limit in [0, 1001] {
        assert_eq!(failure(client.logs(id, &api, None, limit).await).kind(), ErrorKind::Input);
        assert_eq!(served.raw(&format!("GET /v1/events?limit={limit}"), b"").await.0, 400);
    }
    served.end().await;
}

pub(crate) async fn a_call_that_is_not_there_is_told_as_an_error() {
    let world = world(0).await;
    let served = Served::begin(&world.fleet).await;
    for call in ["GET /v2/products", "GET /", "DELETE /v1/products", "PATCH /v1/deployments"] {
        let (status, answer) = served.raw(call, b"").await;
        assert_eq!((status, error(&answer).message()), (404, &*format!("there is no call {call}")), "{call}");
    }
    for call in ["GET /v1/releases/Shop!", "GET /v1/rollouts/shop/x", "GET /v1/deployments/7"] {
        let (status, answer) = served.raw(call, b"").await;
        assert_eq!((status, error(&answer).kind()), (400, ErrorKind::Input), "{call}: {answer}");
    }
    let (status, answer) = served.raw(&format!("GET /v1/releases/{PRODUCT}/1/check"), b"").await;
    assert_eq!((status, &*answer), (200, "[]"));
    served.end().await;
}

pub(crate) async fn a_record_is_added_under_its_own_id() {
    let world = world(1).await;
    let served = Served::begin(&world.fleet).await;
    let (_, record) = world.fleet.deployment(world.ids[0]).await.unwrap();
    let body = json!({"record": record}).to_string();
    let other = DeploymentId::new();
    let (status, answer) = served.raw(&format!("PUT /v1/deployments/{other}"), body.as_bytes()).await;
    assert_eq!(status, 400);
    assert!(answer.contains(&other.to_string()) && answer.contains(&record.id.to_string()), "{answer}");
    // What differs from the invitation is told as the fleet tells it.
    let mut changed: Deployment = record.clone();
    changed.cloud = "elsewhere".to_owned();
    let invitation =
        alien_core::Invitation::new(record.id, &memory::Target::new("c0").unwrap(), record.stack.clone()).unwrap();
    let wanted = failure(world.fleet.register(&invitation, &changed).await);
    assert_eq!(failure(served.client("ann").await.register(&invitation, &changed).await), wanted);
    assert_eq!(failure(world.fleet.add(&changed).await), failure(served.client("ann").await.add(&changed).await));
    served.end().await;
}
