#![doc = include_str!("../README.md")]

mod access;
#[cfg(feature = "agents")]
mod agents;
#[cfg(feature = "api")]
pub mod api;
mod artifacts;
mod caller;
mod clouds;
mod contact;
mod deployments;
mod events;
mod fits;
mod fleet;
mod ledger;
mod log;
mod operate;
mod products;
mod publish;
mod records;
mod rollout_id;
mod rollouts;
pub mod store;
mod tokens;
mod trust;
mod update;
mod watch;
mod work;

pub use access::{Products, Role, TokenId};
#[cfg(feature = "agents")]
pub use agents::{Agents, AgentsBuilder, Poll};
#[cfg(feature = "object-store")]
pub use artifacts::ArtifactBucket;
pub use artifacts::{ArtifactFolder, ArtifactStore, ArtifactsInMemory};
pub use caller::Caller;
pub use clouds::Clouds;
pub use contact::{Beat, Seen};
pub use deployments::{Listed, Setting};
pub use fits::{Fit, Fitted};
pub use fleet::{Fleet, FleetBuilder};
pub use log::{Entry, What, Who};
pub use operate::{Order, Status};
pub use publish::{ListedRelease, Published, RevertTo};
pub use rollout_id::RolloutId;
pub use tokens::{NewToken, Token, TokenText};
pub use watch::Watched;
pub use work::Worker;
