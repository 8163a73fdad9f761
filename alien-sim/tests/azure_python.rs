//! Microsoft's clients for Python, as clients that are not ours: what they make, read, list, change and delete is so, their
//! pollers come to an end, and what a role does not allow is refused in words that they understand.
//! They are installed under `target/` once.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use alien_conformance::contracts::azure::{Contracts, FILE};
use alien_conformance::oracle;
use alien_conformance::peer::{self, Absent, Need};
use alien_sim::azure::Azure;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};

const PACKAGES: [&str; 12] = [
    "azure-core==1.41.0",
    "azure-identity==1.27.0",
    "azure-mgmt-core==1.6.0",
    "azure-mgmt-appcontainers==5.1.0",
    "azure-mgmt-authorization==4.0.0",
    "azure-mgmt-loganalytics==14.0.0",
    "azure-mgmt-msi==7.1.0",
    "azure-mgmt-network==31.0.1",
    "azure-mgmt-resource==26.0.0",
    "azure-mgmt-servicebus==10.0.0",
    "azure-mgmt-storage==25.3.0",
    "msal==1.39.0",
];
const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";
const GROUP: &str = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/acme-rg";
/// <https://learn.microsoft.com/entra/workload-id/workload-identity-federation-create-trust-user-assigned-managed-identity>
const AUDIENCE: &str = "api://AzureADTokenExchange";
const SUBJECT: &str = "deployment:acme";

/// What must be true after a step.
type Check = fn(&Step);

/// The steps of the script, in its order.
const STEPS: [(&str, Check); 25] = [
    ("a_provider_is_registered", provider),
    ("a_group_is_created", group),
    ("an_identity_is_created", identity),
    ("a_federated_credential_is_created", federation),
    ("a_custom_role_is_created", role),
    ("a_workspace_is_created", workspace),
    ("a_network_is_created", network),
    ("a_subnet_is_created", subnet),
    ("an_environment_is_created", environment),
    ("an_app_is_created", app),
    ("a_storage_account_is_created", account),
    ("a_blob_container_is_created", container),
    ("a_table_is_created", table),
    ("a_namespace_is_created", namespace),
    ("a_queue_is_created", queue),
    ("a_role_is_assigned", assignment),
    ("everything_is_read_again", read_again),
    ("everything_is_listed", listed),
    ("the_template_of_the_app_is_patched", patched),
    ("tags_and_settings_are_patched", settings),
    ("what_is_not_there_is_not_found", not_found),
    ("an_assertion_is_exchanged_and_only_reading_is_allowed", only_reading),
    ("assertions_of_others_are_refused", strangers),
    ("everything_is_deleted", deleted),
    ("the_group_is_deleted", group_deleted),
];

fn main() {
    let arguments = Arguments::from_args();
    let installed = peer::told("Azure's clients", install());
    let ran = Arc::new(OnceLock::new());
    let trials = STEPS.iter().map(|&(name, check)| {
        let ran = Arc::clone(&ran);
        peer::trial(name, Need::WhereAll, &installed, move |folder| {
            let steps: &Vec<Step> = ran.get_or_init(|| drive(&folder));
            let step = steps.iter().find(|step| step.name == name).ok_or("the script does not come to it")?;
            if let Some(problem) = &step.problem {
                return Err(Failed::from(problem));
            }
            check(step);
            Ok(())
        })
    });
    let mut trials: Vec<Trial> = trials.collect();
    trials.push(peer::trial("every_step_of_the_script_is_checked", Need::WhereAll, &installed, {
        let ran = Arc::clone(&ran);
        move |folder| {
            let steps: Vec<&str> = ran.get_or_init(|| drive(&folder)).iter().map(|step| step.name.as_str()).collect();
            assert_eq!(steps, STEPS.map(|(name, _)| name));
            Ok(())
        }
    }));
    trials.push(peer::trial("pollers_ask_until_an_operation_is_done", Need::WhereAll, &installed, {
        let ran = Arc::clone(&ran);
        move |folder| Ok(polled(ran.get_or_init(|| drive(&folder)))?)
    }));
    let described = Trial::test("what_is_sent_and_the_status_of_each_answer_are_published", {
        let installed = installed.clone();
        move || Ok(described(ran.get_or_init(|| drive(&installed.unwrap())))?)
    });
    let is_absent = installed.is_err() || !oracle::folder().join(FILE).is_file();
    trials.push(described.with_ignored_flag(is_absent));
    libtest_mimic::run(&arguments, trials).exit()
}

