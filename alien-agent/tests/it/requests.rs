//! Commands and logs: what the customer lets through, and each command once.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use alien_agent::{Agent, Channel, Policy};
use alien_core::{CommandId, ErrorKind, Function, Live, Manager, ResourceId, Result, memory};
use async_trait::async_trait;
use http::{Request, Response};
use jiff::SignedDuration;

use crate::world::{Customer, HOST, Vendor, Way};

fn api() -> ResourceId {
    "api".parse().unwrap()
}

fn agent(vendor: &Vendor, customer: &Customer, policy: Policy, way: impl Channel + 'static) -> Agent {
    customer.builder(vendor, customer.state()).policy(policy).channel(way, HOST).open().unwrap()
}

/// Lets an agent live while something is waited for.
async fn meanwhile<T>(agent: &Agent, wait: impl Future<Output = T>) -> T {
    tokio::select! {
        () = agent.run(std::future::pending()) => panic!("it runs for ever"),
        done = wait => done,
    }
}

async fn commanded(vendor: &Vendor, customer: &Customer) -> Result<Vec<u8>> {
    vendor.fleet.dispatch(customer.id, &api(), CommandId::new(), b"hello").await
}

/// How often the function was called.
fn invoked(vendor: &Vendor) -> usize {
    vendor.account.asked().iter().filter(|asked| asked.right.permission == "code.invoke").count()
}

