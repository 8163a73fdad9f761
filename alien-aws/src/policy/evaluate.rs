//! Decides requests as IAM does: an explicit deny wins, then an allow, and otherwise the request is not allowed.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>

use std::cmp::Ordering;
use std::collections::BTreeMap;

use alien_core::adapter::{Allowed, Coverage, Permission, glob};

use super::{Condition, Effect, Policy, Principal, Statement, Text};
use crate::Aws;

/// A request to decide.
#[derive(Debug, Clone, Default)]
pub struct Request<'a> {
    /// The action, `s3:GetObject`.
    pub action: &'a str,
    /// The ARN of the resource; `*` if the action has none.
    pub resource: &'a str,
    /// The values of the condition keys, by the key in lower case.
    pub context: BTreeMap<String, Vec<&'a str>>,
}

impl<'a> Request<'a> {
    /// Builds a request with these condition keys.
    #[must_use]
    pub fn new(action: &'a str, resource: &'a str, context: &[(&'a str, &'a str)]) -> Self {
        let mut keys = BTreeMap::<String, Vec<&'a str>>::new();
        for (key, value) in context {
            keys.entry(key.to_ascii_lowercase()).or_default().push(value);
        }
        Self { action, resource, context: keys }
    }
}

/// The decision, with the Sid of the statement that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// A statement allows it.
    Allowed(String),
    /// A statement denies it.
    Denied(String),
    /// No statement allows it.
    NotAllowed,
}

impl Decision {
    /// Whether the request goes through.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed(_))
    }
}

/// Decides a request by identity policies. A condition with an operator that this crate does not know fails in an allow
/// and holds in a deny.
#[must_use]
pub fn evaluate<'p>(policies: impl IntoIterator<Item = &'p Policy>, request: &Request<'_>) -> Decision {
    let mut allowed = Decision::NotAllowed;
    for statement in policies.into_iter().flat_map(|policy| &policy.statements) {
        if !is_about(statement, request.action, request.resource) {
            continue;
        }
        match (statement.effect, holds(&statement.condition, request, Absent::Fails)) {
            (Effect::Deny, Held::Yes | Held::Unknown) => return Decision::Denied(statement.sid.clone()),
            (Effect::Allow, Held::Yes) if !allowed.is_allowed() => allowed = Decision::Allowed(statement.sid.clone()),
            _ => {}
        }
    }
    allowed
}

/// Whether policies could allow a request of which only some condition keys are known. Conditions on unknown keys count
/// as met in allows and as not met in denies. Gives the statement that allows the request.
#[must_use]
pub fn may_allow<'p>(
    policies: impl IntoIterator<Item = &'p Policy> + Clone,
    request: &Request<'_>,
) -> Option<&'p Statement> {
    let about = |statement: &&Statement| is_about(statement, request.action, request.resource);
    let statements = || policies.clone().into_iter().flat_map(|policy| &policy.statements).filter(about);
    let denied = statements().any(|statement| {
        statement.effect == Effect::Deny && holds(&statement.condition, request, Absent::Undecided) == Held::Yes
    });
    if denied {
        return None;
    }
    statements().find(|statement| {
        statement.effect == Effect::Allow && holds(&statement.condition, request, Absent::Undecided) != Held::No
    })
}

/// Whether a policy that bounds others certainly takes an action on a resource away. What depends on condition keys that are not
/// known does not count; nor does a pattern of which something may be left.
#[cfg(feature = "client")]
pub(crate) fn cuts(boundary: &Policy, action: &str, resource: &str, known: &[(&str, &str)]) -> bool {
    let request = Request::new(action, resource, known);
    let may_be_left = |statement: &Statement| {
        let Some((literal, _)) = resource.split_once(['*', '?']) else { return false };
        let meets = |pattern: &Text| {
            let begins = pattern.split(['*', '?']).next().unwrap_or_default();
            begins.starts_with(literal) || literal.starts_with(begins)
        };
        statement.resources.iter().any(meets) || !statement.not_resources.is_empty()
    };
    let holds_for = |statement: &Statement| holds(&statement.condition, &request, Absent::Undecided);
    let denies = |statement: &Statement| {
        let is_about = is_about(statement, action, resource);
        statement.effect == Effect::Deny && is_about && holds_for(statement) == Held::Yes
    };
    let allows = |statement: &Statement| {
        let is_about =
            is_about(statement, action, resource) || is_about_action(statement, action) && may_be_left(statement);
        statement.effect == Effect::Allow && is_about && holds_for(statement) != Held::No
    };
    boundary.statements.iter().any(denies) || !boundary.statements.iter().any(allows)
}

