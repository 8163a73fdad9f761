//! One interface for the adapters of all clouds: for a program that serves several, and chooses by the record.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::admin::Admin;
use crate::calling::CallConfig;
use crate::cloud::{Answer, Cloud, Comparison, Documented, Field, Kinds, RenderError, Report, Reviewed};
use crate::context::DeploymentContext;
use crate::delivery::{Delivery, Model, is_host_and_path};
use crate::deployment::{Deployment, DeploymentId, Invitation};
use crate::error::{Error, ErrorKind, Result};
use crate::impersonate::{self, Impersonate};
use crate::kind::Kind;
use crate::pod::AgentPod;
use crate::problem::{Problem, Problems, Rule};
use crate::release::Release;
use crate::resource::{CodeForms, Resource};
use crate::stack::Stack;
use crate::target::AnyTarget;

/// The adapter of a cloud, whichever it is. Nothing here names a cloud's own types: a target is an [`AnyTarget`].
///
/// Keep the adapters that a program serves in a list, and choose by the cloud's name, which every invitation and record has.
#[async_trait]
pub trait Adapter: Send + Sync + fmt::Debug {
    /// The cloud's name, as in invitations and records.
    fn cloud(&self) -> &'static str;

    /// The fields of a target.
    fn fields(&self) -> &'static [Field];

    /// The options of a connection.
    fn options(&self) -> &'static [ConnectOption];

    /// Parses a target from strings, by the names of its fields.
    ///
    /// # Errors
    ///
    /// Every field that is missing, unknown or wrong.
    fn target(&self, texts: BTreeMap<String, String>) -> Result<AnyTarget, Problems>;

    /// Parses a target of a deployment whose releases come so: of [`fields`](Self::fields), those that are
    /// [for the model](Field::is_for).
    ///
    /// # Errors
    ///
    /// As [`target`](Self::target).
    fn target_as(&self, model: Model, texts: BTreeMap<String, String>) -> Result<AnyTarget, Problems>;

