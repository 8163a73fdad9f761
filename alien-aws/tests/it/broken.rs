//! Documents that were broken on purpose: each break is caught, with the promise and the statement that breaks it.

use alien_aws::Aws;
use alien_conformance::broken::{self, caught};
use alien_conformance::golden::my_app;
use alien_core::adapter::Documented;
use alien_core::{Layers, Promise, Rendered, Report};
use serde_json::{Value, json};

use crate::target;

/// The report after a change of the management policy's statements.
fn after(change: impl FnOnce(&mut Vec<Value>)) -> Report {
    audited(|layers| {
        let statements = &mut layers["management"]["principals"][0]["policies"][0]["document"]["Statement"];
        change(statements.as_array_mut().unwrap());
    })
}

fn audited(change: impl FnOnce(&mut Value)) -> Report {
    broken::audited::<Aws>(target, change)
}

fn allow(action: &str, resource: &str) -> Value {
    json!({ "Sid": "Planted", "Effect": "Allow", "Action": action, "Resource": resource })
}

#[test]
fn untouched_documents_pass() {
    assert_eq!(after(|_| ()).breaches, []);
}

#[test]
fn each_planted_permission_is_caught() {
    let function = "arn:aws:lambda:eu-central-1:222222222222:function:acme-api-4";
    let service = "arn:aws:ecs:eu-central-1:222222222222:service/acme-cluster-4/acme-worker-4";
    let cases = [
        ("s3:GetObject", "arn:aws:s3:::acme-data-4-222222222222/*", Promise::P2),
        ("s3:ListBucket", "arn:aws:s3:::acme-data-4-222222222222", Promise::P2),
        ("s3:getobject", "arn:aws:s3:::acme-data-4-222222222222/*", Promise::P2),
        ("dynamodb:Scan", "*", Promise::P2),
        ("sqs:ReceiveMessage", "arn:aws:sqs:eu-central-1:222222222222:acme-jobs-4", Promise::P2),
        ("sqs:SetQueueAttributes", "arn:aws:sqs:eu-central-1:222222222222:acme-jobs-4", Promise::P2),
        ("s3:PutReplicationConfiguration", "arn:aws:s3:::acme-data-4-222222222222", Promise::P2),
        ("secretsmanager:GetSecretValue", "*", Promise::P2),
        ("lambda:DeleteFunction", function, Promise::P3),
        ("s3:CreateBucket", "arn:aws:s3:::acme-data-4-222222222222", Promise::P3),
        ("dynamodb:DeleteTable", "arn:aws:dynamodb:eu-central-1:222222222222:table/acme-cache-4", Promise::P3),
        ("sqs:DeleteQueue", "arn:aws:sqs:eu-central-1:222222222222:acme-prod-jobs-9", Promise::P3),
        ("ecs:UpdateService", service, Promise::P4),
        ("lambda:UpdateFunctionCode", "arn:aws:lambda:eu-central-1:222222222222:function:acme-prod-api-9", Promise::P4),
        ("lambda:UpdateFunctionCode", "arn:aws:lambda:eu-central-1:222222222222:function:acme-*", Promise::P4),
        ("logs:FilterLogEvents", "arn:aws:logs:eu-central-1:222222222222:log-group:/ecs/acme-worker-4", Promise::P4),
        ("iam:PutRolePolicy", "arn:aws:iam::222222222222:role/acme-management-4", Promise::P5),
        ("iam:PassRole", "arn:aws:iam::222222222222:role/acme-runtime-execution-4", Promise::P5),
        ("iam:PassRole", "*", Promise::P5),
        ("ecs:ExecuteCommand", "*", Promise::P2),
        ("sts:AssumeRole", "*", Promise::P2),
        ("ecs:DescribeTaskDefinition", "*", Promise::P1),
        ("lambda:ListFunctions", "*", Promise::P1),
        ("s3:GetBucketLocation", "arn:aws:s3:::someone-elses", Promise::P1),
        ("made:Up", "*", Promise::P1),
        ("s3:Get*", "*", Promise::P1),
        ("s3:Get*", "*", Promise::P2),
        ("*", "*", Promise::P5),
        ("lambda:?nvokeFunction", "*", Promise::P1),
    ];
    for (action, resource, promise) in cases {
        let report = after(|statements| statements.push(allow(action, resource)));
        caught(&report, promise, "Planted");
    }
}

#[test]
fn known_paths_of_escalation_are_named() {
    let report = after(|statements| {
        statements.push(allow("iam:PassRole", "*"));
        statements.push(allow("ec2:RunInstances", "*"));
    });
    let named = report.breaches.iter().any(|breach| breach.what.contains("a new instance under a passed role"));
    assert!(named, "{:#?}", report.breaches);
}

