//! Templates, which describe what a revision runs:
//! <https://learn.microsoft.com/rest/api/containerapps/container-apps/create-or-update#template>.

use serde_json::{Value, json};

use crate::azure::call::{set, text};
use crate::azure::fail::Fail;

/// The fields of a container.
macro_rules! container {
    () => {
        "image imageType name command args env{name! value secretRef} resources{cpu memory ephemeralStorage gpu} \
         volumeMounts{volumeName mountPath subPath} \
         probes{type=Liveness|Readiness|Startup failureThreshold httpGet{host httpHeaders{name! value!} path port! scheme=HTTP|HTTPS} \
         initialDelaySeconds periodSeconds successThreshold tcpSocket{host port!} terminationGracePeriodSeconds timeoutSeconds}"
    };
}

/// The fields of a template.
macro_rules! template {
    () => {
        concat!(
            "revisionSuffix terminationGracePeriodSeconds containers{",
            crate::azure::provider::app::template::container!(),
            "} initContainers{",
            crate::azure::provider::app::template::container!(),
            "} scale{minReplicas maxReplicas cooldownPeriod pollingInterval \
            rules{name azureQueue{accountName queueName queueLength auth{secretRef triggerParameter} identity} \
            custom{type metadata* auth{secretRef triggerParameter} identity} \
            http{metadata* auth{secretRef triggerParameter} identity} tcp{metadata* auth{secretRef triggerParameter} identity}}} \
            volumes{name storageType=AzureFile|EmptyDir|Secret|NfsAzureFile|Smb storageName secrets{secretRef path} mountOptions} \
            serviceBinds{serviceId name}"
        )
    };
}

pub(super) use {container, template};

fn items<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

/// How much CPU and memory an app may have in total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// An environment without workload profiles: up to 2 cores.
    ConsumptionOnly,
    /// A Consumption profile: up to 4 cores.
    Consumption,
    /// A dedicated profile: any amount.
    Dedicated,
}

/// Checks a template, and fills in the provider's defaults.
///
/// # Errors
///
/// A refusal in the provider's words.
pub(super) fn complete(template: &mut Value, secrets: &[String], plan: Plan) -> Result<(), Fail> {
    if items(template, "containers").next().is_none() {
        return Err(Fail::invalid(
            "ContainerAppContainersRequired",
            "The template of a Container App must have a container.",
        ));
    }
    let mut names = Vec::new();
    for container in items(template, "containers").chain(items(template, "initContainers")) {
        let name = text(container, "/name");
        if name.is_empty() || names.contains(&name) {
            return Err(Fail::invalid(
                "ContainerAppInvalidContainerName",
                format!("The container name '{name}' is invalid: every container has a name of its own."),
            ));
        }
        if text(container, "/image").trim().is_empty() {
            return Err(Fail::invalid(
                "ContainerAppImageRequired",
                format!("Container with name '{name}' must have an 'Image' property specified."),
            ));
        }
        for variable in items(container, "env") {
            let secret = text(variable, "/secretRef");
            if !secret.is_empty() && !secrets.contains(&secret) {
                return Err(Fail::invalid(
                    "ContainerAppSecretRefNotFound",
                    format!("SecretRef '{secret}' defined for container '{name}' not found."),
                ));
            }
        }
        names.push(name);
    }
    for field in ["containers", "initContainers"] {
        for container in template.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten() {
            resources(container);
        }
    }
    total(template, plan)?;
    scale(template)?;
    if template.get("revisionSuffix").is_none_or(Value::is_null) {
        set(template, "revisionSuffix", "");
    }
    // A missing field, null and an empty list are the same.
    if let Some(members) = template.as_object_mut() {
        members.retain(|_, value| !value.is_null() && value.as_array().is_none_or(|items| !items.is_empty()));
    }
    Ok(())
}

fn cores(container: &Value) -> f64 {
    let cpu = container.pointer("/resources/cpu");
    cpu.and_then(|cpu| cpu.as_f64().or_else(|| cpu.as_str()?.parse().ok())).unwrap_or_default()
}

fn gibibytes(container: &Value) -> f64 {
    text(container, "/resources/memory").strip_suffix("Gi").and_then(|number| number.parse().ok()).unwrap_or_default()
}

