//! Closes a bucket to everybody whom its deployment does not let in.

use alien_core::adapter::ResultExt;
use alien_core::{Error, Result};
use aws_sdk_s3::types::{
    ObjectOwnership, OwnershipControls, OwnershipControlsRule, PublicAccessBlockConfiguration, ServerSideEncryption,
    ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
};
use serde_json::{Map, Value, json};

use super::bucket::{Bucket, incomplete};
use crate::client::{Context, failure};
use crate::operations as op;
use crate::operations::Scope;

/// Makes the bucket private, encrypted, without access control lists and TLS-only. The first three are AWS's defaults,
/// unless the account says otherwise.
pub(super) async fn close(cx: Context<'_>, bucket: &Bucket<'_>) -> Result<()> {
    let &Bucket { name, owner, .. } = bucket;
    let blocked = PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .block_public_policy(true)
        .ignore_public_acls(true)
        .restrict_public_buckets(true)
        .build();
    let done = cx.call(&[op::PUT_BUCKET_PUBLIC_ACCESS_BLOCK], || async {
        let call = cx.clients.s3().put_public_access_block().bucket(name).expected_bucket_owner(owner);
        call.public_access_block_configuration(blocked.clone()).send().await.map_err(failure)
    });
    done.await?;

    let rule = OwnershipControlsRule::builder().object_ownership(ObjectOwnership::BucketOwnerEnforced).build();
    let rule = rule.map_err(incomplete)?;
    let controls = OwnershipControls::builder().rules(rule).build().map_err(incomplete)?;
    let done = cx.call(&[op::PUT_BUCKET_OWNERSHIP], || async {
        let call = cx.clients.s3().put_bucket_ownership_controls().bucket(name).expected_bucket_owner(owner);
        call.ownership_controls(controls.clone()).send().await.map_err(failure)
    });
    done.await?;

    let by_default = ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::Aes256).build();
    let rule = ServerSideEncryptionRule::builder()
        .apply_server_side_encryption_by_default(by_default.map_err(incomplete)?)
        .build();
    let encrypted = ServerSideEncryptionConfiguration::builder().rules(rule).build().map_err(incomplete)?;
    let done = cx.call(&[op::PUT_BUCKET_ENCRYPTION], || async {
        let call = cx.clients.s3().put_bucket_encryption().bucket(name).expected_bucket_owner(owner);
        call.server_side_encryption_configuration(encrypted.clone()).send().await.map_err(failure)
    });
    done.await?;

    deny_without_tls(cx, bucket).await
}

/// One of the four blocks of public access.
type Flag = fn(&PublicAccessBlockConfiguration) -> Option<bool>;

/// What somebody changed of that which keeps the bucket closed.
pub(super) async fn opened(cx: Context<'_>, bucket: &Bucket<'_>) -> Result<Vec<&'static str>> {
    let &Bucket { name, owner, .. } = bucket;
    let found = cx.call(&[op::GET_BUCKET_PUBLIC_ACCESS_BLOCK], || async {
        let call = cx.clients.s3().get_public_access_block().bucket(name).expected_bucket_owner(owner);
        call.send().await.map_err(failure)
    });
    let blocked = found.await.optional()?.and_then(|found| found.public_access_block_configuration);
    let blocks = |of: Flag| blocked.as_ref().and_then(of) == Some(true);
    let mut opened = Vec::new();
    let flags: [(Flag, &str); 4] = [
        (PublicAccessBlockConfiguration::block_public_acls, "PublicAccessBlock.BlockPublicAcls"),
        (PublicAccessBlockConfiguration::block_public_policy, "PublicAccessBlock.BlockPublicPolicy"),
        (PublicAccessBlockConfiguration::ignore_public_acls, "PublicAccessBlock.IgnorePublicAcls"),
        (PublicAccessBlockConfiguration::restrict_public_buckets, "PublicAccessBlock.RestrictPublicBuckets"),
    ];
    opened.extend(flags.into_iter().filter_map(|(of, field)| (!blocks(of)).then_some(field)));
    let found = cx.call(&[op::GET_BUCKET_OWNERSHIP], || async {
        let call = cx.clients.s3().get_bucket_ownership_controls().bucket(name).expected_bucket_owner(owner);
        call.send().await.map_err(failure)
    });
    let controls = found.await.optional()?.and_then(|found| found.ownership_controls);
    let enforced = |rule: &OwnershipControlsRule| rule.object_ownership == ObjectOwnership::BucketOwnerEnforced;
    if !controls.is_some_and(|controls| !controls.rules.is_empty() && controls.rules.iter().all(enforced)) {
        opened.push("OwnershipControls");
    }
    let own = tls_only(cx.full_name(Scope::Bucket)?, cx.full_name(Scope::Objects)?);
    // A policy that cannot be read does not have the statement.
    if extended(policy(cx, bucket).await?.as_deref(), own).ok().flatten().is_some() {
        opened.push("Policy");
    }
    Ok(opened)
}

