//! The code of a resource, in every form that some cloud runs.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::zip_limits::ZipLimits;
use crate::form::Form;
use crate::kind::Kind;
use crate::name::{TextError, is_digest, sha256};
use crate::printable::is_printable;
use crate::problem::{Problem, Rule};

/// The code of a resource, named once for every cloud: a zip, images, or both. Each is pinned by its digest.
///
/// Each cloud takes the form that it runs: AWS Lambda the zip, Cloud Run and Container Apps an image. Of several images, a
/// cloud takes the one in a registry of its own, else one in another that it prefers, else the first by name.
/// [`Adapter::code`](crate::Adapter::code) tells which forms a cloud runs.
///
/// ```
/// use alien_core::{Code, CodeForm};
///
/// let digest = format!("sha256:{}", "0".repeat(64));
/// let code = Code::zip(b"the bytes of a zip")
///     .with_image("europe-docker.pkg.dev/vendor/shop/api", &digest)?
///     .with_image("vendor.azurecr.io/api", &digest)?;
/// assert_eq!(code.forms().count(), 3);
///
/// let image = Code::image("registry.example.com/api", &digest)?;
/// assert_eq!(image.only(), Some(CodeForm::Image(format!("registry.example.com/api@{digest}"))));
/// assert!(Code::image("registry.example.com/api", "latest").is_err(), "a tag can be moved: name a digest");
/// # Ok::<(), alien_core::TextError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// The SHA-256 of a zip that holds an executable `bootstrap`. The bytes come with the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zip: Option<Pin>,
    /// Images: the repository (`registry/name`), and the digest of what is in it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    images: BTreeMap<String, Pin>,
}

/// The digest of a zip or an image: `sha256:` and 64 hexadecimal digits in lower case; or one such digest for each platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Pin {
    /// One digest, for all platforms.
    Digest(String),
    /// A digest for each platform.
    Platforms(BTreeMap<Platform, String>),
}

/// Stands for the digest of an image that version 1 wrote without one. Such an image is read and kept, with a warning.
const UNPINNED: &str = "unpinned";

/// The platform that code is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub enum Platform {
    /// Linux on 64-bit x86: `linux/amd64`. Every cloud runs it.
    #[serde(rename = "linux/amd64")]
    LinuxAmd64,
    /// Linux on 64-bit Arm: `linux/arm64`. No adapter asks for it yet.
    #[serde(rename = "linux/arm64")]
    LinuxArm64,
}

impl Platform {
    /// The word used in documents, as the OCI image specification writes it: `linux/amd64`, `linux/arm64`.
    /// <https://github.com/opencontainers/image-spec/blob/main/image-index.md>
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LinuxAmd64 => "linux/amd64",
            Self::LinuxArm64 => "linux/arm64",
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Pin {
    fn digest(&self, platform: Platform) -> Option<&str> {
        match self {
            Self::Digest(digest) => Some(digest),
            Self::Platforms(digests) => digests.get(&platform).map(String::as_str),
        }
    }

    fn form(&self) -> Form<'_> {
        match self {
            Self::Digest(digest) => Form::of(digest),
            Self::Platforms(digests) => {
                Form::Object(digests.iter().map(|(platform, digest)| (platform.name(), Form::of(digest))).collect())
            }
        }
    }

    fn check(&self, is_good: fn(&str) -> bool) -> Result<(), &str> {
        match self {
            Self::Digest(digest) if is_good(digest) => Ok(()),
            Self::Digest(digest) => Err(digest),
            Self::Platforms(digests) if digests.is_empty() => Err("{}"),
            Self::Platforms(digests) => {
                digests.values().find(|digest| !is_digest(digest)).map_or(Ok(()), |bad| Err(bad))
            }
        }
    }
}

/// Code in one form: what one cloud runs of a [`Code`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CodeForm<'a> {
    /// The zip of this digest, `sha256:…`.
    Zip(&'a str),
    /// The image of this reference, `registry/name@sha256:…`.
    Image(String),
}

impl CodeForm<'_> {
    /// The digest, `sha256:…`; empty if an image is not pinned.
    #[must_use]
    pub fn digest(&self) -> &str {
        match self {
            Self::Zip(digest) => digest,
            Self::Image(reference) => reference.split_once('@').map_or("", |(_, digest)| digest),
        }
    }
}

/// Which forms of code a kind of resource runs on a cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeForms {
    /// Whether it runs a zip. If so, a zip is preferred to any image.
    pub zip: bool,
    /// How the names of the registries end whose images are preferred, the best first: the cloud's own, as `.amazonaws.com`.
    pub registries: &'static [&'static str],
    /// What it takes of a zip; `None` if zips are not looked at.
    pub zips: Option<ZipLimits>,
}

impl CodeForms {
    /// A zip, or an image of any registry.
    pub const ANY: Self = Self { zip: true, registries: &[], zips: None };
    /// An image of any registry.
    pub const IMAGE: Self = Self { zip: false, registries: &[], zips: None };

