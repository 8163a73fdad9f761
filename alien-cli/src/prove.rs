//! `alien-prove`: a scratch deployment's whole life on a real account, and what it shows.

use std::fs;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use alien_core::adapter::{Exchange, Exchanges};
use alien_core::{
    AnyTarget, Call, CallConfig, Clock as _, Delivery, Deployment, DeploymentId, Exit, Invitation, Recorder, Side,
    SystemClock,
};
use alien_prove::{
    Attempt, Begun, Fact, Findings, Life, Line, Need, Product, Proof, Provable, Replayed, Step, Verdict, Who,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::prove::{FactsArgs, ReplayArgs, RunArgs};
use crate::args::{Format, Shown};
use crate::ask::Consent;
use crate::clouds::Cloud;
use crate::interrupt::Interrupts;
use crate::output::{self, Failure};
use crate::{connect, target};

/// What is proved of a cloud.
fn provable(cloud: Cloud) -> Result<&'static dyn Provable, Failure> {
    let name = cloud.cloud();
    let missing = || Failure::form("--cloud", format!("there are no facts of `{name}`"), "name another cloud");
    alien_prove::ALL.into_iter().find(|known| known.adapter().cloud() == name).ok_or_else(missing)
}

/// What will be set up, and where.
struct Scratch {
    cloud: &'static dyn Provable,
    invitation: Invitation,
    target: AnyTarget,
    product: Product,
}

/// The options that name credentials: each cloud that has such an option calls it otherwise.
const OF_CREDENTIALS: [&str; 2] = ["profile", "credentials"];

impl Scratch {
    fn of(args: &mut RunArgs) -> Result<Self, Failure> {
        let takes_credentials = args.cloud.options().iter().any(|option| OF_CREDENTIALS.contains(&option.name));
        if args.vendor_credentials.is_some() && !takes_credentials {
            let what = format!("the vendor has neither a profile nor a file of credentials on {}", args.cloud.cloud());
            let help = "leave it out, and name the key that signs the vendor's tokens, or the file of one";
            return Err(Failure::form("--vendor-credentials", what, help));
        }
        let product = Product::new(args.cloud, &args.image, args.commands)?;
        let id = DeploymentId::new();
        // Some clouds do not give a name again for days, so no two runs have the same.
        let end = id.to_string().chars().rev().take(5).collect::<String>();
        args.place.given.entry("prefix".to_owned()).or_insert_with(|| format!("prove-{end}"));
        let stack = product.stack().clone();
        let invitation = target::invite(args.cloud, id, &args.trust, Delivery::Push, stack)?;
        let target = target::invited(args.cloud, &args.place, None, &invitation)?;
        Ok(Self { cloud: provable(args.cloud)?, invitation, target, product })
    }

    /// The record of the deployment, as far as it is known before.
    fn record(&self) -> Result<Deployment, Failure> {
        Ok(self.cloud.adapter().record(&self.invitation, &self.target)?)
    }

    fn place(&self) -> String {
        target::place(self.cloud.adapter(), &self.target)
    }
}

/// The result of `alien-prove run --dry-run`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DryRun {
    /// Where it would be set up.
    place: String,
    /// What it would cost, in words.
    cost: String,
    /// Every call of the library's, with the right that it needs. Some are made only where something is found or fails.
    calls: Vec<Need>,
    /// Every call that is tried without the library, and must be refused.
    attempts: Vec<Tried>,
}

/// A call that is tried without the library, and must be refused.
#[derive(Debug, Serialize, JsonSchema)]
struct Tried {
    /// Its name.
    name: &'static str,
    /// What is tried.
    what: &'static str,
    /// The calls that prepare it, in their order, after the one by which the vendor enters. Each is in `calls`.
    after: &'static [&'static str],
    /// The operation, as the cloud's API reference names it.
    call: &'static str,
}

pub(crate) async fn run(mut args: RunArgs, shown: Shown) -> Result<(), Failure> {
    let scratch = Scratch::of(&mut args)?;
    let Some(out) = args.out.as_deref().filter(|_| !args.dry_run) else { return dry_run(&scratch, shown) };
    let consent = Consent::of(args.yes, shown.json)?;
    let folder = Folder::make(out)?;
    let life = living(&args, scratch, &folder, shown).await?;
    consent.to(&question(&place(&life), life.cloud)).await?;
    let mut interrupts = Interrupts::new()?;
    let interrupted = async {
        interrupts.next().await;
        output::note("interrupted: it is taken down. Ctrl-C again leaves it");
    };
    let findings = tokio::select! {
        findings = life.live(interrupted) => findings,
        // The first is the life's.
        () = again() => return Err(Failure::stopped(Exit::Interrupted, folder.left())),
    };
    folder.write(alien_prove::FINDINGS, &findings)?;
    told(life.cloud, &findings, &folder, shown)
}

