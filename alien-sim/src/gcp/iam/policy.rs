//! Allow policies: <https://docs.cloud.google.com/iam/docs/reference/rest/v1/Policy>, and their limits:
//! <https://docs.cloud.google.com/iam/quotas>.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Value, json};

use super::{condition, role};
use crate::gcp::call::text;
use crate::gcp::fail::Fail;
use crate::gcp::state::{self, State};

/// An allow policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) bindings: Vec<Binding>,
    /// The etag of this version of the policy.
    pub(crate) etag: String,
}

/// A role, its members, and an optional condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Binding {
    pub(crate) role: String,
    pub(crate) members: Vec<String>,
    pub(crate) condition: Option<Condition>,
}

/// A condition, in CEL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Condition {
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) expression: String,
}

/// The fields of a policy that may be written.
pub(crate) const FIELDS: &str = "version bindings{role members* condition{title description expression location}} etag auditConfigs* kind resourceId rules*";

impl Default for Policy {
    fn default() -> Self {
        // Google's etag for a policy that was never written.
        Self { bindings: Vec::new(), etag: "ACAB".to_owned() }
    }
}

impl Policy {
    /// The policy for a client that understands `version`.
    pub(crate) fn answer(&self, version: u64) -> Value {
        let conditioned = self.bindings.iter().any(|binding| binding.condition.is_some());
        let whole = version >= 3;
        let bindings: Vec<Value> = self.bindings.iter().map(|binding| binding.answer(whole)).collect();
        let version = if conditioned && whole { 3 } else { 1 };
        if bindings.is_empty() {
            return json!({"version": version, "etag": self.etag});
        }
        json!({"version": version, "etag": self.etag, "bindings": bindings})
    }

    /// Parses and validates the policy of a resource.
    ///
    /// # Errors
    ///
    /// If Google would refuse it: beyond the limits, unknown members and roles, or conditions in a version without
    /// them.
    pub(crate) fn parse(state: &State, project: &str, body: &Value) -> Result<Self, Fail> {
        let version = body.get("version").and_then(Value::as_u64).unwrap_or(0);
        if ![0, 1, 3].contains(&version) {
            return Err(Fail::invalid(format!("Policy version {version} is not valid: it is 0, 1 or 3.")));
        }
        let mut bindings: Vec<Binding> = Vec::new();
        for binding in body.get("bindings").and_then(Value::as_array).into_iter().flatten() {
            let binding = Binding::parse(state, project, binding)?;
            if binding.condition.is_some() && version < 3 {
                return Err(Fail::invalid(
                    "A policy with conditional role bindings must have version 3: set `version` to 3.",
                ));
            }
            match bindings.iter_mut().find(|b| b.role == binding.role && b.condition == binding.condition) {
                Some(same) => {
                    same.members.extend(binding.members);
                    same.members.sort();
                    same.members.dedup();
                }
                None => bindings.push(binding),
            }
        }
        bindings.retain(|binding| !binding.members.is_empty());
        let members: usize = bindings.iter().map(|binding| binding.members.len()).sum();
        if members > 1_500 {
            return Err(Fail::invalid(format!("The policy has {members} principals: at most 1,500 are allowed.")));
        }
        let mut conditions: HashMap<(&str, &str), u32> = HashMap::new();
        for binding in bindings.iter().filter(|binding| binding.condition.is_some()) {
            for member in &binding.members {
                let count = conditions.entry((&binding.role, member)).or_default();
                *count += 1;
                if *count > 20 {
                    return Err(Fail::invalid(format!(
                        "The role {} is bound to {member} with more than 20 conditions.",
                        binding.role
                    )));
                }
            }
        }
        Ok(Self { bindings, etag: state::etag() })
    }

    /// Marks a member as a deleted account.
    pub(crate) fn delete_member(&mut self, member: &str, uid: &str) -> bool {
        let mut changed = false;
        for binding in &mut self.bindings {
            for held in binding.members.iter_mut().filter(|held| *held == member) {
                *held = format!("deleted:{member}?uid={uid}");
                changed = true;
            }
        }
        changed
    }

    /// Restores the member of an account that was undeleted.
    pub(crate) fn undelete_member(&mut self, member: &str, uid: &str) {
        let deleted = format!("deleted:{member}?uid={uid}");
        for held in self.bindings.iter_mut().flat_map(|binding| &mut binding.members).filter(|held| **held == deleted) {
            *held = member.to_owned();
        }
    }
}

impl Binding {
    fn answer(&self, whole: bool) -> Value {
        let Some(condition) = &self.condition else {
            return json!({"role": self.role, "members": self.members});
        };
        if !whole {
            let mut hasher = DefaultHasher::new();
            condition.hash(&mut hasher);
            let name = self.role.trim_start_matches("roles/");
            return json!({"role": format!("{name}_withcond_{:020x}", hasher.finish()), "members": self.members});
        }
        let mut answer = json!({"title": condition.title, "expression": condition.expression});
        if let (false, Some(members)) = (condition.description.is_empty(), answer.as_object_mut()) {
            members.insert("description".to_owned(), condition.description.clone().into());
        }
        json!({"role": self.role, "members": self.members, "condition": answer})
    }

