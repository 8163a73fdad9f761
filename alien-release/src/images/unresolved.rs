//! Why an image is not resolved.

use std::fmt;

use alien_core::{Platform, Problem, Rule};

/// Why images could not be resolved: every problem of every image, by reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Unresolved(Vec<ImageProblem>);

/// One thing that is wrong with an image, or with asking for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageProblem {
    /// The image, as the stack names it.
    pub reference: String,
    /// What kind of problem it is.
    pub kind: ImageProblemKind,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub help: String,
}

/// What kind of problem it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ImageProblemKind {
    /// The stack does not name the image by a digest, or its reference cannot be read.
    Reference,
    /// The registry has no such image, or nothing under a digest that the image names.
    NotFound,
    /// The registry wants a credential, or refuses the one given.
    Unauthorized,
    /// The image is not there for a platform that the stack needs.
    Platform,
    /// What the registry answers does not have the digest that was asked for.
    Digest,
    /// What the registry answers is too large, or is not an image.
    Unreadable,
    /// The registry cannot be reached, takes too long, or has a fault of its own. The same call may work later.
    Unavailable,
}

impl Unresolved {
    pub(super) fn none(mut problems: Vec<ImageProblem>) -> Result<(), Self> {
        problems.sort_by(|one, other| (&one.reference, &one.what).cmp(&(&other.reference, &other.what)));
        if problems.is_empty() { Ok(()) } else { Err(Self(problems)) }
    }

    /// The problems, by the references of the images.
    #[must_use]
    pub fn as_slice(&self) -> &[ImageProblem] {
        &self.0
    }

    /// The problems in the form of all others of a release.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let problem = |ImageProblem { reference, what, help, .. }: &ImageProblem| {
            Problem::error(Rule::Code, what.clone(), help.clone()).at(reference)
        };
        self.0.iter().map(problem).collect()
    }
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            write!(f, "`{}`: {}; {}", problem.reference, problem.what, problem.help)?;
        }
        Ok(())
    }
}

/// How many platforms of an image are shown.
const SHOWN: usize = 16;

/// A problem of an image whose reference its caller knows.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    kind: ImageProblemKind,
    what: String,
    help: String,
}

impl Fault {
    fn new(kind: ImageProblemKind, what: impl Into<String>, help: &str) -> Self {
        Self { kind, what: what.into(), help: help.to_owned() }
    }

    pub(super) fn reference(what: impl Into<String>) -> Self {
        Self::new(ImageProblemKind::Reference, what, "write `registry/name@sha256:…` in the stack")
    }

    pub(super) fn not_found(what: impl Into<String>) -> Self {
        Self::new(ImageProblemKind::NotFound, what, "push the image, or name the digest of one that is there")
    }

    pub(super) fn unauthorized(what: impl Into<String>) -> Self {
        let help = "check that the image exists, and give a credential that may pull it";
        Self::new(ImageProblemKind::Unauthorized, what, help)
    }

    pub(super) fn digest(what: impl Into<String>) -> Self {
        let help = "do not publish it: find out what the registry, or who stands before it, has changed";
        Self::new(ImageProblemKind::Digest, what, help)
    }

    pub(super) fn unreadable(what: impl Into<String>) -> Self {
        let help = "build and push the image again, as an OCI or Docker image";
        Self::new(ImageProblemKind::Unreadable, what, help)
    }

    pub(super) fn unavailable(what: impl Into<String>) -> Self {
        Self::new(ImageProblemKind::Unavailable, what, "try again when the registry answers")
    }

    pub(super) fn no_platform(platform: Platform, offered: &[String]) -> Self {
        let offered =
            if offered.is_empty() { "none".to_owned() } else { offered.get(..SHOWN).unwrap_or(offered).join(", ") };
        let what = format!("there is no image for {platform}, only for {offered}");
        let help = "build it for that platform too, and name the digest of the new index";
        Self::new(ImageProblemKind::Platform, what, help)
    }

    pub(super) fn for_platform(mut self, platform: Platform) -> Self {
        self.what = format!("{platform}: {}", self.what);
        self
    }

    pub(super) fn of(self, reference: &str) -> ImageProblem {
        let Self { kind, what, help } = self;
        ImageProblem { reference: reference.to_owned(), kind, what, help }
    }
}

/// A text of a registry's, as far as it is shown: this many characters, none of which moves the cursor.
pub(super) fn shown(text: &str, most: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(most).collect()
}
