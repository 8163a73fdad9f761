//! Rules that a customer can set above a deployment.

use alien_core::Kind;
use alien_core::adapter::{Guardrail, Layout};

use crate::Gcp;

/// Where Google lists the constraints that organisation policies can have.
const SOURCE: &str = "https://docs.cloud.google.com/organization-policy/reference/org-policy-constraints";

/// Organisation policies for the Cloud Run services of the project. They hold for every service in it, the customer's own too.
pub(crate) fn guardrails(layout: &Layout<Gcp>) -> Vec<Guardrail> {
    let kinds: Vec<Kind> = layout.stack.resources().iter().map(alien_core::Resource::kind).collect();
    if !kinds.iter().any(|kind| kind.runs_code()) {
        return Vec::new();
    }
    let policy = |constraint: &str, allowed: &str, what: &str| {
        let number = layout.target.project_number.as_str();
        let file = format!("{constraint}.yaml");
        Guardrail {
            what: what.to_owned(),
            command: format!("gcloud org-policies set-policy {file}"),
            text: format!(
                "name: projects/{number}/policies/{constraint}\nspec:\n  rules:\n  - values:\n      allowedValues:\n      - {allowed}\n"
            ),
            file,
            source: SOURCE.to_owned(),
        }
    };
    let egress = policy(
        "run.allowedVPCEgress",
        "private-ranges-only",
        "No Cloud Run service of the project can send its traffic to the internet through a network.",
    );
    // A function is called at its address, by whom its policy names.
    let ingress = (!kinds.contains(&Kind::Function)).then(|| {
        policy(
            "run.allowedIngress",
            "internal",
            "No Cloud Run service of the project can be reached from outside its networks.",
        )
    });
    ingress.into_iter().chain([egress]).collect()
}
