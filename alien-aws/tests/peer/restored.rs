//! Somebody changes what a set-up restores of live code, with AWS's own SDK: the plan names each field, and `up` sets it back.

use std::collections::BTreeSet;

use alien_aws::Aws;
use alien_conformance::stacks::IMAGE;
use alien_conformance::world::World as _;
use alien_conformance::writes::lists;
use alien_core::adapter::Fate;
use alien_core::{Code, Container, Function, Network, Profile, Stack};
use aws_sdk_ecs::types as ecs;
use aws_sdk_lambda::types as lambda;
use serde_json::{Value, json};

use crate::life::CUSTOMER;
use crate::parts::SetUp;
use crate::world::Peer;

/// The fields that the list of a permission says are restored.
fn restored(permission: &str) -> BTreeSet<&'static str> {
    let lists = lists::<Aws>().into_iter().filter(|list| list.row.permission == permission);
    let fields = lists.flat_map(|list| list.fields).filter(|fields| matches!(fields.fate, Fate::Restored(_)));
    fields.flat_map(|fields| fields.paths).copied().collect()
}

/// The peer keeps all of them. It does not look whether a key or a file system is there, as Lambda does.
pub(crate) async fn each_setting_of_a_function_is_told_and_set_back(peer: &Peer) {
    let code = peer.code("first");
    let mut stack = Stack::builder("restored");
    let net = stack.frozen("net", Network::default());
    stack.live("api", Function::new(code.code(), "execution").with_network(&net));
    stack.profile("execution", Profile::new());
    let mut set_up = SetUp::with(peer, "restored", stack.build().unwrap(), code).await;
    let client = aws_sdk_lambda::Client::new(&peer.customer());
    let name = set_up.name("api");
    let change = || client.update_function_configuration().function_name(&name);
    let arn = |service: &str, rest: &str| format!("arn:aws:{service}:eu-central-1:{CUSTOMER}:{rest}");
    let mount = lambda::FileSystemConfig::builder()
        .arn(arn("elasticfilesystem", "access-point/fsap-0a1b2c3d4e5f60718"))
        .local_mount_path("/mnt/theirs");
    let changes = [
        (
            "DeadLetterConfig",
            change().dead_letter_config(lambda::DeadLetterConfig::builder().target_arn(arn("sqs", "theirs")).build()),
        ),
        (
            "EphemeralStorage",
            change().ephemeral_storage(lambda::EphemeralStorage::builder().size(1024).build().unwrap()),
        ),
        ("FileSystemConfigs", change().file_system_configs(mount.build().unwrap())),
        ("KMSKeyArn", change().kms_key_arn(arn("kms", "key/theirs"))),
        ("LoggingConfig", change().logging_config(lambda::LoggingConfig::builder().log_group("theirs").build())),
        (
            "TracingConfig",
            change().tracing_config(lambda::TracingConfig::builder().mode(lambda::TracingMode::Active).build()),
        ),
        (
            "VpcConfig.SubnetIds",
            change().vpc_config(
                lambda::VpcConfig::builder()
                    .set_subnet_ids(Some(Vec::new()))
                    .set_security_group_ids(Some(Vec::new()))
                    .build(),
            ),
        ),
    ];
    assert_eq!(
        changes.iter().map(|(field, _)| *field).collect::<BTreeSet<_>>(),
        restored("lambda:UpdateFunctionConfiguration")
    );
    // What a set-up restores, as Lambda tells it: an ARN that is empty is none.
    let told = async || {
        let found = client.get_function_configuration().function_name(&name).send().await.unwrap();
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        [
            text(found.dead_letter_config().and_then(|letters| letters.target_arn())),
            format!("{:?}", found.ephemeral_storage().map(|storage| storage.size())),
            format!("{:?}", found.file_system_configs()),
            text(found.kms_key_arn()),
            text(found.logging_config().and_then(|logging| logging.log_group())),
            format!("{:?}", found.tracing_config().and_then(|tracing| tracing.mode())),
            format!("{:?}", found.vpc_config().map(|vpc| vpc.subnet_ids())),
        ]
    };
    let before = told().await;
    for (field, change) in changes {
        change.send().await.unwrap();
        assert_ne!(told().await, before, "the peer does not keep {field}");
        let why = match field {
            "VpcConfig.SubnetIds" => "it is out of its network".to_owned(),
            field => format!("somebody changed `{field}`"),
        };
        set_up.is_told_and_mended("api", &why).await;
        assert_eq!(told().await, before, "{field}");
    }
    set_up.down().await;
}

