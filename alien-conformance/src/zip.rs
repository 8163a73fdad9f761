//! A function's code for tests: a zip with a script in it.

/// A program that answers every command with what it was sent, under `said`, and with a variable of its environment,
/// under `told`; `{"fail": "…"}` it answers with that error. It speaks the runtime API of Lambda
/// (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>) and needs `python3` on its path, which an emulator
/// that is written in Python has and the runtime `provided.al2023` of AWS has not.
pub const ECHO: &str = r#"#!/usr/bin/env python3
import json, os, urllib.request
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(api + "next") as command:
        id, said = command.headers["Lambda-Runtime-Aws-Request-Id"], json.load(command)
    print("said", json.dumps(said), flush=True)
    if isinstance(said, dict) and "fail" in said:
        kind, answer = "/error", {"errorType": "Failed", "errorMessage": said["fail"]}
    else:
        kind, answer = "/response", {"said": said, "told": os.environ.get("TOLD")}
    urllib.request.urlopen(api + id + kind, json.dumps(answer).encode()).close()
"#;

/// A zip whose only file is `bootstrap`, executable, with this text: the same bytes for the same text.
///
/// It is stored as it is, with the fields of
/// <https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>, made by Unix so that the mode is read.
#[must_use]
pub fn bootstrap_zip(script: &str) -> Vec<u8> {
    const NAME: &[u8] = b"bootstrap";
    const MODE: u32 = 0o100_755 << 16;
    // 1 January 1980, the earliest date that a zip can tell.
    const DATE: u16 = 1 << 5 | 1;
    let data = script.as_bytes();
    let size = u32::try_from(data.len()).expect("a script is short");
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
    // Made by Unix, version 2.0.
    zip.extend((3_u16 << 8 | 20).to_le_bytes());
    zip.extend(&common);
    // No comment, the first disk, no internal attributes.
    zip.extend([0; 6]);
    zip.extend(MODE.to_le_bytes());
    // The file begins where the zip begins.
    zip.extend([0; 4]);
    zip.extend(NAME);
    let length = zip.len() as u32 - directory;
    zip.extend(b"PK\x05\x06");
    // This disk, the directory's disk; entries on this disk, entries in all.
    for field in [0_u16, 0, 1, 1] {
        zip.extend(field.to_le_bytes());
    }
    zip.extend(length.to_le_bytes());
    zip.extend(directory.to_le_bytes());
    zip.extend([0; 2]);
    zip
}

/// The checksum of a zip's files, bit by bit.
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
    fn the_same_script_gives_the_same_zip() {
        let zip = bootstrap_zip(ECHO);
        assert_eq!(zip, bootstrap_zip(ECHO));
        assert_ne!(zip, bootstrap_zip(""));
        assert!(zip.starts_with(b"PK\x03\x04") && zip.len() > ECHO.len());
    }
}
