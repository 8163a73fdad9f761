//! What Azure takes of a stack, and what it makes of what it takes.

use std::collections::BTreeSet;
use std::time::Duration;

use alien_azure::Azure;
use alien_azure::operations::Scope;
use alien_conformance::stacks::{digest, in_network, of_function};
use alien_core::adapter::Layout;
use alien_core::{
    Code, Container, Existing, Function, Layer, Network, Problem, Profile, Queue, Rendered, Stack, render,
};

use crate::target;

/// What is rendered of a stack, or all that is wrong with it.
fn rendered(stack: &Stack) -> Result<Rendered<Azure>, String> {
    render(stack, &target("acme".parse().unwrap())).map_err(|error| error.to_string())
}

/// A stack of a container in a network of the customer's, of which these subnets are given.
fn given(subnets: &[&str]) -> Stack {
    let code = Code::image("registry.example.com/worker", &digest('0')).unwrap();
    in_network(code).with_existing("net", Existing::new("corporate").with_subnets(subnets.iter().copied())).unwrap()
}

#[test]
fn code_that_is_a_zip_alone_is_refused() {
    let told = rendered(&of_function(Code::zip(b"first"))).unwrap_err();
    assert!(told.contains("azure runs a function from an image, and its code is a zip alone"), "{told}");
}

/// What is told of a stack, as errors or as warnings.
fn told(stack: &Stack) -> String {
    match rendered(stack) {
        Ok(rendered) => rendered.warnings.iter().map(|warning| format!("{warning}\n")).collect(),
        Err(told) => told,
    }
}

fn code() -> Code {
    Code::image("registry.example.com/api", &digest('a')).unwrap()
}

/// A stack of the function `api`, and of a queue of it that locks messages for as many seconds.
fn of_a_queue(locks: u64, function: Function) -> Stack {
    let mut stack = Stack::builder("shop");
    let jobs = stack.frozen("jobs", Queue::new().with_visibility_timeout(Duration::from_secs(locks)));
    stack.live("api", function.with_trigger(&jobs));
    stack.profile("api", Profile::new().on(&jobs, [Queue::DATA_READ]));
    stack.build().unwrap()
}

fn of_one(function: Function) -> Stack {
    let mut stack = Stack::builder("shop");
    stack.live("api", function);
    stack.profile("api", Profile::new());
    stack.build().unwrap()
}

#[test]
fn of_several_images_the_one_in_azures_registry_is_taken() {
    let code = Code::zip(b"first").with_image("123.dkr.ecr.eu-central-1.amazonaws.com/api", &digest('a')).unwrap();
    let grants = |code| rendered(&of_function(code)).unwrap().registry_grants;
    assert_eq!(grants(code.clone()), [], "another registry asks Azure for no right");
    let grants = grants(code.with_image("vendor.azurecr.io/api", &digest('b')).unwrap());
    assert_eq!(grants[0].repository, "vendor.azurecr.io");
}

/// Of images in registries of Azure's own, the exact grants are told that their owners make.
#[test]
fn what_the_owner_of_a_registry_grants_is_told() {
    let of = |image: &str| Code::image(image, &digest('a')).unwrap();
    let mut stack = Stack::builder("shop");
    stack.live("api", Function::new(of("vendor.azurecr.io/shop/api"), "api"));
    stack.live("worker", Container::new(of("vendor.azurecr.io/shop/worker"), "api"));
    stack.frozen("ledger", Function::new(of("vendor.azurecr.io/shop/ledger"), "ledger"));
    stack.frozen("mailer", Container::new(of("other-abc123.azurecr.io/mailer"), "ledger"));
    stack.live("shown", Container::new(code(), "shown"));
    for profile in ["api", "ledger", "shown"] {
        stack.profile(profile, Profile::new());
    }
    let reviewed = rendered(&stack.build().unwrap()).unwrap();
    let [other, vendors] = reviewed.registry_grants.as_slice() else { panic!("{:?}", reviewed.registry_grants) };
    assert_eq!(
        (other.repository.as_str(), vendors.repository.as_str()),
        ("other-abc123.azurecr.io", "vendor.azurecr.io")
    );
    assert_eq!(vendors.resources.iter().map(|id| id.as_str()).collect::<Vec<_>>(), ["api", "ledger", "worker"]);
    let identity = |profile: &str| {
        format!(
            "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/customer-rg/providers/\
             Microsoft.ManagedIdentity/userAssignedIdentities/acme-runtime-{profile}-4"
        )
    };
    assert_eq!(vendors.to, [identity("api"), identity("ledger")], "each identity that code runs as, once");
    let both = |profile: &str, registry: &str| {
        format!(
            "az identity show --ids {} --query principalId --output tsv\n    \
             az role assignment create --assignee-object-id OBJECT_ID --assignee-principal-type ServicePrincipal --role AcrPull \
             --scope \"$(az acr show --name {registry} --query id --output tsv)\"",
            identity(profile)
        )
    };
    assert_eq!(vendors.command, format!("{}\n    {}", both("api", "vendor"), both("ledger", "vendor")));
    assert_eq!(
        (other.command.as_str(), other.to.as_slice()),
        (both("ledger", "other").as_str(), &[identity("ledger")][..])
    );
    let named = |warning: &&Problem| warning.what.contains("whose owner must let");
    let warned = reviewed.warnings.iter().filter(named).filter_map(|warning| warning.subject.as_deref());
    assert_eq!(warned.collect::<BTreeSet<_>>(), BTreeSet::from(["api", "ledger", "mailer", "worker"]));
    // The identities are those of the documents.
    let runtime = reviewed.documents.layers.runtime.unwrap().principals;
    assert!(vendors.to.iter().all(|id| runtime.iter().any(|principal| principal.identity.id == *id)));
}

