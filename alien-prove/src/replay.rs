//! Replays a recorded proof without a network.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fmt, fs};

use alien_core::adapter::Exchange;
use alien_core::{
    AnyTarget, CallConfig, Clock, Code, Connection, Error, ErrorKind, Invitation, RecordsInMemory, Result, Retry,
    SystemClock,
};
use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::cloud::Provable;
use crate::findings::Findings;
use crate::life::Life;
use crate::product::Product;
use crate::recording::Recording;

/// The parameters of a proof, beside its invitation: `begun.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Begun {
    /// Where the deployment is set up.
    pub target: AnyTarget,
    /// The image.
    pub image: Code,
    /// Whether the image answers commands.
    pub commands: bool,
    /// The name of the vendor's sessions.
    pub operator: String,
    /// The address of an emulator, in the place of the cloud's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_url: Option<String>,
}

/// The file with a [`Begun`].
pub const BEGUN: &str = "begun.json";
/// The file with the invitation.
pub const INVITATION: &str = "invitation.json";
/// The file with the [`Findings`].
pub const FINDINGS: &str = "findings.json";
/// The file with every request and its answer, a [`Line`](crate::Line) each.
pub const EXCHANGES: &str = "exchanges.jsonl";

/// A proof that was recorded.
#[derive(Debug)]
pub struct Proof {
    begun: Begun,
    invitation: Invitation,
    findings: Findings,
    recording: Recording,
}

/// What a replay shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// How many requests were recorded.
    pub exchanges: usize,
    /// How many steps were taken.
    pub steps: usize,
    /// The differences from the recording, by exchange, step and fact.
    pub differences: Vec<String>,
}

impl Proof {
    /// Reads the folder that `alien-prove run` wrote.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] for a file that is missing or in another form, and for a proof that was interrupted.
    pub fn read(folder: &Path) -> Result<Self> {
        let wrong = |name: &str, why: &dyn fmt::Display| {
            Error::new(ErrorKind::Input, format!("`{}`: {why}", folder.join(name).display()))
        };
        let text = |name: &str| fs::read_to_string(folder.join(name)).map_err(|error| wrong(name, &error));
        let begun = serde_json::from_str(&text(BEGUN)?).map_err(|error| wrong(BEGUN, &error))?;
        let invitation = Invitation::from_json(&text(INVITATION)?).map_err(|error| wrong(INVITATION, &error))?;
        let findings: Findings = serde_json::from_str(&text(FINDINGS)?).map_err(|error| wrong(FINDINGS, &error))?;
        if findings.interrupted {
            return Err(wrong(
                FINDINGS,
                &"the proof was interrupted: nobody can interrupt it again at the same moment",
            ));
        }
        let recording = Recording::read(&text(EXCHANGES)?).map_err(|error| wrong(EXCHANGES, &error))?;
        Ok(Self { begun, invitation, findings, recording })
    }

    /// Replays it. Makes no call: every request gets its recorded answer, and time is that of the recording.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] for a cloud that this version does not know, and for one whose clients take no recorded answers.
    pub async fn replay(self) -> Result<Replayed> {
        let Self { begun, invitation, findings, recording } = self;
        let cloud = crate::ALL.into_iter().find(|known| known.adapter().cloud() == findings.cloud);
        let unknown = || Error::new(ErrorKind::Input, format!("there are no facts of `{}`", findings.cloud));
        let (exchanges, steps) = (recording.len(), findings.steps.len());
        let stage = Arc::new(Stage::new(recording, findings.begun));
        let life = life(cloud.ok_or_else(unknown)?, begun, invitation, &stage).await?;
        let lived = life.live(std::future::pending()).await;
        let mut differences = stage.lock().recording.differences();
        let ends = stage.ends();
        let mut seen = BTreeSet::new();
        for taken in findings.steps.iter().chain(&lived.steps).filter(|taken| seen.insert(taken.step.clone())) {
            let of = |findings: &Findings| -> Vec<Option<String>> {
                let taken = findings.steps.iter().filter(|one| one.step == taken.step);
                taken.map(|one| one.failure.clone()).collect()
            };
            let (before, now) = (of(&findings), of(&lived));
            let failed = |ends: &[Option<String>]| ends.iter().map(Option::is_some).collect::<Vec<_>>();
            if failed(&before) == failed(&now) {
                continue;
            }
            let how = match (now.is_empty(), now.into_iter().flatten().last()) {
                (true, _) => "is not reached".to_owned(),
                (false, Some(why)) => format!("fails: {why}"),
                (false, None) => "succeeds".to_owned(),
            };
            let last = ends.get(&taken.step).map_or("nothing", String::as_str);
            differences
                .push(format!("`{}` {how}; when it was recorded it did not. Before it ended came {last}", taken.step));
        }
        for before in &findings.facts {
            let now = lived.facts.iter().find(|now| now.fact == before.fact);
            let verdict = now.map_or("none", |now| now.verdict.name());
            if verdict != before.verdict.name() {
                let recorded = before.verdict.name();
                differences.push(format!("the fact `{}`: recorded `{recorded}`, now `{verdict}`", before.fact));
            }
        }
        if findings.left != lived.left {
            differences.push(format!("left: recorded {:?}, now {:?}", findings.left, lived.left));
        }
        Ok(Replayed { exchanges, steps, differences })
    }
}

