//! A vendor who writes every field that the permission to update covers, with a session of its own and a client that knows
//! nothing of this library.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use alien_core::adapter::{AccessControl, Effect, Fate, Fields};
use alien_core::{
    Container, Deployment, Disclosure, DisclosureKind, Function, Kind, Network, Plan, Profile, Release, Stack,
};
use async_trait::async_trait;
use serde_json::{Map, Value, json};

use crate::oracle::{read, texts};
use crate::stacks::image;
use crate::world::{Case, World, release};
use crate::writes::{List, lists};

/// A world in which such a client can write.
#[async_trait]
pub trait Writable: World<Cloud: AccessControl> {
    /// Whether a patch leaves all that it does not name, but for lists. Otherwise it replaces the field at the top.
    const MERGES: bool;

    /// A thing, as the cloud would tell it.
    fn told(&self, id: &str) -> Value;

    /// Sends a patch of one field at the top of a thing, as the vendor of a deployment, or as the admin where none is given.
    /// Returns the status, and what the cloud says.
    async fn patch(&self, vendor_of: Option<&Deployment>, id: &str, field: &str, body: &Value) -> (u16, String);

    /// What an item of a list must have at least, with a field of its own beside.
    fn item(&self, _list: &str) -> Value {
        Value::Null
    }

    /// A value that the cloud takes for a field; `None` if any of its type will do.
    fn value(&self, _field: &str) -> Option<Value> {
        None
    }

    /// The same, where the field has that value already.
    fn other_value(&self, _field: &str) -> Option<Value> {
        None
    }
}

/// What the fields are written of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// A live function.
    Function,
    /// A live container in a frozen network.
    Container,
}

/// A stack of a live resource, `api`.
fn stack<W: World>(world: &W, of: Of) -> (Stack, Release) {
    let shipped = world.code("one");
    let mut stack = Stack::builder("adversary");
    let function = || Function::new(shipped.code(), "api").with_variable("MODE", "one");
    match of {
        Of::Function => drop(stack.live("api", function())),
        Of::Container => {
            let network = stack.frozen("net", Network::default());
            let container = Container::new(image(), "api").with_variable("MODE", "one");
            stack.live("api", container.with_network(&network));
        }
    }
    stack.profile("api", Profile::new());
    let stack = stack.build().unwrap();
    let shipped = if of == Of::Container { Vec::new() } else { vec![shipped] };
    let release = release(&stack, &shipped);
    (stack, release)
}

/// [`every_field_of`] a live function.
///
/// # Panics
///
/// Where a field is neither.
pub async fn every_field_is_kept_set_back_or_disclosed<W: Writable>(world: &W) -> String {
    every_field_of(world, Of::Function).await
}

