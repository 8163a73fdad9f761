//! Identity and Access Management: <https://docs.cloud.google.com/iam/docs/reference/rest>.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{GET_POLICY, SET_POLICY, TEST};
use crate::dated::Dated;
use crate::gcp::call::{Call, Done, done, set, text};
use crate::gcp::fail::Fail;
use crate::gcp::iam::policy;
use crate::gcp::iam::role::{Role, is_role_id, looks_like_a_permission, predefined};
use crate::gcp::mask;
use crate::gcp::state::{State, Thing, etag};
use crate::gcp::table::TABLE;

const ACCOUNT: &str = "name projectId uniqueId email displayName etag description oauth2ClientId disabled";
const ROLE: &str = "name title description includedPermissions* \
    stage=ALPHA|BETA|GA|DEPRECATED|DISABLED|EAP etag deleted";

/// How many keys an account has at most: <https://docs.cloud.google.com/iam/quotas>.
const MOST_KEYS: usize = 10;

/// How long a deleted role can be undeleted.
const UNDELETABLE: Duration = Duration::from_secs(7 * 24 * 3_600);

pub(super) fn find(id: &str) -> Option<Done> {
    Some(match id {
        "projects.serviceAccounts.create" => {
            done(create).body("accountId serviceAccount{name projectId uniqueId email displayName etag description oauth2ClientId disabled}")
        }
        "projects.serviceAccounts.get" => done(super::get),
        "projects.serviceAccounts.list" => done(accounts).query(&["pageSize", "pageToken"]),
        "projects.serviceAccounts.patch" => {
            done(patch).body("serviceAccount{name projectId uniqueId email displayName etag description oauth2ClientId disabled} updateMask")
        }
        "projects.serviceAccounts.update" => done(update).body(ACCOUNT),
        "projects.serviceAccounts.delete" => done(delete),
        "projects.serviceAccounts.undelete" => done(undelete),
        "projects.serviceAccounts.disable" => done(disable),
        "projects.serviceAccounts.enable" => done(enable),
        "projects.serviceAccounts.getIamPolicy" => {
            done(super::policy).body(GET_POLICY).query(&["options.requestedPolicyVersion"])
        }
        "projects.serviceAccounts.setIamPolicy" => done(super::set_policy).body(SET_POLICY),
        "projects.serviceAccounts.testIamPermissions" => done(super::test).body(TEST),
        "projects.serviceAccounts.keys.create" => {
            done(create_key).body("privateKeyType keyAlgorithm")
        }
        "projects.roles.create" => done(create_role)
            .body("roleId role{name title description includedPermissions* stage=ALPHA|BETA|GA|DEPRECATED|DISABLED|EAP etag deleted}"),
        "projects.roles.get" => done(role),
        "projects.roles.list" => done(roles).query(&["pageSize", "pageToken", "showDeleted", "view"]),
        "projects.roles.patch" => done(patch_role).body(ROLE).query(&["updateMask"]),
        "projects.roles.delete" => done(delete_role).query(&["etag"]),
        "projects.roles.undelete" => done(undelete_role).body("etag"),
        "roles.get" => done(predefined_role),
        "permissions.queryTestablePermissions" => done(testable).body("fullResourceName pageSize pageToken"),
        _ => return None,
    })
}

impl State {
    /// Finds the account of an email address.
    pub(crate) fn account(&self, email: &str) -> Option<&Thing> {
        let name = self.account_name(email)?;
        self.things.get(&name).filter(|thing| !thing.deleted)
    }

    /// The full name of an account, by its email address or unique id.
    pub(crate) fn account_name(&self, account: &str) -> Option<String> {
        let (local, host) = account.split_once('@').unwrap_or((account, ""));
        let name = |project: &str| format!("//iam.googleapis.com/projects/{project}/serviceAccounts/{account}");
        if let Some(project) = host.strip_suffix(".iam.gserviceaccount.com") {
            return Some(name(project)).filter(|name| self.things.contains_key(name));
        }
        if host == "developer.gserviceaccount.com" {
            return Some(name(&self.project_id(local.strip_suffix("-compute")?)?));
        }
        if account.is_empty() || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        self.things
            .iter()
            .find(|(name, thing)| name.contains("/serviceAccounts/") && text(&thing.body, "/uniqueId") == account)
            .map(|(name, _)| name.clone())
    }

