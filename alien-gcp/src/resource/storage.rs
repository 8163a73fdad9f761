//! `storage`: a bucket with uniform access and public access prevented.

#[cfg(feature = "client")]
pub(crate) mod calls;

use alien_core::adapter::{On, Placed, Rows, Settings};
use alien_core::{Problem, Rule, Set, Storage};

use crate::Gcp;
use crate::naming::Paths;
use crate::operations as op;
use crate::operations::Scope;

/// The longest name of a bucket, in characters. Names are unique across Google Cloud, so it ends in the project's
/// number (<https://docs.cloud.google.com/storage/docs/buckets#naming>).
const MAX: usize = 63;

/// <https://docs.cloud.google.com/storage/docs/json_api/v1/buckets>
const SETTINGS: &[Settings] = &[
    Settings::set_back(&[
        "iamConfiguration.publicAccessPrevention",
        "iamConfiguration.uniformBucketLevelAccess.enabled",
        "versioning.enabled",
        "lifecycle.rule",
    ]),
    Settings::customers(
        "rules of its lifecycle beside that of the stack, until it is set again",
        &["lifecycle.rule[]"],
    ),
    Settings::customers(
        "how long what it holds is kept from being deleted, and after that",
        &["retentionPolicy", "softDeletePolicy", "defaultEventBasedHold"],
    ),
    Settings::customers("the key that it is encrypted with", &["encryption"]),
    Settings::customers("where its requests are logged", &["logging"]),
    Settings::customers("what browsers do with it, of what those may read who may read it", &["cors", "website"]),
    Settings::customers("what it costs, and whom", &["storageClass", "autoclass", "billing", "rpo"]),
    Settings::customers("from which addresses it is reached", &["ipFilter"]),
];

impl On<Gcp> for Storage {
    /// Management gets no more than heartbeat: one permission covers lifecycle rules and harmless settings alike.
    fn set(set: Set) -> Rows<Gcp> {
        match set {
            Set::Heartbeat => &[op::GET_BUCKET],
            Set::Provision => &[op::CREATE_BUCKET, op::DELETE_BUCKET],
            Set::Reconfigure => &[op::PATCH_BUCKET],
            Set::Setup => &[op::GET_BUCKET_POLICY, op::SET_BUCKET_POLICY],
            Set::DataRead => &[op::GET_OBJECT, op::LIST_OBJECTS],
            Set::DataWrite => &[op::CREATE_OBJECT, op::UPDATE_OBJECT, op::DELETE_OBJECT],
            Set::Management | Set::Logs | Set::Dispatch | Set::Invoke | Set::Run => &[],
        }
    }

    fn settings() -> &'static [Settings] {
        SETTINGS
    }

    fn name(&self, placed: &Placed<'_, Gcp>, things: &mut Vec<(Scope, String)>) {
        let (paths, id) = (Paths(placed.target), placed.id());
        let number = paths.0.project_number.as_str();
        let name = paths.physical(id, MAX - 1 - number.len());
        things.push((Scope::Bucket, ["//storage.googleapis.com/projects/_/buckets/", &name, "-", number].concat()));
    }

    /// Refuses names that contain Google's own, which Cloud Storage reserves.
    fn check(&self, placed: &Placed<'_, Gcp>, problems: &mut Vec<Problem>) {
        let paths = Paths(placed.target);
        let name = paths.physical(placed.id(), MAX - 1 - paths.0.project_number.as_str().len());
        if name.starts_with("goog") || name.contains("google") {
            problems.push(Problem::error(
                Rule::Cloud,
                format!("Cloud Storage refuses bucket names like `{name}`"),
                "choose a prefix that does not begin with `goog`, and prefix and id without `google`".to_owned(),
            ));
        }
    }
}
