//! What the health of a deployment's resources means for its rollout.

use std::collections::BTreeMap;

use super::event::Sight;
use crate::error::{ErrorKind, Result};
use crate::manage::{Health, Heartbeat};
use crate::name::ResourceId;

impl Sight {
    /// What was seen, from the health of every resource: see [`Manager::heartbeats`](crate::Manager::heartbeats). What does
    /// not work or is missing is sick. A resource that the vendor may not look at leaves the deployment out of sight.
    ///
    /// ```
    /// use alien_core::rollout::Sight;
    /// use alien_core::{Health, Heartbeat};
    ///
    /// let well = Heartbeat::new(Health::Healthy, "active");
    /// let sick = Heartbeat::new(Health::Degraded, "2 of 3 instances run");
    /// let Sight::Seen(found) = Sight::of([("api".parse()?, Ok(well)), ("worker".parse()?, Ok(sick))]) else { panic!() };
    /// assert_eq!(found.into_iter().collect::<Vec<_>>(), [("worker".parse()?, "2 of 3 instances run".to_owned())]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn of(beats: impl IntoIterator<Item = (ResourceId, Result<Heartbeat>)>) -> Self {
        let (mut sick, mut unseen, mut fault) = (BTreeMap::new(), None, None);
        for (id, beat) in beats {
            match beat {
                Ok(Heartbeat { health: Health::Healthy, .. }) => {}
                Ok(Heartbeat { health: Health::Degraded | Health::Missing, reason, .. }) => {
                    drop(sick.insert(id, reason))
                }
                Ok(Heartbeat { health: Health::Denied, reason, .. }) => {
                    unseen.get_or_insert_with(|| format!("`{id}` may not be looked at: {reason}"));
                }
                Err(error) if error.kind() == ErrorKind::Revoked => return Self::Revoked(error.to_string()),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Unavailable | ErrorKind::Unreachable | ErrorKind::TimedOut
                    ) =>
                {
                    unseen.get_or_insert_with(|| error.to_string());
                }
                Err(error) => {
                    fault.get_or_insert_with(|| error.to_string());
                }
            }
        }
        match (fault, unseen) {
            (Some(fault), _) => Self::Fault(fault),
            (None, Some(unseen)) => Self::Unreachable(unseen),
            (None, None) => Self::Seen(sick),
        }
    }
}
