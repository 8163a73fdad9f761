//! Buckets: what the customer added to a bucket's policy, and what is deleted of a bucket that keeps versions.

use alien_conformance::world::{Case, release};
use alien_core::{Data, Deployment, Release, Stack, Storage};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ObjectLockRetention, ObjectLockRetentionMode};
use serde_json::{Value, json};

use crate::forbidden::last;
use crate::world::Peer;

fn stack(storage: Storage) -> Stack {
    let mut stack = Stack::builder("buckets");
    stack.live("data", storage);
    stack.build().unwrap()
}

pub(crate) fn s3(peer: &Peer) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(&peer.customer()).force_path_style(true);
    aws_sdk_s3::Client::from_conf(config.build())
}

fn first(storage: Storage) -> Release {
    release(&stack(storage), &[])
}

async fn set_up<'p>(peer: &'p Peer, prefix: &str, storage: Storage) -> (Case<'p, Peer>, Deployment, String) {
    let case = Case::new(peer, prefix, stack(storage.clone()));
    let deployment = case.up(&first(storage), None).await.unwrap();
    let bucket = last(&deployment.resources["data"]).to_owned();
    (case, deployment, bucket)
}

/// A set-up replaces its own statement and keeps those of others.
pub(crate) async fn what_the_customer_added_to_a_buckets_policy_stays(peer: &Peer) {
    let (case, deployment, bucket) = set_up(peer, "policy", Storage::new()).await;
    let s3 = s3(peer);
    let arn = format!("arn:aws:s3:::{bucket}");
    let theirs = json!({
        "Sid": "Theirs", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": format!("{arn}/x"),
    });
    let old = json!({ "Sid": "TlsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:Get*", "Resource": arn });
    let policy = json!({ "Version": "2012-10-17", "Statement": [old, theirs] });
    s3.put_bucket_policy().bucket(&bucket).policy(policy.to_string()).send().await.unwrap();

    let plan = case.admin.plan(&first(Storage::new().with_versions())).previous(&deployment).await.unwrap();
    let deployment = case.admin.apply(&plan).await.unwrap();
    let found = s3.get_bucket_policy().bucket(&bucket).send().await.unwrap().policy.unwrap();
    let found: Value = serde_json::from_str(&found).unwrap();
    let statements = found["Statement"].as_array().unwrap();
    assert_eq!(statements.len(), 2, "{found}");
    assert_eq!(statements[0], theirs);
    assert_eq!((&statements[1]["Sid"], &statements[1]["Action"]), (&"TlsOnly".into(), &"s3:*".into()));

    // A take-down that keeps the bucket keeps its policy.
    s3.delete_bucket_policy().bucket(&bucket).send().await.unwrap();
    s3.put_object().bucket(&bucket).key("kept").body(ByteStream::from_static(b"x")).send().await.unwrap();
    let only = json!({ "Version": "2012-10-17", "Statement": [theirs] });
    s3.put_bucket_policy().bucket(&bucket).policy(only.to_string()).send().await.unwrap();
    let report = case.admin.destroy(&deployment).await.unwrap();
    assert_eq!(report.kept.len(), 1);
    let found = s3.get_bucket_policy().bucket(&bucket).send().await.unwrap().policy.unwrap();
    assert_eq!(serde_json::from_str::<Value>(&found).unwrap(), only);
    let report = case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
    assert_eq!(report.kept, []);
}

/// More versions than one page, delete markers, and an upload that was never completed.
pub(crate) async fn all_versions_of_a_bucket_are_deleted(peer: &Peer) {
    for (prefix, storage) in [("versions", Storage::new().with_versions()), ("plain", Storage::new())] {
        let (case, deployment, bucket) = set_up(peer, prefix, storage).await;
        let s3 = s3(peer);
        let put = |key: String| s3.put_object().bucket(&bucket).key(key).body(ByteStream::from_static(b"x")).send();
        for number in 0..520 {
            put(format!("object {number}/ä&<")).await.unwrap();
            put(format!("object {number}/ä&<")).await.unwrap();
        }
        for number in 0..5 {
            s3.delete_object().bucket(&bucket).key(format!("object {number}/ä&<")).send().await.unwrap();
        }
        s3.create_multipart_upload().bucket(&bucket).key("unfinished").send().await.unwrap();
        // Not without being asked to.
        let report = case.admin.destroy(&deployment).await.unwrap();
        assert_eq!(report.kept.len(), 1, "{report:?}");
        let listed = s3.list_object_versions().bucket(&bucket).max_keys(2).send().await.unwrap();
        assert_eq!(listed.is_truncated, Some(true));
        let report = case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
        assert_eq!((report.kept, report.foreign), (vec![], vec![]), "{prefix}");
        s3.list_object_versions().bucket(&bucket).send().await.unwrap_err();
    }
}

/// What may not be deleted is told, and the bucket stays.
pub(crate) async fn a_version_that_may_not_be_deleted_is_told(peer: &Peer) {
    let (case, deployment, bucket) = set_up(peer, "locked", Storage::new().with_versions()).await;
    let s3 = s3(peer);
    let on = aws_sdk_s3::types::ObjectLockConfiguration::builder()
        .object_lock_enabled(aws_sdk_s3::types::ObjectLockEnabled::Enabled)
        .build();
    s3.put_object_lock_configuration().bucket(&bucket).object_lock_configuration(on).send().await.unwrap();
    for key in ["free", "held", "later"] {
        s3.put_object().bucket(&bucket).key(key).body(ByteStream::from_static(b"x")).send().await.unwrap();
    }
    let until = aws_sdk_s3::primitives::DateTime::from_secs(4_000_000_000);
    let held =
        ObjectLockRetention::builder().mode(ObjectLockRetentionMode::Compliance).retain_until_date(until).build();
    s3.put_object_retention().bucket(&bucket).key("held").retention(held).send().await.unwrap();
    let report = case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
    let kept: Vec<String> = report.kept.iter().map(|kept| format!("{}: {}", kept.subject, kept.why)).collect();
    assert_eq!(kept, ["data: S3 did not delete all versions of 1 of its objects (AccessDenied)"]);
    let left = s3.list_object_versions().bucket(&bucket).send().await.unwrap();
    let left: Vec<_> = left.versions().iter().filter_map(|version| version.key()).collect();
    assert_eq!(left, ["held"]);
}
