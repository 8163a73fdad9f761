//! The custom roles of the project: defined, looked at, and taken back if somebody deleted them.

use alien_core::adapter::{ResultExt, Subject};
use alien_core::{ErrorKind, Result};
use google_cloud_iam_admin_v1::model::role::RoleLaunchStage;
use google_cloud_iam_admin_v1::model::{CreateRoleRequest, Role, UndeleteRoleRequest, UpdateRoleRequest};
use google_cloud_wkt::FieldMask;

use crate::client::{Context, failed};
use crate::naming::Paths;
use crate::operations as op;
use crate::policy::CustomRole;

/// Makes sure that a custom role has the right permissions. All deployments in a project share it: the first one
/// creates it, and none deletes it. A deleted role is undeleted, because its id stays blocked for weeks
/// (<https://docs.cloud.google.com/iam/docs/creating-custom-roles#deleting-custom-role>).
pub(crate) async fn define(cx: Context<'_>, wanted: &CustomRole) -> Result<()> {
    let cx = cx.about(Subject::Deployment);
    let mut defined = cx.clients.defined.lock().await;
    if defined.contains(&*wanted.role_id) {
        return Ok(());
    }
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
        rewrite(cx, wanted).await?;
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
    let found = cx.call(&[op::GET_ROLE], || async {
        cx.clients.iam().await?.get_role().set_name(&name).send().await.map_err(failed::iam(cx.clients))
    });
    found.await.optional()
}

async fn make(cx: Context<'_>, role: &CustomRole) -> Result<Role> {
    let project = Paths(cx.target()).parent();
    let request = CreateRoleRequest::new().set_parent(&project).set_role_id(&*role.role_id).set_role(definition(role));
    cx.call(&[op::CREATE_ROLE], || async {
        cx.clients
            .iam()
            .await?
            .create_role()
            .with_request(request.clone())
            .send()
            .await
            .map_err(failed::iam(cx.clients))
    })
    .await
}

async fn undelete(cx: Context<'_>, role: &CustomRole) -> Result<Role> {
    let request = UndeleteRoleRequest::new().set_name(role_name(cx, role));
    let undeleted = cx.call(&[op::UNDELETE_ROLE], || async {
        cx.clients
            .iam()
            .await?
            .undelete_role()
            .with_request(request.clone())
            .send()
            .await
            .map_err(failed::iam(cx.clients))
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

/// Writes the definition over the one that stands there. The role's etag makes the second of two concurrent writers start
/// again, so each attempt reads it anew (<https://docs.cloud.google.com/iam/docs/retry-strategy>).
async fn rewrite(cx: Context<'_>, role: &CustomRole) -> Result<()> {
    let name = &role_name(cx, role);
    cx.call(&[op::PATCH_ROLE, op::GET_ROLE], || async move {
        let found = cx.clients.iam().await?.get_role().set_name(name).send().await.map_err(failed::iam(cx.clients))?;
        if !found.deleted && is_defined(&found, role) {
            return Ok(());
        }
        let mask = FieldMask::default().set_paths(["title", "description", "included_permissions", "stage"]);
        let request = UpdateRoleRequest::new()
            .set_name(name)
            .set_role(definition(role).set_etag(found.etag))
            .set_update_mask(mask);
        cx.clients
            .iam()
            .await?
            .update_role()
            .with_request(request)
            .send()
            .await
            .map(drop)
            .map_err(failed::iam(cx.clients))
    })
    .await
}

/// Whether the project has the role as this library defines it. A role that is not is defined anew by the next
/// [`define`].
pub(crate) async fn is_right(cx: Context<'_>, wanted: &CustomRole) -> Result<bool> {
    let found = look(cx.about(Subject::Deployment), wanted).await?;
    let right = found.is_some_and(|found| !found.deleted && is_defined(&found, wanted));
    if !right {
        cx.clients.defined.lock().await.remove(&*wanted.role_id);
    }
    Ok(right)
}
