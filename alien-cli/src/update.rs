//! `alien update`: rolls out a release to one deployment.

use alien_core::{Artifacts, Diff, Manager, Problems, Release};

use crate::args::Format;
use crate::args::vendor::UpdateArgs;
use crate::file::{self, Replacement};
use crate::output::{self, Failure};
use crate::{check, connect};

pub(crate) async fn update(args: &UpdateArgs) -> Result<(), Failure> {
    let path = &args.record.record;
    let (record, stack) = output::both(file::record(path), file::stack(&args.stack))?;
    let (zips, previous) = output::both(file::zips(&args.zip), file::zips(&args.previous_zip))?;
    let diff = stack.diff(&record.stack);
    if args.dry_run {
        show(&diff, args)?;
        return Ok(Problems::none(diff.admin_only()).map(drop)?);
    }
    Problems::none(diff.admin_only())?;
    let release = Release::partial(stack, zips);
    let vendor = connect::vendor(&record, &args.record.connection).await?;
    roll_out(&Manager::new(vendor, record), &release, &previous, Replacement::of(path)?).await?;
    show(&diff, args)
}

/// Rolls out a release and writes the record. After a failure, the record keeps what was already updated.
async fn roll_out(
    manager: &Manager,
    release: &Release,
    previous: &Artifacts,
    record: Replacement,
) -> Result<(), Failure> {
    let before = manager.deployment();
    // If this program is killed from here on, the record says what is uncertain, and the next release sets it again.
    let begun = manager.begin(release)?;
    if manager.deployment() != before {
        record.write(&manager.deployment())?;
    }
    let released = manager.carry_out(begun).previous(previous).await.into_result();
    if manager.deployment() != before {
        record.write(&manager.deployment())?;
    }
    Ok(released?)
}

fn show(diff: &Diff, args: &UpdateArgs) -> Result<(), Failure> {
    if args.shown.json { output::json(diff) } else { output::line(check::text(diff, Format::Table)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Cloud, broken, nowhere, stack, working};
    use crate::run;

    #[test]
    fn what_was_updated_before_something_failed_is_in_the_record() {
        let rolled_out = |release: &Release| {
            let (cloud, path) = (Cloud::new(), nowhere());
            let manager = cloud.manager(cloud.up(&working(512)));
            let replacement = Replacement::of(&path).unwrap();
            let result = run(roll_out(&manager, release, &Artifacts::default(), replacement));
            let stack = file::record(&path).map(|record| record.stack);
            let _ = std::fs::remove_file(&path);
            (result, stack)
        };
        let (result, whole) = rolled_out(&working(1024));
        assert!(result.is_ok());
        assert_eq!(whole.unwrap(), stack(1024));

        let (result, part) = rolled_out(&broken(1024));
        let told = result.unwrap_err().to_string();
        assert!(told.starts_with("error: `worker`: the new code does not work"), "{told}");
        let part = part.unwrap();
        assert_eq!(part.resource("api"), stack(1024).resource("api"));
        assert_eq!(part.resource("worker"), stack(512).resource("worker"));
    }

    #[test]
    fn a_record_that_did_not_change_is_not_written() {
        let (cloud, path) = (Cloud::new(), nowhere());
        let manager = cloud.manager(cloud.up(&working(512)));
        run(roll_out(&manager, &working(512), &Artifacts::default(), Replacement::of(&path).unwrap())).unwrap();
        assert!(!path.exists());
    }
}
