//! The proxy that this machine's variables name, and the authorities that they name: honoured alike by every program and on every cloud.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::bad::{Bad, Server};
use crate::invite::CLOUDS;
use crate::network::Case;

/// A proxy that opens no way to anybody, and remembers what it was asked.
struct Proxy {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let keeps = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, mut head) = (stream.unwrap(), Vec::new());
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
                    head.push(byte[0]);
                }
                let line = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
                keeps.lock().unwrap().push(line);
                // Who went away before is none of its business.
                let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// A command of each program on every cloud, and of an operator to a manager.
fn cases() -> Vec<Case> {
    let both =
        CLOUDS.iter().flat_map(|invited| ["plan", "logs"].map(|command| Case::on(invited, command, Bad::NoHost)));
    both.chain([Case::to_manager("deployments list", Bad::NoHost)]).collect()
}

/// Nobody has the name that is called, so that only a proxy can answer.
#[test]
fn every_program_calls_every_cloud_and_a_manager_by_the_proxy_that_the_variables_name() {
    let look = |case: &Case| {
        let (proxy, server) = (Proxy::start(), Server::start(Bad::Hangs, true, true));
        let run = |variables: &[(&str, &str)]| case.run_against(&server, "https", &server.pem, variables).all;
        let told = run(&[("HTTPS_PROXY", &proxy.url)]);
        let asked = proxy.asked();
        assert!(!asked.is_empty(), "{}: it goes past the proxy: {told}", case.name());
        assert!(asked.iter().all(|line| line == "CONNECT name.invalid:443 HTTP/1.1"), "{}: {asked:?}", case.name());
        assert!(told.contains("the proxy on the way to") && told.contains("`NO_PROXY`"), "{}: {told}", case.name());
        let told = run(&[("HTTPS_PROXY", &proxy.url), ("NO_PROXY", "name.invalid")]);
        assert_eq!(proxy.asked().len(), asked.len(), "{}: it asks the proxy all the same: {told}", case.name());
        assert!(told.contains("no such host"), "{}: {told}", case.name());
    };
    thread::scope(|scope| {
        for case in cases() {
            scope.spawn(move || look(&case));
        }
    });
}
