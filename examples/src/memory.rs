//! Both sides on a cloud in memory.

use std::error::Error;
use std::time::Duration;

use alien_core::adapter::Purpose;
use alien_core::memory::{self, Account, Target};
use alien_core::{Admin, Deployment, DeploymentId, ErrorKind};
use async_trait::async_trait;

use crate::Sides;
use crate::around::{Around, Attempt, Outcome};
use crate::shop::{Product, Shipped};

/// Both sides, in a fresh account.
///
/// # Errors
///
/// None, as long as the product is valid.
pub fn sides() -> Result<Sides, Box<dyn Error>> {
    let product = Product::new(|release| Ok(Shipped::Zip(release.as_bytes().into())))?;
    let account = Account::default();
    let config = memory::Config::new(account.clone());
    let (id, target) = (DeploymentId::new(), Target::new("acme")?);
    // Nobody else sets anything up here, so a run need not wait long for others to see its claim.
    let engine = memory::engine(&config, id, target.clone()).with_lease(Duration::from_secs(6));
    Ok(Sides {
        vendor: memory::vendor(&config),
        admin: Admin::new(engine),
        invitation: product.invitation(id, &target)?,
        product,
        around: Box::new(Beside { account, config }),
    })
}

/// Only one thing can be tried without the library: to assume a new session.
struct Beside {
    account: Account,
    config: memory::Config,
}

#[async_trait]
impl Around for Beside {
    async fn attempt(&self, deployment: &Deployment, attempt: Attempt) -> Result<Outcome, Box<dyn Error>> {
        if attempt != Attempt::Enter {
            return Ok(Outcome::Untried(
                "the memory cloud has no interface besides the library's, so nobody can bypass the library there",
            ));
        }
        match memory::vendor(&self.config).session(deployment, &Purpose::Watch).await {
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
