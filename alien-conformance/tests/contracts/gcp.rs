//! Tests of Google's descriptions.

use alien_conformance::contracts::gcp::{Contracts, FILE};
use alien_conformance::oracle::{self, OracleTest};
use serde_json::{Value, json};

use super::Request;

const FILES: &[&str] = &[FILE];

pub(crate) fn tests() -> Vec<OracleTest> {
    vec![
        OracleTest { name: "right_requests_of_ten_apis_pass", files: FILES, test: right_requests_of_ten_apis_pass },
        OracleTest { name: "each_planted_mistake_is_caught_by_name", files: FILES, test: mistakes_are_caught },
        OracleTest { name: "a_hint_narrows_to_one_api", files: FILES, test: a_hint_narrows_to_one_api },
        OracleTest { name: "every_path_of_every_method_routes_to_it", files: FILES, test: every_path_routes },
    ]
}

fn check(contracts: &Contracts, (verb, target, body): &Request) -> Result<String, Vec<String>> {
    let (path, query) = super::parts(target);
    contracts.check(verb, path, &query, body.as_ref()).map(|method| method.to_string())
}

fn right_requests_of_ten_apis_pass(files: &[Value]) -> Result<(), String> {
    let contracts = Contracts::from_json(&files[0]);
    let requests: [(&str, Request); 22] = [
        (
            "run.projects.locations.services.create",
            (
                "POST",
                "/v2/projects/p/locations/europe-west1/services?serviceId=acme-api&$alt=json;enum-encoding=int",
                Some(json!({"ingress": 1, "labels": {"a": "b"}, "template": {
                "serviceAccount": "acme@p.iam.gserviceaccount.com", "timeout": "300s",
                "scaling": {"minInstanceCount": 1},
                "containers": [{"image": "i", "env": [{"name": "A", "value": "b"}], "resources": {"limits": {"cpu": "1"}}}]}})),
            ),
        ),
        (
            "run.projects.locations.services.patch",
            (
                "PATCH",
                "/v2/projects/p/locations/europe-west1/services/acme-api?updateMask=template.containers,labels&allowMissing=false",
                Some(json!({"name": "n", "template": {"containers": [{"image": "i"}]}})),
            ),
        ),
        (
            "run.projects.locations.services.getIamPolicy",
            ("GET", "/v2/projects/p/locations/l/services/s:getIamPolicy?options.requestedPolicyVersion=3", None),
        ),
        (
            "iam.projects.roles.create",
            (
                "POST",
                "/v1/projects/p/roles",
                Some(
                    json!({"roleId": "a", "role": {"title": "t", "includedPermissions": ["run.services.get"], "stage": 2}}),
                ),
            ),
        ),
        (
            "iam.projects.roles.patch",
            (
                "PATCH",
                "/v1/projects/p/roles/a?updateMask=includedPermissions",
                Some(json!({"includedPermissions": [], "etag": "BwY="})),
            ),
        ),
        (
            "iam.projects.serviceAccounts.setIamPolicy",
            (
                "POST",
                "/v1/projects/p/serviceAccounts/a@p.iam.gserviceaccount.com:setIamPolicy",
                Some(json!({"policy": {"version": 3, "etag": "BwY=", "bindings": [
                {"role": "roles/viewer", "members": ["user:a@example.com"], "condition": {"title": "t", "expression": "true"}}]}})),
            ),
        ),
        (
            "iamcredentials.projects.serviceAccounts.generateAccessToken",
            (
                "POST",
                "/v1/projects/-/serviceAccounts/a@p.iam.gserviceaccount.com:generateAccessToken",
                Some(json!({"scope": ["https://www.googleapis.com/auth/cloud-platform"], "lifetime": "900s"})),
            ),
        ),
        (
            "storage.buckets.insert",
            (
                "POST",
                "/storage/v1/b?project=p",
                Some(
                    json!({"name": "b", "location": "EU", "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": true}},
                "lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": {"age": 1}}]}}),
                ),
            ),
        ),
        ("storage.objects.get", ("GET", "/storage/v1/b/b/o/a%2Fb?alt=media", None)),
        ("storage.objects.insert", ("POST", "/upload/storage/v1/b/b/o?uploadType=media&name=o", Some(json!("text")))),
        ("pubsub.projects.topics.create", ("PUT", "/v1/projects/p/topics/t", Some(json!({"labels": {"a": "b"}})))),
        (
            "pubsub.projects.topics.publish",
            (
                "POST",
                "/v1/projects/p/topics/t:publish",
                Some(json!({"messages": [{"data": "aGVsbG8=", "attributes": {"a": "b"}}]})),
            ),
        ),
        (
            "pubsub.projects.subscriptions.create",
            (
                "PUT",
                "/v1/projects/p/subscriptions/s",
                Some(
                    json!({"topic": "projects/p/topics/t", "ackDeadlineSeconds": 60, "messageRetentionDuration": "600s",
                "pushConfig": {"pushEndpoint": "https://example.com", "oidcToken": {"serviceAccountEmail": "e"}}}),
                ),
            ),
        ),
        (
            "firestore.projects.databases.create",
            (
                "POST",
                "/v1/projects/p/databases?databaseId=acme",
                Some(json!({"locationId": "eur3", "type": "FIRESTORE_NATIVE", "deleteProtectionState": 1})),
            ),
        ),
        ("firestore.projects.databases.documents.get", ("GET", "/v1/projects/p/databases/d/documents/c/x", None)),
        (
            "secretmanager.projects.secrets.versions.access",
            ("GET", "/v1/projects/p/secrets/s/versions/latest:access", None),
        ),
        (
            "logging.projects.sinks.create",
            (
                "POST",
                "/v2/projects/p/sinks?uniqueWriterIdentity=true",
                Some(json!({"name": "s", "destination": "d", "filter": "f"})),
            ),
        ),
        (
            "logging.entries.list",
            ("POST", "/v2/entries:list", Some(json!({"resourceNames": ["projects/p"], "pageSize": 10}))),
        ),
        (
            "cloudresourcemanager.projects.getIamPolicy",
            ("POST", "/v3/projects/p:getIamPolicy", Some(json!({"options": {"requestedPolicyVersion": 3}}))),
        ),
        (
            "compute.subnetworks.insert",
            (
                "POST",
                "/compute/v1/projects/p/regions/europe-west1/subnetworks?$apiVersion=v1",
                Some(json!({"name": "s", "network": "n", "ipCidrRange": "10.0.0.0/24", "privateIpGoogleAccess": true})),
            ),
        ),
        (
            "compute.firewalls.insert",
            (
                "POST",
                "/compute/v1/projects/p/global/firewalls",
                Some(json!({"name": "f", "priority": 1000, "denied": [{"IPProtocol": "all", "ports": ["1"]}]})),
            ),
        ),
        (
            "serviceusage.services.batchGet",
            ("GET", "/v1/projects/p/services:batchGet?names=a&names=b&prettyPrint=false", None),
        ),
    ];
    let complaints = requests.iter().filter_map(|(method, request)| match check(&contracts, request) {
        Ok(found) if found == *method => None,
        Ok(found) => Some(format!("{method} is taken for {found}")),
        Err(problems) => Some(format!("{method}: {}", problems.join("; "))),
    });
    oracle::verdict(complaints.collect())
}