/// Writes each field of the update of something live. What is set back must be told by a plan, and be as before after a set-up;
/// what is disclosed must be in the report; what is kept must not be written. Returns a line for each field.
///
/// # Panics
///
/// Where a field is neither.
pub async fn every_field_of<W: Writable>(world: &W, of: Of) -> String {
    let (stack, release) = stack(world, of);
    let case = Case::new(world, "adversary", stack.clone());
    let disclosures = alien_core::render(&stack, &case.target).unwrap().report.disclosures;
    let deployment = case.up(&release, None).await.unwrap();
    let id = &deployment.resources["api"];
    let kind = if of == Of::Container { Kind::Container } else { Kind::Function };
    let updates = |list: &List<_>| list.kind == kind && list.row.effect == Effect::Update;
    // Where code is set apart from the rest, that is set last.
    let list = lists::<W::Cloud>().into_iter().rfind(updates).unwrap();
    let (mut lines, mut complaints) = (String::new(), Vec::new());
    let (mut set_back, mut refused) = (BTreeSet::new(), BTreeSet::new());
    for field in fields(&list) {
        let before = world.told(id);
        let top = field.split(['.', '[', '{']).next().unwrap();
        let value = world.value(&field).unwrap_or_else(|| guess(&field));
        let other = || world.other_value(&field);
        let value = if at(&before, &field).contains(&value) { other().unwrap_or(value) } else { value };
        let mut wanted = with(world, before.clone(), &field, value);
        if W::MERGES {
            wanted = only(&wanted, &field);
        }
        let (status, said) = world.patch(Some(&deployment), id, top, &json!({ top: wanted[top] })).await;
        let (path, fate) = Fields::of(list.fields, &field).unwrap_or_else(|| panic!("{field} has no fate"));
        // No answer has the value of a secret.
        let differs = |thing: &Value| [field.as_str(), path].iter().any(|path| at(thing, path) != at(&before, path));
        let is_written = (200..300).contains(&status) && differs(&world.told(id));
        let became = match (fate, is_written) {
            (Fate::Kept(_) | Fate::Call | Fate::Vendors, false) => Ok(match status {
                403 => "denied",
                200..300 => "ignored",
                _ => "refused",
            }),
            // Some fields cannot be without others. Then another one of the path is written.
            (Fate::Restored(_), false) if status == 400 => {
                refused.insert(path);
                Ok("refused alone")
            }
            (Fate::Restored(_) | Fate::Disclosed(_), false) => Err(format!("it was not written: {status} {said}")),
            (Fate::Kept(_), true) => Err(format!("it is not kept: {status} {said}")),
            (Fate::Call | Fate::Vendors, true) => Ok("the vendor's"),
            (Fate::Disclosed(lets), true) => {
                is_disclosed(&disclosures, DisclosureKind::Unguarded, lets).map(|()| "disclosed")
            }
            (Fate::Restored(lets), true) => {
                let told =
                    if lets.is_empty() { Ok(()) } else { is_disclosed(&disclosures, DisclosureKind::Restored, lets) };
                let plan = case.admin.plan(&release).previous(&deployment).await;
                match (told, plan) {
                    (Err(what), _) => Err(what),
                    (Ok(()), Err(error)) => Err(error.to_string()),
                    (Ok(()), Ok(plan)) if !is_told(&plan, path) => Err(format!("it is not told: {plan}")),
                    // Of each path one field is set back: that takes longer.
                    (Ok(()), Ok(_)) if !set_back.insert(path) => Ok("told"),
                    (Ok(()), Ok(plan)) => match case.admin.apply(&plan).await {
                        Err(error) => Err(error.to_string()),
                        Ok(_) if at(&world.told(id), &field) != at(&before, &field) => {
                            Err("it is not set back".to_owned())
                        }
                        Ok(_) => Ok("told, and set back"),
                    },
                }
            }
        };
        match became {
            Ok(became) => drop(writeln!(lines, "{field}: {became}")),
            Err(what) => complaints.push(format!("{field}: {what}")),
        }
        if differs(&world.told(id)) {
            let (status, said) = world.patch(None, id, top, &json!({ top: before[top] })).await;
            assert!((200..300).contains(&status), "{field} was not put back: {status} {said}");
        }
    }
    let never = refused.difference(&set_back).map(|path| format!("{path}: no field of it was written"));
    complaints.extend(never);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    let plan = case.admin.plan(&release).previous(&deployment).await.unwrap();
    assert!(plan.is_empty(), "what is left after all: {plan}");
    lines
}

fn is_disclosed(disclosures: &[Disclosure], kind: DisclosureKind, lets: &str) -> Result<(), String> {
    match disclosures.iter().any(|told| told.kind == kind && told.what == lets) {
        true => Ok(()),
        false => Err(format!("nothing discloses that the vendor could {lets}")),
    }
}

/// Whether a plan tells that a field was changed. Of the marks that say whose a thing is, it tells that they were.
fn is_told(plan: &Plan, path: &str) -> bool {
    let text = plan.to_string();
    let marks = matches!(path, "labels" | "tags")
        && (text.contains("changed its labels") || text.contains("its tags were changed"));
    !plan.is_empty() && (marks || text.contains(&format!("`{path}`")))
}

/// The fields from outside; where those are not there, what the list itself names.
fn fields<P>(list: &List<P>) -> Vec<String> {
    let oracle = read("update-fields.json").unwrap_or_default();
    let mut operations = oracle["operations"].as_array().into_iter().flatten();
    match operations.find(|one| one["permission"] == list.row.permission) {
        Some(operation) => texts(&operation["fields"]).map(str::to_owned).collect(),
        None => list.fields.iter().flat_map(|fields| fields.paths).map(|path| (*path).to_owned()).collect(),
    }
}

