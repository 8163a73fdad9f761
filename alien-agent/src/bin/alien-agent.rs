//! `alien-agent`, with the clouds of its features.

use std::process::ExitCode;

fn main() -> ExitCode {
    alien_agent::program::main(vec![
        #[cfg(feature = "aws")]
        Box::new(alien_aws::Adapter),
        #[cfg(feature = "gcp")]
        Box::new(alien_gcp::Adapter),
        #[cfg(feature = "azure")]
        Box::new(alien_azure::Adapter),
    ])
}
