//! The parts of which things consist: each that vanishes, or is changed, is told, and set again.

use alien_conformance::world::{Case, release};
use alien_core::{
    Container, Data, Deployment, Function, FunctionUpdate, Kv, Live, Network, Profile, Queue, Stack, Storage,
};
use futures_util::TryStreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{ARM, Peer, code};

fn stack() -> Stack {
    let mut stack = Stack::builder("parts");
    let data = stack.frozen("data", Storage::new().with_versions().with_expiry_days(30));
    let cache = stack.frozen("cache", Kv::new());
    let jobs = stack.frozen("jobs", Queue::new());
    let network = stack.frozen("net", Network::new("10.95.0.0/24"));
    stack
        .live("api", Function::new(code("one"), "api").with_commands().with_variable("SAYS", "line").with_public_url());
    stack.live("worker", Container::new(code("worker"), "api").with_network(&network));
    stack.frozen("mailer", Container::new(code("mailer"), "api"));
    let profile = Profile::new().on(&data, [Storage::DATA_READ]).on(&cache, [Kv::DATA_READ]);
    stack.profile("api", profile.on(&jobs, [Queue::DATA_READ]));
    stack.build().unwrap()
}

async fn ask(peer: &Peer, verb: Method, path: &str, body: &Value) {
    let provider = path.rsplit_once("/providers/").map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default());
    let version = match provider {
        "Microsoft.ServiceBus" => "2024-01-01",
        "Microsoft.Storage" => "2025-08-01",
        _ => "2025-07-01",
    };
    let mark = if path.contains('?') { '&' } else { '?' };
    let url = format!("{}{path}{mark}api-version={version}", peer.sim.url());
    let request = peer.plain().request(verb.clone(), url).bearer_auth(peer.sim.token(&peer.admin, ARM));
    let answer = request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
    let status = answer.status();
    assert!(status.is_success(), "{verb} {path}: {status} {}", answer.text().await.unwrap());
}

struct SetUp<'p> {
    peer: &'p Peer,
    case: Case<'p, Peer>,
    deployment: Deployment,
}

impl<'p> SetUp<'p> {
    async fn new(peer: &'p Peer) -> Self {
        let case = Case::new(peer, "parts", stack());
        let deployment = case.up(&release(&stack(), &[]), None).await.unwrap();
        Self { peer, case, deployment }
    }

    fn named(&self, end: &str) -> String {
        let is_it = |id: &String| id.ends_with(end) && !id.contains("/Microsoft.Authorization/");
        self.peer.sim.things().into_iter().find(is_it).unwrap_or_else(|| panic!("there is no {end}"))
    }

    /// The plan says so, the next set-up puts it right, and then nothing more is to be done.
    async fn is_put_right(&self, words: &str) {
        let first = release(&stack(), &[]);
        let plan = self.case.admin.plan(&first).previous(&self.deployment).await.unwrap();
        assert!(plan.to_string().contains(words), "{words}: {plan}");
        self.case.up(&first, Some(&self.deployment)).await.unwrap();
        let plan = self.case.admin.plan(&first).previous(&self.deployment).await.unwrap();
        assert!(plan.is_empty(), "after `{words}`: {plan}");
    }

    async fn ends(self) {
        self.case.admin.destroy(&self.deployment).data(Data::Delete).await.unwrap();
    }
}

