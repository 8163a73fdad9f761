//! What `aws iam` prints about a role, audited.
//!
//! The forms are those of <https://docs.aws.amazon.com/cli/latest/reference/iam/>.

use alien_aws::Aws;
use alien_aws::policy::{Policy, PolicyKind, Principal};
use alien_conformance::collected;
use alien_conformance::golden::my_app;
use alien_core::adapter::Answer;
use alien_core::{Promise, Report};
use serde_json::{Value, json};

use crate::{plant, target};

fn here() -> alien_aws::Target {
    target("acme".parse().unwrap())
}

fn vendor() -> Principal {
    alien_core::render(&my_app(), &here()).unwrap().documents.layers.management.unwrap().principals.remove(0)
}

fn answer(name: &str, value: Value) -> Answer {
    Answer { name: name.to_owned(), value }
}

/// A document as the API returns it.
fn encoded(document: &Policy) -> Value {
    let text = serde_json::to_string(document).unwrap();
    let encoded =
        |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(encoded).collect::<String>().into()
}

/// What the commands print for one role, documents in this form.
fn printed(principal: &Principal, document: fn(&Policy) -> Value) -> Vec<Answer> {
    let role = &principal.role.name;
    let of = |kind: PolicyKind| principal.policies.iter().filter(move |policy| policy.kind == kind);
    let arn = |name: &str| format!("arn:aws:iam::222222222222:policy/{name}");
    let names: Vec<&str> = of(PolicyKind::Inline).map(|policy| policy.name.as_str()).collect();
    let attached: Vec<Value> = of(PolicyKind::Managed)
        .map(|policy| json!({ "PolicyName": policy.name, "PolicyArn": arn(&policy.name) }))
        .collect();
    let mut answers = vec![
        answer(
            "role",
            json!({ "Role": {
                "Path": "/", "RoleName": role, "RoleId": "AROAEXAMPLE", "Arn": format!("arn:aws:iam::222222222222:role/{role}"),
                "CreateDate": "2026-01-01T00:00:00+00:00", "MaxSessionDuration": principal.role.max_session_duration,
                "AssumeRolePolicyDocument": document(&principal.role.trust_policy),
            } }),
        ),
        answer("names", json!({ "PolicyNames": names })),
        answer("attached", json!({ "AttachedPolicies": attached })),
    ];
    answers.extend(of(PolicyKind::Inline).map(|policy| {
        let value =
            json!({ "RoleName": role, "PolicyName": policy.name, "PolicyDocument": document(&policy.document) });
        answer(&format!("inline-{}", policy.name), value)
    }));
    answers.extend(of(PolicyKind::Managed).map(|policy| {
        let version = json!({ "Document": document(&policy.document), "VersionId": "v1", "IsDefaultVersion": true });
        answer(&policy.name, json!({ "PolicyVersion": version }))
    }));
    answers
}

fn plain(document: &Policy) -> Value {
    serde_json::to_value(document).unwrap()
}

fn audited(answers: &[Answer]) -> Report {
    collected::audited::<Aws>(&here(), answers)
}

fn refused(answers: &[Answer]) -> Vec<String> {
    collected::refused::<Aws>(&here(), answers)
}

#[test]
fn the_audit_of_what_is_printed_is_that_of_the_documents() {
    let mut layers = alien_core::render(&my_app(), &here()).unwrap().documents.layers;
    layers.provisioning = None;
    layers.runtime = None;
    let due = alien_core::adapter::audit_layers(&my_app(), &here(), &layers);
    assert_eq!(audited(&printed(&vendor(), plain)), due);
    assert_eq!(audited(&printed(&vendor(), encoded)), due);
}

#[test]
fn a_planted_action_another_trust_and_an_attached_policy_are_found() {
    let mut planted = vendor();
    plant(&mut planted, "s3:GetObject", "arn:aws:s3:::acme-data-4/*");
    let report = audited(&printed(&planted, encoded));
    assert!(report.breaches.iter().any(|breach| breach.permission == "s3:GetObject" && breach.promise == Promise::P2));

    let mut trusting = vendor();
    trusting.role.trust_policy.statements[0].condition = alien_aws::policy::Condition::default();
    trusting.role.max_session_duration = 7200;
    let report = audited(&printed(&trusting, plain));
    assert!(report.breaches.len() >= 2, "{:?}", report.breaches);

    let mut attached = vendor();
    let mut policy = attached.policies[0].clone();
    (policy.name, policy.kind) = ("ReadOnlyAccess".to_owned(), PolicyKind::Managed);
    attached.policies.push(policy);
    let report = audited(&printed(&attached, plain));
    assert!(report.breaches.iter().any(|breach| breach.what.contains("policy `ReadOnlyAccess`")));
}

#[test]
fn what_is_missing_for_a_judgement_is_told_by_name() {
    let mut managed = vendor();
    let mut policy = managed.policies[0].clone();
    (policy.name, policy.kind) = ("extra".to_owned(), PolicyKind::Managed);
    managed.policies.push(policy);
    let whole = printed(&managed, plain);
    for (position, part) in [
        (0, "aws iam get-role --role-name acme-management-4"),
        (1, "aws iam list-role-policies --role-name acme-management-4"),
        (2, "aws iam list-attached-role-policies --role-name acme-management-4"),
        (3, "aws iam get-role-policy --role-name acme-management-4 --policy-name acme-management-4"),
        (4, "its policy `arn:aws:iam::222222222222:policy/extra` is not told"),
    ] {
        let mut answers = whole.clone();
        answers.remove(position);
        let told = refused(&answers);
        assert!(told.iter().any(|told| told.contains(part)), "{part}: {told:?}");
    }
    let mut old = whole.clone();
    old[4].value["PolicyVersion"]["IsDefaultVersion"] = false.into();
    assert!(refused(&old)[0].contains("not the one that applies"));
    assert!(refused(&[answer("what", json!({ "Users": [] }))])[0].contains("`what`"));
    let mut broken = whole;
    broken[0].value["Role"]["AssumeRolePolicyDocument"] = "%7".into();
    assert!(refused(&broken)[0].contains("cannot be read"));
}

#[test]
fn the_details_of_an_account_are_taken_whole() {
    let vendor = vendor();
    let policies = vendor.policies.iter();
    let inline: Vec<Value> = policies
        .map(|policy| json!({ "PolicyName": policy.name, "PolicyDocument": plain(&policy.document) }))
        .collect();
    let mut role = json!({
        "RoleName": vendor.role.name, "AssumeRolePolicyDocument": encoded(&vendor.role.trust_policy),
        "RolePolicyList": inline,
        "AttachedManagedPolicies": [{ "PolicyName": "more", "PolicyArn": "arn:aws:iam::222222222222:policy/more" }],
    });
    let more = json!({
        "PolicyName": "more", "Arn": "arn:aws:iam::222222222222:policy/more", "DefaultVersionId": "v2",
        "PolicyVersionList": [
            { "VersionId": "v1", "IsDefaultVersion": false, "Document": {} },
            { "VersionId": "v2", "IsDefaultVersion": true, "Document": {
                "Version": "2012-10-17",
                "Statement": { "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*" },
            } },
        ],
    });
    let details = answer("details", json!({ "RoleDetailList": [role.take()], "Policies": [more] }));
    // They do not say how long a session may last.
    assert!(refused(std::slice::from_ref(&details))[0].contains("aws iam get-role --role-name"));
    let report = audited(&[details, printed(&vendor, plain).remove(0)]);
    assert!(report.breaches.iter().any(|breach| breach.permission == "s3:GetObject"), "{report:?}");
}
