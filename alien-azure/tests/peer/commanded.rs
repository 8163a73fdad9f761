//! Commands and their answers, among several who send them.

use alien_conformance::world::{Case, World, release};
use alien_core::{Data, Deployment, ErrorKind, Function, Handle, Live, Manager, Profile, Stack};
use futures_util::future::join_all;
use serde_json::Value;

use crate::world::{Peer, code};

const ANSWERS: &str = "asked-api-5-answers";
const SEND: &str = "POST servicebus.windows.net/messages";
const LOCK: &str = "POST servicebus.windows.net/messages/head";
const DELETE: &str = "DELETE servicebus.windows.net/messages/{lock}";

fn asked() -> Stack {
    let mut stack = Stack::builder("asked");
    stack.live("api", Function::new(code("asked"), "api").with_commands());
    stack.profile("api", Profile::new());
    stack.build().unwrap()
}

async fn set_up(peer: &Peer) -> (Case<'_, Peer>, Deployment) {
    let case = Case::new(peer, "asked", asked());
    let deployment = case.up(&release(&asked(), &[]), None).await.unwrap();
    (case, deployment)
}

/// The namespace of the queues.
fn namespace(peer: &Peer) -> String {
    let commands = peer.sim.things().into_iter().find(|id| id.ends_with("/queues/asked-api-5-commands")).unwrap();
    commands.split("/namespaces/").nth(1).unwrap().split('/').next().unwrap().to_owned()
}

/// Another operator of the vendor's: a program of its own, with sessions of its own.
fn operator(peer: &Peer, deployment: &Deployment) -> (Manager, Handle<Function, Live>) {
    let manager = Manager::new(peer.vendor(peer.calling()), deployment.clone());
    let api = manager.find::<Function, Live>("api").unwrap();
    (manager, api)
}

/// How often something was asked of the peer since it was asked last.
fn asked_for(peer: &Peer, method: &str) -> usize {
    peer.sim.take_requests().iter().filter(|request| request.method == method).count()
}

/// Each has its own answer. Answers for others stay, are held by nobody, and are looked at a few times.
pub(crate) async fn many_commands_at_once(peer: &Peer) {
    let (case, deployment) = set_up(peer).await;
    let namespace = namespace(peer);
    for number in 0..3 {
        peer.sim.send_message(&namespace, ANSWERS, &format!("for somebody else, {number}"));
    }
    let operators = [operator(peer, &deployment), operator(peer, &deployment)];
    let asked = (0..20).map(|number: usize| {
        let (manager, api) = &operators[number % 2];
        async move { (number, manager.dispatch(api, format!("{number}").as_bytes()).await.unwrap()) }
    });
    for (number, answer) in join_all(asked).await {
        assert_eq!(answer, format!("{number}").as_bytes(), "each has its own answer");
    }
    let left = peer.sim.messages(&namespace, ANSWERS);
    assert_eq!(left, [0, 1, 2].map(|number| format!("for somebody else, {number}")), "and nobody else's");
    assert_eq!(peer.sim.messages(&namespace, &format!("{ANSWERS}/$deadletterqueue")), [""; 0]);
    let token = peer.session(&deployment, "https://servicebus.azure.net/.default").await;
    let url = format!("{}/{namespace}.servicebus.windows.net/{ANSWERS}/messages/head?timeout=0", peer.sim.url());
    for _ in 0..3 {
        let request = peer.plain().post(&url).bearer_auth(&token).header("content-length", "0");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 201, "they are not held any more");
        let broker: Value = serde_json::from_str(answer.headers()["brokerproperties"].to_str().unwrap()).unwrap();
        assert!(broker["DeliveryCount"].as_u64().unwrap() < 12, "20 commands, and each is not a look: {broker}");
    }
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}

/// What is in hand is returned, and expires in the queue.
pub(crate) async fn an_answer_that_cannot_be_deleted(peer: &Peer) {
    let (case, deployment) = set_up(peer).await;
    let (manager, api) = operator(peer, &deployment);
    for code in ["AuthorizationFailed", "ServiceUnavailable"] {
        peer.sim.faults().fail_before(DELETE, 1, code);
        let _ = peer.sim.take_requests();
        assert_eq!(manager.dispatch(&api, b"once").await.unwrap(), b"once", "{code}");
        assert_eq!(asked_for(peer, SEND), 1, "{code}");
    }
    assert_eq!(peer.sim.messages(&namespace(peer), ANSWERS), ["once", "once"]);
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}

/// Whatever becomes of its answer: only one that the queue certainly did not take is sent again.
pub(crate) async fn a_command_is_never_sent_again(peer: &Peer) {
    let (case, deployment) = set_up(peer).await;
    let (manager, api) = operator(peer, &deployment);
    manager.dispatch(&api, b"before").await.unwrap();
    for code in ["AuthorizationFailed", "ExpiredAuthenticationToken", "NotFound"] {
        peer.sim.faults().fail_before(LOCK, 1, code);
        let _ = peer.sim.take_requests();
        let error = manager.dispatch(&api, b"once").await.unwrap_err();
        assert!(error.was_sent(), "{code}: {error}");
        assert!(error.to_string().contains("the command was sent, and may run"));
        assert_eq!(asked_for(peer, SEND), 1, "{code}");
    }
    peer.sim.faults().fail_after(SEND, 1, "ServiceUnavailable");
    manager.dispatch(&api, b"perhaps").await.unwrap_err();
    assert_eq!(asked_for(peer, SEND), 1, "the queue may have taken it");
    peer.sim.faults().fail_before(SEND, 1, "TooManyRequests");
    assert_eq!(manager.dispatch(&api, b"after").await.unwrap(), b"after");
    let sent: Vec<_> = peer.sim.take_requests().into_iter().filter(|request| request.method == SEND).collect();
    assert_eq!(sent.len(), 2, "the queue did not take it");
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}

/// What fits no message is told before anything is sent; what fits is sent, and its answer fits too.
pub(crate) async fn a_command_that_is_too_large(peer: &Peer) {
    let (case, deployment) = set_up(peer).await;
    let (manager, api) = operator(peer, &deployment);
    let _ = peer.sim.take_requests();
    let sent = manager.dispatch(&api, &vec![b'x'; 255 * 1024 + 1]).await;
    let error = sent.map(|answer| answer.len()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    assert!(error.to_string().contains("it was not sent"), "{error}");
    assert_eq!(asked_for(peer, SEND), 0);
    let largest = vec![b'x'; 255 * 1024];
    assert_eq!(manager.dispatch(&api, &largest).await.unwrap(), largest);
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}
