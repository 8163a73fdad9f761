//! `storage`: a private, encrypted S3 bucket that accepts only TLS.

#[cfg(feature = "client")]
mod bucket;
#[cfg(feature = "client")]
pub(crate) mod calls;
#[cfg(feature = "client")]
mod closing;
#[cfg(feature = "client")]
mod emptying;

use alien_core::adapter::{On, Placed, Rows, Settings};
use alien_core::{Problem, Rule, Set, Storage};

use crate::Aws;
use crate::naming::Arns;
use crate::operations as op;
use crate::operations::Scope;

/// The longest physical name: a bucket name has at most 63 characters. It is unique in the partition, so it ends in the
/// account, which takes 13 (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>).
const MAX: usize = 63 - 13;

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html>
///
/// A bucket is encrypted in any case: what can be set is the key
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-bucket-encryption.html>).
const SETTINGS: &[Settings] = &[
    Settings::set_back(&[
        "PublicAccessBlock.BlockPublicAcls",
        "PublicAccessBlock.BlockPublicPolicy",
        "PublicAccessBlock.IgnorePublicAcls",
        "PublicAccessBlock.RestrictPublicBuckets",
        "OwnershipControls",
        "Policy",
        "Versioning",
        "Lifecycle",
    ]),
    Settings::customers("what else its policy denies and allows, in the account", &["Policy.Statement"]),
    Settings::customers("the key that it is encrypted with, until it is set again", &["Encryption"]),
    Settings::customers(
        "where copies and news of what it holds go",
        &["Replication", "Notification", "Logging", "Inventory", "Metrics", "Analytics"],
    ),
    Settings::customers("what browsers do with it, of what those may read who may read it", &["Cors", "Website"]),
    Settings::customers("how long versions are kept from being deleted", &["ObjectLock"]),
    Settings::customers("what it costs, and whom", &["RequestPayment", "Accelerate", "IntelligentTiering"]),
];

impl On<Aws> for Storage {
    /// Management gets no more than heartbeat: every write to a bucket's settings can move or destroy data.
    fn set(set: Set) -> Rows<Aws> {
        match set {
            Set::Heartbeat => &[op::GET_BUCKET_LOCATION],
            Set::Provision => {
                &[op::CREATE_BUCKET, op::DELETE_BUCKET, op::TAG_BUCKET, op::PUT_BUCKET_TAGGING, op::GET_BUCKET_TAGGING]
            }
            Set::Reconfigure => &[
                op::PUT_BUCKET_VERSIONING,
                op::GET_BUCKET_VERSIONING,
                op::PUT_BUCKET_LIFECYCLE,
                op::GET_BUCKET_LIFECYCLE,
            ],
            Set::Setup => &[
                op::PUT_BUCKET_ENCRYPTION,
                op::PUT_BUCKET_PUBLIC_ACCESS_BLOCK,
                op::GET_BUCKET_POLICY,
                op::PUT_BUCKET_POLICY,
                op::PUT_BUCKET_OWNERSHIP,
                op::GET_BUCKET_PUBLIC_ACCESS_BLOCK,
                op::GET_BUCKET_OWNERSHIP,
            ],
            Set::DataRead => &[op::GET_OBJECT, op::LIST_BUCKET],
            Set::DataWrite => &[op::PUT_OBJECT, op::DELETE_OBJECT, op::ABORT_MULTIPART_UPLOAD],
            Set::Management | Set::Logs | Set::Dispatch | Set::Invoke | Set::Run => &[],
        }
    }

    /// Versions are what keeps data from being deleted, so no document allows to delete them.
    fn erase() -> Rows<Aws> {
        &[op::LIST_BUCKET_VERSIONS, op::DELETE_OBJECT_VERSION, op::LIST_BUCKET_UPLOADS]
    }

    fn settings() -> &'static [Settings] {
        SETTINGS
    }

    fn name(&self, placed: &Placed<'_, Aws>, things: &mut Vec<(Scope, String)>) {
        let (arns, id) = (Arns(placed.target), placed.id());
        let name = [&arns.physical(id, MAX), "-", arns.0.account.as_str()].concat();
        things.push((Scope::Bucket, arns.s3(&[&name])));
        things.push((Scope::Objects, arns.s3(&[&name, "/*"])));
    }

    /// Refuses names that begin with a prefix which S3 reserves.
    fn check(&self, placed: &Placed<'_, Aws>, problems: &mut Vec<Problem>) {
        let name = Arns(placed.target).physical(placed.id(), MAX);
        if ["sthree-", "amzn-s3-demo-", "xn--"].iter().any(|kept| name.starts_with(kept)) {
            problems.push(Problem::error(
                Rule::Cloud,
                format!("S3 reserves names that begin like `{name}`"),
                "choose another prefix for the deployment".to_owned(),
            ));
        }
    }
}
