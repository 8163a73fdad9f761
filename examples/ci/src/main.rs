//! `policy-check STACK PREVIOUS [--documents DOCS]`: says what a change of a stack means, as Markdown for its pull request: what
//! the vendor gains, what it can then do on three clouds, and whether documents that somebody edited keep the promises. Calls
//! no cloud. Exits with 4 where permissions grew or a promise is broken, with 3 where the input is wrong, else with 0.

use std::error::Error;
use std::fs::read_to_string;
use std::process::ExitCode;

use alien_core::{Exit, Stack, audit, review};
use anstream::{eprintln, println};
use serde_json::Value;

fn main() -> ExitCode {
    match run(&Vec::from_iter(std::env::args().skip(1))) {
        Ok((page, passes)) => {
            println!("{page}");
            if passes { Exit::Done } else { Exit::Refused }.into()
        }
        Err(error) => {
            eprintln!("{error}");
            Exit::Input.into()
        }
    }
}

/// The page, and whether the change may be merged.
fn run(arguments: &[String]) -> Result<(String, bool), Box<dyn Error>> {
    let read = |path: &String| read_to_string(path).map_err(|error| format!("{path}: {error}"));
    let stack = |path| Stack::from_json(&read(path)?).map_err(|error| format!("{path}: {error}"));
    let (stack, previous, documents) = match arguments {
        [new, previous] => (stack(new)?, stack(previous)?, None),
        [new, previous, option, path] if option == "--documents" => (stack(new)?, stack(previous)?, Some(read(path)?)),
        _ => return Err("usage: policy-check STACK PREVIOUS [--documents DOCS]".into()),
    };
    let aws = alien_aws::Target {
        account: "222222222222".parse()?,
        region: "eu-central-1".parse()?,
        prefix: "acme".parse()?,
        trust: alien_aws::Trust::Vendor {
            vendor: "arn:aws:iam::111111111111:role/vendor".parse()?,
            external_id: "acme-7f3a".parse()?,
        },
    };
    let gcp = alien_gcp::Target {
        project: "customer-project".parse()?,
        project_number: "123456789012".parse()?,
        location: "europe-west3".parse()?,
        prefix: "acme".parse()?,
        trust: alien_gcp::Trust::Vendor("vendor@vendor-project.iam.gserviceaccount.com".parse()?),
    };
    let azure = alien_azure::Target {
        tenant: "00000000-0000-0000-0000-00000000000f".parse()?,
        subscription: "00000000-0000-0000-0000-000000000001".parse()?,
        resource_group: "customer-rg".parse()?,
        location: "westeurope".parse()?,
        prefix: "acme".parse()?,
        trust: alien_azure::Trust::Vendor {
            issuer: "https://oidc.vendor.example.com".parse()?,
            subject: "deployment:acme".parse()?,
        },
    };
    let diff = stack.diff(&previous);
    let mut passes = !diff.grows();
    let reviews = [review(&stack, &aws)?, review(&stack, &gcp)?, review(&stack, &azure)?];
    let mut page = diff.to_markdown() + &reviews.map(|reviewed| format!("\n{}", reviewed.to_markdown())).concat();
    if let Some(text) = &documents {
        let report = match serde_json::from_str::<Value>(text)?.get("cloud").and_then(Value::as_str) {
            Some("aws") => audit(&stack, &aws, text)?,
            Some("gcp") => audit(&stack, &gcp, text)?,
            Some("azure") => audit(&stack, &azure, text)?,
            other => return Err(format!("the documents are of no cloud that is checked: {other:?}").into()),
        };
        passes &= report.breaches.is_empty();
        page += &format!("\n## The edited documents\n\n{}", report.to_markdown());
    }
    Ok((page, passes))
}

#[cfg(test)]
mod tests;
