//! `alien invite` and `alien-deploy review`: what the vendor makes, and what the customer's admin reads of it.

use serde_json::{Value, json};

use crate::{AWS, AZURE, GCP, MY_APP, alien, alien_deploy, done, file, nowhere, refused, told, with};

/// A cloud, the flags that its invitation takes, and those that say where it goes.
pub(crate) struct Invited {
    pub(crate) cloud: &'static str,
    pub(crate) trust: &'static [&'static str],
    pub(crate) location: &'static [&'static str],
}

pub(crate) const CLOUDS: [Invited; 3] = [
    Invited {
        cloud: "aws",
        trust: &["--vendor", "arn:aws:iam::111111111111:role/vendor"],
        location: &["--account", "222222222222", "--region", "eu-central-1"],
    },
    Invited {
        cloud: "gcp",
        trust: &["--vendor", "vendor@vendor-project.iam.gserviceaccount.com"],
        location: &["--project", "customer-project", "--project-number", "123456789012", "--location", "europe-west3"],
    },
    Invited {
        cloud: "azure",
        trust: &["--issuer", "https://oidc.vendor.example.com"],
        location: &[
            "--tenant",
            "00000000-0000-0000-0000-00000000000f",
            "--subscription",
            "00000000-0000-0000-0000-000000000001",
            "--resource-group",
            "customer-rg",
            "--location",
            "westeurope",
        ],
    },
];

impl Invited {
    pub(crate) fn invitation(&self) -> Value {
        let output = alien(&with(&["invite", "--stack", MY_APP, "--cloud", self.cloud], self.trust));
        serde_json::from_str(&done(&output)).unwrap()
    }

    /// Runs a command of `alien-deploy` on this invitation.
    pub(crate) fn deploy(&self, command: &[&str], name: &str, invitation: &Value) -> std::process::Output {
        let path = file(&format!("{name}-{}.json", self.cloud), invitation);
        alien_deploy(&with(&with(command, &["--invitation", path.to_str().unwrap()]), self.location))
    }
}

/// The one value of trust that is made here, and the id: other ones every time.
fn redacted(invitation: &Value) -> Value {
    let mut redacted = invitation.clone();
    let id = invitation["id"].as_str().unwrap();
    redacted["id"] = "[id]".into();
    for value in redacted["trust"].as_object_mut().unwrap().values_mut() {
        let text = value.as_str().unwrap();
        *value = if text.starts_with("alien-") { "[external id]".into() } else { text.replace(id, "[id]").into() };
    }
    redacted
}

#[test]
fn an_invitation_says_whom_to_trust_and_the_review_says_it_again() {
    for invited in &CLOUDS {
        let invitation = invited.invitation();
        let mut form = redacted(&invitation);
        assert_eq!(form["stack"]["resources"].as_array().unwrap().len(), 6);
        form["stack"] = "[stack]".into();
        let form = serde_json::to_string_pretty(&form).unwrap();
        insta::assert_snapshot!(format!("{}_invitation", invited.cloud), form);
        let mut text = done(&invited.deploy(&["review"], "reviewed", &invitation));
        for secret in [&invitation["id"], &invitation["trust"]["externalId"]] {
            if let Some(secret) = secret.as_str() {
                text = text.replace(secret, &"x".repeat(secret.len()));
            }
        }
        insta::assert_snapshot!(format!("{}_review", invited.cloud), text);

        let printed = done(&invited.deploy(&["review", "--json"], "reviewed", &invitation));
        let reviewed: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(reviewed["review"]["rows"].as_array().unwrap().len(), 6);
        assert_eq!(reviewed["report"]["reach"]["through"][0]["resource"], "api");
        assert_eq!(reviewed["documents"]["cloud"], invited.cloud);
        for (name, value) in invitation["trust"].as_object().unwrap() {
            assert_eq!(reviewed["documents"]["target"][name], *value, "{name}");
        }
        let shown = done(&invited.deploy(&["review", "--documents"], "reviewed", &invitation));
        let documents = &shown[shown.find("\n{").unwrap()..];
        assert_eq!(serde_json::from_str::<Value>(documents).unwrap(), reviewed["documents"]);
    }
}

