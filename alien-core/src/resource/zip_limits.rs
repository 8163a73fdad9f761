//! What a cloud takes of a zip with code.

use std::io::{Cursor, Read, Seek};

use zip::ZipArchive;
use zip::read::ZipFile;

use crate::problem::{Problem, Rule};

/// The file of a zip that is run. It must stand at the top, and be executable.
const ENTRY: &str = "bootstrap";

/// What a cloud takes of a zip with code. Where it has none, zips are not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZipLimits {
    /// The most bytes of the zip itself.
    pub sent: u64,
    /// The most bytes of its files together, when it is extracted.
    pub extracted: u64,
}

impl ZipLimits {
    /// The problem of bytes that the cloud would not take, or could not run. Only the zip's directory is read.
    pub(crate) fn refusal(self, cloud: &str, bytes: &[u8]) -> Option<Problem> {
        let (what, help) = self.wrong(cloud, bytes).err()?;
        Some(Problem::error(Rule::Code, what, help.to_owned()))
    }

    fn wrong(self, cloud: &str, bytes: &[u8]) -> Result<(), (String, &'static str)> {
        const SMALLER: &str = "leave out what does not run, or ship it as an image";
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if size > self.sent {
            let what = format!("its zip has {size} bytes, and {cloud} takes at most {}", self.sent);
            return Err((what, SMALLER));
        }
        let build = "put the executable `bootstrap` at the top of a zip";
        let mut zip =
            ZipArchive::new(Cursor::new(bytes)).map_err(|error| (format!("its file is no zip: {error}"), build))?;
        let mut extracted = 0_u64;
        let (mut entry, mut elsewhere) = (None, None);
        for at in 0..zip.len() {
            let file = zip.by_index_raw(at).map_err(|error| (format!("its zip cannot be read: {error}"), build))?;
            extracted = extracted.saturating_add(file.size());
            // A name that is none is not that of the entry.
            let name = file.name().unwrap_or_default();
            if name == ENTRY && file.is_file() {
                entry = Some(is_executable(&file));
            } else if name.strip_suffix(ENTRY).is_some_and(|folder| folder.ends_with('/')) {
                elsewhere = Some(name.into_owned());
            }
        }
        match (entry, elsewhere) {
            (Some(true), _) => {}
            (Some(false), _) => {
                let what = "the `bootstrap` in its zip is not executable".to_owned();
                return Err((what, "make it executable, `chmod +x bootstrap`, and zip it on a system that keeps this"));
            }
            (None, Some(elsewhere)) => {
                return Err((format!("its zip has `{elsewhere}`, and no `bootstrap` at the top"), build));
            }
            (None, None) => return Err(("its zip has no `bootstrap`".to_owned(), build)),
        }
        if extracted > self.extracted {
            let most = self.extracted;
            let what = format!("the files of its zip have {extracted} bytes, and {cloud} takes at most {most}");
            return Err((what, SMALLER));
        }
        Ok(())
    }
}

/// Whether anybody may execute a file. A zip of a system that knows no such right says that nobody may.
fn is_executable<R: Read + Seek>(file: &ZipFile<'_, R>) -> bool {
    file.unix_mode().is_some_and(|mode| mode & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::*;

    fn zip(files: &[(&str, u32, usize)]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, mode, size) in files {
            zip.start_file(*name, SimpleFileOptions::default().unix_permissions(*mode)).unwrap();
            zip.write_all(&vec![0; *size]).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn told(bytes: &[u8]) -> Option<String> {
        ZipLimits { sent: 1_000, extracted: 500 }.refusal("Cumulus", bytes).map(|problem| problem.to_string())
    }

    #[test]
    fn a_zip_is_looked_at_before_it_is_sent() {
        assert_eq!(told(&zip(&[("bootstrap", 0o755, 9), ("lib/bootstrap", 0o644, 9)])), None);
        for (bytes, words) in [
            (vec![0; 1_001], "its zip has 1001 bytes, and Cumulus takes at most 1000"),
            (b"#!/bin/sh".to_vec(), "its file is no zip"),
            (zip(&[]), "its zip has no `bootstrap`"),
            (zip(&[("app", 0o755, 9)]), "its zip has no `bootstrap`"),
            (zip(&[("target/bootstrap", 0o755, 9)]), "has `target/bootstrap`, and no `bootstrap` at the top"),
            (zip(&[("bootstrap", 0o644, 9)]), "is not executable"),
            (zip(&[("bootstrap", 0o755, 501)]), "have 501 bytes, and Cumulus takes at most 500"),
        ] {
            let told = told(&bytes).unwrap_or_default();
            assert!(told.contains(words), "{words}: {told}");
        }
        // One that was cut short.
        let mut cut = zip(&[("bootstrap", 0o755, 9)]);
        cut.truncate(40);
        assert!(told(&cut).unwrap().contains("its file is no zip"));
    }
}
