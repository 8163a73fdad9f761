//! Reviews and differences as Markdown.

use alien_conformance::golden::my_app;
use alien_core::{Stack, memory, review};

#[test]
fn a_review_is_a_page_that_a_pull_request_can_show() {
    let reviewed = review(&my_app(), &memory::Target::new("acme").unwrap()).unwrap();
    insta::assert_snapshot!("review", reviewed.to_markdown());
}

#[test]
fn a_difference_is_a_page_that_a_pull_request_can_show() {
    let mut next = serde_json::to_value(my_app()).unwrap();
    let resources = next["resources"].as_array_mut().unwrap();
    resources.retain(|resource| resource["id"] != "net");
    for resource in resources {
        match resource["id"].as_str().unwrap() {
            "api" => resource["memoryMib"] = 1024.into(),
            "data" => resource["versioning"] = true.into(),
            _ => {}
        }
    }
    next["permissions"]["profiles"]["execution"]["cache"] = serde_json::json!(["kv/data-read"]);
    let next = Stack::from_json(&next.to_string()).unwrap();
    let diff = next.diff(&my_app());
    assert!(diff.grows());
    insta::assert_snapshot!("diff", diff.to_markdown());
    assert_eq!(next.diff(&next).to_markdown(), "Nothing changed.\n");
    let mut less = serde_json::to_value(my_app()).unwrap();
    less["permissions"]["profiles"]["execution"].as_object_mut().unwrap().remove("data");
    let less = Stack::from_json(&less.to_string()).unwrap();
    assert!(!less.diff(&my_app()).grows(), "what is taken back is no growth");
}
