//! Publishing: a release, and the twin to which it is reverted.

use std::sync::Arc;

use alien_core::rollout::{Sequence, Twin};
use alien_core::{Error, ErrorKind, Images, PublishedRelease, Release, Result, StackName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clouds::refused;
use crate::fleet::Fleet;
use crate::log::What;
use crate::products::{KeptRelease, Product};
use crate::store::Table;

/// What a release is reverted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RevertTo {
    /// The release before it. The first release of a product has none, and so no twin.
    #[default]
    Before,
    /// This release.
    Release(Sequence),
    /// Nothing: it is published without a twin, and cannot be reverted.
    Nothing,
}

/// What was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Published {
    /// The release.
    pub release: PublishedRelease,
    /// Its twin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twin: Option<PublishedRelease>,
}

/// A release of a product, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListedRelease {
    /// Its number.
    pub sequence: Sequence,
    /// The digest of its file.
    pub digest: String,
    /// The release whose content its twin has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverts_to: Option<Sequence>,
    /// When it was published.
    pub at: jiff::Timestamp,
    /// Who published it.
    pub by: crate::log::Who,
}

impl Fleet {
    /// Publishes a release, and its twin with the content to revert to. Writes the zips first. Nothing is rolled out.
    ///
    /// # Errors
    ///
    /// What [`PublishedRelease::new`] refuses; [`NotFound`](ErrorKind::NotFound) if there is no release to revert to;
    /// [`Conflict`](ErrorKind::Conflict) if somebody else published at the same time; errors of the store.
    pub async fn publish(&self, release: &Release, images: Images, revert_to: RevertTo) -> Result<Published> {
        // What is wrong with it is told before anything is written.
        PublishedRelease::new(1.into(), release, images.clone()).map_err(refused)?;
        for (_, bytes) in release.artifacts().iter() {
            self.inner.artifacts.put(Arc::clone(bytes)).await?;
        }
        self.publish_kept(release, images, revert_to).await
    }

    /// As [`publish`](Self::publish), where the zips are among the artifacts.
    pub(crate) async fn publish_kept(
        &self,
        release: &Release,
        images: Images,
        revert_to: RevertTo,
    ) -> Result<Published> {
        let product = release.stack().name();
        let key = Product::key(product);
        let seen: Product = self.inner.ledger.get(&key).await?.unwrap_or_default();
        let published = PublishedRelease::new((seen.last + 1).into(), release, images).map_err(refused)?;
        let before = match revert_to {
            RevertTo::Before => seen.release,
            RevertTo::Release(sequence) => Some(sequence),
            RevertTo::Nothing => None,
        };
        let twin = match before {
            Some(before) => {
                let before = self.inner.published(product, before).await?;
                Some(published.twin(&before).map_err(refused)?)
            }
            None => None,
        };
        self.keep_release(&seen, &published, twin.as_ref()).await?;
        self.inner.remember_published(&published, release);
        Ok(Published { release: published, twin })
    }

    async fn keep_release(
        &self,
        seen: &Product,
        published: &PublishedRelease,
        twin: Option<&PublishedRelease>,
    ) -> Result<()> {
        let (product, sequence) = (published.product().clone(), published.sequence());
        let names_twin = twin.map(|twin| Twin { sequence: twin.sequence(), content: twin.content() });
        let (at, by) = (self.inner.now(), self.who().clone());
        let kept = KeptRelease::new(published, at, by.clone(), names_twin);
        let kept_twin = twin.map(|twin| (twin.sequence(), KeptRelease::new(twin, at, by, None)));
        let what = What::Published {
            product: product.clone(),
            release: sequence,
            digest: kept.digest.clone(),
            twin_of: names_twin.map(|twin| twin.content),
        };
        let (draft, last) = (self.draft(what), seen.last);
        let content = Product::content_key(&product, published.stack().digest());
        let keys = [Product::key(&product), content.clone()];
        let change = move |pages: &mut crate::ledger::Pages<'_>| {
            let key = Product::key(&product);
            let mut found: Product = pages.get(&key)?.unwrap_or_default();
            if found.last != last {
                let what = format!("somebody else has published release {} meanwhile; publish again", found.last);
                return Err(Error::new(ErrorKind::Conflict, what));
            }
            // The number of the twin is used also where there is none: the next release is two further in any case.
            found.last = sequence.twin().number();
            found.release = Some(sequence);
            pages.put(key, &found, None)?;
            if pages.get::<Sequence>(&content)?.is_none() {
                pages.put(content.clone(), &sequence, None)?;
            }
            pages.put(KeptRelease::key(&product, sequence), &kept, None)?;
            if let Some((sequence, twin)) = &kept_twin {
                pages.put(KeptRelease::key(&product, *sequence), twin, None)?;
            }
            pages.log(draft.clone());
            pages.announce();
            Ok(())
        };
        self.inner.ledger.change(keys, change).await
    }

    /// The releases of a product, without their twins, the latest last.
    ///
    /// # Errors
    ///
    /// Errors of the store.
    pub async fn releases(&self, product: &StackName) -> Result<Vec<ListedRelease>> {
        let all: Vec<(String, KeptRelease)> = self.inner.ledger.all(Table::Release, product.as_str()).await?;
        let mut releases = Vec::new();
        for (_, kept) in all {
            let release = kept.release()?;
            if release.content() == release.sequence() {
                releases.push(ListedRelease {
                    sequence: release.sequence(),
                    digest: kept.digest,
                    reverts_to: kept.twin.map(|twin| twin.content),
                    at: kept.at,
                    by: kept.by,
                });
            }
        }
        Ok(releases)
    }

    /// A release, or a twin, as it was published.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if there is none of this number; errors of the store.
    pub async fn published(&self, product: &StackName, sequence: Sequence) -> Result<PublishedRelease> {
        self.inner.published(product, sequence).await
    }

    /// The release of a product that was published last; `None` before the first.
    ///
    /// # Errors
    ///
    /// Errors of the store.
    pub async fn last_release(&self, product: &StackName) -> Result<Option<PublishedRelease>> {
        let found: Option<Product> = self.inner.ledger.get(&Product::key(product)).await?;
        match found.and_then(|found| found.release) {
            Some(sequence) => self.inner.published(product, sequence).await.map(Some),
            None => Ok(None),
        }
    }

    /// The names of all products.
    ///
    /// # Errors
    ///
    /// Errors of the store.
    pub async fn products(&self) -> Result<Vec<StackName>> {
        let all = self.inner.ledger.all::<Product>(Table::Product, "").await?;
        let wrong = |id: &str| Error::new(ErrorKind::Internal, format!("`{id}` is not the name of a product"));
        all.iter().map(|(id, _)| id.parse().map_err(|_| wrong(id))).collect()
    }
}
