//! Rules that a customer can set above a deployment.

use alien_core::adapter::{Guardrail, Holder, Layout, Subject};
use serde_json::json;

use crate::Aws;
use crate::operations::Scope;

/// A service control policy for the roles that code runs as. It holds for the account, if that is in an organisation.
pub(crate) fn guardrails(layout: &Layout<Aws>) -> Vec<Guardrail> {
    let holders = layout.permissions().runtime.iter().enumerate();
    let profiles = holders.filter(|(_, grants)| grants.holder != Holder::Platform);
    let identities = profiles.map(|(position, _)| Subject::RuntimeIdentity(position));
    let roles: Vec<&str> = identities.flat_map(|identity| layout.names.at(Scope::Role, identity)).collect();
    if roles.is_empty() {
        return Vec::new();
    }
    let name = format!("{}-no-file-systems", layout.target.prefix);
    let file = format!("{name}.json");
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "NoFileSystems",
            "Effect": "Deny",
            "Action": ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientRootAccess", "elasticfilesystem:ClientWrite"],
            "Resource": "*",
            "Condition": { "ArnEquals": { "aws:PrincipalArn": roles } },
        }],
    });
    vec![Guardrail {
        what: "The code of this deployment mounts no file system of EFS that asks for an identity. One that asks for none \
               needs a policy of its own."
            .to_owned(),
        command: format!(
            "aws organizations create-policy --type SERVICE_CONTROL_POLICY --name {name} --description {name} --content \
             file://{file}, and then aws organizations attach-policy --target-id {} --policy-id ID",
            layout.target.account,
        ),
        text: format!("{policy:#}\n"),
        file,
        source: "https://docs.aws.amazon.com/efs/latest/ug/iam-access-control-nfs-efs.html".to_owned(),
    }]
}
