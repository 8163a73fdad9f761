//! Renders grants as a role and its policies.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use alien_core::adapter::{AccessControl as _, Cloud, Guard, Layout, Operation, Sets, Subject, SubjectType};

use alien_core::{Bounds, Grants};

use super::limits::{self, STATEMENT_ENVELOPE};
use super::{Condition, Effect, Policy, PolicyKind, Principal, Role, RolePolicy, Statement, Text};
use crate::Aws;
use crate::identity;
use crate::naming::{Arns, RESOURCE_TAG};
use crate::operations::Scope;
use crate::resource::container;

/// What a request leaves out to leave a service where it is, on Fargate, and unconnected.
///
/// `Null` admits only requests without a key: those that set no network, no namespace and no capacity provider. The
/// capabilities that are on or off may be in a request as `false`, so they are `StringEqualsIfExists`: a plain operator
/// is not met by a request without the key, and `Null` not by one with `false`. A request without a task definition keeps
/// the one that runs, hence `ArnLikeIfExists`. Only for ECS Exec the value must be there, because the request of this
/// library always has it.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>
const IN_PLACE: &[Guard<Scope>] = &[
    WITHOUT_SHELL,
    Guard::Absent { key: "ecs:subnet" },
    Guard::Absent { key: "ecs:auto-assign-public-ip" },
    Guard::Absent { key: "ecs:namespace" },
    Guard::Absent { key: "ecs:capacity-provider" },
    Guard::Absent { key: "ecs:enable-ecs-managed-tags" },
    Guard::Absent { key: "ecs:propagate-tags" },
    Guard::FixedIfPresent { key: "ecs:enable-service-connect", values: OFF },
    Guard::FixedIfPresent { key: "ecs:enable-ebs-volumes", values: OFF },
    Guard::FixedIfPresent { key: "ecs:enable-vpc-lattice", values: OFF },
    Guard::NamedIfPresent { key: "ecs:task-definition", by: Scope::TaskFamily },
];

/// What a request leaves out to leave the network and the layers of a function as they are.
///
/// Lambda makes these keys from the parameters of the request, the VPC from its subnets
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#vpc-conditions>). That a request without them has
/// no such key, also for a function in a network, follows from that page and is said on none. Whether a request that
/// empties the lists has one, neither (`emptied-network` in `docs/unproved.md`): if it has none, no condition denies it,
/// and then `status` reports that the function left its network, and `up` puts it back.
const SETTINGS_IN_PLACE: &[Guard<Scope>] = &[
    Guard::Absent { key: "lambda:Layer" },
    Guard::Absent { key: "lambda:SecurityGroupIds" },
    Guard::Absent { key: "lambda:SubnetIds" },
    Guard::Absent { key: "lambda:VpcIds" },
];

/// What a request keeps to define no larger and no mightier task than the stack has. This library always sends both sizes; a task
/// definition without them does not run on Fargate, so requests without the keys are none to keep out.
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html#task_size>
const DEFINITION: &[Guard<Scope>] = &[
    Guard::FixedIfPresent { key: "ecs:privileged", values: OFF },
    Guard::WithinIfPresent { key: container::CPU },
    Guard::WithinIfPresent { key: container::MEMORY },
];
const WITHOUT_SHELL: Guard<Scope> = Guard::Fixed { key: "ecs:enable-execute-command", values: OFF };
const OFF: &[&str] = &["false"];

