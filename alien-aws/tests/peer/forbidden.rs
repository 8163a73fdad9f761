//! What a plain client, without a line of this library, is refused by the peer; and, where the peer decides wrongly, by the
//! evaluator.

use std::future::Future;

use alien_aws::Aws;
use alien_aws::policy::{Request, evaluate};
use alien_conformance::life::product;
use alien_conformance::world::{Case, World, release};
use alien_core::Data;
use alien_core::adapter::DeploymentContext;
use aws_sdk_iam::config::http::HttpResponse;
use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_iam::types::Tag;
use aws_sdk_lambda::primitives::Blob;

use crate::world::{Peer, rendered};

/// Asks, and writes down whoever lets it through: what the peer should have refused.
struct Asked {
    let_through: Vec<&'static str>,
    refused: usize,
}

impl Asked {
    async fn refuses<T, E: ProvideErrorMetadata + std::fmt::Debug>(
        &mut self,
        action: &'static str,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) {
        match call.await {
            Ok(_) => self.let_through.push(action),
            Err(error) => {
                let code = error.as_service_error().and_then(|error| error.code()).unwrap_or_default().to_owned();
                let denied = ["AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"];
                // An answer to HEAD has no body that could name a code.
                let forbidden = error.raw_response().is_some_and(|raw| raw.status().as_u16() == 403);
                if denied.contains(&code.as_str()) || code.is_empty() && forbidden {
                    self.refused += 1;
                } else {
                    self.let_through.push(action);
                    println!("{action}: answered with {code}: {error:?}");
                }
            }
        }
    }
}

