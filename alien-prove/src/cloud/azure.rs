//! Azure.

use std::path::Path;

use alien_azure::VendorToken;
use alien_core::adapter::{DeploymentContext, Unreadable, read_text};
use alien_core::{Adapter, Connection, Deployment, Error, ErrorKind, Result};
use async_trait::async_trait;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Attempt, Need, Outcome, Outsider, Provable, id, needs, unknown};
use crate::fact::{Fact, Shown};
use crate::plain::{Body, Plain, text};
use crate::product::{API, CACHE, DATA, INSIDE, JOBS, LEDGER, NET, WORKER};
use crate::step::Step;

/// Azure.
#[derive(Debug)]
pub(crate) struct Azure;

const FACTS: &[Fact] = &[
    Fact {
        id: "template-alone",
        what: "A PATCH of an app with its template alone needs `containerApps/write`, and neither the right to join the environment \
               nor the right to assign the identity.",
        source: "https://github.com/microsoft/azure-container-apps/issues/530",
        otherwise: "Every release is denied with `LinkedAuthorizationFailed`. The two rights could be given on exactly the environment and \
                    the identity of the app; then the vendor could make other apps there.",
        shown: Shown::Step(Step::Release(API)),
    },
    Fact {
        id: "template-in-network",
        what: "The same is so for an app whose environment is in a network.",
        source: "https://learn.microsoft.com/azure/container-apps/networking",
        otherwise: "A release of a function in a network is denied.",
        shown: Shown::Step(Step::Release(INSIDE)),
    },
    Fact {
        id: "template-of-container",
        what: "The same is so for an app that keeps a replica running.",
        source: "https://learn.microsoft.com/azure/container-apps/scale-app",
        otherwise: "A release of a container is denied.",
        shown: Shown::Step(Step::Release(WORKER)),
    },
    Fact {
        id: "suffix-alone",
        what: "A PATCH with a new `revisionSuffix` and nothing else makes a new revision of what runs.",
        source: "https://learn.microsoft.com/azure/container-apps/revisions",
        otherwise: "`alien redeploy` fails, or changes what runs.",
        shown: Shown::Step(Step::Redeploy(API)),
    },
    Fact {
        id: "container-without-account",
        what: "The right to read a blob container is decided on the container itself.",
        source: "https://learn.microsoft.com/azure/role-based-access-control/permissions/storage",
        otherwise: "The vendor cannot see whether the storage is there.",
        shown: Shown::Step(Step::Watch(DATA)),
    },
    Fact {
        id: "table-without-account",
        what: "The right to read a table is decided on the table itself.",
        source: "https://learn.microsoft.com/azure/role-based-access-control/permissions/storage",
        otherwise: "The vendor cannot see whether the table is there.",
        shown: Shown::Step(Step::Watch(CACHE)),
    },
    Fact {
        id: "queue-without-namespace",
        what: "The right to read a queue is decided on the queue itself.",
        source: "https://learn.microsoft.com/azure/role-based-access-control/permissions/integration",
        otherwise: "The vendor cannot see whether the queue is there.",
        shown: Shown::Step(Step::Watch(JOBS)),
    },
    Fact {
        id: "network-by-itself",
        what: "The rights that watch a network are decided on the network and its subnets.",
        source: "https://learn.microsoft.com/azure/role-based-access-control/permissions/networking",
        otherwise: "The vendor cannot see whether the network is there.",
        shown: Shown::Step(Step::Watch(NET)),
    },
    Fact {
        id: "nothing-filled-in",
        what: "Azure fills in no setting of what was set up that a later look takes for a difference.",
        source: "https://learn.microsoft.com/rest/api/resource-manager/containerapps/container-apps/get",
        otherwise: "`alien-deploy status` tells a difference that nobody made.",
        shown: Shown::Step(Step::Compare),
    },
    Fact {
        id: "entered-in-time",
        what: "A federated credential and roles that were made a moment ago let the vendor in within the time that a registration waits.",
        source: "https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations",
        otherwise: "`alien register` fails, and works when it is run again.",
        shown: Shown::Step(Step::Enter),
    },
    Fact {
        id: "command-by-queues",
        what: "The rights to send to one queue and to receive from another are decided on each queue, and a scaler that uses the app's \
               identity wakes the app.",
        source: "https://learn.microsoft.com/azure/container-apps/scale-app",
        otherwise: "Commands time out.",
        shown: Shown::Step(Step::Command(API)),
    },
    Fact {
        id: "queue-wakes",
        what: "The scaler of a queue counts its messages with the rights to read the queue and to receive from it alone.",
        source: "https://learn.microsoft.com/azure/container-apps/scale-app",
        otherwise: "A function that waits for a queue never starts. The review warns of it.",
        shown: Shown::ByHand("send a message to `jobs`, and look at the replicas of `api`"),
    },
    Fact {
        id: "request-wakes",
        what: "Beside another rule, a request starts a replica only where there is an `http` rule.",
        source: "https://learn.microsoft.com/azure/container-apps/scale-app",
        otherwise: "The rule is superfluous and harmless.",
        shown: Shown::ByHand("call a public function that waits for a queue, with and without the rule"),
    },
    Fact {
        id: "providers-of-subscription",
        what: "Whoever has roles at a group alone may not read the providers of the subscription, and a provider that is not registered is \
               refused with `MissingSubscriptionRegistration`.",
        source: "https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-register-resource-provider",
        otherwise: "`plan` is too strict, or warns in vain.",
        shown: Shown::ByHand(
            "unregister `Microsoft.App` in a scratch subscription, and plan as a Contributor of the group",
        ),
    },
    Fact {
        id: "policies-and-locks",
        what: "A policy or a lock of the customer's does no more than refuse a call, with `RequestDisallowedByPolicy` or `ScopeLocked`, and \
               what was made before stays: no plan sees it. A policy that changes what is made (`modify`, `append`) changes nothing that is \
               compared, and tags that it adds stay.",
        source: "https://learn.microsoft.com/azure/governance/policy/concepts/effect-basics",
        otherwise: "`up` or `down` stops half-way and goes on when it is run again, once an administrator has made an exception; or a \
                    difference is told again after each `up`, which sets back what the policy then changes again.",
        shown: Shown::ByHand(
            "before `up`, assign to the scratch group a policy that denies environments of Container Apps, and one that adds a tag; \
             after it, a lock `CanNotDelete`; then plan, set up and take down",
        ),
    },
    Fact {
        id: "way-out-of-subnet",
        what: "An environment cannot pull its images where the route table of its subnet sends `0.0.0.0/0` to `None`, or the security group \
               denies TCP 443 outward, and a rule before that which allows some of it is for the registry.",
        source: "https://learn.microsoft.com/azure/container-apps/firewall-integration",
        otherwise: "`plan` warns in vain, or does not warn, and apps do not start.",
        shown: Shown::ByHand(
            "plan and set up with `--existing`, in subnets with such a route table and such a group, and in one whose group allows \
             `AzureContainerRegistry` first",
        ),
    },
    Fact {
        id: "room-for-roles",
        what: "A subscription that has its 4000 role assignments, and a tenant that has its 5000 custom roles, refuse the next with \
               `RoleAssignmentLimitExceeded` and `RoleDefinitionLimitExceeded`, and what was made before stays: no plan counts them, for \
               the rights of a set-up end at its group.",
        source: "https://learn.microsoft.com/azure/role-based-access-control/troubleshoot-limits",
        otherwise: "`up` stops half-way with other words, and goes on when it is run again, once there is room.",
        shown: Shown::ByHand(
            "fill a scratch subscription with role assignments, set up, remove some, and set up again",
        ),
    },
    Fact {
        id: "keys-for-diagnostics",
        what: "A diagnostic setting to a workspace asks for the right on the workspace's keys, so logs go by `log-analytics`.",
        source: "https://learn.microsoft.com/azure/azure-monitor/platform/diagnostic-settings",
        otherwise: "The admin could do without the right to read a workspace's key.",
        shown: Shown::ByHand("make such a setting as an account without that right"),
    },
    Fact {
        id: "log-of-live-code",
        what: "The rights to query a workspace and one of its tables are enough to read the log of an app.",
        source: "https://learn.microsoft.com/azure/azure-monitor/logs/manage-table-access",
        otherwise: "The vendor cannot read the logs that the stack lets it read.",
        shown: Shown::Step(Step::Logs(API)),
    },
    Fact {
        id: "no-other-app",
        what: "A PUT of another app is denied, because it joins an environment.",
        source: "https://learn.microsoft.com/azure/role-based-access-control/permissions/containers",
        otherwise: "The vendor can create apps in the deployment's environments.",
        shown: Shown::Refused("create"),
    },
    Fact {
        id: "no-other-identity",
        what: "A PATCH that gives an app another identity is denied, because it assigns one.",
        source: "https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/overview",
        otherwise: "The vendor can run live code under another identity of the group.",
        shown: Shown::Refused("other-identity"),
    },
    Fact {
        id: "revoked-in-minutes",
        what: "A token that was issued before a revocation is worth nothing within ten minutes.",
        source: "https://learn.microsoft.com/azure/role-based-access-control/troubleshooting",
        otherwise: "What the review says of the delay of a revocation is too short.",
        shown: Shown::Step(Step::Revoke),
    },
    Fact {
        id: "everything-goes",
        what: "Environments, and the subnets that they are in, can be deleted within the time that a take-down waits.",
        source: "https://learn.microsoft.com/azure/container-apps/networking",
        otherwise: "They are told as left, and the next `alien-deploy down` removes them.",
        shown: Shown::Step(Step::Gone),
    },
];

