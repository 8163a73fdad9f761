//! Stacks to test with: generated ones, and a few fixed ones.

use std::collections::BTreeMap;
use std::time::Duration;

use alien_core::{
    Code, Container, Function, Kind, Kv, Lifecycle, Network, Profile, Queue, Replicas, Set, SetName, Stack, Storage,
};
use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::{Value, json};

use crate::world::Shipped;

/// An image, pinned by digest.
pub const IMAGE: &str =
    "registry.example.com/app@sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

/// The repository of the same image in a registry that every cloud takes. By name it comes after that of [`IMAGE`].
pub const EVERYWHERE: &str = "us.gcr.io/acme/app";

/// The code of [`IMAGE`], also where clouds take it that take no image of any registry.
///
/// # Panics
///
/// Never: the image is valid.
#[must_use]
pub fn image() -> Code {
    let (_, digest) = IMAGE.split_once('@').unwrap();
    image_of(digest)
}

/// The same with another digest.
///
/// # Panics
///
/// If the digest is not valid.
#[must_use]
pub fn image_of(digest: &str) -> Code {
    let (repository, _) = IMAGE.split_once('@').unwrap();
    Code::image(repository, digest).unwrap().with_image(EVERYWHERE, digest).unwrap()
}

/// Ids that are prefixes of each other, contain each other, or could be taken for part of a prefix.
pub const IDS: [&str; 14] = [
    "a",
    "a-a",
    "a-b",
    "a-b-c",
    "api",
    "api-2",
    "prod-api",
    "prod",
    "management",
    "cluster",
    "live",
    "frozen",
    "logs",
    "an-id-that-is-too-long-for-most-clouds-to-take-as-it-is",
];

