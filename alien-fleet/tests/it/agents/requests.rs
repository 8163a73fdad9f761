//! Commands and logs of deployments that pull: asked at the next poll, answered by the agent, once.

use std::time::Duration;

use alien_core::{CommandId, DeploymentId, ErrorKind, LogLine, ResourceId};
use alien_fleet::store::{Store as _, Table};
use alien_fleet::{Fleet, What};
use alien_release::agent::{CommandReply, LogPage, Replied, Signed};

use super::Pulling;
use super::agent::Agent;
use crate::rollouts::log;

fn api() -> ResourceId {
    "api".parse().unwrap()
}

fn dispatch(
    fleet: &Fleet,
    id: DeploymentId,
    command: CommandId,
) -> impl Future<Output = alien_core::Result<Vec<u8>>> + use<> {
    let fleet = fleet.clone();
    async move { fleet.dispatch(id, &api(), command, b"ping").await }
}

async fn replies(
    pulling: &Pulling,
    agent: &Agent,
    id: CommandId,
    reply: Replied,
) -> alien_core::Result<Option<Vec<u8>>> {
    let counter = agent.report().counter;
    let bearer = agent.bearer().await.unwrap();
    let reply = CommandReply::new(agent.id, counter, id, reply);
    pulling.agents.reply(&bearer, id, &Signed::of(&reply, &agent.key).unwrap()).await
}

async fn asked(agent: &Agent) -> Vec<CommandId> {
    agent.poll().await.unwrap().commands.into_iter().map(|command| command.id).collect()
}

/// What the store has of requests.
async fn kept(pulling: &Pulling) -> String {
    let found = pulling.store.list(Table::Request, "", None, 10).await.unwrap();
    found.into_iter().map(|(_, document)| document.text).collect()
}

#[tokio::test(start_paused = true)]
async fn a_command_is_taken_once_and_its_answer_is_read_once() {
    let pulling = Pulling::new(0, 1).await;
    let agent = &pulling.all[0];
    assert!(asked(agent).await.is_empty());
    let id = CommandId::new();
    let sent = tokio::spawn(dispatch(&pulling.world.fleet, agent.id, id));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(asked(agent).await, [id]);
    assert_eq!(replies(&pulling, agent, id, Replied::Take).await.unwrap().as_deref(), Some(&b"ping"[..]));
    assert!(asked(agent).await.is_empty(), "it is shown to nobody any more");
    let again = replies(&pulling, agent, id, Replied::Take).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Conflict, "{again}");
    replies(&pulling, agent, id, Replied::Answer(b"the-answer".to_vec())).await.unwrap();
    assert_eq!(sent.await.unwrap().unwrap(), b"the-answer");
    // Neither the command nor its answer stays, and it is never sent again.
    let kept = kept(&pulling).await;
    assert!(kept.contains("read") && !kept.contains("dGhlLWFuc3dlcg") && !kept.contains("cGluZw"), "{kept}");
    let again = dispatch(&pulling.world.fleet, agent.id, id).await.unwrap_err();
    assert!(again.kind() == ErrorKind::Conflict && again.was_sent(), "{again}");
    assert!(asked(agent).await.is_empty());
    let told: Vec<String> = log(&pulling.world)
        .await
        .into_iter()
        .filter_map(|entry| match entry.what {
            What::Used { operation, .. } => Some(operation),
            _ => None,
        })
        .collect();
    assert_eq!(told, ["dispatch", "dispatch: taken"]);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_nobody_takes_was_not_sent_and_one_that_nobody_answers_may_have_been() {
    let pulling = Pulling::new(0, 1).await;
    let agent = &pulling.all[0];
    let began = pulling.world.clock.now();
    let told = dispatch(&pulling.world.fleet, agent.id, CommandId::new()).await.unwrap_err();
    assert!(told.kind() == ErrorKind::TimedOut && !told.was_sent(), "{told}");
    assert_eq!(pulling.world.clock.now().duration_since(began).as_mins(), 15);
    let id = CommandId::new();
    let sent = tokio::spawn(dispatch(&pulling.world.fleet, agent.id, id));
    tokio::time::sleep(Duration::from_secs(1)).await;
    replies(&pulling, agent, id, Replied::Take).await.unwrap();
    let told = sent.await.unwrap().unwrap_err();
    assert!(told.kind() == ErrorKind::TimedOut && told.was_sent(), "{told}");
    let late = replies(&pulling, agent, id, Replied::Answer(b"late".to_vec())).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Conflict);
    // An hour later nothing is known of them.
    tokio::time::sleep(Duration::from_secs(3700)).await;
    assert_eq!(kept(&pulling).await, "");
}

