//! Opening a store, or reaching the program that holds it.

use std::fs;
use std::future::IntoFuture;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use alien_core::{Clock, Error, ErrorKind, Result};
use futures_util::future::BoxFuture;

use super::client::Client;
use super::dial::connect;
use super::socket::socket_of;
use crate::artifacts::ArtifactStore;
use crate::clouds::Clouds;
use crate::fleet::{Fleet, FleetBuilder};
use crate::log::Who;
use crate::store::Embedded;

/// A store that was opened, or the program that holds it.
#[derive(Debug, Clone)]
pub struct Opened {
    /// What operators do: the same in both cases.
    pub client: Client,
    /// The fleet, if this program has the store: it then may run workers, and answers others by [`serve`](super::serve).
    pub fleet: Option<Fleet>,
}

/// Opens the store in a file, or reaches the program that holds it.
///
/// ```no_run
/// # async fn run(clouds: alien_fleet::Clouds) -> alien_core::Result<()> {
/// use alien_fleet::{Who, api};
///
/// let opened = api::open("fleet.redb", clouds).acting_as(Who::claimed("ann")).await?;
/// for product in opened.client.products().await? {
///     println!("{product}");
/// }
/// # Ok(())
/// # }
/// ```
///
/// If neither is possible for now, because the holder is about to end or to begin, tries again for a while.
///
/// # Errors
///
/// As [`Embedded::open`]; [`Locked`](ErrorKind::Locked), with who holds the file, if that program does not answer.
pub fn open(store: impl Into<PathBuf>, clouds: Clouds) -> OpenRequest {
    let build = Box::new(|store: Embedded| Fleet::builder(store, clouds));
    OpenRequest { store: store.into(), build, who: Who::claimed("somebody"), patience: PATIENCE }
}

/// A request to open a store: see [`open`].
#[must_use = "nothing is opened before it is awaited"]
pub struct OpenRequest {
    store: PathBuf,
    build: Box<dyn FnOnce(Embedded) -> FleetBuilder + Send>,
    who: Who,
    patience: Duration,
}

/// How long the holder of a file may take until it answers, or releases the file.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often it is asked.
const AGAIN: Duration = Duration::from_millis(50);

impl std::fmt::Debug for OpenRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenRequest").field("store", &self.store).field("who", &self.who).finish_non_exhaustive()
    }
}

impl OpenRequest {
    /// Sets where zips are kept, if this program opens the store. By default, in this process.
    pub fn artifacts(self, artifacts: impl ArtifactStore + 'static) -> Self {
        self.with(|fleet| fleet.artifacts(artifacts))
    }

    /// Sets the clock, if this program opens the store. By default, the machine's.
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        self.with(|fleet| fleet.clock(clock))
    }

    /// Sets who acts, as the log says it. By default, `somebody`. Both are marked as claims.
    pub fn acting_as(mut self, who: Who) -> Self {
        self.who = who;
        self
    }

    /// Rolls out only what is signed, as [`FleetBuilder::trusting`], if this program opens the store.
    #[cfg(feature = "signed")]
    pub fn trusting(self, product: alien_core::StackName, verifier: alien_release::Verifier) -> Self {
        self.with(|fleet| fleet.trusting(product, verifier))
    }

    /// Sets how long to try while another program holds the file and does not answer: by default, five seconds.
    pub const fn patience(mut self, time: Duration) -> Self {
        self.patience = time;
        self
    }

    fn with(mut self, change: impl FnOnce(FleetBuilder) -> FleetBuilder + Send + 'static) -> Self {
        let build = self.build;
        self.build = Box::new(|store| change(build(store)));
        self
    }

    async fn run(self) -> Result<Opened> {
        let Self { store, build, who, patience } = self;
        let (socket, begun) = (socket_of(&store), Instant::now());
        let embedded = loop {
            let held = match Embedded::open(&store).await {
                Ok(embedded) => break embedded,
                Err(error) if error.kind() == ErrorKind::Locked => error,
                Err(error) => return Err(error),
            };
            if connect(&socket).await.is_ok() {
                return Ok(Opened { client: Client::socket(socket, who), fleet: None });
            }
            if begun.elapsed() >= patience {
                let by = holder(&store).unwrap_or_else(|| "another program".to_owned());
                let what =
                    format!("`{}` is held by {by}, which does not answer at `{}`", store.display(), socket.display());
                let error = Error::new(ErrorKind::Locked, what).caused_by(&held);
                return Err(error.because("wait until it has ended, or end it"));
            }
            tokio::time::sleep(AGAIN).await;
        };
        let fleet = build(embedded).acting_as(who).open().await?;
        Ok(Opened { client: Client::local(&fleet), fleet: Some(fleet) })
    }
}

impl IntoFuture for OpenRequest {
    type Output = Result<Opened>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// The program that has locked a file, as `alien` (process 4242), where the system tells: Linux does, in
/// <https://man7.org/linux/man-pages/man5/proc_locks.5.html>.
fn holder(file: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let inode = fs::metadata(file).ok()?.ino().to_string();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let process = locks.lines().find_map(|line| process_of(line, &inode))?;
    let name = fs::read_to_string(format!("/proc/{process}/comm")).ok();
    Some(match name {
        Some(name) => format!("`{}` (process {process})", name.trim_end()),
        None => format!("process {process}"),
    })
}

/// The process of a line that says who holds a lock of this file.
fn process_of(line: &str, inode: &str) -> Option<u32> {
    // As `1: FLOCK ADVISORY WRITE 2001 08:03:409766 0 EOF`. A line with `->` is of one who waits.
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [_, kind, _, _, process, file, ..] = *fields.as_slice() else { return None };
    let is_of_file = kind != "->" && file.rsplit(':').next() == Some(inode);
    is_of_file.then(|| process.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::process_of;

    #[test]
    fn the_holder_of_a_lock_is_read_and_not_who_waits_for_it() {
        assert_eq!(process_of("1: FLOCK  ADVISORY  WRITE 2001 08:03:409766 0 EOF", "409766"), Some(2001));
        assert_eq!(process_of("1: FLOCK  ADVISORY  WRITE 2001 08:03:409767 0 EOF", "409766"), None);
        assert_eq!(process_of("1: -> FLOCK  ADVISORY  WRITE 2002 08:03:409766 0 EOF", "409766"), None);
        assert_eq!(process_of("1: FLOCK", "409766"), None);
    }
}
