//! A vendor who writes every field of a live function, and somebody with the admin's credentials who changes every setting of frozen
//! things, in process.

use alien_conformance::adversary::{Writable, every_field_is_kept_set_back_or_disclosed};
use alien_conformance::mistakes::{KINDS, Mistakable, every_setting_is_set_back_or_the_customers, resource};
use alien_conformance::writes::{agree, lists};
use alien_core::adapter::Cloud as _;
use alien_core::memory::Memory;
use alien_core::{Deployment, ErrorKind, Kind};
use async_trait::async_trait;
use serde_json::{Value, json};

use crate::in_process::InProcess;

#[async_trait]
impl Writable for InProcess {
    const MERGES: bool = false;

    fn told(&self, id: &str) -> Value {
        self.account.settings(id).unwrap()
    }

    async fn patch(&self, vendor_of: Option<&Deployment>, id: &str, field: &str, body: &Value) -> (u16, String) {
        let identity = vendor_of.map(|deployment| deployment.identity.as_str());
        match self.account.set_field(identity, id, field, body[field].clone()) {
            Ok(()) => (200, String::new()),
            Err(error) if error.kind() == ErrorKind::Denied => (403, error.to_string()),
            Err(error) => (400, error.to_string()),
        }
    }

    fn value(&self, field: &str) -> Option<Value> {
        Some(match field {
            "environment" => json!({ "MODE": "theirs" }),
            "links" => json!(["theirs"]),
            "memoryBounds" => json!({ "min": 128, "max": 8192 }),
            "memoryMib" => json!(1024),
            "timeoutSeconds" => json!(7),
            "triggers" => json!([{ "queue": "theirs" }]),
            "publicUrl" | "commands" => json!(true),
            _ => return None,
        })
    }
}

#[tokio::test(start_paused = true)]
async fn every_field_has_its_fate() {
    insta::assert_snapshot!(every_field_is_kept_set_back_or_disclosed(&InProcess::new()).await);
}

/// The fields of a kind, as the schema of stacks has them.
fn fields_of_the_schema(kind: Kind) -> Vec<String> {
    let mut found = Vec::new();
    walk(&alien_core::schema(), kind.name(), &mut found);
    found.sort_unstable();
    found.dedup();
    assert!(found.len() > 3, "the schema of a {kind} was not found: {found:?}");
    found
}

/// Finds the object of which the property `type` is this constant, and takes the names of all of its properties.
fn walk(schema: &Value, kind: &str, found: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            let of = members.get("properties").and_then(Value::as_object);
            if let Some(of) = of.filter(|of| of.get("type").is_some_and(|one| one["const"] == kind)) {
                found.extend(of.keys().cloned());
            }
            members.values().for_each(|below| walk(below, kind, found));
        }
        Value::Array(items) => items.iter().for_each(|below| walk(below, kind, found)),
        _ => {}
    }
}

/// Every field that the settings of a function or a container can have has a fate, and a new one would have none.
#[test]
fn every_field_is_classified() {
    let listed: Vec<String> = lists::<Memory>()
        .iter()
        .filter(|list| list.row.permission == "code.settings")
        .flat_map(|list| list.fields.iter().flat_map(|fields| fields.paths))
        .map(|path| (*path).to_owned())
        .collect();
    let schema = [Kind::Function, Kind::Container].map(fields_of_the_schema).concat();
    let lacking = |all: &[String]| all.iter().filter(|field| !listed.contains(field)).cloned().collect::<Vec<_>>();
    assert_eq!(lacking(&schema), Vec::<String>::new());
    assert_eq!(lacking(&[schema.clone(), vec!["aFieldThatIsNew".to_owned()]].concat()), ["aFieldThatIsNew"]);
    let spare = |path: &&String| !schema.contains(path);
    assert_eq!(listed.iter().filter(spare).collect::<Vec<_>>(), Vec::<&String>::new(), "listed, and no field");
    agree::<Memory>(&json!({ "operations": [] })).unwrap();
}

/// Every setting that a stack can give what runs no code is in the table.
#[test]
fn every_setting_is_listed() {
    for kind in KINDS {
        let mut listed: Vec<&str> =
            Memory::settings(kind).iter().flat_map(|settings| settings.paths).copied().collect();
        // What every resource has.
        listed.extend(["id", "type", "lifecycle", "links"]);
        listed.sort_unstable();
        assert_eq!(fields_of_the_schema(kind), listed, "{kind}");
    }
}

#[async_trait]
impl Mistakable for InProcess {
    fn mistaken(&self, _: Kind, path: &str) -> Option<Value> {
        Some(match path {
            "versioning" | "expireAfterDays" => Value::Null,
            "ttlAttribute" => json!("theirs"),
            "range" => json!("10.99.0.0/24"),
            _ => json!(77),
        })
    }

    async fn setting(&self, deployment: &Deployment, kind: Kind, path: &str) -> Value {
        self.account.settings(&deployment.resources[resource(kind)]).unwrap()[path].clone()
    }

    async fn write(&self, deployment: &Deployment, kind: Kind, path: &str, value: &Value) -> Result<(), String> {
        let id = &deployment.resources[resource(kind)];
        self.account.set_field(None, id, path, value.clone()).map_err(|error| error.to_string())
    }
}

#[tokio::test(start_paused = true)]
async fn every_setting_is_told_and_set_back() {
    insta::assert_snapshot!(every_setting_is_set_back_or_the_customers(&InProcess::new()).await);
}
