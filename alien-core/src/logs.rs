//! The log of a function or container, as a stream of lines.

use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::impersonate::Purpose;
use crate::manage::{LogLine, LogQuery};
use crate::managed::Managed;
use crate::name::ResourceId;

/// A log to be read: see [`Manager::logs`](crate::Manager::logs).
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

    /// Begins with the first line of this time or later; without it, with the first that the cloud has kept.
    pub const fn since(mut self, time: Timestamp) -> Self {
        self.since = time;
        self
    }

    /// Ends [`follow`](Self::follow) at the end of the log once it is this time.
    pub const fn until(mut self, time: Timestamp) -> Self {
        self.until = Some(time);
        self
    }

    /// How long [`follow`](Self::follow) waits at the end of the log before it looks for more: two seconds by default.
    pub const fn every(mut self, pause: Duration) -> Self {
        self.every = pause;
        self
    }

    /// Reads to the present end.
    ///
    /// # Errors
    ///
    /// The stream ends with the first error.
    pub fn read(self) -> BoxStream<'a, Result<LogLine>> {
        let Self { managed, id, since, .. } = self;
        lines(managed, id, since)
    }

    /// Reads to the present end, and then what is written, for as long as the stream is read, or [`until`](Self::until) a time. A line that the cloud shows
    /// later than others of a later time may be left out.
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

/// How far a log was read. It is read again from the time of its last line, as more may have been written at that time.
struct Tail {
    from: Timestamp,
    shown: Vec<LogLine>,
    skip: Vec<LogLine>,
}

impl Tail {
    /// The lines of the last time come once more.
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
