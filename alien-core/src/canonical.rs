//! JSON of which there is one text.

use serde::Serialize;

/// The largest number that every reader of JSON reads exactly. <https://www.rfc-editor.org/rfc/rfc8785#section-3.2.2.3>
pub(crate) const LARGEST: u64 = (1 << 53) - 1;

/// Canonical JSON by RFC 8785: fields sorted, whichever order `serde_json` keeps in this program.
pub(crate) fn canonical(value: &impl Serialize) -> String {
    // It fails for maps whose names are no texts, and for numbers that are not finite: there are none.
    serde_json_canonicalizer::to_string(value).unwrap_or_default()
}