    /// The account that a target is in: all deployments in it share its quotas. Empty if the cloud has none.
    fn account<'t>(&self, target: &'t AnyTarget) -> &'t str;

    /// The forms of code that a kind of resource runs on this cloud; `None` if it runs no code there.
    fn code(&self, kind: Kind) -> Option<CodeForms>;

    /// The zips that this cloud would run of a release and does not take, each as a problem. Where its bytes are not at hand, that is one.
    fn refused_zips(&self, release: &Release) -> Vec<Problem> {
        let refused = |resource: &Resource| {
            let forms = self.code(resource.kind())?;
            release.refused_artifact(self.cloud(), resource, forms.choose(resource.code()?).as_ref()?, Some(forms))
        };
        release.stack().resources().iter().filter_map(refused).collect()
    }

    /// Returns what the cloud does not take of a stack at a target, and takes of the one that runs there: a release would be refused.
    /// The customer's own networks of the stack that runs are taken for the next too; one that does not fit is a problem. Calls nothing.
    ///
    /// # Errors
    ///
    /// A target of another cloud.
    fn refused(&self, target: &AnyTarget, runs: &Stack, next: &Stack) -> Result<Vec<Problem>, Problems>;

    /// Creates the invitation to a new deployment. `trust` says which vendor it trusts, by the names of the target's fields;
    /// fields that are generated for each deployment may be left out. Where releases are pulled, there are none.
    ///
    /// # Errors
    ///
    /// Every field that is missing, unknown or wrong; what [`Invitation::new`] refuses.
    fn invite(
        &self,
        id: DeploymentId,
        trust: BTreeMap<String, String>,
        delivery: Delivery,
        stack: Stack,
    ) -> Result<Invitation, Problems>;

    /// Renders all three layers of a stack, checks every size, audits the result and describes it in words. No network.
    ///
    /// # Errors
    ///
    /// As [`render`](crate::render); a target of another cloud.
    fn review(&self, stack: &Stack, target: &AnyTarget) -> Result<Reviewed, RenderError>;

    /// Whether an image is in a registry of this cloud, from which another account pulls only what its owner grants:
    /// [`Reviewed::registry_grants`] tells what, once the account is known.
    fn is_private(&self, image: &str) -> bool;

    /// Audits documents in the form of [`Reviewed::documents`], wherever they came from.
    ///
    /// # Errors
    ///
    /// As [`audit`](crate::audit()); a target of another cloud.
    fn audit(&self, stack: &Stack, target: &AnyTarget, documents: &str) -> Result<Report, Problems>;

    /// Takes what the cloud's own tools print about identities of a deployment as documents that can be audited.
    ///
    /// # Errors
    ///
    /// What is missing for a judgement, by name; each answer that cannot be read; a target of another cloud.
    fn collect(&self, stack: &Stack, target: &AnyTarget, answers: &[Answer]) -> Result<String, Problems>;

    /// Compares documents in the form of [`Reviewed::documents`] with earlier ones: by what they allow, whatever their words.
    ///
    /// # Errors
    ///
    /// Documents of another form or another cloud, at `before` or `after`.
    fn compare(&self, before: &str, after: &str) -> Result<Comparison, Problems>;

    /// The record that a set-up of the invitation will give, as far as it is known before. It finds a set-up that was
    /// interrupted.
    ///
    /// # Errors
    ///
    /// A target of another cloud, or of the other model than the invitation.
    fn record(&self, invitation: &Invitation, target: &AnyTarget) -> Result<Deployment>;

    /// Connects as the customer's admin.
    ///
    /// # Errors
    ///
    /// [`Input`](crate::ErrorKind::Input) for options that the cloud does not have;
    /// [`Credentials`](crate::ErrorKind::Credentials) where there are none.
    async fn admin(&self, id: DeploymentId, target: &AnyTarget, connection: &Connection) -> Result<Admin>;

    /// Connects as the vendor. What it returns serves every deployment of the cloud, and shares its connections among
    /// them; the target is only for what an error says.
    ///
    /// # Errors
    ///
    /// As [`admin`](Self::admin); [`Unsupported`](crate::ErrorKind::Unsupported) if the target names an agent: the vendor
    /// has no identity there.
    async fn vendor(&self, target: &AnyTarget, connection: &Connection) -> Result<Arc<dyn Impersonate>>;

    /// Connects as the agent that the target names, with the credentials of its own environment.
    ///
    /// # Errors
    ///
    /// As [`admin`](Self::admin); [`Unsupported`](crate::ErrorKind::Unsupported) if the target names the vendor.
    async fn agent(&self, target: &AnyTarget, connection: &Connection) -> Result<Arc<dyn Impersonate>>;

    /// What the pod of this deployment's agent has in a managed Kubernetes cluster of the cloud.
    ///
    /// # Errors
    ///
    /// [`Input`](crate::ErrorKind::Input) for a record of another cloud.
    fn agent_pod(&self, record: &Deployment) -> Result<AgentPod>;
}

/// How a cloud is reached: with the credentials of the environment, unless an option says otherwise.
#[derive(Debug, Clone)]
pub struct Connection {
    /// How calls are made.
    pub calls: CallConfig,
    /// The person or program that acts. It appears in the customer's audit log, if the cloud writes it there.
    pub operator: String,
    options: BTreeMap<String, String>,
}

impl Connection {
    /// Creates a connection without options.
    #[must_use]
    pub fn new(calls: CallConfig, operator: impl Into<String>) -> Self {
        Self { calls, operator: operator.into(), options: BTreeMap::new() }
    }

    /// Sets the value of an option, by its name.
    #[must_use]
    pub fn with_option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.insert(name.into(), value.into());
        self
    }

    /// The value of [`ConnectOption::ENDPOINT_URL`], if it is given.
    ///
    /// # Errors
    ///
    /// [`Input`](crate::ErrorKind::Input) if it is not an `https://` or `http://` address of a host, without user, query and fragment.
    pub fn endpoint_url(&self) -> Result<Option<&str>> {
        let name = ConnectOption::ENDPOINT_URL.name;
        let Some(url) = self.get(name) else { return Ok(None) };
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        if rest.is_some_and(is_host_and_path) {
            return Ok(Some(url));
        }
        let help = "write `https://` or `http://` and a host, as in `http://127.0.0.1:4566`".to_owned();
        Err(vec![Problem::error(Rule::Form, format!("`{url}` is not an address that can be called"), help).at(name)]
            .into())
    }

    /// Refuses [`CallConfig::answers`]: for an adapter whose clients take none, so that nothing is called in their place.
    ///
    /// # Errors
    ///
    /// [`Input`](crate::ErrorKind::Input) if there are some.
    pub fn without_answers(&self) -> Result<()> {
        let what = "requests to this cloud cannot be answered by a recording: its clients take no recorded answers";
        if self.calls.answers.is_some() { Err(Error::new(ErrorKind::Input, what)) } else { Ok(()) }
    }

    /// The value of an option.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }
}

