//! The vendor as an issuer of OpenID Connect tokens: the key that signs, the token for one deployment, and the two
//! documents by which Entra finds the public keys.

mod discovery;
mod key;
mod pem;
mod public;
pub(crate) mod token;

pub use discovery::{Discovery, DiscoveryDocument};
pub use key::IssuerKey;
pub use public::IssuerPublicKey;
pub use token::TokenSigner;
