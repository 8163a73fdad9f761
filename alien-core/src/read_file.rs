//! Files from others, read up to a bound.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::{fmt, mem};

use zeroize::Zeroizing;

use crate::error::Error;
use crate::problem::{Problem, Rule};

/// The most bytes of a text, 16 MiB: a stack, an invitation, a record, a key, settings. That is 16 KiB for each resource that a stack may
/// have.
pub const LARGEST_TEXT: u64 = 16 << 20;

/// The most bytes of anything else, 250 MiB: as many as AWS Lambda lets a zip have when it is extracted
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>). A command has less.
pub const LARGEST_BYTES: u64 = 250 << 20;

/// How much is read at once.
const PIECE: usize = 64 << 10;

/// Why a file was not read. It becomes a [`Problem`] of that file, or an [`Error`] with that problem.
#[derive(Debug)]
pub struct Unreadable {
    path: PathBuf,
    what: String,
    help: &'static str,
    error: Option<io::ErrorKind>,
}

impl Unreadable {
    fn new(path: &Path, what: impl Into<String>, help: &'static str) -> Self {
        Self { path: path.to_owned(), what: what.into(), help, error: None }
    }

    fn failed(path: &Path, error: &io::Error) -> Self {
        let unread = Self::new(path, format!("cannot be read: {error}"), "name a file that can be read");
        Self { error: Some(error.kind()), ..unread }
    }

    /// Whether there is nothing of that name. A link that leads nowhere is something: somebody meant a file to be there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.error == Some(io::ErrorKind::NotFound) && fs::symlink_metadata(&self.path).is_err()
    }

    /// Whether the system did not read it, and so may read it another time. Otherwise what was found is no such file.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.error.is_some()
    }
}

/// Prints the name of the file, and what is wrong with it.
impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.path.display(), self.what)
    }
}

impl std::error::Error for Unreadable {}

impl From<Unreadable> for Problem {
    fn from(unread: Unreadable) -> Self {
        Self::error(Rule::Form, unread.what, unread.help.to_owned()).at(unread.path.display().to_string())
    }
}

impl From<Unreadable> for Error {
    fn from(unread: Unreadable) -> Self {
        vec![Problem::from(unread)].into()
    }
}

/// Reads a file of at most [`LARGEST_TEXT`] as text. A byte-order mark of UTF-8, as some editors write it, is left out. The text may be a
/// secret: it is wiped from memory, and so is every copy that was made on the way.
///
/// What is read is a regular file, or what a shell gives as one: `/dev/stdin`, `/dev/null`, and `/dev/fd/63`, as `<(…)` is named. Another
/// pipe may have nobody who writes to it, and another device no end: they are not read.
///
/// # Errors
///
/// If it cannot be read, is no such file, has more, is empty, or is not in UTF-8.
pub fn read_text(path: &Path) -> Result<Zeroizing<String>, Unreadable> {
    let wrong = |what: String, help| Unreadable::new(path, what, help);
    let mut bytes = read(path, LARGEST_TEXT)?;
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(wrong("is in UTF-16".to_owned(), "save it as UTF-8"));
    }
    if bytes.starts_with("\u{feff}".as_bytes()) {
        bytes.drain(.."\u{feff}".len());
    }
    if bytes.is_empty() {
        return Err(wrong("is empty".to_owned(), "name the right file"));
    }
    String::from_utf8(mem::take(&mut *bytes)).map(Zeroizing::new).map_err(|error| {
        let at = error.utf8_error().valid_up_to().saturating_add(1);
        drop(Zeroizing::new(error.into_bytes()));
        wrong(format!("is not in UTF-8: byte {at} is wrong"), "save it as UTF-8, or name the right file")
    })
}

/// Reads a file of at most so many bytes. It may be empty. What is read is as for [`read_text`].
///
/// # Errors
///
/// If it cannot be read, is no such file, or has more.
pub fn read_bytes(path: &Path, most: u64) -> Result<Vec<u8>, Unreadable> {
    read(path, most).map(|mut bytes| mem::take(&mut *bytes))
}

