//! One deployment, with everything derived from it that calls need.

use std::collections::{BTreeMap, BTreeSet};

use crate::cloud::{Cloud, Deployed, Names};
use crate::deployment::{Deployment, DeploymentId};
use crate::error::{Error, ErrorKind, Result};
use crate::name::ResourceId;
use crate::permission::{Grants, Holder, Permissions, Subject, SubjectType};
use crate::release::{Artifacts, Release};
use crate::resource::Resource;
use crate::stack::Stack;

/// One deployment on one cloud, with everything derived from it that calls need: its permissions and its names.
#[derive(Debug)]
pub struct DeploymentContext<C: Cloud> {
    /// The deployment's id.
    pub id: DeploymentId,
    /// Where it is and whom it trusts.
    pub target: C::Target,
    /// The permissions of its stack.
    pub permissions: Permissions,
    /// What everything of it is called.
    pub names: Names<C::Scope>,
    /// The cloud's ids of resources, where they are known.
    pub ids: BTreeMap<ResourceId, String>,
    /// [`Deployment::identity_id`].
    pub identity_id: Option<String>,
    release: Release,
    digest: String,
}

impl<C: Cloud> DeploymentContext<C> {
    /// A release at a target.
    #[must_use]
    pub fn new(id: DeploymentId, target: C::Target, release: Release) -> Self {
        let permissions = release.stack().permissions();
        let names = Names::of::<C>(release.stack(), &permissions, &target);
        let digest = release.digest();
        Self { id, target, permissions, names, ids: BTreeMap::new(), identity_id: None, release, digest }
    }

    /// The deployment that a record tells of. It has no artifacts.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] where the record is of another cloud, cannot be read, or names an identity other than the
    /// one that follows from its target.
    pub fn of(record: &Deployment) -> Result<Self> {
        let target = record.target::<C>()?;
        let release = Release::without_artifacts(record.stack.clone());
        let site = Self {
            ids: record.resources.clone(),
            identity_id: record.identity_id.clone(),
            ..Self::new(record.id, target, release)
        };
        let identity = site.identity();
        if record.identity != identity {
            let what = format!("the record names the identity `{}`, and its target's is `{identity}`", record.identity);
            return Err(Error::new(ErrorKind::Input, what));
        }
        Ok(site)
    }

    /// The record of this deployment, as far as it follows from stack and target: an id that the cloud chooses is not
    /// known before it has.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] where the target has no JSON form.
    pub fn record(&self) -> Result<Deployment> {
        let target = serde_json::to_value(&self.target);
        let ids =
            self.stack().resources().iter().enumerate().map(|(position, resource)| {
                (resource.id().clone(), self.id_of(Subject::Resource(position)).to_owned())
            });
        Ok(Deployment {
            version: Deployment::VERSION,
            id: self.id,
            cloud: C::NAME.to_owned(),
            target: target.map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?,
            identity: self.identity(),
            identity_id: self.identity_id.clone(),
            resources: ids.collect(),
            stack: self.stack().clone(),
            retired: Vec::new(),
            uncertain: BTreeSet::new(),
        })
    }

    /// The stack.
    #[must_use]
    pub const fn stack(&self) -> &Stack {
        self.release.stack()
    }

    /// The bytes of zips.
    #[must_use]
    pub const fn artifacts(&self) -> &Artifacts {
        self.release.artifacts()
    }

    /// What is rolled out.
    #[must_use]
    pub(crate) fn as_release(&self) -> Release {
        self.release.clone()
    }

    /// The digest of the release.
    #[must_use]
    pub fn release(&self) -> &str {
        &self.digest
    }

