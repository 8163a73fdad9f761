//! The clouds that these programs know. Adding a cloud adds one name to the line that registers them.

use std::sync::Arc;

use alien_core::{Adapter, Problem, Rule, adapter};
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::output::Failure;

/// The adapter of a cloud.
pub(crate) type Cloud = &'static dyn Adapter;

macro_rules! registered {
    ($($cloud:ident),+) => {
        /// Every cloud.
        pub(crate) const ALL: [Cloud; 3] = [$(&$cloud::Adapter),+];

        /// Every cloud, for what keeps one.
        pub(crate) fn kept() -> [Arc<dyn Adapter>; ALL.len()] {
            [$(Arc::new($cloud::Adapter)),+]
        }
    };
}

registered!(alien_aws, alien_gcp, alien_azure);

/// Finds the cloud of an invitation or a record by its name.
pub(crate) fn named(name: &str) -> Result<Cloud, Failure> {
    ALL.into_iter().find(|cloud| cloud.cloud() == name).ok_or_else(|| {
        let what = format!("`{name}` is not a cloud that this program knows");
        let help = "use a newer version of this program, or ask the sender of the file".to_owned();
        Problem::error(Rule::Cloud, what, help).at("cloud").into()
    })
}

/// Reads a cloud from the command line.
pub(crate) fn parser() -> impl TypedValueParser<Value = Cloud> {
    PossibleValuesParser::new(ALL.map(Adapter::cloud)).try_map(|name| named(&name).map_err(|wrong| wrong.to_string()))
}

/// The flag of a field or an option: `projectNumber` becomes `--project-number`.
pub(crate) fn flag(name: &str) -> String {
    format!("--{}", adapter::flag(name))
}
