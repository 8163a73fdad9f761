//! What the customer lets its agent do and say.

use std::collections::BTreeSet;

use alien_core::rollout::{Sequence, Window};
use alien_core::{Error, Problem, ResourceId, Result, Rule};
use alien_release::agent::Waits;
use jiff::Timestamp;
use serde::Deserialize;

/// What the customer lets its agent do for the vendor, and what it may say. By default it takes every release at any time, answers no
/// commands, sends no logs, and says nothing in the cloud's own words. The manager cannot widen it.
///
/// ```
/// use alien_agent::Policy;
///
/// let policy = Policy::new().answering_commands("api".parse()?).sending_texts();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    commands: BTreeSet<ResourceId>,
    logs: BTreeSet<ResourceId>,
    pub(crate) sends_texts: bool,
    windows: Vec<Window>,
    approved: Option<BTreeSet<Sequence>>,
    not_below: Option<Sequence>,
}

/// The file of a policy. Each field may be left out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct File {
    #[serde(default)]
    commands: BTreeSet<String>,
    #[serde(default)]
    logs: BTreeSet<String>,
    #[serde(default)]
    texts: bool,
    #[serde(default)]
    windows: Vec<String>,
    approved: Option<BTreeSet<Sequence>>,
    not_below: Option<Sequence>,
}

