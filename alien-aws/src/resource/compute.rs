//! What functions and containers share: log groups, and the repositories of images.

#[cfg(feature = "client")]
pub(crate) mod calls;

use alien_core::adapter::Placed;

use crate::Aws;
use crate::naming::Arns;
use crate::operations::Scope;
use crate::registry::Repository;

/// Adds the log group of a function or container, by the parts of its name.
pub(super) fn log_group(arns: Arns<'_>, name: &[&str], things: &mut Vec<(Scope, String)>) {
    let group = arns.regional("logs", &[&["log-group:"], name].concat());
    let streams = [&group, ":*"].concat();
    things.extend([(Scope::LogGroup, group), (Scope::LogGroup, streams.clone()), (Scope::LogStreams, streams)]);
}

/// Adds the repository of an image if the image is in ECR.
pub(super) fn repository_names(placed: &Placed<'_, Aws>, things: &mut Vec<(Scope, String)>) {
    let code = placed.resource.settings().compute().map(|compute| compute.code);
    if let Some(repository) = code.and_then(Repository::of) {
        things.extend([(Scope::Repository, repository.arn()), (Scope::Registry, "*".to_owned())]);
    }
}
