//! A repository of signed releases, by The Update Framework (<https://theupdateframework.github.io/specification/latest/>).

mod load;
mod publish;
mod root;
mod root_keys;
mod schema;

pub use publish::{Publication, Repository};
pub use root::{Root, RootDraft};
pub use root_keys::{KeyRole, RootKeys};

pub(crate) use schema::{
    MOST_ONLINE, MOST_RELEASE, MOST_ROOT, MOST_TARGETS, digest_of, hex, length, release_name, releases, zip_name,
};
