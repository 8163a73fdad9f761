//! Messages in queues: locks, deliveries, expiry and dead letters.
//!
//! Source: <https://learn.microsoft.com/azure/service-bus-messaging/message-transfers-locks-settlement>.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

/// The suffix of the key of a queue's dead-letter queue. Source:
/// <https://learn.microsoft.com/azure/service-bus-messaging/service-bus-dead-letter-queues>.
pub(crate) const DEAD_LETTERS: &str = "/$deadletterqueue";

/// A message as its sender gave it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) body: Bytes,
    pub(crate) content_type: String,
    pub(crate) id: String,
    pub(crate) correlation: String,
    pub(crate) reply_to: String,
    pub(crate) label: String,
    pub(crate) session: String,
    /// The time to live that the sender set.
    pub(crate) lives: Option<Duration>,
    /// Custom properties by name, with their values as received.
    pub(crate) properties: Vec<(String, String)>,
}

/// A message in a queue.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) sent: Sent,
    pub(crate) sequence: u64,
    pub(crate) enqueued: Timestamp,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) deliveries: u64,
    pub(crate) lock: Option<Lock>,
}

/// The lock of a receiver on a message, and when it expires.
#[derive(Clone, Debug)]
pub(crate) struct Lock {
    pub(crate) token: String,
    pub(crate) until: Timestamp,
}

/// The settings of a queue that apply to its messages.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) lock: Duration,
    /// The number of deliveries after which a message becomes a dead letter.
    pub(crate) deliveries: u64,
    /// The longest time to live of a message.
    pub(crate) lives: Option<Duration>,
    /// Whether expired messages become dead letters.
    pub(crate) buries_expired: bool,
    /// The duplicate detection window: how long a message id is not accepted again.
    pub(crate) remembers: Option<Duration>,
    /// The key of the queue that dead letters are forwarded to, instead of the queue's own.
    pub(crate) dead_letters_to: Option<String>,
}

#[derive(Debug, Default)]
struct Queue {
    messages: Vec<Message>,
    seen: Vec<(String, Timestamp)>,
    sequence: u64,
}

/// All queues by key: the lower-case resource id, followed by [`DEAD_LETTERS`] for a dead-letter queue.
#[derive(Debug, Default)]
pub(crate) struct Broker(HashMap<String, Queue>);

impl Broker {
    /// Puts a message into a queue, unless duplicate detection drops it.
    pub(crate) fn send(&mut self, key: &str, rules: &Rules, sent: Sent, now: Timestamp) {
        let queue = self.0.entry(key.to_owned()).or_default();
        queue.seen.retain(|(_, until)| *until > now);
        if let Some(window) = rules.remembers {
            if queue.seen.iter().any(|(id, _)| *id == sent.id) {
                return;
            }
            queue.seen.push((sent.id.clone(), now + window));
        }
        let lives = match (sent.lives, rules.lives) {
            (Some(own), Some(most)) => Some(own.min(most)),
            (own, most) => own.or(most),
        };
        // A message whose expiry cannot be represented does not expire.
        let expires = lives.and_then(|lives| now.checked_add(lives).ok());
        queue.sequence += 1;
        let sequence = queue.sequence;
        queue.messages.push(Message { sent, sequence, enqueued: now, expires, deliveries: 0, lock: None });
    }

    /// Releases expired locks and removes expired messages.
    pub(crate) fn settle(&mut self, key: &str, rules: &Rules, now: Timestamp) {
        let is_dead_letters = key.ends_with(DEAD_LETTERS);
        let Some(queue) = self.0.get_mut(key) else { return };
        let mut dead = Vec::new();
        queue.messages.retain_mut(|message| {
            if message.lock.as_ref().is_some_and(|lock| lock.until <= now) {
                message.lock = None;
            }
            // Dead letters do not expire, and a locked message is not taken from its receiver.
            if message.lock.is_some() || is_dead_letters {
                return true;
            }
            if message.expires.is_some_and(|expires| expires <= now) {
                if rules.buries_expired {
                    dead.push((message.clone(), "TTLExpiredException", "The message expired and was dead lettered."));
                }
                return false;
            }
            if message.deliveries >= rules.deliveries {
                let why = "Message could not be consumed after the maximum number of delivery attempts.";
                dead.push((message.clone(), "MaxDeliveryCountExceeded", why));
                return false;
            }
            true
        });
        for (message, reason, why) in dead {
            self.bury(key, rules, message, reason, why, now);
        }
    }

