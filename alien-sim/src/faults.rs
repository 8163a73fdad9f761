//! Failures that a test injects, for any cloud.

use std::collections::HashMap;

/// How many more calls of each method fail, and the error code.
#[derive(Debug, Default)]
pub(crate) struct Calls(HashMap<String, (u32, String)>);

impl Calls {
    /// Makes the next `calls` calls of a method fail with an error code of the cloud.
    pub(crate) fn set(&mut self, method: &str, calls: u32, word: &str) {
        self.0.insert(method.to_owned(), (calls, word.to_owned()));
    }

    /// Takes the error code that this call fails with, if it is to fail.
    pub(crate) fn take(&mut self, method: &str) -> Option<String> {
        let (left, word) = self.0.get_mut(method)?;
        *left = left.checked_sub(1)?;
        Some(word.clone())
    }
}
