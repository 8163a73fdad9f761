//! What only AWS has: how few calls a release takes, a VPC of the customer's, boundaries, and what is told beforehand.

use alien_aws::Config;
use alien_conformance::life::product;
use alien_conformance::world::{Case, World, release};
use alien_core::adapter::{Purpose, last};
use alien_core::{
    Action, Code, Container, Data, ErrorKind, Existing, Function, Health, Live, Network, Profile, Queue, Stack, Storage,
};
use aws_sdk_lambda::types::VpcConfig;

use crate::world::{Peer, root};

/// To get in, to send the code, and to see that it works: nothing less can do it. Looking is repeated until it does.
pub(crate) async fn the_fewest_calls(peer: &Peer) {
    let code = peer.code("first");
    let mut stack = Stack::builder("few");
    stack.live("api", Function::new(code.code(), "execution"));
    stack.profile("execution", Profile::new());
    let stack = stack.build().unwrap();
    let case = Case::new(peer, "few", stack.clone());
    let deployment = case.up(&release(&stack, &[code]), None).await.unwrap();
    let (manager, calls) = case.manager(&deployment);
    let api = manager.find::<Function, Live>("api").unwrap();
    manager.update(&api, peer.code("second").update()).await.unwrap();
    let made = calls.operations();
    let (enter, look) = ("sts:AssumeRole", "lambda:GetFunctionConfiguration");
    assert_eq!(made[..5], [enter, look, enter, "lambda:UpdateFunctionCode", look], "{made:?}");
    assert!(made[5..].iter().all(|call| *call == look), "{made:?}");
    // Who, for which release, with what proof, and to no more than this update.
    let entry = peer.last_entry();
    let name = session_name(&entry);
    assert!(entry.contains("ExternalId=few-7f3a") && entry.contains("DurationSeconds=3600"), "{entry}");
    assert!(name.starts_with("test%40") && name.len() > "test%40".len() + 10, "{entry}");
    assert!(
        entry.contains("Policy=") && entry.contains("few-api-3") && entry.contains("UpdateFunctionCode"),
        "{entry}"
    );
    case.manager(&deployment).0.heartbeat(&api).await.unwrap();
    assert!(!peer.last_entry().contains("Policy="), "to watch is not narrowed by AWS: {}", peer.last_entry());
    assert!(!peer.last_entry().contains("SourceIdentity="), "{}", peer.last_entry());
    let attributed = alien_aws::vendor(
        &Config::new(peer.vendor_config()).with_operator("test").with_source_identity().with_calls(peer.calling()),
    );
    attributed.session(&deployment, &Purpose::Watch).await.unwrap();
    assert!(peer.last_entry().contains("SourceIdentity=test"), "{}", peer.last_entry());
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}

/// The name of a session, which tells the operator and the release.
fn session_name(entry: &str) -> &str {
    entry.split('&').find_map(|field| field.strip_prefix("RoleSessionName=")).unwrap()
}

/// Another account's credentials, and an admin who lacks a right: both are told in the plan, and nothing is done.
pub(crate) async fn preflight_tells(peer: &Peer) {
    let code = peer.code("first");
    let stack = product(&code);
    let case = Case::new(peer, "told", stack.clone());
    let release = release(&stack, &[code]);
    let wrong = peer.with(root("333333333333"));
    let (id, target) = (case.invitation.id, case.target.clone());
    let admin = alien_aws::admin(&Config::new(wrong.clone()).with_calls(peer.calling()), id, target.clone());
    let plan = admin.plan(&release).await.unwrap();
    let error = admin.apply(&plan).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(
        error.to_string().contains("are of account 333333333333, and the deployment goes to 222222222222"),
        "{error}"
    );

    // An admin with the provisioning documents, but for one action.
    let rendered = alien_core::render(&stack, &target).unwrap();
    let provisioning = &rendered.documents.layers.principals(alien_core::Layer::Provisioning)[0];
    let iam = peer.iam();
    iam.create_user().user_name("admin").send().await.unwrap();
    // What every admin has beside the documents, and what the peer decides wrongly.
    let looks = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:SimulatePrincipalPolicy","iam:GetAccountSummary","ecs:DescribeClusters","ecs:DescribeServices"],"Resource":"*"}]}"#;
    iam.put_user_policy().user_name("admin").policy_name("looks").policy_document(looks).send().await.unwrap();
    for policy in &provisioning.policies {
        let mut document = policy.document.clone();
        for statement in &mut document.statements {
            statement.actions.retain(|action| action != "dynamodb:CreateTable");
        }
        let document = serde_json::to_string(&document).unwrap();
        let put = iam.put_user_policy().user_name("admin").policy_name(&policy.name);
        put.policy_document(document).send().await.unwrap();
    }
    let key = iam.create_access_key().user_name("admin").send().await.unwrap().access_key.unwrap();
    let limited = aws_credential_types::Credentials::new(key.access_key_id, key.secret_access_key, None, None, "test");
    let admin = alien_aws::admin(&Config::new(peer.with(limited)).with_calls(peer.calling()), id, target);
    let plan = admin.plan(&release).await.unwrap();
    assert!(plan.steps.iter().all(|step| step.action == Action::Create), "{plan}");
    let problems: Vec<String> =
        plan.problems.iter().filter(|found| found.is_error()).map(ToString::to_string).collect();
    assert!(problems.iter().any(|problem| problem.contains("may not dynamodb:CreateTable on")), "{problems:#?}");
    assert_eq!(admin.apply(&plan).await.unwrap_err().kind(), ErrorKind::Input);
}

