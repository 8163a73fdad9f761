//! What a change sees of the documents, and what it writes.

use std::collections::BTreeMap;

use alien_core::{Error, ErrorKind, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::document::{Document, Key, Place};

/// The documents that a change has locked, and what it has written so far. For stores: load it, call the change, and write
/// what [`writes`](Self::writes) gives.
#[derive(Debug, Clone, Default)]
pub struct View {
    loaded: BTreeMap<Key, Option<Document>>,
    written: BTreeMap<Key, Option<Document>>,
    /// What was written before the present part of the change began.
    before: BTreeMap<Key, Option<Document>>,
    announced: bool,
}

impl View {
    /// A view of these documents, `None` for each that is not there.
    #[must_use]
    pub fn of(loaded: impl IntoIterator<Item = (Key, Option<Document>)>) -> Self {
        Self { loaded: loaded.into_iter().collect(), ..Self::default() }
    }

    /// Reads a document; `None` if it is not there.
    ///
    /// # Errors
    ///
    /// [`Internal`](ErrorKind::Internal) if the key was not among those of the change, or if the document is not of this
    /// type.
    pub fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>> {
        let found = self.written.get(key).or_else(|| self.before.get(key)).or_else(|| self.loaded.get(key));
        let found = found.ok_or_else(|| {
            let what = format!("document `{}` of table `{}` was not locked", key.id, key.table.name());
            Error::new(ErrorKind::Internal, what)
        })?;
        found.as_ref().map(|document| parse(key, document)).transpose()
    }

    /// Writes a document, with its place in a queue.
    ///
    /// # Errors
    ///
    /// [`Internal`](ErrorKind::Internal) if it has no JSON form.
    pub fn put<T: Serialize>(&mut self, key: Key, value: &T, place: Option<Place>) -> Result<()> {
        let defect = |error| {
            let what = format!("a document of table `{}` has no JSON form", key.table.name());
            Error::new(ErrorKind::Internal, what).caused_by(&error)
        };
        let text = serde_json::to_string(value).map_err(defect)?;
        self.written.insert(key, Some(Document { text, place }));
        Ok(())
    }

    /// Removes a document.
    pub fn remove(&mut self, key: Key) {
        self.written.insert(key, None);
    }

    /// Tells all who [watch](super::Store::announced) the store, once the change is written.
    pub fn announce(&mut self) {
        self.announced = true;
    }

    /// What was written: each document, or `None` if it is removed, and whether the key was loaded with a document.
    pub fn writes(&self) -> impl Iterator<Item = (&Key, Option<&Document>, bool)> {
        self.written.iter().map(|(key, document)| {
            let was_there = self.loaded.get(key).is_some_and(Option::is_some);
            (key, document.as_ref(), was_there)
        })
    }

    /// Whether the change is announced.
    #[must_use]
    pub const fn is_announced(&self) -> bool {
        self.announced
    }

    /// Carries out a part of the change. If it fails, what it has written is dropped.
    pub(crate) fn attempt<T>(&mut self, part: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let announced = self.announced;
        self.before = std::mem::take(&mut self.written);
        let done = part(self);
        let written = std::mem::replace(&mut self.written, std::mem::take(&mut self.before));
        if done.is_ok() {
            self.written.extend(written);
        } else {
            self.announced = announced;
        }
        done
    }
}

/// Why a change is not written: it puts or removes a document that is there, and that it did not lock.
pub(super) fn there_already(key: &Key) -> Error {
    let what = format!("document `{}` of table `{}` is there already, and was not locked", key.id, key.table.name());
    Error::new(ErrorKind::Internal, what)
}

/// Reads a document.
pub(crate) fn parse<'a, T: Deserialize<'a>>(key: &Key, document: &'a Document) -> Result<T> {
    parse_part(key, &document.text)
}

/// Reads a part of a document.
pub(crate) fn parse_part<'a, T: Deserialize<'a>>(key: &Key, part: &'a str) -> Result<T> {
    serde_json::from_str(part).map_err(|error| {
        let what = format!("document `{}` of table `{}` cannot be read", key.id, key.table.name());
        Error::new(ErrorKind::Internal, what).caused_by(&error)
    })
}
