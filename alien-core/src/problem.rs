//! What is wrong with an input: every problem at once, each with what to do.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::ResourceId;

/// The rule that an input breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Rule {
    /// The document is not of the form the schema gives.
    Form,
    /// A name does not match the pattern, or is too long.
    Name,
    /// Two resources have the same id.
    Duplicate,
    /// A kind of resource that does not exist.
    UnknownKind,
    /// A permission set that does not exist.
    UnknownSet,
    /// A profile that is not defined.
    UnknownProfile,
    /// A resource that is not in the stack.
    UnknownResource,
    /// A permission set of another kind than the resource, or one that is not allowed there.
    SetFit,
    /// Resources that need each other.
    Cycle,
    /// A reference that came from another stack's builder.
    ForeignReference,
    /// Code that is missing, or an image or zip whose content can change because it is not named by a digest.
    Code,
    /// A setting outside its bounds.
    Setting,
    /// Something defined and never used.
    Unused,
    /// A document over one of the cloud's limits.
    Limit,
    /// Something that the chosen cloud does not support.
    Cloud,
}

/// How severe a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is done until it is fixed.
    Error,
    /// It stops nothing, but should be known.
    Warning,
}

/// What helps against a problem, as data, for a program that has its own word for it: an option, or a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Remedy {
    /// Allow changes of frozen resources:
    /// [`PlanRequest::allow_frozen_changes`](crate::PlanRequest::allow_frozen_changes).
    AllowFrozenChanges,
    /// Set what is live to what the stack says: [`PlanRequest::reset_live`](crate::PlanRequest::reset_live).
    ResetLive,
    /// Mark what the record knows again: [`PlanRequest::mark_again`](crate::PlanRequest::mark_again).
    MarkAgain,
    /// Delete the data: [`Data::Delete`](crate::Data::Delete).
    DeleteData,
    /// The customer's admin takes the deployment down again.
    TakeDownAgain,
    /// The vendor invites the customer to set up again.
    InviteAgain,
    /// The administrator of the account reads the documents of the provisioning layer, and grants those permissions.
    GrantProvisioning,
}

/// One thing that is wrong: where, what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// The rule it breaks.
    pub rule: Rule,
    /// The resource, profile or field that it is about; `None` if it is about the whole input.
    #[serde(rename = "at", skip_serializing_if = "Option::is_none", default)]
    pub subject: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub help: String,
    /// What to do, as data, if there is a [`Remedy`] for it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub remedy: Option<Remedy>,
}

impl Problem {
    /// Creates a problem that stops everything.
    #[must_use]
    pub fn error(rule: Rule, what: String, help: String) -> Self {
        Self { severity: Severity::Error, rule, subject: None, what, help, remedy: None }
    }

    /// Creates a problem that stops nothing, but should be known.
    #[must_use]
    pub fn warning(rule: Rule, what: String, help: String) -> Self {
        Self { severity: Severity::Warning, ..Self::error(rule, what, help) }
    }

    /// Sets the resource that it is about.
    #[must_use]
    pub fn on(self, id: &ResourceId) -> Self {
        self.at(id.as_str())
    }

    /// Sets the resource, profile or field that it is about.
    #[must_use]
    pub fn at(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Sets what helps, as data.
    #[must_use]
    pub fn remedy(mut self, remedy: Remedy) -> Self {
        self.remedy = Some(remedy);
        self
    }

    /// Whether nothing is done until it is fixed.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl Problem {
    /// What is wrong and what to do, without how bad it is.
    fn sentence(&self) -> String {
        let Self { what, help, .. } = self;
        match &self.subject {
            Some(subject) => format!("`{subject}`: {what}; {help}"),
            None => format!("{what}; {help}"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.severity {
            Severity::Error => f.write_str("error: ")?,
            Severity::Warning => f.write_str("warning: ")?,
        }
        f.write_str(&self.sentence())
    }
}

/// Everything that is wrong with an input. At least one of them is an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub(crate) Vec<Problem>);

impl Problems {
    /// The errors as one sentence, for what contains the input.
    pub(crate) fn sentence(&self) -> String {
        let errors = self.0.iter().filter(|problem| problem.is_error()).map(Problem::sentence);
        errors.collect::<Vec<_>>().join("; ")
    }

    /// The problems, errors and warnings, in the order they were found.
    #[must_use]
    pub fn as_slice(&self) -> &[Problem] {
        &self.0
    }

    /// Checks that no problem is an error, and returns the warnings.
    ///
    /// # Errors
    ///
    /// All problems, if one of them is an error.
    pub fn none(problems: Vec<Problem>) -> Result<Vec<Problem>, Self> {
        if problems.iter().any(Problem::is_error) { Err(Self(problems)) } else { Ok(problems) }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}