/// Each part of each kind.
pub(crate) async fn every_part_is_made_again(peer: &Peer) {
    let set_up = SetUp::new(peer).await;
    let [data, cache, jobs, net, api, mailer] =
        ["data", "cache", "jobs", "net", "api", "mailer"].map(|id| set_up.deployment.resources[id].clone());
    let account =
        |id: &str| id.split("/blobServices").next().unwrap().split("/tableServices").next().unwrap().to_owned();
    let (commands, answers) = (set_up.named("-commands"), set_up.named("-answers"));
    let namespace = jobs.split("/queues/").next().unwrap().to_owned();
    let gone = |id: &str, words: &'static str| (Method::DELETE, id.to_owned(), Value::Null, words);
    let set = |verb: Method, id: String, properties: Value, words: &'static str| {
        (verb, id, json!({ "properties": properties }), words)
    };
    let rules = format!("{}/managementPolicies/default", account(&data));
    let rule = |enabled: bool, prefix: &str| {
        json!({ "policy": { "rules": [{ "name": "expire", "enabled": enabled, "type": "Lifecycle", "definition": {
            "filters": { "blobTypes": ["blockBlob"], "prefixMatch": [prefix] },
            "actions": { "baseBlob": { "delete": { "daysAfterModificationGreaterThan": 30 } } } } }] } })
    };
    let prefix = format!("{}/", data.rsplit('/').next().unwrap());
    for (verb, path, body, words) in [
        // A storage: account, container, versions, expiry.
        gone(&data, "update  data (storage)"),
        gone(&account(&data), "create  data (storage)"),
        gone(&rules, "the expiry of its blobs was changed"),
        set(Method::PUT, rules.clone(), rule(false, &prefix), "the expiry of its blobs was changed"),
        set(Method::PUT, rules.clone(), rule(true, "elsewhere/"), "the expiry of its blobs was changed"),
        set(
            Method::PUT,
            format!("{}/blobServices/default", account(&data)),
            json!({ "isVersioningEnabled": false }),
            "its versioning was changed",
        ),
        // A kv: account and table.
        gone(&cache, "update  cache (kv)"),
        gone(&account(&cache), "create  cache (kv)"),
        // A queue, and the namespace of all.
        gone(&jobs, "create  jobs (queue)"),
        gone(&namespace, "create  jobs (queue)"),
        // The queues for commands and answers.
        gone(&commands, "-commands` does not exist"),
        gone(&answers, "-answers` does not exist"),
        set(Method::PUT, answers.clone(), json!({ "maxDeliveryCount": 3 }), "-answers` has other settings"),
        set(Method::PUT, commands.clone(), json!({ "forwardTo": jobs.rsplit('/').next() }), "-commands` has other"),
        // A network and its subnets.
        gone(&format!("{net}/subnets/frozen"), "its subnet `frozen` is not as it should be"),
        // An app, its scale rule, and an environment with all that is in it.
        gone(&api, "update  api (function): it is not finished: its app does not exist"),
        gone(&mailer, "create  mailer (container)"),
        set(
            Method::PATCH,
            api.clone(),
            json!({ "template": { "scale": { "minReplicas": 0, "maxReplicas": 100, "rules": [] } } }),
            "update  api (function): it is not as it was set up",
        ),
    ] {
        ask(peer, verb, &path, &body).await;
        set_up.is_put_right(words).await;
    }
    // An environment is deleted after its apps.
    let environment = set_up.named("/managedEnvironments/parts-frozen-5");
    ask(peer, Method::DELETE, &mailer, &Value::Null).await;
    ask(peer, Method::DELETE, &environment, &Value::Null).await;
    set_up.is_put_right("create  mailer (container)").await;
    assert!(peer.sim.body(&environment).is_some());
    // A container can be opened once its account can.
    ask(peer, Method::PATCH, &account(&data), &json!({ "properties": { "allowBlobPublicAccess": true } })).await;
    ask(peer, Method::PUT, &data, &json!({ "properties": { "publicAccess": "Blob" } })).await;
    ask(peer, Method::PATCH, &account(&data), &json!({ "properties": { "allowBlobPublicAccess": false } })).await;
    set_up.is_put_right("its container is open to the public").await;
    set_up.ends().await;
}

/// A workspace that was deleted is made again, and gets the logs; so is an environment, in a network or not, whose logs
/// somebody sent elsewhere.
pub(crate) async fn logs_go_to_their_workspace_again(peer: &Peer) {
    let set_up = SetUp::new(peer).await;
    let (manager, _) = set_up.case.manager(&set_up.deployment);
    let api = manager.find::<Function, Live>("api").unwrap();
    let logged = async |what: &str| {
        manager.dispatch(&api, what.as_bytes()).await.unwrap();
        let lines = manager.logs(&api).since(jiff::Timestamp::UNIX_EPOCH).read().try_collect::<Vec<_>>().await.unwrap();
        assert!(lines.iter().any(|line| line.text == format!("line {what}")), "{what}: {lines:?}");
    };
    logged("before").await;
    let workspace = set_up.named("/workspaces/parts-live-5");
    ask(peer, Method::DELETE, &format!("{workspace}?force=true"), &Value::Null).await;
    set_up.is_put_right("update  what the resources share").await;
    logged("made again").await;
    let customer = || peer.sim.body(&workspace).unwrap()["properties"]["customerId"].clone();
    for environment in ["parts-live-5", "parts-live-net-5"] {
        let id = set_up.named(&format!("/managedEnvironments/{environment}"));
        let destination = || {
            let body = peer.sim.body(&id).unwrap();
            body["properties"]["appLogsConfiguration"]["logAnalyticsConfiguration"]["customerId"].clone()
        };
        assert_eq!(destination(), customer(), "{id}");
        let none = json!({ "properties": { "appLogsConfiguration": {
            "destination": "azure-monitor", "logAnalyticsConfiguration": null } } });
        ask(peer, Method::PATCH, &id, &none).await;
        assert_ne!(destination(), customer(), "{id}");
        set_up.is_put_right(&format!("the logs of apps in `{environment}` do not go to their workspace")).await;
        assert_eq!(destination(), customer(), "{id}");
    }
    logged("sent again").await;
    assert!(!peer.sim.requests().iter().any(|request| request.body.to_string().contains("primarySharedKey")));
    manager.update(&api, FunctionUpdate::new().with_code(code("two"))).await.unwrap();
    set_up.ends().await;
}

