//! Creates roles and their policies, records the claim of a run, and revokes the vendor's access.
//!
//! IAM is eventually consistent, so calls wait until what was just created is visible
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_general.html>).

use alien_core::adapter::{
    AccessControl, Claim, Marks, Observed, Reconcile, ReconcileIdentity, Removal, ResultExt, Subject, last,
};
use alien_core::{Data, Error, ErrorKind, Result};
use async_trait::async_trait;
use aws_sdk_iam::types::{PolicyVersion, Tag};

use crate::Aws;
use crate::client::{Clients, Context, failure};
use crate::identity::{MAX_SESSION, managed_policy_name};
use crate::naming::Arns;
use crate::operations as op;
use crate::operations::Scope;
use crate::policy::{Effect, Policy, PolicyKind, Principal, RolePolicy, Statement, Texts};
use crate::target::PolicyArn;

/// The inline policy that denies everything to sessions that began before the access was revoked.
const REVOKED: &str = "alien-revoked";

/// A policy document as JSON.
fn text(policy: &Policy) -> Result<String> {
    serde_json::to_string(policy).map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))
}

fn tags(pairs: impl IntoIterator<Item = (&'static str, String)>) -> Result<Vec<Tag>> {
    let tag = |(key, value): (&str, String)| Tag::builder().key(key).value(value).build();
    let defect = |error: aws_sdk_iam::error::BuildError| Error::new(ErrorKind::Internal, error.to_string());
    pairs.into_iter().map(tag).collect::<Result<_, _>>().map_err(defect)
}

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
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        let Some(role) = role(cx).await.optional()? else { return Ok(Observed::Absent) };
        let tags = role.tags().iter().map(|tag| (tag.key(), tag.value()));
        let other = wrong_boundary(&role, self.boundary.as_ref());
        Ok(Observed::marked(role.arn(), cx.deployment().id, tags).drifted(other))
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

    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let name = cx.name(Scope::Role)?;
        if let Some(wrong) = wrong_boundary(&role(cx).await?, self.boundary.as_ref()) {
            // No rendered document allows changing a boundary: a permission to change it would be a permission to
            // remove it.
            let what = format!("{wrong}; set it on the role `{name}` yourself, or delete the role and set up again");
            return Err(Error::new(ErrorKind::Rejected, what));
        }
        let Principal { role, policies, .. } = principal(cx)?;
        for policy in &policies {
            match policy.kind {
                PolicyKind::Inline => put_inline(cx, name, &policy.name, &policy.document).await?,
                PolicyKind::Managed => put_managed(cx, name, policy, marks).await?,
            }
        }
        let wanted = |policy: &str| policies.iter().any(|wanted| wanted.name == policy);
        for policy in inline(cx, name).await?.iter().filter(|policy| !wanted(policy)) {
            delete_inline(cx, name, policy).await?;
        }
        for arn in attached(cx, name).await? {
            let policy = last(&arn);
            let own = (0..10).any(|number| policy == managed_policy_name(name, number));
            if own && !wanted(policy) {
                detach(cx, name, &arn).await?;
                delete_managed(cx, &arn).await?;
            }
        }
        write_trust(cx, name, &role.trust_policy).await?;
        let tags = tags(marks.finished())?;
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
            let policy = managed_policy_name(name, number);
            delete_managed(cx, &Arns(cx.target()).iam(&["policy/", &policy])).await?;
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
    /// policy. The fingerprint is removed, so the next set-up configures the role again.
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
        untag(cx, name, Marks::FINGERPRINT).await
    }
}

