//! What resources of a deployment share: the namespace of its queues, environments for its apps, workspaces for their logs.
//!
//! An environment that stands in a network is made for the first app in it, and removed when no app needs it any more, or with
//! the network.

use alien_core::engine::{Marks, Observed, Removal};
use alien_core::resource::Settings;
use alien_core::{Error, ErrorKind, Lifecycle, Result};

use crate::client::At;
use crate::resource::compute::environment;
use crate::resource::queue::namespace;

/// What of it there is, or should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Workspace(Lifecycle),
    Environment(Lifecycle),
    Namespace,
}

/// In an order of set-up: an environment sends its logs to a workspace.
const PARTS: [Part; 5] = [
    Part::Workspace(Lifecycle::Frozen),
    Part::Workspace(Lifecycle::Live),
    Part::Environment(Lifecycle::Frozen),
    Part::Environment(Lifecycle::Live),
    Part::Namespace,
];

impl Part {
    /// Whether a resource of the stack needs it.
    fn is_wanted(self, at: At<'_>) -> bool {
        at.site().stack().resources().iter().any(|resource| {
            let compute = resource.settings().compute();
            match self {
                Self::Workspace(lifecycle) => compute.is_some() && resource.lifecycle() == lifecycle,
                Self::Environment(lifecycle) => {
                    compute.is_some_and(|compute| compute.network.is_none()) && resource.lifecycle() == lifecycle
                }
                Self::Namespace => {
                    matches!(resource.settings(), Settings::Queue(_)) || resource.settings().takes_commands()
                }
            }
        })
    }

    async fn observe(self, at: At<'_>) -> Result<Observed> {
        match self {
            Self::Workspace(lifecycle) => environment::observe_workspace(at, lifecycle).await,
            Self::Environment(lifecycle) => environment::observe(at, lifecycle).await,
            Self::Namespace => namespace::observe(at).await,
        }
    }

    /// Makes it, unless it is there and ours. Gives whether it was not.
    async fn make(self, at: At<'_>, marks: &Marks) -> Result<bool> {
        match self {
            Self::Workspace(lifecycle) => environment::make_workspace(at, lifecycle, marks).await,
            Self::Environment(lifecycle) => environment::make(at, lifecycle, None, marks).await,
            Self::Namespace => namespace::make(at, marks).await,
        }
    }

    async fn seal(self, at: At<'_>, marks: &Marks) -> Result<()> {
        match self {
            Self::Workspace(lifecycle) => environment::seal_workspace(at, lifecycle, marks).await,
            Self::Environment(lifecycle) => environment::seal(at, lifecycle, marks).await,
            Self::Namespace => namespace::seal(at, marks).await,
        }
    }

    /// Removes it, if it is there, ours, and nothing stands in it.
    async fn remove(self, at: At<'_>) -> Result<Removal> {
        match self {
            Self::Workspace(lifecycle) => environment::delete_workspace(at, lifecycle).await,
            Self::Environment(lifecycle) => environment::delete(at, lifecycle).await,
            Self::Namespace => namespace::delete(at).await,
        }
    }
}

pub(crate) async fn observe(at: At<'_>) -> Result<Observed> {
    let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
    for part in PARTS {
        let found = part.observe(at).await?;
        match part {
            _ if part.is_wanted(at) => wanted.push(found),
            // It is among the strays.
            Part::Environment(_) => {}
            _ => unwanted.push(found),
        }
    }
    for environment in environment::stray(at).await? {
        unwanted.push(Observed::Own { id: environment, seal: None, drift: None });
    }
    Ok(Observed::together(wanted, unwanted))
}

pub(crate) async fn create(at: At<'_>, marks: &Marks) -> Result<()> {
    let mut made = false;
    for part in PARTS.into_iter().filter(|part| part.is_wanted(at)) {
        made |= part.make(at, marks).await?;
    }
    if made { Ok(()) } else { Err(Error::new(ErrorKind::Exists, "all that is shared is there")) }
}

pub(crate) async fn configure(at: At<'_>, marks: &Marks) -> Result<()> {
    for part in PARTS.into_iter().filter(|part| part.is_wanted(at)) {
        part.make(at, marks).await?;
        part.seal(at, marks).await?;
    }
    // What something of an earlier stack still stands in is removed after that.
    for environment in environment::stray(at).await? {
        environment::remove(at, &environment).await?;
    }
    for part in PARTS.into_iter().rev().filter(|part| !part.is_wanted(at)) {
        part.remove(at).await?;
    }
    Ok(())
}

pub(crate) async fn delete(at: At<'_>) -> Result<Removal> {
    environment::delete_in_networks(at, None).await?;
    let mut kept = Vec::new();
    for part in PARTS.into_iter().rev() {
        if let Removal::Kept(why) = part.remove(at).await? {
            kept.push(why);
        }
    }
    Ok(if kept.is_empty() { Removal::Gone } else { Removal::Kept(kept.join("; ")) })
}