/// An option of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectOption {
    /// Its name, `endpointUrl`.
    pub name: &'static str,
    /// What it is, in words.
    pub help: &'static str,
    /// The side that it is for.
    pub side: Side,
}

/// The flag of a target's field or an option, as command lines have it: `projectNumber` becomes `project-number`.
#[must_use]
pub fn flag(name: &str) -> String {
    name.chars().fold(String::new(), |mut words, letter| {
        if letter.is_ascii_uppercase() {
            words.push('-');
        }
        words.push(letter.to_ascii_lowercase());
        words
    })
}

/// The side that an option is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The customer's admin.
    Admin,
    /// The vendor.
    Vendor,
    /// The customer's agent, where releases are pulled.
    Agent,
    /// Every side.
    Both,
}

impl ConnectOption {
    /// The URL of an emulator, instead of the cloud's own.
    pub const ENDPOINT_URL: Self = Self {
        name: "endpointUrl",
        help: "call this URL in the place of the cloud's own: an emulator's",
        side: Side::Both,
    };

    /// Whether it is for this side.
    #[must_use]
    pub fn is_for(&self, side: Side) -> bool {
        self.side == side || self.side == Side::Both
    }
}

/// What an adapter implements to become an [`Adapter`]: how it connects. The rest follows from its cloud.
#[async_trait]
pub trait Connect: Send + Sync + fmt::Debug {
    /// The cloud.
    type Cloud: Documented;

    /// The options of a connection.
    const OPTIONS: &'static [ConnectOption];

    /// Connects as the customer's admin.
    async fn admin(
        &self,
        id: DeploymentId,
        target: <Self::Cloud as Cloud>::Target,
        connection: &Connection,
    ) -> Result<Admin>;

    /// Connects as the vendor.
    async fn vendor(
        &self,
        target: &<Self::Cloud as Cloud>::Target,
        connection: &Connection,
    ) -> Result<Arc<dyn Impersonate>>;

    /// Connects as the agent that a target names. By default there is none on the cloud.
    async fn agent(&self, _: &<Self::Cloud as Cloud>::Target, _: &Connection) -> Result<Arc<dyn Impersonate>> {
        Err(Error::new(ErrorKind::Unsupported, format!("no deployment on {} pulls its releases", Self::Cloud::NAME)))
    }

    /// What the pod of the agent that a target names has in a cluster. By default it needs nothing.
    fn agent_pod(&self, _: &<Self::Cloud as Cloud>::Target, _: &Deployment) -> AgentPod {
        AgentPod::new(None)
    }
}

