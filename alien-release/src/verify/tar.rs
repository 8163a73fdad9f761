//! A repository in one file.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::tar::{Archive, Entry, EntryType, PaxExtensions};
use alien_core::{Error, ErrorKind, Result};
use async_trait::async_trait;

use super::folder::{pieces, unread};
use super::transport::{ByteStream, Transport};

/// The most files of an archive.
const MOST_FILES: usize = 100_000;
/// The most bytes of a name that has an entry of its own.
const MOST_NAME: u64 = 4_096;

/// Reads a repository from a tar archive, such as one that was carried into a network without a way out.
///
/// Its files lie in no folder, or in `./`. Any `tar` makes it: `tar -cf release.tar -C repository .`
#[derive(Debug, Clone)]
pub struct TarTransport {
    path: PathBuf,
    /// Where each file begins, and its length.
    files: Arc<HashMap<String, (u64, u64)>>,
}

impl TarTransport {
    /// Opens an archive, and reads what it has.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if it cannot be read; [`ErrorKind::Rejected`] if it is not a tar archive, has a file twice, or more than
    /// 100,000 files.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let found = fs::metadata(&path).map_err(|error| unread(&path, &error))?;
        // A pipe is not opened: nobody may ever write to it, and it is not read twice.
        if !found.is_file() {
            return Err(unread(&path, &io::Error::other("it is not a file")));
        }
        let mut file = fs::File::open(&path).map_err(|error| unread(&path, &error))?;
        let length = found.len();
        let files = Arc::new(listed(&mut file, &path, length)?);
        Ok(Self { path, files })
    }
}

#[async_trait]
impl Transport for TarTransport {
    async fn fetch(&self, name: &str) -> Result<Option<ByteStream>> {
        let Some((begin, length)) = self.files.get(name).copied() else { return Ok(None) };
        let opened = pieces(self.path.clone(), move |path| {
            let mut file = fs::File::open(path)?;
            file.seek(SeekFrom::Start(begin))?;
            Ok(file.take(length))
        });
        opened.await.map(Some).map_err(|error| unread(&self.path, &error))
    }
}

fn listed(file: &mut fs::File, path: &Path, length: u64) -> Result<HashMap<String, (u64, u64)>> {
    let broken = |what: &str| {
        let help = "make it anew: `tar -cf FILE -C REPOSITORY .`";
        Error::new(
            ErrorKind::Rejected,
            format!("`{}` is not a repository in a tar archive: {what}; {help}", path.display()),
        )
    };
    let mut archive = Archive::new(file);
    // Names that need an entry of their own are read here, because the library would read one of any length.
    let entries = archive.entries_with_seek().map_err(|error| broken(&error.to_string()))?.raw(true);
    let mut files = HashMap::new();
    let mut named: Option<String> = None;
    for entry in entries {
        let mut entry = entry.map_err(|error| broken(&error.to_string()))?;
        match entry.header().entry_type() {
            EntryType::GNULongName | EntryType::XHeader => {
                named = long_name(&mut entry).map_err(|what| broken(&what))?;
                continue;
            }
            EntryType::Regular => {}
            _ => {
                named = None;
                continue;
            }
        }
        let name = named.take().or_else(|| entry.path().ok()?.to_str().map(str::to_owned));
        let Some(name) = name else { continue };
        let name = name.strip_prefix("./").unwrap_or(&name).to_owned();
        let (begin, size) = (entry.raw_file_position(), entry.size());
        if begin.checked_add(size).is_none_or(|end| end > length) {
            return Err(broken("it is cut off"));
        }
        if files.insert(name.clone(), (begin, size)).is_some() {
            return Err(broken(&format!("it has `{name}` twice")));
        }
        if files.len() > MOST_FILES {
            return Err(broken(&format!("it has more than {MOST_FILES} files")));
        }
    }
    Ok(files)
}

/// The name of the entry after this one.
fn long_name(entry: &mut Entry<'_, &mut fs::File>) -> Result<Option<String>, String> {
    if entry.size() > MOST_NAME {
        return Err(format!("a name has {} bytes", entry.size()));
    }
    let kind = entry.header().entry_type();
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let name = if kind == EntryType::XHeader {
        let mut fields = PaxExtensions::new(&bytes).flatten();
        fields.find(|field| field.key_bytes() == b"path").map(|field| field.value_bytes().to_vec())
    } else {
        bytes.split(|byte| *byte == 0).next().map(<[u8]>::to_vec)
    };
    Ok(name.and_then(|name| String::from_utf8(name).ok()))
}
