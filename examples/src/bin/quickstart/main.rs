//! The whole life of a stack: described, planned, set up, registered, watched, updated, commanded, revoked, taken down.
//!
//! In this process, without an account: `cargo run --bin quickstart`; with `-- --cloud gcp` or `-- --cloud azure`, by the
//! clients of that cloud on an emulated one that enforces its permissions. On AWS's interface, against a peer such as ministack:
//! `cargo run --bin quickstart -- --cloud aws --endpoint-url http://127.0.0.1:4566`. With `-- --cloud all`, what is allowed and
//! what is refused on each of them, side by side.

mod around;
mod aws;
mod azure;
mod code;
mod gcp;
mod life;
mod memory;
mod plain;
mod shop;
mod table;

use std::error::Error;
use std::sync::Arc;

use alien_core::provision::Options;
use alien_core::{Impersonate, Invitation, Provision, Stack};
use around::Around;
use code::Ships;
use uuid::Uuid;

/// A cloud that a stack lives on.
#[derive(Debug, Clone, Copy)]
enum Cloud<'a> {
    Memory,
    Aws { url: &'a str },
    Gcp,
    Azure,
}

/// Both sides of a deployment. In life they are two programs, of two companies.
struct Sides {
    /// The customer's admin's.
    provisioner: Arc<dyn Provision>,
    /// The vendor's.
    vendor: Arc<dyn Impersonate>,
    invitation: Invitation,
    /// The way round both. An emulated cloud ends with this.
    around: Box<dyn Around>,
}

impl Cloud<'_> {
    const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Aws { .. } => "aws",
            Self::Gcp => "gcp",
            Self::Azure => "azure",
        }
    }

    /// In which form it takes code.
    const fn ships(self) -> Ships {
        match self {
            Self::Memory | Self::Aws { .. } => Ships::Zips,
            Self::Gcp => Ships::Images(gcp::IMAGE),
            Self::Azure => Ships::Images(azure::IMAGE),
        }
    }

    async fn sides(self, stack: Stack) -> Result<Sides, Box<dyn Error>> {
        match self {
            Self::Memory => memory::sides(stack),
            Self::Aws { url } => aws::sides(stack, url).await,
            Self::Gcp => gcp::sides(stack).await,
            Self::Azure => azure::sides(stack).await,
        }
    }
}

/// A run of its own.
fn run() -> Options {
    Options::new(Uuid::now_v7().to_string())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        match arguments.as_slice() {
            [] | ["--cloud", "memory"] => life::live(Cloud::Memory).await,
            ["--cloud", "gcp"] => life::live(Cloud::Gcp).await,
            ["--cloud", "azure"] => life::live(Cloud::Azure).await,
            ["--cloud", "aws", "--endpoint-url", url] => life::live(Cloud::Aws { url }).await,
            ["--cloud", "all"] => table::all(None).await,
            ["--cloud", "all", "--endpoint-url", url] => table::all(Some(url)).await,
            _ => {
                let usage = "usage: quickstart [--cloud memory | gcp | azure | aws --endpoint-url URL | all [--endpoint-url URL]]";
                Err(usage.into())
            }
        }
    })
}
