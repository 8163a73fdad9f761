//! The flags that say how a release is rolled out.

use std::time::Duration;

use alien_core::Problems;
use alien_core::rollout::{Amount, Canary, OnHalt, Plan, Wave};
use clap::ValueEnum;

use crate::since::duration;

/// In which waves a release is rolled out, and when it stops.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "The plan")]
pub(crate) struct PlanArgs {
    /// Update these deployments first, as wave 0: so many, or these ids, separated by commas
    #[arg(long, value_name = "N|ID,ID", value_parser = canary)]
    pub(crate) canary: Option<Canary>,
    /// The waves, separated by commas: `10` for 10 % of all, the waves before it included; `count:5`; `label:NAME=VALUE`;
    /// `rest`. Without it, one wave of all
    #[arg(long, value_name = "WAVES", value_parser = wave, value_delimiter = ',')]
    pub(crate) waves: Vec<Wave>,
    /// Update so many at once, as a number or as `10%` of all [default: 20]
    #[arg(long, value_name = "N|N%", value_parser = amount)]
    pub(crate) parallel: Option<Amount>,
    /// Update so many at once in one cloud account
    #[arg(long, value_name = "N")]
    pub(crate) per_account: Option<u32>,
    /// Watch an updated deployment for this long before it counts as good [default: 10m]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) bake: Option<Duration>,
    /// Look at it so often in that time [default: 2]
    #[arg(long, value_name = "N")]
    pub(crate) looks: Option<u32>,
    /// Halt when so many are bad (`3`), or when of at least so many a share is bad (`5:20%`); repeat the flag for both
    /// [default: 5:20%]
    #[arg(long, value_name = "N|N:N%", value_parser = halt, value_delimiter = ',')]
    pub(crate) halt: Vec<Halt>,
    /// What follows when it is halted by that rule [default: stop]
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) on_halt: Option<OnHaltName>,
    /// Pause when this share of a wave is unreachable [default: 50%]
    #[arg(long, value_name = "N%", value_parser = percent)]
    pub(crate) pause_at_unreachable: Option<u32>,
    /// Wait for `alien rollout approve` after this wave; repeat the flag for each
    #[arg(long, value_name = "WAVE", value_delimiter = ',')]
    pub(crate) gate_after: Vec<u32>,
    /// Give a worker's claim up after so long, unless it is renewed: after a manager was killed, others wait that long
    /// [default: 1m]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) lease: Option<Duration>,
    /// Revert also what ran something older than what the release is reverted to
    #[arg(long)]
    pub(crate) to_twin: bool,
}

/// What follows when a rollout is halted by its own rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnHaltName {
    /// Update nothing further
    Stop,
    /// Revert what was updated in the present wave
    RevertWave,
    /// Revert everything that was updated
    RevertAll,
}

/// When a rollout is halted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Halt {
    Bad(u32),
    Share { min: u32, percent: u32 },
}

impl PlanArgs {
    /// The plan.
    ///
    /// # Errors
    ///
    /// Every flag that is outside its bounds.
    pub(crate) fn plan(&self) -> Result<Plan, Problems> {
        let mut plan = Plan::builder();
        plan = match &self.canary {
            Some(Canary::Count(count)) => plan.canary(*count),
            Some(Canary::Named(names)) => plan.canary_of(names.iter().copied()),
            None => plan,
        };
        plan = self.waves.iter().cloned().fold(plan, |plan, wave| plan.then(wave));
        plan = match self.parallel {
            Some(Amount::Count(count)) => plan.parallel(count),
            Some(Amount::Percent(percent)) => plan.parallel_percent(percent),
            None => plan,
        };
        plan = self.per_account.into_iter().fold(plan, |plan, count| plan.per_account(count));
        plan = self.bake.into_iter().fold(plan, |plan, time| plan.bake(time));
        plan = self.looks.into_iter().fold(plan, |plan, looks| plan.looks(looks));
        plan = self.halt.iter().fold(plan, |plan, halt| match *halt {
            Halt::Bad(count) => plan.halt_at_bad(count),
            Halt::Share { min, percent } => plan.halt_at_share(min, percent),
        });
        plan = self.on_halt.into_iter().fold(plan, |plan, what| {
            plan.on_halt(match what {
                OnHaltName::Stop => OnHalt::Stop,
                OnHaltName::RevertWave => OnHalt::RevertWave,
                OnHaltName::RevertAll => OnHalt::RevertAll,
            })
        });
        plan = self.pause_at_unreachable.into_iter().fold(plan, |plan, share| plan.pause_at_unreachable(share));
        plan = self.gate_after.iter().fold(plan, |plan, wave| plan.gate_after(*wave));
        plan = self.lease.into_iter().fold(plan, |plan, time| plan.lease(time));
        if self.to_twin {
            plan = plan.to_twin();
        }
        plan.build()
    }
}

fn number(text: &str) -> Option<u32> {
    text.parse().ok()
}

/// `10%`
fn share(text: &str) -> Option<u32> {
    number(text.strip_suffix('%')?)
}

