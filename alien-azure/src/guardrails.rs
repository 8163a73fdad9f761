//! Rules that a customer can set above a deployment.

use alien_core::adapter::{Guardrail, Layout, Subject};

use crate::Azure;
use crate::naming::Ids;
use crate::operations::Scope;

/// Where Azure lists the definitions of policies that it has.
const SOURCE: &str = "https://learn.microsoft.com/azure/container-apps/policy-reference";

/// Azure's own definitions of policies for container apps, assigned to the resource group. An app that is public stays so.
pub(crate) fn guardrails(layout: &Layout<Azure>) -> Vec<Guardrail> {
    let (ids, stack) = (Ids(&layout.target), &layout.stack);
    if !stack.resources().iter().any(|resource| resource.kind().runs_code()) {
        return Vec::new();
    }
    let public = stack.resources().iter().enumerate().filter(|(_, resource)| resource.settings().is_public());
    let app = |(position, _)| layout.names.at(Scope::App, Subject::Resource(position)).next();
    let public: Vec<&str> = public.filter_map(app).collect();
    let assign = |name: &str, definition: &str, not_scopes: &[&str]| {
        let mut command = format!(
            "az policy assignment create --name {}-{name} --policy {definition} --scope {} --params \
             '{{\"effect\":{{\"value\":\"Deny\"}}}}'",
            layout.target.prefix,
            ids.group(),
        );
        if !not_scopes.is_empty() {
            command.push_str(" --not-scopes ");
            command.push_str(&not_scopes.join(" "));
        }
        command
    };
    let rule = |what: &str, command| {
        let (what, source) = (what.to_owned(), SOURCE.to_owned());
        Guardrail { what, command, file: String::new(), text: String::new(), source }
    };
    vec![
        rule(
            "No app of the resource group can be reached from outside its environment, but those that the stack makes public.",
            assign("internal", "783ea2a8-b8fd-46be-896a-9ae79643a0b1", &public),
        ),
        rule(
            "No app of the resource group can be reached without TLS.",
            assign("https", "0e80e269-43a4-4ae9-b5bc-178126b8a5cb", &[]),
        ),
    ]
}
