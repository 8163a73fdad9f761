//! The one place where an adapter is chosen and connected.

use std::env;
use std::path::Path;
use std::sync::Arc;

use alien_aws as aws;
use alien_azure as azure;
use alien_core::call::CallConfig;
use alien_core::{Deployment, DeploymentId, Impersonate, Provision, SystemClock};
use alien_gcp as gcp;

use crate::args::Endpoint;
use crate::args::vendor::Record;
use crate::file;
use crate::output::Failure;
use crate::target::Target;

/// The name under which the vendor's sessions stand in the customer's own records: `ALIEN_OPERATOR`, else the user's.
fn operator() -> String {
    let named = ["ALIEN_OPERATOR", "USER"].into_iter().find_map(variable);
    named.unwrap_or_else(|| "alien-cli".to_owned())
}

/// What the customer's admin does, with the credentials that are found here.
pub(crate) async fn provisioner(
    id: DeploymentId,
    target: &Target,
    endpoint: &Endpoint,
    boundary: Option<&str>,
) -> Result<Box<dyn Provision>, Failure> {
    const BOUNDARY: &str = "--permissions-boundary";
    if boundary.is_some() && !matches!(target, Target::Aws(_)) {
        return Err(Failure::form(BOUNDARY, "only roles of AWS have one", "leave it out"));
    }
    Ok(match target {
        Target::Aws(target) => {
            let boundary = boundary.map(str::parse::<aws::PolicyArn>).transpose();
            let boundary = boundary.map_err(|error| Failure::form(BOUNDARY, error.to_string(), "correct it"))?;
            let config = aws::client_config(url_alone(endpoint)?, &target.region).await;
            Box::new(aws::provisioner(&config, id, target.clone(), boundary, calling()))
        }
        Target::Gcp(target) => Box::new(gcp::provisioner(&gcp_config(endpoint).await?, id, target.clone(), calling())),
        Target::Azure(target) => {
            let config = azure::Config::found(azure_endpoint(endpoint)?)?;
            Box::new(azure::provisioner(&config, id, target.clone(), calling()))
        }
    })
}

/// The vendor's way into a deployment, with the credentials that are found here.
pub(crate) async fn impersonator(record: &Deployment, args: &Record) -> Result<Arc<dyn Impersonate>, Failure> {
    let target = Target::of(record)?;
    if args.token_file.is_some() && !matches!(target, Target::Azure(_)) {
        return Err(Failure::form("--token-file", "has no meaning for this cloud", "remove it"));
    }
    Ok(match target {
        Target::Aws(target) => {
            let config = aws::client_config(url_alone(&args.endpoint)?, &target.region).await;
            Arc::new(aws::impersonator(&config, &operator(), calling()))
        }
        Target::Gcp(_) => Arc::new(gcp::impersonator(&gcp_config(&args.endpoint).await?, calling())),
        Target::Azure(target) => {
            let token = azure_token(args.token_file.as_deref(), &target)?;
            Arc::new(azure::impersonator(token, azure_endpoint(&args.endpoint)?, calling()))
        }
    })
}

async fn gcp_config(endpoint: &Endpoint) -> Result<gcp::Config, Failure> {
    let url = url_alone(endpoint)?;
    let config = gcp::Config::found().await?;
    Ok(match url {
        Some(url) => config.endpoint(url),
        None => config,
    })
}

/// The URL of an emulator that is reached without a certificate of its own.
fn url_alone(endpoint: &Endpoint) -> Result<Option<&str>, Failure> {
    match endpoint.endpoint_certificate {
        Some(_) => Err(Failure::form(CERTIFICATE, "has no meaning for this cloud", "remove it")),
        None => Ok(endpoint.endpoint_url.as_deref()),
    }
}

const CERTIFICATE: &str = "--endpoint-certificate";

fn azure_endpoint(endpoint: &Endpoint) -> Result<azure::Endpoint, Failure> {
    let Some(url) = &endpoint.endpoint_url else { return Ok(azure::Endpoint::azure()?) };
    let Some(path) = &endpoint.endpoint_certificate else {
        let help = "name the file of the certificate that the emulator shows";
        return Err(Failure::form(CERTIFICATE, "missing", help));
    };
    Ok(azure::Endpoint::emulator(url, &file::bytes(path)?)?)
}

/// The variable that holds the vendor's token.
const TOKEN: &str = "ALIEN_OIDC_TOKEN";
/// The variable that names the file of the vendor's token, as Kubernetes sets it for workload identities
/// (<https://learn.microsoft.com/azure/aks/workload-identity-overview>).
const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";

/// Where the vendor's token is.
fn azure_token(file: Option<&Path>, target: &azure::Target) -> Result<azure::VendorToken, Failure> {
    if let Some(path) = file {
        return Ok(azure::VendorToken::file(path));
    }
    if variable(TOKEN).is_some() {
        return Ok(azure::VendorToken::variable(TOKEN));
    }
    if let Some(path) = variable(TOKEN_FILE) {
        return Ok(azure::VendorToken::file(path));
    }
    let azure::Target { issuer, subject, .. } = target;
    Err(Failure::stopped(format!(
        "there is no token of yours here: give one of the issuer `{issuer}` for the subject `{subject}` and the audience \
         `{}`, by `--token-file`, or by `{TOKEN}`, or in the file that `{TOKEN_FILE}` names",
        azure::AUDIENCE
    )))
}

/// A variable of the environment that is not empty.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn calling() -> CallConfig {
    CallConfig::new(Arc::new(SystemClock))
}
