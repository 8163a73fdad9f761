//! Creates roles and their policies, records the claim of a run, and revokes the vendor's access.
//!
//! IAM is eventually consistent, so calls wait until what was just created is visible
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_general.html>).

use alien_core::adapter::{
    AccessControl, Claim, Marks, Observed, Reconcile, ReconcileIdentity, Removal, ResultExt, State, Subject,
};
use alien_core::{Data, Error, ErrorKind, Result};
use async_trait::async_trait;
use aws_sdk_iam::types::Tag;

use super::policies::{
    attached, delete_inline, delete_managed, detach, detach_foreign, found, inline, is_of_role, put_inline,
    put_managed, tags, text,
};
use super::{MAX_SESSION, drift, managed_policy_name, policies};
use crate::Aws;
use crate::client::{Clients, Context, failure};
use crate::naming::Arns;
use crate::operations as op;
use crate::operations::Scope;
use crate::policy::{Effect, Policy, PolicyKind, Principal, Statement, Texts};
use crate::target::PolicyArn;

/// The inline policy that denies everything to sessions that began before the access was revoked.
const REVOKED: &str = "alien-revoked";

/// A trust policy that nobody satisfies.
fn closed(cx: Context<'_>) -> Policy {
    let everyone = Arns(cx.target()).iam(&["root"]);
    Policy::new(vec![Statement {
        sid: "Nobody".to_owned(),
        effect: Effect::Deny,
        principal: [("AWS".into(), Texts::one(everyone))].into(),
        actions: vec!["sts:AssumeRole".into()],
        ..Statement::default()
    }])
}

/// Renders the role and its policies.
fn principal(cx: Context<'_>) -> Result<Principal> {
    Ok(Aws::principal(&cx.deployment().layout, cx.deployment().grants(cx.subject)?))
}

async fn role(cx: Context<'_>) -> Result<aws_sdk_iam::types::Role> {
    let name = cx.name(Scope::Role)?;
    let found = cx
        .call(&[op::GET_ROLE], || async { cx.clients.iam().get_role().role_name(name).send().await.map_err(failure) })
        .await?;
    found.role.ok_or_else(|| Error::missing_field("role"))
}

/// The roles of a deployment.
#[derive(Debug)]
pub(crate) struct Roles {
    /// The permissions boundary that every role gets, if any.
    pub(crate) boundary: Option<PolicyArn>,
}

#[async_trait]
impl Reconcile<Aws, Clients> for Roles {
    /// A finished role is compared with the rendered one. An unfinished one, such as one whose access was revoked, will
    /// be written whatever it says.
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        let Some(role) = role(cx).await.optional()? else { return Ok(Observed::Absent) };
        let tags = role.tags().iter().map(|tag| (tag.key(), tag.value()));
        let observed = Observed::marked(role.arn(), cx.deployment().owner(), tags);
        if !matches!(observed, Observed::Own { state: State::Finished(_), .. }) {
            return Ok(observed);
        }
        let boundary = wrong_boundary(&role, self.boundary.as_ref());
        let found = match found(cx, &role).await? {
            Ok(found) => found,
            Err(whose) => return Ok(Observed::Foreign(whose)),
        };
        let differences = drift::differences(&found, &principal(cx)?, |policy| policies::arn(cx, policy));
        Ok(observed.drifted(boundary.into_iter().chain(differences)))
    }

    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let name = cx.name(Scope::Role)?;
        // The vendor is trusted only after everything else is configured.
        let trust = match cx.subject {
            Subject::ManagementIdentity => closed(cx),
            _ => principal(cx)?.role.trust_policy,
        };
        let (trust, tags) = (text(&trust)?, tags(marks.ownership(name))?);
        cx.call(&[op::CREATE_ROLE, op::TAG_ROLE], || async {
            let made = cx.clients.iam().create_role().role_name(name).assume_role_policy_document(&trust);
            let made = made.max_session_duration(i32::try_from(MAX_SESSION).unwrap_or(i32::MAX));
            let made = made.set_permissions_boundary(self.boundary.as_ref().map(PolicyArn::to_string));
            made.set_tags(Some(tags.clone())).send().await.map_err(failure)
        })
        .await?;
        cx.call(&[op::GET_ROLE], || async {
            cx.clients.iam().get_role().role_name(name).send().await.map_err(failure).propagating()
        })
        .await
        .map(|_| ())
    }

    /// Takes away what the role has beyond the rendered one, and writes the rendered policies and trust.
    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let name = cx.name(Scope::Role)?;
        let found = role(cx).await?;
        if let Some(wrong) = wrong_boundary(&found, self.boundary.as_ref()) {
            // No rendered document allows changing a boundary: a permission to change it would be a permission to
            // remove it.
            let what = format!("{wrong}; set it on the role `{name}` yourself, or delete the role and set up again");
            return Err(Error::new(ErrorKind::Rejected, what));
        }
        let Principal { role, policies, .. } = principal(cx)?;
        if drift::admits_more(found.assume_role_policy_document(), &role.trust_policy) {
            // Who is not to be let in is shut out before anything else. A role that is not finished opens last.
            let is_finished =
                found.tags().iter().any(|tag| tag.key() == Marks::FINGERPRINT && tag.value() != Marks::REVOKED);
            write_trust(cx, name, &if is_finished { role.trust_policy.clone() } else { closed(cx) }).await?;
        }
        limit_sessions(cx, name, &found).await?;
        let wanted = |policy: &str| policies.iter().any(|wanted| wanted.name == policy);
        let (inline, attached) = (inline(cx, name).await?, attached(cx, name).await?);
        // What is foreign goes first, because it counts against the limits of a role too.
        for policy in inline.iter().filter(|policy| !wanted(policy) && *policy != REVOKED) {
            delete_inline(cx, name, policy).await?;
        }
        let detached = detach_foreign(cx, name, &attached).await;
        for policy in &policies {
            match policy.kind {
                PolicyKind::Inline => put_inline(cx, name, &policy.name, &policy.document).await?,
                PolicyKind::Managed => put_managed(cx, name, policy, marks).await?,
            }
        }
        let is_wanted = |arn: &str| policies.iter().any(|wanted| policies::arn(cx, &wanted.name) == arn);
        for arn in attached.iter().filter(|arn| is_of_role(cx, name, arn) && !is_wanted(arn)) {
            detach(cx, name, arn).await?;
            delete_managed(cx, arn).await?;
        }
        // The role opens to nobody while it may do more than is rendered.
        detached?;
        if inline.iter().any(|policy| policy == REVOKED) {
            delete_inline(cx, name, REVOKED).await?;
        }
        write_trust(cx, name, &role.trust_policy).await?;
        let tags = tags(marks.all(name))?;
        write_tags(cx, name, tags).await
    }

    async fn delete(&self, cx: Context<'_>, _: Data) -> Result<Removal> {
        let name = cx.name(Scope::Role)?;
        for arn in attached(cx, name).await? {
            detach(cx, name, &arn).await?;
        }
        // Only policies with the role's own names are ours, whatever else is attached. The names also find policies
        // that an interrupted run has detached.
        for number in 0..10 {
            delete_managed(cx, &policies::arn(cx, &managed_policy_name(name, number))).await?;
        }
        for policy in inline(cx, name).await? {
            delete_inline(cx, name, &policy).await?;
        }
        cx.call(&[op::DELETE_ROLE], || async {
            cx.clients.iam().delete_role().role_name(name).send().await.map_err(failure)
        })
        .await
        .optional()?;
        Ok(Removal::Gone)
    }
}

