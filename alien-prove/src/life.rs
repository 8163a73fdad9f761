//! A deployment's life from its plan to its end, where what fails is told and the rest goes on.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alien_core::adapter::Options;
use alien_core::{
    Action, Admin, AnyTarget, Clock, Connection, Container, Data, Deployment, ErrorKind, Function, Health, Impersonate,
    Invitation, Live, Manager, RecordStore, Result,
};
use futures_util::TryStreamExt as _;
use futures_util::future::{BoxFuture, Either, select};

use crate::cloud::{Outcome, Outsider, Provable};
use crate::findings::{Ended, Findings, Log, left};
use crate::product::{API, COMMAND, LIVE, Product, RESOURCES, WORKER};
use crate::step::Step;

/// How long a resource may take until it is healthy, a log until it shows a line, and a revocation until it is seen: a little more
/// than the longest time that a cloud's documentation says.
const PATIENCE: Duration = Duration::from_secs(12 * 60);
/// How long the network interfaces of what was deleted may take to go
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html>), so how often a take-down is tried again.
const UNTIL_GONE: Duration = Duration::from_secs(40 * 60);
/// The wait between two looks.
const PAUSE: Duration = Duration::from_secs(5);

/// Both sides of a deployment that is made to be proved with.
pub struct Life {
    /// What is proved.
    pub cloud: &'static dyn Provable,
    /// The invitation.
    pub invitation: Invitation,
    /// Where it goes.
    pub target: AnyTarget,
    /// The customer's admin.
    pub admin: Admin,
    /// The vendor.
    pub vendor: Arc<dyn Impersonate>,
    /// The vendor without this library.
    pub outsider: Box<dyn Outsider>,
    /// What is set up, and then released.
    pub product: Product,
    /// Keeps the record.
    pub store: Arc<dyn RecordStore>,
    /// The clock that waiting uses.
    pub clock: Arc<dyn Clock>,
    /// Is told of each step before it is taken.
    pub told: Box<dyn Fn(Step) + Send + Sync>,
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Life").field("cloud", &self.cloud).field("id", &self.invitation.id).finish_non_exhaustive()
    }
}

/// What a step that fails is told by.
type Told<T> = Result<T, String>;

/// Whether the vendor sees the live function.
async fn sees(manager: &Manager) -> Result<()> {
    manager.heartbeat(&manager.find::<Function, Live>(API)?).await.map(drop)
}

fn words(error: impl fmt::Display) -> String {
    error.to_string()
}

impl Life {
    /// Connects both sides: the customer's admin by the first connection, the vendor by the second, and the vendor without this library
    /// by that too.
    ///
    /// # Errors
    ///
    /// As [`Adapter::admin`](alien_core::Adapter::admin) and [`Adapter::vendor`](alien_core::Adapter::vendor).
    #[expect(clippy::too_many_arguments, reason = "each is a part of the life")]
    pub async fn connected(
        cloud: &'static dyn Provable,
        invitation: Invitation,
        target: AnyTarget,
        product: Product,
        [admin, vendor]: [&Connection; 2],
        store: Arc<dyn RecordStore>,
        clock: Arc<dyn Clock>,
        told: Box<dyn Fn(Step) + Send + Sync>,
    ) -> Result<Self> {
        let record = cloud.adapter().record(&invitation, &target)?;
        let admin = cloud.adapter().admin(invitation.id, &target, admin).await?;
        let outsider = cloud.outsider(&record, vendor).await?;
        let vendor = cloud.adapter().vendor(&target, vendor).await?;
        Ok(Self { cloud, invitation, target, admin, vendor, outsider, product, store, clock, told })
    }

    /// Lives it: what can be tried is tried, also where something before it failed, and everything is taken down in the end. Where
    /// `interrupted` ends first, it is taken down at once.
    ///
    /// Calls what [`Provable::needs`] lists.
    pub async fn live(&self, interrupted: impl Future<Output = ()> + Send) -> Findings {
        let begun = self.clock.now();
        let mut log = Log::default();
        let was_interrupted = {
            let lived = std::pin::pin!(self.until_the_end(&mut log));
            let interrupted = std::pin::pin!(interrupted);
            matches!(select(lived, interrupted).await, Either::Right(_))
        };
        let left = self.end(&mut log).await;
        let seconds = Duration::try_from(self.clock.now().duration_since(begun)).unwrap_or_default().as_secs();
        let findings = Findings {
            cloud: self.cloud.adapter().cloud().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            begun,
            seconds,
            interrupted: was_interrupted,
            steps: log.steps(),
            facts: self.cloud.facts().iter().map(|fact| log.judge(fact)).collect(),
            left,
        };
        self.nameless(findings)
    }

    /// Takes a step, and says how it ended. Returns what it gave, if it succeeded.
    async fn step<T>(&self, log: &mut Log, step: Step, doing: impl Future<Output = Told<T>> + Send) -> Option<T> {
        (self.told)(step);
        let begun = self.clock.now();
        let done = doing.await;
        let took = Duration::try_from(self.clock.now().duration_since(begun)).unwrap_or_default();
        let (ended, given) = match done {
            Ok(given) => (Ended::Well(String::new()), Some(given)),
            Err(why) => (Ended::Badly(why), None),
        };
        log.add(step, took, ended);
        given
    }