async fn life(cloud: &'static dyn Provable, begun: Begun, invitation: Invitation, stage: &Arc<Stage>) -> Result<Life> {
    let Begun { target, image, commands, operator, endpoint_url } = begun;
    let product = Product::new(cloud.adapter(), &image, commands)?;
    let (clock, answering, told) = (Arc::clone(stage), Arc::clone(stage), Arc::clone(stage));
    // A retry waits for the cloud, and its next answer is recorded.
    let retry = Retry { first: Duration::ZERO, most: Duration::ZERO, ..Retry::default() };
    let calls = CallConfig::new(Arc::clone(stage) as _).with_retry(retry).with_answers(Arc::new(move |asked| {
        let answering = Arc::clone(&answering);
        Box::pin(async move { answering.answer(asked).await })
    }));
    let connection = Connection::new(calls, operator);
    let connection =
        endpoint_url.into_iter().fold(connection, |connection, url| connection.with_option("endpointUrl", url));
    let told = Box::new(move |step: crate::Step| told.begins(step.to_string()));
    Life::connected(cloud, invitation, target, product, [&connection; 2], Arc::new(RecordsInMemory::new()), clock, told)
        .await
}

/// The clock and the answers of a replay.
struct Stage(Mutex<State>);

struct State {
    recording: Recording,
    step: String,
    now: Timestamp,
    /// When a request or a wait last began or ended.
    active: Instant,
    /// Whether a request was not recorded.
    is_lost: bool,
    /// The last exchange of each step that has ended.
    ends: BTreeMap<String, String>,
}

impl State {
    fn is_due(&self, asked: &Exchange) -> bool {
        self.is_lost || self.recording.is_next(&self.step, asked) || self.active.elapsed() > MOMENT
    }

    /// Returns whether a wait until `end` is over: the next answer came later.
    fn is_over(&self, end: Timestamp) -> bool {
        let next = self.recording.next_of(&self.step);
        self.is_lost || self.now >= end || next.is_none_or(|next| next >= end) || self.active.elapsed() > MOMENT
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").finish_non_exhaustive()
    }
}

impl Stage {
    fn new(recording: Recording, begun: Timestamp) -> Self {
        let (step, active, ends) = (String::new(), Instant::now(), BTreeMap::new());
        Self(Mutex::new(State { recording, step, now: begun, active, is_lost: false, ends }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begins(&self, step: String) {
        let mut state = self.lock();
        let before = std::mem::replace(&mut state.step, step);
        let last = state.recording.last();
        state.ends.insert(before, last);
    }

    fn ends(&self) -> BTreeMap<String, String> {
        self.begins(String::new());
        self.lock().ends.clone()
    }

    /// Answers in the recorded order: concurrent requests may come in another order now, and an answer can depend on an earlier one. Stops
    /// waiting for an earlier request after [`MOMENT`].
    async fn answer(&self, asked: Exchange) -> Result<Exchange> {
        self.lock().active = Instant::now();
        while !self.lock().is_due(&asked) {
            SystemClock.sleep(Duration::from_millis(1)).await;
        }
        let mut state = self.lock();
        state.active = Instant::now();
        let step = state.step.clone();
        match state.recording.answer(&step, &asked) {
            Ok((answered, at)) => {
                state.now = state.now.max(at);
                Ok(answered)
            }
            // From now on the recording does not say what time it is.
            Err(why) => {
                state.is_lost = true;
                Err(Error::new(ErrorKind::Internal, why))
            }
        }
    }
}

/// How long a request waits for an earlier one while nothing else happens.
const MOMENT: Duration = Duration::from_secs(3);

/// Time passes with the answers: a wait ends once the next recorded answer is a later one.
#[async_trait]
impl Clock for Stage {
    fn now(&self) -> Timestamp {
        self.lock().now
    }

    async fn sleep(&self, duration: Duration) {
        let end = self.now().checked_add(duration).unwrap_or(Timestamp::MAX);
        loop {
            // Lets other tasks run.
            SystemClock.sleep(Duration::from_millis(1)).await;
            let mut state = self.lock();
            if state.is_over(end) {
                (state.now, state.active) = (state.now.max(end), Instant::now());
                return;
            }
        }
    }
}
