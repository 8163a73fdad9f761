//! Where a deployment goes and whom it trusts.

use alien_core::adapter::CloudTarget;
use alien_core::{Prefix, parsed_text};
use serde::{Deserialize, Serialize};

use crate::Gcp;

parsed_text! {
    /// The id of a project. <https://docs.cloud.google.com/resource-manager/docs/creating-managing-projects>
    ProjectId, "a project id",
    "use 6 to 30 lower-case letters, digits and hyphens, beginning with a letter and not ending with a hyphen",
    |text| is_label(text, 6, 30)
}

parsed_text! {
    /// The number of a project.
    ProjectNumber, "a project number", "write 1 to 19 digits, as `gcloud projects describe` shows them",
    |text| (1..=19).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

parsed_text! {
    /// A region, `europe-west3`.
    Location, "a location", "write a region as in `europe-west3`",
    |text| is_label(text, 6, 30) && text.contains('-') && text.ends_with(|last: char| last.is_ascii_digit())
}

parsed_text! {
    /// The one service account of the vendor that may impersonate the management service account.
    VendorAccount, "a vendor service account",
    "write the email of exactly one service account, `vendor@project.iam.gserviceaccount.com`",
    |text| {
        let Some((name, domain)) = text.split_once('@') else { return false };
        domain.strip_suffix(".iam.gserviceaccount.com").is_some_and(|project| is_label(project, 6, 30))
            && is_label(name, 6, 30)
    }
}

/// Lower-case letters, digits and hyphens, beginning with a letter and not ending with a hyphen.
fn is_label(text: &str, min: usize, max: usize) -> bool {
    (min..=max).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Where a deployment goes and whom it trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Target {
    /// The customer's project.
    pub project: ProjectId,
    /// Its number.
    pub project_number: ProjectNumber,
    /// The region.
    pub location: Location,
    /// The name of the deployment.
    pub prefix: Prefix,
    /// The service account that may impersonate the management service account.
    pub vendor: VendorAccount,
}

impl CloudTarget for Target {
    type Cloud = Gcp;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_exact_service_account_is_a_vendor() {
        assert!("vendor@vendor-project.iam.gserviceaccount.com".parse::<VendorAccount>().is_ok());
        for bad in [
            "*",
            "allUsers",
            "vendor@example.com",
            "user:me@example.com",
            "vendor@.iam.gserviceaccount.com",
            "serviceAccount:vendor@vendor-project.iam.gserviceaccount.com",
        ] {
            assert!(bad.parse::<VendorAccount>().is_err(), "{bad}");
        }
    }

    #[test]
    fn projects_and_locations_are_parsed() {
        assert!("customer-project".parse::<ProjectId>().is_ok() && "Customer".parse::<ProjectId>().is_err());
        assert!("europe-west3".parse::<Location>().is_ok() && "europe".parse::<Location>().is_err());
        assert!("123".parse::<ProjectNumber>().is_ok() && "12a".parse::<ProjectNumber>().is_err());
    }
}
