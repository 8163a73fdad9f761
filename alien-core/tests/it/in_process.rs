//! The in-process cloud, as the suite knows clouds.

use std::sync::Arc;
use std::time::Duration;

use alien_conformance::marked::Tagger;
use alien_conformance::pulled::BothModels;
use alien_conformance::world::{PausedClock, Shipped, World, pulled, quickly};
use alien_core::adapter::{AccessControl, DeploymentContext};
use alien_core::memory::{self, Account, Memory, Right, Target};
use alien_core::{Admin, CallConfig, Delivery, Deployment, DeploymentId, Impersonate, Model};
use async_trait::async_trait;

/// The in-process cloud, on a clock that stands still while anything can go on.
pub(crate) struct InProcess {
    pub(crate) account: Account,
    pub(crate) clock: Arc<PausedClock>,
    model: Model,
}

impl InProcess {
    pub(crate) fn new() -> Self {
        Self::of(Model::Push)
    }

    /// The same where the releases of deployments come in this way.
    pub(crate) fn of(model: Model) -> Self {
        let clock = PausedClock::begin();
        Self { account: Account::new(clock.clone()), clock, model }
    }
}

impl InProcess {
    /// How the account is reached.
    pub(crate) fn config(&self, how: CallConfig) -> memory::Config {
        memory::Config::new(self.account.clone()).with_calls(how).with_agent(AGENT.parse().unwrap())
    }
}

#[async_trait]
impl World for InProcess {
    type Cloud = Memory;

    fn target(&self, prefix: &str) -> Target {
        match self.model {
            Model::Push => Target::new(prefix).unwrap(),
            Model::Pull => self.agents_target(prefix),
        }
    }

    fn delivery(&self) -> Delivery {
        match self.model {
            Model::Push => Delivery::Push,
            Model::Pull => pulled(),
        }
    }

    fn calling(&self) -> CallConfig {
        quickly(self.clock.clone(), Duration::from_secs(120))
    }

    fn admin(&self, id: DeploymentId, target: Target, how: CallConfig) -> Admin {
        memory::admin(&self.config(how), id, target)
    }

    fn vendor(&self, how: CallConfig) -> Arc<dyn Impersonate> {
        match self.model {
            Model::Push => memory::vendor(&self.config(how)),
            Model::Pull => self.agent(how),
        }
    }

    fn code(&self, says: &str) -> Shipped {
        Shipped::Zip(says.as_bytes().to_vec())
    }

    async fn take_away(&self, _: &Deployment, permission: &str, on: &[String]) {
        for name in on {
            self.account.without(&Right { permission: permission.to_owned(), on: name.clone() });
        }
    }

    async fn give_back(&self, deployment: &Deployment) {
        let context = DeploymentContext::<Memory>::of(deployment).unwrap();
        let document = Memory::principal(&context.layout, &context.permissions().management);
        self.account.set_document(context.identity(), document);
    }
}

/// The principal of the account as which the agent runs.
pub(crate) const AGENT: &str = "local:agent";

impl BothModels for InProcess {
    fn agents_target(&self, prefix: &str) -> Target {
        Target::pulled(prefix, AGENT.parse().unwrap()).unwrap()
    }

    fn agent(&self, how: CallConfig) -> Arc<dyn Impersonate> {
        memory::agent(&self.config(how))
    }
}

#[async_trait]
impl Tagger for InProcess {
    async fn replace_marks(&self, _: &Deployment, by: Option<DeploymentId>) {
        for name in self.account.names() {
            match by {
                None => self.account.unmark(&name),
                Some(other) => self.account.mark(&name, other),
            }
        }
    }

    async fn store(&self, deployment: &Deployment) {
        self.account.set_objects(deployment.resources.get("data").unwrap(), 3);
    }

    async fn is_stored(&self, deployment: &Deployment) -> bool {
        self.account.objects(deployment.resources.get("data").unwrap()) == 3
    }
}

pub(crate) fn first(world: &InProcess) -> Shipped {
    world.code("first")
}
