//! The rules of a stack: every problem at once, each with where, what, and what to do.

use alien_conformance::stacks::IMAGE;
use alien_core::{Code, Container, Function, Kv, Network, Profile, Queue, Rule, Stack, Storage};
use serde_json::{Value, json};

use crate::decode::problems;

fn lines(document: &Value) -> String {
    problems(&document.to_string()).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_problem_is_told_at_once() {
    let long = "x".repeat(64);
    let document = json!({
        "name": "My App",
        "resources": [
            { "id": "Data", "type": "storage", "lifecycle": "frozen", "expireAfterDays": 0 },
            { "id": long, "type": "kv", "lifecycle": "frozen", "ttlAttribute": "1st" },
            { "id": "jobs", "type": "queue", "lifecycle": "frozen", "retentionSeconds": 1, "deadLetterAfter": 1 },
            { "id": "jobs", "type": "queue", "lifecycle": "live" },
            { "id": "net", "type": "network", "lifecycle": "frozen", "range": "8.8.8.0/24", "existing": "vpc-1" },
            {
                "id": "api", "type": "function", "lifecycle": "live", "code": { "image": "api:latest" }, "profile": "nobody",
                "links": ["gone", "api"], "triggers": [{ "queue": "net" }], "network": "jobs", "memoryMib": 1,
                "environment": { "ALIEN_X": "1", "A B": "2" },
            },
            {
                "id": "worker", "type": "container", "lifecycle": "frozen", "code": { "zip": "sha256:1" }, "profile": "execution",
                "cpuMillis": 3, "replicas": { "min": 5, "max": 2 }, "port": 0,
            },
            { "id": "a", "type": "kv", "lifecycle": "frozen", "links": ["b"] },
            { "id": "b", "type": "kv", "lifecycle": "frozen", "links": ["a"] },
        ],
        "permissions": {
            "profiles": {
                "execution": {
                    "jobs": ["storage/data-read", "queue/data-raed", "queue/provision"],
                    "gone": ["queue/data-read"],
                    "*": ["network/data-read", "storage/data-read"],
                },
                "unused": {},
                "Un named": {},
            },
            "management": { "extend": {
                "jobs": ["queue/data-read", "storage/provision", "queue/everything"],
                "gone": ["queue/provision"],
                "api": ["function/dispatch", "function/invoke"],
                "net": ["network/provision"],
            } },
        },
    });
    insta::assert_snapshot!(lines(&document));
}

#[test]
fn an_image_that_is_not_pinned_is_a_warning() {
    for image in ["api", "api:latest", "registry.example.com/api:1", "api@sha256:abc"] {
        let document = json!({
            "name": "a",
            "resources": [{ "id": "api", "type": "function", "lifecycle": "live", "code": { "image": image }, "profile": "p" }],
            "permissions": { "profiles": { "p": {} } },
        });
        let stack = Stack::from_json(&document.to_string()).unwrap();
        assert_eq!(stack.warnings().len(), 1, "{image}");
        assert_eq!(stack.warnings()[0].rule, Rule::Code);
    }
}

#[test]
fn what_starts_a_function_must_be_readable_by_it() {
    let document = |sets: Value| {
        json!({
            "name": "a",
            "resources": [
                { "id": "jobs", "type": "queue", "lifecycle": "frozen" },
                {
                    "id": "api", "type": "function", "lifecycle": "live", "code": { "image": IMAGE }, "profile": "p",
                    "triggers": [{ "queue": "jobs" }],
                },
            ],
            "permissions": { "profiles": { "p": sets } },
        })
        .to_string()
    };
    assert!(problems(&document(json!({ "jobs": ["queue/data-read"] }))).is_empty());
    assert!(problems(&document(json!({ "*": ["queue/data-read"] }))).is_empty());
    let problems = problems(&document(json!({ "jobs": ["queue/data-write"] })));
    assert!(problems.len() == 1 && problems[0].what.contains("may not read them"), "{problems:?}");
}

#[test]
fn a_reference_from_another_stack_is_refused_wherever_it_is_used() {
    let mut other = Stack::builder("other");
    let data = other.frozen("data", Storage::new());
    let jobs = other.frozen("jobs", Queue::new());
    let net = other.frozen("net", Network::default());

    let mut stack = Stack::builder("my-app");
    // Resources of the same ids do not make the references this stack's.
    stack.frozen("data", Storage::new());
    stack.frozen("jobs", Queue::new());
    stack.frozen("net", Network::default());
    let api = stack
        .live("api", Function::new(IMAGE.parse::<Code>().unwrap(), "execution").with_trigger(&jobs).with_network(&net));
    stack.live("worker", Container::new(IMAGE.parse::<Code>().unwrap(), "execution").with_network(&net));
    stack.link(&api, &data);
    stack.profile("execution", Profile::new().on(&data, [Storage::DATA_READ]).on(&jobs, [Queue::DATA_READ]));
    stack.extend(&jobs, [Queue::PROVISION]);
    let problems = stack.build().unwrap_err();
    let foreign = problems.as_slice().iter().filter(|problem| problem.rule == Rule::ForeignReference);
    assert_eq!(foreign.count(), 7, "{problems}");
}

#[test]
fn builder_and_json_say_the_same() {
    let mut stack = Stack::builder("my-app");
    let data = stack.frozen("data", Storage::new());
    stack.frozen("cache", Kv::new());
    let jobs = stack.frozen("jobs", Queue::new());
    let image = |name: &str, digest: &str| {
        let digest = format!("sha256:{digest}");
        let code = Code::image(format!("registry.example.com/{name}"), &digest).unwrap();
        code.with_image(format!("us-docker.pkg.dev/vendor-project/my-app/{name}"), &digest).unwrap()
    };
    let api = stack.live(
        "api",
        Function::new(image("api", "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"), "execution")
            .with_commands(),
    );
    stack.link(&api, &data);
    stack.frozen(
        "worker",
        Container::new(
            image("worker", "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9"),
            "execution",
        ),
    );
    stack.frozen("net", Network::default());
    stack.profile(
        "execution",
        Profile::new().on(&data, [Storage::DATA_READ, Storage::DATA_WRITE]).on_all([Queue::DATA_WRITE]),
    );
    stack.extend(&jobs, [Queue::PROVISION]);
    assert_eq!(stack.build().unwrap(), alien_conformance::golden::my_app());
}

#[test]
fn resources_are_set_up_after_what_they_need() {
    let stack = alien_conformance::golden::my_app();
    let order: Vec<&str> = stack.order().iter().map(|n| stack.resources()[*n].id().as_str()).collect();
    let place = |id: &str| order.iter().position(|other| *other == id).unwrap();
    assert_eq!(order.len(), 6);
    assert!(place("data") < place("api"));
}
