//! A self-signed certificate, and TLS with it.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

/// The names in the certificate: the emulator's address, and the hosts of data planes for clients that resolve them to
/// it.
const NAMES: &[&str] = &[
    "127.0.0.1",
    "localhost",
    "*.servicebus.windows.net",
    "*.blob.core.windows.net",
    "*.table.core.windows.net",
    "*.queue.core.windows.net",
    "api.loganalytics.io",
    "api.loganalytics.azure.com",
    "management.azure.com",
    "login.microsoftonline.com",
];

/// Generates a certificate, returned as PEM, and an acceptor that uses it.
///
/// # Errors
///
/// If no key can be generated.
pub(crate) fn acceptor() -> io::Result<(String, TlsAcceptor)> {
    let names: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
    let pem = made.cert.pem();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .map_err(io::Error::other)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((pem, TlsAcceptor::from(Arc::new(config))))
}
