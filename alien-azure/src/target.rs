//! Where a deployment goes and whom it trusts.

use alien_core::adapter::CloudTarget;
use alien_core::{ClusterAccount, Prefix, Problem, Problems, Rule, parsed_text};
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
    /// A region of Azure's public cloud, `westeurope`. Those of Azure Government and of Azure in China have other addresses
    /// (<https://learn.microsoft.com/azure/azure-government/documentation-government-welcome>,
    /// <https://learn.microsoft.com/azure/china/overview-operations>).
    Location, "a location", "write a region of Azure's public cloud as in `westeurope`; Azure Government and Azure in China are not supported",
    |text| {
        (3..=40).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            && !["usgov", "usdod", "china"].iter().any(|begin| text.starts_with(begin))
    }
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

parsed_text! {
    /// What manages a deployment in the customer's own subscription: a machine, or one service account of an AKS cluster.
    AgentPrincipal, "an agent",
    "write the resource id of a virtual machine or a container app of the subscription, or \
     `system:serviceaccount:NAMESPACE:NAME@` and the URL of the AKS cluster's issuer, \
     `https://REGION.oic.prod-aks.azure.com/TENANT/ID/`",
    |text| parts(text).is_some()
}

parsed_text! {
    /// A machine of the subscription: what follows the subscription in its resource id. The identity of a deployment is
    /// assigned to it, and it gets tokens from its own metadata service.
    /// <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>
    Machine, "a machine",
    "write `resourceGroups/GROUP/providers/Microsoft.Compute/virtualMachines/NAME`, \
     `…/Microsoft.Compute/virtualMachineScaleSets/NAME` or `…/Microsoft.App/containerApps/NAME`",
    |text| {
        let segments: Vec<&str> = text.split('/').collect();
        let ["resourceGroups", group, "providers", provider, kind, name] = segments.as_slice() else { return false };
        let known = [
            ("Microsoft.Compute", "virtualMachines"),
            ("Microsoft.Compute", "virtualMachineScaleSets"),
            ("Microsoft.App", "containerApps"),
        ];
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        known.contains(&(*provider, *kind)) && group.parse::<ResourceGroup>().is_ok()
            && (1..=64).contains(&name.len()) && name.bytes().all(plain)
    }
}

parsed_text! {
    /// The issuer of an AKS cluster: its region and its id, as in its URL `https://REGION.oic.prod-aks.azure.com/TENANT/ID/`.
    /// <https://learn.microsoft.com/azure/aks/use-oidc-issuer>
    ClusterIssuer, "the issuer of an AKS cluster", "write the region and the GUID in its URL, `westeurope/GUID`",
    |text| text.split_once('/').is_some_and(|(region, id)| region.parse::<Location>().is_ok() && is_guid(id))
}

/// Who an agent's text says it is, and whose it is.
fn parts(text: &str) -> Option<(Agent, Owner<'_>)> {
    if let Some(rest) = text.strip_prefix("/subscriptions/") {
        let (subscription, machine) = rest.split_once('/')?;
        subscription.parse::<SubscriptionId>().ok()?;
        return Some((Agent::Machine(machine.parse().ok()?), Owner::Subscription(subscription)));
    }
    let (subject, issuer) = text.split_once('@')?;
    let account = ClusterAccount::of_subject(subject)?;
    let (region, rest) = issuer.strip_prefix("https://")?.split_once(AKS)?;
    let (tenant, id) = rest.strip_suffix('/')?.split_once('/')?;
    tenant.parse::<TenantId>().ok()?;
    let issuer = format!("{region}/{id}").parse().ok()?;
    Some((Agent::Cluster { issuer, account }, Owner::Tenant(tenant)))
}

/// The domain of the issuers of AKS.
const AKS: &str = ".oic.prod-aks.azure.com/";

/// Whose an agent is.
enum Owner<'a> {
    Subscription(&'a str),
    Tenant(&'a str),
}

/// Where a deployment goes and whom it trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
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
    /// Whom the management identity trusts.
    pub trust: Trust,
}

/// Whom the management identity trusts: the vendor, or what runs in the customer's own subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Releases are pushed: tokens of the vendor's.
    Vendor {
        /// The issuer whose tokens are trusted.
        issuer: Issuer,
        /// The subject that those tokens must have.
        subject: Subject,
    },
    /// Releases are pulled: an agent of the customer's.
    Agent(Agent),
}

