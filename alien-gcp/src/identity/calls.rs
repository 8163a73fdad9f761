//! Creates service accounts and custom roles, binds them, records the claim of a run, and revokes the vendor's access.

use std::ops::ControlFlow;
use std::time::Duration;

use alien_core::adapter::{
    AccessControl, Claim, Marks, Observed, Reconcile, ReconcileIdentity, Removal, ResultExt, State, Subject, last,
};
use alien_core::{Data, Error, ErrorKind, Result};
use async_trait::async_trait;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use google_cloud_iam_admin_v1::model::role::RoleLaunchStage;
use google_cloud_iam_admin_v1::model::{
    CreateRoleRequest, CreateServiceAccountRequest, PatchServiceAccountRequest, Role, ServiceAccount,
    UndeleteRoleRequest, UpdateRoleRequest,
};
use google_cloud_iam_v1::model::Policy;
use google_cloud_wkt::FieldMask;

use crate::Gcp;
use crate::client::policy::{self, Bound, Guarded, guarded};
use crate::client::{Clients, Context, description, failure};
use crate::naming::{Paths, relative};
use crate::operations as op;
use crate::operations::Scope;
use crate::policy::{Binding, CustomRole, Principal};

/// How long a change of a service account may take to become visible to reads.
const SETTLES: Duration = Duration::from_secs(60);

/// How many policies are read concurrently.
const WIDTH: usize = 8;

/// Renders the service account, its roles and its bindings.
fn principal(cx: Context<'_>) -> Result<Principal> {
    Ok(Gcp::principal(&cx.deployment().layout, cx.deployment().grants(cx.subject)?))
}

fn member(principal: &Principal) -> String {
    format!("serviceAccount:{}", principal.service_account.email)
}

/// The account's name in calls.
fn account_name<'a>(cx: Context<'a>) -> Result<&'a str> {
    cx.full_name(Scope::ServiceAccount).map(relative)
}

async fn account(cx: Context<'_>) -> Result<ServiceAccount> {
    let name = account_name(cx)?;
    cx.call(&[op::GET_SERVICE_ACCOUNT], || async {
        cx.clients.iam.get_service_account().set_name(name).send().await.map_err(failure)
    })
    .await
}

/// The service accounts of a deployment.
pub(crate) struct Accounts;

#[async_trait]
impl Reconcile<Gcp, Clients> for Accounts {
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        let Some(found) = account(cx).await.optional()? else { return Ok(Observed::Absent) };
        let observed = Observed::marked(
            cx.full_name(Scope::ServiceAccount)?,
            cx.deployment().id,
            description::marks(&found.description),
        );
        let Observed::Own { state: State::Finished(_), .. } = observed else { return Ok(observed) };
        if found.disabled {
            return Ok(observed.drifted(Some("it is disabled".to_owned())));
        }
        for role in &principal(cx)?.custom_roles {
            let found = look(cx.about(Subject::Deployment), role).await?;
            if !found.is_some_and(|found| !found.deleted && is_defined(&found, role)) {
                cx.clients.defined.lock().await.remove(&*role.role_id);
                return Ok(observed.drifted(Some(format!("its role `{}` permits something else", role.role_id))));
            }
        }
        Ok(observed)
    }

    /// Creates the account without roles and without impersonators.
    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let account = principal(cx)?.service_account;
        let made = ServiceAccount::new()
            .set_display_name(display_name(cx))
            .set_description(description::of(&marks.ownership(&account.account_id)));
        let project = Paths(cx.target()).parent();
        let request = CreateServiceAccountRequest::new()
            .set_name(&project)
            .set_account_id(account.account_id)
            .set_service_account(made);
        cx.call(&[op::CREATE_SERVICE_ACCOUNT], || async {
            cx.clients.iam.create_service_account().with_request(request.clone()).send().await.map_err(failure)
        })
        .await?;
        // The account may not be visible at once. <https://docs.cloud.google.com/iam/docs/access-change-propagation>
        let name = account_name(cx)?;
        cx.call(&[op::GET_SERVICE_ACCOUNT], || async {
            let found = cx.clients.iam.get_service_account().set_name(name).send().await;
            found.map_err(failure).propagating()
        })
        .await
        .map(drop)
    }

    /// Defines the roles, binds the account on everything that exists already, sets who may impersonate it, and then
    /// writes the fingerprint.
    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let principal = principal(cx)?;
        if account(cx).await?.disabled {
            // Somebody disabled the account for a reason: a set-up does not enable it.
            let email = &principal.service_account.email;
            let help = format!("`gcloud iam service-accounts enable {email}`, and set up again");
            return Err(Error::new(ErrorKind::Rejected, format!("the service account is disabled; {help}")));
        }
        for role in &principal.custom_roles {
            define(cx, role).await?;
        }
        bind_everywhere(cx, &member(&principal), &principal.bindings).await?;
        admit(cx).await?;
        admit_impersonators(cx, &principal).await?;
        let words = marks
            .ownership(&principal.service_account.account_id)
            .into_iter()
            .chain(marks.finished().into_iter().skip(1));
        describe(cx, &description::of(&words.collect::<Vec<_>>())).await
    }

    async fn delete(&self, cx: Context<'_>, _: Data) -> Result<Removal> {
        bind_everywhere(cx, &member(&principal(cx)?), &[]).await?;
        let name = account_name(cx)?;
        cx.call(&[op::DELETE_SERVICE_ACCOUNT], || async {
            cx.clients.iam.delete_service_account().set_name(name).send().await.map_err(failure)
        })
        .await
        .optional()?;
        Ok(Removal::Gone)
    }
}