#[async_trait]
impl ReconcileIdentity<Aws, Clients> for Roles {
    /// Reads the claim from a tag of the management role: the run, and when the claim expires.
    async fn claim(&self, cx: Context<'_>) -> Result<Option<Claim>> {
        let role = role(cx).await?;
        let claim = role.tags().iter().find(|found| found.key() == Marks::CLAIM);
        Ok(claim.and_then(|claim| claim.value().parse().ok()))
    }

    async fn write_claim(&self, cx: Context<'_>, claim: Option<&Claim>) -> Result<()> {
        let name = cx.name(Scope::Role)?;
        match claim {
            Some(claim) => write_tags(cx, name, tags([(Marks::CLAIM, claim.to_string())])?).await,
            None => untag(cx, name, Marks::CLAIM).await,
        }
    }

    /// First denies everything to open sessions
    /// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html>), then closes the trust
    /// policy. In the place of the fingerprint stands that it was revoked, so the next set-up configures the role again.
    async fn revoke(&self, cx: Context<'_>) -> Result<()> {
        let name = cx.name(Scope::Role)?;
        let deny = Policy::new(vec![Statement {
            sid: "Revoked".to_owned(),
            effect: Effect::Deny,
            actions: vec!["*".into()],
            resources: vec!["*".into()],
            ..Statement::default()
        }]);
        put_inline(cx, name, REVOKED, &deny).await?;
        write_trust(cx, name, &closed(cx)).await?;
        write_tags(cx, name, tags([(Marks::FINGERPRINT, Marks::REVOKED.to_owned())])?).await
    }
}

/// How a role's permissions boundary differs from the wanted one; `None` if it does not, or if none is wanted.
fn wrong_boundary(role: &aws_sdk_iam::types::Role, wanted: Option<&PolicyArn>) -> Option<String> {
    let found = role.permissions_boundary().and_then(|boundary| boundary.permissions_boundary_arn());
    let wanted = wanted?.as_str();
    (found != Some(wanted)).then(|| format!("its permissions boundary is {}, not {wanted}", found.unwrap_or("none")))
}

/// Limits sessions to an hour, unless they are.
async fn limit_sessions(cx: Context<'_>, name: &str, role: &aws_sdk_iam::types::Role) -> Result<()> {
    let longest = i32::try_from(MAX_SESSION).unwrap_or(i32::MAX);
    if role.max_session_duration().is_none_or(|found| found == longest) {
        return Ok(());
    }
    cx.call(&[op::UPDATE_ROLE], || async {
        cx.clients.iam().update_role().role_name(name).max_session_duration(longest).send().await.map_err(failure)
    })
    .await
    .map(drop)
}

async fn write_trust(cx: Context<'_>, role: &str, trust: &Policy) -> Result<()> {
    let trust = text(trust)?;
    cx.call(&[op::UPDATE_TRUST], || async {
        let written = cx.clients.iam().update_assume_role_policy().role_name(role).policy_document(&trust);
        written.send().await.map_err(failure).propagating()
    })
    .await
    .map(|_| ())
}

async fn write_tags(cx: Context<'_>, role: &str, tags: Vec<Tag>) -> Result<()> {
    cx.call(&[op::TAG_ROLE], || async {
        cx.clients.iam().tag_role().role_name(role).set_tags(Some(tags.clone())).send().await.map_err(failure)
    })
    .await
    .map(|_| ())
}

async fn untag(cx: Context<'_>, role: &str, key: &str) -> Result<()> {
    cx.call(&[op::UNTAG_ROLE], || async {
        cx.clients.iam().untag_role().role_name(role).tag_keys(key).send().await.map_err(failure)
    })
    .await
    .map(|_| ())
}
