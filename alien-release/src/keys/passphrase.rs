//! A passphrase, and what it encrypts: PKCS#8 by PBES2, which OpenSSL reads and writes
//! (<https://www.rfc-editor.org/rfc/rfc8018#section-6.2>).

use std::fmt;
use std::num::NonZeroU32;

use alien_core::{Problem, Result};
use aws_lc_rs::cipher::{AES_128, AES_256, DecryptionContext, PaddedBlockDecryptingKey};
use aws_lc_rs::cipher::{PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::{pbkdf2, rand};
use pkcs8::EncryptedPrivateKeyInfo;
use pkcs8::der::{Decode as _, Encode as _};
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{self, Kdf, Pbkdf2Params, Pbkdf2Prf};
use zeroize::Zeroizing;

use super::problem::{one, wrong};

/// The fewest characters of a passphrase.
const FEWEST: usize = 12;
/// How often a passphrase is hashed: what is recommended for PBKDF2 with HMAC-SHA-256
/// (<https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#pbkdf2>).
const ITERATIONS: u32 = 600_000;
/// A file that asks for more would keep the machine busy for many seconds.
const MOST_ITERATIONS: u32 = 5_000_000;

/// A passphrase for the file of a key: at least 12 characters. It is wiped from memory, and never shown.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes a passphrase as it is.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](alien_core::ErrorKind::Input) if it has fewer than 12 characters.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = Zeroizing::new(text.into());
        let count = text.chars().count();
        if count < FEWEST {
            let what = format!("the passphrase has {count} characters, and needs at least {FEWEST}");
            return Err(one(wrong(what, "take a longer one, such as five words chosen at random")));
        }
        Ok(Self(text))
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

/// Encrypts a key in PKCS#8, by PBKDF2 with HMAC-SHA-256, and AES-256-CBC.
pub(super) fn encrypted(pkcs8: &[u8], passphrase: &Passphrase) -> Option<Vec<u8>> {
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    rand::fill(&mut salt).ok()?;
    rand::fill(&mut iv).ok()?;
    let kdf =
        Pbkdf2Params { salt: &salt, iteration_count: ITERATIONS, key_length: None, prf: Pbkdf2Prf::HmacWithSha256 };
    let key = derived(&kdf, passphrase, 32)?;
    let key = UnboundCipherKey::new(&AES_256, &key).ok()?;
    // Reserved at once, because memory that a growing list leaves behind is not wiped.
    let mut data = Zeroizing::new(Vec::with_capacity(pkcs8.len().saturating_add(16)));
    data.extend_from_slice(pkcs8);
    let encrypting = PaddedBlockEncryptingKey::cbc_pkcs7(key).ok()?;
    let context = aws_lc_rs::cipher::EncryptionContext::Iv128((&iv).into());
    encrypting.less_safe_encrypt(&mut *data, context).ok()?;
    let scheme =
        pbes2::Parameters { kdf: Kdf::Pbkdf2(kdf), encryption: pbes2::EncryptionScheme::Aes256Cbc { iv: &iv } };
    let written = EncryptedPrivateKeyInfo { encryption_algorithm: scheme.into(), encrypted_data: &data };
    written.to_der().ok()
}

/// Decrypts a key in PKCS#8, as OpenSSL encrypts one too.
pub(super) fn decrypted(der: &[u8], passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let unknown = || {
        let help = "convert it: `openssl pkcs8 -in KEY | openssl pkcs8 -topk8 -v2 aes-256-cbc -out NEW`";
        wrong("it is not encrypted in a way that is known here: PBES2 with PBKDF2 and AES-CBC", help)
    };
    let read = EncryptedPrivateKeyInfo::from_der(der).map_err(|_| unknown())?;
    let EncryptionScheme::Pbes2(scheme) = &read.encryption_algorithm else { return Err(unknown()) };
    let (algorithm, length, iv) = match scheme.encryption {
        pbes2::EncryptionScheme::Aes128Cbc { iv } => (&AES_128, 16, iv),
        pbes2::EncryptionScheme::Aes256Cbc { iv } => (&AES_256, 32, iv),
        _ => return Err(unknown()),
    };
    let Kdf::Pbkdf2(kdf) = &scheme.kdf else { return Err(unknown()) };
    if kdf.iteration_count > MOST_ITERATIONS {
        let what =
            format!("its passphrase is hashed {} times, and at most {MOST_ITERATIONS} are taken", kdf.iteration_count);
        return Err(wrong(what, "encrypt it anew with fewer"));
    }
    let key = derived(kdf, passphrase, length).ok_or_else(unknown)?;
    let key = UnboundCipherKey::new(algorithm, &key).map_err(|_| unknown())?;
    let decrypting = PaddedBlockDecryptingKey::cbc_pkcs7(key).map_err(|_| unknown())?;
    let mut data = Zeroizing::new(read.encrypted_data.to_vec());
    let length = match decrypting.decrypt(&mut data, DecryptionContext::Iv128(iv.into())) {
        Ok(plain) => plain.len(),
        Err(_) => return Err(mistaken()),
    };
    data.truncate(length);
    Ok(data)
}

/// What is told where the passphrase is not that of the file.
pub(super) fn mistaken() -> Problem {
    wrong("the passphrase is wrong", "give the passphrase with which the key was saved")
}

fn derived(kdf: &Pbkdf2Params<'_>, passphrase: &Passphrase, length: usize) -> Option<Zeroizing<Vec<u8>>> {
    let algorithm = match kdf.prf {
        Pbkdf2Prf::HmacWithSha1 => pbkdf2::PBKDF2_HMAC_SHA1,
        Pbkdf2Prf::HmacWithSha256 => pbkdf2::PBKDF2_HMAC_SHA256,
        Pbkdf2Prf::HmacWithSha384 => pbkdf2::PBKDF2_HMAC_SHA384,
        Pbkdf2Prf::HmacWithSha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        _ => return None,
    };
    let iterations = NonZeroU32::new(kdf.iteration_count)?;
    let mut key = Zeroizing::new(vec![0; length]);
    pbkdf2::derive(algorithm, iterations, kdf.salt, passphrase.0.as_bytes(), &mut key);
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_is_hashed_a_bounded_number_of_times() {
        let passphrase = Passphrase::new("a long passphrase").unwrap();
        for (iterations, told) in [(MOST_ITERATIONS + 1, "at most 5000000 are taken"), (1, "the passphrase is wrong")] {
            let prf = Pbkdf2Prf::HmacWithSha256;
            let kdf = Pbkdf2Params { salt: &[7; 16], iteration_count: iterations, key_length: None, prf };
            let encryption = pbes2::EncryptionScheme::Aes256Cbc { iv: &[7; 16] };
            let scheme = pbes2::Parameters { kdf: Kdf::Pbkdf2(kdf), encryption };
            let written = EncryptedPrivateKeyInfo { encryption_algorithm: scheme.into(), encrypted_data: &[7; 64] };
            let problem = decrypted(&written.to_der().unwrap(), &passphrase).unwrap_err();
            assert!(problem.what.contains(told), "{problem:?}");
        }
    }
}
