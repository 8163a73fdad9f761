//! `alien release`: publishes a release, and rolls it out to a fleet.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use alien_core::rollout::{Plan, Sequence, Tally, Twin};
use alien_core::{
    Clock as _, DeploymentId, Diff, Error, ErrorKind, Exit, Images, Invitation, Problem, Problems, PublishedRelease,
    Release, Remedy, Stack, StackName, SystemClock,
};
use alien_fleet::{Fit, Fitted, RevertTo, RolloutId, Status};
use futures_util::future::{self, Either};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::oneshot;

use super::board::Board;
use super::ending::{Ending, Total, standing};
use super::follow::Follower;
use super::foresight::{Foresight, foresee, needed};
use super::images::images;
use super::open::{self, Absent, Here, Reached};
use super::table::{self, Told};
use crate::args::fleet::ReleaseArgs;
use crate::args::{Format, Shown};
use crate::clouds;
use crate::file;
use crate::interrupt::Interrupts;
use crate::keys::Signing;
use crate::output::{self, Failure};
use crate::repository;

/// What to say if Ctrl-C ends a release before its rollout is followed.
const UNFOLLOWED: &str = "interrupted: the release may have been published, and its rollout may have begun, or not; `alien rollout list` says \
     what there is, and the same command again goes on";

pub(crate) async fn release(args: &ReleaseArgs, shown: Shown) -> Result<(), Failure> {
    let mut interrupts = Interrupts::new()?;
    let is_followed = Cell::new(false);
    let released = std::pin::pin!(released(args, shown, &is_followed));
    let interrupted = std::pin::pin!(async {
        interrupts.next().await;
        // What follows takes the interrupts itself.
        if is_followed.get() {
            future::pending::<()>().await;
        }
    });
    match future::select(released, interrupted).await {
        Either::Left((released, _)) => released,
        Either::Right(_) => Err(Failure::stopped(Exit::Interrupted, UNFOLLOWED)),
    }
}

async fn released(args: &ReleaseArgs, shown: Shown, is_followed: &Cell<bool>) -> Result<(), Failure> {
    let given = args.stack.as_deref().map(|path| {
        let (stack, zips) = output::both(file::stack(path), file::zips(&args.zip))?;
        Ok(Release::new(stack, zips)?)
    });
    let signing = Signing::with(args.sign_invitations.as_deref(), &args.passphrase);
    let given = output::both(given.transpose(), args.how.plan().map_err(Failure::from));
    let ((release, plan), signing) = output::both(given, signing)?;
    let given = match release {
        Some(release) => {
            let images = images(args.images.as_deref(), release.stack()).await?;
            Some((release, images))
        }
        None => None,
    };
    let signed = args.sign.as_deref();
    let repository = signed.map(|folder| repository::to_publish(folder, &args.keys, &args.passphrase)).transpose()?;
    let absent = if args.publish_only { Absent::Make } else { Absent::Refuse };
    let mut reached = open::calling(&args.fleet, absent).await?.answering().await?;
    let candidate = match &given {
        Some((release, images)) => unpublished(args, &reached, release, images).await?,
        None => published(args, &reached).await?,
    };
    let fitted = reached.client.check_stack(&candidate.stack).await?;
    if !args.publish_only {
        // What is wrong with the plan is told before anything is written.
        let foresight = foreseen(&reached, &candidate, &plan, &fitted).await?;
        if args.plan {
            return shown.result(&foresight, Foresight::text);
        }
    }
    let folder = args.invitations.as_deref();
    folder.map(make).transpose()?;
    let mut sequence = candidate.sequence;
    if let Some((release, images)) = given {
        let published = reached.client.publish(&release, images, revert_to(args)).await?;
        sequence = published.release.sequence();
        if let Some(repository) = &repository {
            let signed = repository.publish(&published.release, published.twin.as_ref(), release.artifacts()).await;
            signed.map_err(|error| unsigned(sequence, &error))?;
        }
    }
    let mut report = Report::new(candidate.stack.name().clone(), sequence, invited(&fitted, folder, &signing).await?);
    if !shown.json {
        report.tell_waiting();
    }
    if args.publish_only {
        return report.show(shown, format!("published release {sequence} of `{}`", report.product));
    }
    let id = reached.client.roll_out(&report.product, sequence, &plan).await?;
    report.rollout = Some(id.clone());
    if args.no_follow {
        if reached.is_alone() {
            output::note("nobody works for the fleet now: run `alien fleet run`");
        }
        return report.show(shown, format!("rollout {id} of release {sequence} has begun"));
    }
    let mut board = Board::new(shown);
    is_followed.set(true);
    let end = to_the_end(args, &mut reached, id, &mut board).await;
    drop(board);
    let (status, end) = end?;
    reached.end().await;
    report.ended(&status, end);
    let told = table::headline(&status);
    if shown.json {
        output::json(&report)?;
    } else {
        let not_good: Vec<&Told> = report.not_good.iter().collect();
        output::line(table::waves(status.rollout.head()))?;
        if !not_good.is_empty() {
            output::line(format_args!("\n{}", table::deployments(not_good)))?;
        }
        if end == Some(Ending::Good) {
            output::line(format_args!("\n{told}"))?;
        }
    }
    match end {
        Some(ending) => ending.result(told),
        None => Err(Failure::ended(Exit::Interrupted, interrupted(&status, &told))),
    }
}

