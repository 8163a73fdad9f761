//! What is refused, each for its reason.

use std::time::Duration;

use alien_core::{AgentVersion, DeploymentId, ErrorKind};
use alien_release::SigningKey;
use alien_release::agent::{Bearer, Report, Signed, State, TokenRequest};
use jiff::SignedDuration;

use super::{HOST, Pulling};

fn request(pulling: &Pulling, id: DeploymentId, ahead: i64, host: &str) -> TokenRequest {
    let time = pulling.world.clock.now() + SignedDuration::from_secs(ahead);
    TokenRequest::new(id, time, host).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_request_for_a_token_is_refused_by_its_reason() {
    let pulling = Pulling::new(1, 2).await;
    let [one, two] = &pulling.all[..] else { panic!() };
    let thief = SigningKey::generate().unwrap();
    let asks = [
        (request(&pulling, one.id, 0, HOST), &thief, "no agent of deployment"),
        (request(&pulling, one.id, 0, HOST), &two.key, "no agent of deployment"),
        (request(&pulling, DeploymentId::new(), 0, HOST), &thief, "no agent of deployment"),
        // One that is pushed to has no agent.
        (request(&pulling, pulling.world.ids[0], 0, HOST), &thief, "no agent of deployment"),
        (request(&pulling, one.id, 0, "another.example"), &one.key, "for `another.example`, which is not this manager"),
        (request(&pulling, one.id, -301, HOST), &one.key, "was made -301 seconds from now"),
        (request(&pulling, one.id, 301, HOST), &one.key, "was made 301 seconds from now"),
    ];
    for (request, key, why) in asks {
        let told = pulling.agents.token(&Signed::of(&request, key).unwrap()).await.unwrap_err();
        assert_eq!(told.kind(), ErrorKind::Credentials, "{told}");
        assert!(told.to_string().contains(why), "{why}: {told}");
    }
    for ahead in [-299, 0, 299] {
        let signed = Signed::of(&request(&pulling, one.id, ahead, HOST), &one.key).unwrap();
        pulling.agents.token(&signed).await.unwrap();
        let told = pulling.agents.token(&signed).await.unwrap_err();
        assert!(told.to_string().contains("taken before"), "{told}");
        // Nor by another manager.
        let other = super::answering(&pulling.program(std::sync::Arc::clone(&pulling.store)).await).await;
        assert!(other.token(&signed).await.unwrap_err().to_string().contains("taken before"));
    }
    let mut altered = Signed::of(&request(&pulling, one.id, 0, HOST), &one.key).unwrap().body().to_vec();
    let signature = Signed::of(&request(&pulling, one.id, 1, HOST), &one.key).unwrap().signature().clone();
    let told = pulling.agents.token(&Signed::new(altered.clone(), signature.clone())).await.unwrap_err();
    assert_eq!(told.kind(), ErrorKind::Credentials);
    altered.clear();
    assert_eq!(pulling.agents.token(&Signed::new(altered, signature)).await.unwrap_err().kind(), ErrorKind::Input);
    // Nobody fills the store with them.
    let mut refused = None;
    for _ in 0..20 {
        let signed = Signed::of(&request(&pulling, two.id, 0, HOST), &two.key).unwrap();
        refused = pulling.agents.token(&signed).await.err();
    }
    assert_eq!(refused.unwrap().kind(), ErrorKind::Throttled);
}

#[tokio::test(start_paused = true)]
async fn a_bearer_reads_what_one_deployment_should_run_for_an_hour_and_reports_nothing() {
    let pulling = Pulling::new(0, 2).await;
    let [one, two] = &pulling.all[..] else { panic!() };
    let bearer = one.token().await.unwrap();
    assert!(bearer.reveal().len() <= 56, "{} characters", bearer.reveal().len());
    pulling.agents.desired(&bearer, None).await.unwrap();
    // Whoever stole it has no key to sign with.
    let thief = SigningKey::generate().unwrap();
    for (id, key) in [(one.id, &thief), (two.id, &two.key), (one.id, &two.key)] {
        let report = Report::new(id, 100, AgentVersion::new(1, 0, 0));
        let told = pulling.agents.report(&bearer, &Signed::of(&report, key).unwrap()).await.unwrap_err();
        assert_eq!(told.kind(), ErrorKind::Credentials, "{told}");
    }
    // The agent's own report with the bearer of another one.
    let other = two.token().await.unwrap();
    let told = pulling.agents.report(&other, &one.signed(&one.report())).await.unwrap_err();
    assert_eq!(told.kind(), ErrorKind::Credentials);
    // Each character matters.
    for position in 0..bearer.reveal().len() {
        let mut text = bearer.reveal().to_owned().into_bytes();
        text[position] = if text[position] == b'A' { b'B' } else { b'A' };
        let altered: Bearer = String::from_utf8(text).unwrap().parse().unwrap();
        let told = pulling.agents.desired(&altered, None).await.unwrap_err();
        assert_eq!(told.kind(), ErrorKind::Credentials, "character {position}: {told}");
    }
    tokio::time::sleep(Duration::from_secs(3599)).await;
    pulling.agents.desired(&bearer, None).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let told = pulling.agents.desired(&bearer, None).await.unwrap_err();
    assert!(told.to_string().contains("has expired"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn bearers_outlive_the_turn_of_the_key_that_made_them_and_no_key_lives_on() {
    let pulling = Pulling::new(0, 1).await;
    let agent = &pulling.all[0];
    tokio::time::sleep(Duration::from_secs(24 * 3600 - 60)).await;
    let old = agent.token().await.unwrap();
    tokio::time::sleep(Duration::from_secs(120)).await;
    // Another manager makes the next key, and this one takes it.
    let other = super::answering(&pulling.program(std::sync::Arc::clone(&pulling.store)).await).await;
    let new = other.token(&agent.signed_request()).await.unwrap().bearer;
    for bearer in [&old, &new] {
        pulling.agents.desired(bearer, None).await.unwrap();
        other.desired(bearer, None).await.unwrap();
    }
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_secs(25 * 3600)).await;
        agent.token().await.unwrap();
    }
    let told = pulling.agents.desired(&old, None).await.unwrap_err();
    assert!(told.to_string().contains("a key that is not used any more"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_report_that_was_taken_that_is_late_or_that_was_altered_is_refused() {
    let pulling = Pulling::new(0, 1).await;
    let agent = &pulling.all[0];
    let bearer = agent.token().await.unwrap();
    let reports: Vec<_> = (0..3).map(|_| agent.signed(&agent.report())).collect();
    pulling.agents.report(&bearer, &reports[1]).await.unwrap();
    let refused = async |signed: &Signed<Report>| pulling.agents.report(&bearer, signed).await.unwrap_err();
    let again = refused(&reports[1]).await;
    assert_eq!(again.kind(), ErrorKind::Conflict);
    assert!(again.to_string().contains("it was taken before: its counter is 2"), "{again}");
    let late = refused(&reports[0]).await;
    assert!(late.to_string().contains("it is late: its counter is 1, and that of the last message was 2"), "{late}");
    let mut body = reports[2].body().to_vec();
    let digit = body.windows(12).position(|part| part.starts_with(b"\"counter\":3")).unwrap() + 10;
    body[digit] = b'9';
    let altered = refused(&Signed::new(body, reports[2].signature().clone())).await;
    assert_eq!(altered.kind(), ErrorKind::Credentials, "{altered}");
    pulling.agents.report(&bearer, &reports[2]).await.unwrap();
    // Whoever lost its counter is told it with the next token.
    agent.state.lock().unwrap().counter = 0;
    agent.token().await.unwrap();
    assert_eq!(agent.state.lock().unwrap().counter, 3);
}

#[tokio::test(start_paused = true)]
async fn an_agent_whose_key_was_replaced_is_refused_at_once() {
    let pulling = Pulling::new(0, 1).await;
    let agent = &pulling.all[0];
    let other = super::answering(&pulling.program(std::sync::Arc::clone(&pulling.store)).await).await;
    agent.tell(State::Idle).await.unwrap();
    let bearer = agent.bearer().await.unwrap();
    for agents in [&pulling.agents, &other] {
        agents.desired(&bearer, None).await.unwrap();
    }
    let (_, record) = pulling.world.fleet.deployment(agent.id).await.unwrap();
    let alien_core::Delivery::Pull { manager, root } = record.delivery.clone() else { panic!() };
    let invitation =
        alien_core::Invitation::pull::<alien_core::memory::Memory>(agent.id, manager, root, record.stack.clone());
    let key = SigningKey::generate().unwrap();
    pulling.world.fleet.register_agent(&invitation.unwrap(), &record, key.public()).await.unwrap();
    let told = pulling.agents.report(&bearer, &agent.signed(&agent.report())).await.unwrap_err();
    assert!(told.to_string().contains("another key was registered"), "{told}");
    assert_eq!(pulling.agents.token(&agent.signed_request()).await.unwrap_err().kind(), ErrorKind::Credentials);
    tokio::time::sleep(Duration::from_millis(500)).await;
    for agents in [&pulling.agents, &other] {
        let told = agents.desired(&bearer, None).await.unwrap_err();
        assert!(told.to_string().contains("another key was registered"), "{told}");
    }
    // The new one begins to count anew.
    let report = Report::new(agent.id, 1, AgentVersion::new(1, 0, 0));
    let request = Signed::of(&request(&pulling, agent.id, 0, HOST), &key).unwrap();
    let token = pulling.agents.token(&request).await.unwrap();
    assert_eq!(token.counter, 0);
    pulling.agents.report(&token.bearer, &Signed::of(&report, &key).unwrap()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn neither_debug_of_a_fleet_nor_of_its_agents_shows_a_key() {
    let pulling = Pulling::new(0, 1).await;
    pulling.all[0].token().await.unwrap();
    let key = alien_fleet::store::Key::new(alien_fleet::store::Table::Agent, "managers", "bearers");
    let kept = alien_fleet::store::Store::read(&*pulling.store, &[key]).await.unwrap();
    let text = kept[0].clone().unwrap().text;
    let secret = text.split("\"secret\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(secret.len(), 43);
    for shown in [format!("{:?}", pulling.world.fleet), format!("{:?}", pulling.agents), format!("{:?}", pulling.store)]
    {
        assert!(!shown.contains(&secret), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn agents_are_answered_under_a_host() {
    let pulling = Pulling::new(0, 0).await;
    let told = pulling.world.fleet.agents().open().await.unwrap_err();
    assert_eq!(told.kind(), ErrorKind::Input);
}
