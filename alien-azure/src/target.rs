//! Where a deployment goes and whom it trusts.

use alien_core::adapter::CloudTarget;
use alien_core::{Prefix, Problem, Problems, Rule, parsed_text};
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
    Issuer, "an issuer", "write the `https://` URL that the vendor's tokens name, without user, query or fragment, at most 600 characters",
    |text| issuer_problems(text).is_empty()
}

impl Issuer {
    /// Parses an issuer.
    ///
    /// # Errors
    ///
    /// Everything that Entra or OpenID Connect would not take.
    pub fn parse(text: &str) -> Result<Self, Problems> {
        Problems::none(issuer_problems(text))?;
        Ok(Self(text.to_owned()))
    }
}

/// What is wrong with an issuer. Its URL has a host, perhaps a port and a path, and no query or fragment
/// (<https://openid.net/specs/openid-connect-core-1_0.html#IDToken>). Entra takes 600 characters, no wildcards, and no
/// space around it
/// (<https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations>).
fn issuer_problems(text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut problem = |what: String, help: &str| {
        problems.push(Problem::error(Rule::Form, format!("`{text}` {what}"), help.to_owned()));
    };
    match text.strip_prefix("https://") {
        None => problem("does not begin with `https://`".to_owned(), "Entra fetches the keys over HTTPS alone"),
        Some(rest) => {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            if host.is_empty() {
                problem("has no host".to_owned(), "write it as in `https://oidc.vendor.example.com`");
            }
            if host.contains('@') {
                problem(
                    "names a user".to_owned(),
                    "remove what is before `@`: anyone must be able to read what is there",
                );
            }
        }
    }
    if text.contains(['?', '#']) {
        problem("has a query or a fragment".to_owned(), "remove it: the documents are found below the URL");
    }
    if text.contains('*') {
        problem("has a wildcard".to_owned(), "write the whole URL: Entra compares it to the letter");
    }
    if text.bytes().any(|b| !b.is_ascii_graphic() || b == b'"') {
        problem("has spaces or other characters that a URL has not".to_owned(), "remove or encode them");
    }
    if text.len() > 600 {
        problem(format!("has {} characters", text.len()), "use at most 600");
    }
    problems
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
            "https://user@oidc.vendor.example.com",
            "https://oidc.vendor.example.com?tenant=1",
            "https://oidc.vendor.example.com#1",
            " https://oidc.vendor.example.com",
        ] {
            assert!(bad.parse::<Issuer>().is_err(), "{bad}");
        }
        let longest = format!("https://{}", "a".repeat(592));
        assert!(longest.parse::<Issuer>().is_ok() && format!("{longest}a").parse::<Issuer>().is_err());
    }

    #[test]
    fn everything_that_is_wrong_with_an_issuer_is_told() {
        let told = Issuer::parse(&format!("https://me@?{}* ", "a".repeat(600))).unwrap_err();
        let told: Vec<&str> = told.as_slice().iter().map(|problem| problem.what.rsplit("` ").next().unwrap()).collect();
        let all = ["names a user", "has a query or a fragment", "has a wildcard"];
        assert_eq!(told[..3], all);
        assert_eq!(told[3..], ["has spaces or other characters that a URL has not", "has 614 characters"]);
        assert_eq!(Issuer::parse("http://host").unwrap_err().as_slice().len(), 1);
    }

    #[test]
    fn subscriptions_groups_and_subjects_are_parsed() {
        assert!("00000000-0000-0000-0000-00000000000a".parse::<SubscriptionId>().is_ok());
        assert!("00000000-0000-0000-0000-00000000000A".parse::<SubscriptionId>().is_err());
        assert!("customer-rg".parse::<ResourceGroup>().is_ok() && "a/b".parse::<ResourceGroup>().is_err());
        assert!("deployment:acme".parse::<Subject>().is_ok() && "*".parse::<Subject>().is_err());
    }
}
