//! The sealed form of a state: one line of text, and what it seals.
//!
//! ```text
//! alien-agent/state 1 01890a5d-… 42 5f6c0e… 1234⏎ nonce (12 bytes) · sealed contents (1234 bytes) · tag (16 bytes)
//! ```
//!
//! The line has the product's name, the version of the form, the deployment, the generation, which is one more with every
//! write, what tells the key from others, and the length. All of it is the associated data of AES-256-GCM-SIV
//! (<https://www.rfc-editor.org/rfc/rfc8452>), so none of it can be changed either. A nonce is drawn for each write; one that came
//! twice would tell no more than whether the contents were the same.

use std::fmt;

use alien_core::{DeploymentId, Error, ErrorKind, Result};
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use super::key::StateKey;

/// The name of the form.
const NAME: &str = "alien-agent/state";
/// The version that is written. Earlier ones are read.
pub(super) const VERSION: u32 = 1;
/// The length of the tag (<https://www.rfc-editor.org/rfc/rfc8452#section-4>).
const TAG: usize = 16;
/// The longest first line.
const LONGEST_LINE: usize = 200;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) deployment: DeploymentId,
    pub(super) generation: u64,
    /// What tells the key from others.
    key: String,
    /// How many bytes are sealed.
    length: usize,
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { deployment, generation, key, length } = self;
        writeln!(f, "{NAME} {VERSION} {deployment} {generation} {key} {length}")
    }
}

/// Seals contents.
pub(super) fn seal(
    mut contents: Zeroizing<Vec<u8>>,
    key: &StateKey,
    deployment: DeploymentId,
    generation: u64,
) -> Result<Vec<u8>> {
    let line = Header { deployment, generation, key: key.id(), length: contents.len() }.to_string();
    let failed = |_| Error::new(ErrorKind::Internal, "the state cannot be sealed");
    // The tag is put after it. Room for it was left, so that no copy is left behind.
    let cipher = RandomizedNonceKey::new(&AES_256_GCM_SIV, key.reveal()).map_err(failed)?;
    let nonce = cipher.seal_in_place_append_tag(Aad::from(line.as_bytes()), &mut *contents).map_err(failed)?;
    let mut file = Vec::with_capacity(line.len() + NONCE_LEN + contents.len());
    file.extend_from_slice(line.as_bytes());
    file.extend_from_slice(nonce.as_ref());
    file.extend_from_slice(&contents);
    Ok(file)
}

/// Room that [`seal`] needs beside the contents.
pub(super) const ROOM: usize = TAG;

/// Reads the first line alone, which is not proved by anything.
pub(super) fn header(file: &[u8]) -> Result<(Header, &[u8], &[u8])> {
    let not_one = || Error::new(ErrorKind::Rejected, "it is not the state of an agent");
    let torn = || Error::new(ErrorKind::Rejected, "it is cut off: its first line is not whole").because(AGAIN);
    let end = file.iter().take(LONGEST_LINE).position(|byte| *byte == b'\n');
    let Some(end) = end else {
        let begins = file.get(..NAME.len().min(file.len())).is_some_and(|begin| NAME.as_bytes().starts_with(begin));
        return Err(if begins && file.len() < LONGEST_LINE { torn() } else { not_one() });
    };
    let (line, rest) = file.split_at(end + 1);
    let mut words = std::str::from_utf8(line).map_err(|_| not_one())?.trim_end().split(' ');
    let mut next = || words.next();
    if next() != Some(NAME) {
        return Err(not_one());
    }
    let version: u32 = next().and_then(|word| word.parse().ok()).ok_or_else(not_one)?;
    if !(1..=VERSION).contains(&version) {
        let what = format!("it is a state of version {version}, and this program reads versions 1 to {VERSION}");
        return Err(Error::new(ErrorKind::Unsupported, what).because("run the program that wrote it, or a newer one"));
    }
    let deployment = next().and_then(|word| word.parse().ok());
    let generation = next().and_then(|word| word.parse().ok());
    let key = next().map(str::to_owned);
    let length = next().and_then(|word| word.parse().ok());
    let (Some(deployment), Some(generation), Some(key), Some(length)) = (deployment, generation, key, length) else {
        return Err(not_one());
    };
    Ok((Header { deployment, generation, key, length }, line, rest))
}

