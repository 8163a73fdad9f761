//! How a role in the account differs from the rendered one.
//!
//! Policies are compared as parsed documents. IAM keeps their text as it was written, whose lists have no order, and
//! returns it encoded for URLs (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRolePolicy.html>).

use std::collections::{BTreeMap, BTreeSet};

use alien_core::adapter::last;

use crate::policy::{Condition, Effect, Policy, PolicyKind, Principal, Statement, Text, Texts, read};

/// A role in the account. A document that is no policy in the grammar of IAM is `None`.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    /// Who may assume it.
    pub(super) trust: Option<Policy>,
    /// The longest session, in seconds, if IAM tells it.
    pub(super) max_session_duration: Option<u32>,
    /// The inline policies, by name.
    pub(super) inline: Vec<(String, Option<Policy>)>,
    /// The attached policies, by ARN. Documents are there only of the deployment's own.
    pub(super) attached: Vec<(String, Option<Policy>)>,
}

/// Whether a trust policy lets anybody in whom the other does not, or cannot be read.
pub(super) fn admits_more(found: Option<&str>, due: &Policy) -> bool {
    found.and_then(read).is_none_or(|found| beyond(&found, due).any(|statement| statement.effect == Effect::Allow))
}

/// All differences, each as a sentence. `arn` gives the ARN of a managed policy of the deployment.
pub(super) fn differences(found: &Found, due: &Principal, arn: impl Fn(&str) -> String) -> Vec<String> {
    let mut told = trust(found.trust.as_ref(), &due.role.trust_policy);
    let (seconds, most) = (found.max_session_duration, due.role.max_session_duration);
    if let Some(seconds) = seconds.filter(|seconds| *seconds != most) {
        told.push(format!("its sessions may last {seconds} seconds, not {most}"));
    }
    let of = |kind: PolicyKind| due.policies.iter().filter(move |policy| policy.kind == kind);
    for (name, document) in &found.inline {
        match of(PolicyKind::Inline).find(|policy| policy.name == *name) {
            Some(policy) => told.extend(statements(name, document.as_ref(), &policy.document)),
            None => told.push(format!("`{name}` is a policy in it, which this deployment does not write")),
        }
    }
    for (found, document) in &found.attached {
        match of(PolicyKind::Managed).find(|policy| arn(&policy.name) == *found) {
            Some(policy) => told.extend(statements(&policy.name, document.as_ref(), &policy.document)),
            None => told.push(format!("`{}` is attached to it, which this deployment does not do", last(found))),
        }
    }
    for policy in of(PolicyKind::Inline).filter(|policy| found.inline.iter().all(|(name, _)| *name != policy.name)) {
        told.push(format!("its policy `{}` is missing", policy.name));
    }
    for policy in of(PolicyKind::Managed) {
        let due = arn(&policy.name);
        if found.attached.iter().all(|(found, _)| *found != due) {
            told.push(format!("its policy `{}` is not attached", policy.name));
        }
    }
    told
}

/// How a trust policy differs: whom it admits beyond the rendered one, and whom it does not.
fn trust(found: Option<&Policy>, due: &Policy) -> Vec<String> {
    let Some(found) = found else { return vec!["its trust cannot be read".to_owned()] };
    let known: BTreeSet<&str> = due.statements.iter().flat_map(principals).collect();
    let mut told = Vec::new();
    let mut otherwise = BTreeSet::new();
    for statement in beyond(found, due) {
        if statement.effect == Effect::Deny {
            told.push(format!("its trust has the denial `{}`, which this deployment does not write", label(statement)));
            continue;
        }
        if !statement.not_principal.is_empty() || principals(statement).next().is_none() {
            told.push(format!("its trust admits whoever `{}` does not name", label(statement)));
        }
        for who in principals(statement) {
            if known.contains(who) {
                if otherwise.insert(who) {
                    told.push(format!("its trust admits `{who}` on other conditions than this deployment does"));
                }
            } else if is_unique_id(who) {
                told.push(format!("its trust admits `{who}`, the id of a principal that was deleted"));
            } else {
                told.push(format!("its trust admits `{who}`, which this deployment does not do"));
            }
        }
    }
    let missing = beyond(due, found).flat_map(principals).filter(|who| !otherwise.contains(who));
    told.extend(missing.map(|who| format!("its trust does not admit `{who}`")));
    told
}

