//! Both sides on an emulated Azure in this process, which decides every request by roles and role assignments.

use std::error::Error;
use std::sync::{Mutex, PoisonError};

use alien_azure::{AUDIENCE, Config, Endpoint, Target, Trust, VendorToken};
use alien_core::{Deployment, DeploymentId};
use alien_sim::azure::{Azure as Sim, Issuer};
use async_trait::async_trait;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::code;
use crate::plain::{Answer, Body, Plain, outcome};
use examples::Sides;
use examples::around::{Around, Attempt, Outcome, sentence};
use examples::shop::{FILES, FROZEN, LIVE, Product};

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";
const GROUP: &str = "customer-rg";
const LOCATION: &str = "westeurope";
const ARM: &str = "https://management.azure.com/";

/// The image that the functions run.
const IMAGE: &str = "registry.example.com/echo";

pub(crate) async fn sides() -> Result<Sides, Box<dyn Error>> {
    let sim = Sim::start().await?;
    sim.subscription(SUBSCRIPTION);
    let group = sim.resource_group(SUBSCRIPTION, GROUP, LOCATION);
    let admin = sim.user("admin@example.com");
    sim.assign(&group, "Owner", &admin);
    // The vendor's own issuer: it publishes its keys where Entra can fetch them.
    let issuer = sim.issuer("vendor");

    let id = DeploymentId::new();
    let target = Target {
        tenant: sim.tenant().parse()?,
        subscription: SUBSCRIPTION.parse()?,
        resource_group: GROUP.parse()?,
        location: LOCATION.parse()?,
        prefix: "acme".parse()?,
        trust: Trust::Vendor { issuer: issuer.url().parse()?, subject: format!("deployment:{id}").parse()? },
    };
    let endpoint = Endpoint::emulator(sim.url(), sim.certificate().as_bytes())?;
    let config = Config::from_token(sim.token(&admin, ARM)).with_endpoint(endpoint.clone());
    let signs = issuer.clone();
    let token = VendorToken::from_fn(move |subject| {
        let token = signs.token(&subject, AUDIENCE);
        async move { Ok(token) }
    });
    let around = Emulator {
        plain: Plain::new(sim.url(), Some(sim.certificate()))?,
        group,
        issuer,
        vendor: Mutex::default(),
        target: target.clone(),
        sim,
    };
    let product = Product::new(|release| Ok(code::image(IMAGE, release)))?;
    let invitation = product.invitation(id, &target)?;
    Ok(Sides {
        admin: alien_azure::admin(&config, id, target),
        vendor: alien_azure::vendor(&Config::for_vendor(token).with_endpoint(endpoint)),
        invitation,
        product,
        around: Box::new(around),
    })
}

/// The emulated cloud, and a plain HTTP client for it.
struct Emulator {
    sim: Sim,
    plain: Plain,
    /// The id of the resource group.
    group: String,
    issuer: Issuer,
    target: Target,
    /// The object id of the management identity, as of the last attempt that found it.
    vendor: Mutex<Option<String>>,
}

/// The request path of an Azure Resource Manager id.
fn path(id: &str) -> String {
    let version = if id.contains("Microsoft.Authorization") { "2022-04-01" } else { "2025-07-01" };
    format!("{id}?api-version={version}")
}

