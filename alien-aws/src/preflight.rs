//! Checks before a set-up: the account of the credentials, their permissions, and quotas.

use std::collections::BTreeMap;

use alien_core::adapter::AccessControl;
use alien_core::{ErrorKind, Problem, Remedy, Result, Rule};
use aws_sdk_iam::types::{
    ContextEntry, ContextKeyTypeEnum, EvaluationResult, PolicyEvaluationDecisionType, SummaryKeyType,
};
use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::Aws;
use crate::client::{Context, failure};
use crate::identity::policies;
use crate::operations as op;
use crate::policy::document::STRING_EQUALS;
use crate::policy::{Policy, Principal, Statement, cuts};
use crate::resource::network::fit;
use crate::target::PolicyArn;

/// Who the caller is, and the problem if that is another account's.
async fn caller(cx: Context<'_>) -> Result<(String, Option<Problem>)> {
    let target = cx.target();
    let caller = cx
        .call(&[op::CALLER_IDENTITY], || async { cx.clients.sts().get_caller_identity().send().await.map_err(failure) })
        .await?;
    let account = caller.account().unwrap_or_default();
    let problem = (account != target.account.as_str()).then(|| {
        let what = format!("these credentials are of account {account}, and the deployment goes to {}", target.account);
        let help = "use credentials of that account, or correct the account of the target".to_owned();
        Problem::error(Rule::Cloud, what, help).at("account")
    });
    Ok((caller.arn().unwrap_or_default().to_owned(), problem))
}

/// Checks whose account the credentials are of.
pub(crate) async fn account(cx: Context<'_>) -> Result<Vec<Problem>> {
    Ok(caller(cx).await?.1.into_iter().collect())
}

/// Runs the checks and returns all problems at once.
pub(crate) async fn look(cx: Context<'_>, boundary: Option<&PolicyArn>) -> Result<Vec<Problem>> {
    let (caller, problem) = caller(cx).await?;
    if let Some(problem) = problem {
        return Ok(vec![problem]);
    }
    let mut problems = Vec::new();
    if let Some(principal) = simulated(&caller) {
        problems.extend(may_do_all(cx, &principal).await?);
    }
    if let Some(boundary) = boundary {
        problems.extend(bounded(cx, boundary).await?);
    }
    problems.extend(quotas(cx).await?);
    problems.extend(fit::look(cx).await?);
    Ok(problems)
}

/// The ARN of the user or role whose policies IAM can simulate; for a session, that of its role. `None` for the
/// account's root user, which may do everything. The ARN of a session does not show its role's path, so a role with a
/// path is not simulated.
fn simulated(caller: &str) -> Option<String> {
    if caller.ends_with(":root") {
        return None;
    }
    let Some((head, session)) = caller.split_once(":assumed-role/") else { return Some(caller.to_owned()) };
    let role = session.split('/').next()?;
    Some(format!("{}:role/{role}", head.replacen(":sts:", ":iam:", 1)))
}

/// Simulates every statement of the provisioning documents.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html>
async fn may_do_all(cx: Context<'_>, principal: &str) -> Result<Vec<Problem>> {
    let deployment = cx.deployment();
    let rendered = Aws::principal(&deployment.layout, &deployment.permissions().provisioning);
    let statements: Vec<Statement> =
        rendered.policies.into_iter().flat_map(|policy| policy.document.statements).collect();
    let asked: Vec<_> = statements.iter().map(|statement| simulate(cx, principal, statement)).collect();
    let answers: Result<Vec<Vec<Denial>>> = stream::iter(asked).buffered(8).try_collect().await;
    let denied = match answers {
        Ok(denied) => denied,
        // A failed simulation says nothing about the permissions themselves.
        Err(error) if matches!(error.kind(), ErrorKind::Denied | ErrorKind::NotFound | ErrorKind::Rejected) => {
            let what =
                format!("could not simulate whether these credentials have all permissions: {}", error.message());
            let help = "go on: a call that lacks a permission fails and names it".to_owned();
            return Ok(vec![Problem::warning(Rule::Cloud, what, help)]);
        }
        Err(error) => return Err(error),
    };
    Ok(statements.iter().zip(denied).flat_map(|(statement, denied)| refused(principal, statement, &denied)).collect())
}

/// An action that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Denial {
    action: String,
    by: By,
}

/// What does not allow an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// A policy of the organization that the account is in: no permission in the account changes that.
    Organization,
    /// The caller's permissions boundary.
    Boundary,
    /// The caller's policies.
    Policies,
}

impl By {
    const ALL: [Self; 3] = [Self::Organization, Self::Boundary, Self::Policies];

