//! IAM policy documents, as types.
//!
//! The grammar is that of <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>. Reading
//! accepts all of it for identity and trust policies; rendering uses a small part.

use std::borrow::Cow;
use std::collections::BTreeMap;

use alien_core::Bounds;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An identity and its permissions: a role, its trust policy and its policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// The name of the layer or of the profile.
    pub name: String,
    /// The role.
    pub role: Role,
    /// Its policies.
    pub policies: Vec<RolePolicy>,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Who may assume it.
    pub trust_policy: Policy,
    /// The longest session, in seconds.
    pub max_session_duration: u32,
}

/// A policy of a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolePolicy {
    /// Its name.
    pub name: String,
    /// Whether it is inline or managed.
    pub kind: PolicyKind,
    /// The policy document.
    pub document: Policy,
}

/// Whether a policy is inline or managed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PolicyKind {
    /// Embedded in the role.
    Inline,
    /// A policy with an ARN of its own, attached to the role.
    Managed,
}

/// A policy document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub struct Policy {
    /// `2012-10-17`.
    pub version: Cow<'static, str>,
    /// Its statements.
    #[serde(rename = "Statement", deserialize_with = "one_or_many")]
    pub statements: Vec<Statement>,
}

impl Policy {
    /// The version of the policy language.
    pub const VERSION: &'static str = "2012-10-17";

    /// Builds a policy of these statements.
    #[must_use]
    pub fn new(statements: Vec<Statement>) -> Self {
        Self { version: Self::VERSION.into(), statements }
    }
}

/// Text that is borrowed if this library wrote it, and owned if it was read.
pub type Text = Cow<'static, str>;

/// A statement of a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub struct Statement {
    /// Its Sid, an optional identifier.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sid: String,
    /// Allow or deny.
    pub effect: Effect,
    /// The principals it applies to; only in trust policies.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "principals")]
    pub principal: BTreeMap<Text, Texts>,
    /// The principals it does not apply to; all others match.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "principals")]
    pub not_principal: BTreeMap<Text, Texts>,
    /// The actions it applies to.
    #[serde(rename = "Action", default, skip_serializing_if = "Vec::is_empty", deserialize_with = "texts")]
    pub actions: Vec<Text>,
    /// The actions it does not apply to; all others match.
    #[serde(rename = "NotAction", default, skip_serializing_if = "Vec::is_empty", deserialize_with = "texts")]
    pub not_actions: Vec<Text>,
    /// The resources it applies to.
    #[serde(rename = "Resource", default, skip_serializing_if = "Vec::is_empty", deserialize_with = "texts")]
    pub resources: Vec<Text>,
    /// The resources it does not apply to; all others match.
    #[serde(rename = "NotResource", default, skip_serializing_if = "Vec::is_empty", deserialize_with = "texts")]
    pub not_resources: Vec<Text>,
    /// When it applies.
    #[serde(default, skip_serializing_if = "Condition::is_empty")]
    pub condition: Condition,
}

/// Allow or deny.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Allows.
    #[default]
    Allow,
    /// Denies, whatever other statements allow.
    Deny,
}

/// When a statement applies: operator → key → values. Every key must match, by one of its values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Condition(pub BTreeMap<Text, BTreeMap<Text, Texts>>);

impl Condition {
    /// Requires a key to have one of these values, in addition to what is required already.
    pub fn require(&mut self, key: impl Into<Text>, values: impl IntoIterator<Item = String>) {
        self.set(STRING_EQUALS, key.into(), values);
    }

    /// Requires a key to have one of these values if a request has it.
    pub(crate) fn require_if_present(&mut self, key: impl Into<Text>, values: impl IntoIterator<Item = String>) {
        self.set(STRING_EQUALS_IF_EXISTS, key.into(), values);
    }

    /// Requires a key to have an ARN of one of these patterns if a request has it.
    pub(crate) fn require_arn_if_present(&mut self, key: impl Into<Text>, values: impl IntoIterator<Item = String>) {
        self.set(ARN_LIKE_IF_EXISTS, key.into(), values);
    }

    /// Requires a key to be one of these ARNs.
    pub(crate) fn require_arn(&mut self, key: impl Into<Text>, values: impl IntoIterator<Item = String>) {
        self.set(ARN_EQUALS, key.into(), values);
    }

    /// Requires a key to be a number within these bounds if a request has it.
    pub(crate) fn require_within_if_present(&mut self, key: &'static str, Bounds { min, max }: Bounds) {
        let mut set = |operator, number: u32| self.set(operator, key.into(), [number.to_string()]);
        if min == max {
            set(NUMERIC_EQUALS_IF_EXISTS, min);
        } else {
            set(NUMERIC_AT_LEAST_IF_EXISTS, min);
            set(NUMERIC_AT_MOST_IF_EXISTS, max);
        }
    }

    /// Requires that a request does not have a key.
    pub(crate) fn require_absent(&mut self, key: impl Into<Text>) {
        self.set(NULL, key.into(), ["true".to_owned()]);
    }

