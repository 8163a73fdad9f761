//! Both sides by Google's own clients, on an emulated project in this process that enforces IAM.

use std::error::Error;
use std::sync::Arc;

use alien_core::call::Calling;
use alien_core::{Code, Deployment, DeploymentId, Invitation, Stack, SystemClock};
use alien_gcp::{Config, Gcp, Target};
use alien_sim::gcp::Gcp as Sim;
use google_cloud_iam_credentials_v1::client::IAMCredentials;
use google_cloud_run_v2::client::Services;
use uuid::Uuid;

use crate::Sides;

const PROJECT: &str = "customer-project";
const NUMBER: &str = "123456789012";
const LOCATION: &str = "europe-west3";
const ADMIN: &str = "user:admin@example.com";

/// The emulated cloud.
pub(crate) struct Emulator {
    sim: Sim,
    vendor: String,
}

/// What the functions of the quickstart run, by its digest: the emulator answers every command with itself.
pub(crate) fn image(release: &str) -> String {
    let digest = match Code::zip(release.as_bytes()) {
        Code::Zip(digest) | Code::Image(digest) => digest,
    };
    format!("{LOCATION}-docker.pkg.dev/{PROJECT}/app/echo@{digest}")
}

pub(crate) async fn sides(stack: Stack) -> Result<Sides, Box<dyn Error>> {
    let sim = Sim::start().await?;
    sim.project(PROJECT, NUMBER.parse()?);
    sim.project("vendor-project", 210_987_654_321);
    sim.bind(&format!("//cloudresourcemanager.googleapis.com/projects/{PROJECT}"), "roles/owner", ADMIN);
    sim.repository(PROJECT, LOCATION, "app");
    let vendor = sim.service_account("vendor-project", "vendor");
    let member = format!("serviceAccount:{vendor}");
    let config =
        |principal: &str| Ok::<_, alien_core::Error>(Config::from_token(&sim.token(principal))?.endpoint(sim.url()));

    let id = DeploymentId::from(Uuid::now_v7());
    let target = Target {
        project: PROJECT.parse()?,
        project_number: NUMBER.parse()?,
        location: LOCATION.parse()?,
        prefix: "acme".parse()?,
        vendor: vendor.parse()?,
    };
    let how = Calling::new(Arc::new(SystemClock));
    let trust = alien_core::trust::<Gcp>(&target)?;
    let invitation = Invitation { version: Invitation::VERSION, id, cloud: "gcp".to_owned(), trust, stack };
    Ok(Sides {
        provisioner: Arc::new(alien_gcp::provisioner(&config(ADMIN)?, id, target, how.clone())),
        vendor: Arc::new(alien_gcp::impersonator(&config(&member)?, how)),
        invitation,
        emulator: Some(Emulator { sim, vendor: member }),
    })
}

impl Emulator {
    /// What Google's own client is answered that updates a service with the vendor's token, without this library.
    pub(crate) async fn goes_round(&self, deployment: &Deployment, id: &str) -> Result<String, Box<dyn Error>> {
        let session = Config::from_token(&self.sim.token(&self.vendor))?.endpoint(self.sim.url());
        let account = deployment.identity.rsplit('/').next().unwrap_or_default();
        let entered = IAMCredentials::builder()
            .with_endpoint(self.sim.url())
            .with_credentials(session.credentials())
            .build()
            .await?;
        let token = entered
            .generate_access_token()
            .set_name(format!("projects/-/serviceAccounts/{account}"))
            .set_scope(["https://www.googleapis.com/auth/cloud-platform"])
            .send()
            .await?
            .access_token;
        let session = Config::from_token(&token)?.credentials();
        let services = Services::builder().with_endpoint(self.sim.url()).with_credentials(session).build().await?;
        let name = deployment.resources.get(id).ok_or("no such resource")?;
        let name = name.trim_start_matches("//run.googleapis.com/");
        let found = services.get_service().set_name(name).send().await?;
        match services.update_service().set_service(found).send().await {
            Ok(_) => Err("what is frozen was updated".into()),
            Err(error) => Ok(error.status().map(|status| status.message.clone()).unwrap_or_default()),
        }
    }

    /// What the emulator decided, in a sentence.
    pub(crate) fn decided(&self) -> String {
        let decisions = self.sim.decisions();
        let refused = decisions.iter().filter(|decision| !decision.allowed).count();
        let vendors = decisions.iter().filter(|decision| decision.principal.contains("acme-management")).count();
        format!(
            "The emulator decided {} permissions, {vendors} of them for the vendor's token, and refused {refused}.",
            decisions.len()
        )
    }
}
