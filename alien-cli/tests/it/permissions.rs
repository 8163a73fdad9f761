//! `alien permissions`, `audit`, `check` and `schema`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use alien_core::Exit;

use crate::{AWS, AZURE, GCP, MY_APP, alien, ended, file, my_app, out, told, with};

#[test]
fn permissions_are_shown_as_table_markdown_and_json_for_every_cloud() {
    for (name, target) in [("aws", &AWS[..]), ("gcp", &GCP[..]), ("azure", &AZURE[..])] {
        let shown = |format: &str| {
            let output = alien(&with(&["permissions", "--stack", MY_APP, "--format", format], target));
            assert!(output.status.success(), "{}", told(&output));
            out(&output)
        };
        insta::assert_snapshot!(format!("{name}_table"), shown("table"));
        insta::assert_snapshot!(format!("{name}_markdown"), shown("markdown"));
        let documents: Value = serde_json::from_str(&shown("json")).unwrap();
        assert_eq!(documents["cloud"], name);
        assert_eq!(documents["stack"], "my-app");
        assert_eq!(documents["resources"].as_object().unwrap().len(), 6);
        for layer in ["provisioning", "management", "runtime"] {
            // On AWS, containers are started as a role of their own.
            let due = if (name, layer) == ("aws", "runtime") { 2 } else { 1 };
            assert_eq!(documents["layers"][layer]["principals"].as_array().unwrap().len(), due, "{name} {layer}");
        }
    }
}

#[test]
fn a_review_says_the_same_on_a_narrow_terminal() {
    for columns in ["80", "40"] {
        let shown = crate::diff::at(columns, &with(&["permissions", "--stack", MY_APP], &AWS));
        insta::assert_snapshot!(format!("aws_table_{columns}"), out(&shown));
    }
}

#[test]
fn one_layer_is_shown_alone() {
    let output = alien(&with(&["permissions", "--stack", MY_APP, "--format", "json", "--layer", "runtime"], &AWS));
    let documents: Value = serde_json::from_str(&out(&output)).unwrap();
    let layers: Vec<&String> = documents["layers"].as_object().unwrap().keys().collect();
    assert_eq!(layers, ["runtime"]);
    let output = alien(&with(&["permissions", "--stack", MY_APP, "--layer", "runtime"], &AWS));
    assert!(out(&output).contains("Grants of runtime-execution") && !out(&output).contains("the vendor can"));
}

