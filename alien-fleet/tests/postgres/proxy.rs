//! A proxy before the database, which cuts connections.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What the proxy does with what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mode {
    /// Pass it on.
    Pass,
    /// Cut the connection of a commit, before the database has it.
    CutBefore,
    /// Cut the connection of a commit when the database has answered, before the answer arrives.
    CutAfter,
    /// Pass nothing on, and keep all connections open.
    Silent,
}

/// A proxy on a port of its own.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    mode: Arc<AtomicU8>,
}

impl Proxy {
    pub(crate) async fn before(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mode = Arc::new(AtomicU8::new(Mode::Pass as u8));
        let of_all = Arc::clone(&mode);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await else { continue };
                tokio::spawn(carry(client, server, Arc::clone(&of_all)));
            }
        });
        Self { port, mode }
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.store(mode as u8, Ordering::SeqCst);
    }
}

/// Both ways, until one side ends. Returning cuts both.
async fn carry(mut client: TcpStream, mut server: TcpStream, mode: Arc<AtomicU8>) {
    let (mut asked, mut answered) = (vec![0; 65536], vec![0; 65536]);
    let is = |other: Mode| mode.load(Ordering::SeqCst) == other as u8;
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                let is_commit = asked[..length].windows(7).any(|bytes| bytes == b"COMMIT\0");
                if is(Mode::Silent) {
                    continue;
                }
                if is_commit && is(Mode::CutBefore) {
                    return;
                }
                if server.write_all(&asked[..length]).await.is_err() {
                    return;
                }
                if is_commit && is(Mode::CutAfter) {
                    let _ = server.read(&mut answered).await;
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(length @ 1..) = read else { return };
                if !is(Mode::Silent) && client.write_all(&answered[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}
