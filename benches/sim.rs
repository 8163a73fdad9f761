//! How many authorised requests an emulated Google Cloud answers in a second, and how soon it is there.
//!
//! The emulator has one thread; the clients, eight connections that are kept alive, have others.

#![expect(clippy::unwrap_used, reason = "a benchmark says what is wrong by panicking")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use alien_sim::gcp::Gcp;

const CONNECTIONS: usize = 8;
const MEASURED: Duration = Duration::from_secs(3);
const STARTS: usize = 51;
const PROJECT: &str = "//cloudresourcemanager.googleapis.com/projects/acme";

/// Sends a request and reads its answer: the status code.
fn ask(stream: &mut TcpStream, reader: &mut BufReader<TcpStream>, request: &[u8]) -> u16 {
    stream.write_all(request).unwrap();
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let code = line.split(' ').nth(1).unwrap().parse().unwrap();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        if line == "\r\n" {
            break;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    code
}

fn client(address: &str, request: &[u8]) -> u64 {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let started = Instant::now();
    let mut answers = 0;
    while started.elapsed() < MEASURED {
        assert_eq!(ask(&mut stream, &mut reader, request), 200);
        answers += 1;
    }
    answers
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut starts: Vec<Duration> = (0..STARTS)
        .map(|_| {
            let started = Instant::now();
            let gcp = runtime.block_on(Gcp::start()).unwrap();
            gcp.project("acme", 42);
            // It is there once it answers.
            let address = gcp.url().trim_start_matches("http://").to_owned();
            let mut stream = TcpStream::connect(&address).unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let code = ask(&mut stream, &mut reader, b"GET /v1/projects/acme/topics HTTP/1.1\r\nhost: sim\r\n\r\n");
            assert_eq!(code, 401);
            started.elapsed()
        })
        .collect();
    starts.sort();
    let median = starts.get(STARTS / 2).unwrap();

    let gcp = runtime.block_on(Gcp::start()).unwrap();
    gcp.project("acme", 42);
    gcp.set_role("projects/acme/roles/reader", &["iam.serviceAccounts.get"]);
    gcp.bind(PROJECT, "projects/acme/roles/reader", "user:reader@example.com");
    let email = gcp.service_account("acme", "measured");
    let token = gcp.token("user:reader@example.com");
    let address = gcp.url().trim_start_matches("http://").to_owned();
    let request = format!(
        "GET /v1/projects/acme/serviceAccounts/{email} HTTP/1.1\r\nhost: sim\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    let answers: u64 = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(|| client(&address, request.as_bytes()))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    println!("authorised GETs: {:.0}/s over {CONNECTIONS} connections", answers as f64 / MEASURED.as_secs_f64());
    println!("start to first answer: median {median:?} of {STARTS}");
}
