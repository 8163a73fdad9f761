//! The report of an audit: broken promises, and disclosures that break no promise.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::permission::{Layer, Reach};

/// The promises that documents can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Promise {
    /// Each layer holds what is derived for it, and nothing else.
    P1,
    /// The vendor never touches customer data and gets no credential.
    P2,
    /// The vendor never creates or deletes, unless the stack extends its permissions.
    P3,
    /// A frozen resource can be observed and nothing more; nothing of anyone else's can be touched.
    P4,
    /// Nobody can extend their own permissions.
    P5,
    /// Every field that an update can write is kept by a condition, set back by the admin's set-up, or disclosed.
    P10,
    /// Where releases are pulled, nobody outside the customer's account is trusted.
    P13,
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// A promise that the documents break, and the statement that breaks it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Breach {
    /// The promise.
    pub promise: Promise,
    /// The layer of the principal.
    pub layer: Layer,
    /// The principal.
    pub principal: String,
    /// The statement that breaks it, as the document names it.
    pub statement: String,
    /// The permission, or pattern; empty if the trust is wrong.
    pub permission: String,
    /// What it is allowed on; empty if the trust is wrong.
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

/// Something that breaks no promise, but that the customer should know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Disclosure {
    /// The sort of disclosure.
    pub kind: DisclosureKind,
    /// The resource; `None` for the account, project or resource group.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub resource: Option<String>,
    /// The permission.
    pub permission: Cow<'static, str>,
    /// What it shows or does.
    pub what: Cow<'static, str>,
}

/// The sort of a disclosure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DisclosureKind {
    /// A call that is needed returns more than health and settings.
    Reveals,
    /// The stack gives the vendor the permission by `management.extend`.
    Extended,
    /// The stack gives the vendor the permission by `management.extend`, and it can move or destroy data.
    Indirect,
    /// The cloud can grant the permission only on a scope that others share.
    Wide,
    /// The permission also writes settings that no condition of the cloud's takes out, and that stay as they are written.
    Unguarded,
    /// The permission also writes settings that no condition of the cloud's takes out. A look at the deployment tells that
    /// they were changed, and the admin's next set-up sets them back.
    Restored,
    /// By `management.extend`, the vendor holds all permissions that a known path of escalation needs.
    Path,
}

/// The report of an audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The cloud's name.
    pub cloud: Cow<'static, str>,
    /// The layers whose permissions were checked. The admin's own permissions are not checked, only who may become that
    /// principal.
    pub layers: Vec<Layer>,
    /// The number of checks: one for each permission on each thing.
    pub checked: usize,
    /// The broken promises, with the statement that breaks each. Empty if all are kept.
    pub breaches: Vec<Breach>,
    /// What the customer should know although no promise is broken.
    pub disclosures: Vec<Disclosure>,
    /// The data that a vendor can reach by pushing code.
    pub reach: Reach,
}
