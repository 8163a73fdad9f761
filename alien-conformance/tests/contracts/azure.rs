//! Tests of the descriptions of Azure's providers.

use std::collections::{BTreeMap, BTreeSet};

use alien_conformance::contracts::azure::{Contracts, FILE};
use alien_conformance::oracle::{self, OracleTest};
use serde_json::{Value, json};

use super::Request;

const FILES: &[&str] = &[FILE];

pub(crate) fn tests() -> Vec<OracleTest> {
    vec![
        OracleTest { name: "right_requests_of_eight_providers_pass", files: FILES, test: right_requests_pass },
        OracleTest { name: "each_planted_mistake_at_azure_is_caught_by_name", files: FILES, test: mistakes_are_caught },
        OracleTest { name: "only_published_statuses_of_success_pass", files: FILES, test: statuses },
        OracleTest { name: "every_path_of_every_operation_routes_to_it", files: FILES, test: every_path_routes },
    ]
}

const GROUP: &str = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/acme";

fn check(contracts: &Contracts, (verb, target, body): &Request) -> Result<String, Vec<String>> {
    let target = target.replace('~', &format!("{GROUP}/providers"));
    let (path, query) = super::parts(&target);
    contracts.check(verb, path, &query, body.as_ref()).map(|operation| operation.to_string())
}

fn right_requests_pass(files: &[Value]) -> Result<(), String> {
    let contracts = Contracts::from_json(&files[0]);
    let assignment =
        json!({"properties": {"principalId": "p", "roleDefinitionId": "r", "principalType": "ServicePrincipal"}});
    let requests: [(&str, Request); 22] = [
        (
            "Microsoft.Resources/ResourceGroups.CreateOrUpdate",
            (
                "PUT",
                "/subscriptions/s/resourceGroups/acme?api-version=2025-04-01",
                Some(json!({"location": "westeurope"})),
            ),
        ),
        (
            "Microsoft.Resources/ResourceGroups.CheckExistence",
            ("HEAD", "/subscriptions/s/resourceGroups/acme?api-version=2025-04-01", None),
        ),
        (
            "Microsoft.Resources/ResourceGroups.List",
            ("GET", "/subscriptions/s/resourceGroups?api-version=2025-04-01&$top=5&$filter=tagName eq 'a'", None),
        ),
        // The descriptions say nothing about case.
        (
            "Microsoft.Resources/ResourceGroups.Get",
            ("GET", "/Subscriptions/s/resourcegroups/acme?api-version=2025-04-01", None),
        ),
        (
            "Microsoft.Resources/Tags.UpdateAtScope",
            (
                "PATCH",
                "~/Microsoft.App/containerApps/api/providers/Microsoft.Resources/tags/default?api-version=2025-04-01",
                Some(json!({"operation": "Merge", "properties": {"tags": {"a": "b"}}})),
            ),
        ),
        (
            "Microsoft.Authorization/ManagementLocks.CreateOrUpdateAtResourceGroupLevel",
            (
                "PUT",
                "~/Microsoft.Authorization/locks/l?api-version=2020-05-01",
                Some(json!({"properties": {"level": "CanNotDelete"}})),
            ),
        ),
        (
            "Microsoft.Authorization/ManagementLocks.GetAtResourceLevel",
            (
                "GET",
                "~/Microsoft.Storage/storageAccounts/a/providers/Microsoft.Authorization/locks/l?api-version=2020-05-01",
                None,
            ),
        ),
        (
            "Microsoft.Authorization/RoleAssignments.Create",
            ("PUT", "~/Microsoft.Authorization/roleAssignments/g?api-version=2022-04-01", Some(assignment.clone())),
        ),
        (
            "Microsoft.Authorization/RoleAssignments.Create",
            (
                "PUT",
                "~/Microsoft.Storage/storageAccounts/a/blobServices/default/containers/c/providers/Microsoft.Authorization/roleAssignments/g?api-version=2022-04-01",
                Some(assignment.clone()),
            ),
        ),
        (
            "Microsoft.Authorization/RoleAssignments.Create",
            (
                "PUT",
                "/subscriptions/s/providers/Microsoft.Authorization/roleAssignments/g?api-version=2022-04-01",
                Some(assignment),
            ),
        ),
        (
            "Microsoft.Authorization/RoleAssignments.ListForResourceGroup",
            ("GET", "~/Microsoft.Authorization/roleAssignments?api-version=2022-04-01&$filter=atScope()", None),
        ),
        (
            "Microsoft.Authorization/RoleDefinitions.Get",
            ("GET", "/providers/Microsoft.Authorization/roleDefinitions/g?api-version=2022-04-01", None),
        ),
        (
            "Microsoft.ManagedIdentity/FederatedIdentityCredentials.CreateOrUpdate",
            (
                "PUT",
                "~/Microsoft.ManagedIdentity/userAssignedIdentities/i/federatedIdentityCredentials/f?api-version=2024-11-30",
                Some(json!({"properties": {"issuer": "i", "subject": "s", "audiences": ["a"]}})),
            ),
        ),
        (
            "Microsoft.App/ContainerApps.CreateOrUpdate",
            (
                "PUT",
                "~/Microsoft.App/containerApps/api?api-version=2025-07-01",
                Some(json!({"location": "westeurope"})),
            ),
        ),
        (
            "Microsoft.App/ContainerAppsRevisionReplicas.ListReplicas",
            ("GET", "~/Microsoft.App/containerApps/api/revisions/r/replicas?api-version=2025-07-01", None),
        ),
        (
            "Microsoft.Storage/BlobContainers.Create",
            (
                "PUT",
                "~/Microsoft.Storage/storageAccounts/a/blobServices/default/containers/c?api-version=2025-08-01",
                Some(json!({})),
            ),
        ),
        // The table service accepts a table without a body.
        (
            "Microsoft.Storage/Tables.TableCreate",
            (
                "PUT",
                "~/Microsoft.Storage/storageAccounts/a/tableServices/default/tables/t?api-version=2025-08-01",
                None,
            ),
        ),
        (
            "Microsoft.ServiceBus/Queues.CreateOrUpdate",
            (
                "PUT",
                "~/Microsoft.ServiceBus/namespaces/n/queues/q?api-version=2024-01-01",
                Some(json!({"properties": {}})),
            ),
        ),
        (
            "Microsoft.Network/VirtualNetworks.CheckDnsNameAvailability",
            (
                "GET",
                "/subscriptions/s/providers/Microsoft.Network/locations/l/checkDnsNameAvailability?domainNameLabel=d&api-version=2025-07-01",
                None,
            ),
        ),
        (
            "Microsoft.Network/Subnets.CreateOrUpdate",
            (
                "PUT",
                "~/Microsoft.Network/virtualNetworks/v/subnets/s?api-version=2025-07-01",
                Some(json!({"properties": {}})),
            ),
        ),
        (
            "Microsoft.OperationalInsights/Workspaces.Delete",
            ("DELETE", "~/Microsoft.OperationalInsights/workspaces/w?force=true&api-version=2025-07-01", None),
        ),
        (
            "Microsoft.OperationalInsights/Workspaces.SharedKeysGetSharedKeys",
            ("POST", "~/Microsoft.OperationalInsights/workspaces/w/sharedKeys?api-version=2025-07-01", Some(json!({}))),
        ),
    ];
    let complaints = requests.iter().filter_map(|(operation, request)| match check(&contracts, request) {
        Ok(found) if found == *operation => None,
        Ok(found) => Some(format!("{operation} is taken for {found}")),
        Err(problems) => Some(format!("{operation}: {}", problems.join("; "))),
    });
    oracle::verdict(complaints.collect())
}

