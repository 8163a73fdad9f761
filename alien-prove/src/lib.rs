//! Shows on a real account what no documentation and no emulated cloud shows.
//!
//! [`ALL`] has the clouds, each with the [`Fact`]s that this library relies on and nobody shows. A [`Life`] is both sides of a scratch
//! deployment: [`Life::live`] plans, sets up, enters, watches, releases, sends a command, tries what must be refused, revokes and takes
//! down, and says which facts hold. [`page`] is `docs/unproved.md`.
//!
//! The program `alien-prove` is built on it.

mod cloud;
mod fact;
mod findings;
mod life;
mod page;
pub mod plain;
mod product;
mod recording;
mod replay;
mod step;

pub use cloud::{Attempt, AwsVendor, Need, Outcome, Outsider, Provable, Who};
pub use fact::{Fact, Shown};
pub use findings::{Findings, Found, Taken, Verdict};
pub use life::Life;
pub use page::page;
pub use product::{Product, bootstrap};
pub use recording::Line;
pub use replay::{BEGUN, Begun, EXCHANGES, FINDINGS, INVITATION, Proof, Replayed};
pub use step::Step;

/// What is proved of each cloud.
pub const ALL: [&dyn Provable; 3] = [&cloud::Aws, &cloud::Gcp, &cloud::Azure];
