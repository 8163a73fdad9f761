//! Where a database is, and how to speak to it.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alien_core::adapter::read_text;
use alien_core::{Error, ErrorKind, Result};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long it may take to reach one address.
const CONNECT: Duration = Duration::from_secs(5);

/// A connection is given up if nothing is heard for about a minute.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_RETRIES: u32 = 3;

/// All that is needed to connect. `Debug` shows neither the user nor the password.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) config: Config,
    pub(super) tls: MakeRustlsConnect,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &self.config;
        let mut address = f.debug_struct("Address");
        address.field("hosts", &config.get_hosts()).field("ports", &config.get_ports());
        address.field("database", &config.get_dbname()).field("tls", &config.get_ssl_mode()).finish()
    }
}

/// Parses a URL or pairs of key and value, as libpq writes them
/// (<https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING>).
pub(super) fn parse(text: &str) -> Result<Address> {
    let Split { rest, mode, roots } = split(text);
    let mut config: Config = rest.parse().map_err(|error| unreadable(&error))?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(wrong("the address of the database names no host"));
    }
    let is_checked = match mode.as_deref() {
        Some("disable") => false,
        // Less than a full check would let anybody on the way in, so there is no less.
        Some("require" | "verify-ca" | "verify-full") => true,
        None => !is_local(&config),
        Some(other) => {
            let help = "`verify-full` checks whose database it is, `disable` does without TLS";
            return Err(wrong(format!("sslmode `{other}` of the address of the database protects nothing; {help}")));
        }
    };
    let tls = if is_checked {
        config.ssl_mode(SslMode::Require);
        trust(roots.as_deref().map(Path::new))?
    } else {
        config.ssl_mode(SslMode::Disable);
        RootCertStore::empty()
    };
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT);
    }
    if config.get_application_name().is_none() {
        config.application_name("alien-fleet");
    }
    config
        .keepalives_idle(KEEPALIVE_IDLE)
        .keepalives_interval(KEEPALIVE_INTERVAL)
        .keepalives_retries(KEEPALIVE_RETRIES);
    // Of several hosts, the one that takes writes.
    if config.get_hosts().len().max(config.get_hostaddrs().len()) > 1 {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    Ok(Address { config, tls: connector(tls)? })
}

/// An address, taken apart: TLS is ours, the rest is the client library's.
#[derive(Debug, Default)]
struct Split {
    rest: String,
    mode: Option<String>,
    roots: Option<String>,
}

impl Split {
    /// Takes a parameter, if it is about TLS.
    fn takes(&mut self, key: &str, value: impl FnOnce() -> Option<String>) -> bool {
        let slot = match key {
            "sslmode" => &mut self.mode,
            "sslrootcert" => &mut self.roots,
            _ => return false,
        };
        *slot = value();
        true
    }
}

fn split(text: &str) -> Split {
    let mut split = Split::default();
    if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
        for (key, value, pair) in pairs(text) {
            if !split.takes(key, || decoded(&format!("application_name={value}"))) {
                split.rest.push_str(pair);
                split.rest.push(' ');
            }
        }
        return split;
    }
    // A password may have a question mark.
    let host = text.find('@').unwrap_or_default();
    let Some(query) = text.get(host..).and_then(|text| text.find('?')).map(|at| host + at) else {
        return Split { rest: text.to_owned(), ..split };
    };
    let (before, parameters) = text.split_at(query);
    let mut rest = Vec::new();
    for parameter in parameters.trim_start_matches('?').split('&').filter(|parameter| !parameter.is_empty()) {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if !split.takes(key, || decoded(&format!("postgres:///?application_name={value}"))) {
            rest.push(parameter);
        }
    }
    split.rest = if rest.is_empty() { before.to_owned() } else { format!("{before}?{}", rest.join("&")) };
    split
}

/// A value, read by the parser that reads the others.
fn decoded(address: &str) -> Option<String> {
    address.parse::<Config>().ok()?.get_application_name().map(str::to_owned)
}

/// Each key, its value as it is written, and both together. What cannot be read is one pair without a key.
fn pairs(text: &str) -> Vec<(&str, &str, &str)> {
    let mut found = Vec::new();
    let mut text = text.trim_start();
    while !text.is_empty() {
        let Some((key, after)) = text.split_once('=') else {
            found.push(("", "", text));
            break;
        };
        let value = after.trim_start();
        let end = end_of_value(value);
        let (Some(written), Some(rest)) = (value.get(..end), value.get(end..)) else { break };
        let pair = text.get(..text.len() - rest.len()).unwrap_or(text);
        found.push((key.trim(), written, pair));
        text = rest.trim_start();
    }
    found
}

fn end_of_value(value: &str) -> usize {
    let is_quoted = value.starts_with('\'');
    let mut is_escaped = false;
    for (at, char) in value.char_indices().skip(usize::from(is_quoted)) {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '\'' if is_quoted => return at + 1,
            _ if !is_quoted && char.is_whitespace() => return at,
            _ => {}
        }
    }
    value.len()
}

