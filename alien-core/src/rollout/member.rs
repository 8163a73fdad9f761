//! The deployments of a rollout, as the host knows them, and in which wave each is.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::plan::{Canary, PlanBuilder, Wave};
use super::sequence::Sequence;
use super::why::Why;
use super::window::Window;
use crate::deployment::DeploymentId;
use crate::problem::{Problem, Rule};

/// A deployment that a release is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub(super) id: DeploymentId,
    pub(super) account: String,
    pub(super) ran: Option<Sequence>,
    pub(super) fence: u64,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) standing: Standing,
}

impl Member {
    /// Creates a member in a cloud account. `account` is any text that is the same for all deployments that share an
    /// account's quota.
    #[must_use]
    pub fn new(id: DeploymentId, account: impl Into<String>) -> Self {
        let (labels, standing) = (BTreeMap::new(), Standing::default());
        Self { id, account: account.into(), ran: None, fence: 0, labels, standing }
    }

    /// Sets the release whose content it runs. What runs a twin runs the content of an earlier release.
    #[must_use]
    pub fn running(mut self, release: Sequence) -> Self {
        self.ran = Some(release);
        self
    }

    /// Sets the highest fence that it had in any rollout: this one goes on from there.
    #[must_use]
    pub fn fence(mut self, fence: u64) -> Self {
        self.fence = fence;
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// Sets its pin, holds and window.
    #[must_use]
    pub fn standing(mut self, standing: Standing) -> Self {
        self.standing = standing;
        self
    }
}

/// What an operator, or its customer, has said of a deployment: whether and when it may be updated.
///
/// ```
/// use alien_core::rollout::Standing;
///
/// let standing = Standing::new(7).held("a demo until Friday");
/// assert_eq!(serde_json::to_string(&standing)?, r#"{"revision":7,"held":"a demo until Friday"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Standing {
    pub(super) revision: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pin: Option<Sequence>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    approval: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    admin_only: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) window: Option<Window>,
}

impl Standing {
    /// Creates the standing of a deployment that may be updated at any time. Of two, the one with the higher revision
    /// holds.
    #[must_use]
    pub fn new(revision: u64) -> Self {
        Self { revision, ..Self::default() }
    }

    /// Pins it to a release: no other is rolled out to it.
    #[must_use]
    pub fn pinned(mut self, release: Sequence) -> Self {
        self.pin = Some(release);
        self
    }

    /// Says that the customer revoked the access, and how that is known.
    #[must_use]
    pub fn revoked(mut self, why: impl Into<String>) -> Self {
        self.revoked = Some(why.into());
        self
    }

    /// Holds it for now, for this reason.
    #[must_use]
    pub fn held(mut self, why: impl Into<String>) -> Self {
        self.held = Some(why.into());
        self
    }

    /// Says that it awaits its customer's approval.
    #[must_use]
    pub fn awaiting_approval(mut self, why: impl Into<String>) -> Self {
        self.approval = Some(why.into());
        self
    }

    /// Says that its customer's admin must set up first, because the release changes what only the admin can.
    #[must_use]
    pub fn admin_only(mut self, why: impl Into<String>) -> Self {
        self.admin_only = Some(why.into());
        self
    }

    /// Sets when it may be updated.
    #[must_use]
    pub fn window(mut self, window: Window) -> Self {
        self.window = Some(window);
        self
    }

    /// Why it will not be updated to this release at all.
    pub(super) fn excludes(&self, release: Sequence) -> Option<Why> {
        let revoked = self.revoked.clone().map(Why::Revoked);
        revoked.or_else(|| self.pin.filter(|pin| *pin != release).map(Why::Pinned))
    }

    /// Why it must not be touched for now.
    pub(super) fn bars(&self) -> Option<Why> {
        let held = self.held.clone().map(Why::Held);
        let approval = || self.approval.clone().map(Why::Approval);
        held.or_else(approval).or_else(|| self.admin_only.clone().map(Why::AdminOnly))
    }
}

/// The wave of each member, in their order. Problems are members in no wave, and waves that name nobody.
pub(super) fn waves(release: Sequence, plan: &PlanBuilder, members: &[Member]) -> Result<Vec<u32>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut placed: Vec<Option<u32>> = vec![None; members.len()];
    let mut wave = 0;
    if let Some(canary) = &plan.canary {
        canaries(release, canary, members, &mut placed, &mut problems);
        wave += 1;
    }
    for (position, chosen) in plan.waves.iter().enumerate() {
        let taken = placed.iter().flatten().count();
        let limit = match chosen {
            Wave::Percent(percent) => (members.len() * *percent as usize).div_ceil(100).saturating_sub(taken),
            Wave::Count(count) => *count as usize,
            Wave::Label { .. } | Wave::Rest => members.len(),
        };
        let fits = |member: &Member| match chosen {
            Wave::Label { name, value } => member.labels.get(name) == Some(value),
            Wave::Percent(_) | Wave::Count(_) | Wave::Rest => true,
        };
        if let Wave::Label { name, value } = chosen
            && !members.iter().any(fits)
        {
            let what = format!("no deployment has the label `{name}` with the value `{value}`");
            problems.push(problem(format!("waves[{position}]"), what, "check the label, or leave the wave out"));
        }
        let free = members.iter().zip(&mut placed).filter(|(member, place)| place.is_none() && fits(member));
        free.take(limit).for_each(|(_, place)| *place = Some(wave));
        wave += 1;
    }
    let left = placed.iter().filter(|place| place.is_none()).count();
    if left > 0 {
        let what = format!("{left} of {} deployments are in no wave", members.len());
        problems.push(problem("waves".to_owned(), what, "end with 100 percent, or with a wave of the rest"));
    }
    if problems.is_empty() { Ok(placed.into_iter().flatten().collect()) } else { Err(problems) }
}

fn canaries(
    release: Sequence,
    canary: &Canary,
    members: &[Member],
    placed: &mut [Option<u32>],
    problems: &mut Vec<Problem>,
) {
    let is_ready = |member: &Member| {
        let standing = &member.standing;
        standing.excludes(release).is_none() && standing.bars().is_none() && standing.window.is_none()
    };
    match canary {
        Canary::Count(count) => {
            let mut left = *count;
            for ready in [true, false] {
                for (member, place) in members.iter().zip(placed.iter_mut()) {
                    if left > 0 && is_ready(member) == ready {
                        *place = Some(0);
                        left -= 1;
                    }
                }
            }
        }
        Canary::Named(names) => {
            let known: BTreeSet<DeploymentId> = members.iter().map(|member| member.id).collect();
            for name in names.difference(&known) {
                let what = format!("deployment {name} is not in the rollout");
                problems.push(problem("canary".to_owned(), what, "name one that the release is for"));
            }
            for (member, place) in members.iter().zip(placed.iter_mut()) {
                if names.contains(&member.id) {
                    *place = Some(0);
                }
            }
        }
    }
}

fn problem(at: String, what: String, help: &str) -> Problem {
    Problem::error(Rule::Setting, what, help.to_owned()).at(at)
}
