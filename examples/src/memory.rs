//! Both sides on a cloud in this process.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use alien_core::memory::{self, Account, Memory, Target};
use alien_core::{CallConfig, Deployment, DeploymentId, ErrorKind, Impersonate as _, Purpose, SystemClock};
use async_trait::async_trait;

use crate::Sides;
use crate::around::{Around, Attempt, Outcome};
use crate::shop::{Product, Shipped};

/// Both sides, in an account of their own.
///
/// # Errors
///
/// None, as long as the product is right.
pub fn sides() -> Result<Sides, Box<dyn Error>> {
    let product = Product::new(|release| Ok(Shipped::Zip(release.as_bytes().into())))?;
    let account = Account::new(Arc::new(SystemClock));
    let target = Target::new("acme")?;
    let how = CallConfig::default();
    let id = DeploymentId::new();
    // Nobody else sets anything up here, so a run need not wait long for others to see its claim.
    let provisioner = memory::provisioner(&account, id, target.clone(), how.clone()).lease(Duration::from_secs(6));
    Ok(Sides {
        vendor: Arc::new(memory::impersonator(&account, &target.vendor, &target.proof, how)),
        provisioner: Arc::new(provisioner),
        invitation: product.invitation::<Memory>(id, &target)?,
        product,
        around: Box::new(Beside { account, target }),
    })
}

/// There is one thing to try: to get in anew.
struct Beside {
    account: Account,
    target: Target,
}

#[async_trait]
impl Around for Beside {
    async fn attempt(&self, deployment: &Deployment, attempt: Attempt) -> Result<Outcome, Box<dyn Error>> {
        if attempt != Attempt::Enter {
            return Ok(Outcome::Untried(
                "it has no interface beside the library's, so nobody can go round the library there",
            ));
        }
        let how = CallConfig::default();
        let vendor = memory::impersonator(&self.account, &self.target.vendor, &self.target.proof, how);
        match vendor.session(deployment, &Purpose::Watch).await {
            Ok(_) => Ok(Outcome::Allowed),
            Err(error) if matches!(error.kind(), ErrorKind::Denied | ErrorKind::Revoked) => {
                let asked = self.account.asked();
                let refused = asked.iter().rev().find(|asked| !asked.allowed).ok_or("the account refused nothing")?;
                Ok(Outcome::Refused {
                    code: "the account".to_owned(),
                    permission: refused.right.permission.clone(),
                    message: error.to_string(),
                })
            }
            Err(error) => Err(error.into()),
        }
    }

    fn requests(&self) -> Option<usize> {
        Some(self.account.asked().len())
    }

    fn decided(&self) -> Option<String> {
        None
    }
}
