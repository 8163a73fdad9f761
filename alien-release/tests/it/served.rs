//! A repository on a web server.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use alien_core::ErrorKind;
use alien_release::{HttpTransport, RefusalKind, Transport as _};
use futures_util::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::vendor::Vendor;

/// A web server: what it was asked for, and what it says instead of a file.
#[derive(Clone, Default)]
struct Server {
    folder: PathBuf,
    /// The end of a path, and the head of the answer.
    instead: Option<(&'static str, String)>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Serves from now on, and gives the address.
    async fn start(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(self.clone().answer(stream));
            }
        });
        format!("http://{address}")
    }

    async fn answer(self, mut stream: TcpStream) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let head = String::from_utf8(head).unwrap();
        let path = head.split(' ').nth(1).unwrap().to_owned();
        self.asked.lock().unwrap().push(path.clone());
        let name = path.rsplit('/').next().unwrap();
        if let Some((_, answer)) = self.instead.as_ref().filter(|(end, _)| name.ends_with(end)) {
            stream.write_all(answer.as_bytes()).await.unwrap();
            return;
        }
        let (status, body) = match std::fs::read(self.folder.join(name)) {
            Ok(body) => ("200 OK", body),
            Err(_) => ("404 Not Found", Vec::new()),
        };
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
    }
}

#[tokio::test]
async fn a_release_is_taken_from_a_web_server_and_a_fresh_one_costs_two_calls_and_the_files() {
    let vendor = Vendor::with_release().await;
    let asked = Arc::default();
    let server = Server { folder: vendor.path(), asked: Arc::clone(&asked), ..Server::default() };
    let base = format!("{}/below/here", server.start().await);
    let customer = vendor.customer_over("customer", HttpTransport::new(&base).unwrap());
    let verified = customer.decide(1.into()).await.unwrap();
    let mut pieces = verified.zip(verified.release().zips().keys().next().unwrap()).await.unwrap();
    assert_eq!(&pieces.next().await.unwrap().unwrap()[..], b"first");
    assert!(pieces.next().await.is_none());
    let asked = asked.lock().unwrap().clone();
    let wanted = ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json", "release-1.json", ".zip"];
    assert_eq!(asked.len(), wanted.len(), "{asked:?}");
    for (path, name) in asked.iter().zip(wanted) {
        assert!(path.starts_with("/below/here/") && path.ends_with(name), "{path}");
    }
}

#[tokio::test]
async fn what_a_web_server_says_instead_of_a_file_is_told() {
    let vendor = Vendor::with_release().await;
    let other = Server { folder: vendor.path(), ..Server::default() }.start().await;
    let head = |status: &str| format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let moved = format!(
        "HTTP/1.1 302 Found\r\nlocation: {other}/timestamp.json\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    for (name, answer, kind, words) in [
        ("timestamp.json", head("403 Forbidden"), RefusalKind::Missing, "does not have it"),
        ("timestamp.json", head("410 Gone"), RefusalKind::Missing, "does not have it"),
        ("timestamp.json", head("500 Internal Server Error"), RefusalKind::Unreachable, "the server answers 500"),
        // It stays at the address that it was given.
        ("timestamp.json", moved, RefusalKind::Unreachable, "the server answers 302"),
        // A failure is not the end of the root files.
        ("2.root.json", head("503 Service Unavailable"), RefusalKind::Unreachable, "the server answers 503"),
        (
            "timestamp.json",
            "HTTP/1.1 200 OK\r\ncontent-length: 900\r\nconnection: close\r\n\r\n{".to_owned(),
            RefusalKind::Unreachable,
            "the answer of the server broke off",
        ),
    ] {
        let server = Server { folder: vendor.path(), instead: Some((name, answer)), ..Server::default() };
        let transport = HttpTransport::new(&server.start().await).unwrap();
        let refusal = vendor.customer_over("customer", transport).decide(1.into()).await.unwrap_err();
        assert_eq!(refusal.kind(), kind, "{refusal}");
        assert!(refusal.to_string().contains(words), "{refusal}");
        assert_eq!(vendor.trusted("customer"), None);
    }
    // Nobody listens.
    let transport = HttpTransport::new("http://127.0.0.1:9").unwrap();
    let error = transport.fetch("timestamp.json").await.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}

#[tokio::test]
async fn an_address_is_that_of_a_folder_and_names_stay_below_it() {
    for wrong in [
        "",
        "releases.vendor.example",
        "ftp://vendor.example",
        "https://vendor.example/?a=b",
        "https://vendor.example/#a",
    ] {
        let error = HttpTransport::new(wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input, "{wrong}: {error}");
    }
    let vendor = Vendor::with_release().await;
    let asked = Arc::default();
    let server = Server { folder: vendor.path(), asked: Arc::clone(&asked), ..Server::default() };
    let transport = HttpTransport::new(&format!("{}/below/", server.start().await)).unwrap();
    let _ = transport.fetch("../a/b?c").await;
    assert_eq!(*asked.lock().unwrap(), ["/below/..%2Fa%2Fb%3Fc"]);
}
