//! Code of a function for tests: a zip with a program in it.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::peer::target;

/// A zip with the program of the `bootstrap` example of `alien-aws`, which answers every command with the command
/// itself. A different `says` gives a zip with another digest that does the same.
///
/// # Panics
///
/// If the example cannot be built.
#[must_use]
pub fn zip(says: &str) -> Vec<u8> {
    static PROGRAM: OnceLock<Vec<u8>> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| {
        // Other test binaries may build it at the same time.
        let program = target().join(format!("bootstrap-{}", std::process::id()));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../alien-aws/examples/bootstrap.rs");
        // Compiled without cargo: the program needs only the standard library.
        let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let built = Command::new(compiler)
            .args(["--edition", "2024", "-O", "-Cstrip=symbols", "-o"])
            .arg(&program)
            .arg(source)
            .status();
        assert!(built.expect("rustc runs").success(), "the example `bootstrap` is built");
        let bytes = std::fs::read(&program).expect("the example was built");
        let _ = std::fs::remove_file(program);
        bytes
    });
    // Bytes after the end of a program change its digest, but not what it does.
    bootstrap_zip(&[program.as_slice(), says.as_bytes()].concat())
}

/// A zip with a script that does nothing, for code that is set up but never called.
#[must_use]
pub fn script(says: &str) -> Vec<u8> {
    bootstrap_zip(format!("#!/bin/sh\n# {says}\n").as_bytes())
}

/// A zip whose only file is an executable `bootstrap` with these bytes. The same program gives the same zip.
///
/// The file is stored uncompressed, with the fields of <https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>.
/// The zip says that it was made on Unix so that the mode is read.
#[must_use]
fn bootstrap_zip(data: &[u8]) -> Vec<u8> {
    const NAME: &[u8] = b"bootstrap";
    const MODE: u32 = 0o100_755 << 16;
    // 1 January 1980, the earliest date that a zip can hold.
    const DATE: u16 = 1 << 5 | 1;
    let size = u32::try_from(data.len()).expect("a program is short");
    let mut common = Vec::new();
    // Version needed, flags, method, time.
    for field in [20_u16, 0, 0, 0, DATE] {
        common.extend(field.to_le_bytes());
    }
    for field in [crc32(data), size, size] {
        common.extend(field.to_le_bytes());
    }
    common.extend((NAME.len() as u16).to_le_bytes());
    // No extra field.
    common.extend([0; 2]);

    let mut zip = b"PK\x03\x04".to_vec();
    zip.extend(&common);
    zip.extend(NAME);
    zip.extend(data);
    let directory = zip.len() as u32;
    zip.extend(b"PK\x01\x02");
    // Made on Unix, version 2.0.
    zip.extend((3_u16 << 8 | 20).to_le_bytes());
    zip.extend(&common);
    // No comment, the first disk, no internal attributes.
    zip.extend([0; 6]);
    zip.extend(MODE.to_le_bytes());
    // The file starts where the zip starts.
    zip.extend([0; 4]);
    zip.extend(NAME);
    let length = zip.len() as u32 - directory;
    zip.extend(b"PK\x05\x06");
    // This disk, the directory's disk, entries on this disk, entries in total.
    for field in [0_u16, 0, 1, 1] {
        zip.extend(field.to_le_bytes());
    }
    zip.extend(length.to_le_bytes());
    zip.extend(directory.to_le_bytes());
    zip.extend([0; 2]);
    zip
}

/// The CRC-32 checksum of a file in a zip, bit by bit.
fn crc32(data: &[u8]) -> u32 {
    let whole = data.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 })
    });
    !whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_zip() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn the_same_program_gives_the_same_zip() {
        let zip = bootstrap_zip(b"program");
        assert_eq!(zip, bootstrap_zip(b"program"));
        assert_ne!(zip, bootstrap_zip(b""));
        assert!(zip.starts_with(b"PK\x03\x04") && zip.len() > b"program".len());
    }
}
