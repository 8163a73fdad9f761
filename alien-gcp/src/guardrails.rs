//! Rules that a customer can set above a deployment.

use std::collections::BTreeSet;

use alien_core::adapter::{Guardrail, Layout, Subject, last};
use alien_core::{Kind, Resource};
use serde_json::{Value, json};

use crate::Gcp;
use crate::operations::Scope;

/// Where Google lists the constraints that organisation policies can have.
const SOURCE: &str = "https://docs.cloud.google.com/organization-policy/reference/org-policy-constraints";

/// What a custom constraint of Cloud Run can look at: the fields of a service in version 1 of the API.
const CUSTOM: &str = "https://docs.cloud.google.com/run/docs/securing/custom-constraints";

/// The longest condition of a custom constraint, in characters
/// (<https://docs.cloud.google.com/organization-policy/reference/rest/v2/organizations.customConstraints>).
const LONGEST: usize = 1000;

/// Organisation policies for the Cloud Run services of the project. Those of Google's own constraints hold for every service in it, the
/// customer's own too; the custom one holds for the deployment's services alone.
pub(crate) fn guardrails(layout: &Layout<Gcp>) -> Vec<Guardrail> {
    let kinds: Vec<Kind> = layout.stack.resources().iter().map(Resource::kind).collect();
    if !kinds.iter().any(|kind| kind.runs_code()) {
        return Vec::new();
    }
    let allowed = |constraint: &str, value: &str, what: &str| {
        policy(layout, constraint, &json!({ "values": { "allowedValues": [value] } }), what, SOURCE)
    };
    let egress = allowed(
        "run.allowedVPCEgress",
        "private-ranges-only",
        "No Cloud Run service of the project can send its traffic to the internet through a network.",
    );
    // A function is called at its address, by whom its policy names.
    let ingress = (!kinds.contains(&Kind::Function)).then(|| {
        allowed(
            "run.allowedIngress",
            "internal",
            "No Cloud Run service of the project can be reached from outside its networks.",
        )
    });
    ingress.into_iter().chain([egress]).chain(networks(layout)).collect()
}

/// A policy of the project for a constraint, with one rule.
fn policy(layout: &Layout<Gcp>, constraint: &str, rule: &Value, what: &str, source: &str) -> Guardrail {
    let number = layout.target.project_number.as_str();
    let file = format!("{constraint}.json");
    let policy = json!({ "name": format!("projects/{number}/policies/{constraint}"), "spec": { "rules": [rule] } });
    Guardrail {
        what: what.to_owned(),
        command: format!("gcloud org-policies set-policy {file}"),
        text: format!("{policy:#}\n"),
        file,
        source: source.to_owned(),
    }
}

/// Custom constraints that keep the deployment's services in the networks of its stack, each with the policy that puts it in force.
///
/// Whoever may update a service may place it in any network of the project: IAM checks Cloud Run's own agent for that
/// (<https://docs.cloud.google.com/run/docs/configuring/vpc-direct-vpc#set-up-iam-permissions>). The services are told from others by
/// the accounts that they run as, which the vendor cannot change.
fn networks(layout: &Layout<Gcp>) -> Vec<Guardrail> {
    let project = &layout.target.project;
    let resources = layout.stack.resources();
    let used: BTreeSet<&str> = resources.iter().filter_map(|resource| resource.settings().compute()?.network).collect();
    let positions = resources.iter().enumerate().filter(|(_, resource)| used.contains(resource.id().as_str()));
    let networks: BTreeSet<&str> = positions
        .flat_map(|(position, _)| layout.names.at(Scope::Network, Subject::Resource(position)))
        .map(last)
        .collect();
    let identities = (0..layout.permissions().runtime.len()).map(Subject::RuntimeIdentity);
    let accounts = identities.flat_map(|identity| layout.names.at(Scope::RuntimeAccount, identity)).map(last);

    let mut parts: Vec<Vec<&str>> = Vec::new();
    for account in accounts {
        match parts.last_mut() {
            Some(part) if condition(layout, &[part.as_slice(), &[account]].concat(), &networks).len() <= LONGEST => {
                part.push(account);
            }
            _ => parts.push(vec![account]),
        }
    }
    let named: Vec<String> = networks.iter().map(|network| format!("`{network}`")).collect();
    let kept = match named.as_slice() {
        [] => "No service of this deployment can be placed in a network.".to_owned(),
        named => format!("No service of this deployment can be placed in a network but {}.", named.join(" and ")),
    };
    let each = parts.iter().enumerate().flat_map(|(position, accounts)| {
        let constraint = constraint(layout, position + 1);
        let file = format!("{constraint}.constraint.json");
        let text = json!({
            "name": format!("organizations/ORGANIZATION_ID/customConstraints/{constraint}"),
            "resourceTypes": ["run.googleapis.com/Service"],
            "methodTypes": ["CREATE", "UPDATE"],
            "condition": condition(layout, accounts, &networks),
            "actionType": "DENY",
            "displayName": format!("Networks of the services of {}", layout.target.prefix),
            "description": kept,
        });
        // The last of a project's ancestors is its organisation.
        let command = format!(
            "sed -i.bak \"s/ORGANIZATION_ID/$(gcloud projects get-ancestors {project} --format='value(id)' | tail -n 1)/\" {file} \
             && gcloud org-policies set-custom-constraint {file}"
        );
        let what = format!("{kept} The constraint is the organisation's, and the policy below puts it in force in the project.");
        let made = Guardrail { what, command, text: format!("{text:#}\n"), file, source: CUSTOM.to_owned() };
        // Google's page has no example with a field of networks.
        let what = "This puts the constraint above in force. With `dryRunSpec` in the place of `spec` it only logs what it would \
                    refuse: try it so first.";
        [made, policy(layout, &constraint, &json!({ "enforce": true }), what, CUSTOM)]
    });
    each.collect()
}

/// The name of a constraint. An organisation has each name once, and a name has letters and digits alone
/// (<https://docs.cloud.google.com/organization-policy/create-custom-constraints>); a prefix has no upper-case ones.
fn constraint(layout: &Layout<Gcp>, number: usize) -> String {
    let target = &layout.target;
    format!("custom.alienNetworks{number}Of{}In{}", target.prefix.as_str().replace('-', "X"), target.project_number)
}

/// Whether a service runs as one of these accounts and is placed in another network, in CEL. In version 1 of the API its network is an
/// annotation of its template, a list of one interface in JSON, and a connector is another annotation
/// (<https://docs.cloud.google.com/run/docs/reference/rest/v1/ObjectMeta>). The interface names its network by the name alone or by the
/// path in its project.
fn condition(layout: &Layout<Gcp>, accounts: &[&str], networks: &BTreeSet<&str>) -> String {
    const ANNOTATIONS: &str = "resource.spec.template.metadata.annotations";
    let accounts: Vec<String> = accounts.iter().map(|account| format!("'{account}'")).collect();
    let mut placed = format!("'run.googleapis.com/network-interfaces' in {ANNOTATIONS}");
    if !networks.is_empty() {
        let (project, number) = (&layout.target.project, &layout.target.project_number);
        let names: Vec<&str> = networks.iter().copied().collect();
        let own = format!("\"network\": ?\"(projects/({project}|{number})/global/networks/)?({})\"", names.join("|"));
        placed = format!("{placed} && !{ANNOTATIONS}['run.googleapis.com/network-interfaces'].matches('{own}')");
    }
    format!(
        "resource.spec.template.spec.serviceAccountName in [{}] && ('run.googleapis.com/vpc-access-connector' in {ANNOTATIONS} || {placed})",
        accounts.join(", ")
    )
}
