//! A vendor who sends every field of an update: what a list says is kept is denied by the documents, and nothing else.

use alien_aws::Aws;
use alien_aws::policy::{Principal, Request, evaluate};
use alien_conformance::oracle::{texts, verdict};
use alien_conformance::stacks::{IMAGE, in_network};
use alien_conformance::writes::{List, lists};
use alien_core::adapter::{Fate, Fields, Keeper};
use alien_core::{Code, Function, Kind, Profile, Stack};
use serde_json::Value;

use crate::target;

/// A live function and a live container.
fn stack() -> Stack {
    let mut stack = Stack::builder("my-app");
    stack.live("api", Function::new(Code::zip(b"code"), "api"));
    stack.profile("api", Profile::new());
    stack.build().unwrap()
}

/// The keys that a request has by which it sets a field, with a value that the customer does not want. Taken from the
/// description of each key
/// (<https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html#awslambda-policy-keys>,
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html#amazonelasticcontainerservice-policy-keys>).
/// A network has subnets, and a connected service is enabled.
fn keys(field: &str) -> Vec<(&'static str, &'static str)> {
    let begins = |with: &str| field.starts_with(with);
    if begins("VpcConfig") {
        vec![("lambda:VpcIds", "vpc-1"), ("lambda:SubnetIds", "subnet-1"), ("lambda:SecurityGroupIds", "sg-1")]
    } else if begins("Layers") {
        vec![("lambda:Layer", "arn:aws:lambda:eu-central-1:222222222222:layer:theirs:1")]
    } else if begins("networkConfiguration") {
        vec![("ecs:subnet", "subnet-1"), ("ecs:auto-assign-public-ip", "ENABLED")]
    } else if begins("serviceConnectConfiguration") {
        vec![("ecs:enable-service-connect", "true"), ("ecs:namespace", "theirs")]
    } else if begins("volumeConfigurations") {
        vec![("ecs:enable-ebs-volumes", "true")]
    } else if begins("vpcLatticeConfigurations") {
        vec![("ecs:enable-vpc-lattice", "true")]
    } else if begins("capacityProviderStrategy") {
        vec![("ecs:capacity-provider", "theirs")]
    } else if field == "enableExecuteCommand" {
        vec![("ecs:enable-execute-command", "true")]
    } else if field == "enableECSManagedTags" {
        vec![("ecs:enable-ecs-managed-tags", "true")]
    } else if field == "propagateTags" {
        vec![("ecs:propagate-tags", "TASK_DEFINITION")]
    } else if field == "taskDefinition" {
        vec![("ecs:task-definition", "arn:aws:ecs:eu-central-1:222222222222:task-definition/theirs:1")]
    } else if field == "containerDefinitions[].privileged" {
        vec![("ecs:privileged", "true")]
    } else if field == "cpu" {
        vec![("ecs:task-cpu", "16384")]
    } else if field == "memory" {
        vec![("ecs:task-memory", "122880")]
    } else {
        Vec::new()
    }
}

/// What a permission is given on, by the management documents of a stack.
fn vendor(stack: &Stack) -> Principal {
    let rendered = alien_core::render(stack, &target("acme".parse().unwrap())).unwrap();
    rendered.documents.layers.management.unwrap().principals.remove(0)
}

fn allows(principal: &Principal, action: &str, keys: &[(&str, &str)]) -> bool {
    let resources = principal.policies.iter().flat_map(|policy| &policy.document.statements);
    let resources = resources.filter(|statement| statement.actions.iter().any(|one| one == action));
    let resources: Vec<String> =
        resources.flat_map(|statement| &statement.resources).map(ToString::to_string).collect();
    assert!(!resources.is_empty(), "{action} is given on nothing");
    let policies = || principal.policies.iter().map(|policy| &policy.document);
    resources.iter().any(|resource| evaluate(policies(), &Request::new(action, resource, keys)).is_allowed())
}

/// Sends each field of `update-fields.json`.
pub(crate) fn denied_exactly_where_kept(files: &[Value]) -> Result<(), String> {
    let mut complaints = Vec::new();
    let worker = in_network(IMAGE.parse::<Code>().unwrap());
    let (functions, containers) = (vendor(&stack()), vendor(&worker));
    let mut denied = 0;
    for List { kind, row, fields } in lists::<Aws>() {
        // A command is kept by the name alone.
        if row.permission == "lambda:InvokeFunction" {
            continue;
        }
        let operations = files[0]["operations"].as_array().unwrap();
        let operation = operations.iter().find(|one| one["permission"] == row.permission).unwrap();
        let vendor = if kind == Kind::Function { &functions } else { &containers };
        // Exec is said to be off by every request of this library.
        let always: &[(&str, &str)] =
            if row.permission == "ecs:UpdateService" { &[("ecs:enable-execute-command", "false")] } else { &[] };
        assert!(allows(vendor, row.permission, always), "{row}");
        for field in texts(&operation["fields"]) {
            let (path, fate) = Fields::of(fields, field).unwrap();
            let own = keys(field);
            let others = always.iter().filter(|(key, _)| own.iter().all(|(own, _)| own != key));
            let sent: Vec<(&str, &str)> = own.iter().chain(others).copied().collect();
            let by_key = fields.iter().filter(|fields| fields.paths.contains(&path));
            let is_kept = by_key.into_iter().any(|fields| matches!(fields.fate, Fate::Kept(Keeper::Condition(_))));
            denied += usize::from(is_kept);
            if allows(vendor, row.permission, &sent) == is_kept {
                complaints.push(format!("{} {field}: {fate:?} {sent:?}", row.permission));
            }
        }
    }
    assert!(denied > 50, "only {denied} fields are denied");
    verdict(complaints)
}
