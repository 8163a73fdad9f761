//! What the vendor tries without this library, with nothing but its own credentials.

use std::error::Error;

use alien_core::Deployment;
use async_trait::async_trait;

/// Something that must be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// Update the frozen function.
    UpdateFrozen,
    /// Run the live function under the identity of the frozen one.
    RunAsAnother,
    /// Read a file of the customer's.
    ReadFile,
    /// Make another function.
    Create,
    /// Delete the live function.
    DeleteLive,
    /// Give the vendor's own identity more rights.
    WidenRights,
    /// Get in, after the customer has taken the access back.
    Enter,
}

/// What came of something that was tried.
#[derive(Debug)]
pub enum Outcome {
    /// It was done.
    Allowed,
    /// By whom, in its own words.
    Refused {
        /// Such as `AuthorizationFailed`.
        code: String,
        /// What was missing, such as `Microsoft.App/containerApps/write`; empty where that is not told.
        permission: String,
        /// For people.
        message: String,
    },
    /// It cannot be tried there, for this reason.
    Untried(&'static str),
}

/// A way round the library.
#[async_trait]
pub trait Around: Send + Sync {
    /// What the emulated cloud needs, once everything is set up; told in a sentence.
    async fn prepare(&self, _: &Deployment) -> Result<Option<&'static str>, Box<dyn Error>> {
        Ok(None)
    }

    /// Tries something with the vendor's own credentials. What is not clearly allowed or refused is an error.
    async fn attempt(&self, deployment: &Deployment, attempt: Attempt) -> Result<Outcome, Box<dyn Error>>;

    /// How many requests have reached the cloud so far; none where it does not tell.
    fn requests(&self) -> Option<usize>;

    /// What the cloud decided, in a sentence; none where it does not tell.
    fn decided(&self) -> Option<String>;
}

/// That sentence.
#[must_use]
pub fn sentence(decisions: usize, vendors: usize, refused: usize) -> String {
    format!(
        "The emulator decided {decisions} permissions, {vendors} of them for the vendor's token, and refused {refused}."
    )
}