#[test]
fn the_order_in_the_file_changes_nothing() {
    let mut reversed = my_app();
    reversed["resources"].as_array_mut().unwrap().reverse();
    let reversed = file("reversed.json", &reversed);
    for target in [&AWS[..], &GCP[..], &AZURE[..]] {
        let shown = |stack: &str| out(&alien(&with(&["permissions", "--format", "json", "--stack", stack], target)));
        assert_eq!(shown(MY_APP), shown(reversed.to_str().unwrap()));
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once_and_nothing_is_printed() {
    let mut document = my_app();
    document["resources"][0]["id"] = "Data!".into();
    document["resources"][1]["type"] = "lake".into();
    let wrong = file("wrong.json", &document);
    let arguments =
        ["permissions", "--stack", wrong.to_str().unwrap(), "--cloud", "aws", "--account", "1", "--issuer", "x"];
    let output = alien(&arguments);
    assert!(ended(&output, Exit::Input));
    assert_eq!(out(&output), "");
    let told = told(&output);
    for part in ["`Data!`", "`lake`", "--account", "--region", "--prefix", "--vendor", "--external-id", "--issuer"] {
        assert!(told.contains(part), "{part} is not told:\n{told}");
    }
    assert!(told.lines().all(|line| line.starts_with("error: ") || line.starts_with("warning: ")), "{told}");
}

#[test]
fn every_flag_of_another_cloud_is_refused() {
    let flags = |target: &[&'static str]| -> Vec<(&'static str, &'static str)> {
        target.chunks(2).map(|pair| (pair[0], pair[1])).filter(|(flag, _)| *flag != "--cloud").collect()
    };
    let clouds: [&[&str]; 3] = [&AWS, &GCP, &AZURE];
    for own in clouds {
        let known: Vec<&str> = flags(own).into_iter().map(|(flag, _)| flag).collect();
        let foreign: BTreeMap<&str, &str> =
            clouds.into_iter().flat_map(flags).filter(|(flag, _)| !known.contains(flag)).collect();
        let extra: Vec<&str> = foreign.iter().flat_map(|(flag, value)| [*flag, *value]).collect();
        let output = alien(&with(&["permissions", "--stack", MY_APP], &with(own, &extra)));
        assert!(ended(&output, Exit::Input));
        let told = told(&output);
        for flag in foreign.keys() {
            assert!(told.contains(&format!("`{flag}`: has no meaning for this cloud")), "{flag}: {told}");
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_told_by_name() {
    for command in [
        with(&["permissions", "--stack", "absent.json"], &AWS),
        with(&["audit", "--stack", MY_APP, "--documents", "absent.json"], &AWS),
        vec!["check", "--stack", MY_APP, "--previous", "absent.json"],
    ] {
        let output = alien(&command);
        assert!(ended(&output, Exit::Input), "{command:?}");
        assert!(told(&output).contains("absent.json"), "{}", told(&output));
    }
}

#[test]
fn a_document_over_a_limit_is_refused_by_the_name_of_the_limit() {
    let functions: Vec<Value> = (0..600)
        .map(|n| json!({ "id": format!("f-{n}"), "type": "function", "lifecycle": "live", "code": { "image": "i" }, "profile": "p" }))
        .collect();
    let document = json!({ "name": "big", "resources": functions, "permissions": { "profiles": { "p": {} } } });
    let big = file("big.json", &document);
    let output = alien(&with(&["permissions", "--format", "json", "--stack", big.to_str().unwrap()], &AWS));
    assert!(ended(&output, Exit::Input));
    // The error is the one JSON document on standard output, and says it once in a line and once in parts.
    let failed: Value = serde_json::from_str(&out(&output)).unwrap();
    let error = &failed["error"];
    assert_eq!((&error["exit"], &error["code"]), (&json!("input"), &json!(3)));
    assert!(error["message"].as_str().unwrap().contains("aws takes 10"), "{}", error["message"]);
    assert_eq!(error["message"].as_str().unwrap().lines().count(), 1);
    assert!(error["problems"].as_array().unwrap().iter().any(|problem| problem["rule"] == "limit"));
    assert_eq!(told(&output), "");
}

#[test]
fn an_audit_passes_what_was_rendered_and_catches_what_was_changed() {
    for (name, target, pointer, widened) in [
        ("aws", &AWS[..], "/layers/management/principals/0/policies/0/document/Statement/0/Resource", json!("*")),
        ("gcp", &GCP[..], "/layers/management/principals/0/bindings/1/role", json!("roles/run.admin")),
        (
            "azure",
            &AZURE[..],
            "/layers/management/principals/0/roleAssignments/1/scope",
            json!("/subscriptions/00000000-0000-0000-0000-000000000001"),
        ),
    ] {
        let output = alien(&with(&["audit", "--stack", MY_APP], target));
        assert!(output.status.success() && out(&output).contains("No promise is broken"), "{}", told(&output));

        let printed = out(&alien(&with(&["permissions", "--stack", MY_APP, "--format", "json"], target)));
        let mut documents: Value = serde_json::from_str(&printed).unwrap();
        let audited = |documents: &Value| {
            let documents = file(&format!("{name}-documents.json"), documents);
            let arguments =
                ["audit", "--stack", MY_APP, "--format", "json", "--documents", documents.to_str().unwrap()];
            alien(&with(&arguments, target))
        };
        assert!(audited(&documents).status.success());
        *documents.pointer_mut(pointer).unwrap() = widened;
        let output = audited(&documents);
        assert!(ended(&output, Exit::Refused), "{name}");
        let report: Value = serde_json::from_str(&out(&output)).unwrap();
        assert!(!report["breaches"].as_array().unwrap().is_empty());
        assert!(told(&output).contains("break a promise"));
    }
}

#[test]
fn what_the_clouds_own_tool_prints_is_audited_from_a_folder_and_from_files() {
    let printed = out(&alien(&with(&["permissions", "--stack", MY_APP, "--format", "json"], &AWS)));
    let documents: Value = serde_json::from_str(&printed).unwrap();
    let vendor = &documents["layers"]["management"]["principals"][0];
    let (role, policy) = (&vendor["role"], &vendor["policies"][0]);
    let folder = file("role-in-a-folder.json", &json!({})).parent().unwrap().join("role-in-a-folder");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir(&folder).unwrap();
    let write = |name: &str, value: Value| std::fs::write(folder.join(name), value.to_string()).unwrap();
    let answer = json!({
        "RoleName": role["name"], "AssumeRolePolicyDocument": role["trustPolicy"],
        "MaxSessionDuration": role["maxSessionDuration"],
    });
    write("get-role.json", json!({ "Role": answer }));
    write("list-role-policies.json", json!({ "PolicyNames": [policy["name"]] }));
    write("list-attached-role-policies.json", json!({ "AttachedPolicies": [] }));
    write("notes.txt", json!("is not read"));
    let audited = |given: &[&str]| {
        let flags: Vec<&str> = given.iter().flat_map(|path| ["--documents", *path]).collect();
        alien(&with(&["audit", "--stack", MY_APP], &with(&AWS, &flags)))
    };
    let whole = folder.to_str().unwrap();
    let missing = audited(&[whole]);
    assert!(
        ended(&missing, Exit::Input) && told(&missing).contains("aws iam get-role-policy --role-name"),
        "{}",
        told(&missing)
    );
    let mut inline =
        json!({ "RoleName": role["name"], "PolicyName": policy["name"], "PolicyDocument": policy["document"] });
    write("get-role-policy.json", inline.clone());
    let fine = audited(&[whole]);
    assert!(ended(&fine, Exit::Done) && out(&fine).contains("No promise is broken"), "{}", told(&fine));
    let names = ["get-role", "list-role-policies", "list-attached-role-policies", "get-role-policy"];
    let paths = names.map(|name| folder.join(format!("{name}.json")).to_str().unwrap().to_owned());
    assert_eq!(out(&audited(&paths.each_ref().map(String::as_str))), out(&fine));
    let planted = json!({ "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*" });
    inline["PolicyDocument"]["Statement"].as_array_mut().unwrap().push(planted);
    write("get-role-policy.json", inline);
    let broken = audited(&[whole]);
    assert!(ended(&broken, Exit::Refused) && out(&broken).contains("s3:GetObject"), "{}", out(&broken));
    // One answer is not taken for the documents of this program.
    let one = audited(&[&paths[0]]);
    assert!(ended(&one, Exit::Input) && told(&one).contains("aws iam list-role-policies"), "{}", told(&one));
}

#[test]
fn documents_that_say_nothing_or_are_for_another_cloud_do_not_pass() {
    let printed = out(&alien(&with(&["permissions", "--stack", MY_APP, "--format", "json"], &AWS)));
    let documents: Value = serde_json::from_str(&printed).unwrap();
    let mut empty = documents.clone();
    empty["layers"] = json!({});
    let mut other = documents;
    other["cloud"] = "gcp".into();
    for (name, document) in [("empty", empty), ("other", other), ("no", json!({}))] {
        let path = file(&format!("{name}-to-audit.json"), &document);
        let output = alien(&with(&["audit", "--stack", MY_APP, "--documents", path.to_str().unwrap()], &AWS));
        assert!(ended(&output, Exit::Input), "{name}");
        assert!(told(&output).starts_with("error: "), "{}", told(&output));
    }
}

#[test]
fn a_check_exits_with_4_and_every_reason() {
    let checked = |name: &str, flags: &[&str], change: &dyn Fn(&mut Value)| {
        let mut document = my_app();
        change(&mut document);
        let next = file(&format!("next-{name}.json"), &document);
        let output = alien(&with(&["check", "--previous", MY_APP, "--stack", next.to_str().unwrap()], flags));
        (output.status.code(), told(&output))
    };
    let code: &dyn Fn(&mut Value) = &|document| {
        let digest = format!("sha256:{}", "1".repeat(64));
        document["resources"][3]["code"]["images"]["registry.example.com/api"] = digest.into();
    };
    let frozen: &dyn Fn(&mut Value) = &|document| document["resources"][0]["versioning"] = true.into();
    let removed: &dyn Fn(&mut Value) = &|document| {
        document["resources"].as_array_mut().unwrap().remove(1);
    };
    let thawed: &dyn Fn(&mut Value) = &|document| document["resources"][4]["lifecycle"] = "live".into();
    let grown: &dyn Fn(&mut Value) = &|document| {
        document["permissions"]["profiles"]["execution"]["cache"] = json!(["kv/data-read"]);
    };
    assert_eq!(checked("same", &[], &|_| ()), (Some(0), String::new()));
    assert_eq!(checked("code", &[], code), (Some(0), String::new()));
    assert_eq!(checked("frozen", &[], frozen).0, Some(4));
    assert_eq!(checked("frozen-meant", &["--allow-frozen-changes"], frozen), (Some(0), String::new()));
    for (name, change) in [("removed", removed), ("thawed", thawed), ("grown", grown)] {
        assert_eq!(checked(name, &[], change).0, Some(4), "{name}");
        assert_eq!(checked(name, &["--allow-frozen-changes"], change).0, Some(4), "{name}");
    }
    let (status, told) = checked("all", &[], &|document| {
        frozen(document);
        thawed(document);
        grown(document);
        removed(document);
        // The profile named the removed resource.
        document["permissions"]["profiles"]["execution"].as_object_mut().unwrap().remove("cache");
    });
    assert_eq!(status, Some(4));
    for part in ["`data`: frozen, but changed: versioning", "`cache`: removed", "`worker`: frozen before, live now"] {
        assert!(told.contains(part), "{part} is not told:\n{told}");
    }
}

#[test]
fn a_check_shows_what_changed_and_who_may_apply_it() {
    let mut document = my_app();
    document["resources"][4]["lifecycle"] = "live".into();
    document["resources"][3]["timeoutSeconds"] = 60.into();
    let next = file("next-shown.json", &document);
    let shown = |format: &str| {
        out(&alien(&["check", "--previous", MY_APP, "--stack", next.to_str().unwrap(), "--format", format]))
    };
    insta::assert_snapshot!("check_table", shown("table"));
    insta::assert_snapshot!("check_json", shown("json"));
}

#[test]
fn the_schema_is_printed() {
    let output = alien(&["schema"]);
    let printed: Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!(printed, alien_core::schema());
}

#[test]
fn a_command_line_that_cannot_be_read_exits_with_2() {
    for wrong in [vec![], vec!["permissions"], vec!["permissions", "--cloud", "moon"], vec!["nothing"]] {
        assert_eq!(alien(&wrong).status.code(), Some(2), "{wrong:?}");
    }
}
