//! What a customer reviews, whatever the cloud's documents are.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::access::AccessControl;
use super::audit::audit_layers;
use super::documents::{Layers, Size};
use super::layout::Layout;
use super::placement::{Cloud, CloudTarget};
use super::render::{RenderError, Rendered, render};
use super::report::Report;
use super::review::Review;
use crate::permission::{Grants, Layer};
use crate::problem::{Problem, Problems, Rule};
use crate::stack::Stack;
use crate::unique;

/// What a customer reviews before anything is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reviewed {
    /// The permission documents of all three layers, in the cloud's own form.
    #[serde(deserialize_with = "unique::value")]
    pub documents: Value,
    /// What the audit found: no breach, and what should be known.
    pub report: Report,
    /// What the vendor can and cannot do, in words.
    pub review: Review,
    /// The size of each document against its limit.
    pub sizes: Vec<Size>,
    /// What should be known about the stack on this cloud.
    pub warnings: Vec<Problem>,
}

impl Reviewed {
    /// Leaves only the documents of one layer.
    pub fn keep(&mut self, layer: Layer) {
        if let Some(layers) = self.documents.get_mut("layers").and_then(Value::as_object_mut) {
            layers.retain(|name, _| name == layer.name());
        }
    }
}

/// Renders all three layers of a stack, checks every size, audits the result and says it in words: what a customer reviews
/// before anything is done. No network.
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

/// Audits permission documents in the form of [`Reviewed::documents`], wherever they came from: a file that somebody edited, or
/// another program. Layers that are absent are not judged. No network.
///
/// # Errors
///
/// Where they are documents of another cloud, where a key stands twice, where they have no principal, and where they are not of
/// that form.
pub fn audit<T: CloudTarget<Cloud: Documented>>(
    stack: &Stack,
    target: &T,
    documents: &str,
) -> Result<Report, Problems> {
    T::Cloud::audited(stack, target, documents)
}

/// A cloud that shows what it will grant. Every [`AccessControl`] does.
pub trait Documented: Cloud {
    /// Renders all three layers of a stack, checks every size, audits the result and says it in words. No network.
    ///
    /// # Errors
    ///
    /// As [`render`](super::render()).
    fn reviewed(stack: &Stack, target: &Self::Target) -> Result<Reviewed, RenderError>;

    /// Audits documents in the form of [`Reviewed::documents`], wherever they came from.
    ///
    /// # Errors
    ///
    /// Where they are not of that form.
    fn audited(stack: &Stack, target: &Self::Target, documents: &str) -> Result<Report, Problems>;

    /// All that is granted to a holder, as one text: the same as long as it is the same.
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
        Ok(Reviewed { documents, report, review, sizes, warnings })
    }

    fn audited(stack: &Stack, target: &Self::Target, documents: &str) -> Result<Report, Problems> {
        /// What of documents is audited.
        #[derive(Deserialize)]
        struct Given<P> {
            cloud: String,
            layers: Layers<P>,
        }
        /// A key that stands twice may be read otherwise by the cloud.
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
        // Documents have a JSON form.
        serde_json::to_string(&C::principal(layout, grants)).unwrap_or_default()
    }
}
