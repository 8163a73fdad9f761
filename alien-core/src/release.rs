//! A release: a stack and the bytes of its zips.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::problem::{Problem, Problems, Rule};
use crate::resource::{Code, CodeForms, Resource};
use crate::stack::Stack;

/// A stack and the bytes of its zips, to be set up or rolled out together.
///
/// ```
/// use std::sync::Arc;
/// use alien_core::{Artifacts, Code, Function, Profile, Release, Stack};
///
/// let mut stack = Stack::builder("shop");
/// stack.live("api", Function::new(Code::zip(b"the bytes of a zip"), "api"));
/// stack.profile("api", Profile::new());
/// let stack = stack.build()?;
/// let release = Release::new(stack.clone(), [Arc::from(*b"the bytes of a zip")].into_iter().collect())?;
/// assert!(Release::new(stack, Artifacts::default()).is_err(), "the stack names a zip that is not among the bytes");
/// # let _ = release;
/// # Ok::<(), alien_core::Problems>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    stack: Stack,
    artifacts: Artifacts,
}

/// The bytes of zips, by the SHA-256 digests that [`Code`] has for them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Artifacts(BTreeMap<String, Arc<[u8]>>);

impl Artifacts {
    /// Adds a zip, and returns the code that names it.
    pub fn insert(&mut self, bytes: impl Into<Arc<[u8]>>) -> Code {
        let bytes = bytes.into();
        let code = Code::zip(&bytes);
        self.0.extend(code.zips().map(|digest| (digest.to_owned(), Arc::clone(&bytes))));
        code
    }

    /// The bytes of the code's zip; `None` if the code has no zip, or if the bytes are not among the artifacts.
    #[must_use]
    pub fn bytes(&self, code: &Code) -> Option<&Arc<[u8]>> {
        code.zips().find_map(|digest| self.0.get(digest))
    }

    /// The zips: the SHA-256 of each, `sha256:…`, and its bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<[u8]>)> {
        self.0.iter().map(|(digest, bytes)| (digest.as_str(), bytes))
    }
}

impl std::fmt::Debug for Artifacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(digest, bytes)| (digest, bytes.len()))).finish()
    }
}

impl FromIterator<Arc<[u8]>> for Artifacts {
    fn from_iter<I: IntoIterator<Item = Arc<[u8]>>>(zips: I) -> Self {
        let mut artifacts = Self::default();
        for zip in zips {
            artifacts.insert(zip);
        }
        artifacts
    }
}

impl Release {
    /// Creates a release from a stack and the bytes of every zip that it names.
    ///
    /// # Errors
    ///
    /// Every resource whose zip is not among the artifacts.
    pub fn new(stack: Stack, artifacts: Artifacts) -> Result<Self, Problems> {
        let release = Self::partial(stack, artifacts);
        let missing = |resource: &Resource| release.refused_artifact("", resource, resource.code()?, None);
        Problems::none(release.stack.resources().iter().filter_map(missing).collect())?;
        Ok(release)
    }

    /// Creates a release to update an existing deployment: only the bytes of the zips that will be sent are needed.
    #[must_use]
    pub const fn partial(stack: Stack, artifacts: Artifacts) -> Self {
        Self { stack, artifacts }
    }

    /// Creates a release from a stack that is deployed already, without any bytes: none will be sent.
    #[must_use]
    pub(crate) const fn without_artifacts(stack: Stack) -> Self {
        Self::partial(stack, Artifacts(BTreeMap::new()))
    }

    /// The problem of a resource whose code has a zip that is not among the artifacts, or that the cloud does not take.
    pub(crate) fn refused_artifact(
        &self,
        cloud: &str,
        resource: &Resource,
        code: &Code,
        forms: Option<CodeForms>,
    ) -> Option<Problem> {
        let limits = forms.and_then(|forms| forms.zips);
        let problem = code.zips().find_map(|digest| match self.artifacts.0.get(digest) {
            Some(bytes) => limits?.refusal(cloud, bytes),
            None => {
                let what = format!("no file has the digest of its zip, {digest}");
                let help =
                    "give the file whose bytes the stack names, or put the digest of the file you have in the stack";
                Some(Problem::error(Rule::Code, what, help.to_owned()))
            }
        })?;
        Some(problem.on(resource.id()))
    }

    /// The stack.
    #[must_use]
    pub const fn stack(&self) -> &Stack {
        &self.stack
    }

    /// The bytes of its zips.
    #[must_use]
    pub const fn artifacts(&self) -> &Artifacts {
        &self.artifacts
    }

    pub(crate) fn into_parts(self) -> (Stack, Artifacts) {
        (self.stack, self.artifacts)
    }
}