    /// What decided a simulated action
    /// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html>).
    fn of(result: &EvaluationResult) -> Self {
        let organization = result.organizations_decision_detail().map(|detail| detail.allowed_by_organizations());
        let boundary = result.permissions_boundary_decision_detail();
        match (organization, boundary.map(|detail| detail.allowed_by_permissions_boundary())) {
            (Some(false), _) => Self::Organization,
            (_, Some(false)) => Self::Boundary,
            _ => Self::Policies,
        }
    }
}

/// The problems of what a caller may not do, one for each that does not allow it.
fn refused(principal: &str, statement: &Statement, denied: &[Denial]) -> Vec<Problem> {
    let on = statement.resources.join(", ");
    let of = |by: By| {
        let actions: Vec<&str> =
            denied.iter().filter(|denial| denial.by == by).map(|denial| denial.action.as_str()).collect();
        if actions.is_empty() {
            return None;
        }
        let what = format!("`{principal}` may not {} on {on}", actions.join(", "));
        let problem = |what: String, help: &str| Problem::error(Rule::Cloud, what, help.to_owned()).at(&statement.sid);
        Some(match by {
            By::Organization => problem(
                format!("{what}: a service control policy of the organization does not allow it"),
                "ask who administers the organization to allow it for this account: nothing in the account can",
            ),
            By::Boundary => problem(
                format!("{what}: the permissions boundary of these credentials does not allow it"),
                "use credentials whose boundary allows it, or have the boundary allow it",
            ),
            By::Policies => {
                let help = "ask the administrator of the account for the permissions in the provisioning documents";
                problem(what, help).remedy(Remedy::GrantProvisioning)
            }
        })
    };
    By::ALL.into_iter().filter_map(of).collect()
}

/// The actions of a statement that are not allowed.
async fn simulate(cx: Context<'_>, principal: &str, statement: &Statement) -> Result<Vec<Denial>> {
    let texts = |texts: &[crate::policy::Text]| texts.iter().map(|text| text.to_string()).collect::<Vec<_>>();
    // A key takes one value, so the first of a condition's values is simulated: of bounds, one of both. A key that must be absent is
    // not given.
    let mut given =
        BTreeMap::from([("aws:RequestedRegion", (ContextKeyTypeEnum::String, cx.target().region.as_str()))]);
    for (operator, keys) in statement.condition.0.iter().filter(|(operator, _)| *operator != "Null") {
        let is_number = operator.starts_with("Numeric");
        let form = if is_number { ContextKeyTypeEnum::Numeric } else { ContextKeyTypeEnum::String };
        for (key, values) in keys {
            given.extend(values.0.first().map(|value| (key.as_ref(), (form.clone(), value.as_str()))));
        }
    }
    let entry = |(key, (form, value)): (&str, (ContextKeyTypeEnum, &str))| {
        ContextEntry::builder().context_key_name(key).context_key_type(form).context_key_values(value).build()
    };
    let context: Vec<ContextEntry> = given.into_iter().map(entry).collect();
    let (actions, resources) = (texts(&statement.actions), texts(&statement.resources));
    let mut denied = Vec::<Denial>::new();
    let mut marker = None;
    loop {
        let page = cx
            .call(&[op::SIMULATE], || async {
                let asked = cx.clients.iam().simulate_principal_policy().policy_source_arn(principal);
                let asked = asked.set_action_names(Some(actions.clone())).set_resource_arns(Some(resources.clone()));
                asked
                    .set_context_entries(Some(context.clone()))
                    .set_marker(marker.clone())
                    .send()
                    .await
                    .map_err(failure)
            })
            .await?;
        for result in page.evaluation_results() {
            let action = result.eval_action_name().to_owned();
            // A decision that depends on context which only the real request has is not known in advance.
            if result.missing_context_values().is_empty()
                && *result.eval_decision() != PolicyEvaluationDecisionType::Allowed
                && denied.iter().all(|denial| denial.action != action)
            {
                denied.push(Denial { action, by: By::of(result) });
            }
        }
        if !page.is_truncated() {
            return Ok(denied);
        }
        marker = page.marker.clone();
    }
}

