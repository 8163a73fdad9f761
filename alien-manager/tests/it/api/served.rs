//! A manager to make calls to, over TLS on the loopback interface.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex};

use alien_core::{Error, Result};
use alien_fleet::api::Client;
use alien_fleet::{Fleet, NewToken, Products, Role, Token, TokenText, Who};
use alien_manager::{Limits, Router, Server, Tls};
use jiff::SignedDuration;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::folder::Folder;

/// A manager of a fleet, on a free port.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    /// The certificate, which is its own authority.
    pub(crate) certificate: String,
    pub(crate) fleet: Fleet,
    _folder: Folder,
    made: Mutex<BTreeMap<String, (Token, TokenText)>>,
    stop: watch::Sender<bool>,
    ended: Vec<JoinHandle<()>>,
    /// What is in front of several servers.
    _front: Option<AbortOnDrop>,
}

/// A task that ends with this.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Writes a new certificate for 127.0.0.1 and its key, and returns the certificate.
pub(crate) fn certify(folder: &Folder) -> String {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    made.cert.pem()
}

impl Served {
    pub(crate) async fn begin(fleet: &Fleet) -> Self {
        Self::within(fleet, Limits::default()).await
    }

    pub(crate) async fn within(fleet: &Fleet, limits: Limits) -> Self {
        let folder = Folder::new();
        let certificate = certify(&folder);
        let (stop, stopped) = watch::channel(false);
        let (mut addresses, mut ended) = (Vec::new(), Vec::new());
        for fleet in [fleet.clone()].into_iter().chain(super::others()) {
            let tls = Tls::open(folder.join("cert.pem"), folder.join("key.pem")).unwrap();
            let server = Server::bind(HERE).await.unwrap().tls(tls).limits(limits);
            let (router, mut stopped) = (Router::new(&fleet), stopped.clone());
            addresses.push(server.address());
            let stopped = async move { drop(stopped.wait_for(|stop| *stop).await) };
            ended.push(tokio::spawn(async move { server.serve(router, stopped).await.unwrap() }));
        }
        let (address, front) = match addresses[..] {
            [address] => (address, None),
            _ => in_front(addresses).await,
        };
        let (fleet, made) = (fleet.clone(), Mutex::default());
        Self { address, certificate, fleet, _folder: folder, made, stop, ended, _front: front }
    }

    /// Makes a token of an hour.
    pub(crate) async fn token(&self, name: &str, role: Role, products: Products) -> (Token, TokenText) {
        let (token, text) = make(&self.fleet, name, role, products).await;
        self.made.lock().unwrap().insert(name.to_owned(), (token.clone(), text.clone()));
        (token, text)
    }

    pub(crate) fn with(&self, text: &TokenText) -> Client {
        Client::https(&format!("https://{}", self.address), text, Some(self.certificate.as_bytes())).unwrap()
    }

    fn kept(&self, name: &str) -> Option<(Token, TokenText)> {
        self.made.lock().unwrap().get(name).cloned()
    }

    /// A client with a token of this name, which may do everything.
    pub(crate) async fn client(&self, name: &str) -> Client {
        let made = match self.kept(name) {
            Some(made) => made,
            None => self.token(name, Role::Admin, Products::All).await,
        };
        self.with(&made.1)
    }

    /// Who that client is.
    pub(crate) fn who(&self, name: &str) -> Who {
        let (token, _) = self.kept(name).unwrap();
        Who { name: format!("{name} (token {})", token.id), claimed: false }
    }

    /// Connects, by TLS.
    pub(crate) async fn connect(&self) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = self.address.ip().into();
        TlsConnector::from(Arc::new(config))
            .connect(rustls::pki_types::ServerName::IpAddress(name), stream)
            .await
            .unwrap()
    }

    /// Sends a call with these headers, and returns the head and the body of what is answered.
    pub(crate) async fn sent(&self, call: &str, headers: &str, body: &[u8]) -> (String, String) {
        let mut stream = self.connect().await;
        let length = body.len();
        let head =
            format!("{call} HTTP/1.1\r\nhost: m\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n");
        // What is too large is refused before all of it is sent.
        let _ = stream.write_all(head.as_bytes()).await;
        let _ = stream.write_all(body).await;
        answer(&mut stream).await
    }

    /// The same, with a token, and only the status.
    pub(crate) async fn status(&self, call: &str, token: &TokenText, body: &[u8]) -> u16 {
        let headers = format!("authorization: Bearer {}\r\n", token.reveal());
        status(&self.sent(call, &headers, body).await.0)
    }

    /// Sends a call of ann's as it is, and returns the status and the body of what is answered.
    pub(crate) async fn raw(&self, call: &str, body: &[u8]) -> (u16, String) {
        self.client("ann").await;
        let (_, text) = self.kept("ann").unwrap();
        let headers = format!("authorization: Bearer {}\r\n", text.reveal());
        let (head, body) = self.sent(call, &headers, body).await;
        (status(&head), body)
    }

    /// Shuts down, and waits until that is done.
    pub(crate) async fn end(self) {
        self.stop.send_replace(true);
        for ended in self.ended {
            ended.await.unwrap();
        }
    }
}

/// A free port on the loopback interface.
const HERE: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));

/// One address for several servers: each connection goes to the next of them.
async fn in_front(servers: Vec<SocketAddr>) -> (SocketAddr, Option<AbortOnDrop>) {
    let listener = TcpListener::bind(HERE).await.unwrap();
    let address = listener.local_addr().unwrap();
    let front = tokio::spawn(async move {
        for server in servers.into_iter().cycle() {
            let (mut from, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut to = TcpStream::connect(server).await?;
                copy_bidirectional(&mut from, &mut to).await
            });
        }
    });
    (address, Some(AbortOnDrop(front)))
}

/// Makes a token of an hour.
pub(crate) async fn make(fleet: &Fleet, name: &str, role: Role, products: Products) -> (Token, TokenText) {
    let valid_for = SignedDuration::from_hours(1);
    fleet.make_token(&NewToken { name: name.to_owned(), role, products, valid_for }).await.unwrap()
}

/// Reads an answer to its end.
pub(crate) async fn answer(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> (String, String) {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("an answer without a head: {text:?}"));
    (head.to_owned(), body.to_owned())
}

pub(crate) fn status(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

/// The error of an answer.
pub(crate) fn error(answer: &str) -> Error {
    serde_json::from_str(answer).unwrap_or_else(|_| panic!("no error: {answer}"))
}

/// The failure of a call.
pub(crate) fn failure<T: std::fmt::Debug>(result: Result<T>) -> Error {
    result.unwrap_err()
}
