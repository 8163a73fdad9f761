//! Which keys a repository has, and for what.

use std::fmt;

use alien_core::{Problem, Result, Rule};

use crate::keys::PublicKey;

/// The fewest signatures of root keys that make a root file.
const LEAST_THRESHOLD: usize = 2;
/// The most keys for one purpose.
const MOST_KEYS: usize = 16;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyRole {
    /// It signs the list of keys. Kept offline; at least two sign together.
    Root,
    /// It signs releases and what belongs to them: by a person, in CI, or in an HSM.
    Release,
    /// It signs how fresh the repository is, every few days. It may be on a server.
    Online,
}

impl fmt::Display for KeyRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root => "root key",
            Self::Release => "release key",
            Self::Online => "online key",
        })
    }
}

/// The public keys of a repository, and how many root keys must sign a change of them.
///
/// ```
/// use alien_release::{KeyRole, RootKeys, SigningKey};
///
/// let [a, b, c, release, online] = std::array::from_fn(|_| *SigningKey::generate().unwrap().public());
/// let keys = RootKeys::new(2, [a, b, c], release, online)?;
/// // A root key was lost: it is taken out, or another takes its place.
/// assert_eq!(keys.clone().revoke(&c)?.keys(KeyRole::Root).len(), 2);
/// let d = *SigningKey::generate()?.public();
/// assert_eq!(keys.replace(&c, d)?.keys(KeyRole::Root), [a, b, d]);
/// # Ok::<(), alien_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootKeys {
    pub(super) threshold: usize,
    pub(super) root: Vec<PublicKey>,
    pub(super) release: Vec<PublicKey>,
    pub(super) online: Vec<PublicKey>,
}

impl RootKeys {
    /// Takes the root keys, how many of them must sign together, the release key and the online key.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](alien_core::ErrorKind::Input) if fewer than two root keys must sign, or more than there are; if one key is for two purposes; if
    /// there are more than 16 root keys.
    pub fn new(
        threshold: usize,
        root: impl IntoIterator<Item = PublicKey>,
        release: PublicKey,
        online: PublicKey,
    ) -> Result<Self> {
        let root = root.into_iter().collect();
        Self { threshold, root, release: vec![release], online: vec![online] }.checked()
    }

    /// The keys for a purpose, in the order in which they were given.
    #[must_use]
    pub fn keys(&self, role: KeyRole) -> &[PublicKey] {
        match role {
            KeyRole::Root => &self.root,
            KeyRole::Release => &self.release,
            KeyRole::Online => &self.online,
        }
    }

    /// How many root keys must sign a root file.
    #[must_use]
    pub const fn threshold(&self) -> usize {
        self.threshold
    }

    /// What a key is for; `None` if it is not among these.
    #[must_use]
    pub fn role(&self, key: &PublicKey) -> Option<KeyRole> {
        [KeyRole::Root, KeyRole::Release, KeyRole::Online].into_iter().find(|role| self.keys(*role).contains(key))
    }

    /// Adds a key. Each of several release keys signs alone, and each of several online keys.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn add(mut self, role: KeyRole, key: PublicKey) -> Result<Self> {
        match role {
            KeyRole::Root => self.root.push(key),
            KeyRole::Release => self.release.push(key),
            KeyRole::Online => self.online.push(key),
        }
        self.checked()
    }

    /// Puts another key in the place of one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](alien_core::ErrorKind::Input) if the one is not among these, or the other is.
    pub fn replace(mut self, old: &PublicKey, new: PublicKey) -> Result<Self> {
        let Some(role) = self.role(old) else { return Err(absent(old)) };
        for key in self.of_mut(role) {
            if key == old {
                *key = new;
            }
        }
        self.checked()
    }

    /// Takes a key out: what it signs is refused from then on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](alien_core::ErrorKind::Input) if it is not among these, if it is the last for its purpose, or if too few root keys are left.
    pub fn revoke(mut self, key: &PublicKey) -> Result<Self> {
        let Some(role) = self.role(key) else { return Err(absent(key)) };
        self.of_mut(role).retain(|other| other != key);
        self.checked()
    }

    /// Sets how many root keys must sign together.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](alien_core::ErrorKind::Input) if it is fewer than two, or more than there are.
    pub fn with_threshold(mut self, threshold: usize) -> Result<Self> {
        self.threshold = threshold;
        self.checked()
    }

    fn of_mut(&mut self, role: KeyRole) -> &mut Vec<PublicKey> {
        match role {
            KeyRole::Root => &mut self.root,
            KeyRole::Release => &mut self.release,
            KeyRole::Online => &mut self.online,
        }
    }

    pub(super) fn checked(self) -> Result<Self> {
        let mut problems = Vec::new();
        let mut problem = |what: String, help: &str| problems.push(Problem::error(Rule::Form, what, help.to_owned()));
        let Self { threshold, root, .. } = &self;
        if *threshold < LEAST_THRESHOLD {
            let help = "let two sign together, so that one stolen key is not enough";
            problem(format!("{threshold} root keys must sign, and at least {LEAST_THRESHOLD} are needed"), help);
        }
        if *threshold > root.len() {
            let what = format!("{threshold} root keys must sign, and there are {}", root.len());
            problem(what, "give more root keys, or let fewer sign; with one more than must sign, one can be lost");
        }
        let mut seen: Vec<(&PublicKey, KeyRole)> = Vec::new();
        for role in [KeyRole::Root, KeyRole::Release, KeyRole::Online] {
            let keys = self.keys(role);
            if keys.is_empty() {
                problem(format!("there is no {role}"), "put another in its place instead");
            }
            if keys.len() > MOST_KEYS {
                problem(format!("there are {} {role}s, and at most {MOST_KEYS} are taken", keys.len()), "give fewer");
            }
            for key in keys {
                if let Some((_, before)) = seen.iter().find(|(other, _)| *other == key) {
                    let what = format!("the key {} is given as {before} and as {role}", key.fingerprint());
                    problem(what, "make a key for each purpose");
                }
                seen.push((key, role));
            }
        }
        if problems.is_empty() { Ok(self) } else { Err(problems.into()) }
    }
}

fn absent(key: &PublicKey) -> alien_core::Error {
    let what = format!("the key {} is not one of the repository's", key.fingerprint());
    vec![Problem::error(Rule::Form, what, "name one of them".to_owned())].into()
}
