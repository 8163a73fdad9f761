//! Bearers: made and checked by keys that all managers share through the store, without a look at the store.
//!
//! A bearer is 42 bytes: the deployment (16), when it expires in seconds since 1970 (4), the number of the manager's key (2), the
//! beginning of the fingerprint of the agent's key (4), and HMAC-SHA-256 over these, of which 128 bits are kept
//! (<https://www.rfc-editor.org/rfc/rfc4868#section-2.1.2>).

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use alien_core::{DeploymentId, Error, ErrorKind, Result};
use alien_release::PublicKey;
use alien_release::agent::Bearer;
use aws_lc_rs::{constant_time, digest, hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::ledger::{Ledger, Pages};
use crate::store::{Key, Table};

/// How long a bearer is taken.
pub(super) const LIFE: SignedDuration = SignedDuration::from_hours(1);

/// How long bearers are made by one key. The one before is kept, so every bearer outlives its key's turn.
const TURN: SignedDuration = SignedDuration::from_hours(24);

/// How often at most the store is asked for a key that is not known.
const ASKED: SignedDuration = SignedDuration::from_secs(1);

const SIGNED: usize = 26;
const MAC: usize = 16;

/// The beginning of the fingerprint of an agent's key: enough to tell it from the one before.
pub(super) type KeyId = [u8; 4];

pub(super) fn key_id(key: &PublicKey) -> KeyId {
    let digest = digest::digest(&digest::SHA256, &key.to_der());
    digest.as_ref().first_chunk().copied().unwrap_or_default()
}

/// The keys, as the store keeps them: the present one last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    version: u32,
    keys: Vec<Shared>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shared {
    number: u16,
    since: Timestamp,
    secret: Secret,
}

#[derive(Clone, PartialEq, Eq)]
struct Secret([u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD_NO_PAD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        // What it is stays unsaid.
        bytes.map(Self).ok_or_else(|| serde::de::Error::custom("a key that managers share cannot be read"))
    }
}

fn key() -> Key {
    Key::new(Table::Agent, "managers", "bearers")
}

/// What a bearer lets its holder read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Grant {
    pub(super) deployment: DeploymentId,
    /// The agent's key to which it was given.
    pub(super) key: KeyId,
}

/// Makes and checks bearers.
#[derive(Debug)]
pub(super) struct Bearers {
    ledger: Ledger,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    keys: Arc<Keys>,
    /// When the store was asked last.
    asked: Timestamp,
}

impl Bearers {
    /// Reads the keys, and makes the first one if there is none.
    pub(super) async fn open(ledger: Ledger, now: Timestamp) -> Result<Self> {
        let keys = Arc::new(turned(&ledger, now).await?);
        Ok(Self { ledger, known: Mutex::new(Known { keys, asked: now }) })
    }

    fn known(&self) -> Arc<Keys> {
        Arc::clone(&self.known.lock().unwrap_or_else(PoisonError::into_inner).keys)
    }

