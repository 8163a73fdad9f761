//! One cloud's permission documents, in three layers, and their sizes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kind::Kind;
use crate::lifecycle::Lifecycle;
use crate::name::{ResourceId, StackName};
use crate::permission::Layer;

/// The permission documents of a stack: the identities of all three layers, and exactly what each may do. `T` is the
/// cloud's target, `P` the form of an identity in its documents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Documents<T, P> {
    /// The cloud's name.
    pub cloud: Cow<'static, str>,
    /// The stack's name.
    pub stack: StackName,
    /// Where the deployment goes and whom it trusts.
    pub target: T,
    /// The resources, by id.
    #[serde(deserialize_with = "crate::unique::map")]
    pub resources: BTreeMap<ResourceId, Physical>,
    /// The identities, by layer.
    pub layers: Layers<P>,
}

/// A resource, with its id on the cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Physical {
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Frozen or live.
    pub lifecycle: Lifecycle,
    /// The cloud's id of it: an ARN (AWS), a full resource name (GCP) or a resource id (Azure).
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
    /// The identities: one for each profile in the runtime layer, a single one in the other layers.
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

    /// Keeps only one layer.
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

/// The size of a document, and the cloud's limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Size {
    /// The name of the document.
    pub document: String,
    /// The unit of the size and the limit, as `characters`.
    pub unit: Cow<'static, str>,
    /// The size.
    pub size: usize,
    /// The largest size that the cloud accepts.
    pub limit: usize,
    /// The URL at which the cloud documents the limit.
    pub source: Cow<'static, str>,
}