/// What is asked before anything is set up.
fn question(place: &str, cloud: &dyn Provable) -> String {
    format!("Set up {place}, and take it down again. It costs {}", cloud.cost())
}

/// Waits for the second interrupt.
async fn again() {
    let Ok(mut interrupts) = Interrupts::new() else { return std::future::pending().await };
    interrupts.next().await;
    interrupts.next().await;
}

fn place(life: &Life) -> String {
    target::place(life.cloud.adapter(), &life.target)
}

async fn living(args: &RunArgs, scratch: Scratch, folder: &Folder, shown: Shown) -> Result<Life, Failure> {
    folder.write(alien_prove::INVITATION, &scratch.invitation)?;
    let Scratch { cloud, invitation, target, product } = scratch;
    let calls = CallConfig::default().with_recorder(folder.recorder()).with_exchanges(folder.exchanges());
    let options = cloud.adapter().options();
    // What is for neither is refused by both.
    let side = |side: Side| {
        let is_for = |name: &str| options.iter().find(|option| option.name == name).is_none_or(|one| one.is_for(side));
        let given = args.connection.given.iter().filter(|(name, _)| is_for(name));
        given.fold(connect::with(calls.clone()), |connection, (name, text)| connection.with_option(name, text))
    };
    let (connection, vendors) = (side(Side::Admin), side(Side::Vendor));
    let begun = Begun {
        target: target.clone(),
        image: args.image.clone(),
        commands: args.commands,
        operator: connection.operator.clone(),
        endpoint_url: connection
            .endpoint_url()
            .map_err(|error| connect::at_flag(cloud.adapter(), error))?
            .map(str::to_owned),
    };
    folder.write(alien_prove::BEGUN, &begun)?;
    let vendors = match &args.vendor_credentials {
        Some(given) => {
            let own = options.iter().filter(|option| OF_CREDENTIALS.contains(&option.name));
            own.fold(vendors, |connection, option| connection.with_option(option.name, given))
        }
        None => vendors,
    };
    let step = Arc::clone(&folder.step);
    let told = move |next: Step| {
        *step.lock().unwrap_or_else(PoisonError::into_inner) = next.to_string();
        if !shown.json {
            output::note(format_args!("{next} …"));
        }
    };
    let store = Arc::new(connect::record(&folder.path.join("record.json")));
    let (sides, told) = ([&connection, &vendors], Box::new(told));
    let life = Life::connected(cloud, invitation, target, product, sides, store, Arc::new(SystemClock), told).await;
    life.map_err(|error| connect::at_flag(cloud.adapter(), error))
}

/// The result of `alien-prove replay`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Again {
    /// How many requests were recorded.
    exchanges: usize,
    /// How many steps were taken.
    steps: usize,
    /// What is not as it was recorded, each in a sentence; empty if nothing is.
    differences: Vec<String>,
}

pub(crate) async fn replay(args: ReplayArgs, shown: Shown) -> Result<(), Failure> {
    let replayed = Proof::read(&args.folder)?.replay().await?;
    let Replayed { exchanges, steps, differences } = replayed;
    let again = Again { exchanges, steps, differences };
    shown.result(&again, |Again { exchanges, steps, differences }| match &differences[..] {
        [] => format!("{steps} steps and {exchanges} requests are as they were recorded."),
        differences => differences.join("\n"),
    })?;
    if again.differences.is_empty() {
        return Ok(());
    }
    let why = "this version does otherwise than what was recorded; if that is meant, record it anew";
    Err(Failure::ended(Exit::Drift, format_args!("error: {why}")))
}