/// The customer's boundary is on every role that is made. One that is there already is not changed: whoever may change a
/// boundary may remove it.
pub(crate) async fn roles_are_made_with_the_boundary(peer: &Peer) {
    let iam = peer.iam();
    let mut boundaries = Vec::new();
    for name in ["boundary", "narrower"] {
        let all = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
        let made = iam.create_policy().policy_name(name).policy_document(all).send().await.unwrap();
        boundaries.push(made.policy.unwrap().arn.unwrap());
    }
    let code = peer.code("first");
    let mut stack = Stack::builder("bound");
    stack.live("api", Function::new(code.code(), "execution"));
    stack.profile("execution", Profile::new());
    let stack = stack.build().unwrap();
    let case = Case::new(peer, "bound", stack.clone());
    let release = release(&stack, &[code]);
    let admin = |boundary: &str| {
        let (id, target) = (case.invitation.id, case.target.clone());
        let config = Config::new(peer.customer()).with_boundary(boundary.parse().unwrap());
        alien_aws::admin(&config.with_calls(peer.calling()), id, target)
    };
    // A boundary that cuts the roles is told before anything is made.
    let narrow = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
    let made = iam.create_policy().policy_name("cutting").policy_document(narrow).send().await.unwrap();
    let refused = async |boundary: &str| {
        let (admin, mut told) = (admin(boundary), Vec::new());
        let plan = admin.plan(&release).await.unwrap();
        told.extend(plan.problems.iter().filter(|found| found.is_error()).map(ToString::to_string));
        assert_eq!(admin.apply(&plan).await.unwrap_err().kind(), ErrorKind::Input);
        told.join("\n")
    };
    let told = refused(made.policy.unwrap().arn().unwrap()).await;
    for part in
        ["`bound-management-5`", "takes from this role what it needs", "lambda:GetFunction", "let the boundary allow"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    let absent = "arn:aws:iam::000000000000:policy/absent";
    assert!(refused(absent).await.contains("there is no policy `arn:aws:iam::000000000000:policy/absent`"));
    let first = admin(&boundaries[0]);
    let plan = first.plan(&release).await.unwrap();
    let deployment = first.apply(&plan).await.unwrap();
    for role in ["bound-management-5", "bound-runtime-execution-5"] {
        let found = iam.get_role().role_name(role).send().await.unwrap().role.unwrap();
        let boundary = found.permissions_boundary.unwrap().permissions_boundary_arn.unwrap();
        assert_eq!(boundary, boundaries[0], "{role}");
    }
    assert!(first.plan(&release).previous(&deployment).await.unwrap().is_empty());
    let other = admin(&boundaries[1]);
    let plan = other.plan(&release).previous(&deployment).await.unwrap();
    assert!(plan.to_string().contains("its permissions boundary is"), "{plan}");
    let error = other.apply(&plan).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
    assert!(error.to_string().contains("set it on the role"), "{error}");
    first.destroy(&deployment).data(Data::Delete).await.unwrap();
}

/// The cluster is there for containers: with the last of them it goes.
pub(crate) async fn a_cluster_that_is_no_longer_needed_goes(peer: &Peer) {
    let stack = |with_container: bool| {
        let mut stack = Stack::builder("less");
        stack.frozen("data", Storage::new());
        if with_container {
            stack.live("worker", Container::new(alien_conformance::stacks::IMAGE.parse::<Code>().unwrap(), "worker"));
            stack.profile("worker", Profile::new());
        }
        stack.build().unwrap()
    };
    let case = Case::new(peer, "less", stack(true));
    let deployment = case.up(&release(&stack(true), &[]), None).await.unwrap();
    let ecs = aws_sdk_ecs::Client::new(&peer.customer());
    let active = async || {
        let found = ecs.describe_clusters().clusters("less-cluster-4").send().await.unwrap();
        found.clusters().iter().any(|cluster| cluster.status() == Some("ACTIVE"))
    };
    assert!(active().await);
    let deployment = case.up(&release(&stack(false), &[]), Some(&deployment)).await.unwrap();
    assert!(!active().await);
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}

/// In a VPC of the customer's, code is in the subnets that were given and no others: in other ones where others are given.
pub(crate) async fn code_is_placed_in_the_subnets_that_are_given(peer: &Peer) {
    let image = || alien_conformance::stacks::IMAGE.parse::<Code>().unwrap();
    let code = peer.code("first");
    let in_network = |name: &str, network: Network| {
        let mut stack = Stack::builder(name);
        let network = stack.frozen("net", network);
        stack.live("worker", Container::new(image(), "worker").with_network(&network));
        stack.live("api", Function::new(code.code(), "worker").with_network(&network));
        stack.profile("worker", Profile::new());
        stack.build().unwrap()
    };
    let shipped = std::slice::from_ref(&code);
    let (ecs, lambda) = (aws_sdk_ecs::Client::new(&peer.customer()), aws_sdk_lambda::Client::new(&peer.customer()));
    let placed = async |prefix: &str| {
        let found = ecs.describe_services().cluster(format!("{prefix}-cluster-{}", prefix.len()));
        let found = found.services(format!("{prefix}-worker-{}", prefix.len())).send().await.unwrap();
        let network = found.services()[0].network_configuration().and_then(|found| found.awsvpc_configuration());
        let function = lambda.get_function_configuration().function_name(format!("{prefix}-api-{}", prefix.len()));
        let function = function.send().await.unwrap();
        [network.unwrap().subnets().to_vec(), function.vpc_config().unwrap().subnet_ids().to_vec()]
    };

    // The network of another deployment stands for the customer's own.
    let own = in_network("own", Network::new("10.40.0.0/16"));
    let customers = Case::new(peer, "theirs", own.clone());
    let made = customers.up(&release(&own, shipped), None).await.unwrap();
    let [subnets, _] = placed("theirs").await;
    assert_eq!(subnets.len(), 2, "{subnets:?}");

    let stack = in_network("guest", Network::default());
    let case = Case::new(peer, "guest", stack.clone());
    let given = |subnet: &str| {
        let existing = Existing::new(last(&made.resources["net"])).with_subnets([subnet]);
        release(&stack.with_existing("net", existing).unwrap(), shipped)
    };
    let deployment = case.up(&given(&subnets[0]), None).await.unwrap();
    assert_eq!(placed("guest").await, [[subnets[0].clone()], [subnets[0].clone()]]);
    assert!(case.admin.plan(&given(&subnets[0])).previous(&deployment).await.unwrap().is_empty());

    let plan = case.admin.plan(&given(&subnets[1])).previous(&deployment).await.unwrap();
    for moved in ["update  api (function): its settings changed", "update  worker (container): its settings changed"] {
        assert!(plan.to_string().contains(moved), "{plan}");
    }
    let deployment = case.admin.apply(&plan).await.unwrap();
    assert_eq!(placed("guest").await, [[subnets[1].clone()], [subnets[1].clone()]]);

    // Code that someone moved is found, and moved back.
    let name = "guest-api-5";
    let placed_at = lambda.get_function_configuration().function_name(name).send().await.unwrap().vpc_config.unwrap();
    let groups = Some(placed_at.security_group_ids().to_vec());
    let elsewhere = VpcConfig::builder().set_security_group_ids(groups).subnet_ids(&subnets[0]).build();
    lambda.update_function_configuration().function_name(name).vpc_config(elsewhere).send().await.unwrap();
    let plan = case.admin.plan(&given(&subnets[1])).previous(&deployment).await.unwrap();
    let moved = format!("update  api (function): it is not as it was set up: it is in the subnets {}", subnets[0]);
    assert!(plan.to_string().contains(&moved), "{plan}");
    let deployment = case.admin.apply(&plan).await.unwrap();
    assert_eq!(placed("guest").await, [[subnets[1].clone()], [subnets[1].clone()]]);

    let missing = "subnet-0123456789abcdef0";
    let error = case.admin.plan(&given(missing)).previous(&deployment).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains(&format!("has no subnet `{missing}`")), "{error}");

    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
    customers.admin.destroy(&made).data(Data::Delete).await.unwrap();
}

/// X1: in another account nothing would be found, and then nothing is said to be revoked or taken down.
pub(crate) async fn another_accounts_credentials_conclude_nothing(peer: &Peer) {
    let mut stack = Stack::builder("wrong");
    stack.live("jobs", Queue::new());
    let stack = stack.build().unwrap();
    let case = Case::new(peer, "wrong", stack.clone());
    let deployment = case.up(&release(&stack, &[]), None).await.unwrap();
    let other = Config::new(peer.with(root("333333333333"))).with_calls(peer.calling());
    let other = alien_aws::admin(&other, deployment.id, case.target.clone());
    for told in [
        other.revoke(&deployment).await.unwrap_err(),
        other.destroy(&deployment).data(Data::Delete).await.unwrap_err(),
        other.plan(&release(&stack, &[])).await.unwrap().refusal().unwrap_err(),
    ] {
        let expected = "these credentials are of account 333333333333, and the deployment goes to 222222222222";
        assert!(told.to_string().contains(expected), "{told}");
    }
    let (manager, _) = case.manager(&deployment);
    assert_eq!(manager.heartbeat(manager.resources().remove(0)).await.unwrap().health, Health::Healthy);
    case.admin.destroy(&deployment).data(Data::Delete).await.unwrap();
}