/// What is printed below the name of each file is that file.
#[test]
fn the_rules_that_a_customer_can_set_are_printed_as_files_that_are_read() {
    for invited in &CLOUDS {
        let invitation = invited.invitation();
        let printed = done(&invited.deploy(&["review", "--guardrails"], "ruled", &invitation));
        let reviewed = done(&invited.deploy(&["review", "--json"], "ruled", &invitation));
        let reviewed: Value = serde_json::from_str(&reviewed).unwrap();
        let rules = reviewed["guardrails"].as_array().unwrap();
        assert!(!rules.is_empty(), "{}", invited.cloud);
        for rule in rules {
            let text = |name: &str| rule[name].as_str().unwrap_or_default();
            let told = [text("what"), text("command"), text("source")];
            assert!(told.iter().all(|told| !told.is_empty() && printed.contains(told)), "{rule}");
            if text("file").is_empty() {
                continue;
            }
            assert!(text("command").contains(text("file")), "{rule}");
            let (_, below) = printed.split_once(&format!("\n{}:\n", text("file"))).unwrap();
            let mut read = serde_json::Deserializer::from_str(below).into_iter::<Value>();
            let written: Value = serde_json::from_str(text("text")).unwrap();
            assert_eq!(read.next().unwrap().unwrap(), written, "{rule}");
        }
        let without = done(&invited.deploy(&["review"], "ruled", &invitation));
        assert!(!without.contains("What you can set above it"), "{without}");
    }
}

#[test]
fn every_invitation_is_of_another_deployment_and_no_two_customers_trust_the_same() {
    for invited in &CLOUDS {
        let (one, other) = (invited.invitation(), invited.invitation());
        assert_ne!(one["id"], other["id"]);
        match invited.cloud {
            "aws" => assert_ne!(one["trust"]["externalId"], other["trust"]["externalId"]),
            "azure" => assert_ne!(one["trust"]["subject"], other["trust"]["subject"]),
            _ => {}
        }
    }
}

#[test]
fn the_prefix_is_the_stacks_name_unless_a_flag_gives_one() {
    let [aws, ..] = &CLOUDS;
    let invitation = aws.invitation();
    let prefix = |command: &[&str], invitation: &Value| {
        let printed = done(&aws.deploy(command, "prefixed", invitation));
        serde_json::from_str::<Value>(&printed).unwrap()["documents"]["target"]["prefix"].clone()
    };
    assert_eq!(prefix(&["review", "--json"], &invitation), "my-app");
    assert_eq!(prefix(&["review", "--json", "--prefix", "acme"], &invitation), "acme");
    let mut long = invitation;
    long["stack"]["name"] = "a".repeat(33).into();
    assert!(refused(&aws.deploy(&["review"], "prefixed", &long)).contains("`--prefix`: missing"));
}

#[test]
fn whom_to_trust_is_checked_all_at_once() {
    let invite = |flags: &[&str]| refused(&alien(&with(&["invite", "--stack", MY_APP], flags)));
    let told = invite(&["--cloud", "aws", "--vendor", "arn:aws:iam::111111111111:root", "--issuer", "https://x"]);
    assert!(told.contains("`--vendor`: ") && told.contains("`--issuer`: has no meaning for this cloud"), "{told}");
    let told = invite(&["--cloud", "azure", "--issuer", "http://x", "--subject", "*"]);
    assert!(told.contains("`--issuer`: ") && told.contains("`--subject`: "), "{told}");
    assert!(invite(&["--cloud", "gcp"]).contains("`--vendor`: missing"));
    let told = refused(&alien(&["invite", "--stack", "absent.json", "--cloud", "gcp"]));
    assert!(told.contains("absent.json") && told.contains("--vendor"), "{told}");
}

