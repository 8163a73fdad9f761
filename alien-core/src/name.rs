//! Names. They are checked when they are parsed, and valid everywhere after.

use std::borrow::Borrow;
use std::fmt;
use std::fmt::Write as _;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Why a text is not a valid name. The message says the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not {what}: use 1 to {max} characters, words of `a-z` and `0-9` joined by single hyphens, \
     the first character a letter"
)]
pub struct NameError {
    text: String,
    what: &'static str,
    max: usize,
}

/// Checks for words of lower-case letters and digits, joined by single hyphens, the first character a letter. Every
/// cloud accepts such a name for most things; where it does not, [`naming`](crate::naming) encodes the name.
fn check(text: &str, what: &'static str, max: usize) -> Result<(), NameError> {
    let words_are_plain = text
        .split('-')
        .all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
    if text.len() <= max && words_are_plain && text.starts_with(|first: char| first.is_ascii_lowercase()) {
        Ok(())
    } else {
        Err(NameError { text: text.to_owned(), what, max })
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal) => {
        $(#[$doc])*
        ///
        #[doc = concat!("1 to ", $max, " characters: words of `a-z` and `0-9` joined by single hyphens, the first character a letter.")]
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The maximum length of the name, in characters.
            pub const MAX: usize = $max;

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                check(text, $what, $max).map(|()| Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                check(&text, $what, $max).map(|()| Self(text))
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "pattern": "^[a-z][a-z0-9]*(-[a-z0-9]+)*$",
                    "maxLength": $max,
                })
            }
        }
    };
}

name! {
    /// The name of a stack: the vendor's product.
    StackName, "a stack name", 63
}
name! {
    /// The id of a resource, unique in its stack.
    ResourceId, "a resource id", 63
}
name! {
    /// The name of a permission profile.
    ProfileName, "a profile name", 63
}
name! {
    /// The name of one deployment. The names of everything that it creates in the customer's account begin with it.
    Prefix, "a prefix", 32
}

impl ResourceId {
    /// The environment variable through which linked code learns this resource's address: `ALIEN_` and the id in
    /// capitals, hyphens as underscores. Two ids never share one.
    #[must_use]
    pub fn variable(&self) -> String {
        let mut name = String::from(VARIABLE_PREFIX);
        name.extend(self.0.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_uppercase() }));
        name
    }
}

/// Why a text is not valid. The message says the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}: {rule}")]
pub struct TextError {
    text: String,
    what: &'static str,
    rule: &'static str,
}

impl TextError {
    /// Creates the error from the text, what it should be, and the rule.
    #[must_use]
    pub const fn new(text: String, what: &'static str, rule: &'static str) -> Self {
        Self { text, what, rule }
    }
}

/// Declares a newtype over text that obeys a rule. The text is checked when it is parsed, and valid everywhere after.
///
/// ```
/// alien_core::parsed_text! {
///     /// A colour.
///     Colour, "a colour", "write `#` and six hexadecimal digits",
///     |text| text.len() == 7 && text.starts_with('#')
/// }
/// assert_eq!("#102030".parse::<Colour>().unwrap().as_str(), "#102030");
/// assert_eq!(
///     "red".parse::<Colour>().unwrap_err().to_string(),
///     "`red` is not a colour: write `#` and six hexadecimal digits",
/// );
/// ```
#[macro_export]
macro_rules! parsed_text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        ///
        #[doc = concat!("The rule: ", $rule, ".")]
        #[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The value as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::TextError;

            fn try_from(text: String) -> Result<Self, $crate::TextError> {
                let check: fn(&str) -> bool = $check;
                if check(&text) { Ok(Self(text)) } else { Err($crate::TextError::new(text, $what, $rule)) }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::TextError;

            fn from_str(text: &str) -> Result<Self, $crate::TextError> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> String {
                text.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

parsed_text! {
    /// A service account of a Kubernetes cluster: the name of its namespace and its own.
    /// <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/>
    ClusterAccount, "a service account of a cluster", "write its namespace and its name, `shop/agent`",
    |text| text.split_once('/').is_some_and(|(namespace, name)| {
        let is_label = |label: &str| {
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            label.bytes().all(plain) && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
        };
        namespace.len() <= 63 && is_label(namespace) && name.len() <= 253 && name.split('.').all(is_label)
    })
}

impl ClusterAccount {
    /// What the subject of a service account's tokens begins with
    /// (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/#service-account-tokens>).
    const SUBJECT: &'static str = "system:serviceaccount:";

    /// Parses the subject of its tokens, `system:serviceaccount:shop:agent`.
    #[must_use]
    pub fn of_subject(text: &str) -> Option<Self> {
        let (namespace, name) = text.strip_prefix(Self::SUBJECT)?.split_once(':')?;
        format!("{namespace}/{name}").parse().ok()
    }

    /// The subject of its tokens.
    #[must_use]
    pub fn subject(&self) -> String {
        format!("{}{}:{}", Self::SUBJECT, self.namespace(), self.name())
    }

    /// The name of its namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.0.split_once('/').map_or("", |(namespace, _)| namespace)
    }

    /// Its own name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, name)| name)
    }
}

