//! What a vendor grants at its own registry, so that a deployment can run its images.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::ResourceId;
use crate::problem::{Problem, Rule};

/// What the owner of a registry grants, so that a deployment can pull an image from it. Until then the
/// cloud refuses the image. This library prints such grants and never makes one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RegistryGrant {
    /// The resources whose images are in the repository.
    pub resources: Vec<ResourceId>,
    /// The repository, by the cloud's full name.
    pub repository: String,
    /// Who pulls from it, each as the cloud names it in a grant.
    pub to: Vec<String>,
    /// The command of the cloud's own tool that grants it.
    pub command: String,
    /// The name of the file that the command reads; empty if it reads none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// The text of that file.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What else is to be known of the command, as that it replaces what is granted to others; empty if nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// The URL at which the cloud documents it.
    pub source: String,
}

impl RegistryGrant {
    /// The warnings of what is to be granted: one for each resource.
    pub(super) fn warnings(grants: &[Self]) -> impl Iterator<Item = Problem> {
        let mut of: BTreeMap<&ResourceId, &Self> = BTreeMap::new();
        for grant in grants {
            of.extend(grant.resources.iter().map(|resource| (resource, grant)));
        }
        of.into_iter().map(|(resource, Self { repository, to, .. })| {
            let what = format!(
                "its image is in `{repository}`, whose owner must let {} pull it",
                to.iter().map(|who| format!("`{who}`")).collect::<Vec<_>>().join(" and ")
            );
            let help = "have that granted; the review has the command, and says when";
            Problem::warning(Rule::Cloud, what, help.to_owned()).on(resource)
        })
    }
}
