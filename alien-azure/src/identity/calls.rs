//! Creates managed identities and roles, assigns them, records the claim of a run, and revokes the vendor's access.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use alien_core::adapter::{
    AccessControl, Claim, Marks, Observed, Reconcile, ReconcileIdentity, Removal, ResultExt, State, Subject, last,
};
use alien_core::{Data, Error, ErrorKind, Grants, Result};
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use super::roles::{
    Assignment, assign, assignment_id, assignments, define, describe, is_assigned, is_pull, own_roles, redefined,
    unassign, undefine, uses,
};
use crate::Azure;
use crate::client::tags::{self, Tags};
use crate::client::{Clients, Context};
use crate::naming::same;
use crate::operations as op;
use crate::operations::Scope;
use crate::policy::{FederatedCredential, Principal};

/// How long a change of an identity may take to become visible to reads.
const SETTLES: Duration = Duration::from_secs(60);

/// A managed identity, as Resource Manager returns it.
/// <https://learn.microsoft.com/rest/api/managedidentity/user-assigned-identities/get>
#[derive(Deserialize)]
pub(crate) struct Found {
    #[serde(default)]
    tags: Option<Tags>,
    pub(crate) properties: EntraIds,
}

/// The ids that Entra assigned to it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EntraIds {
    pub(crate) tenant_id: String,
    pub(crate) client_id: String,
    pub(crate) principal_id: String,
}

/// A federated credential in a list.
#[derive(Deserialize)]
struct Federation {
    name: String,
    properties: FederationSays,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FederationSays {
    issuer: String,
    /// Empty if an expression stands in its place.
    #[serde(default)]
    subject: String,
    #[serde(default)]
    audiences: Vec<String>,
    /// Matches many tokens in place of one subject; we never set it
    /// (<https://learn.microsoft.com/entra/workload-id/workload-identities-flexible-federated-identity-credentials>).
    #[serde(default)]
    claims_matching_expression: Option<Value>,
}

/// Renders the identity, its roles and its assignments.
fn principal(cx: Context<'_>) -> Result<Principal> {
    Ok(Azure::principal(&cx.deployment().layout, cx.deployment().grants(cx.subject)?))
}

/// `GET userAssignedIdentities`.
pub(crate) async fn look(cx: Context<'_>) -> Result<Found> {
    let id = cx.full_name(Scope::Identity)?;
    let found: Found = cx.call(&[op::GET_IDENTITY], || async { cx.clients.get(id).await }).await?;
    let tenant = cx.target().tenant.as_str();
    if found.properties.tenant_id != tenant {
        let what = format!("the subscription belongs to the tenant `{}`, not `{tenant}`", found.properties.tenant_id);
        return Err(Error::new(ErrorKind::Input, format!("{what}; correct the target's tenant")));
    }
    Ok(found)
}

/// The managed identities of a deployment.
pub(crate) struct Identities;

#[async_trait]
impl Reconcile<Azure, Clients> for Identities {
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        let Some(found) = look(cx).await.optional()? else { return Ok(Observed::Absent) };
        let observed = tags::observed(cx.deployment(), &found.properties.client_id, found.tags.as_ref());
        let Observed::Own { state: State::Finished(_), .. } = observed else { return Ok(observed) };
        let principal = principal(cx)?;
        Ok(observed.drifted(drift(cx, &principal, &found.properties.principal_id).await?))
    }

    /// Creates the identity without trust and without assignments.
    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let id = cx.full_name(Scope::Identity)?;
        // PUT would overwrite an existing identity.
        if look(cx).await.optional()?.is_some() {
            return Err(Error::new(ErrorKind::AlreadyExists, "the identity already exists"));
        }
        let tags = tags::unfinished(Tags::new(), marks, last(id));
        let body = json!({ "location": cx.target().location, "tags": tags });
        cx.call(&[op::PUT_IDENTITY], || async { cx.clients.put(id, &body).await }).await?;
        cx.until(SETTLES, || async move {
            Ok(match look(cx).await.optional()? {
                Some(_) => ControlFlow::Break(()),
                None => ControlFlow::Continue("the new identity is not visible yet".to_owned()),
            })
        })
        .await
    }

    /// Defines the roles, assigns them at everything that exists already, sets the trusted tokens, and then writes the
    /// fingerprint.
    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let principal = principal(cx)?;
        let found = look(cx).await?.properties;
        let roles = own_roles(cx, &principal).await?;
        for due in &principal.role_definitions {
            if !roles.iter().any(|role| same(&role.name, &due.name) && redefined(role, due).is_none()) {
                define(cx, due).await?;
            }
        }
        let id = &found.principal_id;
        let assigned = assignments(cx, id).await?;
        // Removals come first: Azure treats assignments of the same role at the same scope as one, whatever their
        // names.
        let (spare, assigned): (Vec<_>, Vec<_>) =
            assigned.into_iter().partition(|found| is_spare(cx, &principal, found));
        let mut left = take_away(cx, id, &spare).await?;
        for due in &principal.role_assignments {
            if !assigned.iter().any(|found| is_assigned(found, due)) {
                // The roles at what does not exist yet are assigned when it is created.
                assign(cx, due, id).await.optional()?;
            }
        }
        for spare in
            roles.iter().filter(|role| !principal.role_definitions.iter().any(|due| same(&due.name, &role.name)))
        {
            undefine(cx, &spare.name).await?;
        }
        for (using, _) in uses(cx, cx.full_name(Scope::Identity)?).await? {
            left.extend(removed(cx, &using, "somebody may use it").await?);
        }
        trust(cx, &principal.federated_credentials).await?;
        tags::finish(cx, cx.full_name(Scope::Identity)?, marks).await?;
        none_left(left)
    }

    async fn delete(&self, cx: Context<'_>, _: Data) -> Result<Removal> {
        let principal = principal(cx)?;
        let found = look(cx).await?.properties;
        // What these credentials may not take away is worth nothing when the identity has gone.
        let _ = take_away(cx, &found.principal_id, &assignments(cx, &found.principal_id).await?).await?;
        for role in own_roles(cx, &principal).await? {
            undefine(cx, &role.name).await?;
        }
        let id = cx.full_name(Scope::Identity)?;
        cx.call(&[op::DELETE_IDENTITY], || async { cx.clients.delete(id, &[]).await }).await.optional()?;
        cx.until_gone(SETTLES, || look(cx)).await?;
        Ok(Removal::Gone)
    }
}

