//! `alien-deploy plan`, `up` and `status`: show what would change, change it, and compare.

use std::sync::Arc;

use alien_core::adapter::Options;
use alien_core::{Action, Admin, Delivery, Deployment, Exit, Invited, Plan, RecordFile, Remedy, Step};
use schemars::JsonSchema;
use serde::Serialize;

use super::setup::{Setup, named, options};
use crate::args::admin::{Changes, PlanArgs, StatusArgs, UpArgs, Wanted};
use crate::args::{Format, Shown};
use crate::ask::Consent;
use crate::output::{self, Failure};
use crate::progress::{if_long, progress};
use crate::review::sizes;
use crate::{connect, file, keys};

/// An invitation, the plan to set it up, and the provisioner that can apply it.
struct Planned {
    setup: Setup,
    admin: Admin,
    plan: Plan,
}

impl Planned {
    async fn read(
        args: &Wanted,
        previous: Result<Option<Deployment>, Failure>,
        options: &Options,
    ) -> Result<Self, Failure> {
        Self::of(Setup::read(&args.invited, previous)?, args, options).await
    }

    async fn of(setup: Setup, args: &Wanted, options: &Options) -> Result<Self, Failure> {
        setup.admit(&args.invited)?;
        let release = setup.release(args)?;
        let admin = setup.admin(&args.connection).await?;
        let planned = admin.plan(&release).previous(setup.previous.as_ref()).options(options.clone());
        let plan = if_long("looking at what is there", planned.into_future()).await?;
        output::warn(plan.problems.iter().filter(|problem| !problem.is_error()));
        Ok(Self { setup, admin, plan })
    }
}

pub(crate) async fn plan(args: &PlanArgs, shown: Shown) -> Result<(), Failure> {
    let options = options(args.changes, None);
    let planned = Planned::read(&args.wanted, named(args.record.as_deref()), &options).await?;
    shown.result(&planned.plan, text)?;
    planned.plan.refusal().map_err(|error| Failure::refused(error).shown())
}

fn text(plan: &Plan) -> String {
    let rows = plan
        .steps
        .iter()
        .map(|step| vec![step.action.to_string(), step.subject.clone(), step.kind.to_string(), name(step), why(step)]);
    let steps = output::table(Format::Table, &["action", "what", "type", "name", "why"], rows.collect());
    let sizes =
        if plan.sizes.is_empty() { String::new() } else { format!("\n\n{}", sizes(&plan.sizes, Format::Table)) };
    format!("{steps}{sizes}\n\n{}", summary(plan))
}

/// The name of a thing in the cloud: the last part of its id.
fn name(step: &Step) -> String {
    let id = step.id.as_deref().unwrap_or_default();
    id.rsplit(['/', ':']).next().unwrap_or_default().to_owned()
}

/// How many things a plan makes, changes and leaves: `12 to create, 1 to update, 3 to leave`.
fn summary(plan: &Plan) -> String {
    let of = |action| plan.steps.iter().filter(|step| step.action == action).count();
    let words = [
        (Action::Create, "to create"),
        (Action::Update, "to update"),
        (Action::Delete, "to delete"),
        (Action::Adopt, "of yours to use"),
        (Action::Leave, "to leave"),
        (Action::Refuse, "refused"),
    ];
    let words = words.into_iter().map(|(action, words)| (of(action), words)).filter(|(count, _)| *count > 0);
    words.map(|(count, words)| format!("{count} {words}")).collect::<Vec<_>>().join(", ")
}

/// Why a step is as it is, what helps, and what runs otherwise than the invitation says and is left.
fn why(step: &Step) -> String {
    let why = output::remedied(&step.why, step.remedy);
    match &step.vendors {
        Some(vendors) if step.action == Action::Leave => vendors.clone(),
        Some(vendors) => format!("{why}; {vendors}"),
        None => why,
    }
}

/// The result of `alien-deploy up`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Done {
    /// What was planned, and done.
    plan: Plan,
    /// The record of the deployment, as its file has it.
    record: Deployment,
}