/// How a role's permissions boundary differs from the wanted one; `None` if it does not, or if none is wanted.
fn wrong_boundary(role: &aws_sdk_iam::types::Role, wanted: Option<&PolicyArn>) -> Option<String> {
    let found = role.permissions_boundary().and_then(|boundary| boundary.permissions_boundary_arn());
    let wanted = wanted?.as_str();
    (found != Some(wanted)).then(|| format!("its permissions boundary is {}, not {wanted}", found.unwrap_or("none")))
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

async fn put_inline(cx: Context<'_>, role: &str, name: &str, document: &Policy) -> Result<()> {
    let document = text(document)?;
    cx.call(&[op::PUT_ROLE_POLICY], || async {
        let put = cx.clients.iam().put_role_policy().role_name(role).policy_name(name).policy_document(&document);
        put.send().await.map_err(failure).propagating()
    })
    .await
    .map(|_| ())
}

async fn inline(cx: Context<'_>, role: &str) -> Result<Vec<String>> {
    let listed = cx
        .call(&[op::LIST_ROLE_POLICIES], || async {
            cx.clients.iam().list_role_policies().role_name(role).send().await.map_err(failure)
        })
        .await;
    Ok(listed.optional()?.map(|listed| listed.policy_names).unwrap_or_default())
}

async fn delete_inline(cx: Context<'_>, role: &str, name: &str) -> Result<()> {
    cx.call(&[op::DELETE_ROLE_POLICY], || async {
        cx.clients.iam().delete_role_policy().role_name(role).policy_name(name).send().await.map_err(failure)
    })
    .await
    .optional()
    .map(|_| ())
}

/// The ARNs of the attached managed policies: ten at most, so there is one page.
async fn attached(cx: Context<'_>, role: &str) -> Result<Vec<String>> {
    let listed = cx
        .call(&[op::LIST_ATTACHED_ROLE_POLICIES], || async {
            cx.clients.iam().list_attached_role_policies().role_name(role).send().await.map_err(failure)
        })
        .await;
    let policies = listed.optional()?.and_then(|listed| listed.attached_policies).unwrap_or_default();
    Ok(policies.into_iter().filter_map(|policy| policy.policy_arn).collect())
}

/// Writes a managed policy. It has five versions at most, so the oldest ones are deleted to make room
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-versioning.html>).
async fn put_managed(cx: Context<'_>, role: &str, policy: &RolePolicy, marks: &Marks) -> Result<()> {
    let arn = Arns(cx.target()).iam(&["policy/", &policy.name]);
    let document = text(&policy.document)?;
    let tags = tags(marks.ownership(role))?;
    let made = cx
        .call(&[op::CREATE_POLICY, op::TAG_POLICY], || async {
            let made = cx.clients.iam().create_policy().policy_name(&policy.name).policy_document(&document);
            made.set_tags(Some(tags.clone())).send().await.map_err(failure)
        })
        .await;
    match made {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            is_own(cx, &arn).await?;
            for version in old_versions(cx, &arn).await? {
                delete_version(cx, &arn, &version).await?;
            }
            cx.call(&[op::CREATE_POLICY_VERSION], || async {
                let made = cx.clients.iam().create_policy_version().policy_arn(&arn).policy_document(&document);
                made.set_as_default(true).send().await.map_err(failure)
            })
            .await?;
        }
        made => {
            made?;
        }
    }
    cx.call(&[op::ATTACH_ROLE_POLICY], || async {
        let attached = cx.clients.iam().attach_role_policy().role_name(role).policy_arn(&arn).send().await;
        attached.map_err(failure).propagating()
    })
    .await
    .map(|_| ())
}

/// Fails if the policy belongs to somebody else.
async fn is_own(cx: Context<'_>, arn: &str) -> Result<()> {
    let found = cx
        .call(&[op::GET_POLICY], || async { cx.clients.iam().get_policy().policy_arn(arn).send().await.map_err(failure) })
        .await?;
    let policy = found.policy.ok_or_else(|| Error::missing_field("policy"))?;
    let tags = policy.tags().iter().map(|tag| (tag.key(), tag.value()));
    match Observed::marked(arn, cx.deployment().id, tags) {
        Observed::Foreign(whose) => {
            Err(Error::new(ErrorKind::NotOwned, format!("a policy `{arn}` already exists, and {whose}")))
        }
        _ => Ok(()),
    }
}

async fn detach(cx: Context<'_>, role: &str, arn: &str) -> Result<()> {
    cx.call(&[op::DETACH_ROLE_POLICY], || async {
        cx.clients.iam().detach_role_policy().role_name(role).policy_arn(arn).send().await.map_err(failure)
    })
    .await
    .optional()
    .map(|_| ())
}

async fn delete_managed(cx: Context<'_>, arn: &str) -> Result<()> {
    let Some(versions) = old_versions(cx, arn).await.optional()? else { return Ok(()) };
    for version in versions {
        delete_version(cx, arn, &version).await?;
    }
    cx.call(&[op::DELETE_POLICY], || async {
        cx.clients.iam().delete_policy().policy_arn(arn).send().await.map_err(failure)
    })
    .await
    .optional()
    .map(|_| ())
}

/// The versions that are not the default one.
async fn old_versions(cx: Context<'_>, arn: &str) -> Result<Vec<String>> {
    let listed = cx
        .call(&[op::LIST_POLICY_VERSIONS], || async {
            cx.clients.iam().list_policy_versions().policy_arn(arn).send().await.map_err(failure)
        })
        .await?;
    let old = |version: &PolicyVersion| !version.is_default_version();
    Ok(listed.versions().iter().filter(|version| old(version)).filter_map(|v| v.version_id.clone()).collect())
}

async fn delete_version(cx: Context<'_>, arn: &str, version: &str) -> Result<()> {
    cx.call(&[op::DELETE_POLICY_VERSION], || async {
        cx.clients.iam().delete_policy_version().policy_arn(arn).version_id(version).send().await.map_err(failure)
    })
    .await
    .optional()
    .map(|_| ())
}