#[tokio::test(start_paused = true)]
async fn what_the_customer_does_not_let_through_was_not_sent() {
    let pulling = Pulling::new(0, 1).await;
    let agent = &pulling.all[0];
    let id = CommandId::new();
    let sent = tokio::spawn(dispatch(&pulling.world.fleet, agent.id, id));
    tokio::time::sleep(Duration::from_secs(1)).await;
    replies(&pulling, agent, id, Replied::Refused).await.unwrap();
    let told = sent.await.unwrap().unwrap_err();
    assert!(told.kind() == ErrorKind::Denied && !told.was_sent(), "{told}");
    let id = CommandId::new();
    let sent = tokio::spawn(dispatch(&pulling.world.fleet, agent.id, id));
    tokio::time::sleep(Duration::from_secs(1)).await;
    replies(&pulling, agent, id, Replied::Take).await.unwrap();
    replies(&pulling, agent, id, Replied::Failed(ErrorKind::Failed)).await.unwrap();
    let told = sent.await.unwrap().unwrap_err();
    assert!(told.kind() == ErrorKind::Failed && told.was_sent(), "{told}");
}

#[tokio::test(start_paused = true)]
async fn an_agent_answers_for_its_own_deployment_alone() {
    let pulling = Pulling::new(0, 2).await;
    let [one, two] = &pulling.all[..] else { panic!() };
    let id = CommandId::new();
    let sent = tokio::spawn(dispatch(&pulling.world.fleet, one.id, id));
    tokio::time::sleep(Duration::from_secs(1)).await;
    for reply in [Replied::Take, Replied::Refused, Replied::Answer(b"forged".to_vec())] {
        assert_eq!(replies(&pulling, two, id, reply).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert_eq!(asked(one).await, [id]);
    assert!(asked(two).await.is_empty());
    sent.abort();
}

#[tokio::test(start_paused = true)]
async fn a_command_that_is_no_command_is_not_sent() {
    let pulling = Pulling::new(0, 1).await;
    let (fleet, id) = (&pulling.world.fleet, pulling.all[0].id);
    let large = vec![0; (256 << 10) + 1];
    let told = fleet.dispatch(id, &api(), CommandId::new(), &large).await.unwrap_err();
    assert_eq!(told.kind(), ErrorKind::TooLarge);
    for resource in ["orders", "nothing"] {
        let told = fleet.dispatch(id, &resource.parse().unwrap(), CommandId::new(), b"ping").await.unwrap_err();
        assert_eq!(told.kind(), ErrorKind::Input, "{told}");
    }
    assert_eq!(kept(&pulling).await, "");
    let mut sent: Vec<_> = (0..32).map(|_| tokio::spawn(dispatch(fleet, id, CommandId::new()))).collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let told = dispatch(fleet, id, CommandId::new()).await.unwrap_err();
    assert_eq!(told.kind(), ErrorKind::Throttled, "{told}");
    let shown = asked(&pulling.all[0]).await;
    assert!((5..32).contains(&shown.len()), "the first of them are shown: {}", shown.len());
    sent.drain(..).for_each(|sent| sent.abort());
}

#[tokio::test(start_paused = true)]
async fn a_log_comes_page_by_page_and_may_begin_anew() {
    let pulling = Pulling::new(0, 1).await;
    let agent = &pulling.all[0];
    let fleet = pulling.world.fleet.clone();
    let id = agent.id;
    let read = tokio::spawn(async move { fleet.logs(id, &api(), None, 3).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let asked = agent.poll().await.unwrap().logs;
    assert_eq!((asked.len(), asked[0].limit), (1, 3));
    let request = asked[0].id;
    let send = async |page: u32, texts: &[&str], more: bool| {
        let at = pulling.world.clock.now();
        let lines = texts.iter().map(|text| LogLine { at, text: (*text).to_owned() }).collect();
        let page = LogPage::new(agent.id, agent.report().counter, request, page).with_lines(lines);
        let page = if more { page.and_more() } else { page };
        let bearer = agent.bearer().await.unwrap();
        pulling.agents.log_page(&bearer, request, &Signed::of(&page, &agent.key).unwrap()).await
    };
    send(0, &["lost"], true).await.unwrap();
    assert!(agent.poll().await.unwrap().logs.is_empty());
    assert_eq!(send(2, &["x"], true).await.unwrap_err().kind(), ErrorKind::Conflict);
    send(0, &["one"], true).await.unwrap();
    send(1, &["two", "three", "four"], true).await.unwrap();
    assert_eq!(send(2, &["five"], false).await.unwrap_err().kind(), ErrorKind::Conflict);
    let texts: Vec<String> = read.await.unwrap().unwrap().into_iter().map(|line| line.text).collect();
    assert_eq!(texts, ["one", "two", "three"]);
    assert!(!kept(&pulling).await.contains("three"));
}
