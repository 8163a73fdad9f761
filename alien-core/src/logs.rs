//! The log of a function or container, as a stream of lines.

use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::impersonate::Purpose;
use crate::manage::{LogLine, LogQuery};
use crate::managed::Managed;
use crate::name::ResourceId;

/// A request to read the log of a function or container: see [`Manager::logs`](crate::Manager::logs).
///
/// ```
/// use futures_util::TryStreamExt;
/// # use std::sync::Arc;
/// # use alien_core::{memory, *};
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
/// # runtime.block_on(async {
/// # let mut stack = Stack::builder("shop");
/// # let api = stack.live("api", Function::new(Code::zip(b"first"), "api").with_commands());
/// # stack.profile("api", Profile::new());
/// # let stack = stack.build()?;
/// # let first = Release::new(stack.clone(), [Arc::from(*b"first")].into_iter().collect())?;
/// # let config = memory::Config::new(memory::Account::default());
/// # let admin = memory::admin(&config, DeploymentId::new(), memory::Target::new("acme")?);
/// # let deployment = admin.apply(&admin.plan(&first).await?).await?;
/// # let manager = Manager::new(memory::vendor(&config), deployment);
/// # let api = manager.handle(&api)?;
/// manager.dispatch(&api, b"hello").await?;
///
/// let lines: Vec<LogLine> = manager.logs(&api).read().try_collect().await?;
/// assert_eq!(lines[0].text, "command hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is read before `read` or `follow`"]
pub struct Logs<'a> {
    managed: &'a Managed,
    id: ResourceId,
    since: Timestamp,
    until: Option<Timestamp>,
    every: Duration,
}

impl<'a> Logs<'a> {
    pub(crate) const fn new(managed: &'a Managed, id: ResourceId) -> Self {
        Self { managed, id, since: Timestamp::UNIX_EPOCH, until: None, every: Duration::from_secs(2) }
    }

    /// Starts at the first line of this time or later. By default, starts at the first line that the cloud has kept.
    pub const fn since(mut self, time: Timestamp) -> Self {
        self.since = time;
        self
    }

    /// Stops [`follow`](Self::follow) at the end of the log once this time has come.
    pub const fn until(mut self, time: Timestamp) -> Self {
        self.until = Some(time);
        self
    }

    /// Sets how long [`follow`](Self::follow) waits at the end of the log before it asks for more lines: two seconds by
    /// default.
    pub const fn every(mut self, pause: Duration) -> Self {
        self.every = pause;
        self
    }

    /// Reads the log to its present end.
    ///
    /// # Errors
    ///
    /// The stream ends with the first error.
    pub fn read(self) -> BoxStream<'a, Result<LogLine>> {
        let Self { managed, id, since, .. } = self;
        lines(managed, id, since)
    }

    /// Reads the log to its present end, and then new lines as they are written, until the stream is dropped or the
    /// time of [`until`](Self::until) has come. A line that the cloud shows only after lines of a later time may be
    /// left out.
    ///
    /// # Errors
    ///
    /// The stream ends with the first error.
    pub fn follow(self) -> BoxStream<'a, Result<LogLine>> {
        let Self { managed, id, since, until, every } = self;
        let tail = Tail { from: since, shown: Vec::new(), skip: Vec::new() };
        let begin = (lines(managed, id.clone(), since), tail);
        let followed = stream::try_unfold(begin, move |(mut lines_now, mut tail)| {
            let id = id.clone();
            async move {
                loop {
                    match lines_now.try_next().await? {
                        Some(line) if tail.is_new(&line) => return Ok::<_, Error>(Some((line, (lines_now, tail)))),
                        Some(_) => {}
                        None if until.is_some_and(|until| managed.clock().now() >= until) => return Ok(None),
                        None => {
                            managed.clock().sleep(every).await;
                            tail.read_again();
                            lines_now = lines(managed, id.clone(), tail.from);
                        }
                    }
                }
            }
        });
        followed.boxed()
    }
}

fn lines(managed: &Managed, id: ResourceId, since: Timestamp) -> BoxStream<'_, Result<LogLine>> {
    let pages = stream::try_unfold(Some(LogQuery::from(since)), move |query| {
        let id = id.clone();
        async move {
            let Some(query) = query else { return Ok::<_, Error>(None) };
            let page = managed.with(&Purpose::Watch, |session| {
                let (id, query) = (id.clone(), query.clone());
                async move { session.logs(&id, &query).await }
            });
            let page = page.await?;
            let next = page.next.map(|cursor| LogQuery { cursor: Some(cursor), ..query });
            Ok(Some((stream::iter(page.lines.into_iter().map(Ok)), next)))
        }
    });
    pages.try_flatten().boxed()
}

/// How far a log was read. It is read again from the time of its last line, because more lines may have been written at
/// that time.
struct Tail {
    from: Timestamp,
    shown: Vec<LogLine>,
    skip: Vec<LogLine>,
}

impl Tail {
    /// The next page repeats the lines of the last time.
    fn read_again(&mut self) {
        self.skip.clone_from(&self.shown);
    }

    fn is_new(&mut self, line: &LogLine) -> bool {
        if let Some(position) = self.skip.iter().position(|skipped| skipped == line) {
            self.skip.swap_remove(position);
            return false;
        }
        if line.at > self.from {
            self.from = line.at;
            self.shown.clear();
        }
        if line.at == self.from {
            self.shown.push(line.clone());
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_is_read_again_shows_every_line_once() {
        let line =
            |second: i64, text: &str| LogLine { at: Timestamp::from_second(second).unwrap(), text: text.to_owned() };
        let mut tail = Tail { from: Timestamp::UNIX_EPOCH, shown: Vec::new(), skip: Vec::new() };
        assert!(tail.is_new(&line(1, "a")) && tail.is_new(&line(2, "b")) && tail.is_new(&line(2, "b")));
        tail.read_again();
        assert_eq!(tail.from, Timestamp::from_second(2).unwrap());
        // Two equal lines were shown, and a third was written since.
        let news: Vec<bool> = ["b", "b", "b", "c"].map(|text| tail.is_new(&line(2, text))).into();
        assert_eq!(news, [false, false, true, true]);
        tail.read_again();
        let news: Vec<bool> = ["b", "b", "b", "c", "d"].map(|text| tail.is_new(&line(2, text))).into();
        assert_eq!(news, [false, false, false, false, true]);
    }
}
