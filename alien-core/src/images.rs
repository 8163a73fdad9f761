//! What the images of a stack are, for each platform.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::is_digest;
use crate::problem::{Problem, Rule};
use crate::resource::Platform;
use crate::stack::Stack;

/// What the images of a stack are, for each platform: the digests of the manifest and of the config.
///
/// An image is called as the stack calls it, `registry/name@sha256:…`. That digest can be of an index of several platforms,
/// so it does not tell which image runs.
///
/// ```
/// use alien_core::{ImageDigests, Images, Platform};
///
/// let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
/// let api = format!("registry.example.com/api@{}", digest("0"));
/// let mut images = Images::new();
/// images.insert(&api, Platform::LinuxAmd64, ImageDigests { manifest: digest("1"), config: digest("2") });
/// assert_eq!(images.digests(&api, Platform::LinuxAmd64).unwrap().config, digest("2"));
/// assert_eq!(images.digests(&api, Platform::LinuxArm64), None);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Images(BTreeMap<String, BTreeMap<Platform, ImageDigests>>);

/// The digests of an image for one platform, each `sha256:` and 64 hexadecimal digits in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageDigests {
    /// The digest of the manifest, by which a registry serves it.
    pub manifest: String,
    /// The digest of the config. Engines call it the id of the image, and it stays the same when the image is moved to another registry.
    pub config: String,
}

impl Images {
    /// Creates an empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lists the images that a stack names, and the platforms that each must have: Linux on 64-bit x86, which every cloud
    /// runs; of an image that the stack names for one platform, that one.
    ///
    /// An image that is not pinned is listed by its repository alone. It cannot be published.
    #[must_use]
    pub fn needed(stack: &Stack) -> BTreeMap<String, BTreeSet<Platform>> {
        let mut needed: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for code in stack.resources().iter().filter_map(|resource| resource.code()) {
            for (reference, platform) in code.references() {
                needed.entry(reference).or_default().insert(platform);
            }
        }
        needed
    }

    /// Adds what an image is on a platform, or replaces it. [`PublishedRelease::new`](crate::PublishedRelease::new) checks
    /// the digests.
    pub fn insert(&mut self, reference: impl Into<String>, platform: Platform, digests: ImageDigests) -> &mut Self {
        self.0.entry(reference.into()).or_default().insert(platform, digests);
        self
    }

    /// What an image is on a platform.
    #[must_use]
    pub fn digests(&self, reference: &str, platform: Platform) -> Option<&ImageDigests> {
        self.0.get(reference)?.get(&platform)
    }

    /// The images by reference, and what each is on its platforms.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &BTreeMap<Platform, ImageDigests>)> {
        self.0.iter().map(|(reference, platforms)| (reference.as_str(), platforms))
    }

    /// Leaves out what the stack does not name.
    pub(crate) fn retain(&mut self, needed: &BTreeMap<String, BTreeSet<Platform>>) {
        self.0.retain(|reference, _| needed.contains_key(reference));
    }

    /// Compares with what a stack needs.
    pub(crate) fn check(&self, needed: &BTreeMap<String, BTreeSet<Platform>>, problems: &mut Vec<Problem>) {
        let mut problem = |reference: &str, what: String, help: &str| {
            problems.push(Problem::error(Rule::Code, what, help.to_owned()).at(reference));
        };
        for (reference, platforms) in needed {
            let pinned = reference.split_once('@').is_some_and(|(_, digest)| is_digest(digest));
            if !pinned {
                let what = "the image is not pinned by digest: what runs can change without a release";
                problem(reference, what.to_owned(), "name its digest in the stack");
                continue;
            }
            let Some(found) = self.0.get(reference) else {
                problem(reference, "it is not resolved".to_owned(), "ask its registry for its digests");
                continue;
            };
            for platform in platforms.iter().filter(|platform| !found.contains_key(platform)) {
                let help = "build it for that platform too, and name the digest of the index";
                problem(reference, format!("there is no image for {platform}"), help);
            }
        }
        for (reference, platforms) in &self.0 {
            if !needed.contains_key(reference) {
                problem(reference, "the stack does not name this image".to_owned(), "leave it out");
            }
            for (platform, ImageDigests { manifest, config }) in platforms {
                for (what, digest) in [("manifest", manifest), ("config", config)] {
                    if !is_digest(digest) {
                        let what = format!("`{digest}` is not the digest of the {what} for {platform}");
                        problem(reference, what, "write `sha256:` and 64 hexadecimal digits in lower case");
                    }
                }
            }
        }
    }
}