fn resources(container: &mut Value) {
    let cpu =
        if container.pointer("/resources/cpu").is_some_and(|cpu| !cpu.is_null()) { cores(container) } else { 0.5 };
    let memory = match text(container, "/resources/memory") {
        memory if memory.is_empty() => format!("{}Gi", cpu * 2.0),
        memory => memory,
    };
    // Source: <https://learn.microsoft.com/azure/container-apps/storage-mounts#ephemeral-storage>.
    let disk = match cpu {
        cpu if cpu <= 0.25 => "1Gi",
        cpu if cpu <= 0.5 => "2Gi",
        cpu if cpu <= 1.0 => "4Gi",
        _ => "8Gi",
    };
    set(container, "resources", json!({"cpu": cpu, "memory": memory, "ephemeralStorage": disk}));
}

/// Source: <https://learn.microsoft.com/azure/container-apps/containers#allocations>.
fn total(template: &Value, plan: Plan) -> Result<(), Fail> {
    let cpu: f64 = items(template, "containers").map(cores).sum();
    let memory: f64 = items(template, "containers").map(gibibytes).sum();
    let most = match plan {
        Plan::ConsumptionOnly => 8,
        Plan::Consumption => 16,
        Plan::Dedicated => return Ok(()),
    };
    let pairs: Vec<(f64, f64)> = (1..=most).map(|n| (f64::from(n) * 0.25, f64::from(n) * 0.5)).collect();
    if pairs.iter().any(|(cores, gibibytes)| (cores - cpu).abs() < 0.001 && (gibibytes - memory).abs() < 0.001) {
        return Ok(());
    }
    let listed: Vec<String> =
        pairs.iter().map(|(cpu, memory)| format!("[cpu: {cpu}, memory: {memory:.1}Gi]")).collect();
    Err(Fail::invalid(
        "ContainerAppInvalidResourceTotal",
        format!(
            "The total requested CPU and memory resources for this application (CPU: {cpu}, memory: {memory:.1}) is invalid. Total CPU and memory for all containers defined in a Container App must add up to one of the following CPU - Memory combinations: {}",
            listed.join("; ")
        ),
    ))
}

/// Source: <https://learn.microsoft.com/azure/container-apps/scale-app>.
fn scale(template: &mut Value) -> Result<(), Fail> {
    let invalid = |message: String| Fail::invalid("ContainerAppInvalidScaleSpec", message);
    let mut scale = template.get("scale").filter(|scale| scale.is_object()).cloned().unwrap_or_else(|| json!({}));
    let number = |field: &str| scale.get(field).and_then(Value::as_i64);
    let least = number("minReplicas").unwrap_or(0);
    let most = number("maxReplicas").unwrap_or(10);
    if !(0..=1000).contains(&least) || !(1..=1000).contains(&most) || least > most {
        return Err(invalid(format!(
            "Invalid scale: minReplicas {least} and maxReplicas {most} are from 0 to 1000, the first not above the second."
        )));
    }
    let mut names = Vec::new();
    for rule in items(&scale, "rules") {
        let name = text(rule, "/name");
        let kinds = ["azureQueue", "custom", "http", "tcp"]
            .iter()
            .filter(|kind| rule.get(**kind).is_some_and(Value::is_object));
        if name.is_empty() || names.contains(&name) || kinds.count() != 1 {
            return Err(invalid(format!("Invalid scale rule '{name}': a rule has a name of its own and one kind.")));
        }
        if rule.get("custom").is_some_and(Value::is_object) && text(rule, "/custom/type").is_empty() {
            return Err(invalid(format!("Invalid scale rule '{name}': a custom rule has a type.")));
        }
        names.push(name);
    }
    set(&mut scale, "minReplicas", least);
    set(&mut scale, "maxReplicas", most);
    for (field, value) in [("cooldownPeriod", 300), ("pollingInterval", 30)] {
        if scale.get(field).is_none_or(Value::is_null) {
            set(&mut scale, field, value);
        }
    }
    if let Some(members) = scale.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    set(template, "scale", scale);
    Ok(())
}

/// Why a template never becomes ready: certain image names are broken in the emulator.
pub(super) fn broken(template: &Value) -> Option<String> {
    let containers = items(template, "containers").chain(items(template, "initContainers"));
    let container = containers.into_iter().find(|container| text(container, "/image").contains("broken"))?;
    Some(format!(
        "The following field(s) are either invalid or missing. Field 'template.containers.{}.image' is invalid with details: 'Invalid value: \"{}\": the container does not start';..",
        text(container, "/name"),
        text(container, "/image")
    ))
}