const ATTEMPTS: &[Attempt] = &[
    Attempt {
        name: "frozen",
        what: "release the frozen function as it is",
        after: &["GET containerApps"],
        call: "PATCH containerApps",
        leaves: "",
    },
    Attempt {
        name: "other-identity",
        what: "run the live function as the frozen one's identity",
        after: &["GET containerApps"],
        call: "PATCH containerApps",
        leaves: "",
    },
    Attempt {
        name: "create",
        what: "create another app in the environment of the live function",
        after: &["GET containerApps"],
        call: "PUT containerApps",
        leaves: "the app `alien-prove-another`: delete it in the resource group",
    },
    Attempt {
        name: "rights",
        what: "give the live function's own identity the role `Reader` on it",
        after: &["GET containerApps"],
        call: "PUT roleAssignments",
        leaves: "",
    },
    Attempt { name: "read", what: "list the storage's files", after: &[], call: "List Blobs", leaves: "" },
];

#[async_trait]
impl Provable for Azure {
    fn adapter(&self) -> &'static dyn Adapter {
        &alien_azure::Adapter
    }

    fn title(&self) -> &'static str {
        "Azure"
    }

    fn facts(&self) -> &'static [Fact] {
        FACTS
    }

    fn attempts(&self) -> &'static [Attempt] {
        ATTEMPTS
    }

    /// Prices: <https://azure.microsoft.com/pricing/details/container-apps/>,
    /// <https://azure.microsoft.com/pricing/details/service-bus/>.
    fn cost(&self) -> &'static str {
        "two environments of Container Apps, a Service Bus namespace of the standard tier (about 10 USD a month, by the hour) and one small \
         replica, typically for under an hour: about 0.05 USD an hour; all else costs less than that"
    }

    fn needs(&self, record: &Deployment) -> Result<Vec<Need>> {
        needs::<alien_azure::Azure>(record, ["POST oauth2/v2.0/token", "a token of the vendor's issuer"])
    }

    async fn outsider(&self, record: &Deployment, vendor: &Connection) -> Result<Box<dyn Outsider>> {
        let endpoint = vendor.endpoint_url()?.map(|url| url.trim_end_matches('/').to_owned());
        let wrong = |unread: Unreadable| Error::new(ErrorKind::Input, unread.to_string());
        let certificate = vendor.get("endpointCertificate").map(|path| read_text(Path::new(path)));
        let certificate = certificate.transpose().map_err(wrong)?;
        let token = VendorToken::connected(DeploymentContext::<alien_azure::Azure>::of(record)?.target(), vendor)?;
        let plain = Plain::new(certificate.as_ref().map(|pem| pem.as_str()))?.as_of(&vendor.calls);
        Ok(Box::new(Vendor { plain, token, endpoint }))
    }
}

