//! An update of a service by the vendor changes what runs, and not where, beside what, or with what it is connected.

use alien_aws::Aws;
use alien_aws::policy::{Principal, Request, Statement, evaluate};
use alien_conformance::stacks::{self, IMAGE, in_network};
use alien_core::adapter::{AccessControl, DeploymentContext, audit_layers};
use alien_core::{
    Breach, Code, Container, Deployment, DisclosureKind, Kind, Layers, Lifecycle, Profile, Promise, Rendered, Report,
    Stack,
};
use serde_json::{Map, Value, json};

use crate::{keys, target};

const SERVICE: &str = "arn:aws:ecs:eu-central-1:222222222222:service/acme-cluster-4/acme-worker-4";
const FAMILY: &str = "arn:aws:ecs:eu-central-1:222222222222:task-definition/acme-worker-4";
const EXEC: (&str, &str) = ("ecs:enable-execute-command", "false");

fn rendered() -> Rendered<Aws> {
    let stack = in_network(IMAGE.parse::<Code>().unwrap());
    alien_core::render(&stack, &target("acme".parse().unwrap())).unwrap()
}

fn allows(principal: &Principal, action: &str, resource: &str, keys: &[(&str, &str)]) -> bool {
    let policies = principal.policies.iter().map(|policy| &policy.document);
    evaluate(policies, &Request::new(action, resource, keys)).is_allowed()
}

#[test]
fn an_update_of_a_service_sets_no_more_than_count_and_its_own_task_definition() {
    let management = rendered().documents.layers.management.unwrap().principals.remove(0);
    let own = format!("{FAMILY}:7");
    let others = [
        "arn:aws:ecs:eu-central-1:222222222222:task-definition/acme-worker-4-b:7",
        "arn:aws:ecs:eu-central-1:222222222222:task-definition/other:1",
        "arn:aws:ecs:eu-west-1:222222222222:task-definition/acme-worker-4:7",
    ];
    let update = |more: &[(&str, &str)]| {
        let keys: Vec<(&str, &str)> = [EXEC].iter().chain(more).copied().collect();
        allows(&management, "ecs:UpdateService", SERVICE, &keys)
    };
    assert!(update(&[]), "the count alone");
    assert!(update(&[("ecs:task-definition", &own)]));
    assert!(!allows(&management, "ecs:UpdateService", SERVICE, &[]), "Exec must be off, and said to be");
    for other in others {
        assert!(!update(&[("ecs:task-definition", other)]), "{other}");
    }
    for (key, value) in [
        ("ecs:subnet", "subnet-0a1b2c3d4e5f60718"),
        ("ecs:auto-assign-public-ip", "ENABLED"),
        ("ecs:auto-assign-public-ip", "DISABLED"),
        ("ecs:namespace", "arn:aws:servicediscovery:eu-central-1:222222222222:namespace/ns-1"),
        ("ecs:capacity-provider", "theirs"),
        ("ecs:enable-service-connect", "true"),
        ("ecs:enable-ebs-volumes", "true"),
        ("ecs:enable-vpc-lattice", "true"),
        ("ecs:enable-execute-command", "true"),
    ] {
        assert!(!update(&[(key, value)]) || key == EXEC.0, "{key} {value}");
        assert!(!allows(&management, "ecs:UpdateService", SERVICE, &[(key, value)]), "{key} {value}");
    }
    // What is off may be said to be off.
    for key in ["ecs:enable-service-connect", "ecs:enable-ebs-volumes", "ecs:enable-vpc-lattice"] {
        assert!(update(&[(key, "false")]), "{key}");
    }
    let register = |keys: &[(&str, &str)]| allows(&management, "ecs:RegisterTaskDefinition", &own, keys);
    assert!(register(&[]) && register(&[("ecs:privileged", "false")]) && !register(&[("ecs:privileged", "true")]));
    assert!(!allows(&management, "ecs:RegisterTaskDefinition", others[0], &[]));
}

/// The least and the most of a size, if the stack gives them.
type Bounds = Option<[u32; 2]>;

