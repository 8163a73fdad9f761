//! `alien keys`: what it makes, what it keeps, and what it refuses.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{alien, done, looked_at, refused, told};

const ISSUER: &str = "https://oidc.vendor.example.com/azure";

/// The key of <https://www.rfc-editor.org/rfc/rfc7638#section-3.1>, as a key management service gives it.
const KMS: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0vx7agoebGcQSuuPiLJX\n\
ZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tS\n\
oc/BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ/2W+5JsGY4Hc5n9yBXArwl93lqt\n\
7/RN5w6Cf0h4QyQ5v+65YGjQR0/FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0\n\
zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt+bFTWhAI4vMQFh6WeZu0f\n\
M4lFd2NcRwr3XPksINHaQ+G/xBniIqbw0Ls1jF44+csFCur+kEgU8awapJzKnqDK\n\
gwIDAQAB\n\
-----END PUBLIC KEY-----\n\n";

/// A folder of its own for a test, which is not there yet.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    path
}

fn keys(folder: &Path, arguments: &[&str]) -> std::process::Output {
    let begin = ["keys", "issuer", "--out", folder.to_str().unwrap()];
    alien(&[&begin[..], arguments].concat())
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The ids of the published keys.
fn published(folder: &Path) -> Vec<String> {
    let keys = read(&folder.join("public/jwks.json"));
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Every file of a folder, with its content.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path))
        } else {
            files.push((path.clone(), fs::read(&path).unwrap()))
        }
    }
    files.sort();
    files
}

fn names(folder: &Path) -> Vec<String> {
    files(folder).iter().map(|(path, _)| path.strip_prefix(folder).unwrap().display().to_string()).collect()
}