/// Whether this is the id into which IAM turns the ARN of a user or a role in a trust policy when that principal is
/// deleted. One of the same name that is made later is not admitted
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids>).
fn is_unique_id(who: &str) -> bool {
    (who.starts_with("AIDA") || who.starts_with("AROA")) && who.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn principals(statement: &Statement) -> impl Iterator<Item = &str> {
    statement.principal.values().flat_map(|who| &who.0).map(String::as_str)
}

/// How the document of a policy differs.
fn statements(policy: &str, found: Option<&Policy>, due: &Policy) -> Vec<String> {
    let Some(found) = found else { return vec![format!("its policy `{policy}` cannot be read")] };
    if found.version != due.version {
        return vec![format!("its policy `{policy}` is of version {}, not {}", found.version, due.version)];
    }
    let missing: BTreeMap<String, &Statement> =
        beyond(due, found).map(|statement| (label(statement), statement)).collect();
    let mut changed = BTreeSet::new();
    let mut told = Vec::new();
    for name in beyond(found, due).map(label) {
        if missing.contains_key(&name) {
            told.push(format!("its policy `{policy}` has another statement `{name}`"));
            changed.insert(name);
        } else {
            told.push(format!(
                "its policy `{policy}` has the statement `{name}`, which this deployment does not write"
            ));
        }
    }
    let missing = missing.into_keys().filter(|name| !changed.contains(name));
    told.extend(missing.map(|name| format!("its policy `{policy}` lacks the statement `{name}`")));
    told
}

/// The statements of a policy that the other does not have.
fn beyond<'p>(policy: &'p Policy, other: &Policy) -> impl Iterator<Item = &'p Statement> {
    let known: Vec<Statement> = other.statements.iter().map(canonical).collect();
    policy.statements.iter().filter(move |statement| !known.contains(&canonical(statement)))
}

/// What a statement is called: by its Sid, or else by what it is about.
fn label(statement: &Statement) -> String {
    if !statement.sid.is_empty() {
        return statement.sid.clone();
    }
    let about = statement.actions.iter().chain(&statement.not_actions).map(|action| action.as_ref());
    about.collect::<Vec<_>>().join(", ")
}