    fn set(&mut self, operator: &'static str, key: Text, values: impl IntoIterator<Item = String>) {
        self.0.entry(operator.into()).or_default().insert(key, Texts(values.into_iter().collect()));
    }

    /// Each key with its operator and values, as `aws:SourceAccount StringEquals 222222222222`.
    pub(crate) fn requirements(&self) -> Vec<String> {
        let keys =
            self.0.iter().flat_map(|(operator, keys)| keys.iter().map(move |(key, values)| (operator, key, values)));
        keys.map(|(operator, key, Texts(values))| {
            let mut values: Vec<&str> = values.iter().map(String::as_str).collect();
            values.sort_unstable();
            format!("{key} {operator} {}", values.join(" or "))
        })
        .collect()
    }

    /// Whether there is no condition.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values that `StringEquals` allows for a key; empty if it does not limit the key.
    #[must_use]
    pub fn equal_values(&self, key: &str) -> &[String] {
        self.values(STRING_EQUALS, key)
    }

    /// The values that `StringEqualsIfExists`, or else `ArnLikeIfExists`, allows for a key; empty if neither limits it.
    pub(crate) fn equal_values_if_present(&self, key: &str) -> &[String] {
        match self.values(STRING_EQUALS_IF_EXISTS, key) {
            [] => self.values(ARN_LIKE_IF_EXISTS, key),
            values => values,
        }
    }

    /// The numbers that `NumericEqualsIfExists`, or else `NumericGreaterThanEqualsIfExists` and `NumericLessThanEqualsIfExists`
    /// together, allow for a key; `None` if they do not limit it on both sides. Of several values one is enough, so the widest
    /// counts.
    pub(crate) fn within_if_present(&self, key: &str) -> Option<Bounds> {
        let numbers = |operator| -> Option<Vec<u32>> {
            self.values(operator, key).iter().map(|value| value.parse().ok()).collect()
        };
        let least = |operator| numbers(operator)?.into_iter().min();
        let most = |operator| numbers(operator)?.into_iter().max();
        let equal = least(NUMERIC_EQUALS_IF_EXISTS).zip(most(NUMERIC_EQUALS_IF_EXISTS));
        let (min, max) = equal.or_else(|| least(NUMERIC_AT_LEAST_IF_EXISTS).zip(most(NUMERIC_AT_MOST_IF_EXISTS)))?;
        Some(Bounds { min, max })
    }

    /// Whether `Null` allows only requests without a key.
    pub(crate) fn excludes(&self, key: &str) -> bool {
        self.values(NULL, key) == ["true"]
    }

    fn values(&self, operator: &str, key: &str) -> &[String] {
        self.0.get(operator).and_then(|keys| keys.get(key)).map_or(&[], |values| values.0.as_slice())
    }
}

pub(crate) const STRING_EQUALS: &str = "StringEquals";
const STRING_EQUALS_IF_EXISTS: &str = "StringEqualsIfExists";
const ARN_EQUALS: &str = "ArnEquals";
const ARN_LIKE_IF_EXISTS: &str = "ArnLikeIfExists";
const NUMERIC_EQUALS_IF_EXISTS: &str = "NumericEqualsIfExists";
const NUMERIC_AT_LEAST_IF_EXISTS: &str = "NumericGreaterThanEqualsIfExists";
const NUMERIC_AT_MOST_IF_EXISTS: &str = "NumericLessThanEqualsIfExists";
const NULL: &str = "Null";

/// One text or several. A single one is written without brackets, as AWS does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts(pub Vec<String>);

impl Texts {
    /// One text.
    #[must_use]
    pub fn one(text: String) -> Self {
        Self(vec![text])
    }
}

impl Serialize for Texts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => serializer.serialize_str(one),
            many => many.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Value {
            Text(String),
            Bool(bool),
            Number(serde_json::Number),
        }
        let text = |value| match value {
            Value::Text(text) => text,
            Value::Bool(value) => value.to_string(),
            Value::Number(value) => value.to_string(),
        };
        one_or_many(deserializer).map(|values: Vec<Value>| Self(values.into_iter().map(text).collect()))
    }
}

fn one_or_many<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany<T> {
        Many(Vec<T>),
        One(T),
    }
    OneOrMany::deserialize(deserializer).map(|read| match read {
        OneOrMany::Many(many) => many,
        OneOrMany::One(one) => vec![one],
    })
}

fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Text>, D::Error> {
    one_or_many(deserializer)
}

/// Reads principals: `"*"` means everyone, and is read as `{"*": "*"}`.
fn principals<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Text, Texts>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Principals {
        Everyone(String),
        Named(BTreeMap<Text, Texts>),
    }
    Principals::deserialize(deserializer).map(|read| match read {
        Principals::Everyone(everyone) => [(Text::from(everyone.clone()), Texts::one(everyone))].into(),
        Principals::Named(named) => named,
    })
}