/// P2 to P5, by the peer: data, credentials, creation, deletion, what is frozen, what is another deployment's, and rights.
pub(crate) async fn a_plain_client_is_refused(peer: &Peer) {
    let code = peer.code("first");
    let stack = product(&code);
    let case = Case::new(peer, "acme", stack.clone());
    let deployment = case.up(&release(&stack, std::slice::from_ref(&code)), None).await.unwrap();
    // Another deployment whose name begins alike.
    let other = Case::new(peer, "acme-prod", stack.clone())
        .up(&release(&stack, std::slice::from_ref(&code)), None)
        .await
        .unwrap();
    let session = peer.session(&deployment).await;
    let name = |id: &str| last(&deployment.resources[id]);
    let (bucket, table, queue) = (name("data"), name("cache"), name("jobs"));
    let (frozen, live, others) = (name("ledger"), name("api"), last(&other.resources["api"]));
    let role = last(&deployment.identity);
    let url = aws_sdk_sqs::Client::new(&peer.customer());
    let url = url.get_queue_url().queue_name(queue).send().await.unwrap().queue_url.unwrap();

    let s3 = aws_sdk_s3::config::Builder::from(&session).force_path_style(true).build();
    let s3 = aws_sdk_s3::Client::from_conf(s3);
    let dynamodb = aws_sdk_dynamodb::Client::new(&session);
    let sqs = aws_sdk_sqs::Client::new(&session);
    let lambda = aws_sdk_lambda::Client::new(&session);
    let iam = aws_sdk_iam::Client::new(&session);
    let logs = aws_sdk_cloudwatchlogs::Client::new(&session);
    let sts = aws_sdk_sts::Client::new(&session);
    let mut asked = Asked { let_through: Vec::new(), refused: 0 };
    let a = &mut asked;
    // Each part has a stack frame of its own: the SDK's futures are large.

    // P2: data and its names, code, credentials.
    Box::pin(async {
        a.refuses("s3:GetObject", s3.get_object().bucket(bucket).key("x").send()).await;
        a.refuses("s3:ListBucket", s3.list_objects_v2().bucket(bucket).send()).await;
        a.refuses("s3:ListBucket", s3.head_bucket().bucket(bucket).send()).await;
        a.refuses("s3:PutObject", s3.put_object().bucket(bucket).key("x").send()).await;
        a.refuses("s3:DeleteObject", s3.delete_object().bucket(bucket).key("x").send()).await;
        a.refuses("s3:PutBucketPolicy", s3.put_bucket_policy().bucket(bucket).policy("{}").send()).await;
        let key = aws_sdk_dynamodb::types::AttributeValue::S("x".to_owned());
        a.refuses("dynamodb:GetItem", dynamodb.get_item().table_name(table).key("key", key.clone()).send()).await;
        a.refuses("dynamodb:PutItem", dynamodb.put_item().table_name(table).item("key", key).send()).await;
        a.refuses("dynamodb:Scan", dynamodb.scan().table_name(table).send()).await;
        a.refuses("dynamodb:UpdateTable", dynamodb.update_table().table_name(table).send()).await;
        a.refuses("sqs:ReceiveMessage", sqs.receive_message().queue_url(&url).send()).await;
        a.refuses("sqs:SendMessage", sqs.send_message().queue_url(&url).message_body("x").send()).await;
        a.refuses("sqs:PurgeQueue", sqs.purge_queue().queue_url(&url).send()).await;
        let attributes = sqs.set_queue_attributes().queue_url(&url);
        let name = aws_sdk_sqs::types::QueueAttributeName::VisibilityTimeout;
        a.refuses("sqs:SetQueueAttributes", attributes.attributes(name, "1").send()).await;
        a.refuses("lambda:GetFunction", lambda.get_function().function_name(live).send()).await;
        a.refuses(
            "logs:FilterLogEvents",
            logs.filter_log_events().log_group_name(format!("/aws/lambda/{frozen}")).send(),
        )
        .await;
        a.refuses("sts:AssumeRole", sts.assume_role().role_arn(&other.identity).role_session_name("x").send()).await;
    })
    .await;

    // P3: nothing is made or removed.
    Box::pin(async {
        a.refuses("s3:CreateBucket", s3.create_bucket().bucket("acme-new-4-222222222222").send()).await;
        a.refuses("s3:DeleteBucket", s3.delete_bucket().bucket(bucket).send()).await;
        a.refuses("dynamodb:DeleteTable", dynamodb.delete_table().table_name(table).send()).await;
        a.refuses("sqs:CreateQueue", sqs.create_queue().queue_name("acme-new-4").send()).await;
        a.refuses("sqs:DeleteQueue", sqs.delete_queue().queue_url(&url).send()).await;
        a.refuses("lambda:DeleteFunction", lambda.delete_function().function_name(live).send()).await;
    })
    .await;

    // P4: what is frozen, and what is another deployment's.
    Box::pin(async {
        for name in [frozen, others] {
            let code = lambda
                .update_function_code()
                .function_name(name)
                .zip_file(Blob::new(alien_conformance::bootstrap::zip("second")));
            a.refuses("lambda:UpdateFunctionCode", code.send()).await;
            let settings = lambda.update_function_configuration().function_name(name).memory_size(1024);
            a.refuses("lambda:UpdateFunctionConfiguration", settings.send()).await;
            a.refuses("lambda:InvokeFunction", lambda.invoke().function_name(name).send()).await;
        }
        a.refuses("lambda:GetFunctionConfiguration", lambda.get_function_configuration().function_name(others).send())
            .await;
    })
    .await;

    // P5: rights.
    Box::pin(async {
        let open = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
        let put = iam.put_role_policy().role_name(role).policy_name("more").policy_document(open);
        a.refuses("iam:PutRolePolicy", put.send()).await;
        let attach = iam.attach_role_policy().role_name(role).policy_arn("arn:aws:iam::aws:policy/AdministratorAccess");
        a.refuses("iam:AttachRolePolicy", attach.send()).await;
        let trust = iam.update_assume_role_policy().role_name(role).policy_document(open);
        a.refuses("iam:UpdateAssumeRolePolicy", trust.send()).await;
        a.refuses("iam:DeleteRolePolicy", iam.delete_role_policy().role_name(role).policy_name(role).send()).await;
        let tag = Tag::builder().key("x").value("y").build().unwrap();
        a.refuses("iam:TagRole", iam.tag_role().role_name(role).tags(tag).send()).await;
        a.refuses("iam:CreateUser", iam.create_user().user_name("x").send()).await;
        let permission = lambda.add_permission().function_name(live).statement_id("x").principal("*");
        a.refuses("lambda:AddPermission", permission.action("lambda:InvokeFunction").send()).await;
    })
    .await;

    assert_eq!(asked.let_through, [""; 0]);
    assert!(asked.refused == 37, "{}", asked.refused);
    // The same client may watch, which shows that it was not refused for want of a session.
    lambda.get_function_configuration().function_name(frozen).send().await.unwrap();
    lambda.get_function_configuration().function_name(live).send().await.unwrap();

    undecided(&deployment);
    let (target, id) = (case.target.clone(), case.invitation.id);
    peer.admin(id, target, peer.calling()).destroy(&deployment).data(Data::Delete).await.unwrap();
}

