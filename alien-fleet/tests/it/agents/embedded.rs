//! Agents over a store in a file, which is closed and opened again between any two things that they do.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use alien_conformance::world::pulled;
use alien_core::memory::{self, Memory};
use alien_core::{
    AgentVersion, Clock, CommandId, Delivery, DeploymentId, ErrorKind, Health, Invitation, LogLine, ResourceId,
};
use alien_fleet::api::AgentApi;
use alien_fleet::store::Embedded;
use alien_fleet::{ArtifactsInMemory, Fleet, What};
use alien_release::SigningKey;
use alien_release::agent::{
    Attempt, Bearer, CommandReply, Condition, Desired, Ended, LogPage, Message, Replied, Report, SIGNATURE_HEADER,
    Signed, State, Token, TokenRequest,
};
use axum::Router;
use axum::body::Body;
use axum::http::Request;

use super::http::{call, text};
use super::{HOST, PRINCIPAL, answering};
use crate::folder::Folder;
use crate::world::{World, plan, product, release};

/// What outlives a program: the file, and what is elsewhere. The agent is another program.
struct Kept {
    file: PathBuf,
    _folder: Folder,
    clock: Arc<dyn Clock>,
    config: memory::Config,
    artifacts: Arc<ArtifactsInMemory>,
    id: DeploymentId,
    key: SigningKey,
    counter: AtomicU64,
}

/// A program that has the file.
struct Program {
    fleet: Fleet,
    router: Router,
}

impl Kept {
    /// A fleet with one deployment that pulls.
    async fn new() -> Self {
        let folder = Folder::new();
        let file = folder.join("fleet.redb");
        let World { clock, config, artifacts, fleet, .. } = World::over(Embedded::open(&file).await.unwrap(), 0).await;
        let Delivery::Pull { manager, root } = pulled() else { panic!("it is pulled") };
        let (id, first, key) = (DeploymentId::new(), release(b"first"), SigningKey::generate().unwrap());
        let target = memory::Target::pulled("c0", PRINCIPAL.parse().unwrap()).unwrap();
        let invitation = Invitation::pull::<Memory>(id, manager, root, first.stack().clone()).unwrap();
        let admin = memory::admin(&config, id, target).with_delivery(pulled());
        let record = admin.apply(&admin.plan(&first).await.unwrap()).await.unwrap();
        fleet.register_agent(&invitation, &record, key.public()).await.unwrap();
        Self { file, _folder: folder, clock, config, artifacts, id, key, counter: AtomicU64::new(0) }
    }