fn mistakes_are_caught(files: &[Value]) -> Result<(), String> {
    let contracts = Contracts::from_json(&files[0]);
    let topic = "/v1/projects/p/topics/t";
    let bucket = "/storage/v1/b?project=p";
    let service = "/v2/projects/p/locations/l/services?serviceId=s";
    let mistakes: [(&str, Request); 26] = [
        ("has no field `colour`", ("PUT", topic, Some(json!({"colour": "red"})))),
        (
            "has no field `template.containers[0].img`",
            ("POST", service, Some(json!({"template": {"containers": [{"img": "i"}]}}))),
        ),
        (
            "has no field `lifecycle.rule[0].action.kind`",
            ("POST", bucket, Some(json!({"lifecycle": {"rule": [{"action": {"kind": "x"}}]}}))),
        ),
        ("`labels` is a map", ("PUT", topic, Some(json!({"labels": ["a"]})))),
        ("`labels.a` is a string", ("PUT", topic, Some(json!({"labels": {"a": 1}})))),
        (
            "`template.containers` is a list",
            ("POST", service, Some(json!({"template": {"containers": {"image": "i"}}}))),
        ),
        ("`template` is not an object", ("POST", service, Some(json!({"template": "t"})))),
        ("`invokerIamDisabled` is a boolean", ("POST", service, Some(json!({"invokerIamDisabled": "false"})))),
        (
            "`template.scaling.minInstanceCount` is a integer:int32",
            ("POST", service, Some(json!({"template": {"scaling": {"minInstanceCount": "1"}}}))),
        ),
        (
            "`template.scaling.minInstanceCount` is a integer:int32",
            ("POST", service, Some(json!({"template": {"scaling": {"minInstanceCount": 1.5}}}))),
        ),
        ("`ingress` has no value `EVERYWHERE`", ("POST", service, Some(json!({"ingress": "EVERYWHERE"})))),
        ("`uid` of `GoogleCloudRunV2Service` is read-only", ("POST", service, Some(json!({"uid": "u"})))),
        ("`conditions` of `GoogleCloudRunV2Service` is read-only", ("POST", service, Some(json!({"conditions": []})))),
        ("`etag` is a string:byte", ("PATCH", "/v1/projects/p/roles/a", Some(json!({"etag": "not base64!"})))),
        (
            "`messageRetentionDuration` is a string:google-duration",
            ("PUT", topic, Some(json!({"messageRetentionDuration": "10m"}))),
        ),
        (
            "`fingerprint` is a string:byte",
            ("PATCH", "/compute/v1/projects/p/regions/r/subnetworks/s", Some(json!({"fingerprint": "%"}))),
        ),
        ("no query parameter `force`", ("DELETE", "/v1/projects/p/topics/t?force=true", None)),
        ("query parameter `project` is required", ("POST", "/storage/v1/b", Some(json!({"name": "b"})))),
        (
            "`uniqueWriterIdentity` is a boolean",
            ("POST", "/v2/projects/p/sinks?uniqueWriterIdentity=yes", Some(json!({}))),
        ),
        (
            "`options.requestedPolicyVersion` is a integer:int32",
            ("GET", "/v2/projects/p/locations/l/services/s:getIamPolicy?options.requestedPolicyVersion=three", None),
        ),
        (
            "`serviceId` is sent twice",
            ("POST", "/v2/projects/p/locations/l/services?serviceId=a&serviceId=b", Some(json!({}))),
        ),
        ("`projection` has no value `some`", ("POST", "/storage/v1/b?project=p&projection=some", Some(json!({})))),
        ("no method is `POST /v1/projects/p/topics/t`: ", ("POST", topic, Some(json!({})))),
        (
            "no method is `PUT /v1/projects/p/topics/t:publish`: `POST` is pubsub.projects.topics.publish",
            ("PUT", "/v1/projects/p/topics/t:publish", Some(json!({}))),
        ),
        ("no method has the path `/v1/projects/p/topic/t`", ("PUT", "/v1/projects/p/topic/t", Some(json!({})))),
        ("it takes no body", ("DELETE", topic, Some(json!({"name": "t"})))),
    ];
    let complaints = mistakes.iter().filter_map(|(expected, request)| match check(&contracts, request) {
        Ok(method) => Some(format!("{expected}: nothing is said, it is taken for {method}")),
        Err(problems) if problems.len() == 1 && problems[0].contains(expected) => None,
        Err(problems) => Some(format!("{expected}: instead {}", problems.join("; "))),
    });
    oracle::verdict(complaints.collect())
}

