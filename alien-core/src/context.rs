//! One deployment, with everything derived from it that calls need.

use std::collections::{BTreeMap, BTreeSet};

use crate::cloud::{Cloud, Layout, Names};
use crate::delivery::Delivery;
use crate::deployment::{Deployment, DeploymentId};
use crate::error::{Error, ErrorKind, Result};
use crate::form_version::FormVersion;
use crate::invited::Invited;
use crate::marks::Owner;
use crate::name::ResourceId;
use crate::permission::{Grants, Holder, Permissions, Subject, SubjectType};
use crate::release::{Artifacts, Release};
use crate::resource::{Resource, Running};
use crate::stack::Stack;
use crate::target::AnyTarget;

/// A deployment on a cloud, with everything that calls need: its stack, its target, its permissions, its names, and the
/// ids that the cloud chose.
#[derive(Debug)]
pub struct DeploymentContext<C: Cloud> {
    /// The deployment's id.
    pub id: DeploymentId,
    /// Its stack at its target, with all names.
    pub layout: Layout<C>,
    /// The cloud's ids of resources, as far as they are known.
    pub ids: BTreeMap<ResourceId, String>,
    /// As [`Deployment::identity_id`].
    pub identity_id: Option<String>,
    /// As [`Deployment::delivery`].
    pub delivery: Delivery,
    /// As [`Deployment::versions`].
    pub versions: BTreeMap<ResourceId, String>,
    whole: Stack,
    artifacts: Artifacts,
}

impl<C: Cloud> DeploymentContext<C> {
    /// Creates the context of a release at a target. Releases are pushed.
    #[must_use]
    pub fn new(id: DeploymentId, target: C::Target, release: Release) -> Self {
        let (stack, artifacts) = release.into_parts();
        let layout = Layout::new(stack.clone(), target);
        let (ids, versions) = (BTreeMap::new(), BTreeMap::new());
        let delivery = Delivery::Push;
        Self { id, layout, ids, identity_id: None, delivery, versions, whole: stack, artifacts }
    }

    /// Sets how releases reach it.
    #[must_use]
    pub fn with_delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// The same deployment with another form of one resource.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] with every problem of the resulting stack.
    pub(crate) fn with_resource(&self, resource: &Resource) -> Result<Self> {
        let release = Release::partial(self.whole.with_resource(resource)?, self.artifacts.clone());
        let (ids, identity_id, versions) = (self.ids.clone(), self.identity_id.clone(), self.versions.clone());
        let delivery = self.delivery.clone();
        Ok(Self { ids, identity_id, delivery, versions, ..Self::new(self.id, self.target().clone(), release) })
    }

    /// The same deployment with the bytes of zips.
    pub(crate) fn with_artifacts(&self, artifacts: Artifacts) -> Self {
        let (ids, identity_id, versions) = (self.ids.clone(), self.identity_id.clone(), self.versions.clone());
        let release = Release::partial(self.whole.clone(), artifacts);
        let delivery = self.delivery.clone();
        Self { ids, identity_id, delivery, versions, ..Self::new(self.id, self.target().clone(), release) }
    }

    /// Creates the context of the deployment in a record. It has no artifacts.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] if the record is of another cloud, cannot be read, names an identity other than the one
    /// that follows from its target, or trusts somebody else than those who carry releases in.
    pub fn of(record: &Deployment) -> Result<Self> {
        let target = record.target::<C>()?.clone();
        record.target.suits::<C>(&record.delivery)?;
        let release = Release::without_artifacts(record.stack.clone());
        let context = Self {
            ids: record.resources.clone(),
            identity_id: record.identity_id.clone(),
            delivery: record.delivery.clone(),
            versions: record.versions.clone(),
            ..Self::new(record.id, target, release)
        };
        let identity = context.identity();
        if record.identity != identity {
            let what = format!("the record names the identity `{}`, and its target's is `{identity}`", record.identity);
            return Err(Error::new(ErrorKind::Input, what));
        }
        Ok(context)
    }

    /// The record of this deployment, as far as it follows from stack and target. Ids that the cloud chooses are in it
    /// only once they are known.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] if the target's JSON form is not an object of strings.
    pub fn record(&self) -> Result<Deployment> {
        let ids =
            self.stack().resources().iter().enumerate().map(|(position, resource)| {
                (resource.id().clone(), self.id_of(Subject::Resource(position)).to_owned())
            });
        Ok(Deployment {
            version: FormVersion,
            id: self.id,
            cloud: C::NAME.to_owned(),
            target: AnyTarget::of::<C>(self.target())?,
            delivery: self.delivery.clone(),
            identity: self.identity().to_owned(),
            identity_id: self.identity_id.clone(),
            resources: ids.collect(),
            stack: self.whole.clone(),
            agreed: None,
            retired: Vec::new(),
            uncertain: BTreeSet::new(),
            versions: self.versions.clone(),
            invited: Some(self.whole.digest().to_owned()),
            invitation: Invited::default(),
            agent_key: None,
            in_flight: None,
            revision: 0,
            writer: None,
        })
    }

    /// A resource with the part that the vendor may change as it runs.
    pub(crate) fn running(&self, resource: &Resource, running: &Running) -> Resource {
        resource.clone().with_running(running, self.stack().resources().iter().map(Resource::id))
    }

    /// The stack as the vendor wrote it, with every form of code.
    #[must_use]
    pub(crate) const fn whole_stack(&self) -> &Stack {
        &self.whole
    }