/// The release is published in the store, and nobody else takes it yet.
fn unsigned(sequence: Sequence, error: &Error) -> Failure {
    let what = format!("release {sequence} is in the store, but is not signed: {error}");
    let next = format!("`alien repository publish`, and `alien release --published {sequence}`");
    Failure::stopped(Exit::of(error), format!("{what}; when that is mended, {next}"))
}

/// A release that is to be rolled out.
struct Candidate {
    stack: Stack,
    /// Its number, which is another if somebody else publishes before.
    sequence: Sequence,
    reverts_to: Option<Sequence>,
}

/// A release that is to be published: nothing is written before this is well.
async fn unpublished(
    args: &ReleaseArgs,
    reached: &Reached,
    release: &Release,
    images: &Images,
) -> Result<Candidate, Failure> {
    let stack = release.stack();
    output::warn(stack.warnings());
    let before = reached.client.last_release(stack.name()).await?;
    if let Some(before) = &before {
        let refused = if args.allow_frozen_changes { Vec::new() } else { refusals(&stack.diff(before.stack())) };
        Problems::none(refused).map_err(|why| Failure::refused(why.into()))?;
    }
    let there = reached.client.deployments(stack.name()).await?;
    // Where nothing is deployed yet, it may come to any cloud.
    let is_there = |cloud: &str| there.is_empty() || there.iter().any(|listed| listed.cloud == cloud);
    let clouds = clouds::ALL.into_iter().filter(|cloud| is_there(cloud.cloud()));
    Problems::none(clouds.flat_map(|cloud| cloud.refused_zips(release)).collect())?;
    let last = before.map(|before| before.sequence());
    let sequence = Sequence::from(last.map_or(1, |last| last.twin().number() + 1));
    PublishedRelease::new(sequence, release, images.clone())?;
    let reverts_to = match revert_to(args) {
        RevertTo::Before => last,
        RevertTo::Release(number) => Some(reached.client.published(stack.name(), number).await?.sequence()),
        RevertTo::Nothing => None,
    };
    Ok(Candidate { stack: stack.clone(), sequence, reverts_to })
}

/// What needs the admin of every customer, or deletes what is frozen.
fn refusals(diff: &Diff) -> Vec<Problem> {
    let mut refusals = diff.refusals();
    refusals.extend(diff.admin_only().into_iter().filter(|problem| {
        // One reason for each resource is enough.
        diff.refusals().iter().all(|refused| refused.subject != problem.subject)
    }));
    refusals.into_iter().map(|problem| problem.remedy(Remedy::AllowFrozenChanges)).collect()
}

/// A release that was published before.
async fn published(args: &ReleaseArgs, reached: &Reached) -> Result<Candidate, Failure> {
    let product = reached.product(args.product.as_ref()).await?;
    let sequence = Sequence::from(args.published.unwrap_or_default());
    let stack = reached.client.published(&product, sequence).await?.stack().clone();
    let listed = reached.client.releases(&product).await?;
    let listed = listed.into_iter().find(|listed| listed.sequence == sequence);
    let twin = || Failure::form("--published", format!("{sequence} is the twin of another"), "name a release");
    Ok(Candidate { stack, sequence, reverts_to: listed.ok_or_else(twin)?.reverts_to })
}

