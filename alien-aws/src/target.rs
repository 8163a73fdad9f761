//! Where a deployment goes and whom it trusts.

use alien_core::adapter::CloudTarget;
use alien_core::{ClusterAccount, Prefix, parsed_text};
use serde::{Deserialize, Serialize};

use crate::Aws;

parsed_text! {
    /// The number of an AWS account.
    AccountId, "an account", "write its 12 digits",
    |text| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

parsed_text! {
    /// An AWS region, `eu-central-1`.
    Region, "a region", "write it as in `eu-central-1`; regions of isolated and sovereign partitions are not supported",
    |text| {
        let words: Vec<&str> = text.split('-').collect();
        let plain = words.iter().all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
        let known = !["us-iso", "eu-iso", "eusc-"].iter().any(|other| text.starts_with(other));
        known && plain && words.len() >= 3 && text.len() <= 32
            && words.last().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()))
            && words.first().is_some_and(|first| first.bytes().all(|b| b.is_ascii_lowercase()))
    }
}

parsed_text! {
    /// The one principal of the vendor that may assume the management role.
    VendorPrincipal, "a vendor principal",
    "write the ARN of exactly one role or user, `arn:aws:iam::111111111111:role/vendor`; a whole account or a pattern is not allowed",
    |text| {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let [arn, partition, service, region, account, name] = parts.as_slice() else { return false };
        let named = name.strip_prefix("role/").or_else(|| name.strip_prefix("user/"));
        *arn == "arn" && matches!(*partition, "aws" | "aws-cn" | "aws-us-gov") && *service == "iam" && region.is_empty()
            && account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())
            && named.is_some_and(|name| {
                !name.is_empty()
                    && name.len() <= 512
                    && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@_-/".contains(&b))
            })
    }
}

parsed_text! {
    /// The external id that the vendor must present. The vendor makes one for each deployment; it is not a secret.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_common-scenarios_third-party.html>
    ExternalId, "an external id", "use 2 to 1,224 letters, digits and `+=,.@:/-`",
    |text| {
        (2..=1224).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@:/-".contains(&b))
    }
}

parsed_text! {
    /// The ARN of a managed policy: the customer's permissions boundary.
    PolicyArn, "a managed policy", "write its ARN, `arn:aws:iam::222222222222:policy/boundary`",
    |text| {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let [arn, partition, service, region, account, name] = parts.as_slice() else { return false };
        *arn == "arn" && matches!(*partition, "aws" | "aws-cn" | "aws-us-gov") && *service == "iam" && region.is_empty()
            && (*account == "aws" || account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()))
            && name.strip_prefix("policy/").is_some_and(|name| {
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@_-/".contains(&b))
            })
    }
}

parsed_text! {
    /// A principal of the customer's own account that manages a deployment: a role, or one service account of an EKS
    /// cluster.
    AgentPrincipal, "an agent",
    "write the ARN of exactly one role of the account, `arn:aws:iam::222222222222:role/agent`, or \
     `system:serviceaccount:NAMESPACE:NAME@` and the ARN of an EKS cluster's OIDC provider in the account",
    |text| parts(text).is_some()
}

parsed_text! {
    /// The path and name of a role: the part of its ARN after `role/`.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>
    RolePath, "a role", "write its name and the path before it, without patterns, as in `agent` or `tools/agent`",
    |text| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_-/".contains(&b);
        (1..=512).contains(&text.len()) && text.bytes().all(plain) && text.split('/').all(|part| !part.is_empty())
    }
}

parsed_text! {
    /// The issuer of an EKS cluster, without `https://`: it belongs to that one cluster.
    /// <https://docs.aws.amazon.com/eks/latest/userguide/enable-iam-roles-for-service-accounts.html>
    ClusterIssuer, "the issuer of an EKS cluster", "write it as in `oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E`",
    |text| text.strip_prefix("oidc.eks.").and_then(|rest| rest.split_once("/id/")).is_some_and(|(host, id)| {
        let region = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"));
        region.is_some_and(|region| region.parse::<Region>().is_ok())
            && (16..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    })
}

/// Who an agent's text says it is, with the partition and the account in it.
fn parts(text: &str) -> Option<(Agent, &str, &str)> {
    let (subject, arn) = match text.split_once('@') {
        Some((subject, arn)) if subject.starts_with("system:") => (Some(subject), arn),
        // The name of a role may have it too.
        _ => (None, text),
    };
    let fields: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition @ ("aws" | "aws-cn" | "aws-us-gov"), "iam", "", account, name] = *fields.as_slice() else {
        return None;
    };
    account.parse::<AccountId>().ok()?;
    let agent = match subject {
        None => Agent::Role(name.strip_prefix("role/")?.parse().ok()?),
        Some(subject) => {
            let issuer = name.strip_prefix("oidc-provider/")?.parse().ok()?;
            Agent::Cluster { issuer, account: ClusterAccount::of_subject(subject)? }
        }
    };
    Some((agent, partition, account))
}

