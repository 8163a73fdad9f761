//! The quickstart on a cloud, with that cloud's own clients.
//!
//! Run `cargo run --bin clouds -- --cloud gcp` or `-- --cloud azure` for an emulated cloud in this process that
//! enforces its permissions. Run `-- --cloud aws` for the AWS API of a peer, ministack, which is installed under `target/`
//! for that and needs Python 3 with venv; with `--endpoint-url http://127.0.0.1:4566`, one that runs already is called. Run
//! `-- --cloud all` for a table of what each cloud allows and refuses.

mod aws;
mod azure;
mod code;
mod gcp;
mod plain;
mod table;

use std::error::Error;

use alien_conformance::ministack::{Absent, Ministack};
use examples::Sides;
use examples::life::live;

/// A cloud to run the quickstart on.
#[derive(Debug, Clone, Copy)]
enum Cloud<'a> {
    Memory,
    Aws { url: &'a str },
    Gcp,
    Azure,
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

    async fn sides(self) -> Result<Sides, Box<dyn Error>> {
        match self {
            Self::Memory => examples::memory::sides(),
            Self::Aws { url } => aws::sides(url).await,
            Self::Gcp => gcp::sides().await,
            Self::Azure => azure::sides().await,
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        match arguments.as_slice() {
            ["--cloud", "gcp"] => live(Cloud::Gcp.sides().await?).await,
            ["--cloud", "azure"] => live(Cloud::Azure.sides().await?).await,
            ["--cloud", "aws"] => {
                // It ends with this.
                let peer = peer().map_err(|Absent(why)| why)?;
                live(Cloud::Aws { url: &peer.url() }.sides().await?).await
            }
            ["--cloud", "aws", "--endpoint-url", url] => live(Cloud::Aws { url }.sides().await?).await,
            ["--cloud", "all"] => match peer() {
                Ok(peer) => table::all(Ok(&peer.url())).await,
                Err(Absent(why)) => table::all(Err(&why)).await,
            },
            ["--cloud", "all", "--endpoint-url", url] => table::all(Ok(url)).await,
            _ => Err("usage: clouds --cloud gcp | azure | aws [--endpoint-url URL] | all [--endpoint-url URL]".into()),
        }
    })
}

/// Starts a peer that has the API of AWS and enforces IAM. The first time, it is installed.
fn peer() -> Result<Ministack, Absent> {
    eprintln!("aws: starting its peer, ministack …");
    Ministack::start()
}
