//! Which deployments can take a release, and what each of the others waits for.

use std::collections::HashMap;

use alien_core::rollout::{Member, Sequence};
use alien_core::{Deployment, DeploymentId, Invitation, Problem, PublishedRelease, Result, Stack, StackName};
use serde::{Deserialize, Serialize};

use crate::clouds::{Clouds, words};
use crate::deployments::Listed;
use crate::fleet::Fleet;
use crate::products::Product;
use crate::records::Records;
use crate::rollouts::RolloutId;
use crate::store::Table;

/// Whether a deployment can take a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Its cloud does not run the release.
    NotThere {
        /// Why.
        problems: Vec<Problem>,
    },
}

/// A deployment of the product, and whether it can take the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fitted {
    /// The deployment.
    pub deployment: DeploymentId,
    /// Whether it can take the release.
    #[serde(flatten)]
    pub fit: Fit,
}

/// A deployment with its record.
pub(crate) struct Known {
    pub(crate) listed: Listed,
    pub(crate) record: Deployment,
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
        known
            .iter()
            .map(|Known { listed, record }| Ok(Fitted { deployment: listed.id, fit: asked.fit(record)? }))
            .collect()
    }

    pub(crate) async fn known(&self, product: &StackName) -> Result<Vec<Known>> {
        let listed: Vec<(String, Listed)> = self.inner.ledger.all(Table::Deployment, product.as_str()).await?;
        let mut known = Vec::with_capacity(listed.len());
        for page in listed.chunks(PAGE) {
            let keys: Vec<_> = page.iter().map(|(_, listed)| Records::key(listed.id)).collect();
            let found = self.inner.ledger.store().read(&keys).await?;
            for (((_, listed), key), document) in page.iter().zip(&keys).zip(found) {
                // Who was removed meanwhile is not there any more.
                let Some(document) = document else { continue };
                known.push(Known { listed: listed.clone(), record: crate::store::parse(key, &document)? });
            }
        }
        Ok(known)
    }

    /// The deployments as members of a rollout.
    pub(crate) async fn members(&self, rollout: &RolloutId, known: &[Known], stack: &Stack) -> Result<Vec<Member>> {
        let mut members = Vec::with_capacity(known.len());
        let mut asked = Asked::of(&self.inner.clouds, stack);
        for page in known.chunks(PAGE) {
            let product = rollout.product();
            let keys: Vec<_> =
                page.iter().map(|known| Product::content_key(product, known.record.stack.digest())).collect();
            let contents = self.inner.ledger.store().read(&keys).await?;
            for ((Known { listed, record }, key), content) in page.iter().zip(&keys).zip(contents) {
                let standing = listed.standing(asked.waits(record)?);
                let mut member = Member::new(listed.id, &listed.account).fence(rollout.fence()).standing(standing);
                if let Some(content) = content {
                    member = member.running(crate::store::parse::<Sequence>(key, &content)?);
                }
                for (name, value) in &listed.labels {
                    member = member.label(name, value);
                }
                members.push(member);
            }
        }
        Ok(members)
    }
}

/// What deployments wait for before they can take a stack. Most run the same, so what was found for one is kept for the others.
pub(crate) struct Asked<'a> {
    clouds: &'a Clouds,
    stack: &'a Stack,
    /// What a cloud does not run, by its name.
    not_run: HashMap<String, Vec<Problem>>,
    /// What only the admin can apply, by the digests of the stack that runs and of that which was agreed to.
    admin_only: HashMap<(String, Option<String>), Vec<Problem>>,
}

impl<'a> Asked<'a> {
    pub(crate) fn of(clouds: &'a Clouds, stack: &'a Stack) -> Self {
        Self { clouds, stack, not_run: HashMap::new(), admin_only: HashMap::new() }
    }

    fn not_run(&mut self, record: &Deployment) -> Result<&[Problem]> {
        if !self.not_run.contains_key(&record.cloud) {
            self.not_run.insert(record.cloud.clone(), self.clouds.runs(record, self.stack)?);
        }
        Ok(self.not_run.get(&record.cloud).map(Vec::as_slice).unwrap_or_default())
    }

    fn admin_only(&mut self, record: &Deployment) -> Result<&[Problem]> {
        let runs = (record.stack.digest().to_owned(), record.agreed.as_ref().map(|agreed| agreed.digest().to_owned()));
        if !self.admin_only.contains_key(&runs) {
            self.admin_only.insert(runs.clone(), record.admin_only(self.stack)?);
        }
        Ok(self.admin_only.get(&runs).map(Vec::as_slice).unwrap_or_default())
    }

    fn fit(&mut self, record: &Deployment) -> Result<Fit> {
        let problems = self.not_run(record)?;
        if !problems.is_empty() {
            return Ok(Fit::NotThere { problems: problems.to_vec() });
        }
        let changes = self.admin_only(record)?.to_vec();
        if changes.is_empty() {
            return Ok(Fit::Ready);
        }
        let invitation = Box::new(self.clouds.invite(record, self.stack.clone())?);
        Ok(Fit::AdminOnly { changes, invitation })
    }

    /// Why a deployment waits for its customer's admin, or cannot take the stack at all; `None` if it can.
    pub(crate) fn waits(&mut self, record: &Deployment) -> Result<Option<String>> {
        let problems = [self.not_run(record)?.to_vec(), self.admin_only(record)?.to_vec()].concat();
        Ok((!problems.is_empty()).then(|| words(&problems)))
    }
}

/// How many documents are read at once.
const PAGE: usize = 500;