/// What the vendor's permission can write of an app's configuration, with the vendor's own token.
pub(crate) async fn what_else_an_app_was_given(peer: &Peer) {
    let set_up = SetUp::new(peer).await;
    let api = set_up.deployment.resources["api"].clone();
    let ingress = |more: Value| {
        let mut ingress = json!({ "external": true, "targetPort": 8080, "allowInsecure": false });
        ingress.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "properties": { "configuration": { "ingress": ingress } } })
    };
    let of = |field: &str, value: Value| json!({ "properties": { "configuration": { field: value } } });
    for (body, words) in [
        (ingress(json!({ "allowInsecure": true })), "somebody changed `properties.configuration.ingress`"),
        (ingress(json!({ "external": false })), "somebody changed `properties.configuration.ingress`"),
        (
            ingress(json!({ "ipSecurityRestrictions": [
                { "name": "x", "ipAddressRange": "10.0.0.0/8", "action": "Allow" }] })),
            "somebody changed `properties.configuration.ingress`",
        ),
        (
            ingress(json!({ "additionalPortMappings": [{ "external": true, "targetPort": 9090 }] })),
            "somebody changed `properties.configuration.ingress`",
        ),
        (
            of("activeRevisionsMode", json!("Multiple")),
            "somebody changed `properties.configuration.activeRevisionsMode`",
        ),
        (of("secrets", json!([{ "name": "s", "value": "v" }])), "somebody changed `properties.configuration.secrets`"),
        (of("dapr", json!({ "enabled": true, "appId": "x" })), "somebody changed `properties.configuration.dapr`"),
        (json!({ "identity": { "type": "SystemAssigned,UserAssigned" } }), "somebody changed `identity.type`"),
    ] {
        let token = peer.session(&set_up.deployment, &format!("{ARM}.default")).await;
        let url = format!("{}{api}?api-version=2025-07-01", peer.sim.url());
        let request = peer.plain().patch(url).bearer_auth(token).header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await.unwrap();
        assert!(answer.status().is_success(), "{body}: {}", answer.text().await.unwrap());
        set_up.is_put_right(words).await;
    }
    set_up.ends().await;
}

/// All data goes, with old versions and with what was deleted and is kept for a while. What Azure or others hold is told as
/// kept, and goes with the next run.
pub(crate) async fn data_goes_or_is_told(peer: &Peer) {
    let before = peer.sim.things();
    let set_up = SetUp::new(peer).await;
    let [data, cache] = ["data", "cache"].map(|id| set_up.deployment.resources[id].clone());
    let (account, tables) =
        (data.split("/blobServices").next().unwrap(), cache.split("/tableServices").next().unwrap().to_owned());
    let kept = json!({ "properties": { "isVersioningEnabled": true,
        "deleteRetentionPolicy": { "enabled": true, "days": 7 },
        "containerDeleteRetentionPolicy": { "enabled": true, "days": 7 } } });
    ask(peer, Method::PUT, &format!("{account}/blobServices/default"), &kept).await;
    let name = |id: &str| id.rsplit('/').next().unwrap().to_owned();
    for body in ["first", "second"] {
        peer.sim.put_blob(&name(account), &name(&data), "invoice", body.as_bytes());
    }
    ask(peer, Method::POST, &format!("{data}/setLegalHold"), &json!({ "tags": ["case7"] })).await;
    let table = format!("{tables}/tableServices/default/tables/theirs");
    ask(peer, Method::PUT, &table, &json!({})).await;
    let down = async || {
        let remains = set_up.case.admin.destroy(&set_up.deployment).data(Data::Delete).await.unwrap();
        remains.kept.into_iter().map(|kept| format!("{}: {}", kept.subject, kept.why)).collect::<Vec<_>>()
    };
    let told = down().await.join("\n");
    assert!(told.contains("data: Azure does not delete it: ") && told.contains("protected from deletion"), "{told}");
    assert!(told.contains("cache: there is something of others in its account: `theirs`"), "{told}");
    assert_eq!(peer.sim.blobs(&name(account), &name(&data)), ["invoice"]);
    assert!(peer.sim.body(&table).is_some());
    ask(peer, Method::POST, &format!("{data}/clearLegalHold"), &json!({ "tags": ["case7"] })).await;
    ask(peer, Method::DELETE, &table, &Value::Null).await;
    // A hold on what somebody else put there protects the account.
    let theirs = format!("{account}/blobServices/default/containers/theirs");
    ask(peer, Method::PUT, &theirs, &json!({})).await;
    assert_eq!(down().await, ["data: there is something of others in its account: `theirs`"]);
    ask(peer, Method::DELETE, &theirs, &Value::Null).await;
    peer.sim.faults().fail_before("DELETE Microsoft.Storage/storageAccounts", 1, "ScopeLocked");
    let told = down().await.join("\n");
    assert!(told.contains("data: Azure does not delete it: ") && told.contains("remove the lock"), "{told}");
    assert_eq!(down().await, [""; 0]);
    assert_eq!(peer.sim.things(), before);
}
