//! The roles of a deployment: their names, their trust, and what making them takes.

use alien_core::cloud::{Deployed, Operation};
use alien_core::permission::{Holder, Subject};

use crate::Aws;
use crate::naming::Arns;
use crate::operations as op;
use crate::operations::Place;
use crate::policy::{Condition, Effect, Policy, Principal, Statement, Texts};

/// Seconds a session lasts at most: chained roles get no more than an hour
/// (<https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>).
pub(crate) const MAX_SESSION: u32 = 3600;

/// What the customer's admin needs to make a role and its policies.
pub(crate) fn set() -> &'static [&'static Operation<Place>] {
    &[
        op::CREATE_ROLE,
        op::GET_ROLE,
        op::UPDATE_ROLE,
        op::DELETE_ROLE,
        op::TAG_ROLE,
        op::UPDATE_TRUST,
        op::PUT_ROLE_POLICY,
        op::GET_ROLE_POLICY,
        op::DELETE_ROLE_POLICY,
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
    ]
}

/// Names a role and what belongs to it.
pub(crate) fn names(arns: Arns<'_>, holder: &Holder, things: &mut Vec<(Place, String)>) {
    let name = arns.role(&holder.name());
    let role = arns.iam(&["role/", &name]);
    things.push((Place::Role, role.clone()));
    // A managed policy is the role's name, `-p` and one digit; no physical name ends in a word of two characters.
    things.push((Place::RolePolicies, arns.iam(&["policy/", &name, "-p?"])));
    if let Holder::Profile(_) = holder {
        things.extend([(Place::RoleForLambda, role.clone()), (Place::RoleForTasks, role)]);
    }
}

/// The name of the `number`th managed policy of a role, from 0.
pub(crate) fn managed_policy_name(role: &str, number: usize) -> String {
    format!("{role}-p{number}")
}

/// Who may assume the role of a holder.
///
/// * Management: exactly the vendor's principal, with the external id
///   (<https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_common-scenarios_third-party.html>).
/// * A profile: the services that run its code, ECS for this account only
///   (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html>).
/// * Provisioning: whomever the customer's own account allows to.
pub(crate) fn trust(deployment: &Deployed<'_, Aws>, holder: &Holder) -> Policy {
    let target = deployment.target;
    let statements = match holder {
        Holder::Vendor => vec![assume(
            "VendorWithExternalId",
            ("AWS", target.vendor.to_string()),
            Some(("sts:ExternalId", target.external_id.to_string())),
        )],
        Holder::Admin => {
            let account = Arns(target).iam(&["root"]);
            vec![assume("CustomersOwnAccount", ("AWS", account), None)]
        }
        Holder::Profile(profile) => {
            let (mut lambda, mut tasks) = (false, false);
            let position = deployment.permissions.runtime_position(profile.as_str());
            let holding = position.and_then(|position| deployment.permissions.runtime.get(position));
            for grant in holding.into_iter().flat_map(|holding| &holding.grants) {
                let Subject::Resource(position) = grant.subject else { continue };
                if grant.set != alien_core::permission::Set::Run {
                    continue;
                }
                match deployment.stack.at(position).map(alien_core::resource::Resource::kind) {
                    Some(alien_core::Kind::Function) => lambda = true,
                    Some(alien_core::Kind::Container) => tasks = true,
                    _ => {}
                }
            }
            let mut statements = Vec::new();
            if lambda {
                statements.push(assume("Functions", ("Service", "lambda.amazonaws.com".to_owned()), None));
            }
            if tasks {
                let account = Some(("aws:SourceAccount", target.account.to_string()));
                statements.push(assume("Containers", ("Service", "ecs-tasks.amazonaws.com".to_owned()), account));
            }
            statements
        }
    };
    Policy::new(statements)
}

/// Who may assume the role and should not be able to, and whoever should and may not: what differs from [`trust`].
pub(crate) fn misplaced_trust(deployment: &Deployed<'_, Aws>, holder: &Holder, principal: &Principal) -> Vec<String> {
    let mut problems = Vec::new();
    let expected = trust(deployment, holder);
    let found = &principal.role.trust_policy;
    for statement in found.statements.iter().filter(|statement| !expected.statements.contains(statement)) {
        let sid = &statement.sid;
        let who: Vec<&str> = statement.principal.values().flat_map(|who| &who.0).map(String::as_str).collect();
        let what = match holder {
            Holder::Vendor => "only the vendor's principal, with the external id, may assume the management role",
            Holder::Admin => "only the customer's own account may assume the provisioning role",
            Holder::Profile(_) => "only the services that run its code may assume a runtime role",
        };
        problems.push(format!("{what}, but trust statement `{sid}` is about {}", who.join(", ")));
    }
    if principal.role.max_session_duration > MAX_SESSION {
        problems.push(format!(
            "sessions may last {} seconds, and {MAX_SESSION} is the most",
            principal.role.max_session_duration
        ));
    }
    let role = Arns(deployment.target).role(&holder.name());
    if principal.role.name != role {
        problems.push(format!("the role is `{}`, and the deployment's is `{role}`", principal.role.name));
    }
    problems
}

fn assume(sid: &str, principal: (&'static str, String), condition: Option<(&'static str, String)>) -> Statement {
    let (kind, who) = principal;
    Statement {
        sid: sid.to_owned(),
        effect: Effect::Allow,
        principal: [(kind.into(), Texts::one(who))].into(),
        actions: vec!["sts:AssumeRole".into()],
        condition: condition.map_or_else(Condition::default, |(key, value)| Condition::string_equals(key, [value])),
        ..Statement::default()
    }
}
