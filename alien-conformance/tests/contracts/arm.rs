//! Tests of the list of actions that requests to Azure Resource Manager need.

use alien_conformance::arm::{Actions, Basis, FILE};
use alien_conformance::oracle::{self, OracleTest};
use serde_json::{Value, json};

const FILES: &[&str] = &[FILE];

pub(crate) fn tests() -> Vec<OracleTest> {
    vec![
        OracleTest { name: "requests_need_the_actions_of_the_list", files: FILES, test: actions_are_found },
        OracleTest { name: "a_planted_wrong_action_is_caught_by_name", files: FILES, test: wrong_actions_are_caught },
        OracleTest { name: "resources_that_a_body_names_need_actions_too", files: FILES, test: links_are_found },
        OracleTest { name: "every_row_is_found_at_its_own_path", files: FILES, test: every_row_is_found },
    ]
}

const GROUP: &str = "/subscriptions/s/resourceGroups/acme";

fn actions_are_found(files: &[Value]) -> Result<(), String> {
    let list = Actions::from_json(&files[0]);
    let cases = [
        ("GET", "", "Microsoft.Resources/subscriptions/resourceGroups/read"),
        ("PATCH", "/providers/Microsoft.App/containerApps/a", "Microsoft.App/containerApps/write"),
        (
            "POST",
            "/providers/microsoft.app/containerapps/a/listSecrets",
            "Microsoft.App/containerApps/listSecrets/action",
        ),
        (
            "PUT",
            "/providers/Microsoft.Storage/storageAccounts/a/blobServices/default/containers/c",
            "Microsoft.Storage/storageAccounts/blobServices/containers/write",
        ),
        (
            "PUT",
            "/providers/Microsoft.Storage/storageAccounts/a/tableServices/default/tables/t/providers/Microsoft.Authorization/roleAssignments/g",
            "Microsoft.Authorization/roleAssignments/write",
        ),
        (
            "PUT",
            "/providers/Microsoft.ServiceBus/namespaces/n/queues/q/providers/Microsoft.Insights/diagnosticSettings/d",
            "Microsoft.Insights/diagnosticSettings/write",
        ),
        ("PUT", "/providers/Microsoft.Authorization/locks/l", "Microsoft.Authorization/locks/write"),
        ("PATCH", "/providers/Microsoft.Resources/tags/default", "Microsoft.Resources/tags/write"),
    ];
    let mut complaints: Vec<String> = cases
        .iter()
        .filter_map(|(verb, path, action)| list.check(verb, &format!("{GROUP}{path}"), &[action]).err())
        .collect();
    // A parameter decides which row holds, and an id of the tenant itself has no scope before it.
    for (verb, path, action) in [
        ("POST", "/subscriptions/s/providers/Microsoft.App/register", "Microsoft.App/register/action"),
        ("POST", "/subscriptions/s/providers/Microsoft.Storage/register", "Microsoft.Storage/register/action"),
        ("GET", "/providers/Microsoft.Authorization/roleDefinitions/g", "Microsoft.Authorization/roleDefinitions/read"),
    ] {
        complaints.extend(list.check(verb, path, &[action]).err());
    }
    let basis =
        |verb: &str, path: &str| list.actions(verb, &format!("{GROUP}{path}")).map(|rows| rows[0].basis.clone());
    if basis("GET", "/providers/Microsoft.App/containerApps/a") != Some(Basis::Published) {
        complaints.push("a published row is not marked as such".to_owned());
    }
    if basis("PUT", "") != Some(Basis::Derived("dataset".to_owned())) {
        complaints.push("a derived row is not marked as such".to_owned());
    }
    oracle::verdict(complaints)
}

