//! `alien-deploy agent`: how to run the agent of a deployment that pulls its releases.

use alien_core::{Deployment, Model};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::args::Shown;
use crate::args::admin::{AgentArgs, Form};
use crate::clouds;
use crate::file;
use crate::output::Failure;

const SYSTEMD: &str = include_str!("agent.service");
const CONTAINER: &str = include_str!("agent.sh");
const KUBERNETES: &str = include_str!("agent.yaml");

/// The namespace and the service account where the target names none.
const NAME: &str = "alien-agent";

/// The result of `alien-deploy agent`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Runs {
    /// What runs the agent.
    #[serde(rename = "for")]
    form: Form,
    /// The unit, command or manifest.
    text: String,
}

pub(crate) fn agent(args: &AgentArgs, shown: Shown) -> Result<(), Failure> {
    let record = file::record(&args.record)?;
    if record.delivery.model() == Model::Push {
        let help = "there is nothing to run: the vendor updates the deployment";
        return Err(Failure::form("--record", "the vendor pushes releases, so the deployment has no agent", help));
    }
    let text = text(&record, args.form, &args.image)?.trim_end().to_owned();
    shown.result(&Runs { form: args.form, text }, |runs| runs.text.clone())
}

fn text(record: &Deployment, form: Form, image: &str) -> Result<String, Failure> {
    let template = match form {
        Form::Systemd => SYSTEMD,
        Form::Container => CONTAINER,
        Form::Kubernetes => KUBERNETES,
    };
    let pod = clouds::named(&record.cloud)?.agent_pod(record)?;
    let (namespace, account) =
        pod.account.as_ref().map_or((NAME, NAME), |account| (account.namespace(), account.name()));
    // A string of JSON is one of YAML.
    let entries = |space: &str, all: &[(&str, String)]| -> String {
        all.iter().map(|(name, value)| format!("{space}{name}: {}\n", Value::from(value.as_str()))).collect()
    };
    let annotations = entries("    ", &pod.annotations);
    let annotations = if annotations.is_empty() { annotations } else { format!("  annotations:\n{annotations}") };
    let places = [
        ("{id}", record.id.to_string()),
        ("{product}", record.stack.name().to_string()),
        ("{notes}", pod.notes.iter().map(|line| format!("# {line}\n")).collect()),
        ("{annotations}", annotations),
        ("{labels}", entries("        ", &pod.labels)),
        ("{namespace}", namespace.to_owned()),
        ("{account}", account.to_owned()),
        ("{image}", image.to_owned()),
    ];
    Ok(places.into_iter().fold(template.to_owned(), |text, (name, value)| text.replace(name, &value)))
}