/// What the peer decides wrongly, our evaluator decides; the calls are named, so that the list can only become shorter.
fn undecided(deployment: &alien_core::Deployment) {
    let context = DeploymentContext::<Aws>::of(deployment).unwrap();
    let principal = rendered(deployment);
    let policies = || principal.policies.iter().map(|policy| &policy.document);
    let (worker, mailer) =
        (context.id_of(context.subject("worker").unwrap()), context.id_of(context.subject("mailer").unwrap()));
    let no_shell: &[_] = &[("ecs:enable-execute-command", "false")];
    let shell: &[_] = &[("ecs:enable-execute-command", "true")];
    let elsewhere: &[_] = &[("ecs:enable-execute-command", "false"), ("ecs:subnet", "subnet-1")];
    let tasks: &[_] = &[("iam:PassedToService", "ecs-tasks.amazonaws.com")];
    let ec2: &[_] = &[("iam:PassedToService", "ec2.amazonaws.com")];
    let family = |service: &str| {
        format!("{}:7", service.replace(":service/", ":task-definition/").replace("acme-cluster-4/", ""))
    };
    let (execution, ledger) = (role_arn("acme-runtime-execution-4"), role_arn("acme-runtime-ledger-4"));
    let (live_family, frozen_family) = (family(worker), family(mailer));
    let vpc = "arn:aws:ec2:eu-central-1:222222222222:vpc/vpc-0a1b2c3d4e5f60718";
    for (action, resource, context, allowed) in [
        ("ecs:DescribeServices", worker, &[][..], true),
        ("ecs:DescribeServices", mailer, &[], true),
        ("ecs:UpdateService", worker, no_shell, true),
        ("ecs:UpdateService", worker, shell, false),
        ("ecs:UpdateService", worker, elsewhere, false),
        ("ecs:UpdateService", worker, &[], false),
        ("ecs:UpdateService", mailer, no_shell, false),
        ("ecs:DeleteService", worker, &[], false),
        ("ecs:RegisterTaskDefinition", &live_family, &[], true),
        ("ecs:RegisterTaskDefinition", &frozen_family, &[], false),
        ("ecs:ExecuteCommand", worker, &[], false),
        ("iam:PassRole", &execution, tasks, true),
        ("iam:PassRole", &execution, ec2, false),
        ("iam:PassRole", &ledger, tasks, false),
        ("ec2:DescribeVpcAttribute", vpc, &[("aws:ResourceTag/alien-resource", "acme-net-4")], true),
        ("ec2:DescribeVpcAttribute", vpc, &[("aws:ResourceTag/alien-resource", "acme-prod-net-9")], false),
        ("ec2:DescribeVpcAttribute", vpc, &[], false),
    ] {
        let decision = evaluate(policies(), &Request::new(action, resource, context));
        assert_eq!(decision.is_allowed(), allowed, "{action} on {resource} with {context:?}: {decision:?}");
        println!("decided by the evaluator, not by the peer: {action} on {resource}: {decision:?}");
    }
}

fn role_arn(name: &str) -> String {
    format!("arn:aws:iam::222222222222:role/{name}")
}

pub(crate) fn last(arn: &str) -> &str {
    arn.rsplit(['/', ':']).next().unwrap()
}
