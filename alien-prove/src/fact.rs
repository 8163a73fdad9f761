//! What is relied on and not shown by any documentation or emulated cloud, as data.

use crate::step::Step;

/// Something that this library relies on, and that neither a cloud's documentation nor an emulated cloud shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fact {
    /// Its name, which does not change: `omitted-network`.
    pub id: &'static str,
    /// What is relied on, as one sentence.
    pub what: &'static str,
    /// The URL of the page that comes closest to saying it.
    pub source: &'static str,
    /// What happens if it is not so.
    pub otherwise: &'static str,
    /// What shows it.
    pub shown: Shown,
}

/// What shows a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// A step of a deployment's life, if it succeeds.
    Step(Step),
    /// An attempt by the name of it, if the cloud refuses it: the vendor makes it with its own session, without this library.
    Refused(&'static str),
    /// Nothing that a program can do: what to do by hand.
    ByHand(&'static str),
}

impl Shown {
    pub(crate) fn words(self) -> String {
        match self {
            Self::Step(step) => format!("`{step}` succeeds"),
            Self::Refused(attempt) => format!("the attempt `{attempt}` is refused"),
            Self::ByHand(what) => format!("by hand: {what}"),
        }
    }
}
