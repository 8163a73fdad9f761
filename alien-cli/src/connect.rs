//! The one place where an adapter is chosen and connected.

use std::sync::Arc;

use alien_aws as aws;
use alien_core::call::Calling;
use alien_core::{Deployment, DeploymentId, Impersonate, Provision, SystemClock};

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
    let Target::Aws(target) = target else { return Err(uncalled(target)) };
    let boundary = boundary.map(str::parse::<aws::PolicyArn>).transpose();
    let boundary =
        boundary.map_err(|error| Failure::form("--permissions-boundary", error.to_string(), "correct it"))?;
    let config = aws::client_config(endpoint_url, &target.region).await;
    Ok(Box::new(aws::provisioner(&config, id, target.clone(), boundary, calling())))
}

/// The vendor's way into a deployment, with the credentials that are found here.
pub(crate) async fn impersonator(
    record: &Deployment,
    endpoint_url: Option<&str>,
) -> Result<Arc<dyn Impersonate>, Failure> {
    let target = Target::of(record)?;
    let Target::Aws(target) = target else { return Err(uncalled(&target)) };
    let config = aws::client_config(endpoint_url, &target.region).await;
    Ok(Arc::new(aws::impersonator(&config, &operator(), calling())))
}

fn calling() -> Calling {
    Calling::new(Arc::new(SystemClock))
}

fn uncalled(target: &Target) -> Failure {
    let cloud = target.cloud().name();
    Failure::stopped(format!("`--cloud {cloud}` cannot be called by this version: only its documents are made"))
}
