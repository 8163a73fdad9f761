//! Which deployments can take a release, and what each of the others waits for.

use std::collections::HashMap;
use std::sync::Arc;

use alien_core::rollout::{Member, Sequence};
use alien_core::{
    AnyTarget, Deployment, DeploymentId, Invitation, Problem, PublishedRelease, Result, Stack, StackName,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::clouds::{Clouds, words};
use crate::deployments::Listed;
use crate::fleet::Fleet;
use crate::products::Product;
use crate::records::Records;
use crate::rollout_id::RolloutId;
use crate::store::{Document, Key, Table};

/// Whether a deployment can take a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "fit", rename_all = "kebab-case")]
pub enum Fit {
    /// The vendor can roll it out.
    Ready,
    /// Its customer's admin must set up first, with this invitation.
    AdminOnly {
        /// What only the admin can apply.
        changes: Vec<Problem>,
        /// The invitation to send.
        invitation: Box<Invitation>,
    },
    /// Its cloud does not run the release, or does not take what it sets.
    NotThere {
        /// Why.
        problems: Vec<Problem>,
    },
}

/// A deployment of the product, and whether it can take the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fitted {
    /// The deployment.
    pub deployment: DeploymentId,
    /// Whether it can take the release.
    #[serde(flatten)]
    pub fit: Fit,
}

/// A deployment, with the text of its record.
pub(crate) struct Known {
    pub(crate) listed: Listed,
    key: Key,
    record: Document,
}

impl Known {
    fn record(&self) -> Result<Deployment> {
        crate::store::parse(&self.key, &self.record)
    }
}

/// What decides whether a deployment can take a stack, as the text of its record says it. Most deployments of a product run the
/// same, so that of most records the rest is not read: reading all of it costs more than everything else.
#[derive(Deserialize)]
struct Runs<'a> {
    cloud: String,
    #[serde(borrow)]
    target: &'a RawValue,
    #[serde(borrow)]
    stack: &'a RawValue,
    #[serde(borrow, default)]
    agreed: Option<&'a RawValue>,
}

impl Fleet {
    /// Checks a release against every deployment of its product: who can take it, whose admin is needed, and for what.
    /// Calls no cloud.
    ///
    /// # Errors
    ///
    /// Errors of the store.
    pub async fn check(&self, release: &PublishedRelease) -> Result<Vec<Fitted>> {
        self.check_stack(release.stack()).await
    }

    /// As [`check`](Self::check), of a stack that is not published yet.
    ///
    /// # Errors
    ///
    /// Errors of the store.
    pub async fn check_stack(&self, stack: &Stack) -> Result<Vec<Fitted>> {
        let known = self.known(stack.name()).await?;
        let mut asked = Asked::of(&self.inner.clouds, stack);
        known.iter().map(|known| Ok(Fitted { deployment: known.listed.id, fit: asked.fit(known)? })).collect()
    }

    pub(crate) async fn known(&self, product: &StackName) -> Result<Vec<Known>> {
        let listed: Vec<(String, Listed)> = self.inner.ledger.all(Table::Deployment, product.as_str()).await?;
        let mut known = Vec::with_capacity(listed.len());
        for page in listed.chunks(PAGE) {
            let keys: Vec<_> = page.iter().map(|(_, listed)| Records::key(listed.id)).collect();
            let found = self.inner.ledger.store().read(&keys).await?;
            for (((_, listed), key), record) in page.iter().zip(keys).zip(found) {
                // Who was removed meanwhile is not there any more.
                let Some(record) = record else { continue };
                known.push(Known { listed: listed.clone(), key, record });
            }
        }
        Ok(known)
    }

    /// The deployments as members of a rollout.
    pub(crate) async fn members(&self, rollout: &RolloutId, known: &[Known], stack: &Stack) -> Result<Vec<Member>> {
        let mut asked = Asked::of(&self.inner.clouds, stack);
        let mut releases: HashMap<String, Option<Sequence>> = HashMap::new();
        let mut members = Vec::with_capacity(known.len());
        for known in known {
            let (found, refused) = asked.of_record(known)?;
            let digest = found.runs.digest().to_owned();
            let listed = &known.listed;
            let mut member = Member::new(listed.id, &listed.account).fence(rollout.fence());
            member = member.standing(listed.standing(found.waits(&refused)));
            let running = match releases.get(&digest) {
                Some(running) => *running,
                None => {
                    let key = Product::content_key(rollout.product(), &digest);
                    let running = self.inner.ledger.get(&key).await?;
                    releases.insert(digest, running);
                    running
                }
            };
            if let Some(running) = running {
                member = member.running(running);
            }
            for (name, value) in &listed.labels {
                member = member.label(name, value);
            }
            members.push(member);
        }
        Ok(members)
    }
}