#[test]
fn an_issuer_is_made_rotated_and_retired() {
    let folder = folder("issuer-made");
    let said = done(&keys(&folder, &["--issuer", ISSUER]));
    let (configuration, set) = ("public/.well-known/openid-configuration", "public/jwks.json");
    assert_eq!(names(&folder), ["issuer-1.pem", configuration, set]);
    for words in
        ["issuer-1.pem`: keep it secret", &format!("{ISSUER}/.well-known/openid-configuration"), "--issuer-key"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    let found = read(&folder.join(configuration));
    assert_eq!(
        (found["issuer"].as_str(), found["jwks_uri"].as_str()),
        (Some(ISSUER), Some(&*format!("{ISSUER}/jwks.json")))
    );
    let first = published(&folder);
    assert_eq!(first.len(), 1);

    // It is never made a second time.
    let before = files(&folder);
    let why = refused(&keys(&folder, &["--issuer", ISSUER]));
    assert!(why.contains("already has an issuer; add a key to it by `--rotate`"), "{why}");
    let why = refused(&keys(&folder, &["--retire"]));
    assert!(why.contains("only one key is published"), "{why}");
    assert!(files(&folder) == before, "a command that is refused changed a file");

    let said = done(&keys(&folder, &["--rotate"]));
    assert!(said.contains("2. wait 24 hours") && said.contains("issuer-2.pem`") && said.contains("--retire"), "{said}");
    assert_eq!(names(&folder), ["issuer-1.pem", "issuer-2.pem", configuration, set]);
    let both = published(&folder);
    assert_eq!((both.len(), &both[0]), (2, &first[0]));
    let before = files(&folder);
    let why = refused(&keys(&folder, &["--rotate"]));
    assert!(why.contains("two keys are published; retire the older one first"), "{why}");
    assert!(files(&folder) == before, "a command that is refused changed a file");

    let said = done(&keys(&folder, &["--retire"]));
    assert!(said.contains("delete `") && said.contains("issuer-1.pem`, the private key that is retired"), "{said}");
    assert_eq!(published(&folder), both[1..]);
    // Deleting is the operator's. The next one gets another name, though the first is free.
    fs::remove_file(folder.join("issuer-1.pem")).unwrap();
    done(&keys(&folder, &["--rotate"]));
    assert_eq!(names(&folder), ["issuer-2.pem", "issuer-3.pem", configuration, set]);
}

#[test]
fn private_keys_are_the_owners_and_never_among_what_is_published() {
    let folder = folder("issuer-private");
    let said = done(&keys(&folder, &["--issuer", ISSUER])) + &done(&keys(&folder, &["--rotate"]));
    #[cfg(unix)]
    for name in ["issuer-1.pem", "issuer-2.pem"] {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    let public: String =
        files(&folder.join("public")).iter().map(|(_, content)| String::from_utf8_lossy(content)).collect();
    for name in ["issuer-1.pem", "issuer-2.pem"] {
        let pem = fs::read_to_string(folder.join(name)).unwrap();
        for line in pem.lines().filter(|line| line.len() > 24) {
            assert!(!public.contains(line) && !said.contains(line), "a private key is shown");
        }
    }
    for (_, content) in files(&folder.join("public")) {
        let text = String::from_utf8(content).unwrap();
        assert!(!text.contains("PRIVATE") && !text.contains("\"d\""), "{text}");
    }
}

#[test]
fn a_key_that_is_there_is_never_written_over() {
    let folder = folder("issuer-there");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("issuer-1.pem"), "somebody's").unwrap();
    done(&keys(&folder, &["--issuer", ISSUER]));
    assert_eq!(fs::read(folder.join("issuer-1.pem")).unwrap(), b"somebody's");
    assert!(folder.join("issuer-2.pem").exists());
}

#[test]
fn the_public_key_of_a_kms_is_published_alone() {
    let folder = folder("issuer-kms");
    let pem = folder.with_extension("pem");
    fs::write(&pem, KMS).unwrap();
    let pem = pem.to_str().unwrap();
    done(&keys(&folder, &["--issuer", ISSUER, "--public-key", pem]));
    assert_eq!(names(&folder), ["public/.well-known/openid-configuration", "public/jwks.json"]);
    assert_eq!(published(&folder), ["NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"]);
    let why = refused(&keys(&folder, &["--rotate", "--public-key", pem]));
    assert!(why.contains("is published; take another key"), "{why}");
}

#[test]
fn everything_that_is_wrong_is_told_and_nothing_is_made() {
    let folder = folder("issuer-wrong");
    let wrong = ["--issuer", "http://me@host?a", "--public-key", crate::MY_APP];
    let why = refused(&keys(&folder, &wrong));
    let lines: Vec<&str> = why.lines().collect();
    assert_eq!(lines.len(), 3, "{why}");
    assert!(lines[0].contains("`--issuer`: ") && lines[2].contains("it is not in PEM"), "{why}");
    let why = refused(&keys(&folder, &["--rotate"]));
    assert_eq!(why.matches("cannot be read").count(), 2, "{why}");
    assert!(!folder.exists());

    let file = folder.with_extension("file");
    fs::write(&file, "").unwrap();
    let why = refused(&keys(&file, &["--issuer", ISSUER]));
    assert!(why.contains("cannot be made"), "{why}");
    for arguments in [&[][..], &["--rotate", "--retire"], &["--rotate", "--issuer", ISSUER]] {
        let output = keys(&folder, arguments);
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    }
}

#[test]
fn the_key_of_a_vendor_is_made_once_and_shown_by_its_public_half() {
    let folder = folder("vendor-made");
    let said = done(&vendor(&folder, &[]));
    assert_eq!(names(&folder), ["public/vendor.pem", "vendor.pem"]);
    let (private, public) = (folder.join("vendor.pem"), folder.join("public/vendor.pem"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&private).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let (secret, open) = (fs::read_to_string(&private).unwrap(), fs::read_to_string(&public).unwrap());
    assert!(secret.starts_with("-----BEGIN PRIVATE KEY-----") && open.starts_with("-----BEGIN PUBLIC KEY-----"));
    let shown: Vec<String> = [&private, &public].iter().map(|path| done(&show(path, &[]))).collect();
    assert_eq!(shown[0], shown[1]);
    let fingerprint = shown[0].lines().next().unwrap();
    assert!(shown[0].ends_with(&open) && fingerprint.starts_with("sha256:") && said.contains(fingerprint), "{said}");
    for words in ["not encrypted", "alien invite --sign", "alien-deploy … --vendor-key"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let body = secret.lines().nth(1).unwrap();
    assert!(!said.contains(body) && !shown[0].contains(body), "a private key is shown");

    let before = files(&folder);
    assert!(refused(&vendor(&folder, &[])).contains("vendor.pem`: already exists, and a key is never overwritten"));
    fs::remove_file(&private).unwrap();
    assert!(refused(&vendor(&folder, &[])).contains("public/vendor.pem`: already exists"));
    fs::write(&private, &secret).unwrap();
    assert!(files(&folder) == before, "a command that is refused changed a file");
}

#[test]
fn a_passphrase_is_in_a_file_or_in_the_environment_and_what_is_wrong_with_it_is_told() {
    let folder = folder("vendor-passphrase");
    let write = |name: &str, text: &str| {
        let path = folder.with_extension(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (good, short) = (write("good", "correct horse battery\n"), write("short", "too short\r\n"));
    let wrong = write("wrong", "correct horse batters");
    let why = refused(&vendor(&folder, &["--passphrase-file", &short]));
    assert!(why.contains(&format!("`{short}`: the passphrase has 9 characters")), "{why}");
    assert!(refused(&vendor(&folder, &["--passphrase-file", "absent"])).contains("`absent`: cannot be read"));
    assert!(!folder.exists());
    let said = done(&vendor(&folder, &["--passphrase-file", &good]));
    assert!(said.contains("keep it and its passphrase apart") && !said.contains("correct horse"), "{said}");
    let (private, public) = (folder.join("vendor.pem"), folder.join("public/vendor.pem"));
    assert!(fs::read_to_string(&private).unwrap().starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));

    let shown = done(&show(&public, &[]));
    assert_eq!(done(&show(&private, &["--passphrase-file", &good])), shown);
    let with_variable = |path: &Path, value: &str| {
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_alien"));
        program.args(["keys", "show", path.to_str().unwrap()]).env_clear().env("ALIEN_PASSPHRASE", value);
        looked_at(&mut program)
    };
    assert_eq!(done(&with_variable(&private, "correct horse battery")), shown);
    assert_eq!(done(&with_variable(&public, "correct horse battery")), shown);
    assert!(refused(&with_variable(&private, "short")).contains("`ALIEN_PASSPHRASE`: the passphrase has 5"));
    let why = refused(&show(&private, &[]));
    assert!(why.contains("vendor.pem`: it is encrypted; give its passphrase: `--passphrase-file`"), "{why}");
    assert!(refused(&with_variable(&private, "")).contains("it is encrypted"));
    let why = refused(&show(&private, &["--passphrase-file", &wrong]));
    assert!(why.contains("vendor.pem`: the passphrase is wrong") && !why.contains("correct"), "{why}");

    // A key that is not encrypted takes no passphrase that is given for it, and does not mind one for others.
    let plain = folder.join("plain");
    done(&vendor(&plain, &[]));
    let plain = plain.join("vendor.pem");
    assert!(refused(&show(&plain, &["--passphrase-file", &good])).contains("it is not encrypted"));
    done(&with_variable(&plain, "correct horse battery"));

    let invite = |more: &[&str]| {
        let begin = [
            "invite",
            "--stack",
            crate::MY_APP,
            "--cloud",
            "gcp",
            "--vendor",
            "vendor@vendor-project.iam.gserviceaccount.com",
        ];
        alien(&[&begin[..], &["--sign", private.to_str().unwrap()], more].concat())
    };
    done(&invite(&["--passphrase-file", &good]));
    assert!(refused(&invite(&[])).contains("it is encrypted"));
    assert!(refused(&invite(&["--passphrase-file", &wrong])).contains("the passphrase is wrong"));
}

#[test]
fn a_file_that_is_no_key_is_told_by_its_name() {
    let folder = folder("vendor-shown");
    let kms = folder.with_extension("pem");
    fs::write(&kms, KMS).unwrap();
    for (path, words) in [
        (kms.as_path(), "it is not an Ed25519 key"),
        (Path::new(crate::MY_APP), "it is not in PEM"),
        (Path::new("absent.pem"), "`absent.pem`: cannot be read"),
    ] {
        let why = refused(&show(path, &[]));
        assert!(why.contains(words) && why.contains(path.file_name().unwrap().to_str().unwrap()), "{why}");
    }
    let file = folder.with_extension("file");
    fs::write(&file, "").unwrap();
    assert!(refused(&vendor(&file, &[])).contains("cannot be made"));
}

fn vendor(folder: &Path, arguments: &[&str]) -> std::process::Output {
    alien(&[&["keys", "vendor", "--out", folder.to_str().unwrap()][..], arguments].concat())
}

fn show(path: &Path, arguments: &[&str]) -> std::process::Output {
    alien(&[&["keys", "show", path.to_str().unwrap()][..], arguments].concat())
}