fn mistakes_are_caught(files: &[Value]) -> Result<(), String> {
    let contracts = Contracts::from_json(&files[0]);
    let app = "~/Microsoft.App/containerApps/api?api-version=2025-07-01";
    let lock = "~/Microsoft.Authorization/locks/l?api-version=2020-05-01";
    let federation =
        "~/Microsoft.ManagedIdentity/userAssignedIdentities/i/federatedIdentityCredentials/f?api-version=2024-11-30";
    let mistakes: [(&str, Request); 21] = [
        (
            "Microsoft.App/ContainerApps.Get: the query parameter `api-version` is 2025-07-01, not 2025-01-01",
            ("GET", "~/Microsoft.App/containerApps/api?api-version=2025-01-01", None),
        ),
        ("the query parameter `api-version` is required", ("GET", "~/Microsoft.App/containerApps/api", None)),
        (
            "there is no query parameter `API-version`",
            ("GET", "~/Microsoft.App/containerApps/api?api-version=2025-07-01&API-version=2025-07-01", None),
        ),
        (
            "`api-version` is sent twice",
            ("GET", "~/Microsoft.App/containerApps/api?api-version=2025-07-01&api-version=2025-07-01", None),
        ),
        (
            "there is no query parameter `$expand`",
            ("GET", "~/Microsoft.App/containerApps/api?api-version=2025-07-01&$expand=a", None),
        ),
        (
            "the query parameter `domainNameLabel` is required",
            (
                "GET",
                "/subscriptions/s/providers/Microsoft.Network/locations/l/checkDnsNameAvailability?api-version=2025-07-01",
                None,
            ),
        ),
        ("`location` of the body is required", ("PUT", app, Some(json!({"properties": {}})))),
        ("`location` of the body is required", ("PUT", app, Some(json!({"Location": "westeurope"})))),
        ("`location` of the body is required", ("PUT", app, Some(json!({"location": null})))),
        ("`location` of the body is required", ("PUT", app, None)),
        ("`properties.level` of the body is required", ("PUT", lock, Some(json!({"properties": {"notes": "n"}})))),
        (
            "`properties.subject` of the body is required",
            ("PUT", federation, Some(json!({"properties": {"issuer": "i", "audiences": ["a"]}}))),
        ),
        ("the body is not an object", ("PUT", app, Some(json!(["location"])))),
        (
            "Microsoft.App/ContainerApps.Delete: it takes no body",
            ("DELETE", app, Some(json!({"location": "westeurope"}))),
        ),
        (
            "no method is `POST /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/acme/providers/Microsoft.App/containerApps/api`",
            ("POST", app, None),
        ),
        ("no operation has the path", ("GET", "~/Microsoft.App/containerApp/api?api-version=2025-07-01", None)),
        ("no operation has the path", ("GET", "~/Microsoft.App/containerApps/api/?api-version=2025-07-01", None)),
        (
            "there is no provider `microsoft.apps`",
            ("GET", "~/Microsoft.Apps/containerApps/api?api-version=2025-07-01", None),
        ),
        // A scope needs both a type and one resource of it.
        (
            "no operation has the path",
            (
                "GET",
                "~/Microsoft.App/containerApp/api/providers/Microsoft.Authorization/locks/l?api-version=2020-05-01",
                None,
            ),
        ),
        (
            "no operation has the path",
            (
                "GET",
                "~/Microsoft.App/containerApps/providers/Microsoft.Authorization/locks/l?api-version=2020-05-01",
                None,
            ),
        ),
        (
            "there is no provider `microsoft.sql`",
            ("GET", "~/Microsoft.Sql/servers/s/providers/Microsoft.Authorization/locks/l?api-version=2020-05-01", None),
        ),
    ];
    let complaints = mistakes.iter().filter_map(|(expected, request)| match check(&contracts, request) {
        Ok(operation) => Some(format!("{expected}: nothing is said, it is taken for {operation}")),
        Err(problems) if problems.len() == 1 && problems[0].contains(expected) => None,
        Err(problems) => Some(format!("{expected}: instead {}", problems.join("; "))),
    });
    oracle::verdict(complaints.collect())
}

