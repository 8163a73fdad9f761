//! The sizes of documents are those of what is written.

use alien_aws::Aws;
use alien_aws::policy::{Policy, PolicyKind};
use alien_conformance::{golden, stacks};
use alien_core::adapter::AccessControl;
use alien_core::{Layer, Size};

use crate::target;

fn written(policy: &Policy) -> usize {
    serde_json::to_string(policy).unwrap().chars().count()
}

fn size_of(sizes: &[Size], document: &str) -> usize {
    sizes.iter().find(|size| size.document == document).map(|size| size.size).unwrap_or_default()
}

#[test]
fn every_policy_is_as_long_as_what_is_written() {
    for resources in [1, 10, 100, 500] {
        let stack = stacks::stack_of_size(resources);
        let rendered = alien_core::adapter::render_beyond_limits(&stack, &target("acme".parse().unwrap())).unwrap();
        for layer in Layer::ALL {
            for principal in rendered.documents.layers.principals(layer) {
                let role = &principal.role.name;
                let trust = size_of(&rendered.sizes, &format!("{layer}: trust policy of {role}"));
                assert_eq!(trust, written(&principal.role.trust_policy));
                let inline = principal.policies.iter().filter(|policy| policy.kind == PolicyKind::Inline);
                let inline: usize = inline.map(|policy| written(&policy.document)).sum();
                assert_eq!(size_of(&rendered.sizes, &format!("{layer}: inline policies of {role}")), inline);
                for policy in principal.policies.iter().filter(|policy| policy.kind == PolicyKind::Managed) {
                    let size = size_of(&rendered.sizes, &format!("{layer}: managed policy {}", policy.name));
                    assert_eq!(size, written(&policy.document), "{}", policy.name);
                    // Only a statement that fits into no policy makes one too long, and none here is such.
                    assert!(size <= 6_144, "{}: {size}", policy.name);
                }
            }
        }
    }
}

/// What a reviewer reads of the README's stack, beside the admin's own documents, fits on a page.
#[test]
fn what_the_vendor_and_the_code_of_the_example_get_is_short() {
    let rendered = alien_core::render(&golden::my_app(), &target("acme".parse().unwrap())).unwrap();
    let layers = &rendered.documents.layers;
    let principals = [Layer::Management, Layer::Runtime].into_iter().flat_map(|layer| layers.principals(layer));
    let policies: Vec<usize> =
        principals.flat_map(|principal| principal.policies.iter().map(|policy| written(&policy.document))).collect();
    assert!(policies.len() > 2 && policies.iter().sum::<usize>() < 6_000, "{policies:?}");
}

/// Also what is read back and was not written here: every field, one value or several, escapes, other than ASCII.
#[test]
fn a_policy_from_elsewhere_is_measured_as_it_would_be_written() {
    let target = target("acme".parse().unwrap());
    let rendered = alien_core::adapter::render_beyond_limits(&stacks::stack_of_size(1), &target).unwrap();
    let policy = r#"{"Version": "2008-10-17", "Statement": [
        {"Sid": "é\u0001\n\"\\", "Effect": "Deny", "Principal": "*", "NotAction": ["a:B", "a:C"], "NotResource": "*",
         "Condition": {"StringEquals": {"k": "one", "l": ["one", "two", ""]}, "Bool": {"aws:SecureTransport": "false"}}},
        {"Effect": "Allow", "NotPrincipal": {"AWS": ["x", "y"], "Service": "z"}, "Action": "a:B", "Resource": ["r", "s"]},
        {"Effect": "Allow"}
    ]}"#;
    let all: Policy = serde_json::from_str(policy).unwrap();
    for statements in 0..=all.statements.len() {
        let some = Policy { statements: all.statements[..statements].to_vec(), ..all.clone() };
        let mut layers = rendered.documents.layers.clone();
        let principal = &mut layers.management.as_mut().unwrap().principals[0];
        principal.role.trust_policy = some.clone();
        let document = format!("management: trust policy of {}", principal.role.name);
        assert_eq!(size_of(&Aws::sizes(&target, &layers), &document), written(&some), "{statements} statements");
    }
}
