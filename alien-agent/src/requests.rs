//! Commands and logs that the vendor asks for: only what the customer's policy lets through, and each command once.

use std::time::Duration;

use alien_core::{
    CommandId, Error, ErrorKind, Frozen, Function, Handle, Live, LogLine, Manager, ResourceId, Result, State,
};
use alien_release::agent::{CommandAsked, LogAsked, LogPage, Replied};
use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;

use crate::agent::Agent;
use crate::calls::within;
use crate::pace::{self, Last};

/// The most lines of a log that are sent, whatever is asked.
const MOST_LINES: usize = 10_000;
/// The most bytes of lines in a page. JSON may make six of one.
const MOST_PAGE: usize = 100 << 10;
/// The most bytes of lines of a log: a manager keeps no more.
const MOST_LOG: usize = 1 << 20;
/// How long to sleep before it is seen whether the agent is to end.
const NAP: Duration = Duration::from_secs(5);
/// How often an answer is sent that the manager did not take.
const TRIES: u32 = 10;

impl Agent {
    /// Takes a command, calls the function, and sends its answer.
    pub(crate) async fn answer(&self, asked: CommandAsked) {
        let id = asked.id;
        if let Err(error) = self.answered(asked).await {
            tracing::warn!(command = %id, %error, "a command was not answered");
        }
        self.live().answering.remove(&id);
    }

    async fn answered(&self, asked: CommandAsked) -> Result<()> {
        let CommandAsked { id, function, deadline } = asked;
        if !self.policy().lets_commands(&function) {
            self.remember(id).await?;
            return self.reply(id, Replied::Refused, deadline).await;
        }
        let Some(body) = self.calls.reply(id, Replied::Take).await? else {
            return Err(Error::new(ErrorKind::Internal, "the manager let the command be taken, and gave nothing"));
        };
        // From here on it may be carried out, so it is not taken again.
        self.remember(id).await?;
        let reply = match self.left(deadline) {
            Some(left) => match self.dispatched(&function, id, &body, left).await {
                Ok(answer) if answer.len() <= Replied::MOST => Replied::Answer(answer),
                Ok(_) => Replied::Failed(ErrorKind::TooLarge),
                Err(error) => Replied::Failed(error.kind()),
            },
            None => Replied::Failed(ErrorKind::TimedOut),
        };
        self.reply(id, reply, deadline).await
    }

    /// Keeps that a command was seen to. A disk that is full refuses it.
    async fn remember(&self, id: CommandId) -> Result<()> {
        let kept = self.state.change(|contents| {
            if contents.knows(id) {
                return Err(Error::new(ErrorKind::Conflict, "it was carried out before"));
            }
            contents.remember(id);
            Ok(())
        });
        kept.await
    }

    async fn dispatched(&self, function: &ResourceId, id: CommandId, body: &[u8], left: Duration) -> Result<Vec<u8>> {
        let manager = self.manager().await?;
        match manager.find::<Function, Live>(function.as_str()) {
            Ok(live) => dispatch(&manager, &live, id, body, left).await,
            Err(_) => {
                let frozen = manager.find::<Function, Frozen>(function.as_str())?;
                dispatch(&manager, &frozen, id, body, left).await
            }
        }
    }

