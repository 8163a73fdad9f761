//! What AWS takes of a stack, and what it makes of what it takes.

use std::time::Duration;

use alien_aws::Aws;
use alien_aws::policy::{Decision, Effect, Principal, Request, evaluate};
use alien_conformance::stacks::{digest, in_network, of_function};
use alien_core::adapter::audit_layers;
use alien_core::{
    Code, Container, Existing, Function, Kv, Layers, Network, Profile, Queue, Rendered, Stack, Storage, render,
};

use crate::target;

fn rendered(stack: &Stack) -> Result<Rendered<Aws>, String> {
    render(stack, &target("acme".parse().unwrap())).map_err(|error| error.to_string())
}

fn ecr(name: &str) -> String {
    format!("222222222222.dkr.ecr.eu-central-1.amazonaws.com/{name}")
}

#[test]
fn a_function_runs_its_zip_and_else_an_image_in_ecr() {
    let images = Code::image("ghcr.io/vendor/api", &digest('a')).unwrap().with_image(ecr("api"), &digest('b')).unwrap();
    let documents = |code| serde_json::to_string(&rendered(&of_function(code)).unwrap().documents.layers).unwrap();
    assert!(documents(images.clone()).contains("repository/api"), "the image in ECR is the one that is pulled");
    assert!(!documents(images.clone().with_zip(b"zip")).contains("repository/api"), "a zip is taken first");
    let warned =
        |code| rendered(&of_function(code)).unwrap().warnings.iter().any(|warning| warning.what.contains("ghcr.io"));
    assert!(warned(Code::image("ghcr.io/vendor/api", &digest('a')).unwrap()) && !warned(images));
}

#[test]
fn of_several_images_a_container_runs_the_one_in_ecr() {
    let code =
        Code::image("ghcr.io/vendor/api", &digest('a')).unwrap().with_image(ecr("worker"), &digest('b')).unwrap();
    let layers = serde_json::to_string(&rendered(&in_network(code)).unwrap().documents.layers).unwrap();
    assert!(layers.contains("repository/worker"), "{layers}");
}

#[test]
fn a_network_of_the_customers_and_its_subnets_are_named_by_their_ids() {
    let code = || Code::image(ecr("worker"), &digest('b')).unwrap();
    let given = |vpc: &str, subnets: &[&str]| {
        let existing = Existing::new(vpc).with_subnets(subnets.iter().copied());
        rendered(&in_network(code()).with_existing("net", existing).unwrap())
    };
    let (vpc, subnet) = ("vpc-0a1b2c3d4e5f60718", "subnet-0a1b2c3d4e5f60718");
    let with = given(vpc, &[subnet]).unwrap();
    assert_eq!(
        with.documents.layers,
        given(vpc, &[]).unwrap().documents.layers,
        "subnets are no matter of permissions"
    );
    let told = given("net", &["subnet-1", subnet, "vpc-0a1b2c3d4e5f60718"]).unwrap_err();
    for wrong in
        ["`net` is not the id of a VPC", "`subnet-1` is not the id of a subnet", "`vpc-0a1b2c3d4e5f60718` is not"]
    {
        assert!(told.contains(wrong), "{wrong}: {told}");
    }
}

#[test]
fn a_container_runs_an_image_of_any_registry() {
    let elsewhere = rendered(&in_network(Code::image("ghcr.io/vendor/worker", &digest('a')).unwrap())).unwrap();
    assert_eq!(elsewhere.warnings, []);
}

#[test]
fn no_more_subnets_are_taken_than_code_can_be_placed_in() {
    let given = |count: u32| {
        let subnets = (0..count).map(|number| format!("subnet-{number:08x}"));
        let code = Code::image(ecr("worker"), &digest('b')).unwrap();
        rendered(&in_network(code).with_existing("net", Existing::new("vpc-0a1b2c3d").with_subnets(subnets)).unwrap())
    };
    assert_eq!(given(16).unwrap().report.breaches, []);
    let told = given(17).unwrap_err();
    assert!(told.contains("17 subnets are given, and Lambda and ECS take 16 at most"), "{told}");
}

