//! Which file somebody gave in the place of another.

use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Deserializer;

use crate::problem::{Problem, Rule};

/// A file that people hand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Stack,
    Invitation,
    Record,
    Plan,
}

impl FileKind {
    /// Recognises a file by its fields, also one that is broken or cut short.
    fn of(text: &str) -> Option<Self> {
        let mut fields = Vec::new();
        // What cannot be read does not follow.
        let _ = Deserializer::from_str(text).deserialize_map(Fields(&mut fields));
        let has = |name: &str| fields.iter().any(|field| field == name);
        if has("steps") {
            Some(Self::Plan)
        } else if has("target") {
            Some(Self::Record)
        } else if has("trust") {
            Some(Self::Invitation)
        } else {
            has("name").then_some(Self::Stack)
        }
    }

    const fn help(self) -> &'static str {
        match self {
            Self::Stack => "give the stack that the vendor wrote",
            Self::Invitation => "give the invitation that the vendor made",
            Self::Record => "give the record that the set-up wrote",
            Self::Plan => "give the plan",
        }
    }
}

/// Prints it with its article.
impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stack => "a stack",
            Self::Invitation => "an invitation",
            Self::Record => "the record of a deployment",
            Self::Plan => "a plan",
        })
    }
}

/// The problem of a text that is another file than what was wanted.
pub(crate) fn another(text: &str, wanted: FileKind) -> Option<Problem> {
    let found = FileKind::of(text).filter(|found| *found != wanted)?;
    let what = format!("this is {found}, and not {wanted}");
    Some(Problem::error(Rule::Form, what, wanted.help().to_owned()))
}

/// Collects the names of an object's fields, up to where it breaks.
struct Fields<'f>(&'f mut Vec<String>);

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(name) = entries.next_key()? {
            self.0.push(name);
            entries.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}
