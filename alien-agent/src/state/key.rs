//! The key that seals the state, and where it comes from.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, fmt, mem};

use alien_core::adapter::read_text;
use alien_core::{Error, Problem, Result, Rule};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// How many bytes a key has.
const LENGTH: usize = 32;

/// What is to be given.
const FORM: &str =
    "give 32 random bytes, as 64 hexadecimal digits or as 44 characters of Base64: `openssl rand -hex 32` makes one";

/// The key that seals the state of an agent: 32 bytes, for AES-256-GCM-SIV. It is never shown, and wiped from memory.
///
/// Its text is 64 hexadecimal digits, in capitals or not, or 44 characters of Base64 with `=` at the end
/// (<https://www.rfc-editor.org/rfc/rfc4648#section-4>). Spaces and ends of lines before and after it are left out.
///
/// ```
/// use alien_agent::StateKey;
///
/// let key: StateKey = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff".parse()?;
/// assert_eq!(key, "ABEiM0RVZneImaq7zN3u/wARIjNEVWZ3iJmqu8zd7v8=\n".parse()?);
/// assert!("00112233".parse::<StateKey>().is_err());
/// # Ok::<(), alien_core::Error>(())
/// ```
#[derive(Clone)]
pub struct StateKey(Zeroizing<[u8; LENGTH]>);

/// In constant time.
impl PartialEq for StateKey {
    fn eq(&self, other: &Self) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(self.0.as_slice(), other.0.as_slice()).is_ok()
    }
}

impl Eq for StateKey {}

impl fmt::Debug for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StateKey(..)")
    }
}

impl StateKey {
    /// The bytes.
    pub(super) fn reveal(&self) -> &[u8; LENGTH] {
        &self.0
    }

    /// What tells this key from others, and nothing of it: 64 bits of HMAC-SHA-256, as 16 hexadecimal digits.
    pub(super) fn id(&self) -> String {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, self.0.as_slice()), b"alien-agent/state key");
        tag.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    fn read(text: &[u8]) -> std::result::Result<Self, String> {
        let text = text.trim_ascii();
        if text.is_empty() {
            return Err("it is empty".to_owned());
        }
        let bytes = match text.len() {
            64 => hexadecimal(text),
            _ => STANDARD.decode(text).map(Zeroizing::new).ok(),
        };
        // Neither the text nor a part of it is told.
        let length = text.len();
        let bytes = bytes.ok_or_else(|| format!("its {length} characters are neither hexadecimal nor Base64"))?;
        let found = bytes.len();
        let bytes = bytes.as_slice().try_into().map_err(|_| format!("it has {found} bytes and not {LENGTH}"))?;
        Ok(Self(Zeroizing::new(bytes)))
    }
}

impl std::str::FromStr for StateKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::read(text.as_bytes()).map_err(|why| wrong(&format!("this is no key of a state: {why}"), FORM))
    }
}

fn hexadecimal(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 2));
    for pair in text.chunks(2) {
        let [high, low] = pair else { return None };
        bytes.push(digit(high)? << 4 | digit(low)?);
    }
    Some(bytes)
}

/// Where the key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySource {
    /// A file.
    File(PathBuf),
    /// A variable of the environment. Other programs of the same user can read it, so a file is better.
    Variable(String),
    /// A credential that systemd gives to a service, by its name: a file in the folder `$CREDENTIALS_DIRECTORY`
    /// (<https://systemd.io/CREDENTIALS/>).
    Credential(String),
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file `{}`", path.display()),
            Self::Variable(name) => write!(f, "the variable `{name}`"),
            Self::Credential(name) => write!(f, "the credential `{name}` of systemd"),
        }
    }
}

impl KeySource {
    /// Reads the key.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](alien_core::ErrorKind::Input) if it is missing, cannot be read, or is not of the form of [`StateKey`].
    pub fn read(&self) -> Result<StateKey> {
        self.read_with(&|name| env::var_os(name))
    }