fn revert_to(args: &ReleaseArgs) -> RevertTo {
    match args.revert_to {
        _ if args.no_revert => RevertTo::Nothing,
        Some(number) => RevertTo::Release(number.into()),
        None => RevertTo::Before,
    }
}

async fn foreseen(
    reached: &Reached,
    candidate: &Candidate,
    plan: &Plan,
    fitted: &[Fitted],
) -> Result<Foresight, Failure> {
    let Candidate { stack, sequence, reverts_to } = candidate;
    let listed = reached.client.deployments(stack.name()).await?;
    let twin = reverts_to.map(|content| Twin { sequence: sequence.twin(), content });
    let waves = foresee((*sequence, twin), plan.clone(), &listed, fitted, SystemClock.now())?;
    Ok(Foresight { product: stack.name().to_string(), release: *sequence, reverts_to: *reverts_to, waves })
}

/// A deployment that cannot take the release as it is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Waiting {
    /// The deployment.
    deployment: DeploymentId,
    /// What it needs.
    needs: String,
    /// The file of its new invitation.
    #[serde(skip_serializing_if = "Option::is_none")]
    invitation: Option<PathBuf>,
}

/// The deployments that cannot take the release as it is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Waits {
    /// Those whose customer's admin must set up again.
    admin_only: Vec<Waiting>,
    /// Those whose cloud does not run the release.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_there: Vec<Waiting>,
}

fn make(folder: &Path) -> Result<(), Failure> {
    let at = folder.display().to_string();
    fs::create_dir_all(folder).map_err(|error| Failure::form(at, format!("cannot be made: {error}"), "name a folder"))
}

/// Writes the new invitations.
async fn invited(fitted: &[Fitted], folder: Option<&Path>, signing: &Signing) -> Result<Waits, Failure> {
    let mut waits = Waits { admin_only: Vec::new(), not_there: Vec::new() };
    for Fitted { deployment, fit } in fitted {
        let Some(needs) = needed(fit) else { continue };
        let waiting = |invitation| Waiting { deployment: *deployment, needs, invitation };
        let Fit::AdminOnly { invitation, .. } = fit else {
            waits.not_there.push(waiting(None));
            continue;
        };
        let path = folder.map(|folder| folder.join(format!("{deployment}.json")));
        if let Some(path) = &path {
            signing.written(Invitation::clone(invitation)).await?.write(path)?;
        }
        waits.admin_only.push(waiting(path));
    }
    Ok(waits)
}

/// What a release led to.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ReleaseReport")]
pub(crate) struct Report {
    /// The product.
    product: StackName,
    /// The release.
    release: Sequence,
    /// The rollout, if one began.
    #[serde(skip_serializing_if = "Option::is_none")]
    rollout: Option<RolloutId>,
    /// How it ended; nothing, if it was not followed to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    ending: Option<Ending>,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// Where it stands, in words.
    standing: Option<String>,
    /// How many deployments stand where.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<Total>,
    /// The same, for each wave.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waves: Vec<Tally>,
    /// Every deployment that is not good, and why.
    not_good: Vec<Told>,
    #[serde(flatten)]
    waits: Waits,
    /// What the program exits with.
    exit_code: u8,
}

impl Report {
    const fn new(product: StackName, release: Sequence, waits: Waits) -> Self {
        Self {
            product,
            release,
            rollout: None,
            ending: None,
            standing: None,
            total: None,
            waves: Vec::new(),
            not_good: Vec::new(),
            waits,
            exit_code: 0,
        }
    }

    fn ended(&mut self, status: &Status, ending: Option<Ending>) {
        let head = status.rollout.head();
        (self.ending, self.standing, self.total) = (ending, Some(standing(head)), Some(Total::of(head)));
        self.waves = head.waves().to_vec();
        self.not_good = Told::all(&status.rollout, status.now).into_iter().filter(|told| !told.is_good()).collect();
        self.exit_code = ending.map_or(Exit::Interrupted, Ending::exit).code();
    }