/// Cloud Run and Cloud Logging have operations with the same path.
fn a_hint_narrows_to_one_api(files: &[Value]) -> Result<(), String> {
    let contracts = Contracts::from_json(&files[0]);
    let path = "/v2/projects/p/locations/l/operations/o";
    let mut complaints = Vec::new();
    for (api, method) in
        [("run", "run.projects.locations.operations.get"), ("logging", "logging.projects.locations.operations.get")]
    {
        let found = contracts.check_in(api, "GET", path, &[], None).map(|method| method.to_string());
        if found != Ok(method.to_owned()) {
            complaints.push(format!("{api}: {found:?}"));
        }
    }
    if let Ok(method) = contracts.check_in("pubsub", "GET", path, &[], None) {
        complaints.push(format!("pubsub has no such path, and it is taken for {method}"));
    }
    let unknown = contracts.check_in("pubsubb", "GET", path, &[], None);
    if !unknown.is_err_and(|problems| problems[0].contains("no description of the API `pubsubb`")) {
        complaints.push("an unknown API is not named".to_owned());
    }
    oracle::verdict(complaints)
}

/// The flat form of each path has one segment per parameter. Filled in, it must lead back to its method.
fn every_path_routes(files: &[Value]) -> Result<(), String> {
    let contracts = Contracts::from_json(&files[0]);
    let mut complaints = Vec::new();
    let mut seen = 0;
    for (api, description) in files[0]["apis"].as_object().unwrap() {
        for (method, record) in description["methods"].as_object().unwrap() {
            let mut path = record["flatPath"].as_str().or(record["path"].as_str()).unwrap().to_owned();
            while let (Some(start), Some(end)) = (path.find('{'), path.find('}')) {
                path.replace_range(start..=end, "x");
            }
            let query: Vec<(String, String)> =
                oracle::texts(&record["requiredQuery"]).map(|name| (name.to_owned(), "1".to_owned())).collect();
            seen += 1;
            match contracts.check_in(api, record["httpMethod"].as_str().unwrap(), &path, &query, None) {
                Ok(found) if found.as_str() == method => {}
                Ok(found) => complaints.push(format!("{method} at {path} is taken for {found}")),
                Err(problems) => complaints.push(format!("{method} at {path}: {}", problems.join("; "))),
            }
        }
    }
    if seen < 700 {
        complaints.push(format!("only {seen} methods are in the file"));
    }
    oracle::verdict(complaints)
}