/// Opens what was sealed.
pub(super) fn open(file: &[u8], key: &StateKey) -> Result<(Header, Zeroizing<Vec<u8>>)> {
    let (header, line, rest) = header(file)?;
    if header.key != key.id() {
        let what = "it was sealed with another key than this one";
        return Err(Error::new(ErrorKind::Credentials, what).because("give the key that it was made or rekeyed with"));
    }
    let (found, wanted) = (rest.len(), header.length.saturating_add(NONCE_LEN + TAG));
    if found != wanted {
        let how = if found < wanted { "cut off" } else { "continued by something else" };
        let what = format!("it is {how}: {found} bytes follow its first line, and {wanted} should");
        return Err(Error::new(ErrorKind::Rejected, what).because(AGAIN));
    }
    let altered = || {
        let what = "its bytes are not those that were sealed: it was changed, or is of another deployment or time than it says";
        Error::new(ErrorKind::Rejected, what).because(AGAIN)
    };
    let (nonce, sealed) = rest.split_at_checked(NONCE_LEN).ok_or_else(altered)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| altered())?;
    let mut contents = Zeroizing::new(sealed.to_vec());
    let cipher = RandomizedNonceKey::new(&AES_256_GCM_SIV, key.reveal()).map_err(|_| altered())?;
    let length = cipher.open_in_place(nonce, Aad::from(line), &mut contents).map_err(|_| altered())?.len();
    contents.truncate(length);
    Ok((header, contents))
}

/// What to do about a state that cannot be read.
const AGAIN: &str =
    "put back a copy of it; without one, make a new state with `init --replace`, and set up again with its key";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> StateKey {
        format!("{byte:02x}").repeat(32).parse().unwrap()
    }

    fn sealed(deployment: DeploymentId, contents: &[u8]) -> Vec<u8> {
        seal(Zeroizing::new(contents.to_vec()), &key(1), deployment, 7).unwrap()
    }

    fn refused(file: &[u8], by: &StateKey) -> (ErrorKind, String) {
        let error = open(file, by).map(drop).unwrap_err();
        (error.kind(), error.to_string())
    }

    #[test]
    fn what_is_sealed_is_opened_by_its_key_alone() {
        let id = DeploymentId::new();
        let file = sealed(id, b"contents");
        assert!(!file.windows(8).any(|part| part == b"contents"));
        let (header, contents) = open(&file, &key(1)).unwrap();
        assert_eq!((header.deployment, header.generation, contents.as_slice()), (id, 7, b"contents".as_slice()));
        let (kind, told) = refused(&file, &key(2));
        assert_eq!(kind, ErrorKind::Credentials);
        assert!(told.contains("it was sealed with another key"), "{told}");
        // Two of the same are not the same.
        assert_ne!(file, sealed(id, b"contents"));
    }

    #[test]
    fn no_byte_of_it_can_be_changed_and_no_end_be_cut() {
        let file = sealed(DeploymentId::new(), b"contents");
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 1;
            refused(&changed, &key(1));
            let (kind, told) = refused(&file[..at], &key(1));
            assert_eq!(kind, ErrorKind::Rejected);
            assert!(told.contains("it is cut off"), "{at}: {told}");
        }
        let (_, told) = refused(&[file, vec![0]].concat(), &key(1));
        assert!(told.contains("continued by something else"), "{told}");
    }

    #[test]
    fn each_word_of_the_first_line_is_sealed_too() {
        let (id, other) = (DeploymentId::new(), DeploymentId::new());
        let file = sealed(id, b"contents");
        let end = file.iter().position(|byte| *byte == b'\n').unwrap();
        let line = std::str::from_utf8(&file[..end]).unwrap();
        for (word, by) in [(id.to_string(), other.to_string()), (" 7 ".to_owned(), " 8 ".to_owned())] {
            let changed = [line.replace(&word, &by).as_bytes(), &file[end..]].concat();
            let (kind, told) = refused(&changed, &key(1));
            assert_eq!(kind, ErrorKind::Rejected);
            assert!(told.contains("its bytes are not those that were sealed"), "{told}");
        }
    }

    #[test]
    fn a_newer_version_is_refused_by_name_and_something_else_as_such() {
        let file = sealed(DeploymentId::new(), b"contents");
        let text = String::from_utf8_lossy(&file).into_owned();
        let newer = text.replacen("state 1 ", "state 2 ", 1);
        let (kind, told) = refused(newer.as_bytes(), &key(1));
        assert_eq!(kind, ErrorKind::Unsupported);
        assert!(told.contains("it is a state of version 2, and this program reads versions 1 to 1"), "{told}");
        for other in [b"{}\n".as_slice(), &[0; 300], b"alien-agent/state one\n", b"alien-agent/state 1 x\n", b"\xff\n"]
        {
            assert_eq!(refused(other, &key(1)).1, "it is not the state of an agent");
        }
    }

    proptest! {
        /// A part of a file is replaced by anything, or there is anything at all.
        #[test]
        fn whatever_is_in_the_file_is_told_and_not_taken(
            at in 0..200_usize,
            long in 0..200_usize,
            other in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b" 0123456789-\nabcdef".as_slice())], 0..300),
            alone in any::<bool>(),
        ) {
            let mut file = sealed(DeploymentId::new(), &[7; 100]);
            let whole = file.clone();
            if alone {
                file = other;
            } else {
                let (from, to) = (at.min(file.len()), at.saturating_add(long).min(file.len()));
                file.splice(from..to, other);
            }
            prop_assert!(file == whole || open(&file, &key(1)).is_err());
        }
    }
}