/// The bucket's policy; `None` if it has none.
async fn policy(cx: Context<'_>, bucket: &Bucket<'_>) -> Result<Option<String>> {
    let &Bucket { name, owner, .. } = bucket;
    let found = cx.call(&[op::GET_BUCKET_POLICY], || async {
        let call = cx.clients.s3().get_bucket_policy().bucket(name).expected_bucket_owner(owner);
        call.send().await.map_err(failure)
    });
    Ok(found.await.optional()?.and_then(|found| found.policy))
}

/// Adds the statement of the deployment to the bucket's policy. Statements of others stay.
async fn deny_without_tls(cx: Context<'_>, bucket: &Bucket<'_>) -> Result<()> {
    let &Bucket { name, owner, .. } = bucket;
    let own = tls_only(cx.full_name(Scope::Bucket)?, cx.full_name(Scope::Objects)?);
    let Some(policy) = extended(policy(cx, bucket).await?.as_deref(), own)? else { return Ok(()) };
    let done = cx.call(&[op::PUT_BUCKET_POLICY], || async {
        let call = cx.clients.s3().put_bucket_policy().bucket(name).expected_bucket_owner(owner);
        call.policy(policy.clone()).send().await.map_err(failure)
    });
    done.await.map(drop)
}

/// A policy with this statement in place of the one of the same Sid, and everything else as it was; `None` if it has the
/// statement already. A Sid is unique within a policy
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_sid.html>).
fn extended(policy: Option<&str>, own: Value) -> Result<Option<String>> {
    let Some(policy) = policy else {
        return Ok(Some(json!({ "Version": "2012-10-17", "Statement": [own] }).to_string()));
    };
    let unread = || Error::missing_field("bucket policy that can be read");
    let mut policy: Map<String, Value> = serde_json::from_str(policy).map_err(|_| unread())?;
    let mut statements = match policy.remove("Statement") {
        Some(Value::Array(statements)) => statements,
        Some(statement) => vec![statement],
        None => return Err(unread()),
    };
    if statements.contains(&own) {
        return Ok(None);
    }
    statements.retain(|statement| statement.get("Sid") != own.get("Sid"));
    statements.push(own);
    policy.insert("Statement".to_owned(), statements.into());
    Ok(Some(Value::from(policy).to_string()))
}

/// The statement that denies requests without TLS.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html>
fn tls_only(bucket: &str, objects: &str) -> Value {
    json!({
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket, objects],
        "Condition": { "Bool": { "aws:SecureTransport": "false" } },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_added_to_a_policy_stays() {
        let own = || tls_only("b", "b/*");
        let first = extended(None, own()).unwrap().unwrap();
        assert_eq!(extended(Some(&first), own()).unwrap(), None);
        let theirs = json!({ "Sid": "Theirs", "Effect": "Allow", "Principal": { "AWS": "1" }, "Action": "s3:GetObject", "Resource": "b/*" });
        let unnamed = json!({ "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "b/*" });
        let old = json!({ "Sid": "TlsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "b/*" });
        for (found, kept) in
            [(json!([theirs, old, unnamed]), json!([theirs, unnamed, own()])), (theirs.clone(), json!([theirs, own()]))]
        {
            let found = json!({ "Id": "x", "Version": "2008-10-17", "Statement": found }).to_string();
            let made: Value = serde_json::from_str(&extended(Some(&found), own()).unwrap().unwrap()).unwrap();
            assert_eq!(made, json!({ "Id": "x", "Version": "2008-10-17", "Statement": kept }));
        }
        assert!(extended(Some("[]"), own()).is_err() && extended(Some("{}"), own()).is_err());
    }
}
