//! The code of the functions: what answers every command with the command itself, and logs it.

use std::sync::Arc;

use alien_core::{Code, Result};
use examples::shop::Shipped;

/// A zip with a script. Each `release` gives a different zip that does the same.
pub(crate) fn zip(release: &str) -> Result<Arc<[u8]>> {
    alien_prove::bootstrap(release)
}

/// An image, by its digest. The emulators answer every command with the command itself, whichever image it is.
pub(crate) fn image(repository: &str, release: &str) -> Shipped {
    // Any digest does, as long as each release has its own.
    let named = Code::zip(release.as_bytes());
    let digest = named.only().map(|form| form.digest().to_owned()).unwrap_or_default();
    Shipped::Image(format!("{repository}@{digest}"))
}
