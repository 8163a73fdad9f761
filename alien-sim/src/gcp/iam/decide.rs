//! Decides whether a principal holds a permission on a resource: <https://docs.cloud.google.com/iam/docs/policies>.

use jiff::Timestamp;

use super::condition;
use super::role;
use crate::gcp::state::{State, project_name, relative};

/// A decision, and the reason.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) allowed: bool,
    pub(crate) why: String,
}

/// Checks the policies of the resource, its parents and its project.
pub(crate) fn decide(state: &State, principal: &str, permission: &str, on: &str, now: Timestamp) -> Verdict {
    let mut why_not = String::new();
    for name in lineage(state, on) {
        let Some(thing) = state.things.get(&name) else { continue };
        for binding in &thing.policy.in_effect(now).bindings {
            if !binding.members.iter().any(|member| matches(member, principal)) {
                continue;
            }
            if !role::holds(state, &binding.role, permission, now) {
                continue;
            }
            let Some(condition) = &binding.condition else {
                return Verdict { allowed: true, why: format!("`{}` bound on {name}", binding.role) };
            };
            if condition::met(state, condition, on, now) {
                let why = format!("`{}` bound on {name} if `{}`", binding.role, condition.expression);
                return Verdict { allowed: true, why };
            }
            why_not = format!("the condition `{}` of `{}` on {name} is not met", condition.expression, binding.role);
        }
    }
    if why_not.is_empty() {
        why_not = format!("no role bound to {principal} here, or on what it is in, holds it");
    }
    Verdict { allowed: false, why: why_not }
}

/// The resource, its parents and its project, nearest first.
fn lineage(state: &State, on: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut name = on;
    let mut project = None;
    while name.len() > 2 {
        if let Some(thing) = state.things.get(name) {
            project.get_or_insert_with(|| thing.project.clone());
            names.push(name.to_owned());
        }
        let Some((shorter, _)) = name.rsplit_once('/') else { break };
        name = shorter;
    }
    let project = project.or_else(|| {
        let named = relative(on).strip_prefix("projects/")?.split('/').next()?;
        state.project_id(named)
    });
    if let Some(project) = project {
        let project = project_name(&project);
        if !names.contains(&project) {
            names.push(project);
        }
    }
    names
}

fn matches(member: &str, principal: &str) -> bool {
    match member {
        "allUsers" => true,
        "allAuthenticatedUsers" => principal != "allUsers",
        _ => {
            member == principal
                || member.strip_prefix("domain:").is_some_and(|domain| {
                    principal.strip_prefix("user:").and_then(|user| user.split_once('@')).is_some_and(|u| u.1 == domain)
                })
        }
    }
}