/// The vendor, with a plain client.
#[derive(Debug)]
struct Vendor {
    plain: Plain,
    token: VendorToken,
    /// The address of an emulator, in the place of Azure's own.
    endpoint: Option<String>,
}

/// Whom tokens for Resource Manager and for storage are for.
const ARM: &str = "https://management.azure.com";
const STORAGE: &str = "https://storage.azure.com";

impl Vendor {
    fn at<'a>(&'a self, own: &'a str) -> &'a str {
        self.endpoint.as_deref().unwrap_or(own)
    }

    /// A token of the management identity.
    /// <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow#third-case-access-token-request-with-a-federated-credential>
    async fn enter(&self, deployment: &Deployment, audience: &str) -> Result<String> {
        let assertion = self.token.assertion(deployment).await?;
        let scope = format!("{audience}/.default");
        let none = || Error::new(ErrorKind::Internal, "the record has no client id");
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", deployment.identity_id.as_deref().ok_or_else(none)?),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
            ("scope", &scope),
        ];
        let tenant = deployment.target.field("tenant").unwrap_or_default();
        let url = format!("{}/{tenant}/oauth2/v2.0/token", self.at("https://login.microsoftonline.com"));
        let entered = self.plain.send(Method::POST, &url, None, Body::Form(&fields)).await?.done()?;
        text(&entered, "/access_token")
    }

    /// The address of something in Resource Manager.
    fn url(&self, id: &str) -> String {
        let version = if id.contains("Microsoft.Authorization") { "2022-04-01" } else { "2025-07-01" };
        format!("{}{id}?api-version={version}", self.at(ARM))
    }
}

