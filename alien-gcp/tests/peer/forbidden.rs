//! What a plain client, without a line of this library or of Google's, is refused with the vendor's token.

use alien_conformance::life::product;
use alien_conformance::world::{Case, World, release};
use alien_core::Data;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{LOCATION, NUMBER, PROJECT, Peer, rendered};

struct Plain<'p> {
    peer: &'p Peer,
    token: String,
}

impl Plain<'_> {
    /// Asks. Gives the status, and what was said.
    async fn ask(&self, verb: &str, path: &str, body: Option<Value>) -> (u16, String) {
        let url = format!("{}{path}", self.peer.sim.url());
        let verb = Method::from_bytes(verb.as_bytes()).unwrap();
        let request = reqwest::Client::new().request(verb, url).bearer_auth(&self.token);
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(body.to_string()),
            None => request,
        };
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

/// P2 to P5, by the peer: data, credentials, creation, deletion, what is frozen, what is another deployment's, and rights.
pub(crate) async fn a_plain_client_is_refused(peer: &Peer) {
    let code = peer.code("first");
    let stack = product(&code);
    let case = Case::new(peer, "acme", stack.clone());
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    // Another deployment whose name begins alike.
    let other = Case::new(peer, "acme-prod", stack.clone()).up(&release(&stack, &[]), None).await.unwrap();
    let plain = Plain { peer, token: peer.session(&deployment).await };
    let name = |id: &str| deployment.resources[id].rsplit('/').next().unwrap().to_owned();
    let (bucket, database, queue) = (name("data"), name("cache"), name("jobs"));
    let services = format!("/v2/projects/{PROJECT}/locations/{LOCATION}/services");
    let (live, frozen) = (format!("{services}/{}", name("api")), format!("{services}/{}", name("ledger")));
    let (mailer, worker) = (format!("{services}/{}", name("mailer")), format!("{services}/{}", name("worker")));
    let others = format!("{services}/{}", other.resources["api"].rsplit('/').next().unwrap());
    let sa = |email: &str| format!("/v1/projects/{PROJECT}/serviceAccounts/{email}");
    let email = |identity: &str| identity.rsplit('/').next().unwrap().to_owned();
    let own = sa(&email(&deployment.identity));
    let runtime = format!("acme-runtime-ledger-4@{PROJECT}.iam.gserviceaccount.com");
    let documents = format!("/v1/projects/{PROJECT}/databases/{database}/documents");
    let topic = format!("/v1/projects/{PROJECT}/topics/{queue}");
    let subscription = format!("/v1/projects/{PROJECT}/subscriptions/{queue}");
    let open = json!({ "policy": { "bindings": [{ "role": "roles/owner", "members": ["user:admin@example.com"] }] } });
    let revision = |account: &str| json!({ "template": { "serviceAccount": account, "containers": [{ "image": "docker.io/vendor/x@sha256:00" }] } });
    let network = format!("/compute/v1/projects/{PROJECT}/global/networks/{}", name("net"));
    let logs = json!({ "resourceNames": [format!("projects/{PROJECT}")] });
    let role = rendered(&deployment).bindings[0].role.clone();
    let frozen_logs = json!({ "resourceNames": [format!("projects/{PROJECT}/locations/{LOCATION}/buckets/acme-frozen-4/views/_AllLogs")] });
    let refused: Vec<(&str, String, Option<Value>)> = vec![
        // P2: data and its names, code, credentials.
        ("GET", format!("/storage/v1/b/{bucket}/o"), None),
        ("GET", format!("/storage/v1/b/{bucket}/o/x"), None),
        ("GET", format!("/storage/v1/b/{bucket}/o/x?alt=media"), None),
        ("POST", format!("/upload/storage/v1/b/{bucket}/o?uploadType=media&name=x"), Some(json!({}))),
        ("DELETE", format!("/storage/v1/b/{bucket}/o/x"), None),
        ("PATCH", format!("/storage/v1/b/{bucket}"), Some(json!({ "lifecycle": { "rule": [] } }))),
        ("GET", "/storage/v1/b?project=customer-project".to_owned(), None),
        ("GET", format!("{documents}/c/x"), None),
        ("GET", format!("{documents}/c"), None),
        ("POST", format!("{documents}/c"), Some(json!({ "fields": {} }))),
        ("POST", format!("{documents}:runQuery"), Some(json!({}))),
        ("POST", format!("{documents}:beginTransaction"), Some(json!({}))),
        (
            "POST",
            format!("/v1/projects/{PROJECT}/databases/{database}:exportDocuments"),
            Some(json!({ "outputUriPrefix": "gs://x" })),
        ),
        ("POST", format!("{subscription}:pull"), Some(json!({ "maxMessages": 1 }))),
        ("POST", format!("{topic}:publish"), Some(json!({ "messages": [{ "data": "eA==" }] }))),
        (
            "PATCH",
            subscription.clone(),
            Some(
                json!({ "subscription": { "pushConfig": { "pushEndpoint": "https://x.example" } }, "updateMask": "pushConfig" }),
            ),
        ),
        (
            "PUT",
            format!("/v1/projects/{PROJECT}/subscriptions/more"),
            Some(json!({ "topic": format!("projects/{PROJECT}/topics/{queue}") })),
        ),
        ("POST", "/v2/entries:list".to_owned(), Some(logs)),
        ("POST", "/v2/entries:list".to_owned(), Some(frozen_logs)),
        ("GET", format!("/v1/projects/{PROJECT}/secrets/s/versions/latest:access"), None),
        ("POST", format!("{own}/keys"), Some(json!({}))),
        (
            "POST",
            format!("/v1/projects/-/serviceAccounts/{runtime}:generateAccessToken"),
            Some(json!({ "scope": ["https://www.googleapis.com/auth/cloud-platform"] })),
        ),
        ("POST", format!("{own}:signBlob"), Some(json!({ "payload": "eA==" }))),
        (
            "POST",
            format!("/v1/projects/-/serviceAccounts/{}:generateAccessToken", email(&other.identity)),
            Some(json!({ "scope": ["https://www.googleapis.com/auth/cloud-platform"] })),
        ),
        // P3: nothing is made or removed.
        ("POST", format!("{services}?serviceId=acme-new-4"), Some(revision(&runtime))),
        ("PATCH", format!("{services}/acme-new-4?allowMissing=true&updateMask=template"), Some(revision(&runtime))),
        ("DELETE", live.clone(), None),
        ("POST", format!("/storage/v1/b?project={PROJECT}"), Some(json!({ "name": format!("acme-new-4-{NUMBER}") }))),
        ("DELETE", format!("/storage/v1/b/{bucket}"), None),
        ("PUT", format!("/v1/projects/{PROJECT}/topics/acme-new-4"), Some(json!({}))),
        ("DELETE", topic.clone(), None),
        ("DELETE", format!("/v1/projects/{PROJECT}/databases/{database}"), None),
        ("DELETE", network.clone(), None),
        // P4: what is frozen, and what is another deployment's.
        ("PATCH", format!("{frozen}?updateMask=template"), Some(revision(&runtime))),
        ("PATCH", format!("{mailer}?updateMask=template"), Some(revision(&runtime))),
        ("PATCH", format!("{others}?updateMask=template"), Some(revision(&runtime))),
        ("GET", others.clone(), None),
        ("POST", format!("{network}/addPeering"), Some(json!({ "name": "x" }))),
        // A live service may not be given another identity than its own.
        ("PATCH", format!("{worker}?updateMask=template"), Some(revision(&runtime))),
        ("PATCH", format!("{live}?updateMask=template"), Some(revision(""))),
        // P5: rights.
        ("POST", format!("{live}:setIamPolicy"), Some(open.clone())),
        ("POST", format!("/v3/projects/{PROJECT}:setIamPolicy"), Some(open.clone())),
        ("POST", format!("{own}:setIamPolicy"), Some(open.clone())),
        ("PATCH", format!("/v1/{role}"), Some(json!({ "includedPermissions": ["run.services.delete"] }))),
        (
            "POST",
            format!("/v1/projects/{PROJECT}/roles"),
            Some(json!({ "roleId": "more", "role": { "title": "more" } })),
        ),
        ("GET", services.clone(), None),
    ];
    let mut let_through = Vec::new();
    for (verb, path, body) in &refused {
        let (status, said) = plain.ask(verb, path, body.clone()).await;
        if status != 403 || !said.contains("ermission") {
            let_through.push(format!("{verb} {path}: {status} {said}"));
        }
    }
    assert!(let_through.is_empty(), "{let_through:#?}");
    // Each refusal is told in the peer's own record, with what was missing.
    let told = peer.sim.decisions().into_iter().filter(|decision| !decision.allowed).count();
    assert!(told >= refused.len(), "{told} of {}", refused.len());
    // The same client may watch and update what it should, which shows that it was not refused for want of a session.
    assert_eq!(plain.ask("GET", &frozen, None).await.0, 200);
    let (status, found) = plain.ask("GET", &live, None).await;
    assert_eq!(status, 200);
    let found: Value = serde_json::from_str(&found).unwrap();
    let template = json!({ "template": found["template"] });
    let (status, said) = plain.ask("PATCH", &format!("{live}?updateMask=template"), Some(template)).await;
    assert_eq!(status, 200, "{said}");
    println!("{} requests were refused", refused.len());

    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}
