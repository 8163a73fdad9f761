//! The root file: which keys sign what.

use std::collections::HashMap;
use std::num::NonZeroU64;

use alien_core::{Error, ErrorKind, Problem, Result, RootDigest, Rule};
use jiff::Timestamp;
use tough::schema::key::Key;
use tough::schema::{self, RoleKeys, RoleType, Signed};

use super::root_keys::{KeyRole, RootKeys};
use super::schema::{MOST_ROOT, ROOT, SPEC, key_id, length, next, sign, tuf_key, until, written};
use crate::keys::{PublicKey, Signer};

/// No later root file could follow the last number there is; and up to here every program reads numbers exactly.
const LARGEST_VERSION: u64 = (1 << 53) - 1;

/// A root file, `N.root.json`: which keys sign what, signed by as many root keys as it asks for.
///
/// Whoever has one, or its [`digest`](Self::digest), trusts what is signed by its keys, and every later root file that enough of
/// its root keys sign. It is valid for three years.
#[derive(Debug, Clone)]
pub struct Root {
    signed: Signed<schema::Root>,
    text: Vec<u8>,
    digest: RootDigest,
}

impl Root {
    /// Reads a root file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] if it is no root file, or too few of its own root keys signed it.
    pub fn from_json(text: &[u8]) -> Result<Self> {
        let help = "give the file as it was written";
        if length(text) > MOST_ROOT {
            return Err(wrong(format!("it has {} bytes, and a root file at most {MOST_ROOT}", text.len()), help));
        }
        let signed: Signed<schema::Root> =
            serde_json::from_slice(text).map_err(|error| wrong(format!("this is not a root file: {error}"), help))?;
        if signed.signed.version.get() > LARGEST_VERSION {
            let what = format!("its version, {}, is above {LARGEST_VERSION}", signed.signed.version);
            return Err(wrong(what, "count root files from 1"));
        }
        signed.signed.verify_role(&signed).map_err(|error| {
            let what = format!("root file {} is not signed as it says itself: {error}", signed.signed.version);
            wrong(what, "give the file as it was written, after enough root keys signed it")
        })?;
        Self::of(signed, text.to_vec())
    }

    fn of(signed: Signed<schema::Root>, text: Vec<u8>) -> Result<Self> {
        Ok(Self { signed, digest: RootDigest::of(&text), text })
    }

    /// The file's content.
    #[must_use]
    pub fn to_json(&self) -> &[u8] {
        &self.text
    }

    /// The SHA-256 of the file: what a customer compares.
    #[must_use]
    pub const fn digest(&self) -> &RootDigest {
        &self.digest
    }

    /// Its version: 1, and one more with each change of keys.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.signed.signed.version.get()
    }

    /// Until when it is valid.
    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.signed.signed.expires
    }

    /// The name of the file: `2.root.json` for version 2.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}.root.json", self.version())
    }

    /// Its keys.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] if another program made it with keys that are not Ed25519, or that [`RootKeys`] do not allow.
    pub fn keys(&self) -> Result<RootKeys> {
        keys(&self.signed.signed)
    }

    /// Reads a root file, if it has this digest and is one.
    pub(crate) fn with_digest(text: &[u8], digest: &RootDigest) -> Option<Self> {
        Self::from_json(text).ok().filter(|root| root.digest() == digest)
    }

    pub(super) const fn schema(&self) -> &schema::Root {
        &self.signed.signed
    }

    /// Whether enough of the root keys of this file signed another.
    fn signs(&self, other: &Signed<schema::Root>) -> bool {
        self.signed.signed.verify_role(other).is_ok()
    }

    /// Checks that a root file comes after this one: its version is the next, and enough root keys of this file signed it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Rejected`] if it does not.
    pub fn precedes(&self, next: &Self) -> Result<()> {
        let (this, other) = (self.version(), next.version());
        if this.checked_add(1) != Some(other) {
            let what = format!("root file {other} does not come after root file {this}");
            return Err(Error::new(ErrorKind::Rejected, what));
        }
        if self.signs(&next.signed) {
            return Ok(());
        }
        let what = format!("root file {other} is not signed by enough root keys of root file {this}");
        Err(Error::new(ErrorKind::Rejected, what))
    }
}

