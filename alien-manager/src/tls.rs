//! TLS, by a certificate and a key in files, which are read again when they change.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use alien_core::adapter::read_text;
use alien_core::{Error, ErrorKind, Problem, Result, Rule};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(10);

/// A certificate with its chain, and its key, in files of PEM.
#[derive(Debug)]
pub struct Tls {
    certificates: PathBuf,
    key: PathBuf,
    present: RwLock<Present>,
}

#[derive(Debug, Clone)]
struct Present {
    config: Arc<ServerConfig>,
    stamp: Stamp,
}

/// When the files were written, and how long they are.
type Stamp = [(SystemTime, u64); 2];

impl Tls {
    /// Reads a certificate, with those that lead to its authority, and its private key.
    ///
    /// # Errors
    ///
    /// [`Input`](ErrorKind::Input) with every problem of both files.
    pub fn open(certificates: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self> {
        let (certificates, key) = (certificates.into(), key.into());
        let present = RwLock::new(read(&certificates, &key)?);
        Ok(Self { certificates, key, present })
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.present.read().unwrap_or_else(PoisonError::into_inner).config)
    }

    /// Reads the files again if they have changed. What cannot be used is left: the certificate that was read stays.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn refresh(&self) -> Result<()> {
        let before = self.present.read().unwrap_or_else(PoisonError::into_inner).stamp;
        if stamp(&self.certificates, &self.key).is_ok_and(|now| now == before) {
            return Ok(());
        }
        let present = read(&self.certificates, &self.key)?;
        *self.present.write().unwrap_or_else(PoisonError::into_inner) = present;
        tracing::info!(certificates = %self.certificates.display(), "the certificate was read again");
        Ok(())
    }

    /// Reads the files again whenever they change.
    pub(crate) async fn keep_fresh(self: Arc<Self>) {
        loop {
            tokio::time::sleep(EVERY).await;
            let tls = Arc::clone(&self);
            // Reading may wait for the disk.
            let read = tokio::task::spawn_blocking(move || tls.refresh()).await;
            if let Ok(Err(error)) = read {
                tracing::error!(%error, "the new certificate cannot be used; the one before stays");
            }
        }
    }
}

fn stamp(certificates: &Path, key: &Path) -> io::Result<Stamp> {
    let of = |path: &Path| {
        let found = fs::metadata(path)?;
        Ok::<_, io::Error>((found.modified()?, found.len()))
    };
    Ok([of(certificates)?, of(key)?])
}

fn read(certificates: &Path, key: &Path) -> Result<Present> {
    let mut problems = Vec::new();
    // Who writes the files while they are read is found out the next time.
    let stamp = stamp(certificates, key).unwrap_or([(SystemTime::UNIX_EPOCH, 0); 2]);
    let mut wrong = |path: &Path, what: String, help: &str| {
        problems.push(Problem::error(Rule::Setting, what, help.to_owned()).at(path.display().to_string()));
    };
    let found = match (read_text(certificates), read_text(key)) {
        (Ok(certificates), Ok(key)) => (certificates, key),
        (certificates, key) => {
            let unread = certificates.err().into_iter().chain(key.err());
            return Err(unread.map(Problem::from).collect::<Vec<_>>().into());
        }
    };
    let chain = CertificateDer::pem_slice_iter(found.0.as_bytes()).collect::<Result<Vec<_>, _>>();
    let chain = match chain {
        Ok(chain) if !chain.is_empty() => Some(chain),
        Ok(_) => {
            wrong(certificates, "there is no certificate".to_owned(), "give the certificate and its chain in PEM");
            None
        }
        Err(error) => {
            let help = "give the certificate and its chain in PEM";
            wrong(certificates, format!("it cannot be read: {error}"), help);
            None
        }
    };
    let secret = PrivateKeyDer::from_pem_slice(found.1.as_bytes())
        .map_err(|error| wrong(key, format!("it cannot be read: {error}"), "give the private key in PEM, unencrypted"));
    let (Some(chain), Ok(secret)) = (chain, secret) else { return Err(problems.into()) };
    // A program may have two providers in it: then there is no default.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| Error::new(ErrorKind::Internal, "TLS cannot be set up").caused_by(&error))?;
    match config.with_no_client_auth().with_single_cert(chain, secret) {
        Ok(mut config) => {
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Ok(Present { config: Arc::new(config), stamp })
        }
        Err(error) => {
            let what = format!("the certificate cannot be used with the key: {error}");
            wrong(certificates, what, "give the certificate first, and the key that it was made for");
            Err(problems.into())
        }
    }
}