/// The update of a service that was sent last.
fn last_update(peer: &Peer) -> Value {
    let is_update = |target: &String| target.ends_with(".UpdateService");
    let changes = peer.changes().into_iter().rev();
    changes.into_iter().find(|sent| sent.headers.get("x-amz-target").is_some_and(is_update)).unwrap().body
}

/// The peer keeps load balancers and hooks of an update, and drops registries and the controller: the service is made anew
/// with those, so that a plan tells them, and what `up` sends is looked at, because the service keeps them.
pub(crate) async fn each_setting_of_a_service_is_told_and_set_back(peer: &Peer) {
    let mut stack = Stack::builder("attached");
    stack.live("worker", Container::new(IMAGE.parse::<Code>().unwrap(), "execution"));
    stack.profile("execution", Profile::new());
    let mut set_up = SetUp::with(peer, "attached", stack.build().unwrap(), peer.code("none")).await;
    let client = aws_sdk_ecs::Client::new(&peer.customer());
    let arn = set_up.deployment.resources["worker"].clone();
    let [.., cluster, name] = arn.split('/').collect::<Vec<_>>()[..] else { panic!("{arn}") };
    let role = format!("arn:aws:iam::{CUSTOMER}:role/theirs");
    let balancer = ecs::LoadBalancer::builder()
        .target_group_arn(format!(
            "arn:aws:elasticloadbalancing:eu-central-1:{CUSTOMER}:targetgroup/theirs/0a1b2c3d4e5f6071"
        ))
        .container_name("main")
        .container_port(80)
        .build();
    let hook = ecs::DeploymentLifecycleHook::builder()
        .hook_target_arn(format!("arn:aws:lambda:eu-central-1:{CUSTOMER}:function:theirs"))
        .role_arn(role)
        .lifecycle_stages(ecs::DeploymentLifecycleHookStage::PreScaleUp)
        .build();
    let hooked = ecs::DeploymentConfiguration::builder().lifecycle_hooks(hook).build();
    let change = || client.update_service().cluster(cluster).service(name);
    let is_set_back = |sent: &Value| {
        assert_eq!((&sent["loadBalancers"], &sent["serviceRegistries"]), (&json!([]), &json!([])), "{sent}");
        assert_eq!(sent["deploymentController"], json!({ "type": "ECS" }), "{sent}");
        let rolled_out = json!({
            "deploymentCircuitBreaker": { "enable": true, "rollback": true },
            "lifecycleHooks": [],
        });
        assert_eq!(sent["deploymentConfiguration"], rolled_out, "{sent}");
        assert_eq!(
            (&sent["propagateTags"], &sent["enableExecuteCommand"]),
            (&json!("SERVICE"), &json!(false)),
            "{sent}"
        );
    };
    let mut seen = BTreeSet::new();
    for (field, change) in [
        ("loadBalancers", change().load_balancers(balancer)),
        ("deploymentConfiguration.lifecycleHooks", change().deployment_configuration(hooked)),
    ] {
        change.send().await.unwrap();
        set_up.is_told_and_mended("worker", &format!("somebody changed `{field}`")).await;
        is_set_back(&last_update(peer));
        seen.insert(field);
    }

    let look = async || {
        let found = client.describe_services().cluster(cluster).services(name).include(ecs::ServiceField::Tags);
        found.send().await.unwrap().services.unwrap().remove(0)
    };
    let found = look().await;
    client.delete_service().cluster(cluster).service(name).force(true).send().await.unwrap();
    let registry = format!("arn:aws:servicediscovery:eu-central-1:{CUSTOMER}:service/srv-theirs");
    let controller = ecs::DeploymentController::builder().r#type(ecs::DeploymentControllerType::CodeDeploy).build();
    client
        .create_service()
        .cluster(cluster)
        .service_name(name)
        .task_definition(found.task_definition().unwrap())
        .launch_type(ecs::LaunchType::Fargate)
        .desired_count(found.desired_count())
        .set_network_configuration(found.network_configuration.clone())
        .set_deployment_configuration(found.deployment_configuration.clone())
        .service_registries(ecs::ServiceRegistry::builder().registry_arn(registry).build())
        .deployment_controller(controller.unwrap())
        .set_tags(found.tags.clone())
        .send()
        .await
        .unwrap();
    let plan = set_up.plan().await.to_string();
    let both = ["deploymentController", "serviceRegistries"];
    let named = both.map(|field| format!("`{field}`")).join(", ");
    assert!(plan.contains(&format!("it is not as it was set up: somebody changed {named}")), "{plan}");
    seen.extend(both);
    set_up.up().await;
    is_set_back(&last_update(peer));
    assert_eq!(seen, restored("ecs:UpdateService"));
    set_up.down().await;
}