fn wrong_actions_are_caught(files: &[Value]) -> Result<(), String> {
    let list = Actions::from_json(&files[0]);
    let app = format!("{GROUP}/providers/Microsoft.App/containerApps/a");
    let write = "Microsoft.App/containerApps/write";
    let cases: [(&str, &str, &[&str], &str); 6] = [
        (
            "PUT",
            &app,
            &["Microsoft.App/containerApps/read"],
            "needs Microsoft.App/containerApps/write, and Microsoft.App/containerApps/read was asked for",
        ),
        (
            "PUT",
            &app,
            &[write, "Microsoft.App/containerApps/read"],
            "Microsoft.App/containerApps/write and Microsoft.App/containerApps/read was asked for",
        ),
        ("PUT", &app, &[], "needs Microsoft.App/containerApps/write, and nothing was asked for"),
        ("MERGE", &app, &[write], "no row for `MERGE "),
        ("PUT", &app.replace("containerApps", "containerApp"), &[write], "no row for"),
        (
            "POST",
            "/subscriptions/s/providers/Microsoft.Storage/register",
            &["Microsoft.App/register/action"],
            "needs Microsoft.Storage/register/action",
        ),
    ];
    let complaints = cases.iter().filter_map(|(verb, path, asked, expected)| match list.check(verb, path, asked) {
        Ok(()) => Some(format!("{verb} {path}: {asked:?} is not noticed")),
        Err(said) => (!said.contains(expected)).then(|| format!("{expected}: instead {said}")),
    });
    oracle::verdict(complaints.collect())
}

fn links_are_found(files: &[Value]) -> Result<(), String> {
    let list = Actions::from_json(&files[0]);
    let app = json!({"identity": {"type": "UserAssigned", "userAssignedIdentities": {"/i/1": {}, "/i/2": {}}},
        "properties": {"environmentId": "/e", "template": {}}});
    let account = json!({"properties": {"networkAcls": {"virtualNetworkRules": [{"id": "/s/1"}, {"id": "/s/2"}]}}});
    let cases = [
        (
            "microsoft.app/containerapps/write",
            &app,
            vec![
                ("Microsoft.App/managedEnvironments/join/action", "/e"),
                ("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", "/i/1"),
                ("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", "/i/2"),
            ],
        ),
        (
            "Microsoft.Storage/storageAccounts/write",
            &account,
            vec![
                ("Microsoft.Network/virtualNetworks/subnets/joinViaServiceEndpoint/action", "/s/1"),
                ("Microsoft.Network/virtualNetworks/subnets/joinViaServiceEndpoint/action", "/s/2"),
            ],
        ),
        ("Microsoft.App/containerApps/read", &app, vec![]),
        ("Microsoft.App/containerApps/write", &account, vec![]),
    ];
    let complaints = cases.into_iter().filter_map(|(action, body, expected)| {
        let linked = list.linked(action, body);
        let found: Vec<(&str, &str)> =
            linked.iter().map(|linked| (linked.action.as_str(), linked.resource.as_str())).collect();
        (found != expected).then(|| format!("{action}: {found:?}"))
    });
    oracle::verdict(complaints.collect())
}

/// Each path, filled in, leads back to its own row: no other is nearer.
fn every_row_is_found(files: &[Value]) -> Result<(), String> {
    let list = Actions::from_json(&files[0]);
    let rows = files[0]["routes"].as_array().unwrap();
    let complaints = rows.iter().filter_map(|row| {
        let mut path = row["path"].as_str().unwrap().replace("/{scope}", GROUP).replace("/{resourceUri}", GROUP);
        while let (Some(start), Some(end)) = (path.find('{'), path.find('}')) {
            let value = row["when"][&path[start + 1..end]].as_str().unwrap_or("x").to_owned();
            path.replace_range(start..=end, &value);
        }
        let actions: Vec<&str> = oracle::texts(&row["actions"]).collect();
        list.check(row["method"].as_str().unwrap(), &path, &actions).err()
    });
    let complaints: Vec<String> = complaints.collect();
    if rows.len() < 850 {
        return Err(format!("only {} rows are in the file", rows.len()));
    }
    oracle::verdict(complaints)
}
