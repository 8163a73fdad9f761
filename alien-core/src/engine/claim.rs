//! The claim of a run on a deployment, so that two admins do not set up at once.

use std::time::Duration;

use super::{Claim, Driver, Engine, Marks, Observed};
use crate::call::Caller;
use crate::clock::later;
use crate::cloud::Cloud;
use crate::error::{Error, ErrorKind, Result};
use crate::permission::Subject;
use crate::provision::Options;

/// A claim that is held.
pub(super) struct Held<'a, C: Cloud, D> {
    engine: &'a Engine<C, D>,
    call: &'a Caller<C>,
    run: String,
    marks: Marks,
}

/// Whether the identity that carries the claim is gone: the deployment was taken down, and the claim with it.
pub(super) fn is_gone(error: &Error) -> bool {
    error.kind() == ErrorKind::Missing
}

impl<'a, C: Cloud, D: Driver<C>> Held<'a, C, D> {
    /// Takes the claim, where nobody else has one that has not lapsed, or the options say to take over. The identity that
    /// carries it is made where it is absent.
    pub(super) async fn take(engine: &'a Engine<C, D>, call: &'a Caller<C>, options: &Options) -> Result<Self> {
        let carrier = Subject::ManagementIdentity;
        let marks = engine.marks(carrier, call.site());
        let held = Self { engine, call, run: options.run.clone(), marks };
        match engine.driver.observe(carrier, call).await? {
            Observed::Foreign(whose) => {
                let name = call.site().identity();
                return Err(Error::new(ErrorKind::Foreign, format!("`{name}` is there, and {whose}")));
            }
            Observed::Absent => match engine.driver.create(carrier, &held.marks, call).await {
                // Someone else has made it since: then the claims tell who is first.
                Err(error) if error.kind() == ErrorKind::Exists => {}
                made => made?,
            },
            Observed::Own { .. } | Observed::Adopted { .. } | Observed::Unneeded => {}
        }
        if let Some(other) = held.others().await?
            && !options.take_over
        {
            return Err(claimed(&other));
        }
        held.write().await?;
        held.verify().await?;
        Ok(held)
    }

    /// Another run's claim that has not lapsed.
    async fn others(&self) -> Result<Option<Claim>> {
        let claim = self.engine.driver.claim(self.call).await?;
        Ok(claim.filter(|claim| claim.run != self.run && claim.until > self.call.clock().now()))
    }

    async fn write(&self) -> Result<()> {
        let until = later(self.call.clock().now(), self.engine.lease);
        let claim = Claim { run: self.run.clone(), until };
        self.engine.driver.write_claim(Some(&claim), self.call).await
    }

    /// Of two who wrote at once, the last one has it, and the other is told.
    async fn verify(&self) -> Result<()> {
        match self.engine.driver.claim(self.call).await? {
            Some(claim) if claim.run != self.run => Err(claimed(&claim)),
            _ => Ok(()),
        }
    }

    /// Renews the claim as long as it is held. Ends only with the reason why it is held no more.
    pub(super) async fn keep(&self) -> Error {
        let pause = (self.engine.lease / 3).max(Duration::from_millis(100));
        loop {
            self.call.clock().sleep(pause).await;
            let renewed = match self.verify().await {
                Ok(()) => self.write().await,
                lost => lost,
            };
            match renewed {
                // It was removed with the deployment, by this very run.
                Err(error) if is_gone(&error) => std::future::pending().await,
                Err(error) => return error,
                Ok(()) => {}
            }
        }
    }

    pub(super) async fn give_back(&self) -> Result<()> {
        self.engine.driver.write_claim(None, self.call).await
    }
}

fn claimed(other: &Claim) -> Error {
    let what = format!("run {} is setting up or taking down this deployment, until {}", other.run, other.until);
    let help = "wait for it to end; if it was interrupted, run again after that time, or take over";
    Error::new(ErrorKind::Claimed, format!("{what}; {help}"))
}