impl Policy {
    /// The default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the file of a policy. Each field may be left out, and then the default holds:
    ///
    /// ```
    /// # use alien_agent::Policy;
    /// # use jiff::Timestamp;
    /// let file = r#"{
    ///     "windows": ["Mon-Fri 22:00-04:00 +01:00"],
    ///     "approved": [7, 8],
    ///     "notBelow": 7,
    ///     "commands": ["api"],
    ///     "logs": ["api", "worker"],
    ///     "texts": true
    /// }"#;
    /// let policy = Policy::from_json(file, Timestamp::now())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// * `windows`: the hours in which an update may begin ([`Window::read`]). One that began may end after them.
    /// * `approved`: the releases that may begin, by their numbers. Without it, every release may. The content to go back to is a
    ///   release with a number of its own, the next one: if it is not approved, a revert waits.
    /// * `notBelow`: the lowest release that may begin.
    /// * `commands`: the functions that the vendor may send commands to.
    /// * `logs`: the functions and containers whose logs the vendor may read.
    /// * `texts`: whether the cloud's own words of health and errors may leave the network.
    ///
    /// # Errors
    ///
    /// [`Input`](alien_core::ErrorKind::Input), with every problem: what is no JSON, a field that is unknown, a name or a window that
    /// cannot be read.
    pub fn from_json(text: &str, now: Timestamp) -> Result<Self> {
        let problem = |what: String, help: &str| Problem::error(Rule::Setting, what, help.to_owned());
        let file: File = serde_json::from_str(text).map_err(|error| {
            let help = "the fields are `windows`, `approved`, `notBelow`, `commands`, `logs` and `texts`";
            Error::from(vec![problem(format!("the policy cannot be read: {error}"), help)])
        })?;
        let mut problems = Vec::new();
        let mut names = |texts: BTreeSet<String>, at: &str| -> BTreeSet<ResourceId> {
            let parsed = texts.into_iter().filter_map(|text| {
                let id = text.parse::<ResourceId>();
                id.map_err(|error| problems.push(problem(error.to_string(), "name a resource of the stack").at(at)))
                    .ok()
            });
            parsed.collect()
        };
        let (commands, logs) = (names(file.commands, "commands"), names(file.logs, "logs"));
        let mut windows = Vec::new();
        for (position, text) in file.windows.iter().enumerate() {
            match Window::read(text, now) {
                Ok(window) => windows.push(window),
                Err(told) => {
                    let at = format!("windows[{position}]");
                    problems.extend(told.as_slice().iter().cloned().map(|problem| problem.at(&at)));
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems.into());
        }
        let File { texts: sends_texts, approved, not_below, .. } = file;
        Ok(Self { commands, logs, sends_texts, windows, approved, not_below })
    }

    /// Lets an update begin in these hours, beside those of other calls of this. Without any, it may begin at any time.
    #[must_use]
    pub fn updating_in(mut self, window: Window) -> Self {
        self.windows.push(window);
        self
    }

    /// Lets these releases begin, beside those of other calls of this, and no others.
    #[must_use]
    pub fn approving(mut self, releases: impl IntoIterator<Item = Sequence>) -> Self {
        self.approved.get_or_insert_default().extend(releases);
        self
    }

    /// Lets no release begin that is older than this one, whatever the agent has begun before.
    #[must_use]
    pub const fn not_below(mut self, release: Sequence) -> Self {
        self.not_below = Some(release);
        self
    }

    /// Lets the vendor send commands to a function.
    #[must_use]
    pub fn answering_commands(mut self, function: ResourceId) -> Self {
        self.commands.insert(function);
        self
    }

    /// Lets the vendor read the log of a function or container.
    #[must_use]
    pub fn sending_logs(mut self, resource: ResourceId) -> Self {
        self.logs.insert(resource);
        self
    }

    /// Lets the cloud's own words of health and errors out, at most 256 bytes each. Without it, codes alone leave the network.
    #[must_use]
    pub const fn sending_texts(mut self) -> Self {
        self.sends_texts = true;
        self
    }

    /// Why a release may not begin now.
    pub(crate) fn waits(&self, release: Sequence, now: Timestamp) -> Option<Waits> {
        if self.not_below.is_some_and(|lowest| release < lowest) {
            return Some(Waits::BelowFloor);
        }
        if self.approved.as_ref().is_some_and(|approved| !approved.contains(&release)) {
            return Some(Waits::Approval);
        }
        // A window that is open has no time at which it opens.
        let opens: Option<Vec<Timestamp>> = self.windows.iter().map(|window| window.opens(now)).collect();
        let opens = opens.filter(|_| !self.windows.is_empty())?;
        Some(Waits::Window { opens: opens.into_iter().min() })
    }

    /// The resources that it names.
    pub(crate) fn named(&self) -> impl Iterator<Item = &ResourceId> {
        self.commands.union(&self.logs)
    }

    pub(crate) fn lets_commands(&self, function: &ResourceId) -> bool {
        self.commands.contains(function)
    }

    pub(crate) fn lets_logs(&self, resource: &ResourceId) -> bool {
        self.logs.contains(resource)
    }

    /// A text of the cloud's own, if it may leave.
    pub(crate) fn text<'a>(&self, text: &'a str) -> Option<&'a str> {
        self.sends_texts.then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        // A Friday.
        "2026-11-27T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_file_is_the_same_as_calls() {
        let file = r#"{"windows": ["daily 22:00-04:00 UTC"], "approved": [7, 9], "notBelow": 8, "commands": ["api"],
                       "logs": ["worker"], "texts": true}"#;
        let built = Policy::new()
            .updating_in(Window::read("daily 22:00-04:00 UTC", now()).unwrap())
            .approving([Sequence::from(7), Sequence::from(9)])
            .not_below(Sequence::from(8))
            .answering_commands("api".parse().unwrap())
            .sending_logs("worker".parse().unwrap())
            .sending_texts();
        assert_eq!(Policy::from_json(file, now()).unwrap(), built);
        assert_eq!(Policy::from_json("{}", now()).unwrap(), Policy::new());
    }

    #[test]
    fn every_problem_of_a_file_is_told_with_its_place() {
        let file = r#"{"windows": ["daily", "Moon 22:00-23:00 UTC"], "commands": ["A B"], "logs": ["-"]}"#;
        let told: Vec<String> =
            Policy::from_json(file, now()).unwrap_err().problems().iter().map(ToString::to_string).collect();
        let places = ["`commands`: ", "`logs`: ", "`windows[0]`: ", "`windows[1]`: "];
        assert_eq!(told.len(), places.len(), "{told:?}");
        for (told, place) in told.iter().zip(places) {
            assert!(told.starts_with(&format!("error: {place}")), "{told}");
        }
        for (file, word) in [
            (r#"{"window": []}"#, "unknown field `window`"),
            ("", "the policy cannot be read"),
            (r#"{"texts": 1}"#, "line 1 column 11"),
        ] {
            let told = Policy::from_json(file, now()).unwrap_err().to_string();
            assert!(told.contains(word), "{told}");
        }
    }

    #[test]
    fn the_first_reason_to_wait_is_one_that_only_the_customer_can_end() {
        let seven = Sequence::from(7);
        assert_eq!(Policy::new().waits(seven, now()), None);
        let night = Window::read("daily 22:00-04:00 UTC", now()).unwrap();
        let evening = Window::read("daily 20:00-21:00 UTC", now()).unwrap();
        let windows = Policy::new().updating_in(night).updating_in(evening);
        let opens = Some("2026-11-27T20:00:00Z".parse().unwrap());
        assert_eq!(windows.waits(seven, now()), Some(Waits::Window { opens }));
        assert_eq!(windows.waits(seven, "2026-11-27T20:30:00Z".parse().unwrap()), None);
        assert_eq!(windows.waits(seven, "2026-11-27T22:30:00Z".parse().unwrap()), None);
        let approving = windows.clone().approving([Sequence::from(8)]);
        assert_eq!(approving.waits(seven, now()), Some(Waits::Approval));
        assert_eq!(approving.waits(Sequence::from(8), now()), Some(Waits::Window { opens }));
        assert_eq!(approving.not_below(Sequence::from(8)).waits(seven, now()), Some(Waits::BelowFloor));
    }
}
