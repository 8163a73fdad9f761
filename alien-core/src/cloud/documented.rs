//! What a customer reviews, whatever form the cloud's documents have.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::access::AccessControl;
use super::audit::audit_layers;
use super::collect::{Answer, Collected};
use super::compare::compare;
use super::comparison::Comparison;
use super::documents::{Documents, LayerDocuments, Layers, Size};
use super::guardrail::Guardrail;
use super::layout::Layout;
use super::placement::{Cloud, CloudTarget};
use super::registry::RegistryGrant;
use super::render::{RenderError, Rendered, render};
use super::report::Report;
use super::review::{PulledFrom, Review};
use crate::delivery::Delivery;
use crate::permission::{Grants, Layer};
use crate::problem::{Problem, Problems, Rule};
use crate::stack::Stack;
use crate::unique;

/// What a customer reviews before the set-up: permission documents, the audit's report, and a summary in words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reviewed {
    /// The permission documents of all three layers, in the cloud's own form.
    #[serde(deserialize_with = "unique::value")]
    pub documents: Value,
    /// The report of the audit. It has no breach, and lists what should be known.
    pub report: Report,
    /// What the vendor can and cannot do, in words.
    pub review: Review,
    /// The size of each document against its limit.
    pub sizes: Vec<Size>,
    /// Warnings about the stack on this cloud.
    pub warnings: Vec<Problem>,
    /// Rules of the cloud's own that the customer can set above the deployment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guardrails: Vec<Guardrail>,
    /// What the owners of registries in other accounts grant, so that the deployment can run its images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub registry_grants: Vec<RegistryGrant>,
}

impl Reviewed {
    /// Says where releases come from, as the invitation does. Changes nothing where they are pushed.
    #[must_use]
    pub fn with_delivery(mut self, delivery: &Delivery) -> Self {
        if let (Some(pulled), Delivery::Pull { manager, root }) = (&mut self.review.pulled, delivery) {
            pulled.from = Some(PulledFrom { manager: manager.clone(), root: root.clone() });
        }
        self
    }

    /// Keeps only the documents of one layer.
    pub fn keep(&mut self, layer: Layer) {
        if let Some(layers) = self.documents.get_mut("layers").and_then(Value::as_object_mut) {
            layers.retain(|name, _| name == layer.name());
        }
    }
}

/// Renders all three layers of a stack, checks every size, audits the result and describes it in words, for the
/// customer to review before the set-up. Makes no network calls.
///
/// ```
/// use alien_core::{Queue, Stack, memory, review};
///
/// let mut stack = Stack::builder("shop");
/// stack.live("jobs", Queue::new());
/// let reviewed = review(&stack.build()?, &memory::Target::new("acme")?)?;
/// println!("{}", reviewed.to_markdown());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// As [`render`](super::render()).
pub fn review<T: CloudTarget<Cloud: Documented>>(stack: &Stack, target: &T) -> Result<Reviewed, RenderError> {
    T::Cloud::reviewed(stack, target)
}

/// Audits permission documents in the form of [`Reviewed::documents`] from any source: a file that somebody edited, or
/// another program. Absent layers are not checked. Makes no network calls.
///
/// # Errors
///
/// A problem if the documents are not of that form, are of another cloud, have a key twice in one object, or have no
/// principal.
pub fn audit<T: CloudTarget<Cloud: Documented>>(
    stack: &Stack,
    target: &T,
    documents: &str,
) -> Result<Report, Problems> {
    T::Cloud::audited(stack, target, documents)
}

/// A cloud that can show what it will grant. Every [`AccessControl`] is one.
pub trait Documented: Cloud {
    /// Renders all three layers of a stack, checks every size, audits the result and describes it in words. Makes no
    /// network calls.
    ///
    /// # Errors
    ///
    /// As [`render`](super::render()).
    fn reviewed(stack: &Stack, target: &Self::Target) -> Result<Reviewed, RenderError>;

    /// Audits documents in the form of [`Reviewed::documents`], from any source.
    ///
    /// # Errors
    ///
    /// A problem if they are not of that form.
    fn audited(stack: &Stack, target: &Self::Target, documents: &str) -> Result<Report, Problems>;

    /// Takes what the cloud's own tools print about identities of a deployment as documents in the form of
    /// [`Reviewed::documents`], as far as they are audited.
    ///
    /// # Errors
    ///
    /// What is missing for a judgement, by name, and each answer that cannot be read.
    fn collected(stack: &Stack, target: &Self::Target, answers: &[Answer]) -> Result<String, Problems>;

    /// Compares documents in the form of [`Reviewed::documents`] with earlier ones.
    ///
    /// # Errors
    ///
    /// A problem if either are not of that form, at `before` or `after`.
    fn compared(before: &str, after: &str) -> Result<Comparison, Problems>;