/// What manages a deployment where releases are pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Agent {
    /// A machine of the target's subscription. No token of anybody else's is trusted: the customer assigns the management
    /// identity to the machine, and to nothing else.
    Machine(Machine),
    /// One service account of an AKS cluster of the target's tenant.
    Cluster {
        /// The cluster's issuer.
        issuer: ClusterIssuer,
        /// The service account.
        account: ClusterAccount,
    },
}

impl Target {
    /// The agent as it is written; `None` where the vendor is trusted.
    pub(crate) fn agent(&self) -> Option<String> {
        match &self.trust {
            Trust::Vendor { .. } => None,
            Trust::Agent(Agent::Machine(machine)) => Some(format!("/subscriptions/{}/{machine}", self.subscription)),
            Trust::Agent(Agent::Cluster { issuer, account }) => {
                Some(format!("{}@{}", account.subject(), self.cluster(issuer)))
            }
        }
    }

    /// The URL of the issuer of a cluster of this tenant.
    fn cluster(&self, issuer: &ClusterIssuer) -> String {
        let (region, id) = issuer.as_str().split_once('/').unwrap_or_default();
        format!("https://{region}{AKS}{}/{id}/", self.tenant)
    }

    /// The issuer and the subject of the tokens that are trusted; `None` if none are.
    pub(crate) fn federated(&self) -> Option<(Issuer, Subject)> {
        match &self.trust {
            Trust::Vendor { issuer, subject } => Some((issuer.clone(), subject.clone())),
            Trust::Agent(Agent::Machine(_)) => None,
            Trust::Agent(Agent::Cluster { issuer, account }) => {
                Some((Issuer(self.cluster(issuer)), Subject(account.subject())))
            }
        }
    }
}

/// The fields of a target.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Fields {
    tenant: TenantId,
    subscription: SubscriptionId,
    resource_group: ResourceGroup,
    location: Location,
    prefix: Prefix,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issuer: Option<Issuer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<Subject>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
}

impl TryFrom<Fields> for Target {
    type Error = String;

    fn try_from(fields: Fields) -> Result<Self, String> {
        let Fields { tenant, subscription, resource_group, location, prefix, issuer, subject, agent } = fields;
        let trust = match (issuer, subject, agent) {
            (Some(issuer), Some(subject), None) => Trust::Vendor { issuer, subject },
            (None, None, Some(text)) => {
                let (agent, owner) = parts(&text).ok_or_else(|| format!("`{text}` is not an agent"))?;
                let (is_own, whose, own) = match owner {
                    Owner::Subscription(of) => (of == subscription.as_str(), "subscription", subscription.as_str()),
                    Owner::Tenant(of) => (of == tenant.as_str(), "tenant", tenant.as_str()),
                };
                if !is_own {
                    return Err(format!("the agent `{text}` is not of the target's {whose} `{own}`"));
                }
                Trust::Agent(agent)
            }
            _ => return Err("a target has either `issuer` and `subject`, or `agent`".to_owned()),
        };
        Ok(Self { tenant, subscription, resource_group, location, prefix, trust })
    }
}

impl From<Target> for Fields {
    fn from(target: Target) -> Self {
        let agent = target.agent();
        let Target { tenant, subscription, resource_group, location, prefix, trust } = target;
        let (issuer, subject) = match trust {
            Trust::Vendor { issuer, subject } => (Some(issuer), Some(subject)),
            Trust::Agent(_) => (None, None),
        };
        Self { tenant, subscription, resource_group, location, prefix, issuer, subject, agent }
    }
}

impl CloudTarget for Target {
    type Cloud = Azure;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_one_of_the_public_cloud() {
        for good in ["westeurope", "eastus2", "germanywestcentral"] {
            assert!(good.parse::<Location>().is_ok(), "{good}");
        }
        for bad in ["West Europe", "usgovvirginia", "usdodeast", "chinanorth3"] {
            let told = bad.parse::<Location>().unwrap_err().to_string();
            assert!(told.contains("a region of Azure's public cloud"), "{told}");
        }
    }

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

