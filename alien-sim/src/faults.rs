//! Failures that a test asks for, of whatever cloud.

use std::collections::HashMap;

/// How many calls of which method fail still, and with what.
#[derive(Debug, Default)]
pub(crate) struct Calls(HashMap<String, (u32, String)>);

impl Calls {
    /// The next `calls` calls of a method fail with a word of the cloud.
    pub(crate) fn set(&mut self, method: &str, calls: u32, word: &str) {
        self.0.insert(method.to_owned(), (calls, word.to_owned()));
    }

    /// What a call that is made now fails with.
    pub(crate) fn take(&mut self, method: &str) -> Option<String> {
        let (left, word) = self.0.get_mut(method)?;
        *left = left.checked_sub(1)?;
        Some(word.clone())
    }
}
