//! Sessions: how long each is kept, when it is replaced, and what is told where none is to be had.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alien_conformance::world::{Calls, Case, World};
use alien_core::adapter::{Assume, AssumeRequest, AssumedSession, Impersonator, Proof, Purpose};
use alien_core::memory::{Clients, Memory};
use alien_core::{Deployment, Error, ErrorKind, Impersonate, Invitation, Result, Stack};
use async_trait::async_trait;

use crate::in_process::InProcess;
use crate::records::two;

/// A way in that fails in this order.
#[derive(Debug, Clone, Default)]
struct Fails(Arc<Mutex<VecDeque<ErrorKind>>>);

#[async_trait]
impl Assume<Memory> for Fails {
    type Clients = Clients;

    fn operation(&self) -> &'static str {
        "identity.assume"
    }

    fn wrong_proofs(&self) -> &'static [Proof] {
        &[]
    }

    async fn assume(&self, _: &AssumeRequest<Memory>) -> Result<AssumedSession<Clients>> {
        let kind = self.0.lock().unwrap().pop_front().unwrap();
        Err(Error::new(kind, "it fails"))
    }
}

async fn deployed(world: &InProcess) -> (Case<'_, InProcess>, Deployment) {
    let first = two(b"first");
    let case = Case::new(world, "two", first.stack().clone());
    let deployment = case.up(&first, None).await.unwrap();
    (case, deployment)
}

/// What has expired before a session is opened are the vendor's own credentials. What passes is waited out.
#[tokio::test(start_paused = true)]
async fn why_the_vendor_does_not_get_in_is_told() {
    let world = InProcess::new();
    let (_, deployment) = deployed(&world).await;
    for (fails, told, attempts) in [
        (vec![ErrorKind::Expired], ErrorKind::Credentials, 1),
        (vec![ErrorKind::Denied], ErrorKind::Revoked, 1),
        (vec![ErrorKind::Input], ErrorKind::Input, 1),
        (vec![ErrorKind::Throttled, ErrorKind::Unavailable, ErrorKind::Denied], ErrorKind::Revoked, 3),
    ] {
        let calls = Calls::default();
        let way = Fails(Arc::new(Mutex::new(fails.into())));
        let vendor = Impersonator::<Memory, _>::new(way, world.calling().with_recorder(calls.recorder()));
        let error = vendor.session(&deployment, &Purpose::Watch).await.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (told, Some("identity.assume")), "{error}");
        let calls = calls.take();
        assert_eq!((calls.len(), calls[0].attempts), (1, attempts));
    }
}

/// A session is kept while it lasts, also when those that have ended are dropped, and renewed five minutes before its end.
#[tokio::test(start_paused = true)]
async fn a_session_is_kept_until_shortly_before_its_end() {
    let world = InProcess::new();
    let (_, deployment) = deployed(&world).await;
    let vendor = world.vendor(world.calling());
    let opened = vendor.clock().now();
    let first = vendor.session(&deployment, &Purpose::Watch).await.unwrap();
    assert_eq!(first.expires(), opened + Duration::from_secs(3600));
    let watch = async || vendor.session(&deployment, &Purpose::Watch).await.unwrap().serial();
    // Whoever asks for another session has what is over dropped, and nothing else.
    for _ in 0..5 {
        tokio::time::advance(Duration::from_secs(61)).await;
        let update = Purpose::Update(deployment.resources.keys().cloned().collect());
        vendor.session(&deployment, &update).await.unwrap();
        assert_eq!(watch().await, first.serial());
    }
    tokio::time::advance(Duration::from_secs(3299 - 5 * 61)).await;
    assert_eq!(watch().await, first.serial());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_ne!(watch().await, first.serial());
}

/// Of many who were refused in one session, one opens another; and no more than one in half a minute is opened.
#[tokio::test(start_paused = true)]
async fn a_refused_session_is_replaced_once_in_half_a_minute() {
    let world = InProcess::new();
    let (_, deployment) = deployed(&world).await;
    let vendor = world.vendor(world.calling());
    let replace = async |stale: u64| vendor.replace(&deployment, &Purpose::Watch, stale).await.unwrap().serial();
    let first = vendor.session(&deployment, &Purpose::Watch).await.unwrap().serial();
    let second = replace(first).await;
    assert_ne!(second, first);
    assert_eq!(replace(first).await, second, "another has replaced it");
    assert_eq!(replace(second).await, second, "it was only just opened");
    tokio::time::advance(Duration::from_secs(29)).await;
    assert_eq!(replace(second).await, second);
    tokio::time::advance(Duration::from_secs(1)).await;
    let third = replace(second).await;
    assert_ne!(third, second);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(replace(second).await, third, "the one that was refused is open no more");
}

/// A record of another product or of another stack is told as what it is, with what to do.
#[tokio::test(start_paused = true)]
async fn a_record_that_does_not_fit_its_invitation_says_in_what() {
    let world = InProcess::new();
    let (case, deployment) = deployed(&world).await;
    let told = |stack: Stack| {
        let invitation = Invitation::new(case.invitation.id, &case.target, stack).unwrap();
        let differences = invitation.differences(&deployment);
        differences.iter().map(|problem| format!("{}; {}", problem.what, problem.help)).collect::<Vec<_>>()
    };
    assert_eq!(told(deployment.stack.clone()), [""; 0]);
    let help = "ask the customer to set up with the invitation as it is";
    let mut other = Stack::builder("other");
    other.live("jobs", alien_core::Queue::new());
    let other = told(other.build().unwrap());
    assert_eq!(other[0], format!("the invitation says the product `other`, the record says `two`; {help}"));
    assert!(other[1..].iter().all(|told| told.starts_with("the record's stack is another than the invitation's: ")));
    assert!(other.len() > 3 && other.iter().all(|told| told.ends_with(help)), "{other:#?}");
    let record = world.vendor(world.calling()).register(&case.invitation, &deployment).await;
    record.unwrap();
}
