//! What functions and containers share: log groups, and the repositories of images.

#[cfg(feature = "client")]
pub(crate) mod calls;

use alien_core::adapter::Placed;
use alien_core::{Code, CodeForm};

use crate::Aws;
use crate::naming::Arns;
use crate::operations::Scope;
use crate::target::Region;

/// Adds the log group of a function or container, by the parts of its name.
pub(super) fn log_group(arns: Arns<'_>, name: &[&str], things: &mut Vec<(Scope, String)>) {
    let group = arns.regional("logs", &[&["log-group:"], name].concat());
    let streams = [&group, ":*"].concat();
    things.extend([(Scope::LogGroup, group), (Scope::LogGroup, streams.clone()), (Scope::LogStreams, streams)]);
}

/// How the names of Amazon ECR's registries end.
pub(super) const ECR: &[&str] = &[".amazonaws.com", ".amazonaws.com.cn"];

/// Adds the repository of an image if the image is in ECR.
pub(super) fn repository_names(placed: &Placed<'_, Aws>, things: &mut Vec<(Scope, String)>) {
    let code = placed.resource.settings().compute().map(|compute| compute.code);
    if let Some(repository) = code.and_then(repository) {
        things.extend([(Scope::Repository, repository), (Scope::Registry, "*".to_owned())]);
    }
}

/// The ECR repository of an image, `{account}.dkr.ecr.{region}.amazonaws.com/{repository}@…`. `None` for other
/// registries, and for repositories whose name an ARN would read as a pattern.
pub(super) fn repository(code: &Code) -> Option<String> {
    let Some(CodeForm::Image(image)) = code.only() else { return None };
    let (host, path) = image.split_once('/')?;
    let (account, region) = host.split_once(".dkr.ecr.")?;
    let region: Region =
        region.strip_suffix(".amazonaws.com").or_else(|| region.strip_suffix(".amazonaws.com.cn"))?.parse().ok()?;
    let partition = region.partition();
    let name = path.split(['@', ':']).next()?;
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._/-".contains(&b));
    let known = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    (plain && known && !name.is_empty()).then(|| format!("arn:{partition}:ecr:{region}:{account}:repository/{name}"))
}
