//! What `alien` does with a record, up to the first call of a cloud.

use std::path::PathBuf;

use serde_json::{Value, json};

use alien_core::Exit;

use crate::invite::{CLOUDS, Invited, record};
use crate::{MY_APP, alien, done, ended, file, my_app, nowhere, out, refused, refused_as, told, with};

fn recorded(invited: &Invited, name: &str) -> PathBuf {
    file(&format!("{name}-record-{}.json", invited.cloud), &record(invited, &invited.invitation()))
}

#[test]
fn a_record_with_differences_is_not_registered_and_each_is_told() {
    let [aws, ..] = &CLOUDS;
    let invitation = aws.invitation();
    let mut changed = record(aws, &invitation);
    changed["id"] = "00000000-0000-7000-8000-000000000000".into();
    changed["target"]["externalId"] = "guessed".into();
    changed["stack"]["resources"].as_array_mut().unwrap().remove(0);
    let invitation = file("differs-invitation.json", &invitation);
    let changed = file("differs-record.json", &changed);
    let flags = ["register", "--invitation", invitation.to_str().unwrap(), "--record", changed.to_str().unwrap()];
    let told = refused_as(Exit::Refused, &alien(&flags));
    for words in [
        "invitation says id `",
        "invitation says externalId `",
        "the record's stack is another than the invitation's: removed",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    // The two files in each other's place, and both are told.
    let flags = ["register", "--invitation", changed.to_str().unwrap(), "--record", invitation.to_str().unwrap()];
    let told = refused(&alien(&flags));
    assert!(told.contains("not an invitation") && told.contains("not the record of a deployment"), "{told}");
}

#[test]
fn without_a_token_for_azure_it_is_said_which_one_it_takes_and_where_it_may_be() {
    let [.., azure] = &CLOUDS;
    let invitation = azure.invitation();
    let subject = invitation["trust"]["subject"].as_str().unwrap();
    let record = file("no-token-record.json", &record(azure, &invitation));
    let invitation = file("no-token-invitation.json", &invitation);
    let record = record.to_str().unwrap();
    let commands: [&[&str]; 6] = [
        &["register", "--invitation", invitation.to_str().unwrap()],
        &["update", "--stack", MY_APP],
        &["redeploy", "api"],
        &["heartbeat"],
        &["logs", "api"],
        &["dispatch", "api", "{}"],
    ];
    for command in commands {
        let told = refused_as(Exit::Credentials, &alien(&with(command, &["--record", record])));
        let which = [subject, "https://oidc.vendor.example.com", "api://AzureADTokenExchange"];
        for words in which.into_iter().chain(["`--token-file`", "`ALIEN_OIDC_TOKEN`", "`AZURE_FEDERATED_TOKEN_FILE`"]) {
            assert!(told.contains(words), "{command:?}, {words}: {told}");
        }
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

#[test]
fn a_token_is_shown_to_azure_alone() {
    for invited in CLOUDS.iter().filter(|invited| invited.cloud != "azure") {
        let record = recorded(invited, "tokened");
        let flags = ["heartbeat", "--record", record.to_str().unwrap(), "--token-file", MY_APP];
        assert!(refused(&alien(&flags)).contains("`--token-file`: has no meaning for this cloud"), "{}", invited.cloud);
    }
}

#[test]
fn a_dry_run_shows_what_changes_and_who_may_apply_it_and_calls_nothing() {
    for invited in &CLOUDS {
        let record = recorded(invited, "dry");
        let dry = |name: &str, flags: &[&str], change: &dyn Fn(&mut Value)| {
            let mut stack = my_app();
            change(&mut stack);
            let stack = file(&format!("dry-{name}-{}.json", invited.cloud), &stack);
            let (stack, record) = (stack.to_str().unwrap(), record.to_str().unwrap());
            alien(&with(&["update", "--dry-run", "--record", record, "--stack", stack], flags))
        };
        assert_eq!(done(&dry("same", &[], &|_| ())), "Nothing changed.\n");
        let live = |stack: &mut Value| stack["resources"][3]["timeoutSeconds"] = 60.into();
        insta::assert_snapshot!(format!("{}_dry_run", invited.cloud), done(&dry("live", &[], &live)));
        let printed: Value = serde_json::from_str(&done(&dry("live", &["--json"], &live))).unwrap();
        assert_eq!(
            (&printed["diff"]["changes"][0]["resource"], &printed["diff"]["changes"][0]["who"]),
            (&json!("api"), &json!("vendor"))
        );

        let frozen = dry("frozen", &[], &|stack| stack["resources"][0]["versioning"] = true.into());
        assert!(ended(&frozen, Exit::Refused));
        assert!(out(&frozen).contains("the customer's admin, by setting up again"), "{}", out(&frozen));
        assert!(told(&frozen).contains("`data`: frozen, but changed: versioning"), "{}", told(&frozen));
        let added = dry("added", &[], &|stack| {
            stack["resources"]
                .as_array_mut()
                .unwrap()
                .push(json!({ "id": "more", "type": "kv", "lifecycle": "frozen" }));
        });
        assert!(ended(&added, Exit::Refused));
        assert!(told(&added).contains("`more`: "), "{}", told(&added));
        // It takes nothing from the customer, and still only the admin can do it.
        let froze = dry("froze", &[], &|stack| stack["resources"][3]["lifecycle"] = "frozen".into());
        assert!(ended(&froze, Exit::Refused));
        let words = "`api`: this change is the customer's admin's to make; invite the customer to set up again";
        assert!(told(&froze).contains(words), "{}", told(&froze));
    }
}

#[test]
fn what_is_the_admins_to_change_is_refused_before_anything_is_called() {
    let [aws, ..] = &CLOUDS;
    let record = recorded(aws, "admins");
    let mut stack = my_app();
    stack["resources"][5] = json!({ "id": "web", "type": "network", "lifecycle": "frozen" });
    let stack = file("admins-stack.json", &stack);
    let (stack, record) = (stack.to_str().unwrap(), record.to_str().unwrap());
    let told = refused_as(Exit::Refused, &alien(&["update", "--record", record, "--stack", stack]));
    assert!(told.contains("`net`: removed"), "{told}");
}

#[test]
fn a_zip_that_is_missing_is_named_and_the_record_stays_as_it_was() {
    let [aws, ..] = &CLOUDS;
    let record = recorded(aws, "zip");
    let before = std::fs::read_to_string(&record).unwrap();
    let mut stack = my_app();
    stack["resources"][3]["code"] = json!({ "zip": format!("sha256:{}", "0".repeat(64)) });
    let stack = file("zip-stack.json", &stack);
    let (stack, path) = (stack.to_str().unwrap(), record.to_str().unwrap());
    let told = refused(&alien(&["update", "--record", path, "--stack", stack]));
    assert!(told.contains("`api`: no file has the digest of its zip"), "{told}");
    let flags = ["update", "--record", path, "--stack", stack, "--zip", "a.zip", "--previous-zip", "b.zip"];
    let told = refused(&alien(&flags));
    assert!(told.contains("`a.zip`") && told.contains("`b.zip`"), "{told}");
    assert_eq!(std::fs::read_to_string(&record).unwrap(), before);
}

#[test]
fn a_resource_and_a_command_are_looked_up_before_anything_is_called() {
    let [aws, ..] = &CLOUDS;
    let record = recorded(aws, "lookup");
    let record = record.to_str().unwrap();
    let told = refused(&alien(&["logs", "nothing", "--record", record]));
    assert!(told.contains("`nothing`: the deployment has no such resource; name one of api, cache"), "{told}");
    let told = refused(&alien(&["redeploy", "nothing", "--record", record]));
    assert!(told.contains("`nothing`: the deployment has no such resource; name one of api, cache"), "{told}");
    let told = refused(&alien(&["redeploy", "cache", "--record", record]));
    assert!(told.contains("`cache`: it is a frozen kv, not a live function"), "{told}");
    let told = refused(&alien(&["dispatch", "cache", "{}", "--record", record]));
    assert!(told.contains("`cache`: it is a frozen kv, not a frozen function"), "{told}");
    let told = refused(&alien(&["dispatch", "api", "@absent.bin", "--record", record]));
    assert!(told.contains("`absent.bin`: cannot be read"), "{told}");
    for wrong in [vec!["logs", "api"], vec!["logs", "api", "--record", record, "--since", "yesterday"]] {
        assert_eq!(alien(&wrong).status.code(), Some(2), "{wrong:?}");
    }
    let absent = nowhere("absent-record.json");
    let told = refused(&alien(&["heartbeat", "--record", absent.to_str().unwrap()]));
    assert!(told.contains("absent-record.json"), "{told}");
}
