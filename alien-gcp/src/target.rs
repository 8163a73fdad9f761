//! Where a deployment goes and whom it trusts.

use alien_core::adapter::CloudTarget;
use alien_core::{ClusterAccount, Prefix, parsed_text};
use serde::{Deserialize, Serialize};

use crate::Gcp;

parsed_text! {
    /// The id of a project. <https://docs.cloud.google.com/resource-manager/docs/creating-managing-projects>
    ProjectId, "a project id",
    "use 6 to 30 lower-case letters, digits and hyphens, beginning with a letter and not ending with a hyphen; projects of a domain, \
     `example.com:name`, are not supported",
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

parsed_text! {
    /// A principal of the customer's own project that manages a deployment: a service account, or one service account of
    /// the project's clusters.
    AgentPrincipal, "an agent",
    "write the email of a service account of the project, `agent@project.iam.gserviceaccount.com`, or \
     `principal://iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/PROJECT.svc.id.goog/subject/ns/NAMESPACE/sa/NAME`",
    |text| parts(text).is_some()
}

parsed_text! {
    /// The name of a service account: what stands before `@` in its email.
    /// <https://docs.cloud.google.com/iam/docs/service-accounts-create>
    AccountName, "the name of a service account",
    "use 6 to 30 lower-case letters, digits and hyphens, beginning with a letter and not ending with a hyphen",
    |text| is_label(text, 6, 30)
}

/// What an agent's text says: the agent, the project, and its number where the text has one.
fn parts(text: &str) -> Option<(Agent, &str, Option<&str>)> {
    if let Some((name, domain)) = text.split_once('@') {
        let project = domain.strip_suffix(".iam.gserviceaccount.com").filter(|project| is_label(project, 6, 30))?;
        return Some((Agent::ServiceAccount(name.parse().ok()?), project, None));
    }
    let rest = text.strip_prefix("principal://iam.googleapis.com/projects/")?;
    let (number, rest) = rest.split_once("/locations/global/workloadIdentityPools/")?;
    let (project, rest) = rest.split_once(".svc.id.goog/subject/ns/")?;
    let (namespace, name) = rest.split_once("/sa/")?;
    let known = number.parse::<ProjectNumber>().is_ok() && is_label(project, 6, 30);
    let agent = Agent::Cluster(format!("{namespace}/{name}").parse().ok()?);
    known.then_some((agent, project, Some(number)))
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
#[serde(try_from = "Fields", into = "Fields")]
pub struct Target {
    /// The customer's project.
    pub project: ProjectId,
    /// Its number.
    pub project_number: ProjectNumber,
    /// The region.
    pub location: Location,
    /// The name of the deployment.
    pub prefix: Prefix,
    /// Who may impersonate the management service account.
    pub trust: Trust,
}

/// Who may impersonate the management service account: the vendor, or a principal of the customer's own project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Releases are pushed: a service account of the vendor's.
    Vendor(VendorAccount),
    /// Releases are pulled: a principal of the target's project.
    Agent(Agent),
}

/// A principal of the project that a deployment is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Agent {
    /// The service account of this name.
    ServiceAccount(AccountName),
    /// This service account of the project's clusters. GKE gives the same principal to the accounts of this namespace and
    /// name in every cluster of the project
    /// (<https://docs.cloud.google.com/kubernetes-engine/docs/concepts/workload-identity#identity_sameness>).
    Cluster(ClusterAccount),
}

impl Agent {
    /// The agent in this project, as [`AgentPrincipal`] writes it.
    fn text(&self, project: &ProjectId, number: &ProjectNumber) -> String {
        match self {
            Self::ServiceAccount(name) => format!("{name}@{project}.iam.gserviceaccount.com"),
            Self::Cluster(account) => {
                let (namespace, name) = (account.namespace(), account.name());
                format!(
                    "principal://iam.googleapis.com/projects/{number}/locations/global/workloadIdentityPools/{project}.svc.id.goog/subject/ns/{namespace}/sa/{name}"
                )
            }
        }
    }
}

impl Target {
    /// The agent as it is written; `None` where the vendor is trusted.
    pub(crate) fn agent(&self) -> Option<String> {
        match &self.trust {
            Trust::Vendor(_) => None,
            Trust::Agent(agent) => Some(agent.text(&self.project, &self.project_number)),
        }
    }

    /// Who may impersonate the management service account, as policies name them
    /// (<https://docs.cloud.google.com/iam/docs/principal-identifiers>).
    pub(crate) fn member(&self) -> String {
        match &self.trust {
            Trust::Vendor(vendor) => format!("serviceAccount:{vendor}"),
            Trust::Agent(agent) => {
                let kind = if matches!(agent, Agent::ServiceAccount(_)) { "serviceAccount:" } else { "" };
                format!("{kind}{}", agent.text(&self.project, &self.project_number))
            }
        }
    }
}

/// The fields of a target.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Fields {
    project: ProjectId,
    project_number: ProjectNumber,
    location: Location,
    prefix: Prefix,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vendor: Option<VendorAccount>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
}

impl TryFrom<Fields> for Target {
    type Error = String;