    /// Sends what there is to say to a command, until it is taken or nobody waits for it.
    async fn reply(&self, id: CommandId, reply: Replied, deadline: Timestamp) -> Result<()> {
        for times in 1.. {
            let error = match self.calls.reply(id, reply.clone()).await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            let is_later = error.kind().is_transient() || error.kind() == ErrorKind::Credentials;
            let Some(left) = self.left(deadline).filter(|_| is_later && times < TRIES) else { return Err(error) };
            let last = Last::Failed { times, retry_after: error.retry_after() };
            let wait = pace::wait(self.state.deployment(), self.clock.now(), last, fastrand::f64());
            self.rest(wait.min(left)).await;
            if self.live().is_stopping {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Sleeps, and no longer than until the agent is to end: a manager must not hold it by when it says to try again.
    async fn rest(&self, wait: Duration) {
        let mut left = wait;
        while !left.is_zero() && !self.live().is_stopping {
            let nap = left.min(NAP);
            self.clock.sleep(nap).await;
            left -= nap;
        }
    }

    /// How long somebody waits still.
    fn left(&self, deadline: Timestamp) -> Option<Duration> {
        Duration::try_from(deadline.duration_since(self.clock.now())).ok().filter(|left| !left.is_zero())
    }

    /// Sends a log that is asked for, in pages.
    pub(crate) async fn send_log(&self, asked: LogAsked) {
        let id = asked.id;
        if let Err(error) = self.sent_log(asked).await {
            tracing::warn!(request = %id, %error, "a log was not sent");
        }
        self.live().answering.remove(&id);
    }

    async fn sent_log(&self, asked: LogAsked) -> Result<()> {
        let LogAsked { id, resource, since, limit, deadline } = asked;
        let deployment = self.state.deployment();
        let failed =
            async |kind| self.calls.page(id, |counter| LogPage::new(deployment, counter, id, 0).failed(kind)).await;
        if !self.policy().lets_logs(&resource) {
            return failed(ErrorKind::Denied).await;
        }
        let Some(left) = self.left(deadline) else { return Ok(()) };
        let most = usize::try_from(limit).unwrap_or(usize::MAX).min(MOST_LINES);
        let read = within(&*self.clock, left, self.lines(&resource, since, most)).await;
        let lines = match read.unwrap_or_else(|| Err(Error::new(ErrorKind::TimedOut, "its deadline is over"))) {
            Ok(lines) => lines,
            Err(error) => return failed(error.kind()).await,
        };
        let pages = paged(lines);
        let last = pages.len().saturating_sub(1);
        for (number, lines) in pages.into_iter().enumerate() {
            let page = |counter| {
                let number = u32::try_from(number).unwrap_or(u32::MAX);
                LogPage::new(deployment, counter, id, number).with_lines(lines)
            };
            let is_last = number == last;
            self.calls.page(id, |counter| if is_last { page(counter) } else { page(counter).and_more() }).await?;
        }
        Ok(())
    }

    async fn lines(&self, resource: &ResourceId, since: Option<Timestamp>, most: usize) -> Result<Vec<LogLine>> {
        let manager = self.manager().await?;
        let missing = || Error::new(ErrorKind::NotFound, "the deployment has no such resource").at(resource.as_str());
        let found = manager.resources().into_iter().find(|found| found.id() == resource).ok_or_else(missing)?;
        let mut logs = manager.logs(found);
        if let Some(since) = since {
            logs = logs.since(since);
        }
        let mut read = logs.read().take(most);
        let (mut lines, mut bytes) = (Vec::new(), 0);
        while let Some(mut line) = read.try_next().await? {
            line.text.truncate(line.text.floor_char_boundary(MOST_PAGE));
            bytes += line.text.len();
            lines.push(line);
            // The manager takes no page after that.
            if bytes >= MOST_LOG {
                break;
            }
        }
        Ok(lines)
    }
}

async fn dispatch<L: State>(
    manager: &Manager,
    function: &Handle<Function, L>,
    id: CommandId,
    body: &[u8],
    left: Duration,
) -> Result<Vec<u8>> {
    manager.dispatch(function, body).id(id).deadline(left).await
}

/// Lines in pages, at least one. No line has more bytes than a page.
fn paged(lines: Vec<LogLine>) -> Vec<Vec<LogLine>> {
    let (mut pages, mut page, mut bytes) = (Vec::new(), Vec::new(), 0);
    for line in lines {
        // Beside the text, a line has its time and some characters of JSON.
        let length = line.text.len() + 64;
        if bytes + length > MOST_PAGE && !page.is_empty() {
            pages.push(std::mem::take(&mut page));
            bytes = 0;
        }
        bytes += length;
        page.push(line);
    }
    pages.push(page);
    pages
}
