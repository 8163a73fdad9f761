//! Which roots a fleet trusts: a file that names the root and the repository of each product.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use alien_core::{RootDigest, StackName};
use alien_release::{FolderTransport, HttpTransport, TarTransport, TrustedRoot, Verifier};
use serde::Deserialize;

use crate::output::Failure;
use crate::{file, keys};

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

/// The verifiers of the products that the file names; none without a file.
pub(crate) fn verifiers(given: Option<&Path>) -> Result<Vec<(StackName, Verifier)>, Failure> {
    let variable = env::var_os("ALIEN_TRUST").filter(|text| !text.is_empty()).map(PathBuf::from);
    let Some(path) = given.map(Path::to_owned).or(variable) else { return Ok(Vec::new()) };
    let wrong = |what: String| Failure::form(path.display().to_string(), what, FORM);
    let all: BTreeMap<StackName, Trusted> =
        serde_json::from_str(&file::text(&path)?).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    if all.is_empty() {
        return Err(wrong("names no product".to_owned()));
    }
    let each = all.into_iter().map(|(product, Trusted { root, repository, kept })| {
        let kept = kept.unwrap_or_else(|| beside(&path, &product));
        let verifier = verifier(&repository, self::root(&root)?, &kept)?;
        Ok((product, verifier))
    });
    each.collect()
}

const FORM: &str = "write `{\"shop\": {\"root\": \"sha256:…\", \"repository\": \"https://…\"}}`";

/// The folder for a product beside the file: `trust.json.kept/shop`.
fn beside(path: &Path, product: &StackName) -> PathBuf {
    let mut folder = path.as_os_str().to_owned();
    folder.push(".kept");
    PathBuf::from(folder).join(product.as_str())
}

/// Reads from a URL, a folder or a file in the format of tar.
pub(crate) fn verifier(from: &str, root: impl Into<TrustedRoot>, trusted: &Path) -> Result<Verifier, Failure> {
    if from.starts_with("https://") || from.starts_with("http://") {
        return Ok(Verifier::new(root, trusted, HttpTransport::new(from)?));
    }
    let path = Path::new(from);
    if path.is_dir() {
        return Ok(Verifier::new(root, trusted, FolderTransport::new(path)));
    }
    Ok(Verifier::new(root, trusted, TarTransport::open(path)?))
}

/// A root file, or its digest.
pub(crate) fn root(text: &str) -> Result<TrustedRoot, Failure> {
    if text.starts_with("sha256:") {
        let digest = text.parse::<RootDigest>();
        return digest.map(TrustedRoot::from).map_err(|error| Failure::form("root", error.to_string(), "correct it"));
    }
    keys::root(text.as_ref()).map(TrustedRoot::from)
}
