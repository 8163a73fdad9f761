//! How a program is told to end.

use tokio::signal::unix::{SignalKind, signal};

use crate::error::{Error, ErrorKind, Result};

/// Catches `SIGTERM` and `SIGINT`. What it returns is ready with the first of them; the second one ends the program at once, with 130.
///
/// Must be called inside a tokio runtime with signals and tasks.
///
/// # Errors
///
/// [`ErrorKind::Internal`] if the signals cannot be caught.
pub fn shutdown() -> Result<impl Future<Output = ()> + Send + 'static> {
    let caught = |kind| {
        signal(kind).map_err(|error| Error::new(ErrorKind::Internal, "signals cannot be caught").caused_by(&error))
    };
    let (mut terminate, mut interrupt) = (caught(SignalKind::terminate())?, caught(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("shutting down; a second signal ends at once");
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            std::process::exit(130);
        });
    })
}
