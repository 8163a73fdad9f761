//! `alien update`: rolls out a release to one deployment.

use std::sync::Arc;

use alien_core::{Diff, Manager, Problems, Release, ReleaseRequest, Released, ResourceId};
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::vendor::UpdateArgs;
use crate::args::{Format, Shown};
use crate::output::{self, Failure};
use crate::progress::progress;
use crate::{check, connect, file};

pub(crate) async fn update(args: &UpdateArgs, shown: Shown) -> Result<(), Failure> {
    let path = &args.record.record;
    let (record, stack) = output::both(file::record(path), file::stack(&args.stack))?;
    let (zips, previous) = output::both(file::zips(&args.zip), file::zips(&args.previous_zip))?;
    let diff = record.diff(&stack);
    if args.dry_run {
        let done = Updated { diff, released: None };
        shown.result(&done, |done| check::text(&done.diff, Format::Table))?;
        let Updated { diff, .. } = done;
        return Problems::none(diff.admin_only()).map(drop).map_err(|why| Failure::refused(why.into()).shown());
    }
    Problems::none(diff.admin_only()).map_err(|why| Failure::refused(why.into()))?;
    let store = connect::record(path);
    store.check()?;
    let vendor = connect::vendor(&record, &args.record.connection).await?;
    let manager = Manager::open(vendor, Arc::new(store), record.id).await?;
    let release = Release::partial(stack, zips);
    let mut request = manager.release(&release).previous(&previous);
    for id in &args.delete_data {
        let named = id.parse::<ResourceId>();
        let id = named.map_err(|error| Failure::form("--delete-data", error.to_string(), "name a resource"))?;
        request = request.delete_data(id);
    }
    let request = if args.take_over { request.take_over() } else { request };
    let released = {
        let progress = progress(shown, diff.changes.len());
        roll_out(request.progress(|event| progress.event(event))).await
    };
    if let Some(refused) = released.refusal() {
        return Err(refused.clone().into());
    }
    shown.result(&Updated { diff, released: Some(released.clone()) }, |done| {
        let outcomes = done.released.as_ref().map(outcomes).unwrap_or_default();
        format!("{}\n\n{outcomes}", check::text(&done.diff, Format::Table))
    })?;
    released.into_result().map_err(|error| Failure::from(error).shown())
}

/// The result of `alien update`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Updated {
    /// What changes.
    diff: Diff,
    /// What became of each resource; nothing after `--dry-run`.
    #[serde(flatten)]
    released: Option<Released>,
}

/// What became of each resource.
fn outcomes(released: &Released) -> String {
    let rows = released.outcomes().map(|(id, outcome)| {
        let why = outcome.error().map(|error| error.message().to_owned()).unwrap_or_default();
        vec![id.to_string(), outcome.name().replace('-', " "), why]
    });
    output::table(Format::Table, &["resource", "outcome", "why"], rows.collect())
}

/// Rolls out a release. The manager writes the record: before the first change, and after each.
async fn roll_out(request: ReleaseRequest<'_>) -> Released {
    let released = request.by(connect::operator()).await;
    for (id, how) in released.unrecorded() {
        output::note(format_args!("`{id}` ran {how}"));
    }
    for (id, what) in released.waits() {
        output::note(format_args!("`{id}` was created; have the customer's admin set up again for {what}"));
    }
    released
}

#[cfg(test)]
mod tests {
    use alien_core::{Deployment, RecordStore as _};

    use super::*;
    use crate::memory::{Cloud, broken, nowhere, stack, working};
    use crate::run;

    /// The manager of a deployment whose record is in a file, and the file.
    fn opened(cloud: &Cloud, record: &Deployment) -> (Manager, alien_core::RecordFile) {
        let store = connect::record(&nowhere());
        let manager = run(async {
            store.save(record).await?;
            Ok(Manager::open(cloud.vendor(), Arc::new(store.clone()), record.id).await?)
        });
        (manager.unwrap(), store)
    }

    #[test]
    fn what_was_updated_before_something_failed_is_in_the_record() {
        let rolled_out = |release: &Release| {
            let cloud = Cloud::new();
            let (manager, store) = opened(&cloud, &cloud.up(&working(512)));
            let released = run(async { Ok(roll_out(manager.release(release)).await) }).unwrap();
            let told = outcomes(&released);
            let result = released.into_result().map_err(Failure::from);
            let stack = store.read().unwrap().unwrap().stack;
            let _ = std::fs::remove_file(store.path());
            (result, stack, told)
        };
        let (result, whole, _) = rolled_out(&working(1024));
        assert!(result.is_ok());
        assert_eq!(whole, stack(1024));

        let (result, part, told) = rolled_out(&broken(1024));
        insta::assert_snapshot!("outcomes", told);
        let told = result.unwrap_err().to_string();
        assert!(told.starts_with("error: `worker`: the new code does not work"), "{told}");
        assert_eq!(part.resource("api"), stack(1024).resource("api"));
        assert_eq!(part.resource("worker"), stack(512).resource("worker"));
    }

    #[test]
    fn a_record_that_did_not_change_is_not_written() {
        let cloud = Cloud::new();
        let (manager, store) = opened(&cloud, &cloud.up(&working(512)));
        let released = run(async { Ok(roll_out(manager.release(&working(512))).await) }).unwrap();
        assert!(released.is_ok());
        assert_eq!(store.read().unwrap().unwrap().revision, 1);
        let _ = std::fs::remove_file(store.path());
    }
}