#[test]
fn an_external_id_and_a_place_are_no_flags_of_an_invitation() {
    for flag in ["--external-id", "--account", "--region", "--project", "--prefix"] {
        let output = alien(&["invite", "--stack", MY_APP, "--cloud", "aws", flag, "x"]);
        assert_eq!(output.status.code(), Some(2), "{flag}");
    }
    assert_eq!(alien(&["invite", "--stack", MY_APP]).status.code(), Some(2), "a cloud or a record is needed");
}

#[test]
fn an_invitation_is_written_once() {
    let path = nowhere("written-invitation.json");
    let [aws, ..] = &CLOUDS;
    let flags = ["invite", "--stack", MY_APP, "--cloud", "aws", "--out", path.to_str().unwrap()];
    assert_eq!(done(&alien(&with(&flags, aws.trust))), "");
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(redacted(&serde_json::from_str(&written).unwrap()), redacted(&aws.invitation()));
    assert!(refused(&alien(&with(&flags, aws.trust))).contains("already exists"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), written);
}

#[test]
fn a_customer_who_has_a_deployment_is_invited_again_with_the_same_trust() {
    for invited in &CLOUDS {
        let invitation = invited.invitation();
        let record = file(&format!("again-{}.json", invited.cloud), &record(invited, &invitation));
        let printed = done(&alien(&["invite", "--stack", MY_APP, "--record", record.to_str().unwrap()]));
        let mut later = invitation;
        later["revision"] = json!(1);
        assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), later);
        let flags = ["invite", "--stack", MY_APP, "--record", record.to_str().unwrap(), "--cloud", invited.cloud];
        assert_eq!(alien(&flags).status.code(), Some(2), "{}", invited.cloud);
    }
}

/// The record that a set-up of an invitation would write.
pub(crate) fn record(invited: &Invited, invitation: &Value) -> Value {
    let name = format!("recorded-{}", invitation["id"].as_str().unwrap());
    let printed = done(&invited.deploy(&["review", "--json"], &name, invitation));
    let documents = serde_json::from_str::<Value>(&printed).unwrap()["documents"].take();
    let ids = documents["resources"].as_object().unwrap().iter();
    let ids: serde_json::Map<String, Value> = ids.map(|(id, found)| (id.clone(), found["id"].clone())).collect();
    json!({
        "version": 1,
        "id": invitation["id"],
        "cloud": invited.cloud,
        "target": documents["target"],
        "identity": "arn:aws:iam::222222222222:role/my-app-management-6",
        "resources": ids,
        "stack": invitation["stack"],
    })
}

#[test]
fn what_an_invitation_gives_is_no_flag() {
    for (invited, flags) in CLOUDS.iter().zip([&AWS[..], &GCP[..], &AZURE[..]]) {
        let invitation = invited.invitation();
        let known: Vec<&str> = invited.location.iter().copied().chain(["--prefix"]).collect();
        let given = flags.chunks(2).filter(|pair| !known.contains(&pair[0]));
        let given: Vec<&[&str]> = given.chain([&["--stack", MY_APP][..]]).collect();
        assert!(given.len() >= 3, "--cloud, --stack and whom to trust: {given:?}");
        for flag in given {
            for command in ["review", "plan", "status", "revoke"] {
                let output = invited.deploy(&with(&[command], flag), "flags", &invitation);
                assert_eq!(output.status.code(), Some(2), "{command} {flag:?}");
                assert!(told(&output).contains(&format!("unexpected argument '{}'", flag[0])), "{}", told(&output));
            }
        }
    }
}

