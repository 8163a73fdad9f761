//! The ways into deployments: the vendor's, and an agent's that runs in the account.

use std::fmt;

use async_trait::async_trait;

use super::account::{Account, Caller, Clients, Credential};
use super::cloud::{LocalPrincipal, Memory, Right};
use crate::cloud::AccessControl;
use crate::delivery::Model;
use crate::error::{Error, ErrorKind, Result};
use crate::impersonate::{Assume, AssumeRequest, Proof};
use crate::session::AssumedSession;

/// Opens sessions as the vendor.
#[derive(Clone)]
pub(super) struct Vendor {
    pub(super) account: Account,
    pub(super) vendor: String,
    pub(super) proof: String,
}

/// Opens sessions as an agent that runs in the account.
#[derive(Debug, Clone)]
pub(super) struct Agent {
    pub(super) account: Account,
    pub(super) principal: Option<LocalPrincipal>,
}

impl fmt::Debug for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vendor").field("vendor", &self.vendor).finish_non_exhaustive()
    }
}

#[async_trait]
impl Assume<Memory> for Vendor {
    type Clients = Clients;

    fn operation(&self) -> &'static str {
        "identity.assume"
    }

    fn wrong_proofs(&self) -> &'static [Proof] {
        &[Proof::Omitted, Proof::Mismatched]
    }

    async fn assume(&self, request: &AssumeRequest<Memory>) -> Result<AssumedSession<Clients>> {
        let proof = match request.proof {
            Proof::Expected => Some(self.proof.as_str()),
            Proof::Omitted => None,
            Proof::Mismatched => Some("wrong"),
        };
        enter(&self.account, &Caller::Vendor(&self.vendor, proof), request).await
    }
}

#[async_trait]
impl Assume<Memory> for Agent {
    type Clients = Clients;

    fn operation(&self) -> &'static str {
        "identity.assume"
    }

    fn model(&self) -> Model {
        Model::Pull
    }

    /// None: an agent is let in by who it is.
    fn wrong_proofs(&self) -> &'static [Proof] {
        &[]
    }

    async fn assume(&self, request: &AssumeRequest<Memory>) -> Result<AssumedSession<Clients>> {
        let principal = self.principal.as_ref();
        let principal = principal.ok_or_else(|| Error::new(ErrorKind::Credentials, "no agent runs here"))?;
        enter(&self.account, &Caller::Local(principal), request).await
    }
}

/// Opens a session for the principal that calls.
async fn enter(
    account: &Account,
    caller: &Caller<'_>,
    request: &AssumeRequest<Memory>,
) -> Result<AssumedSession<Clients>> {
    let narrowed = || Memory::principal(&request.deployment.layout, &request.grants).rights;
    let narrowed: Option<Vec<Right>> = request.narrowed.then(narrowed);
    let (token, expires) = account.assume(request.deployment.identity(), caller, narrowed).await?;
    let clients = Clients { account: account.clone(), credential: Credential::Session(token) };
    Ok(AssumedSession { clients, expires })
}
