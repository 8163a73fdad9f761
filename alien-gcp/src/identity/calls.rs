//! Creates service accounts and custom roles, binds them, records the claim of a run, and revokes the vendor's access.

use alien_core::adapter::{
    Claim, Marks, Observed, Reconcile, ReconcileIdentity, Removal, ResultExt, State, Subject, last,
};
use alien_core::{Data, Error, ErrorKind, Result};
use async_trait::async_trait;
use google_cloud_iam_admin_v1::model::{CreateServiceAccountRequest, PatchServiceAccountRequest, ServiceAccount};
use google_cloud_wkt::FieldMask;

use super::bindings::{admit_users, bind_everywhere, differences, member, principal};
use super::roles::{define, is_right};
use crate::Gcp;
use crate::client::policy::{self, guarded};
use crate::client::{Clients, Context, description, failed};
use crate::naming::{Paths, relative};
use crate::operations as op;
use crate::operations::Scope;
use crate::policy::exact_names;

/// The account's name in calls.
fn account_name<'a>(cx: Context<'a>) -> Result<&'a str> {
    cx.full_name(Scope::ServiceAccount).map(relative)
}

async fn account(cx: Context<'_>) -> Result<ServiceAccount> {
    let name = account_name(cx)?;
    cx.call(&[op::GET_SERVICE_ACCOUNT], || async {
        cx.clients.iam().await?.get_service_account().set_name(name).send().await.map_err(failed::iam(cx.clients))
    })
    .await
}

/// Whether an account is one that code of this deployment runs as, and is marked as this deployment's.
pub(crate) async fn is_own_runtime(cx: Context<'_>, email: &str) -> Result<bool> {
    for holder in (0..cx.deployment().permissions().runtime.len()).map(Subject::RuntimeIdentity) {
        let cx = cx.about(holder);
        if last(cx.full_name(Scope::RuntimeAccount)?) == email {
            let Some(found) = account(cx).await.optional()? else { return Ok(false) };
            let marks = description::marks(&found.description);
            return Ok(Observed::marked("", cx.deployment().owner(), marks).is_own());
        }
    }
    Ok(false)
}

/// Whether a set-up of this deployment finished a thing that a condition names: the management account, which is marked as
/// this deployment's, is bound on it. That is written when everything else is set.
pub(crate) async fn is_managed(cx: Context<'_>, name: &str) -> Result<bool> {
    let management = cx.about(Subject::ManagementIdentity);
    let Some(found) = account(management).await.optional()? else { return Ok(false) };
    let is_own = Observed::marked("", cx.deployment().owner(), description::marks(&found.description)).is_own();
    let project = guarded(cx.deployment()).into_values().find(|on| on.scope == Scope::Project);
    let (true, Some(project)) = (is_own, project) else { return Ok(false) };
    let Some(policy) = policy::seen(cx, project).await? else { return Ok(false) };
    let member = member(&principal(management)?);
    let bound = policy.bindings.iter().filter(|binding| binding.members.contains(&member));
    let named = bound.filter_map(|binding| exact_names(&binding.condition.as_ref()?.expression));
    Ok(named.flatten().any(|named| named == name))
}

/// The service accounts of a deployment.
pub(crate) struct Accounts;

