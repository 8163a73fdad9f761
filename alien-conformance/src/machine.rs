//! A machine of AWS, as what runs on it sees it: its metadata service, which gives the credentials of the machine's role. The emulated clouds of
//! `alien-sim` have such a service of their own; the peer of AWS has none.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

/// Starts the metadata service of a machine in a region with a role, for as long as the tests run. `credentials` is what it gives for that
/// role, in JSON (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html>).
///
/// # Panics
///
/// If no port of the loopback address can be had.
#[must_use]
pub fn metadata(region: &str, role: &str, credentials: &str) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let [region, role, credentials] = [region, role, credentials].map(str::to_owned);
    thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that went away is none of its business.
            let _ = stream.and_then(|stream| described(stream, &region, &role, &credentials));
        }
    });
    address
}

/// Answers one request.
fn described(mut stream: TcpStream, region: &str, role: &str, credentials: &str) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut first, mut line, mut has_token) = (String::new(), String::new(), false);
    reader.read_line(&mut first)?;
    while reader.read_line(&mut line)? > 2 {
        has_token |= line.to_lowercase().starts_with("x-aws-ec2-metadata-token: token");
        line.clear();
    }
    let roles = "/latest/meta-data/iam/security-credentials";
    let body = match first.split_whitespace().take(2).collect::<Vec<_>>()[..] {
        ["PUT", "/latest/api/token"] => Some("token"),
        ["GET", "/latest/meta-data/placement/region"] if has_token => Some(region),
        ["GET", path] if has_token => match path.strip_prefix(roles) {
            Some("/" | "") => Some(role),
            Some(named) if named.strip_prefix('/') == Some(role) => Some(credentials),
            _ => None,
        },
        _ => None,
    };
    let status = if body.is_some() { "200 OK" } else { "404 Not Found" };
    let (body, lasts) = (body.unwrap_or_default(), "x-aws-ec2-metadata-token-ttl-seconds: 21600");
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\n{lasts}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}