/// A digest of an image: 64 times this hexadecimal digit.
#[must_use]
pub fn digest(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

/// A stack of one live function, `api`, of this code.
///
/// # Panics
///
/// Never: the stack is valid.
#[must_use]
pub fn of_function(code: Code) -> Stack {
    let mut stack = Stack::builder("shop");
    stack.live("api", Function::new(code, "api"));
    stack.profile("api", Profile::new());
    stack.build().unwrap()
}

/// A stack of one live container, `worker`, of this code in the frozen network `net`.
///
/// # Panics
///
/// Never: the stack is valid.
#[must_use]
pub fn in_network(code: Code) -> Stack {
    let mut stack = Stack::builder("shop");
    let network = stack.frozen("net", Network::default());
    stack.live("worker", Container::new(code, "worker").with_network(&network));
    stack.profile("worker", Profile::new());
    stack.build().unwrap()
}

/// A stack with every setting at something else than its default, and with extended management.
///
/// # Panics
///
/// Never: the stack is valid.
#[must_use]
pub fn full(code: &Shipped, image: &str) -> Stack {
    let mut stack = Stack::builder("full");
    let network = stack.frozen("net", Network::new("10.30.0.0/16"));
    let data = stack.frozen("data", Storage::new().with_versions().with_expiry_days(365));
    let live_data = stack.live("cache-files", Storage::new().with_expiry_days(7));
    let table = stack.frozen("table", Kv::new().with_time_to_live("expires"));
    let jobs = Queue::new().with_visibility_timeout(Duration::from_secs(120)).with_retention(Duration::from_secs(3600));
    let jobs = stack.live("jobs", jobs.with_dead_letters_after(7));
    let letters = stack.frozen("letters", Queue::new().with_retention(Duration::from_secs(86_400)));
    let api = Function::new(code.code(), "execution").with_memory_mib(1024).with_memory_bounds(512..=2048);
    let api = api.with_timeout(Duration::from_secs(60));
    let api = api
        .with_variable("MODE", "first")
        .with_variable("EMPTY", "")
        .with_public_url()
        .with_commands()
        .with_trigger(&jobs);
    let api = stack.live("api", api);
    let inside = Function::new(code.code(), "ledger").with_memory_mib(256).with_timeout(Duration::from_secs(10));
    let ledger = stack.frozen("ledger", inside.with_network(&network).with_commands());
    let worker = Container::new(image.parse::<Code>().unwrap(), "execution")
        .with_cpu_millis(1000)
        .with_memory_mib(2048)
        .with_port(8080);
    let worker =
        worker.with_replicas(Replicas { min: 2, max: 3 }).with_variable("QUEUE", "jobs").with_network(&network);
    let worker = stack.live("worker", worker);
    let mailer = Container::new(image.parse::<Code>().unwrap(), "ledger")
        .with_cpu_millis(500)
        .with_memory_mib(1024)
        .with_variable("A", "b");
    let mailer = stack.frozen("mailer", mailer);
    stack.link(&api, &data).link(&api, &jobs).link(&worker, &table).link(&mailer, &letters).link(&worker, &network);
    let execution = Profile::new()
        .on(&data, [Storage::DATA_READ])
        .on(&live_data, [Storage::DATA_READ, Storage::DATA_WRITE])
        .on(&table, [Kv::DATA_READ, Kv::DATA_WRITE])
        .on(&ledger, [Function::INVOKE])
        .on(&jobs, [Queue::DATA_READ, Queue::DATA_WRITE, Queue::WATCH]);
    stack.profile("execution", execution);
    stack.profile("ledger", Profile::new().on_all([Queue::DATA_WRITE]).on(&letters, [Queue::DATA_READ]));
    stack.extend(&ledger, [Function::MANAGEMENT, Function::LOGS, Function::DISPATCH]);
    stack.extend(&mailer, [Container::LOGS]);
    stack.extend(&live_data, [Storage::PROVISION, Storage::RECONFIGURE]);
    stack.build().unwrap_or_else(|problems| panic!("{problems}"))
}

/// The smallest valid resource of a kind.
#[must_use]
pub fn resource(id: &str, kind: Kind, lifecycle: Lifecycle) -> Value {
    let mut resource = json!({ "id": id, "type": kind.name(), "lifecycle": lifecycle.name() });
    if kind.runs_code() {
        resource["code"] = json!(image());
        resource["profile"] = "execution".into();
    }
    resource
}

/// A stack of these resources, whose profile may read and write all data.
#[must_use]
pub fn stack_of(resources: &[Value]) -> Stack {
    let kinds = resources.iter().filter_map(|resource| Kind::named(resource["type"].as_str()?));
    let all: Vec<String> = kinds
        .flat_map(|kind| [Set::DataRead, Set::DataWrite].map(|set| SetName { kind, set }))
        .filter(|name| name.set.fits(name.kind))
        .map(|name| name.to_string())
        .collect();
    let document = json!({
        "version": Stack::VERSION,
        "name": "generated",
        "resources": resources,
        "permissions": { "profiles": { "execution": { "*": all } } },
    });
    Stack::from_json(&document.to_string()).expect("a stack of the smallest resources is valid")
}

/// A stack of `count` resources, cycling through all kinds. Every other group of six is live.
#[must_use]
pub fn stack_of_size(count: usize) -> Stack {
    let resources: Vec<Value> = (0..count)
        .map(|n| {
            let lifecycle = if (n / 6) % 2 == 0 { Lifecycle::Live } else { Lifecycle::Frozen };
            resource(&format!("resource-{n}"), Kind::ALL[n % 6], lifecycle)
        })
        .collect();
    stack_of(&resources)
}

/// Any stack: up to eight resources of any kind and lifecycle, with profiles on some or all of them, links, triggers,
/// commands and extended management.
pub fn any_stack() -> impl Strategy<Value = Stack> {
    any_document().prop_map(|document| {
        Stack::from_json(&document.to_string()).unwrap_or_else(|problems| panic!("{problems}\n{document:#}"))
    })
}

/// The JSON form of any stack.
pub fn any_document() -> impl Strategy<Value = Value> {
    subsequence(IDS.to_vec(), 1..=8)
        .prop_flat_map(|ids| {
            let count = ids.len();
            let shapes = proptest::collection::vec((0..6_usize, any::<[bool; 8]>(), any::<u64>()), count);
            (Just(ids), shapes)
        })
        .prop_map(|(ids, shapes)| document(&ids, &shapes))
}

fn document(ids: &[&str], shapes: &[(usize, [bool; 8], u64)]) -> Value {
    let kinds: Vec<Kind> = shapes.iter().map(|(kind, ..)| Kind::ALL[*kind]).collect();
    let mut resources = Vec::new();
    let mut profiles = BTreeMap::<&str, BTreeMap<&str, Vec<String>>>::new();
    let mut extend = BTreeMap::<&str, Vec<String>>::new();
    let mut customers = BTreeMap::<&str, Value>::new();
    let mut logs_of_frozen = false;
    for (n, (_, flags, seed)) in shapes.iter().enumerate() {
        let (id, kind) = (ids[n], kinds[n]);
        let [live, flag, dead_letters, link, all, extended, second, existing] = *flags;
        let lifecycle = if live { Lifecycle::Live } else { Lifecycle::Frozen };
        let mut value = resource(id, kind, lifecycle);
        // A resource refers only to earlier ones, so there is no cycle.
        let earlier = |wanted: Kind| (0..n).rev().find(|n| kinds[*n] == wanted).map(|n| ids[n]);
        if link && n > 0 {
            value["links"] = json!([ids[n - 1]]);
        }
        let profile = if second { "exec" } else { "execution" };
        if kind.runs_code() {
            value["profile"] = profile.into();
            profiles.entry(profile).or_default();
            if let (true, Some(network)) = (flag, earlier(Kind::Network)) {
                value["network"] = network.into();
            }
        }
        match kind {
            Kind::Function => {
                value["commands"] = flag.into();
                value["publicUrl"] = all.into();
                if let Some(queue) = earlier(Kind::Queue).filter(|_| dead_letters) {
                    value["triggers"] = json!([{ "queue": queue }]);
                    let sets = profiles.entry(profile).or_default().entry(queue).or_default();
                    sets.push("queue/data-read".to_owned());
                }
            }
            Kind::Queue if dead_letters => value["deadLetterAfter"] = 5.into(),
            Kind::Storage => value["versioning"] = flag.into(),
            Kind::Network if existing => {
                customers.insert(id, json!({ "id": format!("vpc-0a1b2c3d4e5f6071{n}") }));
            }
            _ => {}
        }
        for set in Set::ALL.into_iter().filter(|set| set.fits(kind)) {
            let wanted = (seed >> (set as u32 * 2)) & 3;
            let name = SetName { kind, set }.to_string();
            if set.is_for_profiles() && wanted == 0 {
                let scope = if all { "*" } else { id };
                profiles.entry(profile).or_default().entry(scope).or_default().push(name.clone());
            }
            let fitting = match set {
                Set::Dispatch => value["commands"] == true,
                Set::Provision | Set::Reconfigure => !customers.contains_key(id),
                _ => true,
            };
            if extended && set.is_for_management() && fitting && wanted == 1 {
                logs_of_frozen |= set == Set::Logs && !live;
                extend.entry(id).or_default().push(name);
            }
        }
        resources.push(value);
    }
    if logs_of_frozen {
        // Not every cloud can separate the logs of frozen code, so then all frozen code is extended.
        for (n, (_, flags, _)) in shapes.iter().enumerate() {
            if kinds[n].runs_code() && !flags[0] {
                extend.entry(ids[n]).or_default().push(SetName { kind: kinds[n], set: Set::Logs }.to_string());
            }
        }
    }
    json!({
        "version": Stack::VERSION,
        "name": "generated",
        "resources": resources,
        "existing": customers,
        "permissions": { "profiles": profiles, "management": { "extend": extend } },
    })
}
