//! A vendor who sends every field of an update: what a list says is kept is denied by the documents, and nothing else.

use std::fmt::Write as _;

use alien_aws::Aws;
use alien_aws::policy::{Principal, Request, evaluate};
use alien_conformance::oracle::{texts, verdict};
use alien_conformance::stacks::{IMAGE, in_network};
use alien_conformance::writes::{List, lists};
use alien_core::adapter::{Fate, Fields, Keeper};
use alien_core::{Code, Disclosure, DisclosureKind, Function, Kind, Profile, Stack};
use serde_json::Value;

use crate::target;

/// A live function and a live container.
fn stack() -> Stack {
    let mut stack = Stack::builder("my-app");
    stack.live("api", Function::new(Code::zip(b"code"), "api").with_commands());
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

/// The vendor's role, and what the report discloses.
struct Vendor {
    principal: Principal,
    disclosures: Vec<Disclosure>,
}

impl Vendor {
    fn of(stack: &Stack) -> Self {
        let rendered = alien_core::render(stack, &target("acme".parse().unwrap())).unwrap();
        let principal = rendered.documents.layers.management.unwrap().principals.remove(0);
        Self { principal, disclosures: rendered.report.disclosures }
    }

    /// What an action is given on.
    fn resources(&self, action: &str) -> Vec<String> {
        let statements = self.principal.policies.iter().flat_map(|policy| &policy.document.statements);
        let given = statements.filter(|statement| statement.actions.iter().any(|one| one == action));
        given.flat_map(|statement| &statement.resources).map(ToString::to_string).collect()
    }

    fn may(&self, action: &str, on: &str, keys: &[(&str, &str)]) -> bool {
        let policies = self.principal.policies.iter().map(|policy| &policy.document);
        evaluate(policies, &Request::new(action, on, keys)).is_allowed()
    }

    /// Whether an action is allowed with these keys on anything that it is given on.
    fn allows(&self, action: &str, keys: &[(&str, &str)]) -> bool {
        let resources = self.resources(action);
        assert!(!resources.is_empty(), "{action} is given on nothing");
        resources.iter().any(|resource| self.may(action, resource, keys))
    }

    fn discloses(&self, kind: DisclosureKind, lets: &str) -> bool {
        lets.is_empty() || self.disclosures.iter().any(|told| told.kind == kind && told.what == lets)
    }
}

/// What nobody gave the vendor, by the service of a permission.
fn others(permission: &str) -> &'static str {
    match permission.split(':').next().unwrap_or_default() {
        "iam" => "arn:aws:iam::222222222222:role/theirs",
        "s3" => "arn:aws:s3:::theirs/code.zip",
        "ecs" => "arn:aws:ecs:eu-central-1:222222222222:task-definition/acme-worker-4:1",
        "lambda" => "arn:aws:lambda:eu-central-1:222222222222:capacity-provider:theirs",
        other => panic!("a permission of {other}"),
    }
}

/// A request for a permission that sets one field.
struct Sent<'a> {
    vendor: &'a Vendor,
    permission: &'static str,
    field: &'a str,
    /// The keys that the field has.
    own: Vec<(&'static str, &'static str)>,
    /// The keys that every request of this library has.
    always: Vec<(&'static str, &'static str)>,
}