/// The conditions that every statement on a scope has; most scopes have none.
pub(crate) fn guards(scope: Scope) -> &'static [Guard<Scope>] {
    const NEW: Guard<Scope> = Guard::Named { key: NEW_TAG, by: Scope::NetworkTag };
    match scope {
        Scope::RoleForLambda => &[Guard::Fixed { key: PASSED_TO, values: &["lambda.amazonaws.com"] }],
        Scope::RoleForTasks => &[Guard::Fixed { key: PASSED_TO, values: &["ecs-tasks.amazonaws.com"] }],
        Scope::ServiceWithoutShell => &[WITHOUT_SHELL],
        Scope::ServiceInPlace => IN_PLACE,
        Scope::FunctionInPlace => SETTINGS_IN_PLACE,
        Scope::TaskFamilyUnprivileged => DEFINITION,
        Scope::EcsLinkedRole => &[Guard::Fixed { key: "iam:AWSServiceName", values: &["ecs.amazonaws.com"] }],
        Scope::Mappings => &[Guard::Named { key: "lambda:FunctionArn", by: Scope::Function }],
        Scope::Vpc | Scope::NetworkOwn => &[Guard::Named { key: OWN_TAG, by: Scope::NetworkTag }],
        Scope::NetworkNew => &[NEW],
        // Without this limit, the permission to tag existing things would let its holder claim any of them.
        Scope::NetworkTagging => &[
            NEW,
            Guard::Fixed {
                key: "ec2:CreateAction",
                values: &[
                    "CreateInternetGateway",
                    "CreateRouteTable",
                    "CreateSecurityGroup",
                    "CreateSubnet",
                    "CreateVpc",
                ],
            },
        ],
        _ => &[],
    }
}

const PASSED_TO: &str = "iam:PassedToService";
const OWN_TAG: &str = "aws:ResourceTag/alien-resource";
const NEW_TAG: &str = "aws:RequestTag/alien-resource";
const _: () = assert!(RESOURCE_TAG.len() + "aws:RequestTag/".len() == NEW_TAG.len(), "the keys name the tag");

/// Renders the permissions of one holder.
pub(crate) fn principal(layout: &Layout<Aws>, grants: &Grants) -> Principal {
    let role = Arns(&layout.target).role(&grants.holder.name());
    let policies = pack(statements(layout, grants), &role);
    let trust_policy = identity::trust(layout, &grants.holder);
    Principal {
        name: grants.holder.label().to_owned(),
        role: Role { name: role, trust_policy, max_session_duration: identity::MAX_SESSION },
        policies,
    }
}

/// Grants of the same actions on the same scope become one statement.
#[derive(Default)]
struct Group<'a> {
    rows: Vec<&'static Operation<Scope>>,
    parts: Vec<Part<'a>>,
}

/// What statements say of one subject: the numbers and the names that conditions compare, and the names that the actions are checked
/// on.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Part<'a> {
    bounds: Vec<(&'static str, [u32; 2])>,
    values: Vec<&'a str>,
    resources: Vec<&'a str>,
}

/// Groups grants that are alike: by subject type, scope and permission sets. `guarded` separates new networks from the
/// customer's own, whose ARN is known.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    topic: SubjectType,
    scope: Scope,
    sets: Sets,
    guarded: bool,
}

fn statements(layout: &Layout<Aws>, grants: &Grants) -> Vec<Statement> {
    let mut groups = BTreeMap::<Key, Group<'_>>::new();
    for grants in grants.grants.chunk_by(|a, b| a.subject == b.subject) {
        let Some(subject) = grants.first().map(|grant| grant.subject) else { continue };
        let Some(topic) = subject.subject_type(&layout.stack) else { continue };
        // There are few sets and few scopes: a list is searched faster than a map.
        let mut places: Vec<(Scope, Sets, Vec<&'static Operation<Scope>>)> = Vec::new();
        for grant in grants {
            for row in Aws::set(topic, grant.set) {
                match places.iter_mut().find(|(scope, ..)| *scope == row.on) {
                    Some((_, sets, rows)) => {
                        sets.insert(grant.set);
                        rows.push(row);
                    }
                    None => places.push((row.on, [grant.set].into_iter().collect(), vec![row])),
                }
            }
        }
        for (scope, sets, rows) in places {
            group(layout, subject, Key { topic, scope, sets, guarded: false }, rows, &mut groups);
        }
    }
    groups.into_iter().flat_map(|(key, group)| group_statements(&key, group)).collect()
}

fn group<'a>(
    layout: &'a Layout<Aws>,
    subject: Subject,
    mut key: Key,
    rows: Vec<&'static Operation<Scope>>,
    groups: &mut BTreeMap<Key, Group<'a>>,
) {
    let names = &layout.names;
    let resources: Vec<&str> = names.at(key.scope, subject).collect();
    if resources.is_empty() {
        return;
    }
    let named = guards(key.scope).iter().filter_map(|guard| match guard {
        Guard::Named { by, .. } | Guard::NamedIfPresent { by, .. } => Some(names.at(*by, subject)),
        _ => None,
    });
    let mut values: Vec<&str> = named.flatten().collect();
    let resource = layout.resource(subject);
    let bounds = guards(key.scope).iter().filter_map(|guard| match *guard {
        Guard::WithinIfPresent { key } => {
            let Bounds { min, max } = Aws::bounds(resource?, key)?;
            Some((key, [min, max]))
        }
        _ => None,
    });
    key.guarded = !values.is_empty();
    if key.scope == Scope::Interfaces {
        values.extend(names.at(Scope::Function, subject));
    }
    let group = groups.entry(key).or_insert_with(|| Group { rows, ..Group::default() });
    group.parts.push(Part { bounds: bounds.collect(), values, resources });
}