/// <https://docs.aws.amazon.com/lambda/latest/dg/images-create.html>
#[test]
fn an_image_of_a_function_is_in_the_region_of_the_function() {
    let at = |region: &str| {
        let image = format!("222222222222.dkr.ecr.{region}.amazonaws.com/api");
        rendered(&of_function(Code::image(image, &digest('b')).unwrap()))
    };
    assert_eq!(at("eu-central-1").unwrap().warnings, []);
    let told = at("us-east-1").unwrap_err();
    assert!(told.contains("its image is in `us-east-1`, and Lambda takes images only from its own region"), "{told}");
    let elsewhere = "222222222222.dkr.ecr.us-east-1.amazonaws.com/worker";
    let container = rendered(&in_network(Code::image(elsewhere, &digest('b')).unwrap())).unwrap();
    assert_eq!(container.warnings, [], "ECS pulls from any region");
}

#[test]
fn what_the_owner_of_a_repository_in_another_account_grants_is_told_whole() {
    let theirs = |name: &str| format!("333333333333.dkr.ecr.eu-central-1.amazonaws.com/{name}");
    let function = rendered(&of_function(Code::image(theirs("vendor/api"), &digest('b')).unwrap())).unwrap();
    let container = rendered(&in_network(Code::image(theirs("vendor/worker"), &digest('b')).unwrap())).unwrap();
    for rendered in [&function, &container] {
        let warned = rendered.warnings.iter().filter(|warning| warning.what.contains("whose owner must let"));
        assert_eq!(warned.count(), 1, "{:?}", rendered.warnings);
    }
    let grants = [function.registry_grants, container.registry_grants];
    insta::assert_snapshot!("registry_grants", serde_json::to_string_pretty(&grants).unwrap());
    let own = rendered(&of_function(Code::image(ecr("api"), &digest('b')).unwrap())).unwrap();
    assert_eq!(own.registry_grants, []);
}

fn with_variables(variables: &[(&str, &str)]) -> Result<Rendered<Aws>, String> {
    let mut stack = Stack::builder("my-app");
    let mut function = Function::new(Code::zip(b"zip"), "code");
    for (name, value) in variables {
        function = function.with_variable(*name, *value);
    }
    stack.live("api", function);
    stack.profile("code", Profile::new());
    rendered(&stack.build().unwrap())
}

/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>
#[test]
fn variables_that_lambda_does_not_take_are_refused_before_anything_is_done() {
    let long = "x".repeat(4093);
    for (name, value, told) in [
        ("A", "1", "a name of one letter"),
        ("AWS_REGION", "eu-west-1", "is one that Lambda sets itself"),
        ("LAMBDA_TASK_ROOT", "/", "is one that Lambda sets itself"),
        ("LONG", long.as_str(), "4097 bytes together, and Lambda takes 4096"),
    ] {
        let refused = with_variables(&[(name, value)]).unwrap_err();
        assert!(refused.contains(told), "{name}: {refused}");
    }
    assert_eq!(with_variables(&[("AB", "1"), ("AWS_LAMBDA_EXEC_WRAPPER", "/opt/wrapper")]).unwrap().warnings, []);
    let near = with_variables(&[("LONG", &"x".repeat(4092))]).unwrap();
    assert!(near.warnings[0].what.contains("bytes as JSON"), "{:?}", near.warnings);
}

/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>
#[test]
fn a_queue_hides_a_message_longer_than_its_function_may_run() {
    let with = |runs: u64, hides: u64| {
        let mut stack = Stack::builder("my-app");
        let jobs = stack.frozen("jobs", Queue::new().with_visibility_timeout(Duration::from_secs(hides)));
        let function = Function::new(Code::zip(b"zip"), "code").with_timeout(Duration::from_secs(runs));
        stack.live("api", function.with_trigger(&jobs));
        stack.profile("code", Profile::new().on(&jobs, [Queue::DATA_READ]));
        rendered(&stack.build().unwrap())
    };
    assert!(with(60, 30).unwrap_err().contains("visibility timeout of 30 seconds"));
    for (runs, hides, advised) in [(20, 20, "to 120 seconds"), (60, 60, "to 300 seconds")] {
        let warnings = with(runs, hides).unwrap().warnings;
        assert!(warnings.len() == 1 && warnings[0].help.contains(advised), "{warnings:?}");
    }
    assert_eq!(with(20, 120).unwrap().warnings, []);
    assert_eq!(with(300, 300).unwrap().warnings, []);
}