#[async_trait]
impl ReconcileIdentity<Gcp, Clients> for Accounts {
    /// Reads the claim from the display name of the management account. The description holds the marks; the two fields
    /// are separate so that each can be written without reading the other.
    async fn claim(&self, cx: Context<'_>) -> Result<Option<Claim>> {
        let found = account(cx).await?.display_name;
        Ok(found.strip_prefix(Marks::CLAIM).and_then(|claim| claim.trim_start_matches('=').parse().ok()))
    }

    async fn write_claim(&self, cx: Context<'_>, claim: Option<&Claim>) -> Result<()> {
        let before = match claim {
            Some(_) => account(cx).await?.display_name,
            None => String::new(),
        };
        let text = claim.map_or_else(|| display_name(cx), |claim| format!("{}={claim}", Marks::CLAIM));
        patch(cx, ServiceAccount::new().set_display_name(&text), "display_name").await?;
        if claim.is_none() || before == text {
            return Ok(());
        }
        // A read may still return the old value (<https://docs.cloud.google.com/iam/docs/access-change-propagation>).
        let before = &before;
        cx.until(SETTLES, || async move {
            let still = account(cx).await?.display_name == *before;
            Ok(if still {
                ControlFlow::Continue("the claim is not readable yet".to_owned())
            } else {
                ControlFlow::Break(())
            })
        })
        .await
    }

    /// Removes every impersonator and every binding of the account, so that tokens issued before are of no use. The
    /// fingerprint is removed, so the next set-up configures the account again.
    async fn revoke(&self, cx: Context<'_>) -> Result<()> {
        let found = account(cx).await?;
        let principal = principal(cx)?;
        admit_impersonators(cx, &Principal { impersonators: Vec::new(), ..principal.clone() }).await?;
        bind_everywhere(cx, &member(&principal), &[]).await?;
        let words: Vec<&str> =
            found.description.split(' ').filter(|word| !word.starts_with(Marks::FINGERPRINT)).collect();
        describe(cx, &words.join(" ")).await
    }
}

fn display_name(cx: Context<'_>) -> String {
    format!("alien: {}", cx.deployment().subject_name(cx.subject))
}

async fn describe(cx: Context<'_>, words: &str) -> Result<()> {
    patch(cx, ServiceAccount::new().set_description(words), "description").await
}

async fn patch(cx: Context<'_>, account: ServiceAccount, field: &str) -> Result<()> {
    let request = PatchServiceAccountRequest::new()
        .set_service_account(account.set_name(account_name(cx)?))
        .set_update_mask(FieldMask::default().set_paths([field]));
    cx.call(&[op::PATCH_SERVICE_ACCOUNT], || async {
        cx.clients.iam.patch_service_account().with_request(request.clone()).send().await.map_err(failure)
    })
    .await
    .map(drop)
}

