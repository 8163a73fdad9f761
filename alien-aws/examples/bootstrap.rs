//! The smallest `bootstrap` of a function: a native program that answers every command with itself, and writes it to its
//! log. It speaks the runtime API of Lambda (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>).

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

fn main() -> io::Result<()> {
    let host = std::env::var("AWS_LAMBDA_RUNTIME_API").map_err(io::Error::other)?;
    loop {
        let (id, command) = request(&host, "GET", "next", &[])?;
        let mode = std::env::var("MODE").unwrap_or_default();
        println!("{mode}: {}", String::from_utf8_lossy(&command));
        request(&host, "POST", &format!("{id}/response"), &command)?;
    }
}

/// One request of the runtime API. Gives the id of a command, where the answer has one, and the body.
fn request(host: &str, method: &str, path: &str, body: &[u8]) -> io::Result<(String, Vec<u8>)> {
    let mut stream = TcpStream::connect(host)?;
    let length = body.len();
    write!(
        stream,
        "{method} /2018-06-01/runtime/invocation/{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(body)?;
    let mut answer = BufReader::new(stream);
    let (mut id, mut length) = (String::new(), None);
    loop {
        let mut line = String::new();
        answer.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line.trim_end().is_empty() {
                break;
            }
            continue;
        };
        if name.eq_ignore_ascii_case("Lambda-Runtime-Aws-Request-Id") {
            id = value.to_owned();
        } else if name.eq_ignore_ascii_case("Content-Length") {
            length = value.parse().ok();
        }
    }
    let mut body = Vec::new();
    match length {
        Some(length) => answer.take(length).read_to_end(&mut body)?,
        None => answer.read_to_end(&mut body)?,
    };
    Ok((id, body))
}
