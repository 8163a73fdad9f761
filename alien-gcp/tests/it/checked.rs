//! What GCP takes of a stack, and what it makes of what it takes.

use std::time::Duration;

use alien_conformance::stacks::{digest, in_network, of_function};
use alien_core::{Code, Container, Existing, Function, Layer, Profile, Queue, Rendered, Stack, render};
use alien_gcp::Gcp;

use crate::target;

/// What is rendered of a stack, or all that is wrong with it.
fn rendered(stack: &Stack) -> Result<Rendered<Gcp>, String> {
    render(stack, &target("acme".parse().unwrap())).map_err(|error| error.to_string())
}

/// A stack of a container in a network of the customer's, of which these subnetworks are given.
fn given(subnets: &[&str]) -> Stack {
    let code = Code::image("docker.io/vendor/worker", &digest('0')).unwrap();
    in_network(code).with_existing("net", Existing::new("corporate").with_subnets(subnets.iter().copied())).unwrap()
}

#[test]
fn code_that_is_a_zip_alone_is_refused() {
    let told = rendered(&of_function(Code::zip(b"first"))).unwrap_err();
    assert!(told.contains("gcp runs a function from an image, and its code is a zip alone"), "{told}");
}

#[test]
fn of_several_images_the_one_in_artifact_registry_is_taken() {
    let code = Code::zip(b"first").with_image("123.dkr.ecr.eu-central-1.amazonaws.com/api", &digest('a')).unwrap();
    let own = "europe-west3-docker.pkg.dev/customer-project/images/api";
    let code = code.with_image(own, &digest('b')).unwrap();
    let code = code.with_image("vendor.azurecr.io/api", &digest('c')).unwrap();
    let documents = |code| rendered(&of_function(code)).unwrap().documents.layers;
    assert_eq!(documents(code), documents(Code::image(own, &digest('b')).unwrap()));
    let layers = serde_json::to_string(&documents(Code::image(own, &digest('b')).unwrap())).unwrap();
    assert!(layers.contains("/locations/europe-west3/repositories/images"), "{layers}");
}

/// What is told of a stack, as errors or as warnings.
fn told(stack: &Stack) -> String {
    match rendered(stack) {
        Ok(rendered) => rendered.warnings.iter().map(|warning| format!("{warning}\n")).collect(),
        Err(told) => told,
    }
}

#[test]
fn images_of_registries_that_cloud_run_does_not_pull_from_are_refused() {
    let of = |repository: &str| told(&of_function(Code::image(repository, &digest('a')).unwrap()));
    for refused in ["registry.example.com/api", "quay.io/vendor/api", "vendor.azurecr.io/api"] {
        let host = refused.split('/').next().unwrap();
        assert!(
            of(refused).contains(&format!("error: `api`: Cloud Run does not pull images from `{host}`")),
            "{refused}"
        );
    }
    assert!(of("ghcr.io/vendor/api").contains("warning: `api`: Google lists `ghcr.io` for public images alone"));
    let own = "us-docker.pkg.dev/customer-project/app/api";
    for taken in ["docker.io/vendor/api", "gcr.io/customer-project/api", "eu.gcr.io/customer-project/api", own] {
        assert_eq!(of(taken), "", "{taken}");
    }
    // Of several images the one is taken that can be pulled, and of those the one in Google's own.
    let code = Code::image("registry.example.com/api", &digest('a')).unwrap();
    let code = code.with_image("docker.io/vendor/api", &digest('a')).unwrap();
    assert_eq!(told(&of_function(code.clone())), "");
    let code = code.with_image("gcr.io/customer-project/api", &digest('a')).unwrap();
    let layers = serde_json::to_string(&rendered(&of_function(code)).unwrap().documents.layers).unwrap();
    assert!(layers.contains("/locations/us/repositories/gcr.io"), "{layers}");
}

