//! Google Cloud.

use alien_core::{Adapter, Connection, Deployment, Error, ErrorKind, Result};
use async_trait::async_trait;
use google_cloud_auth::credentials::{CacheableResource, Credentials};
use http::Extensions;
use http::header::AUTHORIZATION;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Attempt, Need, Outcome, Outsider, Provable, id, needs, unknown};
use crate::fact::{Fact, Shown};
use crate::plain::{Body, Plain, text};
use crate::product::{API, CACHE, DATA, INSIDE, JOBS, LEDGER, NET, WORKER};
use crate::step::Step;

/// Google Cloud.
#[derive(Debug)]
pub(crate) struct Gcp;

const FACTS: &[Fact] = &[
    Fact {
        id: "patch-without-operation",
        what: "`services.patch` needs `run.services.update` and `iam.serviceAccounts.actAs` alone, and that the new revision serves \
               is seen by `services.get`.",
        source: "https://docs.cloud.google.com/run/docs/reference/iam/permissions",
        otherwise: "Every release is denied.",
        shown: Shown::Step(Step::Release(API)),
    },
    Fact {
        id: "patch-in-network",
        what: "A patch of a service that is in a network needs no right of the vendor on the network.",
        source: "https://docs.cloud.google.com/run/docs/configuring/vpc-direct-vpc",
        otherwise: "A release of a function or container in a network is denied.",
        shown: Shown::Step(Step::Release(INSIDE)),
    },
    Fact {
        id: "always-on",
        what: "A patch of a service that keeps an instance running needs no right more than that of one that scales to zero.",
        source: "https://docs.cloud.google.com/run/docs/configuring/min-instances",
        otherwise: "A release of a container is denied.",
        shown: Shown::Step(Step::Release(WORKER)),
    },
    Fact {
        id: "database-condition",
        what: "A condition on `resource.name` is evaluated for `datastore.databases.getMetadata`.",
        source: "https://docs.cloud.google.com/iam/docs/conditions-resource-attributes",
        otherwise: "The vendor cannot see whether the table is there.",
        shown: Shown::Step(Step::Watch(CACHE)),
    },
    Fact {
        id: "subnetwork-by-its-policy",
        what: "A role that is bound on a subnetwork lets its member read the subnetwork.",
        source: "https://docs.cloud.google.com/compute/docs/access/granting-access-to-resources",
        otherwise: "The vendor cannot see whether the network is there.",
        shown: Shown::Step(Step::Watch(NET)),
    },
    Fact {
        id: "subnetwork-condition",
        what: "A condition on `resource.name` is evaluated for a subnetwork, and never for its network.",
        source: "https://docs.cloud.google.com/iam/docs/conditions-resource-attributes",
        otherwise: "An admin with the provisioning layer alone cannot bind the vendor on the subnetwork, and `up` says so.",
        shown: Shown::ByHand("set up by the provisioning layer alone"),
    },
    Fact {
        id: "open-to-all-kept",
        what: "A patch that leaves `invokerIamDisabled` as it is needs no `run.services.setIamPolicy`, and one that changes it does.",
        source: "https://docs.cloud.google.com/run/docs/authenticating/public",
        otherwise: "A release of a public function is denied; or the vendor can open a function to everyone.",
        shown: Shown::ByHand("patch a public service as the management account: its template, and then that field"),
    },
    Fact {
        id: "policies-of-organisation",
        what: "The effective policy of a constraint that nobody has set allows everything, and is no error.",
        source: "https://docs.cloud.google.com/resource-manager/docs/reference/orgpolicy/rest/v2/projects.policies/getEffectivePolicy",
        otherwise: "`plan` warns that it cannot be read.",
        shown: Shown::Step(Step::Plan),
    },
    Fact {
        id: "custom-role-reads-policies",
        what: "A custom role of a project can have `orgpolicy.policy.get`.",
        source: "https://docs.cloud.google.com/iam/docs/custom-roles-permissions-support",
        otherwise: "The role of the provisioning identity is refused, where a customer asks for that identity.",
        shown: Shown::ByHand("create a role with that permission in the project"),
    },
    Fact {
        id: "registries",
        what: "Cloud Run refuses images of registries that its page does not list, before it makes anything; of `ghcr.io` the pages differ.",
        source: "https://docs.cloud.google.com/run/docs/deploying",
        otherwise: "`check` is too strict, or warns in vain.",
        shown: Shown::ByHand("create services with `validateOnly` and images of `ghcr.io` and `quay.io`"),
    },
    Fact {
        id: "sharing-of-accounts",
        what: "Domain-restricted sharing refuses members of other organisations in the policy of a service account too, only when they are \
               added, and never Google's own agents.",
        source: "https://docs.cloud.google.com/organization-policy/domain-restricted-sharing",
        otherwise: "The warning of `plan` is in vain; or a later `up` fails where it writes that policy.",
        shown: Shown::ByHand("restrict a project to its own organisation, and run `alien-prove` there"),
    },
    Fact {
        id: "pulled-outside-networks",
        what: "Cloud Run pulls images by itself, and code in a network sends through it only what is for private addresses: to reach a \
               registry and Google's services, the network needs neither a route nor Cloud NAT nor private access.",
        source: "https://docs.cloud.google.com/run/docs/configuring/vpc-direct-vpc",
        otherwise: "Services in a network of the customer's that has no way out do not start, and no `plan` warns of it.",
        shown: Shown::ByHand(
            "plan and set up with `--existing`, in a network without routes and a subnetwork without private access",
        ),
    },
    Fact {
        id: "room-for-accounts",
        what: "A project that has its 100 service accounts or 300 custom roles refuses the next with `RESOURCE_EXHAUSTED`, and what was made \
               before stays: no plan counts them, for the rights of a set-up do not list those of others.",
        source: "https://docs.cloud.google.com/iam/quotas",
        otherwise: "`up` stops half-way with other words, and goes on when it is run again, once there is room.",
        shown: Shown::ByHand(
            "make service accounts in a scratch project until it refuses one, set up, remove some, and set up again",
        ),
    },
    Fact {
        id: "agent-of-queues",
        what: "A policy that names Pub/Sub's agent before it is made is refused, and `gcloud beta services identity create` makes it.",
        source: "https://docs.cloud.google.com/iam/docs/create-service-agents",
        otherwise: "The advice is never seen.",
        shown: Shown::ByHand("run `alien-prove` in a new project, right after Pub/Sub is enabled"),
    },
    Fact {
        id: "networks-by-constraint",
        what: "A custom constraint sees the network of a service as the annotation `run.googleapis.com/network-interfaces`, a list in JSON \
               that names it by its name or its path.",
        source: "https://docs.cloud.google.com/run/docs/securing/custom-constraints",
        otherwise: "The printed constraint refuses nothing, or every update of a function or container that is in a network.",
        shown: Shown::ByHand(
            "apply it with `dryRunSpec` in the place of `spec`, release, and read what it would have refused",
        ),
    },
    Fact {
        id: "tokens-of-pushes",
        what: "Pub/Sub's agent makes the tokens of pushes without a role of ours.",
        source: "https://docs.cloud.google.com/pubsub/docs/authenticate-push-subscriptions",
        otherwise: "In projects from before April 2021 pushes are refused, and messages end in the dead letters.",
        shown: Shown::ByHand("publish a message to `jobs`, and look at the requests of `api`"),
    },
    Fact {
        id: "subnetworks-of-network",
        what: "A network tells all its subnetworks to an admin who may not list them.",
        source: "https://docs.cloud.google.com/compute/docs/reference/rest/v1/networks",
        otherwise: "`plan` refuses a network of the customer's whose subnetwork is there.",
        shown: Shown::ByHand("plan with `--existing`, by the provisioning layer alone"),
    },
    Fact {
        id: "bucket-without-policy",
        what: "`storage.buckets.get` without `storage.buckets.getIamPolicy` is enough to see a bucket.",
        source: "https://docs.cloud.google.com/storage/docs/access-control/iam-json",
        otherwise: "The vendor cannot see whether the storage is there.",
        shown: Shown::Step(Step::Watch(DATA)),
    },
    Fact {
        id: "queue-by-both",
        what: "Both rights that watch a queue are decided on its topic and its subscription.",
        source: "https://docs.cloud.google.com/pubsub/docs/access-control",
        otherwise: "The vendor cannot see whether the queue is there.",
        shown: Shown::Step(Step::Watch(JOBS)),
    },
    Fact {
        id: "nothing-filled-in",
        what: "Cloud Run, Firestore and Pub/Sub fill in no setting of what was set up that a later look takes for a difference.",
        source: "https://docs.cloud.google.com/run/docs/reference/rest/v2/projects.locations.services",
        otherwise: "`alien-deploy status` tells a difference that nobody made.",
        shown: Shown::Step(Step::Compare),
    },
    Fact {
        id: "entered-in-time",
        what: "A grant that was made a moment ago lets the vendor in within the time that a registration waits.",
        source: "https://docs.cloud.google.com/iam/docs/access-change-propagation",
        otherwise: "`alien register` fails, and works when it is run again.",
        shown: Shown::Step(Step::Enter),
    },
    Fact {
        id: "command-by-identity",
        what: "A command is taken from the management account by an identity token for the service's own address.",
        source: "https://docs.cloud.google.com/run/docs/authenticating/service-to-service",
        otherwise: "Commands are refused.",
        shown: Shown::Step(Step::Command(API)),
    },
    Fact {
        id: "log-view",
        what: "The right on a view of a log bucket is enough to read the log of a service, and shows nothing else.",
        source: "https://docs.cloud.google.com/logging/docs/logs-views",
        otherwise: "The vendor cannot read the logs that the stack lets it read.",
        shown: Shown::Step(Step::Logs(API)),
    },
    Fact {
        id: "act-as",
        what: "A patch that names another service account is denied, whoever that account belongs to.",
        source: "https://docs.cloud.google.com/run/docs/configuring/services/service-identity",
        otherwise: "The vendor can run live code under another account of the project.",
        shown: Shown::Refused("other-account"),
    },
    Fact {
        id: "revoked-in-minutes",
        what: "A token that was issued before a revocation is refused within the time that a proof waits, which is that of the documentation.",
        source: "https://docs.cloud.google.com/iam/docs/access-change-propagation",
        otherwise: "What the review says of the delay of a revocation is too short.",
        shown: Shown::Step(Step::Revoke),
    },
    Fact {
        id: "everything-goes",
        what: "A network without services in it can be deleted within the time that a take-down waits.",
        source: "https://docs.cloud.google.com/run/docs/configuring/vpc-direct-vpc",
        otherwise: "A network is told as left, and the next `alien-deploy down` removes it.",
        shown: Shown::Step(Step::Gone),
    },
];

