//! The plan of a rollout: in which waves, how many at once, how long each is watched, and when it stops.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::version::Version;
use crate::deployment::DeploymentId;
use crate::form_version::FormVersion;
use crate::problem::{Problem, Problems, Rule};

/// The deployments that are updated first, to see whether the release works.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Canary {
    /// So many of them, and no more than there are. Those that can be updated at once are taken first.
    Count(u32),
    /// These.
    Named(BTreeSet<DeploymentId>),
}

/// The deployments of a wave. Whoever is in an earlier wave stays in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Wave {
    /// So many that this percentage of all deployments is in this wave or an earlier one, rounded up.
    Percent(u32),
    /// So many, and no more than are left.
    Count(u32),
    /// All that carry a label with this value.
    Label {
        /// The name of the label.
        name: String,
        /// Its value.
        value: String,
    },
    /// All that are left.
    Rest,
}

/// A number of deployments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Amount {
    /// This many.
    Count(u32),
    /// A percentage of all deployments of the rollout, rounded down, and at least one.
    Percent(u32),
}

impl Amount {
    /// The number, of so many in all.
    pub(super) const fn of(self, all: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => {
                let share = all as u64 * percent as u64 / 100;
                if share == 0 { 1 } else { share as u32 }
            }
        }
    }
}

/// What follows when the rollout is halted by its own rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnHalt {
    /// Nothing further is updated. What was updated stays as it is.
    Stop,
    /// What was updated in the present wave is reverted.
    RevertWave,
    /// Everything that was updated is reverted.
    RevertAll,
}

/// The percentage of bad outcomes that halts a rollout, once so many are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct HaltShare {
    /// How many must be good or bad before the percentage is looked at.
    pub(super) min: u32,
    pub(super) percent: u32,
}

/// The plan of a rollout, checked.
///
/// ```
/// use std::time::Duration;
/// use alien_core::rollout::{OnHalt, Plan};
///
/// let plan = Plan::builder()
///     .canary(2)
///     .then_percent([10, 100])
///     .gate_after(0)
///     .parallel(20)
///     .per_account(5)
///     .bake(Duration::from_secs(600))
///     .halt_at_share(5, 10)
///     .on_halt(OnHalt::RevertAll)
///     .pause_at_unreachable(30)
///     .build()?;
/// assert_eq!(plan.waves(), 3);
///
/// let file = serde_json::to_string(&plan)?;
/// assert_eq!(serde_json::from_str::<Plan>(&file)?, plan);
///
/// // Every problem is told at once.
/// let problems = Plan::builder().canary(0).parallel(0).then_percent([50, 20]).build().unwrap_err();
/// assert_eq!(problems.as_slice().len(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "PlanBuilder", into = "PlanBuilder")]
pub struct Plan(PlanBuilder);

/// Collects the options of a [`Plan`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[must_use = "call `build`"]
pub struct PlanBuilder {
    version: Version,
    pub(super) canary: Option<Canary>,
    pub(super) waves: Vec<Wave>,
    pub(super) parallel: Amount,
    pub(super) per_account: Option<u32>,
    pub(super) bake: SignedDuration,
    pub(super) looks: u32,
    pub(super) halt_at_bad: Option<u32>,
    pub(super) halt_at_share: Option<HaltShare>,
    pub(super) on_halt: OnHalt,
    pub(super) pause_at_unreachable: Option<u32>,
    pub(super) gates: BTreeSet<u32>,
    pub(super) to_twin: bool,
    pub(super) lease: SignedDuration,
    pub(super) retry: SignedDuration,
    pub(super) attempts: u32,
    pub(super) patience: SignedDuration,
}

impl Plan {
    /// Begins a plan. Unless told otherwise: one wave of all, 20 at once, watched for 10 minutes by two looks, halted
    /// when of at least 5 outcomes 20 % are bad, paused when half of a wave is unreachable.
    pub fn builder() -> PlanBuilder {
        PlanBuilder {
            version: FormVersion,
            canary: None,
            waves: Vec::new(),
            parallel: Amount::Count(20),
            per_account: None,
            bake: SignedDuration::from_mins(10),
            looks: 2,
            halt_at_bad: None,
            halt_at_share: Some(HaltShare { min: 5, percent: 20 }),
            on_halt: OnHalt::Stop,
            pause_at_unreachable: Some(50),
            gates: BTreeSet::new(),
            to_twin: false,
            lease: SignedDuration::from_mins(1),
            retry: SignedDuration::from_mins(1),
            attempts: 5,
            patience: SignedDuration::from_hours(7 * 24),
        }
    }