    fn read_with(&self, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<StateKey> {
        let found = match self {
            Self::File(path) => file(path),
            Self::Variable(name) => {
                let text = variable(name).ok_or_else(|| "it is not set".to_owned());
                text.map(|text| Zeroizing::new(text.into_encoded_bytes()))
            }
            // A name with a folder would lead out of that of the credentials.
            Self::Credential(name) if name.is_empty() || name.starts_with('.') || name.contains('/') => {
                Err("it is not the name of a credential".to_owned())
            }
            Self::Credential(name) => match variable("CREDENTIALS_DIRECTORY") {
                Some(folder) => file(&Path::new(&folder).join(name)),
                None => {
                    Err("`$CREDENTIALS_DIRECTORY` is not set: systemd sets it for a service with `LoadCredential=` or \
                             `LoadCredentialEncrypted=`"
                        .to_owned())
                }
            },
        };
        let key = found.and_then(|text| StateKey::read(&text));
        key.map_err(|why| wrong(&format!("{self} gives no key of a state: {why}"), FORM))
    }
}

fn file(path: &Path) -> std::result::Result<Zeroizing<Vec<u8>>, String> {
    let mut text = read_text(path).map_err(|unread| unread.to_string())?;
    Ok(Zeroizing::new(mem::take(&mut *text).into_bytes()))
}

/// The error of one problem.
fn wrong(what: &str, help: &str) -> Error {
    vec![Problem::error(Rule::Form, what.to_owned(), help.to_owned())].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn told(source: &KeySource, variables: &[(&str, &str)]) -> String {
        let found = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        source.read_with(&found).map(drop).unwrap_err().to_string()
    }

    #[test]
    fn a_key_comes_from_a_file_a_variable_or_a_credential() {
        let folder = crate::scratch("key");
        let path = folder.join("state.key");
        std::fs::write(&path, format!("  {}\r\n", HEX.to_uppercase())).unwrap();
        let key: StateKey = HEX.parse().unwrap();
        assert!(KeySource::File(path).read().unwrap() == key);
        let variables = |name: &str| match name {
            "KEY" => Some(OsString::from(STANDARD.encode(key.reveal()))),
            "CREDENTIALS_DIRECTORY" => Some(folder.clone().into_os_string()),
            _ => None,
        };
        assert!(KeySource::Variable("KEY".to_owned()).read_with(&variables).unwrap() == key);
        assert!(KeySource::Credential("state.key".to_owned()).read_with(&variables).unwrap() == key);
    }

    #[test]
    fn what_is_wrong_with_a_key_is_told_and_nothing_of_it() {
        let variable = KeySource::Variable("KEY".to_owned());
        let short = &HEX[..62];
        for (text, why) in [
            ("", "it is empty"),
            (" \n", "it is empty"),
            (short, "its 62 characters are neither hexadecimal nor Base64"),
            ("q83vEjRWeJA=", "it has 8 bytes and not 32"),
            (&HEX.replace('f', "g"), "its 64 characters are neither hexadecimal nor Base64"),
        ] {
            let told = told(&variable, &[("KEY", text)]);
            assert!(told.contains(why) && told.contains("openssl rand -hex 32"), "{told}");
            assert!(text.trim().is_empty() || !told.contains(text), "{told}");
        }
        assert!(told(&variable, &[]).contains("the variable `KEY` gives no key of a state: it is not set"));
        let missing = KeySource::File("/nowhere/state.key".into());
        assert!(told(&missing, &[]).contains("`/nowhere/state.key` cannot be read: No such file"));
        let credential = KeySource::Credential("state.key".to_owned());
        assert!(told(&credential, &[]).contains("`$CREDENTIALS_DIRECTORY` is not set"));
        for name in ["", "..", "../state.key", ".hidden"] {
            let told = told(&KeySource::Credential(name.to_owned()), &[("CREDENTIALS_DIRECTORY", "/run")]);
            assert!(told.contains("it is not the name of a credential"), "{told}");
        }
    }

    #[test]
    fn a_key_is_never_shown() {
        let key: StateKey = HEX.parse().unwrap();
        assert_eq!(format!("{key:?}"), "StateKey(..)");
        assert!(!HEX.contains(&key.id()), "{}", key.id());
        assert_ne!(key.id(), STANDARD.encode([7; 32]).parse::<StateKey>().unwrap().id());
    }
}