/// What Lambda does in a function's network under the function's role, the code of the function may not
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html>).
#[test]
fn the_code_of_a_function_in_a_network_may_do_nothing_with_interfaces() {
    let mut stack = Stack::builder("my-app");
    let net = stack.frozen("net", Network::new("10.0.0.0/16"));
    stack.live("api", Function::new(Code::zip(b"zip"), "code").with_network(&net));
    stack.profile("code", Profile::new());
    let stack = stack.build().unwrap();
    let rendered = rendered(&stack).unwrap();
    let runtime = rendered.documents.layers.runtime.as_ref().unwrap();
    let policies = || runtime.principals[0].policies.iter().map(|policy| &policy.document);
    let function = "arn:aws:lambda:eu-central-1:222222222222:function:acme-api-4";
    let by_code = [("lambda:SourceFunctionArn", function)];
    for action in ["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeSubnets"] {
        let decided = |keys: &[(&str, &str)]| evaluate(policies(), &Request::new(action, "*", keys));
        assert!(decided(&[]).is_allowed(), "{action}: Lambda itself");
        assert!(matches!(decided(&by_code), Decision::Denied(_)), "{action}: {:?}", decided(&by_code));
    }
    // Without that denial, the audit refuses the documents.
    let mut layers = rendered.documents.layers.clone();
    let audited = |layers: &Layers<_>| audit_layers(&stack, &rendered.documents.target, layers);
    assert_eq!(audited(&layers).breaches, []);
    for policy in &mut layers.runtime.as_mut().unwrap().principals[0].policies {
        policy.document.statements.retain(|statement| statement.effect == Effect::Allow);
    }
    let breaches = audited(&layers).breaches;
    assert!(breaches[0].what.contains("the denial `FunctionRunOnInterfacesByCode0` is missing"), "{breaches:?}");
}