fn dry_run(scratch: &Scratch, shown: Shown) -> Result<(), Failure> {
    let attempts = scratch.cloud.attempts().iter();
    let attempts = attempts.map(|&Attempt { name, what, after, call, .. }| Tried { name, what, after, call });
    let dry = DryRun {
        place: scratch.place(),
        cost: scratch.cloud.cost().to_owned(),
        calls: scratch.cloud.needs(&scratch.record()?)?,
        attempts: attempts.collect(),
    };
    shown.result(&dry, |DryRun { place, cost, calls, attempts }| {
        let of = |who: Who| {
            let calls = calls.iter().filter(|need| need.who == who);
            let rows = calls.map(|need| vec![need.call.clone(), need.right.clone(), need.on.join("\n")]);
            output::table(Format::Table, &["call", "right", "on"], rows.collect())
        };
        let tried = attempts.iter().map(|tried| {
            vec![tried.name.to_owned(), tried.after.join("\n"), tried.call.to_owned(), tried.what.to_owned()]
        });
        let tried = output::table(Format::Table, &["attempt", "after", "call", "what"], tried.collect());
        format!(
            "Nothing is called. It would set up {place}, and take it down again.\nIt costs {cost}.\n\n\
             What the admin's credentials call, and need. Some is called only where something is found or fails:\n\n{}\n\n\
             What the vendor calls, by the rights that the set-up gives it:\n\n{}\n\n\
             What the vendor tries by a session of its own, after calls of those above, and must be refused:\n\n{tried}",
            of(Who::Admin),
            of(Who::Vendor),
        )
    })
}

/// The table of all facts, filled in, and what is left.
fn table(cloud: &dyn Provable, findings: &Findings) -> String {
    let [holds, wrong, unseen, by_hand] =
        [Verdict::Holds, Verdict::False, Verdict::Unseen, Verdict::ByHand].map(|verdict| findings.count(verdict));
    let what = |fact: &str| cloud.facts().iter().find(|known| known.id == fact).map_or("", |known| known.what);
    let rows = findings.facts.iter().map(|found| {
        vec![found.fact.clone(), found.verdict.name().to_owned(), what(&found.fact).to_owned(), found.said.clone()]
    });
    let table = output::table(Format::Table, &["fact", "found", "what is relied on", "what was said"], rows.collect());
    let left = match &findings.left[..] {
        [] => "Nothing is left.".to_owned(),
        left => format!("Left:\n  {}", left.join("\n  ")),
    };
    format!(
        "{table}\n\n{holds} hold, {wrong} are false, {unseen} were not seen, {by_hand} can only be shown by hand.\n{left}"
    )
}

/// Prints what was found, and fails if a fact is not so, or something is left.
fn told(cloud: &dyn Provable, findings: &Findings, folder: &Folder, shown: Shown) -> Result<(), Failure> {
    let (wrong, unseen) = (findings.count(Verdict::False), findings.count(Verdict::Unseen));
    shown.result(findings, |findings| table(cloud, findings))?;
    let path = folder.path.display();
    if !findings.left.is_empty() {
        let why = format!(
            "something is left; `alien-deploy down` with `{path}/invitation.json` and `{path}/record.json` goes on"
        );
        return Err(Failure::ended(Exit::Drift, format_args!("error: {why}")));
    }
    let why = match (findings.interrupted, wrong, unseen) {
        (true, ..) => return Err(Failure::ended(Exit::Interrupted, "interrupted; nothing is left")),
        (false, 0, 0) => return Ok(()),
        (false, 0, _) => format!("not all facts were seen; `{path}/findings.json` has the step that failed"),
        (false, ..) => format!("not all facts hold: that is a fault of this library; send `{path}` with the report"),
    };
    Err(Failure::ended(Exit::Drift, format_args!("error: {why}")))
}

/// Where everything is written.
struct Folder {
    path: PathBuf,
    calls: Arc<Mutex<File>>,
    exchanges: Arc<Mutex<File>>,
    /// The step that is taken.
    step: Arc<Mutex<String>>,
}

impl Folder {
    /// Makes it. One that is there has another run's.
    fn make(path: &Path) -> Result<Self, Failure> {
        let unwritten = |error| Failure::unwritten(format_args!("to `{}`: {error}", path.display()));
        if path.exists() {
            let what = format!("`{}` is there, and may have what an earlier run found", path.display());
            return Err(Failure::form("--out", what, "name another folder"));
        }
        // It names the account and its things.
        let mut folder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
        folder.recursive(true).create(path).map_err(unwritten)?;
        let file =
            |name: &str| Ok::<_, Failure>(Arc::new(Mutex::new(File::create(path.join(name)).map_err(unwritten)?)));
        let (calls, exchanges) = (file("calls.jsonl")?, file(alien_prove::EXCHANGES)?);
        Ok(Self { path: path.to_owned(), calls, exchanges, step: Arc::default() })
    }