    /// Sets how the names of the registries end whose images are preferred, the best first.
    #[must_use]
    pub const fn preferring(self, registries: &'static [&'static str]) -> Self {
        Self { registries, ..self }
    }

    /// Sets what the cloud takes of a zip. Every zip is looked at before it is sent.
    #[must_use]
    pub const fn limiting(self, zips: ZipLimits) -> Self {
        Self { zips: Some(zips), ..self }
    }

    /// Chooses the one form of the code that runs here; `None` if the code has no such form.
    #[must_use]
    pub fn choose(self, code: &Code) -> Option<Code> {
        let platform = Platform::LinuxAmd64;
        if let Some(digest) = code.zip.as_ref().filter(|_| self.zip).and_then(|zip| zip.digest(platform)) {
            return Some(Code { zip: Some(Pin::Digest(digest.to_owned())), images: BTreeMap::new() });
        }
        let images = || code.images.iter().filter_map(|(name, pin)| Some((name, pin.digest(platform)?)));
        let at = |ending: &str| images().find(|(name, _)| name.split('/').next().unwrap_or_default().ends_with(ending));
        let (repository, digest) = self.registries.iter().find_map(|ending| at(ending)).or_else(|| images().next())?;
        Some(Code { zip: None, images: BTreeMap::from([(repository.clone(), Pin::Digest(digest.to_owned()))]) })
    }

    /// The problem of code that has no form that runs here.
    pub(crate) fn refusal(self, cloud: &str, kind: Kind, code: &Code) -> Problem {
        let platform = Platform::LinuxAmd64;
        let (what, help) = if code.images.is_empty() && !self.zip {
            let what = format!("{cloud} runs a {kind} from an image, and its code is a zip alone");
            (what, "add an image to its code".to_owned())
        } else {
            let what = format!("{cloud} runs a {kind} on {platform}, and its code has nothing for that");
            (what, format!("add a digest for {platform} to its code"))
        };
        Problem::error(Rule::Cloud, what, help)
    }
}

impl Code {
    /// Creates code from the bytes of a zip that holds an executable `bootstrap`. Only their SHA-256 is kept; the
    /// release has the bytes.
    #[must_use]
    pub fn zip(bytes: &[u8]) -> Self {
        Self::default().with_zip(bytes)
    }

    /// Creates code from an image: its repository, `registry/name`, and its digest, `sha256:` and 64 hexadecimal digits
    /// in lower case. The digest may be that of an index of several platforms.
    ///
    /// # Errors
    ///
    /// If the repository or the digest is not valid.
    pub fn image(repository: impl Into<String>, digest: &str) -> Result<Self, TextError> {
        Self::default().with_image(repository, digest)
    }

    /// Adds a zip, or replaces the present one.
    #[must_use]
    pub fn with_zip(mut self, bytes: &[u8]) -> Self {
        self.zip = Some(Pin::Digest(sha256(bytes)));
        self
    }

    /// Adds an image of another registry, or replaces that of the same repository.
    ///
    /// # Errors
    ///
    /// As [`image`](Self::image).
    pub fn with_image(mut self, repository: impl Into<String>, digest: &str) -> Result<Self, TextError> {
        let (repository, digest) = image(repository.into(), digest)?;
        self.images.insert(repository, Pin::Digest(digest));
        Ok(self)
    }

    /// Adds an image for one platform, beside those of the same repository for others.
    ///
    /// # Errors
    ///
    /// As [`image`](Self::image).
    pub fn with_platform_image(
        mut self,
        repository: impl Into<String>,
        platform: Platform,
        digest: &str,
    ) -> Result<Self, TextError> {
        let (repository, digest) = image(repository.into(), digest)?;
        match self.images.get_mut(&repository) {
            Some(Pin::Platforms(digests)) => {
                digests.insert(platform, digest);
            }
            _ => {
                self.images.insert(repository, Pin::Platforms(BTreeMap::from([(platform, digest)])));
            }
        }
        Ok(self)
    }

