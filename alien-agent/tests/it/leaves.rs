//! What leaves the customer's network: a closed schema, in which nothing of the stack's values, of the cloud's or of the code's is.

use std::sync::Arc;
use std::time::Duration;

use alien_agent::Policy;
use alien_core::memory::{self, Right};
use alien_core::{Artifacts, Code, Function, Kv, Profile, Release, Stack};

use crate::world::{HOST, Vendor, Way, plan};

/// A word that nothing has by itself.
const PLANTED: &str = "planted";

/// A release with a planted value wherever a stack takes one.
fn planted(code: &[u8]) -> Release {
    let mut stack = Stack::builder("shop");
    stack.frozen("orders", Kv::new());
    let function = Function::new(Code::zip(code), "api").with_commands().with_variable("SECRET", "planted-environment");
    stack.live("api", function);
    stack.profile("api", Profile::new());
    let artifacts = [Arc::from(code)].into_iter().collect::<Artifacts>();
    Release::new(stack.build().unwrap(), artifacts).unwrap()
}

/// All that an agent sends while a release succeeds, one fails, and the cloud refuses.
async fn sent(name: &str, policy: Policy) -> Vec<(String, String)> {
    let vendor = Vendor::new(name).await;
    let customer = vendor.customer("planted-prefix").await;
    let way = Way::to(vendor.router());
    let sent = Arc::clone(&way.sent);
    let agent = customer.builder(&vendor, customer.state()).policy(policy).channel(way, HOST).open().unwrap();
    let agents = [agent];
    for code in [b"planted-code".as_slice(), memory::BROKEN] {
        let published = vendor.publish(&planted(code), code).await;
        vendor.begin(&published, plan()).await;
        vendor.live(&agents, Duration::from_secs(900)).await;
    }
    // The cloud refuses, in words that name what it refuses.
    for permission in ["thing.get", "code.set"] {
        for name in vendor.account.names() {
            vendor.account.without(&Right { permission: permission.to_owned(), on: name });
        }
    }
    let published = vendor.publish(&planted(b"planted-again"), b"planted-again").await;
    vendor.begin(&published, plan()).await;
    vendor.live(&agents, Duration::from_secs(900)).await;
    let sent = sent.lock().unwrap();
    sent.iter().map(|(call, body)| (call.clone(), String::from_utf8(body.clone()).unwrap())).collect()
}

#[tokio::test(start_paused = true)]
async fn nothing_of_what_was_planted_leaves_and_every_field_is_of_the_schema() {
    let sent = sent("leaves", Policy::new()).await;
    let outcomes = ["\"done\"", "\"failed\"", "\"error\"", "\"healthy\""];
    for outcome in outcomes {
        assert!(sent.iter().any(|(_, body)| body.contains(outcome)), "{outcome} was never told, so little was tried");
    }
    for (call, body) in &sent {
        assert!(!format!("{call} {body}").contains(PLANTED), "{call} {body}");
        assert!(!body.contains("PRIVATE"), "{call} {body}");
        assert!(!body.contains("\"text\""), "{call} {body}");
    }
    let calls: std::collections::BTreeSet<&str> = sent.iter().map(|(call, _)| call.as_str()).collect();
    let known = ["GET /v1/agent/desired", "POST /v1/agent/report", "POST /v1/agent/token"];
    assert_eq!(Vec::from_iter(calls), known);
    // What is sent is read back by the forms of the protocol, which take no field that they do not have.
    for (call, body) in &sent {
        match call.as_str() {
            "POST /v1/agent/report" => drop(serde_json::from_str::<alien_release::agent::Report>(body).unwrap()),
            "POST /v1/agent/token" => drop(serde_json::from_str::<alien_release::agent::TokenRequest>(body).unwrap()),
            _ => assert_eq!(body, ""),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_clouds_own_words_leave_where_the_customer_lets_them() {
    let sent = sent("leaves-texts", Policy::new().sending_texts()).await;
    let told: Vec<_> = sent.iter().filter(|(_, body)| body.contains("\"text\"")).collect();
    assert!(!told.is_empty(), "no text was sent, so it says nothing that none is sent without leave");
    for (call, body) in &sent {
        assert!(!body.contains("planted-environment") && !body.contains("planted-code"), "{call} {body}");
    }
}
