//! From flags, an invitation and a record to a cloud's own target: each value parsed once, every problem at once.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::str::FromStr;

use alien_aws::Aws;
use alien_azure::Azure;
use alien_core::cloud::Cloud;
use alien_core::{Artifacts, Deployment, DeploymentContext, Invitation, Prefix, Problem, Release, Rule};
use alien_gcp::Gcp;
use clap::ValueEnum as _;
use serde::Serialize;
use serde_json::Value;

use crate::args::{CloudName, Location, Trust};
use crate::output::Failure;

/// Where a deployment goes and whom it trusts, on whichever cloud.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Target {
    Aws(alien_aws::Target),
    Gcp(alien_gcp::Target),
    Azure(alien_azure::Target),
}

impl CloudName {
    /// The cloud that an invitation or a record is for.
    pub(crate) fn read(name: &str) -> Result<Self, Failure> {
        Self::from_str(name, false).map_err(|_| {
            let help = "use a newer version of this program, or ask whoever made the file";
            let problem =
                Problem::error(Rule::Cloud, format!("`{name}` is no cloud that is known here"), help.to_owned());
            problem.at("cloud").into()
        })
    }

    /// The word used in documents and on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Aws => Aws::NAME,
            Self::Gcp => Gcp::NAME,
            Self::Azure => Azure::NAME,
        }
    }

    /// The fields of a target that an invitation gives.
    fn trust(self) -> &'static [&'static str] {
        match self {
            Self::Aws => Aws::TRUST,
            Self::Gcp => Gcp::TRUST,
            Self::Azure => Azure::TRUST,
        }
    }
}

impl Target {
    /// The target that these fields give.
    pub(crate) fn read(cloud: CloudName, mut fields: Fields) -> Result<Self, Failure> {
        let target = match cloud {
            CloudName::Aws => aws(&mut fields).map(Self::Aws),
            CloudName::Gcp => gcp(&mut fields).map(Self::Gcp),
            CloudName::Azure => azure(&mut fields).map(Self::Azure),
        };
        let problems = fields.end();
        match target {
            Some(target) if problems.is_empty() => Ok(target),
            _ => Err(Failure::Refused(problems)),
        }
    }

    /// The target that a record gives.
    pub(crate) fn of(record: &Deployment) -> Result<Self, Failure> {
        Ok(match CloudName::read(&record.cloud)? {
            CloudName::Aws => Self::Aws(record.target::<Aws>()?),
            CloudName::Gcp => Self::Gcp(record.target::<Gcp>()?),
            CloudName::Azure => Self::Azure(record.target::<Azure>()?),
        })
    }

    /// Whom it trusts.
    pub(crate) fn trust(&self) -> Result<BTreeMap<String, String>, Failure> {
        Ok(match self {
            Self::Aws(target) => alien_core::trust::<Aws>(target)?,
            Self::Gcp(target) => alien_core::trust::<Gcp>(target)?,
            Self::Azure(target) => alien_core::trust::<Azure>(target)?,
        })
    }

    /// The record that setting up an invitation here gives, also where that was interrupted.
    pub(crate) fn record(&self, invitation: &Invitation) -> Result<Deployment, Failure> {
        match self {
            Self::Aws(_) => self.record_on::<Aws>(invitation),
            Self::Gcp(_) => self.record_on::<Gcp>(invitation),
            Self::Azure(_) => self.record_on::<Azure>(invitation),
        }
    }

    fn record_on<C: Cloud>(&self, invitation: &Invitation) -> Result<Deployment, Failure> {
        let target = serde_json::to_value(self).and_then(serde_json::from_value).map_err(Failure::unwritten)?;
        let release = Release::partial(invitation.stack.clone(), Artifacts::default());
        Ok(DeploymentContext::<C>::new(invitation.id, target, release).record()?)
    }
}

/// Where it is, for whoever must confirm it; not whom it trusts.
impl Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aws(to) => write!(f, "`{}` in {} of account {} (aws)", to.prefix, to.region, to.account),
            Self::Gcp(to) => write!(f, "`{}` in {} of project {} (gcp)", to.prefix, to.location, to.project),
            Self::Azure(to) => write!(f, "`{}` in {} of {} (azure)", to.prefix, to.resource_group, to.subscription),
        }
    }
}

/// The values that a target is read from, by the names of its fields, and everything that is missing or wrong.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    given: BTreeMap<&'static str, String>,
    /// What an invitation gives, and no flag.
    invited: &'static [&'static str],
    problems: Vec<Problem>,
}

impl Fields {
    /// Gives a field a value, where there is one.
    pub(crate) fn give(&mut self, field: &'static str, value: Option<String>) {
        if let Some(value) = value {
            self.given.insert(field, value);
        }
    }

    /// With the flags of a place.
    pub(crate) fn location(mut self, location: &Location) -> Self {
        for (field, value) in location.fields() {
            self.give(field, value.clone());
        }
        self
    }

    /// With the place that a record says, where no flag does. A flag that says another one is of another deployment.
    pub(crate) fn record(mut self, record: &Deployment) -> Self {
        for (field, _) in Location::default().fields() {
            let Some(recorded) = record.target.get(field).and_then(Value::as_str) else { continue };
            match self.given.get(field) {
                Some(given) if given != recorded => {
                    let what = format!("the record says `{recorded}`, not `{given}`");
                    let help = "remove it, or name the record of that deployment".to_owned();
                    self.problems.push(Problem::error(Rule::Form, what, help).at(flag(field)));
                }
                _ => self.give(field, Some(recorded.to_owned())),
            }
        }
        self
    }

