//! PEM, read and written so that private keys are wiped: <https://www.rfc-editor.org/rfc/rfc7468>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// Characters of Base64 in a line.
const LINE: usize = 64;

/// The first section of a PEM text.
pub(super) struct Section<'t> {
    /// What it is, such as `PRIVATE KEY`.
    pub(super) label: &'t str,
    /// The bytes; `None` if they are not in Base64, or the section does not end.
    pub(super) der: Option<Zeroizing<Vec<u8>>>,
}

/// Finds the first section.
pub(super) fn section(text: &str) -> Option<Section<'_>> {
    let (label, rest) = text.split_once(BEGIN)?.1.split_once(DASHES)?;
    Some(Section { label, der: der(label, rest) })
}

fn der(label: &str, rest: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (body, _) = rest.split_once(&format!("-----END {label}{DASHES}"))?;
    // Reserved at once, because memory that a growing text leaves behind is not wiped.
    let mut joined = Zeroizing::new(String::with_capacity(body.len()));
    body.split_ascii_whitespace().for_each(|line| joined.push_str(line));
    let mut der = Zeroizing::new(vec![0; joined.len()]);
    let length = STANDARD.decode_slice(joined.as_bytes(), &mut der).ok()?;
    der.truncate(length);
    Some(der)
}

/// Writes a section.
pub(super) fn written(label: &str, der: &[u8]) -> Zeroizing<String> {
    let mut joined = Zeroizing::new(vec![0; der.len().div_ceil(3) * 4]);
    // The room is exactly what is needed.
    let length = STANDARD.encode_slice(der, &mut joined).unwrap_or_default();
    let lines = joined.get(..length).unwrap_or_default().chunks(LINE);
    let mut text = Zeroizing::new(String::with_capacity(joined.len() * 2 + 128));
    text.extend([BEGIN, label, DASHES, "\n"]);
    for line in lines {
        text.extend(line.iter().copied().map(char::from));
        text.push('\n');
    }
    text.extend(["-----END ", label, DASHES, "\n"]);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for length in [0, 1, 2, 3, 47, 48, 49, 1_200] {
            let bytes: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let text = written("PRIVATE KEY", &bytes);
            assert!(text.lines().all(|line| line.len() <= LINE), "{text:?}");
            let read = section(&text).unwrap();
            assert_eq!((read.label, read.der.unwrap().as_slice()), ("PRIVATE KEY", bytes.as_slice()));
        }
    }

    #[test]
    fn what_is_not_pem_is_no_section() {
        assert!(section("").is_none() && section("-----BEGIN ").is_none());
        for text in [
            "-----BEGIN A-----\nAAAA\n",
            "-----BEGIN A-----\nAAAA\n-----END B-----",
            "-----BEGIN A-----\n*\n-----END A-----",
        ] {
            assert!(section(text).unwrap().der.is_none(), "{text}");
        }
        let text = "a comment\r\n-----BEGIN A-----\r\nAAAA\r\n-----END A-----\r\n";
        assert_eq!(section(text).unwrap().der.unwrap().as_slice(), [0, 0, 0]);
    }
}
