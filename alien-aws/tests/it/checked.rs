//! What AWS takes of a stack, and what it makes of what it takes.

use alien_aws::Aws;
use alien_conformance::stacks::{digest, in_network, of_function};
use alien_core::{Code, Existing, Rendered, Stack, render};

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
