//! Values that take effect late.

use std::time::Duration;

use jiff::Timestamp;

/// A value whose latest state takes effect after a delay.
#[derive(Clone, Debug)]
pub(crate) struct Dated<T> {
    pub(crate) latest: T,
    /// Earlier states with the time until which each is in effect, oldest first.
    past: Vec<(Timestamp, T)>,
}

impl<T: Default> Default for Dated<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Dated<T> {
    pub(crate) fn new(latest: T) -> Self {
        Self { latest, past: Vec::new() }
    }

    pub(crate) fn in_effect(&self, now: Timestamp) -> &T {
        self.past.iter().find(|(until, _)| *until > now).map_or(&self.latest, |(_, value)| value)
    }

    pub(crate) fn write(&mut self, value: T, now: Timestamp, delay: Duration) {
        let earlier = std::mem::replace(&mut self.latest, value);
        self.past.retain(|(until, _)| *until > now);
        if !delay.is_zero() {
            self.past.push((now + delay, earlier));
        }
    }
}
