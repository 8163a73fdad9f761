//! `alien-deploy agent`: how to run the agent of a deployment that pulls its releases.

use alien_core::{Deployment, Model};
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::Shown;
use crate::args::admin::{AgentArgs, Form};
use crate::file;
use crate::output::Failure;

const SYSTEMD: &str = include_str!("agent.service");
const CONTAINER: &str = include_str!("agent.sh");
const KUBERNETES: &str = include_str!("agent.yaml");

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
    let text = text(&record, args.form, &args.image).trim_end().to_owned();
    shown.result(&Runs { form: args.form, text }, |runs| runs.text.clone())
}

fn text(record: &Deployment, form: Form, image: &str) -> String {
    let template = match form {
        Form::Systemd => SYSTEMD,
        Form::Container => CONTAINER,
        Form::Kubernetes => KUBERNETES,
    };
    let (namespace, account) = service_account(record).unwrap_or(("alien-agent", "alien-agent"));
    [
        ("{id}", record.id.to_string().as_str()),
        ("{product}", record.stack.name().as_str()),
        ("{namespace}", namespace),
        ("{account}", account),
        ("{image}", image),
    ]
    .into_iter()
    .fold(template.to_owned(), |text, (name, value)| text.replace(name, value))
}

/// The namespace and the name of the service account that is trusted, where it is one of a cluster.
fn service_account(record: &Deployment) -> Option<(&str, &str)> {
    let agent = record.target.field("agent")?;
    // As AWS and Azure have it, or as GCP has it.
    let subject = agent.split('@').next().and_then(|text| text.strip_prefix("system:serviceaccount:"));
    if let Some(subject) = subject {
        return subject.split_once(':');
    }
    agent.split_once("/subject/ns/").and_then(|(_, rest)| rest.split_once("/sa/"))
}
