//! `alien-agent`, with the clouds of its features.

use std::process::ExitCode;

#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
use alien_agent::program::AgentCloud;

fn main() -> ExitCode {
    alien_agent::program::main(vec![
        #[cfg(feature = "aws")]
        AgentCloud::of(alien_aws::Adapter),
        #[cfg(feature = "gcp")]
        AgentCloud::of(alien_gcp::Adapter),
        #[cfg(feature = "azure")]
        AgentCloud::of(alien_azure::Adapter),
    ])
}
