//! What an audit finds: promises that are broken, and what should be known all the same.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::permission::{Layer, Reach};

/// The promises that documents can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Promise {
    /// Each layer holds what is derived for it, and nothing else.
    P1,
    /// The vendor never touches customer data and gets no credential.
    P2,
    /// The vendor never creates or deletes, unless the stack extends its rights.
    P3,
    /// A frozen resource can be observed and nothing more; nothing of anyone else's can be touched.
    P4,
    /// Nobody can widen their own rights.
    P5,
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// A promise that the documents break, and the statement that breaks it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Breach {
    /// The promise.
    pub promise: Promise,
    /// The layer of the principal.
    pub layer: Layer,
    /// The principal.
    pub principal: String,
    /// The statement that causes it: as the document names it.
    pub statement: String,
    /// The permission, or pattern; empty where the trust is wrong.
    pub permission: String,
    /// What it is allowed on; empty where the trust is wrong.
    pub on: String,
    /// Why that breaks the promise.
    pub what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { promise, layer, principal, statement, permission, on, what } = self;
        write!(f, "{promise}: {layer} `{principal}`, {statement}: ")?;
        if !permission.is_empty() {
            write!(f, "`{permission}` on `{on}`: ")?;
        }
        f.write_str(what)
    }
}

/// Something that breaks no promise and should be known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Disclosure {
    /// What sort.
    pub kind: DisclosureKind,
    /// The resource it is about; none where it is the account, project or group.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub resource: Option<String>,
    /// The permission.
    pub permission: Cow<'static, str>,
    /// What it shows or does.
    pub what: Cow<'static, str>,
}

/// What sort of disclosure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DisclosureKind {
    /// A call that is needed shows more than health and settings.
    Reveals,
    /// The stack extends the vendor's rights by it.
    Extended,
    /// The stack extends the vendor's rights by it, and it can move or destroy data.
    Indirect,
    /// The cloud has no narrower place to give it than one that others share.
    Wide,
    /// With what the stack extends, the vendor holds all that a known path of escalation takes.
    Path,
}

/// What the audit found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The cloud's name.
    pub cloud: Cow<'static, str>,
    /// The layers whose permissions were judged. The admin's own are not: only who may become that principal.
    pub layers: Vec<Layer>,
    /// How many permissions on how many things were judged.
    pub checked: usize,
    /// The promises that are broken, with the statement that breaks each. Empty where all are kept.
    pub breaches: Vec<Breach>,
    /// What should be known all the same.
    pub disclosures: Vec<Disclosure>,
    /// The data that a vendor can reach by pushing code.
    pub reach: Reach,
}
