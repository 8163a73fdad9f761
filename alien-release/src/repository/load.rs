//! What a folder of a repository has. Nothing is signed anew that its keys did not sign.

use std::path::Path;

use alien_core::{Error, ErrorKind, Result};
use serde::de::DeserializeOwned;
use tough::schema::{Hashes, Metafile, Role, Signed, Snapshot, Targets, Timestamp};

use super::root::Root;
use super::schema::hashes;
use crate::files::{failed, read};

/// What a folder has.
pub(super) struct Current {
    /// The root files, the latest last.
    pub(super) roots: Vec<Root>,
    /// What is in the repository; `None` before the first release.
    pub(super) content: Option<Content>,
}

pub(super) struct Content {
    pub(super) targets: Signed<Targets>,
    pub(super) snapshot: Signed<Snapshot>,
    pub(super) timestamp: Signed<Timestamp>,
}

impl Current {
    /// Reads a folder.
    pub(super) fn of(folder: &Path) -> Result<Self> {
        let roots = roots(folder)?;
        let content = match read(folder, "timestamp.json")? {
            Some(text) => Some(content(folder, &roots, &text)?),
            None => None,
        };
        Ok(Self { roots, content })
    }

    /// The latest root file.
    pub(super) fn root(&self) -> Result<&Root> {
        self.roots.last().ok_or_else(|| broken("there is no root file"))
    }
}

impl Content {
    /// What the snapshot says of the list.
    pub(super) fn listed(&self) -> Result<Metafile> {
        let listed = self.snapshot.signed.meta.get("targets.json").cloned();
        listed.ok_or_else(|| broken("the snapshot names no targets"))
    }
}

fn roots(folder: &Path) -> Result<Vec<Root>> {
    let mut roots = Vec::new();
    let entries = std::fs::read_dir(folder).map_err(|error| failed(folder, &error))?;
    for entry in entries {
        let name = entry.map_err(|error| failed(folder, &error))?.file_name();
        let Some(name) = name.to_str() else { continue };
        let is_root = name.strip_suffix(".root.json").is_some_and(|version| version.parse::<u64>().is_ok());
        if is_root && let Some(text) = read(folder, name)? {
            let root = Root::from_json(&text)?;
            if root.file_name() != name {
                return Err(broken(&format!("`{name}` is root file {}", root.version())));
            }
            roots.push(root);
        }
    }
    roots.sort_by_key(Root::version);
    for (one, next) in roots.iter().zip(roots.iter().skip(1)) {
        one.precedes(next)?;
    }
    Ok(roots)
}

fn content(folder: &Path, roots: &[Root], timestamp: &[u8]) -> Result<Content> {
    let timestamp: Signed<Timestamp> = verified("timestamp.json", roots, timestamp)?;
    let meta = timestamp.signed.meta.get("snapshot.json");
    let meta = meta.ok_or_else(|| broken("`timestamp.json` names no snapshot"))?;
    let name = format!("{}.snapshot.json", meta.version);
    let snapshot: Signed<Snapshot> = verified(&name, roots, &named(folder, &name, meta.hashes.as_ref())?)?;
    let meta = snapshot.signed.meta.get("targets.json");
    let meta = meta.ok_or_else(|| broken(&format!("`{name}` names no targets")))?;
    let name = format!("{}.targets.json", meta.version);
    let targets = verified(&name, roots, &named(folder, &name, meta.hashes.as_ref())?)?;
    Ok(Content { targets, snapshot, timestamp })
}

/// Reads a file whose digest is known.
fn named(folder: &Path, name: &str, wanted: Option<&Hashes>) -> Result<Vec<u8>> {
    let text = read(folder, name)?.ok_or_else(|| broken(&format!("`{name}` is missing")))?;
    if wanted.is_none_or(|wanted| *wanted == hashes(&text)) {
        return Ok(text);
    }
    Err(broken(&format!("`{name}` was changed since it was written")))
}

/// Reads a file that keys of a root file signed: of the latest, or of an earlier one until it is signed anew.
fn verified<T: Role + DeserializeOwned>(name: &str, roots: &[Root], text: &[u8]) -> Result<Signed<T>> {
    let file: Signed<T> =
        serde_json::from_slice(text).map_err(|error| broken(&format!("`{name}` cannot be read: {error}")))?;
    if roots.iter().any(|root| root.schema().verify_role(&file).is_ok()) {
        return Ok(file);
    }
    Err(broken(&format!("`{name}` is not signed by the keys of the repository")))
}

fn broken(what: &str) -> Error {
    let help = "put the folder back as it was, from a copy";
    Error::new(ErrorKind::Rejected, format!("the repository is damaged: {what}; {help}"))
}
