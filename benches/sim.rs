//! How many authorised requests an emulated cloud answers in a second, and how soon it is there.
//!
//! The emulator has one thread; the clients, eight connections that are kept alive, have others. Google Cloud is asked
//! without TLS and Azure with it, as they are served.

#![expect(clippy::unwrap_used, reason = "a benchmark says what is wrong by panicking")]

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alien_sim::azure::Azure;
use alien_sim::gcp::Gcp;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tokio::runtime::Runtime;

const CONNECTIONS: usize = 8;
const MEASURED: Duration = Duration::from_secs(3);
const STARTS: usize = 51;
const PROJECT: &str = "//cloudresourcemanager.googleapis.com/projects/acme";
const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";

/// Sends a request and reads its answer: the status code.
fn ask<S: Read + Write>(stream: &mut BufReader<S>, request: &[u8]) -> u16 {
    stream.get_mut().write_all(request).unwrap();
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    let code = line.split(' ').nth(1).unwrap().parse().unwrap();
    let mut length = 0;
    loop {
        line.clear();
        stream.read_line(&mut line).unwrap();
        if line == "\r\n" {
            break;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    code
}

fn plain(url: &str) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(url.split_once("://").unwrap().1).unwrap();
    stream.set_nodelay(true).unwrap();
    BufReader::new(stream)
}

fn trusting(certificate: &str) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

fn encrypted(url: &str, config: &Arc<ClientConfig>) -> BufReader<StreamOwned<ClientConnection, TcpStream>> {
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connection = ClientConnection::new(config.clone(), name).unwrap();
    BufReader::new(StreamOwned::new(connection, plain(url).into_inner()))
}

/// The answers of one connection.
fn client<S: Read + Write>(mut stream: BufReader<S>, request: &[u8]) -> u64 {
    let started = Instant::now();
    let mut answers = 0;
    while started.elapsed() < MEASURED {
        assert_eq!(ask(&mut stream, request), 200);
        answers += 1;
    }
    answers
}

/// The answers of all connections in a second.
fn rate(one: impl Fn() -> u64 + Sync) -> f64 {
    let answers: u64 = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(&one)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    answers as f64 / MEASURED.as_secs_f64()
}

fn median(start: impl FnMut(usize) -> Duration) -> Duration {
    let mut starts: Vec<Duration> = (0..STARTS).map(start).collect();
    starts.sort();
    *starts.get(STARTS / 2).unwrap()
}

fn google(runtime: &Runtime) {
    let start = median(|_| {
        let started = Instant::now();
        let gcp = runtime.block_on(Gcp::start()).unwrap();
        gcp.project("acme", 42);
        // It is there once it answers.
        let request = b"GET /v1/projects/acme/topics HTTP/1.1\r\nhost: sim\r\n\r\n";
        assert_eq!(ask(&mut plain(gcp.url()), request), 401);
        started.elapsed()
    });
    let gcp = runtime.block_on(Gcp::start()).unwrap();
    gcp.project("acme", 42);
    gcp.set_role("projects/acme/roles/reader", &["iam.serviceAccounts.get"]);
    gcp.bind(PROJECT, "projects/acme/roles/reader", "user:reader@example.com");
    let email = gcp.service_account("acme", "measured");
    let token = gcp.token("user:reader@example.com");
    let request = format!(
        "GET /v1/projects/acme/serviceAccounts/{email} HTTP/1.1\r\nhost: sim\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    let rate = rate(|| client(plain(gcp.url()), request.as_bytes()));
    println!("Google Cloud: {rate:.0} authorised GETs/s over {CONNECTIONS} connections");
    println!("Google Cloud: start to first answer: median {start:?} of {STARTS}");
}

fn azure(runtime: &Runtime) {
    let start = median(|_| {
        let started = Instant::now();
        let azure = runtime.block_on(Azure::start()).unwrap();
        azure.subscription(SUBSCRIPTION);
        let request = format!("GET /subscriptions/{SUBSCRIPTION}?api-version=2025-04-01 HTTP/1.1\r\nhost: sim\r\n\r\n");
        let mut stream = encrypted(azure.url(), &trusting(azure.certificate()));
        assert_eq!(ask(&mut stream, request.as_bytes()), 401);
        started.elapsed()
    });
    let azure = runtime.block_on(Azure::start()).unwrap();
    azure.subscription(SUBSCRIPTION);
    let group = azure.resource_group(SUBSCRIPTION, "acme", "westeurope");
    let reader = azure.user("reader@example.com");
    let role = "00000000-0000-4000-8000-000000000001";
    azure.set_role(role, &["Microsoft.Resources/subscriptions/resourceGroups/read"], &[]);
    azure.assign(&group, role, &reader);
    let token = azure.token(&reader, "https://management.azure.com/");
    let request =
        format!("GET {group}?api-version=2025-04-01 HTTP/1.1\r\nhost: sim\r\nauthorization: Bearer {token}\r\n\r\n");
    let config = trusting(azure.certificate());
    let rate = rate(|| client(encrypted(azure.url(), &config), request.as_bytes()));
    println!("Azure: {rate:.0} authorised GETs/s over {CONNECTIONS} connections");
    println!("Azure: start to first answer: median {start:?} of {STARTS}");
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    google(&runtime);
    azure(&runtime);
}
