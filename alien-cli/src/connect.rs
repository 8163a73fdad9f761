//! The one place where an adapter is chosen and connected.

use std::sync::Arc;

use alien_aws as aws;
use alien_core::call::Calling;
use alien_core::{Deployment, DeploymentId, Impersonate, Provision, SystemClock};
use alien_gcp as gcp;

use crate::output::Failure;
use crate::target::Target;

/// The name under which the vendor's sessions stand in the customer's own records: `ALIEN_OPERATOR`, else the user's.
fn operator() -> String {
    let named = ["ALIEN_OPERATOR", "USER"].into_iter().find_map(|name| std::env::var(name).ok());
    named.filter(|name| !name.is_empty()).unwrap_or_else(|| "alien-cli".to_owned())
}

/// What the customer's admin does, with the credentials that are found here.
pub(crate) async fn provisioner(
    id: DeploymentId,
    target: &Target,
    endpoint_url: Option<&str>,
    boundary: Option<&str>,
) -> Result<Box<dyn Provision>, Failure> {
    const BOUNDARY: &str = "--permissions-boundary";
    match target {
        Target::Aws(target) => {
            let boundary = boundary.map(str::parse::<aws::PolicyArn>).transpose();
            let boundary = boundary.map_err(|error| Failure::form(BOUNDARY, error.to_string(), "correct it"))?;
            let config = aws::client_config(endpoint_url, &target.region).await;
            Ok(Box::new(aws::provisioner(&config, id, target.clone(), boundary, calling())))
        }
        _ if boundary.is_some() => {
            Err(Failure::form(BOUNDARY, "only roles of AWS have one".to_owned(), "leave it out"))
        }
        Target::Gcp(target) => {
            Ok(Box::new(gcp::provisioner(&gcp_config(endpoint_url).await?, id, target.clone(), calling())))
        }
        Target::Azure(_) => Err(uncalled(target)),
    }
}

/// The vendor's way into a deployment, with the credentials that are found here.
pub(crate) async fn impersonator(
    record: &Deployment,
    endpoint_url: Option<&str>,
) -> Result<Arc<dyn Impersonate>, Failure> {
    match Target::of(record)? {
        Target::Aws(target) => {
            let config = aws::client_config(endpoint_url, &target.region).await;
            Ok(Arc::new(aws::impersonator(&config, &operator(), calling())))
        }
        Target::Gcp(_) => Ok(Arc::new(gcp::impersonator(&gcp_config(endpoint_url).await?, calling()))),
        target @ Target::Azure(_) => Err(uncalled(&target)),
    }
}

async fn gcp_config(endpoint_url: Option<&str>) -> Result<gcp::Config, Failure> {
    let config = gcp::Config::found().await?;
    Ok(match endpoint_url {
        Some(url) => config.endpoint(url),
        None => config,
    })
}

fn calling() -> Calling {
    Calling::new(Arc::new(SystemClock))
}

fn uncalled(target: &Target) -> Failure {
    let cloud = target.cloud().name();
    Failure::stopped(format!("`--cloud {cloud}` cannot be called by this version: only its documents are made"))
}
