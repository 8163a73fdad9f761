//! The record of a deployment, which both sides keep, and the invitation it began with. No secret is in either.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::cloud::Cloud;
use crate::error::{Error, ErrorKind, Result};
use crate::name::ResourceId;
use crate::problem::{Problem, Problems, Rule};
use crate::stack::Stack;

/// The id of a deployment: made by the vendor, on everything that the deployment makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeploymentId(Uuid);

impl From<Uuid> for DeploymentId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl FromStr for DeploymentId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// What the vendor hands the customer: the stack, the deployment's id, and whom to trust. Reviewed before anything is
/// done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Invitation {
    /// The version of the form: [`VERSION`](Self::VERSION).
    pub version: u32,
    /// The deployment's id.
    pub id: DeploymentId,
    /// The cloud it is for.
    pub cloud: String,
    /// Whom to trust, under the names that the cloud's target has for it.
    pub trust: BTreeMap<String, String>,
    /// The vendor's product.
    pub stack: Stack,
}

/// The record of a deployment: what the vendor needs to find it, and nothing that opens it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Deployment {
    /// The version of the form: [`VERSION`](Self::VERSION).
    pub version: u32,
    /// The deployment's id.
    pub id: DeploymentId,
    /// The cloud.
    pub cloud: String,
    /// Where it is and whom it trusts, as the cloud's target says it.
    pub target: Value,
    /// The identity in the customer's cloud that trusts the vendor.
    pub identity: String,
    /// The id that the cloud chose for that identity, where nobody is let in without it: its client id on Azure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_id: Option<String>,
    /// The cloud's id of each resource.
    pub resources: BTreeMap<ResourceId, String>,
    /// What was rolled out last.
    pub stack: Stack,
    /// Earlier stacks, of which something was kept because it holds data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<Stack>,
    /// Resources of which an update was begun and is not known to have ended: the next release updates them, whatever
    /// the stack says.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub uncertain: BTreeSet<ResourceId>,
}

/// Reads one of the two files: its version first, so that a newer one is refused by name.
fn read<T: for<'de> Deserialize<'de>>(text: &str, what: &'static str, version: u32) -> Result<T, Problems> {
    let problem = |rule, what: String, help: &str| Problems(vec![Problem::error(rule, what, help.to_owned())]);
    let form = |error: serde_json::Error| problem(Rule::Form, format!("this is not {what}: {error}"), "give the file");
    let value: Value = serde_json::from_str(text).map_err(form)?;
    let found = value.get("version").and_then(Value::as_u64);
    if found.is_some_and(|found| found != u64::from(version)) {
        let said = found.unwrap_or_default();
        let says = format!("this is {what} of version {said}, and this program reads version {version}");
        return Err(problem(Rule::Form, says, "use the program that wrote it, or a newer one"));
    }
    // Read from the text: only there does a problem have a line.
    serde_json::from_str(text).map_err(form)
}

impl Invitation {
    /// The version of the form that this library writes.
    pub const VERSION: u32 = 1;

    /// Reads an invitation.
    ///
    /// # Errors
    ///
    /// What is wrong with it; all problems of its stack at once.
    pub fn from_json(text: &str) -> Result<Self, Problems> {
        read(text, "an invitation", Self::VERSION)
    }

    /// What differs between this invitation and the record that came back: each a reason not to register it.
    #[must_use]
    pub fn differences(&self, record: &Deployment) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut compare = |what: &str, invited: String, found: String| {
            if invited != found {
                let what = format!("the invitation says {what} `{invited}`, the record says `{found}`");
                let help = "ask the customer to set up with the invitation as it is";
                problems.push(Problem::error(Rule::Form, what, help.to_owned()).at("record"));
            }
        };
        compare("id", self.id.to_string(), record.id.to_string());
        compare("cloud", self.cloud.clone(), record.cloud.clone());
        let digest = crate::release::digest;
        compare("a stack of digest", digest(&self.stack), digest(&record.stack));
        for (name, invited) in &self.trust {
            let found = record.target.get(name).and_then(Value::as_str).unwrap_or_default();
            compare(name, invited.clone(), found.to_owned());
        }
        problems
    }
}

impl Deployment {
    /// The version of the form that this library writes.
    pub const VERSION: u32 = 1;

    /// Reads a record.
    ///
    /// # Errors
    ///
    /// What is wrong with it; all problems of its stack at once.
    pub fn from_json(text: &str) -> Result<Self, Problems> {
        read(text, "the record of a deployment", Self::VERSION)
    }

    /// Every stack of which something may be there: the present one, and those of which something was kept.
    pub fn stacks(&self) -> impl Iterator<Item = &Stack> {
        [&self.stack].into_iter().chain(&self.retired)
    }

    /// Its target, as its cloud knows it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] where the record is of another cloud or its target cannot be read.
    pub fn target<C: Cloud>(&self) -> Result<C::Target> {
        if self.cloud != C::NAME {
            let what = format!("the record is of a deployment on {}, and this is {}", self.cloud, C::NAME);
            return Err(Error::new(ErrorKind::Input, what));
        }
        serde_json::from_value(self.target.clone())
            .map_err(|error| Error::new(ErrorKind::Input, format!("the record's target cannot be read: {error}")))
    }

    /// The cloud's id of a resource.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] where the record has no such resource.
    pub fn resource(&self, id: &ResourceId) -> Result<&str> {
        let missing = || Error::new(ErrorKind::Input, "the deployment has no such resource").at(id.as_str());
        self.resources.get(id).map(String::as_str).ok_or_else(missing)
    }
}

/// What of a target is whom it trusts.
///
/// # Errors
///
/// [`ErrorKind::Internal`] where a target is no object of texts.
pub fn trust<C: Cloud>(target: &C::Target) -> Result<BTreeMap<String, String>> {
    let target: Map<String, Value> = match serde_json::to_value(target) {
        Ok(Value::Object(fields)) => fields,
        _ => return Err(Error::new(ErrorKind::Internal, "a target that is no object")),
    };
    let text = |name: &&str| Some(((*name).to_owned(), target.get(*name)?.as_str()?.to_owned()));
    Ok(C::TRUST.iter().filter_map(text).collect())
}

impl<'de> Deserialize<'de> for Stack {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = Value::deserialize(deserializer)?;
        Self::from_json(&form.to_string()).map_err(serde::de::Error::custom)
    }
}
