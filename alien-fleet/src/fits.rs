//! Which deployments can take a release, and what each of the others waits for.

use alien_core::rollout::{Member, Sequence};
use alien_core::{Deployment, DeploymentId, Invitation, Problem, PublishedRelease, Result, Stack, StackName};
use serde::{Deserialize, Serialize};

use crate::clouds::words;
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
        known.iter().map(|known| self.fitted(known, stack)).collect()
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

    fn fitted(&self, known: &Known, stack: &Stack) -> Result<Fitted> {
        let Known { listed, record } = known;
        let clouds = &self.inner.clouds;
        let problems = clouds.runs(record, stack)?;
        let fit = if problems.is_empty() {
            match record.admin_only(stack)? {
                changes if changes.is_empty() => Fit::Ready,
                changes => {
                    let invitation = Box::new(clouds.invite(record, stack.clone())?);
                    Fit::AdminOnly { changes, invitation }
                }
            }
        } else {
            Fit::NotThere { problems }
        };
        Ok(Fitted { deployment: listed.id, fit })
    }

    /// Why a deployment waits for its customer's admin, or cannot take a release at all; `None` if it can.
    pub(crate) fn waits(&self, record: &Deployment, stack: &Stack) -> Result<Option<String>> {
        let mut problems = self.inner.clouds.runs(record, stack)?;
        problems.extend(record.admin_only(stack)?);
        Ok((!problems.is_empty()).then(|| words(&problems)))
    }

    /// The deployments as members of a rollout.
    pub(crate) async fn members(&self, rollout: &RolloutId, known: &[Known], stack: &Stack) -> Result<Vec<Member>> {
        let mut members = Vec::with_capacity(known.len());
        for page in known.chunks(PAGE) {
            let product = rollout.product();
            let keys: Vec<_> =
                page.iter().map(|known| Product::content_key(product, known.record.stack.digest())).collect();
            let contents = self.inner.ledger.store().read(&keys).await?;
            for ((Known { listed, record }, key), content) in page.iter().zip(&keys).zip(contents) {
                let standing = listed.standing(self.waits(record, stack)?);
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

/// How many documents are read at once.
const PAGE: usize = 500;
