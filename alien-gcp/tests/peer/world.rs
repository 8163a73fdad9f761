//! The emulated project, as the suite knows clouds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alien_conformance::fleet::Bare;
use alien_conformance::interrupted::Faulty;
use alien_conformance::pulled::BothModels;
use alien_conformance::upgrade::Sent;
use alien_conformance::world::{HurriedClock, Shipped, World, quickly};
use alien_core::adapter::{AccessControl, DeploymentContext, Subject};
use alien_core::{Action, Admin, CallConfig, Code, Deployment, DeploymentId, Impersonate};
use alien_gcp::policy::Principal;
use alien_gcp::{Agent, Config, Gcp, Target, Trust};
use alien_sim::gcp::Gcp as Sim;
use async_trait::async_trait;
use serde_json::{Value, json};

pub(crate) const PROJECT: &str = "customer-project";
pub(crate) const NUMBER: &str = "123456789012";
pub(crate) const LOCATION: &str = "europe-west3";
pub(crate) const ADMIN: &str = "user:admin@example.com";

/// The full name of the customer's project.
pub(crate) fn project() -> String {
    format!("//cloudresourcemanager.googleapis.com/projects/{PROJECT}")
}

pub(crate) struct Peer {
    pub(crate) sim: Sim,
    vendor: String,
    /// A client that knows nothing of this library.
    plain: reqwest::Client,
    /// The agent of a world that pulls.
    pulls: Option<Agent>,
    /// Policies as they were before something was taken away.
    saved: Mutex<Vec<(String, Value)>>,
}

impl Peer {
    /// A customer's project with an admin and a repository of images, and a vendor's service account.
    pub(crate) async fn new() -> Self {
        let sim = Sim::start().await.unwrap();
        sim.project(PROJECT, NUMBER.parse().unwrap());
        sim.project("vendor-project", 210_987_654_321);
        sim.bind(&project(), "roles/owner", ADMIN);
        sim.repository(PROJECT, LOCATION, "app");
        let vendor = sim.service_account("vendor-project", "vendor");
        sim.service_account(PROJECT, "alien-agent");
        let plain = reqwest::Client::new();
        Self { sim, vendor, plain, pulls: None, saved: Mutex::default() }
    }

    /// The same where releases can be pulled by a service account of a cluster.
    pub(crate) async fn in_a_cluster() -> Self {
        Self { pulls: Some(Agent::Cluster("shop/agent".parse().unwrap())), ..Self::new().await }
    }

    /// The agent as policies name it.
    fn agent_member(&self) -> String {
        match self.agents() {
            Agent::ServiceAccount(name) => format!("serviceAccount:{name}@{PROJECT}.iam.gserviceaccount.com"),
            Agent::Cluster(account) => format!(
                "principal://iam.googleapis.com/projects/{NUMBER}/locations/global/workloadIdentityPools/{PROJECT}.svc.id.goog/subject/ns/{}/sa/{}",
                account.namespace(),
                account.name()
            ),
        }
    }

    fn agents(&self) -> Agent {
        self.pulls.clone().unwrap_or_else(account)
    }

    /// What `principal` calls with.
    pub(crate) fn config(&self, principal: &str) -> Config {
        Config::from_token(&self.sim.token(principal)).unwrap().with_endpoint(self.sim.url())
    }

    /// The vendor's service account, as policies name it.
    pub(crate) fn vendor_member(&self) -> String {
        format!("serviceAccount:{}", self.vendor)
    }

    pub(crate) fn plain(&self) -> reqwest::Client {
        self.plain.clone()
    }

    /// A token of the management account, as any client can get one with the vendor's own.
    pub(crate) async fn session(&self, deployment: &Deployment) -> String {
        let email = deployment.identity.rsplit('/').next().unwrap();
        let url = format!("{}/v1/projects/-/serviceAccounts/{email}:generateAccessToken", self.sim.url());
        let body = json!({ "scope": ["https://www.googleapis.com/auth/cloud-platform"], "lifetime": "900s" });
        let request = self.plain.post(url).bearer_auth(self.sim.token(&self.vendor_member()));
        let request = request.header("content-type", "application/json").body(body.to_string());
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200, "{answer:?}");
        let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        answer["accessToken"].as_str().unwrap().to_owned()
    }
}