/// Whether a role, in the form that bindings use, is one that this library defines in the project.
fn is_own(cx: Context<'_>) -> impl Fn(&str) -> bool + Sync + 'static {
    let own = Paths(cx.target()).in_project(&["roles/alien."]);
    move |role: &str| role.starts_with(&own)
}

fn bound(binding: &Binding) -> Bound<'_> {
    (&binding.role, binding.condition.as_ref())
}

/// Binds a member by exactly these bindings, on everything of the deployment that exists.
async fn bind_everywhere(cx: Context<'_>, member: &str, wanted: &[Binding]) -> Result<()> {
    let each = guarded(cx.deployment()).into_values().map(|on| async move {
        let wanted: Vec<Bound<'_>> = wanted.iter().filter(|due| due.resource == on.name).map(bound).collect();
        let own = is_own(cx);
        policy::change_if_there(cx, on, |policy| policy::bind(policy, member, &own, &wanted)).await
    });
    let each: Vec<_> = each.collect();
    stream::iter(each).buffered(WIDTH).try_collect().await
}

/// Binds every account of the deployment, as rendered, on the resources of a subject that was just created or
/// configured.
pub(crate) async fn admit(cx: Context<'_>) -> Result<()> {
    let deployment = cx.deployment();
    let own: Vec<Guarded<'_>> = guarded(deployment).into_values().filter(|on| on.subject == cx.subject).collect();
    if own.is_empty() {
        return Ok(());
    }
    let all = deployment.permissions().runtime.iter().chain([&deployment.permissions().management]);
    let principals: Vec<Principal> = all.map(|grants| Gcp::principal(&deployment.layout, grants)).collect();
    for on in own {
        let here = |binding: &&Binding| binding.resource == on.name;
        for principal in &principals {
            let roles: Vec<&str> =
                principal.bindings.iter().filter(here).map(|binding| binding.role.as_str()).collect();
            let due = |role: &&CustomRole| roles.iter().any(|bound| last(bound) == role.role_id);
            for role in principal.custom_roles.iter().filter(due) {
                define(cx, role).await?;
            }
        }
        let edit = |policy: &mut Policy| {
            principals.iter().fold(false, |changed, principal| {
                let wanted: Vec<Bound<'_>> = principal.bindings.iter().filter(here).map(bound).collect();
                policy::bind(policy, &member(principal), is_own(cx), &wanted) | changed
            })
        };
        match on.scope {
            // The repository belongs to the customer, and is not created here.
            Scope::Repository => policy::change_if_there(cx, on, edit).await?,
            _ => policy::change(cx, on, edit).await?,
        }
    }
    Ok(())
}

/// Removes the bindings of every account of the deployment from a subject that is kept when the deployment is taken
/// down.
pub(crate) async fn dismiss(cx: Context<'_>) -> Result<()> {
    let deployment = cx.deployment();
    let all = deployment.permissions().runtime.iter().chain([&deployment.permissions().management]);
    let members: Vec<String> = all.map(|grants| member(&Gcp::principal(&deployment.layout, grants))).collect();
    for on in guarded(deployment).into_values().filter(|on| on.subject == cx.subject) {
        policy::change_if_there(cx, on, |policy| {
            members.iter().fold(false, |changed, member| policy::bind(policy, member, is_own(cx), &[]) | changed)
        })
        .await?;
    }
    Ok(())
}

/// Allows exactly these members to impersonate the account, by the roles for impersonation.
async fn admit_impersonators(cx: Context<'_>, principal: &Principal) -> Result<()> {
    let roles = Paths(cx.target()).in_project(&["roles/alien.identity."]);
    let name = cx.full_name(Scope::ServiceAccount)?;
    let on = Guarded { subject: cx.subject, scope: Scope::ServiceAccount, name };
    policy::change(cx, on, |policy| {
        let due =
            |role: &str, member: &str| principal.impersonators.iter().any(|i| i.role == role && i.member == member);
        let mut changed = false;
        for binding in policy.bindings.iter_mut().filter(|binding| binding.role.starts_with(&roles)) {
            let before = binding.members.len();
            // We write no condition, so a binding with one is not ours and is removed.
            let own = binding.condition.is_none();
            let role = &binding.role;
            binding.members.retain(|member| own && due(role, member));
            changed |= binding.members.len() != before;
        }
        policy.bindings.retain(|binding| !binding.members.is_empty());
        for wanted in &principal.impersonators {
            changed |= policy::bind_one(policy, &wanted.role, &wanted.member);
        }
        changed
    })
    .await
}