#[async_trait]
impl ReconcileIdentity<Azure, Clients> for Identities {
    /// Reads the claim from a tag of the management identity.
    async fn claim(&self, cx: Context<'_>) -> Result<Option<Claim>> {
        Ok(written_claim(cx).await?.parse().ok())
    }

    async fn write_claim(&self, cx: Context<'_>, claim: Option<&Claim>) -> Result<()> {
        let text = claim.map_or_else(String::new, ToString::to_string);
        tags::merge(cx, cx.full_name(Scope::Identity)?, &[(Marks::CLAIM, text)]).await
    }

    /// Removes every federated credential and every assignment of the identity, so that tokens issued before are of no
    /// use. Instead of the fingerprint it is marked as revoked, so the next set-up configures the identity again.
    async fn revoke(&self, cx: Context<'_>) -> Result<()> {
        let found = look(cx).await?.properties;
        trust(cx, &[]).await?;
        let left = take_away(cx, &found.principal_id, &assignments(cx, &found.principal_id).await?).await?;
        tags::merge(cx, cx.full_name(Scope::Identity)?, &[(Marks::FINGERPRINT, Marks::REVOKED.to_owned())]).await?;
        none_left(left)
    }
}

/// How roles, assignments and trust differ from the rendered ones, and who else may use the identity: all of it.
async fn drift(cx: Context<'_>, principal: &Principal, id: &str) -> Result<Option<String>> {
    let mut how = Vec::new();
    let roles = own_roles(cx, principal).await?;
    for due in &principal.role_definitions {
        let name = &due.properties.role_name;
        match roles.iter().find(|role| same(&role.name, &due.name)) {
            None => how.push(format!("its role `{name}` does not exist")),
            Some(role) => {
                how.extend(redefined(role, due).map(|what| format!("its role `{name}` permits something else: {what}")))
            }
        }
    }
    let assigned = assignments(cx, id).await?;
    for due in &principal.role_assignments {
        if !assigned.iter().any(|found| is_assigned(found, due)) {
            how.push(format!("a role is not assigned to it at `{}`", due.scope));
        }
    }
    for spare in assigned.iter().filter(|found| is_spare(cx, principal, found)) {
        how.push(describe(cx, spare, id).await?);
    }
    let trusted = federations(cx).await?;
    for spare in
        trusted.iter().filter(|found| !principal.federated_credentials.iter().any(|due| is_federated(found, due)))
    {
        let FederationSays { issuer, subject, .. } = &spare.properties;
        let whom = format!("issuer `{issuer}`, subject `{subject}`");
        how.push(format!("it trusts the credential `{}` ({whom}), which this deployment does not give", spare.name));
    }
    for due in
        principal.federated_credentials.iter().filter(|due| !trusted.iter().any(|found| is_federated(found, due)))
    {
        how.push(format!("it does not trust the tokens of `{}` for `{}`", due.issuer, due.subject));
    }
    for (using, role) in uses(cx, cx.full_name(Scope::Identity)?).await? {
        let whom = &using.properties.principal_id;
        how.push(format!("`{whom}` may use it by the role `{role}` on it, which this deployment does not give"));
    }
    Ok((!how.is_empty()).then(|| how.join("; ")))
}

/// Whether the deployment does not give this assignment. That code may pull its image is the customer's to give.
fn is_spare(cx: Context<'_>, principal: &Principal, found: &Assignment) -> bool {
    let pulls = matches!(cx.subject, Subject::RuntimeIdentity(_)) && is_pull(found);
    !pulls && !principal.role_assignments.iter().any(|due| is_assigned(found, due))
}