/// The same statement without its Sid, and with its lists in order.
fn canonical(statement: &Statement) -> Statement {
    let list = |texts: &[Text]| {
        let mut texts = texts.to_vec();
        texts.sort_unstable();
        texts.dedup();
        texts
    };
    let values = |Texts(values): &Texts| {
        let mut values = values.clone();
        values.sort_unstable();
        values.dedup();
        Texts(values)
    };
    let keyed = |map: &BTreeMap<Text, Texts>| map.iter().map(|(key, texts)| (key.clone(), values(texts))).collect();
    let Condition(condition) = &statement.condition;
    Statement {
        sid: String::new(),
        effect: statement.effect,
        principal: keyed(&statement.principal),
        not_principal: keyed(&statement.not_principal),
        actions: list(&statement.actions),
        not_actions: list(&statement.not_actions),
        resources: list(&statement.resources),
        not_resources: list(&statement.not_resources),
        condition: Condition(condition.iter().map(|(operator, keys)| (operator.clone(), keyed(keys))).collect()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::policy::{Role, RolePolicy};

    fn policy(statements: Value) -> Policy {
        serde_json::from_value(json!({ "Version": "2012-10-17", "Statement": statements })).unwrap()
    }

    fn vendor() -> Value {
        json!({ "Sid": "Vendor", "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::111111111111:role/vendor" },
            "Action": ["sts:AssumeRole", "sts:SetSourceIdentity"],
            "Condition": { "StringEquals": { "sts:ExternalId": "acme" } } })
    }

    fn watch() -> Value {
        json!({ "Sid": "Watch", "Effect": "Allow", "Action": ["a:Get", "a:List"], "Resource": ["x", "y"] })
    }

    fn due() -> Principal {
        let inline = RolePolicy { name: "r".to_owned(), kind: PolicyKind::Inline, document: policy(watch()) };
        let managed = RolePolicy { name: "r-p0".to_owned(), kind: PolicyKind::Managed, document: policy(watch()) };
        Principal {
            name: "management".to_owned(),
            role: Role { name: "r".to_owned(), trust_policy: policy(vendor()), max_session_duration: 3600 },
            policies: vec![inline, managed],
        }
    }

    fn as_rendered() -> Found {
        Found {
            trust: Some(policy(vendor())),
            max_session_duration: Some(3600),
            inline: vec![("r".to_owned(), Some(policy(watch())))],
            attached: vec![("arn:r-p0".to_owned(), Some(policy(watch())))],
        }
    }

    fn told(found: &Found) -> Vec<String> {
        differences(found, &due(), |name| format!("arn:{name}"))
    }

    #[test]
    fn a_document_is_read_as_iam_encodes_it() {
        let text = policy(json!([{ "Sid": "A", "Effect": "Allow", "Action": "*", "Resource": "é %7B" }]));
        let encoded: String =
            serde_json::to_string(&text).unwrap().bytes().map(|byte| format!("%{byte:02x}")).collect();
        assert_eq!(read(&encoded), Some(text));
        for broken in ["", "%", "%7", "%zz", "{}", "%7B%7D"] {
            assert_eq!(read(broken), None, "{broken}");
        }
    }

    /// Order, single values and Sids are no differences.
    #[test]
    fn the_same_said_in_another_way_is_no_drift() {
        let mut found = as_rendered();
        assert_eq!(told(&found), [""; 0]);
        let other = json!([{ "Effect": "Allow", "Resource": ["y", "x", "y"], "Action": ["a:List", "a:Get"] }]);
        found.inline = vec![("r".to_owned(), Some(policy(other)))];
        assert_eq!(told(&found), [""; 0]);
    }

    #[test]
    fn trust_beyond_the_rendered_one_is_told_and_so_is_what_is_lacking() {
        let open = |principal: Value| json!({ "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole" });
        let arn = "arn:aws:iam::333333333333:root";
        for (trust, expected) in [
            (json!([vendor(), open(json!({ "AWS": arn }))]), vec![format!("its trust admits `{arn}`, which this deployment does not do")]),
            (json!([vendor(), open(json!("*"))]), vec!["its trust admits `*`, which this deployment does not do".to_owned()]),
            (
                json!([open(json!({ "AWS": "arn:aws:iam::111111111111:role/vendor" }))]),
                vec!["its trust admits `arn:aws:iam::111111111111:role/vendor` on other conditions than this deployment does".to_owned()],
            ),
            (
                json!([open(json!({ "AWS": "AROAEXAMPLEEXAMPLE" }))]),
                vec![
                    "its trust admits `AROAEXAMPLEEXAMPLE`, the id of a principal that was deleted".to_owned(),
                    "its trust does not admit `arn:aws:iam::111111111111:role/vendor`".to_owned(),
                ],
            ),
            (
                json!([{ "Sid": "Nobody", "Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole" }]),
                vec![
                    "its trust has the denial `Nobody`, which this deployment does not write".to_owned(),
                    "its trust does not admit `arn:aws:iam::111111111111:role/vendor`".to_owned(),
                ],
            ),
            (
                json!([vendor(), { "Sid": "Rest", "Effect": "Allow", "NotPrincipal": { "AWS": arn }, "Action": "sts:AssumeRole" }]),
                vec!["its trust admits whoever `Rest` does not name".to_owned()],
            ),
        ] {
            let trust = policy(trust);
            let more = expected.iter().any(|told| told.contains("admits"));
            assert_eq!(admits_more(Some(&serde_json::to_string(&trust).unwrap()), &due().role.trust_policy), more);
            assert_eq!(told(&Found { trust: Some(trust), ..as_rendered() }), expected);
        }
        assert!(admits_more(Some("%"), &due().role.trust_policy));
        assert_eq!(told(&Found { trust: None, ..as_rendered() }), ["its trust cannot be read"]);
    }

    #[test]
    fn policies_beyond_the_rendered_ones_are_told_and_so_is_what_is_lacking() {
        let changed = json!([{ "Sid": "Watch", "Effect": "Allow", "Action": "a:*", "Resource": ["x", "y"] }]);
        let more = json!([watch(), { "Effect": "Allow", "Action": "*", "Resource": "*" }]);
        let found = Found {
            max_session_duration: Some(43_200),
            inline: vec![("r".to_owned(), Some(policy(changed))), ("theirs".to_owned(), Some(policy(watch())))],
            attached: vec![
                ("arn:r-p0".to_owned(), Some(policy(more))),
                ("arn:aws:iam::aws:policy/AdministratorAccess".to_owned(), None),
            ],
            ..as_rendered()
        };
        assert_eq!(
            told(&found),
            [
                "its sessions may last 43200 seconds, not 3600",
                "its policy `r` has another statement `Watch`",
                "`theirs` is a policy in it, which this deployment does not write",
                "its policy `r-p0` has the statement `*`, which this deployment does not write",
                "`AdministratorAccess` is attached to it, which this deployment does not do",
            ]
        );
        let none = Found { inline: Vec::new(), attached: Vec::new(), ..as_rendered() };
        assert_eq!(told(&none), ["its policy `r` is missing", "its policy `r-p0` is not attached"]);
        let empty = Found { inline: vec![("r".to_owned(), Some(policy(json!([]))))], ..as_rendered() };
        assert_eq!(told(&empty), ["its policy `r` lacks the statement `Watch`"]);
        let unread = Found { inline: vec![("r".to_owned(), None)], ..as_rendered() };
        assert_eq!(told(&unread), ["its policy `r` cannot be read"]);
    }
}
