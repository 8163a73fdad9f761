//! What is told while the library works: events of steps, records of calls, and spans.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use alien_conformance::world::{Calls, Case, World};
use alien_core::{ErrorKind, Event, Manager, Stage};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};

use crate::in_process::InProcess;
use crate::records::two;

/// The spans that were opened, each as its name and its fields in order.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<String>>>);

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0 += &format!(" {}={value:?}", field.name());
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span()
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields(span.metadata().name().to_owned());
        span.record(&mut fields);
        let mut spans = self.0.lock().unwrap();
        spans.push(fields.0);
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &tracing::Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test(start_paused = true)]
async fn a_release_and_each_attempt_of_a_call_have_a_span() {
    let world = InProcess::new();
    let first = two(b"first");
    let case = Case::new(&world, "told", first.stack().clone());
    let deployment = case.up(&first, None).await.unwrap();
    let (manager, _) = case.manager(&deployment);
    // A subscriber for one thread misses what another thread's test has asked for first, so this one is for all.
    let spans = Spans::default();
    tracing::subscriber::set_global_default(spans.clone()).unwrap();
    world.account.throttle_every(3);
    let second = two(b"second");
    manager.release(&second).await.into_result().unwrap();
    let id = deployment.id;
    let is_ours = |span: &&String| span.contains(&id.to_string());
    let spans: Vec<String> = spans.0.lock().unwrap().iter().filter(is_ours).cloned().collect();
    assert_eq!(spans[0], format!("release deployment={id} release={:?}", second.stack().digest()));
    let again = format!("call operation=\"code.set\" resource=\"two\" attempt=2 deployment={id}");
    let once = format!("call operation=\"code.set\" resource=\"one\" attempt=1 deployment={id}");
    let entered = format!("call operation=\"identity.assume\" attempt=1 deployment={id}");
    assert!(spans.contains(&once) && spans.contains(&entered), "{spans:#?}");
    assert!(spans.iter().any(|span| span.contains("attempt=2")), "{again}: {spans:#?}");
}

#[tokio::test(start_paused = true)]
async fn events_and_calls_say_of_what_when_and_how_long() {
    let world = InProcess::new();
    let first = two(b"first");
    let case = Case::new(&world, "told", first.stack().clone());
    let events = Mutex::new(Vec::<Event>::new());
    let plan = case.admin.plan(&first).await.unwrap();
    let note = |event: &Event| events.lock().unwrap().push(event.clone());
    let deployment = case.admin.apply(&plan).progress(note).await.unwrap();
    let calls = Calls::default();
    let manager = Manager::new(world.vendor(world.calling().with_recorder(calls.recorder())), deployment.clone());
    world.account.throttle_every(2);
    manager.release(&two(b"second")).progress(note).await.into_result().unwrap();
    let events = events.into_inner().unwrap();
    for event in &events {
        assert_eq!((event.deployment, event.took.is_some()), (deployment.id, event.stage.is_end()), "{event:?}");
    }
    let releases = [first.stack().digest(), two(b"second").stack().digest()].map(str::to_owned);
    assert_eq!([events[0].release.clone(), events[events.len() - 1].release.clone()], releases);
    assert!(events.windows(2).all(|pair| pair[0].at <= pair[1].at));
    let updated = events.iter().filter(|event| event.stage == Stage::Updated && event.release == releases[1]);
    assert!(updated.map(|event| event.took.unwrap()).max().unwrap() > Duration::ZERO, "{events:?}");
    let calls = calls.take();
    assert!(calls.iter().all(|call| call.deployment == deployment.id));
    let (retried, at_once): (Vec<_>, Vec<_>) = calls.iter().partition(|call| call.attempts > 1);
    assert!(!retried.is_empty() && retried.iter().all(|call| call.took > Duration::ZERO), "{calls:#?}");
    assert!(at_once.iter().all(|call| call.took == Duration::ZERO), "{calls:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_page_of_a_log_has_a_line_at_least_and_a_thousand_at_most() {
    use alien_core::adapter::{LogQuery, Purpose};
    let world = InProcess::new();
    let first = two(b"first");
    let case = Case::new(&world, "told", first.stack().clone());
    let deployment = case.up(&first, None).await.unwrap();
    let session = world.vendor(world.calling()).session(&deployment, &Purpose::Watch).await.unwrap();
    let id = "one".parse().unwrap();
    for (limit, is_good) in [(0, false), (1, true), (1000, true), (1001, false)] {
        let query = LogQuery { limit, ..LogQuery::from(jiff::Timestamp::UNIX_EPOCH) };
        match session.logs(&id, &query).await {
            Ok(_) => assert!(is_good, "{limit}"),
            Err(error) => assert_eq!((error.kind(), is_good), (ErrorKind::Input, false), "{limit}: {error}"),
        }
    }
}
