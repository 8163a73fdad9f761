//! The calls for the policies of a role: those in it, those attached to it, and their documents.

use alien_core::adapter::{Foreign, Marks, Observed, ResultExt, last};
use alien_core::{Error, ErrorKind, Result};
use aws_sdk_iam::types::{PolicyVersion, Tag};

use super::drift::Found;
use super::managed_policy_name;
use crate::client::{Context, failure};
use crate::naming::Arns;
use crate::operations as op;
use crate::policy::{Policy, RolePolicy, read};

/// A policy document as JSON.
pub(super) fn text(policy: &Policy) -> Result<String> {
    serde_json::to_string(policy).map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))
}

pub(super) fn tags(pairs: impl IntoIterator<Item = (&'static str, String)>) -> Result<Vec<Tag>> {
    let tag = |(key, value): (&str, String)| Tag::builder().key(key).value(value).build();
    let defect = |error: aws_sdk_iam::error::BuildError| Error::new(ErrorKind::Internal, error.to_string());
    pairs.into_iter().map(tag).collect::<Result<_, _>>().map_err(defect)
}

/// The ARN of a managed policy of the deployment.
pub(super) fn arn(cx: Context<'_>, policy: &str) -> String {
    Arns(cx.target()).iam(&["policy/", policy])
}

/// Whether a managed policy is one of the ten that the role may have of the deployment's.
pub(super) fn is_of_role(cx: Context<'_>, role: &str, found: &str) -> bool {
    (0..10).any(|number| found == arn(cx, &managed_policy_name(role, number)))
}

/// Reads the trust, the policies and the longest session of a role.
/// If a policy under one of the role's names is not the deployment's, whose it is.
pub(super) async fn found(cx: Context<'_>, role: &aws_sdk_iam::types::Role) -> Result<Result<Found, Foreign>> {
    let name = role.role_name();
    let mut found = Found {
        trust: role.assume_role_policy_document().and_then(read),
        // IAM tells an hour where nothing was set.
        max_session_duration: role.max_session_duration().and_then(|seconds| seconds.try_into().ok()),
        ..Found::default()
    };
    for policy in inline(cx, name).await? {
        let document = inline_document(cx, name, &policy).await?;
        found.inline.push((policy, document));
    }
    for policy in attached(cx, name).await? {
        // What somebody else attached is named, not read.
        if !is_of_role(cx, name, &policy) {
            found.attached.push((policy, None));
            continue;
        }
        let managed = managed(cx, &policy).await?;
        if let Observed::Foreign(whose) = marked(cx, &managed) {
            return Ok(Err(whose.part(role.arn(), &format!("policy `{}`", last(&policy)))));
        }
        found.attached.push((policy, managed_document(cx, managed).await?));
    }
    Ok(Ok(found))
}

async fn inline_document(cx: Context<'_>, role: &str, name: &str) -> Result<Option<Policy>> {
    let found = cx
        .call(&[op::GET_ROLE_POLICY], || async {
            cx.clients.iam().get_role_policy().role_name(role).policy_name(name).send().await.map_err(failure)
        })
        .await?;
    Ok(read(found.policy_document()))
}

/// The document of any managed policy, by its ARN; `None` if it is no policy in the grammar of IAM.
pub(crate) async fn document(cx: Context<'_>, arn: &str) -> Result<Option<Policy>> {
    managed_document(cx, managed(cx, arn).await?).await
}

/// The document of the version that applies.
async fn managed_document(cx: Context<'_>, policy: aws_sdk_iam::types::Policy) -> Result<Option<Policy>> {
    let arn = policy.arn.ok_or_else(|| Error::missing_field("ARN of the policy"))?;
    let version = policy.default_version_id.ok_or_else(|| Error::missing_field("default version"))?;
    let found = cx
        .call(&[op::GET_POLICY_VERSION], || async {
            let request = cx.clients.iam().get_policy_version().policy_arn(&arn).version_id(&version);
            request.send().await.map_err(failure)
        })
        .await?;
    Ok(found.policy_version().and_then(|version| read(version.document()?)))
}

async fn managed(cx: Context<'_>, arn: &str) -> Result<aws_sdk_iam::types::Policy> {
    let found = cx
        .call(&[op::GET_POLICY], || async {
            cx.clients.iam().get_policy().policy_arn(arn).send().await.map_err(failure)
        })
        .await?;
    found.policy.ok_or_else(|| Error::missing_field("policy"))
}

/// Detaches what somebody else attached.
pub(super) async fn detach_foreign(cx: Context<'_>, role: &str, attached: &[String]) -> Result<()> {
    for arn in attached.iter().filter(|arn| !is_of_role(cx, role, arn)) {
        detach(cx, role, arn).await.map_err(|error| match error.kind() {
            ErrorKind::Denied => {
                let policy = last(arn);
                let what = format!("`{policy}` is attached to the role `{role}`, which this deployment does not do");
                error.because(format!("{what}, and these credentials may not detach it: detach it, and set up again"))
            }
            _ => error,
        })?;
    }
    Ok(())
}

pub(super) async fn put_inline(cx: Context<'_>, role: &str, name: &str, document: &Policy) -> Result<()> {
    let document = text(document)?;
    cx.call(&[op::PUT_ROLE_POLICY], || async {
        let put = cx.clients.iam().put_role_policy().role_name(role).policy_name(name).policy_document(&document);
        put.send().await.map_err(failure).propagating()
    })
    .await
    .map(|_| ())
}

/// The names of the inline policies, over all pages
/// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRolePolicies.html>).
pub(super) async fn inline(cx: Context<'_>, role: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut marker: Option<String> = None;
    loop {
        let page = cx
            .call(&[op::LIST_ROLE_POLICIES], || async {
                let request = cx.clients.iam().list_role_policies().role_name(role).set_marker(marker.clone());
                request.send().await.map_err(failure)
            })
            .await
            .optional()?;
        let Some(page) = page else { return Ok(names) };
        names.extend(page.policy_names);
        marker = page.marker.filter(|_| page.is_truncated);
        if marker.is_none() {
            return Ok(names);
        }
    }
}

pub(super) async fn delete_inline(cx: Context<'_>, role: &str, name: &str) -> Result<()> {
    cx.call(&[op::DELETE_ROLE_POLICY], || async {
        cx.clients.iam().delete_role_policy().role_name(role).policy_name(name).send().await.map_err(failure)
    })
    .await
    .optional()
    .map(|_| ())
}

/// The ARNs of the attached managed policies, over all pages
/// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListAttachedRolePolicies.html>).
pub(super) async fn attached(cx: Context<'_>, role: &str) -> Result<Vec<String>> {
    let mut arns = Vec::new();
    let mut marker: Option<String> = None;
    loop {
        let page = cx
            .call(&[op::LIST_ATTACHED_ROLE_POLICIES], || async {
                let request = cx.clients.iam().list_attached_role_policies().role_name(role);
                request.set_marker(marker.clone()).send().await.map_err(failure)
            })
            .await
            .optional()?;
        let Some(page) = page else { return Ok(arns) };
        let policies = page.attached_policies.unwrap_or_default();
        arns.extend(policies.into_iter().filter_map(|policy| policy.policy_arn));
        marker = page.marker.filter(|_| page.is_truncated);
        if marker.is_none() {
            return Ok(arns);
        }
    }
}

/// Writes a managed policy. It has five versions at most, so the oldest ones are deleted to make room
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-versioning.html>).
pub(super) async fn put_managed(cx: Context<'_>, role: &str, policy: &RolePolicy, marks: &Marks) -> Result<()> {
    let arn = arn(cx, &policy.name);
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
            is_own(cx, &arn, marks).await?;
            if marks.again {
                cx.call(&[op::TAG_POLICY], || async {
                    let request = cx.clients.iam().tag_policy().policy_arn(&arn).set_tags(Some(tags.clone()));
                    request.send().await.map_err(failure)
                })
                .await?;
            }
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
async fn is_own(cx: Context<'_>, arn: &str, marks: &Marks) -> Result<()> {
    match marked(cx, &managed(cx, arn).await?).refused(marks) {
        Some(whose) => Err(Error::new(ErrorKind::NotOwned, format!("a policy `{arn}` already exists, and {whose}"))),
        None => Ok(()),
    }
}

fn marked(cx: Context<'_>, policy: &aws_sdk_iam::types::Policy) -> Observed {
    let tags = policy.tags().iter().map(|tag| (tag.key(), tag.value()));
    Observed::marked(policy.arn().unwrap_or_default(), cx.deployment().owner(), tags)
}

pub(super) async fn detach(cx: Context<'_>, role: &str, arn: &str) -> Result<()> {
    cx.call(&[op::DETACH_ROLE_POLICY], || async {
        cx.clients.iam().detach_role_policy().role_name(role).policy_arn(arn).send().await.map_err(failure)
    })
    .await
    .optional()
    .map(|_| ())
}

pub(super) async fn delete_managed(cx: Context<'_>, arn: &str) -> Result<()> {
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

/// The versions that are not the default one. There are five at most, and yet IAM may give them on several pages
/// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListPolicyVersions.html>).
async fn old_versions(cx: Context<'_>, arn: &str) -> Result<Vec<String>> {
    let mut old = Vec::new();
    let mut marker: Option<String> = None;
    loop {
        let page = cx
            .call(&[op::LIST_POLICY_VERSIONS], || async {
                let request = cx.clients.iam().list_policy_versions().policy_arn(arn).set_marker(marker.clone());
                request.send().await.map_err(failure)
            })
            .await?;
        let versions = page.versions.unwrap_or_default().into_iter();
        old.extend(versions.filter(|version: &PolicyVersion| !version.is_default_version).filter_map(|v| v.version_id));
        marker = page.marker.filter(|_| page.is_truncated);
        if marker.is_none() {
            return Ok(old);
        }
    }
}

async fn delete_version(cx: Context<'_>, arn: &str, version: &str) -> Result<()> {
    cx.call(&[op::DELETE_POLICY_VERSION], || async {
        cx.clients.iam().delete_policy_version().policy_arn(arn).version_id(version).send().await.map_err(failure)
    })
    .await
    .optional()
    .map(|_| ())
}

#[cfg(test)]
mod tests {
    use alien_core::CallConfig;
    use alien_core::adapter::{CallContext, Gate, Subject};

    use super::*;
    use crate::Aws;
    use crate::client::Clients;
    use crate::testing::{sdk, two};

    /// Two pages of each list, by the action and the marker of a request.
    fn pages(request: &str) -> String {
        let (action, list) = match request {
            _ if request.contains("Action=ListRolePolicies") => ("ListRolePolicies", ["a", "b"].map(name)),
            _ if request.contains("Action=ListAttachedRolePolicies") => {
                ("ListAttachedRolePolicies", ["a", "b"].map(attached_policy))
            }
            _ => ("ListPolicyVersions", ["v1", "v2"].map(version)),
        };
        let [first, second] = list;
        let rest = request.contains("Marker=more");
        let (list, next) = if rest { (second, "") } else { (first, "<Marker>more</Marker>") };
        let inner = format!("{list}<IsTruncated>{}</IsTruncated>{next}", !rest);
        format!("<{action}Response><{action}Result>{inner}</{action}Result></{action}Response>")
    }

    fn name(name: &str) -> String {
        format!("<PolicyNames><member>{name}</member></PolicyNames>")
    }

    fn attached_policy(arn: &str) -> String {
        format!("<AttachedPolicies><member><PolicyArn>{arn}</PolicyArn></member></AttachedPolicies>")
    }

    fn version(id: &str) -> String {
        let version = format!("<VersionId>{id}</VersionId><IsDefaultVersion>false</IsDefaultVersion>");
        format!("<Versions><member>{version}</member></Versions>")
    }

    #[tokio::test]
    async fn lists_of_a_roles_policies_are_read_over_all_pages() {
        let deployment = two();
        let clients = Clients::new(&sdk(pages));
        let gate =
            Gate::<Aws>::new(deployment.clone(), deployment.permissions().provisioning.clone(), CallConfig::default());
        let cx = CallContext { clients: &clients, gate: &gate, subject: Subject::ManagementIdentity };
        assert_eq!(inline(cx, "role").await.unwrap(), ["a", "b"]);
        assert_eq!(attached(cx, "role").await.unwrap(), ["a", "b"]);
        assert_eq!(old_versions(cx, "policy").await.unwrap(), ["v1", "v2"]);
    }
}