    /// Says which deployments cannot take the release as it is.
    fn tell_waiting(&self) {
        let Waits { admin_only, not_there } = &self.waits;
        if !admin_only.is_empty() {
            let rows = admin_only.iter().map(|Waiting { deployment, needs, invitation }| {
                let how = match invitation {
                    Some(path) => format!("send {}", path.display()),
                    None => format!("alien deployments invite {deployment}"),
                };
                vec![deployment.to_string(), needs.clone(), how]
            });
            output::note("These wait for their customer's admin, who sets up again with a new invitation:");
            output::note(output::table(Format::Table, &["deployment", "needs", "invitation"], rows.collect()));
        }
        if !not_there.is_empty() {
            let rows = not_there.iter().map(|waiting| vec![waiting.deployment.to_string(), waiting.needs.clone()]);
            output::note("These are on a cloud that does not run this release:");
            output::note(output::table(Format::Table, &["deployment", "why"], rows.collect()));
        }
    }

    fn show(&self, shown: Shown, told: String) -> Result<(), Failure> {
        shown.result(self, |_| told)
    }
}

/// Carries a rollout out, or follows whoever does, until it ends or the program is interrupted.
async fn to_the_end(
    args: &ReleaseArgs,
    reached: &mut Reached,
    id: RolloutId,
    board: &mut Board,
) -> Result<(Status, Option<Ending>), Failure> {
    let mut interrupts = Interrupts::new()?;
    let mut follower = Follower::new(id.clone(), board);
    loop {
        let followed = match &reached.here {
            Some(here) => work(here, reached, &mut follower, &mut interrupts).await?,
            None => {
                let follow = std::pin::pin!(follower.follow(&reached.client));
                match future::select(follow, std::pin::pin!(interrupts.next())).await {
                    Either::Left((followed, _)) => followed.map(Some),
                    Either::Right(_) => Ok(None),
                }
            }
        };
        match followed {
            Ok(Some((status, ending))) => return Ok((status, Some(ending))),
            Ok(None) => return Ok((reached.client.status(&id).await?, None)),
            Err(error) if reached.here.is_none() && is_gone(&error) => {
                follower.note("the program that worked for the fleet has ended; this one goes on");
                *reached = open::calling(&args.fleet, Absent::Refuse).await?.answering().await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether an error says that the program that answered has ended.
fn is_gone(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::TimedOut)
}

/// Works for the fleet until the rollout ends. The first interrupt ends the claiming, the second one everything.
async fn work(
    here: &Here,
    reached: &Reached,
    follower: &mut Follower<'_>,
    interrupts: &mut Interrupts,
) -> Result<Result<Option<(Status, Ending)>, Error>, Failure> {
    let (stop, stopped) = oneshot::channel::<()>();
    let (interrupted, interruption) = oneshot::channel::<()>();
    let worker = here.fleet.worker().without_watch();
    let working = async { worker.run(async { drop(stopped.await) }).await.map_err(Failure::from) };
    let following = async {
        let follow = async {
            loop {
                match follower.follow(&reached.client).await {
                    // The worker waits until its store answers again.
                    Err(error) if is_gone(&error) => tokio::time::sleep(super::follow::EVERY).await,
                    followed => break followed,
                }
            }
        };
        let followed = match future::select(std::pin::pin!(follow), interruption).await {
            Either::Left((followed, _)) => followed.map(Some),
            Either::Right(_) => Ok(None),
        };
        if matches!(followed, Ok(None)) {
            output::note("claiming nothing more; waiting until what was begun has ended. Ctrl-C again ends at once");
        }
        drop(stop);
        Ok(followed)
    };
    let both = std::pin::pin!(future::try_join(working, following));
    let signals = std::pin::pin!(async {
        interrupts.next().await;
        drop(interrupted);
        interrupts.next().await;
    });
    match future::select(both, signals).await {
        Either::Left((done, _)) => done.map(|((), followed)| followed),
        Either::Right(_) => Ok(Ok(None)),
    }
}

/// What is left, and what to run.
fn interrupted(status: &Status, told: &str) -> String {
    let total = Total::of(status.rollout.head());
    let left = total.all.saturating_sub(total.good + total.bad + total.unknown + total.not_tried);
    format!(
        "interrupted: {told}; {left} of {} have no outcome yet. It goes on when `alien fleet run` runs, or another program \
         that works for the fleet; `alien rollout cancel {}` ends it",
        total.all, status.id
    )
}