/// Whether a statement covers an action on a resource. Actions are compared without case, resources with it
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_action.html>).
fn is_about(statement: &Statement, action: &str, resource: &str) -> bool {
    let on = |patterns: &[Text]| patterns.iter().any(|pattern| glob(pattern, resource));
    let resource = if !statement.not_resources.is_empty() {
        !on(&statement.not_resources)
    } else {
        // An allow without resources is read as covering everything, a deny without resources as covering nothing.
        on(&statement.resources) || statement.resources.is_empty() && statement.effect == Effect::Allow
    };
    is_about_action(statement, action) && resource
}

/// Whether a statement covers an action on some resource.
fn is_about_action(statement: &Statement, action: &str) -> bool {
    let acts = |patterns: &[Text]| patterns.iter().any(|pattern| covers_action(pattern, action));
    if statement.not_actions.is_empty() {
        acts(&statement.actions) || statement.actions.is_empty() && statement.effect == Effect::Allow
    } else {
        !acts(&statement.not_actions)
    }
}

/// Whether an action pattern covers an action.
pub(crate) fn covers_action(pattern: &str, action: &str) -> bool {
    glob(&pattern.to_ascii_lowercase(), &action.to_ascii_lowercase())
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Yes,
    No,
    /// It has an operator that this crate does not know, or a key whose value is not known.
    Unknown,
}

/// How to treat a key that the request does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Absent {
    /// As IAM does: no value equals it.
    Fails,
    /// As undecided: the key could have any value.
    Undecided,
}

fn holds(condition: &Condition, request: &Request<'_>, absent: Absent) -> Held {
    let mut unknown = false;
    for (operator, keys) in &condition.0 {
        let test = Test::named(operator);
        for (key, wanted) in keys {
            let given = request.context.get(&key.to_ascii_lowercase()).map(Vec::as_slice);
            match test.as_ref().filter(|_| given.is_some() || absent == Absent::Fails) {
                Some(test) if !test.holds(&wanted.0, given.unwrap_or_default()) => return Held::No,
                Some(_) => {}
                None => unknown = true,
            }
        }
    }
    if unknown { Held::Unknown } else { Held::Yes }
}

/// A condition operator, with what it does where a request has several values for a key, or none.
///
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html>
struct Test {
    over: Over,
    compare: Compare,
    /// Whether a value may not match, instead of having to: `StringNotEquals` and its like.
    is_negated: bool,
    /// Whether it holds where the request does not have the key.
    if_exists: bool,
}

/// Which values of a request an operator is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    /// The one value that the request has. Of several, which no operator without a set is documented for, one that matches is
    /// enough to match.
    One,
    /// `ForAllValues:`: all of them. It holds where there are none.
    All,
    /// `ForAnyValue:`: at least one of them. It does not hold where there are none.
    Any,
}

/// How a value of a policy is compared with one of a request.
#[derive(Clone, Copy)]
enum Compare {
    /// By a function of the policy's value and the request's.
    By(fn(&str, &str) -> bool),
    /// Not at all: by whether the request has the key.
    Presence,
}

impl Test {
    /// The operator of this name; `None` if this crate does not know it.
    fn named(name: &str) -> Option<Self> {
        let (over, name) = match name.split_once(':') {
            None => (Over::One, name),
            Some(("ForAllValues", name)) => (Over::All, name),
            Some(("ForAnyValue", name)) => (Over::Any, name),
            Some(_) => return None,
        };
        // `IfExists` stands behind every operator but `Null`, which itself asks whether the key exists.
        let (name, if_exists) = match name.strip_suffix("IfExists") {
            Some("Null") => return None,
            Some(name) => (name, true),
            None => (name, false),
        };
        let same = |wanted: &str, given: &str| wanted == given;
        let same_ignoring_case = |wanted: &str, given: &str| wanted.eq_ignore_ascii_case(given);
        let (compare, is_negated) = match name {
            "StringEquals" => (Compare::By(same), false),
            "StringNotEquals" => (Compare::By(same), true),
            "StringEqualsIgnoreCase" | "Bool" => (Compare::By(same_ignoring_case), false),
            "StringNotEqualsIgnoreCase" => (Compare::By(same_ignoring_case), true),
            "StringLike" | "ArnEquals" | "ArnLike" => (Compare::By(glob), false),
            "StringNotLike" | "ArnNotEquals" | "ArnNotLike" => (Compare::By(glob), true),
            // A text that is no number matches no number.
            "NumericEquals" => (Compare::By(|wanted, given| compared(wanted, given) == Some(Ordering::Equal)), false),
            "NumericNotEquals" => (Compare::By(|wanted, given| compared(wanted, given) == Some(Ordering::Equal)), true),
            "NumericLessThan" => {
                (Compare::By(|wanted, given| compared(given, wanted).is_some_and(Ordering::is_lt)), false)
            }
            "NumericLessThanEquals" => {
                (Compare::By(|wanted, given| compared(given, wanted).is_some_and(Ordering::is_le)), false)
            }
            "NumericGreaterThan" => {
                (Compare::By(|wanted, given| compared(given, wanted).is_some_and(Ordering::is_gt)), false)
            }
            "NumericGreaterThanEquals" => {
                (Compare::By(|wanted, given| compared(given, wanted).is_some_and(Ordering::is_ge)), false)
            }
            "Null" if over == Over::One => (Compare::Presence, false),
            _ => return None,
        };
        Some(Self { over, compare, is_negated, if_exists })
    }

