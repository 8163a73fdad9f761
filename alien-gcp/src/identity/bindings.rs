//! What the accounts of a deployment may do, and who may use them: read from the policies of everything that the deployment
//! has, compared with what is rendered, and written.

use alien_core::Result;
use alien_core::adapter::{AccessControl, last};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use google_cloud_iam_v1::model::Policy;

use super::roles::define;
use crate::Gcp;
use crate::client::Context;
use crate::client::policy::{self, Bound, Guarded, guarded};
use crate::naming::relative;
use crate::operations::Scope;
use crate::policy::{Binding, CustomRole, Impersonator, Principal};

/// How many policies are read or written concurrently.
const WIDTH: usize = 8;

/// Renders the service account of the subject, its roles and its bindings.
pub(crate) fn principal(cx: Context<'_>) -> Result<Principal> {
    Ok(Gcp::principal(&cx.deployment().layout, cx.deployment().grants(cx.subject)?))
}

/// Renders every service account of the deployment.
fn principals(cx: Context<'_>) -> Vec<Principal> {
    let deployment = cx.deployment();
    let all = deployment.permissions().runtime.iter().chain([&deployment.permissions().management]);
    all.map(|grants| Gcp::principal(&deployment.layout, grants)).collect()
}

/// A service account as policies name it.
pub(crate) fn member(principal: &Principal) -> String {
    format!("serviceAccount:{}", principal.service_account.email)
}

fn bound(binding: &Binding) -> Bound<'_> {
    (&binding.role, binding.condition.as_ref())
}

/// What binds an account on a resource, as rendered.
fn due_on<'p>(principal: &'p Principal, on: &str) -> Vec<Bound<'p>> {
    principal.bindings.iter().filter(|due| due.resource == on).map(bound).collect()
}

/// Lists how that which gives the account rights, and those who may use it, differ from what is rendered. It looks at the
/// policy of everything of the deployment that exists. What a group, a folder or the organisation gives is not seen there.
pub(crate) async fn differences(cx: Context<'_>, principal: &Principal) -> Result<Vec<String>> {
    let own = cx.full_name(Scope::ServiceAccount)?;
    let looks = guarded(cx.deployment()).into_values().map(|on| async move {
        let policy = policy::seen(cx, on).await?;
        Ok::<_, alien_core::Error>((on, policy))
    });
    let looks: Vec<_> = looks.collect();
    let seen: Vec<_> = stream::iter(looks).buffered(WIDTH).try_collect().await?;
    let member = member(principal);
    let mut found = Vec::new();
    for (on, policy) in seen {
        let Some(policy) = policy else { continue };
        let place = match on.scope {
            Scope::Project => "the project".to_owned(),
            _ => format!("`{}`", relative(on.name)),
        };
        let due = due_on(principal, on.name);
        let more = policy::beyond(&policy, &member, &due);
        found.extend(more.into_iter().map(|role| format!("it has `{role}` on {place}")));
        let less = policy::lacking(&policy, &member, &due);
        found.extend(less.into_iter().map(|role| format!("it lacks `{role}` on {place}")));
        if on.name == own {
            let users = users(&principals(cx), own, &principal.impersonators);
            let more = policy::strangers(&policy, &users);
            found.extend(more.into_iter().map(|(role, member)| format!("`{member}` may use it by `{role}`")));
            for due in &principal.impersonators {
                if !policy::lacking(&policy, &due.member, &[(&due.role, None)]).is_empty() {
                    found.push(format!("`{}` may not impersonate it by `{}`", due.member, due.role));
                }
            }
        }
    }
    Ok(found)
}

/// Those who may use an account, each by a role: its impersonators, and the deployment's accounts that set code to run as
/// it.
fn users(principals: &[Principal], account: &str, impersonators: &[Impersonator]) -> Vec<(String, String)> {
    let own = principals.iter().flat_map(|principal| {
        due_on(principal, account).into_iter().map(|(role, _)| (role.to_owned(), member(principal)))
    });
    own.chain(impersonators.iter().map(|one| (one.role.clone(), one.member.clone()))).collect()
}

/// Lets exactly those use the account who should, and removes everyone else, by whatever role.
pub(crate) async fn admit_users(cx: Context<'_>, impersonators: &[Impersonator]) -> Result<()> {
    let name = cx.full_name(Scope::ServiceAccount)?;
    let principals = principals(cx);
    define_on(cx, name, &principals).await?;
    let users = users(&principals, name, impersonators);
    let on = Guarded { subject: cx.subject, scope: Scope::ServiceAccount, name };
    policy::change(cx, on, |policy| policy::only(policy, &users)).await
}

/// Binds a member by exactly these bindings, on everything of the deployment that exists.
pub(crate) async fn bind_everywhere(cx: Context<'_>, member: &str, wanted: &[Binding]) -> Result<()> {
    let each = guarded(cx.deployment()).into_values().map(|on| async move {
        let wanted: Vec<Bound<'_>> = wanted.iter().filter(|due| due.resource == on.name).map(bound).collect();
        policy::change_if_there(cx, on, |policy| policy::bind(policy, member, &wanted)).await
    });
    let each: Vec<_> = each.collect();
    stream::iter(each).buffered(WIDTH).try_collect().await
}

/// Defines the roles by which these accounts are bound on a resource.
async fn define_on(cx: Context<'_>, on: &str, principals: &[Principal]) -> Result<()> {
    for principal in principals {
        let roles: Vec<&str> = due_on(principal, on).into_iter().map(|(role, _)| role).collect();
        let due = |role: &&CustomRole| roles.iter().any(|bound| last(bound) == role.role_id);
        for role in principal.custom_roles.iter().filter(due) {
            define(cx, role).await?;
        }
    }
    Ok(())
}

/// Binds every account of the deployment, as rendered, on a resource that was just created or configured.
pub(crate) async fn admit(cx: Context<'_>) -> Result<()> {
    let deployment = cx.deployment();
    let own: Vec<Guarded<'_>> = guarded(deployment).into_values().filter(|on| on.subject == cx.subject).collect();
    if own.is_empty() {
        return Ok(());
    }
    let principals = principals(cx);
    for on in own {
        define_on(cx, on.name, &principals).await?;
        let edit = |policy: &mut Policy| {
            principals.iter().fold(false, |changed, principal| {
                policy::bind(policy, &member(principal), &due_on(principal, on.name)) | changed
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

/// Removes the bindings of every account of the deployment from a resource that is kept when the deployment is taken down.
pub(crate) async fn dismiss(cx: Context<'_>) -> Result<()> {
    let members: Vec<String> = principals(cx).iter().map(member).collect();
    for on in guarded(cx.deployment()).into_values().filter(|on| on.subject == cx.subject) {
        policy::change_if_there(cx, on, |policy| {
            members.iter().fold(false, |changed, member| policy::bind(policy, member, &[]) | changed)
        })
        .await?;
    }
    Ok(())
}