/// A stack of containers: each with its bounds of processors and of memory.
fn sized(containers: &[(&str, Bounds, Bounds)]) -> Stack {
    let mut stack = Stack::builder("my-app");
    for (id, cpu, memory) in containers {
        let mut container = Container::new(IMAGE.parse::<Code>().unwrap(), "execution").with_cpu_millis(500);
        container = container.with_memory_mib(2048);
        if let Some([least, most]) = *cpu {
            container = container.with_cpu_bounds(least..=most);
        }
        if let Some([least, most]) = *memory {
            container = container.with_memory_bounds(least..=most);
        }
        stack.live(*id, container);
    }
    stack.profile("execution", Profile::new());
    stack.build().unwrap()
}

/// The bounds of a container are its own, also beside others: the present size where it has none.
#[test]
fn a_task_definition_is_as_large_as_the_stack_allows() {
    let stack = sized(&[
        ("api", Some([250, 1000]), None),
        ("jobs", None, Some([1024, 4096])),
        ("mail", None, None),
        ("site", None, None),
    ]);
    let rendered = alien_core::render(&stack, &target("acme".parse().unwrap())).unwrap();
    assert_eq!(rendered.report.breaches, []);
    let management = rendered.documents.layers.management.unwrap().principals.remove(0);
    let registers = |id: &str, cpu: &str, memory: &str| {
        let family = format!("arn:aws:ecs:eu-central-1:222222222222:task-definition/acme-{id}-4:1");
        let keys = [("ecs:task-cpu", cpu), ("ecs:task-memory", memory), ("ecs:privileged", "false")];
        allows(&management, "ecs:RegisterTaskDefinition", &family, &keys)
    };
    for (id, cpu, memory, allowed) in [
        ("api", "256", "2048", true),
        ("api", "1024", "2048", true),
        ("api", "255", "2048", false),
        ("api", "2048", "2048", false),
        ("api", "512", "4096", false),
        ("api", "512", "1024", false),
        ("jobs", "512", "1024", true),
        ("jobs", "512", "4096", true),
        ("jobs", "512", "5120", false),
        ("jobs", "1024", "2048", false),
        ("mail", "512", "2048", true),
        ("mail", "1024", "2048", false),
        ("site", "512", "2048", true),
        ("site", "512", "2049", false),
        ("site", "half", "2048", false),
    ] {
        assert_eq!(registers(id, cpu, memory), allowed, "{id} {cpu} {memory}");
    }
    // Containers of one size share a statement.
    let statements = management.policies.iter().flat_map(|policy| &policy.document.statements);
    let register =
        |statement: &&Statement| statement.actions.iter().any(|action| action == "ecs:RegisterTaskDefinition");
    assert_eq!(statements.filter(register).count(), 3);
}

/// What the library sends, as it was recorded: the vendor's requests meet the vendor's conditions, and the admin's, which
/// place the service, meet only the admin's.
#[test]
fn the_requests_of_a_life_meet_the_conditions_of_who_sends_them() {
    let record = Deployment::from_json(include_str!("../recorded/record.json")).unwrap();
    let context = DeploymentContext::<Aws>::of(&record).unwrap();
    let principal = |grants| Aws::principal(&context.layout, grants);
    let (admin, vendor) =
        (principal(&context.permissions().provisioning), principal(&context.permissions().management));
    let service = context.id_of(context.subject("worker").unwrap());
    let family = "arn:aws:ecs:eu-central-1:222222222222:task-definition/life-worker-4:1";
    let mut seen = Vec::new();
    for line in include_str!("../recorded/life.jsonl").lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let action = line["headers"]["x-amz-target"].as_str().and_then(|target| target.rsplit('.').next());
        let body = &line["body"];
        let (action, resource) = match action {
            Some("UpdateService") if body["service"] == "life-worker-4" => ("ecs:UpdateService", service),
            Some("RegisterTaskDefinition") if body["family"] == "life-worker-4" => {
                ("ecs:RegisterTaskDefinition", family)
            }
            _ => continue,
        };
        let keys = keys::of_ecs(body);
        let keys: Vec<(&str, &str)> = keys.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let step = line["step"].as_str().unwrap();
        let by = [&admin, &vendor].map(|who| allows(who, action, resource, &keys));
        let expected = match (step, action) {
            ("update", _) => by[1],
            (_, "ecs:UpdateService") => by == [true, false],
            _ => by[0],
        };
        assert!(expected, "{step}: {action} with {keys:?}: {by:?}");
        seen.push((step.to_owned(), action));
    }
    for due in ["update", "apply"] {
        for action in ["ecs:UpdateService", "ecs:RegisterTaskDefinition"] {
            assert!(seen.iter().any(|(step, seen)| step == due && *seen == action), "{due} {action}: {seen:?}");
        }
    }
}

