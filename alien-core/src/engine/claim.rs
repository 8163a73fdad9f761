//! The claim of a run on a deployment, so that two admins do not set up at once.
//!
//! A claim is written where nobody has one, and looked at again after a pause: of two who wrote at once, the last has it
//! and the other is told before it has done anything. It lapses by itself, and is renewed while the run lasts.

use futures_util::future::{Either, select};

use super::{Claim, Driver, Engine, Observed};
use crate::call::Gate;
use crate::clock::later;
use crate::cloud::Cloud;
use crate::error::{Error, ErrorKind, Result};
use crate::permission::Subject;
use crate::provision::Options;

/// What a run means to do with the identity that carries the claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    /// Leave it there: without it, the claim is lost.
    Stays,
    /// Remove it in the end: without it, the run is nearly over.
    Goes,
}

/// A claim that is held.
pub(super) struct Held<'a, C: Cloud, D> {
    engine: &'a Engine<C, D>,
    call: &'a Gate<C>,
    run: String,
    carrier: Carrier,
}

impl<'a, C: Cloud, D: Driver<C>> Held<'a, C, D> {
    /// Takes the claim, where nobody else has one that has not lapsed, or the options say to take over. The identity that
    /// carries it is made where it is absent.
    pub(super) async fn take(
        engine: &'a Engine<C, D>,
        call: &'a Gate<C>,
        options: &Options,
        carrier: Carrier,
    ) -> Result<Self> {
        let subject = Subject::ManagementIdentity;
        let held = Self { engine, call, run: options.run.clone(), carrier };
        match engine.driver.observe(subject, call).await? {
            Observed::Foreign(whose) => {
                let name = call.site().identity();
                return Err(Error::new(ErrorKind::NotOwned, format!("`{name}` is there, and {whose}")));
            }
            Observed::Absent => {
                let marks = engine.marks(subject, call.site());
                match engine.driver.create(subject, &marks, call).await {
                    // Someone else has made it since: then the claims tell who is first.
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                    made => made?,
                }
            }
            Observed::Own { .. } | Observed::Adopted { .. } | Observed::Unneeded => {}
        }
        let found = engine.driver.claim(call).await?;
        let others = found.filter(|claim| claim.run != held.run && claim.until > call.clock().now());
        if let Some(other) = others
            && !options.take_over
        {
            return Err(claimed(&other));
        }
        held.write().await?;
        // Two seconds by default: longer than another run takes from its look to its claim.
        call.clock().sleep(engine.lease / 30).await;
        held.verify().await?;
        Ok(held)
    }

    async fn write(&self) -> Result<()> {
        let until = later(self.call.clock().now(), self.engine.lease);
        let claim = Claim { run: self.run.clone(), until };
        self.engine.driver.write_claim(Some(&claim), self.call).await
    }

    /// Whether the claim is still this run's.
    async fn verify(&self) -> Result<()> {
        is_held(&self.engine.driver, self.call, &self.run).await
    }

    /// Renews the claim as long as it is held. Ends only with the reason why it is held no more.
    pub(super) async fn keep(&self) -> Error {
        let pause = self.engine.lease / 3;
        let clock = self.call.clock();
        loop {
            clock.sleep(pause).await;
            let renewal = async {
                self.verify().await?;
                self.write().await
            };
            // What is not renewed in time may have lapsed.
            let late = clock.sleep(pause);
            match select(std::pin::pin!(renewal), late).await {
                Either::Left((Ok(()), _)) => {}
                Either::Left((Err(error), _))
                    if error.kind() == ErrorKind::NotFound && self.carrier == Carrier::Goes =>
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

    /// Gives it back, if it is still this run's. A claim that cannot be given back lapses by itself.
    pub(super) async fn give_back(&self) {
        let given = async {
            self.verify().await?;
            self.engine.driver.write_claim(None, self.call).await
        };
        if let Err(error) = given.await {
            tracing::debug!(%error, "the claim was not given back");
        }
    }
}

/// Refuses where the claim is not this run's.
pub(super) async fn is_held<C: Cloud, D: Driver<C>>(driver: &D, call: &Gate<C>, run: &str) -> Result<()> {
    match driver.claim(call).await? {
        Some(claim) if claim.run == run => Ok(()),
        Some(other) => Err(claimed(&other)),
        None => {
            let what = "another run has ended this run's claim; look what it did, and run again";
            Err(Error::new(ErrorKind::Locked, what))
        }
    }
}

fn claimed(other: &Claim) -> Error {
    let what = format!("run {} is setting up or taking down this deployment, until {}", other.run, other.until);
    let help = "wait for it to end; if it was interrupted, run again after that time, or take over";
    Error::new(ErrorKind::Locked, format!("{what}; {help}"))
}
