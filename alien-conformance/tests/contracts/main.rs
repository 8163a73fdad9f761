//! Tests of the checkers of recorded requests: correct requests pass, and each kind of mistake is reported by name.
//! Without the descriptions, the tests are reported as ignored.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports failures by panicking")]

mod arm;
mod azure;
mod gcp;

use alien_conformance::oracle;
use serde_json::Value;

fn main() {
    oracle::run([gcp::tests(), azure::tests(), arm::tests()].into_iter().flatten().collect());
}

/// A verb, a path with its query, and a body.
type Request = (&'static str, &'static str, Option<Value>);

/// Splits a target into its path and its decoded query.
fn parts(target: &str) -> (&str, Vec<(String, String)>) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    (path, pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}
