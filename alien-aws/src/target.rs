//! Where a deployment goes and whom it trusts.

use alien_core::adapter::CloudTarget;
use alien_core::{Prefix, parsed_text};
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
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Target {
    /// The customer's account.
    pub account: AccountId,
    /// The region.
    pub region: Region,
    /// The name of the deployment.
    pub prefix: Prefix,
    /// The principal that may assume the management role.
    pub vendor: VendorPrincipal,
    /// The external id that it must present.
    pub external_id: ExternalId,
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