    async fn until_the_end(&self, log: &mut Log) {
        let Self { admin, product, vendor, invitation, .. } = self;
        let first = &product.first;
        let plan = self.step(log, Step::Plan, async {
            let plan = admin.plan(first).await.map_err(words)?;
            plan.refusal().map_err(words)?;
            Ok(plan)
        });
        let Some(plan) = plan.await else { return };
        let applied = async { admin.apply(&plan).keep_in(Arc::clone(&self.store)).await.map_err(words) };
        let Some(deployment) = self.step(log, Step::SetUp, applied).await else { return };
        self.step(log, Step::Compare, self.is_as_it_was_set_up(&deployment)).await;
        // It also watches every resource once. Where one of them cannot be seen, the rest is tried all the same.
        let entered = async { vendor.register(invitation, &deployment).await.map_err(words) };
        self.step(log, Step::Enter, entered).await;
        let manager = Manager::over(Arc::clone(vendor), Arc::clone(&self.store), deployment.clone());
        self.manage(log, &manager).await;
        self.attempt(log, &deployment).await;
        self.revoke(log, &manager).await;
    }

    async fn is_as_it_was_set_up(&self, deployment: &Deployment) -> Told<()> {
        let plan = self.admin.plan(&self.product.first).previous(deployment).await.map_err(words)?;
        if plan.is_empty() { Ok(()) } else { Err(plan.to_string()) }
    }

    /// What the vendor may do.
    async fn manage(&self, log: &mut Log, manager: &Manager) {
        for id in RESOURCES {
            self.step(log, Step::Watch(id), self.is_healthy(manager, id)).await;
        }
        let begun = self.clock.now();
        let released = manager.release(&self.product.second).await;
        let outcomes: BTreeMap<String, Told<()>> = released
            .outcomes()
            .map(|(id, outcome)| (id.to_string(), outcome.error().map_or(Ok(()), |error| Err(error.to_string()))))
            .collect();
        let refused = released.into_result().err().map_or_else(|| "it is not of the release".to_owned(), words);
        for id in LIVE {
            let outcome = outcomes.get(id).cloned().unwrap_or_else(|| Err(refused.clone()));
            self.step(log, Step::Release(id), async { outcome }).await;
        }
        for id in LIVE {
            self.step(log, Step::Redeploy(id), async {
                match id {
                    WORKER => manager.redeploy(&manager.find::<Container, Live>(id).map_err(words)?).await,
                    _ => manager.redeploy(&manager.find::<Function, Live>(id).map_err(words)?).await,
                }
                .map_err(words)
            })
            .await;
        }
        if !self.product.commands {
            for step in [Step::Command(API), Step::Logs(API)] {
                let why = "the image is not said to answer commands (`--commands`)".to_owned();
                log.add(step, Duration::ZERO, Ended::Unclear(why));
            }
            return;
        }
        let commanded = self.step(log, Step::Command(API), async {
            let api = manager.find::<Function, Live>(API).map_err(words)?;
            manager.dispatch(&api, COMMAND.as_bytes()).await.map_err(words)
        });
        if commanded.await.is_some() {
            self.step(log, Step::Logs(API), self.logs(manager, begun)).await;
        }
    }

    /// Waits until a resource is healthy.
    async fn is_healthy(&self, manager: &Manager, id: &str) -> Told<()> {
        let known = manager.resources().into_iter().find(|handle| handle.id().as_str() == id);
        let handle = known.ok_or_else(|| format!("the record has no `{id}`"))?;
        self.until(PATIENCE, || {
            let handle = handle.clone();
            Box::pin(async move {
                let beat = manager.heartbeat(handle).await.map_err(words)?;
                Ok(match beat.health {
                    Health::Healthy => Ok(()),
                    health => Err(format!("{}: {}", health.name(), beat.reason)),
                })
            })
        })
        .await
    }

    /// Waits until a log shows the command.
    async fn logs(&self, manager: &Manager, since: jiff::Timestamp) -> Told<()> {
        self.until(PATIENCE, || {
            Box::pin(async move {
                let api = manager.find::<Function, Live>(API).map_err(words)?;
                let lines: Vec<_> = manager.logs(&api).since(since).read().try_collect().await.map_err(words)?;
                let is_shown = lines.iter().any(|line| line.text.contains("hello"));
                Ok(if is_shown { Ok(()) } else { Err(format!("none of {} lines has the command", lines.len())) })
            })
        })
        .await
    }

