//! Marks of ownership as tags. <https://learn.microsoft.com/rest/api/resources/tags/update-at-scope>

use std::collections::BTreeMap;

use alien_core::adapter::{DeploymentContext, Marks, Observed, Subject, last};
use alien_core::{Error, ErrorKind, Result};
use serde_json::json;

use super::Context;
use crate::Azure;
use crate::operations as op;

/// The tags of a resource.
pub(crate) type Tags = BTreeMap<String, String>;

/// Who owns a resource, by its tags. A resource without tags belongs to somebody else.
pub(crate) fn observed(deployment: &DeploymentContext<Azure>, id: impl Into<String>, tags: Option<&Tags>) -> Observed {
    let tags = tags.into_iter().flatten();
    Observed::marked(id, deployment.owner(), tags.map(|(name, value)| (name.as_str(), value.as_str())))
}

/// Fails if the resource belongs to somebody else, or carries no mark and is not to be marked again.
pub(crate) fn usable(
    deployment: &DeploymentContext<Azure>,
    what: &str,
    tags: Option<&Tags>,
    marks: &Marks,
) -> Result<()> {
    match observed(deployment, "", tags).refused(marks) {
        Some(whose) => Err(Error::new(ErrorKind::NotOwned, format!("`{what}` already exists, and {whose}"))),
        None => Ok(()),
    }
}

/// Fails if the resource belongs to somebody else.
pub(crate) fn own(deployment: &DeploymentContext<Azure>, what: &str, tags: Option<&Tags>) -> Result<()> {
    match observed(deployment, "", tags) {
        Observed::Foreign(whose) => {
            Err(Error::new(ErrorKind::NotOwned, format!("`{what}` already exists, and {whose}")))
        }
        _ => Ok(()),
    }
}

/// Adds the marks of ownership to the existing tags, without a fingerprint.
pub(crate) fn unfinished(mut found: Tags, marks: &Marks, name: &str) -> Tags {
    found.extend(marks.ownership(name).map(|(tag, value)| (tag.to_owned(), value)));
    found.remove(Marks::FINGERPRINT);
    found
}

/// Writes all marks, the fingerprint among them.
pub(crate) async fn finish(cx: Context<'_>, id: &str, marks: &Marks) -> Result<()> {
    merge(cx, id, &marks.all(last(id))).await
}

/// Writes some tags and keeps the others. Nothing is read for that, so no concurrent change is lost. A tag to remove is
/// written empty.
pub(crate) async fn merge(cx: Context<'_>, id: &str, tags: &[(&'static str, String)]) -> Result<()> {
    let tags: BTreeMap<_, _> = tags.iter().map(|(name, value)| (*name, value)).collect();
    let body = json!({ "operation": "Merge", "properties": { "tags": tags } });
    let tags = [id, "/providers/Microsoft.Resources/tags/default"].concat();
    let merged = cx.about(Subject::Deployment);
    merged.call(&[op::PUT_TAGS], || async { cx.clients.patch(&tags, &body).await }).await.map(drop)
}