fn install() -> Result<PathBuf, Absent> {
    // Another list of versions is another folder.
    let name =
        format!("azure-python-{}", PACKAGES.map(|package| package.rsplit('=').next().unwrap_or_default()).join("-"));
    peer::install(&name, |folder| peer::venv(folder, &PACKAGES))
}

/// A step of the script: what the client saw, or why it failed; and what the emulator kept then.
struct Step {
    name: String,
    seen: Value,
    problem: Option<String>,
    /// The verb, the URL and the body of each request, and the status of the answer.
    sent: Vec<Value>,
    kept: BTreeMap<String, Value>,
}

impl Step {
    /// What the emulator kept under an id in the group: letters of either case are the same.
    #[track_caller]
    fn kept(&self, rest: &str) -> &Value {
        let id = format!("{GROUP}{rest}").to_ascii_lowercase();
        self.kept.get(&id).unwrap_or_else(|| panic!("there is no {id}: {:#?}", self.kept.keys()))
    }

    /// That the client was told the id that the emulator keeps it under, and it is this.
    #[track_caller]
    fn is_kept_as(&self, rest: &str) -> &Value {
        let id = self.seen["id"].as_str().expect("an id");
        assert_eq!(id.to_ascii_lowercase(), format!("{GROUP}{rest}").to_ascii_lowercase());
        self.kept(rest)
    }
}

/// The script, while it runs.
struct Script(Child);

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the script against an emulator of its own; after each step, while the script waits, what is kept is read.
fn drive(folder: &Path) -> Vec<Step> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let azure = runtime.block_on(Azure::start()).unwrap();
    azure.subscription(SUBSCRIPTION);
    // So that pollers have to ask again.
    azure.faults().operations_take(Duration::from_millis(50));
    let admin = azure.user("admin@example.com");
    azure.assign(&format!("/subscriptions/{SUBSCRIPTION}"), "Owner", &admin);
    let certificate = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("azure-{}.pem", std::process::id()));
    std::fs::write(&certificate, azure.certificate()).unwrap();
    let (vendor, other) = (azure.issuer("vendor"), azure.issuer("other"));
    let config = json!({
        "url": azure.url(),
        "certificate": certificate,
        "tenant": azure.tenant(),
        "subscription": SUBSCRIPTION,
        "token": azure.token(&admin, "https://management.azure.com"),
        "issuer": vendor.url(),
        "subject": SUBJECT,
        "assertion": vendor.token(SUBJECT, AUDIENCE),
        "strangers": {
            "subject": vendor.token("deployment:acme-prod", AUDIENCE),
            "case": vendor.token("deployment:Acme", AUDIENCE),
            "issuer": other.token(SUBJECT, AUDIENCE),
            "audience": vendor.token(SUBJECT, "https://management.azure.com"),
        },
    });
    let mut python = Command::new(folder.join("bin/python"));
    python
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/azure_clients.py"))
        .env("NO_PROXY", "*")
        .env("REQUESTS_CA_BUNDLE", &certificate)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut script = Script(python.spawn().unwrap());
    let mut orders = script.0.stdin.take().unwrap();
    let lines = BufReader::new(script.0.stdout.take().unwrap()).lines();
    writeln!(orders, "{config}").unwrap();
    let mut steps = Vec::new();
    for line in lines {
        let told: Value = serde_json::from_str(&line.unwrap()).expect("a line of JSON");
        steps.push(Step {
            name: told["step"].as_str().expect("the name of a step").to_owned(),
            seen: told["seen"].clone(),
            problem: told["problem"].as_str().map(str::to_owned),
            sent: told["sent"].as_array().cloned().unwrap_or_default(),
            kept: azure
                .things()
                .into_iter()
                .map(|id| (id.to_ascii_lowercase(), azure.body(&id).unwrap_or_default()))
                .collect(),
        });
        // The script is over where it does not read any more.
        let _ = writeln!(orders, "next");
    }
    let _ = std::fs::remove_file(certificate);
    steps
}