parsed_text! {
    /// The name of a run of the admin, or of a release of the vendor. It appears in claims and records, so that others
    /// see who is at work. Use another name for every run.
    RunId, "the name of a run", "use 1 to 50 letters, digits, dots, underscores and hyphens",
    |text| (1..=RunId::MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

impl RunId {
    /// The maximum length, in characters. The claim of a run, with its end, then fits the shortest text that a cloud
    /// keeps: the display name of a service account on GCP has 100 characters at most
    /// (<https://docs.cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts>).
    pub const MAX: usize = 50;

    /// Generates a name: a UUID of version 7, so that names sort by the time of their runs.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "every call gives another one")]
    pub fn new() -> Self {
        Self(uuid::Uuid::now_v7().to_string())
    }
}

/// The SHA-256 of bytes: `sha256:` and 64 hexadecimal digits in lower case.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    let mut text = String::from("sha256:");
    for byte in Sha256::digest(bytes) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Whether it is `sha256:` and 64 hexadecimal digits in lower case.
pub(crate) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|digits| {
        digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

/// Environment variables with this prefix are set by the platform.
pub(crate) const VARIABLE_PREFIX: &str = "ALIEN_";

/// The variable with the number of the release that set the environment. No link has it: an id does not begin with a hyphen.
pub(crate) const RELEASE_VARIABLE: &str = "ALIEN__RELEASE";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_words_joined_by_single_hyphens() {
        for good in ["a", "api", "prod-api", "a1-2"] {
            assert_eq!(good.parse::<ResourceId>().unwrap().as_str(), good);
        }
        for bad in ["", "-a", "a-", "a--b", "1a", "A", "a_b", "a.b", "ä", "a b", "a\n", &"a".repeat(64)] {
            assert!(bad.parse::<ResourceId>().is_err(), "`{bad}` should be refused");
        }
        assert!("a".repeat(32).parse::<Prefix>().is_ok());
        assert!("a".repeat(33).parse::<Prefix>().is_err());
    }

    #[test]
    fn the_name_of_a_run_can_be_a_word_of_any_clouds_texts() {
        for good in ["a", "run-1", "deploy_2026.11.27", &"a".repeat(50)] {
            assert_eq!(good.parse::<RunId>().unwrap().as_str(), good);
        }
        for bad in ["", "run 1", "a/b", "a=b", "ä", "a\n", &"a".repeat(51)] {
            let told = bad.parse::<RunId>().unwrap_err().to_string();
            assert!(told.contains("use 1 to 50 letters"), "{told}");
        }
        let generated = RunId::new();
        assert_eq!(generated.as_str().parse::<RunId>().unwrap(), generated);
        assert_ne!(generated, RunId::new());
    }

    #[test]
    fn a_link_is_handed_over_in_a_variable_of_its_own() {
        assert_eq!("my-data-2".parse::<ResourceId>().unwrap().variable(), "ALIEN_MY_DATA_2");
    }
}