#[test]
fn not_action_and_not_resource_are_caught() {
    let report = after(|statements| {
        statements.push(json!({ "Sid": "Planted", "Effect": "Allow", "NotAction": "iam:*", "Resource": "*" }));
    });
    caught(&report, Promise::P2, "Planted");
    let report = after(|statements| {
        let not = json!({ "Sid": "Planted", "Effect": "Allow", "Action": "sqs:GetQueueUrl", "NotResource": "arn:x" });
        statements.push(not);
    });
    caught(&report, Promise::P1, "Planted");
}

#[test]
fn each_statement_is_caught_where_its_resource_is_everything() {
    let count = after(|_| ()).breaches.len();
    assert_eq!(count, 0);
    let stack = my_app();
    let rendered: Rendered<Aws> = alien_core::render(&stack, &target("acme".parse().unwrap())).unwrap();
    let statements =
        rendered.documents.layers.management.unwrap().principals[0].policies[0].document.statements.clone();
    for (position, statement) in statements.iter().enumerate() {
        let report = after(|statements| statements[position]["Resource"] = "*".into());
        assert!(report.breaches.iter().any(|breach| breach.statement == statement.sid), "{} on *", statement.sid);
    }
}

#[test]
fn a_condition_that_is_missing_or_wider_is_caught() {
    for change in [
        json!(null),
        json!({ "StringLike": { "aws:ResourceTag/alien-resource": "acme-*" } }),
        json!({ "StringEquals": { "aws:ResourceTag/alien-resource": ["acme-net-4", "acme-prod-net-9"] } }),
    ] {
        let report = after(|statements| {
            let vpc = statements.iter_mut().find(|s| s["Sid"] == "NetworkHeartbeatOnVpc").unwrap();
            if change.is_null() {
                vpc.as_object_mut().unwrap().remove("Condition");
            } else {
                vpc["Condition"] = change.clone();
            }
        });
        caught(&report, Promise::P1, "NetworkHeartbeatOnVpc");
    }
}

#[test]
fn a_denial_takes_a_permission_back() {
    let report = after(|statements| {
        statements.push(allow("s3:GetObject", "*"));
        statements.push(json!({ "Sid": "No", "Effect": "Deny", "Action": "s3:*", "Resource": "*" }));
    });
    assert_eq!(report.breaches, []);
    let report = after(|statements| {
        statements.push(allow("s3:GetObject", "*"));
        let condition = json!({ "Bool": { "aws:SecureTransport": "false" } });
        statements
            .push(json!({ "Sid": "No", "Effect": "Deny", "Action": "s3:*", "Resource": "*", "Condition": condition }));
    });
    caught(&report, Promise::P2, "Planted");
    let report = after(|statements| {
        statements.push(allow("s3:Get*", "*"));
        statements.push(json!({ "Sid": "No", "Effect": "Deny", "Action": "s3:GetObject?", "Resource": "*" }));
    });
    caught(&report, Promise::P2, "Planted");
}

#[test]
fn trust_in_anyone_else_is_caught() {
    let trust = |layer: &str, statement: Value| {
        audited(|layers| layers[layer]["principals"][0]["role"]["trustPolicy"]["Statement"] = json!([statement]))
    };
    let vendor = json!({ "AWS": "arn:aws:iam::111111111111:role/vendor" });
    let assume = |principal: Value, condition: Value| json!({ "Sid": "VendorWithExternalId", "Effect": "Allow", "Principal": principal, "Action": ["sts:AssumeRole", "sts:SetSourceIdentity"], "Condition": condition });
    let id = |id: &str| json!({ "StringEquals": { "sts:ExternalId": id } });
    assert_eq!(trust("management", assume(vendor.clone(), id("acme-7f3a"))).breaches, []);
    for broken in [
        assume(vendor.clone(), json!({})),
        assume(vendor.clone(), id("another")),
        assume(vendor.clone(), json!({ "StringLike": { "sts:ExternalId": "*" } })),
        assume(json!("*"), id("acme-7f3a")),
        assume(json!({ "AWS": "arn:aws:iam::111111111111:root" }), id("acme-7f3a")),
        assume(
            json!({ "AWS": ["arn:aws:iam::111111111111:role/vendor", "arn:aws:iam::333333333333:role/x"] }),
            id("acme-7f3a"),
        ),
    ] {
        caught(&trust("management", broken), Promise::P5, "principal");
    }
    caught(&trust("runtime", assume(vendor.clone(), json!({}))), Promise::P5, "principal");
    caught(&trust("provisioning", assume(vendor, json!({}))), Promise::P1, "principal");
    let longer = audited(|layers| layers["management"]["principals"][0]["role"]["maxSessionDuration"] = 43_200.into());
    caught(&longer, Promise::P5, "principal");
}

