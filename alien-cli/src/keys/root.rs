//! `alien keys init`, `rotate`, `revoke`, `renew` and `sign`: which keys sign what in a repository.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use alien_core::{Clock as _, SystemClock};
use alien_release::{KeyRole, PublicKey, Root, RootDraft, RootKeys, SigningKey};
use schemars::JsonSchema;
use serde::Serialize;

use super::file::{make_folder, open, taken};
use crate::args::Shown;
use crate::args::keys::{InitArgs, NextRootArgs, PassphraseArgs, RenewArgs, RevokeArgs, RotateArgs, SignRootArgs};
use crate::file::{self, Replacement};
use crate::output::{self, Failure};

pub(super) async fn init(args: &InitArgs, shown: Shown) -> Result<(), Failure> {
    let passphrase = args.passphrase.given()?;
    let given = |path: &Option<PathBuf>| path.as_deref().map(public).transpose();
    let (release, online) = output::both(given(&args.release_public), given(&args.online_public))?;
    let root_names: Vec<String> = (1..=args.root_keys).map(|number| format!("root-{number}.pem")).collect();
    let mut made: Vec<(&str, SigningKey)> = Vec::new();
    for name in &root_names {
        made.push((name, SigningKey::generate()?));
    }
    let roots: Vec<PublicKey> = made.iter().map(|(_, key)| *key.public()).collect();
    let mut of = |given: Option<PublicKey>, name: &'static str| -> Result<PublicKey, Failure> {
        if let Some(public) = given {
            return Ok(public);
        }
        let key = SigningKey::generate()?;
        let public = *key.public();
        made.push((name, key));
        Ok(public)
    };
    let keys = RootKeys::new(args.threshold, roots, of(release, "release.pem")?, of(online, "online.pem")?)?;
    let mut draft = RootDraft::first(&keys, SystemClock.now())?;
    for (_, key) in made.iter().filter(|(_, key)| keys.role(key.public()) == Some(KeyRole::Root)) {
        draft.sign(key).await?;
    }
    let root = draft.finish()?;
    let folder = args.out.join("public");
    let path = folder.join(root.file_name());
    for path in made.iter().map(|(name, _)| args.out.join(name)).chain([path.clone()]) {
        absent(&path)?;
    }
    make_folder(&folder)?;
    let file = Replacement::of(&path)?;
    for (name, key) in &made {
        // The online key signs every few days, where nobody is who could give a passphrase.
        match passphrase.as_ref().filter(|_| *name != "online.pem") {
            Some(passphrase) => key.save_encrypted(args.out.join(name), passphrase),
            None => key.save(args.out.join(name)),
        }?;
    }
    file.write_bytes(root.to_json())?;
    let names = |role: KeyRole| -> Vec<PathBuf> {
        let of_role = made.iter().filter(|(_, key)| keys.role(key.public()) == Some(role));
        of_role.map(|(name, _)| args.out.join(name)).collect()
    };
    let made = Made {
        root: path,
        digest: root.digest().to_string(),
        threshold: keys.threshold(),
        root_keys: names(KeyRole::Root),
        release_key: names(KeyRole::Release).pop(),
        online_key: names(KeyRole::Online).pop(),
        encrypted: passphrase.is_some(),
    };
    shown.result(&made, |made| made.text(&args.out))
}

/// The result of `alien keys init`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "KeysMade")]
pub(crate) struct Made {
    /// The root file.
    root: PathBuf,
    /// Its digest, `sha256:…`, which those who take releases trust.
    digest: String,
    /// How many root keys sign a change of keys together.
    threshold: usize,
    /// The files of the private root keys.
    root_keys: Vec<PathBuf>,
    /// The file of the private release key, if it was made here.
    #[serde(skip_serializing_if = "Option::is_none")]
    release_key: Option<PathBuf>,
    /// The file of the private online key, if it was made here.
    #[serde(skip_serializing_if = "Option::is_none")]
    online_key: Option<PathBuf>,
    /// Whether a passphrase encrypts all but the online key.
    encrypted: bool,
}

impl Made {
    fn text(&self, out: &Path) -> String {
        let Self { root, digest, threshold, root_keys, release_key, online_key, encrypted } = self;
        let (root, out) = (root.display(), out.display());
        let names = root_keys.iter().filter_map(|path| path.file_name()).map(OsStr::to_string_lossy);
        let mut told = vec![
            format!("the root file is in `{root}`; its digest is {digest}"),
            format!(
                "root keys, {threshold} of {} sign a change of keys: `{out}`: {}; move each to another place without a network, now",
                root_keys.len(),
                names.collect::<Vec<_>>().join(", ")
            ),
        ];
        let online = "online key, which signs every few days how fresh the repository is, and is not encrypted";
        for (key, what) in [(release_key, "release key, which signs releases"), (online_key, online)] {
            told.extend(key.iter().map(|key| format!("{what}: `{}`", key.display())));
        }
        if !encrypted {
            told.push(
                "no key is encrypted; a passphrase (`--passphrase-file`) encrypts all but the online key".to_owned(),
            );
        }
        told.push(format!("then: `alien repository init FOLDER --root {root}`"));
        told.join("\n")
    }
}

