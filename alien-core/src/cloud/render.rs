//! From a stack to one cloud's own documents, in three layers: derive, name, render, audit, measure.

use std::collections::BTreeMap;

use super::access::AccessControl;
use super::audit::{Source, report};
use super::documents::{Documents, LayerDocuments, Layers, Physical, Size};
use super::layout::Layout;
use super::placement::{Cloud, CloudTarget, check};
use super::registry::RegistryGrant;
use super::report::{Breach, Report};
use crate::lifecycle::Lifecycle;
use crate::name::ResourceId;
use crate::permission::{Grants, Permissions, Set};
use crate::problem::{Problem, Problems, Rule};
use crate::resource::Resource;
use crate::stack::Stack;

/// Documents that passed the audit, and its report.
#[derive(Debug, Clone)]
pub struct Rendered<C: AccessControl> {
    /// The documents.
    pub documents: Documents<C::Target, C::Principal>,
    /// The report of the audit. It has no breach, and lists what should be known.
    pub report: Report,
    /// The size of each document against its limit.
    pub sizes: Vec<Size>,
    /// Warnings about the stack on this cloud.
    pub warnings: Vec<Problem>,
    /// What the owners of registries in other accounts grant, so that the deployment can run its images.
    pub registry_grants: Vec<RegistryGrant>,
}

/// Why a stack was not rendered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// The cloud does not accept the stack, or a document is over a limit.
    #[error("{0}")]
    Problems(Problems),
    /// The documents would break a promise. This is a defect of the library, and nothing was rendered.
    #[error("the documents would break a promise:\n{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Breaches(Vec<Breach>),
}

/// Renders all three layers of a stack, checks every size and audits the result. Makes no network calls.
///
/// # Errors
///
/// * [`RenderError::Problems`]: the cloud does not accept the stack, or a document is over a limit; all problems at
///   once.
/// * [`RenderError::Breaches`]: the documents would break a promise.
pub fn render<T>(stack: &Stack, target: &T) -> Result<Rendered<T::Cloud>, RenderError>
where
    T: CloudTarget<Cloud: AccessControl>,
{
    let rendered = render_beyond_limits(stack, target)?;
    let problems = rendered.sizes.iter().filter(|size| size.size > size.limit).map(|size| {
        let Size { document, unit, size, limit, source } = size;
        let what = format!("{size} {unit}, and {} takes {limit} ({source})", T::Cloud::NAME);
        let help = "split the stack into two deployments, or ask for fewer resources or sets";
        Problem::error(Rule::Limit, what, help.to_owned()).at(document)
    });
    let problems: Vec<Problem> = rendered.warnings.iter().cloned().chain(problems).collect();
    Problems::none(problems).map_err(RenderError::Problems)?;
    Ok(rendered)
}

/// Renders as [`render`] does, but accepts documents over the cloud's limits: for measuring, not for use.
///
/// # Errors
///
/// As [`render`], but for sizes.
pub fn render_beyond_limits<T>(stack: &Stack, target: &T) -> Result<Rendered<T::Cloud>, RenderError>
where
    T: CloudTarget<Cloud: AccessControl>,
{
    let layout = Layout::<T::Cloud>::new(stack.clone(), target.clone());
    let mut problems = stack.warnings().to_vec();
    problems.extend(check::<T::Cloud>(&layout.stack, target));
    problems.extend(same_names(&layout));
    problems.extend(own_agent(&layout));
    let registry_grants = T::Cloud::registry_grants(&layout);
    problems.extend(RegistryGrant::warnings(&registry_grants));
    let warnings = Problems::none(problems).map_err(RenderError::Problems)?;
    let documents = documents(&layout);
    let report = report(&layout, &documents.layers, Source::Rendered);
    if !report.breaches.is_empty() {
        return Err(RenderError::Breaches(report.breaches));
    }
    let sizes = T::Cloud::sizes(target, &documents.layers);
    Ok(Rendered { documents, report, sizes, warnings, registry_grants })
}

/// Checks the grants of `logs` on a cloud that stores the logs of all frozen code in one place: the vendor can read
/// them for all frozen code or for none.
#[must_use]
pub fn frozen_logs_are_shared(stack: &Stack) -> Vec<Problem> {
    let frozen = || stack.resources().iter().filter(|r| r.kind().runs_code() && r.lifecycle() == Lifecycle::Frozen);
    let extended = |resource: &Resource| stack.extensions(resource.id()).any(|set| *set == Set::Logs);
    if !frozen().any(extended) {
        return Vec::new();
    }
    let problem = |resource: &Resource| {
        let what = "its logs stand in one place with those of frozen code whose logs the stack gives the vendor";
        let help = "extend `logs` for every frozen function and container, or for none";
        Problem::error(Rule::Cloud, what.to_owned(), help.to_owned()).on(resource.id())
    };
    frozen().filter(|resource| !extended(resource)).map(problem).collect()
}

/// The problem of an agent that is something of the deployment's own: its code would manage itself.
fn own_agent<C: AccessControl>(layout: &Layout<C>) -> Option<Problem> {
    let agent = C::agent(&layout.target)?;
    let mut provisioning = Vec::new();
    C::name_identity(&layout.permissions().provisioning.holder, &layout.target, &mut provisioning);
    let own = layout.names.things().map(|thing| thing.name);
    let mut own = own.chain(provisioning.iter().map(|(_, name)| name.as_str()));
    // An agent may be written as the last part of its full name. On some clouds names are the same in either case.
    let is_agent = |name: &str| {
        let name = name.to_ascii_lowercase();
        let rest = name.strip_suffix(&agent.to_ascii_lowercase());
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
    };
    own.any(is_agent).then(|| {
        let what = format!("the agent `{agent}` is part of the deployment itself");
        let help = "name a principal that nothing of the deployment runs as";
        Problem::error(Rule::Cloud, what, help.to_owned()).at("agent")
    })
}

/// Generated names are unique, so only an existing thing of the customer's can have the name of another resource.
fn same_names<C: AccessControl>(layout: &Layout<C>) -> Vec<Problem> {
    let mut seen = BTreeMap::<&str, &ResourceId>::new();
    let mut problems = Vec::new();
    for (position, resource) in layout.stack.resources().iter().enumerate() {
        let name = layout.names.id(position);
        if let Some(other) = seen.insert(name, resource.id()) {
            let what = format!("it is `{name}`, and so is `{other}`");
            problems.push(Problem::error(Rule::Duplicate, what, "declare it once".to_owned()).on(resource.id()));
        }
    }
    problems
}

fn documents<C: AccessControl>(layout: &Layout<C>) -> Documents<C::Target, C::Principal> {
    let Layout { stack, target, names, .. } = layout;
    let Permissions { provisioning, management, runtime } = layout.permissions();
    let layer = |grants: &[Grants]| {
        let principals = grants.iter().map(|grants| C::principal(layout, grants)).collect();
        Some(LayerDocuments { principals })
    };
    let resources = stack.resources().iter().enumerate().map(|(position, resource)| {
        let id = names.id(position).to_owned();
        (resource.id().clone(), Physical { kind: resource.kind(), lifecycle: resource.lifecycle(), id })
    });
    Documents {
        cloud: C::NAME.into(),
        stack: stack.name().clone(),
        target: target.clone(),
        resources: resources.collect(),
        layers: Layers {
            provisioning: layer(std::slice::from_ref(provisioning)),
            management: layer(std::slice::from_ref(management)),
            runtime: layer(runtime),
        },
    }
}
