//! What verifies the releases of several products: a file that names the root and the repository of each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use alien_core::adapter::{LARGEST_TEXT, read_bytes, read_text, read_unique};
use alien_core::{Error, Problem, Result, RootDigest, Rule, StackName};
use serde::Deserialize;

use super::folder::FolderTransport;
use super::http::HttpTransport;
use super::tar::TarTransport;
use super::verifier::{TrustedRoot, Verifier};
use crate::repository::Root;

/// What is trusted for a product.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Trusted {
    /// The root file, or its digest.
    root: String,
    /// Where the releases are: a URL, a folder or a file in the format of tar.
    repository: String,
    /// The folder in which what is trusted is kept: beside this file, if it is not given.
    kept: Option<PathBuf>,
}

/// Reads whose releases are trusted, by product, from a file in JSON.
///
/// ```json
/// {"shop": {"root": "sha256:…", "repository": "https://releases.vendor.example"}}
/// ```
///
/// `root` is the digest of a root file, or the path of one; `repository` is a URL, a folder or a tar; and what is trusted is kept in the
/// folder `kept`, by default `FILE.kept/PRODUCT`.
///
/// # Errors
///
/// [`Input`](alien_core::ErrorKind::Input) with the problems of all products, each with the file and the product; [`Unavailable`](alien_core::ErrorKind::Unavailable) if this machine
/// cannot call by HTTPS.
pub fn verifiers(file: &Path) -> Result<Vec<(StackName, Verifier)>> {
    let shown = file.display().to_string();
    let wrong = |what: String| -> Error { vec![form(what).at(&shown)].into() };
    let text = read_text(file)?;
    let all: BTreeMap<StackName, Trusted> =
        read_unique(&text).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    if all.is_empty() {
        return Err(wrong("names no product".to_owned()));
    }
    let (mut verifiers, mut problems) = (Vec::new(), Vec::new());
    for (product, Trusted { root, repository, kept }) in all {
        let kept = kept.unwrap_or_else(|| beside(file, &product));
        match TrustedRoot::read(&root).and_then(|root| Verifier::reading(&repository, root, kept)) {
            Ok(verifier) => verifiers.push((product, verifier)),
            Err(error) if error.problems().is_empty() => return Err(error.at(format!("{shown}: {product}"))),
            Err(error) => {
                problems
                    .extend(error.problems().iter().map(|problem| problem.clone().at(format!("{shown}: {product}"))));
            }
        }
    }
    if problems.is_empty() { Ok(verifiers) } else { Err(problems.into()) }
}

fn form(what: String) -> Problem {
    let help = r#"write `{"shop": {"root": "sha256:…", "repository": "https://…"}}`"#;
    Problem::error(Rule::Form, what, help.to_owned())
}

/// The folder for a product beside the file: `trust.json.kept/shop`.
fn beside(file: &Path, product: &StackName) -> PathBuf {
    let mut folder = file.as_os_str().to_owned();
    folder.push(".kept");
    PathBuf::from(folder).join(product.as_str())
}

impl TrustedRoot {
    /// Reads the digest of a root file, `sha256:…`, or the root file at a path.
    ///
    /// # Errors
    ///
    /// [`Input`](alien_core::ErrorKind::Input) if the digest is none, or the file cannot be read or is no root file.
    pub fn read(text: &str) -> Result<Self> {
        let wrong = |what: String| -> Error {
            let help = "name a root file, or its digest as `sha256:…`".to_owned();
            vec![Problem::error(Rule::Form, what, help)].into()
        };
        if text.starts_with("sha256:") {
            let digest = text.parse::<RootDigest>();
            return digest.map(Self::from).map_err(|error| wrong(format!("`{text}`: {error}")));
        }
        let read = read_bytes(Path::new(text), LARGEST_TEXT).map_err(|unread| wrong(unread.to_string()))?;
        Root::from_json(&read).map(Self::from).map_err(|error| error.at(text))
    }
}

impl Verifier {
    /// Reads a repository at a URL, in a folder, or in a file in the format of tar; otherwise as [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// [`Input`](alien_core::ErrorKind::Input) if it is no such place; [`Unavailable`](alien_core::ErrorKind::Unavailable) if this machine cannot call by HTTPS.
    pub fn reading(place: &str, root: impl Into<TrustedRoot>, folder: impl Into<PathBuf>) -> Result<Self> {
        if place.starts_with("https://") || place.starts_with("http://") {
            return Ok(Self::new(root, folder, HttpTransport::new(place)?));
        }
        let path = Path::new(place);
        if path.is_dir() {
            return Ok(Self::new(root, folder, FolderTransport::new(path)));
        }
        Ok(Self::new(root, folder, TarTransport::open(path)?))
    }
}
