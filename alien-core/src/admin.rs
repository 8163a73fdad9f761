//! The API of the customer's admin: a method for each action, with options set by name.

use std::collections::BTreeSet;
use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::delivery::Delivery;
use crate::deployment::Deployment;
use crate::error::{Error, ErrorKind, Result};
use crate::invited::Invited;
use crate::name::RunId;
use crate::progress::{Event, Progress, Silent};
use crate::provision::{Data, DestroyReport, Options, Plan, Provision};
use crate::records::{KeptRecord, RecordStore, Taking, interrupted};
use crate::release::Release;

/// Sets up and takes down one deployment, with the credentials of the customer's admin. A vendor's program never has a
/// value of this type.
///
/// Each method returns a request: set its options, then await it.
///
/// ```
/// use std::sync::Arc;
///
/// use alien_core::{Data, DeploymentId, Queue, Release, Stack, memory};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
/// # runtime.block_on(async {
/// let mut stack = Stack::builder("shop");
/// stack.live("jobs", Queue::new());
/// let release = Release::new(stack.build()?, Default::default())?;
///
/// let account = memory::Config::new(memory::Account::default());
/// let admin = memory::admin(&account, DeploymentId::new(), memory::Target::new("acme")?);
///
/// let plan = admin.plan(&release).await?;
/// let deployment = admin.apply(&plan).progress(|event| println!("{event}")).await?;
///
/// admin.revoke(&deployment).await?;
/// let report = admin.destroy(&deployment).data(Data::Delete).await?;
/// assert!(report.kept.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Admin {
    provision: Arc<dyn Provision>,
    delivery: Delivery,
}

impl Admin {
    /// Creates an admin from the provisioner of an adapter. Releases are pushed.
    #[must_use]
    pub fn new(provision: impl Provision + 'static) -> Self {
        Self { provision: Arc::new(provision), delivery: Delivery::Push }
    }

    /// Sets how releases will reach what this admin plans, as the invitation says. The target must suit it: in pull it
    /// names a principal of the customer's own account, and no vendor.
    #[must_use]
    pub fn with_delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// Plans a set-up. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`Input`](crate::ErrorKind::Input) if the cloud rejects the stack (all problems at once), or if the previous
    /// record is of another product; [`Credentials`](crate::ErrorKind::Credentials); errors of the cloud's calls.
    pub fn plan<'a>(&'a self, release: &'a Release) -> PlanRequest<'a> {
        PlanRequest { admin: self, release, previous: None, options: Options::default() }
    }

    /// Applies a plan, and returns the record for the vendor. It can be interrupted at any point and run again.
    ///
    /// A plan that was stored is checked again first. If the deployment has changed since, so that the steps would
    /// differ, the plan is refused.
    ///
    /// # Errors
    ///
    /// [`Input`](crate::ErrorKind::Input) if the plan has a refusal, lacks the bytes of a zip, or is out of date;
    /// [`Locked`](crate::ErrorKind::Locked) if another run is in progress; [`NotOwned`](crate::ErrorKind::NotOwned) if
    /// a needed name belongs to something of someone else's; errors of the cloud's calls.
    pub fn apply<'a>(&'a self, plan: &'a Plan) -> ApplyRequest<'a> {
        let (options, progress) = (Options::default(), Box::new(Silent));
        ApplyRequest { admin: self, plan, options, progress, store: None, by: None, invited: None, agent_key: None }
    }

    /// Takes a deployment down, the vendor's access first. Reports what is left, after checking that nothing else is.
    ///
    /// # Errors
    ///
    /// [`Locked`](crate::ErrorKind::Locked) if another run is in progress; [`Busy`](crate::ErrorKind::Busy) if
    /// something still exists in the end; errors of the cloud's calls.
    pub fn destroy<'a>(&'a self, deployment: &'a Deployment) -> DestroyRequest<'a> {
        let (data, options) = (Data::default(), Options::default());
        DestroyRequest { admin: self, deployment, data, options, progress: Box::new(Silent) }
    }

    /// Revokes the vendor's access at once, and leaves everything running. It ends a set-up that is in progress; a
    /// later set-up grants the access again.
    ///
    /// # Errors
    ///
    /// [`NotOwned`](crate::ErrorKind::NotOwned) if the identity of that name is not this deployment's;
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is none; errors of the cloud's calls.
    pub fn revoke<'a>(&'a self, deployment: &'a Deployment) -> RevokeRequest<'a> {
        RevokeRequest { admin: self, deployment, options: Options::default() }
    }
}

