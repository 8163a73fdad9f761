//! From the references of a stack's images to their digests.

use std::collections::{BTreeMap, BTreeSet};

use alien_core::{ImageDigests, Images, Platform, Stack};
use futures_util::{StreamExt as _, stream};

use super::call::Calls;
use super::document::Document;
use super::location::Location;
use super::registry::Registry;
use super::unresolved::{Fault, Unresolved};

/// How many images are asked for at the same time.
const AT_ONCE: usize = 4;

impl Registry {
    /// Finds out what the images of a stack are: the digests of manifest and config for Linux on 64-bit x86, and for Linux on 64-bit
    /// Arm where there is one.
    ///
    /// Images are asked for by digest, never by tag, and each answer is compared with its digest. Nothing is pulled but
    /// indexes, manifests and configs, each of 4 MiB at most.
    ///
    /// # Errors
    ///
    /// Every problem of every image, each of an [`ImageProblemKind`](crate::ImageProblemKind).
    pub async fn resolve(&self, stack: &Stack) -> Result<Images, Unresolved> {
        let calls = Calls::new(self);
        let calls = &calls;
        let asked = Images::needed(stack).into_iter().map(|(reference, needed)| async move {
            let (found, faults) = match calls {
                Ok(calls) => image(calls, &reference, &needed).await,
                Err(fault) => (BTreeMap::new(), vec![fault.clone()]),
            };
            (reference, found, faults)
        });
        let mut images = Images::new();
        let mut problems = Vec::new();
        let mut answers = stream::iter(asked).buffer_unordered(AT_ONCE);
        while let Some((reference, found, faults)) = answers.next().await {
            problems.extend(faults.into_iter().map(|fault| fault.of(&reference)));
            for (platform, digests) in found {
                images.insert(&reference, platform, digests);
            }
        }
        Unresolved::none(problems)?;
        Ok(images)
    }
}

/// What an image is on each platform, and what is wrong with it.
async fn image(
    calls: &Calls,
    reference: &str,
    needed: &BTreeSet<Platform>,
) -> (BTreeMap<Platform, ImageDigests>, Vec<Fault>) {
    let mut found = BTreeMap::new();
    let mut faults = Vec::new();
    let (others, listed) = match document(calls, reference, &mut found, &mut faults).await {
        Ok(others_and_listed) => others_and_listed,
        Err(fault) => return (found, vec![fault]),
    };
    // What is listed and not found has a fault of its own.
    for platform in needed.difference(&listed) {
        faults.push(Fault::no_platform(*platform, &others));
    }
    (found, faults)
}

/// The names of all platforms that an image has, and those of them that a release keeps.
type Offered = (Vec<String>, BTreeSet<Platform>);

async fn document(
    calls: &Calls,
    reference: &str,
    found: &mut BTreeMap<Platform, ImageDigests>,
    faults: &mut Vec<Fault>,
) -> Result<Offered, Fault> {
    let at = Location::parse(reference)?;
    match calls.document(&at, &at.digest).await? {
        Document::Manifest { config } => {
            let platform = calls.config(&at, &config).await?;
            let known = platform.known();
            found.extend(known.map(|platform| (platform, ImageDigests { manifest: at.digest.clone(), config })));
            Ok((vec![platform.to_string()], known.into_iter().collect()))
        }
        Document::Index { entries, others } => {
            for (platform, manifest) in &entries {
                match listed(calls, &at, *platform, manifest).await {
                    Ok(digests) => drop(found.insert(*platform, digests)),
                    Err(fault) => faults.push(fault.for_platform(*platform)),
                }
            }
            Ok((others, entries.into_keys().collect()))
        }
    }
}

/// What an index lists for a platform. The config must say the same platform: it is what an engine goes by.
async fn listed(calls: &Calls, at: &Location, platform: Platform, manifest: &str) -> Result<ImageDigests, Fault> {
    let Document::Manifest { config } = calls.document(at, manifest).await? else {
        return Err(Fault::unreadable(format!("{manifest} is an index within an index")));
    };
    let built_for = calls.config(at, &config).await?;
    if built_for.known() != Some(platform) {
        let what = format!("the index lists it for {platform}, and its config says {built_for}");
        return Err(Fault::unreadable(what));
    }
    Ok(ImageDigests { manifest: manifest.to_owned(), config })
}
