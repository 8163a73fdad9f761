//! The client: a fleet's methods, over a transport.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use alien_core::rollout::{Plan, Rollout, Sequence};
use alien_core::{
    CommandId, Deployment, DeploymentId, Error, ErrorKind, Images, Invitation, LogLine, PublishedRelease, Release,
    ResourceId, Result, Stack, StackName,
};
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, Method, header};
use axum::response::Response;
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::body::{COMMAND, DOCUMENT, Reader, SMALL, ZIP, too_large};
use super::calls::events::MOST;
use super::failure::JSON;
use super::follow::entries;
use super::forms::{Add, Begin, Begun, Check, Made, Publish, Register, Shown};
use super::transport::{InProcess, Transport};
use crate::access::TokenId;
use crate::contact::Beat;
use crate::deployments::{Listed, Setting};
use crate::fits::Fitted;
use crate::fleet::Fleet;
use crate::log::{Entry, Who};
use crate::operate::{Order, Status};
use crate::publish::{ListedRelease, Published, RevertTo};
use crate::rollout_id::RolloutId;
use crate::tokens::{NewToken, Token, TokenText};
use crate::watch::Watched;

/// What operators do, with a fleet in this process or in another: the same methods as [`Fleet`] has, which give the same.
///
/// Where another program answers, each method may also fail with [`Unavailable`](ErrorKind::Unavailable) or
/// [`TimedOut`](ErrorKind::TimedOut), and [`Error::was_sent`] then says whether the call may have been carried out.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Arc<dyn Transport>,
    who: Who,
}

/// How long a call may take that the fleet answers from its store.
const CALL: Duration = Duration::from_secs(60);

/// How long a call may take that calls a cloud.
const CLOUD: Duration = Duration::from_secs(150);

/// How long a zip may take, and a command.
const LONG: Duration = Duration::from_secs(16 * 60);

/// How long a part of an answer may take. A stream sends a comment more often.
const SILENCE: Duration = Duration::from_secs(60);

/// How long all of an answer may take, however slowly its parts come.
const WHOLE: Duration = Duration::from_secs(5 * 60);

/// The most bytes of an answer.
const ANSWER: usize = 512 << 20;

impl Client {
    /// A client of a fleet in this process. It acts as the fleet does.
    #[must_use]
    pub fn local(fleet: &Fleet) -> Self {
        Self { transport: Arc::new(InProcess::new(fleet)), who: fleet.who().clone() }
    }

    /// A client of the program that answers on a Unix socket. Its path follows from that of the store's file:
    /// [`socket_of`](super::socket_of). Who acts is a claim there.
    #[cfg(unix)]
    #[must_use]
    pub fn socket(path: impl Into<std::path::PathBuf>, who: Who) -> Self {
        Self { transport: Arc::new(super::dial::OverSocket::new(path.into())), who }
    }

    /// A client of a manager, at an address as `https://manager.example.com`. The token says who acts. Without TLS only a
    /// manager on this machine is asked. `authorities` are the certificates, in PEM, of those who may vouch for the
    /// manager; by default, those whom this machine trusts. Needs a tokio runtime when it is used.
    ///
    /// # Errors
    ///
    /// [`Input`](ErrorKind::Input) with every problem of what was given.
    #[cfg(feature = "https")]
    pub fn https(url: &str, token: &TokenText, authorities: Option<&[u8]>) -> Result<Self> {
        let transport = super::https::OverHttps::new(url, token, authorities)?;
        Ok(Self { transport: Arc::new(transport), who: Who::claimed("whoever has the token") })
    }

    /// The same client, for somebody else: the log says who did what.
    #[must_use]
    pub fn acting_as(&self, who: Who) -> Self {
        Self { transport: Arc::clone(&self.transport), who }
    }

    /// Who acts.
    #[must_use]
    pub const fn who(&self) -> &Who {
        &self.who
    }

    /// As [`Fleet::products`].
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn products(&self) -> Result<Vec<StackName>> {
        self.ask("/v1/products".to_owned(), CALL).await
    }

    /// As [`Fleet::check`].
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn check(&self, release: &PublishedRelease) -> Result<Vec<Fitted>> {
        self.check_stack(release.stack()).await
    }

    /// As [`Fleet::check_stack`].
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn check_stack(&self, stack: &Stack) -> Result<Vec<Fitted>> {
        self.give::<_, DOCUMENT>(Method::POST, "/v1/checks".to_owned(), &Check { stack }, CALL).await
    }