/// Of an image in a repository of another project, the exact grants are told that its owner makes.
#[test]
fn what_the_owner_of_a_repository_grants_is_told() {
    let code =
        |name: &str| Code::image(format!("europe-docker.pkg.dev/vendor-project/app/{name}"), &digest('a')).unwrap();
    let with = |released: bool| {
        let mut stack = Stack::builder("shop");
        stack.frozen("ledger", Function::new(code("ledger"), "api"));
        if released {
            stack.live("api", Function::new(code("api"), "api"));
        }
        stack.profile("api", Profile::new());
        rendered(&stack.build().unwrap()).unwrap()
    };
    let reviewed = with(true);
    let [grant] = reviewed.registry_grants.as_slice() else { panic!("{:?}", reviewed.registry_grants) };
    let command = |member: &str| {
        format!(
            "gcloud artifacts repositories add-iam-policy-binding app --project vendor-project --location europe --member {member} \
             --role roles/artifactregistry.reader"
        )
    };
    let agent = "serviceAccount:service-123456789012@serverless-robot-prod.iam.gserviceaccount.com";
    let management = "serviceAccount:acme-management-4@customer-project.iam.gserviceaccount.com";
    assert_eq!(grant.to, [agent, management]);
    assert_eq!(grant.command, format!("{}\n    {}", command(agent), command(management)));
    assert_eq!(grant.resources.iter().map(|id| id.as_str()).collect::<Vec<_>>(), ["api", "ledger"]);
    assert!(reviewed.warnings.iter().any(|warning| warning.to_string().contains("whose owner must let")));
    // Nothing that the vendor never updates is read by the account that it enters as.
    assert_eq!(with(false).registry_grants[0].to, [agent]);
}

#[test]
fn variables_that_cloud_run_sets_itself_are_refused() {
    let with = |name: &str, value: &str| {
        let code = Code::image("docker.io/vendor/api", &digest('a')).unwrap();
        let mut stack = Stack::builder("shop");
        stack.live("api", Function::new(code, "api").with_variable(name, value));
        stack.profile("api", Profile::new());
        told(&stack.build().unwrap())
    };
    for name in ["PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION"] {
        let expected = format!("error: `api`: Cloud Run sets the environment variable `{name}` itself");
        assert!(with(name, "x").contains(&expected), "{name}");
    }
    assert!(
        with("CLOUD_RUN_JOB", "x").contains("warning: `api`: the environment variable `CLOUD_RUN_JOB` begins like")
    );
    assert!(with("LONG", &"x".repeat(32 * 1024)).contains("at most 32 KiB, and `LONG` is longer"));
    assert_eq!(with("PORTS", &"x".repeat(1024)), "");
}

#[test]
fn more_variables_than_cloud_run_takes_are_refused() {
    let of = |count: u32| {
        let code = Code::image("docker.io/vendor/api", &digest('a')).unwrap();
        let api = (0..count).fold(Function::new(code, "api"), |api, n| api.with_variable(format!("V{n}"), "x"));
        let mut stack = Stack::builder("shop");
        stack.live("api", api);
        stack.profile("api", Profile::new());
        told(&stack.build().unwrap())
    };
    assert!(of(1001).contains("error: `api`: Cloud Run takes at most 1000 environment variables"), "{}", of(1001));
    assert_eq!(of(1000), "");
}

/// The memory that Cloud Run gives depends on the vCPUs, at both ends.
#[test]
fn containers_that_cloud_run_does_not_run_are_refused() {
    let of = |cpu: u32, memory: u32, port: Option<u16>| {
        let code = Code::image("docker.io/vendor/worker", &digest('a')).unwrap();
        let worker = Container::new(code, "worker").with_cpu_millis(cpu).with_memory_mib(memory);
        let mut stack = Stack::builder("shop");
        stack.live(
            "worker",
            match port {
                Some(port) => worker.with_port(port),
                None => worker,
            },
        );
        stack.profile("worker", Profile::new());
        told(&stack.build().unwrap())
    };
    for (cpu, smallest, largest) in
        [(250, 512, 512), (500, 512, 1024), (1000, 512, 4096), (2000, 512, 8192), (4000, 2048, 16_384)]
    {
        for memory in [smallest, largest] {
            let told = of(cpu, memory, Some(8080));
            assert!(!told.contains("error"), "{told}");
            assert_eq!(told.contains("time only while it handles a request"), cpu < 1000, "{told}");
        }
        // The library itself takes no less than 512.
        for memory in [smallest - 1, largest + 1].into_iter().filter(|memory| *memory > 511) {
            let expected =
                format!("error: `worker`: Cloud Run does not run {cpu} thousandths of a vCPU with {memory} MiB");
            assert!(of(cpu, memory, Some(8080)).contains(&expected), "{cpu} {memory}");
        }
    }
    let told = of(1000, 512, None);
    assert!(told.contains("warning: `worker`: Cloud Run counts a revision as broken if it does not listen"), "{told}");
    assert_eq!(of(1000, 512, Some(80)), "");
}

