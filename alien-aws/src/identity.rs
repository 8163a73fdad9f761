//! The roles of a deployment: their names, their trust policies, and the permissions that creating them takes.

#[cfg(feature = "client")]
pub(crate) mod assume;
#[cfg(feature = "client")]
pub(crate) mod calls;
#[cfg(feature = "client")]
mod drift;
#[cfg(feature = "client")]
pub(crate) mod policies;

use std::collections::BTreeSet;

use alien_core::Kind;
use alien_core::adapter::{Holder, Layout, Operation, Trusted};

use crate::Aws;
use crate::naming::Arns;
use crate::operations as op;
use crate::operations::Scope;
use crate::policy::document::{Condition, Effect, Policy, PolicyKind, Principal, Statement, Text, Texts};
use crate::target::{Agent, Trust};

/// The longest session, in seconds. Role chaining limits sessions to an hour
/// (<https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>).
pub(crate) const MAX_SESSION: u32 = 3600;

/// The audience of a service account's tokens for AWS
/// (<https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html>).
const AUDIENCE: &str = "sts.amazonaws.com";

/// The operations with which the customer's admin creates a role and its policies.
pub(crate) fn set() -> &'static [&'static Operation<Scope>] {
    &[
        op::CREATE_ROLE,
        op::GET_ROLE,
        op::DELETE_ROLE,
        op::TAG_ROLE,
        op::UNTAG_ROLE,
        op::UPDATE_ROLE,
        op::UPDATE_TRUST,
        op::PUT_ROLE_POLICY,
        op::DELETE_ROLE_POLICY,
        op::GET_ROLE_POLICY,
        op::LIST_ROLE_POLICIES,
        op::ATTACH_ROLE_POLICY,
        op::DETACH_ROLE_POLICY,
        op::LIST_ATTACHED_ROLE_POLICIES,
        op::CREATE_POLICY,
        op::GET_POLICY,
        op::GET_POLICY_VERSION,
        op::DELETE_POLICY,
        op::TAG_POLICY,
        op::CREATE_POLICY_VERSION,
        op::DELETE_POLICY_VERSION,
        op::LIST_POLICY_VERSIONS,
        op::CALLER_IDENTITY,
        op::SIMULATE,
        op::ACCOUNT_SUMMARY,
    ]
}

/// Adds the names of a role and of its managed policies.
pub(crate) fn names(arns: Arns<'_>, holder: &Holder, things: &mut Vec<(Scope, String)>) {
    let name = arns.role(&holder.name());
    let role = arns.iam(&["role/", &name]);
    things.push((Scope::Role, role.clone()));
    // A managed policy is named after the role, with `-p` and one digit. No physical name ends in a word of two
    // characters, so no other role's name matches.
    things.push((Scope::RolePolicies, arns.iam(&["policy/", &name, "-p?"])));
    match holder {
        Holder::Profile(_) => things.extend([(Scope::RoleForLambda, role.clone()), (Scope::RoleForTasks, role)]),
        Holder::Platform => things.push((Scope::RoleForTasks, role)),
        Holder::Admin | Holder::Vendor => {}
    }
}

/// The name of the `number`th managed policy of a role, counted from 0.
pub(crate) fn managed_policy_name(role: &str, number: usize) -> String {
    format!("{role}-p{number}")
}

/// The trust policy of a holder's role: who may assume it.
///
/// * Management: only the vendor's principal, with the external id
///   (<https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_common-scenarios_third-party.html>); or only the agent: one
///   role of this account, or the tokens of one service account that the OIDC provider of a cluster vouches for
///   (<https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html>).
/// * A profile: the services that run its code; ECS only for this account
///   (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html>).
/// * The platform: ECS, as the page of the execution role has it
///   (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html>). No condition stands there;
///   only who may pass the role can have ECS use it, and a role is passed within its account alone.
/// * Provisioning: the principals that the customer's own account allows.
pub(crate) fn trust(layout: &Layout<Aws>, holder: &Holder) -> Policy {
    let target = &layout.target;
    let statements = match holder {
        Holder::Vendor => match &target.trust {
            Trust::Vendor { vendor, external_id } => {
                let external_id = Some(("sts:ExternalId", external_id.to_string()));
                let mut vendor = assume("VendorWithExternalId", ("AWS", vendor.to_string()), external_id);
                // Lets the vendor's sessions record in the customer's CloudTrail who started them.
                vendor.actions.push("sts:SetSourceIdentity".into());
                vec![vendor]
            }
            Trust::Agent(Agent::Role(path)) => vec![assume("CustomersAgent", ("AWS", target.role(path)), None)],
            Trust::Agent(Agent::Cluster { issuer, account }) => {
                let mut agent = assume("CustomersAgent", ("Federated", target.provider(issuer)), None);
                agent.actions = vec!["sts:AssumeRoleWithWebIdentity".into()];
                agent.condition.require(format!("{issuer}:aud"), [AUDIENCE.to_owned()]);
                agent.condition.require(format!("{issuer}:sub"), [account.subject()]);
                vec![agent]
            }
        },
        Holder::Admin => {
            let account = Arns(target).iam(&["root"]);
            vec![assume("CustomersOwnAccount", ("AWS", account), None)]
        }
        Holder::Platform => vec![assume("Platform", ("Service", "ecs-tasks.amazonaws.com".to_owned()), None)],
        Holder::Profile(profile) => {
            let runs = |kind: Kind| {
                layout.stack.resources().iter().any(|resource| {
                    let compute = resource.settings().compute();
                    resource.kind() == kind && compute.is_some_and(|compute| compute.profile == profile.as_str())
                })
            };
            let mut statements = Vec::new();
            if runs(Kind::Function) {
                statements.push(assume("Functions", ("Service", "lambda.amazonaws.com".to_owned()), None));
            }
            if runs(Kind::Container) {
                let account = Some(("aws:SourceAccount", target.account.to_string()));
                statements.push(assume("Containers", ("Service", "ecs-tasks.amazonaws.com".to_owned()), account));
            }
            statements
        }
    };
    Policy::new(statements)
}