/// `Reader`: <https://learn.microsoft.com/azure/role-based-access-control/built-in-roles#general>.
const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";

#[async_trait]
impl Outsider for Vendor {
    async fn attempt(&self, deployment: &Deployment, name: &str) -> Result<Outcome> {
        let audience = if name == "read" { STORAGE } else { ARM };
        let token = self.enter(deployment, audience).await?;
        let (api, ledger) = (id(deployment, API)?, id(deployment, LEDGER)?);
        let found = async |id: &str| self.plain.get(&self.url(id), &token).await;
        let send = async |method, url: &str, body: Body<'_>| {
            Ok::<_, Error>(self.plain.send(method, url, Some(&token), body).await?.outcome())
        };
        match name {
            "frozen" => {
                let template = found(ledger).await?.pointer("/properties/template").cloned();
                let change = json!({ "properties": { "template": template } });
                send(Method::PATCH, &self.url(ledger), Body::Json(&change)).await
            }
            "other-identity" => {
                let others = found(ledger).await?;
                let others = others.pointer("/identity/userAssignedIdentities").and_then(Value::as_object);
                let none = || Error::new(ErrorKind::Internal, "an app without an identity");
                let id = others.and_then(|others| others.keys().next()).ok_or_else(none)?;
                let identity = json!({ "type": "UserAssigned", "userAssignedIdentities": { id: {} } });
                send(Method::PATCH, &self.url(api), Body::Json(&json!({ "identity": identity }))).await
            }
            "create" => {
                let app = found(api).await?;
                let another = json!({
                    "location": app.get("location"),
                    "properties": {
                        "environmentId": app.pointer("/properties/environmentId"),
                        "template": app.pointer("/properties/template"),
                    },
                });
                let group = api.rsplit_once('/').map_or("", |(group, _)| group);
                send(Method::PUT, &self.url(&format!("{group}/alien-prove-another")), Body::Json(&another)).await
            }
            "rights" => {
                let authorization = "providers/Microsoft.Authorization";
                let subscription = deployment.target.field("subscription").unwrap_or_default();
                let role = format!("/subscriptions/{subscription}/{authorization}/roleDefinitions/{READER}");
                let app = found(api).await?;
                let identities = app.pointer("/identity/userAssignedIdentities").and_then(Value::as_object);
                let none = || Error::new(ErrorKind::Internal, "an app without an identity");
                let principal = identities.and_then(|all| all.values().next()?.get("principalId")).ok_or_else(none)?;
                let given = json!({ "properties": {
                    "principalId": principal, "principalType": "ServicePrincipal", "roleDefinitionId": role,
                } });
                let assignment = format!("{api}/{authorization}/roleAssignments/{}", Uuid::new_v4());
                send(Method::PUT, &self.url(&assignment), Body::Json(&given)).await
            }
            "read" => {
                let container = id(deployment, DATA)?;
                let mut parts = container.split('/').rev();
                let (name, account) = (parts.next().unwrap_or_default(), parts.nth(3).unwrap_or_default());
                let host = format!("{account}.blob.core.windows.net");
                let url = match &self.endpoint {
                    Some(url) => format!("{url}/{host}"),
                    None => format!("https://{host}"),
                };
                send(Method::GET, &format!("{url}/{name}?restype=container&comp=list"), Body::Nothing).await
            }
            _ => Err(unknown(name)),
        }
    }
}