    /// Every form that it has: the zip first, then images by repository and platform.
    pub fn forms<'a>(&'a self) -> impl Iterator<Item = CodeForm<'a>> {
        let digests = |pin: &'a Pin| -> Vec<&'a str> {
            match pin {
                Pin::Digest(digest) => vec![digest.as_str()],
                Pin::Platforms(digests) => digests.values().map(String::as_str).collect(),
            }
        };
        let images = self.images.iter().flat_map(move |(repository, pin)| {
            digests(pin).into_iter().map(move |digest| CodeForm::Image(reference(repository, digest)))
        });
        self.zip.iter().flat_map(digests).map(CodeForm::Zip).chain(images)
    }

    /// Its form, if it has exactly one. An adapter only sees such code: the form for its cloud was chosen before.
    #[must_use]
    pub fn only(&self) -> Option<CodeForm<'_>> {
        let mut forms = self.forms();
        let first = forms.next();
        if forms.next().is_some() { None } else { first }
    }

    /// The digests of its zips.
    pub(crate) fn zips(&self) -> impl Iterator<Item = &str> {
        self.forms().filter_map(|form| match form {
            CodeForm::Zip(digest) => Some(digest),
            CodeForm::Image(_) => None,
        })
    }

    /// The references of its images, and the platform that each must have: its own, or the one that every cloud runs.
    pub(crate) fn references(&self) -> impl Iterator<Item = (String, Platform)> {
        self.images.iter().flat_map(|(repository, pin)| -> Vec<(String, Platform)> {
            match pin {
                Pin::Digest(digest) => vec![(reference(repository, digest), Platform::LinuxAmd64)],
                Pin::Platforms(digests) => {
                    digests.iter().map(|(platform, digest)| (reference(repository, digest), *platform)).collect()
                }
            }
        })
    }

    /// Its form for fingerprints and differences. Code of one form is written as version 1 of the JSON form wrote it.
    pub(crate) fn form(&self) -> Form<'_> {
        match self.only() {
            Some(CodeForm::Zip(digest)) => Form::object([("zip", Form::of(digest))]),
            Some(CodeForm::Image(reference)) => Form::object([("image", Form::Text(Cow::Owned(reference)))]),
            None => {
                let images = self.images.iter().map(|(repository, pin)| (repository.as_str(), pin.form()));
                let zip = self.zip.iter().map(|zip| ("zip", zip.form()));
                let fields = zip.chain([("images", Form::Object(images.collect()))]);
                Form::Object(fields.collect())
            }
        }
    }

    pub(crate) fn check(&self, problems: &mut Vec<Problem>) {
        if self.zip.is_none() && self.images.is_empty() {
            let help = "name a zip by its digest, or an image by its repository and digest".to_owned();
            problems.push(Problem::error(Rule::Code, "the code is empty".to_owned(), help));
        }
        let digest_help = || "write `sha256:` and 64 hexadecimal digits in lower case".to_owned();
        if let Some(Err(digest)) = self.zip.as_ref().map(|zip| zip.check(is_digest)) {
            problems.push(Problem::error(Rule::Code, format!("zip `{digest}` is not a digest"), digest_help()));
        }
        for (repository, pin) in &self.images {
            let is_unpinned = pin.check(is_digest) == Err(UNPINNED);
            if !is_repository(repository) && !is_unpinned {
                let what = format!("`{repository}` is not the repository of an image");
                let help = "write `registry/name`, without a digest".to_owned();
                problems.push(Problem::error(Rule::Code, what, help));
            }
            match pin.check(is_digest) {
                Ok(()) => {}
                Err(UNPINNED) => problems.push(Problem::warning(
                    Rule::Code,
                    format!("image `{repository}` is not pinned by digest: what runs can change without an update"),
                    "name its digest: `sha256:` and 64 hexadecimal digits in lower case".to_owned(),
                )),
                Err(digest) => {
                    let what = format!("image `{repository}` is named by `{digest}`, which is not a digest");
                    problems.push(Problem::error(Rule::Code, what, digest_help()));
                }
            }
        }
    }

    /// The JSON form of an image reference of version 1: repository and digest, or `unpinned`.
    pub(crate) fn of_reference(reference: &str) -> (String, String) {
        let pinned = reference.split_once('@').filter(|(_, digest)| is_digest(digest));
        let (repository, digest) = pinned.unwrap_or((reference, UNPINNED));
        (repository.to_owned(), digest.to_owned())
    }
}

/// Code of this one form, as a cloud tells what runs. An image without a digest stays without one.
impl From<CodeForm<'_>> for Code {
    fn from(form: CodeForm<'_>) -> Self {
        match form {
            CodeForm::Zip(digest) => Self { zip: Some(Pin::Digest(digest.to_owned())), images: BTreeMap::new() },
            CodeForm::Image(reference) => {
                let (repository, digest) = Self::of_reference(&reference);
                Self { zip: None, images: BTreeMap::from([(repository, Pin::Digest(digest))]) }
            }
        }
    }
}

/// Reads the reference of an image, `registry/name@sha256:…`.
impl FromStr for Code {
    type Err = TextError;

    fn from_str(reference: &str) -> Result<Self, TextError> {
        let (repository, digest) = reference.split_once('@').unwrap_or((reference, ""));
        Self::image(repository, digest)
    }
}

fn image(repository: String, digest: &str) -> Result<(String, String), TextError> {
    if !is_repository(&repository) {
        return Err(TextError::new(
            repository,
            "the repository of an image",
            "write `registry/name`, without a digest",
        ));
    }
    if !is_digest(digest) {
        let rule = "write `sha256:` and 64 hexadecimal digits in lower case";
        return Err(TextError::new(digest.to_owned(), "the digest of an image", rule));
    }
    Ok((repository, digest.to_owned()))
}

fn reference(repository: &str, digest: &str) -> String {
    if digest == UNPINNED { repository.to_owned() } else { format!("{repository}@{digest}") }
}

fn is_repository(repository: &str) -> bool {
    !repository.is_empty() && !repository.contains(|c: char| c == '@' || c.is_whitespace() || !is_printable(c))
}
