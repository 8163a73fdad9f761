//! The fingerprint of a subject: it shows whether the stack still says the same of the subject as when it was set up.

use crate::cloud::Documented;
use crate::context::DeploymentContext;
use crate::lifecycle::Lifecycle;
use crate::marks::Fingerprint;
use crate::permission::Subject;
use crate::resource::{Existing, Resource};

impl Fingerprint {
    /// The version of the settings that this library writes. A newer version writes everything again.
    pub const REVISION: u32 = 1;

    /// Computes the fingerprint of what the stack says of a subject. A resource's lifecycle is not part of it: the
    /// lifecycle only affects the permissions of others. What the vendor may change of live code is no part of it
    /// either: it is compared with what runs.
    #[must_use]
    pub fn of<C: Documented>(subject: Subject, deployment: &DeploymentContext<C>) -> Self {
        let live = |resource: &Resource| resource.kind().runs_code() && resource.lifecycle() == Lifecycle::Live;
        if deployment.resource(subject).is_ok_and(live) {
            return Self::compute(subject, deployment, Resource::admins_text);
        }
        Self::whole(subject, deployment)
    }

    /// The fingerprint that covers everything, also of live code: what frozen code has, and what versions wrote before
    /// they told the vendor's part apart.
    #[must_use]
    pub fn whole<C: Documented>(subject: Subject, deployment: &DeploymentContext<C>) -> Self {
        Self::compute(subject, deployment, Resource::fingerprint_text)
    }

    /// The fingerprint of code as if it were live.
    #[must_use]
    pub(crate) fn admins<C: Documented>(subject: Subject, deployment: &DeploymentContext<C>) -> Self {
        Self::compute(subject, deployment, Resource::admins_text)
    }

    fn compute<C: Documented>(
        subject: Subject,
        deployment: &DeploymentContext<C>,
        text: fn(&Resource) -> String,
    ) -> Self {
        let text = match subject {
            Subject::Resource(_) => deployment.resource(subject).map(|resource| {
                // A network of the customer's has no fingerprint that would show other subnets, so the code in it has
                // them in its own.
                let network =
                    resource.settings().compute().and_then(|compute| deployment.stack().resource(compute.network?));
                let given = network.and_then(Resource::existing).filter(|existing| !existing.subnets.is_empty());
                let place = given.map(|Existing { id, subnets }| format!("\n{id} {}", subnets.join(" ")));
                text(resource) + &place.unwrap_or_default()
            }),
            // What resources share depends on the resources that need it.
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
