//! Messages that an agent's key signed.

use std::fmt;
use std::marker::PhantomData;

use alien_core::adapter::read_json;
use alien_core::{DeploymentId, Error, ErrorKind, Problem, Result, Rule};
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::keys::{PublicKey, Signature, Signer, SigningKey};

/// The header with the signature of a body, in Base64.
pub const SIGNATURE_HEADER: &str = "alien-signature";

/// A message of an agent. Only the messages of this protocol are.
pub trait Message: Serialize + DeserializeOwned + sealed::Sealed {
    /// What its signature is for, so that it is no signature of another message.
    const CONTEXT: &'static str;

    /// The most bytes that it has.
    const MOST: usize;

    /// What it is, in words.
    const NAME: &'static str;

    /// The deployment that it says it is of.
    fn deployment(&self) -> DeploymentId;

    /// What is wrong with it, beyond its form.
    #[doc(hidden)]
    fn problems(&self) -> Vec<Problem> {
        Vec::new()
    }
}

pub(super) mod sealed {
    pub trait Sealed {}
}

/// A message as it was sent: the bytes of the body, and the signature over them. What it says is known once it is
/// [verified](Self::verify).
pub struct Signed<M> {
    body: Vec<u8>,
    signature: Signature,
    message: PhantomData<fn() -> M>,
}

impl<M> Clone for Signed<M> {
    fn clone(&self) -> Self {
        Self { body: self.body.clone(), signature: self.signature.clone(), message: PhantomData }
    }
}

/// Shows its length: it may hold what a customer's function said.
impl<M> fmt::Debug for Signed<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed").field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

impl<M: Message> Signed<M> {
    /// Signs a message.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] if it is larger than [`Message::MOST`], or holds what its form does not.
    pub fn of(message: &M, key: &SigningKey) -> Result<Self> {
        let body = body(message)?;
        let signature = key.sign(M::CONTEXT, &body);
        Ok(Self { body, signature, message: PhantomData })
    }

    /// Has a message signed, by a key that is elsewhere.
    ///
    /// # Errors
    ///
    /// As [`of`](Self::of), and those of [`Signature::of`].
    pub async fn by(message: &M, signer: &dyn Signer) -> Result<Self> {
        let body = body(message)?;
        let signature = Signature::of(signer, M::CONTEXT, &body).await?;
        Ok(Self { body, signature, message: PhantomData })
    }

    /// Puts together what was received.
    #[must_use]
    pub const fn new(body: Vec<u8>, signature: Signature) -> Self {
        Self { body, signature, message: PhantomData }
    }

    /// The bytes of the body: canonical JSON.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The signature over them.
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The deployment that it says it is of, to find the key by which to verify it. Nothing proves it yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`]; [`ErrorKind::Input`] if it says none.
    pub fn claimed(&self) -> Result<DeploymentId> {
        /// The one field that is read before anything is verified.
        #[derive(Deserialize)]
        struct Claimed {
            deployment: DeploymentId,
        }
        self.fits()?;
        let claimed: Claimed = serde_json::from_slice(&self.body).map_err(|error| unread::<M>(&error))?;
        Ok(claimed.deployment)
    }

    /// Reads the message, if this key signed it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`]; [`ErrorKind::Rejected`] if the key did not sign these bytes as such a message;
    /// [`ErrorKind::Input`] if they are not of its form: an unknown field is named.
    pub fn verify(&self, key: &PublicKey) -> Result<M> {
        self.fits()?;
        key.verify(M::CONTEXT, &self.body, &self.signature)?;
        read(&self.body)
    }

    fn fits(&self) -> Result<()> {
        if self.body.len() <= M::MOST {
            return Ok(());
        }
        let what = format!("{} has {} bytes, and at most {} are taken", M::NAME, self.body.len(), M::MOST);
        Err(Error::new(ErrorKind::TooLarge, what))
    }
}

fn body<M: Message>(message: &M) -> Result<Vec<u8>> {
    let body = serde_json_canonicalizer::to_vec(message).map_err(|error| unread::<M>(&error))?;
    // What the other side would refuse is not sent.
    read::<M>(&body)?;
    if body.len() > M::MOST {
        let what = format!("{} has {} bytes, and at most {} are taken", M::NAME, body.len(), M::MOST);
        return Err(Error::new(ErrorKind::TooLarge, what));
    }
    Ok(body)
}

fn read<M: Message>(body: &[u8]) -> Result<M> {
    let message: M = read_json(body).map_err(|error| unread::<M>(&error))?;
    let problems = message.problems();
    if !problems.is_empty() {
        return Err(problems.into());
    }
    // One message has one text, so that nobody can read another message out of the same bytes.
    if serde_json_canonicalizer::to_vec(&message).is_ok_and(|canonical| canonical == body) {
        return Ok(message);
    }
    Err(problem(format!("{} is not canonical JSON", M::NAME), "write it by RFC 8785, without what is at its default"))
}

fn unread<M: Message>(error: &dyn fmt::Display) -> Error {
    problem(format!("this is not {}: {error}", M::NAME), "send what the form has, and nothing else")
}

fn problem(what: String, help: &str) -> Error {
    vec![Problem::error(Rule::Form, what, help.to_owned())].into()
}

/// A text that is longer than it may be.
pub(super) fn too_long(at: &str, length: usize, most: usize) -> Problem {
    let what = format!("it has {length} bytes, and at most {most} are taken");
    Problem::error(Rule::Form, what, "shorten it".to_owned()).at(at)
}