/// Whether nothing leaves this machine.
fn is_local(config: &Config) -> bool {
    let is_loopback = |host: &Host| match host {
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    match config.get_hostaddrs() {
        [] => config.get_hosts().iter().all(is_loopback),
        addresses => addresses.iter().all(IpAddr::is_loopback),
    }
}

/// Whom to trust: the certificates in this file, or those that this machine trusts.
fn trust(file: Option<&Path>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let Some(file) = file else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    let defect = |error: &dyn std::error::Error| {
        wrong(format!("no certificates can be read from sslrootcert `{}`", file.display())).caused_by(error)
    };
    let text = read_text(file).map_err(|unread| wrong(format!("sslrootcert: {unread}")))?;
    for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
        let certificate = certificate.map_err(|error| defect(&error))?;
        roots.add(certificate).map_err(|error| defect(&error))?;
    }
    if roots.is_empty() {
        return Err(wrong(format!("sslrootcert `{}` has no certificate", file.display())));
    }
    Ok(roots)
}

fn connector(roots: RootCertStore) -> Result<MakeRustlsConnect> {
    // A program may have two providers in it: then there is no default.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| Error::new(ErrorKind::Internal, "TLS cannot be set up").caused_by(&error))?;
    Ok(MakeRustlsConnect::new(config.with_root_certificates(roots).with_no_client_auth()))
}

fn wrong(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Input, what)
}

/// The parser's own words can have a part of the password, unless they only name an option that it knows.
fn unreadable(error: &tokio_postgres::Error) -> Error {
    let why = std::error::Error::source(error).map(ToString::to_string);
    let why = why.filter(|why| why.starts_with("invalid value for option"));
    let why = why.unwrap_or_else(|| "write it as `postgres://user:password@host:port/database`".to_owned());
    wrong(format!("the address of the database cannot be read: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(text: &str) -> SslMode {
        parse(text).unwrap().config.get_ssl_mode()
    }

    #[test]
    fn tls_is_used_beyond_this_machine_unless_it_is_disabled() {
        assert_eq!(mode("postgres://ann:pw@db.example/fleet"), SslMode::Require);
        assert_eq!(mode("host=db.example user=ann"), SslMode::Require);
        assert_eq!(mode("host=127.0.0.1,db.example user=ann"), SslMode::Require);
        assert_eq!(mode("host=localhost hostaddr=10.0.0.1 user=ann"), SslMode::Require);
        assert_eq!(mode("host=127.0.0.1 sslmode=verify-full user=ann"), SslMode::Require);
        assert_eq!(mode("postgres://127.0.0.1/fleet?sslmode=require&user=ann"), SslMode::Require);
        assert_eq!(mode("postgres://127.0.0.1/fleet"), SslMode::Disable);
        assert_eq!(mode("host=/run/postgresql user=ann"), SslMode::Disable);
        assert_eq!(mode("postgres://ann:pw@db.example/fleet?sslmode=disable"), SslMode::Disable);
    }

    #[test]
    fn a_mode_that_protects_nothing_is_refused() {
        for mode in ["prefer", "allow", "verify"] {
            let error = parse(&format!("host=db.example sslmode={mode}")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Input);
            assert!(error.to_string().contains(&format!("sslmode `{mode}`")), "{error}");
        }
    }

    #[test]
    fn what_is_not_about_tls_is_read_by_the_client_library() {
        let config =
            parse(r"user=ann  password = 'a b\'sslmode=x' sslmode='disable' host=db.example port=6432").unwrap().config;
        assert_eq!(config.get_password(), Some(&b"a b'sslmode=x"[..]));
        assert_eq!((config.get_user(), config.get_ports()), (Some("ann"), &[6432][..]));
        let config = parse("postgres://ann:a?b&sslmode=x@h/d?sslmode=disable&application_name=me&connect_timeout=2");
        let config = config.unwrap().config;
        assert_eq!(config.get_password(), Some(&b"a?b&sslmode=x"[..]));
        assert_eq!((config.get_application_name(), config.get_dbname()), (Some("me"), Some("d")));
        assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(2)));
    }

    #[test]
    fn a_value_ends_where_the_client_library_ends_it() {
        for (text, password) in [
            (r"password='a b\'c' sslmode='disable' host=db.example", "a b'c"),
            ("password=a'b sslmode=disable host=db.example", "a'b"),
        ] {
            let config = parse(text).unwrap().config;
            assert_eq!(config.get_password(), Some(password.as_bytes()));
            assert_eq!(config.get_ssl_mode(), SslMode::Disable, "{text}");
        }
    }

    #[test]
    fn of_several_hosts_the_one_that_takes_writes_is_used() {
        let attributes = |text: &str| parse(text).unwrap().config.get_target_session_attrs();
        assert_eq!(attributes("postgres://one.example/fleet"), TargetSessionAttrs::Any);
        assert_eq!(attributes("postgres://one.example,two.example/fleet"), TargetSessionAttrs::ReadWrite);
    }

    #[test]
    fn certificates_that_cannot_be_read_are_told_by_their_file() {
        for (text, word) in [
            ("host=h sslrootcert='/no such/file'", "/no such/file"),
            ("postgres://h/d?sslrootcert=%2Fno%20such%2Ffile", "/no such/file"),
            ("host=h sslrootcert=/dev/null", "sslrootcert: `/dev/null` is empty"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Input);
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn no_error_of_an_address_has_a_part_of_the_password() {
        for text in [
            "host=h password=hun ter2",
            "host=h password=hun ter2=x",
            "host=h password='hunter2",
            "postgres://ann:hunter2@h:port/d",
            "postgres://ann:hunter2@h/d?ter2=1",
            "password=hunter2",
            "hunter2",
        ] {
            let error = parse(text).unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(!said.contains("hun") && !said.contains("ter2"), "{said}");
        }
    }
}