    /// For what renders.
    #[must_use]
    pub const fn deployed(&self) -> Deployed<'_, C> {
        Deployed {
            stack: self.release.stack(),
            permissions: &self.permissions,
            target: &self.target,
            names: &self.names,
        }
    }

    /// The cloud's name of the identity that trusts the vendor.
    #[must_use]
    pub fn identity(&self) -> String {
        let named = self.names.things().find(|thing| thing.subject == Subject::ManagementIdentity);
        named.map_or_else(String::new, |thing| thing.name.to_owned())
    }

    /// What people call a subject: a resource's id, a profile's name, or what it is.
    #[must_use]
    pub fn subject_name(&self, subject: Subject) -> &str {
        match subject {
            Subject::Resource(position) => self.stack().at(position).map_or("", |resource| resource.id().as_str()),
            Subject::Deployment => "what the resources share",
            Subject::ManagementIdentity => "the identity that trusts the vendor",
            Subject::RuntimeIdentity(position) => {
                self.permissions.runtime.get(position).map_or("", |holding| holding.holder.label())
            }
        }
    }

    /// What sort of thing a subject is: the kind of resource, `identity`, or `deployment` for what resources share.
    #[must_use]
    pub fn subject_kind(&self, subject: Subject) -> &'static str {
        subject.topic(self.stack()).map_or("", SubjectType::name)
    }

    /// The resource that a subject is.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] where it is none.
    pub fn resource(&self, subject: Subject) -> Result<&Resource> {
        let resource = match subject {
            Subject::Resource(position) => self.stack().at(position),
            _ => None,
        };
        resource.ok_or_else(|| Error::new(ErrorKind::Internal, "no resource").at(self.subject_name(subject)))
    }

    /// The subject that a resource is.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] where the stack has no such resource.
    pub fn subject(&self, id: &str) -> Result<Subject> {
        let missing = || Error::new(ErrorKind::Input, "the deployment has no such resource").at(id);
        self.stack().position(id).map(Subject::Resource).ok_or_else(missing)
    }

    /// Whose identity a subject is.
    #[must_use]
    pub fn holder(&self, subject: Subject) -> Option<&Holder> {
        self.holding(subject).ok().map(|held| &held.holder)
    }

    /// The permissions of the identity that a subject is.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] where it is none.
    pub fn holding(&self, subject: Subject) -> Result<&Grants> {
        let holding = match subject {
            Subject::ManagementIdentity => Some(&self.permissions.management),
            Subject::RuntimeIdentity(position) => self.permissions.runtime.get(position),
            Subject::Resource(_) | Subject::Deployment => None,
        };
        holding.ok_or_else(|| Error::new(ErrorKind::Internal, "no identity").at(self.subject_name(subject)))
    }

    /// The full name that a place has for a subject.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] where it has none.
    pub fn name(&self, subject: Subject, scope: C::Scope) -> Result<&str> {
        let missing =
            || Error::new(ErrorKind::Internal, format!("no name for {scope:?}")).at(self.subject_name(subject));
        self.names.at(scope, subject).next().ok_or_else(missing)
    }

    /// The cloud's id of a resource: as the record has it, else its name.
    #[must_use]
    pub fn id_of(&self, subject: Subject) -> &str {
        let Subject::Resource(position) = subject else { return "" };
        let recorded = self.stack().at(position).and_then(|resource| self.ids.get(resource.id()));
        recorded.map_or_else(|| self.names.id(position), String::as_str)
    }

    /// The subjects in an order of set-up: identities of code and what is shared, resources, and last the identity
    /// that lets the vendor in.
    pub fn subjects(&self) -> impl Iterator<Item = Subject> {
        (0..self.permissions.runtime.len())
            .map(Subject::RuntimeIdentity)
            .chain([Subject::Deployment])
            .chain(self.stack().order().iter().copied().map(Subject::Resource))
            .chain([Subject::ManagementIdentity])
    }

    /// The subjects that must be there before one is set up.
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
                let identity = profile.and_then(|profile| self.permissions.runtime_position(profile));
                let shared = C::needs_shared(resource).then_some(Subject::Deployment);
                resources.chain(identity.map(Subject::RuntimeIdentity)).chain(shared).collect()
            }
        }
    }
}