impl PartialEq for Root {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Root {}

/// A root file that is not signed by enough root keys yet.
///
/// Each holder of a root key [signs](Self::sign) it, on a machine of their own if they like: [`to_json`](Self::to_json) and
/// [`from_json`](Self::from_json) carry it from one to the next. [`finish`](Self::finish) makes it a [`Root`].
///
/// ```
/// use alien_release::{RootDraft, RootKeys, SigningKey};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> alien_core::Result<()> {
/// let [a, b, c, release, online] = std::array::from_fn(|_| SigningKey::generate().unwrap());
/// let keys = RootKeys::new(2, [&a, &b, &c].map(|key| *key.public()), *release.public(), *online.public())?;
/// let mut draft = RootDraft::first(&keys, jiff::Timestamp::now())?;
/// draft.sign(&a).await?;
/// draft.sign(&b).await?;
/// let root = draft.finish()?;
///
/// // The online key was stolen. The holders of root keys put another in its place.
/// let another = SigningKey::generate()?;
/// let keys = root.keys()?.replace(online.public(), *another.public())?;
/// let mut draft = RootDraft::after(&root, &keys, jiff::Timestamp::now())?;
/// draft.sign(&a).await?;
/// draft.sign(&c).await?;
/// assert_eq!(draft.finish()?.version(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RootDraft {
    signed: Signed<schema::Root>,
    before: Option<Root>,
}

impl RootDraft {
    /// Drafts the first root file of a repository.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] if a key has no id.
    pub fn first(keys: &RootKeys, now: Timestamp) -> Result<Self> {
        Self::of(NonZeroU64::MIN, keys, now, None)
    }

    /// Drafts the root file that comes after another, with these keys. Enough root keys of both sign it.
    ///
    /// With the same keys, it is the same for three more years.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] if a key has no id.
    pub fn after(root: &Root, keys: &RootKeys, now: Timestamp) -> Result<Self> {
        Self::of(next(root.schema().version), keys, now, Some(root.clone()))
    }

    fn of(version: NonZeroU64, keys: &RootKeys, now: Timestamp, before: Option<Root>) -> Result<Self> {
        let mut root = schema::Root {
            spec_version: SPEC.to_owned(),
            consistent_snapshot: true,
            version,
            expires: until(now, ROOT),
            keys: HashMap::new(),
            roles: HashMap::new(),
            _extra: HashMap::new(),
        };
        let threshold = u64::try_from(keys.threshold).ok().and_then(NonZeroU64::new).unwrap_or(NonZeroU64::MIN);
        for (role, of, threshold) in [
            (RoleType::Root, KeyRole::Root, threshold),
            (RoleType::Targets, KeyRole::Release, NonZeroU64::MIN),
            (RoleType::Snapshot, KeyRole::Online, NonZeroU64::MIN),
            (RoleType::Timestamp, KeyRole::Online, NonZeroU64::MIN),
        ] {
            let mut keyids = Vec::new();
            for key in keys.keys(of) {
                let id = key_id(key)?;
                root.keys.insert(id.clone(), tuf_key(key));
                keyids.push(id);
            }
            root.roles.insert(role, RoleKeys { keyids, threshold, _extra: HashMap::new() });
        }
        Ok(Self { signed: Signed { signed: root, signatures: Vec::new() }, before })
    }

