//! The clouds that a fleet is on.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use alien_core::{
    Adapter, AnyTarget, Connection, Deployment, Error, ErrorKind, Impersonate, Invitation, Problem, Problems, Result,
};
use alien_core::{Rule, Stack};
use tokio::sync::Mutex;

/// The adapters of the clouds that a fleet is on, and how the vendor connects to each.
#[derive(Debug)]
pub struct Clouds {
    adapters: BTreeMap<&'static str, Known>,
    open: Mutex<HashMap<&'static str, Arc<dyn Impersonate>>>,
}

/// A cloud, and how the vendor connects to it.
type Known = (Arc<dyn Adapter>, Connection);

impl Clouds {
    /// No cloud.
    #[must_use]
    pub fn none() -> Self {
        Self { adapters: BTreeMap::new(), open: Mutex::default() }
    }

    /// Adds a cloud.
    #[must_use]
    pub fn with(mut self, adapter: Arc<dyn Adapter>, connection: Connection) -> Self {
        self.adapters.insert(adapter.cloud(), (adapter, connection));
        self
    }

    fn of(&self, cloud: &str) -> Result<(&'static str, &Known)> {
        let found = self.adapters.get_key_value(cloud).map(|(name, found)| (*name, found));
        found.ok_or_else(|| {
            let known: Vec<&str> = self.adapters.keys().copied().collect();
            let what = format!("`{cloud}` is not a cloud of this fleet, which is on {}", known.join(", "));
            Error::new(ErrorKind::Unsupported, what)
        })
    }

    /// The vendor's way into a deployment. All deployments of a cloud share one.
    pub(crate) async fn enter(&self, record: &Deployment) -> Result<Arc<dyn Impersonate>> {
        let (name, (adapter, connection)) = self.of(&record.cloud)?;
        let mut open = self.open.lock().await;
        if let Some(found) = open.get(name) {
            return Ok(Arc::clone(found));
        }
        let vendor = adapter.vendor(&record.target, connection).await?;
        open.insert(name, Arc::clone(&vendor));
        Ok(vendor)
    }

    /// The account that a deployment is in, as `aws 222222222222`: all in it share its quotas.
    pub(crate) fn account(&self, record: &Deployment) -> Result<String> {
        let (name, (adapter, _)) = self.of(&record.cloud)?;
        Ok(format!("{name} {}", adapter.account(&record.target)))
    }

    /// The invitation with which the customer's admin sets up a stack in the place of what is deployed.
    pub(crate) fn invite(&self, record: &Deployment, stack: Stack) -> Result<Invitation> {
        let (_, (adapter, _)) = self.of(&record.cloud)?;
        let fields = adapter.fields().iter().filter(|field| field.is_trust());
        let trust =
            fields.filter_map(|field| Some((field.name.to_owned(), record.target.field(field.name)?.to_owned())));
        let invitation = adapter.invite(record.id, trust.collect(), record.delivery.clone(), stack)?;
        Ok(invitation.with_revision(record.invitation.revision.saturating_add(1)))
    }

    /// Why a cloud cannot run a stack: code without a form for it.
    pub(crate) fn runs(&self, cloud: &str, stack: &Stack) -> Result<Vec<Problem>> {
        let (name, (adapter, _)) = self.of(cloud)?;
        let refused = stack.resources().iter().filter_map(|resource| {
            let code = resource.code()?;
            let is_run = adapter.code(resource.kind()).is_some_and(|forms| forms.choose(code).is_some());
            (!is_run).then(|| {
                let what = format!("{name} does not run its code: no form of it is for that cloud");
                Problem::error(Rule::Cloud, what, "add a form of the code that the cloud runs".to_owned())
                    .on(resource.id())
            })
        });
        Ok(refused.collect())
    }

    /// What a cloud does not take of a stack at a target, and takes of the one that runs there, such as a variable with a reserved name.
    pub(crate) fn refused(&self, cloud: &str, target: &AnyTarget, runs: &Stack, next: &Stack) -> Result<Vec<Problem>> {
        let (_, (adapter, _)) = self.of(cloud)?;
        Ok(adapter.refused(target, runs, next)?)
    }
}

/// Words for several problems.
pub(crate) fn words(problems: &[Problem]) -> String {
    problems.iter().map(|problem| problem.to_string()).collect::<Vec<_>>().join("; ")
}

impl Default for Clouds {
    fn default() -> Self {
        Self::none()
    }
}

/// Several problems as one error.
pub(crate) fn refused(problems: Problems) -> Error {
    problems.into()
}