/// The code of a container holds no right to images and logs: ECS starts it as a role of its own, which no code gets
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html>).
#[test]
fn a_container_is_started_as_another_role_than_it_runs_as() {
    let rendered = rendered(&in_network(Code::image(ecr("worker"), &digest('b')).unwrap())).unwrap();
    let layers = &rendered.documents.layers;
    let [code, platform] = layers.runtime.as_ref().unwrap().principals.as_slice() else { panic!("two roles") };
    let actions = |principal: &Principal| {
        let statements = principal.policies.iter().flat_map(|policy| &policy.document.statements);
        statements.flat_map(|statement| &statement.actions).map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(actions(code), Vec::<String>::new());
    let mut held = actions(platform);
    held.sort();
    assert_eq!(
        held,
        [
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:GetAuthorizationToken",
            "ecr:GetDownloadUrlForLayer",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
        ]
    );
    let trust = &platform.role.trust_policy.statements;
    assert!(trust.len() == 1 && trust[0].condition.is_empty(), "{trust:?}");
    let management = &layers.management.as_ref().unwrap().principals[0];
    let policies = || management.policies.iter().map(|policy| &policy.document);
    for role in ["acme-platform-4", &code.role.name] {
        let role = format!("arn:aws:iam::222222222222:role/{role}");
        let passes = |to: &str| {
            let keys = [("iam:PassedToService", to)];
            evaluate(policies(), &Request::new("iam:PassRole", &role, &keys)).is_allowed()
        };
        assert!(passes("ecs-tasks.amazonaws.com") && !passes("lambda.amazonaws.com"), "{role}");
    }
}

/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html>
#[test]
fn fargate_has_each_size_of_its_table_and_no_other() {
    let sized = |cpu: u32, memory: u32| {
        let mut stack = Stack::builder("my-app");
        let image = Code::image(ecr("worker"), &digest('b')).unwrap();
        stack.live("worker", Container::new(image, "code").with_cpu_millis(cpu).with_memory_mib(memory));
        stack.profile("code", Profile::new());
        rendered(&stack.build().unwrap()).map(drop)
    };
    let steps = |from: u32, to: u32| (from..=to).map(|gib| gib * 1024).collect::<Vec<_>>();
    for (cpu, sizes) in [
        (250, vec![512, 1024, 2048]),
        (500, steps(1, 4)),
        (1000, steps(2, 8)),
        (2000, steps(4, 16)),
        (4000, steps(8, 30)),
    ] {
        for memory in (512..=30_720).step_by(512).chain([1000, 2047, 8193]) {
            let (taken, is_size) = (sized(cpu, memory), sizes.contains(&memory));
            assert_eq!(taken.is_ok(), is_size, "{cpu} {memory}: {taken:?}");
            if let Err(told) = taken {
                assert!(told.contains(&format!("{cpu} thousandths of a vCPU with {memory} MiB")), "{told}");
            }
        }
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
#[test]
fn a_bucket_whose_name_s3_reserves_is_refused() {
    let mut stack = Stack::builder("my-app");
    stack.frozen("data", Storage::new());
    let stack = stack.build().unwrap();
    let told = |prefix: &str| {
        let rendered: Result<Rendered<Aws>, _> = render(&stack, &target(prefix.parse().unwrap()));
        rendered.map(drop).map_err(|error| error.to_string())
    };
    for prefix in ["sthree", "sthree-configurator", "amzn-s3-demo", "amzn-s3-demo-bucket"] {
        let refused = told(prefix).unwrap_err();
        assert!(refused.contains(&format!("S3 reserves names that begin like `{prefix}-data-")), "{refused}");
    }
    for prefix in ["sthrees", "amzn-s3"] {
        assert_eq!(told(prefix), Ok(()), "{prefix}");
    }
}

/// The names of all that a stack becomes are as long as each service takes them, whatever prefix and ids are, and no two
/// are one. The pages are named where each length is.
#[test]
fn the_longest_names_fit_and_are_told_apart() {
    let mut stack = Stack::builder("my-app");
    let long = |end: &str| format!("{}-{end}", "i".repeat(63 - 1 - end.len()));
    let code = || Code::image(ecr("worker"), &digest('b')).unwrap();
    let mut ids = Vec::new();
    for end in ["a", "b"] {
        ids.extend(["api", "bucket", "table", "queue", "worker"].map(|kind| long(&format!("{kind}-{end}"))));
        let [.., api, bucket, table, queue, worker] = ids.as_slice() else { panic!("five") };
        stack.live(api.as_str(), Function::new(Code::zip(b"zip"), "code"));
        stack.frozen(bucket.as_str(), Storage::new());
        stack.frozen(table.as_str(), Kv::new());
        stack.frozen(queue.as_str(), Queue::new().with_dead_letters_after(5));
        stack.live(worker.as_str(), Container::new(code(), "code"));
    }
    stack.profile("code", Profile::new());
    let rendered: Rendered<Aws> = render(&stack.build().unwrap(), &target("p".repeat(32).parse().unwrap())).unwrap();
    let mut names = std::collections::BTreeSet::new();
    for id in &ids {
        let arn = rendered.documents.resources[id.as_str()].id.as_str();
        let name = arn.rsplit([':', '/']).next().unwrap();
        let most = match arn.split(':').nth(2).unwrap() {
            "lambda" => 64,
            "s3" => 63,
            // The dead letters have a name that is longer by `-dead`.
            "sqs" => 80 - "-dead".len(),
            _ => 255,
        };
        assert!(name.len() <= most, "{name} has {}", name.len());
        assert!(names.insert(name.to_owned()), "{name} is the name of two");
    }
    for layer in alien_core::Layer::ALL {
        for principal in rendered.documents.layers.principals(layer) {
            assert!(principal.role.name.len() <= 64, "{}", principal.role.name);
        }
    }
}

/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html>
#[test]
fn variables_that_a_task_definition_has_no_room_for_are_refused() {
    // Of 64 KiB, 4 are left for the rest, and each variable takes 24 bytes beside its name and its value.
    let with = |bytes: usize| {
        let mut stack = Stack::builder("my-app");
        let container = Container::new(Code::image(ecr("worker"), &digest('b')).unwrap(), "code");
        let half = bytes / 2;
        let container =
            container.with_variable("AB", "x".repeat(half - 26)).with_variable("CD", "x".repeat(bytes - half - 26));
        stack.live("worker", container);
        stack.profile("code", Profile::new());
        rendered(&stack.build().unwrap()).map(drop)
    };
    assert_eq!(with(61_440), Ok(()));
    let told = with(61_441).unwrap_err();
    assert!(told.contains("61441 bytes together, and a task definition has room for 61440"), "{told}");
}
