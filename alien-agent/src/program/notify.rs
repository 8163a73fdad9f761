//! What is told to systemd, if it started the program: that it is ready, and that it lives.

use std::time::Duration;

use alien_core::{Clock as _, SystemClock};
use sd_notify::NotifyState;

/// Tells systemd that the agent is ready (<https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html>).
pub(super) fn ready() {
    tell(NotifyState::Ready);
}

/// Tells systemd that the agent ends.
pub(super) fn stopping() {
    tell(NotifyState::Stopping);
}

/// Tells systemd that the agent lives, twice in the time after which systemd would start it anew: `WatchdogSec=` of the unit. The program
/// has one thread, so one that hangs does not tell it.
pub(super) async fn alive() {
    let Some(period) = sd_notify::watchdog_enabled().filter(|period| *period > Duration::ZERO) else {
        return std::future::pending().await;
    };
    loop {
        tell(NotifyState::Watchdog);
        SystemClock.sleep(period / 2).await;
    }
}

/// Where systemd did not start the program, nothing is told.
fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "systemd was not told");
    }
}