/// A value of the type that a field seems to have, by its name.
fn guess(field: &str) -> Value {
    const TRUE: &[&str] = &[
        "isabled",
        "nabled",
        "readOnly",
        "cpuIdle",
        "Boost",
        "useDefault",
        "external",
        "allowInsecure",
        "allowCredentials",
        "latestRevision",
        "enableMetrics",
        "enableApiLogging",
        "allowScalingRuleOverride",
        "enableAutomaticUpdates",
        "sandboxLauncher",
        "sessionAffinity",
    ];
    const SEVEN: &[&str] = &[
        "Count",
        "hreshold",
        "Seconds",
        "Port",
        "port",
        "percent",
        "weight",
        "maxAge",
        "Concurrency",
        "Revisions",
        "Size",
        "Milliseconds",
        "queueLength",
        "Utilization",
        "mode",
        "defaultMode",
        "cooldownPeriod",
        "pollingInterval",
        "Replicas",
    ];
    let name = field.rsplit('.').next().unwrap_or_default().trim_end_matches("[]").trim_end_matches("{}");
    let ends = |with: &[&str]| with.iter().any(|end| name.ends_with(end));
    if ends(TRUE) {
        true.into()
    } else if ends(SEVEN) {
        7.into()
    } else {
        "adversary".into()
    }
}

/// The thing with a field set: in the first item of each list, and under one key of each map.
fn with<W: Writable>(world: &W, mut thing: Value, field: &str, value: Value) -> Value {
    let (mut here, mut path) = (&mut thing, String::new());
    for part in field.split('.') {
        path.push_str(if path.is_empty() { "" } else { "." });
        path.push_str(part);
        let name = part.trim_end_matches("[]").trim_end_matches("{}");
        if !here.is_object() {
            *here = Value::Object(Map::new());
        }
        here = here.as_object_mut().unwrap().entry(name).or_insert(Value::Null);
        if part.ends_with("[]") {
            if here.as_array().is_none_or(Vec::is_empty) {
                *here = json!([world.item(&path)]);
            }
            here = &mut here[0];
        } else if part.ends_with("{}") {
            if !here.is_object() {
                *here = Value::Object(Map::new());
            }
            // The name of the mark that says whose a thing is.
            here = here.as_object_mut().unwrap().entry("alien-deployment").or_insert(Value::Null);
        }
    }
    *here = value;
    thing
}

/// What of a thing has to be sent for a field, where lists are replaced as a whole and nothing else is.
fn only(thing: &Value, field: &str) -> Value {
    let (part, rest) = field.split_once('.').unwrap_or((field, ""));
    let name = part.trim_end_matches("[]").trim_end_matches("{}");
    let below = if rest.is_empty() || part.ends_with("[]") { thing[name].clone() } else { only(&thing[name], rest) };
    json!({ name: below })
}

/// All that is set of a field: what is absent, empty, false or zero is not.
fn at(thing: &Value, field: &str) -> Vec<Value> {
    fn walk(value: &Value, parts: &[&str], found: &mut Vec<Value>) {
        let Some((part, rest)) = parts.split_first() else {
            let is_set = match value {
                Value::Null | Value::Bool(false) => false,
                Value::String(text) => !text.is_empty(),
                Value::Number(number) => number.as_f64() != Some(0.0),
                Value::Array(items) => !items.is_empty(),
                Value::Object(members) => !members.is_empty(),
                Value::Bool(true) => true,
            };
            if is_set {
                found.push(value.clone());
            }
            return;
        };
        let value = &value[part.trim_end_matches("[]").trim_end_matches("{}")];
        match value {
            Value::Array(items) if part.ends_with("[]") => items.iter().for_each(|item| walk(item, rest, found)),
            value => walk(value, rest, found),
        }
    }
    let mut found = Vec::new();
    walk(thing, &field.split('.').collect::<Vec<_>>(), &mut found);
    found
}
