//! An agent, whose messages are signed on their way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alien_conformance::world::pulled;
use alien_core::memory::{self, Memory};
use alien_core::rollout::Plan;
use alien_core::{Clock, CommandId, Delivery, DeploymentId, Invitation};
use alien_fleet::Poll;
use alien_fleet::api::AgentApi;
use alien_manager::openapi;
use alien_release::SigningKey;
use alien_release::agent::{CommandReply, Desired, LogPage, Message, Report, SIGNATURE_HEADER, Signed, TokenRequest};
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use jiff::Timestamp;
use libtest_mimic::Failed;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Asking, Others, World, ask, calls, knowing, run};
use crate::world::release;

const HOST: &str = "releases.vendor.example";

/// Who the agent is, in the customer's account.
const PRINCIPAL: &str = "local:agent";

/// Signs what is sent, and counts what is answered.
struct Signs {
    deployment: DeploymentId,
    key: SigningKey,
    counter: AtomicU64,
    clock: Arc<dyn Clock>,
    answered: Mutex<BTreeMap<(String, u16), usize>>,
}

pub(super) fn asked(python: &Path) -> Result<(), Failed> {
    run(async || {
        let world = World::new(0).await;
        let Delivery::Pull { manager, root } = pulled() else { panic!("it is pulled") };
        let (id, first, key) = (DeploymentId::new(), release(b"first"), SigningKey::generate().unwrap());
        let target = memory::Target::pulled("c0", PRINCIPAL.parse().unwrap()).unwrap();
        let invitation = Invitation::pull::<Memory>(id, manager, root, first.stack().clone()).unwrap();
        let admin = memory::admin(&world.config, id, target).with_delivery(pulled());
        let record = admin.apply(&admin.plan(&first).await.unwrap()).await.unwrap();
        world.fleet.register_agent(&invitation, &record, key.public()).await.unwrap();
        let agents = world.fleet.agents().host(HOST).messages(u32::MAX).open().await.unwrap();
        let request = TokenRequest::new(id, world.clock.now(), HOST).unwrap();
        let token = agents.token(&Signed::of(&request, &key).unwrap()).await.unwrap();
        // A release that it may begin, and a command that it may take.
        let second = world.publish(b"second").await.release.sequence();
        world.begin(second, Plan::builder()).await;
        crate::world::work(&world, Duration::from_secs(10)).await;
        tokio::time::resume();
        let command = CommandId::new();
        let fleet = world.fleet.clone();
        let asks = tokio::spawn(async move {
            let api = "api".parse().unwrap();
            tokio::join!(fleet.dispatch(id, &api, command, b"hello"), fleet.logs(id, &api, None, 10))
        });
        let log = loop {
            let Poll::Desired(_, text) = agents.desired(&token.bearer, None).await.unwrap() else { panic!("no tag") };
            let desired = Desired::from_json(text.as_bytes()).unwrap();
            match (desired.commands.first(), desired.logs.first()) {
                (Some(_), Some(log)) => break log.id,
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };

        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("schemathesis-files-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("timestamp.json"), "{}").unwrap();
        let counter = AtomicU64::new(token.counter);
        let signs = Arc::new(Signs {
            deployment: id,
            key,
            counter,
            clock: Arc::clone(&world.clock),
            answered: Mutex::default(),
        });
        let router = AgentApi::new(&agents).repository(&folder).router();
        let router = router.layer(from_fn_with_state(Arc::clone(&signs), signed));
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = TowerToHyperService::new(router.clone());
                tokio::spawn(async move {
                    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await)
                });
            }
        });

        let mut document = openapi();
        let known = BTreeMap::from([
            ("DeploymentId", vec![json!(id.to_string())]),
            ("CommandId", vec![json!(command), json!(log)]),
            ("ResourceId", vec![json!("api"), json!("orders")]),
            ("Sequence", vec![json!(second)]),
        ]);
        let file = &mut document["paths"]["/v1/repository/{file}"]["get"]["parameters"][0]["schema"];
        *file = json!({ "anyOf": [{ "const": "timestamp.json" }, { "type": "string" }] });
        let document = knowing(document, &known, Others::Left);
        let bearer = token.bearer.reveal();
        ask(python, "agent", &Asking { address, document: &document, bearer, tag: "agents", thoroughly: true }).await;
        let answered = signs.answered.lock().unwrap().clone();
        for (method, path) in calls(&document, "agents") {
            let begin = path.split('{').next().unwrap();
            assert!(answered.keys().any(|(call, _)| call.starts_with(&format!("{method} {begin}"))), "{method} {path}");
        }
        let succeeded = answered.keys().filter(|(_, status)| *status < 300);
        let succeeded = succeeded.map(|(call, _)| call.split('/').take(4).collect::<Vec<_>>().join("/"));
        let succeeded: BTreeSet<String> = succeeded.collect();
        assert!(succeeded.len() == 6, "{succeeded:?}: {answered:#?}");
        served.abort();
        asks.abort();
        std::fs::remove_dir_all(&folder).unwrap();
        Ok(())
    })
}

