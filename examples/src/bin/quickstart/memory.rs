//! Both sides on a cloud in this process.

use std::error::Error;
use std::sync::Arc;

use alien_core::call::CallConfig;
use alien_core::impersonate::Purpose;
use alien_core::memory::{self, Account, Target};
use alien_core::{Deployment, DeploymentId, ErrorKind, Impersonate as _, Invitation, Stack, SystemClock};
use async_trait::async_trait;
use uuid::Uuid;

use crate::Sides;
use crate::around::{Around, Attempt, Outcome};

pub(crate) fn sides(stack: Stack) -> Result<Sides, Box<dyn Error>> {
    let account = Account::new(Arc::new(SystemClock));
    let target = Target::new("acme")?;
    let how = CallConfig::new(Arc::new(SystemClock));
    let id = DeploymentId::from(Uuid::now_v7());
    let trust = alien_core::trust::<memory::Memory>(&target)?;
    let invitation = Invitation { version: Invitation::VERSION, id, cloud: "memory".to_owned(), trust, stack };
    Ok(Sides {
        vendor: Arc::new(memory::impersonator(&account, &target.vendor, &target.proof, how.clone())),
        provisioner: Arc::new(memory::provisioner(&account, id, target.clone(), how)),
        invitation,
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
        let how = CallConfig::new(Arc::new(SystemClock));
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
