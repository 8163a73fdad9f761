//! Verification: nothing is taken that the vendor's keys did not sign.

mod bounded;
mod folder;
mod http;
mod places;
mod reason;
mod refusal;
mod release;
mod tar;
mod transport;
mod trusted;
mod verifier;

pub use folder::FolderTransport;
pub use http::HttpTransport;
pub use places::verifiers;
pub use refusal::{Refusal, RefusalKind};
pub use release::{VerifiedRelease, VerifiedZip};
pub use tar::TarTransport;
pub use transport::{ByteStream, Transport};
pub use verifier::{Begun, TrustedRoot, Verifier};