    fn learn(&self, keys: Keys, now: Timestamp) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Known { keys: Arc::new(keys), asked: now };
    }

    /// Makes a bearer, and says when it expires. Another key is made when the present one has had its turn.
    pub(super) async fn make(&self, grant: Grant, now: Timestamp) -> Result<(Bearer, Timestamp)> {
        let is_over = |keys: &Keys| keys.keys.last().is_none_or(|last| now.duration_since(last.since) >= TURN);
        if is_over(&self.known()) {
            self.learn(turned(&self.ledger, now).await?, now);
        }
        let defect = || Error::new(ErrorKind::Internal, "there is no key to make a bearer with");
        let keys = self.known();
        let shared = keys.keys.last().ok_or_else(defect)?;
        let expires = now.saturating_add(LIFE).unwrap_or(Timestamp::MAX).as_second();
        let seconds = u32::try_from(expires).map_err(|_| defect())?;
        let mut bytes = Vec::with_capacity(SIGNED + MAC);
        bytes.extend(Uuid::from(grant.deployment).as_bytes());
        bytes.extend(seconds.to_be_bytes());
        bytes.extend(shared.number.to_be_bytes());
        bytes.extend(grant.key);
        let mac = mac(&shared.secret, &bytes);
        bytes.extend(mac);
        let expires = Timestamp::from_second(expires).unwrap_or(Timestamp::MAX);
        Ok((URL_SAFE_NO_PAD.encode(bytes).parse()?, expires))
    }

    /// Reads a bearer, if managers made it and it has not expired.
    ///
    /// # Errors
    ///
    /// [`Credentials`](ErrorKind::Credentials) with the reason.
    pub(super) async fn check(&self, bearer: &Bearer, now: Timestamp) -> Result<Grant> {
        let bytes: [u8; SIGNED + MAC] = URL_SAFE_NO_PAD
            .decode(bearer.reveal())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| refused("it is not a bearer of this manager"))?;
        let (signed, given) = bytes.split_at(SIGNED);
        let part = |from: usize, to: usize| signed.get(from..to).unwrap_or_default();
        let number = u16::from_be_bytes(part(20, 22).try_into().unwrap_or_default());
        let secret = self
            .secret(number, now)
            .await
            .ok_or_else(|| refused("it was made with a key that is not used any more"))?;
        if constant_time::verify_slices_are_equal(&mac(&secret, signed), given).is_err() {
            return Err(refused("no manager made it"));
        }
        let expires = u32::from_be_bytes(part(16, 20).try_into().unwrap_or_default());
        if now.as_second() >= i64::from(expires) {
            return Err(refused("it has expired; ask for another token"));
        }
        let deployment = Uuid::from_bytes(part(0, 16).try_into().unwrap_or_default()).into();
        Ok(Grant { deployment, key: part(22, 26).try_into().unwrap_or_default() })
    }

    /// The key of this number. Another manager may have made it a moment ago: then the store is asked, now and then.
    async fn secret(&self, number: u16, now: Timestamp) -> Option<Secret> {
        let of =
            |keys: &Keys| keys.keys.iter().find(|shared| shared.number == number).map(|shared| shared.secret.clone());
        if let Some(found) = of(&self.known()) {
            return Some(found);
        }
        {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if now.duration_since(known.asked) < ASKED {
                return None;
            }
            known.asked = now;
        }
        let keys: Keys = self.ledger.get(&key()).await.ok().flatten()?;
        let found = of(&keys);
        self.learn(keys, now);
        found
    }
}

/// The keys of the store, after another one was made if the last has had its turn. Two are kept.
async fn turned(ledger: &Ledger, now: Timestamp) -> Result<Keys> {
    let mut secret = [0; 32];
    rand::fill(&mut secret).map_err(|_| Error::new(ErrorKind::Internal, "the machine gives no random numbers"))?;
    let secret = Secret(secret);
    let turn = move |pages: &mut Pages<'_>| {
        let mut keys = pages.get::<Keys>(&key())?.unwrap_or(Keys { version: 1, keys: Vec::new() });
        let last = keys.keys.last();
        if last.is_none_or(|last| now.duration_since(last.since) >= TURN) {
            let number = last.map_or(0, |last| last.number.wrapping_add(1));
            keys.keys.push(Shared { number, since: now, secret: secret.clone() });
            let superfluous = keys.keys.len().saturating_sub(2);
            keys.keys.drain(..superfluous);
            pages.put(key(), &keys, None)?;
        }
        Ok(keys)
    };
    ledger.change([key()], turn).await
}

fn mac(secret: &Secret, bytes: &[u8]) -> [u8; MAC] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret.0), bytes);
    tag.as_ref().first_chunk().copied().unwrap_or([0; MAC])
}

fn refused(why: &str) -> Error {
    Error::new(ErrorKind::Credentials, format!("the bearer is refused: {why}"))
}
