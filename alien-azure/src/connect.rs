//! Azure behind the interface that all adapters implement.

use std::sync::Arc;
use std::{env, fs};

use alien_core::adapter::Connect;
use alien_core::{Admin, ConnectOption, Connection, DeploymentId, Error, ErrorKind, Impersonate, Result, Side};
use async_trait::async_trait;

use crate::target::Target;
use crate::{AUDIENCE, Azure, Config, Endpoint, VendorToken, admin, vendor};

/// Connects to Azure with the credentials of the environment. For programs that serve several clouds.
#[derive(Debug, Clone, Copy)]
pub struct Adapter;

const CERTIFICATE: ConnectOption = ConnectOption {
    name: "endpointCertificate",
    help: "the file with the certificate of an emulator of Azure, in PEM: tokens are sent only over TLS, and no public \
           authority signs its certificate",
    side: Side::Both,
};

const TOKEN_FILE: ConnectOption = ConnectOption {
    name: "tokenFile",
    help: "the file with your OpenID Connect token, for the issuer and the subject of the invitation and the audience \
           `api://AzureADTokenExchange`; or set `ALIEN_OIDC_TOKEN` to it, or `AZURE_FEDERATED_TOKEN_FILE` to its path",
    side: Side::Vendor,
};

/// The variable that holds the vendor's token.
const TOKEN: &str = "ALIEN_OIDC_TOKEN";
/// The variable with the path of the vendor's token, as Kubernetes sets it for workload identities
/// (<https://learn.microsoft.com/azure/aks/workload-identity-overview>).
const TOKEN_FILE_VARIABLE: &str = "AZURE_FEDERATED_TOKEN_FILE";

fn endpoint(connection: &Connection) -> Result<Endpoint> {
    let wrong = |what: String| Error::new(ErrorKind::Input, what).at(CERTIFICATE.name);
    match (connection.get(ConnectOption::ENDPOINT_URL.name), connection.get(CERTIFICATE.name)) {
        (None, None) => Endpoint::azure(),
        (Some(url), Some(path)) => {
            let certificate = fs::read(path).map_err(|error| wrong(format!("`{path}` cannot be read: {error}")))?;
            Endpoint::emulator(url, &certificate)
        }
        (Some(_), None) => Err(wrong("missing; name the file with the emulator's certificate".to_owned())),
        (None, Some(_)) => {
            Err(wrong("it is only for an emulator; give the emulator's URL too, or leave it out".to_owned()))
        }
    }
}

/// Finds the source of the vendor's token: the option, or one of the variables.
fn token(target: &Target, connection: &Connection) -> Result<VendorToken> {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(path) = connection.get(TOKEN_FILE.name) {
        return Ok(VendorToken::file(path));
    }
    if variable(TOKEN).is_some() {
        return Ok(VendorToken::variable(TOKEN));
    }
    if let Some(path) = variable(TOKEN_FILE_VARIABLE) {
        return Ok(VendorToken::file(path));
    }
    let Target { issuer, subject, .. } = target;
    let what =
        format!("there is no token of the issuer `{issuer}` for the subject `{subject}` and the audience `{AUDIENCE}`");
    let help = format!("name its file, or give it in `{TOKEN}`, or in the file that `{TOKEN_FILE_VARIABLE}` names");
    Err(Error::new(ErrorKind::Credentials, format!("{what}; {help}")).at(TOKEN_FILE.name))
}

#[async_trait]
impl Connect for Adapter {
    type Cloud = Azure;

    const OPTIONS: &'static [ConnectOption] = &[ConnectOption::ENDPOINT_URL, CERTIFICATE, TOKEN_FILE];

    async fn admin(&self, id: DeploymentId, target: Target, connection: &Connection) -> Result<Admin> {
        let config = Config::found_at(endpoint(connection)?)?;
        Ok(admin(&config.with_calls(connection.calls.clone()), id, target))
    }

    async fn vendor(&self, target: &Target, connection: &Connection) -> Result<Arc<dyn Impersonate>> {
        let config = Config::for_vendor(token(target, connection)?).with_endpoint(endpoint(connection)?);
        Ok(vendor(&config.with_calls(connection.calls.clone())))
    }
}