/// A request to plan a set-up: see [`Admin::plan`].
#[derive(Debug)]
#[must_use = "nothing is done before it is awaited"]
pub struct PlanRequest<'a> {
    admin: &'a Admin,
    release: &'a Release,
    previous: Option<&'a Deployment>,
    options: Options,
}

/// A request to apply a plan: see [`Admin::apply`].
#[must_use = "nothing is done before it is awaited"]
pub struct ApplyRequest<'a> {
    admin: &'a Admin,
    plan: &'a Plan,
    options: Options,
    progress: Box<dyn Progress + 'a>,
    store: Option<Arc<dyn RecordStore>>,
    by: Option<String>,
    invited: Option<Invited>,
    agent_key: Option<String>,
}

/// A request to take a deployment down: see [`Admin::destroy`].
#[must_use = "nothing is done before it is awaited"]
pub struct DestroyRequest<'a> {
    admin: &'a Admin,
    deployment: &'a Deployment,
    data: Data,
    options: Options,
    progress: Box<dyn Progress + 'a>,
}

/// A request to revoke the vendor's access: see [`Admin::revoke`].
#[derive(Debug)]
#[must_use = "nothing is done before it is awaited"]
pub struct RevokeRequest<'a> {
    admin: &'a Admin,
    deployment: &'a Deployment,
    options: Options,
}

impl<'a> PlanRequest<'a> {
    /// Plans from the record of the present deployment: the plan says which settings changed, and removes what the
    /// stack no longer has.
    pub fn previous(mut self, record: impl Into<Option<&'a Deployment>>) -> Self {
        self.previous = record.into();
        self
    }

    /// Allows the plan to change frozen resources. By default, such a step is refused.
    pub fn allow_frozen_changes(mut self) -> Self {
        self.options = self.options.allow_frozen_changes();
        self
    }

    /// Sets live code to what the stack says, although the vendor has updated it. By default, what the vendor may change
    /// is set when the resource is created, and left after that.
    pub fn reset_live(mut self) -> Self {
        self.options = self.options.reset_live();
        self
    }

    /// Marks again what the record of the present deployment knows and carries no deployment's mark: somebody took the marks
    /// away, such as a program that replaces tags. By default, such a step is refused. What carries another deployment's mark
    /// is never taken over.
    pub fn mark_again(mut self) -> Self {
        self.options = self.options.mark_again();
        self
    }
}

impl<'a> ApplyRequest<'a> {
    /// Calls a function whenever a step begins or ends.
    pub fn progress(mut self, progress: impl Fn(&Event) + Send + Sync + 'a) -> Self {
        self.progress = Box::new(progress);
        self
    }
}

