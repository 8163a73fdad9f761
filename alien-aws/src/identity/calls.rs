//! The calls that make roles and their policies, carry the claim of a run, and take the vendor's access back.

use alien_core::OrAbsent;
use alien_core::Result;
use alien_core::cloud::Cloud;
use alien_core::engine::mark::{observed, ownership, seal};
use alien_core::engine::{Claim, Marks, Observed, Removal};
use alien_core::permission::Subject;
use alien_core::{Error, ErrorKind};
use aws_sdk_iam::types::{PolicyVersion, Tag};

use crate::Aws;
use crate::client::{At, failure, tag};
use crate::identity::{MAX_SESSION, managed_policy_name};
use crate::naming::Arns;
use crate::operations as op;
use crate::operations::Place;
use crate::policy::{Effect, Policy, PolicyKind, Principal, RolePolicy, Statement, Texts};
use crate::target::PolicyArn;

/// The inline policy that denies everything to sessions that began before the access was taken back.
const REVOKED: &str = "alien-revoked";

/// A document as IAM takes it.
fn text(policy: &Policy) -> Result<String> {
    serde_json::to_string(policy).map_err(|error| Error::new(ErrorKind::Defect, error.to_string()))
}

fn tags(pairs: impl IntoIterator<Item = (&'static str, String)>) -> Result<Vec<Tag>> {
    let tag = |(key, value): (&str, String)| Tag::builder().key(key).value(value).build();
    let defect = |error: aws_sdk_iam::error::BuildError| Error::new(ErrorKind::Defect, error.to_string());
    pairs.into_iter().map(tag).collect::<Result<_, _>>().map_err(defect)
}

/// A trust policy that lets nobody in.
fn closed(at: At<'_>) -> Policy {
    let everyone = Arns(&at.site().target).iam(&["root"]);
    Policy::new(vec![Statement {
        sid: "Nobody".to_owned(),
        effect: Effect::Deny,
        principal: [("AWS".into(), Texts::one(everyone))].into(),
        actions: vec!["sts:AssumeRole".into()],
        ..Statement::default()
    }])
}

/// The role and its policies, as they are rendered.
fn principal(at: At<'_>) -> Result<Principal> {
    Ok(Aws::principal(&at.site().deployed(), at.site().holding(at.subject)?))
}

async fn role(at: At<'_>) -> Result<aws_sdk_iam::types::Role> {
    let name = at.name(Place::Role)?;
    let found = at
        .call(&[op::GET_ROLE], || async { at.clients.iam.get_role().role_name(name).send().await.map_err(failure) })
        .await?;
    found.role.ok_or_else(|| Error::lacking("role"))
}

pub(crate) async fn observe(at: At<'_>, boundary: Option<&PolicyArn>) -> Result<Observed> {
    let Some(role) = role(at).await.or_absent()? else { return Ok(Observed::Absent) };
    let tags = role.tags().iter().map(|tag| (tag.key(), tag.value()));
    let other = wrong_boundary(&role, boundary);
    Ok(observed(at.site(), role.arn(), tags).drifted(other))
}

/// How a role's permissions boundary differs from the one that is wanted; nothing where none is.
fn wrong_boundary(role: &aws_sdk_iam::types::Role, wanted: Option<&PolicyArn>) -> Option<String> {
    let found = role.permissions_boundary().and_then(|boundary| boundary.permissions_boundary_arn());
    let wanted = wanted?.as_str();
    (found != Some(wanted)).then(|| format!("its permissions boundary is {}, not {wanted}", found.unwrap_or("none")))
}

/// What was just made is not known everywhere at once: it is waited for
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_general.html>).
fn made_just_now(error: Error) -> Error {
    if error.kind() == ErrorKind::Missing { error.with_kind(ErrorKind::Settling) } else { error }
}

pub(crate) async fn create(at: At<'_>, marks: &Marks, boundary: Option<&PolicyArn>) -> Result<()> {
    let name = at.name(Place::Role)?;
    // Whoever is trusted in the end is let in when everything else stands.
    let trust = match at.subject {
        Subject::ManagementIdentity => closed(at),
        _ => principal(at)?.role.trust_policy,
    };
    let (trust, tags) = (text(&trust)?, tags(ownership(marks, name))?);
    at.call(&[op::CREATE_ROLE, op::TAG_ROLE], || async {
        let made = at.clients.iam.create_role().role_name(name).assume_role_policy_document(&trust);
        let made = made.max_session_duration(i32::try_from(MAX_SESSION).unwrap_or(i32::MAX));
        let made = made.set_permissions_boundary(boundary.map(PolicyArn::to_string));
        made.set_tags(Some(tags.clone())).send().await.map_err(failure)
    })
    .await?;
    at.call(&[op::GET_ROLE], || async {
        at.clients.iam.get_role().role_name(name).send().await.map_err(failure).map_err(made_just_now)
    })
    .await
    .map(|_| ())
}