fn percent(text: &str) -> Result<u32, String> {
    share(text).or_else(|| number(text)).ok_or_else(|| "write a percentage, as `50%`".to_owned())
}

fn amount(text: &str) -> Result<Amount, String> {
    let amount = share(text).map(Amount::Percent).or_else(|| number(text).map(Amount::Count));
    amount.ok_or_else(|| "write a number, as `20`, or a percentage, as `10%`".to_owned())
}

fn canary(text: &str) -> Result<Canary, String> {
    if let Some(count) = number(text) {
        return Ok(Canary::Count(count));
    }
    let names: Result<_, _> = text.split(',').map(str::parse).collect();
    names.map(Canary::Named).map_err(|_| "write a number, or ids of deployments with commas between them".to_owned())
}

fn wave(text: &str) -> Result<Wave, String> {
    let wave = match text.split_once(':') {
        Some(("count", count)) => number(count).map(Wave::Count),
        Some(("label", label)) => label
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .map(|(name, value)| Wave::Label { name: name.to_owned(), value: value.to_owned() }),
        None if text == "rest" => Some(Wave::Rest),
        None => share(text).or_else(|| number(text)).map(Wave::Percent),
        Some(_) => None,
    };
    wave.ok_or_else(|| "write a percentage, `count:N`, `label:NAME=VALUE` or `rest`".to_owned())
}

fn halt(text: &str) -> Result<Halt, String> {
    let halt = match text.split_once(':') {
        Some((min, percent)) => number(min).zip(share(percent)).map(|(min, percent)| Halt::Share { min, percent }),
        None => number(text).map(Halt::Bad),
    };
    halt.ok_or_else(|| "write how many, as `3`, or a share of at least so many, as `5:20%`".to_owned())
}

/// Reads how long something takes: `10m`, `1h 30m`, `0s`.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    duration(text).and_then(|time| time.try_into().ok()).ok_or_else(|| "write how long, as `10m` or `2h`".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        plan: PlanArgs,
    }

    fn parsed(line: &str) -> PlanArgs {
        let words = line.split_whitespace();
        Line::try_parse_from(["release"].into_iter().chain(words)).map(|line| line.plan).unwrap()
    }

    /// The options that a line changes, as the plan's file has them.
    fn changed(line: &str) -> Value {
        let (plan, default) = (parsed(line).plan().unwrap(), Plan::builder().build().unwrap());
        let (plan, default) = (serde_json::to_value(plan).unwrap(), serde_json::to_value(default).unwrap());
        let is_changed = |(name, value): &(&String, &Value)| default.get(name) != Some(value);
        plan.as_object().unwrap().iter().filter(is_changed).map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    #[test]
    fn flags_become_a_plan() {
        assert_eq!(changed(""), json!({}));
        let whole = "--canary 2 --waves 10,50%,100 --parallel 5% --per-account 3 --bake 1h30m --looks 4 --halt 3,5:10% \
            --on-halt revert-all --gate-after 0,1 --to-twin --pause-at-unreachable 30% --lease 30s";
        assert_eq!(
            changed(whole),
            json!({
                "canary": { "count": 2 }, "waves": [{ "percent": 10 }, { "percent": 50 }, { "percent": 100 }],
                "parallel": { "percent": 5 }, "perAccount": 3, "bake": "PT1H30M", "looks": 4, "haltAtBad": 3,
                "haltAtShare": { "min": 5, "percent": 10 }, "onHalt": "revert-all", "gates": [0, 1], "toTwin": true,
                "pauseAtUnreachable": 30, "lease": "PT30S",
            })
        );
        let (one, other) = ("01890000-0000-7000-8000-000000000001", "01890000-0000-7000-8000-000000000002");
        assert_eq!(
            changed(&format!("--canary {one},{other} --waves label:tier=free,count:5,rest --parallel 7")),
            json!({
                "canary": { "named": [one, other] }, "parallel": { "count": 7 },
                "waves": [{ "label": { "name": "tier", "value": "free" } }, { "count": 5 }, "rest"],
            })
        );
    }

    #[test]
    fn what_is_out_of_bounds_is_told_all_at_once() {
        let problems = parsed("--canary 0 --waves 50,20 --parallel 0 --halt 0").plan().unwrap_err();
        assert!(problems.as_slice().len() >= 4, "{problems:?}");
    }

    #[test]
    fn what_is_no_plan_is_refused_with_its_form() {
        for (line, words) in [
            ("--canary some", "a number, or ids"),
            ("--waves half", "a percentage, `count:N`"),
            ("--waves label:=free", "`label:NAME=VALUE`"),
            ("--waves count:x", "`count:N`"),
            ("--halt 5:20", "as `5:20%`"),
            ("--bake long", "as `10m`"),
            ("--bake -10m", ""),
            ("--parallel many", "as `20`"),
        ] {
            let told = Line::try_parse_from(["release"].into_iter().chain(line.split_whitespace())).unwrap_err();
            assert!(told.to_string().contains(words), "{line}: {told}");
        }
    }
}
