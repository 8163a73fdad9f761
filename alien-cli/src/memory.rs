//! A deployment in memory, for tests of what is printed and written.

use std::path::PathBuf;
use std::sync::Arc;

use alien_conformance::world::HurriedClock;
use alien_core::adapter::DeploymentContext;
use alien_core::memory::{self, Account, BROKEN, Memory, Target};
use alien_core::{Admin, Artifacts, Clock, Code, Deployment, DeploymentId, Impersonate, Manager, Release, Stack};
use serde_json::json;

use crate::run;

/// A fresh path where no file exists.
pub(crate) fn nowhere() -> PathBuf {
    std::env::temp_dir().join(format!("alien-{}.json", uuid::Uuid::new_v4()))
}

/// A stack of one frozen storage and two live functions with this much memory.
pub(crate) fn stack(memory: u32) -> Stack {
    with_code(memory, WORKING)
}

const WORKING: &[u8] = b"working";

fn with_code(memory: u32, worker: &[u8]) -> Stack {
    let function = |id: &str, code: &[u8]| {
        json!({
            "id": id, "type": "function", "lifecycle": "live", "code": Code::zip(code),
            "profile": "execution", "memoryMib": memory, "memoryBounds": { "min": 128, "max": 2048 }, "commands": id == "api",
        })
    };
    let stack = json!({
        "version": Stack::VERSION,
        "name": "my-app",
        "resources": [
            { "id": "data", "type": "storage", "lifecycle": "frozen" },
            function("api", WORKING),
            function("worker", worker),
        ],
        "permissions": { "profiles": { "execution": { "data": ["storage/data-read"] } } },
    });
    Stack::from_json(&stack.to_string()).unwrap()
}

fn release(stack: Stack) -> Release {
    let zips: Artifacts = [WORKING, BROKEN].into_iter().map(Arc::from).collect();
    Release::new(stack, zips).unwrap()
}

/// A release of functions with this much memory, whose code starts.
pub(crate) fn working(memory: u32) -> Release {
    release(stack(memory))
}

/// A release of functions with this much memory, where the code of `worker` does not start.
pub(crate) fn broken(memory: u32) -> Release {
    release(with_code(memory, BROKEN))
}

/// An account, and a deployment in it.
pub(crate) struct Cloud {
    pub(crate) account: Account,
    id: DeploymentId,
    target: Target,
}

impl Cloud {
    pub(crate) fn new() -> Self {
        let id = "01890000-0000-7000-8000-000000000000".parse().unwrap();
        let clock: Arc<dyn Clock> = HurriedClock::begin();
        Self { account: Account::new(clock), id, target: Target::new("my-app").unwrap() }
    }

    pub(crate) fn admin(&self) -> Admin {
        memory::admin(&self.config(), self.id, self.target.clone())
    }

    /// The name of a resource in the account.
    pub(crate) fn name(&self, resource: &str) -> String {
        let cx = DeploymentContext::<Memory>::new(self.id, self.target.clone(), working(512));
        cx.record().unwrap().resource(&resource.parse().unwrap()).unwrap().to_owned()
    }

    /// Sets up a release.
    pub(crate) fn up(&self, release: &Release) -> Deployment {
        let admin = self.admin();
        let done = async {
            let plan = admin.plan(release).await?;
            Ok(admin.apply(&plan).await?)
        };
        run(done).unwrap()
    }

    pub(crate) fn vendor(&self) -> Arc<dyn Impersonate> {
        memory::vendor(&self.config())
    }

    pub(crate) fn manager(&self, record: Deployment) -> Manager {
        Manager::new(self.vendor(), record)
    }

    fn config(&self) -> memory::Config {
        memory::Config::new(self.account.clone())
    }
}
