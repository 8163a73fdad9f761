//! What a customer reviews, whatever form the cloud's documents have.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::access::AccessControl;
use super::audit::audit_layers;
use super::documents::{Layers, Size};
use super::guardrail::Guardrail;
use super::layout::Layout;
use super::placement::{Cloud, CloudTarget};
use super::render::{RenderError, Rendered, render};
use super::report::Report;
use super::review::{PulledFrom, Review};
use crate::delivery::Delivery;
use crate::permission::{Grants, Layer};
use crate::problem::{Problem, Problems, Rule};
use crate::stack::Stack;
use crate::unique;

/// What a customer reviews before the set-up: permission documents, the audit's report, and a summary in words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

    /// Everything that is granted to a holder, as one text. Equal permissions give equal texts.
    fn identity_text(layout: &Layout<Self>, grants: &Grants) -> String;
}

impl<C: AccessControl> Documented for C {
    fn reviewed(stack: &Stack, target: &Self::Target) -> Result<Reviewed, RenderError> {
        let rendered = render(stack, target)?;
        let review = rendered.review(stack);
        let Rendered { documents, report, sizes, warnings } = rendered;
        let documents = serde_json::to_value(&documents).map_err(|error| {
            let help = "report it: nothing was rendered".to_owned();
            RenderError::Problems(Problems(vec![Problem::error(Rule::Form, error.to_string(), help)]))
        })?;
        let guardrails = C::guardrails(&Layout::new(stack.clone(), target.clone()));
        Ok(Reviewed { documents, report, review, sizes, warnings, guardrails })
    }

    fn audited(stack: &Stack, target: &Self::Target, documents: &str) -> Result<Report, Problems> {
        /// The part of the documents that is audited.
        #[derive(Deserialize)]
        struct Given<P> {
            cloud: String,
            layers: Layers<P>,
        }
        /// The cloud may read a repeated key otherwise than this library.
        #[derive(Deserialize)]
        #[serde(transparent)]
        struct Once(#[serde(deserialize_with = "unique::value")] Value);
        let wrong = |what: String| {
            let help = "give the JSON form of rendered documents".to_owned();
            Problems(vec![Problem::error(Rule::Form, what, help)])
        };
        let given: Given<C::Principal> = serde_json::from_str(documents)
            .and_then(|Once(documents)| serde_json::from_value(documents))
            .map_err(|error| wrong(format!("these are not permission documents of {}: {error}", C::NAME)))?;
        if given.cloud != C::NAME {
            return Err(wrong(format!("these are permission documents of {}, not of {}", given.cloud, C::NAME)));
        }
        if Layer::ALL.iter().all(|layer| given.layers.principals(*layer).is_empty()) {
            return Err(wrong("there is no principal in the documents, so there is nothing to audit".to_owned()));
        }
        Ok(audit_layers(stack, target, &given.layers))
    }

    fn identity_text(layout: &Layout<Self>, grants: &Grants) -> String {
        // Serializing documents cannot fail.
        serde_json::to_string(&C::principal(layout, grants)).unwrap_or_default()
    }
}
