//! Where a deployment goes and whom it trusts.

use alien_core::adapter::CloudTarget;
use alien_core::{Prefix, parsed_text};
use serde::{Deserialize, Serialize};

use crate::Azure;

parsed_text! {
    /// The id of a subscription.
    SubscriptionId, "a subscription", "write its GUID in lower case, as in `00000000-0000-0000-0000-000000000000`",
    is_guid
}

fn is_guid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|b| b == b'-' || b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

parsed_text! {
    /// The id of a tenant of Entra ID: the directory that a subscription trusts.
    TenantId, "a tenant", "write its GUID in lower case, as in `00000000-0000-0000-0000-000000000000`",
    is_guid
}

parsed_text! {
    /// The name of a resource group.
    /// <https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules>
    ResourceGroup, "a resource group", "use 1 to 90 letters, digits, `-`, `_`, `.` and parentheses, not ending with `.`",
    |text| {
        (1..=90).contains(&text.len())
            && !text.ends_with('.')
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.()".contains(&b))
    }
}

parsed_text! {
    /// An Azure region, `westeurope`.
    Location, "a location", "write it as in `westeurope`",
    |text| (3..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

parsed_text! {
    /// The vendor's OpenID Connect issuer.
    Issuer, "an issuer", "write the `https://` URL that the vendor's tokens name, at most 600 characters",
    |text| {
        text.len() <= 600
            && text.strip_prefix("https://").is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
            && text.bytes().all(|b| b.is_ascii_graphic() && !b"\"*?#".contains(&b))
    }
}

parsed_text! {
    /// The subject of the vendor's tokens for this deployment. Each deployment has its own, so that a token for one
    /// customer is of no use at another.
    Subject, "a subject", "write the subject that the vendor's tokens name, 1 to 600 characters without spaces or `*`",
    |text| (1..=600).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && b != b'*')
}

/// Where a deployment goes and whom it trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Target {
    /// The customer's tenant.
    pub tenant: TenantId,
    /// The customer's subscription.
    pub subscription: SubscriptionId,
    /// The resource group.
    pub resource_group: ResourceGroup,
    /// The location.
    pub location: Location,
    /// The name of the deployment.
    pub prefix: Prefix,
    /// The issuer whose tokens are trusted.
    pub issuer: Issuer,
    /// The subject that those tokens must have.
    pub subject: Subject,
}

impl CloudTarget for Target {
    type Cloud = Azure;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_an_https_url() {
        for good in ["https://oidc.vendor.example.com", "https://token.example.com/path"] {
            assert!(good.parse::<Issuer>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "http://oidc.vendor.example.com",
            "https://",
            "https:///x",
            "oidc.vendor.example.com",
            "https://a b",
            "https://*",
        ] {
            assert!(bad.parse::<Issuer>().is_err(), "{bad}");
        }
    }

    #[test]
    fn subscriptions_groups_and_subjects_are_parsed() {
        assert!("00000000-0000-0000-0000-00000000000a".parse::<SubscriptionId>().is_ok());
        assert!("00000000-0000-0000-0000-00000000000A".parse::<SubscriptionId>().is_err());
        assert!("customer-rg".parse::<ResourceGroup>().is_ok() && "a/b".parse::<ResourceGroup>().is_err());
        assert!("deployment:acme".parse::<Subject>().is_ok() && "*".parse::<Subject>().is_err());
    }
}