    async fn open(&self) -> Program {
        // Whoever had it gives it back a moment after it ended.
        let store = loop {
            match Embedded::open(&self.file).await {
                Ok(store) => break store,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Locked, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let fleet = World::open(store, &self.clock, &self.config, &self.artifacts, Default::default()).await;
        let router = AgentApi::new(&answering(&fleet).await).router();
        Program { fleet, router }
    }

    fn count(&self) -> u64 {
        self.counter.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn report(&self) -> Report {
        let healthy = |id: &str| (id.parse().unwrap(), Condition::seen(Health::Healthy));
        let mut report = Report::new(self.id, self.count(), AgentVersion::new(1, 0, 0));
        report.resources = ["api", "orders"].map(healthy).into();
        report
    }

    fn signed<M: Message>(&self, message: &M) -> Signed<M> {
        Signed::of(message, &self.key).unwrap()
    }

    /// Sends a message to a program that has just opened the file, and ends after its answer.
    async fn send<M: Message>(&self, path: &str, bearer: Option<&Bearer>, signed: &Signed<M>) -> (u16, String) {
        send(&self.open().await, path, bearer, signed).await
    }
}

async fn send<M: Message>(program: &Program, path: &str, bearer: Option<&Bearer>, signed: &Signed<M>) -> (u16, String) {
    let post = Request::post(path).header(SIGNATURE_HEADER, signed.signature().to_string());
    let post = match bearer {
        Some(bearer) => post.header("authorization", format!("Bearer {}", bearer.reveal())),
        None => post,
    };
    let answer = call(&program.router, post, signed.body().to_vec()).await;
    (answer.status().as_u16(), text(answer).await)
}

/// Asks what to run, and returns the tag and what is answered, if it is not the same.
async fn poll(program: &Program, bearer: &Bearer, last: Option<&str>) -> (u16, String, Option<Desired>) {
    let get = Request::get("/v1/agent/desired").header("authorization", format!("Bearer {}", bearer.reveal()));
    let get = match last {
        Some(last) => get.header("if-none-match", last),
        None => get,
    };
    let answer = call(&program.router, get, Body::empty()).await;
    let (status, tag) = (answer.status().as_u16(), answer.headers()["etag"].to_str().unwrap().to_owned());
    let desired = text(answer).await;
    (status, tag, (status == 200).then(|| Desired::from_json(desired.as_bytes()).unwrap()))
}

const REPORT: &str = "/v1/agent/report";

#[tokio::test(start_paused = true)]
async fn an_agent_is_answered_by_one_program_after_another() {
    let kept = Kept::new().await;
    let request = kept.signed(&TokenRequest::new(kept.id, kept.clock.now(), HOST).unwrap());
    let (status, body) = kept.send("/v1/agent/token", None, &request).await;
    assert_eq!(status, 200, "{body}");
    let bearer = Token::from_json(body.as_bytes()).unwrap().bearer;
    // The request is taken once, whoever has the file.
    let (status, body) = kept.send("/v1/agent/token", None, &request).await;
    assert!(status == 401 && body.contains("the request was taken before"), "{status} {body}");
    // Every program knows what made the bearer, and what to run.
    let (_, tag, desired) = poll(&kept.open().await, &bearer, None).await;
    assert_eq!(desired, Some(Desired::new()));
    assert_eq!(poll(&kept.open().await, &bearer, Some(&tag)).await, (304, tag.clone(), None));
    let idle = kept.signed(&kept.report());
    assert_eq!(kept.send(REPORT, Some(&bearer), &idle).await, (204, String::new()));
    let (status, body) = kept.send(REPORT, Some(&bearer), &idle).await;
    assert!(status == 409 && body.contains("it was taken before"), "{status} {body}");

    // One program hands a release over; others learn that it begins, and that it has ended.
    {
        let Program { fleet, .. } = kept.open().await;
        let published =
            fleet.publish(&release(b"second"), alien_core::Images::new(), alien_fleet::RevertTo::Before).await.unwrap();
        let sequence = published.release.sequence();
        fleet.roll_out(&product(), sequence, &plan().build().unwrap()).await.unwrap();
        fleet.worker().run(tokio::time::sleep(Duration::from_secs(5))).await.unwrap();
    }
    let (status, _, desired) = poll(&kept.open().await, &bearer, Some(&tag)).await;
    assert_eq!(status, 200);
    let wanted = desired.unwrap().release.unwrap();
    let (release, fence) = (wanted.release, wanted.fence);
    let begins = kept.signed(&kept.report().doing(State::Beginning { release, fence }));
    assert_eq!(kept.send(REPORT, Some(&bearer), &begins).await, (204, String::new()));
    let ended = kept.report().running(release).ended(Attempt { release, fence, ended: Ended::Done });
    assert_eq!(kept.send(REPORT, Some(&bearer), &kept.signed(&ended)).await, (204, String::new()));
    let log = kept.open().await.fleet.log(0, 1000).await.unwrap();
    let told: Vec<String> = log
        .into_iter()
        .filter_map(|entry| match entry.what {
            What::Reported { what, .. } => Some(what),
            _ => None,
        })
        .collect();
    assert_eq!(told, ["begins", "ended: done"]);
}

#[tokio::test(start_paused = true)]
async fn what_an_agent_was_asked_is_answered_to_the_next_program() {
    let kept = Kept::new().await;
    let request = kept.signed(&TokenRequest::new(kept.id, kept.clock.now(), HOST).unwrap());
    let bearer = Token::from_json(kept.send("/v1/agent/token", None, &request).await.1.as_bytes()).unwrap().bearer;
    let (id, api, command): (_, ResourceId, _) = (kept.id, "api".parse().unwrap(), CommandId::new());
    let ask = async |fleet: &Fleet| fleet.dispatch(id, &api, command, b"ping").await;
    // Somebody asks, and ends before the agent has heard of it.
    {
        let Program { fleet, .. } = kept.open().await;
        let late = tokio::time::timeout(Duration::from_secs(1), async {
            tokio::join!(ask(&fleet), fleet.logs(id, &api, None, 10))
        });
        assert!(late.await.is_err(), "nobody has answered");
    }
    let (_, _, desired) = poll(&kept.open().await, &bearer, None).await;
    let desired = desired.unwrap();
    assert_eq!((desired.commands[0].id, desired.commands.len(), desired.logs.len()), (command, 1, 1));
    let path = format!("/v1/agent/commands/{command}");
    let reply = |reply: Replied| kept.signed(&CommandReply::new(id, kept.count(), command, reply));
    assert_eq!(kept.send(&path, Some(&bearer), &reply(Replied::Take)).await, (200, "ping".to_owned()));
    assert_eq!(kept.send(&path, Some(&bearer), &reply(Replied::Take)).await.0, 409, "it is given away once");
    assert_eq!(kept.send(&path, Some(&bearer), &reply(Replied::Answer(b"pong".to_vec()))).await.0, 204);
    // Whoever asks again by the same id gets the answer, once.
    assert_eq!(ask(&kept.open().await.fleet).await.unwrap(), b"pong");
    assert_eq!(ask(&kept.open().await.fleet).await.unwrap_err().kind(), ErrorKind::Conflict);

    // The pages of a log come one by one.
    let log = desired.logs[0].id;
    let path = format!("/v1/agent/logs/{log}");
    let line = |number: u32| LogLine { at: kept.clock.now(), text: format!("line {number}") };
    let page = |log, number: u32| LogPage::new(id, kept.count(), log, number).with_lines(vec![line(number)]);
    assert_eq!(kept.send(&path, Some(&bearer), &kept.signed(&page(log, 0).and_more())).await.0, 204);
    let (status, body) = kept.send(&path, Some(&bearer), &kept.signed(&page(log, 2))).await;
    assert!(status == 409 && body.contains("page 1 of the log is awaited"), "{status} {body}");
    assert_eq!(kept.send(&path, Some(&bearer), &kept.signed(&page(log, 1))).await.0, 204);
    assert_eq!(kept.send(&path, Some(&bearer), &kept.signed(&page(log, 2))).await.0, 409, "it has ended");
    // Whoever asks and stays gets the lines.
    let program = kept.open().await;
    let answered = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (_, _, desired) = poll(&program, &bearer, None).await;
        let log = desired.unwrap().logs[0].id;
        let path = format!("/v1/agent/logs/{log}");
        assert_eq!(send(&program, &path, Some(&bearer), &kept.signed(&page(log, 0))).await.0, 204);
    };
    let (lines, ()) = tokio::join!(program.fleet.logs(id, &api, None, 10), answered);
    let lines: Vec<String> = lines.unwrap().into_iter().map(|line| line.text).collect();
    assert_eq!(lines, ["line 0"]);
}
