//! What may be rolled out: anything, or only what the vendor's keys signed.

#[cfg(feature = "signed")]
use std::collections::BTreeMap;
use std::sync::Arc;

use alien_core::rollout::Sequence;
#[cfg(feature = "signed")]
use alien_core::{Error, ErrorKind};
use alien_core::{Release, Result, StackName};
#[cfg(feature = "signed")]
use alien_release::{Begun, VerifiedRelease, Verifier};

/// What may be rolled out. Without a verifier, whatever the store has.
#[derive(Debug, Default)]
pub(crate) struct Trust {
    #[cfg(feature = "signed")]
    verifiers: BTreeMap<StackName, Verifier>,
}

#[cfg(feature = "signed")]
impl Trust {
    pub(crate) fn insert(&mut self, product: StackName, verifier: Verifier) {
        self.verifiers.insert(product, verifier);
    }

    /// Whether anything that is rolled out must be signed.
    pub(crate) fn asks(&self) -> bool {
        !self.verifiers.is_empty()
    }

    /// The verifier of a product; `None` if whatever the store has may be rolled out.
    fn verifier(&self, product: &StackName) -> Result<Option<&Verifier>> {
        match self.verifiers.get(product) {
            None if self.asks() => {
                let what = format!("this fleet rolls out only what is signed, and knows no root of `{product}`");
                Err(Error::new(ErrorKind::Rejected, what).because("open it with the root of this product as well"))
            }
            found => Ok(found),
        }
    }

    /// Asks whether a release may be rolled out from now on: it is signed, as the store has it, and nothing has expired.
    pub(crate) async fn decide(&self, product: &StackName, release: Sequence, digest: &str) -> Result<()> {
        let Some(verifier) = self.verifier(product)? else { return Ok(()) };
        let verified = verifier.decide(release).await.map_err(Error::from)?;
        if verified.digest() == digest {
            return Ok(());
        }
        let what =
            format!("release {release} of `{product}` is {digest} in the store, and {} is signed", verified.digest());
        Err(Error::new(ErrorKind::Rejected, what).because("ask who changed the store, and publish the signed one"))
    }

    /// A release whose rollout was decided before, with its zips, as it is signed; `None` if the store's may be taken.
    pub(crate) async fn release(
        &self,
        product: &StackName,
        release: Sequence,
        digest: &str,
    ) -> Result<Option<Arc<Release>>> {
        let Some(verifier) = self.verifier(product)? else { return Ok(None) };
        let begun = Begun { sequence: release, digest: digest.to_owned() };
        let verified: VerifiedRelease = verifier.finish(&begun).await.map_err(Error::from)?;
        Ok(Some(Arc::new(verified.with_zips().await.map_err(Error::from)?)))
    }
}

#[cfg(not(feature = "signed"))]
impl Trust {
    pub(crate) const fn asks(&self) -> bool {
        false
    }

    #[expect(clippy::unused_async, reason = "as with the feature `signed`")]
    pub(crate) async fn decide(&self, _: &StackName, _: Sequence, _: &str) -> Result<()> {
        Ok(())
    }

    #[expect(clippy::unused_async, reason = "as with the feature `signed`")]
    pub(crate) async fn release(&self, _: &StackName, _: Sequence, _: &str) -> Result<Option<Arc<Release>>> {
        Ok(None)
    }
}
