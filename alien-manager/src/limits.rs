//! What a server takes at most.

use std::time::Duration;

/// What a server takes at most. Each has a default; bodies have limits of their own, by call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// How many connections are open at once: 10,000 by default, each about 16 kB. One more takes the place of the one that
    /// has been idle for longest; if none is idle, it is closed.
    pub connections: usize,
    /// How many requests are answered at once: 512 by default. One more is answered with 503.
    pub requests: usize,
    /// How many requests of one address are answered at once: 64 by default. One more is answered with 503.
    pub per_address: usize,
    /// How long a handshake of TLS may take, and then the head of the first request: 10 seconds each by default.
    pub head: Duration,
    /// How long a connection may be idle, the head of the next request included: 75 seconds by default.
    pub idle: Duration,
    /// How long a client may take to receive anything of an answer: 30 seconds by default.
    pub stall: Duration,
    /// How long what was begun may take when the server shuts down: 30 seconds by default.
    pub grace: Duration,
}

/// The most bytes of a request's head.
pub(crate) const HEAD: usize = 64 << 10;

/// How many seconds a client that was sent away waits until it comes again: as many as chance says, so that not all come at
/// once.
pub(crate) const AGAIN: std::ops::RangeInclusive<u64> = 1..=30;

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            requests: 512,
            per_address: 64,
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            stall: Duration::from_secs(30),
            grace: Duration::from_secs(30),
        }
    }
}
