//! The target of a deployment, on any cloud.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::de::value::{Error as ValueError, MapDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::cloud::{Cloud, Field};
use crate::error::{Error, ErrorKind, Result};
use crate::problem::{Problem, Problems, Rule};

/// Where a deployment goes and whom it trusts, on any cloud: the fields of a cloud's target as strings. The cloud's own
/// type is parsed from them once, when it is first needed.
#[derive(Clone)]
pub struct AnyTarget {
    texts: BTreeMap<String, String>,
    typed: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl AnyTarget {
    /// Converts a cloud's target to the strings of its fields.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] if its JSON form is not an object of strings.
    pub fn of<C: Cloud>(target: &C::Target) -> Result<Self> {
        let defect = |what: &str| Error::new(ErrorKind::Internal, format!("a target of {} {what}", C::NAME));
        let Ok(Value::Object(fields)) = serde_json::to_value(target) else { return Err(defect("is not an object")) };
        let texts = fields.into_iter().map(|(name, value)| match value {
            Value::String(text) => Ok((name, text)),
            _ => Err(defect("has a field that is not a string")),
        });
        let texts = texts.collect::<Result<_>>()?;
        Ok(Self { texts, typed: OnceLock::from(Arc::new(target.clone()) as Arc<dyn Any + Send + Sync>) })
    }

    /// Parses a target of a cloud from strings, by the names of [`Cloud::TARGET`].
    ///
    /// # Errors
    ///
    /// Every field that is missing, unknown or wrong.
    pub fn read<C: Cloud>(texts: BTreeMap<String, String>) -> Result<Self, Problems> {
        Self::check::<C>(&texts, |_| true)?;
        let read = Self { texts, typed: OnceLock::new() };
        match read.typed::<C>() {
            Ok(_) => Ok(read),
            Err(error) => {
                Err(Problems(vec![Problem::error(Rule::Form, error.to_string(), "fix the target".to_owned())]))
            }
        }
    }

    /// Checks strings against those fields of a cloud's target that `is_wanted` picks.
    pub(crate) fn check<C: Cloud>(
        texts: &BTreeMap<String, String>,
        is_wanted: fn(&Field) -> bool,
    ) -> Result<(), Problems> {
        let wanted = || C::TARGET.iter().filter(|field| is_wanted(field));
        let mut problems = Vec::new();
        let mut problem = |at: &str, what: &str, help: &str| {
            problems.push(Problem::error(Rule::Form, what.to_owned(), help.to_owned()).at(at));
        };
        for field in wanted() {
            match texts.get(field.name).map(|text| field.check(text)) {
                Some(Ok(())) => {}
                Some(Err(what)) => problem(field.name, &what, "correct it"),
                None => problem(field.name, "missing", &format!("give {}", field.help)),
            }
        }
        for name in texts.keys().filter(|name| wanted().all(|field| field.name != name.as_str())) {
            problem(name, "has no meaning for this cloud", "remove it");
        }
        Problems::none(problems).map(drop)
    }

    /// The target, as the type of its cloud.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] if the strings are not a target of this cloud.
    pub fn typed<C: Cloud>(&self) -> Result<&C::Target> {
        let wrong = |why: &str| Error::new(ErrorKind::Input, format!("the target cannot be read: {why}"));
        if self.typed.get().is_none() {
            let texts = self.texts.iter().map(|(name, text)| (name.as_str(), text.as_str()));
            let target = C::Target::deserialize(MapDeserializer::<_, ValueError>::new(texts));
            let target: Arc<dyn Any + Send + Sync> = Arc::new(target.map_err(|error| wrong(&error.to_string()))?);
            // A concurrent caller that was faster set the same value.
            let _ = self.typed.set(target);
        }
        let typed = self.typed.get().and_then(|typed| typed.downcast_ref());
        typed.ok_or_else(|| wrong("it is another cloud's"))
    }

    /// The value of a field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str)
    }

    /// Every field and its value, sorted by name.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// The fields that say whom the deployment trusts, with their values.
    #[must_use]
    pub fn trust<C: Cloud>(&self) -> BTreeMap<String, String> {
        let trust = C::TARGET.iter().filter(|field| field.is_trust());
        trust.filter_map(|field| Some((field.name.to_owned(), self.field(field.name)?.to_owned()))).collect()
    }
}

impl PartialEq for AnyTarget {
    fn eq(&self, other: &Self) -> bool {
        self.texts == other.texts
    }
}

impl Eq for AnyTarget {}

impl fmt::Debug for AnyTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.texts).finish()
    }
}

/// As `account: 222222222222, region: eu-central-1`.
impl fmt::Display for AnyTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (name, text)) in self.texts.iter().enumerate() {
            let separator = if position > 0 { ", " } else { "" };
            write!(f, "{separator}{name}: {text}")?;
        }
        Ok(())
    }
}

impl Serialize for AnyTarget {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.texts.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for AnyTarget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { texts: crate::unique::map(deserializer)?, typed: OnceLock::new() })
    }
}
