//! The emulated resource group, as the suite knows clouds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alien_azure::policy::Principal;
use alien_azure::{AUDIENCE, Agent, Azure, Config, Endpoint, Target, Trust, VendorToken};
use alien_conformance::fleet::Bare;
use alien_conformance::interrupted::Faulty;
use alien_conformance::pulled::BothModels;
use alien_conformance::upgrade::Sent;
use alien_conformance::world::{HurriedClock, Shipped, World, quickly};
use alien_core::adapter::{AccessControl, DeploymentContext, Subject};
use alien_core::{Action, Admin, CallConfig, Code, Delivery, Deployment, DeploymentId, Grant, Impersonate, Set};
use alien_sim::azure::{Azure as Sim, Issuer};
use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";
pub(crate) const GROUP: &str = "customer-rg";
pub(crate) const LOCATION: &str = "westeurope";
/// Whom tokens for Resource Manager are for.
pub(crate) const ARM: &str = "https://management.azure.com/";

/// The id of the issuer of the customer's cluster.
const CLUSTER: &str = "00000000-0000-0000-0000-0000000000aa";

/// An issuer of the vendor's whose address does not depend on the emulator's port.
pub(crate) const ISSUER: &str = "https://issuer.vendor.example";

pub(crate) struct Peer {
    pub(crate) sim: Sim,
    pub(crate) issuer: Issuer,
    /// Where the issuer says that it is.
    issuer_url: String,
    /// The object id of the customer's admin.
    pub(crate) admin: String,
    /// A client that knows nothing of this library.
    plain: reqwest::Client,
    /// Whether an agent runs on a machine, and not in a cluster.
    on_a_machine: bool,
    swapped: Mutex<Vec<Swapped>>,
}

/// An assignment that was taken away, and what took its place.
struct Swapped {
    assignment: String,
    role: String,
    principal: String,
    less: Vec<String>,
}

/// The role of who sees the providers of a subscription.
const READER: &str = "00000000-0000-4000-8000-0000000000aa";

impl Peer {
    /// A customer's resource group with an admin, and an issuer of the vendor's.
    pub(crate) async fn new() -> Self {
        let sim = Sim::start().await.unwrap();
        sim.subscription(SUBSCRIPTION);
        let group = sim.resource_group(SUBSCRIPTION, GROUP, LOCATION);
        let admin = sim.user("admin@example.com");
        sim.assign(&group, "Owner", &admin);
        // An admin sees which providers the subscription has registered, and nothing else of it.
        sim.set_role(READER, &["Microsoft.Resources/subscriptions/providers/read"], &[]);
        let at = format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleAssignments/{READER}");
        sim.set_assignment(&at, READER, &admin);
        let issuer = sim.issuer("vendor");
        let issuer_url = issuer.url().to_owned();
        let certificate = reqwest::Certificate::from_pem(sim.certificate().as_bytes()).unwrap();
        let plain = reqwest::Client::builder().tls_certs_only([certificate]).build().unwrap();
        let keys = issuer.keys();
        let peer = Self { sim, issuer, issuer_url, admin, plain, on_a_machine: false, swapped: Mutex::default() };
        peer.sim.publish(&peer.cluster(), &keys);
        peer
    }

    /// The same, where an agent runs on a machine.
    pub(crate) async fn with_a_machine() -> Self {
        Self { on_a_machine: true, ..Self::new().await }
    }

    /// The issuer of the customer's cluster.
    fn cluster(&self) -> String {
        format!("https://westeurope.oic.prod-aks.azure.com/{}/{CLUSTER}/", self.sim.tenant())
    }

    /// The same, whose deployments trust this issuer, of which Entra knows only what is published.
    pub(crate) async fn trusting(issuer: Option<&str>) -> Self {
        let peer = Self::new().await;
        match issuer {
            Some(url) => Self { issuer_url: url.to_owned(), ..peer },
            None => peer,
        }
    }

    /// The same, with an issuer that says that it is elsewhere.
    pub(crate) async fn with_issuer(url: &str) -> Self {
        let peer = Self::new().await;
        let keys = peer.plain().get(format!("{}/keys", peer.issuer.url())).send().await.unwrap();
        peer.sim.publish(url, &serde_json::from_slice(&keys.bytes().await.unwrap()).unwrap());
        Self { issuer_url: url.to_owned(), ..peer }
    }

