//! Products, zips and releases.

use std::sync::Arc;

use alien_core::adapter::sha256;
use alien_core::rollout::Sequence;
use alien_core::{
    Artifacts, Code, CodeForm, Error, ErrorKind, Problem, PublishedRelease, Release, Rule, Stack, StackName,
};
use axum::body::Body;
use axum::extract::State;

use crate::api::acting::{Acting, Api};
use crate::api::body::{At, DOCUMENT, Given, PART, Reader, WHOLE_ZIP, ZIP};
use crate::api::failure::{Answer, Json};
use crate::api::forms::{AsSent, Check, Publish};
use crate::fits::Fitted;
use crate::publish::{ListedRelease, Published};

pub(in crate::api) async fn products(Acting(fleet): Acting) -> Answer<Vec<StackName>> {
    Ok(Json(fleet.products().await?))
}

pub(in crate::api) async fn has_zip(Acting(fleet): Acting, At(digest): At<String>) -> Answer<()> {
    if fleet.has_zip(&digest).await? {
        return Ok(Json(()));
    }
    Err(Error::new(ErrorKind::NotFound, format!("the zip {digest} is not kept")).into())
}

/// Keeps a zip, if its bytes have the digest that it was sent under.
pub(in crate::api) async fn put_zip(
    State(api): State<Api>,
    Acting(fleet): Acting,
    At(digest): At<String>,
    body: Body,
) -> Answer<()> {
    let closed = |_| Error::new(ErrorKind::Internal, "no zip is received any more");
    let _turn = api.uploads.acquire().await.map_err(closed)?;
    let mut parts = Reader::new(body, ZIP, PART).within(WHOLE_ZIP);
    let mut bytes = Vec::new();
    while let Some(part) = parts.next().await? {
        bytes.extend_from_slice(&part);
    }
    let found = sha256(&bytes);
    if found != digest {
        let what = format!("the digest of the zip is {found}, and not {digest}");
        let help = "send the bytes as they are, under the digest that the stack has for them".to_owned();
        return Err(Error::from(vec![Problem::error(Rule::Code, what, help).at("body")]).into());
    }
    fleet.keep_zip(bytes.into()).await?;
    Ok(Json(()))
}

pub(in crate::api) async fn check_stack(
    Acting(fleet): Acting,
    Given(given): Given<Check<AsSent<Stack>>, DOCUMENT>,
) -> Answer<Vec<Fitted>> {
    let stack = Stack::from_json(given.stack.get()).map_err(Error::from)?;
    Ok(Json(fleet.check_stack(&stack).await?))
}

/// Publishes a release whose zips were sent before.
pub(in crate::api) async fn publish(
    Acting(fleet): Acting,
    Given(given): Given<Publish<AsSent<Stack>>, DOCUMENT>,
) -> Answer<Published> {
    let stack = Stack::from_json(given.stack.get()).map_err(Error::from)?;
    let mut artifacts = Artifacts::default();
    let forms = stack.resources().iter().filter_map(|resource| resource.code()).flat_map(Code::forms);
    for form in forms {
        let CodeForm::Zip(digest) = form else { continue };
        // One that is missing is a problem of the release.
        if let Some(bytes) = fleet.zip(digest).await? {
            artifacts.insert(Arc::clone(&bytes));
        }
    }
    let release = Release::new(stack, artifacts).map_err(Error::from)?;
    Ok(Json(fleet.publish(&release, given.images, given.revert_to).await?))
}

pub(in crate::api) async fn list(Acting(fleet): Acting, At(product): At<StackName>) -> Answer<Vec<ListedRelease>> {
    Ok(Json(fleet.releases(&product).await?))
}

pub(in crate::api) async fn last(
    Acting(fleet): Acting,
    At(product): At<StackName>,
) -> Answer<Option<PublishedRelease>> {
    Ok(Json(fleet.last_release(&product).await?))
}

pub(in crate::api) async fn one(
    Acting(fleet): Acting,
    At((product, sequence)): At<(StackName, Sequence)>,
) -> Answer<PublishedRelease> {
    Ok(Json(fleet.published(&product, sequence).await?))
}

pub(in crate::api) async fn check(
    Acting(fleet): Acting,
    At((product, sequence)): At<(StackName, Sequence)>,
) -> Answer<Vec<Fitted>> {
    let release = fleet.published(&product, sequence).await?;
    Ok(Json(fleet.check(&release).await?))
}