impl Region {
    /// The partition that the region belongs to: `aws`, `aws-cn` or `aws-us-gov`.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>
    #[must_use]
    pub fn partition(&self) -> &'static str {
        if self.0.starts_with("cn-") {
            "aws-cn"
        } else if self.0.starts_with("us-gov-") {
            "aws-us-gov"
        } else {
            "aws"
        }
    }
}

impl VendorPrincipal {
    /// The partition in the ARN.
    #[must_use]
    pub fn partition(&self) -> &str {
        self.0.split(':').nth(1).unwrap_or_default()
    }
}

/// Where a deployment goes and whom it trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct Target {
    /// The customer's account.
    pub account: AccountId,
    /// The region.
    pub region: Region,
    /// The name of the deployment.
    pub prefix: Prefix,
    /// Who may assume the management role.
    pub trust: Trust,
}

/// Who may assume the management role: the vendor, or a principal of the customer's own account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Releases are pushed: a principal of the vendor's.
    Vendor {
        /// The principal.
        vendor: VendorPrincipal,
        /// The external id that it must present.
        external_id: ExternalId,
    },
    /// Releases are pulled: a principal of the target's account.
    Agent(Agent),
}

/// A principal of the account that a deployment is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Agent {
    /// A role: of an instance profile, a task, or a cluster's service account.
    Role(RolePath),
    /// One service account of an EKS cluster, whose OIDC provider is set up in the account.
    /// <https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html>
    Cluster {
        /// The cluster's issuer.
        issuer: ClusterIssuer,
        /// The service account.
        account: ClusterAccount,
    },
}

impl Target {
    /// The ARN of something of IAM in the account.
    fn iam(&self, kind: &str, name: &str) -> String {
        format!("arn:{}:iam::{}:{kind}/{name}", self.region.partition(), self.account)
    }

    /// The ARN of the OIDC provider of a cluster.
    pub(crate) fn provider(&self, issuer: &ClusterIssuer) -> String {
        self.iam("oidc-provider", issuer.as_str())
    }

    /// The ARN of a role.
    pub(crate) fn role(&self, path: &RolePath) -> String {
        self.iam("role", path.as_str())
    }

    /// The agent as it is written; `None` where the vendor is trusted.
    pub(crate) fn agent(&self) -> Option<String> {
        match &self.trust {
            Trust::Vendor { .. } => None,
            Trust::Agent(Agent::Role(path)) => Some(self.role(path)),
            Trust::Agent(Agent::Cluster { issuer, account }) => {
                Some(format!("{}@{}", account.subject(), self.provider(issuer)))
            }
        }
    }
}

/// The fields of a target.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Fields {
    account: AccountId,
    region: Region,
    prefix: Prefix,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vendor: Option<VendorPrincipal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    external_id: Option<ExternalId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
}

impl TryFrom<Fields> for Target {
    type Error = String;

    fn try_from(fields: Fields) -> Result<Self, String> {
        let Fields { account, region, prefix, vendor, external_id, agent } = fields;
        let trust = match (vendor, external_id, agent) {
            (Some(vendor), Some(external_id), None) => Trust::Vendor { vendor, external_id },
            (None, None, Some(text)) => {
                let (agent, partition, of) = parts(&text).ok_or_else(|| format!("`{text}` is not an agent"))?;
                if of != account.as_str() {
                    return Err(format!("the agent `{text}` is not of the target's account {account}"));
                }
                if partition != region.partition() {
                    return Err(format!("the agent `{text}` is in another partition than the region `{region}`"));
                }
                Trust::Agent(agent)
            }
            _ => return Err("a target has either `vendor` and `externalId`, or `agent`".to_owned()),
        };
        Ok(Self { account, region, prefix, trust })
    }
}

impl From<Target> for Fields {
    fn from(target: Target) -> Self {
        let agent = target.agent();
        let Target { account, region, prefix, trust } = target;
        let (vendor, external_id) = match trust {
            Trust::Vendor { vendor, external_id } => (Some(vendor), Some(external_id)),
            Trust::Agent(_) => (None, None),
        };
        Self { account, region, prefix, vendor, external_id, agent }
    }
}

impl CloudTarget for Target {
    type Cloud = Aws;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_exact_role_or_user_is_a_vendor_principal() {
        for good in [
            "arn:aws:iam::111111111111:role/vendor",
            "arn:aws:iam::111111111111:role/path/to/vendor",
            "arn:aws-us-gov:iam::111111111111:user/ci",
        ] {
            assert!(good.parse::<VendorPrincipal>().is_ok(), "{good}");
        }
        for bad in [
            "*",
            "111111111111",
            "arn:aws:iam::111111111111:root",
            "arn:aws:iam::111111111111:role/*",
            "arn:aws:iam::111111111111:role/",
            "arn:aws:iam::*:role/vendor",
            "arn:aws:sts::111111111111:assumed-role/vendor/x",
        ] {
            assert!(bad.parse::<VendorPrincipal>().is_err(), "{bad}");
        }
    }