/// Takes assignments away from the identity. Returns what is left because these credentials may not, or because a group
/// has it: what it is, and what to do.
async fn take_away(cx: Context<'_>, id: &str, spare: &[Assignment]) -> Result<Vec<String>> {
    let mut left = Vec::new();
    for found in spare {
        let group = &found.properties.principal_id;
        if same(group, id) {
            let Err(error) = unassign(cx, &found.id).await else { continue };
            if error.kind() != ErrorKind::Denied {
                return Err(error);
            }
            let what = describe(cx, found, id).await?;
            left.push(format!("{what}: remove `{}`, which these credentials may not", found.id));
        } else {
            left.push(format!("{}: take it out of the group `{group}`", describe(cx, found, id).await?));
        }
    }
    Ok(left)
}

/// Takes somebody else's assignment at the identity away. Returns what to do if these credentials may not.
async fn removed(cx: Context<'_>, found: &Assignment, what: &str) -> Result<Option<String>> {
    match unassign(cx, &found.id).await {
        Err(error) if error.kind() == ErrorKind::Denied => {
            Ok(Some(format!("{what}: remove `{}`, which these credentials may not", found.id)))
        }
        done => done.map(|()| None),
    }
}

/// Fails if the identity has more than the deployment gives, and it cannot be taken away here.
fn none_left(left: Vec<String>) -> Result<()> {
    if left.is_empty() { Ok(()) } else { Err(Error::new(ErrorKind::Denied, left.join("; "))) }
}

async fn written_claim(cx: Context<'_>) -> Result<String> {
    Ok(look(cx).await?.tags.unwrap_or_default().remove(Marks::CLAIM).unwrap_or_default())
}

/// The existing identities of code, with their ids in Entra.
async fn holders(cx: Context<'_>) -> Result<Vec<(&Grants, String)>> {
    let mut holders = Vec::new();
    for (position, grants) in cx.deployment().permissions().runtime.iter().enumerate() {
        let identity = cx.about(Subject::RuntimeIdentity(position));
        if let Some(found) = look(identity).await.optional()? {
            holders.push((grants, found.properties.principal_id));
        }
    }
    Ok(holders)
}

/// The full names of the resources of the subject.
fn own_names<'a>(cx: Context<'a>) -> BTreeSet<&'a str> {
    cx.deployment().names().things().filter(|thing| thing.subject == cx.subject).map(|thing| thing.name).collect()
}

/// Assigns the roles of code's identities at the resources of a subject that was just created or configured. The
/// vendor's identity gets its roles last, when it is opened.
pub(crate) async fn admit(cx: Context<'_>) -> Result<()> {
    let deployment = cx.deployment();
    let own = own_names(cx);
    for (grants, principal_id) in holders(cx).await? {
        let principal = Azure::principal(&deployment.layout, grants);
        for due in principal.role_assignments.iter().filter(|due| own.contains(due.scope.as_str())) {
            assign(cx, due, &principal_id).await?;
        }
    }
    Ok(())
}

/// Removes the role assignments of every identity of the deployment from a subject that is kept when the deployment is
/// taken down.
pub(crate) async fn dismiss(cx: Context<'_>) -> Result<()> {
    let deployment = cx.deployment();
    let own = own_names(cx);
    for grants in deployment.permissions().runtime.iter().chain([&deployment.permissions().management]) {
        let principal = Azure::principal(&deployment.layout, grants);
        for due in principal.role_assignments.iter().filter(|due| own.contains(due.scope.as_str())) {
            unassign(cx, &assignment_id(due)).await?;
        }
    }
    Ok(())
}

async fn federations(cx: Context<'_>) -> Result<Vec<Federation>> {
    let id = [cx.full_name(Scope::Identity)?, "/federatedIdentityCredentials"].concat();
    cx.call(&[op::GET_FEDERATION], || async { cx.clients.list(&id, &[]).await }).await
}

fn is_federated(found: &Federation, due: &FederatedCredential) -> bool {
    let FederationSays { issuer, subject, audiences, claims_matching_expression } = &found.properties;
    let is_one = claims_matching_expression.as_ref().is_none_or(Value::is_null);
    let is_same = *issuer == due.issuer && *subject == due.subject && *audiences == due.audiences;
    found.name == due.name && is_one && is_same
}

/// Makes the identity trust exactly these tokens. The writes are sequential.
async fn trust(cx: Context<'_>, due: &[FederatedCredential]) -> Result<()> {
    let _turn = cx.clients.federation.lock().await;
    let found = federations(cx).await?;
    let id =
        |name: &str| Ok::<_, Error>([cx.full_name(Scope::Identity)?, "/federatedIdentityCredentials/", name].concat());
    for other in found.iter().filter(|found| !due.iter().any(|due| is_federated(found, due))) {
        let id = id(&other.name)?;
        cx.call(&[op::DELETE_FEDERATION], || async { cx.clients.delete(&id, &[]).await }).await.optional()?;
    }
    for due in due.iter().filter(|due| !found.iter().any(|found| is_federated(found, due))) {
        let id = id(&due.name)?;
        let FederatedCredential { issuer, subject, audiences, .. } = due;
        let body = json!({ "properties": { "issuer": issuer, "subject": subject, "audiences": audiences } });
        cx.call(&[op::PUT_FEDERATION], || async { cx.clients.put(&id, &body).await }).await?;
    }
    Ok(())
}
