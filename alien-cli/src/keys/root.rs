//! `alien keys init`, `rotate`, `revoke`, `renew` and `sign`: which keys sign what in a repository.

use std::path::{Path, PathBuf};

use alien_core::{Clock as _, SystemClock};
use alien_release::{KeyRole, PublicKey, Root, RootDraft, RootKeys, SigningKey};

use super::file::{make_folder, open, taken};
use crate::args::keys::{InitArgs, NextRootArgs, PassphraseArgs, RenewArgs, RevokeArgs, RotateArgs, SignRootArgs};
use crate::file::{self, Replacement};
use crate::output::{self, Failure};

pub(super) async fn init(args: &InitArgs) -> Result<(), Failure> {
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
    let mut told = vec![format!("the root file is in `{}`; its digest is {}", path.display(), root.digest())];
    let names = |role: KeyRole| -> Vec<&str> {
        made.iter().filter(|(_, key)| keys.role(key.public()) == Some(role)).map(|(name, _)| *name).collect()
    };
    let (threshold, of) = (keys.threshold(), names(KeyRole::Root).len());
    let out = args.out.display();
    told.push(format!(
        "root keys, {threshold} of {of} sign a change of keys: `{out}`: {}; move each to another place without a network, now",
        names(KeyRole::Root).join(", ")
    ));
    for (role, what) in [
        (KeyRole::Release, "release key, which signs releases"),
        (KeyRole::Online, "online key, which signs every few days how fresh the repository is, and is not encrypted"),
    ] {
        told.extend(names(role).iter().map(|name| format!("{what}: `{out}/{name}`")));
    }
    if passphrase.is_none() {
        told.push("no key is encrypted; a passphrase (`--passphrase-file`) encrypts all but the online key".to_owned());
    }
    told.push(format!("then: `alien repository init FOLDER --root {}`", path.display()));
    output::line(told.join("\n"))
}

pub(super) async fn rotate(args: &RotateArgs) -> Result<(), Failure> {
    let (before, new) = output::both(root(&args.next.before.root), public(&args.new))?;
    let keys = before.keys()?;
    let old = found(&keys, &args.old)?;
    next(&args.next, &before, &keys.replace(&old, new)?).await
}

pub(super) async fn revoke(args: &RevokeArgs) -> Result<(), Failure> {
    let before = root(&args.next.before.root)?;
    let keys = before.keys()?;
    let key = found(&keys, &args.key)?;
    next(&args.next, &before, &keys.revoke(&key)?).await
}

pub(super) async fn renew(args: &RenewArgs) -> Result<(), Failure> {
    let before = root(&args.next.before.root)?;
    next(&args.next, &before, &before.keys()?).await
}

pub(super) async fn sign(args: &SignRootArgs) -> Result<(), Failure> {
    let before = args.root.as_deref().map(root).transpose()?;
    let draft = RootDraft::from_json(&file::bytes(&args.file)?, before.as_ref());
    let mut draft = taken(draft, &args.file)?;
    let file = Replacement::of(&args.file)?;
    signed(&mut draft, &args.root_key, &args.passphrase).await?;
    written(draft, &file, &args.file)
}

/// Writes the root file that comes next, with these keys.
async fn next(args: &NextRootArgs, before: &Root, keys: &RootKeys) -> Result<(), Failure> {
    absent(&args.out)?;
    let file = Replacement::of(&args.out)?;
    let mut draft = RootDraft::after(before, keys, SystemClock.now())?;
    signed(&mut draft, &args.before.root_key, &args.before.passphrase).await?;
    written(draft, &file, &args.out)
}

async fn signed(draft: &mut RootDraft, keys: &[PathBuf], passphrase: &PassphraseArgs) -> Result<(), Failure> {
    for path in keys {
        let signed = draft.sign(&open(path, passphrase)?).await;
        taken(signed, path)?;
    }
    Ok(())
}

/// Writes a root file, or what is one once enough root keys have signed it.
fn written(draft: RootDraft, file: &Replacement, path: &Path) -> Result<(), Failure> {
    let text = draft.to_json()?;
    match draft.finish() {
        Ok(root) => {
            file.write_bytes(root.to_json())?;
            let (version, digest) = (root.version(), root.digest());
            output::line(format_args!(
                "root file {version} is in `{}`; its digest is {digest}\n\
                 put it into the repository: `alien repository root FOLDER {}`",
                path.display(),
                path.display()
            ))
        }
        Err(why) => {
            file.write_bytes(&text)?;
            output::line(format_args!(
                "`{}` is not complete: {}; let another holder of a root key sign it, by `alien keys sign {}`",
                path.display(),
                why.message(),
                path.display()
            ))
        }
    }
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
