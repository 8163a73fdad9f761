//! From a stack to one cloud's own documents, in three layers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::audit::{self, Breach, Report};
use super::{Cloud, Deployed, Operation};
use crate::lifecycle::Lifecycle;
use crate::name::{ResourceId, StackName};
use crate::permission::{Grant, Holding, Layer, Permissions};
use crate::problem::{Problem, Problems, Rule};
use crate::resource::Kind;
use crate::stack::Stack;

/// Everything a customer reviews: the identities of three layers and exactly what each may do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Documents<C: Cloud> {
    /// The cloud's name.
    pub cloud: &'static str,
    /// The stack's name.
    pub stack: StackName,
    /// Where it goes and whom it trusts.
    pub target: C::Target,
    /// The resources, by id.
    pub resources: BTreeMap<ResourceId, Physical>,
    /// The identities, by layer.
    pub layers: Layers<C::Principal>,
}

/// A resource as the cloud knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Physical {
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Frozen or live.
    pub lifecycle: Lifecycle,
    /// ARN, full resource name or resource id.
    pub id: String,
}

/// The identities of each layer; a layer that was not asked for is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layers<P> {
    /// What the customer's admin needs, once.
    #[serde(skip_serializing_if = "Option::is_none", default = "Option::default")]
    pub provisioning: Option<LayerDocuments<P>>,
    /// What the vendor holds, day to day.
    #[serde(skip_serializing_if = "Option::is_none", default = "Option::default")]
    pub management: Option<LayerDocuments<P>>,
    /// What the deployed code holds.
    #[serde(skip_serializing_if = "Option::is_none", default = "Option::default")]
    pub runtime: Option<LayerDocuments<P>>,
}

/// The identities of one layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerDocuments<P> {
    /// The identities: one, but for the runtime, which has one a profile.
    pub principals: Vec<P>,
}

impl<P> Layers<P> {
    /// The identities of a layer.
    #[must_use]
    pub fn principals(&self, layer: Layer) -> &[P] {
        let documents = match layer {
            Layer::Provisioning => &self.provisioning,
            Layer::Management => &self.management,
            Layer::Runtime => &self.runtime,
        };
        documents.as_ref().map_or(&[], |documents| documents.principals.as_slice())
    }

    /// Leaves only one layer.
    pub fn keep(&mut self, layer: Layer) {
        if layer != Layer::Provisioning {
            self.provisioning = None;
        }
        if layer != Layer::Management {
            self.management = None;
        }
        if layer != Layer::Runtime {
            self.runtime = None;
        }
    }
}

/// How large a document is, and how large it may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Size {
    /// The document.
    pub document: String,
    /// What is counted.
    pub unit: &'static str,
    /// How many there are.
    pub size: usize,
    /// How many the cloud takes.
    pub limit: usize,
    /// Where the cloud says so.
    pub source: &'static str,
}

/// Documents that passed the audit, and its report.
#[derive(Debug, Clone)]
pub struct Rendered<C: Cloud> {
    /// The documents.
    pub documents: Documents<C>,
    /// What the audit found: no breach, and what should be known.
    pub report: Report,
    /// The size of each document against its limit.
    pub sizes: Vec<Size>,
    /// What should be known about the stack on this cloud.
    pub warnings: Vec<Problem>,
}

/// Why there are no documents.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// The cloud does not take the stack, or a document is over a limit.
    #[error("{0}")]
    Problems(Problems),
    /// The documents would break a promise. This is a defect of the library, and nothing was rendered.
    #[error("the documents would break a promise:\n{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Breaches(Vec<Breach>),
}

/// Renders all three layers of a stack, checks every size and audits the result. No network.
///
/// # Errors
///
/// * [`RenderError::Problems`]: the cloud does not take the stack, or a document is over a limit; all of them at once.
/// * [`RenderError::Breaches`]: the documents would break a promise.
pub fn render<C: Cloud>(stack: &Stack, target: &C::Target) -> Result<Rendered<C>, RenderError> {
    let rendered = render_beyond_limits(stack, target)?;
    let problems = rendered.sizes.iter().filter(|size| size.size > size.limit).map(|size| {
        let Size { document, unit, size, limit, source } = size;
        let what = format!("{size} {unit}, and {} takes {limit} ({source})", C::NAME);
        let help = "split the stack into two deployments, or ask for fewer resources or sets";
        Problem::error(Rule::Limit, what, help.to_owned()).at(document)
    });
    let problems: Vec<Problem> = rendered.warnings.iter().cloned().chain(problems).collect();
    Problems::none(problems).map_err(RenderError::Problems)?;
    Ok(rendered)
}

/// Renders as [`render`] does, but lets documents be over the cloud's limits: for measuring, not for use.
///
/// # Errors
///
/// As [`render`], but for sizes.
pub fn render_beyond_limits<C: Cloud>(stack: &Stack, target: &C::Target) -> Result<Rendered<C>, RenderError> {
    let mut problems = stack.warnings().to_vec();
    problems.extend(C::check(stack, target));
    let warnings = Problems::none(problems).map_err(RenderError::Problems)?;
    let permissions = stack.permissions();
    let names = C::names(stack, &permissions, target);
    let deployment = Deployed::<C> { stack, permissions: &permissions, target, names: &names };
    let documents = documents(&deployment);
    let report = audit::report(&deployment, &documents.layers);
    if !report.breaches.is_empty() {
        return Err(RenderError::Breaches(report.breaches));
    }
    let sizes = C::sizes(&documents);
    Ok(Rendered { documents, report, sizes, warnings })
}

fn documents<C: Cloud>(deployment: &Deployed<'_, C>) -> Documents<C> {
    let Deployed { stack, permissions, target, names } = *deployment;
    let Permissions { provisioning, management, runtime } = permissions;
    let layer = |holdings: &[Holding]| {
        let principals = holdings.iter().map(|holding| C::principal(deployment, holding)).collect();
        Some(LayerDocuments { principals })
    };
    let resources = stack.resources().iter().enumerate().map(|(position, resource)| {
        let id = names.id(position).to_owned();
        (resource.id().clone(), Physical { kind: resource.kind(), lifecycle: resource.lifecycle(), id })
    });
    Documents {
        cloud: C::NAME,
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

/// The operations behind the grants of a holding, in the order of grants.
pub fn rows<'a, C: Cloud>(
    stack: &'a Stack,
    holding: &'a Holding,
) -> impl Iterator<Item = (&'a Grant, &'static Operation<C::Place>)> {
    holding.grants.iter().flat_map(move |grant| {
        let rows = grant.subject.topic(stack).map_or(&[][..], |topic| C::set(topic, grant.set));
        rows.iter().map(move |row| (grant, *row))
    })
}
