//! Documents that are broken on purpose.

use alien_core::adapter::AccessControl;
use alien_core::{Layers, Prefix, Promise, Rendered, Report};
use serde_json::Value;

use crate::golden::my_app;

/// Audits the documents of the example stack after a change to their JSON.
///
/// # Panics
///
/// If the changed documents can no longer be read.
pub fn audited<C: AccessControl>(target: fn(Prefix) -> C::Target, change: impl FnOnce(&mut Value)) -> Report {
    let stack = my_app();
    let rendered: Rendered<C> = alien_core::render(&stack, &target("acme".parse().unwrap())).unwrap();
    let mut layers = serde_json::to_value(&rendered.documents.layers).unwrap();
    change(&mut layers);
    let layers: Layers<C::Principal> = serde_json::from_value(layers).unwrap();
    alien_core::adapter::audit_layers(&stack, &rendered.documents.target, &layers)
}

/// Asserts that a report has a breach of the promise by this statement, or by one whose name ends with it.
///
/// # Panics
///
/// If there is none.
#[track_caller]
pub fn caught(report: &Report, promise: Promise, statement: &str) {
    assert!(
        report.breaches.iter().any(|breach| breach.promise == promise && breach.statement.ends_with(statement)),
        "no breach of {promise} by {statement}: {:#?}",
        report.breaches
    );
}
