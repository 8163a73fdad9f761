//! GCP, emulated in this process. Everybody has the file of a service account, as on a machine outside of Google Cloud.

use std::sync::Arc;

use alien_conformance::world::Shipped;
use alien_core::Code;
use alien_sim::gcp::Gcp;

use crate::room::{Agent, Cloud, Variables};

const PROJECT: &str = "customer-project";
const LOCATION: &str = "europe-west3";

pub(crate) fn cloud() -> Cloud {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sim = Arc::new(runtime.block_on(Gcp::start()).unwrap());
    sim.project(PROJECT, 123_456_789_012);
    sim.project("vendor-project", 210_987_654_321);
    sim.repository(PROJECT, LOCATION, "app");
    let admin = sim.service_account(PROJECT, "the-admin");
    let project = format!("//cloudresourcemanager.googleapis.com/projects/{PROJECT}");
    sim.bind(&project, "roles/owner", &format!("serviceAccount:{admin}"));
    let vendor = sim.service_account("vendor-project", "vendor");
    let someone = sim.service_account("vendor-project", "someone");
    let agent = sim.service_account(PROJECT, "alien-agent");
    sim.default_account(&agent);
    let host = sim.url().trim_start_matches("http://").to_owned();
    let file = |email: &str| -> Variables {
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!(
            "gcp-{}-{}.json",
            sim.url().rsplit(':').next().unwrap_or_default(),
            email.split('@').next().unwrap_or_default()
        ));
        std::fs::write(&path, sim.key(email)).unwrap();
        vec![("GOOGLE_APPLICATION_CREDENTIALS", path.display().to_string())]
    };
    let planted = Arc::clone(&sim);
    Cloud {
        name: "gcp",
        other_vendor: ("vendor@vendor-project", "another@vendor-project"),
        location: ["--project", PROJECT, "--project-number", "123456789012", "--location", LOCATION]
            .map(str::to_owned)
            .into(),
        endpoint: vec!["--endpoint-url".to_owned(), sim.url().to_owned()],
        admin: file(&admin),
        vendors: file(&vendor),
        others: (file(&someone), "cannot read the project `customer-project`"),
        nobody: "there are no GCP credentials here",
        agent: Agent {
            name: agent,
            credentials: vec![("GCE_METADATA_HOST", host.to_owned())],
            talks_to: vec![host.parse().unwrap()],
            assign: Box::new(|_| {}),
        },
        code: image,
        trust: vec!["--vendor".to_owned(), vendor.clone()],
        vendor,
        plant: Some(Box::new(move || {
            let method = "iamcredentials.projects.serviceAccounts.generateIdToken";
            planted.faults().fail_before(method, 1_000, "PERMISSION_DENIED");
            "command-by-identity"
        })),
        // The roles of the project stay: they are for every deployment.
        there: Box::new(move || sim.things().into_iter().filter(|name| !name.contains("/roles/alien.")).collect()),
    }
}

/// The emulator answers every command with itself, whichever image it is.
fn image(says: &str) -> Shipped {
    let code = Code::zip(says.as_bytes());
    let form = code.only().unwrap();
    let digest = form.digest();
    Shipped::Image(format!("{LOCATION}-docker.pkg.dev/{PROJECT}/app/echo@{digest}"))
}