impl Sent<'_> {
    /// What becomes of the field by this fate, as the evaluator and the report have it.
    fn becomes(&self, fate: Fate) -> Result<String, String> {
        let Self { vendor, permission, field, own, always } = self;
        let about = format!("{permission} {field}");
        match fate {
            Fate::Call => Ok("of the call".to_owned()),
            Fate::Vendors => Ok("the vendor's".to_owned()),
            Fate::Kept(Keeper::Condition(key)) => {
                let denies = |one: &&(&'static str, &'static str)| {
                    let keys: Vec<(&str, &str)> = [**one].into_iter().chain(always.iter().copied()).collect();
                    !vendor.allows(permission, &keys)
                };
                let by: Vec<&str> = own.iter().filter(denies).map(|(key, _)| *key).collect();
                match by.contains(&key) {
                    true => Ok(format!("denied by {}", by.join(", "))),
                    false => Err(format!("{about}: {key} does not deny it by itself, but {by:?}")),
                }
            }
            Fate::Kept(Keeper::Permission(needed)) => match vendor.may(needed, others(needed), &[]) {
                true => Err(format!("{about}: the vendor holds {needed} on something of others'")),
                false if vendor.resources(needed).is_empty() => Ok(format!("denied without {needed}")),
                false => Ok(format!("denied without {needed} on another name")),
            },
            Fate::Kept(Keeper::Name) => {
                let on = vendor.resources(permission);
                match on.iter().any(|one| vendor.may(permission, &format!("{one}:other"), always)) {
                    true => Err(format!("{about}: it is allowed on another name")),
                    false => Ok("denied by the name".to_owned()),
                }
            }
            Fate::Restored(lets) => match vendor.discloses(DisclosureKind::Restored, lets) {
                true => Ok("told, and set back".to_owned()),
                false => Err(format!("{about}: nothing discloses that the vendor could {lets}")),
            },
            Fate::Disclosed(lets) => match vendor.discloses(DisclosureKind::Unguarded, lets) {
                true => Ok("disclosed".to_owned()),
                false => Err(format!("{about}: nothing discloses that the vendor could {lets}")),
            },
        }
    }
}

/// Sends each field of `update-fields.json`, and keeps a line for each. That what is restored is told and set back, the tests
/// on the peer show (`tests/peer/restored.rs`).
pub(crate) fn denied_exactly_where_kept(files: &[Value]) -> Result<(), String> {
    let (mut complaints, mut table) = (Vec::new(), String::new());
    let worker = in_network(IMAGE.parse::<Code>().unwrap());
    let (functions, containers) = (Vendor::of(&stack()), Vendor::of(&worker));
    let mut denied = 0;
    for List { kind, row, fields } in lists::<Aws>() {
        let operations = files[0]["operations"].as_array().unwrap();
        let operation = operations.iter().find(|one| one["permission"] == row.permission).unwrap();
        let vendor = if kind == Kind::Function { &functions } else { &containers };
        // Exec is said to be off by every request of this library.
        let exec = ("ecs:enable-execute-command", "false");
        let always: Vec<_> = Some(exec).filter(|_| row.permission == "ecs:UpdateService").into_iter().collect();
        assert!(vendor.allows(row.permission, &always), "{row}");
        writeln!(table, "{}", row.permission).unwrap();
        for field in texts(&operation["fields"]) {
            let (path, _) = Fields::of(fields, field).unwrap();
            let fates: Vec<Fate> =
                fields.iter().filter(|fields| fields.paths.contains(&path)).map(|fields| fields.fate).collect();
            let own = keys(field);
            let always: Vec<_> =
                always.iter().copied().filter(|(key, _)| own.iter().all(|(own, _)| own != key)).collect();
            let sent: Vec<(&str, &str)> = own.iter().chain(&always).copied().collect();
            let is_kept = fates.iter().any(|fate| matches!(fate, Fate::Kept(Keeper::Condition(_))));
            denied += usize::from(is_kept);
            if vendor.allows(row.permission, &sent) == is_kept {
                complaints.push(format!("{} {field}: {fates:?} {sent:?}", row.permission));
            }
            let sent = Sent { vendor, permission: row.permission, field, own, always };
            let became: Result<Vec<String>, String> = fates.iter().map(|fate| sent.becomes(*fate)).collect();
            match became {
                // Of two, the first holds where the request sets it, and the second where it empties it.
                Ok(became) => writeln!(table, "  {field}: {}", became.join("; emptied: ")).unwrap(),
                Err(complaint) => complaints.push(complaint),
            }
        }
    }
    assert!(denied > 50, "only {denied} fields are denied");
    verdict(complaints)?;
    insta::assert_snapshot!("fields_of_updates", table);
    Ok(())
}
