//! The calls about one subject, whatever it is: a resource of any kind, an identity, or what resources share.

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::config::Engine;
use crate::call::{CallContext, Gate};
use crate::cloud::Cloud;
use crate::error::{Error, ErrorKind, Result};
use crate::manage::Runs;
use crate::marks::{Claim, Marks};
use crate::operate::{Operated, calls};
use crate::permission::Subject;
use crate::problem::Problem;
use crate::provision::Data;
use crate::reconcile::{self, Observed, Provider, Reconcile, Removal};
use crate::resource::Resource;

impl<C, P> Engine<C, P>
where
    C: Cloud<Kinds: Operated<C, P::Clients>>,
    P: Provider<C>,
{
    pub(super) async fn context<'a>(
        &'a self,
        subject: Subject,
        gate: &'a Gate<C>,
    ) -> Result<CallContext<'a, C, P::Clients>> {
        Ok(CallContext { clients: self.provider.clients().await?, gate, subject })
    }

    /// The calls about a subject; `None` if the cloud has no such thing.
    fn part<'a>(&'a self, cx: CallContext<'a, C, P::Clients>) -> Result<Option<&'a dyn Reconcile<C, P::Clients>>> {
        Ok(match cx.subject {
            Subject::Resource(_) => Some(calls(cx)?),
            Subject::Deployment => self.provider.shared(),
            Subject::ManagementIdentity | Subject::RuntimeIdentity(_) => Some(self.provider.identity()),
        })
    }

    fn sure_part<'a>(&'a self, cx: CallContext<'a, C, P::Clients>) -> Result<&'a dyn Reconcile<C, P::Clients>> {
        let missing = || Error::new(ErrorKind::Internal, format!("nothing is shared on {}", C::NAME));
        self.part(cx)?.ok_or_else(missing)
    }

    pub(super) async fn observe(&self, subject: Subject, gate: &Gate<C>) -> Result<Observed> {
        let cx = self.context(subject, gate).await?;
        match self.part(cx)? {
            Some(part) => cx.placed(part.observe(cx).await),
            None => Ok(Observed::Unneeded),
        }
    }

    /// What runs of a resource, of the part that the vendor may change.
    pub(super) async fn running(&self, subject: Subject, gate: &Gate<C>) -> Result<Runs> {
        let cx = self.context(subject, gate).await?;
        cx.placed(calls(cx)?.running(cx).await)
    }

    /// What is left of a subject that is taken down. The customer may already have deleted what is the customer's own.
    pub(super) async fn left(&self, subject: Subject, gate: &Gate<C>) -> Result<Observed> {
        let is_adopted = || gate.deployment().resource(subject).is_ok_and(Resource::is_adopted);
        match self.observe(subject, gate).await {
            Err(error) if error.kind() == ErrorKind::NotFound && is_adopted() => Ok(Observed::Absent),
            found => found,
        }
    }

    /// What is left of several subjects, observed at once.
    pub(super) async fn all_left(
        &self,
        subjects: impl Iterator<Item = Subject> + Send,
        gate: &Gate<C>,
    ) -> Result<Vec<(Subject, Observed)>> {
        let looks: Vec<_> =
            subjects.map(|subject| async move { Ok((subject, self.left(subject, gate).await?)) }).collect();
        stream::iter(looks).buffered(self.width.get()).try_collect().await
    }

    pub(super) async fn create(&self, subject: Subject, marks: &Marks, gate: &Gate<C>) -> Result<()> {
        let cx = self.context(subject, gate).await?;
        cx.placed(reconcile::create(self.sure_part(cx)?, cx, marks).await)
    }

    pub(super) async fn configure(&self, subject: Subject, marks: &Marks, gate: &Gate<C>) -> Result<()> {
        let cx = self.context(subject, gate).await?;
        cx.placed(self.sure_part(cx)?.configure(cx, marks).await)
    }

    pub(super) async fn delete(&self, subject: Subject, data: Data, gate: &Gate<C>) -> Result<Removal> {
        let cx = self.context(subject, gate).await?;
        cx.placed(reconcile::delete(self.sure_part(cx)?, cx, data).await)
    }

    /// Fails if the credentials are of another account than the target's.
    pub(super) async fn check_account(&self, gate: &Gate<C>) -> Result<()> {
        let problems = self.provider.account(self.context(Subject::ManagementIdentity, gate).await?).await?;
        let errors: Vec<Problem> = problems.into_iter().filter(Problem::is_error).collect();
        if errors.is_empty() { Ok(()) } else { Err(errors.into()) }
    }

    pub(super) async fn preflight(&self, gate: &Gate<C>) -> Result<Vec<Problem>> {
        self.provider.preflight(self.context(Subject::ManagementIdentity, gate).await?).await
    }

    pub(super) async fn claim(&self, gate: &Gate<C>) -> Result<Option<Claim>> {
        self.provider.identity().claim(self.context(Subject::ManagementIdentity, gate).await?).await
    }

    pub(super) async fn write_claim(&self, claim: Option<&Claim>, gate: &Gate<C>) -> Result<()> {
        self.provider.identity().write_claim(self.context(Subject::ManagementIdentity, gate).await?, claim).await
    }

    /// Revokes the vendor's access.
    pub(super) async fn close(&self, gate: &Gate<C>) -> Result<()> {
        self.provider.identity().revoke(self.context(Subject::ManagementIdentity, gate).await?).await
    }
}
