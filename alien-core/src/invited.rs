//! Whose an invitation is: its signature, what of the file is signed, and what a record keeps of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::canonical::{LARGEST, canonical};
use crate::name::is_digest;
use crate::parsed_text;
use crate::problem::{Problem, Problems, Rule};
use crate::unique::Tree;

parsed_text! {
    /// The fingerprint of a public key: the SHA-256 of its DER.
    KeyFingerprint, "the fingerprint of a key", "write `sha256:` and 64 hexadecimal digits in lower case", is_digest
}

/// The signature of an invitation, as it stands in the file. `alien-release` makes and verifies it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InvitationSignature {
    /// The public key of whoever signed, in PEM.
    pub key: String,
    /// The signature, in Base64.
    pub signature: String,
}

/// What a record keeps of the invitation of the last set-up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Invited {
    /// Its revision.
    #[serde(default, skip_serializing_if = "is_first")]
    pub revision: u64,
    /// The vendor's key with which it was verified; `None` if it was not verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub vendor_key: Option<KeyFingerprint>,
}

impl Invited {
    /// Whether it says no more than the record of a version that did not keep it.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(crate) const fn is_first(revision: &u64) -> bool {
    *revision == 0
}

/// What is signed of the file of an invitation: canonical JSON of everything but the signature.
///
/// It follows from the text, not from what was understood of it, so that a signature stays valid if a later version of this
/// library writes the same invitation differently.
pub(crate) fn signed_form(text: &str) -> Result<String, Problems> {
    let problem = |what: String, help: &str| Problem::error(Rule::Form, what, help.to_owned());
    let help = "give the file as it was written";
    let mut tree = Tree::read(text)
        .map_err(|error| Problems(vec![problem(format!("this is not an invitation: {error}"), help)]))?;
    let twice = tree.take_repeated().map(|(path, what)| problem(what, help).at(path));
    Problems::none(twice.collect())?;
    let Value::Object(mut fields) = tree.value else {
        return Err(Problems(vec![problem("this is not an invitation: not an object".to_owned(), help)]));
    };
    fields.remove("signature");
    let value = Value::Object(fields);
    // Two such numbers can have one canonical text.
    if let Some(number) = inexact(&value) {
        let what = format!("{number} is beyond {LARGEST}, so not every program reads it exactly");
        return Err(Problems(vec![problem(what, "write a smaller number")]));
    }
    Ok(canonical(&value))
}

/// A number that not every reader reads exactly.
fn inexact(value: &Value) -> Option<i128> {
    match value {
        Value::Number(number) => {
            let whole = number.as_i128()?;
            (whole.unsigned_abs() > u128::from(LARGEST)).then_some(whole)
        }
        Value::Array(items) => items.iter().find_map(inexact),
        Value::Object(fields) => fields.values().find_map(inexact),
        Value::Null | Value::Bool(_) | Value::String(_) => None,
    }
}
