//! A small client of EC2's Query API: the SDK's crate for EC2 takes longer to build than everything else together.
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html>

use aws_config::SdkConfig;

/// Calls EC2.
#[derive(Debug, Clone)]
pub(crate) struct Ec2 {
    config: SdkConfig,
}

impl Ec2 {
    pub(crate) fn new(config: &SdkConfig) -> Self {
        Self { config: config.clone() }
    }
}

/// An element of an answer.
#[derive(Debug, Clone)]
pub(crate) struct Element;
