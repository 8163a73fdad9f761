//! The rules of an organisation that are in effect in a project:
//! <https://docs.cloud.google.com/resource-manager/docs/reference/orgpolicy/rest/v2/projects.policies/getEffectivePolicy>.

use serde_json::{Value, json};

use crate::gcp::call::{Call, Done, done};
use crate::gcp::fail::Fail;
use crate::gcp::state::State;

/// Who may be in a policy, by the organisation:
/// <https://docs.cloud.google.com/organization-policy/domain-restricted-sharing>.
const DOMAINS: &str = "iam.allowedPolicyMemberDomains";
const MEMBERS: &str = "iam.managed.allowedPolicyMembers";
/// Whether every service must check its callers: <https://docs.cloud.google.com/run/docs/authenticating/public>.
const INVOKERS: &str = "run.managed.requireInvokerIam";

pub(super) fn find(id: &str) -> Option<Done> {
    Some(match id {
        "projects.policies.getEffectivePolicy" => done(effective),
        _ => return None,
    })
}

fn effective(call: &mut Call<'_>) -> Result<Value, Fail> {
    let constraint = call.parameter("policy");
    let project = call.state.projects.get(&call.project).ok_or_else(|| Fail::missing(&call.on))?;
    let rule = match project.rules.get(&constraint) {
        Some(rule) => rule.clone(),
        // The defaults of Google's constraints.
        None if constraint.contains(".managed.") => json!({"enforce": false}),
        None => json!({"allowAll": true}),
    };
    let name = format!("projects/{}/policies/{constraint}", project.number);
    Ok(json!({"name": name, "spec": {"rules": [rule]}}))
}

impl State {
    fn rule(&self, project: &str, constraint: &str) -> Option<&Value> {
        self.projects.get(project)?.rules.get(constraint)
    }

    /// Checks that the organisation lets a principal into the policies of a project. Google's own agents always are.
    ///
    /// # Errors
    ///
    /// `FAILED_PRECONDITION`, in the words of the service.
    pub(crate) fn admits(&self, project: &str, member: &str) -> Result<(), Fail> {
        let email = member.strip_prefix("serviceAccount:");
        if email.is_some_and(crate::gcp::iam::policy::is_agent) {
            return Ok(());
        }
        // Whom the organisation of a project has: its service accounts, of which the email names the project.
        let home = email.and_then(|email| email.split_once('@')?.1.strip_suffix(".iam.gserviceaccount.com"));
        let customer = home.and_then(|home| self.projects.get(home)).map(|project| project.customer.as_str());
        let customer = customer.or_else(|| {
            let theirs = member.starts_with("principal") && member.contains(&format!("/{project}.svc.id.goog/"));
            self.projects.get(project).filter(|_| theirs).map(|project| project.customer.as_str())
        });
        let texts = |value: Option<&Value>| -> Vec<String> {
            let values = value.and_then(Value::as_array).into_iter().flatten();
            values.filter_map(|value| Some(value.as_str()?.trim_start_matches("is:").to_owned())).collect()
        };
        let public = matches!(member, "allUsers" | "allAuthenticatedUsers");
        let known = public || customer.is_some();
        if let Some(rule) = self.rule(project, DOMAINS).filter(|rule| rule.get("allowAll").is_none()) {
            let allowed = texts(rule.pointer("/values/allowedValues"));
            if known && !customer.is_some_and(|customer| allowed.iter().any(|one| one == customer)) {
                return Err(Fail::precondition(
                    "One or more users named in the policy do not belong to a permitted customer.",
                )
                .detail("CONSTRAINT_VIOLATION", json!({"constraint": format!("constraints/{DOMAINS}")})));
            }
        }
        if let Some(rule) = self.rule(project, MEMBERS).filter(|rule| rule.get("enforce") == Some(&Value::Bool(true))) {
            let subjects = texts(rule.pointer("/parameters/allowedMemberSubjects"));
            let sets = texts(rule.pointer("/parameters/allowedPrincipalSets"));
            let own = customer.is_some_and(|customer| sets.iter().any(|set| set.ends_with(customer)));
            if known && !own && !subjects.iter().any(|one| one == member) {
                let what = format!("Operation denied by org policy: [\"constraints/{MEMBERS}\"]");
                return Err(Fail::precondition(what));
            }
        }
        Ok(())
    }

    /// Checks that the organisation lets a service of a project do without the check of its callers.
    ///
    /// # Errors
    ///
    /// `FAILED_PRECONDITION`.
    pub(crate) fn may_be_public(&self, project: &str) -> Result<(), Fail> {
        match self.rule(project, INVOKERS) {
            Some(rule) if rule.get("enforce") == Some(&Value::Bool(true)) => {
                Err(Fail::precondition(format!("Operation denied by org policy: [\"constraints/{INVOKERS}\"]")))
            }
            _ => Ok(()),
        }
    }
}
