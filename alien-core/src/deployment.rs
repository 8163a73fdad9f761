//! The record of a deployment, which both sides keep, and the invitation it began with. No secret is in either.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::cloud::{Cloud, CloudTarget};
use crate::delivery::{Delivery, ManagerUrl, Model, RootDigest};
use crate::error::{Error, ErrorKind, Result};
use crate::file_kind::{self, FileKind};
use crate::form_version::FormVersion;
use crate::invited::{self, InvitationSignature, Invited};
use crate::name::{ResourceId, RunId};
use crate::permission::Subject;
use crate::problem::{Problem, Problems, Remedy, Rule};
use crate::read_json::read_json;
use crate::stack::{Diff, Stack};
use crate::target::AnyTarget;
use crate::unique;

/// The id of a deployment. The vendor generates it, and everything that the deployment creates is marked with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct DeploymentId(Uuid);

impl DeploymentId {
    /// Generates an id: a UUID of version 7, so that ids sort by the time they were made.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "every call gives another one")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl From<Uuid> for DeploymentId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl From<DeploymentId> for Uuid {
    fn from(id: DeploymentId) -> Self {
        id.0
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

/// What the vendor hands to the customer: the stack, the deployment's id, and whom to trust. The customer reviews it before
/// anything is set up.
///
/// ```
/// use alien_core::{DeploymentId, Invitation, Queue, Stack, memory};
///
/// let mut stack = Stack::builder("shop");
/// stack.live("jobs", Queue::new());
/// let target = memory::Target::new("acme")?;
/// let invitation = Invitation::new(DeploymentId::new(), &target, stack.build()?)?;
/// let file = serde_json::to_string(&invitation)?;
/// assert_eq!(Invitation::from_json(&file)?, invitation);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Invitation {
    version: Version,
    /// The deployment's id.
    pub id: DeploymentId,
    /// The cloud it is for.
    pub cloud: String,
    /// Which vendor to trust, by the names of the fields of the cloud's target. None where releases are pulled.
    #[serde(deserialize_with = "unique::map")]
    pub trust: BTreeMap<String, String>,
    /// The vendor's product, as a stack.
    pub stack: Stack,
    /// How releases will reach the deployment.
    #[serde(default, skip_serializing_if = "Delivery::is_push")]
    pub delivery: Delivery,
    /// Which invitation to this deployment it is: 0 for the first one, and more for each later one. See
    /// [`superseded`](Self::superseded).
    #[serde(default, skip_serializing_if = "invited::is_first")]
    pub revision: u64,
    /// The vendor's signature over everything else. It says nothing until it is verified: `alien-release` does that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<InvitationSignature>,
}

/// The record of a deployment: what the vendor needs to find it. It holds no secret.
///
/// The set-up returns it, and updates change its stack. It is stored as JSON.
///
/// ```
/// use alien_core::{Deployment, DeploymentId, Queue, Release, Stack, memory};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
/// # runtime.block_on(async {
/// # let mut stack = Stack::builder("shop");
/// # stack.live("jobs", Queue::new());
/// # let release = Release::new(stack.build()?, Default::default())?;
/// # let config = memory::Config::new(memory::Account::default());
/// # let admin = memory::admin(&config, DeploymentId::new(), memory::Target::new("acme")?);
/// # let plan = admin.plan(&release).await?;
/// let deployment = admin.apply(&plan).await?;
/// assert_eq!(deployment.resource(&"jobs".parse()?)?, "queue/acme-jobs-4");
///
/// let file = serde_json::to_string(&deployment)?;
/// assert_eq!(Deployment::from_json(&file)?, deployment);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Deployment {
    pub(crate) version: Version,
    /// The deployment's id.
    pub id: DeploymentId,
    /// The cloud.
    pub cloud: String,
    /// Where it is and whom it trusts, as the cloud's target says it.
    pub target: AnyTarget,
    /// How releases reach it.
    #[serde(default, skip_serializing_if = "Delivery::is_push")]
    pub delivery: Delivery,
    /// The identity in the customer's cloud that trusts the vendor.
    pub identity: String,
    /// The id that the cloud chose for that identity, if the vendor needs it to assume the identity: the client id on Azure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_id: Option<String>,
    /// The cloud's id of each resource.
    #[serde(deserialize_with = "unique::map")]
    pub resources: BTreeMap<ResourceId, String>,
    /// The stack that was set up or released last.
    pub stack: Stack,
    /// The stack of the last set-up, if the vendor has deleted a resource of it since. The customer's cloud still grants
    /// what that stack asks for, so the vendor may create the resource again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreed: Option<Stack>,
    /// Earlier stacks of which something was kept because it holds data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<Stack>,
    /// Resources with an update that began and is not known to have ended. The next release updates them, whatever the stack
    /// says.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub uncertain: BTreeSet<ResourceId>,
    /// The version of each function and container that the last update left running, where the cloud tells no more of
    /// what runs than that: the revision of a task definition on AWS.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "unique::map")]
    pub versions: BTreeMap<ResourceId, String>,
    /// The digest of the stack that the last set-up was given. The vendor may have released others since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invited: Option<String>,
    /// What is known of the invitation of the last set-up.
    #[serde(default, skip_serializing_if = "Invited::is_default")]
    pub invitation: Invited,
    /// The public key of the agent that manages the deployment, in PEM, if the customer's admin set up with it. The vendor's manager
    /// takes messages of this key alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_key: Option<String>,
    /// The release in progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<InFlight>,
    /// How often the record was stored. A [`RecordStore`](crate::RecordStore) counts it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub revision: u64,
    /// Who stored it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writer: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A release in progress. Until it ends, or its lease does, no other release begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct InFlight {
    /// The name of the run that carries it out.
    #[schemars(with = "String")]
    pub owner: RunId,
    /// Who that is, in words.
    pub by: String,
    /// When it began.
    pub since: Timestamp,
    /// When its lease ends, unless it is renewed. A release that is interrupted renews it no more.
    pub until: Timestamp,
    /// The digest of the stack that it rolls out.
    pub release: String,
    /// The resources that it updates, and whose outcome is not known yet.
    pub resources: BTreeSet<ResourceId>,
    /// The fencing number of the claim under which it is carried out, in a rollout. Whoever has a higher one takes over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<u64>,
}