    /// Looks until it is so, and at most for so long. An outer error ends it at once.
    async fn until<'a>(
        &self,
        most: Duration,
        mut look: impl FnMut() -> BoxFuture<'a, Told<Told<()>>> + Send,
    ) -> Told<()> {
        let begun = self.clock.now();
        loop {
            let Err(why) = look().await? else { return Ok(()) };
            if Duration::try_from(self.clock.now().duration_since(begun)).unwrap_or_default() >= most {
                return Err(why);
            }
            self.clock.sleep(PAUSE).await;
        }
    }

    /// What the vendor may not do, tried without this library.
    async fn attempt(&self, log: &mut Log, deployment: &Deployment) {
        for attempt in self.cloud.attempts() {
            let step = Step::Attempt(attempt.name);
            (self.told)(step);
            let begun = self.clock.now();
            let ended = match self.outsider.attempt(deployment, attempt.name).await {
                Ok(Outcome::Refused(said)) => Ended::Well(said),
                Ok(Outcome::Allowed) => Ended::Badly("the cloud did it".to_owned()),
                Ok(Outcome::Unclear(said)) => Ended::Unclear(said),
                Err(error) => Ended::Unclear(error.to_string()),
            };
            let took = Duration::try_from(self.clock.now().duration_since(begun)).unwrap_or_default();
            log.add(step, took, ended);
        }
    }

    /// Revokes, until a session that is there is refused; and gives the access back.
    async fn revoke(&self, log: &mut Log, manager: &Manager) {
        let record = manager.deployment();
        self.step(log, Step::Revoke, async {
            self.admin.revoke(&record).await.map_err(words)?;
            self.until(PATIENCE, || {
                Box::pin(async move {
                    Ok(match sees(manager).await {
                        Err(error) if error.kind() == ErrorKind::Revoked => Ok(()),
                        Err(error) => Err(error.to_string()),
                        Ok(()) => Err(format!("the vendor still sees `{API}`")),
                    })
                })
            })
            .await
        })
        .await;
        self.step(log, Step::Return, async {
            let plan = self.admin.plan(&self.product.first).previous(&record).await.map_err(words)?;
            self.admin.apply(&plan).keep_in(Arc::clone(&self.store)).await.map_err(words)?;
            self.until(PATIENCE, || Box::pin(async move { Ok(sees(manager).await.map_err(words)) })).await
        })
        .await;
    }

    /// Takes everything down, and looks that nothing is left. Returns what is.
    async fn end(&self, log: &mut Log) -> Vec<String> {
        let kept = self.store.load(self.invitation.id).await.ok().flatten();
        let mut record = match kept.map_or_else(|| self.cloud.adapter().record(&self.invitation, &self.target), Ok) {
            Ok(record) => record,
            Err(error) => return vec![error.to_string()],
        };
        // What an interrupted release may have left is of the second stack.
        record.retired.push(self.product.second.stack().clone());
        let remains = Mutex::new(Vec::new());
        // What is still being deleted is an error of the cloud, and gone a while later.
        let down = self.until(UNTIL_GONE, || {
            let options = Options { without_record: true, ..Options::default().take_over() };
            let destroyed = self.admin.destroy(&record).data(Data::Delete).options(options);
            Box::pin(async {
                let report = match destroyed.await {
                    Ok(report) => report,
                    Err(error) => return Ok(Err(error.to_string())),
                };
                let left = [left(&report.kept), left(&report.foreign)].concat();
                remains.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&left);
                Ok(if left.is_empty() { Ok(()) } else { Err(left.join("; ")) })
            })
        });
        let is_down = self.step(log, Step::Down, down).await;
        let gone = async {
            is_down.ok_or("it was not taken down")?;
            let plan = self.admin.plan(&self.product.first).await.map_err(words)?;
            let there = plan.steps.iter().filter(|step| step.action != Action::Create);
            let there: Vec<String> = there.map(|step| format!("{} ({})", step.subject, step.kind)).collect();
            if there.is_empty() { Ok(()) } else { Err(there.join(", ")) }
        };
        let is_gone = self.step(log, Step::Gone, gone).await.is_some();
        let mut remains = remains.into_inner().unwrap_or_else(PoisonError::into_inner);
        if !is_gone && remains.is_empty() {
            remains.push(format!("something of deployment {}: run the take-down again", self.invitation.id));
        }
        for attempt in self.cloud.attempts().iter().filter(|attempt| !attempt.leaves.is_empty()) {
            let what = match log.of(Step::Attempt(attempt.name)) {
                Some(Ended::Badly(_)) => attempt.leaves.to_owned(),
                Some(Ended::Unclear(_)) => format!("perhaps {}", attempt.leaves),
                Some(Ended::Well(_)) | None => continue,
            };
            // Two attempts can leave things of one kind, which are removed alike.
            if !remains.contains(&what) {
                remains.push(what);
            }
        }
        remains
    }

    /// The findings without what names the account: the values of the target's fields.
    fn nameless(&self, mut findings: Findings) -> Findings {
        // The longest first: one can be a part of another.
        let mut named: Vec<(&str, &str)> = self.target.fields().collect();
        named.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        let hide = |text: &mut String| {
            for (name, value) in &named {
                if !value.is_empty() {
                    *text = text.replace(value, &format!("<{name}>"));
                }
            }
        };
        findings.steps.iter_mut().filter_map(|taken| taken.failure.as_mut()).for_each(hide);
        findings.facts.iter_mut().for_each(|found| hide(&mut found.said));
        findings
    }
}