/// Where an answer says that an operation goes on, the client asks again; and what it was told in the end was no longer
/// going on, by the checks of each step.
fn polled(steps: &[Step]) -> Result<(), String> {
    let long = [
        ("a_workspace_is_created", "workspaces"),
        ("a_network_is_created", "virtualNetworks"),
        ("a_subnet_is_created", "subnets"),
        ("an_environment_is_created", "managedEnvironments"),
        ("an_app_is_created", "containerApps"),
        ("a_storage_account_is_created", "storageAccounts"),
        ("a_namespace_is_created", "namespaces"),
        ("the_template_of_the_app_is_patched", "containerApps"),
        ("everything_is_deleted", "containerApps"),
        ("the_group_is_deleted", "resourceGroups"),
    ];
    let mut complaints = Vec::new();
    for (name, kind) in long {
        let sent = &steps.iter().find(|step| step.name == name).ok_or("the script does not come to it")?.sent;
        let asked: Vec<String> =
            sent.iter().map(|sent| format!("{} {} {}", sent["verb"], sent["url"], sent["status"])).collect();
        let begun = sent.iter().position(|sent| {
            let (path, _) = parts(sent["url"].as_str().unwrap_or_default());
            let of = path.rsplit('/').nth(1).unwrap_or_default();
            sent["verb"] != "GET" && of.eq_ignore_ascii_case(kind)
        });
        let asks = |sent: &Value| sent["verb"] == "GET" && (sent["status"] == 200 || sent["status"] == 202);
        if !begun.is_some_and(|begun| sent.get(begun + 1).is_some_and(asks)) {
            complaints.push(format!("{name}: {}", asked.join(", ")));
        }
    }
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n")) }
}

