//! `alien diff`, and `alien check` with a target.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use alien_core::Exit;
use serde_json::{Value, json};

use crate::{AWS, AZURE, GCP, MY_APP, alien, ended, file, looked_at, my_app, out, told, with};

/// The documents of the example on AWS, in a file, changed.
fn documents(name: &str, change: impl FnOnce(&mut Value)) -> String {
    let printed = out(&alien(&with(&["permissions", "--stack", MY_APP, "--format", "json"], &AWS)));
    let mut documents: Value = serde_json::from_str(&printed).unwrap();
    change(&mut documents);
    file(name, &documents).to_str().unwrap().to_owned()
}

fn planted(documents: &mut Value) {
    let vendor = &mut documents["layers"]["management"]["principals"][0];
    vendor["role"]["trustPolicy"]["Statement"][0].as_object_mut().unwrap().remove("Condition");
    vendor["role"]["maxSessionDuration"] = 7200.into();
    let statement = json!({ "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::acme-data-4/*" });
    vendor["policies"][0]["document"]["Statement"].as_array_mut().unwrap().push(statement);
    let runtime = &mut documents["layers"]["runtime"]["principals"][0]["policies"][0]["document"]["Statement"];
    runtime.as_array_mut().unwrap().remove(0);
}

/// Runs it on a terminal of this width.
pub(crate) fn at(columns: &str, arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_alien"));
    looked_at(program.args(arguments).stdin(Stdio::null()).env_clear().env("COLUMNS", columns))
}

#[test]
fn what_documents_gained_and_lost_is_shown_at_each_width_and_a_wider_right_exits_with_4() {
    let (before, after) = (documents("diff-before.json", |_| ()), documents("diff-after.json", planted));
    let shown = at("80", &["diff", &before, &after]);
    assert!(ended(&shown, Exit::Refused), "{}", told(&shown));
    insta::assert_snapshot!("diff_80", format!("{}\n{}", out(&shown), told(&shown)));
    insta::assert_snapshot!("diff_40", out(&at("40", &["diff", &before, &after])));
    let markdown = alien(&["diff", &before, &after, "--format", "markdown"]);
    insta::assert_snapshot!("diff_markdown", out(&markdown));
    let json: Value = serde_json::from_str(&out(&alien(&["diff", &before, &after, "--format", "json"]))).unwrap();
    assert_eq!(json["sessions"][0]["seconds"], 7200);
    let is_planted = |found: &Value| found["permission"] == "s3:GetObject" && found["change"] == "gained";
    assert!(json["permissions"].as_array().unwrap().iter().any(is_planted), "{json}");
    assert_eq!(json["trust"][0]["narrower"][0]["conditions"][0], "sts:ExternalId StringEquals acme-7f3a");
}

#[test]
fn what_only_lost_rights_differs_and_what_is_the_same_does_not() {
    let before = documents("diff-more.json", |_| ());
    let less = documents("diff-less.json", |documents| {
        let vendor = &mut documents["layers"]["management"]["principals"][0];
        vendor["policies"][0]["document"]["Statement"].as_array_mut().unwrap().remove(0);
    });
    let narrower = alien(&["diff", &before, &less]);
    assert!(ended(&narrower, Exit::Drift) && out(&narrower).contains("lost"), "{}", out(&narrower));
    assert!(ended(&alien(&["diff", &less, &before]), Exit::Refused));
    // As it is rendered now: another version of this program may render more.
    let rendered = alien(&with(&["diff", &before, MY_APP], &AWS));
    assert!(ended(&rendered, Exit::Done) && out(&rendered).contains("Nothing changed."), "{}", told(&rendered));
    assert!(ended(&alien(&with(&["diff", &less, MY_APP], &AWS)), Exit::Refused));
}

