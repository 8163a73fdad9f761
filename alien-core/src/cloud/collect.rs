//! What the clouds' own tools print about identities, taken as documents.

use serde_json::Value;

use crate::problem::{Problem, Rule};

/// An answer of a cloud's own tool, as JSON.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The name of its file without its ending. Some answers do not say what they are about, and are named for that.
    pub name: String,
    /// The answer.
    pub value: Value,
}

/// What answers say: identities, and why that is not all.
#[derive(Debug, Clone)]
pub struct Collected<P> {
    /// The identities, as far as the answers describe them.
    pub principals: Vec<P>,
    /// What is missing for a judgement, and which answers cannot be read.
    pub problems: Vec<Problem>,
}

impl<P> Default for Collected<P> {
    fn default() -> Self {
        Self { principals: Vec::new(), problems: Vec::new() }
    }
}

impl<P> Collected<P> {
    /// Something is missing, and this command prints it.
    pub fn missing(&mut self, at: impl Into<String>, what: impl Into<String>, command: &str) {
        let help = format!("add what `{command}` prints");
        self.problems.push(Problem::error(Rule::Form, what.into(), help).at(at));
    }

    /// An answer is not of a form that is known.
    pub fn unread(&mut self, answer: &Answer, why: impl Into<String>, known: &str) {
        self.problems.push(Problem::error(Rule::Form, why.into(), format!("give {known}")).at(&answer.name));
    }
}