const ATTEMPTS: &[Attempt] = &[
    Attempt {
        name: "frozen",
        what: "release the frozen function as it is",
        after: &["run.projects.locations.services.get"],
        call: "run.projects.locations.services.patch",
        leaves: "",
    },
    Attempt {
        name: "other-account",
        what: "run the live function as the frozen one's account",
        after: &["run.projects.locations.services.get", "run.projects.locations.services.get"],
        call: "run.projects.locations.services.patch",
        leaves: "",
    },
    Attempt {
        name: "create",
        what: "create another service",
        after: &["run.projects.locations.services.get"],
        call: "run.projects.locations.services.create",
        leaves: "the service `alien-prove-another`: delete it in Cloud Run",
    },
    Attempt {
        name: "public",
        what: "let anyone call the live function",
        after: &[],
        call: "run.projects.locations.services.setIamPolicy",
        leaves: "",
    },
    Attempt { name: "read", what: "list the storage's files", after: &[], call: "storage.objects.list", leaves: "" },
    Attempt {
        name: "rights",
        what: "see whether the management account may change the project's policy, roles or keys",
        after: &[],
        call: "cloudresourcemanager.projects.testIamPermissions",
        leaves: "",
    },
];

/// Rights on a project by which whoever has them can get any other.
const RIGHTS: [&str; 4] = [
    "resourcemanager.projects.setIamPolicy",
    "iam.roles.update",
    "iam.serviceAccountKeys.create",
    "iam.serviceAccounts.getAccessToken",
];