/// Whether a text is of the form of a field.
type OfForm = fn(&str) -> bool;

/// Does what an agent does with a message: makes it canonical, counts it, and signs it.
async fn signed(State(signs): State<Arc<Signs>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let context = match path.split('/').nth(3) {
        Some("token") => Some(TokenRequest::CONTEXT),
        Some("report") => Some(Report::CONTEXT),
        Some("commands") => Some(CommandReply::CONTEXT),
        Some("logs") => Some(LogPage::CONTEXT),
        _ => None,
    };
    let mut bytes = to_bytes(body, 8 << 20).await.unwrap().to_vec();
    // A signature that was made up is none, so some of what is sent stays as it is.
    let signs_it = parts.headers.contains_key(SIGNATURE_HEADER) && !bytes.is_empty();
    if let (Some(context), true) = (context, signs_it) {
        if let Ok(mut message) = serde_json::from_slice::<Value>(&bytes) {
            if let Some(message) = message.as_object_mut() {
                if message.get("counter").is_some_and(Value::is_u64) {
                    let next = signs.counter.fetch_add(1, Ordering::Relaxed) + 1;
                    message.insert("counter".to_owned(), next.into());
                }
                // What is not of the form stays as it is.
                let is_id = |text: &str| text.parse::<DeploymentId>().is_ok();
                let is_time = |text: &str| text.parse::<Timestamp>().is_ok();
                let of_path = path.rsplit('/').next().unwrap_or_default();
                let right: [(&str, OfForm, Value); 4] = [
                    ("host", |_| true, json!(HOST)),
                    ("time", is_time, json!(signs.clock.now())),
                    ("deployment", is_id, json!(signs.deployment)),
                    ("id", is_id, json!(of_path)),
                ];
                for (name, is_of_form, value) in right {
                    if message.get(name).and_then(Value::as_str).is_some_and(is_of_form) {
                        message.insert(name.to_owned(), value);
                    }
                }
                // What is at its default is left out.
                let nothing: [(&str, Value); 6] = [
                    ("error", Value::Null),
                    ("outcome", Value::Null),
                    ("runs", Value::Null),
                    ("resources", json!({})),
                    ("lines", json!([])),
                    ("more", json!(false)),
                ];
                message.retain(|name, value| !nothing.iter().any(|(of, nothing)| of == name && value == nothing));
            }
            bytes = message.to_string().into_bytes();
        }
        let signature = signs.key.sign(context, &bytes).to_string();
        parts.headers.insert(SIGNATURE_HEADER, HeaderValue::try_from(signature).unwrap());
        parts.headers.insert("content-length", HeaderValue::from(bytes.len()));
    }
    let call = format!("{} {path}", parts.method);
    let response = next.run(Request::from_parts(parts, Body::from(bytes))).await;
    *signs.answered.lock().unwrap().entry((call, response.status().as_u16())).or_default() += 1;
    response
}