impl Emulator {
    /// Asks Entra for a token of the management identity, with the vendor's own token.
    /// <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow#third-case-access-token-request-with-a-federated-credential>
    async fn enter(&self, deployment: &Deployment, audience: &str) -> Result<Answer, Box<dyn Error>> {
        let assertion = self.issuer.token(deployment.target.field("subject").unwrap_or_default(), AUDIENCE);
        let scope = format!("{}/.default", audience.trim_end_matches('/'));
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", deployment.identity_id.as_deref().ok_or("the record does not say the client id")?),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
            ("scope", &scope),
        ];
        let path = format!("/{}/oauth2/v2.0/token", self.target.tenant);
        self.plain.send(Method::POST, &path, None, Body::Form(&fields)).await
    }

    async fn answer(&self, deployment: &Deployment, attempt: Attempt) -> Result<Answer, Box<dyn Error>> {
        let audience = if attempt == Attempt::ReadFile { "https://storage.azure.com" } else { ARM };
        let entered = self.enter(deployment, audience).await?;
        if attempt == Attempt::Enter {
            return Ok(entered);
        }
        let entered = entered.done()?;
        let token = entered.get("access_token").and_then(Value::as_str).ok_or("no token")?;
        let resource = |id: &str| deployment.resources.get(id).map(String::as_str).ok_or("no such resource");
        let (live, frozen) = (resource(LIVE)?, resource(FROZEN)?);
        let found = async |id: &str| self.plain.get(&path(id), token).await;
        let send = async |method, path: &str, body: Body<'_>| self.plain.send(method, path, Some(token), body).await;
        match attempt {
            Attempt::UpdateFrozen => {
                let template = found(frozen).await?.pointer("/properties/template").cloned();
                let change = json!({ "properties": { "template": template } });
                send(Method::PATCH, &path(frozen), Body::Json(&change)).await
            }
            Attempt::RunAsAnother => {
                let others = found(frozen).await?;
                let others = others.pointer("/identity/userAssignedIdentities").and_then(Value::as_object);
                let id = others.and_then(|others| others.keys().next()).ok_or("an app without an identity")?;
                let identity = json!({ "type": "UserAssigned", "userAssignedIdentities": { id: {} } });
                send(Method::PATCH, &path(live), Body::Json(&json!({ "identity": identity }))).await
            }
            Attempt::ReadFile => {
                let container = resource(FILES)?;
                let mut parts = container.split('/').rev();
                let (name, account) = (parts.next().unwrap_or_default(), parts.nth(3).unwrap_or_default());
                self.sim.put_blob(account, name, "receipt", b"14.20 EUR");
                let path = format!("/{account}.blob.core.windows.net/{name}/receipt");
                send(Method::GET, &path, Body::Nothing).await
            }
            Attempt::Create => {
                let app = found(live).await?;
                let body = json!({
                    "location": LOCATION,
                    "properties": {
                        "environmentId": app.pointer("/properties/environmentId"),
                        "template": app.pointer("/properties/template"),
                    },
                });
                let another = format!("{}/providers/Microsoft.App/containerApps/another", self.group);
                send(Method::PUT, &path(&another), Body::Json(&body)).await
            }
            Attempt::DeleteLive => send(Method::DELETE, &path(live), Body::Nothing).await,
            Attempt::WidenRights => {
                let authorization = "providers/Microsoft.Authorization";
                let owner = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
                let body = json!({ "properties": {
                    "principalId": self.principal(deployment)?,
                    "principalType": "ServicePrincipal",
                    "roleDefinitionId": format!("/subscriptions/{SUBSCRIPTION}/{authorization}/roleDefinitions/{owner}"),
                } });
                let assignment = format!("{}/{authorization}/roleAssignments/{}", self.group, Uuid::new_v4());
                send(Method::PUT, &path(&assignment), Body::Json(&body)).await
            }
            Attempt::Enter => Err("it was tried above".into()),
        }
    }

    /// The object id of the management identity.
    fn principal(&self, deployment: &Deployment) -> Result<String, Box<dyn Error>> {
        let body = self.sim.body(&deployment.identity).ok_or("the management identity is not there")?;
        let id = body.pointer("/properties/principalId").and_then(Value::as_str).ok_or("an identity without an id")?;
        Ok(id.to_owned())
    }
}

#[async_trait]
impl Around for Emulator {
    async fn attempt(&self, deployment: &Deployment, attempt: Attempt) -> Result<Outcome, Box<dyn Error>> {
        if let Ok(principal) = self.principal(deployment) {
            *self.vendor.lock().unwrap_or_else(PoisonError::into_inner) = Some(principal);
        }
        let before = self.sim.decisions().len();
        let answer = self.answer(deployment, attempt).await?;
        let decisions = self.sim.decisions();
        let refused = decisions.iter().skip(before).rev().find(|decision| !decision.allowed);
        outcome(&answer, refused.map(|decision| decision.permission.clone()))
    }

    fn requests(&self) -> Option<usize> {
        Some(self.sim.requests().len())
    }

    fn decided(&self) -> Option<String> {
        let vendor = self.vendor.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let decisions = self.sim.decisions();
        let refused = decisions.iter().filter(|decision| !decision.allowed).count();
        let vendors = decisions.iter().filter(|decision| Some(&decision.principal) == vendor.as_ref()).count();
        Some(sentence(decisions.len(), vendors, refused))
    }
}
