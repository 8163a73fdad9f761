//! What GCP takes of a stack, and what it makes of what it takes.

use alien_conformance::stacks::{digest, in_network, of_function};
use alien_core::{Code, Existing, Rendered, Stack, render};
use alien_gcp::Gcp;

use crate::target;

/// What is rendered of a stack, or all that is wrong with it.
fn rendered(stack: &Stack) -> Result<Rendered<Gcp>, String> {
    render(stack, &target("acme".parse().unwrap())).map_err(|error| error.to_string())
}

/// A stack of a container in a network of the customer's, of which these subnetworks are given.
fn given(subnets: &[&str]) -> Stack {
    let code = Code::image("registry.example.com/worker", &digest('0')).unwrap();
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

#[test]
fn one_subnetwork_of_the_customers_is_taken_and_nothing_is_permitted_on_it() {
    let with = rendered(&given(&["inner"])).unwrap();
    assert_eq!(with.documents.layers, rendered(&given(&[])).unwrap().documents.layers);
    assert_eq!(with.report.breaches, []);
    let layers = serde_json::to_string(&with.documents.layers).unwrap();
    assert!(layers.contains("global/networks/corporate") && !layers.contains("inner"), "{layers}");
}

#[test]
fn several_subnetworks_and_names_that_are_none_are_refused() {
    let told = rendered(&given(&["inner", "outer"])).unwrap_err();
    assert!(told.contains("Cloud Run places code in one subnetwork, and `inner` and `outer` are given"), "{told}");
    let told = rendered(&given(&["regions/europe-west3/subnetworks/inner"])).unwrap_err();
    assert!(told.contains("`regions/europe-west3/subnetworks/inner` is not the name of a subnetwork"), "{told}");
}
