//! Deployments that earlier versions set up, on an emulated project that is brought to the state they left.

use alien_conformance::stacks::{EVERYWHERE, IMAGE};
use alien_conformance::upgrade::{self, Kept, Sent};
use alien_conformance::world::{Shipped, World};
use alien_gcp::Gcp;
use alien_sim::gcp::Gcp as Sim;
use serde_json::Value;

use crate::world::{ADMIN, Peer, image};

pub(crate) async fn earlier_deployments_are_taken_over() {
    if let Some(version) = upgrade::version_to_keep() {
        let state = async |peer: &Peer| ("calls.json", changes(&peer.sim));
        upgrade::keep(&version, Shipped::Image(image("first")), &image("worker"), async || Peer::new().await, state)
            .await;
    }
    for kept in Kept::all("gcp") {
        let peer = Peer::new().await;
        // Cloud Run never pulled from the registry that the emulator took then: the image is named where it does.
        let (theirs, _) = IMAGE.split_once('@').unwrap();
        let mut swaps = vec![(theirs.to_owned(), EVERYWHERE.to_owned())];
        swaps.extend(kept.resealed::<Gcp>(&swaps));
        for call in kept.calls_with(&swaps) {
            send(&peer, call).await;
        }
        upgrade::is_taken_over(&peer, &kept, &swaps, &peer.code("next")).await;
    }
}

/// Stands for the emulator's address, which is another each time.
const ADDRESS: &str = "http://emulator.example";

/// The requests that changed something, in the form of the REST API.
fn changes(sim: &Sim) -> Vec<Sent> {
    let asks = |path: &str| path.ends_with("IamPermissions") || path.ends_with("getIamPolicy");
    let sent = sim.requests().into_iter().filter(|request| request.verb != "GET" && !asks(&request.path));
    sent.map(|request| {
        let query: Vec<String> = request.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        let mut body = request.body;
        without_etags(&mut body);
        let body = serde_json::from_str(&body.to_string().replace(sim.url(), ADDRESS)).unwrap();
        Sent {
            verb: request.verb,
            target: format!("{}{query}", request.path),
            headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
            body,
            answer: Value::Null,
        }
    })
    .collect()
}

/// Another emulator has others.
fn without_etags(body: &mut Value) {
    match body {
        Value::Object(fields) => {
            fields.remove("etag");
            fields.values_mut().for_each(without_etags);
        }
        Value::Array(items) => items.iter_mut().for_each(without_etags),
        _ => {}
    }
}

async fn send(peer: &Peer, call: Sent) {
    let url = format!("{}{}", peer.sim.url(), call.target);
    let mut request =
        reqwest::Client::new().request(call.verb.parse().unwrap(), &url).bearer_auth(peer.sim.token(ADMIN));
    for (name, value) in &call.headers {
        request = request.header(name, value);
    }
    if !call.body.is_null() {
        request = request.body(call.body.to_string().replace(ADDRESS, peer.sim.url()));
    }
    let answer = request.send().await.unwrap();
    let status = answer.status();
    assert!(status.is_success(), "{} {url}: {status} {}", call.verb, answer.text().await.unwrap());
}
