//! Microsoft's Azurite (<https://learn.microsoft.com/azure/storage/common/storage-use-azurite>), a third-party peer for
//! Azure storage. Its blobs and tables accept a bearer token with the right issuer, audience and lifetime. It knows no
//! roles and does not check signatures.

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

/// The version to test against.
pub const VERSION: &str = "3.37.0";

/// The audience of tokens for blobs and tables
/// (<https://learn.microsoft.com/azure/storage/blobs/authorize-access-azure-active-directory>).
pub const AUDIENCE: &str = "https://storage.azure.com";

/// A self-signed certificate for the loopback interface and its key, both as PEM.
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

/// A running, empty server. It stops when this value is dropped.
#[derive(Debug)]
pub struct Azurite {
    // Dropped before the folder, because the server writes to it until it stops.
    _server: Server,
    _folder: Folder,
    certificate: String,
    blob: u16,
    table: u16,
}

/// A folder that is removed when this value is dropped.
#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Installs Azurite, unless it is installed.
///
/// # Errors
///
/// If this machine has no npm, or the package cannot be downloaded.
fn install() -> Result<PathBuf, Absent> {
    let folder = peer::install(&format!("azurite-{VERSION}"), |folder| {
        let package = format!("azurite@{VERSION}");
        let quiet = ["--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--loglevel=error"];
        peer::run(Command::new("npm").args(["install", "--prefix"]).arg(folder).args(quiet).arg(&package))
    })?;
    Ok(folder.join("node_modules/.bin/azurite"))
}

/// A test on its own server, with these storage accounts and this TLS certificate. If the server is not available, the
/// test says so and is reported as ignored, unless [`Need`] makes it required.
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
    /// Starts a server with these storage accounts. Their keys are random and kept nowhere.
    ///
    /// # Errors
    ///
    /// If Azurite is not available on this machine.
    ///
    /// # Panics
    ///
    /// If it does not run.
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
            // Port 0 lets the system choose a free port.
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

    /// The server's self-signed certificate, as PEM. Clients must trust it explicitly.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The URL of an account's blobs.
    #[must_use]
    pub fn blobs(&self, account: &str) -> String {
        format!("https://127.0.0.1:{}/{account}", self.blob)
    }

    /// The URL of an account's tables.
    #[must_use]
    pub fn tables(&self, account: &str) -> String {
        format!("https://127.0.0.1:{}/{account}", self.table)
    }
}

/// Parses the port from the line in which a service says where it listens.
fn port(line: &str, service: &str) -> Option<u16> {
    let (_, address) = line.split_once(&format!("{service} service is successfully listening at "))?;
    address.trim().rsplit(':').next()?.parse().ok()
}

/// The claims of an Entra token for an audience, valid for an hour
/// (<https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference>).
///
/// # Panics
///
/// If the clock is before 1970.
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

/// A token with these claims. Its signature is invalid.
#[must_use]
pub fn token(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({"alg": "RS256", "typ": "JWT"});
    format!("{}.{}.{}", part(&header), part(claims), URL_SAFE_NO_PAD.encode("nobody"))
}
