//! What a subject is known by, to see whether the stack says the same of it as when it was set up.

use crate::cloud::Documented;
use crate::context::DeploymentContext;
use crate::marks::Fingerprint;
use crate::permission::Subject;
use crate::resource::{Existing, Resource};

impl Fingerprint {
    /// The version of what this library sets on things. A newer one sets everything again.
    pub const REVISION: u32 = 1;

    /// The fingerprint of what the stack says of a subject. Whether a resource is frozen or live is not in it: that is said by
    /// the permissions of others.
    #[must_use]
    pub fn of<C: Documented>(subject: Subject, deployment: &DeploymentContext<C>) -> Self {
        let text = match subject {
            Subject::Resource(_) => deployment.resource(subject).map(|resource| {
                // Code cannot be moved by the network's own fingerprint: a network of the customer's has none.
                let network =
                    resource.settings().compute().and_then(|compute| deployment.stack().resource(compute.network?));
                let given = network.and_then(Resource::existing).filter(|existing| !existing.subnets.is_empty());
                let place = given.map(|Existing { id, subnets }| format!("\n{id} {}", subnets.join(" ")));
                resource.fingerprint_text() + &place.unwrap_or_default()
            }),
            // What is shared is there for those who need it.
            Subject::Deployment => {
                let users = deployment.stack().resources().iter().filter(|resource| C::needs_shared(resource));
                Ok(users.map(|resource| format!("{} {}\n", resource.id(), resource.lifecycle())).collect())
            }
            Subject::ManagementIdentity | Subject::RuntimeIdentity(_) => {
                deployment.grants(subject).map(|grants| C::identity_text(&deployment.layout, grants))
            }
        };
        let digest = crate::naming::digest(&[&text.unwrap_or_default()]);
        Self { revision: Self::REVISION, digest }
    }
}