    /// With the flags of whom to trust.
    pub(crate) fn trust(mut self, trust: &Trust) -> Self {
        for (field, value) in [("vendor", &trust.vendor), ("issuer", &trust.issuer), ("subject", &trust.subject)] {
            self.give(field, value.clone());
        }
        self
    }

    /// With what an invitation says of whom to trust, and nothing else of it: where a deployment goes is the customer's
    /// to say. After everything that may give a prefix.
    pub(crate) fn invitation(mut self, invitation: &Invitation, cloud: CloudName) -> Self {
        self.invited = cloud.trust();
        for (name, value) in &invitation.trust {
            match self.invited.iter().find(|field| *field == name) {
                Some(field) => self.give(field, Some(value.clone())),
                None => {
                    let what = "an invitation does not say this".to_owned();
                    let help = "ask the vendor for another invitation".to_owned();
                    self.problems.push(Problem::error(Rule::Form, what, help).at(format!("trust.{name}")));
                }
            }
        }
        // The product's name does where it is short enough, so that most need not choose one.
        let name = invitation.stack.name().as_str();
        if !self.given.contains_key("prefix") && name.parse::<Prefix>().is_ok() {
            self.give("prefix", Some(name.to_owned()));
        }
        self
    }

    /// Takes a value. What is missing or wrong is remembered.
    fn take<T: FromStr<Err: Display>>(&mut self, field: &'static str) -> Option<T> {
        let invited = self.invited.contains(&field);
        let help =
            |otherwise: &str| if invited { "ask the vendor for another invitation" } else { otherwise }.to_owned();
        let problem = match self.given.remove(field).as_deref().map(str::parse) {
            Some(Ok(value)) => return Some(value),
            Some(Err(error)) => Problem::error(Rule::Form, format!("{error}"), help("correct it")),
            None => Problem::error(Rule::Form, "missing".to_owned(), help("add it")),
        };
        let name = if invited { format!("trust.{field}") } else { flag(field) };
        self.problems.push(problem.at(name));
        None
    }

    /// Everything that is missing or wrong, and everything that was given and not taken.
    fn end(self) -> Vec<Problem> {
        let rest = self.given.into_keys().map(|field| {
            let what = "has no meaning for this cloud".to_owned();
            Problem::error(Rule::Form, what, "remove it".to_owned()).at(flag(field))
        });
        self.problems.into_iter().chain(rest).collect()
    }
}

/// Whom to trust, by the names of a cloud's target, each value of the cloud's own form.
pub(crate) fn trust(cloud: CloudName, mut fields: Fields) -> Result<BTreeMap<String, String>, Failure> {
    let text = |field: &&str| Some(((*field).to_owned(), fields.given.get(*field)?.clone()));
    let trust = cloud.trust().iter().filter_map(text).collect();
    match cloud {
        CloudName::Aws => {
            fields.take::<alien_aws::VendorPrincipal>("vendor");
            fields.take::<alien_aws::ExternalId>("externalId");
        }
        CloudName::Gcp => {
            fields.take::<alien_gcp::VendorAccount>("vendor");
        }
        CloudName::Azure => {
            fields.take::<alien_azure::Issuer>("issuer");
            fields.take::<alien_azure::Subject>("subject");
        }
    }
    let problems = fields.end();
    if problems.is_empty() { Ok(trust) } else { Err(Failure::Refused(problems)) }
}

/// The flag of a field: `--project-number` for `projectNumber`.
pub(crate) fn flag(field: &str) -> String {
    let mut flag = String::from("--");
    for letter in field.chars() {
        if letter.is_ascii_uppercase() {
            flag.push('-');
        }
        flag.push(letter.to_ascii_lowercase());
    }
    flag
}

fn aws(fields: &mut Fields) -> Option<alien_aws::Target> {
    let account = fields.take("account");
    let region = fields.take("region");
    let prefix = fields.take("prefix");
    let vendor = fields.take("vendor");
    let external_id = fields.take("externalId");
    Some(alien_aws::Target {
        account: account?,
        region: region?,
        prefix: prefix?,
        vendor: vendor?,
        external_id: external_id?,
    })
}

fn gcp(fields: &mut Fields) -> Option<alien_gcp::Target> {
    let project = fields.take("project");
    let project_number = fields.take("projectNumber");
    let location = fields.take("location");
    let prefix = fields.take("prefix");
    let vendor = fields.take("vendor");
    Some(alien_gcp::Target {
        project: project?,
        project_number: project_number?,
        location: location?,
        prefix: prefix?,
        vendor: vendor?,
    })
}

fn azure(fields: &mut Fields) -> Option<alien_azure::Target> {
    let tenant = fields.take("tenant");
    let subscription = fields.take("subscription");
    let resource_group = fields.take("resourceGroup");
    let location = fields.take("location");
    let prefix = fields.take("prefix");
    let issuer = fields.take("issuer");
    let subject = fields.take("subject");
    Some(alien_azure::Target {
        tenant: tenant?,
        subscription: subscription?,
        resource_group: resource_group?,
        location: location?,
        prefix: prefix?,
        issuer: issuer?,
        subject: subject?,
    })
}
