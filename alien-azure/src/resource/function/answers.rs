//! Waits for the answers of commands.
//!
//! All answers of a function wait in one queue, from which the vendor may receive and nothing else. The REST API neither
//! peeks nor receives by session (<https://learn.microsoft.com/rest/api/servicebus/rest-dotnet-client-support>), so
//! whoever looks at an answer locks it, and that counts as a delivery. Therefore:
//! * Those who share a session share one look: the waiter whose turn it is looks for all of them.
//! * A look takes no longer than to pass the answers that wait. It gives back what it does not know at once.
//! * After a look that met answers of others comes a pause without any lock, in which the others find theirs. It also
//!   bounds how often an answer that nobody fetches is delivered before it expires.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use alien_core::{Error, ErrorKind, Result};
use azure_core::http::Method;
use futures_util::future::{Either, join_all, select};
use serde::Deserialize;
use uuid::Uuid;

use super::super::queue;
use crate::client::desk::{Desk, Place};
use crate::client::{Answer, Context};
use crate::operations as op;
use crate::operations::Scope;

/// How long the first poll of a look waits for an answer, in seconds. Nothing is locked meanwhile.
const LOOK: u64 = 20;

/// The pause after a look that met nothing.
const PAUSE: Duration = Duration::from_millis(200);

/// The longest pause after looks that met answers of others. An answer lives for five minutes, so whoever waits all that
/// time delivers it 300 times at most, of the 2,000 that its queue allows.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The broker properties of a message. <https://learn.microsoft.com/rest/api/servicebus/message-headers-and-properties>
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Broker {
    #[serde(default)]
    correlation_id: String,
    sequence_number: u64,
    lock_token: Uuid,
}

/// Begins to wait for the answer to a command: before the command is sent, so that nobody takes the answer for a
/// stranger's.
pub(super) fn enter(cx: Context<'_>, id: &str) -> Result<Place> {
    Ok(cx.clients.desks.of(cx.full_name(Scope::AnswerQueue)?).enter(id.to_owned()))
}

/// Waits for the answer.
///
/// # Errors
///
/// [`ErrorKind::TimedOut`] if none came in time; errors of the calls. Each says that the command was sent.
pub(super) async fn wait(cx: Context<'_>, place: Place, patience: Duration) -> Result<Vec<u8>> {
    let answer = receive(cx, place, patience).await;
    answer.map_err(|error| error.because("the command was sent, and may run").with_sent())
}

async fn receive(cx: Context<'_>, mut place: Place, patience: Duration) -> Result<Vec<u8>> {
    let clock = cx.gate.clock();
    let start = clock.now();
    let late = || Error::new(ErrorKind::TimedOut, format!("no answer came within {} seconds", patience.as_secs()));
    let desk = Arc::clone(&place.desk);
    let turn = pin!(desk.turn.lock());
    let _turn = match select(&mut place.answer, select(turn, clock.sleep(patience))).await {
        Either::Left((answer, _)) => return answer.map_err(|_| late()),
        Either::Right((Either::Left((turn, _)), _)) => turn,
        Either::Right((Either::Right(_), _)) => return Err(late()),
    };
    let mut pause = PAUSE;
    loop {
        if let Ok(answer) = place.answer.try_recv() {
            return Ok(answer);
        }
        let left = patience.saturating_sub(Duration::try_from(clock.now().duration_since(start)).unwrap_or_default());
        if left.is_zero() {
            return Err(late());
        }
        let met_others = look(cx, &desk, LOOK.min(left.as_secs())).await?;
        if let Ok(answer) = place.answer.try_recv() {
            return Ok(answer);
        }
        pause = if met_others { (pause * 2).min(LONGEST_PAUSE) } else { PAUSE };
        clock.sleep(jittered(pause)).await;
    }
}

/// Between half of a pause and all of it, so that two who look do not meet again and again.
fn jittered(pause: Duration) -> Duration {
    let [chance, ..] = Uuid::new_v4().into_bytes();
    pause / 2 + pause / 2 * u32::from(chance) / 255
}

/// Looks through the answers that wait, hands each to its waiter, and gives back those of others. Returns whether there
/// were any. <https://learn.microsoft.com/rest/api/servicebus/peek-lock-message-non-destructive-read>
async fn look(cx: Context<'_>, desk: &Desk, wait: u64) -> Result<bool> {
    let (mut own, mut others) = (Vec::new(), Vec::new());
    let looked = pass(cx, desk, wait, &mut own, &mut others).await;
    // A lock ends by itself. An answer that is not deleted expires in its queue.
    let settle = async |method: Method, path: String| {
        let _ = cx.call_once(&[op::RECEIVE_ANSWER], || async { bus(cx, method, &path).await }).await;
    };
    let met_others = !others.is_empty();
    join_all(others.into_iter().map(|lock| settle(Method::Put, lock))).await;
    join_all(own.into_iter().map(|lock| settle(Method::Delete, lock))).await;
    looked.map(|()| met_others)
}

/// Locks one answer after another until there are no more, or nobody waits any more.
async fn pass(
    cx: Context<'_>,
    desk: &Desk,
    mut wait: u64,
    own: &mut Vec<String>,
    others: &mut Vec<String>,
) -> Result<()> {
    let mut met = BTreeSet::new();
    loop {
        let head = format!("head?timeout={wait}");
        // Only the first poll waits: the next answers are there already, or there are none.
        wait = 0;
        let found = cx.call(&[op::RECEIVE_ANSWER], || async { bus(cx, Method::Post, &head).await }).await?;
        if found.status == 204 {
            return Ok(());
        }
        let broker = found.header("brokerproperties").and_then(|text| serde_json::from_str::<Broker>(text).ok());
        let broker = broker.ok_or_else(|| Error::missing_field("properties of the message"))?;
        let lock = format!("{}/{}", broker.sequence_number, broker.lock_token);
        match desk.claim(&broker.correlation_id) {
            // A waiter that has gone leaves its answer to expire.
            Some(waiter) => {
                let _ = waiter.send(found.bytes().to_vec());
                own.push(lock);
            }
            None => others.push(lock),
        }
        // One that comes again was locked so long ago that the lock has ended.
        if !met.insert(broker.sequence_number) || desk.is_empty() {
            return Ok(());
        }
    }
}

async fn bus(cx: Context<'_>, method: Method, path: &str) -> Result<Answer> {
    let (namespace, answers) = queue::split(cx.full_name(Scope::AnswerQueue)?);
    cx.clients.bus(method, namespace, &format!("/{answers}/messages/{path}"), &[], Vec::new()).await
}
