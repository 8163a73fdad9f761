//! `alien heartbeat`, `alien logs` and `alien dispatch`: how the vendor manages a deployment.

use std::io::Read as _;
use std::path::Path;

use alien_core::{
    AnyHandle, Clock as _, ErrorKind, Exit, Frozen, Function, Health, Heartbeat, Kind, Lifecycle, Live, LogLine,
    Manager, Ran, SystemClock,
};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::Serialize;

use crate::args::Format;
use crate::args::vendor::{DispatchArgs, HeartbeatArgs, LogsArgs};
use crate::connect::manager;
use crate::file;
use crate::near::near;
use crate::output::{self, Failure};

/// The handle of a resource, whatever it is.
pub(crate) fn resource(manager: &Manager, id: &str) -> Result<AnyHandle, Failure> {
    let resources = manager.resources();
    let known: Vec<&str> = resources.iter().map(|handle| handle.id().as_str()).collect();
    let help = near(id, &known);
    let found = resources.iter().find(|handle| handle.id().as_str() == id).cloned();
    found.ok_or_else(|| Failure::form(id, "the deployment has no such resource", &help))
}

/// One row of the table.
#[derive(Debug, Serialize)]
pub(crate) struct Beat {
    resource: String,
    #[serde(rename = "type")]
    kind: Kind,
    lifecycle: Lifecycle,
    /// The health, or `unknown` if the call failed.
    health: &'static str,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    runs: Option<Ran>,
}

pub(crate) async fn heartbeat(args: &HeartbeatArgs) -> Result<(), Failure> {
    let beats = beats(&manager(&args.record).await?).await?;
    if args.shown.json {
        output::json(&beats)?;
    } else {
        output::line(text(&beats))?;
    }
    healthy(&beats)
}

/// The health of every resource, several at once. A call that fails for one resource does not hide the others; one that
/// would fail for all is told once.
async fn beats(manager: &Manager) -> Result<Vec<Beat>, Failure> {
    let beats = manager.resources().into_iter().map(|handle| async move {
        let beat = manager.heartbeat(&handle).await;
        (handle, beat)
    });
    let beats: Vec<_> = stream::iter(beats.collect::<Vec<_>>()).buffered(8).collect().await;
    beats.into_iter().map(|(handle, beat)| row(&handle, beat)).collect()
}

/// The health of one resource.
pub(crate) async fn beat(manager: &Manager, handle: AnyHandle) -> Result<Beat, Failure> {
    row(&handle, manager.heartbeat(&handle).await)
}

fn row(handle: &AnyHandle, beat: alien_core::Result<Heartbeat>) -> Result<Beat, Failure> {
    let (health, reason, runs) = match beat {
        Ok(beat) => (beat.health.name(), beat.reason, beat.runs),
        Err(error) if matches!(error.kind(), ErrorKind::Revoked | ErrorKind::Credentials) => {
            return Err(error.into());
        }
        Err(error) => ("unknown", error.to_string(), None),
    };
    let (resource, kind, lifecycle) = (handle.id().to_string(), handle.kind(), handle.lifecycle());
    Ok(Beat { resource, kind, lifecycle, health, reason, runs })
}

pub(crate) fn text(beats: &[Beat]) -> String {
    let rows = beats.iter().map(|Beat { resource, kind, lifecycle, health, reason, runs }| {
        let runs = runs.as_ref().map(ran).unwrap_or_default();
        vec![resource.clone(), kind.to_string(), lifecycle.to_string(), (*health).to_owned(), runs, reason.clone()]
    });
    output::table(Format::Table, &["resource", "type", "lifecycle", "health", "runs", "why"], rows.collect())
}

/// What runs, in short: the beginning of the digest, and whether the record knows it.
fn ran(ran: &Ran) -> String {
    let code = match ran.code.strip_prefix("sha256:").and_then(|digits| digits.get(..12)) {
        Some(digits) => format!("sha256:{digits}…"),
        None => ran.code.clone(),
    };
    if ran.release.is_some() { code } else { format!("{code}, not as recorded") }
}

