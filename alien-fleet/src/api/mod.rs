//! What operators do, over HTTP: whoever holds a store answers, and others ask.
//!
//! [`Client`] has the methods of a [`Fleet`](crate::Fleet). It asks a fleet in this process, or the program that answers on
//! the [`Socket`] beside a store's file, or a manager: whoever uses it works the same in each case. What each call needs is in
//! [`calls`]; a [`Caller`](crate::Caller) is who may do what.
//!
//! ```console
//! $ curl --unix-socket fleet.redb.sock --header 'Alien-Operator: ann' http://localhost/v1/products
//! ["shop"]
//! ```

mod acting;
#[cfg(feature = "agents")]
mod agents;
mod body;
mod calls;
mod client;
mod describe;
#[cfg(unix)]
mod dial;
mod failure;
mod follow;
mod forms;
#[cfg(feature = "https")]
mod https;
#[cfg(all(unix, feature = "redb"))]
mod open;
mod openapi;
mod router;
mod scope;
#[cfg(unix)]
mod socket;
mod table;
mod transport;
#[cfg(unix)]
mod who;

#[cfg(feature = "agents")]
pub use agents::AgentApi;
pub use client::Client;
pub use failure::refusal;
#[cfg(all(unix, feature = "redb"))]
pub use open::{OpenRequest, Opened, open};
pub use openapi::openapi;
pub use router::{Call, Closing, calls, operators};
#[cfg(unix)]
pub use socket::{Socket, serve, socket_of};
