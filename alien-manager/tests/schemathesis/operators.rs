//! Operators with each role.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use alien_core::rollout::Plan;
use alien_core::{Deployment, DeploymentId, Invitation};
use alien_fleet::{NewToken, Products, Role};
use alien_manager::{Limits, Router, Server, openapi};
use jiff::SignedDuration;
use libtest_mimic::Failed;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::{Asking, Others, World, ask, calls, knowing, run};
use crate::world::{self, PRODUCT, digest, release};

/// The calls that succeed with each role, at least: if they were fewer, not much would have been looked at.
const fn succeed(role: Role) -> usize {
    match role {
        Role::Read => 13,
        Role::Operate => 20,
        _ => 25,
    }
}

pub(super) fn asked(python: &Path, role: Role) -> Result<(), Failed> {
    run(async || {
        let (mut world, rollout) = (World::new(3).await, Plan::builder().bake(Duration::from_secs(60)));
        world.roll_out(b"second", rollout.clone()).await;
        let third = world.publish(b"third").await.release.sequence();
        world.begin(third, rollout).await;
        let spare = world.register(3).await;
        let set_up = world.set_up(DeploymentId::new(), "c4", &release(b"first")).await;
        tokio::time::resume();
        let token = async |name: &str, role| {
            let (name, valid_for) = (name.to_owned(), SignedDuration::from_hours(1));
            world.fleet.make_token(&NewToken { name, role, products: Products::All, valid_for }).await.unwrap()
        };
        let (_, own) = token("own", role).await;
        let (_, counts) = token("counts", Role::Read).await;
        let (spare_token, _) = token("spare", Role::Read).await;

        // The bounds are the same for each role.
        let thoroughly = role == Role::Admin;
        let others = if thoroughly { Others::Asked } else { Others::Left };
        let mut document = openapi();
        let id = |id: &DeploymentId| json!(id.to_string());
        let known: BTreeMap<_, Vec<Value>> = BTreeMap::from([
            ("DeploymentId", world.ids[..3].iter().map(id).collect()),
            ("StackName", vec![json!(PRODUCT)]),
            ("ResourceId", vec![json!("api"), json!("orders")]),
            ("Sequence", (1..=6).map(Value::from).collect()),
            ("TokenId", vec![json!(spare_token.id)]),
        ]);
        for (place, values) in [
            (("/v1/rollouts/{product}/{number}", "get", 1), vec![json!(1), json!(2)]),
            (("/v1/rollouts/{product}/{number}/orders", "post", 1), vec![json!(1), json!(2)]),
            (("/v1/zips/{digest}", "get", 0), vec![json!(digest(b"second"))]),
            (("/v1/zips/{digest}", "put", 0), vec![json!(digest(b"a zip"))]),
        ] {
            let (path, method, parameter) = place;
            let schema = &mut document["paths"][path][method]["parameters"][parameter]["schema"];
            let any = schema.take();
            *schema = others.beside(&values, any);
        }
        // Those that others ask for stay.
        let removed = &mut document["paths"]["/v1/deployments/{id}"]["delete"]["parameters"][0];
        removed["schema"] =
            json!({ "anyOf": [{ "const": spare.to_string() }, { "type": "string", "format": "uuid" }] });
        give_bodies(&mut document, &set_up, &world).await;

        let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap().limits(Limits::default());
        let (address, router, (stop, stopped)) =
            (server.address(), Router::new(&world.fleet), oneshot::channel::<()>());
        let served = tokio::spawn(async move { server.serve(router, async { drop(stopped.await) }).await.unwrap() });
        // An earlier version of a stack is taken, which says no version.
        let stack = &mut document["components"]["schemas"]["Stack"];
        stack["properties"]["version"] = json!({ "enum": [1, 2] });
        stack["required"] = json!(["name", "resources"]);
        // It has no idea of a zip.
        let zip = &mut document["paths"]["/v1/zips/{digest}"]["put"]["requestBody"]["content"];
        *zip =
            json!({ "application/octet-stream": { "schema": zip["application/zip"]["schema"], "example": "a zip" } });
        document["paths"]["/v1/zips/{digest}"]["put"]["parameters"][0]["example"] = json!(digest(b"a zip"));
        let document = knowing(document, &known, others);
        let bearer = own.reveal();
        ask(python, role.name(), &Asking { address, document: &document, bearer, tag: "operators", thoroughly }).await;

        // Every call was made, and enough of them had something to answer.
        let counted = counts_of(address, counts.reveal()).await;
        for (method, path) in calls(&document, "operators") {
            assert!(counted.keys().any(|(of, at, _)| *of == method && *at == path), "{method} {path}: {counted:?}");
        }
        let succeeded: BTreeSet<_> =
            counted.keys().filter(|(.., status)| status == "200").map(|(m, p, _)| (m, p)).collect();
        assert!(succeeded.len() >= succeed(role), "{}: {succeeded:#?}", succeeded.len());
        stop.send(()).unwrap();
        served.await.unwrap();
        Ok(())
    })
}

/// Gives bodies that are taken to the calls of which none would be found by chance.
async fn give_bodies(document: &mut Value, (invitation, record): &(Invitation, Deployment), world: &World) {
    let stack = world::stack(b"second");
    let (_, other) = world.fleet.deployment(world.ids[0]).await.unwrap();
    let mut give = |path: &str, method: &str, body: Value| {
        let media = &mut document["paths"][path][method]["requestBody"]["content"]["application/json"];
        assert!(media["schema"].is_object(), "{method} {path}");
        media["examples"] = json!({ "taken": { "value": body } });
    };
    let plan = Plan::builder().build().unwrap();
    let fourth = world.publish(b"fourth").await.release.sequence();
    let new = NewToken {
        name: "new".to_owned(),
        role: Role::Read,
        products: Products::All,
        valid_for: SignedDuration::from_mins(1),
    };
    give("/v1/checks", "post", json!({ "stack": stack }));
    give("/v1/releases", "post", json!({ "stack": stack }));
    give("/v1/rollouts/{product}", "post", json!({ "release": fourth, "plan": plan }));
    give("/v1/rollouts/{product}/plans", "post", json!({ "release": fourth, "plan": plan }));
    give("/v1/tokens", "post", json!(new));
    give("/v1/deployments", "post", json!({ "invitation": invitation, "record": record }));
    give("/v1/deployments/{id}", "put", json!({ "record": other }));
    document["paths"]["/v1/deployments/{id}"]["put"]["parameters"][0]["example"] = json!(other.id.to_string());
}

/// What was answered: method, path, status.
async fn counts_of(address: SocketAddr, token: &str) -> BTreeMap<(String, String, String), u64> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let call =
        format!("GET /metrics HTTP/1.1\r\nhost: m\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n");
    stream.write_all(call.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("alien_requests_total{"));
    let counted = lines.map(|line| {
        let (labels, count) = line.split_once("} ").unwrap();
        let of = |name: &str| {
            let value =
                labels.split(',').find_map(|label| label.strip_prefix(name)?.strip_prefix("=\"")?.strip_suffix('"'));
            value.unwrap().to_owned()
        };
        ((of("method"), of("route"), of("status")), count.parse().unwrap())
    });
    counted.collect()
}