pub(crate) fn healthy(beats: &[Beat]) -> Result<(), Failure> {
    let ill = beats.iter().filter(|beat| beat.health != Health::Healthy.name());
    let ill: Vec<&str> = ill.map(|beat| beat.resource.as_str()).collect();
    if ill.is_empty() {
        Ok(())
    } else {
        Err(Failure::ended(Exit::Drift, format_args!("error: not healthy: {}", ill.join(", "))))
    }
}

pub(crate) async fn logs(args: &LogsArgs) -> Result<(), Failure> {
    let manager = manager(&args.record).await?;
    let handle = resource(&manager, &args.resource)?;
    let logs = manager.logs(&handle).since(args.since.before(SystemClock.now()));
    let mut lines = if args.follow { logs.follow() } else { logs.read() };
    while let Some(line) = lines.try_next().await? {
        show(&line, args.json)?;
    }
    Ok(())
}

pub(crate) fn show(line: &LogLine, json: bool) -> Result<(), Failure> {
    if json {
        output::line(serde_json::to_string(line).map_err(Failure::unwritten)?)
    } else {
        output::line(format_args!("{} {}", line.at, line.text.trim_end_matches('\n')))
    }
}

pub(crate) async fn dispatch(args: &DispatchArgs) -> Result<(), Failure> {
    let payload = payload(&args.payload)?;
    let manager = manager(&args.record).await?;
    output::answer(&send(&manager, &args.resource, &payload).await?)
}

async fn send(manager: &Manager, id: &str, payload: &[u8]) -> Result<Vec<u8>, Failure> {
    Ok(match resource(manager, id)?.lifecycle() {
        Lifecycle::Frozen => manager.dispatch(&manager.find::<Function, Frozen>(id)?, payload).await?,
        Lifecycle::Live => manager.dispatch(&manager.find::<Function, Live>(id)?, payload).await?,
    })
}

/// Reads a command: the text itself, or the bytes of a file or of standard input.
pub(crate) fn payload(text: &str) -> Result<Vec<u8>, Failure> {
    if text == "-" {
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut bytes);
        return read
            .map(|_| bytes)
            .map_err(|error| Failure::stopped(Exit::Input, format!("cannot read standard input: {error}")));
    }
    match text.strip_prefix('@') {
        Some(path) => file::bytes(Path::new(path)),
        None => Ok(text.as_bytes().to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Cloud, broken, working};
    use crate::run;

    #[test]
    fn a_heartbeat_shows_everything_and_fails_where_something_is_not_healthy() {
        let cloud = Cloud::new();
        let healthy_beats = run(beats(&cloud.manager(cloud.up(&working(512))))).unwrap();
        assert_eq!(healthy_beats.len(), 3);
        assert!(healthy(&healthy_beats).is_ok());
        let cloud = Cloud::new();
        let beats = run(beats(&cloud.manager(cloud.up(&broken(512))))).unwrap();
        assert_eq!(healthy(&beats).unwrap_err().to_string(), "error: not healthy: worker");
        insta::assert_snapshot!("heartbeat", text(&beats));
        let worker = serde_json::to_string(beats.last().unwrap()).unwrap();
        let begin = r#"{"resource":"worker","type":"function","lifecycle":"live","health":"degraded","reason":"its code does not start","runs":{"code":"sha256:"#;
        assert!(worker.starts_with(begin), "{worker}");
    }

    #[test]
    fn a_command_is_sent_to_a_function_alone() {
        let cloud = Cloud::new();
        let manager = cloud.manager(cloud.up(&working(512)));
        assert_eq!(run(send(&manager, "api", b"abc")).unwrap(), b"abc");
        let told = run(send(&manager, "data", b"abc")).unwrap_err().to_string();
        assert!(told.contains("`data`: it is a frozen storage"), "{told}");
    }

    #[test]
    fn a_command_is_given_as_itself_or_as_a_file() {
        let path = std::env::temp_dir().join(format!("alien-payload-{}", uuid::Uuid::new_v4()));
        std::fs::write(&path, [0, 255]).unwrap();
        assert_eq!(payload("{}").unwrap(), b"{}");
        assert_eq!(payload(&format!("@{}", path.display())).unwrap(), [0, 255]);
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(payload(&format!("@{}", path.display())), Err(Failure::Input(_))));
    }
}
