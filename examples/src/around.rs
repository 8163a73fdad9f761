//! What the vendor tries without this library, with only its own credentials.

use std::error::Error;

use alien_core::Deployment;
use async_trait::async_trait;

/// Something that the cloud must refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// Update the frozen function.
    UpdateFrozen,
    /// Run the live function under the identity of the frozen one.
    RunAsAnother,
    /// Read one of the customer's files.
    ReadFile,
    /// Create another function.
    Create,
    /// Delete the live function.
    DeleteLive,
    /// Give the vendor's own identity more rights.
    WidenRights,
    /// Assume a session after the customer revoked the access.
    Enter,
}

/// The result of an attempt.
#[derive(Debug)]
pub enum Outcome {
    /// The cloud allowed it.
    Allowed,
    /// The cloud refused it, in its own words.
    Refused {
        /// The error code, such as `AuthorizationFailed`.
        code: String,
        /// The missing permission, such as `Microsoft.App/containerApps/write`. Empty if the cloud does not tell.
        permission: String,
        /// The message for people.
        message: String,
    },
    /// It cannot be tried on this cloud, for this reason.
    Untried(&'static str),
}

/// A way around the library.
#[async_trait]
pub trait Around: Send + Sync {
    /// Does what the emulated cloud needs after set-up, and returns a sentence about it.
    async fn prepare(&self, _: &Deployment) -> Result<Option<&'static str>, Box<dyn Error>> {
        Ok(None)
    }

    /// Tries something with the vendor's own credentials.
    ///
    /// # Errors
    ///
    /// If the cloud neither clearly allowed nor clearly refused it.
    async fn attempt(&self, deployment: &Deployment, attempt: Attempt) -> Result<Outcome, Box<dyn Error>>;

    /// How many requests the cloud has received so far, or `None` if it does not tell.
    fn requests(&self) -> Option<usize>;

    /// A sentence about what the cloud decided, or `None` if it does not tell.
    fn decided(&self) -> Option<String>;
}

/// The sentence for [`Around::decided`].
#[must_use]
pub fn sentence(decisions: usize, vendors: usize, refused: usize) -> String {
    format!(
        "The emulator decided on {decisions} permissions, {vendors} of them for the vendor's token, and refused {refused}."
    )
}