    /// The number of waves, the canary included.
    #[must_use]
    pub fn waves(&self) -> u32 {
        self.0.count()
    }

    /// How long a claim lasts unless it is renewed.
    #[must_use]
    pub const fn lease(&self) -> SignedDuration {
        self.0.lease
    }

    pub(super) const fn options(&self) -> &PlanBuilder {
        &self.0
    }
}

impl PlanBuilder {
    /// Puts a canary of so many deployments before the waves, or of all if there are fewer.
    pub fn canary(mut self, count: u32) -> Self {
        self.canary = Some(Canary::Count(count));
        self
    }

    /// Puts a canary of these deployments before the waves.
    pub fn canary_of(mut self, deployments: impl IntoIterator<Item = DeploymentId>) -> Self {
        self.canary = Some(Canary::Named(deployments.into_iter().collect()));
        self
    }

    /// Adds a wave.
    pub fn then(mut self, wave: Wave) -> Self {
        self.waves.push(wave);
        self
    }

    /// Adds a wave for each of these percentages of all deployments. They rise, each counts the waves before it, and
    /// the last is 100 unless another wave takes what is left.
    pub fn then_percent(self, percents: impl IntoIterator<Item = u32>) -> Self {
        percents.into_iter().fold(self, |plan, percent| plan.then(Wave::Percent(percent)))
    }

    /// Sets how many are updated at once: 1 or more.
    pub fn parallel(mut self, count: u32) -> Self {
        self.parallel = Amount::Count(count);
        self
    }

    /// Sets how many are updated at once, as a percentage of all: 1 to 100.
    pub fn parallel_percent(mut self, percent: u32) -> Self {
        self.parallel = Amount::Percent(percent);
        self
    }

    /// Sets how many are updated at once in one cloud account: 1 or more. It keeps an account's quota from being eaten.
    pub fn per_account(mut self, count: u32) -> Self {
        self.per_account = Some(count);
        self
    }

    /// Sets how long an updated deployment is watched before it is good: at most 30 days.
    pub fn bake(mut self, time: Duration) -> Self {
        self.bake = signed(time);
        self
    }

    /// Sets how many looks must find an updated deployment well before it is good: 2 to 100. They are spread over the
    /// time for which it is watched, and the last one is at its end.
    pub fn looks(mut self, looks: u32) -> Self {
        self.looks = looks;
        self
    }

    /// Halts the rollout when so many outcomes are bad: 1 or more.
    pub fn halt_at_bad(mut self, count: u32) -> Self {
        self.halt_at_bad = Some(count);
        self
    }

    /// Halts the rollout when of at least `min` outcomes that are good or bad this percentage is bad: 1 to 100.
    pub fn halt_at_share(mut self, min: u32, percent: u32) -> Self {
        self.halt_at_share = Some(HaltShare { min, percent });
        self
    }

    /// Sets what follows when the rollout is halted by its own rule.
    pub fn on_halt(mut self, on_halt: OnHalt) -> Self {
        self.on_halt = on_halt;
        self
    }

    /// Pauses the rollout when this percentage of a wave is unreachable: 1 to 100.
    pub fn pause_at_unreachable(mut self, percent: u32) -> Self {
        self.pause_at_unreachable = Some(percent);
        self
    }

    /// Waits for an approval after this wave. The first wave is 0: the canary, if there is one.
    pub fn gate_after(mut self, wave: u32) -> Self {
        self.gates.insert(wave);
        self
    }

    /// Reverts to the twin even what ran something older than the twin's content.
    pub fn to_twin(mut self) -> Self {
        self.to_twin = true;
        self
    }

    /// Sets how long a claim lasts unless it is renewed: 1 second to 1 hour.
    pub fn lease(mut self, time: Duration) -> Self {
        self.lease = signed(time);
        self
    }

    /// Sets how long a deployment waits until it is tried again (1 second to 1 day; it doubles each time, up to 16-fold),
    /// and after how many attempts that did not reach it, or were interrupted, it is given up: 1 to 100.
    pub fn retry(mut self, after: Duration, attempts: u32) -> Self {
        (self.retry, self.attempts) = (signed(after), attempts);
        self
    }

