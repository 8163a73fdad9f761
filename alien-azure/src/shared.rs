//! What a deployment's resources share: a namespace for queues, environments for apps, and workspaces for their logs.
//!
//! An environment in a network is created for the first app in it. It is deleted when no app needs it any more, or with
//! the network.

use alien_core::adapter::{Marks, Observed, Reconcile, Removal, last};
use alien_core::{Data, Error, ErrorKind, Kind, Lifecycle, Result};
use async_trait::async_trait;

use crate::Azure;
use crate::client::{Clients, Context};
use crate::resource::compute::environment;
use crate::resource::queue::namespace;

/// A shared part that a deployment may need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Workspace(Lifecycle),
    Environment(Lifecycle),
    Namespace,
}

/// The parts in the order of set-up: an environment sends its logs to a workspace.
const PARTS: [Part; 5] = [
    Part::Workspace(Lifecycle::Frozen),
    Part::Workspace(Lifecycle::Live),
    Part::Environment(Lifecycle::Frozen),
    Part::Environment(Lifecycle::Live),
    Part::Namespace,
];

impl Part {
    /// Whether a resource of the stack needs the part.
    fn is_wanted(self, cx: Context<'_>) -> bool {
        cx.deployment().stack().resources().iter().any(|resource| {
            let compute = resource.settings().compute();
            match self {
                Self::Workspace(lifecycle) => compute.is_some() && resource.lifecycle() == lifecycle,
                Self::Environment(lifecycle) => {
                    compute.is_some_and(|compute| compute.network.is_none()) && resource.lifecycle() == lifecycle
                }
                Self::Namespace => resource.kind() == Kind::Queue || resource.settings().takes_commands(),
            }
        })
    }

    async fn observe(self, cx: Context<'_>) -> Result<Observed> {
        match self {
            Self::Workspace(lifecycle) => environment::observe_workspace(cx, lifecycle).await,
            Self::Environment(lifecycle) => environment::observe(cx, lifecycle).await,
            Self::Namespace => namespace::observe(cx).await,
        }
    }

    /// Creates the part, unless it exists and belongs to the deployment. Returns whether it did.
    async fn make(self, cx: Context<'_>, marks: &Marks) -> Result<bool> {
        match self {
            Self::Workspace(lifecycle) => environment::make_workspace(cx, lifecycle, marks).await,
            Self::Environment(lifecycle) => environment::make(cx, lifecycle, None, marks).await,
            Self::Namespace => namespace::make(cx, marks).await,
        }
    }

    async fn finish(self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        match self {
            Self::Workspace(lifecycle) => environment::finish_workspace(cx, lifecycle, marks).await,
            Self::Environment(lifecycle) => environment::finish(cx, lifecycle, marks).await,
            Self::Namespace => namespace::finish(cx, marks).await,
        }
    }

    /// Whether something outside the stack still needs the part: a resource that was kept for its data, or one of the
    /// customer's.
    async fn is_kept(self, cx: Context<'_>) -> Result<bool> {
        match self {
            Self::Workspace(lifecycle) => environment::is_workspace_kept(cx, lifecycle).await,
            Self::Environment(_) => Ok(false),
            Self::Namespace => Ok(!namespace::standing(cx).await?.is_empty()),
        }
    }

    /// Deletes the part if it exists, belongs to the deployment and is empty.
    async fn remove(self, cx: Context<'_>) -> Result<Removal> {
        match self {
            Self::Workspace(lifecycle) => environment::delete_workspace(cx, lifecycle).await,
            Self::Environment(lifecycle) => environment::delete(cx, lifecycle).await,
            Self::Namespace => namespace::delete(cx).await,
        }
    }
}

/// Everything that a deployment's resources share.
pub(crate) struct Shared;

#[async_trait]
impl Reconcile<Azure, Clients> for Shared {
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
        for part in PARTS {
            let found = part.observe(cx).await?;
            match part {
                _ if part.is_wanted(cx) => wanted.push(found),
                // Unwanted environments are listed by `environment::stray` below.
                Part::Environment(_) => {}
                _ if found == Observed::Absent || part.is_kept(cx).await? => {}
                _ => unwanted.push(found),
            }
        }
        for environment in environment::stray(cx).await? {
            if environment::apps_in(cx, &environment).await?.is_empty() {
                unwanted.push(Observed::unfinished(environment));
            }
        }
        let observed = Observed::together(wanted, unwanted);
        if let Observed::Own { drift: None, .. } = observed {
            let unlogged = environment::unlogged(cx).await?;
            let named: Vec<String> = unlogged.iter().map(|(id, _)| format!("`{}`", last(id))).collect();
            let drift = format!("the logs of apps in {} do not go to their workspace", named.join(" and "));
            return Ok(observed.drifted((!named.is_empty()).then_some(drift)));
        }
        Ok(observed)
    }

    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let mut made = false;
        for part in PARTS.into_iter().filter(|part| part.is_wanted(cx)) {
            made |= part.make(cx, marks).await?;
        }
        if made { Ok(()) } else { Err(Error::new(ErrorKind::AlreadyExists, "all shared parts already exist")) }
    }

    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        for part in PARTS.into_iter().filter(|part| part.is_wanted(cx)) {
            part.make(cx, marks).await?;
            part.finish(cx, marks).await?;
        }
        for (environment, lifecycle) in environment::unlogged(cx).await? {
            environment::log_again(cx, &environment, lifecycle).await?;
        }
        // Parts that resources of an earlier stack still use are deleted by a later run.
        for environment in environment::stray(cx).await? {
            environment::remove(cx, &environment).await?;
        }
        for part in PARTS.into_iter().rev().filter(|part| !part.is_wanted(cx)) {
            part.remove(cx).await?;
        }
        Ok(())
    }

    async fn delete(&self, cx: Context<'_>, _: Data) -> Result<Removal> {
        let mut kept = environment::delete_in_networks(cx, None).await?;
        for part in PARTS.into_iter().rev() {
            if let Removal::HoldsData(why) | Removal::Pending(why) = part.remove(cx).await? {
                kept.push(why);
            }
        }
        Ok(if kept.is_empty() { Removal::Gone } else { Removal::Pending(kept.join("; ")) })
    }
}
