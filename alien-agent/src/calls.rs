//! What an agent says to its manager, and what it takes of the answers.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alien_core::{Clock, CommandId, DeploymentId, Error, ErrorKind, Result};
use alien_release::agent::{
    Bearer, CommandReply, Desired, ETag, Hold, LogPage, Message, Replied, Report, SIGNATURE_HEADER, Signed, Token,
    TokenRequest,
};
use futures_util::future::{self, Either};
use http::header::{AUTHORIZATION, CONTENT_TYPE, IF_NONE_MATCH, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex as Order;

use crate::channel::{Channel, WHOLE};
use crate::state::State;

/// The most bytes of a token, of the answer to a report, and of an error.
const MOST_SMALL: usize = 8 << 10;
/// The most bytes of a command.
const MOST_COMMAND: usize = 1 << 20;
/// How long a bearer is used at most, and at least, whatever the manager says of it.
const BEARER: (SignedDuration, SignedDuration) = (SignedDuration::from_mins(1), SignedDuration::from_hours(1));
/// How long before its end a bearer is not used any more.
const EARLY: SignedDuration = SignedDuration::from_mins(2);
/// For how many messages the counter is kept at once: the next start goes on from there.
const RESERVED: u64 = 64;
/// By how much the counter of a manager may be above the agent's: somebody who makes it larger would leave no numbers.
const FURTHEST: u64 = 1 << 32;

/// Makes the calls of one agent.
pub(crate) struct Calls {
    channel: Arc<dyn Channel>,
    /// The manager's host, as the agent names it in requests for a token.
    host: String,
    state: Arc<State>,
    clock: Arc<dyn Clock>,
    bearer: Mutex<Option<(Bearer, Timestamp)>>,
    /// Messages are counted, so they are sent one after the other. The counter of the last one.
    order: Order<u64>,
}

impl Calls {
    pub(crate) fn new(channel: Arc<dyn Channel>, host: String, state: Arc<State>, clock: Arc<dyn Clock>) -> Self {
        let counter = state.with(|contents| contents.counter);
        Self { channel, host, state, clock, bearer: Mutex::default(), order: Order::new(counter) }
    }

    fn deployment(&self) -> DeploymentId {
        self.state.deployment()
    }

    /// Asks what to run. `last` is the tag of the last answer; `None` is returned if it is the same.
    pub(crate) async fn desired(&self, last: Option<ETag>) -> Result<Option<Desired>> {
        let mut request = self.request(Method::GET, "/v1/agent/desired", Vec::new())?;
        if let Some(last) = last {
            request.headers_mut().insert(IF_NONE_MATCH, header(&last.to_string())?);
        }
        let answer = self.authorized(request, Desired::MOST.max(MOST_SMALL)).await?;
        match answer.status() {
            StatusCode::NOT_MODIFIED if last.is_some() => Ok(None),
            StatusCode::OK => {
                is_json(&answer, &self.host)?;
                let desired = Desired::from_json(answer.body()).map_err(|error| self.garbled(&error))?;
                self.is_countable(&desired)?;
                Ok(Some(desired))
            }
            _ => Err(self.refused(&answer)),
        }
    }

    /// Sends a report, which is made with the number that is given. Returns why nothing is to be begun.
    pub(crate) async fn report(&self, report: impl FnOnce(u64) -> Report) -> Result<Option<String>> {
        let answer = self.message("/v1/agent/report", report, MOST_SMALL).await?;
        match answer.status() {
            StatusCode::NO_CONTENT => Ok(None),
            StatusCode::OK => {
                is_json(&answer, &self.host)?;
                let hold = serde_json::from_slice::<Hold>(answer.body());
                Ok(Some(hold.map_err(|error| self.garbled(&error))?.hold))
            }
            _ => Err(self.refused(&answer)),
        }
    }

    /// Takes or answers a command. Returns the command's bytes, if it is taken.
    pub(crate) async fn reply(&self, id: CommandId, reply: Replied) -> Result<Option<Vec<u8>>> {
        let path = format!("/v1/agent/commands/{id}");
        let message = |counter| CommandReply::new(self.deployment(), counter, id, reply);
        let answer = self.message(&path, message, MOST_COMMAND).await?;
        match answer.status() {
            StatusCode::NO_CONTENT => Ok(None),
            StatusCode::OK => Ok(Some(answer.into_body())),
            _ => Err(self.refused(&answer)),
        }
    }

    /// Sends a page of a log, which is made with the number that is given.
    pub(crate) async fn page(&self, id: CommandId, page: impl FnOnce(u64) -> LogPage) -> Result<()> {
        let answer = self.message(&format!("/v1/agent/logs/{id}"), page, MOST_SMALL).await?;
        if answer.status() == StatusCode::NO_CONTENT { Ok(()) } else { Err(self.refused(&answer)) }
    }

    /// Signs a message, and sends it.
    async fn message<M: Message>(
        &self,
        path: &str,
        message: impl FnOnce(u64) -> M,
        most: usize,
    ) -> Result<Response<Vec<u8>>> {
        let mut last = self.order.lock().await;
        // The manager may have seen more than this state knows: then its token says so.
        self.bearer(&mut last).await?;
        *last += 1;
        let counter = *last;
        if counter > self.state.with(|contents| contents.counter) {
            let kept = self.state.change(|contents| {
                contents.counter = counter.saturating_add(RESERVED);
                Ok(())
            });
            if let Err(error) = kept.await {
                // The token tells the counter after the next start.
                tracing::warn!(%error, "the counter of messages was not kept");
            }
        }
        let signed = Signed::of(&message(counter), self.state.signing())?;
        let mut request = self.request(Method::POST, path, signed.body().to_vec())?;
        request.headers_mut().insert(SIGNATURE_HEADER, header(&signed.signature().to_string())?);
        let answer = self.sent_with_bearer(request, most).await?;
        if answer.status() == StatusCode::CONFLICT {
            self.forget_bearer();
        }
        Ok(answer)
    }

    async fn authorized(&self, request: Request<Vec<u8>>, most: usize) -> Result<Response<Vec<u8>>> {
        let mut last = self.order.lock().await;
        self.bearer(&mut last).await?;
        drop(last);
        self.sent_with_bearer(request, most).await
    }

    async fn sent_with_bearer(&self, mut request: Request<Vec<u8>>, most: usize) -> Result<Response<Vec<u8>>> {
        let known =
            self.known().ok_or_else(|| Error::new(ErrorKind::Credentials, "the bearer was refused meanwhile"))?;
        let mut bearer = header(&format!("Bearer {}", known.reveal()))?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, bearer);
        let answer = self.sent(request, most).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            self.forget_bearer();
        }
        Ok(answer)
    }

    /// Asks for a bearer, unless there is one.
    async fn bearer(&self, last: &mut u64) -> Result<()> {
        if self.known().is_some() {
            return Ok(());
        }
        let now = self.clock.now();
        let request = TokenRequest::new(self.deployment(), now, &self.host)?;
        let signed = Signed::of(&request, self.state.signing())?;
        let mut request = self.request(Method::POST, "/v1/agent/token", signed.body().to_vec())?;
        request.headers_mut().insert(SIGNATURE_HEADER, header(&signed.signature().to_string())?);
        let answer = self.sent(request, MOST_SMALL).await?;
        if answer.status() != StatusCode::OK {
            return Err(self.refused(&answer));
        }
        is_json(&answer, &self.host)?;
        let token = Token::from_json(answer.body()).map_err(|error| self.garbled(&error))?;
        if token.counter > last.saturating_add(FURTHEST) {
            return Err(self.garbled(&"it counts more messages than an agent sends"));
        }
        if token.counter > *last {
            tracing::info!(
                counter = token.counter,
                last = *last,
                "the manager has seen later messages than this state"
            );
        }
        *last = token.counter.max(*last);
        let (least, most) = BEARER;
        let used = (token.expires.duration_since(now) - EARLY).clamp(least, most);
        let until = now.saturating_add(used).unwrap_or(Timestamp::MAX);
        *self.bearer.lock().unwrap_or_else(PoisonError::into_inner) = Some((token.bearer, until));
        Ok(())
    }

    fn known(&self) -> Option<Bearer> {
        let now = self.clock.now();
        let kept = self.bearer.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back does not make a bearer last longer than its hour and what was set back.
        let is_used =
            |until: &Timestamp| until.duration_since(now).is_positive() && until.duration_since(now) <= BEARER.1;
        kept.as_ref().filter(|(_, until)| is_used(until)).map(|(bearer, _)| bearer.clone())
    }

    fn forget_bearer(&self) {
        *self.bearer.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn request(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Request<Vec<u8>>> {
        let mut request = Request::builder().method(method).uri(path);
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let defect = |error: http::Error| Error::new(ErrorKind::Internal, "a call cannot be made").caused_by(&error);
        request.body(body).map_err(defect)
    }

    async fn sent(&self, request: Request<Vec<u8>>, most: usize) -> Result<Response<Vec<u8>>> {
        let late = || {
            let what = format!("`{}` did not answer within {} seconds", self.host, WHOLE.as_secs());
            Error::new(ErrorKind::Unavailable, what).because("it is asked again")
        };
        let answer = within(&*self.clock, WHOLE, self.channel.exchange(request, most)).await.ok_or_else(late)??;
        if answer.body().len() > most {
            return Err(Error::new(ErrorKind::TooLarge, format!("the answer has more than {most} bytes")));
        }
        Ok(answer)
    }

    /// An answer that is none of a manager's.
    fn garbled(&self, why: &dyn std::fmt::Display) -> Error {
        let what = format!("`{}` answers something else than a manager does: {why}", self.host);
        Error::new(ErrorKind::Internal, what).because("one of both is of another version, or somebody else answers")
    }

    /// Numbers that have no exact form in JSON could not be reported (<https://www.rfc-editor.org/rfc/rfc8785#section-3.2.2.3>).
    fn is_countable(&self, desired: &Desired) -> Result<()> {
        const LARGEST: u64 = (1 << 53) - 1;
        let wanted = desired.release.as_ref();
        if wanted.is_some_and(|wanted| wanted.fence > LARGEST || wanted.release.number() > LARGEST) {
            return Err(self.garbled(&"it names a number that is larger than any"));
        }
        Ok(())
    }

    /// What a status says that is not that of a success.
    fn refused(&self, answer: &Response<Vec<u8>>) -> Error {
        let (host, status) = (&self.host, answer.status());
        let (kind, what, help) = match status.as_u16() {
            300..=399 => (
                ErrorKind::Internal,
                "sends the agent to another address, which it does not follow",
                "set up again with the address that the vendor names",
            ),
            400 | 422 => (ErrorKind::Input, "does not take what the agent says", "one of both is of another version"),
            401 => (
                ErrorKind::Credentials,
                "does not let the agent in",
                "see whether the key that `status` shows is registered with the vendor, and whether this machine's clock is right",
            ),
            403 => (ErrorKind::Denied, "does not allow this", "see whether a proxy of your network lets the agent out"),
            404 => (
                ErrorKind::NotFound,
                "knows nothing by this name",
                "see whether the address is that of a manager that answers agents",
            ),
            407 => (ErrorKind::Unavailable, "is behind a proxy that asks for a password", "name it in `HTTPS_PROXY`"),
            409 => (ErrorKind::Conflict, "has taken another message instead", "it is counted on from there"),
            413 => (ErrorKind::TooLarge, "takes no message of this size", "one of both is of another version"),
            429 => (ErrorKind::Throttled, "asks to be called less often", "it is asked again when it said"),
            500..=599 => (ErrorKind::Unavailable, "cannot answer at the moment", "it is asked again"),
            _ => (ErrorKind::Internal, "answers something else than a manager does", "see who answers at this address"),
        };
        let says = said(answer).map(|says| format!(", and says: {says}")).unwrap_or_default();
        let error = Error::new(kind, format!("`{host}` {what} (status {}){says}", status.as_u16()));
        error.because(help).with_retry_after(self.retry_after(answer))
    }

    /// When to come again: seconds, or a date (<https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3>).
    fn retry_after(&self, answer: &Response<Vec<u8>>) -> Option<Duration> {
        let text = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse::<u32>() {
            return Some(Duration::from_secs(seconds.into()));
        }
        let date = rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text).ok()?;
        Duration::try_from(date.duration_since(self.clock.now())).ok()
    }
}

