//! The template of an app: everything that a revision consists of.

use std::collections::BTreeMap;

use alien_core::adapter::{Running, environment};
use alien_core::{CodeForm, Error, ErrorKind, Replicas, Resource, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::queue;
use super::{CLIENT_ID, commands};
use crate::client::Context;

/// The template of a revision.
#[derive(Serialize, Deserialize, Clone, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Template {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revision_suffix: Option<String>,
    pub(crate) containers: Vec<Container>,
    pub(crate) scale: Scale,
    #[serde(skip_serializing_if = "Option::is_none")]
    init_containers: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    volumes: Option<Vec<Value>>,
}

#[derive(Serialize, Deserialize, Clone, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Container {
    name: String,
    pub(crate) image: String,
    #[serde(deserialize_with = "or_default")]
    env: Vec<Variable>,
    resources: Resources,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<Vec<String>>,
}

#[derive(Serialize, Deserialize, Clone, Default)]
#[serde(rename_all = "camelCase", default)]
struct Variable {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_ref: Option<String>,
}

impl Variable {
    fn value(&self) -> &str {
        self.value.as_deref().unwrap_or_default()
    }
}

/// The CPU share of a container, and its memory, `0.5Gi`.
#[derive(Serialize, Deserialize, Clone, Default)]
#[serde(default)]
pub(crate) struct Resources {
    cpu: f64,
    memory: String,
}

impl Resources {
    /// On the consumption plan a vCPU comes with two GiB of memory, in steps of a quarter
    /// (<https://learn.microsoft.com/azure/container-apps/containers#allocations>).
    pub(crate) fn of_memory(mib: u32) -> Self {
        let quarters = f64::from(mib.div_ceil(512).max(1));
        Self { cpu: quarters * 0.25, memory: format!("{}Gi", quarters * 0.5) }
    }

    fn quarters(&self) -> (u64, u64) {
        let gib: f64 = self.memory.trim_end_matches("Gi").parse().unwrap_or_default();
        let round = |number: f64| number.round().clamp(0.0, f64::from(u32::MAX)) as u64;
        (round(self.cpu * 100.0), round(gib * 100.0))
    }
}

/// How many replicas run, and the rules that add more.
#[derive(Serialize, Deserialize, Clone, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Scale {
    #[serde(deserialize_with = "or_default")]
    pub(crate) min_replicas: u32,
    #[serde(deserialize_with = "or_default")]
    pub(crate) max_replicas: u32,
    #[serde(deserialize_with = "or_default")]
    pub(crate) rules: Vec<Rule>,
}

/// A rule that adds replicas.
#[derive(Serialize, Deserialize, Clone, Default, PartialEq)]
#[serde(default)]
pub(crate) struct Rule {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom: Option<Custom>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tcp: Option<Value>,
}

#[derive(Serialize, Deserialize, Clone, Default, PartialEq)]
#[serde(default)]
struct Custom {
    #[serde(rename = "type", deserialize_with = "or_default")]
    kind: String,
    #[serde(deserialize_with = "or_default")]
    metadata: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    identity: String,
}

impl Rule {
    /// Scales with the number of requests at once, as an app does by default that has no rule
    /// (<https://learn.microsoft.com/azure/container-apps/scale-app#default-scale-rule>). Beside another rule it must be named:
    /// else a request starts no replica.
    pub(crate) fn http() -> Self {
        let metadata = serde_json::json!({ "metadata": { "concurrentRequests": "10" } });
        Self { name: "http".to_owned(), http: Some(metadata), ..Self::default() }
    }

    /// Scales with the number of messages in a queue, which Container Apps counts with an identity
    /// (<https://learn.microsoft.com/azure/container-apps/scale-app#custom>).
    pub(crate) fn queue(name: String, queue: &str, identity: &str) -> Self {
        let (namespace, queue_name) = queue::split(queue);
        let metadata = [("namespace", namespace), ("queueName", queue_name), ("messageCount", "1")];
        let metadata = metadata.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let custom = Custom { kind: "azure-servicebus".to_owned(), metadata, identity: identity.to_owned() };
        Self { name, custom: Some(custom), ..Self::default() }
    }
}

impl Rule {
    /// How many requests at once a replica gets; `None` if it does not scale with them.
    fn requests(&self) -> Option<String> {
        let http = self.http.as_ref()?;
        Some(http.pointer("/metadata/concurrentRequests").map_or_else(
            || "10".to_owned(),
            |count| match count {
                Value::String(count) => count.clone(),
                other => other.to_string(),
            },
        ))
    }
}

/// Azure returns `null` for fields that are not set.
fn or_default<'de, D: serde::Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// How a template differs from the wanted one in what the stack sets. Azure fills in the other fields.
pub(crate) fn differs(found: &Template, wanted: &Template) -> Option<String> {
    let of = |template: &Template| template.containers.first().cloned().unwrap_or_default();
    let (is, due) = (of(found), of(wanted));
    if is.image != due.image {
        return Some("other code".to_owned());
    }
    // We set none of these, so anything in them was set by somebody else.
    let empty = |list: &Option<Vec<Value>>| list.as_ref().is_none_or(Vec::is_empty);
    let more = found.containers.len() > 1 || !empty(&found.init_containers) || !empty(&found.volumes);
    let words = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    let commanded = !words(&is.command).is_empty() || !words(&is.args).is_empty();
    let other = variables(&is) != variables(&due)
        || is.resources.quarters() != due.resources.quarters()
        || !scales_alike(found, wanted);
    (other || more || commanded).then(|| "other settings".to_owned())
}