pub(crate) async fn configure(at: At<'_>, marks: &Marks, boundary: Option<&PolicyArn>) -> Result<()> {
    let name = at.name(Place::Role)?;
    if let Some(wrong) = wrong_boundary(&role(at).await?, boundary) {
        // Whoever may change a boundary may remove it: no document of ours allows it to anyone.
        let what = format!("{wrong}; set it on the role `{name}` yourself, or take the role away and set up again");
        return Err(Error::new(ErrorKind::Refused, what));
    }
    let Principal { role, policies, .. } = principal(at)?;
    for policy in &policies {
        match policy.kind {
            PolicyKind::Inline => put_inline(at, name, &policy.name, &policy.document).await?,
            PolicyKind::Managed => put_managed(at, name, policy, marks).await?,
        }
    }
    let wanted = |policy: &str| policies.iter().any(|wanted| wanted.name == policy);
    for policy in inline(at, name).await?.iter().filter(|policy| !wanted(policy)) {
        delete_inline(at, name, policy).await?;
    }
    for arn in attached(at, name).await? {
        let policy = alien_core::call::last(&arn);
        let own = (0..10).any(|number| policy == managed_policy_name(name, number));
        if own && !wanted(policy) {
            detach(at, name, &arn).await?;
            delete_managed(at, &arn).await?;
        }
    }
    write_trust(at, name, &role.trust_policy).await?;
    let tags = tags(seal(marks))?;
    write_tags(at, name, tags).await
}

pub(crate) async fn delete(at: At<'_>) -> Result<Removal> {
    let name = at.name(Place::Role)?;
    for arn in attached(at, name).await? {
        detach(at, name, &arn).await?;
    }
    // Whatever is attached, only what bears the role's own names is ours; and what was detached before a kill is found by
    // them as well.
    for number in 0..10 {
        let policy = managed_policy_name(name, number);
        delete_managed(at, &Arns(&at.site().target).iam(&["policy/", &policy])).await?;
    }
    for policy in inline(at, name).await? {
        delete_inline(at, name, &policy).await?;
    }
    at.call(&[op::DELETE_ROLE], || async {
        at.clients.iam.delete_role().role_name(name).send().await.map_err(failure)
    })
    .await
    .or_absent()?;
    Ok(Removal::Gone)
}

/// The claim is a tag of the management role: the run, and when the claim lapses.
pub(crate) async fn claim(at: At<'_>) -> Result<Option<Claim>> {
    let role = role(at).await?;
    let claim = role.tags().iter().find(|found| found.key() == tag::CLAIM);
    Ok(claim.and_then(|claim| claim.value().parse().ok()))
}

pub(crate) async fn write_claim(at: At<'_>, claim: Option<&Claim>) -> Result<()> {
    let name = at.name(Place::Role)?;
    match claim {
        Some(claim) => write_tags(at, name, tags([(tag::CLAIM, claim.to_string())])?).await,
        None => untag(at, name, tag::CLAIM).await,
    }
}

/// First a denial, which takes effect on sessions that are open already
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html>); then nobody is let in any
/// more. Without its seal, the role is set up again by the next set-up.
pub(crate) async fn revoke(at: At<'_>) -> Result<()> {
    let name = at.name(Place::Role)?;
    let deny = Policy::new(vec![Statement {
        sid: "Revoked".to_owned(),
        effect: Effect::Deny,
        actions: vec!["*".into()],
        resources: vec!["*".into()],
        ..Statement::default()
    }]);
    put_inline(at, name, REVOKED, &deny).await?;
    write_trust(at, name, &closed(at)).await?;
    untag(at, name, tag::SEAL).await
}

async fn write_trust(at: At<'_>, role: &str, trust: &Policy) -> Result<()> {
    let trust = text(trust)?;
    at.call(&[op::UPDATE_TRUST], || async {
        let written = at.clients.iam.update_assume_role_policy().role_name(role).policy_document(&trust);
        written.send().await.map_err(failure).map_err(made_just_now)
    })
    .await
    .map(|_| ())
}

async fn write_tags(at: At<'_>, role: &str, tags: Vec<Tag>) -> Result<()> {
    at.call(&[op::TAG_ROLE], || async {
        at.clients.iam.tag_role().role_name(role).set_tags(Some(tags.clone())).send().await.map_err(failure)
    })
    .await
    .map(|_| ())
}

async fn untag(at: At<'_>, role: &str, key: &str) -> Result<()> {
    at.call(&[op::UNTAG_ROLE], || async {
        at.clients.iam.untag_role().role_name(role).tag_keys(key).send().await.map_err(failure)
    })
    .await
    .map(|_| ())
}

async fn put_inline(at: At<'_>, role: &str, name: &str, document: &Policy) -> Result<()> {
    let document = text(document)?;
    at.call(&[op::PUT_ROLE_POLICY], || async {
        let put = at.clients.iam.put_role_policy().role_name(role).policy_name(name).policy_document(&document);
        put.send().await.map_err(failure).map_err(made_just_now)
    })
    .await
    .map(|_| ())
}

