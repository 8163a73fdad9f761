//! Whether Pub/Sub's agent exists, where the stack needs it.
//!
//! It belongs to a project of Google's, so nobody can look at it. But Google gives an agent that it makes a role on the project
//! (<https://docs.cloud.google.com/iam/docs/service-agents>), and a policy can name only those that exist: whoever is named is there.
//! One that is not named may be there all the same, because somebody can take the role away, so this warns and refuses nothing.

use std::fmt;
use std::sync::Arc;

use alien_core::{ErrorKind, Problem, Queue, Resource, Result, Rule};
use google_cloud_iam_v1::model::Policy;

use crate::client::Context;
use crate::client::policy::{self, Guarded};
use crate::naming::Paths;
use crate::operations::Scope;
use crate::resource::queue::calls::mover;

/// The role that Google gives it on the project.
const ROLE: &str = "roles/pubsub.serviceAgent";

/// Warns if no policy names the agent. Reads the project's policy, and only for queues that need the agent; where the project's does not
/// name it, also those of the topics for dead letters, in which an earlier set-up did.
pub(super) async fn look(cx: Context<'_>) -> Result<Vec<Problem>> {
    let resources = cx.deployment().stack().resources();
    let queues = resources.iter().filter_map(|resource| Some((resource, resource.settings_of::<Queue>()?)));
    let needs: Vec<Need<'_>> = queues.filter_map(|(resource, queue)| Need::of(resource, queue, resources)).collect();
    if needs.is_empty() || is_named(cx, &needs).await? {
        return Ok(Vec::new());
    }
    let (agent, project) = (mover(cx), &cx.target().project);
    let uses: Vec<String> = needs.iter().map(Need::to_string).collect();
    let what = format!(
        "Pub/Sub's agent may not exist yet in `{project}`, whose policy does not name `{agent}`: {}",
        uses.join(", and ")
    );
    // An agent that is made on request gets no role by itself (<https://docs.cloud.google.com/iam/docs/create-service-agents>).
    let help = format!(
        "make it, which changes nothing where it exists: \
         `gcloud beta services identity create --service pubsub.googleapis.com --project {project}`, and then \
         `gcloud projects add-iam-policy-binding {project} --member {agent} --role {ROLE} --condition None`"
    );
    Ok(vec![Problem::warning(Rule::Cloud, what, help).at("project")])
}

/// What a queue needs the agent for.
struct Need<'a> {
    id: &'a str,
    keeps_dead_letters: bool,
    is_pushed: bool,
}

impl<'a> Need<'a> {
    fn of(resource: &'a Resource, queue: &Queue, all: &[Resource]) -> Option<Self> {
        let id = resource.id().as_str();
        let is_pushed = all.iter().any(|other| other.settings().triggers().any(|queue| queue == id));
        let keeps_dead_letters = queue.has_dead_letters();
        (is_pushed || keeps_dead_letters).then_some(Self { id, keeps_dead_letters, is_pushed })
    }
}

impl fmt::Display for Need<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.keeps_dead_letters, self.is_pushed) {
            (true, true) => {
                write!(f, "it forwards the dead letters of `{}`, and makes the tokens of its pushes", self.id)
            }
            (true, false) => write!(f, "it forwards the dead letters of `{}`", self.id),
            (false, _) => write!(f, "it makes the tokens of the pushes of `{}`", self.id),
        }
    }
}

/// Whether a policy names the agent. If it cannot be read, that counts as if so: whoever lacks that right is told so elsewhere.
async fn is_named(cx: Context<'_>, needs: &[Need<'_>]) -> Result<bool> {
    let (agent, project) = (mover(cx), Paths(cx.target()).project());
    if names(policy::seen(cx, Guarded { subject: cx.subject, scope: Scope::Project, name: &project }).await, &agent)? {
        return Ok(true);
    }
    let deployment = cx.deployment();
    for need in needs {
        let subject = deployment.subject(need.id)?;
        for name in deployment.names().at(Scope::DeadTopic, subject) {
            if names(policy::seen(cx, Guarded { subject, scope: Scope::DeadTopic, name }).await, &agent)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether a policy names the agent. One of something that does not exist names nobody.
fn names(policy: Result<Option<Arc<Policy>>>, agent: &str) -> Result<bool> {
    match policy {
        Ok(policy) => Ok(policy.is_some_and(|policy| {
            policy.bindings.iter().any(|binding| binding.members.iter().any(|member| member == agent))
        })),
        Err(error) if error.kind() == ErrorKind::Denied => Ok(true),
        Err(error) => Err(error),
    }
}
