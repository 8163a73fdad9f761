//! What a set-up will do, before it does anything.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::{Approved, Driver, Engine, Fingerprint, Observed};
use crate::call::Gate;
use crate::cloud::{Cloud, Rendered, Size};
use crate::deployment::{Deployment, DeploymentId};
use crate::error::{Error, ErrorKind, Result};
use crate::lifecycle::Lifecycle;
use crate::permission::{Grants, Subject};
use crate::problem::Problem;
use crate::provision::Options;
use crate::release::Release;
use crate::site::DeploymentContext;
use crate::stack::ChangeKind;

/// What a set-up will do, in order, and the permission documents it will write. Nothing was changed to make it.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// The steps, in an order in which they can be done one by one.
    pub steps: Vec<Step>,
    /// What should be known, and what must be mended first.
    pub problems: Vec<Problem>,
    /// The size of each document against its limit.
    pub sizes: Vec<Size>,
    /// The permission documents of all three layers, in the cloud's own form.
    pub documents: Value,
    #[serde(skip)]
    pub(crate) release: Release,
    #[serde(skip)]
    pub(crate) previous: Option<Deployment>,
    #[serde(skip)]
    pub(crate) made_by: (DeploymentId, Value),
    #[serde(skip)]
    pub(crate) approved: Approved,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The resource's id, the profile's name, or what it is.
    pub subject: String,
    /// The kind of resource, `identity`, or `deployment` for what resources share.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What will be done.
    pub action: Action,
    /// Why.
    pub why: String,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Make it.
    Create,
    /// Change it.
    Update,
    /// Nothing: it is as it should be.
    Leave,
    /// Nothing: it is the customer's, and is used.
    Adopt,
    /// Remove it, unless it holds data.
    Delete,
    /// Nothing at all will be done before this is mended.
    Refuse,
}

impl Action {
    /// The word used in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Leave => "leave",
            Self::Adopt => "adopt",
            Self::Delete => "delete",
            Self::Refuse => "refuse",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Plan {
    /// Whether applying it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.iter().all(|step| matches!(step.action, Action::Leave | Action::Adopt))
    }

    /// Why it cannot be applied: every refused step and every error.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] where there is such a reason.
    pub fn refusal(&self) -> Result<()> {
        let steps = self.steps.iter().filter(|step| step.action == Action::Refuse).map(|step| {
            let help = "mend it, and plan again".to_owned();
            Problem::error(crate::problem::Rule::SetFit, step.why.clone(), help).at(&step.subject)
        });
        let reasons: Vec<Problem> =
            steps.chain(self.problems.iter().filter(|problem| problem.is_error()).cloned()).collect();
        if reasons.is_empty() { Ok(()) } else { Err(reasons.into()) }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Step { subject, kind, action, why } in &self.steps {
            writeln!(f, "{action:<7} {subject} ({kind}): {why}")?;
        }
        for problem in &self.problems {
            writeln!(f, "{problem}")?;
        }
        for Size { document, unit, size, limit, .. } in &self.sizes {
            writeln!(f, "{document}: {size} of {limit} {unit}")?;
        }
        Ok(())
    }
}

/// What is to be done with a subject, and why.
pub(super) struct Decision {
    pub(super) action: Action,
    pub(super) why: String,
}

/// What the engine does about what it found.
pub(super) fn decide<C: Cloud, D: Driver<C>>(
    engine: &Engine<C, D>,
    site: &DeploymentContext<C>,
    subject: Subject,
    found: &Observed,
    approved: &Approved,
) -> Decision {
    let decision = |action, why: &str| Decision { action, why: why.to_owned() };
    let (seal, drift) = match found {
        Observed::Unneeded => return decision(Action::Leave, "the stack needs nothing here"),
        Observed::Absent => return decision(Action::Create, "it is not there"),
        Observed::Adopted { .. } => return decision(Action::Adopt, "it is the customer's: it is used, never changed"),
        Observed::Foreign(whose) => {
            let why = format!("something of this name is there, and {whose}; remove it, or choose another prefix");
            return decision(Action::Refuse, &why);
        }
        Observed::Own { seal: None, .. } => return decision(Action::Update, "an earlier run did not finish it"),
        Observed::Own { seal: Some(seal), drift, .. } => (seal, drift),
    };
    let wanted = Fingerprint { revision: engine.driver.revision(), digest: digest(subject, site) };
    if *seal == wanted {
        return match drift {
            None => decision(Action::Leave, "it is as it should be"),
            Some(how) => decision(Action::Update, &format!("it is not as it was set up: {how}")),
        };
    }
    if seal.digest == wanted.digest {
        return decision(Action::Update, "another version of this library set it up");
    }
    match subject {
        Subject::Resource(position) => {
            let frozen = |resource: &&crate::resource::Resource| resource.lifecycle() == Lifecycle::Frozen;
            match site.stack().at(position).filter(frozen) {
                Some(resource) if !approved.contains(resource.id().as_str()) => decision(
                    Action::Refuse,
                    "it is frozen, and its settings changed; take the change back, or pass --allow-frozen-changes",
                ),
                Some(_) => decision(Action::Update, "it is frozen, its settings changed, and the admin allows it"),
                None => decision(Action::Update, "its settings changed"),
            }
        }
        Subject::Deployment => decision(Action::Update, "its settings changed"),
        Subject::ManagementIdentity | Subject::RuntimeIdentity(_) => {
            decision(Action::Update, "its trust or its permissions changed")
        }
    }
}