    /// Reads a draft; with the root file before it, unless it is the first.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] if it is no root file, or does not come after that one.
    pub fn from_json(text: &[u8], before: Option<&Root>) -> Result<Self> {
        let help = "give the file as it was written";
        if length(text) > MOST_ROOT {
            return Err(wrong(format!("it has {} bytes, and a root file at most {MOST_ROOT}", text.len()), help));
        }
        let signed: Signed<schema::Root> =
            serde_json::from_slice(text).map_err(|error| wrong(format!("this is not a root file: {error}"), help))?;
        let (found, wanted) =
            (signed.signed.version, before.map_or(NonZeroU64::MIN, |root| next(root.schema().version)));
        if found != wanted {
            let what = format!("this is root file {found}, and the next is root file {wanted}");
            return Err(wrong(what, "give it with the root file before it"));
        }
        Ok(Self { signed, before: before.cloned() })
    }

    /// The draft as a file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] if it cannot be written.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        written(&self.signed)
    }

    /// Its keys, to look at before signing.
    ///
    /// # Errors
    ///
    /// As [`Root::keys`].
    pub fn keys(&self) -> Result<RootKeys> {
        keys(&self.signed.signed)
    }

    /// Signs the draft with a root key: one of its own, or one of the root file before it. Signing twice changes nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] if the key is no root key of either; those of the signer.
    pub async fn sign(&mut self, signer: &dyn Signer) -> Result<()> {
        let id = key_id(&signer.public())?;
        let holds = |root: &schema::Root| root.roles.get(&RoleType::Root).is_some_and(|keys| keys.keyids.contains(&id));
        if !holds(&self.signed.signed) && !self.before.as_ref().is_some_and(|before| holds(before.schema())) {
            let what = format!("the key {} is no root key", signer.public().fingerprint());
            return Err(wrong(what, "sign with a root key, of this file or of the one before it"));
        }
        let signature = sign(&self.signed.signed, signer).await?;
        self.signed.signatures.retain(|other| other.keyid != signature.keyid);
        self.signed.signatures.push(signature);
        self.signed.signatures.sort_by(|one, other| one.keyid.cmp(&other.keyid));
        Ok(())
    }

    /// Makes it a root file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Rejected`] if too few root keys have signed it: its own, and those of the file before it.
    pub fn finish(self) -> Result<Root> {
        let version = self.signed.signed.version;
        if let Err(error) = self.signed.signed.verify_role(&self.signed) {
            let what = format!("root file {version} is not signed by enough of its own root keys: {error}");
            return Err(Error::new(ErrorKind::Rejected, what));
        }
        let text = written(&self.signed)?;
        let root = Root::of(self.signed, text)?;
        if let Some(before) = self.before {
            before.precedes(&root)?;
        }
        Ok(root)
    }
}

fn keys(root: &schema::Root) -> Result<RootKeys> {
    let of = |role: RoleType| -> Result<Vec<PublicKey>> {
        root.roles.get(&role).into_iter().flat_map(|keys| &keys.keyids).map(|id| public(root.keys.get(id))).collect()
    };
    let threshold = root.roles.get(&RoleType::Root).map_or(0, |keys| keys.threshold.get());
    let keys = RootKeys {
        threshold: usize::try_from(threshold).unwrap_or(usize::MAX),
        root: of(RoleType::Root)?,
        release: of(RoleType::Targets)?,
        online: of(RoleType::Timestamp)?,
    };
    let mut snapshot = of(RoleType::Snapshot)?;
    let mut online = keys.online.clone();
    snapshot.sort_unstable();
    online.sort_unstable();
    if snapshot != online {
        return Err(unsupported("its snapshot and its timestamp are signed by different keys"));
    }
    keys.checked()
}

fn public(key: Option<&Key>) -> Result<PublicKey> {
    match key {
        Some(Key::Ed25519 { keyval, .. }) => {
            let bytes =
                <[u8; 32]>::try_from(keyval.public.as_ref()).map_err(|_| unsupported("a key is not 32 bytes long"))?;
            Ok(PublicKey::from_bytes(bytes))
        }
        _ => Err(unsupported("it has keys that are not Ed25519")),
    }
}

fn unsupported(what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("this root file was made by another program: {what}"))
}

fn wrong(what: String, help: &str) -> Error {
    vec![Problem::error(Rule::Form, what, help.to_owned())].into()
}
