//! Grants: who may do what with what, and why.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::set::{Set, Sets};
use crate::kind::Kind;
use crate::name::ProfileName;

/// The three layers of permissions. Each has its own holders, and no permission passes from one to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// What the customer's admin needs, once. The vendor never holds it.
    Provisioning,
    /// What the vendor holds, day to day.
    Management,
    /// What the deployed code holds.
    Runtime,
}

impl Layer {
    /// Every layer, in the order of documents.
    pub const ALL: [Self; 3] = [Self::Provisioning, Self::Management, Self::Runtime];

    /// The word used in documents: `provisioning`, `management`, `runtime`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Provisioning => "provisioning",
            Self::Management => "management",
            Self::Runtime => "runtime",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The subject of a grant: what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A resource, by its position among [`Stack::resources`](crate::Stack::resources).
    Resource(usize),
    /// What the resources of a deployment share: a cluster, a namespace.
    Deployment,
    /// The identity that the vendor impersonates.
    ManagementIdentity,
    /// The identity of a profile that is in use, or that of the platform, by its position among [`Permissions::runtime`].
    RuntimeIdentity(usize),
}

/// Why a grant exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GrantReason {
    /// The vendor watches every resource.
    Watch,
    /// The resource is live.
    Live,
    /// The function takes commands.
    Commands,
    /// The stack's `management.extend` asks for it.
    Extended,
    /// The admin sets the resource up.
    SetUp,
    /// The admin makes the identities and what the resources share.
    Foundation,
    /// The admin makes the identity that the cloud starts code as.
    Platform,
    /// The profile asks for it, for this resource by name.
    Profile,
    /// The profile asks for it, for all of the kind.
    ProfileForAll,
    /// The code runs under this identity.
    Runs,
    /// The cloud starts the code as this identity.
    Starts,
}

/// One permission set on one subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grant {
    /// The subject.
    pub subject: Subject,
    /// The permission set.
    pub set: Set,
    /// The reason.
    pub why: GrantReason,
}

/// The holder of grants.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// The customer's admin.
    Admin,
    /// The vendor, through the identity in the customer's account that trusts it.
    Vendor,
    /// The deployed code of a profile.
    Profile(ProfileName),
    /// What the cloud starts code as, where that is not the identity that the code runs as: it pulls images and writes
    /// logs. See [`Cloud::STARTED_APART`](crate::adapter::Cloud::STARTED_APART).
    Platform,
}

impl Holder {
    /// The layer the holder belongs to.
    #[must_use]
    pub const fn layer(&self) -> Layer {
        match self {
            Self::Admin => Layer::Provisioning,
            Self::Vendor => Layer::Management,
            Self::Profile(_) | Self::Platform => Layer::Runtime,
        }
    }

    /// The word used in documents: the layer, or the name of the profile. No profile has the word of the platform.
    #[must_use]
    pub fn label(&self) -> &str {
        match self {
            Self::Admin | Self::Vendor => self.layer().name(),
            Self::Profile(profile) => profile.as_str(),
            Self::Platform => "the platform",
        }
    }

    /// The word used in physical names: `provisioning`, `management`, `runtime-…`, `platform`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Admin => Layer::Provisioning.name().to_owned(),
            Self::Vendor => Layer::Management.name().to_owned(),
            Self::Profile(profile) => format!("{}-{profile}", Layer::Runtime.name()),
            Self::Platform => "platform".to_owned(),
        }
    }
}

/// All grants of one holder, sorted by subject and set, no two alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants {
    /// The holder.
    pub holder: Holder,
    /// The grants.
    pub grants: Vec<Grant>,
}

impl Grants {
    /// The sets held on a subject.
    #[must_use]
    pub fn sets_on(&self, subject: Subject) -> Sets {
        self.grants.iter().filter(|grant| grant.subject == subject).map(|grant| grant.set).collect()
    }
}

/// The permissions that a stack asks for, in three layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    /// What the customer's admin needs, once.
    pub provisioning: Grants,
    /// What the vendor holds, day to day.
    pub management: Grants,
    /// What the deployed code holds: one list for each profile that code runs under, sorted by name; and last what the
    /// cloud starts code as, where that is another identity.
    pub runtime: Vec<Grants>,
}

impl Permissions {
    /// The holders of all layers.
    pub fn holders(&self) -> impl Iterator<Item = &Grants> {
        [&self.provisioning, &self.management].into_iter().chain(&self.runtime)
    }

    /// The position among [`runtime`](Self::runtime) of a profile that is in use.
    #[must_use]
    pub fn runtime_position(&self, profile: &str) -> Option<usize> {
        self.runtime
            .binary_search_by(|grants| match &grants.holder {
                Holder::Profile(name) => name.as_str().cmp(profile),
                Holder::Admin | Holder::Vendor => std::cmp::Ordering::Less,
                Holder::Platform => std::cmp::Ordering::Greater,
            })
            .ok()
    }

    /// The position among [`runtime`](Self::runtime) of what the cloud starts code as, if that is another identity.
    #[must_use]
    pub fn platform_position(&self) -> Option<usize> {
        let last = self.runtime.len().checked_sub(1)?;
        self.runtime.get(last).filter(|grants| grants.holder == Holder::Platform).map(|_| last)
    }
}

/// The type of a subject: a kind of resource, or one of the two types that are not resources. A cloud defines its
/// permission sets for each type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubjectType {
    /// A resource of the kind.
    Kind(Kind),
    /// What resources share.
    Deployment,
    /// A service identity.
    Identity,
}

impl SubjectType {
    /// The word used in documents: the kind, `deployment` or `identity`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kind(kind) => kind.name(),
            Self::Deployment => "deployment",
            Self::Identity => "identity",
        }
    }
}
