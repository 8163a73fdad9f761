//! The clouds of the program.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use alien_core::{Adapter, AnyTarget, ConnectOption, Connection, Impersonate, Result};

/// What connects as the agent of a target.
type Connect = dyn Fn(AnyTarget, Connection) -> Pin<Box<dyn Future<Output = Result<Arc<dyn Impersonate>>> + Send>>;

/// A cloud that agents run on: of an [`Adapter`], what an agent needs. The program then has no code of the rest, which sets up and takes down.
pub struct AgentCloud {
    pub(super) name: &'static str,
    pub(super) options: &'static [ConnectOption],
    pub(super) connect: Box<Connect>,
}

impl AgentCloud {
    /// The cloud of an adapter.
    #[must_use]
    pub fn of(adapter: impl Adapter + 'static) -> Self {
        let (name, options, adapter) = (adapter.cloud(), adapter.options(), Arc::new(adapter));
        // A call of the one method by the adapter's own type. By `dyn Adapter` all methods would be linked.
        let connect = move |target: AnyTarget, connection: Connection| {
            let adapter = Arc::clone(&adapter);
            let connecting = async move { adapter.agent(&target, &connection).await };
            Box::pin(connecting) as Pin<Box<dyn Future<Output = _> + Send>>
        };
        Self { name, options, connect: Box::new(connect) }
    }
}

impl fmt::Debug for AgentCloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AgentCloud").field(&self.name).finish()
    }
}
