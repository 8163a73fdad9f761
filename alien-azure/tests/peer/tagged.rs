//! The tags of live apps, which whoever may update an app can write.

use alien_conformance::world::{Case, release};
use alien_core::{Action, Container, Data, Deployment, Function, Network, Profile, Remedy, Stack};
use serde_json::{Value, json};

use crate::world::{ARM, LOCATION, Peer, code, image};

/// A live function and a live container in a network.
fn stack(memory: u32, commands: bool) -> Stack {
    let mut stack = Stack::builder("tagged");
    let network = stack.frozen("net", Network::new("10.90.0.0/24"));
    let function = Function::new(code("one"), "api").with_memory_mib(memory);
    stack.live("api", if commands { function.with_commands() } else { function });
    stack.live("worker", Container::new(code("worker"), "api").with_network(&network));
    stack.profile("api", Profile::new());
    stack.build().unwrap()
}

/// Patches something with this token.
async fn patch(peer: &Peer, token: &str, id: &str, body: &Value) {
    let url = format!("{}{id}?api-version=2025-07-01", peer.sim.url());
    let request = peer.plain().patch(url).bearer_auth(token).header("content-type", "application/json");
    let answer = request.body(body.to_string()).send().await.unwrap();
    assert!(answer.status().is_success(), "{id}: {}", answer.text().await.unwrap());
}

/// Writes tags of an app as the vendor.
async fn tag(peer: &Peer, deployment: &Deployment, id: &str, tags: &Value) {
    let token = peer.session(deployment, &format!("{ARM}.default")).await;
    patch(peer, &token, &deployment.resources[id], &json!({ "tags": tags })).await;
}

/// `up` mends the tags, and `down` takes the apps down.
pub(crate) async fn tags_do_not_take_an_app_away(peer: &Peer) {
    let before = peer.sim.things();
    let case = Case::new(peer, "tagged", stack(512, true));
    let first = release(&stack(512, true), &[]);
    let deployment = case.up(&first, None).await.unwrap();
    let told = "its tags were changed, and do not say that it belongs to this deployment";
    for tags in [
        json!({ "alien-deployment": "11111111-2222-3333-4444-555555555555" }),
        json!({ "alien-deployment": null }),
        json!({ "alien-deployment": "", "alien-seal": "" }),
    ] {
        for id in ["api", "worker"] {
            tag(peer, &deployment, id, &tags).await;
        }
        let plan = case.admin.plan(&first).previous(&deployment).await.unwrap();
        assert!(plan.steps.iter().all(|step| step.action != Action::Refuse), "{plan}");
        assert!(tags.get("alien-seal").is_some() || plan.to_string().matches(told).count() == 2, "{plan}");
        case.up(&first, Some(&deployment)).await.unwrap();
        let plan = case.admin.plan(&first).previous(&deployment).await.unwrap();
        assert!(plan.is_empty(), "{plan}");
        let app = peer.sim.body(&deployment.resources["api"]).unwrap();
        assert_eq!(app["tags"]["alien-deployment"], deployment.id.to_string(), "{app:#}");
    }
    for id in ["api", "worker"] {
        tag(peer, &deployment, id, &json!({ "alien-deployment": "11111111-2222-3333-4444-555555555555" })).await;
    }
    let remains = case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
    assert!(remains.kept.is_empty() && remains.foreign.is_empty(), "{remains:?}");
    assert_eq!(peer.sim.things(), before);
}

/// The vendor writes the fingerprint of the next stack before the admin sets that up, and the present one beside other
/// settings: what is set is compared.
pub(crate) async fn a_fingerprint_hides_nothing(peer: &Peer) {
    let (small, large) = (stack(512, false), stack(1024, true));
    let case = Case::new(peer, "tagged", small.clone());
    let seals = |deployment: &Deployment| {
        ["api", "worker"].map(|id| peer.sim.body(&deployment.resources[id]).unwrap()["tags"]["alien-seal"].clone())
    };
    let deployment = case.up(&release(&large, &[]), None).await.unwrap();
    let next = seals(&deployment);
    let deployment = case.up(&release(&small, &[]), Some(&deployment)).await.unwrap();
    let present = seals(&deployment);
    assert_ne!(next[0], present[0]);
    tag(peer, &deployment, "api", &json!({ "alien-seal": next[0] })).await;
    let plan = case.admin.plan(&release(&large, &[])).previous(&deployment).await.unwrap();
    assert!(plan.to_string().contains("update  api (function)"), "{plan}");
    let deployment = case.up(&release(&large, &[]), Some(&deployment)).await.unwrap();
    let app = peer.sim.body(&deployment.resources["api"]).unwrap();
    assert_eq!(app["properties"]["template"]["containers"][0]["resources"]["memory"], "1Gi", "{app:#}");
    assert!(peer.sim.things().iter().any(|id| id.ends_with("-commands")));
    // The fingerprint stays as it should be, and the app does not.
    let token = peer.session(&deployment, &format!("{ARM}.default")).await;
    let opened = json!({ "properties": { "configuration": { "ingress": { "external": true, "targetPort": 8080 } } } });
    patch(peer, &token, &deployment.resources["api"], &opened).await;
    tag(peer, &deployment, "api", &json!({ "alien-seal": next[0] })).await;
    let plan = case.admin.plan(&release(&large, &[])).previous(&deployment).await.unwrap();
    let told =
        "update  api (function): it is not as it was set up: somebody changed `properties.configuration.ingress`";
    assert!(plan.to_string().contains(told), "{plan}");
    let deployment = case.up(&release(&large, &[]), Some(&deployment)).await.unwrap();
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}

/// An app under our name that runs as nobody of ours, or somewhere else, is refused and left alone.
pub(crate) async fn an_app_of_others_stays_theirs(peer: &Peer) {
    let case = Case::new(peer, "tagged", stack(512, false));
    let first = release(&stack(512, false), &[]);
    let deployment = case.up(&first, None).await.unwrap();
    let api = deployment.resources["api"].clone();
    let found = peer.sim.body(&api).unwrap();
    let token = peer.sim.token(&peer.admin, ARM);
    let client = peer.plain();
    let url = format!("{}{api}?api-version=2025-07-01", peer.sim.url());
    assert!(client.delete(&url).bearer_auth(&token).send().await.unwrap().status().is_success());
    let body = json!({ "location": LOCATION, "properties": {
        "environmentId": found["properties"]["environmentId"],
        "template": { "containers": [{ "name": "app", "image": image("theirs") }] } } });
    let request = client.put(&url).bearer_auth(&token).header("content-type", "application/json");
    assert!(request.body(body.to_string()).send().await.unwrap().status().is_success());
    let plan = case.admin.plan(&first).previous(&deployment).await.unwrap();
    assert!(plan.to_string().contains("refuse  api (function)"), "{plan}");
    let remains = case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
    // It carries nobody's mark, and the record knows its id: only the admin can tell that it is somebody else's.
    let left = remains.kept.iter().find(|left| left.subject == "api").and_then(|left| left.remedy);
    assert_eq!(left, Some(Remedy::MarkAgain), "{remains:?}");
    let app = peer.sim.body(&api).unwrap();
    assert_eq!(app["properties"]["template"]["containers"][0]["image"], image("theirs"));
}