/// The most subjects whose names the condition of one statement compares. A policy can be split between statements, and
/// a statement between resources, but a condition cannot be split. A service runs its own task definition alone, so it
/// has a statement of its own.
const fn subjects_per_statement(scope: Scope) -> usize {
    match scope {
        Scope::ServiceInPlace => 1,
        _ => 40,
    }
}

fn group_statements(key: &Key, mut group: Group<'_>) -> Vec<Statement> {
    let mut actions: Vec<Text> = group.rows.iter().map(|row| Text::Borrowed(row.permission)).collect();
    actions.sort_unstable();
    actions.dedup();
    group.parts.sort_unstable();
    let sid = sid(key);
    let statement = |number: usize, parts: &[Part<'_>]| Statement {
        sid: if number == 0 { sid.clone() } else { format!("{sid}Part{number}") },
        effect: Effect::Allow,
        actions: actions.clone(),
        resources: distinct(parts.iter().flat_map(|part| &part.resources)).into_iter().map(Text::Owned).collect(),
        condition: condition(key.scope, parts),
        ..Statement::default()
    };
    let most = if key.guarded { subjects_per_statement(key.scope) } else { usize::MAX };
    let alike = group.parts.chunk_by(|one, next| one.bounds == next.bounds).flat_map(|parts| parts.chunks(most));
    let mut statements: Vec<Statement> = alike.enumerate().map(|(number, parts)| statement(number, parts)).collect();
    if key.scope == Scope::Interfaces {
        let functions = distinct(group.parts.iter().flat_map(|part| &part.values));
        statements.extend(
            functions
                .chunks(subjects_per_statement(key.scope))
                .enumerate()
                .map(|(number, functions)| not_by_code(&format!("{sid}ByCode{number}"), &actions, functions)),
        );
    }
    statements
}

/// Denies to the code of functions what Lambda does for them under the same role: a request of the code carries the function's
/// ARN, and one of Lambda does not
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-best-practice>,
/// <https://docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html>).
fn not_by_code(sid: &str, actions: &[Text], functions: &[String]) -> Statement {
    let mut condition = Condition::default();
    condition.require_arn("lambda:SourceFunctionArn", functions.to_vec());
    Statement {
        sid: sid.to_owned(),
        effect: Effect::Deny,
        actions: actions.to_vec(),
        resources: vec!["*".into()],
        condition,
        ..Statement::default()
    }
}

/// The names in order, each once.
fn distinct<'a>(names: impl Iterator<Item = &'a &'a str>) -> Vec<String> {
    let names: BTreeSet<&str> = names.copied().collect();
    names.into_iter().map(str::to_owned).collect()
}