    /// Whether it holds for the values that a request has of a key; none if it does not have the key. A list without values
    /// is as a key that is missing, and for `ForAllValues:` and `ForAnyValue:` so is an empty text.
    fn holds(&self, wanted: &[String], given: &[&str]) -> bool {
        let Compare::By(matches) = self.compare else {
            return wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case("true") == given.is_empty());
        };
        let found = |given: &&str| wanted.iter().any(|wanted| matches(wanted, given));
        let is_value = |given: &&&str| self.over == Over::One || !given.is_empty();
        let mut values = given.iter().filter(is_value).peekable();
        if values.peek().is_none() {
            return self.if_exists || if self.over == Over::One { self.is_negated } else { self.over == Over::All };
        }
        match self.over {
            Over::One => values.any(found) != self.is_negated,
            Over::All => values.all(|given| found(given) != self.is_negated),
            Over::Any => values.any(|given| found(given) != self.is_negated),
        }
    }
}

/// How one number stands to another; `None` if one of them is no number.
fn compared(one: &str, other: &str) -> Option<Ordering> {
    let number = |text: &str| text.parse::<f64>().ok();
    number(one)?.partial_cmp(&number(other)?)
}

/// Visits everything that a principal's policies allow.
pub(crate) fn allowed<'d>(principal: &'d Principal, visit: &mut dyn FnMut(Allowed<'d, Aws>)) {
    let statements =
        || principal.policies.iter().flat_map(|policy| policy.document.statements.iter().map(move |s| (policy, s)));
    // Only a deny without conditions is certain to apply.
    let denials: Vec<&Statement> = statements()
        .map(|(_, statement)| statement)
        .filter(|statement| statement.effect == Effect::Deny && statement.condition.is_empty())
        .collect();
    for (policy, statement) in statements().filter(|(_, statement)| statement.effect == Effect::Allow) {
        let label = if statement.sid.is_empty() { policy.name.as_str() } else { statement.sid.as_str() };
        let condition = (!statement.condition.is_empty()).then_some(&statement.condition);
        let mut visit = |permission: Permission<'d>, resource: &'d str| {
            let (Permission::Named(action) | Permission::Pattern(action) | Permission::Part(action)) = permission;
            if denials.iter().any(|denial| denies_all(denial, action, resource)) {
                return;
            }
            let coverage = match resource {
                "" => Coverage::Anything,
                pattern if pattern.contains(['*', '?']) => Coverage::Glob(pattern),
                exact => Coverage::Exact(exact),
            };
            visit(Allowed { permission, coverage, condition, statement: label });
        };
        let named = statement.not_actions.is_empty() && !statement.actions.is_empty();
        let actions: &'d [Text] = if named { &statement.actions } else { EVERY_ACTION };
        for action in actions {
            let permission =
                if action.contains(['*', '?']) { Permission::Pattern(action) } else { Permission::Named(action) };
            if statement.resources.is_empty() || !statement.not_resources.is_empty() {
                visit(permission, "");
            } else {
                for resource in &statement.resources {
                    visit(permission, resource);
                }
            }
        }
    }
}

/// What a principal's policies and its trust policy deny, each as AWS writes it.
pub(crate) fn denials(principal: &Principal) -> Vec<String> {
    let policies = principal.policies.iter().map(|policy| &policy.document).chain([&principal.role.trust_policy]);
    let denials = policies.flat_map(|policy| &policy.statements).filter(|statement| statement.effect == Effect::Deny);
    let unnamed = denials.map(|statement| Statement { sid: String::new(), ..statement.clone() });
    // Serializing a statement cannot fail.
    unnamed.map(|statement| serde_json::to_string(&statement).unwrap_or_default()).collect()
}

/// The actions of a statement with `NotAction` or without actions: an upper bound.
static EVERY_ACTION: &[Text] = &[Text::Borrowed("*")];

/// Whether a deny covers everything that an allowed pattern covers. A pattern covers another if it matches it as text,
/// unless a `?` of it would match a `*` of the other.
fn denies_all(denial: &Statement, action: &str, resource: &str) -> bool {
    let covers = |pattern: &str, allowed: &str| {
        pattern == "*"
            || !allowed.is_empty() && (!allowed.contains('*') || !pattern.contains('?')) && glob(pattern, allowed)
    };
    denial.not_actions.is_empty()
        && denial.not_resources.is_empty()
        && denial.principal.is_empty()
        && denial.not_principal.is_empty()
        && denial.actions.iter().any(|pattern| covers(&pattern.to_ascii_lowercase(), &action.to_ascii_lowercase()))
        && denial.resources.iter().any(|pattern| covers(pattern, resource))
}