/// The digest of what the stack says of a subject. Whether it is frozen or live is not in it: that is said by the
/// permissions of others.
#[must_use]
pub fn digest<C: Cloud>(subject: Subject, site: &DeploymentContext<C>) -> String {
    let principal =
        |holding: &Grants| serde_json::to_string(&C::principal(&site.deployed(), holding)).unwrap_or_default();
    let text = match subject {
        Subject::Resource(position) => {
            let mut form = serde_json::to_value(site.stack().at(position)).unwrap_or_default();
            if let Value::Object(fields) = &mut form {
                fields.remove("lifecycle");
            }
            form.to_string()
        }
        // What is shared is there for those who need it.
        Subject::Deployment => {
            let users = site.stack().resources().iter().filter(|resource| C::needs_shared(resource));
            users.map(|resource| format!("{} {}\n", resource.id(), resource.lifecycle())).collect()
        }
        Subject::ManagementIdentity => principal(&site.permissions.management),
        Subject::RuntimeIdentity(position) => site.permissions.runtime.get(position).map(principal).unwrap_or_default(),
    };
    crate::naming::digest(&[&text])
}

pub(super) async fn plan<C: Cloud, D: Driver<C>>(
    engine: &Engine<C, D>,
    call: &Gate<C>,
    rendered: Rendered<C>,
    previous: Option<&Deployment>,
    options: &Options,
) -> Result<Plan> {
    let site = call.site();
    let mut problems = rendered.warnings;
    problems.extend(engine.driver.preflight(call).await?);
    // Without the record of what is there, every frozen resource that differs counts as changed.
    let mut changed = BTreeMap::new();
    for change in previous.iter().flat_map(|previous| site.stack().diff(&previous.stack).changes) {
        if let ChangeKind::Settings { fields, .. } = change.kind {
            changed.insert(change.resource, fields.join(", "));
        }
    }
    let approved: Approved = if options.allow_frozen_changes {
        site.stack().resources().iter().map(|resource| resource.id().as_str().to_owned()).collect()
    } else {
        Approved::new()
    };
    let found = engine.observe_all(site.subjects(), call).await;
    // Where something is known to be wrong, all of that is told, and not what followed from it.
    let found = match found {
        Err(_) if problems.iter().any(Problem::is_error) => return Err(problems.into()),
        found => found?,
    };
    let release = site.as_release();
    let made_by = engine.whose()?;
    let steps = found.iter().filter(|(_, found)| *found != Observed::Unneeded).map(|(subject, found)| {
        let Decision { action, mut why } = decide(engine, site, *subject, found, &approved);
        let name = site.subject_name(*subject);
        if let (Action::Create | Action::Update, Ok(resource)) = (action, site.resource(*subject)) {
            problems.extend(release.missing_artifact(resource));
        }
        if let (Action::Update | Action::Refuse, Subject::Resource(_), Some(fields)) =
            (action, subject, changed.get(name))
        {
            why = format!("{why} ({fields})");
        }
        step(site, *subject, action, why)
    });
    let mut steps: Vec<Step> = steps.collect();
    for stack in previous.iter().flat_map(|previous| previous.stacks()) {
        let old =
            DeploymentContext::<C>::new(engine.id, engine.target.clone(), Release::without_artifacts(stack.clone()));
        steps.extend(super::destroy::leftover(&old, site).into_iter().map(|subject| {
            let resource = old.resource(subject).ok();
            let frozen = resource.is_some_and(|resource| resource.lifecycle() == Lifecycle::Frozen);
            if frozen && !options.allow_frozen_changes {
                let why = "it is frozen, and the stack has it no more; take it back, or pass --allow-frozen-changes";
                return step(&old, subject, Action::Refuse, why.to_owned());
            }
            let holds_data = resource.is_some_and(|resource| resource.kind().holds_data());
            let kept = if holds_data { "; it is kept while it holds data" } else { "" };
            step(&old, subject, Action::Delete, format!("the stack has it no more{kept}"))
        }));
    }
    let documents = serde_json::to_value(&rendered.documents)
        .map_err(|error| Error::new(ErrorKind::Internal, format!("documents that are no JSON: {error}")))?;
    Ok(Plan {
        steps,
        problems,
        sizes: rendered.sizes,
        documents,
        release,
        previous: previous.cloned(),
        approved,
        made_by,
    })
}

fn step<C: Cloud>(site: &DeploymentContext<C>, subject: Subject, action: Action, why: String) -> Step {
    let (kind, subject) = (site.subject_kind(subject), site.subject_name(subject).to_owned());
    Step { subject, kind, action, why }
}