/// Checks whether the permissions boundary leaves the roles what they need. It is decided here, by the boundary's document: a
/// simulation of roles that do not exist takes a permission more, and the document too
/// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulateCustomPolicy.html>).
async fn bounded(cx: Context<'_>, boundary: &PolicyArn) -> Result<Vec<Problem>> {
    let at = "permissionsBoundary";
    let document = match policies::document(cx, boundary.as_str()).await {
        Ok(document) => document,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let what = format!("there is no policy `{boundary}`");
            let help = "name the ARN of the boundary as it is in this account".to_owned();
            return Ok(vec![Problem::error(Rule::Cloud, what, help).at(at)]);
        }
        // These credentials may set it, and need not read it.
        Err(error) if matches!(error.kind(), ErrorKind::Denied | ErrorKind::Rejected) => {
            let what =
                format!("could not look whether `{boundary}` leaves the roles what they need: {}", error.message());
            let help =
                "allow `iam:GetPolicy` and `iam:GetPolicyVersion` on it, or go on: a call that it cuts is denied";
            return Ok(vec![Problem::warning(Rule::Cloud, what, help.to_owned()).at(at)]);
        }
        Err(error) => return Err(error),
    };
    let Some(document) = document else {
        let what = format!("`{boundary}` is no policy that can be read here, so what it leaves the roles is not known");
        return Ok(vec![Problem::warning(Rule::Cloud, what, "look at it in the console".to_owned()).at(at)]);
    };
    let permissions = cx.deployment().permissions();
    let roles = [&permissions.management].into_iter().chain(&permissions.runtime);
    let roles = roles.map(|grants| Aws::principal(&cx.deployment().layout, grants));
    Ok(roles.filter_map(|role| cut(&role, boundary, &document)).collect())
}

/// How many of the actions that a boundary cuts are named.
const NAMED: usize = 3;

/// The problem of a role of which a boundary cuts actions.
fn cut(role: &Principal, boundary: &PolicyArn, document: &Policy) -> Option<Problem> {
    let mut cut = Vec::new();
    for statement in role.policies.iter().flat_map(|policy| &policy.document.statements) {
        let equal = statement.condition.0.get(STRING_EQUALS).into_iter().flatten();
        let known: Vec<(&str, &str)> = equal
            .filter_map(|(key, values)| match values.0.as_slice() {
                [one] => Some((key.as_ref(), one.as_str())),
                _ => None,
            })
            .collect();
        let each = statement.actions.iter().flat_map(|action| statement.resources.iter().map(move |on| (action, on)));
        for (action, on) in each.filter(|(action, on)| cuts(document, action, on, &known)) {
            cut.push(format!("`{action}` on `{on}`"));
        }
    }
    let more = cut.len().saturating_sub(NAMED);
    let mut named = cut.get(..NAMED).unwrap_or(&cut).join(", ");
    if more > 0 {
        named.push_str(&format!(" and {more} more"));
    }
    (!cut.is_empty()).then(|| {
        let what = format!("the permissions boundary `{boundary}` takes from this role what it needs: {named}");
        let help = "let the boundary allow them, or name another one".to_owned();
        Problem::error(Rule::Cloud, what, help).at(&role.role.name)
    })
}

