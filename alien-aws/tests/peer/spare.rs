//! What the admin is given and did not use.

use alien_conformance::life;

use crate::world::Peer;

/// What this life does not come to, and when it is used. It is called elsewhere in the adapter, or it would not be granted.
const UNUSED: [(&str, &str); 19] = [
    ("iam:AttachRolePolicy on Role", "documents over 10,000 characters"),
    ("iam:CreatePolicy on RolePolicies", "documents over 10,000 characters"),
    ("iam:CreatePolicyVersion on RolePolicies", "documents over 10,000 characters"),
    ("iam:DeletePolicy on RolePolicies", "documents over 10,000 characters"),
    ("iam:DeletePolicyVersion on RolePolicies", "documents over 10,000 characters"),
    ("iam:DetachRolePolicy on Role", "documents over 10,000 characters"),
    ("iam:GetPolicy on RolePolicies", "documents over 10,000 characters, changed"),
    ("iam:GetPolicyVersion on RolePolicies", "documents over 10,000 characters"),
    ("iam:TagPolicy on RolePolicies", "documents over 10,000 characters"),
    ("iam:UpdateRole on Role", "sessions that someone made longer"),
    ("lambda:AddPermission on Function", "a public URL"),
    ("lambda:CreateFunctionUrlConfig on Function", "a public URL"),
    ("lambda:DeleteFunctionUrlConfig on Function", "a public URL that is no longer wanted"),
    ("lambda:GetPolicy on Function", "a public URL"),
    ("lambda:RemovePermission on Function", "a public URL that is no longer wanted"),
    ("lambda:UpdateFunctionCode on Function", "other code, by the admin"),
    ("lambda:UpdateFunctionConfiguration on Function", "other settings, by the admin"),
    ("lambda:UpdateFunctionUrlConfig on Function", "a public URL that someone changed"),
    ("s3:PutLifecycleConfiguration on Bucket", "objects that expire"),
];

/// What is spare is listed, with the reason.
pub(crate) async fn the_admins_rights_are_used(peer: &Peer) {
    let spare = life::rights_that_a_life_does_not_use(peer).await;
    let expected: Vec<&str> = UNUSED.iter().map(|(right, _)| *right).collect();
    assert_eq!(spare, expected, "a right that is not used, or one of the list that is");
}
