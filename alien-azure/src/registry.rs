//! Images in Azure Container Registry: what the owners of registries grant.

use std::collections::{BTreeMap, BTreeSet};

use alien_core::adapter::{Holder, Layout};
use alien_core::{CodeForm, RegistryGrant, ResourceId};

use crate::Azure;
use crate::naming::Ids;
use crate::resource::compute::is_azures;

/// Where it is documented who pulls an image of a container app, and by which role.
const PULLS: &str = "https://learn.microsoft.com/azure/container-apps/managed-identity-image-pull";

/// The host of an image in a registry of Azure's own.
fn host(image: &str) -> Option<&str> {
    image.split('/').next().filter(|host| is_azures(host))
}

/// Whether an image is in a registry of Azure's own, which lets in whom its owner gives a role.
pub(crate) fn is_private(image: &str) -> bool {
    host(image).is_some()
}

/// The name of a registry, from its host. A name has letters and digits alone; after a hyphen comes what makes a host unique
/// (<https://learn.microsoft.com/azure/container-registry/container-registry-get-started-azure-cli>).
fn name(host: &str) -> &str {
    host.split(['.', '-']).next().unwrap_or(host)
}

/// What the owners of registries grant: each app pulls as the identity that its code runs as.
///
/// The identity is made by the set-up, and Entra chooses its object id, so what grants is in two steps: the first command reads that
/// id where the identity is, and the second is of whoever owns the registry
/// (<https://learn.microsoft.com/azure/role-based-access-control/role-assignments-cli>).
pub(crate) fn grants(layout: &Layout<Azure>) -> Vec<RegistryGrant> {
    let mut of = BTreeMap::<String, (Vec<ResourceId>, BTreeSet<String>)>::new();
    for resource in layout.stack.resources() {
        let Some(compute) = resource.settings().compute() else { continue };
        let Some(CodeForm::Image(image)) = compute.code.only() else { continue };
        let Some(host) = host(&image) else { continue };
        let permissions = layout.permissions();
        let runs = permissions.runtime_position(compute.profile).and_then(|position| permissions.runtime.get(position));
        let (resources, identities) = of.entry(host.to_owned()).or_default();
        resources.push(resource.id().clone());
        identities.extend(runs.map(|grants| identity(layout, &grants.holder)));
    }
    of.into_iter().map(|(host, (resources, identities))| grant(host, resources, identities)).collect()
}

fn identity(layout: &Layout<Azure>, holder: &Holder) -> String {
    let ids = Ids(&layout.target);
    ids.identity(&ids.identity_name(&holder.name()))
}

fn grant(host: String, resources: Vec<ResourceId>, identities: BTreeSet<String>) -> RegistryGrant {
    let registry = name(&host);
    let both = |identity: &String| {
        format!(
            "az identity show --ids {identity} --query principalId --output tsv\n    \
             az role assignment create --assignee-object-id OBJECT_ID --assignee-principal-type ServicePrincipal --role AcrPull \
             --scope \"$(az acr show --name {registry} --query id --output tsv)\""
        )
    };
    RegistryGrant {
        resources,
        command: identities.iter().map(both).collect::<Vec<_>>().join("\n    "),
        to: identities.into_iter().collect(),
        repository: host,
        file: String::new(),
        text: String::new(),
        // <https://learn.microsoft.com/azure/container-registry/container-registry-rbac-abac-repository-permissions>,
        // <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/managed-identities-faq>
        note: "The identity exists once the first `up` made it, which then fails because the image cannot be pulled. The customer's \
               admin reads its object id by the first command, the owner of the registry puts it in the place of OBJECT_ID in the \
               second, and the admin runs `up` again. A registry that decides by repositories (ABAC) does not honor `AcrPull`: give \
               `Container Registry Repository Reader` there. A registry of another tenant can give the identity nothing: add an \
               image to the code that is in a registry of the customer's tenant, or public."
            .to_owned(),
        source: PULLS.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_registry_is_in_its_host() {
        assert_eq!(name("vendor.azurecr.io"), "vendor");
        assert_eq!(name("vendor-abc123.azurecr.io"), "vendor");
        assert!(is_private("vendor.azurecr.io/api@sha256:0"));
        assert!(!is_private("mcr.microsoft.com/vendor.azurecr.io/api@sha256:0"));
    }
}
