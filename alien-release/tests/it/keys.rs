//! Keys: made, kept in files, read by OpenSSL, and what they sign.

use std::path::PathBuf;
use std::process::Command;

use alien_core::{Error, ErrorKind};
use alien_release::{Passphrase, PublicKey, Signature, Signer, SigningKey};
use async_trait::async_trait;

/// The key whose secret bytes are 0 to 31.
pub(crate) const PLAIN: &str = "\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f
-----END PRIVATE KEY-----
";

/// By `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`. Nobody uses it.
const ELLIPTIC: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg9vcoSH4xYyd39m1n
/X4myOy+/wKOxAXct9nC+l+QFd2hRANCAARNmmhhWrocUVgKhEyzuzHZJa782CSL
LOol5q/SOxgISx/geLDiY1HawggCP0uAu0QNwTBTzz+ZhIVKqIUI4zqB
-----END PRIVATE KEY-----
";

/// Where a test writes files.
#[derive(Debug)]
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("alien-release-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn passphrase() -> Passphrase {
    Passphrase::new("a long passphrase").unwrap()
}

#[cfg(unix)]
fn is_private(path: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777 == 0o600
}

/// What `openssl` prints; `None` where there is none.
fn openssl(arguments: &[&str]) -> Option<String> {
    let output = match Command::new("openssl").args(arguments).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        output => output.unwrap(),
    };
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_key_is_saved_once_for_its_owner_and_read_again() {
    let (folder, key) = (Folder::new(), SigningKey::generate().unwrap());
    let path = folder.0.join("key.pem");
    key.save(&path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("-----BEGIN PRIVATE KEY-----\n") && text.ends_with("-----END PRIVATE KEY-----\n"));
    assert!(!SigningKey::is_encrypted(&text));
    assert!(is_private(&path));
    let again = SigningKey::open(&path).unwrap();
    assert_eq!(again.public(), key.public());
    assert_eq!(again.sign("a", b"b"), key.sign("a", b"b"));

    let error = SigningKey::generate().unwrap().save(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    assert!(error.to_string().contains("a key is never overwritten"), "{error}");
    let error = key.save_encrypted(&path, &passphrase()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    let error = key.save(folder.0.join("absent").join("key.pem")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}

#[test]
fn a_key_is_encrypted_by_a_passphrase_and_a_wrong_one_is_told() {
    let (folder, key) = (Folder::new(), SigningKey::generate().unwrap());
    let path = folder.0.join("key.pem");
    key.save_encrypted(&path, &passphrase()).unwrap();
    assert!(is_private(&path));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(SigningKey::is_encrypted(&text), "{text}");
    assert_eq!(SigningKey::open_encrypted(&path, &passphrase()).unwrap().public(), key.public());
    assert_eq!(SigningKey::from_encrypted_pem(&text, &passphrase()).unwrap().public(), key.public());

    let other = Passphrase::new("another passphrase").unwrap();
    let error = SigningKey::open_encrypted(&path, &other).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(error.to_string().contains("key.pem`: the passphrase is wrong"), "{error}");
    let error = SigningKey::open(&path).unwrap_err().to_string();
    assert!(error.contains("it is encrypted; give its passphrase"), "{error}");
    let plain = folder.0.join("plain.pem");
    key.save(&plain).unwrap();
    let error = SigningKey::open_encrypted(&plain, &passphrase()).unwrap_err().to_string();
    assert!(error.contains("it is not encrypted"), "{error}");
    // Each file has a salt of its own.
    let second = folder.0.join("second.pem");
    key.save_encrypted(&second, &passphrase()).unwrap();
    assert_ne!(std::fs::read_to_string(second).unwrap(), text);
}

#[test]
fn a_passphrase_has_at_least_12_characters_and_is_not_shown() {
    assert!(Passphrase::new("twelve chars").is_ok());
    // Characters are counted, not bytes.
    for short in ["", "eleven char", "ééééééééééé"] {
        let error = Passphrase::new(short).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
        assert!(error.to_string().contains("and needs at least 12"), "{error}");
    }
    assert_eq!(format!("{:?}", passphrase()), "Passphrase(..)");
}

#[test]
fn nothing_shows_a_private_key() {
    let key = SigningKey::from_pem(PLAIN).unwrap();
    let shown = format!("{key:?} {:?} {:?}", key.public(), key.sign("a", b"b"));
    for secret in ["AAECAwQF", "000102030405", "0, 1, 2, 3, 4, 5"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.starts_with(&format!("SigningKey {{ public: \"{}\"", key.public().fingerprint())), "{shown}");
    // What is not read is not shown either.
    let broken = PLAIN.replace("MC4CAQAw", "MC4CAQBw");
    let error = SigningKey::from_pem(&broken).unwrap_err().to_string();
    assert!(!error.contains("AAECAwQF") && error.contains("it is not an Ed25519 key in PKCS#8"), "{error}");
}

#[test]
fn the_public_half_is_what_openssl_prints() {
    // Both printed by OpenSSL 3.0.
    let public = SigningKey::from_pem(PLAIN).unwrap().public().to_owned();
    let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=\n-----END PUBLIC KEY-----\n";
    assert_eq!(public.to_string(), pem);
    assert_eq!(public.fingerprint(), "sha256:a050837d85070582ccf7394b0988847cc312cb88259b894899f6f239cf1791a5");
    assert_eq!(pem.parse::<PublicKey>().unwrap(), public);
    assert_eq!(public.to_der().len(), 44);
    let json = serde_json::to_string(&public).unwrap();
    assert_eq!(serde_json::from_str::<PublicKey>(&json).unwrap(), public);
    assert_eq!(PublicKey::from_bytes(*public.as_bytes()), public);
}

#[test]
fn openssl_reads_the_files_and_they_are_read_from_openssl() {
    let (folder, key) = (Folder::new(), SigningKey::generate().unwrap());
    let at = |name: &str| folder.0.join(name).to_str().unwrap().to_owned();
    let (plain, encrypted) = (at("plain.pem"), at("encrypted.pem"));
    key.save(&plain).unwrap();
    key.save_encrypted(&encrypted, &passphrase()).unwrap();
    let pass = "pass:a long passphrase";
    let Some(public) = openssl(&["pkey", "-in", &plain, "-pubout"]) else { return };
    assert_eq!(public, key.public().to_string());
    assert_eq!(openssl(&["pkey", "-in", &encrypted, "-passin", pass, "-pubout"]).unwrap(), public);
    // OpenSSL's own ways to encrypt a key.
    for (how, what) in [
        (&["-v2", "aes-256-cbc"][..], ""),
        (&["-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA1"], ""),
        (&["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA384"], ""),
        (&["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512", "-iter", "10000"], ""),
        (&["-v2", "aes-192-cbc"], "not encrypted in a way that is known here"),
        (&["-scrypt"], "not encrypted in a way that is known here"),
        (&["-v1", "PBE-SHA1-3DES"], "not encrypted in a way that is known here"),
    ] {
        let path = at("openssl.pem");
        let same = ["pkcs8", "-topk8", "-in", &plain, "-passout", pass, "-out", &path];
        openssl(&[&same[..], how].concat()).unwrap();
        match SigningKey::open_encrypted(&path, &passphrase()) {
            Ok(read) => assert_eq!((read.public(), what), (key.public(), ""), "{how:?}"),
            Err(error) => assert!(!what.is_empty() && error.to_string().contains(what), "{how:?}: {error}"),
        }
    }
    let path = at("new.pem");
    openssl(&["genpkey", "-algorithm", "ed25519", "-out", &path]).unwrap();
    let read = SigningKey::open(&path).unwrap();
    assert_eq!(openssl(&["pkey", "-in", &path, "-pubout"]).unwrap(), read.public().to_string());
    openssl(&["genpkey", "-algorithm", "x25519", "-aes-256-cbc", "-pass", pass, "-out", &path]).unwrap();
    let error = SigningKey::open_encrypted(&path, &passphrase()).unwrap_err().to_string();
    assert!(error.contains("it is not an Ed25519 key in PKCS#8"), "{error}");
}

#[test]
fn what_is_no_key_is_told() {
    let public = SigningKey::generate().unwrap().public().to_string();
    for (text, what) in [
        ("", "it is not in PEM"),
        (&PLAIN.replace("MC4C", "*"), "it is not in PEM"),
        (&public, "it is a public key"),
        (&PLAIN.replace("PRIVATE KEY", "RSA PRIVATE KEY"), "it is `RSA PRIVATE KEY`, not `PRIVATE KEY`"),
        (&PLAIN.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"), "it is encrypted"),
        (ELLIPTIC, "it is not an Ed25519 key in PKCS#8"),
    ] {
        let error = SigningKey::from_pem(text).unwrap_err();
        assert!(error.kind() == ErrorKind::Input && error.to_string().contains(what), "{what}: {error}");
    }
    let encrypted = PLAIN.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let error = SigningKey::from_encrypted_pem(&encrypted, &passphrase()).unwrap_err().to_string();
    assert!(error.contains("not encrypted in a way that is known here"), "{error}");

    for (text, what) in [
        ("", "it is not in PEM"),
        (PLAIN, "it is a private key; give its public half"),
        (&encrypted, "it is a private key; give its public half"),
        (&public.replace("PUBLIC KEY", "CERTIFICATE"), "it is `CERTIFICATE`, not `PUBLIC KEY`"),
        (&public.replace("MCowBQYDK2Vw", "MCowBQYDK2Vu"), "it is not an Ed25519 key"),
    ] {
        let error = text.parse::<PublicKey>().unwrap_err();
        assert!(error.kind() == ErrorKind::Input && error.to_string().contains(what), "{what}: {error}");
    }
    let folder = Folder::new();
    let error = SigningKey::open(folder.0.join("absent.pem")).unwrap_err().to_string();
    assert!(error.contains("absent.pem` cannot be read"), "{error}");
    std::fs::write(folder.0.join("bytes"), [0xff]).unwrap();
    let error = SigningKey::open(folder.0.join("bytes")).unwrap_err().to_string();
    assert!(error.contains("bytes` is not in UTF-8: byte 1 is wrong"), "{error}");
}

#[test]
fn a_signature_is_for_its_context_its_content_and_its_key() {
    let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let signature = key.sign("example.com/a", b"content");
    key.public().verify("example.com/a", b"content", &signature).unwrap();
    for (public, context, content) in [
        (other.public(), "example.com/a", &b"content"[..]),
        (key.public(), "example.com/b", b"content"),
        (key.public(), "example.com/a", b"contents"),
        // What stands in the one cannot be moved to the other.
        (key.public(), "example.com/ac", b"ontent"),
        (key.public(), "", b"content"),
    ] {
        let error = public.verify(context, content, &signature).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert!(error.to_string().contains(&format!("not that of the key {}", public.fingerprint())), "{error}");
    }
    let text = signature.to_string();
    assert_eq!(text.len(), 88);
    assert_eq!(text.parse::<Signature>().unwrap(), signature);
    assert_eq!(serde_json::from_str::<Signature>(&serde_json::to_string(&text).unwrap()).unwrap(), signature);
    assert_eq!(serde_json::to_string(&signature).unwrap(), serde_json::to_string(&text).unwrap());
    for wrong in ["", "AAAA", &text[..86], &format!("*{}", &text[1..])] {
        let error = wrong.parse::<Signature>().unwrap_err().to_string();
        assert!(error.contains("this is not a signature"), "{error}");
    }
}

#[test]
fn what_is_signed_is_written_down() {
    // Others sign by this form too, so it does not change.
    let key = SigningKey::from_pem(PLAIN).unwrap();
    let message = [&b"alien-signature-v1\0"[..], &[0, 0, 0, 0, 0, 0, 0, 1], b"a", &sha256(b"b")].concat();
    let signature = key.sign("a", b"b");
    let verified =
        aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, key.public().as_bytes())
            .verify(&message, signature.as_bytes());
    assert!(verified.is_ok());
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).to_vec()
}

/// A key that is elsewhere, and its answer.
#[derive(Debug)]
struct Elsewhere(PublicKey, alien_core::Result<Vec<u8>>);

#[async_trait]
impl Signer for Elsewhere {
    fn public(&self) -> PublicKey {
        self.0
    }

    async fn sign(&self, _: &[u8]) -> alien_core::Result<Vec<u8>> {
        self.1.clone()
    }
}

#[tokio::test]
async fn the_answer_of_a_signer_elsewhere_is_looked_at() {
    let key = SigningKey::from_pem(PLAIN).unwrap();
    let good = Signature::of(&key, "a", b"b").await.unwrap();
    assert_eq!(good, key.sign("a", b"b"));
    let elsewhere = Elsewhere(*key.public(), Ok(good.as_bytes().to_vec()));
    assert_eq!(Signature::of(&elsewhere, "a", b"b").await.unwrap(), good);
    let error = Signature::of(&elsewhere, "a", b"another").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(error.to_string().contains("returned 64 bytes, which are no signature by the key sha256:"), "{error}");
    let error = Signature::of(&Elsewhere(*key.public(), Ok(vec![0; 63])), "a", b"b").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    let busy = Error::new(ErrorKind::Throttled, "the device is busy");
    let error = Signature::of(&Elsewhere(*key.public(), Err(busy)), "a", b"b").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
}
