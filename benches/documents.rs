//! From a checked stack to compact JSON: derive, render and audit all layers.

#![expect(clippy::unwrap_used, reason = "benchmarks")]

use alien_aws::Aws;
use alien_azure::Azure;
use alien_conformance::{golden, stacks};
use alien_core::Stack;
use alien_core::adapter::AccessControl;
use alien_gcp::Gcp;
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

fn aws() -> alien_aws::Target {
    alien_aws::Target {
        account: "222222222222".parse().unwrap(),
        region: "eu-central-1".parse().unwrap(),
        prefix: "acme".parse().unwrap(),
        trust: alien_aws::Trust::Vendor {
            vendor: "arn:aws:iam::111111111111:role/vendor".parse().unwrap(),
            external_id: "acme-7f3a".parse().unwrap(),
        },
    }
}

fn gcp() -> alien_gcp::Target {
    alien_gcp::Target {
        project: "customer-project".parse().unwrap(),
        project_number: "123456789012".parse().unwrap(),
        location: "europe-west3".parse().unwrap(),
        prefix: "acme".parse().unwrap(),
        trust: alien_gcp::Trust::Vendor("vendor@vendor-project.iam.gserviceaccount.com".parse().unwrap()),
    }
}

fn azure() -> alien_azure::Target {
    alien_azure::Target {
        tenant: "00000000-0000-0000-0000-00000000000f".parse().unwrap(),
        subscription: "00000000-0000-0000-0000-000000000001".parse().unwrap(),
        resource_group: "customer-rg".parse().unwrap(),
        location: "westeurope".parse().unwrap(),
        prefix: "acme".parse().unwrap(),
        trust: alien_azure::Trust::Vendor {
            issuer: "https://oidc.vendor.example.com".parse().unwrap(),
            subject: "deployment:acme".parse().unwrap(),
        },
    }
}

/// Derives, renders and audits, without the clouds' limits, and writes compact JSON.
fn documents<C: AccessControl>(stack: &Stack, target: &C::Target) -> String {
    let rendered = alien_core::adapter::render_beyond_limits(black_box(stack), black_box(target)).unwrap();
    serde_json::to_string(&rendered.documents).unwrap()
}

fn three_clouds(bencher: Bencher<'_, '_>, stack: &Stack) {
    let (aws, gcp, azure) = (aws(), gcp(), azure());
    bencher.bench_local(|| {
        (documents::<Aws>(stack, &aws), documents::<Gcp>(stack, &gcp), documents::<Azure>(stack, &azure))
    });
}

/// The stack of the documentation, six resources, on three clouds.
#[divan::bench]
fn my_app(bencher: Bencher<'_, '_>) {
    three_clouds(bencher, &golden::my_app());
}

#[divan::bench]
fn my_app_on_aws(bencher: Bencher<'_, '_>) {
    let (stack, target) = (golden::my_app(), aws());
    bencher.bench_local(|| documents::<Aws>(&stack, &target));
}

#[divan::bench]
fn my_app_on_gcp(bencher: Bencher<'_, '_>) {
    let (stack, target) = (golden::my_app(), gcp());
    bencher.bench_local(|| documents::<Gcp>(&stack, &target));
}

#[divan::bench]
fn my_app_on_azure(bencher: Bencher<'_, '_>) {
    let (stack, target) = (golden::my_app(), azure());
    bencher.bench_local(|| documents::<Azure>(&stack, &target));
}

/// Resources of all kinds in turn, half of them live, on three clouds.
#[divan::bench(args = [10, 100, 1000, 10_000])]
fn resources(bencher: Bencher<'_, '_>, count: usize) {
    three_clouds(bencher, &stacks::stack_of_size(count));
}