#[async_trait]
impl<A: Connect> Adapter for A {
    fn cloud(&self) -> &'static str {
        A::Cloud::NAME
    }

    fn fields(&self) -> &'static [Field] {
        A::Cloud::TARGET
    }

    fn options(&self) -> &'static [ConnectOption] {
        A::OPTIONS
    }

    fn target(&self, texts: BTreeMap<String, String>) -> Result<AnyTarget, Problems> {
        AnyTarget::read::<A::Cloud>(texts)
    }

    fn target_as(&self, model: Model, texts: BTreeMap<String, String>) -> Result<AnyTarget, Problems> {
        AnyTarget::read_as::<A::Cloud>(model, texts)
    }

    fn account<'t>(&self, target: &'t AnyTarget) -> &'t str {
        target.field(A::Cloud::ACCOUNT).unwrap_or_default()
    }

    fn code(&self, kind: Kind) -> Option<CodeForms> {
        <A::Cloud as Cloud>::Kinds::code(kind).filter(|_| kind.runs_code())
    }

    fn refused(&self, target: &AnyTarget, runs: &Stack, next: &Stack) -> Result<Vec<Problem>, Problems> {
        let target = typed::<A::Cloud>(target)?;
        Ok(match next.with_existing_of(runs) {
            Ok(next) => impersonate::refused::<A::Cloud>(target, runs, &next),
            Err(Problems(problems)) => problems,
        })
    }

    fn invite(
        &self,
        id: DeploymentId,
        mut trust: BTreeMap<String, String>,
        delivery: Delivery,
        stack: Stack,
    ) -> Result<Invitation, Problems> {
        let model = delivery.model();
        let is_wanted = |field: &Field| field.is_trust() && field.is_for(model);
        for field in A::Cloud::TARGET.iter().filter(|field| is_wanted(field)) {
            if !trust.contains_key(field.name) {
                trust.extend(field.make(&id.to_string()).map(|text| (field.name.to_owned(), text)));
            }
        }
        AnyTarget::check::<A::Cloud>(&trust, is_wanted)?;
        Invitation::trusting(id, A::Cloud::NAME, trust, delivery, stack)
    }

    fn review(&self, stack: &Stack, target: &AnyTarget) -> Result<Reviewed, RenderError> {
        A::Cloud::reviewed(stack, typed::<A::Cloud>(target).map_err(RenderError::Problems)?)
    }

    fn is_private(&self, image: &str) -> bool {
        A::Cloud::is_private(image)
    }

    fn audit(&self, stack: &Stack, target: &AnyTarget, documents: &str) -> Result<Report, Problems> {
        A::Cloud::audited(stack, typed::<A::Cloud>(target)?, documents)
    }

    fn collect(&self, stack: &Stack, target: &AnyTarget, answers: &[Answer]) -> Result<String, Problems> {
        A::Cloud::collected(stack, typed::<A::Cloud>(target)?, answers)
    }

    fn compare(&self, before: &str, after: &str) -> Result<Comparison, Problems> {
        A::Cloud::compared(before, after)
    }

    fn record(&self, invitation: &Invitation, target: &AnyTarget) -> Result<Deployment> {
        target.suits::<A::Cloud>(&invitation.delivery)?;
        let target = target.typed::<A::Cloud>()?.clone();
        let release = Release::without_artifacts(invitation.stack.clone());
        let context = DeploymentContext::<A::Cloud>::new(invitation.id, target, release);
        context.with_delivery(invitation.delivery.clone()).record()
    }

    async fn admin(&self, id: DeploymentId, target: &AnyTarget, connection: &Connection) -> Result<Admin> {
        known::<A>(connection, Side::Admin)?;
        let target = target.typed::<A::Cloud>()?.clone();
        Connect::admin(self, id, target, connection).await
    }

    async fn vendor(&self, target: &AnyTarget, connection: &Connection) -> Result<Arc<dyn Impersonate>> {
        known::<A>(connection, Side::Vendor)?;
        let typed = target.typed::<A::Cloud>()?;
        Model::Push.enters(target.model::<A::Cloud>())?;
        Connect::vendor(self, typed, connection).await
    }

    async fn agent(&self, target: &AnyTarget, connection: &Connection) -> Result<Arc<dyn Impersonate>> {
        known::<A>(connection, Side::Agent)?;
        let typed = target.typed::<A::Cloud>()?;
        Model::Pull.enters(target.model::<A::Cloud>())?;
        Connect::agent(self, typed, connection).await
    }

    fn agent_pod(&self, record: &Deployment) -> Result<AgentPod> {
        Ok(Connect::agent_pod(self, record.target.typed::<A::Cloud>()?, record))
    }
}

fn typed<C: Cloud>(target: &AnyTarget) -> Result<&C::Target, Problems> {
    target.typed::<C>().map_err(|error| {
        let help = format!("give a target of {}", C::NAME);
        Problems(vec![Problem::error(Rule::Form, error.to_string(), help)])
    })
}

/// Refuses options that the cloud, or this side of it, does not have.
fn known<A: Connect>(connection: &Connection, side: Side) -> Result<(), Problems> {
    let has = |name: &&String| A::OPTIONS.iter().any(|option| option.name == *name && option.is_for(side));
    let unknown = connection.options.keys().filter(|name| !has(name)).map(|name| {
        let what = "has no meaning for this cloud".to_owned();
        Problem::error(Rule::Form, what, "remove it".to_owned()).at(name)
    });
    Problems::none(unknown.collect()).map(drop)
}