impl ApplyRequest<'_> {
    /// Keeps the record in a store: while the set-up goes on, no release begins that uses the same store, and the record
    /// is saved at the end. The plan must have been made from the record that the store has, or from none if it has
    /// none.
    ///
    /// Awaiting the request then also fails with [`Conflict`](ErrorKind::Conflict) if the record has changed since, and
    /// with [`Locked`](ErrorKind::Locked) if a release is in progress.
    pub fn keep_in(mut self, store: Arc<dyn RecordStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// Says who sets up, in words. Those who want to release meanwhile are told.
    pub fn by(mut self, who: impl Into<String>) -> Self {
        self.by = Some(who.into());
        self
    }

    /// Keeps in the record by which invitation this sets up. By default, what the record of the plan says is kept.
    pub fn invited(mut self, invited: Invited) -> Self {
        self.invited = Some(invited);
        self
    }

    /// Keeps in the record the public key of the agent that manages the deployment, in PEM, where releases are pulled. By default,
    /// what the record of the plan says is kept.
    pub fn agent_key(mut self, key: impl Into<Option<String>>) -> Self {
        self.agent_key = key.into().or(self.agent_key);
        self
    }

    async fn apply(self) -> Result<Deployment> {
        let Self { admin, plan, options, progress, store, by, invited, agent_key } = self;
        let provision = &admin.provision;
        let agent_key = agent_key.or_else(|| plan.previous.as_ref()?.agent_key.clone());
        let invitation = invited.or_else(|| Some(plan.previous.as_ref()?.invitation.clone())).unwrap_or_default();
        let applied = async {
            let record = provision.apply(plan, &options, &*progress).await?;
            let agent_key = agent_key.filter(|_| !record.delivery.is_push());
            Ok(Deployment { invitation, agent_key, ..record })
        };
        let Some(store) = store else { return applied.await };
        let kept = store.load(plan.id).await?;
        let planned = plan.previous.as_ref().map_or(0, |previous| previous.revision);
        if kept.as_ref().map_or(0, |kept| kept.revision) != planned {
            let other = kept.as_ref().and_then(|kept| kept.writer.as_deref()).unwrap_or("somebody");
            let what = format!("{other} has changed the record since it was planned with; plan again");
            return Err(Error::new(ErrorKind::Conflict, what));
        }
        let clock = provision.clock();
        let Some(kept) = kept else {
            let record = applied.await?;
            return store.save(&record).await.map_err(set_up);
        };
        let kept = KeptRecord::new(kept, Some(store), options.run.clone());
        let by = by.unwrap_or_else(|| format!("run {}", options.run));
        let begin = |record: &mut Deployment| {
            let taking = if options.take_over { Taking::Over } else { Taking::Free };
            kept.is_free(record, clock, taking)?;
            interrupted(record);
            record.in_flight = Some(kept.lease(clock, &by, &plan.stack, BTreeSet::new()));
            Ok(())
        };
        kept.change(begin).await?;
        let applied = kept.leased(clock, applied).await?;
        let end = |record: &mut Deployment| {
            interrupted(record);
            if let Ok(applied) = &applied {
                let (revision, writer) = (record.revision, record.writer.take());
                *record = Deployment { revision, writer, ..applied.clone() };
            }
        };
        kept.change_own(end).await.map_err(|error| if applied.is_ok() { set_up(error) } else { error })?;
        applied.map(|_| Deployment::clone(&kept.get()))
    }
}

/// The record could not be written, and everything else is done.
fn set_up(error: Error) -> Error {
    error.because("everything is set up; set up again to write the record")
}

impl<'a> DestroyRequest<'a> {
    /// Calls a function whenever a step begins or ends.
    pub fn progress(mut self, progress: impl Fn(&Event) + Send + Sync + 'a) -> Self {
        self.progress = Box::new(progress);
        self
    }

    /// Sets what happens to data. By default, a resource that holds data is kept.
    pub fn data(mut self, data: Data) -> Self {
        self.data = data;
        self
    }
}

/// Options that every request has.
macro_rules! runs {
    ($($request:ident)*) => {
        $(impl $request<'_> {
            /// Sets all options at once.
            pub fn options(mut self, options: Options) -> Self {
                self.options = options;
                self
            }

            /// Names the run, instead of generating a name. Use another name for every run: other runs see it in the
            /// claim.
            pub fn run(mut self, name: RunId) -> Self {
                self.options.run = name;
                self
            }

            /// Does not wait for the claim of a run that was interrupted.
            pub fn take_over(mut self) -> Self {
                self.options = self.options.take_over();
                self
            }
        })*
    };
}

runs! { PlanRequest ApplyRequest DestroyRequest RevokeRequest }

/// Awaiting a request carries it out.
macro_rules! awaited {
    ($request:ident, $output:ty, |$self:ident| $work:expr) => {
        impl<'a> IntoFuture for $request<'a> {
            type Output = Result<$output>;
            type IntoFuture = BoxFuture<'a, Self::Output>;

            fn into_future($self) -> Self::IntoFuture {
                Box::pin($work)
            }
        }
    };
}

awaited!(PlanRequest, Plan, |self| async move {
    self.admin.provision.plan(self.release, &self.admin.delivery, self.previous, &self.options).await
});
awaited!(ApplyRequest, Deployment, |self| self.apply());
awaited!(DestroyRequest, DestroyReport, |self| async move {
    self.admin.provision.destroy(self.deployment, self.data, &self.options, &*self.progress).await
});
awaited!(RevokeRequest, (), |self| async move { self.admin.provision.revoke(self.deployment, &self.options).await });

impl fmt::Debug for ApplyRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApplyRequest")
            .field("id", &self.plan.id)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for DestroyRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("DestroyRequest");
        shown.field("id", &self.deployment.id).field("data", &self.data).field("options", &self.options);
        shown.finish_non_exhaustive()
    }
}