    const TENANT: &str = "00000000-0000-0000-0000-00000000000f";
    const MACHINE: &str = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/tools/providers/Microsoft.Compute/virtualMachines/agent";
    const CLUSTER: &str = "system:serviceaccount:shop:agent@https://westeurope.oic.prod-aks.azure.com/00000000-0000-0000-0000-00000000000f/00000000-0000-0000-0000-0000000000aa/";

    fn read(more: &[(&str, &str)]) -> Result<Target, serde_json::Error> {
        let mut fields = serde_json::json!({
            "tenant": TENANT, "subscription": "00000000-0000-0000-0000-000000000001", "resourceGroup": "customer-rg",
            "location": "westeurope", "prefix": "acme",
        });
        for (name, value) in more {
            fields[*name] = (*value).into();
        }
        serde_json::from_value(fields)
    }

    #[test]
    fn an_agent_is_of_the_targets_own_subscription_or_tenant() {
        let machine = read(&[("agent", MACHINE)]).unwrap();
        assert_eq!((machine.agent().as_deref(), machine.federated()), (Some(MACHINE), None));
        let cluster = read(&[("agent", CLUSTER)]).unwrap();
        let (issuer, subject) = cluster.federated().unwrap();
        assert_eq!(format!("{subject}@{issuer}"), CLUSTER);
        assert!(issuer.as_str().parse::<Issuer>().is_ok() && subject.as_str().parse::<Subject>().is_ok());
        for (target, agent) in [(machine, MACHINE), (cluster, CLUSTER)] {
            let written = serde_json::to_value(&target).unwrap();
            assert_eq!((&written["agent"], written.get("issuer"), written.get("subject")), (&agent.into(), None, None));
            assert_eq!(serde_json::from_value::<Target>(written).unwrap(), target);
        }
        for (other, whose) in [
            (MACHINE.replace("0001/", "0002/"), "subscription"),
            (CLUSTER.replace(TENANT, "00000000-0000-0000-0000-00000000000e"), "tenant"),
        ] {
            assert!(other.parse::<AgentPrincipal>().is_ok(), "{other}");
            let error = read(&[("agent", &other)]).unwrap_err().to_string();
            assert!(error.contains(&format!("is not of the target's {whose}")), "{error}");
        }
        for bad in [
            "*".to_owned(),
            "/subscriptions/00000000-0000-0000-0000-000000000001".to_owned(),
            format!("{MACHINE}/extensions/x"),
            MACHINE.replace("agent", "*"),
            MACHINE.replace("virtualMachines", "disks"),
            CLUSTER.replace(":shop:agent", ":shop:*"),
            CLUSTER.replace(":shop:agent", ":shop"),
            CLUSTER.replace("https://", "http://"),
            CLUSTER.replace("prod-aks.azure.com", "vendor.example.com"),
            CLUSTER.replace("https://westeurope.", "https://vendor.example/westeurope."),
            CLUSTER.replace(TENANT, "common"),
            format!("{CLUSTER}more/"),
            CLUSTER.trim_end_matches('/').to_owned(),
        ] {
            assert!(bad.parse::<AgentPrincipal>().is_err() && read(&[("agent", &bad)]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_target_trusts_the_vendor_or_an_agent_and_never_both() {
        let vendor = [("issuer", "https://oidc.vendor.example.com"), ("subject", "deployment:acme")];
        assert!(read(&[vendor.as_slice(), &[("agent", MACHINE)]].concat()).is_err());
        assert!(read(&vendor[..1]).is_err() && read(&[]).is_err());
        let pushed = read(&vendor).unwrap();
        assert_eq!(pushed.agent(), None);
        assert_eq!(serde_json::to_value(pushed).unwrap().as_object().unwrap().len(), 7);
    }

    #[test]
    fn subscriptions_groups_and_subjects_are_parsed() {
        assert!("00000000-0000-0000-0000-00000000000a".parse::<SubscriptionId>().is_ok());
        assert!("00000000-0000-0000-0000-00000000000A".parse::<SubscriptionId>().is_err());
        assert!("customer-rg".parse::<ResourceGroup>().is_ok() && "a/b".parse::<ResourceGroup>().is_err());
        assert!("deployment:acme".parse::<Subject>().is_ok() && "*".parse::<Subject>().is_err());
    }
}
