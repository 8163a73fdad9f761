//! `alien redeploy`: new instances of what runs.

use std::sync::Arc;

use alien_core::{Container, Function, Kind, Live, Manager, RedeployRequest};

use crate::args::Shown;
use crate::args::vendor::RedeployArgs;
use crate::output::Failure;
use crate::progress::if_long;
use crate::{connect, file, watch};

pub(crate) async fn redeploy(args: &RedeployArgs, shown: Shown) -> Result<(), Failure> {
    let path = &args.record.record;
    let record = file::record(path)?;
    let store = connect::record(path);
    store.check()?;
    let vendor = connect::vendor(&record, &args.record.connection).await?;
    let manager = Manager::open(vendor, Arc::new(store), record.id).await?;
    let what = format!("starting new instances of {}", args.resource);
    if_long(&what, start(&manager, &args.resource, args.take_over)).await?;
    let beat = watch::beat(&manager, watch::resource(&manager, &args.resource)?).await?;
    shown.result(&beat, |beat| watch::text(std::slice::from_ref(beat)))?;
    watch::healthy(&[beat])
}

/// Starts new instances of a live function or container.
async fn start(manager: &Manager, id: &str, take_over: bool) -> Result<(), Failure> {
    let handle = watch::resource(manager, id)?;
    let request: RedeployRequest<'_> = match handle.kind() {
        Kind::Container => manager.redeploy(&manager.find::<Container, Live>(id)?),
        _ => manager.redeploy(&manager.find::<Function, Live>(id)?),
    };
    let request = request.by(connect::operator());
    Ok(if take_over { request.take_over().await } else { request.await }?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Cloud, broken, working};
    use crate::run;

    #[test]
    fn what_runs_is_started_anew_and_shown() {
        let cloud = Cloud::new();
        let manager = cloud.manager(cloud.up(&working(512)));
        let before = cloud.account.revision(&cloud.name("api"));
        run(start(&manager, "api", false)).unwrap();
        assert_eq!(cloud.account.revision(&cloud.name("api")), before + 1);
        let api = watch::resource(&manager, "api").unwrap();
        let beat = run(watch::beat(&manager, api)).unwrap();
        insta::assert_snapshot!("redeploy", watch::text(&[beat]));
    }

    #[test]
    fn what_does_not_work_or_is_not_live_is_told() {
        let cloud = Cloud::new();
        let manager = cloud.manager(cloud.up(&broken(512)));
        let told = run(start(&manager, "worker", false)).unwrap_err().to_string();
        assert!(told.starts_with("error: `worker`: the new instances do not work: its code does not start"), "{told}");
        let told = run(start(&manager, "data", false)).unwrap_err().to_string();
        assert!(told.contains("`data`: it is a frozen storage, not a live function"), "{told}");
        let told = run(start(&manager, "nothing", true)).unwrap_err().to_string();
        assert!(told.contains("the deployment has no such resource; name one of api, data, worker"), "{told}");
    }
}
