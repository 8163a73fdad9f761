//! The claim of a run on a deployment, so that two admins do not set up at once.
//!
//! A claim is written where nobody has one, and looked at again after a pause: of two who wrote at once, the last has it
//! and the other is told before it has done anything. It lapses by itself, and is renewed while the run lasts.

use futures_util::future::{Either, select};

use super::config::Engine;
use crate::call::Gate;
use crate::clock::later;
use crate::cloud::Documented;
use crate::error::{Error, ErrorKind, Result};
use crate::marks::Claim;
use crate::operate::Operated;
use crate::permission::Subject;
use crate::provision::Options;
use crate::reconcile::{Observed, Provider};

/// What a run means to do with the identity that carries the claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    /// Leave it there: without it, the claim is lost.
    Stays,
    /// Remove it in the end: without it, the run is nearly over.
    Goes,
}

impl<C, P> Engine<C, P>
where
    C: Documented<Kinds: Operated<C, P::Clients>>,
    P: Provider<C>,
{
    /// Does something under the run's claim, which is renewed meanwhile and given back in the end. A claim that was lost
    /// ends it.
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

    /// Takes the claim, where nobody else has one that has not lapsed, or the options say to take over. The identity that
    /// carries it is made where it is absent.
    async fn take_claim(&self, gate: &Gate<C>, options: &Options) -> Result<()> {
        let subject = Subject::ManagementIdentity;
        match self.observe(subject, gate).await? {
            Observed::Foreign(whose) => {
                let name = gate.deployment().identity();
                return Err(Error::new(ErrorKind::NotOwned, format!("`{name}` is there, and {whose}")));
            }
            Observed::Absent => match self.create(subject, &self.marks(subject, gate.deployment()), gate).await {
                // Someone else has made it since: then the claims tell who is first.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                made => made?,
            },
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
        // Two seconds by default: longer than another run takes from its look to its claim.
        gate.clock().sleep(self.lease / 30).await;
        self.has_claim(gate, &options.run).await
    }

    async fn write_own_claim(&self, gate: &Gate<C>, run: &str) -> Result<()> {
        let until = later(gate.clock().now(), self.lease);
        self.write_claim(Some(&Claim { run: run.to_owned(), until }), gate).await
    }

    /// Renews the claim as long as it is held. Ends only with the reason why it is held no more.
    async fn keep_claim(&self, gate: &Gate<C>, run: &str, carrier: Carrier) -> Error {
        let pause = self.lease / 3;
        let clock = gate.clock();
        loop {
            clock.sleep(pause).await;
            let renewal = async {
                self.has_claim(gate, run).await?;
                self.write_own_claim(gate, run).await
            };
            // What is not renewed in time may have lapsed.
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

    /// Gives it back, if it is still this run's. A claim that cannot be given back lapses by itself.
    async fn give_claim_back(&self, gate: &Gate<C>, run: &str) {
        let given = async {
            self.has_claim(gate, run).await?;
            self.write_claim(None, gate).await
        };
        if let Err(error) = given.await {
            tracing::debug!(%error, "the claim was not given back");
        }
    }

    /// Refuses where the claim is not this run's.
    pub(super) async fn has_claim(&self, gate: &Gate<C>, run: &str) -> Result<()> {
        match self.claim(gate).await? {
            Some(claim) if claim.run == run => Ok(()),
            Some(other) => Err(claimed(&other)),
            None => {
                let what = "another run has ended this run's claim; look what it did, and run again";
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