    const ROLE: &str = "arn:aws:iam::222222222222:role/tools/agent";
    const CLUSTER: &str = "system:serviceaccount:shop:agent@arn:aws:iam::222222222222:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E";

    fn read(more: &[(&str, &str)]) -> Result<Target, serde_json::Error> {
        let mut fields = serde_json::json!({ "account": "222222222222", "region": "eu-central-1", "prefix": "acme" });
        for (name, value) in more {
            fields[*name] = (*value).into();
        }
        serde_json::from_value(fields)
    }

    #[test]
    fn an_agent_is_a_principal_of_the_targets_own_account() {
        for agent in [ROLE, CLUSTER, "arn:aws:iam::222222222222:role/a@b"] {
            let target = read(&[("agent", agent)]).unwrap();
            assert_eq!(target.agent().as_deref(), Some(agent));
            let written = serde_json::to_value(&target).unwrap();
            let others = ["vendor", "externalId"].map(|name| written.get(name));
            assert_eq!((&written["agent"], others), (&agent.into(), [None, None]));
            assert_eq!(serde_json::from_value::<Target>(written).unwrap(), target);
        }
        for other in [ROLE.replace("222222222222", "111111111111"), CLUSTER.replace("222222222222", "111111111111")] {
            assert!(other.parse::<AgentPrincipal>().is_ok(), "{other}");
            let error = read(&[("agent", &other)]).unwrap_err().to_string();
            assert!(error.contains("is not of the target's account 222222222222"), "{error}");
        }
        let error = read(&[("agent", &ROLE.replace("arn:aws:", "arn:aws-cn:"))]).unwrap_err().to_string();
        assert!(error.contains("in another partition"), "{error}");
        for bad in [
            "*".to_owned(),
            "222222222222".to_owned(),
            "arn:aws:iam::222222222222:root".to_owned(),
            "arn:aws:iam::222222222222:user/agent".to_owned(),
            "arn:aws:iam::222222222222:role/*".to_owned(),
            "arn:aws:iam::222222222222:role/".to_owned(),
            "arn:aws:iam::*:role/agent".to_owned(),
            "arn:aws:sts::222222222222:assumed-role/agent/session".to_owned(),
            CLUSTER.replace(":shop:agent", ":shop:*"),
            CLUSTER.replace(":shop:agent", ":shop"),
            CLUSTER.replace("system:serviceaccount", "system:node"),
            CLUSTER.replace(
                "oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E",
                "token.actions.githubusercontent.com",
            ),
            CLUSTER.replace("oidc.eks.", "oidc.vendor."),
            CLUSTER.replace("/id/EXAMPLED539D4633E53DE1B716D3041E", "/id/*"),
            CLUSTER.replace("oidc-provider", "saml-provider"),
        ] {
            assert!(bad.parse::<AgentPrincipal>().is_err() && read(&[("agent", &bad)]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_target_trusts_the_vendor_or_an_agent_and_never_both() {
        let vendor = [("vendor", "arn:aws:iam::111111111111:role/vendor"), ("externalId", "acme-7f3a")];
        assert!(read(&[vendor.as_slice(), &[("agent", ROLE)]].concat()).is_err());
        assert!(read(&vendor[..1]).is_err() && read(&[]).is_err());
        assert!(read(&[("agent", ROLE), ("externalId", "acme-7f3a")]).is_err());
        let pushed = read(&vendor).unwrap();
        assert_eq!(pushed.agent(), None);
        assert_eq!(serde_json::to_value(pushed).unwrap().as_object().unwrap().len(), 5);
    }

    #[test]
    fn accounts_regions_and_external_ids_are_parsed() {
        assert!("222222222222".parse::<AccountId>().is_ok() && "22222222222".parse::<AccountId>().is_err());
        assert_eq!("us-gov-west-1".parse::<Region>().unwrap().partition(), "aws-us-gov");
        for bad in [
            "",
            "eu",
            "us-iso-east-1",
            "eusc-de-east-1",
            "eu-central",
            "EU-central-1",
            "eu-central-1 ",
            "eu--central-1",
        ] {
            assert!(bad.parse::<Region>().is_err(), "{bad}");
        }
        assert!(
            "x".parse::<ExternalId>().is_err()
                && "xy".parse::<ExternalId>().is_ok()
                && "x y".parse::<ExternalId>().is_err()
        );
    }
}