#[test]
fn the_codes_own_documents_are_audited_too() {
    let planted = |action: &str, resource: &str| {
        audited(|layers| {
            let statements = &mut layers["runtime"]["principals"][0]["policies"][0]["document"]["Statement"];
            statements.as_array_mut().unwrap().push(allow(action, resource));
        })
    };
    caught(
        &planted("iam:AttachRolePolicy", "arn:aws:iam::222222222222:role/acme-runtime-execution-4"),
        Promise::P5,
        "Planted",
    );
    caught(
        &planted("dynamodb:GetItem", "arn:aws:dynamodb:eu-central-1:222222222222:table/acme-cache-4"),
        Promise::P2,
        "Planted",
    );
}

#[test]
fn a_principal_too_many_is_caught() {
    let report = audited(|layers| {
        let mut extra = layers["management"]["principals"][0].clone();
        extra["name"] = "other".into();
        layers["management"]["principals"].as_array_mut().unwrap().push(extra);
    });
    caught(&report, Promise::P1, "principal");
}

#[test]
fn statements_with_empty_lists_are_taken_for_everything() {
    let report = after(|statements| {
        statements.push(json!({ "Sid": "Planted", "Effect": "Allow", "NotAction": [], "Resource": "*" }));
    });
    caught(&report, Promise::P2, "Planted");
    for denial in [
        json!({ "Sid": "No", "Effect": "Deny", "Action": "s3:*", "Resource": [] }),
        json!({ "Sid": "No", "Effect": "Deny", "Action": [], "Resource": "*" }),
        json!({ "Sid": "No", "Effect": "Deny", "Principal": { "AWS": "x" }, "Action": "s3:*", "Resource": "*" }),
    ] {
        let report = after(|statements| {
            statements.push(allow("s3:GetObject", "*"));
            statements.push(denial);
        });
        caught(&report, Promise::P2, "Planted");
    }
}

#[test]
fn a_policy_of_another_name_or_of_the_same_is_caught() {
    for name in ["acme-management-4", "acme-provisioning-4", "other"] {
        let report = audited(|layers| {
            let policies = layers["management"]["principals"][0]["policies"].as_array_mut().unwrap();
            policies.push(
                json!({ "name": name, "kind": "inline", "document": { "Version": "2012-10-17", "Statement": [] } }),
            );
        });
        caught(&report, Promise::P5, "principal");
    }
    let empty = audited(|layers| layers["management"]["principals"][0]["role"]["trustPolicy"]["Statement"] = json!([]));
    caught(&empty, Promise::P5, "principal");
}

#[test]
fn tagging_is_part_of_making_and_nothing_else() {
    let mut document = serde_json::to_value(my_app()).unwrap();
    document["permissions"]["management"]["extend"]["net"] = json!(["network/provision"]);
    let stack = alien_core::Stack::from_json(&document.to_string()).unwrap();
    let rendered: Rendered<Aws> = alien_core::render(&stack, &target("acme".parse().unwrap())).unwrap();
    let mut layers = serde_json::to_value(&rendered.documents.layers).unwrap();
    let statements = &mut layers["management"]["principals"][0]["policies"][0]["document"]["Statement"];
    let tagging =
        statements.as_array_mut().unwrap().iter_mut().find(|s| s["Action"] == json!(["ec2:CreateTags"])).unwrap();
    let sid = tagging["Sid"].as_str().unwrap().to_owned();
    let condition = tagging["Condition"]["StringEquals"].as_object_mut().unwrap();
    assert!(condition.remove("ec2:CreateAction").is_some());
    let layers: Layers<alien_aws::policy::Principal> = serde_json::from_value(layers).unwrap();
    caught(&alien_core::adapter::audit_layers(&stack, &rendered.documents.target, &layers), Promise::P3, &sid);
}

/// Who reads only one of two keys may read the other one than AWS does.
#[test]
fn a_condition_whose_key_stands_twice_is_refused() {
    let (stack, target) = (my_app(), target("acme".parse().unwrap()));
    let documents = alien_core::render(&stack, &target).unwrap().documents;
    let text = serde_json::to_string(&documents).unwrap();
    assert!(Aws::audited(&stack, &target, &text).unwrap().breaches.is_empty());
    let condition = r#""StringEquals":{"#;
    let twice = text.replacen(condition, &format!(r#"{condition}"aws:a":"b","aws:a":"c","#), 1);
    assert_ne!(twice, text);
    let told = Aws::audited(&stack, &target, &twice).unwrap_err().to_string();
    assert!(told.contains("aws:a` is written twice"), "{told}");
}
