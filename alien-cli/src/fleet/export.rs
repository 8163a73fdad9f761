//! `alien fleet export` and `alien fleet import`: what a fleet knows, as files.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use alien_fleet::api::Client;
use alien_fleet::{Entry, Listed};
use schemars::JsonSchema;
use serde::Serialize;

use super::open::{self, Absent};
use crate::args::Shown;
use crate::args::fleet::{ExportArgs, ImportArgs};
use crate::file::{self, Replacement};
use crate::output::{self, Failure};

/// How many entries of the log are read at once.
const PAGE: usize = 500;

/// The result of `alien fleet export`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Exported {
    /// The folder of the records.
    folder: PathBuf,
    /// How many records there are.
    records: u64,
    /// The file of the log, in JSON Lines.
    log: PathBuf,
    /// How many entries it has. Each follows from the one before.
    entries: u64,
}

pub(super) async fn export(args: &ExportArgs, shown: Shown) -> Result<(), Failure> {
    let reached = open::open(&args.store, Absent::Refuse).await?;
    let records = args.folder.join("records");
    fs::create_dir_all(&records).map_err(|error| unwritten(&records, &error))?;
    let mut count = 0;
    for product in reached.client.products().await? {
        for listed in reached.client.deployments(&product).await? {
            let (_, record) = reached.client.deployment(listed.id).await?;
            Replacement::of(&records.join(format!("{}.json", listed.id)))?.write(&record)?;
            count += 1;
        }
    }
    let log = args.folder.join("log.jsonl");
    let beside = args.folder.join(".log.jsonl.part");
    let entries = write_log(&reached.client, &beside).await?;
    fs::rename(&beside, &log).map_err(|error| unwritten(&log, &error))?;
    shown.result(&Exported { folder: records, records: count, log, entries }, |exported| {
        let Exported { folder, records, log, entries } = exported;
        let (folder, log) = (folder.display(), log.display());
        format!("wrote {records} records to {folder}, and {entries} entries to {log}: each follows from the one before")
    })
}

/// Writes the log, and checks that each entry follows from the one before.
async fn write_log(client: &Client, path: &Path) -> Result<u64, Failure> {
    let mut file = File::create(path).map(BufWriter::new).map_err(|error| unwritten(path, &error))?;
    let mut before: Option<Entry> = None;
    loop {
        let after = before.as_ref().map_or(0, |entry| entry.number);
        let page = client.log(after, PAGE).await?;
        if page.is_empty() {
            break;
        }
        for entry in page {
            entry.follows(before.as_ref())?;
            let line = serde_json::to_string(&entry).map_err(Failure::unwritten)?;
            writeln!(file, "{line}").map_err(|error| unwritten(path, &error))?;
            before = Some(entry);
        }
    }
    let flushed = file.into_inner().map_err(|error| unwritten(path, error.error()))?.sync_all();
    flushed.map_err(|error| unwritten(path, &error))?;
    Ok(before.map_or(0, |entry| entry.number))
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    Failure::unwritten(format_args!("`{}`: {error}", path.display()))
}

pub(super) async fn import(args: &ImportArgs, shown: Shown) -> Result<(), Failure> {
    let (mut records, mut problems) = (Vec::new(), Vec::new());
    for path in &args.records {
        match file::record(path) {
            Ok(record) => records.push(record),
            Err(Failure::Input(found)) => problems.extend(found),
            Err(other) => return Err(other),
        }
    }
    if !problems.is_empty() {
        return Err(Failure::Input(problems));
    }
    let reached = open::open(&args.store, Absent::Make).await?;
    let mut added = Vec::new();
    for record in &records {
        match reached.client.add(record).await {
            Ok(listed) => added.push(listed),
            Err(error) => {
                // What was added before that stays.
                if !added.is_empty() {
                    output::note(imported(&added));
                }
                return Err(error.into());
            }
        }
    }
    shown.result(&added, |added| imported(added))
}

fn imported(added: &[Listed]) -> String {
    let told = added.iter().map(|Listed { id, product, account, .. }| format!("added {id} of `{product}` ({account})"));
    told.collect::<Vec<_>>().join("\n")
}
