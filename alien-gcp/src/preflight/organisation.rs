//! What the organisation's policies forbid, as far as they can be read
//! (<https://docs.cloud.google.com/resource-manager/docs/reference/orgpolicy/rest/v2/projects.policies/getEffectivePolicy>).
//!
//! A trial would tell more: who is bound by a role is admitted. But it would have to make something and to trust the vendor
//! before anything is set up, so it is not made, and a plan changes nothing.

use alien_core::{ErrorKind, Function, Problem, Resource, Result, Rule};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use google_cloud_orgpolicy_v2::model::policy_spec::PolicyRule;
use google_cloud_orgpolicy_v2::model::policy_spec::policy_rule::Kind;

use crate::client::{Context, failed};
use crate::naming::Paths;
use crate::operations as op;
use crate::target::Trust;

/// Whose principals may be in a policy, by the ids of organisations. In force by default in organisations made since May 2024
/// (<https://docs.cloud.google.com/organization-policy/domain-restricted-sharing>).
const DOMAINS: &str = "iam.allowedPolicyMemberDomains";

/// Who may be in a policy, by name or by organisation: the constraint that is to take the place of the first.
const MEMBERS: &str = "iam.managed.allowedPolicyMembers";

/// Whether every service must check its callers (<https://docs.cloud.google.com/run/docs/securing/managing-access#invoker_check>).
const INVOKERS: &str = "run.managed.requireInvokerIam";

/// From where services may be reached (<https://docs.cloud.google.com/run/docs/securing/ingress#restrict_ingress>).
const INGRESS: &str = "run.allowedIngress";

/// Tells whether the organisation will refuse the vendor's account, or functions as the stack has them.
pub(super) async fn look(cx: Context<'_>) -> Result<Vec<Problem>> {
    let functions: Vec<(&str, &Function)> = cx.deployment().stack().resources().iter().filter_map(function).collect();
    let wanted = [
        (DOMAINS, is_from_elsewhere(cx)),
        (MEMBERS, is_from_elsewhere(cx)),
        (INVOKERS, functions.iter().any(|(_, function)| function.is_public())),
        (INGRESS, !functions.is_empty()),
    ];
    let reads = wanted.into_iter().filter(|(_, is_wanted)| *is_wanted).map(|(constraint, _)| async move {
        match rules(cx, constraint).await {
            Ok(rules) => Ok((constraint, Ok(rules))),
            Err(error) if is_unreadable(error.kind()) => Ok((constraint, Err(error.message().to_owned()))),
            Err(error) => Err(error),
        }
    });
    let reads: Vec<_> = reads.collect();
    let read: Vec<_> = stream::iter(reads).buffered(4).try_collect().await?;
    let mut problems = Vec::new();
    let mut unread = Vec::new();
    for (constraint, rules) in read {
        match rules {
            Ok(rules) => problems.extend(forbidden(cx, constraint, &rules, &functions)),
            Err(why) => unread.push((constraint, why)),
        }
    }
    if let Some((_, why)) = unread.first() {
        let named: Vec<String> = unread.iter().map(|(constraint, _)| format!("`{constraint}`")).collect();
        let what = format!("cannot read whether the organisation forbids something by {}: {why}", named.join(", "));
        let help = format!(
            "ask its administrator, or read them: `gcloud org-policies describe CONSTRAINT --effective --project {}`",
            cx.target().project
        );
        problems.push(Problem::warning(Rule::Cloud, what, help).at("project"));
    }
    Ok(problems)
}

fn function(resource: &Resource) -> Option<(&str, &Function)> {
    Some((resource.id().as_str(), resource.settings_of::<Function>()?))
}

/// Whether the vendor's account is of another project, and so may be of another organisation.
fn is_from_elsewhere(cx: Context<'_>) -> bool {
    let own = format!("@{}.iam.gserviceaccount.com", cx.target().project);
    matches!(&cx.target().trust, Trust::Vendor(vendor) if !vendor.as_str().ends_with(&own))
}

/// Whether an error says that the policies cannot be read, and not that something does not work.
const fn is_unreadable(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Denied | ErrorKind::Rejected | ErrorKind::NotFound)
}

/// The rules that are in effect in the project.
async fn rules(cx: Context<'_>, constraint: &str) -> Result<Vec<PolicyRule>> {
    let name = format!("{}/policies/{constraint}", Paths(cx.target()).parent());
    let found = cx.call(&[op::GET_ORGANISATION_POLICY], || async {
        cx.clients
            .organisation()
            .await?
            .get_effective_policy()
            .set_name(&name)
            .send()
            .await
            .map_err(failed::organisation(cx.clients))
    });
    Ok(found.await?.spec.map(|spec| spec.rules).unwrap_or_default())
}