/// Which providers are registered is asked of the subscription, and the documents end at the group.
#[test]
fn what_is_asked_of_the_subscription_is_named_and_in_no_document() {
    let stack = of_function(code());
    let layout = Layout::<Azure>::new(stack.clone(), target("acme".parse().unwrap()));
    let mut calls: Vec<_> = layout
        .granted(&layout.permissions().provisioning)
        .filter(|(_, _, row, _)| row.on == Scope::Subscription)
        .map(|(_, _, row, names)| (row.call, names.collect::<Vec<_>>()))
        .collect();
    calls.sort();
    let asked = ["GET networkSecurityGroups", "GET providers", "GET routeTables"];
    assert_eq!(calls, asked.map(|call| (call, vec!["/subscriptions/00000000-0000-0000-0000-000000000001"])));
    let layers = rendered(&stack).unwrap().documents.layers;
    for principal in Layer::ALL.into_iter().flat_map(|layer| layers.principals(layer)) {
        let roles = &principal.role_definitions;
        let actions = roles.iter().flat_map(|role| &role.properties.permissions).flat_map(|one| &one.actions);
        let asked = ["providers/read", "routeTables/read", "networkSecurityGroups/read"];
        let is_asked = |action: &str| asked.iter().any(|asked| action.contains(asked));
        assert!(!actions.map(AsRef::as_ref).any(is_asked), "{principal:?}");
        for assignment in &principal.role_assignments {
            assert!(assignment.scope.contains("/resourceGroups/customer-rg"), "{assignment:?}");
        }
    }
}

/// The code receives messages itself and may renew their locks, so a run that may outlast one is told and not refused
/// (<https://learn.microsoft.com/azure/service-bus-messaging/message-transfers-locks-settlement>).
#[test]
fn a_function_that_runs_longer_than_a_message_is_locked_is_told() {
    let of = |runs: u64, locks: u64| {
        told(&of_a_queue(locks, Function::new(code(), "api").with_timeout(Duration::from_secs(runs))))
    };
    let expected = "warning: `api`: it may run for 200 seconds, and a message of its queue `jobs` is locked for 30: then it is \
                    received again";
    assert!(of(200, 30).contains(expected), "{}", of(200, 30));
    assert!(of(200, 30).contains("set the queue's visibility timeout to 200 seconds, or let the code renew the lock"));
    for (runs, locks) in [(200, 200), (30, 30), (300, 300)] {
        assert!(!of(runs, locks).contains("received again"), "{runs} {locks}: {}", of(runs, locks));
    }
    // No lock is that long.
    let longest = of(301, 300);
    assert!(
        longest.contains("let the code renew the lock while it works; a lock lasts 300 seconds at most"),
        "{longest}"
    );
    assert!(!longest.contains("to 301 seconds"), "{longest}");
}

#[test]
fn a_function_that_runs_longer_than_a_command_is_locked_is_told() {
    let of = |runs: u64| Function::new(code(), "api").with_timeout(Duration::from_secs(runs));
    let expected =
        "warning: `api`: it may run for 301 seconds, and a command is locked for 300: then it is received again";
    let with = |runs: u64| told(&of_one(of(runs).with_commands()));
    assert!(with(301).contains(expected), "{}", with(301));
    assert!(!with(300).contains("locked"), "{}", with(300));
    assert_eq!(told(&of_one(of(301))), "", "what takes no messages has no locks");
    // Each is told by itself.
    let both = told(&of_a_queue(300, of(301).with_commands()));
    assert!(both.contains(expected) && both.contains("its queue `jobs` is locked for 300"), "{both}");
}

/// <https://learn.microsoft.com/azure/container-apps/environment-variables#built-in-environment-variables>
#[test]
fn variables_that_are_set_for_the_code_are_refused_or_told() {
    let with = |name: &str| {
        let mut stack = Stack::builder("shop");
        stack.live("api", Function::new(code(), "api").with_variable(name, "x"));
        stack.live("worker", Container::new(code(), "api").with_variable(name, "x"));
        stack.profile("api", Profile::new());
        told(&stack.build().unwrap())
    };
    for id in ["api", "worker"] {
        let expected = format!("error: `{id}`: the set-up sets the environment variable `AZURE_CLIENT_ID`");
        assert!(with("AZURE_CLIENT_ID").contains(&expected), "{}", with("AZURE_CLIENT_ID"));
        for name in ["CONTAINER_APP_NAME", "IDENTITY_ENDPOINT", "MSI_SECRET"] {
            let expected = format!("warning: `{id}`: the environment variable `{name}` begins like those");
            assert!(with(name).contains(&expected), "{}", with(name));
        }
    }
    for taken in ["AZURE_TENANT_ID", "CONTAINER_APPS", "IDENTITY", "MSI", "A_MSI_SECRET"] {
        assert_eq!(with(taken), "", "{taken}");
    }
}