/// The report on a container after a change of the conditions of one statement of the vendor's.
fn after(sid: &str, change: impl FnOnce(&mut Value)) -> Report {
    after_in(&in_network(IMAGE.parse::<Code>().unwrap()), sid, change)
}

/// The same of any stack.
fn after_in(stack: &Stack, sid: &str, change: impl FnOnce(&mut Value)) -> Report {
    let rendered: Rendered<Aws> = alien_core::render(stack, &target("acme".parse().unwrap())).unwrap();
    let mut layers = serde_json::to_value(&rendered.documents.layers).unwrap();
    let statements = &mut layers["management"]["principals"][0]["policies"][0]["document"]["Statement"];
    let statement = statements.as_array_mut().unwrap().iter_mut().find(|statement| statement["Sid"] == sid).unwrap();
    change(&mut statement["Condition"]);
    let layers: Layers<Principal> = serde_json::from_value(layers).unwrap();
    audit_layers(stack, &rendered.documents.target, &layers)
}

const IN_PLACE: &str = "ContainerManagementOnServiceInPlace";

#[test]
fn the_audit_refuses_an_update_without_any_one_of_its_conditions() {
    assert_eq!(after(IN_PLACE, |_| ()).breaches, []);
    let condition = {
        let mut found = Value::Null;
        after(IN_PLACE, |condition| found = condition.clone());
        found
    };
    let mut broken = 0;
    for (operator, keys) in condition.as_object().unwrap() {
        for key in keys.as_object().unwrap().keys() {
            let caught = |what: &str, change: &dyn Fn(&mut Value)| {
                let report = after(IN_PLACE, |condition| change(&mut condition[operator]));
                let breach = report.breaches.iter().find(|b| b.promise == Promise::P10 && b.statement == IN_PLACE);
                let breach = breach.unwrap_or_else(|| panic!("{what} {operator} {key}: {:#?}", report.breaches));
                let named = format!("without the condition on `{key}` also writes `");
                assert!(breach.what.contains(&named), "{breach}");
            };
            caught("without", &|keys| drop(keys.as_object_mut().unwrap().remove(key)));
            caught("wider", &|keys| keys[key] = json!(["false", "true", "*"]));
            broken += 1;
        }
    }
    assert_eq!(broken, 11);
    let register = "ContainerManagementOnTaskFamilyUnprivileged";
    assert_eq!(after(register, |_| ()).breaches, []);
    assert!(!after(register, |condition| *condition = json!({})).breaches.is_empty());
    for (key, field) in [
        ("ecs:privileged", "containerDefinitions[].privileged"),
        ("ecs:task-cpu", "cpu"),
        ("ecs:task-memory", "memory"),
    ] {
        let refused = |what: &str, change: &dyn Fn(&mut Value)| {
            let breaches = after(register, change).breaches;
            let named = format!("without the condition on `{key}` also writes `{field}`");
            let found = breaches.iter().find(|breach| breach.promise == Promise::P10 && breach.statement == register);
            assert!(found.is_some_and(|breach| breach.what.contains(&named)), "{what} {key}: {breaches:#?}");
        };
        let each = |condition: &mut Value, change: &dyn Fn(&mut Map<String, Value>)| {
            condition.as_object_mut().unwrap().values_mut().filter_map(Value::as_object_mut).for_each(change);
        };
        refused("without", &|condition| each(condition, &|keys| drop(keys.remove(key))));
        if key != "ecs:privileged" {
            let set = |condition: &mut Value, to: &Value| {
                each(condition, &|keys| keys.get_mut(key).into_iter().for_each(|value| *value = to.clone()));
            };
            refused("wider", &|condition| set(condition, &json!(["256", "512", "16384"])));
            refused("no number", &|condition| set(condition, &json!("large")));
            refused("one side", &|condition| {
                each(condition, &|keys| drop(keys.remove(key)));
                condition["NumericLessThanEqualsIfExists"] = json!({key: "512"});
            });
        }
    }
}

