//! A peer for Azure's storage that is not ours: Microsoft's Azurite
//! (<https://learn.microsoft.com/azure/storage/common/storage-use-azurite>), whose blobs and tables take a bearer token of
//! the right issuer, audience and time. It knows no roles and does not check signatures.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;
use std::{fmt, fs, io};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

pub use crate::peer::Absent;
use crate::peer::{self, Need, Server};

/// The version that is asked.
pub const VERSION: &str = "3.37.0";

/// The audience of tokens for blobs and tables
/// (<https://learn.microsoft.com/azure/storage/blobs/authorize-access-azure-active-directory>).
pub const AUDIENCE: &str = "https://storage.azure.com";

/// A certificate of the loopback interface that signs itself, and its key, both as PEM.
#[derive(Clone)]
pub struct Certified {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl fmt::Debug for Certified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certified").finish_non_exhaustive()
    }
}

/// A running server with nothing in it. It ends with the value.
#[derive(Debug)]
pub struct Azurite {
    // Before the folder, that it may write to until it ends.
    _server: Server,
    _folder: Folder,
    certificate: String,
    blob: u16,
    table: u16,
}

/// A folder that is removed with the value.
#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Installs it, where that has not been done.
///
/// # Errors
///
/// Where this machine has no npm, or the package cannot be had.
fn install() -> Result<PathBuf, Absent> {
    let folder = peer::install(&format!("azurite-{VERSION}"), |folder| {
        let package = format!("azurite@{VERSION}");
        let quiet = ["--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--loglevel=error"];
        peer::run(Command::new("npm").args(["install", "--prefix"]).arg(folder).args(quiet).arg(&package))
    })?;
    Ok(folder.join("node_modules/.bin/azurite"))
}

/// A test on a server of its own, given the names of its storage accounts and what it shows by TLS. Where the peer cannot be had, that is said and
/// the test is reported as ignored, unless it is needed.
#[must_use]
pub fn trial(
    name: &str,
    accounts: &[&str],
    certified: &Certified,
    test: impl FnOnce(Azurite) -> Result<(), Failed> + Send + 'static,
) -> Trial {
    static INSTALLED: OnceLock<Result<PathBuf, Absent>> = OnceLock::new();
    let installed = INSTALLED.get_or_init(|| peer::told("Azure's storage", install()));
    let accounts: Vec<String> = accounts.iter().map(|account| (*account).to_owned()).collect();
    let certified = certified.clone();
    peer::trial(name, Need::WhereAll, installed, move |_| test(Azurite::start(&accounts, certified)?))
}

impl Azurite {
    /// Starts a server that has these storage accounts. Their keys are known to nobody.
    ///
    /// # Errors
    ///
    /// Where it cannot be had on this machine.
    ///
    /// # Panics
    ///
    /// Where it does not run.
    pub fn start(accounts: &[String], certified: Certified) -> Result<Self, Absent> {
        let mut program = Command::new(install()?);
        let folder = Folder(std::env::temp_dir().join(format!("azurite-{}", uuid::Uuid::new_v4())));
        let Certified { certificate, key } = certified;
        let write = |name: &str, text: &str| -> io::Result<PathBuf> {
            let path = folder.0.join(name);
            fs::write(&path, text)?;
            Ok(path)
        };
        fs::create_dir(&folder.0).unwrap();
        let (certificate_path, key_path) =
            (write("certificate.pem", &certificate).unwrap(), write("key.pem", &key).unwrap());
        let key = || STANDARD.encode([uuid::Uuid::new_v4().into_bytes(), uuid::Uuid::new_v4().into_bytes()].concat());
        let accounts: Vec<String> = accounts.iter().map(|account| format!("{account}:{}", key())).collect();
        program
            .args(["--oauth", "basic", "--skipApiVersionCheck", "--inMemoryPersistence", "--disableTelemetry"])
            .arg("--silent")
            .arg("--cert")
            .arg(certificate_path)
            .arg("--key")
            .arg(key_path)
            // Any that are free.
            .args(["--blobPort", "0", "--queuePort", "0", "--tablePort", "0"])
            .env("AZURITE_ACCOUNTS", accounts.join(";"))
            .current_dir(&folder.0);
        let (mut blob, mut table) = (None, None);
        let (server, (blob, table)) = Server::start(&mut program, |line| {
            blob = blob.or(port(line, "Blob"));
            table = table.or(port(line, "Table"));
            blob.zip(table)
        })?;
        Ok(Self { _server: server, _folder: folder, certificate, blob, table })
    }

    /// The certificate that it shows, as PEM: one of its own, which only who has it trusts.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Where the blobs of an account are.
    #[must_use]
    pub fn blobs(&self, account: &str) -> String {
        format!("https://127.0.0.1:{}/{account}", self.blob)
    }

    /// Where the tables of an account are.
    #[must_use]
    pub fn tables(&self, account: &str) -> String {
        format!("https://127.0.0.1:{}/{account}", self.table)
    }
}

/// The port that a service says it listens on.
fn port(line: &str, service: &str) -> Option<u16> {
    let (_, address) = line.split_once(&format!("{service} service is successfully listening at "))?;
    address.trim().rsplit(':').next()?.parse().ok()
}

/// The claims of a token of Entra for an audience, which ends an hour from now
/// (<https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference>).
///
/// # Panics
///
/// Where the clock is before 1970.
#[must_use]
pub fn claims(audience: &str) -> Value {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let tenant = "00000000-0000-0000-0000-00000000000a";
    json!({
        "aud": audience,
        "iss": format!("https://sts.windows.net/{tenant}/"),
        "iat": now - 60,
        "nbf": now - 60,
        "exp": now + 3600,
        "oid": "00000000-0000-0000-0000-00000000000b",
        "tid": tenant,
        "ver": "1.0",
    })
}

/// A token with these claims. Its signature is nobody's.
#[must_use]
pub fn token(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({"alg": "RS256", "typ": "JWT"});
    format!("{}.{}.{}", part(&header), part(claims), URL_SAFE_NO_PAD.encode("nobody"))
}
