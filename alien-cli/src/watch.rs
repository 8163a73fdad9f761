//! `alien heartbeat`, `alien logs` and `alien dispatch`: how the vendor manages a deployment.

use std::io::Read;
use std::path::Path;

use alien_core::adapter::read_bytes;
use alien_core::{
    AnyHandle, Clock as _, Error, ErrorKind, Exit, Frozen, Function, Health, Heartbeat, Kind, Lifecycle, Live, LogLine,
    Manager, Problem, Ran, SystemClock,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::vendor::{DispatchArgs, HeartbeatArgs, LogsArgs};
use crate::args::{Format, Shown};
use crate::connect::manager;
use crate::near::near;
use crate::output::{self, Failure};
use crate::progress::if_long;

/// The handle of a resource, whatever it is.
pub(crate) fn resource(manager: &Manager, id: &str) -> Result<AnyHandle, Failure> {
    let resources = manager.resources();
    let known: Vec<&str> = resources.iter().map(|handle| handle.id().as_str()).collect();
    let help = near(id, &known);
    let found = resources.iter().find(|handle| handle.id().as_str() == id).cloned();
    found.ok_or_else(|| Failure::form(id, "the deployment has no such resource", &help))
}

/// The health of a resource: an entry of the result of `alien heartbeat`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Beat {
    /// Its id.
    resource: String,
    /// What it is.
    #[serde(rename = "type")]
    kind: Kind,
    /// Its lifecycle.
    lifecycle: Lifecycle,
    /// The health, or `unknown` if the call failed.
    health: &'static str,
    /// The reason; empty if there is none.
    reason: String,
    /// What runs, if it runs code and the cloud tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    runs: Option<Ran>,
}

pub(crate) async fn heartbeat(args: &HeartbeatArgs, shown: Shown) -> Result<(), Failure> {
    let manager = manager(&args.record).await?;
    let beats = if_long("looking at every resource", beats(&manager)).await?;
    shown.result(&beats, |beats| text(beats))?;
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
    if let Some(error) = unseen(beats.iter().map(|(_, beat)| beat)) {
        return Err(error.into());
    }
    beats.into_iter().map(|(handle, beat)| row(&handle, beat)).collect()
}

/// The first error, if nothing of the cloud could be reached: that says nothing of the health of anything.
fn unseen<'b>(beats: impl Iterator<Item = &'b alien_core::Result<Heartbeat>>) -> Option<Error> {
    let mut first = None;
    for beat in beats {
        match beat {
            Err(error) if matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Unavailable) => {
                first.get_or_insert_with(|| error.clone());
            }
            _ => return None,
        }
    }
    first
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

pub(crate) async fn logs(args: &LogsArgs, shown: Shown) -> Result<(), Failure> {
    let manager = manager(&args.record).await?;
    let handle = resource(&manager, &args.resource)?;
    let logs = manager.logs(&handle).since(args.since.before(SystemClock.now()));
    let mut lines = if args.follow { logs.follow() } else { logs.read() };
    while let Some(line) = lines.try_next().await? {
        show(&line, shown)?;
    }
    Ok(())
}

pub(crate) fn show(line: &LogLine, shown: Shown) -> Result<(), Failure> {
    shown.entry(line, |line| format!("{} {}", line.at, line.text.trim_end_matches('\n')))
}

/// The result of `alien dispatch` and `alien deployments dispatch`: what the function answered.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Answer {
    /// An answer in UTF-8.
    Text(String),
    /// Any other answer, in Base64.
    Base64(String),
}

/// Prints the answer to a command; without `--json`, as it is.
pub(crate) fn answer(answer: Vec<u8>, shown: Shown) -> Result<(), Failure> {
    if !shown.json {
        return output::answer(&answer);
    }
    output::json(&match String::from_utf8(answer) {
        Ok(text) => Answer::Text(text),
        Err(other) => Answer::Base64(STANDARD.encode(other.as_bytes())),
    })
}

pub(crate) async fn dispatch(args: &DispatchArgs, shown: Shown) -> Result<(), Failure> {
    let payload = payload(&args.payload)?;
    let manager = manager(&args.record).await?;
    let what = format!("waiting for the answer of {}", args.resource);
    answer(if_long(&what, send(&manager, &args.resource, &payload)).await?, shown)
}

async fn send(manager: &Manager, id: &str, payload: &[u8]) -> Result<Vec<u8>, Failure> {
    Ok(match resource(manager, id)?.lifecycle() {
        Lifecycle::Frozen => manager.dispatch(&manager.find::<Function, Frozen>(id)?, payload).await?,
        Lifecycle::Live => manager.dispatch(&manager.find::<Function, Live>(id)?, payload).await?,
    })
}

/// The most bytes of a command, 32 MiB: what Cloud Run takes, which takes more than the others
/// (<https://cloud.google.com/run/quotas#cloud_run_limits>).
const LARGEST_COMMAND: u64 = 32 << 20;

/// Reads a command to its end, or until it is larger than any that can be sent.
fn command(reader: impl Read) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = reader.take(LARGEST_COMMAND + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::stopped(Exit::Input, format!("cannot read standard input: {error}")))?;
    if bytes.len() as u64 <= LARGEST_COMMAND {
        return Ok(bytes);
    }
    let what = format!("has more than {} MiB, which no cloud carries as a command", LARGEST_COMMAND >> 20);
    Err(Failure::form("standard input", what, "send less, or where it is"))
}

/// Reads a command: the text itself, or the bytes of a file or of standard input.
pub(crate) fn payload(text: &str) -> Result<Vec<u8>, Failure> {
    if text == "-" {
        return command(std::io::stdin().lock());
    }
    match text.strip_prefix('@') {
        Some(path) => Ok(read_bytes(Path::new(path), LARGEST_COMMAND).map_err(Problem::from)?),
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
    fn a_cloud_that_nothing_reaches_is_told_as_that_and_not_as_bad_health() {
        let failed = |kind| Err(Error::new(kind, "no"));
        let seen = || Ok(Heartbeat::new(Health::Healthy, ""));
        for kind in [ErrorKind::Unreachable, ErrorKind::Unavailable] {
            assert_eq!(unseen([failed(kind), failed(ErrorKind::Unavailable)].iter()).unwrap().kind(), kind);
            assert!(unseen([failed(kind), seen()].iter()).is_none());
            assert!(unseen([failed(kind), failed(ErrorKind::Denied)].iter()).is_none());
        }
        assert!(unseen([].iter()).is_none());
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

    #[test]
    fn a_command_without_an_end_is_read_to_the_largest_and_refused() {
        let told = command(std::io::repeat(b'x')).unwrap_err().to_string();
        assert!(told.contains("`standard input`: has more than 32 MiB, which no cloud carries"), "{told}");
        assert_eq!(command(std::io::repeat(0).take(LARGEST_COMMAND)).unwrap().len(), 32 << 20);
        let told = payload("@/dev/zero").unwrap_err().to_string();
        assert!(told.contains("is a pipe or a device"), "{told}");
    }
}
