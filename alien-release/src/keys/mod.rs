//! The vendor's keys: Ed25519, kept in files, or elsewhere behind [`Signer`].

mod passphrase;
mod problem;
mod public;
mod signature;
mod signer;
mod signing;

pub use passphrase::Passphrase;
pub use public::PublicKey;
pub use signature::Signature;
pub use signer::Signer;
pub use signing::SigningKey;

pub(crate) use signer::signed;
