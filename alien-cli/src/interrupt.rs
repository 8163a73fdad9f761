//! Ctrl-C, and a polite request to end.

use std::os::unix::net::UnixStream;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;
use tokio::io::AsyncReadExt as _;

use alien_core::Exit;

use crate::output::Failure;

/// What to say if Ctrl-C ends a command that only reads.
pub(crate) const NOTHING: &str = "interrupted; nothing was changed";

/// What to say if Ctrl-C ends a command to a function.
pub(crate) const SENT: &str = "interrupted: the command may have been carried out, and its answer is lost";

/// Receives Ctrl-C and the signal by which services are ended. From now on neither ends the program by itself.
#[derive(Debug)]
pub(crate) struct Interrupts(tokio::net::UnixStream);

impl Interrupts {
    pub(crate) fn new() -> Result<Self, Failure> {
        let begin = || {
            let (receives, sends) = UnixStream::pair()?;
            receives.set_nonblocking(true)?;
            pipe::register(SIGTERM, sends.try_clone()?)?;
            pipe::register(SIGINT, sends)?;
            tokio::net::UnixStream::from_std(receives)
        };
        begin().map(Self).map_err(|error| Failure::stopped(Exit::Internal, format!("cannot receive signals: {error}")))
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        // The other end is never closed, and what is received is only counted.
        if !matches!(self.0.read(&mut [0]).await, Ok(1)) {
            std::future::pending::<()>().await;
        }
    }
}