/// What a manager says of an error, in characters that do nothing to a terminal, at most 300 of them.
fn said(answer: &Response<Vec<u8>>) -> Option<String> {
    if is_html(answer) {
        return Some("a page of HTML, so something on the way answers in its place".to_owned());
    }
    let error: Error = serde_json::from_slice(answer.body()).ok()?;
    let plain = |c: &char| !c.is_control();
    Some(format!("`{}`", error.message().chars().filter(plain).take(300).collect::<String>()))
}

fn is_html(answer: &Response<Vec<u8>>) -> bool {
    let kind = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.starts_with("text/html") || answer.body().trim_ascii_start().starts_with(b"<")
}

/// Fails if a page is answered, as a proxy or the login of a guest network does.
fn is_json(answer: &Response<Vec<u8>>, host: &str) -> Result<()> {
    if !is_html(answer) {
        return Ok(());
    }
    let what = format!("a page of HTML is answered in place of `{host}`");
    let help = "see whether a proxy of your network, or a page to log in to it, answers";
    Err(Error::new(ErrorKind::Internal, what).because(help))
}

fn header(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|_| Error::new(ErrorKind::Internal, "a header cannot be written"))
}

/// Waits for something, and no longer than this.
pub(crate) async fn within<T>(clock: &dyn Clock, time: Duration, work: impl Future<Output = T>) -> Option<T> {
    match future::select(std::pin::pin!(work), clock.sleep(time)).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;

    /// A manager that gives a token, and then this.
    #[derive(Debug, Clone)]
    struct Answers {
        status: u16,
        headers: Vec<(&'static str, &'static str)>,
        body: Vec<u8>,
        counter: u64,
    }

    #[async_trait]
    impl Channel for Answers {
        async fn exchange(&self, request: Request<Vec<u8>>, _: usize) -> Result<Response<Vec<u8>>> {
            if request.uri().path() == "/v1/agent/token" {
                let expires = "2999-01-01T00:00:00Z".parse().unwrap();
                let token = Token::new("abc".parse().unwrap(), expires, self.counter);
                return Ok(Response::new(token.reveal().as_bytes().to_vec()));
            }
            let shown = format!("{request:?}");
            assert!(!shown.contains("abc"), "the bearer is shown: {shown}");
            let mut answer = Response::builder().status(self.status);
            for (name, value) in &self.headers {
                answer = answer.header(*name, *value);
            }
            Ok(answer.body(self.body.clone()).unwrap())
        }
    }

    fn answer(status: u16, body: &[u8]) -> Answers {
        Answers { status, headers: Vec::new(), body: body.to_vec(), counter: 0 }
    }

    fn calls(name: &str, answers: Answers) -> Calls {
        let key = "5e".repeat(32).parse().unwrap();
        let state = State::create(crate::scratch(name), &key, DeploymentId::new()).unwrap();
        let clock = Arc::new(alien_core::SystemClock);
        Calls::new(Arc::new(answers), "m.example".to_owned(), Arc::new(state), clock)
    }

    async fn told(name: &str, answers: Answers) -> Error {
        calls(name, answers).desired(None).await.map(drop).unwrap_err()
    }

    #[tokio::test]
    async fn each_status_is_told_in_words_and_none_says_anything_of_health() {
        for (status, kind, words) in [
            (302, ErrorKind::Internal, "sends the agent to another address, which it does not follow (status 302)"),
            (304, ErrorKind::Internal, "status 304"),
            (400, ErrorKind::Input, "does not take what the agent says"),
            (401, ErrorKind::Credentials, "does not let the agent in"),
            (403, ErrorKind::Denied, "does not allow this"),
            (404, ErrorKind::NotFound, "knows nothing by this name"),
            (407, ErrorKind::Unavailable, "a proxy that asks for a password"),
            (409, ErrorKind::Conflict, "has taken another message instead"),
            (418, ErrorKind::Internal, "answers something else than a manager does"),
            (429, ErrorKind::Throttled, "asks to be called less often"),
            (500, ErrorKind::Unavailable, "cannot answer at the moment"),
            (503, ErrorKind::Unavailable, "cannot answer at the moment"),
        ] {
            let error = told(&format!("status-{status}"), answer(status, b"")).await;
            assert_eq!(error.kind(), kind, "{status}");
            assert!(error.to_string().contains(words) && error.to_string().contains("`m.example`"), "{error}");
        }
    }

    #[tokio::test]
    async fn what_is_no_answer_of_a_manager_is_told_as_that() {
        let page = Answers { headers: vec![("content-type", "text/html")], ..answer(200, b"log in") };
        let error = told("page", page).await;
        assert!(error.to_string().contains("a page of HTML is answered in place of `m.example`"), "{error}");
        for (name, body) in [("doctype", b"<!DOCTYPE html>".as_slice()), ("tag", b"  <html>")] {
            assert!(told(name, answer(200, body)).await.to_string().contains("a page of HTML"));
        }
        for (name, body) in
            [("none", b"".as_slice()), ("text", b"{}"), ("number", br#"{"version":2}"#), ("bytes", b"\xff")]
        {
            let error = told(name, answer(200, body)).await;
            assert!(error.to_string().contains("answers something else than a manager does"), "{error}");
        }
        let large = told("large", answer(200, &[b' '; 10_000])).await;
        assert_eq!(large.kind(), ErrorKind::TooLarge);
        let huge = Answers { counter: 1 << 40, ..answer(304, b"") };
        assert!(told("counter", huge).await.to_string().contains("counts more messages than an agent sends"));
        let fence = br#"{"release":{"digest":"a","fence":9007199254740992,"release":1},"version":1}"#;
        assert!(told("fence", answer(200, fence)).await.to_string().contains("a number that is larger than any"));
    }

    #[tokio::test]
    async fn what_a_manager_says_does_nothing_to_a_terminal_and_is_cut() {
        let said = Error::new(ErrorKind::Credentials, format!("set\u{1b}[31m the clock{}", "!".repeat(5000)));
        let error = told("said", answer(401, &serde_json::to_vec(&said).unwrap())).await;
        let text = error.to_string();
        assert!(text.contains("and says: `set[31m the clock!!!"), "{text}");
        assert!(!text.contains('\u{1b}') && text.len() < 900, "{text}");
    }

    #[tokio::test]
    async fn a_time_to_come_again_is_seconds_or_a_date() {
        let again = async |name: &str, value: &'static str| {
            let answers = Answers { headers: vec![("retry-after", value)], ..answer(503, b"") };
            told(name, answers).await.retry_after()
        };
        assert_eq!(again("seconds", "30").await, Some(Duration::from_secs(30)));
        assert!(again("date", "Fri, 31 Dec 2999 23:59:59 GMT").await.unwrap() > Duration::from_secs(1 << 30));
        for (name, value) in [("past", "Fri, 31 Dec 1999 23:59:59 GMT"), ("minus", "-1"), ("word", "later")] {
            assert_eq!(again(name, value).await, None, "{value}");
        }
    }

    /// After a restore of an old copy, the manager says how far the agent has counted.
    #[tokio::test]
    async fn messages_are_counted_on_from_what_the_manager_has_seen() {
        let calls = calls("counted", Answers { counter: 1000, ..answer(204, b"") });
        let mut counters = Vec::new();
        for _ in 0..2 {
            let report = |counter| {
                counters.push(counter);
                Report::new(calls.deployment(), counter, alien_core::AgentVersion::default())
            };
            assert_eq!(calls.report(report).await.unwrap(), None);
        }
        assert_eq!(counters, [1001, 1002]);
        assert!(calls.state.with(|contents| contents.counter) >= 1002);
    }
}
