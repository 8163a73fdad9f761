//! What the network does in the place of a service: no answer at all, or an answer of something on the way.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use crate::error::{Error, ErrorKind, causes};

/// The most that is read of an answer, in bytes. The largest one is a page of logs: a thousand lines of at most 64 KiB.
pub const LARGEST_ANSWER: usize = 64 << 20;

/// How long it may take to open a connection.
pub const CONNECT: Duration = Duration::from_secs(5);

/// How long one attempt of a call may take, where it sends or awaits nothing large.
pub const ATTEMPT: Duration = Duration::from_secs(60);

/// A service that is called over the network. It tells what happened if something else answers in its place, or nothing does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer<'a> {
    /// Whose service it is, as messages name it.
    pub service: &'a str,
    /// The host that was called, where it is known.
    pub host: Option<&'a str>,
}

impl Peer<'_> {
    /// The error of a request that got no answer, by the types of what caused it.
    ///
    /// [`Unreachable`](ErrorKind::Unreachable) if waiting does not help: nobody knows the name, nobody vouches for the certificate, the
    /// proxy lets nothing pass. [`Unavailable`](ErrorKind::Unavailable) else. An error that was told by this before stays what it is.
    #[must_use]
    pub fn unanswered(&self, error: &(dyn StdError + 'static)) -> Error {
        if let Some(told) = Error::among(error) {
            return told.clone();
        }
        let at = self.at();
        match Fault::of(error) {
            Fault::Unknown => self.unreachable(
                &format!("no such host: {at}"),
                "check the region and the address, and that this machine can resolve names",
            ),
            Fault::Untrusted(why) => self.unreachable(
                &format!("the certificate of {at} is not trusted: {why}"),
                "if a proxy of your network opens TLS, add its authority to the certificates of this machine, or name a file with all \
                 that are trusted in `SSL_CERT_FILE`",
            ),
            Fault::NoTls(why) => self.unreachable(
                &format!("{at} does not answer in TLS: {why}"),
                "check the address, and whether a proxy stands in between",
            ),
            Fault::Proxy(why) => self.unreachable(
                &format!("the proxy on the way to {at} refuses: {why}"),
                "check `HTTPS_PROXY`, and the user and the password in it; `NO_PROXY` names hosts that need none",
            ),
            Fault::Late => self.late(),
            Fault::Other => {
                // What the layers above say of it is that they have failed.
                let why = causes(error).last().unwrap_or(error);
                Error::new(ErrorKind::Unavailable, format!("cannot reach {at}: {why}")).because(LATER)
            }
        }
    }

    /// The same, if what caused an error is of the network at all: a file that cannot be read is not.
    #[must_use]
    pub fn unreached(&self, error: &(dyn StdError + 'static)) -> Option<Error> {
        let is_networks =
            Error::among(error).is_some() || Fault::of(error) != Fault::Other || is_of_a_connection(error);
        is_networks.then(|| self.unanswered(error))
    }

    /// The error if this machine cannot call at all: it trusts nobody, for example.
    #[must_use]
    pub fn uncallable(&self, why: &str) -> Error {
        let help = "check the certificates that this machine trusts, and the file that `SSL_CERT_FILE` names";
        self.unreachable(&format!("this machine cannot call {}: {why}", self.at()), help)
    }

    /// The error if there was no answer in time.
    #[must_use]
    pub fn late(&self) -> Error {
        Error::new(ErrorKind::Unavailable, format!("{} did not answer in time", self.at())).because(LATER)
    }

    /// The error of an answer that is not in the service's own words: something on the way answered, or something else is there. What it
    /// says of permissions and of what exists is not to be believed.
    #[must_use]
    pub fn not_its_own(&self, status: u16) -> Error {
        let at = self.at();
        let what = format!("{at} answered {status}, and not in the words of {}", self.service);
        match status {
            407 => self.unreachable(
                &format!("a proxy on the way to {at} asks who calls (407)"),
                "give the user and the password in `HTTPS_PROXY`",
            ),
            429 => Error::new(ErrorKind::Throttled, what),
            200..=299 | 408 | 500.. => Error::new(ErrorKind::Unavailable, what).because(ANSWERED_BY_OTHERS),
            _ => self.unreachable(&what, ANSWERED_BY_OTHERS),
        }
    }

    /// Says whose fault it is, where the service itself says that it failed: its own words name nobody.
    #[must_use]
    pub fn at_fault(&self, said: Error) -> Error {
        if said.kind() != ErrorKind::Unavailable {
            return said;
        }
        let help = format!("that is what {} says of itself: try again later", self.at());
        said.because(help)
    }

    /// The error of an answer of more than [`LARGEST_ANSWER`].
    #[must_use]
    pub fn endless(&self) -> Error {
        let what = format!("the answer of {} has more than {} MiB", self.at(), LARGEST_ANSWER >> 20);
        Error::new(ErrorKind::Internal, what).because(ANSWERED_BY_OTHERS)
    }

    /// The service with its host.
    fn at(&self) -> String {
        match self.host {
            Some(host) => format!("{} at `{host}`", self.service),
            None => self.service.to_owned(),
        }
    }

    fn unreachable(&self, what: &str, help: &str) -> Error {
        Error::new(ErrorKind::Unreachable, what).because(help)
    }
}

const LATER: &str = "check the address, and what your network lets pass, or try again later";

const ANSWERED_BY_OTHERS: &str = "something else answers there, as a proxy, a firewall or a sign-in page: check the address, and what your network lets pass";

/// Why nobody who is trusted vouches for the certificate of what answered, by the types of what caused an error; `None` if that is not
/// what happened.
#[must_use]
pub fn untrusted(error: &(dyn StdError + 'static)) -> Option<String> {
    match Fault::of(error) {
        Fault::Untrusted(why) => Some(why),
        _ => None,
    }
}

/// Whether an answer is a page for people: no service answers a program so.
#[must_use]
pub fn is_page(content_type: Option<&str>, body: &[u8]) -> bool {
    let begins = |begin: &str| {
        body.trim_ascii_start().get(..begin.len()).is_some_and(|text| text.eq_ignore_ascii_case(begin.as_bytes()))
    };
    content_type.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"))
        || begins("<!doctype html")
        || begins("<html")
}

/// Whether a connection failed, or broke.
fn is_of_a_connection(error: &(dyn StdError + 'static)) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkDown,
        NetworkUnreachable, NotConnected, UnexpectedEof,
    };
    let io = causes(error).find_map(|cause| cause.downcast_ref::<io::Error>());
    io.is_some_and(|error| {
        matches!(
            error.kind(),
            BrokenPipe
                | ConnectionAborted
                | ConnectionRefused
                | ConnectionReset
                | HostUnreachable
                | NetworkDown
                | NetworkUnreachable
                | NotConnected
                | UnexpectedEof
        )
    })
}

/// Why there was no answer.
#[derive(Debug, PartialEq, Eq)]
enum Fault {
    /// No name server knows the host.
    Unknown,
    /// Nobody who is trusted vouches for the certificate.
    Untrusted(String),
    /// What came is not TLS, or it ended in an alert.
    NoTls(String),
    /// The proxy opens no way to the host.
    Proxy(String),
    Late,
    Other,
}

impl Fault {
    fn of(error: &(dyn StdError + 'static)) -> Self {
        let mut fault = Self::Other;
        let mut next = Some(error);
        while let Some(cause) = next {
            let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            let inner = inner.map(|inner| inner as &(dyn StdError + 'static));
            let tls =
                [Some(cause), inner].into_iter().flatten().find_map(|cause| cause.downcast_ref::<rustls::Error>());
            match tls {
                Some(rustls::Error::InvalidCertificate(why)) => return Self::Untrusted(why.to_string()),
                Some(other) => return Self::NoTls(other.to_string()),
                None => {}
            }
            if cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
                fault = Self::Late;
            }
            // Neither the system's resolver nor the HTTP clients have a type or a code for these two.
            let said = cause.to_string();
            if said.starts_with("failed to lookup address information") {
                return Self::Unknown;
            }
            if let Some((_, why)) = said.split_once("tunnel error: ") {
                return Self::Proxy(why.to_owned());
            }
            next = cause.source().or(inner);
        }
        fault
    }
}

#[cfg(test)]
mod tests {
    use std::net::ToSocketAddrs as _;

    use super::*;

    const PEER: Peer<'_> = Peer { service: "Cumulus", host: Some("sts.example") };

    /// As an HTTP client wraps what happened below it.
    #[derive(Debug)]
    struct Wrapped(Box<dyn StdError + Send + Sync>);

    impl std::fmt::Display for Wrapped {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("client error (Connect)")
        }
    }

    impl StdError for Wrapped {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&*self.0)
        }
    }

    fn told(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> (ErrorKind, String) {
        let error = PEER.unanswered(&Wrapped(cause.into()));
        (error.kind(), error.to_string())
    }

    #[test]
    fn what_waiting_cannot_mend_is_told_from_what_it_can() {
        let unknown = ("name.invalid", 443).to_socket_addrs().map(|_| ()).unwrap_err();
        let (kind, words) = told(unknown);
        assert_eq!(kind, ErrorKind::Unreachable, "{words}");
        assert!(words.starts_with("no such host: Cumulus at `sts.example`; check the region"), "{words}");

        let issuer = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        for cause in [io::Error::other(issuer.clone()), io::Error::new(io::ErrorKind::InvalidData, issuer)] {
            let (kind, words) = told(cause);
            assert_eq!(kind, ErrorKind::Unreachable, "{words}");
            assert!(
                words.contains("certificate of Cumulus at `sts.example` is not trusted")
                    && words.contains("SSL_CERT_FILE"),
                "{words}"
            );
        }
        let plain = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        assert_eq!(told(io::Error::other(plain)).0, ErrorKind::Unreachable);
        let untrusted = |cause| super::untrusted(&Wrapped(Box::new(io::Error::other(cause))));
        let expired = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        assert_eq!(untrusted(expired.into()).as_deref(), Some("Expired"));
        // As a proxy may say of what lies behind it.
        assert_eq!(untrusted(Box::<dyn StdError + Send + Sync>::from("invalid peer certificate: UnknownIssuer")), None);
        let (kind, words) = told("tunnel error: proxy authorization required");
        assert!(kind == ErrorKind::Unreachable && words.contains("`HTTPS_PROXY`"), "{words}");

        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let (kind, words) = told(refused);
        assert_eq!(
            (kind, &*words),
            (
                ErrorKind::Unavailable,
                "cannot reach Cumulus at `sts.example`: connection refused; check the address, and what your network lets pass, or \
                 try again later"
            )
        );
        let (kind, words) = told(io::Error::from(io::ErrorKind::TimedOut));
        assert_eq!(kind, ErrorKind::Unavailable);
        assert!(words.starts_with("Cumulus at `sts.example` did not answer in time; check the address"), "{words}");

        let told =
            |kind: io::ErrorKind| PEER.unreached(&Wrapped(Box::new(io::Error::from(kind)))).map(|error| error.kind());
        assert_eq!(told(io::ErrorKind::ConnectionReset), Some(ErrorKind::Unavailable));
        assert_eq!(told(io::ErrorKind::NotFound), None, "a file");
    }

    #[test]
    fn the_answer_of_something_on_the_way_says_nothing_of_rights() {
        for (status, kind) in [
            (200, ErrorKind::Unavailable),
            (302, ErrorKind::Unreachable),
            (401, ErrorKind::Unreachable),
            (403, ErrorKind::Unreachable),
            (404, ErrorKind::Unreachable),
            (407, ErrorKind::Unreachable),
            (429, ErrorKind::Throttled),
            (502, ErrorKind::Unavailable),
        ] {
            let error = PEER.not_its_own(status);
            assert_eq!(error.kind(), kind, "{status}");
            assert!(error.to_string().contains("`sts.example`"), "{error}");
        }
    }

    #[test]
    fn a_fault_of_its_own_is_told_with_who_has_it() {
        let told = |kind| PEER.at_fault(Error::new(kind, "it fails (X)")).to_string();
        let words = "it fails (X); that is what Cumulus at `sts.example` says of itself: try again later";
        assert_eq!((&*told(ErrorKind::Unavailable), &*told(ErrorKind::Denied)), (words, "it fails (X)"));
    }

    #[test]
    fn a_page_is_known_by_its_type_or_its_beginning() {
        assert!(
            is_page(Some("text/html; charset=utf-8"), b"")
                && is_page(None, b"\r\n<!DOCTYPE HTML><p>")
                && is_page(None, b"<html lang")
        );
        assert!(
            !is_page(Some("application/json"), b"{}")
                && !is_page(Some("text/xml"), b"<Error><Code>")
                && !is_page(None, b"")
        );
    }
}
