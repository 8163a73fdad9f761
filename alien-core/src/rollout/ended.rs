//! What the result of a release on one deployment means for its rollout.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::event::Ended;
use crate::error::{Error, ErrorKind};
use crate::name::ResourceId;
use crate::outcome::{Outcome, Released};

/// Whose fault a failure is. In the order in which one of several is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// The cloud rejects what the release says, or it does not start.
    Release,
    /// The customer no longer lets the vendor in.
    Revoked,
    /// Something is otherwise than it was set up, so the vendor may not or cannot update it.
    SetUp,
    /// The cloud does not answer.
    Reach,
    /// The manager called too often, has no credentials, or came while another was at work.
    Manager,
}

impl Fault {
    const fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Rejected | ErrorKind::TooLarge | ErrorKind::Failed => Self::Release,
            ErrorKind::Revoked => Self::Revoked,
            ErrorKind::Input
            | ErrorKind::Denied
            | ErrorKind::NotFound
            | ErrorKind::AlreadyExists
            | ErrorKind::NotOwned
            | ErrorKind::Unsupported => Self::SetUp,
            ErrorKind::Unavailable | ErrorKind::Unreachable | ErrorKind::TimedOut => Self::Reach,
            ErrorKind::NotGranted
            | ErrorKind::Credentials
            | ErrorKind::Expired
            | ErrorKind::Locked
            | ErrorKind::Conflict
            | ErrorKind::Throttled
            | ErrorKind::Propagating
            | ErrorKind::Busy
            | ErrorKind::Internal => Self::Manager,
        }
    }
}

impl Ended {
    /// How the work on a deployment ended, from what its release gave at this time. Only what the cloud rejects, what does
    /// not start and what was put back counts as failed.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use alien_core::{memory, *};
    /// use alien_core::rollout::Ended;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    /// # runtime.block_on(async {
    /// # let mut stack = Stack::builder("shop");
    /// # let api = stack.live("api", Function::new(Code::zip(b"first"), "api").with_commands());
    /// # stack.profile("api", Profile::new());
    /// # let stack = stack.build()?;
    /// # let first = Release::new(stack.clone(), [Arc::from(*b"first")].into_iter().collect())?;
    /// # let config = memory::Config::new(memory::Account::default());
    /// # let admin = memory::admin(&config, DeploymentId::new(), memory::Target::new("acme")?);
    /// # let deployment = admin.apply(&admin.plan(&first).await?).await?;
    /// # let manager = Manager::new(memory::vendor(&config), deployment);
    /// # let next = stack.with_code(&api, Code::zip(memory::BROKEN))?;
    /// # let release = Release::new(next, [Arc::from(memory::BROKEN)].into_iter().collect())?;
    /// let released = manager.release(&release).await;
    /// assert!(matches!(Ended::of(&released, jiff::Timestamp::now()), Ended::Failed(_)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn of(released: &Released, now: Timestamp) -> Self {
        if let Some(refusal) = released.refusal() {
            // Before any call the release is not at fault: what it says was not looked at by the cloud.
            return Self::by(Fault::of(refusal.kind()), refusal, now);
        }
        let mut failed: BTreeMap<ResourceId, String> = BTreeMap::new();
        let mut first: Option<(Fault, &Error)> = None;
        let mut is_uncertain = false;
        for (id, outcome) in released.outcomes() {
            match outcome {
                Outcome::Unchanged | Outcome::Updated | Outcome::Created | Outcome::Deleted => {}
                Outcome::Unknown(_) => is_uncertain = true,
                Outcome::PutBack(error) => drop(failed.insert(id.clone(), error.message().to_owned())),
                Outcome::NotUpdated(error) => match Fault::of(error.kind()) {
                    Fault::Release => drop(failed.insert(id.clone(), error.message().to_owned())),
                    fault if first.is_none_or(|(earlier, _)| fault < earlier) => first = Some((fault, error)),
                    _ => {}
                },
            }
        }
        match first {
            _ if !failed.is_empty() => Self::Failed(failed),
            _ if is_uncertain => Self::Uncertain,
            Some((fault, error)) => Self::by(fault, error, now),
            None => Self::Done,
        }
    }

    fn by(fault: Fault, error: &Error, now: Timestamp) -> Self {
        let why = error.to_string();
        match fault {
            Fault::Revoked => Self::Revoked(why),
            Fault::Release | Fault::SetUp => Self::AdminOnly(why),
            Fault::Reach => Self::Unreachable(why),
            Fault::Manager => {
                let wait = error.retry_after().and_then(|wait| SignedDuration::try_from(wait).ok());
                Self::Fault { why, again: wait.and_then(|wait| now.checked_add(wait).ok()) }
            }
        }
    }
}
