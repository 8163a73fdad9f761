//! Makes a release ready to be published, signs it, and verifies it where it arrives.
//!
//! A stack names each image by a digest, which may be that of an index of several platforms. [`Registry::resolve`] asks the
//! registries what the images are on each platform, and [`PublishedRelease`](alien_core::PublishedRelease) keeps it.
//! A [`Repository`] holds releases that the vendor's keys signed, and a [`Verifier`] takes nothing else from it.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use alien_core::{Artifacts, PublishedRelease, Release, Stack};
//! use alien_release::{Credential, FolderTransport, Registry, Repository, SigningKey, Verifier};
//!
//! # async fn publish(stack: Stack, artifacts: Artifacts, password: String) -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::new().with_credential("registry.example.com", Credential::basic("publisher", password));
//! let images = registry.resolve(&stack).await?;
//! let release = Release::new(stack, artifacts)?;
//! let published = PublishedRelease::new(3.into(), &release, images)?;
//!
//! let repository = Repository::open("repository")?
//!     .with_release_key(Arc::new(SigningKey::open("release.pem")?))
//!     .with_online_key(Arc::new(SigningKey::open("online.pem")?));
//! repository.publish(&published, None, release.artifacts()).await?;
//!
//! // Where it arrives, the root file or its digest is known.
//! let verifier = Verifier::new(repository.root()?, "trust", FolderTransport::new("repository"));
//! assert_eq!(verifier.decide(3.into()).await?.release(), &published);
//! # Ok(())
//! # }
//! ```
//!
//! [`agent`] has the forms that an agent and its manager exchange. [`sign_invitation`] signs what a customer gets, and [`InvitationFile`] is how the customer's admin reads it.

pub mod agent;
mod files;
mod images;
mod invitation;
mod keys;
mod repository;
mod verify;

pub use images::{Credential, ImageProblem, ImageProblemKind, Registry, Unresolved};
pub use invitation::{InvitationFile, sign_invitation};
pub use keys::{Passphrase, PublicKey, Signature, Signer, SigningKey};
pub use repository::{KeyRole, Publication, Repository, Root, RootDraft, RootKeys};
pub use verify::{
    Begun, ByteStream, FolderTransport, HttpTransport, Refusal, RefusalKind, TarTransport, Transport, TrustedRoot,
    VerifiedRelease, VerifiedZip, Verifier, verifiers,
};