    /// The id of the customer's resource group.
    pub(crate) fn group(&self) -> String {
        format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}")
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::emulator(self.sim.url(), self.sim.certificate().as_bytes()).unwrap()
    }

    /// What a principal calls with, by its object id.
    pub(crate) fn config(&self, principal: &str) -> Config {
        Config::from_token(self.sim.token(principal, ARM)).with_endpoint(self.endpoint())
    }

    /// What the vendor calls with.
    pub(crate) fn for_vendor(&self, token: VendorToken) -> Config {
        Config::for_vendor(token).with_endpoint(self.endpoint())
    }

    /// The vendor's own tokens: one for each subject that is asked for.
    pub(crate) fn vendor_token(&self) -> VendorToken {
        let (issuer, url) = (self.issuer.clone(), self.issuer_url.clone());
        VendorToken::from_fn(move |subject| {
            let token = issuer.sign(&json!({ "iss": url, "sub": subject, "aud": AUDIENCE }));
            async move { Ok(token) }
        })
    }

    /// A client that knows nothing of this library.
    pub(crate) fn plain(&self) -> reqwest::Client {
        self.plain.clone()
    }

    /// What Entra answers to an assertion for the management identity.
    pub(crate) async fn exchange(&self, deployment: &Deployment, assertion: &str, scope: &str) -> (u16, Value) {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", deployment.identity_id.as_deref().unwrap()),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
            ("scope", scope),
        ];
        let form: Vec<String> = form.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let url = format!("{}/{}/oauth2/v2.0/token", self.sim.url(), self.sim.tenant());
        let request = self.plain().post(url).header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body(form.join("&")).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
    }

    /// A token of the management identity, as any client can get one with the vendor's own.
    pub(crate) async fn session(&self, deployment: &Deployment, scope: &str) -> String {
        let subject = deployment.target.field("subject").unwrap();
        let (status, answer) = self.exchange(deployment, &self.issuer.token(subject, AUDIENCE), scope).await;
        assert_eq!(status, 200, "{answer}");
        answer["access_token"].as_str().unwrap().to_owned()
    }

    /// What Resource Manager tells the admin of something.
    pub(crate) async fn read(&self, id: &str, version: &str) -> Value {
        let url = format!("{}{id}?api-version={version}", self.sim.url());
        let answer = self.plain().get(url).bearer_auth(self.sim.token(&self.admin, ARM)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{id}");
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    /// The key of the workspace of this customer id.
    pub(crate) async fn workspace_key(&self, customer: &str) -> String {
        let is_it = |id: &&String| {
            self.sim.body(id).is_some_and(|body| body["properties"]["customerId"].as_str() == Some(customer))
        };
        let id = self.sim.things().into_iter().find(|id| is_it(&id)).unwrap();
        let url = format!("{}{id}/sharedKeys?api-version=2025-07-01", self.sim.url());
        let answer = self.plain().post(url).bearer_auth(self.sim.token(&self.admin, ARM)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{id}");
        let keys: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        keys["primarySharedKey"].as_str().unwrap().to_owned()
    }

    /// The object id of a managed identity.
    pub(crate) fn principal_id(&self, identity: &str) -> String {
        self.sim.body(identity).unwrap()["properties"]["principalId"].as_str().unwrap().to_owned()
    }
}

/// As forms are written.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

impl BothModels for Peer {
    fn agents_target(&self, prefix: &str) -> Target {
        let machine = "resourceGroups/tools/providers/Microsoft.Compute/virtualMachines/agent".parse().unwrap();
        let issuer = format!("westeurope/{CLUSTER}").parse().unwrap();
        let account = "shop/agent".parse().unwrap();
        let agent = if self.on_a_machine { Agent::Machine(machine) } else { Agent::Cluster { issuer, account } };
        Target { trust: Trust::Agent(agent), ..self.target(prefix) }
    }

    fn agent(&self, how: CallConfig) -> Arc<dyn Impersonate> {
        let (issuer, url) = (self.issuer.clone(), self.cluster());
        let token = VendorToken::from_fn(move |subject| {
            let token = issuer.sign(&json!({ "iss": url, "sub": subject, "aud": AUDIENCE }));
            async move { Ok(token) }
        });
        let config = Config::for_agent((!self.on_a_machine).then_some(token));
        alien_azure::agent(&config.with_endpoint(self.endpoint()).with_calls(how))
    }
}

/// The documents that the library renders for the vendor.
pub(crate) fn rendered(deployment: &Deployment) -> Principal {
    let context = DeploymentContext::<Azure>::of(deployment).unwrap();
    Azure::principal(&context.layout, &context.permissions().management)
}

/// The image that does what a function should, by its digest.
pub(crate) fn image(says: &str) -> String {
    let code = Code::zip(says.as_bytes());
    format!("registry.example.com/echo@{}", code.only().unwrap().digest())
}

/// The same as the code of a resource.
pub(crate) fn code(says: &str) -> Code {
    image(says).parse().unwrap()
}

#[async_trait]
impl World for Peer {
    type Cloud = Azure;

    fn target(&self, prefix: &str) -> Target {
        Target {
            tenant: self.sim.tenant().parse().unwrap(),
            subscription: SUBSCRIPTION.parse().unwrap(),
            resource_group: GROUP.parse().unwrap(),
            location: LOCATION.parse().unwrap(),
            prefix: prefix.parse().unwrap(),
            trust: Trust::Vendor {
                issuer: self.issuer_url.parse().unwrap(),
                subject: format!("deployment:{prefix}").parse().unwrap(),
            },
        }
    }

    fn calling(&self) -> CallConfig {
        quickly(HurriedClock::begin(), Duration::from_secs(120))
    }

    fn admin(&self, id: DeploymentId, target: Target, how: CallConfig) -> Admin {
        alien_azure::admin(&self.config(&self.admin).with_calls(how), id, target)
    }

    fn vendor(&self, how: CallConfig) -> Arc<dyn Impersonate> {
        alien_azure::vendor(&self.for_vendor(self.vendor_token()).with_calls(how))
    }

    fn code(&self, says: &str) -> Shipped {
        Shipped::Image(image(says))
    }

    /// The customer assigns the identity of a deployment that a machine manages to the machine, and takes it away again.
    async fn prepare(&self, deployment: &Deployment) {
        if self.on_a_machine {
            let is_pulled = deployment.delivery != Delivery::Push;
            self.sim.default_identity(if is_pulled { &deployment.identity } else { "nobody" });
        }
    }

    /// A role without the permission takes the place of the rendered one, where it was assigned at those things.
    async fn take_away(&self, deployment: &Deployment, permission: &str, on: &[String]) {
        let principal = rendered(deployment);
        let id = self.principal_id(&principal.identity.id);
        for assignment in principal.role_assignments.iter().filter(|one| on.contains(&one.scope)) {
            let role_id = &assignment.properties.role_definition_id;
            let role = principal.role_definitions.iter().find(|role| role_id.ends_with(&role.name)).unwrap();
            let held = &role.properties.permissions[0];
            let less = |actions: &'_ [alien_azure::policy::Text]| -> Vec<String> {
                actions.iter().filter(|one| **one != permission).map(ToString::to_string).collect()
            };
            let (actions, data) = (less(&held.actions), less(&held.data_actions));
            if actions.len() + data.len() == held.actions.len() + held.data_actions.len() {
                continue;
            }
            let at =
                |name: &str| format!("{}/providers/Microsoft.Authorization/roleAssignments/{name}", assignment.scope);
            self.sim.remove_assignment(&at(&assignment.name));
            let mut added = Vec::new();
            if !actions.is_empty() || !data.is_empty() {
                let role = Uuid::new_v4().to_string();
                self.sim.set_role(&role, &strs(&actions), &strs(&data));
                let less = at(&Uuid::new_v4().to_string());
                self.sim.set_assignment(&less, &role, &id);
                added.push(less);
            }
            let (role, principal) = (role_id.clone(), id.clone());
            let swapped = Swapped { assignment: at(&assignment.name), role, principal, less: added };
            self.swapped.lock().unwrap().push(swapped);
        }
    }

    /// Since version 2 the vendor deletes what the customer lets it, and creates nothing; and what has an ingress has a rule by which
    /// a request starts it.
    fn is_set_anew(&self, version: &str, context: &DeploymentContext<Azure>, subject: Subject) -> Option<Action> {
        let resource = |position| context.stack().resources().get(position);
        let changed = match subject {
            Subject::ManagementIdentity => {
                let stack = context.stack();
                stack.resources().iter().any(|one| stack.extensions(one.id()).next().is_some())
            }
            Subject::Resource(position) => {
                let invokes = |grant: &Grant| grant.subject == subject && grant.set == Set::Invoke;
                let mut grants = context.permissions().runtime.iter().flat_map(|grants| &grants.grants);
                resource(position).is_some_and(|one| one.settings().is_public()) || grants.any(invokes)
            }
            _ => false,
        };
        (version == "v1" && changed).then_some(Action::Update)
    }

    async fn give_back(&self, _: &Deployment) {
        for swapped in std::mem::take(&mut *self.swapped.lock().unwrap()) {
            for less in &swapped.less {
                self.sim.remove_assignment(less);
            }
            self.sim.set_assignment(&swapped.assignment, &swapped.role, &swapped.principal);
        }
    }
}

fn strs(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

impl Faulty for Peer {
    fn there(&self) -> BTreeSet<String> {
        self.sim.things().into_iter().collect()
    }

    fn take_changes(&self) -> BTreeSet<String> {
        let asked = self.sim.take_requests().into_iter();
        let changes = asked.filter(|request| request.verb != "GET" && request.path.starts_with("/subscriptions/"));
        // Keys are read by POST.
        changes.map(|request| request.method).filter(|method| !method.ends_with("/sharedKeys")).collect()
    }

    fn lose_an_answer(&self, method: &str) {
        self.sim.faults().fail_after(method, 1, "ServiceUnavailable");
    }
}

#[async_trait]
impl Bare for Peer {
    type Session = String;

    fn sent(&self) -> Vec<Sent> {
        let sent = self.sim.take_requests().into_iter().map(|request| {
            let query: Vec<String> =
                request.query.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
            let target = format!("{}?{}", request.path, query.join("&"));
            Sent { verb: request.verb, target, headers: BTreeMap::new(), body: request.body, answer: Value::Null }
        });
        sent.collect()
    }

    fn enters(&self, sent: &Sent) -> bool {
        sent.target.contains("/oauth2/v2.0/token")
    }

    async fn enter(&self, deployment: &Deployment, _: &Sent) -> String {
        self.session(deployment, &format!("{ARM}.default")).await
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