    fn bury(&mut self, key: &str, rules: &Rules, message: Message, reason: &str, why: &str, now: Timestamp) {
        let to = rules.dead_letters_to.clone().unwrap_or_else(|| format!("{key}{DEAD_LETTERS}"));
        let mut sent = message.sent;
        sent.properties.push(("DeadLetterReason".to_owned(), format!("\"{reason}\"")));
        sent.properties.push(("DeadLetterErrorDescription".to_owned(), format!("\"{why}\"")));
        sent.lives = None;
        let queue = self.0.entry(to).or_default();
        queue.sequence += 1;
        let sequence = queue.sequence;
        queue.messages.push(Message { sent, sequence, enqueued: now, expires: None, deliveries: 0, lock: None });
    }

    /// Locks the first available message (peek-lock).
    pub(crate) fn lock(&mut self, key: &str, rules: &Rules, now: Timestamp) -> Option<Message> {
        self.settle(key, rules, now);
        let queue = self.0.get_mut(key)?;
        let message = queue.messages.iter_mut().find(|message| message.lock.is_none())?;
        message.deliveries += 1;
        message.lock = Some(Lock { token: Uuid::new_v4().to_string(), until: now + rules.lock });
        Some(message.clone())
    }

    /// Takes the first available message (receive and delete).
    pub(crate) fn receive(&mut self, key: &str, rules: &Rules, now: Timestamp) -> Option<Message> {
        self.settle(key, rules, now);
        let queue = self.0.get_mut(key)?;
        let at = queue.messages.iter().position(|message| message.lock.is_none())?;
        let mut message = queue.messages.remove(at);
        message.deliveries += 1;
        Some(message)
    }

    /// Removes a locked message, by its id or sequence number.
    pub(crate) fn complete(&mut self, key: &str, rules: &Rules, name: &str, token: &str, now: Timestamp) -> Option<()> {
        self.settle(key, rules, now);
        let queue = self.0.get_mut(key)?;
        let at = queue.messages.iter().position(|message| holds(message, name, token))?;
        queue.messages.remove(at);
        Some(())
    }

    /// Moves a locked message to the dead-letter queue.
    pub(crate) fn dead_letter(
        &mut self,
        key: &str,
        rules: &Rules,
        token: &str,
        why: &str,
        now: Timestamp,
    ) -> Option<()> {
        let queue = self.0.get_mut(key)?;
        let at = queue.messages.iter().position(|m| m.lock.as_ref().is_some_and(|lock| lock.token == token))?;
        let message = queue.messages.remove(at);
        self.bury(key, rules, message, "DeadLetteredByReceiver", why, now);
        Some(())
    }

    /// Releases a locked message.
    pub(crate) fn unlock(&mut self, key: &str, rules: &Rules, name: &str, token: &str, now: Timestamp) -> Option<()> {
        self.settle(key, rules, now);
        let queue = self.0.get_mut(key)?;
        queue.messages.iter_mut().find(|message| holds(message, name, token))?.lock = None;
        self.settle(key, rules, now);
        Some(())
    }

    /// Renews a lock, and returns its new expiry.
    pub(crate) fn renew(
        &mut self,
        key: &str,
        rules: &Rules,
        name: &str,
        token: &str,
        now: Timestamp,
    ) -> Option<Timestamp> {
        self.settle(key, rules, now);
        let queue = self.0.get_mut(key)?;
        let message = queue.messages.iter_mut().find(|message| holds(message, name, token))?;
        let until = now + rules.lock;
        message.lock.as_mut()?.until = until;
        Some(until)
    }

    /// Counts the messages in a queue, locked ones included.
    pub(crate) fn count(&self, key: &str) -> usize {
        self.messages(key).len()
    }

    /// The messages of a queue, oldest first.
    pub(crate) fn messages(&self, key: &str) -> &[Message] {
        self.0.get(key).map(|queue| queue.messages.as_slice()).unwrap_or_default()
    }

    /// The first available message of a queue.
    pub(crate) fn next(&self, key: &str) -> Option<&Message> {
        self.messages(key).iter().find(|message| message.lock.is_none())
    }

    /// Removes a queue and its dead letters.
    pub(crate) fn forget(&mut self, key: &str) {
        let dead = format!("{key}{DEAD_LETTERS}");
        self.0.retain(|known, _| known != key && *known != dead);
    }
}

fn holds(message: &Message, name: &str, token: &str) -> bool {
    let named = message.sent.id == name || message.sequence.to_string() == name;
    named && message.lock.as_ref().is_some_and(|lock| lock.token.eq_ignore_ascii_case(token))
}