impl fmt::Display for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "release {} is rolled out by {} since {}", self.release, self.by, self.since)
    }
}

/// The version of the form of both files. Version 1 differs only in the form of stacks.
const VERSION: u32 = 2;

/// The version of a file. A file of an earlier version is written back as the present one.
pub(crate) type Version = FormVersion<1, VERSION>;

/// Reads one of the two files. Its version is read first, so that a newer one is refused by name.
fn read<T: for<'de> Deserialize<'de>>(text: &str, kind: FileKind) -> Result<T, Problems> {
    #[derive(Deserialize)]
    struct Found {
        version: u32,
    }
    let problem = |rule, what: String, help: &str| Problems(vec![Problem::error(rule, what, help.to_owned())]);
    if let Ok(Found { version: found }) = serde_json::from_str(text)
        && !(1..=VERSION).contains(&found)
    {
        let says = format!("this is {kind} of version {found}, and this program reads versions 1 to {VERSION}");
        return Err(problem(Rule::Form, says, "use the program that wrote it, or a newer one"));
    }
    read_json(text.as_bytes()).map_err(|error| {
        file_kind::another(text, kind).map_or_else(
            || {
                let error = unique::repeated(text).map_or(error, |error| error.to_string());
                problem(Rule::Form, format!("this is not {kind}: {error}"), "give the file as it was written")
            },
            |other| Problems(vec![other]),
        )
    })
}

impl Invitation {
    /// The version of the form that this library writes. It also reads version 1.
    pub const VERSION: u32 = VERSION;

    /// Creates the invitation to a deployment with this id, which trusts whom the target trusts. Releases are pushed.
    ///
    /// # Errors
    ///
    /// If the stack names something of the customer's ([`Stack::existing`]), which only the customer gives; if the target names
    /// an agent, or has no JSON form.
    pub fn new<T: CloudTarget>(id: DeploymentId, target: &T, stack: Stack) -> Result<Self, Problems> {
        let wrong = |error: Error| {
            let help = "fix the target".to_owned();
            Problems(vec![Problem::error(Rule::Form, error.to_string(), help)])
        };
        let any = AnyTarget::of::<T::Cloud>(target).map_err(wrong)?;
        any.suits::<T::Cloud>(&Delivery::Push).map_err(wrong)?;
        Self::trusting(id, T::Cloud::NAME, any.trust::<T::Cloud>(), Delivery::Push, stack)
    }

