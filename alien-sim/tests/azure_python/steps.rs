//! What must be true after each step: of what the client saw, and of what the emulator kept.

use serde_json::{Value, json};

use crate::{AUDIENCE, GROUP, SUBJECT, Step};

/// What must be true after a step.
pub(crate) type Check = fn(&Step);

/// The steps of the script, in its order.
pub(crate) const STEPS: [(&str, Check); 25] = [
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