/// The conditions of a scope, with the names and the numbers that its subjects have for the guards that compare them. All of them
/// have the same numbers.
fn condition(scope: Scope, parts: &[Part<'_>]) -> Condition {
    let names = distinct(parts.iter().flat_map(|part| &part.values));
    let bounds = parts.first().map_or(&[][..], |part| &part.bounds);
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let mut condition = Condition::default();
    for guard in guards(scope) {
        match *guard {
            Guard::Fixed { key, values } => condition.require(key, owned(values)),
            // The customer's own network is identified by its ARN.
            Guard::Named { .. } | Guard::NamedIfPresent { .. } if names.is_empty() => {}
            Guard::Named { key, .. } => condition.require(key, names.clone()),
            Guard::FixedIfPresent { key, values } => condition.require_if_present(key, owned(values)),
            Guard::NamedIfPresent { key, .. } => condition.require_arn_if_present(key, names.clone()),
            Guard::WithinIfPresent { key } => {
                if let Some((_, [min, max])) = bounds.iter().find(|(of, _)| *of == key) {
                    condition.require_within_if_present(key, Bounds { min: *min, max: *max });
                }
            }
            Guard::Absent { key } => condition.require_absent(key),
        }
    }
    condition
}

/// Builds a Sid from the subject type, the sets and the scope: `FunctionHeartbeatManagementOnFunction`.
fn sid(key: &Key) -> String {
    let mut sid = String::with_capacity(48);
    let words = [key.topic.name()].into_iter().chain(key.sets.iter().map(|set| set.name()));
    for word in words.flat_map(|word| word.split('-')) {
        let (first, rest) = word.split_at(1);
        sid.push_str(&first.to_ascii_uppercase());
        sid.push_str(rest);
    }
    sid.push_str("On");
    // The `Debug` name of a scope is part of the Sid.
    let _ = write!(sid, "{:?}", key.scope);
    if key.scope == Scope::Vpc && !key.guarded {
        sid.push_str("OfCustomer");
    }
    sid
}

/// Distributes statements over an inline policy and managed policies, each within its limit. A statement that does not
/// fit is split between its resources. What fits nowhere goes into one more policy, whose size is then refused.
fn pack(statements: Vec<Statement>, role: &str) -> Vec<RolePolicy> {
    let mut policies: Vec<RolePolicy> = Vec::new();
    let mut room = Room { statements: Vec::new(), left: limits::INLINE - limits::POLICY_ENVELOPE };
    let close = |statements: Vec<Statement>, policies: &mut Vec<RolePolicy>| {
        let (name, kind) = match policies.len() {
            0 => (role.to_owned(), PolicyKind::Inline),
            number => (identity::managed_policy_name(role, number - 1), PolicyKind::Managed),
        };
        policies.push(RolePolicy { name, kind, document: Policy::new(statements) });
    };
    for mut statement in statements {
        let sid = statement.sid.clone();
        let mut part = 1;
        while let Some(rest) = room.take(&mut statement) {
            close(std::mem::take(&mut room.statements), &mut policies);
            room.left = limits::MANAGED - limits::POLICY_ENVELOPE;
            if rest.is_empty() {
                continue;
            }
            part += 1;
            statement.resources = rest;
            statement.sid = format!("{sid}{part}");
        }
    }
    if !room.statements.is_empty() {
        close(room.statements, &mut policies);
    }
    policies
}

/// A policy that is being filled, and the room left in it.
struct Room {
    statements: Vec<Statement>,
    left: usize,
}

impl Room {
    /// Takes a statement, or as many of its resources as fit. Returns the resources that are left: `None` if all were
    /// taken, an empty list if none was taken because the policy is too full.
    fn take(&mut self, statement: &mut Statement) -> Option<Vec<Text>> {
        let resources = std::mem::take(&mut statement.resources);
        let fixed = limits::statement(statement) + STATEMENT_ENVELOPE;
        statement.resources = resources;
        let mut used = fixed;
        let fits = |used: &mut usize, resource: &Text| {
            *used += resource.len() + 3;
            *used <= self.left
        };
        let fitting = statement.resources.iter().take_while(|resource| fits(&mut used, resource)).count();
        if fitting < statement.resources.len() && !self.statements.is_empty() && fitting == 0 {
            return Some(Vec::new());
        }
        // A statement larger than an empty policy is taken whole: the size check then refuses it by name.
        let rest = statement.resources.split_off(fitting.max(1));
        let taken: usize = statement.resources.iter().map(|resource| resource.len() + 3).sum();
        self.left = self.left.saturating_sub(fixed + taken);
        self.statements.push(std::mem::take(statement));
        if rest.is_empty() {
            return None;
        }
        // The next part repeats the statement for the resources that are left.
        let last = self.statements.last();
        *statement = last.map_or_else(Statement::default, |last| Statement { resources: Vec::new(), ..last.clone() });
        Some(rest)
    }
}
