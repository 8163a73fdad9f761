//! What a caller sees of a fleet: the products that the caller is let to, and nothing of the others.
//!
//! Calls have a [`Scoped`] and no fleet, so what a caller may see is decided here alone. Of another product, lists are
//! empty, and a call fails as it would if nothing of it were there. Only whoever writes is told that the product is another.

use std::collections::BTreeMap;
use std::sync::Arc;

use alien_core::rollout::{Plan, Rollout, Sequence};
use alien_core::{
    CommandId, Deployment, DeploymentId, Error, ErrorKind, Images, Invitation, LogLine, PublishedRelease, Release,
    ResourceId, Result, Stack, StackName,
};
use futures_util::stream::{BoxStream, StreamExt as _};
use jiff::Timestamp;

use crate::access::{Products, TokenId};
use crate::caller::Caller;
use crate::contact::Beat;
use crate::deployments::{Listed, Setting};
use crate::fits::Fitted;
use crate::fleet::Fleet;
use crate::log::Entry;
use crate::operate::{Order, Status};
use crate::publish::{ListedRelease, Published, RevertTo};
use crate::rollout_id::RolloutId;
use crate::tokens::{NewToken, Token, TokenText};
use crate::watch::Watched;

/// A fleet as a caller sees it.
#[derive(Debug)]
pub(super) struct Scoped {
    fleet: Fleet,
    caller: Caller,
}

impl Scoped {
    pub(super) fn new(fleet: &Fleet, caller: &Caller) -> Self {
        Self { fleet: fleet.acting_as(caller.who().clone()), caller: caller.clone() }
    }

    fn sees(&self, product: &StackName) -> bool {
        self.caller.products().has(product)
    }

    fn sees_all(&self) -> bool {
        *self.caller.products() == Products::All
    }

    /// The deployment, if it is of a product that the caller sees.
    async fn seen(&self, id: DeploymentId) -> Result<(Listed, Deployment)> {
        let found = self.fleet.deployment(id).await?;
        if self.sees(&found.0.product) { Ok(found) } else { Err(no_deployment(id)) }
    }

    pub(super) async fn products(&self) -> Result<Vec<StackName>> {
        let mut all = self.fleet.products().await?;
        all.retain(|product| self.sees(product));
        Ok(all)
    }

    /// A zip has the name of its digest, and belongs to no product: whoever knows the digest may ask for it.
    pub(super) async fn has_zip(&self, digest: &str) -> Result<bool> {
        self.fleet.inner.artifacts.has(digest).await
    }

    pub(super) async fn zip(&self, digest: &str) -> Result<Option<Arc<[u8]>>> {
        self.fleet.inner.artifacts.get(digest).await
    }

    pub(super) async fn keep_zip(&self, bytes: Arc<[u8]>) -> Result<String> {
        self.fleet.inner.artifacts.put(bytes).await
    }

    pub(super) async fn check_stack(&self, stack: &Stack) -> Result<Vec<Fitted>> {
        if self.sees(stack.name()) { self.fleet.check_stack(stack).await } else { Ok(Vec::new()) }
    }

    /// Publishes a release whose zips are kept.
    pub(super) async fn publish(&self, release: &Release, images: Images, revert_to: RevertTo) -> Result<Published> {
        self.caller.may_for(release.stack().name())?;
        self.fleet.publish_kept(release, images, revert_to).await
    }

    pub(super) async fn releases(&self, product: &StackName) -> Result<Vec<ListedRelease>> {
        if self.sees(product) { self.fleet.releases(product).await } else { Ok(Vec::new()) }
    }

    pub(super) async fn last_release(&self, product: &StackName) -> Result<Option<PublishedRelease>> {
        if self.sees(product) { self.fleet.last_release(product).await } else { Ok(None) }
    }

    pub(super) async fn published(&self, product: &StackName, sequence: Sequence) -> Result<PublishedRelease> {
        if self.sees(product) {
            self.fleet.published(product, sequence).await
        } else {
            Err(no_release(product, sequence))
        }
    }

    pub(super) async fn check(&self, release: &PublishedRelease) -> Result<Vec<Fitted>> {
        self.check_stack(release.stack()).await
    }

    pub(super) async fn rollouts(&self, product: &StackName) -> Result<Vec<Status>> {
        if self.sees(product) { self.fleet.rollouts(product).await } else { Ok(Vec::new()) }
    }

    pub(super) async fn status(&self, id: &RolloutId) -> Result<Status> {
        if self.sees(id.product()) { self.fleet.status(id).await } else { Err(no_rollout(id)) }
    }

    pub(super) async fn planned(&self, product: &StackName, sequence: Sequence, plan: &Plan) -> Result<Rollout> {
        if self.sees(product) {
            self.fleet.planned(product, sequence, plan).await
        } else {
            Err(no_release(product, sequence))
        }
    }

    pub(super) async fn roll_out(&self, product: &StackName, sequence: Sequence, plan: &Plan) -> Result<RolloutId> {
        if self.sees(product) {
            self.fleet.roll_out(product, sequence, plan).await
        } else {
            Err(no_release(product, sequence))
        }
    }

    pub(super) async fn order(&self, id: &RolloutId, order: &Order) -> Result<()> {
        if self.sees(id.product()) { self.fleet.order(id, order).await } else { Err(no_rollout(id)) }
    }

    pub(super) async fn deployments(&self, product: &StackName) -> Result<Vec<Listed>> {
        if self.sees(product) { self.fleet.deployments(product).await } else { Ok(Vec::new()) }
    }

