//! What a plain client, without a line of this library, is refused with the vendor's tokens.

use alien_conformance::life::product;
use alien_conformance::world::{Case, World, release};
use alien_core::Data;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{ARM, GROUP, LOCATION, Peer, SUBSCRIPTION, rendered};

struct Plain<'p> {
    peer: &'p Peer,
    client: reqwest::Client,
    arm: String,
    storage: String,
    bus: String,
    logs: String,
}

impl Plain<'_> {
    /// Asks. Gives the status, and what was said.
    async fn ask(&self, verb: &str, path: &str, body: Option<&Value>) -> (u16, String) {
        let (token, versioned) = match path {
            _ if path.contains(".blob.core.") || path.contains(".table.core.") => (&self.storage, false),
            _ if path.contains(".servicebus.windows.net") => (&self.bus, false),
            _ if path.starts_with("/v1/workspaces/") => (&self.logs, false),
            _ => (&self.arm, true),
        };
        let mut url = format!("{}{path}", self.peer.sim.url());
        if versioned {
            let mark = if path.contains('?') { '&' } else { '?' };
            url = format!("{url}{mark}api-version={}", version(path));
        }
        let request = self.client.request(Method::from_bytes(verb.as_bytes()).unwrap(), url).bearer_auth(token);
        let request = request.header("x-ms-version", "2024-11-04").header("x-ms-blob-type", "BlockBlob");
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(body.to_string()),
            None => request.header("content-length", "0"),
        };
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

/// A version of the API that Azure publishes for each provider.
fn version(path: &str) -> &'static str {
    let provider = path.rsplit_once("/providers/").map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default());
    match provider {
        "Microsoft.App" | "Microsoft.Network" | "Microsoft.OperationalInsights" => "2025-07-01",
        "Microsoft.Authorization" if path.contains("/locks/") => "2020-05-01",
        "Microsoft.Authorization" => "2022-04-01",
        "Microsoft.ManagedIdentity" => "2024-11-30",
        "Microsoft.ServiceBus" => "2024-01-01",
        "Microsoft.Storage" => "2025-08-01",
        _ => "2025-04-01",
    }
}