    /// Everything that is granted to a holder, as one text. Equal permissions give equal texts.
    fn identity_text(layout: &Layout<Self>, grants: &Grants) -> String;
}

impl<C: AccessControl> Documented for C {
    fn reviewed(stack: &Stack, target: &Self::Target) -> Result<Reviewed, RenderError> {
        let rendered = render(stack, target)?;
        let review = rendered.review(stack);
        let Rendered { documents, report, sizes, warnings, registry_grants } = rendered;
        let documents = serde_json::to_value(&documents).map_err(|error| {
            let help = "report it: nothing was rendered".to_owned();
            RenderError::Problems(Problems(vec![Problem::error(Rule::Form, error.to_string(), help)]))
        })?;
        let guardrails = C::guardrails(&Layout::new(stack.clone(), target.clone()));
        Ok(Reviewed { documents, report, review, sizes, warnings, guardrails, registry_grants })
    }

    fn audited(stack: &Stack, target: &Self::Target, documents: &str) -> Result<Report, Problems> {
        Ok(audit_layers(stack, target, &layers::<C>(documents)?))
    }

    fn collected(stack: &Stack, target: &Self::Target, answers: &[Answer]) -> Result<String, Problems> {
        let layout = Layout::<C>::new(stack.clone(), target.clone());
        let Collected { principals, problems } = C::collect(&layout, answers);
        Problems::none(problems)?;
        let mut layers = Layers { provisioning: None, management: None, runtime: None };
        for principal in principals {
            let mut holders = layout.permissions().holders();
            let holder = holders.find(|grants| grants.holder.label() == C::label(&principal));
            // The audit says of another one that the stack does not have it.
            let layer = match holder.map_or(Layer::Management, |grants| grants.holder.layer()) {
                Layer::Provisioning => &mut layers.provisioning,
                Layer::Management => &mut layers.management,
                Layer::Runtime => &mut layers.runtime,
            };
            layer.get_or_insert_with(|| LayerDocuments { principals: Vec::new() }).principals.push(principal);
        }
        let (cloud, stack, target) = (C::NAME.into(), layout.stack.name().clone(), layout.target.clone());
        let documents = Documents { cloud, stack, target, resources: BTreeMap::new(), layers };
        // Serializing documents cannot fail.
        Ok(serde_json::to_string(&documents).unwrap_or_default())
    }

    fn compared(before: &str, after: &str) -> Result<Comparison, Problems> {
        let read =
            |text, at: &str| layers::<C>(text).map_err(|wrong| wrong.0.into_iter().map(|one| one.at(at)).collect());
        match (read(before, "before"), read(after, "after")) {
            (Ok(before), Ok(after)) => {
                let compared = compare::<C>(&before, &after);
                let what = "these documents have no layer in common with the earlier ones".to_owned();
                let help = "give documents of the same layers".to_owned();
                let problem = Problem::error(Rule::Form, what, help).at("after");
                if compared.layers.is_empty() { Err(Problems(vec![problem])) } else { Ok(compared) }
            }
            (before, after) => {
                let problems: [Vec<Problem>; 2] = [before.err().unwrap_or_default(), after.err().unwrap_or_default()];
                Err(Problems(problems.concat()))
            }
        }
    }

    fn identity_text(layout: &Layout<Self>, grants: &Grants) -> String {
        // Serializing documents cannot fail.
        serde_json::to_string(&C::principal(layout, grants)).unwrap_or_default()
    }
}

/// Reads documents, or a whole review that has them. The cloud may read a repeated key otherwise than this library, so none is
/// taken.
fn layers<C: AccessControl>(text: &str) -> Result<Layers<C::Principal>, Problems> {
    /// The part of the documents that is read.
    #[derive(Deserialize)]
    struct Given<P> {
        cloud: String,
        layers: Layers<P>,
    }
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Once(#[serde(deserialize_with = "unique::value")] Value);
    let wrong = |what: String| {
        let help = "give the JSON form of rendered documents".to_owned();
        Problems(vec![Problem::error(Rule::Form, what, help)])
    };
    let documents = |given: Value| match given {
        Value::Object(mut review) if !review.contains_key("layers") => {
            review.remove("documents").unwrap_or(Value::Object(review))
        }
        given => given,
    };
    let given: Given<C::Principal> = serde_json::from_str(text)
        .and_then(|Once(given)| serde_json::from_value(documents(given)))
        .map_err(|error| wrong(format!("these are not permission documents of {}: {error}", C::NAME)))?;
    if given.cloud != C::NAME {
        return Err(wrong(format!("these are permission documents of {}, not of {}", given.cloud, C::NAME)));
    }
    if Layer::ALL.iter().all(|layer| given.layers.principals(*layer).is_empty()) {
        return Err(wrong("there is no principal in the documents, so there is nothing to look at".to_owned()));
    }
    Ok(given.layers)
}
