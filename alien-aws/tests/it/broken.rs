//! Documents that were broken on purpose: each break is caught, with the promise and the statement that breaks it.

use alien_aws::Aws;
use alien_conformance::broken::{self, caught};
use alien_conformance::golden::my_app;
use alien_core::adapter::Documented;
use alien_core::{Layers, Promise, Rendered, Report};
use serde_json::{Value, json};

use crate::agents::{clusters_target, roles_target};
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

/// Where releases are pulled, whatever is not the very trust in the agent is a breach of its own.
#[test]
fn trust_in_anyone_but_the_agent_is_caught() {
    let role = "arn:aws:iam::222222222222:role/tools/agent";
    let issuer = "oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E";
    let provider = format!("arn:aws:iam::222222222222:oidc-provider/{issuer}");
    let statement = |principal: Value, actions: Value, condition: Value| {
        let mut statement =
            json!({ "Sid": "CustomersAgent", "Effect": "Allow", "Principal": principal, "Action": actions });
        if condition != json!({}) {
            statement["Condition"] = condition;
        }
        statement
    };
    let plain = |principal: Value| statement(principal, json!(["sts:AssumeRole"]), json!({}));
    let web = |provider: &str, condition: Value| {
        statement(json!({ "Federated": provider }), json!(["sts:AssumeRoleWithWebIdentity"]), condition)
    };
    let (aud, sub) = (format!("{issuer}:aud"), format!("{issuer}:sub"));
    let (account, subject) = ("sts.amazonaws.com", "system:serviceaccount:shop:agent");
    let due = json!({ "StringEquals": { &aud: account, &sub: subject } });
    let planted = |target, layer: &str, statements: Value| {
        broken::audited::<Aws>(target, |layers| {
            layers[layer]["principals"][0]["role"]["trustPolicy"]["Statement"] = statements;
        })
    };
    let (own_role, own_web) = (plain(json!({ "AWS": role })), web(&provider, due.clone()));
    assert_eq!(planted(roles_target, "management", json!([own_role.clone()])).breaches, []);
    assert_eq!(planted(clusters_target, "management", json!([own_web.clone()])).breaches, []);
    let other_cluster = provider.replace("EXAMPLED", "EXAMPLEX");
    for broken in [
        plain(json!("*")),
        plain(json!({ "AWS": "*" })),
        plain(json!({ "AWS": "222222222222" })),
        plain(json!({ "AWS": "arn:aws:iam::222222222222:root" })),
        plain(json!({ "AWS": "arn:aws:iam::222222222222:user/agent" })),
        plain(json!({ "AWS": "arn:aws:iam::222222222222:role/*" })),
        plain(json!({ "AWS": "arn:aws:sts::222222222222:assumed-role/agent/session" })),
        plain(json!({ "AWS": "arn:aws:iam::111111111111:role/vendor" })),
        plain(json!({ "AWS": [role, "arn:aws:iam::111111111111:role/vendor"] })),
        plain(json!({ "Service": "ec2.amazonaws.com" })),
        statement(json!({ "AWS": role }), json!(["sts:*"]), json!({})),
        statement(
            json!({ "AWS": "arn:aws:iam::111111111111:role/vendor" }),
            json!(["sts:AssumeRole"]),
            json!({ "StringEquals": { "sts:ExternalId": "acme-7f3a" } }),
        ),
        web(&provider, json!({})),
        web(&provider, json!({ "StringEquals": { &aud: account } })),
        web(&provider, json!({ "StringEquals": { &sub: subject } })),
        web(&provider, json!({ "StringLike": { &aud: account, &sub: subject } })),
        web(
            &provider,
            json!({ "StringEquals": { &aud: account }, "StringLike": { &sub: "system:serviceaccount:*:*" } }),
        ),
        web(&provider, json!({ "StringEqualsIfExists": { &aud: account, &sub: subject } })),
        web(
            &provider,
            json!({ "StringEquals": { &aud: account, &sub: [subject, "system:serviceaccount:shop:other"] } }),
        ),
        web(&provider, json!({ "StringEquals": { &aud: account, &sub: "system:serviceaccount:other:agent" } })),
        web(&provider, json!({ "StringEquals": { &aud: "other", &sub: subject } })),
        web(&other_cluster, due.clone()),
        web("token.actions.githubusercontent.com", due.clone()),
        web(&provider.replace("222222222222", "111111111111"), due.clone()),
    ] {
        for target in [roles_target, clusters_target] {
            for layer in ["management", "runtime", "provisioning"] {
                caught(&planted(target, layer, json!([broken.clone()])), Promise::P13, "principal");
            }
        }
        caught(
            &planted(roles_target, "management", json!([own_role.clone(), broken.clone()])),
            Promise::P13,
            "principal",
        );
        caught(&planted(clusters_target, "management", json!([own_web.clone(), broken])), Promise::P13, "principal");
    }
    // The one is not the other.
    caught(&planted(roles_target, "management", json!([own_web])), Promise::P13, "principal");
    caught(&planted(clusters_target, "management", json!([own_role])), Promise::P13, "principal");
    caught(&planted(roles_target, "management", json!([])), Promise::P13, "principal");
}

/// An agent that is one of the deployment's own roles would manage itself.
#[test]
fn an_agent_that_the_deployment_runs_as_is_refused() {
    let stack = my_app();
    let refused = |name: &str| {
        let mut target = roles_target("acme".parse().unwrap());
        target.trust = alien_aws::Trust::Agent(alien_aws::Agent::Role(name.parse().unwrap()));
        alien_core::render(&stack, &target).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(refused("tools/agent"), Ok(()));
    let layers = alien_core::render(&stack, &roles_target("acme".parse().unwrap())).unwrap().documents.layers;
    let layers = [layers.provisioning, layers.management, layers.runtime];
    for principal in layers.iter().flatten().flat_map(|layer| &layer.principals) {
        let told = refused(&principal.role.name).unwrap_err();
        assert!(told.contains("is part of the deployment itself"), "{told}");
    }
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