fn read(path: &Path, most: u64) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
    let failed = |error: io::Error| Unreadable::failed(path, &error);
    let found = fs::metadata(path).map_err(failed)?;
    if found.is_dir() {
        return Err(Unreadable::new(path, "is a folder", "name a file"));
    }
    let is_given = ["/dev/stdin", "/dev/fd", "/proc/self/fd", "/dev/null"].iter().any(|given| path.starts_with(given));
    if !found.is_file() && !is_given {
        let help = "name a file, `/dev/stdin` or `<(…)`";
        return Err(Unreadable::new(path, "is a pipe or a device, and no file", help));
    }
    let expected = usize::try_from(found.len().min(most)).unwrap_or_default();
    match up_to(most, File::open(path).map_err(failed)?, expected).map_err(failed)? {
        Some(bytes) => Ok(bytes),
        None => Err(Unreadable::new(path, format!("has more than {} MiB", most >> 20), "name the right file")),
    }
}

/// Reads to the end; `None` if there is more.
fn up_to(most: u64, mut file: impl Read, expected: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut piece = Zeroizing::new(vec![0; PIECE]);
    let mut bytes = Zeroizing::new(Vec::with_capacity(expected));
    loop {
        let read = match file.read(&mut piece) {
            Ok(0) => return Ok(Some(bytes)),
            Ok(read) => piece.get(..read).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let length = bytes.len().saturating_add(read.len());
        if u64::try_from(length).is_ok_and(|length| length > most) {
            return Ok(None);
        }
        if length > bytes.capacity() {
            // A vector that grows leaves what it had behind, and nothing wipes that.
            let mut larger = Zeroizing::new(Vec::with_capacity(length.saturating_mul(2)));
            larger.extend_from_slice(&bytes);
            bytes = larger;
        }
        bytes.extend_from_slice(read);
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::fd::AsRawFd as _;
    use std::process::Command;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::name::RunId;

    /// Fails where the file is waited for.
    fn told(path: &Path) -> String {
        let (path, (tell, heard)) = (path.to_owned(), mpsc::channel());
        std::thread::spawn(move || tell.send(read_text(&path).map(drop).unwrap_err().to_string()));
        heard.recv_timeout(Duration::from_secs(10)).unwrap()
    }

    #[test]
    fn a_text_is_read_as_editors_write_it_and_what_is_none_is_told_by_name() {
        let path = std::env::temp_dir().join(format!("alien-text-{}", RunId::new()));
        fs::write(&path, b"\xef\xbb\xbf{}\r\n").unwrap();
        assert_eq!(*read_text(&path).unwrap(), "{}\r\n");
        let utf16: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_be_bytes).collect();
        for (bytes, words) in [
            (&utf16[..], "` is in UTF-16"),
            (b"", "` is empty"),
            (b"\xef\xbb\xbf", "` is empty"),
            (b"{\"a\": \"\xe4\"}", "` is not in UTF-8: byte 8 is wrong"),
        ] {
            fs::write(&path, bytes).unwrap();
            assert!(told(&path).ends_with(words), "{}", told(&path));
        }
        File::create(&path).unwrap().set_len(LARGEST_TEXT + 1).unwrap();
        assert!(told(&path).ends_with("` has more than 16 MiB"), "{}", told(&path));
        fs::write(&path, [7; 9]).unwrap();
        assert_eq!(read_bytes(&path, 9).unwrap(), [7; 9]);
        assert!(read_bytes(&path, 8).is_err());
        fs::remove_file(&path).unwrap();
        assert!(read_text(&path).unwrap_err().is_missing());
        std::os::unix::fs::symlink("/nowhere", &path).unwrap();
        assert!(!read_text(&path).unwrap_err().is_missing());
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn what_may_never_end_is_read_only_where_a_shell_gives_it() {
        let path = std::env::temp_dir().join(format!("alien-pipe-{}", RunId::new()));
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        for none in [&path, Path::new("/dev/zero")] {
            assert!(told(none).ends_with("` is a pipe or a device, and no file"), "{}", told(none));
        }
        fs::remove_file(&path).unwrap();
        assert!(told(Path::new("/dev/null")).ends_with("` is empty"));
        assert!(told(&std::env::temp_dir()).ends_with("` is a folder"));

        let (reader, mut writer) = io::pipe().unwrap();
        io::Write::write_all(&mut writer, "ä".repeat(30_000).as_bytes()).unwrap();
        drop(writer);
        let given = PathBuf::from(format!("/dev/fd/{}", reader.as_raw_fd()));
        assert_eq!(*read_text(&given).unwrap(), "ä".repeat(30_000));
        let zero = File::open("/dev/zero").unwrap();
        assert!(told(&PathBuf::from(format!("/dev/fd/{}", zero.as_raw_fd()))).ends_with("` has more than 16 MiB"));
    }
}
