//! What is there at the beginning: a customer with an admin and, on Google Cloud, an account for an agent; and a vendor whom the customer
//! does not know yet.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alien_sim::azure::{Azure, Issuer};
use alien_sim::gcp::Gcp;
use serde_json::json;

use crate::Failure;
use crate::folder::Folder;
use crate::told::Told;

/// How long the tokens of an issuer last, in the place of one that signs a new one every few minutes.
const LONG: Duration = Duration::from_secs(30 * 24 * 3_600);

pub(crate) fn gcp(gcp: &Gcp, folder: &Folder) -> Result<Told, Failure> {
    let (project, number, location) = ("customer-project", 123_456_789_012, "europe-west3");
    gcp.project(project, number);
    gcp.project("vendor-project", 210_987_654_321);
    // The images of `examples/my-app.json`, which everyone may pull.
    let images = gcp.repository("vendor-project", "us", "my-app");
    gcp.bind(&images, "roles/artifactregistry.reader", "allUsers");
    let admin = gcp.service_account(project, "the-admin");
    let owner = format!("serviceAccount:{admin}");
    gcp.bind(&format!("//cloudresourcemanager.googleapis.com/projects/{project}"), "roles/owner", &owner);
    let vendor = gcp.service_account("vendor-project", "vendor");
    let agent = gcp.service_account(project, "alien-agent");
    // Whoever asks the metadata server is this account, as on a machine that runs as it.
    gcp.default_account(&agent);
    let url = gcp.url().to_owned();
    let variables = |key: String| vec![("GOOGLE_APPLICATION_CREDENTIALS", key), ("SIM_URL", url.clone())];
    let mut admins = variables(folder.write("admin.json", &gcp.key(&admin))?);
    admins.push(("SIM_TOKEN_FILE", folder.write("admin.token", &gcp.token(&owner))?));
    Ok(Told {
        name: "Google Cloud",
        cloud: "gcp",
        admin: admins,
        vendor: variables(folder.write("vendor.json", &gcp.key(&vendor))?),
        agent: vec![("GCE_METADATA_HOST", url.trim_start_matches("http://").to_owned()), ("SIM_URL", url.clone())],
        target: vec![
            ("--project", project.to_owned()),
            ("--project-number", number.to_string()),
            ("--location", location.to_owned()),
        ],
        trust: vec![("--vendor", vendor)],
        pull: vec![("--agent", agent)],
        endpoint: vec![("--endpoint-url", url.clone())],
        url,
    })
}

pub(crate) fn azure(azure: &Azure, folder: &Folder) -> Result<Told, Failure> {
    let (subscription, group, location) = ("00000000-0000-0000-0000-000000000001", "customer-rg", "westeurope");
    azure.subscription(subscription);
    let scope = azure.resource_group(subscription, group, location);
    let (issuer, subject) = (azure.issuer("vendor"), "deployment:acme");
    let own = azure.issuer("customer");
    let admin = azure.application("the-admin");
    azure.assign(&scope, "Owner", &admin.principal);
    azure.federate(&admin.client_id, own.url(), "the-admin");
    let url = azure.url().to_owned();
    let certificate = folder.write("certificate.pem", azure.certificate())?;
    let called = [("SIM_URL", url.clone()), ("SIM_CERTIFICATE", certificate.clone())];
    let token = azure.token(&admin.principal, "https://management.azure.com/");
    let mut admins = vec![
        ("AZURE_TENANT_ID", azure.tenant().to_owned()),
        ("AZURE_CLIENT_ID", admin.client_id),
        ("AZURE_FEDERATED_TOKEN_FILE", folder.write("admin.jwt", &assertion(&own, "the-admin"))?),
        ("SIM_TOKEN_FILE", folder.write("admin.token", &token)?),
    ];
    admins.extend(called.clone());
    let mut vendors = vec![
        ("AZURE_FEDERATED_TOKEN_FILE", folder.write("vendor.jwt", &assertion(&issuer, subject))?),
        ("SIM_ISSUER", issuer.url().to_owned()),
    ];
    vendors.extend(called);
    Ok(Told {
        name: "Microsoft Azure",
        cloud: "azure",
        admin: admins,
        vendor: vendors,
        agent: Vec::new(),
        target: vec![
            ("--tenant", azure.tenant().to_owned()),
            ("--subscription", subscription.to_owned()),
            ("--resource-group", group.to_owned()),
            ("--location", location.to_owned()),
        ],
        trust: vec![("--issuer", issuer.url().to_owned()), ("--subject", subject.to_owned())],
        pull: Vec::new(),
        endpoint: vec![("--endpoint-url", url.clone()), ("--endpoint-certificate", certificate)],
        url,
    })
}

/// A token about a subject that lasts as long as somebody tries things.
fn assertion(issuer: &Issuer, subject: &str) -> String {
    let ends = SystemTime::now() + LONG;
    let ends = ends.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    issuer.sign(&json!({ "sub": subject, "exp": ends }))
}