/// P2 to P5, by the peer: data, credentials, creation, deletion, what is frozen, what is another deployment's, and rights.
/// Frozen and live apps stand in one group.
pub(crate) async fn a_plain_client_is_refused(peer: &Peer) {
    let code = peer.code("first");
    let stack = product(&code);
    let case = Case::new(peer, "acme", stack.clone());
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    // Another deployment whose name begins alike.
    let other = Case::new(peer, "acme-prod", stack.clone()).up(&release(&stack, &[]), None).await.unwrap();
    let plain = Plain {
        peer,
        client: peer.plain(),
        arm: peer.session(&deployment, &format!("{ARM}.default")).await,
        storage: peer.session(&deployment, "https://storage.azure.com/.default").await,
        bus: peer.session(&deployment, "https://servicebus.azure.net/.default").await,
        logs: peer.session(&deployment, "https://api.loganalytics.io/.default").await,
    };
    let id = |id: &str| deployment.resources[id].clone();
    let (live, frozen, mailer, worker) = (id("api"), id("ledger"), id("mailer"), id("worker"));
    let group = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}");
    let name = |id: &str| id.rsplit('/').next().unwrap().to_owned();
    let account = |id: &str| id.split("/storageAccounts/").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let account_id = |id: &str| format!("{group}/providers/Microsoft.Storage/storageAccounts/{}", account(id));
    let (container, table, queue) = (id("data"), id("cache"), id("jobs"));
    let blobs = format!("/{}.blob.core.windows.net/{}", account(&container), name(&container));
    let entities = format!("/{}.table.core.windows.net/{}", account(&table), name(&table));
    let namespace_id = queue.rsplit_once("/queues/").unwrap().0.to_owned();
    let bus = format!("/{}.servicebus.windows.net", name(&namespace_id));
    let (commands, answers) = (format!("{bus}/{}-commands", name(&live)), format!("{bus}/{}-answers", name(&live)));
    let messages = format!("{bus}/{}/messages", name(&queue));
    let workspace = |lifecycle: &str| {
        let id = format!("{group}/providers/Microsoft.OperationalInsights/workspaces/acme-{lifecycle}-4");
        let customer = peer.sim.body(&id).unwrap()["properties"]["customerId"].as_str().unwrap().to_owned();
        (id, format!("/v1/workspaces/{customer}/query"))
    };
    let (frozen_workspace, frozen_logs) = workspace("frozen");
    let (live_workspace, _) = workspace("live");
    let identity = deployment.identity.clone();
    let runtime = format!("{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/acme-runtime-ledger-4");
    let environment = format!("{group}/providers/Microsoft.App/managedEnvironments/acme-live-4");
    let template = json!({ "properties": { "template": { "containers": [{ "name": "app", "image": "registry.example.com/x@sha256:00" }] } } });
    let whole = |identity: &str| {
        let mut body = template.clone();
        body["location"] = LOCATION.into();
        body["identity"] = json!({ "type": "UserAssigned", "userAssignedIdentities": { identity: {} } });
        body["properties"]["environmentId"] = environment.clone().into();
        body
    };
    let owner = json!({ "properties": {
        "roleDefinitionId": format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635"),
        "principalId": peer.principal_id(&identity), "principalType": "ServicePrincipal" } });
    let guid = "11111111-2222-3333-4444-555555555555";
    let assignment = |scope: &str| format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{guid}");
    let own_role = rendered(&deployment).role_definitions[0].name.clone();
    let role = |name: &str| format!("{group}/providers/Microsoft.Authorization/roleDefinitions/{name}");
    let more = json!({ "properties": { "roleName": "more", "type": "CustomRole", "assignableScopes": [group],
        "permissions": [{ "actions": ["*"] }] } });
    let trust = json!({ "properties": { "issuer": peer.issuer.url(), "subject": "another", "audiences": ["api://AzureADTokenExchange"] } });
    let located = json!({ "location": LOCATION });
    let query = json!({ "query": "ContainerAppConsoleLogs_CL | take 1" });
    let none: Option<&Value> = None;
    let empty = json!({});
    let refused: Vec<(&str, String, Option<&Value>)> = vec![
        // P2: data and its names, code, credentials.
        ("GET", format!("{blobs}?restype=container&comp=list"), none),
        ("GET", format!("{blobs}/x"), none),
        ("PUT", format!("{blobs}/x"), Some(&empty)),
        ("DELETE", format!("{blobs}/x"), none),
        ("GET", format!("{entities}()"), none),
        ("GET", format!("{entities}(PartitionKey='a',RowKey='b')"), none),
        ("POST", entities.clone(), Some(&empty)),
        ("DELETE", format!("{entities}(PartitionKey='a',RowKey='b')"), none),
        ("POST", messages.clone(), Some(&empty)),
        ("POST", format!("{messages}/head?timeout=0"), none),
        ("DELETE", format!("{messages}/head?timeout=0"), none),
        ("POST", format!("{commands}/messages/head?timeout=0"), none),
        ("POST", format!("{answers}/messages"), Some(&empty)),
        ("POST", frozen_logs, Some(&query)),
        ("POST", format!("{}/listKeys", account_id(&container)), none),
        ("POST", format!("{}/regenerateKey", account_id(&container)), Some(&empty)),
        ("POST", format!("{}/ListAccountSas", account_id(&container)), Some(&empty)),
        ("POST", format!("{}/ListServiceSas", account_id(&container)), Some(&empty)),
        ("POST", format!("{namespace_id}/authorizationRules/RootManageSharedAccessKey/listKeys"), none),
        ("POST", format!("{live_workspace}/sharedKeys"), none),
        ("POST", format!("{live}/listSecrets"), none),
        ("POST", format!("{live}/getAuthtoken"), none),
        ("POST", format!("{environment}/getAuthtoken"), none),
        // P3: nothing is made or removed.
        ("PUT", format!("{group}/providers/Microsoft.App/containerApps/acme-new-4"), Some(&empty)),
        ("PATCH", format!("{group}/providers/Microsoft.App/containerApps/acme-new-4"), Some(&template)),
        ("DELETE", live.clone(), none),
        ("PUT", format!("{group}/providers/Microsoft.Storage/storageAccounts/acmenew4"), Some(&located)),
        ("DELETE", account_id(&container), none),
        ("DELETE", container.clone(), none),
        ("PUT", format!("{}/blobServices/default/containers/more", account_id(&container)), Some(&empty)),
        ("DELETE", table.clone(), none),
        ("PUT", format!("{namespace_id}/queues/more"), Some(&empty)),
        ("DELETE", queue.clone(), none),
        ("DELETE", id("net"), none),
        ("DELETE", environment.clone(), none),
        ("DELETE", live_workspace.clone(), none),
        ("DELETE", identity.clone(), none),
        ("DELETE", group.clone(), none),
        ("PUT", format!("{group}/providers/Microsoft.App/jobs/acme-new-4"), Some(&located)),
        // P4: what is frozen, and what is another deployment's.
        ("PATCH", frozen.clone(), Some(&template)),
        ("PATCH", mailer.clone(), Some(&template)),
        ("PUT", frozen.clone(), Some(&empty)),
        ("POST", format!("{frozen}/stop"), none),
        ("POST", format!("{live}/stop"), none),
        ("PATCH", other.resources["api"].clone(), Some(&template)),
        ("GET", other.resources["api"].clone(), none),
        ("GET", other.resources["data"].clone(), none),
        ("GET", frozen_workspace, none),
        ("PATCH", account_id(&container), Some(&empty)),
        ("PUT", container.clone(), Some(&empty)),
        ("PUT", queue.clone(), Some(&empty)),
        ("PATCH", namespace_id.clone(), Some(&empty)),
        ("PUT", id("net"), Some(&located)),
        ("PUT", format!("{}/subnets/more", id("net")), Some(&empty)),
        // P5: rights.
        ("PUT", assignment(&group), Some(&owner)),
        ("PUT", assignment(&live), Some(&owner)),
        ("PUT", role(guid), Some(&more)),
        ("PUT", role(&own_role), Some(&more)),
        ("GET", format!("{group}/providers/Microsoft.Authorization/roleAssignments"), none),
        ("PUT", format!("{identity}/federatedIdentityCredentials/more"), Some(&trust)),
        ("PUT", format!("{runtime}/federatedIdentityCredentials/more"), Some(&trust)),
        ("GET", runtime.clone(), none),
        ("PUT", format!("{group}/providers/Microsoft.Authorization/locks/l"), Some(&empty)),
        ("PATCH", format!("{live}/providers/Microsoft.Resources/tags/default"), Some(&empty)),
        ("PUT", format!("{group}/providers/Microsoft.Resources/deployments/d"), Some(&empty)),
        ("GET", group.clone(), none),
        ("GET", format!("{group}/providers/Microsoft.App/containerApps"), none),
    ];
    let mut let_through = Vec::new();
    for (verb, path, body) in &refused {
        let (status, said) = plain.ask(verb, path, *body).await;
        // Service Bus tells a missing right by the number of a missing token.
        let lacking = if path.contains(".servicebus.") { [401, 403].contains(&status) } else { status == 403 };
        let said_so = ["authoriz", "insufficient access"].iter().any(|words| said.to_lowercase().contains(words));
        if !lacking || !said_so {
            let_through.push(format!("{verb} {path}: {status} {said}"));
        }
    }
    assert!(let_through.is_empty(), "{let_through:#?}");
    // The live app may be written, and still be given no other identity and no other environment: Resource Manager checks
    // what a body links to.
    for (verb, path, body) in [("PUT", &live, whole(&runtime)), ("PATCH", &worker, whole(&runtime))] {
        let (status, said) = plain.ask(verb, path, Some(&body)).await;
        assert!(status == 403 && said.contains("LinkedAuthorizationFailed"), "{verb} {path}: {status} {said}");
    }
    // Each refusal is told in the peer's own record, with what was missing.
    let told = peer.sim.decisions().into_iter().filter(|decision| !decision.allowed).count();
    assert!(told >= refused.len(), "{told} of {}", refused.len());
    // The same client may watch and update what it should, which shows that it was not refused for want of a session.
    assert_eq!(plain.ask("GET", &frozen, none).await.0, 200);
    let (status, found) = plain.ask("GET", &live, none).await;
    assert_eq!(status, 200);
    let found: Value = serde_json::from_str(&found).unwrap();
    let same = json!({ "properties": { "template": found["properties"]["template"] } });
    let (status, said) = plain.ask("PATCH", &live, Some(&same)).await;
    assert!([200, 202].contains(&status), "{status} {said}");
    println!("{} requests were refused", refused.len() + 2);

    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}
