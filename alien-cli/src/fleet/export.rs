//! `alien fleet export` and `alien fleet import`: what a fleet knows, as files.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;

use alien_fleet::Entry;
use alien_fleet::api::Client;

use super::open::{self, Absent};
use crate::args::fleet::{ExportArgs, ImportArgs};
use crate::file::{self, Replacement};
use crate::output::{self, Failure};

/// How many entries of the log are read at once.
const PAGE: usize = 500;

pub(super) async fn export(args: &ExportArgs) -> Result<(), Failure> {
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
    output::line(format_args!(
        "wrote {count} records to {}, and {entries} entries to {}: each follows from the one before",
        records.display(),
        log.display()
    ))
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

pub(super) async fn import(args: &ImportArgs) -> Result<(), Failure> {
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
    for record in &records {
        let listed = reached.client.add(record).await?;
        output::line(format_args!("added {} of `{}` ({})", listed.id, listed.product, listed.account))?;
    }
    Ok(())
}