/// Makes sure that a custom role has the right permissions. All deployments in a project share it: the first one
/// creates it, and none deletes it. A deleted role is undeleted, because its id stays blocked for weeks
/// (<https://docs.cloud.google.com/iam/docs/creating-custom-roles#deleting-custom-role>).
async fn define(cx: Context<'_>, wanted: &CustomRole) -> Result<()> {
    let mut defined = cx.clients.defined.lock().await;
    if defined.contains(&*wanted.role_id) {
        return Ok(());
    }
    let cx = cx.about(Subject::Deployment);
    let found = match look(cx, wanted).await? {
        Some(found) => found,
        None => match make(cx, wanted).await {
            // Another deployment created it in the meantime.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                look(cx, wanted).await?.ok_or_else(|| error.with_kind(ErrorKind::Propagating))?
            }
            made => made?,
        },
    };
    let found = if found.deleted { undelete(cx, wanted).await? } else { found };
    if !is_defined(&found, wanted) {
        rewrite(cx, wanted, found).await?;
    }
    defined.insert(wanted.role_id.clone().into_owned());
    Ok(())
}

fn is_defined(found: &Role, wanted: &CustomRole) -> bool {
    let sorted = |permissions: &mut dyn Iterator<Item = String>| {
        let mut permissions: Vec<String> = permissions.collect();
        permissions.sort_unstable();
        permissions
    };
    sorted(&mut found.included_permissions.iter().cloned())
        == sorted(&mut wanted.included_permissions.iter().map(ToString::to_string))
        && found.stage == RoleLaunchStage::Ga
}

fn role_name(cx: Context<'_>, role: &CustomRole) -> String {
    Paths(cx.target()).in_project(&["roles/", &role.role_id])
}

fn definition(role: &CustomRole) -> Role {
    Role::new()
        .set_title(&*role.title)
        .set_description(&*role.description)
        .set_included_permissions(role.included_permissions.iter().map(ToString::to_string))
        .set_stage(RoleLaunchStage::Ga)
}

async fn look(cx: Context<'_>, role: &CustomRole) -> Result<Option<Role>> {
    let name = role_name(cx, role);
    let found =
        cx.call(&[op::GET_ROLE], || async { cx.clients.iam.get_role().set_name(&name).send().await.map_err(failure) });
    found.await.optional()
}

async fn make(cx: Context<'_>, role: &CustomRole) -> Result<Role> {
    let project = Paths(cx.target()).parent();
    let request = CreateRoleRequest::new().set_parent(&project).set_role_id(&*role.role_id).set_role(definition(role));
    cx.call(&[op::CREATE_ROLE], || async {
        cx.clients.iam.create_role().with_request(request.clone()).send().await.map_err(failure)
    })
    .await
}

async fn undelete(cx: Context<'_>, role: &CustomRole) -> Result<Role> {
    let request = UndeleteRoleRequest::new().set_name(role_name(cx, role));
    let undeleted = cx.call(&[op::UNDELETE_ROLE], || async {
        cx.clients.iam.undelete_role().with_request(request.clone()).send().await.map_err(failure)
    });
    match undeleted.await {
        // Another deployment undeleted it in the meantime.
        Err(error) if error.kind() == ErrorKind::Rejected => match look(cx, role).await? {
            Some(found) if !found.deleted => Ok(found),
            _ => Err(error),
        },
        undeleted => undeleted,
    }
}

/// The etag of the role that was read makes the second of two concurrent writers start again.
async fn rewrite(cx: Context<'_>, role: &CustomRole, found: Role) -> Result<()> {
    let request = UpdateRoleRequest::new()
        .set_name(role_name(cx, role))
        .set_role(definition(role).set_etag(found.etag))
        .set_update_mask(FieldMask::default().set_paths(["title", "description", "included_permissions", "stage"]));
    cx.call(&[op::PATCH_ROLE], || async {
        cx.clients.iam.update_role().with_request(request.clone()).send().await.map_err(failure)
    })
    .await
    .map(drop)
}