pub(super) async fn rotate(args: &RotateArgs, shown: Shown) -> Result<(), Failure> {
    let (before, new) = output::both(root(&args.next.before.root), public(&args.new))?;
    let keys = before.keys()?;
    let old = found(&keys, &args.old)?;
    next(&args.next, &before, &keys.replace(&old, new)?, shown).await
}

pub(super) async fn revoke(args: &RevokeArgs, shown: Shown) -> Result<(), Failure> {
    let before = root(&args.next.before.root)?;
    let keys = before.keys()?;
    let key = found(&keys, &args.key)?;
    next(&args.next, &before, &keys.revoke(&key)?, shown).await
}

pub(super) async fn renew(args: &RenewArgs, shown: Shown) -> Result<(), Failure> {
    let before = root(&args.next.before.root)?;
    next(&args.next, &before, &before.keys()?, shown).await
}

pub(super) async fn sign(args: &SignRootArgs, shown: Shown) -> Result<(), Failure> {
    let before = args.root.as_deref().map(root).transpose()?;
    let draft = RootDraft::from_json(&file::bytes(&args.file)?, before.as_ref());
    let mut draft = taken(draft, &args.file)?;
    let file = Replacement::of(&args.file)?;
    signed(&mut draft, &args.root_key, &args.passphrase).await?;
    written(draft, &file, &args.file, shown)
}

/// Writes the root file that comes next, with these keys.
async fn next(args: &NextRootArgs, before: &Root, keys: &RootKeys, shown: Shown) -> Result<(), Failure> {
    absent(&args.out)?;
    let file = Replacement::of(&args.out)?;
    let mut draft = RootDraft::after(before, keys, SystemClock.now())?;
    signed(&mut draft, &args.before.root_key, &args.before.passphrase).await?;
    written(draft, &file, &args.out, shown)
}

async fn signed(draft: &mut RootDraft, keys: &[PathBuf], passphrase: &PassphraseArgs) -> Result<(), Failure> {
    for path in keys {
        let signed = draft.sign(&open(path, passphrase)?).await;
        taken(signed, path)?;
    }
    Ok(())
}

/// The result of `alien keys rotate`, `revoke`, `renew` and `sign`: a root file that was written.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "state", rename_all = "kebab-case")]
#[schemars(rename = "RootWritten")]
pub(crate) enum Written {
    /// Enough root keys have signed it.
    Complete {
        /// The root file.
        file: PathBuf,
        /// Its version.
        version: u64,
        /// Its digest, `sha256:…`.
        digest: String,
    },
    /// Another holder of a root key signs it next.
    Incomplete {
        /// The file, which is no root file yet.
        file: PathBuf,
        /// What it lacks.
        why: String,
    },
}

impl Written {
    fn text(&self) -> String {
        match self {
            Self::Complete { file, version, digest } => {
                let file = file.display();
                format!(
                    "root file {version} is in `{file}`; its digest is {digest}\n\
                     put it into the repository: `alien repository root FOLDER {file}`"
                )
            }
            Self::Incomplete { file, why } => {
                let (file, next) = (file.display(), "let another holder of a root key sign it");
                format!("`{file}` is not complete: {why}; {next}, by `alien keys sign {file}`")
            }
        }
    }
}

/// Writes a root file, or what is one once enough root keys have signed it.
fn written(draft: RootDraft, file: &Replacement, path: &Path, shown: Shown) -> Result<(), Failure> {
    let text = draft.to_json()?;
    let path = path.to_owned();
    let written = match draft.finish() {
        Ok(root) => {
            file.write_bytes(root.to_json())?;
            Written::Complete { file: path, version: root.version(), digest: root.digest().to_string() }
        }
        Err(why) => {
            file.write_bytes(&text)?;
            Written::Incomplete { file: path, why: why.message().to_owned() }
        }
    };
    shown.result(&written, Written::text)
}

/// The key of a repository that is meant, by its fingerprint or its file.
fn found(keys: &RootKeys, text: &str) -> Result<PublicKey, Failure> {
    if !text.starts_with("sha256:") {
        return public(text.as_ref());
    }
    let mut all = [KeyRole::Root, KeyRole::Release, KeyRole::Online].into_iter().flat_map(|role| keys.keys(role));
    let unknown = || Failure::form(text, "no key of the root file has this fingerprint", "name one of its keys");
    all.find(|key| key.fingerprint() == text).copied().ok_or_else(unknown)
}

/// Reads a root file.
pub(crate) fn root(path: &Path) -> Result<Root, Failure> {
    taken(Root::from_json(&file::bytes(path)?), path)
}

/// Reads the public half of a key.
pub(crate) fn public(path: &Path) -> Result<PublicKey, Failure> {
    taken(file::text(path)?.parse(), path)
}

fn absent(path: &Path) -> Result<(), Failure> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let what = "already exists, and is never overwritten";
    Err(Failure::form(path.display().to_string(), what, "name another file or folder"))
}
