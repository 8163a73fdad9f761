//! The target of a deployment, on any cloud.

use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::cloud::{Cloud, Field};
use crate::delivery::{Delivery, Model};
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
    /// Every field that is missing, unknown or wrong; fields of both models.
    pub fn read<C: Cloud>(texts: BTreeMap<String, String>) -> Result<Self, Problems> {
        let model = model::<C>(&texts);
        Self::read_as::<C>(model, texts)
    }

    /// Parses a target of one model.
    pub(crate) fn read_as<C: Cloud>(model: Model, texts: BTreeMap<String, String>) -> Result<Self, Problems> {
        Self::check::<C>(&texts, |field| field.is_for(model))?;
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
        is_wanted: impl Fn(&Field) -> bool,
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
            match C::TARGET.iter().find(|field| field.name == name.as_str()).and_then(|field| field.model) {
                Some(Model::Push) => {
                    problem(name, "names the vendor, which has no identity where releases are pulled", "remove it")
                }
                Some(Model::Pull) => {
                    problem(name, "names an agent, which has no identity where releases are pushed", "remove it")
                }
                None => problem(name, "has no meaning for this cloud", "remove it"),
            }
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
            let texts = self.texts.iter().map(|(name, text)| (name.clone(), Value::from(text.as_str())));
            let target = C::Target::deserialize(Value::Object(texts.collect()));
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

    /// Whether the target names the vendor, or an agent of the customer's.
    #[must_use]
    pub fn model<C: Cloud>(&self) -> Model {
        model::<C>(&self.texts)
    }

    /// Fails if the target names somebody else than those who carry releases in.
    pub(crate) fn suits<C: Cloud>(&self, delivery: &Delivery) -> Result<()> {
        let what = match (delivery.model(), self.model::<C>()) {
            (Model::Push, Model::Pull) => {
                "releases are pushed, and the target names an agent in the place of the vendor"
            }
            (Model::Pull, Model::Push) => {
                "releases are pulled, and the target names the vendor in the place of an agent"
            }
            (Model::Push, Model::Push) | (Model::Pull, Model::Pull) => return Ok(()),
        };
        Err(Error::new(ErrorKind::Input, format!("{what}; set up with the invitation as it is")))
    }

    /// The fields that say where the deployment is, whomever it trusts.
    pub(crate) fn place<C: Cloud>(&self) -> BTreeMap<&str, &str> {
        let is_trust = |name: &str| C::TARGET.iter().any(|field| field.name == name && field.model.is_some());
        self.fields().filter(|(name, _)| !is_trust(name)).collect()
    }

    /// The fields that say which vendor the deployment trusts, with their values. None where releases are pulled.
    #[must_use]
    pub fn trust<C: Cloud>(&self) -> BTreeMap<String, String> {
        let trust = C::TARGET.iter().filter(|field| field.is_trust());
        trust.filter_map(|field| Some((field.name.to_owned(), self.field(field.name)?.to_owned()))).collect()
    }
}

/// The model of a target: who is named in it.
fn model<C: Cloud>(texts: &BTreeMap<String, String>) -> Model {
    let names = |field: &Field| field.model == Some(Model::Pull) && texts.contains_key(field.name);
    if C::TARGET.iter().any(names) { Model::Pull } else { Model::Push }
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

impl JsonSchema for AnyTarget {
    fn schema_name() -> Cow<'static, str> {
        "AnyTarget".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, String>::json_schema(generator)
    }
}

impl<'de> Deserialize<'de> for AnyTarget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { texts: crate::unique::map(deserializer)?, typed: OnceLock::new() })
    }
}