async fn inline(at: At<'_>, role: &str) -> Result<Vec<String>> {
    let listed = at
        .call(&[op::LIST_ROLE_POLICIES], || async {
            at.clients.iam.list_role_policies().role_name(role).send().await.map_err(failure)
        })
        .await;
    Ok(listed.or_absent()?.map(|listed| listed.policy_names).unwrap_or_default())
}

async fn delete_inline(at: At<'_>, role: &str, name: &str) -> Result<()> {
    at.call(&[op::DELETE_ROLE_POLICY], || async {
        at.clients.iam.delete_role_policy().role_name(role).policy_name(name).send().await.map_err(failure)
    })
    .await
    .or_absent()
    .map(|_| ())
}

/// The ARNs of the managed policies that are attached: ten at most, so there is one page.
async fn attached(at: At<'_>, role: &str) -> Result<Vec<String>> {
    let listed = at
        .call(&[op::LIST_ATTACHED_ROLE_POLICIES], || async {
            at.clients.iam.list_attached_role_policies().role_name(role).send().await.map_err(failure)
        })
        .await;
    let policies = listed.or_absent()?.and_then(|listed| listed.attached_policies).unwrap_or_default();
    Ok(policies.into_iter().filter_map(|policy| policy.policy_arn).collect())
}

/// A managed policy has five versions at most: a new one takes the place of the one before the present
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-versioning.html>).
async fn put_managed(at: At<'_>, role: &str, policy: &RolePolicy, marks: &Marks) -> Result<()> {
    let arn = Arns(&at.site().target).iam(&["policy/", &policy.name]);
    let document = text(&policy.document)?;
    let tags = tags(ownership(marks, role))?;
    let made = at
        .call(&[op::CREATE_POLICY, op::TAG_POLICY], || async {
            let made = at.clients.iam.create_policy().policy_name(&policy.name).policy_document(&document);
            made.set_tags(Some(tags.clone())).send().await.map_err(failure)
        })
        .await;
    match made {
        Err(error) if error.kind() == ErrorKind::Exists => {
            is_own(at, &arn).await?;
            for version in old_versions(at, &arn).await? {
                delete_version(at, &arn, &version).await?;
            }
            at.call(&[op::CREATE_POLICY_VERSION], || async {
                let made = at.clients.iam.create_policy_version().policy_arn(&arn).policy_document(&document);
                made.set_as_default(true).send().await.map_err(failure)
            })
            .await?;
        }
        made => {
            made?;
        }
    }
    at.call(&[op::ATTACH_ROLE_POLICY], || async {
        let attached = at.clients.iam.attach_role_policy().role_name(role).policy_arn(&arn).send().await;
        attached.map_err(failure).map_err(made_just_now)
    })
    .await
    .map(|_| ())
}

/// Something of someone else's may have the name.
async fn is_own(at: At<'_>, arn: &str) -> Result<()> {
    let found = at
        .call(&[op::GET_POLICY], || async { at.clients.iam.get_policy().policy_arn(arn).send().await.map_err(failure) })
        .await?;
    let policy = found.policy.ok_or_else(|| Error::lacking("policy"))?;
    let tags = policy.tags().iter().map(|tag| (tag.key(), tag.value()));
    match observed(at.site(), arn, tags) {
        Observed::Foreign(whose) => Err(Error::new(ErrorKind::Foreign, format!("`{arn}` is there, and {whose}"))),
        _ => Ok(()),
    }
}

async fn detach(at: At<'_>, role: &str, arn: &str) -> Result<()> {
    at.call(&[op::DETACH_ROLE_POLICY], || async {
        at.clients.iam.detach_role_policy().role_name(role).policy_arn(arn).send().await.map_err(failure)
    })
    .await
    .or_absent()
    .map(|_| ())
}

async fn delete_managed(at: At<'_>, arn: &str) -> Result<()> {
    let Some(versions) = old_versions(at, arn).await.or_absent()? else { return Ok(()) };
    for version in versions {
        delete_version(at, arn, &version).await?;
    }
    at.call(&[op::DELETE_POLICY], || async {
        at.clients.iam.delete_policy().policy_arn(arn).send().await.map_err(failure)
    })
    .await
    .or_absent()
    .map(|_| ())
}

/// The versions that are not in force.
async fn old_versions(at: At<'_>, arn: &str) -> Result<Vec<String>> {
    let listed = at
        .call(&[op::LIST_POLICY_VERSIONS], || async {
            at.clients.iam.list_policy_versions().policy_arn(arn).send().await.map_err(failure)
        })
        .await?;
    let old = |version: &PolicyVersion| !version.is_default_version();
    Ok(listed.versions().iter().filter(|version| old(version)).filter_map(|v| v.version_id.clone()).collect())
}

async fn delete_version(at: At<'_>, arn: &str, version: &str) -> Result<()> {
    at.call(&[op::DELETE_POLICY_VERSION], || async {
        at.clients.iam.delete_policy_version().policy_arn(arn).version_id(version).send().await.map_err(failure)
    })
    .await
    .or_absent()
    .map(|_| ())
}