/// Lists who may assume a role: each principal with each action.
pub(crate) fn trusted(principal: &Principal) -> Vec<Trusted> {
    let mut trusted = Vec::new();
    let statements = principal.role.trust_policy.statements.iter();
    for statement in statements.filter(|statement| statement.effect == Effect::Allow) {
        let mut conditions = statement.condition.requirements();
        let named = statement.principal.iter().map(|(kind, who)| (kind.to_string(), who));
        let others = statement.not_principal.iter().map(|(kind, who)| (format!("everybody but {kind}"), who));
        if !statement.not_actions.is_empty() {
            conditions.push(format!("it is none of {}", statement.not_actions.join(", ")));
        }
        let every = [Text::Borrowed("*")];
        let actions = if statement.actions.is_empty() { every.as_slice() } else { statement.actions.as_slice() };
        for (kind, Texts(who)) in named.chain(others) {
            for (who, action) in who.iter().flat_map(|who| actions.iter().map(move |action| (who, action))) {
                let is_whole = kind == "AWS" || kind == *who;
                let who = if is_whole { who.clone() } else { format!("{kind} {who}") };
                trusted.push(Trusted { who, may: action.to_string(), conditions: conditions.clone() });
            }
        }
    }
    trusted
}

/// Lists who may assume a role, and should not or may not by what is rendered.
pub(crate) fn strangers(found: &Principal, expected: &Principal) -> Vec<String> {
    let mut problems = Vec::new();
    let (trust, due) = (&found.role.trust_policy.statements, &expected.role.trust_policy.statements);
    for statement in trust.iter().filter(|statement| !due.contains(statement)) {
        let who: Vec<&str> = statement.principal.values().flat_map(|who| &who.0).map(String::as_str).collect();
        problems.push(format!(
            "trust statement `{}`, about {}, is not part of the deployment",
            statement.sid,
            who.join(", ")
        ));
    }
    for statement in due.iter().filter(|statement| !trust.contains(statement)) {
        problems.push(format!("trust statement `{}` is missing", statement.sid));
    }
    problems
}

/// Lists how a role differs from the rendered one: another role, longer
/// sessions, a foreign policy or a duplicate one.
pub(crate) fn excesses(found: &Principal, expected: &Principal) -> Vec<String> {
    let mut problems = Vec::new();
    let role = &expected.role.name;
    if found.role.name != *role {
        problems.push(format!("the role is `{}`, not the deployment's role `{role}`", found.role.name));
    }
    let (session, most) = (found.role.max_session_duration, expected.role.max_session_duration);
    if session > most {
        problems.push(format!("sessions may last {session} seconds, but at most {most} are allowed"));
    }
    for denial in denials(expected).filter(|due| !denials(found).any(|denial| is_same(denial, due))) {
        problems.push(format!("the denial `{}` is missing", denial.sid));
    }
    let mut names = BTreeSet::new();
    for policy in &found.policies {
        let own = match policy.kind {
            PolicyKind::Inline => policy.name == *role,
            PolicyKind::Managed => (0..10).any(|number| policy.name == managed_policy_name(role, number)),
        };
        if !own {
            problems.push(format!("policy `{}` is not part of the role", policy.name));
        }
        if !names.insert((&policy.name, policy.kind == PolicyKind::Inline)) {
            problems.push(format!("policy `{}` is listed twice: only the last one written would apply", policy.name));
        }
    }
    problems
}

fn denials(principal: &Principal) -> impl Iterator<Item = &Statement> {
    let statements = principal.policies.iter().flat_map(|policy| &policy.document.statements);
    statements.filter(|statement| statement.effect == Effect::Deny)
}

fn is_same(one: &Statement, other: &Statement) -> bool {
    *one == Statement { sid: one.sid.clone(), ..other.clone() }
}

fn assume(sid: &str, principal: (&'static str, String), condition: Option<(&'static str, String)>) -> Statement {
    let (kind, who) = principal;
    let mut required = Condition::default();
    if let Some((key, value)) = condition {
        required.require(key, [value]);
    }
    Statement {
        sid: sid.to_owned(),
        effect: Effect::Allow,
        principal: [(kind.into(), Texts::one(who))].into(),
        actions: vec!["sts:AssumeRole".into()],
        condition: required,
        ..Statement::default()
    }
}