#[async_trait]
impl Reconcile<Gcp, Clients> for Accounts {
    /// Compares everything that gives the account rights, and everyone who may use it, with what is rendered: the policies
    /// of the project, of every resource and of the account itself, and the definitions of the roles.
    ///
    /// Keys of the account are not listed: `iam.serviceAccountKeys.list` can be granted on the whole project only, before
    /// the account exists.
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        let Some(found) = account(cx).await.optional()? else { return Ok(Observed::Absent) };
        let observed = Observed::marked(
            cx.full_name(Scope::ServiceAccount)?,
            cx.deployment().owner(),
            description::marks(&found.description),
        );
        let Observed::Own { state: State::Finished(_), .. } = observed else { return Ok(observed) };
        let principal = principal(cx)?;
        let mut differences = differences(cx, &principal).await?;
        if found.disabled {
            differences.push("it is disabled".to_owned());
        }
        for role in &principal.custom_roles {
            if !is_right(cx, role).await? {
                differences.push(format!("its role `{}` permits something else", role.role_id));
            }
        }
        Ok(observed.drifted(differences))
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
            cx.clients
                .iam()
                .await?
                .create_service_account()
                .with_request(request.clone())
                .send()
                .await
                .map_err(failed::iam(cx.clients))
        })
        .await?;
        // The account may not be visible at once. <https://docs.cloud.google.com/iam/docs/access-change-propagation>
        let name = account_name(cx)?;
        cx.call(&[op::GET_SERVICE_ACCOUNT], || async {
            let found = cx.clients.iam().await?.get_service_account().set_name(name).send().await;
            found.map_err(failed::iam(cx.clients)).propagating()
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
        admit_users(cx, &principal.impersonators).await?;
        describe(cx, &description::of(&marks.all(&principal.service_account.account_id))).await
    }

    async fn delete(&self, cx: Context<'_>, _: Data) -> Result<Removal> {
        bind_everywhere(cx, &member(&principal(cx)?), &[]).await?;
        let name = account_name(cx)?;
        cx.call(&[op::DELETE_SERVICE_ACCOUNT], || async {
            cx.clients
                .iam()
                .await?
                .delete_service_account()
                .set_name(name)
                .send()
                .await
                .map_err(failed::iam(cx.clients))
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
        let text = claim.map_or_else(|| display_name(cx), |claim| format!("{}={claim}", Marks::CLAIM));
        patch(cx, ServiceAccount::new().set_display_name(&text), "display_name").await
    }

    /// Removes everyone who may use the account and every binding of the account, so that tokens issued before are of no use. The
    /// account is marked as revoked instead of its fingerprint, so the next set-up configures it again.
    async fn revoke(&self, cx: Context<'_>) -> Result<()> {
        let principal = principal(cx)?;
        admit_users(cx, &[]).await?;
        bind_everywhere(cx, &member(&principal), &[]).await?;
        let name = account_name(cx)?;
        cx.call(&[op::PATCH_SERVICE_ACCOUNT, op::GET_SERVICE_ACCOUNT], || async move {
            let found = cx
                .clients
                .iam()
                .await?
                .get_service_account()
                .set_name(name)
                .send()
                .await
                .map_err(failed::iam(cx.clients))?;
            let words = found.description.split(' ').filter(|word| !word.starts_with(Marks::FINGERPRINT));
            let revoked = [Marks::FINGERPRINT, Marks::REVOKED].join("=");
            let words: Vec<&str> = words.chain([revoked.as_str()]).collect();
            let account = ServiceAccount::new().set_name(name).set_description(words.join(" "));
            let request = patched(account, "description");
            cx.clients
                .iam()
                .await?
                .patch_service_account()
                .with_request(request)
                .send()
                .await
                .map_err(failed::iam(cx.clients))
        })
        .await
        .map(drop)
    }
}

fn display_name(cx: Context<'_>) -> String {
    format!("alien: {}", cx.deployment().subject_name(cx.subject))
}

async fn describe(cx: Context<'_>, words: &str) -> Result<()> {
    patch(cx, ServiceAccount::new().set_description(words), "description").await
}

fn patched(account: ServiceAccount, field: &str) -> PatchServiceAccountRequest {
    let mask = FieldMask::default().set_paths([field]);
    PatchServiceAccountRequest::new().set_service_account(account).set_update_mask(mask)
}

async fn patch(cx: Context<'_>, account: ServiceAccount, field: &str) -> Result<()> {
    let request = patched(account.set_name(account_name(cx)?), field);
    cx.call(&[op::PATCH_SERVICE_ACCOUNT], || async {
        cx.clients
            .iam()
            .await?
            .patch_service_account()
            .with_request(request.clone())
            .send()
            .await
            .map_err(failed::iam(cx.clients))
    })
    .await
    .map(drop)
}