/// Checks whether the account has room for the roles.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html>
async fn quotas(cx: Context<'_>) -> Result<Vec<Problem>> {
    let summary = cx
        .call(&[op::ACCOUNT_SUMMARY], || async { cx.clients.iam().get_account_summary().send().await.map_err(failure) })
        .await;
    let summary = match summary {
        Ok(summary) => summary.summary_map.unwrap_or_default(),
        Err(error) if error.kind() == ErrorKind::Denied => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let count = |key: SummaryKeyType| summary.get(&key).copied().and_then(|count| usize::try_from(count).ok());
    let (Some(roles), Some(quota)) = (count(SummaryKeyType::Roles), count(SummaryKeyType::RolesQuota)) else {
        return Ok(Vec::new());
    };
    let wanted = cx.deployment().permissions().runtime.len() + 1;
    if roles + wanted <= quota {
        return Ok(Vec::new());
    }
    let what =
        format!("the account has {roles} of at most {quota} roles, and the deployment needs up to {wanted} more");
    let help = "delete roles that nobody uses, or ask AWS for a higher quota".to_owned();
    Ok(vec![Problem::error(Rule::Limit, what, help).at("roles of the account")])
}

#[cfg(test)]
mod tests {
    use aws_sdk_iam::types::{OrganizationsDecisionDetail, PermissionsBoundaryDecisionDetail};

    use super::*;
    use crate::policy::{Role, RolePolicy};

    /// A role that may do this, as the grammar of IAM has it.
    fn role(statement: &str) -> Principal {
        let policies = vec![RolePolicy {
            name: "acme-management-4".to_owned(),
            kind: crate::policy::PolicyKind::Inline,
            document: document(statement),
        }];
        let trust_policy = Policy::new(Vec::new());
        let role = Role { name: "acme-management-4".to_owned(), trust_policy, max_session_duration: 3600 };
        Principal { name: "management".to_owned(), role, policies }
    }

    fn document(statement: &str) -> Policy {
        Policy::new(vec![serde_json::from_str(statement).unwrap()])
    }

    #[test]
    fn what_the_organization_refuses_is_told_as_that() {
        let result = |action: &str| {
            let result = EvaluationResult::builder().eval_action_name(action);
            result.eval_decision(PolicyEvaluationDecisionType::ImplicitDeny)
        };
        let organization = OrganizationsDecisionDetail::builder();
        let boundary = PermissionsBoundaryDecisionDetail::builder().allowed_by_permissions_boundary(false).build();
        let results = [
            result("sqs:CreateQueue").organizations_decision_detail(organization.clone().build()),
            result("sqs:TagQueue")
                .organizations_decision_detail(organization.allowed_by_organizations(true).build())
                .permissions_boundary_decision_detail(boundary),
            result("sqs:DeleteQueue"),
        ];
        let denied: Vec<Denial> = results
            .map(|result| result.build().unwrap())
            .iter()
            .map(|result| Denial { action: result.eval_action_name().to_owned(), by: By::of(result) })
            .collect();
        let statement: Statement =
            serde_json::from_str(r#"{"Sid":"Queues","Effect":"Allow","Action":"sqs:*","Resource":"arn:of:queue"}"#)
                .unwrap();
        let told: Vec<String> = refused("arn:of:admin", &statement, &denied).iter().map(Problem::to_string).collect();
        assert_eq!(
            told,
            [
                "error: `Queues`: `arn:of:admin` may not sqs:CreateQueue on arn:of:queue: a service control policy of the \
                 organization does not allow it; ask who administers the organization to allow it for this account: nothing in \
                 the account can",
                "error: `Queues`: `arn:of:admin` may not sqs:TagQueue on arn:of:queue: the permissions boundary of these \
                 credentials does not allow it; use credentials whose boundary allows it, or have the boundary allow it",
                "error: `Queues`: `arn:of:admin` may not sqs:DeleteQueue on arn:of:queue; ask the administrator of the account \
                 for the permissions in the provisioning documents",
            ]
        );
        assert_eq!(refused("arn:of:admin", &statement, &[]), []);
    }

    #[test]
    fn a_boundary_that_cuts_a_role_is_told_with_the_role_and_the_first_actions() {
        let boundary = "arn:aws:iam::222222222222:policy/boundary".parse().unwrap();
        let role = role(
            r#"{"Effect":"Allow","Action":["sqs:GetQueueAttributes","sqs:ListQueueTags","s3:GetBucketTagging"],
                "Resource":["arn:aws:sqs:eu-central-1:222222222222:a","arn:aws:sqs:eu-central-1:222222222222:b"]}"#,
        );
        let cut = |boundary_of: &str| cut(&role, &boundary, &document(boundary_of)).map(|problem| problem.to_string());
        let told = cut(r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#).unwrap();
        assert_eq!(
            told,
            "error: `acme-management-4`: the permissions boundary `arn:aws:iam::222222222222:policy/boundary` takes from this role \
             what it needs: `sqs:GetQueueAttributes` on `arn:aws:sqs:eu-central-1:222222222222:a`, `sqs:GetQueueAttributes` on \
             `arn:aws:sqs:eu-central-1:222222222222:b`, `sqs:ListQueueTags` on `arn:aws:sqs:eu-central-1:222222222222:a` and 1 \
             more; let the boundary allow them, or name another one"
        );
        assert_eq!(cut(r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#), None);
        assert_eq!(cut(r#"{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}"#), None);
        // What depends on a request is not known before.
        let here = r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:RequestedRegion":"x"}}}"#;
        assert_eq!(cut(here), None);
        assert!(
            cut(r#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:sqs:*:*:a"}"#)
                .unwrap()
                .contains("222222222222:b`")
        );
    }

    #[test]
    fn a_pattern_is_cut_where_nothing_of_it_is_left() {
        let cut =
            |boundary: &str| cuts(&document(boundary), "logs:GetLogEvents", "arn:aws:logs:r:1:log-group:api:*", &[]);
        assert!(!cut(
            r#"{"Effect":"Allow","Action":"logs:*","Resource":"arn:aws:logs:r:1:log-group:api:log-stream:*"}"#
        ));
        assert!(cut(r#"{"Effect":"Allow","Action":"logs:*","Resource":"arn:aws:logs:r:1:log-group:other:*"}"#));
        assert!(cut(r#"{"Effect":"Deny","Action":"logs:*","Resource":"*"}"#));
    }

    #[test]
    fn the_policies_of_a_session_are_those_of_its_role() {
        for (caller, expected) in [
            ("arn:aws:iam::222222222222:root", None),
            ("arn:aws:iam::222222222222:user/jo", Some("arn:aws:iam::222222222222:user/jo")),
            ("arn:aws:sts::222222222222:assumed-role/admin/jo", Some("arn:aws:iam::222222222222:role/admin")),
        ] {
            assert_eq!(simulated(caller).as_deref(), expected);
        }
    }
}