    /// Creates the invitation to a deployment with this id that pulls its releases from a manager, and runs nothing that
    /// the keys of a root did not sign. The customer's admin says which principal of the customer's manages it.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn pull<C: Cloud>(
        id: DeploymentId,
        manager: ManagerUrl,
        root: RootDigest,
        stack: Stack,
    ) -> Result<Self, Problems> {
        Self::trusting(id, C::NAME, BTreeMap::new(), Delivery::Pull { manager, root }, stack)
    }

    /// Invites to a deployment on a cloud of this name, which trusts whom these fields name.
    pub(crate) fn trusting(
        id: DeploymentId,
        cloud: &str,
        trust: BTreeMap<String, String>,
        delivery: Delivery,
        stack: Stack,
    ) -> Result<Self, Problems> {
        let problems = stack.existing().map(|(resource, existing)| {
            let what = format!("the stack names `{}`, which is the customer's to give", existing.id);
            Problem::error(Rule::Form, what, "leave it out; the customer gives it when setting up".to_owned())
                .on(resource)
        });
        Problems::none(problems.collect())?;
        let cloud = cloud.to_owned();
        Ok(Self { version: FormVersion, id, cloud, trust, stack, delivery, revision: 0, signature: None })
    }

    /// Sets which invitation to this deployment it is.
    #[must_use]
    pub const fn with_revision(mut self, revision: u64) -> Self {
        self.revision = revision;
        self
    }

    /// Reads an invitation.
    ///
    /// # Errors
    ///
    /// Every problem, those of its stack included; a vendor to trust where releases are pulled.
    pub fn from_json(text: &str) -> Result<Self, Problems> {
        let read: Self = read(text, FileKind::Invitation)?;
        let vendors = read.trust.keys().filter(|_| read.delivery.model() == Model::Pull).map(|name| {
            let what = "releases are pulled, so nobody outside is trusted, and the invitation says whom to trust";
            Problem::error(Rule::Form, what.to_owned(), "ask the vendor for another invitation".to_owned())
                .at(format!("trust.{name}"))
        });
        Problems::none(vendors.collect())?;
        Ok(read)
    }

    /// Adds the vendor's signature.
    #[must_use]
    pub fn with_signature(mut self, signature: InvitationSignature) -> Self {
        self.signature = Some(signature);
        self
    }

    /// What is signed of the file of an invitation: canonical JSON ([RFC 8785](https://www.rfc-editor.org/rfc/rfc8785)) of
    /// everything but the signature.
    ///
    /// # Errors
    ///
    /// If the text is no JSON object, has a field twice, or a number above 2⁵³ − 1.
    pub fn signed_form(text: &str) -> Result<String, Problems> {
        invited::signed_form(text)
    }

    /// Compares this invitation with the record of the deployment: a problem if the last set-up was by a later one.
    #[must_use]
    pub fn superseded(&self, record: &Deployment) -> Option<Problem> {
        let (this, last) = (self.revision, record.invitation.revision);
        let what = format!("the invitation has revision {this}, and the last set-up was by revision {last}");
        let help = format!("take the invitation of revision {last}, or ask the vendor for a later one");
        (this < last).then(|| Problem::error(Rule::Form, what, help).remedy(Remedy::InviteAgain))
    }

    /// Compares this invitation with the record that came back. Each difference is a reason not to register the record.
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
        compare("the delivery", format!("{:?}", self.delivery), format!("{:?}", record.delivery));
        for (name, invited) in &self.trust {
            let found = record.target.field(name).unwrap_or_default();
            compare(name, invited.clone(), found.to_owned());
        }
        // What the vendor may change, the vendor may have changed since.
        if self.stack.name() != record.stack.name() {
            compare("the product", self.stack.name().to_string(), record.stack.name().to_string());
        }
        // What the customer gave of its own is no part of the invitation.
        let invited = self.stack.with_existing_of(&record.stack).unwrap_or_else(|_| self.stack.clone());
        problems.extend(record.stack.diff(&invited).admin_only().into_iter().map(|problem| {
            let what = format!("the record's stack is another than the invitation's: {}", problem.what);
            Problem { what, help: "ask the customer to set up with the invitation as it is".to_owned(), ..problem }
        }));
        problems
    }
}

impl Deployment {
    /// The version of the form that this library writes. It also reads version 1.
    pub const VERSION: u32 = VERSION;