/// Whether two templates run the same image.
pub(crate) fn same_code(found: &Template, wanted: &Template) -> bool {
    let image = |template: &Template| template.containers.first().map(|container| container.image.clone());
    image(found) == image(wanted)
}

/// Whether two templates have the same scale rules and limits.
pub(crate) fn scales_alike(found: &Template, wanted: &Template) -> bool {
    let rules = |template: &Template| {
        let rules = template.scale.rules.iter().filter(|rule| rule.custom.is_some() || rule.http.is_some());
        let custom = |rule: &Rule| rule.custom.clone().map(Custom::comparable);
        rules.map(|rule| (rule.name.clone(), (custom(rule), rule.requests()))).collect::<BTreeMap<_, _>>()
    };
    let scale = |template: &Template| (template.scale.min_replicas, template.scale.max_replicas);
    rules(found) == rules(wanted) && scale(found) == scale(wanted)
}

impl Custom {
    fn comparable(mut self) -> (String, BTreeMap<String, String>) {
        self.identity.make_ascii_lowercase();
        (self.identity, self.metadata)
    }
}

/// Each variable with its value, and whether the value is a secret. Azure returns an empty value as none.
fn variables(container: &Container) -> BTreeMap<&str, (&str, bool)> {
    let is_secret = |variable: &Variable| variable.secret_ref.as_ref().is_some_and(|name| !name.is_empty());
    let value = |variable| (Variable::value(variable), is_secret(variable));
    container.env.iter().map(|variable| (variable.name.as_str(), value(variable))).collect()
}

/// The parts of an app that depend on its kind.
pub(crate) struct Part {
    pub(crate) resources: Resources,
    pub(crate) scale: Scale,
    /// Environment variables that only this kind of app gets.
    pub(crate) variables: Vec<(String, String)>,
    /// Who can reach it; `None` if nobody can.
    pub(crate) ingress: Option<Ingress>,
}

/// Who can reach an app: everyone, or only other apps of its environment.
/// <https://learn.microsoft.com/azure/container-apps/ingress-overview>
#[derive(Serialize, Clone, Default)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ingress {
    external: bool,
    target_port: u16,
    allow_insecure: bool,
}

impl Ingress {
    /// From everywhere.
    pub(crate) fn public(target_port: u16) -> Self {
        Self { external: true, ..Self::internal(target_port) }
    }

    /// From the apps of its environment.
    pub(crate) fn internal(target_port: u16) -> Self {
        Self { target_port, ..Self::default() }
    }
}

/// Builds the template. The code gets the vendor's variables, the address of each linked resource, and the client id of
/// its identity.
pub(crate) async fn template(cx: Context<'_>, resource: &Resource, part: &Part, client_id: &str) -> Result<Template> {
    let compute =
        resource.settings().compute().ok_or_else(|| Error::new(ErrorKind::Internal, "the resource has no code"))?;
    let Some(CodeForm::Image(image)) = compute.code.only() else {
        let what = "azure runs it from an image, and its code is a zip alone; add an image to its code";
        return Err(Error::new(ErrorKind::Input, what));
    };
    let mut variables = environment(cx, resource).await?;
    variables.insert(CLIENT_ID.to_owned(), client_id.to_owned());
    variables.extend(part.variables.iter().cloned());
    let each = |(name, value)| Variable { name, value: Some(value), secret_ref: None };
    let container = Container {
        name: "app".to_owned(),
        image,
        env: variables.into_iter().map(each).collect(),
        resources: part.resources.clone(),
        ..Container::default()
    };
    Ok(Template { containers: vec![container], scale: part.scale.clone(), ..Template::default() })
}

impl Template {
    /// What it runs of the part that the vendor may change. `memory` is what the stack says of it: the platform rounds
    /// memory up, and then it runs that.
    pub(crate) fn running(&self, memory: u32) -> Running {
        let Some(container) = self.containers.first() else { return Running::new() };
        let own = |name: &str| matches!(name, CLIENT_ID | commands::VARIABLE);
        let plain = variables(container).into_iter().filter(|(name, (_, is_secret))| !own(name) && !is_secret);
        let plain = plain.map(|(name, (value, _))| (name.to_owned(), value.to_owned()));
        let runs = container.resources.quarters();
        let same = Resources::of_memory(memory).quarters() == runs;
        // In hundredths of a GiB.
        let mib = u32::try_from(runs.1 * 1024 / 100).unwrap_or(u32::MAX);
        Running::new()
            .with_code(CodeForm::Image(container.image.clone()))
            .with_environment(plain)
            .with_memory_mib(if same { memory } else { mib })
            .with_replicas(Replicas { min: self.scale.min_replicas, max: self.scale.max_replicas })
    }

    /// The digest of its image; the whole reference if it has none.
    pub(crate) fn digest(&self) -> Option<&str> {
        let image = self.containers.first()?.image.as_str();
        Some(image.split_once('@').map_or(image, |(_, digest)| digest))
    }

    /// Whether it has a scale rule for commands.
    pub(crate) fn takes_commands(&self) -> bool {
        self.scale.rules.iter().any(|rule| rule.name == commands::RULE)
    }
}