#[async_trait]
impl Provable for Gcp {
    fn adapter(&self) -> &'static dyn Adapter {
        &alien_gcp::Adapter
    }

    fn title(&self) -> &'static str {
        "Google Cloud"
    }

    fn facts(&self) -> &'static [Fact] {
        FACTS
    }

    fn attempts(&self) -> &'static [Attempt] {
        ATTEMPTS
    }

    /// Prices: <https://cloud.google.com/run/pricing>, <https://cloud.google.com/firestore/pricing>.
    fn cost(&self) -> &'static str {
        "one Cloud Run instance of the smallest size that is kept running, typically for under half an hour: about 0.02 USD an hour; \
         all else is within the free tiers or costs less than that"
    }

    fn needs(&self, record: &Deployment) -> Result<Vec<Need>> {
        let enter = "iamcredentials.projects.serviceAccounts.generateAccessToken";
        needs::<alien_gcp::Gcp>(record, [enter, "iam.serviceAccounts.getAccessToken"])
    }

    async fn outsider(&self, _: &Deployment, vendor: &Connection) -> Result<Box<dyn Outsider>> {
        let endpoint = vendor.endpoint_url()?.map(str::to_owned);
        let credentials = alien_gcp::Config::connected(vendor).await?.credentials();
        Ok(Box::new(Vendor { plain: Plain::new(None)?.as_of(&vendor.calls), credentials, endpoint }))
    }
}

