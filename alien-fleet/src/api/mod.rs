//! What operators do, over HTTP: whoever holds a store answers, and others ask.
//!
//! [`Client`] has the methods of a [`Fleet`](crate::Fleet). It asks a fleet in this process, or the program that answers on
//! the [`Socket`] beside a store's file: whoever uses it works the same in both cases.
//!
//! ```console
//! $ curl --unix-socket fleet.redb.sock --header 'Alien-Operator: ann' http://localhost/v1/products
//! ["shop"]
//! ```

mod body;
mod calls;
mod client;
#[cfg(unix)]
mod dial;
mod failure;
mod forms;
#[cfg(all(unix, feature = "redb"))]
mod open;
mod router;
#[cfg(unix)]
mod socket;
mod transport;
#[cfg(unix)]
mod who;

pub use client::Client;
#[cfg(all(unix, feature = "redb"))]
pub use open::{OpenRequest, Opened, open};
#[cfg(unix)]
pub use socket::{Socket, serve, socket_of};
