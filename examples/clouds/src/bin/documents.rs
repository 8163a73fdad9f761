//! Describes a product once, and shows what its vendor could do on three clouds: the reviewer's table, the document
//! sizes and the audit. It needs no account and no network.

use std::error::Error;

use alien_core::{Adapter, Code, Container, Function, Kv, Network, Profile, Queue, Reviewed, Stack, Storage};
use anstream::println;

/// The fields of a target.
type Texts = &'static [(&'static str, &'static str)];

fn main() -> Result<(), Box<dyn Error>> {
    let stack = my_app()?;
    println!("`{}`: {} resources, described once.", stack.name(), stack.resources().len());

    let clouds: [(&dyn Adapter, Texts); 3] = [
        (
            &alien_aws::Adapter,
            &[
                ("account", "222222222222"),
                ("region", "eu-central-1"),
                ("vendor", "arn:aws:iam::111111111111:role/vendor"),
                ("externalId", "acme-7f3a"),
            ],
        ),
        (
            &alien_gcp::Adapter,
            &[
                ("project", "customer-project"),
                ("projectNumber", "123456789012"),
                ("location", "europe-west3"),
                ("vendor", "vendor@vendor-project.iam.gserviceaccount.com"),
            ],
        ),
        (
            &alien_azure::Adapter,
            &[
                ("tenant", "00000000-0000-0000-0000-00000000000f"),
                ("subscription", "00000000-0000-0000-0000-000000000001"),
                ("resourceGroup", "customer-rg"),
                ("location", "westeurope"),
                ("issuer", "https://oidc.vendor.example.com"),
                ("subject", "deployment:acme"),
            ],
        ),
    ];
    for (cloud, target) in clouds {
        let texts = target.iter().chain(&[("prefix", "acme")]);
        let target = cloud.target(texts.map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())?;
        show(&cloud.review(&stack, &target)?);
    }
    Ok(())
}

/// A product of six resources: its code is live, everything else is the customer's to change.
fn my_app() -> Result<Stack, Box<dyn Error>> {
    let digest = format!("sha256:{}", "0".repeat(64));
    // Cloud Run pulls from few registries: each cloud takes an image that it can have.
    let image = |name: &str| {
        let code = Code::image(format!("registry.example.com/{name}"), &digest)?;
        code.with_image(format!("us-docker.pkg.dev/vendor-project/my-app/{name}"), &digest)
    };
    let mut stack = Stack::builder("my-app");
    let data = stack.frozen("data", Storage::new().with_versions());
    let jobs = stack.frozen("jobs", Queue::new().with_dead_letters_after(5));
    stack.frozen("cache", Kv::new());
    let net = stack.frozen("net", Network::new("10.20.0.0/16"));
    let api = stack.live("api", Function::new(image("api")?, "execution").with_commands());
    stack.frozen("worker", Container::new(image("worker")?, "execution").with_network(&net));
    stack.link(&api, &data);
    stack.profile(
        "execution",
        Profile::new().on(&data, [Storage::DATA_READ, Storage::DATA_WRITE]).on_all([Queue::DATA_WRITE]),
    );
    stack.extend(&jobs, [Queue::PROVISION]);
    Ok(stack.build()?)
}

fn show(reviewed: &Reviewed) {
    let Reviewed { review, report, sizes, .. } = reviewed;
    println!("\n=== {} ===", review.cloud);
    for row in &review.rows {
        println!("\n{} ({} {})\n  {}", row.resource, row.lifecycle, row.kind, row.id);
        println!("  the vendor can     {}", row.can.join("; "));
        println!("  the vendor cannot  {}", row.cannot.join("; "));
        if !row.reach.is_empty() {
            println!("  its code can       {}", row.reach.join("; "));
        }
    }
    for note in &review.notes {
        println!("\nNote: {note}.");
    }
    println!();
    for size in sizes {
        println!("{:>6} of {:>6} {}  {}", size.size, size.limit, size.unit, size.document);
    }
    println!("\nAudit: {} permissions checked, {} breaches.", report.checked, report.breaches.len());
    for disclosure in &report.disclosures {
        let resource = disclosure.resource.as_deref().unwrap_or("(shared)");
        println!("  {resource}: {} {} ({:?})", disclosure.permission, disclosure.what, disclosure.kind);
    }
}
