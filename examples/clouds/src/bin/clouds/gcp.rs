//! Both sides with Google's own clients, on an emulated project in this process that enforces IAM.

use std::error::Error;

use alien_core::{Deployment, DeploymentId};
use alien_gcp::{Config, Target, Trust};
use alien_sim::gcp::Gcp as Sim;
use async_trait::async_trait;
use reqwest::Method;
use serde_json::{Value, json};

use crate::code;
use crate::plain::{Answer, Body, Plain, outcome};
use examples::Sides;
use examples::around::{Around, Attempt, Outcome, sentence};
use examples::shop::{FILES, FROZEN, LIVE, Product};

const PROJECT: &str = "customer-project";
const NUMBER: &str = "123456789012";
const LOCATION: &str = "europe-west3";
const ADMIN: &str = "user:admin@example.com";

/// The image that the functions run.
const IMAGE: &str = "europe-west3-docker.pkg.dev/customer-project/app/echo";

pub(crate) async fn sides() -> Result<Sides, Box<dyn Error>> {
    let sim = Sim::start().await?;
    sim.project(PROJECT, NUMBER.parse()?);
    sim.project("vendor-project", 210_987_654_321);
    sim.bind(&format!("//cloudresourcemanager.googleapis.com/projects/{PROJECT}"), "roles/owner", ADMIN);
    sim.repository(PROJECT, LOCATION, "app");
    let vendor = sim.service_account("vendor-project", "vendor");
    let member = format!("serviceAccount:{vendor}");
    let config = |principal: &str| {
        Ok::<_, alien_core::Error>(Config::from_token(&sim.token(principal))?.with_endpoint(sim.url()))
    };

    let id = DeploymentId::new();
    let target = Target {
        project: PROJECT.parse()?,
        project_number: NUMBER.parse()?,
        location: LOCATION.parse()?,
        prefix: "acme".parse()?,
        trust: Trust::Vendor(vendor.parse()?),
    };
    let product = Product::new(|release| Ok(code::image(IMAGE, release)))?;
    let invitation = product.invitation(id, &target)?;
    Ok(Sides {
        admin: alien_gcp::admin(&config(ADMIN)?, id, target),
        vendor: alien_gcp::vendor(&config(&member)?),
        invitation,
        product,
        around: Box::new(Emulator { plain: Plain::new(sim.url(), None)?, sim, vendor: member }),
    })
}

/// The emulated cloud, and a plain HTTP client for it.
struct Emulator {
    sim: Sim,
    plain: Plain,
    vendor: String,
}

impl Emulator {
    /// Asks Google for a token of the management service account, with the vendor's own token.
    async fn enter(&self, account: &str) -> Result<Answer, Box<dyn Error>> {
        let path = format!("/v1/projects/-/serviceAccounts/{account}:generateAccessToken");
        let scope = json!({ "scope": ["https://www.googleapis.com/auth/cloud-platform"] });
        self.plain.send(Method::POST, &path, Some(&self.sim.token(&self.vendor)), Body::Json(&scope)).await
    }

    async fn answer(&self, deployment: &Deployment, attempt: Attempt) -> Result<Answer, Box<dyn Error>> {
        let account = deployment.identity.rsplit('/').next().unwrap_or_default();
        let entered = self.enter(account).await?;
        if attempt == Attempt::Enter {
            return Ok(entered);
        }
        let entered = entered.done()?;
        let token = entered.get("accessToken").and_then(Value::as_str).ok_or("no token")?;
        let path = |id: &str| -> Result<String, Box<dyn Error>> {
            let name = deployment.resources.get(id).ok_or("no such resource")?;
            Ok(format!("/v2/{}", name.trim_start_matches("//run.googleapis.com/")))
        };
        let (live, frozen) = (path(LIVE)?, path(FROZEN)?);
        let send = async |method, path: &str, body: Body<'_>| self.plain.send(method, path, Some(token), body).await;
        match attempt {
            Attempt::UpdateFrozen => {
                let found = self.plain.get(&frozen, token).await?;
                send(Method::PATCH, &frozen, Body::Json(&found)).await
            }
            Attempt::RunAsAnother => {
                let mut found = self.plain.get(&live, token).await?;
                let other = self.plain.get(&frozen, token).await?;
                let (Some(own), Some(others)) =
                    (found.pointer_mut("/template/serviceAccount"), other.pointer("/template/serviceAccount"))
                else {
                    return Err("a service runs under no account".into());
                };
                *own = others.clone();
                send(Method::PATCH, &live, Body::Json(&found)).await
            }
            Attempt::ReadFile => {
                let bucket = deployment.resources.get(FILES).and_then(|name| name.rsplit('/').next());
                let bucket = bucket.ok_or("no such bucket")?;
                self.sim.put_object(bucket, "receipt");
                send(Method::GET, &format!("/storage/v1/b/{bucket}/o/receipt?alt=media"), Body::Nothing).await
            }
            Attempt::Create => {
                let found = self.plain.get(&live, token).await?;
                let image = found.pointer("/template/containers/0/image").ok_or("a service without an image")?;
                let service = json!({ "template": { "containers": [{ "image": image }] } });
                let parent = live.rsplit_once('/').map_or("", |(parent, _)| parent);
                send(Method::POST, &format!("{parent}?serviceId=another"), Body::Json(&service)).await
            }
            Attempt::DeleteLive => send(Method::DELETE, &live, Body::Nothing).await,
            Attempt::WidenRights => {
                let bindings = json!([{ "role": "roles/owner", "members": [format!("serviceAccount:{account}")] }]);
                let path = format!("/v3/projects/{PROJECT}:setIamPolicy");
                send(Method::POST, &path, Body::Json(&json!({ "policy": { "bindings": bindings } }))).await
            }
            Attempt::Enter => Err("it was tried above".into()),
        }
    }
}

#[async_trait]
impl Around for Emulator {
    async fn attempt(&self, deployment: &Deployment, attempt: Attempt) -> Result<Outcome, Box<dyn Error>> {
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
        let decisions = self.sim.decisions();
        let refused = decisions.iter().filter(|decision| !decision.allowed).count();
        let vendors = decisions.iter().filter(|decision| decision.principal.contains("acme-management")).count();
        Some(sentence(decisions.len(), vendors, refused))
    }
}