pub(crate) async fn up(args: &UpArgs, shown: Shown) -> Result<(), Failure> {
    let consent = Consent::of(args.run.yes, shown.json)?;
    let options = options(args.changes, Some(&args.run));
    let store = connect::record(&args.record);
    store.check()?;
    let previous = file::record_if_any(&args.record);
    let setup = Setup::read(&args.wanted.invited, previous)?;
    let key = args.agent_key.as_deref().map(keys::public).transpose()?;
    if key.is_some() && setup.invitation.delivery.is_push() {
        let what = "the vendor pushes releases, so the deployment has no agent";
        return Err(Failure::form("--agent-key", what, "leave it out"));
    }
    let Planned { setup, admin, plan } = Planned::of(setup, &args.wanted, &options).await?;
    if !shown.json {
        output::line(text(&plan))?;
    }
    plan.refusal().map_err(Failure::refused)?;
    consent.to(&format!("Set up {}{}", setup.place(), setup.checked.doubt())).await?;
    let invited = setup.checked.invited(&setup.invitation);
    let key = key.map(|key| key.to_string());
    let record = apply(&admin, &plan, options, shown, store, Kept { invited, agent_key: key }).await?;
    let done = Done { plan, record };
    if shown.json {
        output::json(&done)?;
    }
    let Done { record, .. } = done;
    match &record.delivery {
        Delivery::Push => {
            output::note(format_args!("set up; send `{}` to the vendor and keep a copy", args.record.display()));
        }
        Delivery::Pull { .. } => {
            let path = args.record.display();
            output::note(format_args!(
                "set up; send `{path}` to the vendor, and give it to the agent that manages the deployment"
            ));
            output::note(format_args!("`alien-deploy agent --record {path} --for systemd` prints how to run it"));
            if record.agent_key.is_none() {
                let what =
                    "the record has no key of the agent: `alien-agent init` prints it, and `up --agent-key` adds it";
                output::note(format_args!("{what}; the vendor's manager does not answer the agent without it"));
            }
        }
    }
    Ok(())
}

/// What the record keeps beside what was set up.
struct Kept {
    invited: Invited,
    agent_key: Option<String>,
}

async fn apply(
    admin: &Admin,
    plan: &Plan,
    options: Options,
    shown: Shown,
    store: RecordFile,
    Kept { invited, agent_key }: Kept,
) -> Result<Deployment, Failure> {
    let progress = progress(shown, plan.steps.len());
    let request = admin.apply(plan).options(options).progress(|event| progress.event(event));
    Ok(request.keep_in(Arc::new(store)).by(connect::operator()).invited(invited).agent_key(agent_key).await?)
}

/// How a thing stands: an entry of the result of `alien-deploy status`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Stands {
    /// The resource's id, the profile's name, or a description.
    subject: String,
    /// The kind of resource, `identity`, or `deployment` for what resources share.
    #[serde(rename = "type")]
    kind: String,
    /// `missing`, `differs`, `updated` by the vendor, `right`, `yours`, `left over`, `unmarked` or `in the way`.
    state: &'static str,
    /// The reason.
    why: String,
}

impl From<&Step> for Stands {
    fn from(step: &Step) -> Self {
        let state = match step.action {
            Action::Create => "missing",
            Action::Update => "differs",
            Action::Leave if step.vendors.is_some() => "updated",
            Action::Leave => "right",
            Action::Adopt => "yours",
            Action::Delete => "left over",
            Action::Refuse if step.remedy == Some(Remedy::MarkAgain) => "unmarked",
            Action::Refuse => "in the way",
        };
        Self { subject: step.subject.clone(), kind: step.kind.to_string(), state, why: why(step) }
    }
}

pub(crate) async fn status(args: &StatusArgs, shown: Shown) -> Result<(), Failure> {
    let previous = named(args.record.as_deref());
    let Planned { plan, .. } = Planned::read(&args.wanted, previous, &options(Changes::default(), None)).await?;
    let stands: Vec<Stands> = plan.steps.iter().map(Stands::from).collect();
    shown.result(&stands, |stands| states(stands))?;
    nothing_to_do(&plan)
}

fn states(stands: &[Stands]) -> String {
    let rows = stands.iter();
    let rows = rows
        .map(|Stands { subject, kind, state, why }| [subject.as_str(), kind, *state, why].map(str::to_owned).into());
    output::table(Format::Table, &["what", "type", "state", "why"], rows.collect())
}