fn forbidden(cx: Context<'_>, constraint: &str, rules: &[PolicyRule], functions: &[(&str, &Function)]) -> Vec<Problem> {
    let is_enforced = rules.iter().any(|rule| rule.kind == Some(Kind::Enforce(true)));
    match constraint {
        DOMAINS => stranger(cx, constraint, allowed(rules)).into_iter().collect(),
        MEMBERS if is_enforced && !is_named(rules, &cx.target().member()) => {
            stranger(cx, constraint, Some(parameter(rules, "allowedPrincipalSets"))).into_iter().collect()
        }
        INVOKERS if is_enforced => {
            let public = functions.iter().filter(|(_, function)| function.is_public());
            let problem = |(id, _): &(&str, &Function)| {
                let what =
                    format!("the organisation lets no service do without the check of its callers: `{constraint}`");
                let help = "ask for an exception for the project, or set no public URL and let the callers in by name";
                Problem::error(Rule::Cloud, what, help.to_owned()).at(*id)
            };
            public.map(problem).collect()
        }
        INGRESS if allowed(rules).is_some_and(|allowed| !allowed.iter().any(|one| one == "all")) => {
            let what = format!("the organisation lets no service be reached from everywhere: `{constraint}`");
            let help =
                "ask for an exception for the project: queues and commands reach functions by their public address";
            let named =
                functions.iter().map(|(id, _)| Problem::error(Rule::Cloud, what.clone(), help.to_owned()).at(*id));
            named.collect()
        }
        _ => Vec::new(),
    }
}

/// The values that are allowed; `None` if all are.
fn allowed(rules: &[PolicyRule]) -> Option<Vec<String>> {
    let mut values = Vec::new();
    for rule in rules {
        match &rule.kind {
            Some(Kind::AllowAll(true)) => return None,
            Some(Kind::Values(found)) => values.extend(found.allowed_values.iter().cloned()),
            _ => {}
        }
    }
    // A rule of denied values alone denies those, and no rule at all nothing.
    let denies = rules.iter().any(|rule| rule.kind == Some(Kind::DenyAll(true)));
    if values.is_empty() && !denies { None } else { Some(values) }
}

/// The texts of a parameter of a managed constraint.
fn parameter(rules: &[PolicyRule], name: &str) -> Vec<String> {
    let found = rules.iter().filter_map(|rule| rule.parameters.as_ref()?.get(name)?.as_array()).flatten();
    found.filter_map(|value| Some(value.as_str()?.to_owned())).collect()
}

fn is_named(rules: &[PolicyRule], member: &str) -> bool {
    parameter(rules, "allowedMemberSubjects").iter().any(|one| one == member)
}

/// The problem of a vendor's account that may be in no policy. Whether its organisation is one of those that are allowed is not
/// for the customer to see.
fn stranger(cx: Context<'_>, constraint: &str, allowed: Option<Vec<String>>) -> Option<Problem> {
    let allowed = allowed?;
    let Trust::Vendor(vendor) = &cx.target().trust else { return None };
    let project = &cx.target().project;
    let admit = match constraint {
        MEMBERS => format!("add `{}` to its `allowedMemberSubjects`", cx.target().member()),
        _ => {
            "add the id of the vendor's organisation, which the vendor tells: `gcloud organizations list` shows it as \
              DIRECTORY_CUSTOMER_ID"
                .to_owned()
        }
    };
    let help = format!(
        "let an administrator of the organisation admit it in this project: `gcloud org-policies describe {constraint} \
         --effective --project {project}`, {admit}, `gcloud org-policies set-policy`"
    );
    if allowed.is_empty() {
        let what =
            format!("the organisation will refuse the vendor's account `{vendor}`: `{constraint}` allows nobody");
        return Some(Problem::error(Rule::Cloud, what, help).at("vendor"));
    }
    let what = format!(
        "the organisation will refuse the vendor's account `{vendor}`, unless that is of {}: `{constraint}`",
        allowed.iter().map(|one| format!("`{}`", one.trim_start_matches("is:"))).collect::<Vec<_>>().join(" or ")
    );
    Some(Problem::warning(Rule::Cloud, what, help).at("vendor"))
}

#[cfg(test)]
mod tests {
    use google_cloud_orgpolicy_v2::model::policy_spec::policy_rule::StringValues;

    use super::*;

    #[test]
    fn what_a_rule_allows_is_read() {
        let values =
            |names: &[&str]| PolicyRule::new().set_values(StringValues::new().set_allowed_values(names.to_vec()));
        assert_eq!(allowed(&[]), None);
        assert_eq!(allowed(&[PolicyRule::new().set_allow_all(true)]), None);
        assert_eq!(allowed(&[PolicyRule::new().set_deny_all(true)]), Some(Vec::new()));
        assert_eq!(allowed(&[values(&["is:C1"]), values(&["C2"])]), Some(vec!["is:C1".to_owned(), "C2".to_owned()]));
        let denied = StringValues::new().set_denied_values(["C3"]);
        assert_eq!(allowed(&[PolicyRule::new().set_values(denied)]), None);
    }
}
