//! gcloud as a client that is not ours: what it does with an administrator's token is done, and with the token of a user
//! who holds nothing it is refused by the name of the permission. It never leaves this machine: each API is overridden
//! (<https://cloud.google.com/sdk/docs/properties>).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by panicking"
)]

mod sdk;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use alien_conformance::peer;
use alien_sim::gcp::Gcp;
use libtest_mimic::Arguments;
use serde_json::{Value, json};

const PROJECT: &str = "acme-project";
const PROJECT_NAME: &str = "//cloudresourcemanager.googleapis.com/projects/acme-project";

fn main() {
    let arguments = Arguments::from_args();
    let installed = peer::told("gcloud", sdk::root());
    let trials = vec![
        sdk::trial("service_accounts_and_their_policies", &installed, service_accounts),
        sdk::trial("custom_roles_live_and_die", &installed, roles),
        sdk::trial("a_conditioned_binding_on_the_project", &installed, conditioned_binding),
        sdk::trial("topics_and_subscriptions", &installed, pubsub),
        sdk::trial("networks_and_subnetworks", &installed, compute),
        sdk::trial("databases", &installed, firestore),
        sdk::trial("log_buckets_and_sinks", &installed, logging),
        sdk::trial("a_bucket_is_described", &installed, storage),
        sdk::trial("a_user_without_roles_is_refused_by_the_name_of_the_permission", &installed, refused),
    ];
    libtest_mimic::run(&arguments, trials).exit()
}

/// An emulator with one project, and gcloud pointed at it.
struct World {
    gcp: Gcp,
    folder: PathBuf,
}

