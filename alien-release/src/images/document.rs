//! The documents of a registry: indexes, manifests, configs.

use std::collections::BTreeMap;
use std::fmt;

use alien_core::Platform;
use serde::Deserialize;

use super::location::is_digest;
use super::unresolved::{Fault, shown};

/// The media types that are asked for: what OCI and Docker call an index, and a manifest.
/// <https://github.com/opencontainers/image-spec/blob/main/media-types.md>
pub(super) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

const INDEXES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
const MANIFESTS: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];
const CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// How many images an index may list.
const LARGEST_INDEX: usize = 256;

/// What stands under the digest of an image.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Document {
    /// An image for one platform.
    Manifest {
        /// The digest of its config.
        config: String,
    },
    /// Images for several platforms.
    Index {
        /// The digests of the manifests for the platforms that a release keeps.
        entries: BTreeMap<Platform, String>,
        /// The names of all platforms.
        others: Vec<String>,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Form {
    schema_version: u32,
    media_type: Option<String>,
    manifests: Option<Vec<Entry>>,
    config: Option<Config>,
    layers: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Entry {
    digest: String,
    platform: Option<BuiltFor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    media_type: String,
    digest: String,
}

/// The platform that an image is built for, in the words of an index or of a config.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct BuiltFor {
    os: String,
    architecture: String,
    #[serde(default)]
    variant: String,
}

impl BuiltFor {
    /// The platform, if a release keeps images for it. The variants are the basic ones, which every such machine runs: what is built for
    /// `amd64/v3` fails on some.
    /// <https://github.com/opencontainers/image-spec/blob/main/image-index.md#platform-variants>
    pub(super) fn known(&self) -> Option<Platform> {
        match (self.os.as_str(), self.architecture.as_str(), self.variant.as_str()) {
            ("linux", "amd64", "" | "v1") => Some(Platform::LinuxAmd64),
            ("linux", "arm64", "" | "v8") => Some(Platform::LinuxArm64),
            _ => None,
        }
    }

    /// Reads the platform that a config says.
    pub(super) fn of_config(bytes: &[u8]) -> Result<Self, Fault> {
        serde_json::from_slice(bytes)
            .map_err(|error| Fault::unreadable(format!("its config does not say a platform: {error}")))
    }
}

impl fmt::Display for BuiltFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // These words are the registry's: no more is repeated than a platform takes.
        let words = [&self.os, &self.architecture, &self.variant].map(|word| shown(word, 32));
        let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
        f.write_str(&words.join("/"))
    }
}

impl Document {
    /// Reads an index or a manifest. What says that it is the one and looks like the other is refused: who reads it by its
    /// media type and who reads it by its fields would see two images.
    /// <https://github.com/opencontainers/distribution-spec/security/advisories/GHSA-mc8v-mgrf-8f4m>
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let unreadable = |what: &str| Err(Fault::unreadable(what.to_owned()));
        let form: Form = match serde_json::from_slice(bytes) {
            Ok(form) => form,
            Err(error) => return unreadable(&format!("it is neither an index nor a manifest: {error}")),
        };
        if form.schema_version != 2 {
            return unreadable(&format!("it is of schema version {}, and only 2 is read", form.schema_version));
        }
        let says = |types: [&str; 2]| form.media_type.as_deref().is_none_or(|found| types.contains(&found));
        match (form.manifests, form.config, form.layers) {
            (Some(manifests), None, None) if says(INDEXES) => Self::index(&manifests),
            (None, Some(config), Some(_)) if says(MANIFESTS) => {
                if !CONFIGS.contains(&config.media_type.as_str()) {
                    let found = shown(&config.media_type, 100);
                    return unreadable(&format!("it is no image of a container: its config is `{found}`"));
                }
                if !is_digest(&config.digest) {
                    return unreadable("its config is not named by a SHA-256 digest");
                }
                Ok(Self::Manifest { config: config.digest })
            }
            _ => unreadable("its fields are not those of its media type"),
        }
    }

    fn index(manifests: &[Entry]) -> Result<Self, Fault> {
        if manifests.len() > LARGEST_INDEX {
            let what = format!("the index lists {} images, and {LARGEST_INDEX} are read", manifests.len());
            return Err(Fault::unreadable(what));
        }
        let mut entries = BTreeMap::new();
        let mut others = Vec::new();
        for Entry { digest, platform } in manifests {
            let Some(built_for) = platform else { continue };
            others.push(built_for.to_string());
            // Of several for a platform, the first is the one that engines take.
            // <https://github.com/opencontainers/image-spec/blob/main/image-index.md#image-index-property-descriptions>
            if let Some(platform) = built_for.known() {
                if !is_digest(digest) {
                    let what = format!("the index does not name the image for {platform} by a SHA-256 digest");
                    return Err(Fault::unreadable(what));
                }
                entries.entry(platform).or_insert_with(|| digest.clone());
            }
        }
        Ok(Self::Index { entries, others })
    }
}