fn statuses(files: &[Value]) -> Result<(), String> {
    let contracts = Contracts::from_json(&files[0]);
    let queue = "/providers/Microsoft.ServiceBus/namespaces/n/queues/q";
    let version = [("api-version".to_owned(), "2024-01-01".to_owned())];
    let put =
        contracts.check("PUT", &format!("{GROUP}{queue}"), &version, Some(&json!({}))).map_err(|p| p.join("; "))?;
    let mut complaints = Vec::new();
    for status in [200, 403, 429, 503] {
        complaints.extend(contracts.check_status(&put, status).err());
    }
    for status in [201, 202, 204, 302] {
        let said = contracts.check_status(&put, status);
        let expected =
            format!("Microsoft.ServiceBus/Queues.CreateOrUpdate: {status} is not one of its statuses: [200]");
        if said != Err(expected) {
            complaints.push(format!("{status}: {said:?}"));
        }
    }
    oracle::verdict(complaints)
}

/// Each path, filled in, leads back to its operation, or to another with the same path: a group is also a scope.
fn every_path_routes(files: &[Value]) -> Result<(), String> {
    let contracts = Contracts::from_json(&files[0]);
    let mut named = BTreeMap::<(&str, String), BTreeSet<String>>::new();
    let mut requests = Vec::new();
    for resource in files[0]["resources"].as_array().unwrap() {
        let [provider, group, version] =
            ["provider", "group", "apiVersion"].map(|field| resource[field].as_str().unwrap());
        for record in resource["operations"].as_array().unwrap() {
            let [name, verb, path] = ["name", "method", "path"].map(|field| record[field].as_str().unwrap());
            let path = filled_path(path);
            named.entry((verb, path.clone())).or_default().insert(format!("{provider}/{group}.{name}"));
            let options = record["options"].as_array().into_iter().flatten();
            let required = options.filter(|option| option["required"] == true);
            let mut query: Vec<(String, String)> =
                required.map(|option| (option["name"].as_str().unwrap().to_owned(), "1".to_owned())).collect();
            query.push(("api-version".to_owned(), version.to_owned()));
            let body = (record["requestBody"] == true).then(|| filled_body(&record["required"]));
            requests.push((verb, path, query, body));
        }
    }
    let mut complaints: Vec<String> = Vec::new();
    for (verb, path, query, body) in &requests {
        let expected = &named[&(*verb, path.clone())];
        match contracts.check(verb, path, query, body.as_ref()) {
            Ok(found) if expected.contains(found.as_str()) => {}
            Ok(found) => complaints.push(format!("{verb} {path} is taken for {found}, not {expected:?}")),
            Err(problems) => complaints.push(format!("{verb} {path}: {}", problems.join("; "))),
        }
    }
    if requests.len() < 240 {
        complaints.push(format!("only {} operations are in the file", requests.len()));
    }
    oracle::verdict(complaints)
}

fn filled_path(template: &str) -> String {
    let mut path = template.replace("/{scope}", "/subscriptions/x/resourceGroups/x");
    while let (Some(start), Some(end)) = (path.find('{'), path.find('}')) {
        path.replace_range(start..=end, "x");
    }
    path
}

/// A body with only what is required.
fn filled_body(required: &Value) -> Value {
    let mut body = json!({});
    for name in oracle::texts(required) {
        match name.split_once('.') {
            Some((above, below)) => body[above][below] = json!("x"),
            None => body[name] = json!({}),
        }
    }
    body
}
