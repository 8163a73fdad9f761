//! The files that commands read and write.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use alien_core::adapter::{LARGEST_BYTES, read_bytes, read_text};
use alien_core::{Artifacts, Deployment, Invitation, Problem, Stack};
use serde::Serialize;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::output::Failure;

/// Reads a file as text, which is wiped.
pub(crate) fn text(path: &Path) -> Result<Zeroizing<String>, Failure> {
    Ok(read_text(path).map_err(Problem::from)?)
}

/// Files, and in the place of each folder the JSON files in it, sorted by name.
pub(crate) fn each(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let unread = |error: io::Error| {
            let help = "name a folder that can be read, or its files";
            Failure::form(path.display().to_string(), format!("cannot be read: {error}"), help)
        };
        let entries = fs::read_dir(path).map_err(unread)?;
        let found =
            entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(unread)?;
        let mut found: Vec<PathBuf> =
            found.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect();
        if found.is_empty() {
            let help = "put the answers into files that end in `.json`";
            return Err(Failure::form(path.display().to_string(), "no file in this folder ends in `.json`", help));
        }
        found.sort();
        files.extend(found);
    }
    Ok(files)
}

/// Reads a stack.
pub(crate) fn stack(path: &Path) -> Result<Stack, Failure> {
    Stack::from_json(&text(path)?).map_err(|problems| within(path, problems.as_slice()))
}

/// Reads an invitation.
pub(crate) fn invitation(path: &Path) -> Result<Invitation, Failure> {
    Invitation::from_json(&text(path)?).map_err(|problems| within(path, problems.as_slice()))
}

/// Reads the record of a deployment.
pub(crate) fn record(path: &Path) -> Result<Deployment, Failure> {
    Deployment::from_json(&text(path)?).map_err(|problems| within(path, problems.as_slice()))
}

/// Reads the record of a deployment, or returns `None` if the file does not exist.
pub(crate) fn record_if_any(path: &Path) -> Result<Option<Deployment>, Failure> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        _ => record(path).map(Some),
    }
}

/// Reads zips, and reports every one that cannot be read.
pub(crate) fn zips(paths: &[PathBuf]) -> Result<Artifacts, Failure> {
    let mut artifacts = Artifacts::default();
    let mut problems = Vec::new();
    for path in paths {
        match read_bytes(path, LARGEST_BYTES) {
            Ok(bytes) => drop(artifacts.insert(bytes)),
            Err(unread) => problems.push(Problem::from(unread)),
        }
    }
    if problems.is_empty() { Ok(artifacts) } else { Err(Failure::Input(problems)) }
}

/// Reads a file as it is, byte by byte: a command, or what a digest is of.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    Ok(read_bytes(path, LARGEST_BYTES).map_err(Problem::from)?)
}

/// Names the file, or flag, in problems: one of the file as a whole is at `stack.json`, one of a part of it at `stack.json: data`.
pub(crate) fn within(path: &Path, problems: &[Problem]) -> Failure {
    let file = path.display().to_string();
    let name = |problem: &Problem| match &problem.subject {
        Some(part) if *part != file => problem.clone().at(format!("{file}: {part}")),
        _ => problem.clone().at(&file),
    };
    Failure::Input(problems.iter().map(name).collect())
}

/// A file that is replaced atomically.
///
/// [`of`](Self::of) checks that the file can be written, so that a run fails before it changes anything. It leaves no
/// temporary file behind, because the run may be interrupted.
#[derive(Debug)]
pub(crate) struct Replacement {
    path: PathBuf,
    beside: PathBuf,
}

impl Replacement {
    /// Prepares to replace a file, or to create it.
    pub(crate) fn of(path: &Path) -> Result<Self, Failure> {
        let refused = |what: String| Failure::form(path.display().to_string(), what, "name a file that can be written");
        let name = path.file_name().ok_or_else(|| refused("is not the name of a file".to_owned()))?;
        if path.is_dir() {
            return Err(refused("is a folder".to_owned()));
        }
        let beside = path.with_file_name(format!(".{}.{}", name.to_string_lossy(), Uuid::new_v4().simple()));
        let tried = File::create_new(&beside).and_then(|_| fs::remove_file(&beside));
        tried.map_err(|error| refused(format!("cannot be written: {error}")))?;
        Ok(Self { path: path.to_owned(), beside })
    }

    /// Writes a value as indented JSON, and moves the file into place.
    pub(crate) fn write(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).map_err(Failure::unwritten)?;
        self.write_bytes(format!("{text}\n").as_bytes())
    }

    /// Writes bytes, and moves the file into place.
    pub(crate) fn write_bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let written = File::create_new(&self.beside).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        written.and_then(|()| fs::rename(&self.beside, &self.path)).map_err(|error| {
            let _ = fs::remove_file(&self.beside);
            Failure::unwritten(format_args!("`{}`: {error}", self.path.display()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_problem_of_a_stack_names_its_file() {
        let path = std::env::temp_dir().join(format!("alien-stack-{}.json", Uuid::new_v4()));
        let told = |text: &str| {
            fs::write(&path, text).unwrap();
            let told = stack(&path).unwrap_err().to_string();
            fs::remove_file(&path).unwrap();
            told
        };
        let cut = told("{\"name\": \"shop\",\n }");
        assert!(cut.contains(".json`: not JSON: trailing comma at line 2 column 2"), "{cut}");
        let twice = told("{\"name\": \"shop\",\n \"name\": \"x\", \"resources\": []}");
        assert!(twice.contains(".json: name`: the field is written twice at line 2 column 7"), "{twice}");
        let wrong = told(r#"{"name":"shop","resources":[{"id":"Data!","type":"kv","lifecycle":"frozen"}]}"#);
        assert!(wrong.contains(".json: Data!`"), "{wrong}");
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_is_left_beside_it() {
        let folder = std::env::temp_dir().join(format!("alien-{}", Uuid::new_v4()));
        fs::create_dir(&folder).unwrap();
        let path = folder.join("record.json");
        let files = || fs::read_dir(&folder).unwrap().count();
        let first = Replacement::of(&path).unwrap();
        assert_eq!(files(), 0, "an interrupted run leaves nothing");
        first.write(&1).unwrap();
        Replacement::of(&path).unwrap().write(&[2]).unwrap();
        assert_eq!((files(), text(&path).unwrap().as_str()), (1, "[\n  2\n]\n"));
        // A write that fails leaves no temporary file.
        let late = Replacement::of(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::create_dir_all(path.join("in the way")).unwrap();
        assert!(late.write(&3).unwrap_err().to_string().contains("record.json"));
        assert_eq!(files(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }
}
