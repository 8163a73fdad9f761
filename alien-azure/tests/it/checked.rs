//! What Azure takes of a stack, and what it makes of what it takes.

use alien_azure::Azure;
use alien_azure::operations::Scope;
use alien_conformance::stacks::{digest, in_network, of_function};
use alien_core::adapter::Layout;
use alien_core::{Code, Existing, Rendered, Stack, render};

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

#[test]
fn of_several_images_the_one_in_azures_registry_is_taken() {
    let code = Code::zip(b"first").with_image("123.dkr.ecr.eu-central-1.amazonaws.com/api", &digest('a')).unwrap();
    let told = |code| {
        let warnings = rendered(&of_function(code)).unwrap().warnings;
        warnings.into_iter().map(|warning| warning.what).collect::<Vec<_>>()
    };
    let pulls = |what: &String| what.contains("may not pull");
    assert!(!told(code.clone()).iter().any(pulls), "another registry asks Azure for no right");
    let told = told(code.with_image("vendor.azurecr.io/api", &digest('b')).unwrap());
    let expected = format!("may not pull `vendor.azurecr.io/api@{}`", digest('b'));
    assert!(told.iter().any(|what| what.contains(&expected)), "{told:?}");
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