fn account() -> Agent {
    Agent::ServiceAccount("alien-agent".parse().unwrap())
}

impl BothModels for Peer {
    fn agents_target(&self, prefix: &str) -> Target {
        Target { trust: Trust::Agent(self.agents()), ..self.target(prefix) }
    }

    fn agent(&self, how: CallConfig) -> Arc<dyn Impersonate> {
        alien_gcp::agent(&self.config(&self.agent_member()).with_calls(how))
    }
}

/// The documents that the library renders for the vendor.
pub(crate) fn rendered(deployment: &Deployment) -> Principal {
    let context = DeploymentContext::<Gcp>::of(deployment).unwrap();
    Gcp::principal(&context.layout, &context.permissions().management)
}

/// The image that does what a function should, by its digest.
pub(crate) fn image(says: &str) -> String {
    let code = Code::zip(says.as_bytes());
    format!("{LOCATION}-docker.pkg.dev/{PROJECT}/app/echo@{}", code.only().unwrap().digest())
}

/// A custom role of the customer's project.
pub(crate) fn role_name(id: &str) -> String {
    format!("projects/{PROJECT}/roles/{id}")
}

fn relative(name: &str) -> &str {
    name.strip_prefix("//").map_or(name, |name| name.split_once('/').unwrap().1)
}

/// The condition that a resource is one of these.
fn only(names: &[&str]) -> Value {
    let names: Vec<String> = names.iter().map(|name| format!("resource.name == \"{name}\"")).collect();
    json!({ "title": "test", "expression": names.join(" || ") })
}

#[async_trait]
impl World for Peer {
    type Cloud = Gcp;

    fn target(&self, prefix: &str) -> Target {
        Target {
            project: PROJECT.parse().unwrap(),
            project_number: NUMBER.parse().unwrap(),
            location: LOCATION.parse().unwrap(),
            prefix: prefix.parse().unwrap(),
            trust: Trust::Vendor(self.vendor.parse().unwrap()),
        }
    }

    fn calling(&self) -> CallConfig {
        quickly(HurriedClock::begin(), Duration::from_secs(120))
    }

    fn admin(&self, id: DeploymentId, target: Target, how: CallConfig) -> Admin {
        alien_gcp::admin(&self.config(ADMIN).with_calls(how), id, target)
    }

    fn vendor(&self, how: CallConfig) -> Arc<dyn Impersonate> {
        alien_gcp::vendor(&self.config(&self.vendor_member()).with_calls(how))
    }

    fn code(&self, says: &str) -> Shipped {
        Shipped::Image(image(says))
    }

    /// Since version 2 the vendor watches no network but its subnetwork, and what is public checks nobody.
    fn is_set_anew(&self, version: &str, context: &DeploymentContext<Gcp>, subject: Subject) -> Option<Action> {
        let resource = |position| context.stack().resources().get(position);
        let changed = match subject {
            Subject::ManagementIdentity => true,
            Subject::Resource(position) => resource(position).is_some_and(|one| one.settings().is_public()),
            _ => false,
        };
        (version == "v1" && changed).then_some(Action::Update)
    }