impl World {
    fn new(name: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let gcp = runtime.block_on(Gcp::start()).unwrap();
        gcp.project(PROJECT, 123_456_789);
        gcp.bind(PROJECT_NAME, "roles/owner", "user:admin@example.com");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("gcloud-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self { gcp, folder }
    }

    fn gcloud(&self, user: &str, command: &str) -> Output {
        let token = self.folder.join("token");
        std::fs::write(&token, self.gcp.token(&format!("user:{user}@example.com"))).unwrap();
        let url = self.gcp.url();
        let mut gcloud = Command::new("gcloud");
        gcloud
            .args(command.split_whitespace())
            .arg("--format=json")
            .env("CLOUDSDK_CONFIG", self.folder.join("config"))
            .env("CLOUDSDK_CORE_PROJECT", PROJECT)
            .env("CLOUDSDK_CORE_DISABLE_PROMPTS", "1")
            .env("CLOUDSDK_CORE_DISABLE_USAGE_REPORTING", "1")
            .env("CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK", "1")
            .env("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", &token)
            .env("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", format!("{url}/storage/v1/"))
            .env("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", format!("{url}/compute/v1/"));
        for api in ["CLOUDRESOURCEMANAGER", "FIRESTORE", "IAM", "LOGGING", "PUBSUB", "SERVICEUSAGE"] {
            gcloud.env(format!("CLOUDSDK_API_ENDPOINT_OVERRIDES_{api}"), format!("{url}/"));
        }
        gcloud.output().unwrap()
    }

    /// What the command answers an administrator.
    #[track_caller]
    fn done(&self, command: &str) -> Value {
        let output = self.gcloud("admin", command);
        assert!(output.status.success(), "gcloud {command}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// What the emulator keeps.
    #[track_caller]
    fn kept(&self, name: &str) -> Value {
        self.gcp.body(name).unwrap_or_else(|| panic!("there is no {name}: {:#?}", self.gcp.things()))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn service_accounts(_: PathBuf) {
    let world = World::new("accounts");
    let email = format!("acme-management@{PROJECT}.iam.gserviceaccount.com");
    let name = format!("//iam.googleapis.com/projects/{PROJECT}/serviceAccounts/{email}");
    world.done("iam service-accounts create acme-management --display-name=Management");
    assert_eq!(world.kept(&name)["displayName"], "Management");
    let described = world.done(&format!("iam service-accounts describe {email}"));
    assert_eq!(described["email"], email);
    world.done(&format!(
        "iam service-accounts add-iam-policy-binding {email} --member=user:vendor@example.com \
         --role=roles/iam.serviceAccountTokenCreator"
    ));
    let policy = world.done(&format!("iam service-accounts get-iam-policy {email}"));
    let bindings = json!([{"role": "roles/iam.serviceAccountTokenCreator", "members": ["user:vendor@example.com"]}]);
    assert_eq!(policy["bindings"], bindings);
    world.done(&format!("iam service-accounts delete {email}"));
    assert_eq!(world.gcp.body(&name), None);
}

fn roles(_: PathBuf) {
    let world = World::new("roles");
    world
        .done(&format!("iam roles create acme.heartbeat --project={PROJECT} --title=t --permissions=run.services.get"));
    world.done(&format!(
        "iam roles update acme.heartbeat --project={PROJECT} --permissions=run.services.get,run.services.list"
    ));
    let permissions = || world.done(&format!("iam roles describe acme.heartbeat --project={PROJECT}"));
    assert_eq!(permissions()["includedPermissions"], json!(["run.services.get", "run.services.list"]));
    world.done(&format!("iam roles delete acme.heartbeat --project={PROJECT}"));
    assert_eq!(permissions()["deleted"], true);
    world.done(&format!("iam roles undelete acme.heartbeat --project={PROJECT}"));
    assert_ne!(permissions()["deleted"], true);
}

fn conditioned_binding(_: PathBuf) {
    let world = World::new("condition");
    world.done(&format!(
        "projects add-iam-policy-binding {PROJECT} --member=user:a@example.com --role=roles/storage.objectViewer \
         --condition=expression=resource.name==\"projects/_/buckets/b\",title=one"
    ));
    let policy = world.done(&format!("projects get-iam-policy {PROJECT}"));
    let binding = policy["bindings"].as_array().unwrap().iter().find(|b| b["role"] == "roles/storage.objectViewer");
    let condition = &binding.expect("the binding")["condition"];
    assert_eq!(*condition, json!({"expression": "resource.name==\"projects/_/buckets/b\"", "title": "one"}));
    // Reading and writing the whole policy must not have cost the administrator anything.
    assert!(policy["bindings"].as_array().unwrap().iter().any(|b| b["role"] == "roles/owner"), "{policy:#}");
}

fn pubsub(_: PathBuf) {
    let world = World::new("pubsub");
    let topic = format!("//pubsub.googleapis.com/projects/{PROJECT}/topics/acme-jobs");
    let subscription = format!("//pubsub.googleapis.com/projects/{PROJECT}/subscriptions/acme-jobs");
    world.done("pubsub topics create acme-jobs --labels=a=b");
    assert_eq!(world.kept(&topic)["labels"], json!({"a": "b"}));
    world.done("pubsub subscriptions create acme-jobs --topic=acme-jobs --ack-deadline=30");
    assert_eq!(world.kept(&subscription)["ackDeadlineSeconds"], 30);
    let described = world.done("pubsub subscriptions describe acme-jobs");
    assert_eq!(described["topic"], format!("projects/{PROJECT}/topics/acme-jobs"));
    world.done("pubsub subscriptions delete acme-jobs");
    world.done("pubsub topics delete acme-jobs");
    assert_eq!((world.gcp.body(&topic), world.gcp.body(&subscription)), (None, None));
}

fn compute(_: PathBuf) {
    let world = World::new("compute");
    let network = format!("//compute.googleapis.com/projects/{PROJECT}/global/networks/acme");
    let subnetwork = format!("//compute.googleapis.com/projects/{PROJECT}/regions/europe-west1/subnetworks/acme");
    world.done("compute networks create acme --subnet-mode=custom");
    assert_eq!(world.kept(&network)["autoCreateSubnetworks"], false);
    world.done("compute networks subnets create acme --network=acme --region=europe-west1 --range=10.0.0.0/24");
    assert_eq!(world.kept(&subnetwork)["ipCidrRange"], "10.0.0.0/24");
    assert_eq!(world.done("compute networks describe acme")["name"], "acme");
}

fn firestore(_: PathBuf) {
    let world = World::new("firestore");
    world.done("firestore databases create --database=acme --location=eur3 --type=firestore-native");
    let name = format!("//firestore.googleapis.com/projects/{PROJECT}/databases/acme");
    assert_eq!(world.kept(&name)["locationId"], "eur3");
    assert_eq!(world.done("firestore databases describe --database=acme")["type"], "FIRESTORE_NATIVE");
}

fn logging(_: PathBuf) {
    let world = World::new("logging");
    let bucket = format!("projects/{PROJECT}/locations/europe-west1/buckets/acme");
    world.done("logging buckets create acme --location=europe-west1 --retention-days=7");
    assert_eq!(world.kept(&format!("//logging.googleapis.com/{bucket}"))["retentionDays"], 7);
    world.done(&format!("logging sinks create acme logging.googleapis.com/{bucket} --log-filter=severity>=ERROR"));
    let sink = world.kept(&format!("//logging.googleapis.com/projects/{PROJECT}/sinks/acme"));
    assert_eq!(sink["filter"], "severity>=ERROR");
    assert_eq!(world.done("logging buckets describe acme --location=europe-west1")["retentionDays"], 7);
}

fn storage(_: PathBuf) {
    let world = World::new("storage");
    world.done("storage buckets create gs://acme-files --location=eu --uniform-bucket-level-access");
    let kept = world.kept("//storage.googleapis.com/projects/_/buckets/acme-files");
    assert_eq!(kept["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"], true);
    assert_eq!(world.done("storage buckets describe gs://acme-files")["name"], "acme-files");
}

fn refused(_: PathBuf) {
    let world = World::new("refused");
    let commands = [
        ("iam service-accounts create other", "iam.serviceAccounts.create"),
        ("iam roles create other --project=acme-project --title=t --permissions=run.services.get", "iam."),
        ("projects get-iam-policy acme-project", "resourcemanager.projects.getIamPolicy"),
        ("pubsub topics create other", "pubsub.topics.create"),
        ("compute networks create other --subnet-mode=custom", "compute.networks.create"),
        ("firestore databases create --database=other --location=eur3", "datastore.databases.create"),
        ("logging buckets create other --location=europe-west1", "logging.buckets.create"),
        ("storage buckets create gs://other --location=eu", "storage.buckets.create"),
    ];
    let before = world.gcp.things();
    for (command, permission) in commands {
        let output = world.gcloud("nobody", command);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "gcloud {command} was let through");
        assert!(said.contains(permission), "gcloud {command} is refused without the name of {permission}: {said}");
    }
    assert_eq!(world.gcp.things(), before, "a refused command left something behind");
}
