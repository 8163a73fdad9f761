//! What `aws iam` prints about roles, taken as documents.
//!
//! Documents in answers are objects, as the AWS CLI prints them, or percent-encoded texts, as the API returns them
//! (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRolePolicy.html>).

use std::collections::{BTreeMap, BTreeSet};

use alien_core::adapter::{Answer, Collected, Layout, last};
use serde::Deserialize;
use serde_json::Value;

use super::document::{Policy, PolicyKind, Principal, Role, RolePolicy};
use crate::Aws;
use crate::naming::Arns;

const KNOWN: &str = "the JSON of `aws iam get-role`, `list-role-policies`, `get-role-policy`, `list-attached-role-policies` and \
    `get-policy-version` for one role, or of `get-account-authorization-details` with `get-role` of each";

/// What is known of a role.
#[derive(Default)]
struct Found {
    trust: Option<Value>,
    session: Option<u32>,
    inline: BTreeMap<String, Value>,
    /// The names that its inline policies have, where they were listed.
    listed: Option<BTreeSet<String>>,
    /// The ARNs of what is attached to it, where they were listed.
    attached: Option<BTreeSet<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RoleAnswer {
    role_name: String,
    assume_role_policy_document: Value,
    max_session_duration: Option<u32>,
    /// Of `get-account-authorization-details`.
    role_policy_list: Option<Vec<PolicyAnswer>>,
    attached_managed_policies: Option<Vec<Attached>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyAnswer {
    role_name: Option<String>,
    policy_name: String,
    policy_document: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attached {
    policy_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    document: Value,
    is_default_version: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Managed {
    arn: String,
    policy_version_list: Vec<Version>,
}

/// Everything that the answers say.
#[derive(Default)]
struct Told {
    roles: BTreeMap<String, Found>,
    /// Documents of managed policies, by their ARNs, or by the names of files, which are their names.
    managed: BTreeMap<String, Value>,
    /// Lists, which do not name their role.
    lists: Vec<(BTreeSet<String>, PolicyKind)>,
}

/// Takes the roles that the answers describe.
pub(super) fn collect(layout: &Layout<Aws>, answers: &[Answer]) -> Collected<Principal> {
    let mut collected = Collected::default();
    let mut told = Told::default();
    for answer in answers {
        if let Err(why) = told.take(answer) {
            collected.unread(answer, why, KNOWN);
        }
    }
    let Told { mut roles, managed, lists } = told;
    if !lists.is_empty() && roles.len() != 1 {
        let what = "a list of policies does not say whose it is, and these answers are not about one role";
        collected.missing("policies", what, "aws iam get-role --role-name ROLE");
    }
    if let Some((_, only)) = roles.iter_mut().next() {
        for (names, of) in lists {
            match of {
                PolicyKind::Inline => only.listed = Some(names),
                PolicyKind::Managed => only.attached = Some(names),
            }
        }
    }
    let labels: BTreeMap<String, &str> = layout
        .permissions()
        .holders()
        .map(|grants| (Arns(&layout.target).role(&grants.holder.name()), grants.holder.label()))
        .collect();
    for (name, found) in roles {
        let label = labels.get(&name).copied().unwrap_or(&name).to_owned();
        let principal = found.principal(&name, label, &managed, &mut collected);
        collected.principals.push(principal);
    }
    collected
}

impl Told {
    fn take(&mut self, answer: &Answer) -> Result<(), String> {
        let value = &answer.value;
        if let Some(details) = value.get("RoleDetailList") {
            for role in parsed::<Vec<RoleAnswer>>(details)? {
                self.role(role);
            }
            for policy in value.get("Policies").map(parsed::<Vec<Managed>>).transpose()?.unwrap_or_default() {
                let applies = policy.policy_version_list.into_iter().find(|version| version.is_default_version);
                if let Some(version) = applies {
                    self.managed.insert(policy.arn, version.document);
                }
            }
        } else if let Some(role) = value.get("Role") {
            self.role(parsed(role)?);
        } else if let Some(version) = value.get("PolicyVersion") {
            let version: Version = parsed(version)?;
            if !version.is_default_version {
                return Err("this version of the policy is not the one that applies".to_owned());
            }
            self.managed.insert(answer.name.clone(), version.document);
        } else if value.get("PolicyDocument").is_some() {
            let PolicyAnswer { role_name, policy_name, policy_document } = parsed(value)?;
            let role = role_name.ok_or("it does not say its role")?;
            self.roles.entry(role).or_default().inline.insert(policy_name, policy_document);
        } else if let Some(names) = value.get("PolicyNames") {
            self.lists.push((parsed(names)?, PolicyKind::Inline));
        } else if let Some(attached) = value.get("AttachedPolicies") {
            self.lists.push((arns(parsed(attached)?), PolicyKind::Managed));
        } else {
            return Err("this is no answer about a role that is known".to_owned());
        }
        Ok(())
    }

    fn role(&mut self, role: RoleAnswer) {
        let found = self.roles.entry(role.role_name).or_default();
        found.trust = Some(role.assume_role_policy_document);
        found.session = role.max_session_duration.or(found.session);
        if let Some(policies) = role.role_policy_list {
            found.listed = Some(policies.iter().map(|policy| policy.policy_name.clone()).collect());
            found.inline.extend(policies.into_iter().map(|policy| (policy.policy_name, policy.policy_document)));
        }
        if let Some(attached) = role.attached_managed_policies {
            found.attached = Some(arns(attached));
        }
    }
}

impl Found {
    /// The role, and what is missing to know it.
    fn principal(
        self,
        name: &str,
        label: String,
        managed: &BTreeMap<String, Value>,
        collected: &mut Collected<Principal>,
    ) -> Principal {
        let mut document = |at: &str, document: &Value| {
            let read = policy(document);
            if let Err(why) = &read {
                let answer = Answer { name: at.to_owned(), value: Value::Null };
                collected.unread(&answer, format!("the policy document cannot be read: {why}"), KNOWN);
            }
            read.unwrap_or_else(|_| Policy::new(Vec::new()))
        };
        let trust_policy = self.trust.as_ref().map(|trust| document(name, trust));
        let mut policies: Vec<RolePolicy> = Vec::new();
        for (policy, text) in &self.inline {
            let document = document(&format!("{name}/{policy}"), text);
            policies.push(RolePolicy { name: policy.clone(), kind: PolicyKind::Inline, document });
        }
        let attached =
            self.attached.iter().flatten().map(|arn| (arn, managed.get(arn).or_else(|| managed.get(last(arn)))));
        for (arn, text) in attached.clone() {
            if let Some(text) = text {
                let document = document(arn, text);
                policies.push(RolePolicy { name: last(arn).to_owned(), kind: PolicyKind::Managed, document });
            }
        }
        if trust_policy.is_none() || self.session.is_none() {
            let what = "who may assume it, and for how long, is not told";
            collected.missing(name, what, &format!("aws iam get-role --role-name {name}"));
        }
        match &self.listed {
            None => {
                let command = format!("aws iam list-role-policies --role-name {name}");
                collected.missing(name, "whether it has more inline policies is not told", &command);
            }
            Some(listed) => {
                for policy in listed.iter().filter(|policy| !self.inline.contains_key(*policy)) {
                    let command = format!("aws iam get-role-policy --role-name {name} --policy-name {policy}");
                    collected.missing(name, format!("its inline policy `{policy}` is not told"), &command);
                }
            }
        }
        if self.attached.is_none() {
            let command = format!("aws iam list-attached-role-policies --role-name {name}");
            collected.missing(name, "which policies are attached to it is not told", &command);
        }
        for (arn, _) in attached.filter(|(_, text)| text.is_none()) {
            let what = format!("its policy `{arn}` is not told; in a file, it is named `{}.json`", last(arn));
            let command = format!("aws iam get-policy-version --policy-arn {arn} --version-id VERSION");
            collected.missing(name, what, &command);
        }
        let role = Role {
            name: name.to_owned(),
            trust_policy: trust_policy.unwrap_or_else(|| Policy::new(Vec::new())),
            max_session_duration: self.session.unwrap_or(u32::MAX),
        };
        Principal { name: label, role, policies }
    }
}

fn parsed<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, String> {
    T::deserialize(value).map_err(|error| error.to_string())
}

fn arns(attached: Vec<Attached>) -> BTreeSet<String> {
    attached.into_iter().map(|policy| policy.policy_arn).collect()
}

fn policy(document: &Value) -> Result<Policy, String> {
    match document {
        Value::String(text) => read(text).ok_or_else(|| "it is no percent-encoded policy".to_owned()),
        object => parsed(object),
    }
}

/// Reads a document as IAM returns it: percent-encoded.
pub(crate) fn read(document: &str) -> Option<Policy> {
    let mut bytes = document.bytes();
    let mut decoded = Vec::with_capacity(document.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16)?.try_into().ok());
        let (high, low): (u8, u8) = (digit()?, digit()?);
        decoded.push(high * 16 + low);
    }
    serde_json::from_slice(&decoded).ok()
}
