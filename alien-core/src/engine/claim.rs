//! The claim: the lock of a run on a deployment, so that two admins do not set up at once.
//!
//! A run writes its claim if there is none, and reads it again after a pause. If two runs write at once, the last one
//! has the claim, and the other fails before it has done anything. A claim lapses by itself, and is renewed while the
//! run lasts.

use futures_util::future::{Either, select};

use super::config::Engine;
use crate::call::Gate;
use crate::clock::later;
use crate::cloud::Documented;
use crate::error::{Error, ErrorKind, Result};
use crate::marks::Claim;
use crate::name::RunId;
use crate::operate::Operated;
use crate::permission::Subject;
use crate::provision::Options;
use crate::reconcile::{Observed, Provider};

/// What a run does with the identity that carries the claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    /// It keeps the identity: if the identity is gone, the claim is lost.
    Stays,
    /// It deletes the identity at the end: if the identity is gone, the run is nearly over.
    Goes,
}

impl<C, P> Engine<C, P>
where
    C: Documented<Kinds: Operated<C, P::Clients>>,
    P: Provider<C>,
{
    /// Does work under the run's claim. The claim is renewed meanwhile and released at the end. The work stops if the
    /// claim is lost.
    pub(super) async fn claimed<T: Send>(
        &self,
        gate: &Gate<C>,
        options: &Options,
        carrier: Carrier,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        self.take_claim(gate, options).await?;
        let keep = std::pin::pin!(self.keep_claim(gate, &options.run, carrier));
        match select(std::pin::pin!(work), keep).await {
            Either::Left((done, _)) => {
                self.give_claim_back(gate, &options.run).await;
                done
            }
            Either::Right((lost, _)) => Err(lost),
        }
    }

    /// Takes the claim, if no other run has one that has not lapsed, or if the options say to take over. Creates the
    /// identity that carries it if it does not exist.
    async fn take_claim(&self, gate: &Gate<C>, options: &Options) -> Result<()> {
        let subject = Subject::ManagementIdentity;
        match self.observe(subject, gate).await? {
            Observed::Foreign(whose) => {
                let name = gate.deployment().identity();
                return Err(Error::new(ErrorKind::NotOwned, format!("`{name}` already exists, and {whose}")));
            }
            // If another run has created it since, the claim decides which run goes on.
            Observed::Absent => self.create(subject, &self.marks(subject, gate.deployment()), gate).await?,
            Observed::Own { .. } | Observed::Adopted { .. } | Observed::Unneeded => {}
        }
        let found = self.claim(gate).await?;
        let others = found.filter(|claim| claim.run != options.run && claim.until > gate.clock().now());
        if let Some(other) = others
            && !options.take_over
        {
            return Err(claimed(&other));
        }
        self.write_own_claim(gate, &options.run).await?;
        // Two seconds by default: longer than another run takes between reading and writing the claim.
        gate.clock().sleep(self.lease / 30).await;
        self.has_claim(gate, &options.run).await
    }

    async fn write_own_claim(&self, gate: &Gate<C>, run: &RunId) -> Result<()> {
        let until = later(gate.clock().now(), self.lease);
        self.write_claim(Some(&Claim { run: run.clone(), until }), gate).await
    }

    /// Renews the claim while it is held. Returns only when the claim is lost, with the reason.
    async fn keep_claim(&self, gate: &Gate<C>, run: &RunId, carrier: Carrier) -> Error {
        let pause = self.lease / 3;
        let clock = gate.clock();
        loop {
            clock.sleep(pause).await;
            let renewal = async {
                self.has_claim(gate, run).await?;
                self.write_own_claim(gate, run).await
            };
            // A claim that is not renewed in time may have lapsed.
            let late = clock.sleep(pause);
            match select(std::pin::pin!(renewal), late).await {
                Either::Left((Ok(()), _)) => {}
                Either::Left((Err(error), _)) if error.kind() == ErrorKind::NotFound && carrier == Carrier::Goes => {
                    return std::future::pending().await;
                }
                Either::Left((Err(error), _)) => return error,
                Either::Right(_) => {
                    let what = "this run's claim could not be renewed in time; run again";
                    return Error::new(ErrorKind::Locked, what);
                }
            }
        }
    }

    /// Releases the claim, if it is still this run's. If that fails, the claim lapses by itself.
    async fn give_claim_back(&self, gate: &Gate<C>, run: &RunId) {
        let given = async {
            self.has_claim(gate, run).await?;
            self.write_claim(None, gate).await
        };
        if let Err(error) = given.await {
            tracing::debug!(%error, "the claim was not released");
        }
    }

    /// Fails if the claim is not this run's.
    pub(super) async fn has_claim(&self, gate: &Gate<C>, run: &RunId) -> Result<()> {
        match self.claim(gate).await? {
            Some(claim) if claim.run == *run => Ok(()),
            Some(other) => Err(claimed(&other)),
            None => {
                let what = "another run took this run's claim; look at what it did, and run again";
                Err(Error::new(ErrorKind::Locked, what))
            }
        }
    }
}

fn claimed(other: &Claim) -> Error {
    let what = format!("run {} is setting up or taking down this deployment, until {}", other.run, other.until);
    let help = "wait for it to end; if it was interrupted, run again after that time, or take over";
    Error::new(ErrorKind::Locked, format!("{what}; {help}"))
}