    fn try_from(fields: Fields) -> Result<Self, String> {
        let Fields { project, project_number, location, prefix, vendor, agent } = fields;
        let trust = match (vendor, agent) {
            (Some(vendor), None) => Trust::Vendor(vendor),
            (None, Some(text)) => {
                let (agent, of, number) = parts(&text).ok_or_else(|| format!("`{text}` is not an agent"))?;
                if of != project.as_str() || number.is_some_and(|number| number != project_number.as_str()) {
                    let here = agent.text(&project, &project_number);
                    return Err(format!("the agent `{text}` is not of the target's project; `{here}` would be"));
                }
                Trust::Agent(agent)
            }
            (None, None) | (Some(_), Some(_)) => return Err("a target has either `vendor` or `agent`".to_owned()),
        };
        Ok(Self { project, project_number, location, prefix, trust })
    }
}

impl From<Target> for Fields {
    fn from(target: Target) -> Self {
        let agent = target.agent();
        let Target { project, project_number, location, prefix, trust } = target;
        let vendor = match trust {
            Trust::Vendor(vendor) => Some(vendor),
            Trust::Agent(_) => None,
        };
        Self { project, project_number, location, prefix, vendor, agent }
    }
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
    fn a_project_of_a_domain_is_told_as_what_it_is() {
        assert!("customer-project".parse::<ProjectId>().is_ok());
        for bad in ["example.com:proj", "example.com:customer-project", "Customer", "short", "ends-with-"] {
            let told = bad.parse::<ProjectId>().unwrap_err().to_string();
            assert!(told.contains(&format!("`{bad}`")), "{told}");
            assert!(told.contains("projects of a domain, `example.com:name`, are not supported"), "{told}");
        }
    }

    fn read(vendor: Option<&str>, agent: Option<&str>) -> Result<Target, serde_json::Error> {
        let mut fields = serde_json::json!({
            "project": "customer-project", "projectNumber": "123456789012", "location": "europe-west3", "prefix": "acme",
        });
        fields.as_object_mut().unwrap().extend(vendor.map(|vendor| ("vendor".to_owned(), vendor.into())));
        fields.as_object_mut().unwrap().extend(agent.map(|agent| ("agent".to_owned(), agent.into())));
        serde_json::from_value(fields)
    }

    const CLUSTER: &str = "principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/customer-project.svc.id.goog/subject/ns/shop/sa/agent";

    #[test]
    fn an_agent_is_a_principal_of_the_targets_own_project() {
        for (agent, member) in [
            (
                "agent1@customer-project.iam.gserviceaccount.com",
                "serviceAccount:agent1@customer-project.iam.gserviceaccount.com",
            ),
            (CLUSTER, CLUSTER),
        ] {
            let target = read(None, Some(agent)).unwrap();
            assert_eq!((target.member().as_str(), target.agent().as_deref()), (member, Some(agent)));
            assert!(agent.parse::<AgentPrincipal>().is_ok());
            let written = serde_json::to_value(&target).unwrap();
            assert_eq!((&written["agent"], written.get("vendor")), (&agent.into(), None));
            assert_eq!(serde_json::from_value::<Target>(written).unwrap(), target);
        }
        // Those of another project parse, and are no agent of this target's.
        for other in [
            "agent1@vendor-project.iam.gserviceaccount.com".to_owned(),
            CLUSTER.replace("123456789012", "210987654321"),
            CLUSTER.replace("customer-project", "vendor-project"),
        ] {
            assert!(other.parse::<AgentPrincipal>().is_ok(), "{other}");
            let error = read(None, Some(&other)).unwrap_err().to_string();
            assert!(error.contains("is not of the target's project"), "{error}");
        }
        for bad in [
            "allUsers".to_owned(),
            "*".to_owned(),
            "user:me@example.com".to_owned(),
            "agent1@customer-project".to_owned(),
            CLUSTER.replace("principal:", "principalSet:"),
            CLUSTER.replace("/ns/shop/sa/agent", "/ns/shop/sa/*"),
            CLUSTER.replace("/ns/shop/sa/agent", "/ns/shop"),
            CLUSTER.replace("/subject/", "/namespace/"),
            format!("{CLUSTER}/more"),
        ] {
            assert!(bad.parse::<AgentPrincipal>().is_err() && read(None, Some(&bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_target_trusts_the_vendor_or_an_agent_and_never_both() {
        let (vendor, agent) =
            ("vendor@vendor-project.iam.gserviceaccount.com", "agent1@customer-project.iam.gserviceaccount.com");
        assert!(read(Some(vendor), Some(agent)).is_err() && read(None, None).is_err());
        let pushed = read(Some(vendor), None).unwrap();
        assert_eq!((pushed.agent(), pushed.member()), (None, format!("serviceAccount:{vendor}")));
        assert_eq!(serde_json::to_value(pushed).unwrap().as_object().unwrap().len(), 5);
    }

    #[test]
    fn projects_and_locations_are_parsed() {
        assert!("customer-project".parse::<ProjectId>().is_ok() && "Customer".parse::<ProjectId>().is_err());
        assert!("europe-west3".parse::<Location>().is_ok() && "europe".parse::<Location>().is_err());
        assert!("123".parse::<ProjectNumber>().is_ok() && "12a".parse::<ProjectNumber>().is_err());
    }
}