    fn write(&self, name: &str, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).map_err(Failure::unwritten)?;
        let path = self.path.join(name);
        let unwritten = |error| Failure::unwritten(format_args!("to `{}`: {error}", path.display()));
        fs::write(&path, format!("{text}\n")).map_err(unwritten)
    }

    /// Writes a line for each call of the library's.
    fn recorder(&self) -> Recorder {
        let (file, step) = (Arc::clone(&self.calls), Arc::clone(&self.step));
        Arc::new(move |call: &Call| append(&file, &Made { step: current(&step), call }))
    }

    /// Writes a line for each request and its answer.
    fn exchanges(&self) -> Exchanges {
        let (file, step) = (Arc::clone(&self.exchanges), Arc::clone(&self.step));
        Arc::new(move |exchange: &Exchange| {
            let (step, at) = (current(&step), SystemClock.now());
            append(&file, &Line { step, at, exchange: exchange.clone() });
        })
    }

    fn left(&self) -> String {
        let path = self.path.display();
        format!("interrupted: it was not taken down; `alien-deploy down` with `{path}/invitation.json` goes on")
    }
}

/// A line of `calls.jsonl`.
#[derive(Serialize)]
struct Made<'c> {
    step: String,
    #[serde(flatten)]
    call: &'c Call,
}

/// Returns the step that is taken now.
fn current(step: &Mutex<String>) -> String {
    step.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Appends a line. A line that cannot be written is left out, because the deployment must still be taken down.
fn append(file: &Mutex<File>, line: &impl Serialize) {
    let text = serde_json::to_string(line).unwrap_or_default();
    let _ = writeln!(file.lock().unwrap_or_else(PoisonError::into_inner), "{text}");
}

/// Something that is relied on and not proved.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Relied {
    /// The cloud.
    cloud: &'static str,
    /// Its name.
    fact: &'static str,
    /// What is relied on.
    what: &'static str,
    /// The URL of the page that comes closest to saying it.
    source: &'static str,
    /// What happens if it is not so.
    otherwise: &'static str,
}

pub(crate) fn facts(args: &FactsArgs, shown: Shown) -> Result<(), Failure> {
    let wanted = alien_prove::ALL
        .into_iter()
        .filter(|known| args.cloud.is_none_or(|one| one.cloud() == known.adapter().cloud()));
    let relied = wanted.flat_map(|cloud| {
        let name = cloud.adapter().cloud();
        cloud.facts().iter().map(move |Fact { id, what, source, otherwise, .. }| Relied {
            cloud: name,
            fact: id,
            what,
            source,
            otherwise,
        })
    });
    let relied: Vec<Relied> = relied.collect();
    shown.result(&relied, |relied| {
        let rows = relied.iter().map(|one| [one.cloud, one.fact, one.what, one.otherwise].map(str::to_owned).into());
        output::table(Format::Table, &["cloud", "fact", "what is relied on", "if it is not so"], rows.collect())
    })
}

#[cfg(test)]
mod tests {
    use alien_prove::Found;

    use super::*;

    #[test]
    fn what_it_costs_is_said_before_anything_is_set_up() {
        for cloud in alien_prove::ALL {
            insta::assert_snapshot!(
                format!("cost_{}", cloud.adapter().cloud()),
                question("a scratch deployment", cloud)
            );
        }
    }

    #[test]
    fn the_table_of_facts_is_filled_in_with_what_was_found_and_what_is_left() {
        let cloud = alien_prove::ALL[1];
        let verdicts = [Verdict::Holds, Verdict::False, Verdict::Unseen, Verdict::ByHand];
        let facts = cloud.facts().iter().zip(verdicts);
        let facts = facts.map(|(fact, verdict)| Found {
            fact: fact.id.to_owned(),
            verdict,
            said: if verdict == Verdict::Holds { String::new() } else { format!("said of {}", verdict.name()) },
        });
        let mut findings = Findings {
            cloud: cloud.adapter().cloud().to_owned(),
            version: "0.0.0".to_owned(),
            begun: jiff::Timestamp::UNIX_EPOCH,
            seconds: 1,
            interrupted: false,
            steps: Vec::new(),
            facts: facts.collect(),
            left: Vec::new(),
        };
        insta::assert_snapshot!("table_nothing_left", table(cloud, &findings));
        findings.left = vec!["net: its subnetwork is in use".to_owned()];
        assert!(table(cloud, &findings).ends_with("by hand.\nLeft:\n  net: its subnetwork is in use"));
    }
}