/// <https://learn.microsoft.com/azure/container-apps/containers#allocations>
#[test]
fn a_container_has_two_gib_of_memory_for_each_vcpu() {
    let of = |cpu: u32, memory: u32| {
        let mut stack = Stack::builder("shop");
        stack.live("worker", Container::new(code(), "api").with_cpu_millis(cpu).with_memory_mib(memory));
        stack.profile("api", Profile::new());
        told(&stack.build().unwrap())
    };
    for (cpu, memory) in [(250, 512), (500, 1024), (1000, 2048), (2000, 4096), (4000, 8192)] {
        assert_eq!(of(cpu, memory), "", "{cpu} {memory}");
    }
    for (cpu, memory, fitting_cpu, fitting) in [
        (500, 512, 500, 1024),
        (250, 513, 500, 1024),
        (1000, 3072, 2000, 4096),
        (2000, 8192, 4000, 8192),
        (4000, 16_384, 4000, 8192),
    ] {
        let told = of(cpu, memory);
        let refused =
            format!("error: `worker`: Container Apps does not run {cpu} thousandths of a vCPU with {memory} MiB");
        let fits = format!("set cpu to {fitting_cpu} and memory to {fitting} MiB");
        assert!(told.contains(&refused) && told.contains(&fits), "{told}");
    }
}

/// <https://learn.microsoft.com/azure/container-apps/custom-virtual-networks#subnet-address-range-restrictions>
#[test]
fn address_ranges_that_container_apps_reserves_are_refused() {
    let of = |range: &str| {
        let mut stack = Stack::builder("shop");
        let net = stack.frozen("net", Network::new(range));
        stack.live("worker", Container::new(code(), "api").with_network(&net));
        stack.profile("api", Profile::new());
        told(&stack.build().unwrap())
    };
    for reserved in ["172.30.0.0/16", "172.31.0.0/16", "172.30.8.0/24", "172.31.255.0/24"] {
        let expected = format!("error: `net`: Container Apps reserves addresses of `{reserved}`");
        assert!(of(reserved).contains(&expected), "{}", of(reserved));
    }
    for free in ["172.29.0.0/16", "172.16.0.0/16", "10.30.0.0/16", "192.168.31.0/24"] {
        assert_eq!(of(free), "", "{free}");
    }
}

#[test]
fn subnets_of_the_customers_are_taken_and_nothing_is_permitted_on_them() {
    let with = rendered(&given(&["inner", "outer"])).unwrap();
    assert_eq!(with.documents.layers, rendered(&given(&[])).unwrap().documents.layers);
    assert_eq!(with.report.breaches, []);
    let layers = serde_json::to_string(&with.documents.layers).unwrap();
    assert!(layers.contains("virtualNetworks/corporate") && !layers.contains("outer"), "{layers}");
}

/// An environment cannot be moved: apps in another subnet are in another environment.
#[test]
fn each_subnet_has_an_environment_of_its_own() {
    let environment = |subnets: &[&str]| {
        let layout = Layout::<Azure>::new(given(subnets), target("acme".parse().unwrap()));
        let name = layout.names.things().find(|thing| thing.scope == Scope::Environment).unwrap().name.to_owned();
        name.rsplit('/').next().unwrap().to_owned()
    };
    assert_eq!(environment(&[]), "acme-live-net-4", "as it was before subnets could be given");
    let other = environment(&["frozen-apps", "live-apps"]);
    assert!(other.starts_with("acme-live-net-") && other != environment(&[]), "{other}");
    assert_eq!(environment(&["frozen-others", "Live-Apps"]), other, "it is in the subnet for live apps");
    assert_ne!(environment(&["frozen-apps", "live-others"]), other);
}

#[test]
fn subnets_other_than_two_and_names_that_are_none_are_refused() {
    for (subnets, named) in [
        (&["one"][..], "`one`"),
        (&["one", "two", "three"], "`one`, `two`, `three`"),
        (&["one", "ONE"], "`one`, `ONE`"),
    ] {
        let told = rendered(&given(subnets)).unwrap_err();
        let expected = format!("frozen apps need one subnet and live apps another, and given is {named}");
        assert!(told.contains(&expected), "{told}");
    }
    for name in ["", "corporate/subnets/one", "-one", &"a".repeat(81)] {
        let told = rendered(&given(&[name, "two"])).unwrap_err();
        assert!(told.contains(&format!("`{name}` is not the name of a subnet")), "{told}");
    }
}