/// What deployments wait for before they can take a stack. What was found for one is kept for all that run the same.
pub(crate) struct Asked<'a> {
    clouds: &'a Clouds,
    stack: &'a Stack,
    /// By the cloud, and the texts of the stack that runs and of that which was agreed to.
    found: HashMap<(String, String, Option<String>), Arc<Found>>,
    /// What is not taken at a target, by its text and the digest of the stack that runs.
    refused: HashMap<(String, String), Arc<Vec<Problem>>>,
}

/// What was found for all deployments that run the same on the same cloud.
struct Found {
    cloud: String,
    /// The stack that runs.
    runs: Stack,
    /// What the cloud does not run, wherever it is.
    not_run: Vec<Problem>,
    /// What only the admin can apply.
    admin_only: Vec<Problem>,
}

impl Found {
    fn new(clouds: &Clouds, record: &Deployment, stack: &Stack) -> Result<Self> {
        let (not_run, admin_only) = (clouds.runs(&record.cloud, stack)?, record.admin_only(stack)?);
        Ok(Self { cloud: record.cloud.clone(), runs: record.stack.clone(), not_run, admin_only })
    }

    /// What is not taken at a target. Of code without a form for the cloud nothing else can be said.
    fn refused(&self, clouds: &Clouds, target: &AnyTarget, stack: &Stack) -> Result<Vec<Problem>> {
        match self.not_run.as_slice() {
            [] => clouds.refused(&self.cloud, target, &self.runs, stack),
            not_run => Ok(not_run.to_vec()),
        }
    }

    /// Why the deployment waits for its customer's admin, or cannot take the stack at all; `None` if it can.
    fn waits(&self, refused: &[Problem]) -> Option<String> {
        let problems = [refused, &self.admin_only].concat();
        (!problems.is_empty()).then(|| words(&problems))
    }
}

impl<'a> Asked<'a> {
    fn of(clouds: &'a Clouds, stack: &'a Stack) -> Self {
        Self { clouds, stack, found: HashMap::new(), refused: HashMap::new() }
    }

    /// What was found of a deployment, and what is not taken at its target.
    fn of_record(&mut self, known: &Known) -> Result<(Arc<Found>, Arc<Vec<Problem>>)> {
        let Runs { cloud, target, stack, agreed } = crate::store::parse(&known.key, &known.record)?;
        let runs = (cloud, stack.get().to_owned(), agreed.map(|agreed| agreed.get().to_owned()));
        let found = match self.found.get(&runs) {
            Some(found) => Arc::clone(found),
            None => {
                let found = Arc::new(Found::new(self.clouds, &known.record()?, self.stack)?);
                self.found.insert(runs, Arc::clone(&found));
                found
            }
        };
        let at = (target.get().to_owned(), found.runs.digest().to_owned());
        if let Some(refused) = self.refused.get(&at) {
            return Ok((found, Arc::clone(refused)));
        }
        let target = crate::store::parse_part(&known.key, target.get())?;
        let refused = Arc::new(found.refused(self.clouds, &target, self.stack)?);
        self.refused.insert(at, Arc::clone(&refused));
        Ok((found, refused))
    }

    fn fit(&mut self, known: &Known) -> Result<Fit> {
        let (found, refused) = self.of_record(known)?;
        if !refused.is_empty() {
            return Ok(Fit::NotThere { problems: refused.to_vec() });
        }
        if found.admin_only.is_empty() {
            return Ok(Fit::Ready);
        }
        let invitation = Box::new(self.clouds.invite(&known.record()?, self.stack.clone())?);
        Ok(Fit::AdminOnly { changes: found.admin_only.clone(), invitation })
    }
}

/// What a deployment waits for before it can take a stack; `None` if it can.
pub(crate) fn waits_for(clouds: &Clouds, record: &Deployment, stack: &Stack) -> Result<Option<String>> {
    let found = Found::new(clouds, record, stack)?;
    let refused = found.refused(clouds, &record.target, stack)?;
    Ok(found.waits(&refused))
}

/// How many documents are read at once.
const PAGE: usize = 500;