#[test]
fn the_audit_refuses_an_update_of_a_functions_settings_without_any_one_of_its_conditions() {
    const SETTINGS: &str = "FunctionManagementOnFunctionInPlace";
    let stack = stacks::of_function(Code::zip(b"zip"));
    let report = |change: &dyn Fn(&mut Value)| after_in(&stack, SETTINGS, change);
    let mut keys = Value::Null;
    assert_eq!(after_in(&stack, SETTINGS, |condition| keys = condition.clone()).breaches, []);
    let fields = [
        ("lambda:Layer", "Layers"),
        ("lambda:SecurityGroupIds", "VpcConfig.SecurityGroupIds"),
        ("lambda:SubnetIds", "VpcConfig.SubnetIds"),
        ("lambda:VpcIds", "VpcConfig"),
    ];
    let absent: Map<String, Value> = fields.iter().map(|(key, _)| ((*key).to_owned(), json!("true"))).collect();
    assert_eq!(keys, json!({ "Null": absent }), "each key has a row here");
    for (key, field) in fields {
        let without = |condition: &mut Value| drop(condition["Null"].as_object_mut().unwrap().remove(key));
        // One that must be there instead of absent.
        let turned = |condition: &mut Value| condition["Null"][key] = json!("false");
        for (what, report) in [("without", report(&without)), ("turned", report(&turned))] {
            let named = format!("without the condition on `{key}` also writes `{field}`");
            let is_named = |breach: &&Breach| breach.promise == Promise::P10 && breach.statement == SETTINGS;
            let found: Vec<&Breach> = report.breaches.iter().filter(is_named).collect();
            assert!(found.iter().any(|breach| breach.what.contains(&named)), "{what} {key}: {:#?}", report.breaches);
            assert_eq!(found.len(), 1, "{what} {key}: the other three keep what they kept: {found:#?}");
        }
    }
    assert!(!report(&|condition| *condition = json!({})).breaches.is_empty());
}

/// What no condition key of ECS keeps out is told.
#[test]
fn what_an_update_of_a_service_can_do_besides_is_disclosed() {
    let beyond = [DisclosureKind::Unguarded, DisclosureKind::Restored];
    let told = rendered().report.disclosures.into_iter().filter(|told| beyond.contains(&told.kind));
    let told: Vec<String> = told.map(|told| format!("{:?}: {} {}", told.kind, told.permission, told.what)).collect();
    assert_eq!(
        told,
        [
            "Unguarded: ecs:RegisterTaskDefinition mount file systems that its network and its runtime role let it reach",
            "Unguarded: ecs:RegisterTaskDefinition take up to 200 GiB of temporary storage a task",
            "Unguarded: ecs:UpdateService attach it to gateways of the account",
            "Restored: ecs:UpdateService attach it to load balancers and service registries of the account",
            "Restored: ecs:UpdateService hand its deployments to another controller",
            "Restored: ecs:UpdateService have functions of the account called while it is rolled out, by a role that already may",
        ]
    );
}

/// A service has a statement of its own for its updates, and shares that for its task definitions with those of its sizes: the
/// most that fit into the policies of a role, where the names are the longest and where they are short.
#[test]
fn so_many_services_fit_and_no_more() {
    let sized = |number: usize| json!({ "min": 512, "max": 2048 + number });
    let alike = |_: usize| json!({ "min": 512, "max": 2048 });
    let fit = |prefix: &str, id: &str, bounds: &dyn Fn(usize) -> Value| {
        let fits = |count: &usize| {
            let service = |number: usize| {
                let mut service = stacks::resource(&format!("{id}{number:02}"), Kind::Container, Lifecycle::Live);
                service["memoryMib"] = 2048.into();
                service["memoryBounds"] = bounds(number);
                service
            };
            let stack = stacks::stack_of(&(0..*count).map(service).collect::<Vec<_>>());
            let target = target(prefix.parse().unwrap());
            let rendered: Rendered<Aws> = alien_core::adapter::render_beyond_limits(&stack, &target).unwrap();
            rendered.sizes.iter().all(|size| size.size <= size.limit)
        };
        (1..100).take_while(fits).last()
    };
    let (prefix, id) = ("p".repeat(32), "w".repeat(61));
    assert_eq!(
        [
            fit(&prefix, &id, &alike),
            fit(&prefix, &id, &sized),
            fit("acme", "worker-", &alike),
            fit("acme", "worker-", &sized)
        ],
        [Some(41), Some(33), Some(65), Some(48)],
        "docs/aws.md says so"
    );
}
