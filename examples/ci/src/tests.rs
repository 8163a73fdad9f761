//! On the example stack, its changed copies, and documents of it that somebody edited.

use alien_aws::Aws;
use alien_core::{Stack, adapter::Documented};
use serde_json::{Value, json};

use super::run;

const MY_APP: &str = include_str!("../../my-app.json");

/// What is said of files with these contents: the stack, the previous one, and documents where there is a third.
fn said<const N: usize>(name: &str, texts: [&str; N]) -> Result<(String, bool), String> {
    let folder = std::env::temp_dir().join(format!("policy-check-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = |index: usize, text: &str| {
        let path = folder.join(format!("{index}.json"));
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let mut arguments: Vec<String> = texts.iter().enumerate().map(|(index, text)| file(index, text)).collect();
    if N == 3 {
        arguments.insert(2, "--documents".to_owned());
    }
    let said = run(&arguments).map_err(|error| error.to_string());
    std::fs::remove_dir_all(&folder).unwrap();
    said
}

/// The documents of the example stack on AWS, and the statements of what the vendor may do, changed.
fn edited(change: impl FnOnce(&mut Vec<Value>)) -> String {
    let target = serde_json::from_value(json!({
        "account": "222222222222",
        "region": "eu-central-1",
        "prefix": "acme",
        "vendor": "arn:aws:iam::111111111111:role/vendor",
        "externalId": "acme-7f3a",
    }));
    let mut documents = Aws::reviewed(&Stack::from_json(MY_APP).unwrap(), &target.unwrap()).unwrap().documents;
    let policy = &mut documents["layers"]["management"]["principals"][0]["policies"][0]["document"];
    change(policy["Statement"].as_array_mut().unwrap());
    documents.to_string()
}

#[test]
fn no_change_passes_and_is_shown_for_three_clouds() {
    let (page, passes) = said("same", [MY_APP, MY_APP]).unwrap();
    assert!(passes, "{page}");
    for part in ["Nothing changed.", "on aws", "on gcp", "on azure"] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[test]
fn permissions_that_grow_fail_and_those_that_shrink_pass() {
    let grown = MY_APP.replace(r#""queue/data-write""#, r#""queue/data-write", "kv/data-read""#);
    let (page, passes) = said("grown", [&grown, MY_APP]).unwrap();
    assert!(!passes && page.contains("gained | `kv/data-read` | `cache`"), "{page}");
    let (page, passes) = said("shrunk", [MY_APP, &grown]).unwrap();
    assert!(passes && page.contains("lost | `kv/data-read` | `cache`"), "{page}");
}

#[test]
fn documents_are_audited() {
    let (page, passes) = said("as-rendered", [MY_APP, MY_APP, &edited(|_| ())]).unwrap();
    assert!(passes, "{page}");
    let planted = json!({ "Sid": "Planted", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*" });
    let (page, passes) = said("planted", [MY_APP, MY_APP, &edited(|statements| statements.push(planted))]).unwrap();
    assert!(!passes && page.contains("Planted") && page.contains("s3:GetObject"), "{page}");
}

#[test]
fn wrong_input_is_an_error() {
    assert!(run(&[]).unwrap_err().to_string().starts_with("usage"));
    assert!(said("no-stack", [MY_APP, "{}"]).unwrap_err().contains("1.json"));
    for (name, documents) in
        [("no-json", "no JSON"), ("no-cloud", "{}"), ("no-layers", r#"{"cloud":"gcp","layers":{}}"#)]
    {
        assert!(said(name, [MY_APP, MY_APP, documents]).is_err(), "{name}");
    }
}