fn nothing_to_do(plan: &Plan) -> Result<(), Failure> {
    plan.refusal().map_err(|error| Failure::refused(error).shown())?;
    if plan.is_empty() {
        Ok(())
    } else {
        Err(Failure::ended(Exit::Drift, "error: the deployment differs from the invitation; run `alien-deploy up`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Cloud, nowhere, working};
    use crate::run;

    const QUIET: Shown = Shown { json: true };

    fn planned(admin: &Admin, memory: u32, previous: Option<&Deployment>) -> Plan {
        run(async { Ok(admin.plan(&working(memory)).previous(previous).await?) }).unwrap()
    }

    fn shown(plan: &Plan) -> String {
        states(&plan.steps.iter().map(Stands::from).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_missing_is_set_up_and_then_there_is_nothing_to_do() {
        let cloud = Cloud::new();
        let admin = cloud.admin();
        let plan = planned(&admin, 512, None);
        insta::assert_snapshot!("plan", text(&plan));
        insta::assert_snapshot!("status_before", shown(&plan));
        assert!(nothing_to_do(&plan).unwrap_err().to_string().contains("run `alien-deploy up`"));

        let store = connect::record(&nowhere());
        let invited = Invited { revision: 3, vendor_key: None };
        let options = options(Changes::default(), None);
        let record = run(apply(
            &admin,
            &plan,
            options,
            QUIET,
            store.clone(),
            Kept { invited: invited.clone(), agent_key: None },
        ))
        .unwrap();
        assert_eq!(store.read().unwrap().unwrap(), record);
        assert_eq!(record.invitation, invited);
        std::fs::remove_file(store.path()).unwrap();
        let plan = planned(&admin, 512, Some(&record));
        assert!(nothing_to_do(&plan).is_ok());
        insta::assert_snapshot!("status_after", shown(&plan));
        // Other sizes of live code are the vendor's to set, by a release.
        let plan = planned(&admin, 1024, Some(&record));
        assert!(nothing_to_do(&plan).is_ok());
        assert_eq!(shown(&plan).matches("waits for the vendor's next release").count(), 2, "{}", shown(&plan));
    }

    #[test]
    fn what_lost_its_marks_is_told_with_the_flag_that_marks_it_again() {
        let cloud = Cloud::new();
        let admin = cloud.admin();
        let record = cloud.up(&working(512));
        cloud.account.set_objects(&cloud.name("data"), 3);
        cloud.account.unmark(&cloud.name("data"));
        let plan = planned(&admin, 512, Some(&record));
        insta::assert_snapshot!("status_unmarked", shown(&plan));
        let told = nothing_to_do(&plan).unwrap_err().to_string();
        assert!(told.contains("`data`: ") && told.contains("(`alien-deploy up --mark-again`)"), "{told}");
        // Without the record nobody knows whose it is.
        let told = nothing_to_do(&planned(&admin, 512, None)).unwrap_err().to_string();
        assert!(told.contains("remove it") && !told.contains("--mark-again"), "{told}");

        let changes = Changes { mark_again: true, ..Changes::default() };
        let wanted = options(changes, None);
        let request = working(512);
        let plan = run(async { Ok(admin.plan(&request).previous(&record).options(wanted.clone()).await?) }).unwrap();
        insta::assert_snapshot!("plan_marked_again", text(&plan));
        let again = run(async { Ok(admin.apply(&plan).options(wanted).await?) }).unwrap();
        assert!(nothing_to_do(&planned(&admin, 512, Some(&again))).is_ok());
    }

    #[test]
    fn everything_that_is_in_the_way_is_told() {
        let cloud = Cloud::new();
        for resource in ["data", "worker"] {
            cloud.account.add_foreign(&cloud.name(resource));
        }
        let plan = planned(&cloud.admin(), 512, None);
        let told = nothing_to_do(&plan).unwrap_err().to_string();
        assert!(told.contains("`data`: ") && told.contains("`worker`: "), "{told}");
        assert_eq!(shown(&plan).matches("in the way").count(), 2);
    }
}
