//! Connects with the credentials found on this machine.

use std::collections::BTreeSet;
use std::env;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use alien_core::{
    Admin, CallConfig, Connection, Deployment, DeploymentId, Error, ErrorKind, Exit, Impersonate, Manager, RecordFile,
    Retries,
};

use crate::args::flags::{AsAdmin, AsVendor, Flags};
use crate::args::vendor::Record;
use crate::clouds::{self, Cloud, flag};
use crate::output::{self, Failure};
use crate::progress::MOMENT;
use crate::{file, target};

/// What the customer's admin does.
pub(crate) async fn admin(
    cloud: Cloud,
    id: DeploymentId,
    target: &alien_core::AnyTarget,
    flags: &Flags<AsAdmin>,
) -> Result<Admin, Failure> {
    cloud.admin(id, target, &connection(flags)).await.map_err(|error| at_flag(cloud, error))
}

/// The vendor's way into a deployment.
pub(crate) async fn vendor(record: &Deployment, flags: &Flags<AsVendor>) -> Result<Arc<dyn Impersonate>, Failure> {
    let cloud = clouds::named(&record.cloud)?;
    cloud.vendor(&record.target, &connection(flags)).await.map_err(|error| at_flag(cloud, error))
}

/// The file of a record, which this program reads and writes.
pub(crate) fn record(path: &Path) -> RecordFile {
    RecordFile::new(path, format!("{} (process {})", operator(), std::process::id()))
}

/// Connects as the vendor, and manages the deployment of a record.
pub(crate) async fn manager(args: &Record) -> Result<Manager, Failure> {
    let record = file::record(&args.record)?;
    let vendor = vendor(&record, &args.connection).await?;
    Ok(Manager::new(vendor, record))
}

fn connection<W>(flags: &Flags<W>) -> Connection {
    flags.given.iter().fold(with(CallConfig::default()), |connection, (name, text)| connection.with_option(name, text))
}

/// A connection without options, whose calls are made so.
pub(crate) fn with(calls: CallConfig) -> Connection {
    Connection::new(calls.with_retries(retries()), operator())
}

/// Says what is waited for, once for each reason, if that takes longer than a moment. What was made a moment ago and is not seen
/// everywhere yet is waited for in every set-up, and is nothing to tell.
fn retries() -> Retries {
    let told = Mutex::new(BTreeSet::new());
    Arc::new(move |error, tried| {
        let is_outage = matches!(error.kind(), ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Unreachable);
        if is_outage && tried >= MOMENT {
            let text = error.message().to_owned();
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.insert(text.clone()) {
                output::note(format_args!("{text}; it is tried again"));
            }
        }
    })
}

/// The name of the vendor's sessions in the customer's audit log: `ALIEN_OPERATOR`, or else `USER`, or else
/// `alien-cli`.
pub(crate) fn operator() -> String {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    ["ALIEN_OPERATOR", "USER"].into_iter().find_map(variable).unwrap_or_else(|| "alien-cli".to_owned())
}

/// Names the flag that an error is about.
pub(crate) fn at_flag(cloud: Cloud, error: Error) -> Failure {
    if !error.problems().is_empty() {
        return Failure::Input(error.problems().iter().cloned().map(target::at_flag).collect());
    }
    match error.resource() {
        Some(name) if cloud.options().iter().any(|option| option.name == name) => {
            Failure::stopped(Exit::of(&error), format!("`{}`: {}", flag(name), error.message()))
        }
        _ => error.into(),
    }
}