    fn parse(state: &State, project: &str, body: &Value) -> Result<Self, Fail> {
        let name = text(body, "/role");
        if name.contains("_withcond_") {
            return Err(Fail::invalid(format!(
                "Role {name} stands for a conditional binding: read the policy in version 3."
            )));
        }
        if !role::is_known(state, &name) || foreign(project, &name) {
            return Err(Fail::invalid(format!("Role {name} does not exist in the resource's hierarchy.")));
        }
        let mut members = Vec::new();
        for member in body.get("members").and_then(Value::as_array).into_iter().flatten() {
            members.push(self::member(state, member.as_str().unwrap_or_default())?);
        }
        members.sort();
        members.dedup();
        let condition = match body.get("condition").filter(|condition| !condition.is_null()) {
            None => None,
            Some(condition) => {
                let expression = text(condition, "/expression");
                condition::check(&expression).map_err(Fail::invalid)?;
                let title = text(condition, "/title");
                if title.is_empty() {
                    return Err(Fail::invalid("A condition must have a title."));
                }
                Some(Condition { title, description: text(condition, "/description"), expression })
            }
        };
        if condition.is_some() && name == "roles/owner" {
            return Err(Fail::invalid("A basic role cannot be bound with a condition."));
        }
        Ok(Self { role: name, members, condition })
    }
}

/// Whether a role belongs to another project, where it cannot be bound.
fn foreign(project: &str, role: &str) -> bool {
    role.strip_prefix("projects/").and_then(|rest| rest.split('/').next()).is_some_and(|of| of != project)
}

/// Source: <https://docs.cloud.google.com/iam/docs/principal-identifiers>.
fn member(state: &State, member: &str) -> Result<String, Fail> {
    if matches!(member, "allUsers" | "allAuthenticatedUsers") {
        return Ok(member.to_owned());
    }
    let Some((kind, id)) = member.split_once(':') else {
        return Err(Fail::invalid(format!("Invalid member {member}: it has no kind, such as `user:`.")));
    };
    match kind {
        "user" | "group" if id.contains('@') => Ok(format!("{kind}:{}", id.to_lowercase())),
        "domain" if id.contains('.') => Ok(member.to_owned()),
        "deleted" if id.contains("?uid=") => Ok(member.to_owned()),
        "serviceAccount" if state.account(id).is_some() || is_agent(id) && !state.knobs.lacks(id) => {
            Ok(member.to_owned())
        }
        "serviceAccount" => Err(Fail::invalid(format!("Service account {id} does not exist."))),
        "principal" | "principalSet" if id.starts_with("//") => Ok(member.to_owned()),
        "projectOwner" | "projectEditor" | "projectViewer" => Ok(member.to_owned()),
        _ => Err(Fail::invalid(format!("Invalid member {member}."))),
    }
}

/// Google's own accounts exist, though they belong to no project of the emulator.
pub(crate) fn is_agent(email: &str) -> bool {
    email.ends_with(".gserviceaccount.com") && email.contains("@gcp-sa-")
        || email.ends_with("@cloudservices.gserviceaccount.com")
        || email.ends_with("@serverless-robot-prod.iam.gserviceaccount.com")
}

impl State {
    /// The policy of a resource, for a client that understands `version`.
    pub(crate) fn policy(&self, name: &str, version: u64) -> Result<Value, Fail> {
        Ok(self.thing(name)?.policy.latest.answer(version))
    }

    /// Writes the policy of a resource.
    ///
    /// # Errors
    ///
    /// `ABORTED` if the etag is not the current one, and the errors of [`Policy::parse`].
    pub(crate) fn set_policy(&mut self, name: &str, body: &Value) -> Result<Value, Fail> {
        let present = self.thing(name)?;
        if let Some(etag) = body.get("etag").and_then(Value::as_str).filter(|etag| !etag.is_empty()) {
            let Some(known) = bytes(etag) else {
                return Err(Fail::invalid(format!(
                    "Invalid value at 'policy.etag' (TYPE_BYTES), Base64 decoding failed for \"{etag}\""
                )));
            };
            if bytes(&present.policy.latest.etag) != Some(known) {
                return Err(Fail::aborted(
                    "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff.",
                ));
            }
        }
        let project = present.project.clone();
        let policy = Policy::parse(self, &project, body)?;
        // Whoever is in a policy already stays in it.
        let present: Vec<&String> = present.policy.latest.bindings.iter().flat_map(|one| &one.members).collect();
        for member in policy.bindings.iter().flat_map(|binding| &binding.members) {
            if !present.contains(&member) {
                self.admits(&project, member)?;
            }
        }
        let answer = policy.answer(3);
        let (now, delay) = (self.now(), self.knobs.propagation);
        self.thing_mut(name)?.policy.write(policy, now, delay);
        Ok(answer)
    }
}

/// Decodes bytes in JSON, in either base64 alphabet: gcloud writes the URL-safe one. Source:
/// <https://protobuf.dev/programming-guides/json/>.
pub(crate) fn bytes(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn an_etag_is_the_same_in_both_alphabets() {
        assert_eq!(bytes("IjW-W2u34U4="), bytes("IjW+W2u34U4="));
        assert_eq!((bytes("IjW-W2u34U4=").is_some(), bytes("no base64!")), (true, None));
    }
}
