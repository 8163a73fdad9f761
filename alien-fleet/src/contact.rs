//! Contact with one deployment: its health, its logs, commands.

use std::time::Duration;

use alien_core::{
    AnyHandle, CommandId, DeploymentId, Error, ErrorKind, Frozen, Function, Heartbeat, Lifecycle, Live, LogLine,
    Manager, ResourceId, Result,
};
use futures_util::TryStreamExt as _;
use futures_util::future::{self, Either};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fleet::Fleet;
use crate::log::What;
use crate::watch::{self, LOOK, Watched};

/// A resource of a deployment, and what a look at it gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Beat {
    /// The resource.
    pub resource: ResourceId,
    /// What was seen.
    #[serde(flatten)]
    pub seen: Seen,
}

/// What a look at a resource gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Seen {
    /// Its health.
    Heartbeat(Heartbeat),
    /// It was not seen, for this reason.
    Error(Error),
}

/// The most bytes of text that are read of a log at once.
const LOG_BYTES: usize = 4 << 20;

/// How long a command may take: as long as a function may run.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const COMMAND: Duration = Duration::from_secs(15 * 60);

/// How many seconds an agent that is asked for a log has to send it: it asks about every 30.
#[cfg(feature = "agents")]
const ASKED: i64 = 120;

impl Fleet {
    /// The health of a deployment, as it was when somebody looked last; `None` if it is not watched.
    ///
    /// # Errors
    ///
    /// Errors of the store.
    pub async fn watched(&self, id: DeploymentId) -> Result<Option<Watched>> {
        self.inner.ledger.get(&watch::key(id)).await
    }

    /// Looks at every resource of a deployment now. Nothing is kept. Of one that pulls its releases, what its agent reported last.
    ///
    /// # Errors
    ///
    /// As [`manager`](Self::manager); [`TimedOut`](ErrorKind::TimedOut) after 60 seconds.
    pub async fn heartbeat(&self, id: DeploymentId) -> Result<Vec<Beat>> {
        let look = async {
            #[cfg(feature = "agents")]
            let beats = match self.inner.reported(id).await? {
                Some(beats) => beats,
                None => self.manager(id).await?.heartbeats().await,
            };
            #[cfg(not(feature = "agents"))]
            let beats = self.manager(id).await?.heartbeats().await;
            let beats = beats.into_iter();
            let seen = |beat: Result<Heartbeat>| beat.map_or_else(Seen::Error, Seen::Heartbeat);
            Ok(beats.map(|(resource, beat)| Beat { resource, seen: seen(beat) }).collect())
        };
        self.in_time(look).await
    }

    /// Reads the log of a function or container from a time on, to its present end: the first lines, at most `limit`, and
    /// no more after four MiB of text. The fleet's log tells who read it. The agent of a deployment that pulls its releases is asked for
    /// it, if its customer lets it: one MiB at most, within two minutes.
    ///
    /// # Errors
    ///
    /// [`Input`](ErrorKind::Input) if there is no such resource; as [`manager`](Self::manager); errors of the cloud's
    /// calls; [`TimedOut`](ErrorKind::TimedOut) after 60 seconds.
    pub async fn logs(
        &self,
        id: DeploymentId,
        resource: &ResourceId,
        since: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<LogLine>> {
        #[cfg(feature = "agents")]
        if self.inner.agent(id).await?.is_some() {
            self.has(id, resource, None).await?;
            return self.ask_log(id, resource, since, limit, jiff::SignedDuration::from_secs(ASKED)).await;
        }
        let read = async {
            let manager = self.manager(id).await?;
            let handle = found(&manager, resource)?;
            self.used(&manager, resource, "logs").await?;
            let mut lines = manager.logs(handle).since(since.unwrap_or(Timestamp::UNIX_EPOCH)).read();
            let (mut all, mut bytes) = (Vec::new(), 0);
            while all.len() < limit && bytes < LOG_BYTES {
                let Some(line) = lines.try_next().await? else { break };
                bytes += line.text.len();
                all.push(line);
            }
            Ok(all)
        };
        self.in_time(read).await
    }

    /// Sends a command to a function that takes commands, and returns its answer. The fleet's log tells who sent it, from
    /// before it is sent. It is sent once: a caller that repeats it gives the same id. The agent of a deployment that pulls its releases
    /// takes it at its next poll, once: 256 KiB at most, and as many of the answer, which is deleted when this returns it.
    ///
    /// # Errors
    ///
    /// As [`Manager::dispatch`] and [`manager`](Self::manager); errors of the store.
    pub async fn dispatch(
        &self,
        id: DeploymentId,
        function: &ResourceId,
        command: CommandId,
        body: &[u8],
    ) -> Result<Vec<u8>> {
        #[cfg(feature = "agents")]
        if self.inner.agent(id).await?.is_some() {
            self.has(id, function, Some(alien_core::Kind::Function)).await?;
            let within = COMMAND.try_into().unwrap_or(jiff::SignedDuration::MAX);
            return self.ask_command(id, function, command, body, within).await;
        }
        let manager = self.manager(id).await?;
        let name = function.as_str();
        match found(&manager, function)?.lifecycle() {
            Lifecycle::Live => {
                let handle = manager.find::<Function, Live>(name)?;
                self.used(&manager, function, "dispatch").await?;
                manager.dispatch(&handle, body).id(command).deadline(COMMAND).await
            }
            Lifecycle::Frozen => {
                let handle = manager.find::<Function, Frozen>(name)?;
                self.used(&manager, function, "dispatch").await?;
                manager.dispatch(&handle, body).id(command).deadline(COMMAND).await
            }
        }
    }

    /// Fails if a deployment has no such resource, of this kind.
    #[cfg(feature = "agents")]
    async fn has(&self, id: DeploymentId, resource: &ResourceId, kind: Option<alien_core::Kind>) -> Result<()> {
        let record = self.inner.record(id).await?;
        record.resource(resource)?;
        let found = record.stack.resources().iter().find(|found| found.id() == resource).map(|found| found.kind());
        match kind {
            Some(kind) if found != Some(kind) => {
                Err(Error::new(ErrorKind::Input, format!("it is not a {kind}")).at(resource.as_str()))
            }
            _ => Ok(()),
        }
    }

    async fn used(&self, manager: &Manager, resource: &ResourceId, operation: &str) -> Result<()> {
        let record = manager.deployment();
        let (deployment, product) = (record.id, Some(record.stack.name().clone()));
        let (resource, operation) = (resource.to_string(), operation.to_owned());
        let draft = self.draft(What::Used { deployment, product, resource, operation });
        self.inner
            .ledger
            .change([], move |pages| {
                pages.log(draft.clone());
                Ok(())
            })
            .await
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let late = || Error::new(ErrorKind::TimedOut, format!("no answer came within {} seconds", LOOK.as_secs()));
        self.within(LOOK, work).await.unwrap_or_else(|| Err(late()))
    }

    /// Waits for work to end. Returns `None` once `time` has passed on the fleet's clock.
    pub(crate) async fn within<T>(&self, time: Duration, work: impl Future<Output = T>) -> Option<T> {
        match future::select(std::pin::pin!(work), self.inner.clock.sleep(time)).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }
}

/// The resource of this id.
fn found(manager: &Manager, resource: &ResourceId) -> Result<AnyHandle> {
    let found = manager.resources().into_iter().find(|found| found.id() == resource);
    let missing = || Error::new(ErrorKind::Input, "the deployment has no such resource").at(resource.as_str());
    found.ok_or_else(missing)
}
