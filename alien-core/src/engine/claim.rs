//! The claim: the lock of a run on a deployment, so that two admins do not set up at once.
//!
//! A run looks for a claim, writes its own if there is none, and reads it again after a pause. If two runs write at once,
//! the last one has the claim, and the other fails before it has done anything. That holds only if each writes within the
//! pause after its look, so a run that took longer starts over. If by then it has written over a claim, it waits until the
//! other run has seen that, so that the two never work at once. A claim lapses by itself, and is renewed while the run
//! lasts.
//!
//! No write of a claim is under a condition: neither TagRole
//! (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_TagRole.html>) nor the API of tags on Azure
//! (<https://learn.microsoft.com/en-us/rest/api/resources/tags/updateatscope>) takes one. What is left is a write that a
//! cloud answers within the pause and shows to readers much later.

use std::ops::ControlFlow;
use std::time::Duration;

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
use crate::reconcile::{Foreign, Observed, Provider};

/// How often a run that is slow to write its claim tries it.
const TRIES: u32 = 3;

/// How long a claim may take to become visible to reads.
const SETTLES: Duration = Duration::from_secs(60);

/// What a run does with the identity that carries the claim.
#[derive(Clone, Copy)]
pub(super) enum Carrier<'a> {
    /// It keeps the identity: if the identity is gone, the claim is lost.
    Stays {
        /// Whether an identity with this id, which carries no deployment's mark, is marked again.
        mark_again: &'a (dyn Fn(&str) -> bool + Sync),
    },
    /// It deletes the identity at the end: if the identity is gone, the run is nearly over.
    Goes,
}

impl Carrier<'_> {
    fn is_marked_again(self, whose: &Foreign) -> bool {
        match self {
            Self::Stays { mark_again } => whose.id().is_some_and(mark_again),
            Self::Goes => false,
        }
    }
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
        carrier: Carrier<'_>,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        self.take_claim(gate, options, carrier).await?;
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
    async fn take_claim(&self, gate: &Gate<C>, options: &Options, carrier: Carrier<'_>) -> Result<()> {
        let subject = Subject::ManagementIdentity;
        match self.observe(subject, gate).await? {
            Observed::Foreign(whose) if carrier.is_marked_again(&whose) => {}
            Observed::Foreign(whose) => {
                let name = gate.deployment().identity();
                let help = match whose.id() {
                    Some(_) => "; if it is this deployment's, set up with its record and the option to mark it again",
                    None => "",
                };
                return Err(Error::new(ErrorKind::NotOwned, format!("`{name}` already exists, and {whose}{help}")));
            }
            // If another run has created it since, the claim decides which run goes on.
            Observed::Absent => self.create(subject, &self.marks(subject, gate.deployment()), gate).await?,
            Observed::Own { .. } | Observed::Adopted { .. } | Observed::Unneeded => {}
        }
        let pause = self.lease / 12;
        let clock = gate.clock();
        for _ in 0..TRIES {
            let looked = clock.now();
            let found = self.claim(gate).await?;
            let others = found.as_ref().filter(|claim| claim.run != options.run && claim.until > looked);
            if let Some(other) = others.filter(|_| !options.take_over) {
                return Err(claimed(other));
            }
            // Whoever takes over asks nobody; everyone else sends nothing after the pause.
            let patient = if options.take_over { gate.clone() } else { gate.within(pause) };
            let written = self.write_own_claim(&patient, &options.run).await;
            let took = Duration::try_from(clock.now().duration_since(looked)).unwrap_or_default();
            match written {
                Ok(()) if took <= pause || options.take_over => {
                    self.until_readable(found.as_ref(), gate).await?;
                    clock.sleep(pause).await;
                    return self.has_claim(gate, &options.run).await;
                }
                Err(error) if !error.kind().is_transient() || options.take_over => return Err(error),
                _ => {}
            }
            if self.claim(gate).await?.is_some_and(|claim| claim.run == options.run) {
                // It may have been written over the claim of a run that had made sure of its own, and works. That run
                // sees it when it renews its claim.
                clock.sleep(self.lease * 2 / 3).await;
            }
        }
        let what = format!("the claim could not be written within {} seconds; run again", pause.as_secs());
        Err(Error::new(ErrorKind::Locked, what))
    }

    /// Waits until the claim reads otherwise than before it was written: what reads return may lag behind
    /// (<https://docs.cloud.google.com/iam/docs/access-change-propagation>).
    async fn until_readable(&self, before: Option<&Claim>, gate: &Gate<C>) -> Result<()> {
        let cx = self.context(Subject::ManagementIdentity, gate).await?;
        cx.until(SETTLES, || async move {
            Ok(match self.claim(gate).await?.as_ref() == before {
                true => ControlFlow::Continue("the claim is not readable yet".to_owned()),
                false => ControlFlow::Break(()),
            })
        })
        .await
    }

    async fn write_own_claim(&self, gate: &Gate<C>, run: &RunId) -> Result<()> {
        let until = later(gate.clock().now(), self.lease);
        self.write_claim(Some(&Claim { run: run.clone(), until }), gate).await
    }

    /// Renews the claim while it is held. Returns only when the claim is lost, with the reason.
    async fn keep_claim(&self, gate: &Gate<C>, run: &RunId, carrier: Carrier<'_>) -> Error {
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
                Either::Left((Err(error), _))
                    if error.kind() == ErrorKind::NotFound && matches!(carrier, Carrier::Goes) =>
                {
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
