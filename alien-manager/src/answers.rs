//! What the program prints of itself.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Serialize;

/// What `alien-manager --json` prints as soon as it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Answers {
    /// The address that it answers on: the port is the one that it has, also where the settings name none.
    #[schemars(with = "String")]
    pub address: SocketAddr,
    /// Whether it answers over TLS itself.
    pub is_tls: bool,
    /// Whether it carries out rollouts.
    pub works: bool,
    /// Whether it answers agents.
    pub answers_agents: bool,
}

impl Answers {
    /// What a program with these settings prints, once it answers on this address.
    #[must_use]
    pub fn new(address: SocketAddr, settings: &crate::settings::Settings) -> Self {
        let (is_tls, works, answers_agents) = (settings.tls.is_some(), settings.work, !settings.agents.is_empty());
        Self { address, is_tls, works, answers_agents }
    }
}