/// The vendor, with a plain client.
#[derive(Debug)]
struct Vendor {
    plain: Plain,
    credentials: Credentials,
    /// The address of an emulator, in the place of Google's own.
    endpoint: Option<String>,
}

impl Vendor {
    /// An address of one of Google's services.
    fn at(&self, service: &str, path: &str) -> String {
        match &self.endpoint {
            Some(url) => format!("{}{path}", url.trim_end_matches('/')),
            None => format!("https://{service}.googleapis.com{path}"),
        }
    }

    /// A token of the management account.
    async fn enter(&self, account: &str) -> Result<String> {
        let wrong = |what: String| Error::new(ErrorKind::Credentials, what);
        let CacheableResource::New { data, .. } =
            self.credentials.headers(Extensions::new()).await.map_err(|error| wrong(error.to_string()))?
        else {
            return Err(wrong("the credentials give no token".to_owned()));
        };
        let bearer = data.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let bearer = bearer.ok_or_else(|| wrong("the credentials give no bearer token".to_owned()))?;
        let url = self.at("iamcredentials", &format!("/v1/projects/-/serviceAccounts/{account}:generateAccessToken"));
        let scope = json!({ "scope": ["https://www.googleapis.com/auth/cloud-platform"] });
        let entered = self.plain.send(Method::POST, &url, Some(bearer), Body::Json(&scope)).await?.done()?;
        text(&entered, "/accessToken")
    }
}

#[async_trait]
impl Outsider for Vendor {
    async fn attempt(&self, deployment: &Deployment, name: &str) -> Result<Outcome> {
        let account = deployment.identity.rsplit('/').next().unwrap_or_default();
        let token = self.enter(account).await?;
        let service = |resource: &str| {
            let name = id(deployment, resource)?;
            let name = name.strip_prefix("//run.googleapis.com/").unwrap_or(name);
            Ok::<_, Error>(self.at("run", &format!("/v2/{name}")))
        };
        let (api, ledger) = (service(API)?, service(LEDGER)?);
        let send = async |method, url: &str, body: Body<'_>| {
            Ok::<_, Error>(self.plain.send(method, url, Some(&token), body).await?.outcome())
        };
        match name {
            "frozen" => {
                let found = self.plain.get(&ledger, &token).await?;
                send(Method::PATCH, &ledger, Body::Json(&found)).await
            }
            "other-account" => {
                let mut found = self.plain.get(&api, &token).await?;
                let others = text(&self.plain.get(&ledger, &token).await?, "/template/serviceAccount")?;
                let none = || Error::new(ErrorKind::Internal, "a service without an account");
                *found.pointer_mut("/template/serviceAccount").ok_or_else(none)? = others.into();
                send(Method::PATCH, &api, Body::Json(&found)).await
            }
            "create" => {
                let image = text(&self.plain.get(&api, &token).await?, "/template/containers/0/image")?;
                let another = json!({ "template": { "containers": [{ "image": image }] } });
                let parent = api.rsplit_once('/').map_or("", |(parent, _)| parent);
                send(Method::POST, &format!("{parent}?serviceId=alien-prove-another"), Body::Json(&another)).await
            }
            "public" => {
                let anyone = json!([{ "role": "roles/run.invoker", "members": ["allUsers"] }]);
                let policy = json!({ "policy": { "bindings": anyone } });
                send(Method::POST, &format!("{api}:setIamPolicy"), Body::Json(&policy)).await
            }
            "read" => {
                let bucket = id(deployment, DATA)?.rsplit('/').next().unwrap_or_default();
                let url = self.at("storage", &format!("/storage/v1/b/{bucket}/o"));
                send(Method::GET, &url, Body::Nothing).await
            }
            // To try one of these would be dangerous where it is not refused.
            "rights" => {
                let project = deployment.target.field("project").unwrap_or_default();
                let url = self.at("cloudresourcemanager", &format!("/v3/projects/{project}:testIamPermissions"));
                let asked = json!({ "permissions": RIGHTS });
                let held = self.plain.send(Method::POST, &url, Some(&token), Body::Json(&asked)).await?.done()?;
                Ok(match held.get("permissions").and_then(Value::as_array).filter(|held| !held.is_empty()) {
                    Some(_) => Outcome::Allowed,
                    None => Outcome::Refused("none of them is held".to_owned()),
                })
            }
            _ => Err(unknown(name)),
        }
    }
}