/// Microsoft's clients and the published contracts must agree on what is sent; the emulator answers with a status that an
/// operation has.
fn described(steps: &[Step]) -> Result<(), String> {
    let contracts = Contracts::load().ok_or("no descriptions")?;
    let mut complaints = BTreeSet::new();
    let mut operations = BTreeSet::new();
    for sent in steps.iter().flat_map(|step| &step.sent) {
        let [verb, url] = ["verb", "url"].map(|field| sent[field].as_str().unwrap());
        let (path, query) = parts(url);
        // Where to ask how an operation goes is for Azure to say, and how a provider is registered is not described.
        if ["operation", "/register"].iter().any(|part| path.to_ascii_lowercase().contains(part)) {
            continue;
        }
        let status = sent["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap();
        let body = (!sent["body"].is_null()).then_some(&sent["body"]);
        match contracts.check(verb, &path, &query, body) {
            Ok(operation) => {
                complaints.extend(contracts.check_status(&operation, status).err());
                operations.insert(operation);
            }
            Err(problems) => complaints.extend(problems.into_iter().map(|problem| format!("{verb} {path}: {problem}"))),
        }
    }
    if operations.len() < 50 {
        complaints.insert(format!("only {} operations were asked for", operations.len()));
    }
    if complaints.is_empty() { Ok(()) } else { Err(complaints.into_iter().collect::<Vec<_>>().join("\n")) }
}

/// The path of a URL, and its query decoded.
fn parts(url: &str) -> (String, Vec<(String, String)>) {
    let (_, rest) = url.split_once("://").expect("a scheme");
    let (_, rest) = rest.split_once('/').expect("a path");
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let decoded = |text: &str| text.replace("%24", "$").replace("%20", " ").replace('+', " ");
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    (format!("/{path}"), pairs.map(|(name, value)| (decoded(name), decoded(value))).collect())
}

fn provider(step: &Step) {
    assert_eq!(step.seen, "Registered");
}

fn group(step: &Step) {
    assert_eq!(step.seen, json!({"id": GROUP, "state": "Succeeded", "tags": {"deployment": "acme"}}));
    assert_eq!(step.kept("")["location"], "westeurope");
    assert_eq!(step.kept("")["tags"], json!({"deployment": "acme"}));
}

fn identity(step: &Step) {
    let kept = &step.is_kept_as("/providers/Microsoft.ManagedIdentity/userAssignedIdentities/acme")["properties"];
    let told = ["client", "principal", "tenant"].map(|name| &step.seen[name]);
    assert_eq!(told, ["clientId", "principalId", "tenantId"].map(|name| &kept[name]));
    assert!(told.iter().all(|id| id.as_str().is_some_and(|id| id.len() == 36)), "{told:?}");
}

fn federation(step: &Step) {
    let rest = "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/acme/federatedIdentityCredentials/vendor";
    let kept = &step.is_kept_as(rest)["properties"];
    assert_eq!(kept["subject"], SUBJECT);
    assert_eq!(kept["audiences"], json!([AUDIENCE]));
    assert_eq!((&kept["issuer"], &kept["subject"]), (&step.seen["issuer"], &step.seen["subject"]));
    assert_eq!(kept["audiences"], step.seen["audiences"]);
}

fn role(step: &Step) {
    assert_eq!(step.seen["actions"], json!(["Microsoft.App/containerApps/read"]));
    assert_eq!(step.seen["scopes"], json!([GROUP]));
    let id = step.seen["id"].as_str().expect("an id").to_ascii_lowercase();
    let name = id.rsplit('/').next().unwrap();
    let kept = step.kept.iter().find(|(kept, _)| kept.ends_with(name)).expect("the role").1;
    assert_eq!(kept["properties"]["roleName"], "acme reader");
    assert_eq!(kept["properties"]["permissions"][0]["actions"], json!(["Microsoft.App/containerApps/read"]));
}

fn workspace(step: &Step) {
    let kept = step.is_kept_as("/providers/Microsoft.OperationalInsights/workspaces/acme-logs");
    assert_eq!((&step.seen["state"], &step.seen["has_key"]), (&json!("Succeeded"), &json!(true)));
    assert_eq!(kept["properties"]["retentionInDays"], 30);
}

fn network(step: &Step) {
    let kept = step.is_kept_as("/providers/Microsoft.Network/virtualNetworks/acme");
    assert_eq!((&step.seen["state"], &step.seen["prefixes"]), (&json!("Succeeded"), &json!(["10.0.0.0/16"])));
    assert_eq!(kept["properties"]["addressSpace"]["addressPrefixes"], json!(["10.0.0.0/16"]));
}

fn subnet(step: &Step) {
    let kept = step.is_kept_as("/providers/Microsoft.Network/virtualNetworks/acme/subnets/apps");
    assert_eq!(kept["properties"]["addressPrefix"], "10.0.0.0/27");
    let told = (&step.seen["prefix"], &step.seen["delegated"]);
    assert_eq!(told, (&json!("10.0.0.0/27"), &json!("Microsoft.App/environments")));
}

fn environment(step: &Step) {
    let kept = &step.is_kept_as("/providers/Microsoft.App/managedEnvironments/acme")["properties"];
    let workspace = &step.kept("/providers/Microsoft.OperationalInsights/workspaces/acme-logs")["properties"];
    assert_eq!((&step.seen["state"], &step.seen["key"]), (&json!("Succeeded"), &Value::Null));
    assert_eq!(step.seen["customer"], workspace["customerId"]);
    assert!(
        kept["vnetConfiguration"]["infrastructureSubnetId"].as_str().is_some_and(|id| id.ends_with("/subnets/apps"))
    );
}

fn app(step: &Step) {
    let kept = step.is_kept_as("/providers/Microsoft.App/containerApps/acme-api");
    let identity = step.kept("/providers/Microsoft.ManagedIdentity/userAssignedIdentities/acme");
    assert_eq!(step.seen["state"], "Succeeded");
    assert_eq!(step.seen["principal"], identity["properties"]["principalId"]);
    assert!(step.seen["revision"].as_str().is_some_and(|name| name.starts_with("acme-api--")), "{}", step.seen);
    assert_eq!(step.seen["revision"], step.seen["ready"]);
    assert_eq!(kept["properties"]["template"]["containers"][0]["image"], "registry.example.com/api:1");
}

fn account(step: &Step) {
    let kept = &step.is_kept_as("/providers/Microsoft.Storage/storageAccounts/acmedata")["properties"];
    assert_eq!((&kept["allowSharedKeyAccess"], &kept["allowBlobPublicAccess"]), (&json!(false), &json!(false)));
    assert_eq!((&step.seen["state"], &step.seen["keys"]), (&json!("Succeeded"), &json!(false)));
    assert_eq!(step.seen["free"], json!([true, false]));
}

fn container(step: &Step) {
    let rest = "/providers/Microsoft.Storage/storageAccounts/acmedata/blobServices/default/containers/files";
    assert_eq!(step.is_kept_as(rest)["properties"]["metadata"], json!({"owner": "acme"}));
    assert_eq!(step.seen["metadata"], json!({"owner": "acme"}));
}

fn table(step: &Step) {
    step.is_kept_as("/providers/Microsoft.Storage/storageAccounts/acmedata/tableServices/default/tables/records");
    assert_eq!(step.seen["name"], "records");
}

fn namespace(step: &Step) {
    let kept = step.is_kept_as("/providers/Microsoft.ServiceBus/namespaces/acme-queues");
    assert_eq!(kept["properties"]["disableLocalAuth"], true);
    assert_eq!((&step.seen["state"], &step.seen["local"]), (&json!("Succeeded"), &json!(true)));
}

fn queue(step: &Step) {
    let kept = &step.is_kept_as("/providers/Microsoft.ServiceBus/namespaces/acme-queues/queues/jobs")["properties"];
    assert_eq!((&kept["lockDuration"], &kept["maxDeliveryCount"]), (&json!("PT1M"), &json!(5)));
    assert_eq!((step.seen["deliveries"].as_f64(), step.seen["lock_seconds"].as_f64()), (Some(5.0), Some(60.0)));
}

fn assignment(step: &Step) {
    let app = format!("{GROUP}/providers/Microsoft.App/containerApps/acme-api");
    assert_eq!(step.seen["scope"].as_str().map(str::to_ascii_lowercase), Some(app.to_ascii_lowercase()));
    let id = step.seen["id"].as_str().expect("an id").to_ascii_lowercase();
    assert_eq!(step.kept[&id]["properties"]["principalId"], step.seen["principal"]);
}

fn read_again(step: &Step) {
    let expected = json!({
        "group": "westeurope", "exists": [true, false], "identity": true, "federation": SUBJECT, "role": "acme reader",
        "assignment": true, "workspace": true, "network": ["apps"], "subnet": "10.0.0.0/27",
        "environment": "Succeeded", "app": "registry.example.com/api:1", "account": "Standard_LRS",
        "container": {"owner": "acme"}, "table": "records", "namespace": "Standard", "queue": 5,
    });
    assert_eq!(step.seen, expected);
}

fn listed(step: &Step) {
    let expected = json!({
        "groups": ["acme-rg"],
        "resources": [
            "microsoft.app/containerapps", "microsoft.app/managedenvironments",
            "microsoft.managedidentity/userassignedidentities", "microsoft.network/virtualnetworks",
            "microsoft.operationalinsights/workspaces", "microsoft.servicebus/namespaces",
            "microsoft.storage/storageaccounts",
        ],
        "identities": ["acme"], "federations": ["vendor"], "assignments": [true], "roles": ["acme reader"],
        "workspaces": ["acme-logs"], "networks": ["acme"], "subnets": ["apps"], "environments": ["acme"],
        "apps": ["acme-api"], "replicas": 1, "accounts": ["acmedata"], "containers": ["files"], "tables": ["records"],
        "namespaces": ["acme-queues"], "queues": ["jobs"],
    });
    assert_eq!(step.seen, expected);
}

fn patched(step: &Step) {
    let expected = json!({
        "image": "registry.example.com/api:2", "is_new": true, "active": [true], "environment": true, "mode": "Single",
    });
    assert_eq!(step.seen, expected);
    let kept = &step.kept("/providers/Microsoft.App/containerApps/acme-api")["properties"]["template"]["containers"];
    assert_eq!(kept[0]["env"], json!([{"name": "SAYS", "value": "good day"}]));
}

fn settings(step: &Step) {
    let expected = json!({"app": {"owner": "acme"}, "account": "TLS1_2", "identity": {"owner": "acme"}, "queue": 7});
    assert_eq!(step.seen, expected);
    let app = step.kept("/providers/Microsoft.App/containerApps/acme-api");
    assert_eq!(app["tags"], json!({"owner": "acme"}));
    assert_eq!(app["properties"]["template"]["containers"][0]["image"], "registry.example.com/api:2");
    // What was not named is as it was.
    let account = &step.kept("/providers/Microsoft.Storage/storageAccounts/acmedata")["properties"];
    assert_eq!(account["allowSharedKeyAccess"], false);
}

fn not_found(step: &Step) {
    let codes = ["app", "group", "queue", "container"].map(|name| {
        assert_eq!(step.seen[name]["status"], 404, "{name}: {}", step.seen[name]);
        step.seen[name]["code"].as_str().unwrap_or_default()
    });
    assert_eq!(codes[..2], ["ResourceNotFound", "ResourceGroupNotFound"]);
    assert!(codes[2..].iter().all(|code| !code.is_empty()), "{codes:?}");
}

fn only_reading(step: &Step) {
    assert_eq!((&step.seen["has_token"], &step.seen["image"]), (&json!(true), &json!("registry.example.com/api:2")));
    let needed = [
        ("update", "Microsoft.App/containerApps/write"),
        ("delete", "Microsoft.App/containerApps/delete"),
        ("secrets", "Microsoft.App/containerApps/listSecrets/action"),
        ("list", "Microsoft.App/containerApps/read"),
        ("environment", "Microsoft.App/managedEnvironments/read"),
    ];
    for (call, action) in needed {
        let refused = &step.seen["refused"][call];
        assert_eq!((&refused["status"], &refused["code"]), (&json!(403), &json!("AuthorizationFailed")), "{call}");
        let message = refused["message"].as_str().unwrap().to_ascii_lowercase();
        let expected = format!("does not have authorization to perform action '{action}'").to_ascii_lowercase();
        assert!(message.contains(&expected), "{call}: {message}");
    }
    let kept = &step.kept("/providers/Microsoft.App/containerApps/acme-api")["properties"]["template"]["containers"];
    assert_eq!(kept[0]["image"], "registry.example.com/api:2");
}

fn strangers(step: &Step) {
    let codes = [("subject", "700213"), ("case", "7002138"), ("issuer", "700211"), ("audience", "700212")];
    for (stranger, code) in codes {
        let said = step.seen[stranger].as_str().expect("what was said");
        assert!(said.contains(&format!("AADSTS{code}:")), "{stranger}: {said}");
    }
}

fn deleted(step: &Step) {
    assert_eq!(step.seen["left"], json!([]));
    let below = format!("{GROUP}/").to_ascii_lowercase();
    let left: Vec<&String> = step.kept.keys().filter(|id| id.starts_with(&below)).collect();
    assert!(left.is_empty(), "{left:?}");
}

fn group_deleted(step: &Step) {
    assert_eq!(step.seen["exists"], false);
    assert!(!step.kept.contains_key(&GROUP.to_ascii_lowercase()));
}