    /// Reads a record.
    ///
    /// # Errors
    ///
    /// Every problem, those of its stack included.
    pub fn from_json(text: &str) -> Result<Self, Problems> {
        read(text, FileKind::Record)
    }

    /// The digest of all that a session depends on: whose identity it is, what it is granted, and on which things. It
    /// stays the same when the vendor updates code and settings.
    pub(crate) fn session_digest(&self) -> String {
        let permissions = self.stack.permissions();
        let grants = permissions.management.grants.iter().flat_map(|grant| {
            let subject = match grant.subject {
                Subject::Resource(position) => self.stack.at(position).map_or("", |resource| resource.id().as_str()),
                Subject::Deployment => "deployment",
                Subject::ManagementIdentity | Subject::RuntimeIdentity(_) => "identity",
            };
            [subject, grant.set.name()]
        });
        let texts: Vec<&str> = self.place().chain(grants).collect();
        crate::naming::digest(&texts)
    }

    /// The digest of all that follows from the record.
    pub(crate) fn digest(&self) -> String {
        let given = self.stack.existing().flat_map(|(id, existing)| {
            [id.as_str(), existing.id.as_str()].into_iter().chain(existing.subnets.iter().map(String::as_str))
        });
        let versions = self.versions.iter().flat_map(|(id, version)| [id.as_str(), version.as_str()]);
        let texts: Vec<&str> = self.place().chain([self.stack.digest()]).chain(given).chain(versions).collect();
        crate::naming::digest(&texts)
    }

    /// Where the deployment is, whom it trusts, and what the cloud calls its things.
    fn place(&self) -> impl Iterator<Item = &str> {
        let ids = self.resources.iter().flat_map(|(id, name)| [id.as_str(), name.as_str()]);
        let identity_id = self.identity_id.as_deref().unwrap_or_default();
        let target = self.target.fields().flat_map(|(name, text)| [name, text]);
        [self.cloud.as_str(), self.identity.as_str(), identity_id].into_iter().chain(target).chain(ids)
    }

    /// Every stack of which something may exist: the present one, that of the last set-up, and those of which something
    /// was kept.
    pub fn stacks(&self) -> impl Iterator<Item = &Stack> {
        [&self.stack].into_iter().chain(self.earlier_stacks())
    }

    pub(crate) fn earlier_stacks(&self) -> impl Iterator<Item = &Stack> {
        self.agreed.iter().chain(&self.retired)
    }

    /// Compares a stack with this record: what changed, who may apply each change, and which grants were gained and
    /// lost.
    #[must_use]
    pub fn diff(&self, next: &Stack) -> Diff {
        match &self.agreed {
            Some(agreed) => next.diff_within(&self.stack, agreed),
            None => next.diff(&self.stack),
        }
    }

    /// What of a stack only the customer's admin can apply to this deployment, each change as a problem. Empty if the
    /// vendor can release all of it.
    ///
    /// # Errors
    ///
    /// If the stack is of another product.
    pub fn admin_only(&self, next: &Stack) -> Result<Vec<Problem>, Problems> {
        next.is_of_product(&self.stack)?;
        let next = next.with_existing_of(&self.stack)?;
        Ok(self.diff(&next).admin_only())
    }

    /// The record after the customer's agent has released a stack: the vendor's copy, which the agent does not write. What the
    /// customer gave of its own stays.
    ///
    /// # Errors
    ///
    /// If the stack is of another product.
    pub fn running(&self, stack: &Stack) -> Result<Self, Problems> {
        stack.is_of_product(&self.stack)?;
        Ok(Self { stack: stack.with_existing_of(&self.stack)?, ..self.clone() })
    }

    /// The target, as the type of its cloud.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] if the record is of another cloud, or its target cannot be read.
    pub fn target<C: Cloud>(&self) -> Result<&C::Target> {
        if self.cloud != C::NAME {
            let what = format!("the record is of a deployment on {}, and this is {}", self.cloud, C::NAME);
            return Err(Error::new(ErrorKind::Input, what));
        }
        self.target.typed::<C>()
    }

    /// The cloud's id of a resource.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] if the record has no such resource.
    pub fn resource(&self, id: &ResourceId) -> Result<&str> {
        let missing = || Error::new(ErrorKind::Input, "the deployment has no such resource").at(id.as_str());
        self.resources.get(id).map(String::as_str).ok_or_else(missing)
    }
}