#[test]
fn two_stacks_are_compared_for_a_target_by_diff_and_by_check() {
    let mut next = my_app();
    next["permissions"]["profiles"]["execution"]["cache"] = json!(["kv/data-read"]);
    let next = file("diff-next.json", &next);
    let next = next.to_str().unwrap();
    for (action, target) in [
        ("dynamodb:GetItem", &AWS[..]),
        ("datastore.entities.get", &GCP[..]),
        ("Microsoft.Storage/storageAccounts/tableServices/tables/entities/read", &AZURE[..]),
    ] {
        let shown = alien(&with(&["diff", MY_APP, next], target));
        assert!(ended(&shown, Exit::Refused) && out(&shown).contains(action), "{action}: {}", out(&shown));
        let checked = alien(&with(&["check", "--previous", MY_APP, "--stack", next], target));
        assert!(ended(&checked, Exit::Refused) && out(&checked).contains(action), "{action}: {}", out(&checked));
        assert!(out(&checked).contains("kv/data-read"));
        let back = alien(&with(&["check", "--previous", next, "--stack", MY_APP], target));
        assert!(ended(&back, Exit::Done) && out(&back).contains("lost"), "{}", told(&back));
    }
    let arguments = with(&["check", "--previous", MY_APP, "--stack", next, "--format", "json"], &AWS);
    let json: Value = serde_json::from_str(&out(&alien(&arguments))).unwrap();
    assert!(json["changes"].is_array() && json["documents"]["permissions"][0]["identity"] == "execution", "{json}");
}

#[test]
fn an_invitation_says_its_cloud_and_whom_it_trusts() {
    let folder = Path::new(&documents("diff-beside.json", |_| ())).parent().unwrap().to_owned();
    let invitation = folder.join("diff-invitation.json");
    let _ = std::fs::remove_file(&invitation);
    let vendor = ["--cloud", "aws", "--vendor", "arn:aws:iam::111111111111:role/vendor"];
    let out_flag = ["--out", invitation.to_str().unwrap()];
    let invited = alien(&with(&["invite", "--stack", MY_APP], &with(&vendor, &out_flag)));
    assert!(ended(&invited, Exit::Done), "{}", told(&invited));
    let place = ["--account", "222222222222", "--region", "eu-central-1", "--prefix", "acme"];
    let before = documents("diff-invited.json", |_| ());
    let arguments = ["diff", &before, invitation.to_str().unwrap(), "--format", "json"];
    let other: Value = serde_json::from_str(&out(&alien(&with(&arguments, &place)))).unwrap();
    // Each invitation has an external id of its own, and that is all.
    assert_eq!((&other["permissions"], &other["identities"]), (&json!([]), &json!([])), "{other}");
    let conditions = &other["trust"][0]["conditions"][0];
    assert!(conditions.as_str().unwrap().starts_with("sts:ExternalId StringEquals "), "{other}");
}

#[test]
fn what_cannot_be_compared_is_told_by_the_name_of_its_file() {
    let before = documents("diff-wrong.json", |_| ());
    let gcp = documents("diff-other.json", |documents| documents["cloud"] = "gcp".into());
    let one = |name: &str, layer: &str| {
        documents(name, |documents| documents["layers"].as_object_mut().unwrap().retain(|name, _| name == layer))
    };
    let (vendors, codes) = (one("diff-vendor.json", "management"), one("diff-code.json", "runtime"));
    let part = alien(&["diff", &before, &vendors]);
    assert!(ended(&part, Exit::Done) && out(&part).starts_with("Permission documents of aws: management\n"));
    for (arguments, part) in [
        (vec!["diff", &vendors, &codes], "diff-code.json`: these documents have no layer in common"),
        (vec!["diff", MY_APP, MY_APP], "my-app.json`: a stack says nothing about a cloud"),
        (vec!["diff", &before, "absent.json"], "absent.json"),
        (vec!["diff", &before, &gcp], "diff-other.json`: these are permission documents of gcp"),
    ] {
        let output = alien(&arguments);
        assert!(ended(&output, Exit::Input) && told(&output).contains(part), "{arguments:?}: {}", told(&output));
    }
}
