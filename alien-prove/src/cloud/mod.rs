//! What is proved of each cloud, and how the vendor tries without this library what must be refused.

mod aws;
mod azure;
mod gcp;

use std::fmt;

use alien_core::adapter::{Cloud, DeploymentContext};
use alien_core::{Adapter, Connection, Deployment, Error, ErrorKind, Result};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fact::Fact;

pub(crate) use aws::Aws;
pub use aws::AwsVendor;
pub(crate) use azure::Azure;
pub(crate) use gcp::Gcp;

/// What is proved of a cloud.
#[async_trait]
pub trait Provable: Send + Sync + fmt::Debug {
    /// The cloud.
    fn adapter(&self) -> &'static dyn Adapter;

    /// The name of the cloud in titles.
    fn title(&self) -> &'static str;

    /// What is relied on and not proved.
    fn facts(&self) -> &'static [Fact];

    /// What the vendor tries, and what must be refused.
    fn attempts(&self) -> &'static [Attempt];

    /// What a proof costs, in words.
    fn cost(&self) -> &'static str;

    /// Every call that the library can make for a deployment, and the right that it needs: the admin's, then the vendor's.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] for a record of another cloud.
    fn needs(&self, record: &Deployment) -> Result<Vec<Need>>;

    /// The vendor with its own credentials, and without this library.
    ///
    /// # Errors
    ///
    /// As [`Adapter::vendor`].
    async fn outsider(&self, record: &Deployment, vendor: &Connection) -> Result<Box<dyn Outsider>>;
}

/// A call, and a right that it needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Need {
    /// Whose call it is.
    pub who: Who,
    /// The operation, as the cloud's API reference names it.
    pub call: String,
    /// The right.
    pub right: String,
    /// The things that it is needed on.
    pub on: Vec<String>,
}

/// Whose call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// The customer's admin's.
    Admin,
    /// The vendor's.
    Vendor,
}

impl Who {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Vendor => "vendor",
        }
    }
}

/// The calls that the library can make for a deployment, by its tables; and that by which the vendor enters, with what the vendor needs
/// for it, which no table has.
fn needs<C: Cloud>(record: &Deployment, [enter, right]: [&str; 2]) -> Result<Vec<Need>> {
    let context = DeploymentContext::<C>::of(record)?;
    let permissions = context.layout.permissions();
    let on = vec![record.identity.clone()];
    let mut needs = vec![Need { who: Who::Vendor, call: enter.to_owned(), right: right.to_owned(), on }];
    for (who, grants) in [(Who::Admin, &permissions.provisioning), (Who::Vendor, &permissions.management)] {
        for (_, _, row, names) in context.layout.granted(grants) {
            let on = names.map(str::to_owned).collect();
            needs.push(Need { who, call: row.call.to_owned(), right: row.permission.to_owned(), on });
        }
    }
    // The take-down deletes data.
    for (row, names) in context.layout.erasing() {
        let (call, right) = (row.call.to_owned(), row.permission.to_owned());
        needs.push(Need { who: Who::Admin, call, right, on: names.map(str::to_owned).collect() });
    }
    needs.sort();
    // The same call needs the same right on several things.
    needs.dedup_by(|next, kept| {
        let is_same = (next.who, &next.call, &next.right) == (kept.who, &kept.call, &kept.right);
        if is_same {
            kept.on.append(&mut next.on);
            kept.on.sort();
            kept.on.dedup();
        }
        is_same
    });
    Ok(needs)
}

/// What the vendor tries without this library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Its name: `other-role`.
    pub name: &'static str,
    /// What is tried, as a sentence without its full stop.
    pub what: &'static str,
    /// The calls that prepare it, in their order, after the one by which the vendor enters. Each is in [`Provable::needs`].
    pub after: &'static [&'static str],
    /// The operation, as the cloud's API reference names it.
    pub call: &'static str,
    /// What is left if it is not refused, and how to remove it; empty if nothing is, or the take-down removes it.
    pub leaves: &'static str,
}

/// The vendor with its own credentials, and without this library.
#[async_trait]
pub trait Outsider: Send + Sync + fmt::Debug {
    /// Tries something of [`Provable::attempts`] with a session of a deployment.
    ///
    /// # Errors
    ///
    /// If it could not be tried: the vendor is not let in, or the cloud is not reached.
    async fn attempt(&self, deployment: &Deployment, name: &str) -> Result<Outcome>;
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The cloud refused it, in these words.
    Refused(String),
    /// The cloud did it.
    Allowed,
    /// The cloud neither did nor refused it, in these words: that says nothing of rights.
    Unclear(String),
}

/// The id that the cloud gave a resource of a deployment.
fn id<'d>(deployment: &'d Deployment, resource: &str) -> Result<&'d str> {
    let none = || Error::new(ErrorKind::Internal, format!("the record has no `{resource}`"));
    deployment.resources.get(resource).map(String::as_str).ok_or_else(none)
}

/// An attempt that this version does not know.
fn unknown(name: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("there is no attempt `{name}`"))
}
