//! The trait of whatever keeps records.

use std::fmt;

use async_trait::async_trait;

use crate::deployment::{Deployment, DeploymentId};
use crate::error::{Error, ErrorKind, Result};

/// Keeps the records of deployments, for all programs that work on them.
///
/// A record is saved over the revision that it was read at, and over no other (compare and swap). [`Manager::open`]
/// reads and saves through a store whatever a release changes. `RecordFolder` and `RecordFile`, with the feature
/// `files`, keep records on disk.
///
/// [`Manager::open`]: crate::Manager::open
///
/// ```
/// use alien_core::{ErrorKind, RecordStore, RecordsInMemory};
/// # use alien_core::{memory, *};
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
/// # runtime.block_on(async {
/// # let mut stack = Stack::builder("shop");
/// # stack.live("jobs", Queue::new());
/// # let release = Release::new(stack.build()?, Default::default())?;
/// # let config = memory::Config::new(memory::Account::default());
/// # let admin = memory::admin(&config, DeploymentId::new(), memory::Target::new("acme")?);
/// # let record = admin.apply(&admin.plan(&release).await?).await?;
/// let records = RecordsInMemory::new();
/// let stored = records.save(&record).await?;
/// assert_eq!(stored.revision, 1);
///
/// // Two programs have read the first revision. The second that saves is told of the other.
/// records.save(&stored).await?;
/// let error = records.save(&stored).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Conflict);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[async_trait]
pub trait RecordStore: Send + Sync + fmt::Debug {
    /// Reads the record of a deployment; `None` if the store has none.
    ///
    /// # Errors
    ///
    /// [`Input`](ErrorKind::Input) if what is kept is no record of that deployment;
    /// [`Unavailable`](ErrorKind::Unavailable) if it cannot be read.
    async fn load(&self, id: DeploymentId) -> Result<Option<Deployment>>;

    /// Saves a record, and returns it as it is kept: with the next revision. Saving is atomic.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if the kept record has another revision than this one, and who wrote that;
    /// [`Unavailable`](ErrorKind::Unavailable) if it cannot be written.
    async fn save(&self, record: &Deployment) -> Result<Deployment>;

    /// The ids of all deployments in the store, sorted.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) if it cannot be read.
    async fn list(&self) -> Result<Vec<DeploymentId>>;
}

impl Deployment {
    /// This record as a store keeps it over the one that it has: with the next revision, and who wrote it. For those
    /// who implement a [`RecordStore`].
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if the kept one is not the revision that this record was made from.
    pub fn kept_over(&self, kept: Option<&Self>, writer: &str) -> Result<Self> {
        self.kept_over_revision(kept.map(|kept| (kept.revision, kept.writer.as_deref())), writer)
    }

    /// As [`kept_over`](Self::kept_over), where only the revision of the kept record is at hand, and who wrote it.
    ///
    /// # Errors
    ///
    /// As [`kept_over`](Self::kept_over).
    pub fn kept_over_revision(&self, kept: Option<(u64, Option<&str>)>, writer: &str) -> Result<Self> {
        let found = kept.map_or(0, |(revision, _)| revision);
        if found == self.revision {
            return Ok(Self { revision: found + 1, writer: Some(writer.to_owned()), ..self.clone() });
        }
        let other = kept.and_then(|(_, writer)| writer).unwrap_or("somebody");
        let what = match kept {
            Some(_) => format!("{other} has changed the record since it was read (revision {found})"),
            None => "the record was removed since it was read".to_owned(),
        };
        Err(Error::new(ErrorKind::Conflict, format!("{what}; read it again, and repeat what you did")))
    }
}