    /// Sets how long a wave waits for those whose window is closed, or that are held or await an approval: at most a
    /// year. The next wave does not wait for them if another deployment of theirs is good.
    pub fn patience(mut self, time: Duration) -> Self {
        self.patience = signed(time);
        self
    }

    /// Checks the plan.
    ///
    /// # Errors
    ///
    /// Every option that is outside its bounds.
    pub fn build(mut self) -> Result<Plan, Problems> {
        if self.waves.is_empty() {
            self.waves.push(Wave::Rest);
        }
        Problems::none(self.problems())?;
        Ok(Plan(self))
    }

    fn count(&self) -> u32 {
        (self.waves.len() + usize::from(self.canary.is_some())) as u32
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut check = |is_right: bool, at: &str, what: String, help: &str| {
            if !is_right {
                problems.push(Problem::error(Rule::Setting, what, help.to_owned()).at(at));
            }
        };
        let mut within = |at: &str, number: Option<u32>, least: u32, most: u32| {
            let number = number.unwrap_or(least);
            let help = if most == u32::MAX { format!("use {least} or more") } else { format!("use {least} to {most}") };
            check((least..=most).contains(&number), at, format!("{number} is out of bounds"), &help);
        };
        within("canary", self.canary.as_ref().map(Canary::len), 1, u32::MAX);
        let (count, percent) = match self.parallel {
            Amount::Count(count) => (Some(count), None),
            Amount::Percent(percent) => (None, Some(percent)),
        };
        within("parallel", count, 1, u32::MAX);
        within("parallel", percent, 1, 100);
        within("perAccount", self.per_account, 1, u32::MAX);
        within("looks", Some(self.looks), 2, 100);
        within("haltAtBad", self.halt_at_bad, 1, u32::MAX);
        within("haltAtShare.min", self.halt_at_share.map(|share| share.min), 1, u32::MAX);
        within("haltAtShare.percent", self.halt_at_share.map(|share| share.percent), 1, 100);
        within("pauseAtUnreachable", self.pause_at_unreachable, 1, 100);
        within("attempts", Some(self.attempts), 1, 100);
        let mut before = 0;
        for (position, wave) in self.waves.iter().enumerate() {
            let at = format!("waves[{position}]");
            match wave {
                Wave::Percent(percent) => {
                    within(&at, Some(*percent), before + 1, 100);
                    before = (*percent).min(100);
                }
                Wave::Count(count) => within(&at, Some(*count), 1, u32::MAX),
                Wave::Label { .. } | Wave::Rest => {}
            }
        }
        let no_halt = self.halt_at_bad.is_none() && self.halt_at_share.is_none();
        check(!no_halt, "haltAtShare", "nothing halts the rollout".to_owned(), "say when it is halted");
        let second = SignedDuration::from_secs(1);
        for (at, time, least, most) in [
            ("bake", self.bake, SignedDuration::ZERO, SignedDuration::from_hours(30 * 24)),
            ("lease", self.lease, second, SignedDuration::from_hours(1)),
            ("retry", self.retry, second, SignedDuration::from_hours(24)),
            ("patience", self.patience, SignedDuration::ZERO, SignedDuration::from_hours(365 * 24)),
        ] {
            check(
                (least..=most).contains(&time),
                at,
                format!("{time:#} is out of bounds"),
                &format!("use {least:#} to {most:#}"),
            );
        }
        for (position, wave) in self.waves.iter().enumerate() {
            let takes_all = matches!(wave, Wave::Rest | Wave::Percent(100));
            let is_last = position + 1 == self.waves.len();
            let what = "no deployment is left for the waves after it".to_owned();
            check(!takes_all || is_last, &format!("waves[{position}]"), what, "make it the last wave");
        }
        for gate in &self.gates {
            let what = format!("no wave comes after wave {gate}");
            check(gate + 1 < self.count(), "gates", what, "put the gate after an earlier wave");
        }
        problems
    }
}

impl Canary {
    fn len(&self) -> u32 {
        match self {
            Self::Count(count) => *count,
            Self::Named(names) => names.len() as u32,
        }
    }
}

impl TryFrom<PlanBuilder> for Plan {
    type Error = Problems;

    fn try_from(plan: PlanBuilder) -> Result<Self, Problems> {
        plan.build()
    }
}

impl From<Plan> for PlanBuilder {
    fn from(plan: Plan) -> Self {
        plan.0
    }
}

fn signed(time: Duration) -> SignedDuration {
    SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX)
}