#[test]
fn names_that_pubsub_reserves_are_refused() {
    let of = |prefix: &str| {
        let mut stack = Stack::builder("shop");
        stack.frozen("jobs", Queue::new());
        let rendered = render(&stack.build().unwrap(), &target(prefix.parse().unwrap()));
        rendered.map(drop).map_err(|error| error.to_string())
    };
    let told = of("google-shop").unwrap_err();
    assert!(told.contains("error: `jobs`: Pub/Sub reserves names that begin like `google-shop-…`"), "{told}");
    assert_eq!(of("goo-g"), Ok(()));
}

#[test]
fn a_function_that_runs_longer_than_its_queue_waits_is_told() {
    let of = |runs: u64, waits: u64| {
        let code = Code::image("docker.io/vendor/api", &digest('a')).unwrap();
        let mut stack = Stack::builder("shop");
        let jobs = stack.frozen("jobs", Queue::new().with_visibility_timeout(Duration::from_secs(waits)));
        let api = Function::new(code, "api").with_timeout(Duration::from_secs(runs)).with_trigger(&jobs);
        stack.live("api", api);
        stack.profile("api", Profile::new().on(&jobs, [Queue::DATA_READ]));
        told(&stack.build().unwrap())
    };
    let expected = "it may run for 600 seconds, and Pub/Sub sends a message of its queue `jobs` again after 30";
    assert!(of(600, 30).contains(expected), "{}", of(600, 30));
    assert_eq!(of(300, 300), "");
}

/// Conditions do not know the names of networks, so what is checked on a network the vendor may not.
#[test]
fn the_vendor_watches_the_subnetwork_of_a_network_alone() {
    let code = Code::image("docker.io/vendor/worker", &digest('0')).unwrap();
    let own = rendered(&in_network(code)).unwrap();
    assert_eq!(own.report.breaches, []);
    let of = |layer| serde_json::to_string(own.documents.layers.principals(layer)).unwrap();
    let vendors = of(Layer::Management);
    assert!(vendors.contains("compute.subnetworks.get") && !vendors.contains("compute.networks."), "{vendors}");
    assert!(!of(Layer::Provisioning).contains("global/networks/"), "no condition names a network");
    let given =
        serde_json::to_string(rendered(&given(&["inner"])).unwrap().documents.layers.principals(Layer::Management));
    assert!(!given.unwrap().contains("compute."), "nothing is permitted in a network of the customer's");
}

#[test]
fn one_subnetwork_of_the_customers_is_taken_and_nothing_is_permitted_on_it() {
    let with = rendered(&given(&["inner"])).unwrap();
    assert_eq!(with.documents.layers, rendered(&given(&[])).unwrap().documents.layers);
    assert_eq!(with.report.breaches, []);
    let layers = serde_json::to_string(&with.documents.layers).unwrap();
    assert!(!layers.contains("corporate") && !layers.contains("inner"), "{layers}");
}

#[test]
fn several_subnetworks_and_names_that_are_none_are_refused() {
    let told = rendered(&given(&["inner", "outer"])).unwrap_err();
    assert!(told.contains("Cloud Run places code in one subnetwork, and `inner` and `outer` are given"), "{told}");
    let told = rendered(&given(&["regions/europe-west3/subnetworks/inner"])).unwrap_err();
    assert!(told.contains("`regions/europe-west3/subnetworks/inner` is not the name of a subnetwork"), "{told}");
}