#[test]
fn an_invitation_does_not_say_where_it_goes_nor_anything_of_another_cloud() {
    let [aws, gcp, _] = &CLOUDS;
    let changed = |invited: &Invited, change: &dyn Fn(&mut Value)| {
        let mut invitation = invited.invitation();
        change(&mut invitation);
        refused(&invited.deploy(&["review"], "changed", &invitation))
    };
    let told = changed(aws, &|invitation| {
        invitation["trust"]["account"] = "333333333333".into();
        invitation["trust"]["vendor"] = "*".into();
    });
    assert!(told.contains("`trust.account`: an invitation does not say this"), "{told}");
    assert!(told.contains("`trust.vendor`: `*` is not a vendor principal"), "{told}");
    let told = changed(aws, &|invitation| {
        invitation["trust"].as_object_mut().unwrap().remove("externalId");
    });
    assert!(told.contains("`trust.externalId`: missing; ask the vendor for another invitation"), "{told}");
    let told = changed(gcp, &|invitation| invitation["cloud"] = "aws".into());
    assert!(told.contains("`--project`: has no meaning for this cloud"), "{told}");
    assert!(changed(aws, &|invitation| invitation["cloud"] = "moon".into()).contains("`moon`"));
}

#[test]
fn a_file_that_is_no_invitation_is_refused_with_its_name() {
    let [aws, ..] = &CLOUDS;
    let invitation = aws.invitation();
    let with = |field: &str, value: Value| {
        let mut changed = invitation.clone();
        changed[field] = value;
        changed
    };
    for (wrong, words) in [
        (with("version", json!(3)), "of version 3"),
        (with("surprise", json!(1)), "unknown field `surprise`"),
        (with("id", json!("x")), "not an invitation"),
        (record(aws, &invitation), "not an invitation"),
        (json!([]), "not an invitation"),
    ] {
        let told = refused(&aws.deploy(&["review"], "wrong-invitation", &wrong));
        assert!(told.contains(words) && told.contains("wrong-invitation-aws.json"), "{words}: {told}");
    }
    let mut bad = invitation;
    bad["stack"]["resources"][0]["profile"] = "nobody".into();
    bad["stack"]["resources"][1]["id"] = "Data!".into();
    let told = refused(&aws.deploy(&["review"], "wrong-invitation", &bad));
    assert!(told.contains("nobody") && told.contains("`Data!`"), "{told}");
}

/// The vendor learns what its registry must admit: when it invites, that it must; once the account is known, the whole grant.
#[test]
fn an_image_of_another_account_is_told_with_what_its_owner_grants() {
    let mut stack: Value = serde_json::from_str(&std::fs::read_to_string(MY_APP).unwrap()).unwrap();
    let digest = format!("sha256:{}", "a".repeat(64));
    let image = "333333333333.dkr.ecr.eu-central-1.amazonaws.com/vendor/worker";
    stack["resources"][4]["code"] = json!({ "images": { image: digest } });
    let path = file("others_image.json", &stack);
    let stack = path.to_str().unwrap();
    let invited = alien(&with(&["invite", "--stack", stack, "--cloud", "aws"], CLOUDS[0].trust));
    assert!(
        told(&invited).contains("is pulled by another account only if its registry grants that"),
        "{}",
        told(&invited)
    );
    let shown = alien(&with(&["permissions", "--stack", stack], &AWS));
    assert!(told(&shown).contains("whose owner must let"), "{}", told(&shown));
    let shown = String::from_utf8(shown.stdout).unwrap();
    // Whoever invites again knows the account.
    let invitation: Value = serde_json::from_str(&done(&invited)).unwrap();
    let recorded = file("others_image_record.json", &record(&CLOUDS[0], &invitation));
    let again = told(&alien(&["invite", "--stack", stack, "--record", recorded.to_str().unwrap()]));
    assert!(!again.contains("only if its registry grants that"), "{again}");
    for (part, shown) in [
        "What the owner of `arn:aws:ecr:eu-central-1:333333333333:repository/vendor/worker` grants",
        "aws ecr set-repository-policy --registry-id 333333333333 --region eu-central-1 --repository-name vendor/worker",
        "arn:aws:iam::222222222222:role/acme-platform-4",
    ]
    .into_iter()
    .flat_map(|part| [(part.to_owned(), &shown), (part.replace("acme-platform-4", "my-app-platform-6"), &again)])
    {
        assert!(shown.contains(&part), "{part}: {shown}");
    }
}
