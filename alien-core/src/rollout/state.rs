//! A rollout: its own row, and those of its deployments.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::advance::{advance, order};
use super::due::{self, Task};
use super::event::{Action, Event, Refusal};
use super::head::{Head, Phase};
use super::member::{Member, waves};
use super::plan::{OnHalt, Plan};
use super::row::Row;
use super::sequence::{Sequence, Twin};
use super::step::step;
use super::why::Why;
use crate::deployment::DeploymentId;
use crate::problem::{Problem, Problems, Rule};
use crate::unique;

/// A release on its way to many deployments: the rollout's own row, and those of its deployments, or some of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rollout {
    head: Head,
    #[serde(deserialize_with = "unique::map")]
    rows: BTreeMap<DeploymentId, Row>,
}

impl Rollout {
    /// Plans the rollout of a release to these deployments. The order of the members is the one in which they are taken
    /// for the canary and the waves.
    ///
    /// # Errors
    ///
    /// Every deployment that is named twice, that is in no wave or that the canary names and the release is not for; a
    /// label that nobody has; a plan that reverts a release without a twin; a twin that does not follow the release.
    pub fn new(release: Sequence, twin: Option<Twin>, plan: Plan, members: Vec<Member>) -> Result<Self, Problems> {
        let problem = |at: &str, what: String, help: &str| Problem::error(Rule::Setting, what, help.to_owned()).at(at);
        let mut problems = Vec::new();
        let mut seen = BTreeSet::new();
        for member in members.iter().filter(|member| !seen.insert(member.id)) {
            let what = format!("deployment {} is named twice", member.id);
            problems.push(problem("members", what, "name each once"));
        }
        if members.is_empty() {
            problems.push(problem("members", "there is no deployment".to_owned(), "name one at least"));
        }
        if twin.is_none() && plan.options().on_halt != OnHalt::Stop {
            let what = "the release has no twin to revert to".to_owned();
            problems.push(problem("onHalt", what, "publish it with a twin, or stop when it is halted"));
        }
        if let Some(twin) = twin.filter(|twin| twin.sequence != release.twin() || twin.content >= release) {
            let what =
                format!("release {} with the content of {} is no twin of {release}", twin.sequence, twin.content);
            problems.push(problem("twin", what, "give the one that was published with the release"));
        }
        let waves = waves(release, plan.options(), &members).unwrap_or_else(|found| {
            problems.extend(found);
            Vec::new()
        });
        Problems::none(problems)?;
        let placed = members.into_iter().zip(waves);
        let rows = placed.map(|(member, wave)| (member.id, Row::new(member, wave))).collect::<BTreeMap<_, _>>();
        let mut head = Head::new(release, twin, plan);
        rows.values().for_each(|row| head.enter(row));
        Ok(Self { head, rows })
    }

    /// Puts a rollout together from its own row and rows of deployments: the one that an event is about is enough for
    /// [`next`](super::next), and what it gives is the same as with all.
    #[must_use]
    pub fn from_rows(head: Head, rows: impl IntoIterator<Item = (DeploymentId, Row)>) -> Self {
        Self { head, rows: rows.into_iter().collect() }
    }

    /// The rollout's own row.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// The rows of its deployments.
    #[must_use]
    pub const fn rows(&self) -> &BTreeMap<DeploymentId, Row> {
        &self.rows
    }

    /// Changes the rollout by an event, in place: what [`next`](super::next) does, without a copy.
    #[must_use = "what follows is told once"]
    pub fn apply(&mut self, event: &Event, now: Timestamp) -> Vec<Action> {
        let mut actions = Vec::new();
        let done = match event.deployment() {
            None => order(&mut self.head, event, now, &mut actions),
            Some(deployment) => self.change(deployment, event, now, &mut actions),
        };
        if let Err(refusal) = done {
            actions.push(Action::Refused(refusal));
        }
        advance(&mut self.head, now, &mut actions);
        actions
    }

    fn change(
        &mut self,
        deployment: DeploymentId,
        event: &Event,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refusal> {
        let row = self.rows.get_mut(&deployment).ok_or(Refusal::NoRow)?;
        let before = row.clone();
        let done = step(&self.head, row, event, now, actions);
        // An outcome is told where it comes to be, so it can be neither forgotten nor told twice.
        for (before, outcome) in [(&before.outcome, &row.outcome), (&before.reverted, &row.reverted)] {
            if let (None, Some(outcome)) = (before, outcome) {
                actions.push(Action::Tell { deployment, outcome: outcome.clone() });
            }
        }
        self.head.recount(&before, row);
        done
    }

    /// What is due now, for each deployment whose row is loaded.
    pub fn due(&self, now: Timestamp) -> impl Iterator<Item = (DeploymentId, Task)> {
        self.rows.iter().filter_map(move |(id, row)| Some((*id, due::task(&self.head, row, now)?)))
    }

    /// When something is due next, if no event comes before: [`Event::Tick`], or a task of a deployment whose row is
    /// loaded. `None` if nothing is.
    #[must_use]
    pub fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let waits = self.head.phase.is_rolling() || self.head.phase == Phase::Reverting;
        let patience = self.head.opened.saturating_add(self.head.options().patience);
        let patience = self.head.reaches(patience).filter(|at| waits && *at > now);
        self.rows.values().filter_map(|row| due::next(&self.head, row, now)).chain(patience).min()
    }

    /// Why this deployment waits; `None` if nothing keeps it, or it does not wait.
    #[must_use]
    pub fn why(&self, deployment: DeploymentId, now: Timestamp) -> Option<Why> {
        due::why(&self.head, self.rows.get(&deployment)?, now)
    }
}