    /// Whose its things are, as marks say it.
    #[must_use]
    pub fn owner(&self) -> Owner<'_> {
        Owner { deployment: self.id, place: C::place(self.target()) }
    }

    /// The stack, with all code in the one form that the cloud runs.
    #[must_use]
    pub const fn stack(&self) -> &Stack {
        &self.layout.stack
    }

    /// The target: where the deployment is, and whom it trusts.
    #[must_use]
    pub const fn target(&self) -> &C::Target {
        &self.layout.target
    }

    /// The permissions of its stack.
    #[must_use]
    pub fn permissions(&self) -> &Permissions {
        self.layout.permissions()
    }

    /// The names of everything in it.
    #[must_use]
    pub const fn names(&self) -> &Names<C::Scope> {
        &self.layout.names
    }

    /// The bytes of zips.
    #[must_use]
    pub const fn artifacts(&self) -> &Artifacts {
        &self.artifacts
    }

    /// The cloud's name of the identity that trusts the vendor, or the agent.
    #[must_use]
    pub fn identity(&self) -> &str {
        self.names().management_identity()
    }

    /// The name of a subject, for people: a resource's id, a profile's name, or a description.
    #[must_use]
    pub fn subject_name(&self, subject: Subject) -> &str {
        match subject {
            Subject::Resource(position) => self.stack().at(position).map_or("", |resource| resource.id().as_str()),
            Subject::Deployment => "what the resources share",
            Subject::ManagementIdentity if C::agent(self.target()).is_some() => "the identity that trusts the agent",
            Subject::ManagementIdentity => "the identity that trusts the vendor",
            Subject::RuntimeIdentity(position) => {
                self.permissions().runtime.get(position).map_or("", |grants| grants.holder.label())
            }
        }
    }

    /// The type of a subject, for people: the kind of resource, `identity`, or `deployment` for what resources share.
    #[must_use]
    pub fn subject_kind(&self, subject: Subject) -> &'static str {
        subject.subject_type(self.stack()).map_or("", SubjectType::name)
    }

    /// The resource of a subject.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] if the subject has none.
    pub fn resource(&self, subject: Subject) -> Result<&Resource> {
        let resource = match subject {
            Subject::Resource(position) => self.stack().at(position),
            _ => None,
        };
        resource.ok_or_else(|| Error::new(ErrorKind::Internal, "no resource").at(self.subject_name(subject)))
    }

    /// The subject of the resource with this id.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] if the stack has no such resource.
    pub fn subject(&self, id: &str) -> Result<Subject> {
        let missing = || Error::new(ErrorKind::Input, "the deployment has no such resource").at(id);
        self.stack().position(id).map(Subject::Resource).ok_or_else(missing)
    }

    /// The holder of the identity that a subject is.
    #[must_use]
    pub fn holder(&self, subject: Subject) -> Option<&Holder> {
        self.grants(subject).ok().map(|grants| &grants.holder)
    }

    /// The grants of the identity that a subject is.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] if the subject has none.
    pub fn grants(&self, subject: Subject) -> Result<&Grants> {
        let grants = match subject {
            Subject::ManagementIdentity => Some(&self.permissions().management),
            Subject::RuntimeIdentity(position) => self.permissions().runtime.get(position),
            Subject::Resource(_) | Subject::Deployment => None,
        };
        grants.ok_or_else(|| Error::new(ErrorKind::Internal, "no identity").at(self.subject_name(subject)))
    }

    /// The full name of a subject in a scope.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] if it has none.
    pub fn name(&self, subject: Subject, scope: C::Scope) -> Result<&str> {
        let missing =
            || Error::new(ErrorKind::Internal, format!("no name for {scope:?}")).at(self.subject_name(subject));
        self.names().at(scope, subject).next().ok_or_else(missing)
    }

    /// The cloud's id of a resource: the one in the record, otherwise its name.
    #[must_use]
    pub fn id_of(&self, subject: Subject) -> &str {
        let Subject::Resource(position) = subject else { return "" };
        let recorded = self.stack().at(position).and_then(|resource| self.ids.get(resource.id()));
        recorded.map_or_else(|| self.names().id(position), String::as_str)
    }

    /// The subjects in an order of set-up: the identities of code and what is shared, then resources, and last the
    /// identity that trusts the vendor.
    pub fn subjects(&self) -> impl Iterator<Item = Subject> {
        (0..self.permissions().runtime.len())
            .map(Subject::RuntimeIdentity)
            .chain([Subject::Deployment])
            .chain(self.stack().order().iter().copied().map(Subject::Resource))
            .chain([Subject::ManagementIdentity])
    }

    /// The subjects that must exist before one is set up.
    #[must_use]
    pub fn needs(&self, subject: Subject) -> Vec<Subject> {
        match subject {
            Subject::RuntimeIdentity(_) | Subject::Deployment => Vec::new(),
            Subject::ManagementIdentity => {
                self.subjects().filter(|needed| *needed != Subject::ManagementIdentity).collect()
            }
            Subject::Resource(position) => {
                let Some(resource) = self.stack().at(position) else { return Vec::new() };
                let resources = resource.needs().filter_map(|id| self.stack().position(id)).map(Subject::Resource);
                let profile = resource.settings().compute().map(|compute| compute.profile);
                let identity = profile.and_then(|profile| self.permissions().runtime_position(profile));
                let is_apart = C::STARTED_APART.contains(&resource.kind());
                let platform = self.permissions().platform_position().filter(|_| is_apart);
                let identities = identity.into_iter().chain(platform).map(Subject::RuntimeIdentity);
                let shared = C::needs_shared(resource).then_some(Subject::Deployment);
                resources.chain(identities).chain(shared).collect()
            }
        }
    }
}
