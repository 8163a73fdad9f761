//! Makes a release ready to be published.
//!
//! A stack names each image by a digest, which may be that of an index of several platforms. [`Registry::resolve`] asks the
//! registries what the images are on each platform, and [`PublishedRelease`](alien_core::PublishedRelease) keeps it.
//!
//! ```no_run
//! use alien_core::{Artifacts, PublishedRelease, Release, Stack};
//! use alien_release::{Credential, Registry};
//!
//! # async fn publish(stack: Stack, artifacts: Artifacts, password: String) -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::new().with_credential("registry.example.com", Credential::basic("publisher", password));
//! let images = registry.resolve(&stack).await?;
//! let release = PublishedRelease::new(3.into(), &Release::new(stack, artifacts)?, images)?;
//! std::fs::write(release.file_name(), release.to_json())?;
//! # Ok(())
//! # }
//! ```

mod images;
mod keys;

pub use images::{Credential, ImageProblem, ImageProblemKind, Registry, Unresolved};
pub use keys::{Passphrase, PublicKey, Signature, Signer, SigningKey};
