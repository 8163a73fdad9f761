//! What runs: an image or a zip.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::form::Form;
use crate::problem::{Problem, Rule};

/// What runs: an image pinned by digest, or a zip named by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Code {
    /// An image reference that ends in `@sha256:` and 64 hexadecimal digits.
    Image(String),
    /// `sha256:` and the 64 hexadecimal digits of a zip that holds an executable `bootstrap`. The bytes come with
    /// the release.
    Zip(String),
}

impl Code {
    /// An image, `registry/repository@sha256:…`.
    #[must_use]
    pub fn image(reference: impl Into<String>) -> Self {
        Self::Image(reference.into())
    }

    /// A zip, by its bytes: what is kept is their SHA-256.
    #[must_use]
    pub fn zip(bytes: &[u8]) -> Self {
        use std::fmt::Write as _;
        let mut digest = String::from("sha256:");
        for byte in Sha256::digest(bytes) {
            // Writing to a string cannot fail.
            let _ = write!(digest, "{byte:02x}");
        }
        Self::Zip(digest)
    }

    pub(crate) fn form(&self) -> Form<'_> {
        Form::object([match self {
            Self::Image(reference) => ("image", Form::Text(reference)),
            Self::Zip(digest) => ("zip", Form::Text(digest)),
        }])
    }

    pub(crate) fn check(&self, problems: &mut Vec<Problem>) {
        match self {
            Self::Image(reference) => match reference.split_once('@') {
                _ if reference.is_empty() => problems.push(Problem::error(
                    Rule::Code,
                    "the image is empty".to_owned(),
                    "name it as `registry/repository@sha256:…`".to_owned(),
                )),
                Some((_, digest)) if is_digest(digest) => {}
                _ => problems.push(Problem::warning(
                    Rule::Code,
                    format!("image `{reference}` is not pinned by digest: what runs can change without an update"),
                    "name it as `registry/repository@sha256:` and 64 hexadecimal digits in lower case".to_owned(),
                )),
            },
            Self::Zip(digest) if is_digest(digest) => {}
            Self::Zip(digest) => problems.push(Problem::error(
                Rule::Code,
                format!("zip `{digest}` is not a digest"),
                "write `sha256:` and 64 hexadecimal digits in lower case".to_owned(),
            )),
        }
    }
}

/// `sha256:` and 64 hexadecimal digits in lower case.
fn is_digest(digest: &str) -> bool {
    digest.strip_prefix("sha256:").is_some_and(|digits| {
        digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}