    /// Creates an account with this address.
    pub(crate) fn make_account(&mut self, project: &str, email: &str, display: &str) -> Result<Value, Fail> {
        let name = format!("//iam.googleapis.com/projects/{project}/serviceAccounts/{email}");
        let id = fastrand::u64(100_000_000_000_000_000..999_999_999_999_999_999);
        let uid = format!("1{id:020}");
        let body = json!({
            "name": format!("projects/{project}/serviceAccounts/{email}"),
            "projectId": project,
            "uniqueId": uid,
            "email": email,
            "displayName": display,
            "etag": etag(),
            "oauth2ClientId": uid,
        });
        self.create(&name, project, body.clone())?;
        Ok(body)
    }

    /// The role of a project, as it is answered.
    pub(crate) fn role_body(&self, name: &str) -> Option<Value> {
        let role = self.roles.get(name)?;
        let mut body = json!({
            "name": name,
            "title": role.title,
            "description": role.description,
            "includedPermissions": role.kept,
            "stage": role.stage,
            "etag": role.etag,
        });
        if role.deleted.is_some() {
            set(&mut body, "deleted", true);
        }
        Some(body)
    }

    /// Creates or writes a role.
    pub(crate) fn write_role(&mut self, name: &str, mut role: Role, permissions: Vec<String>) {
        let (now, delay) = (self.now(), self.knobs.propagation);
        role.kept.clone_from(&permissions);
        role.permissions.write(if role.deleted.is_some() { Vec::new() } else { permissions }, now, delay);
        role.etag = etag();
        self.roles.insert(name.to_owned(), role);
    }
}

