//! Servers that answer in the place of a cloud, of a manager, or of whoever issues tokens: each badly in a way of its own.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What is planted as a secret, in every credential: it may stand in no output.
pub(crate) const SECRET: &str = "planted";

/// How something answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bad {
    Page(u16),
    Away,
    AsksWhoCalls,
    /// An answer of 200 that never ends.
    Endless,
    /// Without TLS where it is expected, or with the certificate of an authority that nobody knows.
    NoTls,
    Untrusted,
    /// Nobody has the name.
    NoHost,
    /// Nobody listens.
    Refuses,
    Hangs,
    Drips,
    Garbage,
    /// In the cloud's own words, 500 for ever.
    Fails,
}

/// Those after which waiting does not help.
pub(crate) const AT_ONCE: [Bad; 8] = [
    Bad::Page(401),
    Bad::Page(403),
    Bad::Page(404),
    Bad::Away,
    Bad::AsksWhoCalls,
    Bad::NoTls,
    Bad::Untrusted,
    Bad::NoHost,
];

/// Those after which a cloud may be back.
pub(crate) const LATER: [Bad; 7] =
    [Bad::Page(200), Bad::Page(502), Bad::Refuses, Bad::Hangs, Bad::Drips, Bad::Garbage, Bad::Fails];

trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// A server of one behaviour, for as long as the tests run.
pub(crate) struct Server {
    pub(crate) port: u16,
    /// Its certificate, which nobody but a test trusts.
    pub(crate) pem: String,
    /// Whether anybody has called.
    called: Arc<AtomicBool>,
}

impl Server {
    pub(crate) fn start(bad: Bad, tls: bool, tokens: bool) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate =
            rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        if bad == Bad::Refuses {
            // Nobody has this port. One that was just free may be another server's by then.
            return Self { port: 1, pem: certificate.pem(), called: Arc::default() };
        }
        let called = Arc::<AtomicBool>::default();
        let is_called = Arc::clone(&called);
        thread::spawn(move || {
            for stream in listener.incoming() {
                is_called.store(true, Ordering::Relaxed);
                let config = Arc::clone(&config);
                // A client that went away is none of its business.
                thread::spawn(move || stream.and_then(|stream| taken(stream, tls.then_some(config), bad, tokens)));
            }
        });
        Self { port, pem: certificate.pem(), called }
    }

    /// Whether anybody has called it.
    pub(crate) fn is_called(&self) -> bool {
        self.called.load(Ordering::Relaxed)
    }
}

fn taken(stream: TcpStream, tls: Option<Arc<ServerConfig>>, bad: Bad, tokens: bool) -> io::Result<()> {
    match tls {
        None => answered(stream, bad, tokens),
        Some(config) => {
            let connection = ServerConnection::new(config).map_err(io::Error::other)?;
            answered(StreamOwned::new(connection, stream), bad, tokens)
        }
    }
}

fn answered(mut stream: impl Stream, bad: Bad, tokens: bool) -> io::Result<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Ok(());
        }
        head.push(byte[0]);
        // The first byte of TLS, which a server of HTTP does not understand.
        if head == [0x16] {
            return write!(stream, "HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
        }
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
    io::copy(&mut (&mut stream).take(length.unwrap_or_default()), &mut io::sink())?;
    if tokens && (head.contains("/oauth2/v2.0/token") || head.contains("/token?")) {
        let token = format!(r#"{{"access_token":"{SECRET}-access","token_type":"Bearer","expires_in":3600}}"#);
        let kind = "content-type: application/json\r\nmetadata-flavor: Google";
        return write!(stream, "HTTP/1.1 200 OK\r\n{kind}\r\ncontent-length: {}\r\n\r\n{token}", token.len());
    }
    if head.contains("get /computemetadata/v1/universe") {
        return write!(stream, "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
    }
    let page = "<!DOCTYPE html><title>Acme Web Gateway</title><p>Blocked.";
    let whole = |status: &str, kind: &str, body: &str| {
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )
    };
    match bad {
        Bad::Page(status) => write!(stream, "{}", whole(&format!("{status} X"), "text/html", page)),
        Bad::Away => {
            let (away, here) = ("302 Found\r\nlocation: /sign-in", head.starts_with("get /sign-in"));
            let answer = if here { whole("200 OK", "text/html", page) } else { whole(away, "text/plain", "") };
            write!(stream, "{answer}")
        }
        Bad::AsksWhoCalls => {
            let asks = "407 X\r\nproxy-authenticate: Basic realm=\"acme\"";
            write!(stream, "{}", whole(asks, "text/plain", "who are you?"))
        }
        Bad::Fails => {
            let (kind, said) = if head.contains("aws-sdk") {
                let code = "<Code>InternalFailure</Code><Message>it fails</Message>";
                ("text/xml", format!("<ErrorResponse><Error>{code}</Error></ErrorResponse>"))
            } else if head.contains("azsdk") {
                ("application/json", r#"{"error":{"code":"InternalServerError","message":"it fails"}}"#.to_owned())
            } else {
                ("application/json", r#"{"error":{"code":500,"message":"it fails","status":"INTERNAL"}}"#.to_owned())
            };
            write!(stream, "{}", whole("500 X", kind, &said))
        }
        Bad::Endless => {
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")?;
            let piece = format!("{:x}\r\n{}\r\n", 1 << 20, " ".repeat(1 << 20));
            loop {
                stream.write_all(piece.as_bytes())?;
            }
        }
        Bad::Drips => {
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n")?;
            loop {
                stream.write_all(b" ")?;
                stream.flush()?;
                thread::sleep(Duration::from_secs(5));
            }
        }
        Bad::Garbage => write!(stream, "SSH-2.0-OpenSSH_9.6\r\n"),
        Bad::Hangs | Bad::NoTls | Bad::Untrusted | Bad::NoHost | Bad::Refuses => {
            thread::sleep(Duration::from_secs(600));
            Ok(())
        }
    }?;
    stream.flush()
}
