//! Physical names: from a deployment's prefix and a resource's id to one text, never the same text for two pairs.
//!
//! A prefix and an id are both words joined by hyphens, so joining them by a hyphen alone is ambiguous: `acme` and
//! `prod-api` would give the name of `acme-prod` and `api`. Three forms avoid this:
//!
//! * *readable* `{prefix}-{id}-{n}`: `n` is the length of the prefix as one base-36 digit, so the name can be taken
//!   apart again and no two pairs share it.
//! * *shortened* `{beginning}-{hash}`, where the readable form is longer than the cloud allows: the hash has
//!   20 characters (100 bits of SHA-256), the last word of a readable name has one, so the forms never meet.
//! * *compact* `{letters}{hash}`, where the cloud allows no hyphen.
//!
//! What belongs to a resource (a dead-letter queue, a log bucket) adds a word of two to nineteen characters, which
//! neither form ends in.

use sha2::{Digest, Sha256};

use crate::name::Prefix;

/// Length of the hash in a shortened or compact name, in characters of five bits each.
const HASH_LEN: usize = 20;

/// The physical name of `id` in the deployment `prefix`, at most `max` characters long.
///
/// Readable where it fits, else shortened. `max` must leave room for one letter, a hyphen and the hash: at least 22.
///
/// ```
/// use alien_core::adapter::hyphenated;
/// let acme = "acme".parse().unwrap();
/// let acme_prod = "acme-prod".parse().unwrap();
/// assert_eq!(hyphenated(&acme, "prod-api", 63), "acme-prod-api-4");
/// assert_eq!(hyphenated(&acme_prod, "api", 63), "acme-prod-api-9");
/// ```
#[must_use]
pub fn hyphenated(prefix: &Prefix, id: &str, max: usize) -> String {
    let mut name = String::with_capacity(max.min(prefix.as_str().len() + id.len() + 3));
    name.push_str(prefix.as_str());
    name.push('-');
    name.push_str(id);
    if name.len() + 2 <= max {
        name.push('-');
        name.push(base36_digit(prefix.as_str().len()));
        return name;
    }
    name.truncate(max.saturating_sub(HASH_LEN + 1));
    name.truncate(name.trim_end_matches('-').len());
    name.push('-');
    push_hash(&mut name, &[prefix.as_str(), id]);
    name
}

/// The physical name of `id` in the deployment `prefix` where only lower-case letters and digits are allowed: the
/// first letters of the prefix and the hash of prefix, id and `realm` (an account, where names are global).
///
/// `max` must leave room for one letter and the hash: at least 21.
#[must_use]
pub fn compact(prefix: &Prefix, id: &str, realm: &str, max: usize) -> String {
    let mut name: String =
        prefix.as_str().chars().filter(char::is_ascii_alphanumeric).take(max.saturating_sub(HASH_LEN)).collect();
    push_hash(&mut name, &[prefix.as_str(), id, realm]);
    name
}

/// Joins the parts of two lists to one text.
#[must_use]
pub fn join(head: &[&str], tail: &[&str]) -> String {
    let length = head.iter().chain(tail).map(|part| part.len()).sum();
    let mut text = String::with_capacity(length);
    text.extend(head.iter().chain(tail).copied());
    text
}

/// A digest of a list of texts: 20 characters, different for every other list.
#[must_use]
pub fn digest(parts: &[&str]) -> String {
    let mut digest = String::with_capacity(HASH_LEN);
    push_hash(&mut digest, parts);
    digest
}

/// The number as one digit of `0-9a-z`. A prefix has at most 32 characters, so one digit is always enough.
fn base36_digit(number: usize) -> char {
    u32::try_from(number).ok().and_then(|number| char::from_digit(number, 36)).unwrap_or('z')
}

/// Adds the first 100 bits of the SHA-256 of the parts, each preceded by its length so that no two lists of parts
/// are hashed alike, as characters of `a-z2-7` (RFC 4648, in lower case).
fn push_hash(name: &mut String, parts: &[&str]) {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    let digest = hasher.finalize();
    let bits = digest.iter().take(16).fold(0_u128, |bits, byte| (bits << 8) | u128::from(*byte));
    name.extend((1..=HASH_LEN).map(|place| match (bits >> (128 - 5 * place)) as u8 & 31 {
        letter @ 0..26 => char::from(b'a' + letter),
        digit => char::from(b'2' + digit - 26),
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_that_fits_is_readable_and_tells_where_the_prefix_ends() {
        assert_eq!(hyphenated(&prefix("acme"), "prod-api", 63), "acme-prod-api-4");
        assert_eq!(hyphenated(&prefix("acme-prod"), "api", 63), "acme-prod-api-9");
        assert_eq!(hyphenated(&prefix(&"p".repeat(32)), "api", 63), format!("{}-api-w", "p".repeat(32)));
    }

    #[test]
    fn a_name_that_does_not_fit_keeps_its_beginning_and_ends_in_a_hash() {
        let one = hyphenated(&prefix("acme"), "a-rather-long-resource-id", 30);
        let other = hyphenated(&prefix("acme"), "a-rather-long-resource-id-2", 30);
        assert!(one.len() <= 30 && other.len() <= 30, "{one} {other}");
        assert!(one.starts_with("acme-a-") && other.starts_with("acme-a-"), "{one} {other}");
        assert_ne!(one, other);
        assert!(one.split('-').all(|word| !word.is_empty()), "no double hyphen: {one}");
    }

    #[test]
    fn the_hash_is_base_32_of_sha_256() {
        // printf "\0\0\0\0\0\0\0\0" | sha256sum | xxd -r -p | base32, the first 20 characters in lower case.
        let mut name = String::new();
        push_hash(&mut name, &[""]);
        assert_eq!(name, "v5kxb5nbqefxv54mv5f4");
        assert_eq!(name.len(), HASH_LEN);
    }
}
