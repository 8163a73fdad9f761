//! What a proof found.

use std::time::Duration;

use alien_core::Remaining;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fact::{Fact, Shown};
use crate::step::Step;

/// What a proof found: one document, which names neither accounts nor things of the cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Findings {
    /// The cloud.
    pub cloud: String,
    /// The version of this library.
    pub version: String,
    /// When it began.
    pub begun: Timestamp,
    /// How long it took, in seconds.
    pub seconds: u64,
    /// Whether it was interrupted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// The steps that were taken, in order.
    pub steps: Vec<Taken>,
    /// What became of each fact.
    pub facts: Vec<Found>,
    /// What is left in the cloud; empty if nothing is.
    pub left: Vec<String>,
}

/// A step that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Taken {
    /// The step.
    pub step: String,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
    /// Why it failed; absent if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// What became of a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Found {
    /// The fact's name.
    pub fact: String,
    /// Whether it is so.
    pub verdict: Verdict,
    /// What the cloud said, or why it was not seen.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub said: String,
}

/// Whether a fact is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is so.
    Holds,
    /// It is not so.
    False,
    /// It was not seen: what shows it was not reached, or says nothing of it.
    Unseen,
    /// No program can show it: somebody has to look.
    ByHand,
}

impl Verdict {
    /// The word for it: `holds`, `false`, `unseen`, `by-hand`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::False => "false",
            Self::Unseen => "unseen",
            Self::ByHand => "by-hand",
        }
    }
}

/// Steps as they are taken.
#[derive(Debug, Default)]
pub(crate) struct Log {
    taken: Vec<(Step, Duration, Ended)>,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It succeeded; an attempt was refused, in these words.
    Well(String),
    /// It failed; an attempt was not refused.
    Badly(String),
    /// It says nothing, for this reason.
    Unclear(String),
}

impl Log {
    pub(crate) fn add(&mut self, step: Step, took: Duration, ended: Ended) {
        self.taken.push((step, took, ended));
    }

    /// How a step ended; the last time, if it was taken more than once.
    pub(crate) fn of(&self, step: Step) -> Option<&Ended> {
        self.taken.iter().rev().find(|(taken, ..)| *taken == step).map(|(.., ended)| ended)
    }

    /// The first step that failed.
    fn failed(&self) -> Option<Step> {
        self.taken.iter().find(|(.., ended)| matches!(ended, Ended::Badly(_))).map(|(step, ..)| *step)
    }

    pub(crate) fn steps(&self) -> Vec<Taken> {
        let taken = |(step, took, ended): &(Step, Duration, Ended)| Taken {
            step: step.to_string(),
            milliseconds: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            failure: match ended {
                Ended::Well(_) => None,
                Ended::Badly(why) | Ended::Unclear(why) => Some(why.clone()),
            },
        };
        self.taken.iter().map(taken).collect()
    }

    pub(crate) fn judge(&self, fact: &Fact) -> Found {
        let found = |verdict, said: String| Found { fact: fact.id.to_owned(), verdict, said };
        let step = match fact.shown {
            Shown::Step(step) => step,
            Shown::Refused(name) => Step::Attempt(name),
            Shown::ByHand(what) => return found(Verdict::ByHand, what.to_owned()),
        };
        match (self.of(step), self.failed()) {
            (Some(Ended::Well(said)), _) => found(Verdict::Holds, said.clone()),
            (Some(Ended::Badly(said)), _) => found(Verdict::False, said.clone()),
            (Some(Ended::Unclear(why)), _) => found(Verdict::Unseen, why.clone()),
            (None, Some(before)) => found(Verdict::Unseen, format!("`{step}` was not reached: `{before}` failed")),
            (None, None) => found(Verdict::Unseen, format!("`{step}` was not reached")),
        }
    }
}

impl Findings {
    /// How many facts have a verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.facts.iter().filter(|found| found.verdict == verdict).count()
    }
}

/// What a take-down left, in words.
pub(crate) fn left(remaining: &[Remaining]) -> Vec<String> {
    remaining.iter().map(|left| format!("{}: {}", left.subject, left.why)).collect()
}
