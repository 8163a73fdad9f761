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
use serde_json::json;

use super::roles::{
    assign, assignment_id, define, is_assigned, is_defined, own_assignments, own_roles, unassign, undefine,
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
struct FederationSays {
    issuer: String,
    subject: String,
    audiences: Vec<String>,
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
            if !roles.iter().any(|role| is_defined(role, due)) {
                define(cx, due).await?;
            }
        }
        let assigned = own_assignments(cx, &principal, &found.principal_id, &roles).await?;
        // Removals come first: Azure treats assignments of the same role at the same scope as one, whatever their
        // names.
        for spare in
            assigned.iter().filter(|found| !principal.role_assignments.iter().any(|due| is_assigned(found, due)))
        {
            unassign(cx, &spare.id).await?;
        }
        for due in &principal.role_assignments {
            if !assigned.iter().any(|found| is_assigned(found, due)) {
                // The roles at what does not exist yet are assigned when it is created.
                assign(cx, due, &found.principal_id).await.optional()?;
            }
        }
        for spare in
            roles.iter().filter(|role| !principal.role_definitions.iter().any(|due| same(&due.name, &role.name)))
        {
            undefine(cx, &spare.name).await?;
        }
        trust(cx, &principal.federated_credentials).await?;
        tags::finish(cx, cx.full_name(Scope::Identity)?, marks).await
    }

    async fn delete(&self, cx: Context<'_>, _: Data) -> Result<Removal> {
        let principal = principal(cx)?;
        let found = look(cx).await?.properties;
        let roles = own_roles(cx, &principal).await?;
        for assigned in own_assignments(cx, &principal, &found.principal_id, &roles).await? {
            unassign(cx, &assigned.id).await?;
        }
        for role in roles {
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
        let before = match claim {
            Some(_) => written_claim(cx).await?,
            None => String::new(),
        };
        tags::merge(cx, cx.full_name(Scope::Identity)?, &[(Marks::CLAIM, text.clone())]).await?;
        if claim.is_none() || before == text {
            return Ok(());
        }
        // A read may still return the old value. If it shows another claim, the run decides what to do.
        let before = &before;
        cx.until(SETTLES, || async move {
            let still = written_claim(cx).await? == *before;
            Ok(if still {
                ControlFlow::Continue("the claim is not readable yet".to_owned())
            } else {
                ControlFlow::Break(())
            })
        })
        .await
    }

    /// Removes every federated credential and every assignment of the identity, so that tokens issued before are of no
    /// use. The fingerprint is removed, so the next set-up configures the identity again.
    async fn revoke(&self, cx: Context<'_>) -> Result<()> {
        let principal = principal(cx)?;
        let found = look(cx).await?.properties;
        trust(cx, &[]).await?;
        let roles = own_roles(cx, &principal).await?;
        for assigned in own_assignments(cx, &principal, &found.principal_id, &roles).await? {
            unassign(cx, &assigned.id).await?;
        }
        tags::merge(cx, cx.full_name(Scope::Identity)?, &[(Marks::FINGERPRINT, String::new())]).await
    }
}

/// How roles, assignments and trust differ from the rendered ones. Roles that others assigned to the identity are
/// ignored.
async fn drift(cx: Context<'_>, principal: &Principal, id: &str) -> Result<Option<String>> {
    let roles = own_roles(cx, principal).await?;
    for due in &principal.role_definitions {
        if !roles.iter().any(|role| is_defined(role, due)) {
            return Ok(Some(format!("its role `{}` permits something else", due.properties.role_name)));
        }
    }
    let assigned = own_assignments(cx, principal, id, &roles).await?;
    for due in &principal.role_assignments {
        if !assigned.iter().any(|found| is_assigned(found, due)) {
            return Ok(Some(format!("a role is not assigned to it at `{}`", due.scope)));
        }
    }
    if let Some(spare) =
        assigned.iter().find(|found| !principal.role_assignments.iter().any(|due| is_assigned(found, due)))
    {
        return Ok(Some(format!("it has another role assignment at `{}`", spare.properties.scope)));
    }
    let trusted = federations(cx).await?;
    let as_due = trusted.len() == principal.federated_credentials.len()
        && principal.federated_credentials.iter().all(|due| trusted.iter().any(|found| is_federated(found, due)));
    Ok((!as_due).then(|| "it trusts other tokens".to_owned()))
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
    let FederationSays { issuer, subject, audiences } = &found.properties;
    found.name == due.name && *issuer == due.issuer && *subject == due.subject && *audiences == due.audiences
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