#[tokio::test(start_paused = true)]
async fn a_command_is_answered_where_the_customer_lets_it_and_is_refused_elsewhere() {
    let vendor = Vendor::new("commands").await;
    let customer = vendor.customer("c0").await;
    // Leave for something else is none for this.
    let others = Policy::new().answering_commands("orders".parse().unwrap()).sending_logs(api());
    for policy in [Policy::new(), others] {
        let refusing = agent(&vendor, &customer, policy, Way::to(vendor.router()));
        let error = meanwhile(&refusing, commanded(&vendor, &customer)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
        assert_eq!(invoked(&vendor), 0);
    }
    let policy = Policy::new().answering_commands(api());
    let answering = agent(&vendor, &customer, policy, Way::to(vendor.router()));
    assert_eq!(meanwhile(&answering, commanded(&vendor, &customer)).await.unwrap(), b"hello");
    assert_eq!(invoked(&vendor), 1);
}

#[tokio::test(start_paused = true)]
async fn a_log_is_sent_where_the_customer_lets_it() {
    let vendor = Vendor::new("logs").await;
    let customer = vendor.customer("c0").await;
    let policy = Policy::new().answering_commands(api());
    let others = policy.clone().sending_logs("orders".parse().unwrap());
    let refusing = agent(&vendor, &customer, others, Way::to(vendor.router()));
    meanwhile(&refusing, commanded(&vendor, &customer)).await.unwrap();
    let error = meanwhile(&refusing, vendor.fleet.logs(customer.id, &api(), None, 10)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    drop(refusing);
    let sending = agent(&vendor, &customer, policy.sending_logs(api()), Way::to(vendor.router()));
    let lines = meanwhile(&sending, vendor.fleet.logs(customer.id, &api(), None, 10)).await.unwrap();
    assert_eq!(lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["command hello"]);
}

#[tokio::test(start_paused = true)]
async fn of_a_long_log_no_more_is_read_and_sent_than_a_manager_keeps() {
    let vendor = Vendor::new("long-log").await;
    let customer = vendor.customer("c0").await;
    let manager = Manager::new(memory::agent(&customer.config), customer.record.clone());
    let function = manager.find::<Function, Live>("api").unwrap();
    for _ in 0..60 {
        manager.dispatch(&function, &[b'x'; 30 << 10]).await.unwrap();
    }
    let way = Way::to(vendor.router());
    let sending = agent(&vendor, &customer, Policy::new().sending_logs(api()), way.clone());
    let lines = meanwhile(&sending, vendor.fleet.logs(customer.id, &api(), None, 10_000)).await.unwrap();
    let bytes: usize = lines.iter().map(|line| line.text.len()).sum();
    assert!((1 << 20..(1 << 20) + (31 << 10)).contains(&bytes), "{bytes}");
    let sent = way.sent.lock().unwrap();
    let pages = sent.iter().filter(|(call, _)| call.contains("/logs/"));
    let pages: Vec<serde_json::Value> = pages.map(|(_, body)| serde_json::from_slice(body).unwrap()).collect();
    assert_eq!(pages.iter().map(|page| page["lines"].as_array().unwrap().len()).sum::<usize>(), lines.len());
    let more: Vec<bool> = pages.iter().map(|page| page["more"] == true).collect();
    assert!(more.len() > 5 && more.iter().rev().skip(1).all(|more| *more) && !more[more.len() - 1], "{more:?}");
}

/// A manager that gives the same command again and again, also after a start.
#[derive(Debug, Clone)]
struct Again {
    way: Way,
    id: CommandId,
    /// Whether it says to come again in an hour, whatever is answered.
    is_busy: bool,
}

#[async_trait]
impl Channel for Again {
    async fn exchange(&self, request: Request<Vec<u8>>, most: usize) -> Result<Response<Vec<u8>>> {
        let path = request.uri().path().to_owned();
        if path == "/v1/agent/desired" {
            self.way.calls.fetch_add(1, Ordering::SeqCst);
            let desired = serde_json::json!({"version": 1, "commands": [
                {"id": self.id, "function": "api", "deadline": "2030-01-01T00:00:00Z"}
            ]});
            return Ok(Response::new(desired.to_string().into_bytes()));
        }
        if path.starts_with("/v1/agent/commands/") {
            if self.is_busy {
                let busy = Response::builder().status(503).header("retry-after", "3600");
                return Ok(busy.body(Vec::new()).unwrap());
            }
            let is_take = String::from_utf8_lossy(request.body()).contains("\"take\"");
            let mut answer = Response::new(if is_take { b"hello".to_vec() } else { Vec::new() });
            *answer.status_mut() = if is_take { http::StatusCode::OK } else { http::StatusCode::NO_CONTENT };
            return Ok(answer);
        }
        self.way.exchange(request, most).await
    }
}

#[tokio::test(start_paused = true)]
async fn who_stops_an_agent_does_not_wait_for_a_manager_that_is_busy() {
    let vendor = Vendor::new("busy").await;
    let customer = vendor.customer("c0").await;
    let way = Again { way: Way::to(vendor.router()), id: CommandId::new(), is_busy: true };
    // The policy lets no command: it is refused.
    let refusing = agent(&vendor, &customer, Policy::new(), way.clone());
    let began = vendor.clock.now();
    refusing.run(vendor.clock.sleep(Duration::from_secs(120))).await;
    let took = vendor.clock.now().duration_since(began);
    assert!(took >= SignedDuration::from_secs(120) && took < SignedDuration::from_secs(130), "{took:?}");
    assert!(way.way.calls.load(Ordering::SeqCst) > 0, "it was asked for");
}

#[tokio::test(start_paused = true)]
async fn a_command_is_carried_out_once_however_often_it_is_given() {
    let vendor = Vendor::new("once").await;
    let customer = vendor.customer("c0").await;
    let way = Again { way: Way::to(vendor.router()), id: CommandId::new(), is_busy: false };
    let calls = Arc::clone(&way.way.calls);
    for _ in 0..2 {
        let policy = Policy::new().answering_commands(api());
        let agent = agent(&vendor, &customer, policy, way.clone());
        meanwhile(&agent, tokio::time::sleep(Duration::from_secs(600))).await;
    }
    assert!(calls.load(Ordering::SeqCst) > 10);
    assert_eq!(invoked(&vendor), 1);
}

/// A manager that gives one command, and takes some time to give its bytes.
#[derive(Debug, Clone)]
struct Slow {
    way: Way,
    asked: String,
    takes: Duration,
}

#[async_trait]
impl Channel for Slow {
    async fn exchange(&self, request: Request<Vec<u8>>, most: usize) -> Result<Response<Vec<u8>>> {
        let path = request.uri().path().to_owned();
        if path == "/v1/agent/desired" {
            return Ok(Response::new(self.asked.clone().into_bytes()));
        }
        if !path.starts_with("/v1/agent/commands/") {
            return self.way.exchange(request, most).await;
        }
        self.way.sent.lock().unwrap().push((path, request.body().clone()));
        if String::from_utf8_lossy(request.body()).contains("\"take\"") {
            tokio::time::sleep(self.takes).await;
            return Ok(Response::new(b"hello".to_vec()));
        }
        Ok(Response::builder().status(http::StatusCode::NO_CONTENT).body(Vec::new()).unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_whose_deadline_has_passed_is_not_carried_out_and_that_is_told() {
    let vendor = Vendor::new("late").await;
    let customer = vendor.customer("c0").await;
    // What is said to a command with this deadline whose bytes take so long to come, and how often the function was called.
    let said = async |deadline: SignedDuration, takes: Duration| {
        let before = invoked(&vendor);
        let deadline = vendor.clock.now() + deadline;
        let desired = serde_json::json!({"version": 1, "commands": [
            {"id": CommandId::new(), "function": "api", "deadline": deadline}
        ]});
        let way = Slow { way: Way::to(vendor.router()), asked: desired.to_string(), takes };
        let sent = Arc::clone(&way.way.sent);
        let agent = agent(&vendor, &customer, Policy::new().answering_commands(api()), way);
        meanwhile(&agent, tokio::time::sleep(Duration::from_secs(300))).await;
        let sent = sent.lock().unwrap();
        let replies = sent.iter().filter(|(call, _)| call.starts_with("/v1/agent/commands/"));
        let replies: Vec<String> = replies
            .map(|(_, body)| serde_json::from_slice::<serde_json::Value>(body).unwrap()["reply"].to_string())
            .collect();
        (replies, invoked(&vendor) - before)
    };
    let (minutes, second) = (SignedDuration::from_mins(2), Duration::from_secs(1));
    let replies = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
    assert_eq!(said(minutes, second).await, (replies(&["\"take\"", r#"{"answer":"aGVsbG8="}"#]), 1));
    // It passes while the bytes come: somebody may still want to know why there is no answer.
    let reply = replies(&["\"take\"", r#"{"failed":"timed-out"}"#]);
    // The first poll is within 30 seconds of the start.
    assert_eq!(said(SignedDuration::from_secs(31), Duration::from_secs(35)).await, (reply, 0));
    // It has passed before: nothing is taken.
    assert_eq!(said(-minutes, second).await, (Vec::new(), 0));
}
