//! What the customer lets its agent do and say.

use std::collections::BTreeSet;

use alien_core::ResourceId;

/// What the customer lets its agent do for the vendor, beside taking releases, and what it may say. By default: nothing of it. The manager
/// cannot widen it.
///
/// ```
/// use alien_agent::Policy;
///
/// let policy = Policy::new().answering_commands("api".parse()?).sending_texts();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    commands: BTreeSet<ResourceId>,
    logs: BTreeSet<ResourceId>,
    sends_texts: bool,
}

impl Policy {
    /// No commands, no logs, no texts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the vendor send commands to a function.
    #[must_use]
    pub fn answering_commands(mut self, function: ResourceId) -> Self {
        self.commands.insert(function);
        self
    }

    /// Lets the vendor read the log of a function or container.
    #[must_use]
    pub fn sending_logs(mut self, resource: ResourceId) -> Self {
        self.logs.insert(resource);
        self
    }

    /// Lets the cloud's own words of health and errors out, at most 256 bytes each. Without it, codes alone leave the network.
    #[must_use]
    pub const fn sending_texts(mut self) -> Self {
        self.sends_texts = true;
        self
    }

    pub(crate) fn lets_commands(&self, function: &ResourceId) -> bool {
        self.commands.contains(function)
    }

    pub(crate) fn lets_logs(&self, resource: &ResourceId) -> bool {
        self.logs.contains(resource)
    }

    /// A text of the cloud's own, if it may leave.
    pub(crate) fn text<'a>(&self, text: &'a str) -> Option<&'a str> {
        self.sends_texts.then_some(text)
    }
}
