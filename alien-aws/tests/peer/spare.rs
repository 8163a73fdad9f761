//! What the admin is given and did not use.

use std::collections::BTreeSet;

use alien_aws::Aws;
use alien_conformance::life::product;
use alien_conformance::world::{Calls, Case, World, needed, release, run};
use alien_core::engine::Data;
use alien_core::{Silent, Site};

use crate::world::Peer;

/// What this life does not come to, and when it is used. It is called elsewhere in the adapter, or it would not be granted.
const UNUSED: [(&str, &str); 17] = [
    ("ec2:DescribeVpcAttribute on Vpc", "heartbeat, of whoever sets up as well"),
    ("iam:AttachRolePolicy on Role", "documents over 10,000 characters"),
    ("iam:CreatePolicy on RolePolicies", "documents over 10,000 characters"),
    ("iam:CreatePolicyVersion on RolePolicies", "documents over 10,000 characters"),
    ("iam:DeletePolicy on RolePolicies", "documents over 10,000 characters"),
    ("iam:DeletePolicyVersion on RolePolicies", "documents over 10,000 characters"),
    ("iam:DetachRolePolicy on Role", "documents over 10,000 characters"),
    ("iam:GetPolicy on RolePolicies", "documents over 10,000 characters, changed"),
    ("iam:TagPolicy on RolePolicies", "documents over 10,000 characters"),
    ("lambda:AddPermission on Function", "a public URL"),
    ("lambda:CreateFunctionUrlConfig on Function", "a public URL"),
    ("lambda:DeleteFunctionUrlConfig on Function", "a public URL that is no longer wanted"),
    ("lambda:RemovePermission on Function", "a public URL that is no longer wanted"),
    ("lambda:UpdateFunctionCode on Function", "other code, by the admin"),
    ("lambda:UpdateFunctionConfiguration on Function", "other settings, by the admin"),
    ("lambda:UpdateFunctionUrlConfig on Function", "a public URL that someone changed"),
    ("s3:PutLifecycleConfiguration on Bucket", "objects that expire"),
];

/// P6, for the admin: the rights that a set-up, a second one with other settings, a revocation and a take-down do not
/// use. Every call goes through the gate, so nothing is missing; what is spare is listed, with the reason.
pub(crate) async fn the_admins_rights_are_used(peer: &Peer) {
    let code = peer.code("first");
    let stack = product(&code);
    let case = Case::new(peer, "spare", stack.clone());
    let calls = Calls::default();
    let how = peer.calling().recorder(calls.recorder());
    let provisioner = peer.provisioner(case.invitation.id, case.target.clone(), how);
    let first = release(&stack, std::slice::from_ref(&code));
    let plan = provisioner.plan(&first, None, &run()).await.unwrap();
    let deployment = provisioner.apply(&plan, &run(), &Silent).await.unwrap();
    provisioner.revoke(&deployment, &run()).await.unwrap();
    let plan = provisioner.plan(&first, Some(&deployment), &run()).await.unwrap();
    provisioner.apply(&plan, &run(), &Silent).await.unwrap();
    provisioner.destroy(&deployment, Data::KeepUnlessEmpty, &run(), &Silent).await.unwrap();
    provisioner.destroy(&deployment, Data::Delete, &run(), &Silent).await.unwrap();

    let used: BTreeSet<(&str, String)> =
        needed(&calls.take()).into_iter().map(|(_, permission, place)| (permission, place)).collect();
    let site = Site::<Aws>::of(&deployment).unwrap();
    let granted = site.deployed();
    let granted: BTreeSet<(&str, String)> = granted
        .granted(&site.permissions.provisioning)
        .map(|(_, _, row, _)| (row.permission, format!("{:?}", row.on)))
        .collect();
    let spare: Vec<String> =
        granted.difference(&used).map(|(permission, place)| format!("{permission} on {place}")).collect();
    let expected: Vec<&str> = UNUSED.iter().map(|(right, _)| *right).collect();
    assert_eq!(spare, expected, "a right that is not used, or one of the list that is");
}