    pub(super) async fn deployment(&self, id: DeploymentId) -> Result<(Listed, Deployment)> {
        self.seen(id).await
    }

    pub(super) async fn watched(&self, id: DeploymentId) -> Result<Option<Watched>> {
        self.seen(id).await?;
        self.fleet.watched(id).await
    }

    pub(super) async fn register(
        &self,
        invitation: &Invitation,
        record: &Deployment,
        agent_key: Option<&str>,
    ) -> Result<Listed> {
        self.caller.may_for(record.stack.name())?;
        match agent_key {
            None => self.fleet.register(invitation, record).await,
            #[cfg(feature = "agents")]
            Some(key) => {
                let key = key.parse().map_err(|error: Error| error.at("agentKey"))?;
                self.fleet.register_agent(invitation, record, &key).await
            }
            #[cfg(not(feature = "agents"))]
            Some(_) => {
                let what = "this program was built without agents";
                Err(Error::new(ErrorKind::Input, what).because("register the deployment where agents are answered"))
            }
        }
    }

    pub(super) async fn add(&self, record: &Deployment) -> Result<Listed> {
        self.caller.may_for(record.stack.name())?;
        self.fleet.add(record).await
    }

    pub(super) async fn remove(&self, id: DeploymentId) -> Result<()> {
        self.seen(id).await?;
        self.fleet.remove(id).await
    }

    pub(super) async fn set(&self, id: DeploymentId, setting: Setting) -> Result<Listed> {
        self.seen(id).await?;
        self.fleet.set(id, setting).await
    }

    pub(super) async fn health(&self) -> Result<BTreeMap<DeploymentId, Watched>> {
        let mut all = self.fleet.health().await?;
        if let Products::Only(some) = self.caller.products() {
            let mut seen = BTreeMap::new();
            for product in some {
                for listed in self.fleet.deployments(product).await? {
                    seen.extend(all.remove_entry(&listed.id));
                }
            }
            return Ok(seen);
        }
        Ok(all)
    }

    pub(super) async fn heartbeat(&self, id: DeploymentId) -> Result<Vec<Beat>> {
        self.seen(id).await?;
        self.fleet.heartbeat(id).await
    }

    pub(super) async fn logs(
        &self,
        id: DeploymentId,
        resource: &ResourceId,
        since: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<LogLine>> {
        self.seen(id).await?;
        self.fleet.logs(id, resource, since, limit).await
    }

    pub(super) async fn dispatch(
        &self,
        id: DeploymentId,
        function: &ResourceId,
        command: CommandId,
        body: &[u8],
    ) -> Result<Vec<u8>> {
        self.seen(id).await?;
        self.fleet.dispatch(id, function, command, body).await
    }

    /// Whether an entry of the log is about a product that the caller sees.
    fn sees_entry(&self, entry: &Entry) -> bool {
        self.sees_all() || entry.what.product().is_some_and(|product| self.sees(product))
    }

    /// The entries after this number that the caller sees, at most `limit`. Only if there are fewer is the log at its end.
    pub(super) async fn log(&self, after: u64, limit: usize) -> Result<Vec<Entry>> {
        let (mut found, mut after) = (Vec::new(), after);
        loop {
            let page = self.fleet.log(after, limit).await?;
            let is_last = page.len() < limit;
            after = page.last().map_or(after, |last| last.number);
            found.extend(page.into_iter().filter(|entry| self.sees_entry(entry)));
            if is_last || found.len() >= limit {
                found.truncate(limit);
                return Ok(found);
            }
        }
    }

    /// The entries after this number that the caller sees, and then each as it is written, for as long as the caller's token
    /// is valid.
    pub(super) fn follow(self, after: u64) -> BoxStream<'static, Result<Entry>> {
        let entries = self.fleet.follow(after);
        let (fleet, token) = (self.fleet.clone(), self.caller.token().cloned());
        let seen = entries.filter(move |entry| {
            let seen = entry.as_ref().map_or(true, |entry| self.sees_entry(entry));
            std::future::ready(seen)
        });
        let lapsed = async move {
            match token {
                Some(token) => fleet.lapsed(&token).await,
                None => std::future::pending().await,
            }
        };
        seen.take_until(Box::pin(lapsed)).boxed()
    }

    /// Makes a token, for no more than the caller has.
    pub(super) async fn make_token(&self, new: &NewToken) -> Result<(Token, TokenText)> {
        self.caller.may(new.role)?;
        if !self.caller.products().cover(&new.products) {
            let what = format!(
                "{} is for {}, and makes no token for {}",
                self.caller.who(),
                self.caller.products(),
                new.products
            );
            return Err(Error::new(ErrorKind::NotGranted, what));
        }
        self.fleet.make_token(new).await
    }

    /// The tokens for nothing but what the caller sees.
    pub(super) async fn tokens(&self) -> Result<Vec<Token>> {
        let mut all = self.fleet.tokens().await?;
        all.retain(|token| self.caller.products().cover(&token.products));
        Ok(all)
    }

    pub(super) async fn revoke_token(&self, id: &TokenId) -> Result<Token> {
        let token = self.fleet.token(id).await?;
        if !self.caller.products().cover(&token.products) {
            return Err(Error::new(ErrorKind::NotFound, format!("there is no token {id}")));
        }
        self.fleet.revoke_token(id).await
    }
}

// As the fleet says it of what is not there.

fn no_deployment(id: DeploymentId) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no deployment {id}"))
}

fn no_release(product: &StackName, sequence: Sequence) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no release {sequence} of `{product}`"))
}

fn no_rollout(id: &RolloutId) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no rollout {id}"))
}
