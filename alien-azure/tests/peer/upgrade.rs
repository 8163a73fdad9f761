//! Deployments that earlier versions set up, on an emulated resource group that is brought to the state they left.

use alien_conformance::upgrade::{self, Kept, Sent};
use alien_conformance::world::{Shipped, World};
use serde_json::Value;

use crate::world::{ARM, ISSUER, Peer, image};

/// What Azure chooses, and later requests name: another one in each tenant.
const CHOSEN: [&str; 3] = ["/properties/clientId", "/properties/principalId", "/properties/customerId"];

pub(crate) async fn earlier_deployments_are_taken_over() {
    if let Some(version) = upgrade::version_to_keep() {
        let state = async |peer: &Peer| ("calls.json", changes(peer));
        let new = async || Peer::with_issuer(ISSUER).await;
        upgrade::keep(&version, Shipped::Image(image("first")), &image("worker"), new, state).await;
    }
    for kept in Kept::all("azure") {
        let peer = Peer::with_issuer(ISSUER).await;
        let record: Value = serde_json::from_str(&kept.text("record.json", &[])).unwrap();
        let tenant = record["target"]["tenant"].as_str().unwrap().to_owned();
        let mut swaps = vec![(tenant, peer.sim.tenant().to_owned())];
        for call in kept.calls() {
            send(&peer, &call, &mut swaps).await;
        }
        upgrade::is_taken_over(&peer, &kept, &swaps, &peer.code("next")).await;
    }
}

/// The requests that changed something at Resource Manager.
fn changes(peer: &Peer) -> Vec<Sent> {
    let sent = peer.sim.requests().into_iter();
    let sent = sent.filter(|request| request.path.starts_with("/subscriptions/") && request.verb != "GET");
    sent.filter(|request| request.verb != "POST")
        .map(|request| {
            let query: Vec<String> = request.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let made = if request.verb == "PUT" { chosen(peer, &request.path) } else { Vec::new() };
            Sent {
                verb: request.verb,
                target: format!("{}?{}", request.path, query.join("&")),
                headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
                body: request.body,
                answer: if made.is_empty() { Value::Null } else { made.into() },
            }
        })
        .collect()
}

/// What Azure chose for something, in the order of the list.
fn chosen(peer: &Peer, id: &str) -> Vec<String> {
    let body = peer.sim.body(id).unwrap_or_default();
    CHOSEN.iter().filter_map(|path| body.pointer(path)?.as_str().map(str::to_owned)).collect()
}

async fn send(peer: &Peer, call: &Sent, swaps: &mut Vec<(String, String)>) {
    let swapped = |text: &str| swaps.iter().fold(text.to_owned(), |text, (old, new)| text.replace(old, new));
    let url = format!("{}{}", peer.sim.url(), swapped(&call.target));
    let mut body: Value = serde_json::from_str(&swapped(&call.body.to_string())).unwrap();
    // Keys are not kept: the workspace's own takes the place of one that was sent.
    if let Some(logs) = body.pointer_mut("/properties/appLogsConfiguration/logAnalyticsConfiguration") {
        let workspace = logs["customerId"].as_str().unwrap().to_owned();
        logs["sharedKey"] = peer.workspace_key(&workspace).await.into();
    }
    let token = peer.sim.token(&peer.admin, ARM);
    let mut request = peer.plain().request(call.verb.parse().unwrap(), &url).bearer_auth(token);
    for (name, value) in &call.headers {
        request = request.header(name, value);
    }
    let answer = request.body(body.to_string()).send().await.unwrap();
    let status = answer.status();
    // What was not there yet had its roles assigned later.
    assert!(status.is_success() || status == 404, "{} {url}: {status} {}", call.verb, answer.text().await.unwrap());
    if let Some(old) = call.answer.as_array() {
        let new = chosen(peer, call.target.split('?').next().unwrap());
        swaps.extend(old.iter().map(|old| old.as_str().unwrap().to_owned()).zip(new));
    }
}