    /// A role without the permission takes the place of the rendered one, where it was bound on those things.
    async fn take_away(&self, deployment: &Deployment, permission: &str, on: &[String]) {
        let principal = rendered(deployment);
        let member = format!("serviceAccount:{}", principal.service_account.email);
        let on: Vec<&str> = on.iter().map(String::as_str).collect();
        for (number, binding) in principal.bindings.iter().enumerate() {
            let id = binding.role.rsplit('/').next().unwrap();
            let role = principal.custom_roles.iter().find(|role| role.role_id == id).unwrap();
            let quoted = |name: &&str| {
                binding.condition.as_ref().is_some_and(|c| c.expression.contains(&format!("\"{}\"", relative(name))))
            };
            let taken: Vec<&str> =
                on.iter().copied().filter(|name| binding.resource == *name || quoted(name)).map(relative).collect();
            if taken.is_empty() || !role.included_permissions.iter().any(|one| one == permission) {
                continue;
            }
            let mut policy = self.sim.policy(&binding.resource).unwrap();
            self.saved.lock().unwrap().push((binding.resource.clone(), policy.clone()));
            let bindings = policy["bindings"].as_array_mut().unwrap();
            let due = binding.condition.as_ref().map(|condition| condition.expression.as_str());
            let found = bindings
                .iter_mut()
                .find(|found| found["role"] == binding.role && found["condition"]["expression"].as_str() == due)
                .unwrap();
            let members = found["members"].as_array_mut().unwrap();
            members.retain(|found| *found != member);
            let less: Vec<&str> =
                role.included_permissions.iter().map(AsRef::as_ref).filter(|one| *one != permission).collect();
            if !less.is_empty() {
                let id = format!("test.{number}.{}", permission.replace(['.', '/'], "_"));
                let name = role_name(&id);
                self.sim.set_role(&name, &less);
                let mut reduced = json!({ "role": name, "members": [member] });
                if binding.condition.is_some() {
                    reduced["condition"] = only(&taken);
                }
                bindings.push(reduced);
            }
            // What is taken away of some things stays for the others that the condition names.
            let others: Vec<&str> = due.into_iter().flat_map(|due| due.split('"').skip(1).step_by(2)).collect();
            let others: Vec<&str> = others.into_iter().filter(|name| !taken.contains(name)).collect();
            if !others.is_empty() {
                bindings.push(json!({ "role": binding.role, "members": [member], "condition": only(&others) }));
            }
            bindings.retain(|found| !found["members"].as_array().unwrap().is_empty());
            self.sim.set_policy(&binding.resource, &policy);
        }
    }

    async fn give_back(&self, _: &Deployment) {
        let mut saved = std::mem::take(&mut *self.saved.lock().unwrap());
        // A policy that was changed twice goes back to what it was first.
        saved.reverse();
        for (name, policy) in saved {
            self.sim.set_policy(&name, &policy);
        }
    }
}

impl Faulty for Peer {
    /// Without roles, which are for every deployment.
    fn there(&self) -> BTreeSet<String> {
        self.sim.things().into_iter().filter(|name| !name.contains("/roles/alien.")).collect()
    }

    fn take_changes(&self) -> BTreeSet<String> {
        let changes = self.sim.take_requests().into_iter().filter(|request| request.verb != "GET");
        let asks = ["getIamPolicy", "testIamPermissions"];
        changes.map(|request| request.method).filter(|method| !asks.iter().any(|ask| method.ends_with(ask))).collect()
    }

    fn lose_an_answer(&self, method: &str) {
        self.sim.faults().fail_after(method, 1, "UNAVAILABLE");
    }
}

#[async_trait]
impl Bare for Peer {
    type Session = String;

    fn sent(&self) -> Vec<Sent> {
        let sent = self.sim.take_requests().into_iter().map(|request| {
            let url = reqwest::Url::parse_with_params(&format!("{}{}", self.sim.url(), request.path), &request.query);
            let url = url.unwrap();
            let query = url.query().filter(|query| !query.is_empty()).map(|query| format!("?{query}"));
            let target = format!("{}{}", url.path(), query.unwrap_or_default());
            Sent { verb: request.verb, target, headers: BTreeMap::new(), body: request.body, answer: Value::Null }
        });
        sent.collect()
    }

    fn enters(&self, sent: &Sent) -> bool {
        sent.target.contains(":generateAccessToken")
    }

    async fn enter(&self, deployment: &Deployment, _: &Sent) -> String {
        self.session(deployment).await
    }

    async fn send(&self, token: &String, sent: &Sent) {
        let url = format!("{}{}", self.sim.url(), sent.target);
        let mut request = self.plain.request(sent.verb.parse().unwrap(), url).bearer_auth(token);
        if !sent.body.is_null() {
            request = request.header("content-type", "application/json").body(sent.body.to_string());
        }
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{sent:?}: {}", answer.status());
        drop(answer.bytes().await.unwrap());
    }
}