    /// As [`Fleet::publish`]. Sends the zips first that the fleet does not have.
    ///
    /// # Errors
    ///
    /// The same; [`TooLarge`](ErrorKind::TooLarge) for a zip above 250 MiB.
    pub async fn publish(&self, release: &Release, images: Images, revert_to: RevertTo) -> Result<Published> {
        // What is wrong with it is told before anything is sent.
        let checked = PublishedRelease::new(1.into(), release, images.clone())?;
        if let Some(fleet) = self.transport.here() {
            // Zips are large. Sent and read again they would be copied and hashed three times more.
            return fleet.publish(release, images, revert_to).await;
        }
        let stack = release.stack();
        for (digest, bytes) in release.artifacts().iter() {
            if checked.zips().contains_key(digest) && !self.has_zip(digest).await? {
                self.put_zip(digest, bytes).await?;
            }
        }
        let given = Publish { stack, images, revert_to };
        self.give::<_, DOCUMENT>(Method::POST, "/v1/releases".to_owned(), &given, CALL).await
    }

    async fn has_zip(&self, digest: &str) -> Result<bool> {
        match self.ask::<()>(format!("/v1/zips/{digest}"), CALL).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn put_zip(&self, digest: &str, bytes: &Arc<[u8]>) -> Result<()> {
        if bytes.len() > ZIP {
            return Err(too_large(ZIP).at(digest));
        }
        let body = Body::from(Bytes::from_owner(Arc::clone(bytes)));
        let answer = self.send(Method::PUT, format!("/v1/zips/{digest}"), body, "application/zip", LONG).await?;
        answer.read().await
    }

    /// As [`Fleet::releases`].
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn releases(&self, product: &StackName) -> Result<Vec<ListedRelease>> {
        self.ask(format!("/v1/releases/{product}"), CALL).await
    }

    /// As [`Fleet::published`].
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn published(&self, product: &StackName, sequence: Sequence) -> Result<PublishedRelease> {
        self.ask(format!("/v1/releases/{product}/{sequence}"), CALL).await
    }

    /// As [`Fleet::last_release`].
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn last_release(&self, product: &StackName) -> Result<Option<PublishedRelease>> {
        self.ask(format!("/v1/releases/{product}/last"), CALL).await
    }

    /// As [`Fleet::rollouts`].
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn rollouts(&self, product: &StackName) -> Result<Vec<Status>> {
        self.ask(format!("/v1/rollouts/{product}"), CALL).await
    }

    /// As [`Fleet::status`].
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn status(&self, id: &RolloutId) -> Result<Status> {
        self.ask(format!("/v1/rollouts/{id}"), CALL).await
    }

    /// As [`Fleet::planned`].
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn planned(&self, product: &StackName, sequence: Sequence, plan: &Plan) -> Result<Rollout> {
        let given = Begin { release: sequence, plan };
        self.give::<_, DOCUMENT>(Method::POST, format!("/v1/rollouts/{product}/plans"), &given, CALL).await
    }

    /// As [`Fleet::roll_out`].
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn roll_out(&self, product: &StackName, sequence: Sequence, plan: &Plan) -> Result<RolloutId> {
        let given = Begin { release: sequence, plan };
        let path = format!("/v1/rollouts/{product}");
        let begun: Begun = self.give::<_, DOCUMENT>(Method::POST, path, &given, CALL).await?;
        Ok(begun.rollout)
    }

    /// As [`Fleet::order`].
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn order(&self, id: &RolloutId, order: &Order) -> Result<()> {
        self.give::<_, SMALL>(Method::POST, format!("/v1/rollouts/{id}/orders"), order, CALL).await
    }

    /// As [`Fleet::deployments`].
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn deployments(&self, product: &StackName) -> Result<Vec<Listed>> {
        self.ask(format!("/v1/deployments?product={product}"), CALL).await
    }

    /// As [`Fleet::deployment`].
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn deployment(&self, id: DeploymentId) -> Result<(Listed, Deployment)> {
        let shown: Shown = self.ask(format!("/v1/deployments/{id}"), CALL).await?;
        Ok((shown.deployment, shown.record))
    }

    /// As [`Fleet::watched`].
    ///
    /// # Errors
    ///
    /// The same; [`NotFound`](ErrorKind::NotFound) if there is no such deployment.
    pub async fn watched(&self, id: DeploymentId) -> Result<Option<Watched>> {
        let shown: Shown = self.ask(format!("/v1/deployments/{id}"), CALL).await?;
        Ok(shown.health)
    }

    /// As [`Fleet::register`].
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn register(&self, invitation: &Invitation, record: &Deployment) -> Result<Listed> {
        self.registered(Register { invitation, record, agent_key: None }).await
    }

    /// As [`Fleet::register_agent`].
    ///
    /// # Errors
    ///
    /// The same; [`Input`](ErrorKind::Input) if whoever answers was built without agents.
    #[cfg(feature = "agents")]
    pub async fn register_agent(
        &self,
        invitation: &Invitation,
        record: &Deployment,
        key: &alien_release::PublicKey,
    ) -> Result<Listed> {
        self.registered(Register { invitation, record, agent_key: Some(key.to_string()) }).await
    }

    async fn registered(&self, given: Register<&Invitation, &Deployment>) -> Result<Listed> {
        self.give::<_, DOCUMENT>(Method::POST, "/v1/deployments".to_owned(), &given, CLOUD).await
    }

    /// As [`Fleet::add`].
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn add(&self, record: &Deployment) -> Result<Listed> {
        let path = format!("/v1/deployments/{}", record.id);
        self.give::<_, DOCUMENT>(Method::PUT, path, &Add { record }, CALL).await
    }

    /// As [`Fleet::remove`].
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn remove(&self, id: DeploymentId) -> Result<()> {
        let answer = self.send(Method::DELETE, format!("/v1/deployments/{id}"), Body::empty(), JSON, CALL).await?;
        answer.read().await
    }

    /// As [`Fleet::set`].
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn set(&self, id: DeploymentId, setting: Setting) -> Result<Listed> {
        self.give::<_, SMALL>(Method::POST, format!("/v1/deployments/{id}/settings"), &setting, CALL).await
    }

    /// As [`Fleet::health`].
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn health(&self) -> Result<BTreeMap<DeploymentId, Watched>> {
        self.ask("/v1/health".to_owned(), CALL).await
    }

    /// As [`Fleet::heartbeat`].
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn heartbeat(&self, id: DeploymentId) -> Result<Vec<Beat>> {
        self.ask(format!("/v1/deployments/{id}/heartbeat"), CLOUD).await
    }

    /// As [`Fleet::logs`], and at most 1,000 lines.
    ///
    /// # Errors
    ///
    /// The same; [`Input`](ErrorKind::Input) for a limit that is not 1 to 1,000.
    pub async fn logs(
        &self,
        id: DeploymentId,
        resource: &ResourceId,
        since: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<LogLine>> {
        let since = since.map_or_else(String::new, |since| format!("&since={since}"));
        self.ask(format!("/v1/deployments/{id}/logs/{resource}?limit={limit}{since}"), CLOUD).await
    }

    /// As [`Fleet::dispatch`].
    ///
    /// # Errors
    ///
    /// The same; [`TooLarge`](ErrorKind::TooLarge) for a command or an answer above 6 MiB.
    pub async fn dispatch(
        &self,
        id: DeploymentId,
        function: &ResourceId,
        command: CommandId,
        body: &[u8],
    ) -> Result<Vec<u8>> {
        if body.len() > COMMAND {
            return Err(too_large(COMMAND).at(function.as_str()));
        }
        let path = format!("/v1/deployments/{id}/commands/{function}?id={command}");
        let answer = self.send(Method::POST, path, Body::from(body.to_vec()), "application/octet-stream", LONG).await?;
        answer.bytes(COMMAND).await.map_err(Error::with_sent)
    }

    /// As [`Fleet::log`].
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn log(&self, after: u64, limit: usize) -> Result<Vec<Entry>> {
        let mut all: Vec<Entry> = Vec::new();
        while all.len() < limit {
            let (after, most) = (all.last().map_or(after, |last| last.number), (limit - all.len()).min(MOST));
            let page: Vec<Entry> = self.ask(format!("/v1/events?after={after}&limit={most}"), CALL).await?;
            if page.is_empty() {
                break;
            }
            all.extend(page);
        }
        Ok(all)
    }

    /// As [`Fleet::follow`]. The stream also ends when the program that answers shuts down: whoever goes on then begins
    /// after the last entry.
    ///
    /// # Errors
    ///
    /// The stream ends with the first error.
    pub fn follow(&self, after: u64) -> BoxStream<'static, Result<Entry>> {
        let client = self.clone();
        let opened = async move {
            let path = format!("/v1/events/stream?after={after}");
            let answer = client.send(Method::GET, path, Body::empty(), JSON, CALL).await?;
            Ok::<_, Error>(entries(Reader::new(answer.response.into_body(), usize::MAX, SILENCE)))
        };
        stream::once(opened).try_flatten().boxed()
    }

    /// As [`Fleet::make_token`]; over a server, for no more than the caller has.
    ///
    /// # Errors
    ///
    /// The same; [`NotGranted`](ErrorKind::NotGranted) for more than the caller has.
    pub async fn make_token(&self, new: &NewToken) -> Result<(Token, TokenText)> {
        let made: Made = self.give::<_, SMALL>(Method::POST, "/v1/tokens".to_owned(), new, CALL).await?;
        Ok((made.token, made.text))
    }

    /// As [`Fleet::tokens`]: those that are for nothing but what the caller sees.
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn tokens(&self) -> Result<Vec<Token>> {
        self.ask("/v1/tokens".to_owned(), CALL).await
    }

    /// As [`Fleet::revoke_token`].
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn revoke_token(&self, id: &TokenId) -> Result<Token> {
        let answer = self.send(Method::DELETE, format!("/v1/tokens/{id}"), Body::empty(), JSON, CALL).await?;
        answer.read().await
    }

    async fn ask<T: DeserializeOwned>(&self, path: String, time: Duration) -> Result<T> {
        self.send(Method::GET, path, Body::empty(), JSON, time).await?.read().await
    }

    async fn give<T: DeserializeOwned, const LIMIT: usize>(
        &self,
        method: Method,
        path: String,
        given: &impl Serialize,
        time: Duration,
    ) -> Result<T> {
        let wrong = |error| Error::new(ErrorKind::Internal, "what is sent has no JSON form").caused_by(&error);
        let text = serde_json::to_vec(given).map_err(wrong)?;
        if text.len() > LIMIT {
            return Err(too_large(LIMIT));
        }
        let answer = self.send(method, path, Body::from(text), JSON, time).await?;
        answer.read().await
    }

    /// Sends a request, and returns the answer if it is not an error.
    async fn send(
        &self,
        method: Method,
        path: String,
        body: Body,
        kind: &'static str,
        time: Duration,
    ) -> Result<Answered> {
        let is_safe = method.is_safe();
        let (called, operation) = (self.transport.called(), format!("{method} {path}"));
        let request = Request::builder().method(method).uri(&path).header(header::CONTENT_TYPE, kind).body(body);
        let wrong = |error| Error::new(ErrorKind::Internal, format!("`{path}` is no path")).caused_by(&error);
        let sent = self.transport.send(request.map_err(wrong)?, &self.who);
        let sent = tokio::time::timeout(time, sent).await.unwrap_or_else(|_| {
            let what = format!("{called} did not answer within {} seconds", time.as_secs());
            let late = Error::new(ErrorKind::TimedOut, what).because(LATER);
            Err(if is_safe { late } else { late.with_sent() })
        });
        let response = sent.map_err(|error| error.in_operation(operation.clone()))?;
        let answered = Answered { response, called, operation };
        if answered.response.status().is_success() { Ok(answered) } else { Err(answered.failed().await) }
    }
}

/// What to do if nothing comes.
const LATER: &str = "check that it runs, and what your network lets pass, or try again later";

/// What to do if something comes that is no answer.
const OTHER: &str = "something else answers there, or a manager of another version: check the address";

/// An answer, and of whom it is.
struct Answered {
    response: Response,
    called: String,
    operation: String,
}

impl Answered {
    /// Reads the body, of at most so many bytes.
    async fn bytes(self, limit: usize) -> Result<Vec<u8>> {
        let Self { response, called, operation } = self;
        let read = Reader::new(response.into_body(), limit, SILENCE).within(WHOLE).all().await;
        read.map_err(|error| {
            let told = match error.kind() {
                ErrorKind::TooLarge => {
                    let what = format!("the answer of {called} has more than {} MiB", limit >> 20);
                    Error::new(ErrorKind::TooLarge, what).because(OTHER)
                }
                kind => Error::new(kind, format!("cannot read the answer of {called}: {error}")).because(LATER),
            };
            told.in_operation(operation)
        })
    }

    async fn read<T: DeserializeOwned>(self) -> Result<T> {
        let (called, operation) = (self.called.clone(), self.operation.clone());
        let text = self.bytes(ANSWER).await?;
        serde_json::from_slice(&text).map_err(|error| {
            let what = format!("the answer of {called} is not of the form of the call");
            Error::new(ErrorKind::Internal, what).caused_by(&error).because(OTHER).in_operation(operation)
        })
    }

    /// The error of an answer, as the fleet gave it.
    async fn failed(self) -> Error {
        let (status, called, operation) = (self.response.status(), self.called.clone(), self.operation.clone());
        let is_json = self.response.headers().get(header::CONTENT_TYPE) == Some(&HeaderValue::from_static(JSON));
        let text = match self.bytes(ANSWER).await {
            Ok(text) => text,
            Err(error) => return error,
        };
        let told = is_json.then(|| serde_json::from_slice(&text).ok()).flatten();
        told.unwrap_or_else(|| {
            let kind = if status.is_server_error() { ErrorKind::Unavailable } else { ErrorKind::Internal };
            let what = format!("{called} answered {status}, and not in the words of a fleet");
            Error::new(kind, what).because(OTHER).in_operation(operation)
        })
    }
}