/// Source: <https://docs.cloud.google.com/iam/docs/service-accounts-create>.
fn is_account_id(id: &str) -> bool {
    (6..=30).contains(&id.len())
        && id.starts_with(|c: char| c.is_ascii_lowercase())
        && !id.ends_with('-')
        && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn create(call: &mut Call<'_>) -> Result<Value, Fail> {
    let id = call.text("/accountId");
    if !is_account_id(&id) {
        return Err(Fail::invalid(format!(
            "The account id `{id}` is not valid: 6 to 30 lower-case letters, digits and hyphens, a letter first."
        )));
    }
    let project = call.project.clone();
    let prefix = format!("//iam.googleapis.com/projects/{project}/serviceAccounts/");
    if call.state.things.iter().filter(|(name, thing)| name.starts_with(&prefix) && !thing.deleted).count() > 100 {
        return Err(Fail::with_status("RESOURCE_EXHAUSTED"));
    }
    let email = format!("{id}@{project}.iam.gserviceaccount.com");
    let mut body = call.state.make_account(&project, &email, &call.text("/serviceAccount/displayName"))?;
    let description = call.text("/serviceAccount/description");
    if !description.is_empty() {
        set(&mut body, "description", description);
        call.state.thing_mut(&format!("{prefix}{email}"))?.body = body.clone();
    }
    Ok(body)
}

fn accounts(call: &mut Call<'_>) -> Result<Value, Fail> {
    let below = format!("//iam.googleapis.com/projects/{}/serviceAccounts", call.project);
    Ok(super::list(call, &below, "accounts"))
}

fn patch(call: &mut Call<'_>) -> Result<Value, Fail> {
    let from = call.body.get("serviceAccount").cloned().unwrap_or_default();
    let mask = call.text("/updateMask");
    write(call, &from, &mask)
}

fn update(call: &mut Call<'_>) -> Result<Value, Fail> {
    let from = call.body.clone();
    write(call, &from, "displayName")
}

fn write(call: &mut Call<'_>, from: &Value, mask: &str) -> Result<Value, Fail> {
    if mask.split(',').any(|field| !matches!(field, "displayName" | "display_name" | "description")) {
        return Err(Fail::invalid("Only `displayName` and `description` of a service account can be changed."));
    }
    let mut body = super::merged(call, ACCOUNT, mask, from)?;
    set(&mut body, "etag", etag());
    call.state.thing_mut(&call.on)?.body = body.clone();
    Ok(body)
}

fn delete(call: &mut Call<'_>) -> Result<Value, Fail> {
    let mut thing = call.state.thing(&call.on)?.clone();
    let (email, uid) = (text(&thing.body, "/email"), text(&thing.body, "/uniqueId"));
    thing.deleted = true;
    call.state.things.remove(&call.on);
    let kept = format!("//iam.googleapis.com/projects/{}/serviceAccounts/{uid}", call.project);
    call.state.things.insert(kept, thing);
    call.state.end_tokens(&email);
    call.state.keys.retain(|_, (of, _)| *of != email);
    let member = format!("serviceAccount:{email}");
    let now = call.state.now();
    for thing in call.state.things.values_mut() {
        let mut policy = thing.policy.latest.clone();
        if policy.delete_member(&member, &uid) {
            policy.etag = etag();
            thing.policy.write(policy, now, Duration::ZERO);
        }
    }
    Ok(json!({}))
}

fn undelete(call: &mut Call<'_>) -> Result<Value, Fail> {
    let missing = || Fail::missing("a deleted service account of this unique id");
    let mut thing = call.state.things.get(&call.on).filter(|thing| thing.deleted).cloned().ok_or_else(missing)?;
    let (email, uid) = (text(&thing.body, "/email"), text(&thing.body, "/uniqueId"));
    let name = format!("//iam.googleapis.com/projects/{}/serviceAccounts/{email}", call.project);
    if call.state.things.contains_key(&name) {
        return Err(Fail::exists(&email));
    }
    call.state.things.remove(&call.on);
    thing.deleted = false;
    let body = thing.body.clone();
    call.state.things.insert(name, thing);
    for thing in call.state.things.values_mut() {
        thing.policy.latest.undelete_member(&format!("serviceAccount:{email}"), &uid);
    }
    Ok(json!({"restoredAccount": body}))
}

/// <https://docs.cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts.keys/create>.
fn create_key(call: &mut Call<'_>) -> Result<Value, Fail> {
    for (field, only) in [("/privateKeyType", "TYPE_GOOGLE_CREDENTIALS_FILE"), ("/keyAlgorithm", "KEY_ALG_RSA_2048")] {
        let asked = call.text(field);
        if !asked.is_empty() && asked != only && !asked.ends_with("_UNSPECIFIED") {
            return Err(Fail::invalid(format!("`{asked}` is not modelled: only {only} is.")));
        }
    }
    let account = call.state.account(&call.parameter("account")).ok_or_else(|| Fail::missing(&call.on))?;
    let (email, name, project) = (text(&account.body, "/email"), text(&account.body, "/name"), account.project.clone());
    if call.state.keys.values().filter(|(of, _)| *of == email).count() >= MOST_KEYS {
        return Err(Fail::with_status("RESOURCE_EXHAUSTED"));
    }
    let file = call.state.key_file(&project, &email).map_err(Fail::precondition)?;
    Ok(json!({
        "name": format!("{name}/keys/{}", text(&file, "/private_key_id")),
        "privateKeyType": "TYPE_GOOGLE_CREDENTIALS_FILE",
        "privateKeyData": STANDARD.encode(file.to_string()),
        "keyAlgorithm": "KEY_ALG_RSA_2048",
        "keyOrigin": "GOOGLE_PROVIDED",
        "keyType": "USER_MANAGED",
        "validAfterTime": call.state.now().to_string(),
        "validBeforeTime": "9999-12-31T23:59:59Z",
    }))
}

fn disable(call: &mut Call<'_>) -> Result<Value, Fail> {
    let thing = call.state.thing_mut(&call.on)?;
    set(&mut thing.body, "disabled", true);
    let email = text(&thing.body, "/email");
    call.state.end_tokens(&email);
    Ok(json!({}))
}

fn enable(call: &mut Call<'_>) -> Result<Value, Fail> {
    if let Some(body) = call.state.thing_mut(&call.on)?.body.as_object_mut() {
        body.remove("disabled");
    }
    Ok(json!({}))
}

fn role_name(call: &Call<'_>) -> String {
    format!("projects/{}/roles/{}", call.project, call.parameter("role"))
}

/// Reads and checks the permissions of a body: <https://docs.cloud.google.com/iam/quotas>.
fn permissions(body: &Value) -> Result<Vec<String>, Fail> {
    let mut permissions = BTreeSet::new();
    for permission in body.get("includedPermissions").and_then(Value::as_array).into_iter().flatten() {
        let permission = permission.as_str().unwrap_or_default();
        if !looks_like_a_permission(permission) {
            return Err(Fail::invalid(format!("Permission {permission} is not valid.")));
        }
        permissions.insert(permission.to_owned());
    }
    if permissions.len() > 3_000 {
        return Err(Fail::invalid("A role holds at most 3,000 permissions."));
    }
    Ok(permissions.into_iter().collect())
}

fn create_role(call: &mut Call<'_>) -> Result<Value, Fail> {
    let id = call.text("/roleId");
    if !is_role_id(&id) {
        return Err(Fail::invalid(format!(
            "The role id `{id}` is not valid: 3 to 64 letters, digits, underscores and full stops."
        )));
    }
    let name = format!("projects/{}/roles/{id}", call.project);
    if let Some(role) = call.state.roles.get(&name) {
        if role.deleted.is_some() {
            return Err(Fail::precondition(format!(
                "You can't create a role with role_id ({id}) where there is an existing role with that role_id in a deleted state."
            )));
        }
        return Err(Fail::exists(&name));
    }
    let prefix = format!("projects/{}/roles/", call.project);
    if call.state.roles.keys().filter(|name| name.starts_with(&prefix)).count() >= 300 {
        return Err(Fail::with_status("RESOURCE_EXHAUSTED"));
    }
    let body = call.body.get("role").cloned().unwrap_or_default();
    let role = Role {
        title: text(&body, "/title"),
        description: text(&body, "/description"),
        stage: Some(text(&body, "/stage")).filter(|stage| !stage.is_empty()).unwrap_or_else(|| "ALPHA".to_owned()),
        permissions: Dated::default(),
        kept: Vec::new(),
        deleted: None,
        etag: String::new(),
    };
    let permissions = permissions(&body)?;
    call.state.write_role(&name, role, permissions);
    answer(call, &name)
}

fn answer(call: &Call<'_>, name: &str) -> Result<Value, Fail> {
    call.state.role_body(name).ok_or_else(|| Fail::missing(name))
}

fn role(call: &mut Call<'_>) -> Result<Value, Fail> {
    answer(call, &role_name(call))
}

fn roles(call: &mut Call<'_>) -> Result<Value, Fail> {
    let prefix = format!("projects/{}/roles/", call.project);
    let deleted = call.query("showDeleted") == "true";
    let full = call.query("view") == "FULL" || call.query("view") == "1";
    let names: Vec<String> = call.state.roles.keys().filter(|name| name.starts_with(&prefix)).cloned().collect();
    let mut roles = Vec::new();
    for name in names {
        let mut body = answer(call, &name)?;
        if body.get("deleted").is_some() && !deleted {
            continue;
        }
        if let (false, Some(fields)) = (full, body.as_object_mut()) {
            fields.remove("includedPermissions");
        }
        roles.push(body);
    }
    Ok(if roles.is_empty() { json!({}) } else { json!({"roles": roles}) })
}

/// Finds the role of the path, if the etag is empty or matches.
fn present(call: &Call<'_>, name: &str, etag: &str) -> Result<Role, Fail> {
    let role = call.state.roles.get(name).cloned().ok_or_else(|| Fail::missing(name))?;
    if !etag.is_empty() && policy::bytes(etag) != policy::bytes(&role.etag) {
        return Err(Fail::aborted("There were concurrent changes to the role: read it again, and retry."));
    }
    Ok(role)
}

fn patch_role(call: &mut Call<'_>) -> Result<Value, Fail> {
    let name = role_name(call);
    let role = present(call, &name, &call.text("/etag"))?;
    if role.deleted.is_some() {
        return Err(Fail::precondition(format!("The role {name} is deleted: undelete it first.")));
    }
    let mut body = answer(call, &name)?;
    mask::merge(ROLE, call.query("updateMask"), &call.body, &mut body)?;
    let permissions = permissions(&body)?;
    let role = Role {
        title: text(&body, "/title"),
        description: text(&body, "/description"),
        stage: text(&body, "/stage"),
        ..role
    };
    call.state.write_role(&name, role, permissions);
    answer(call, &name)
}

fn delete_role(call: &mut Call<'_>) -> Result<Value, Fail> {
    let name = role_name(call);
    let mut role = present(call, &name, call.query("etag"))?;
    if role.deleted.is_some() {
        return Err(Fail::precondition(format!("The role {name} is deleted already.")));
    }
    role.deleted = Some(call.state.now());
    let kept = role.kept.clone();
    call.state.write_role(&name, role, kept);
    answer(call, &name)
}

fn undelete_role(call: &mut Call<'_>) -> Result<Value, Fail> {
    let name = role_name(call);
    let mut role = present(call, &name, &call.text("/etag"))?;
    let Some(deleted) = role.deleted.take() else {
        return Err(Fail::precondition(format!("The role {name} is not deleted.")));
    };
    if call.state.now() > deleted + UNDELETABLE {
        return Err(Fail::precondition(format!("The role {name} was deleted more than 7 days ago.")));
    }
    let kept = role.kept.clone();
    call.state.write_role(&name, role, kept);
    answer(call, &name)
}

fn predefined_role(call: &mut Call<'_>) -> Result<Value, Fail> {
    let name = format!("roles/{}", call.parameter("role"));
    let permissions = predefined(&name).ok_or_else(|| Fail::missing(&name))?;
    Ok(json!({"name": name, "includedPermissions": permissions, "stage": "GA", "etag": "AA=="}))
}

fn testable(_: &mut Call<'_>) -> Result<Value, Fail> {
    let known: BTreeSet<&str> =
        TABLE.iter().flat_map(|method| method.permissions.iter().chain(method.conditional)).copied().collect();
    let permissions: Vec<Value> = known.into_iter().map(|name| json!({"name": name, "stage": "GA"})).collect();
    Ok(json!({"permissions": permissions}))
}
