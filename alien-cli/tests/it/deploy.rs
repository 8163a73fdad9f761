//! `alien-deploy`, up to the first call of a cloud.

use serde_json::{Value, json};

use crate::invite::{CLOUDS, Invited, record};
use crate::{alien_deploy, file, nowhere, refused, refused_as, told, with};
use alien_core::Exit;

fn aws() -> &'static Invited {
    let [aws, ..] = &CLOUDS;
    aws
}

fn azure() -> &'static Invited {
    let [.., azure] = &CLOUDS;
    azure
}

#[test]
fn nothing_is_done_without_consent_where_nobody_can_be_asked() {
    let path = nowhere("without-consent.json");
    let path = path.to_str().unwrap();
    let commands: [&[&str]; 4] =
        [&["up", "--record", path], &["down"], &["down", "--delete-data", "--json"], &["revoke"]];
    for command in commands {
        // It is said before anything is read, and so before anything is called.
        let told = refused_as(Exit::Refused, &aws().deploy(command, "without-consent", &json!({})));
        assert!(told.contains("pass `--yes`"), "{command:?}: {told}");
    }
    assert!(!std::fs::exists(path).unwrap());
}

#[test]
fn without_credentials_of_azure_it_is_said_where_they_may_come_from() {
    let azure = azure();
    let invitation = azure.invitation();
    let record = nowhere("no-credentials-record.json");
    let up = ["up", "--yes", "--record", record.to_str().unwrap()];
    let commands: [&[&str]; 5] = [&["plan"], &["status"], &["down", "--yes"], &["revoke", "--yes"], &up];
    for command in commands {
        let told = refused_as(Exit::Credentials, &azure.deploy(command, "no-credentials", &invitation));
        for words in ["there are no Azure credentials here", "`az login`", "workload identity"] {
            assert!(told.contains(words), "{command:?}: {told}");
        }
        assert_eq!(told.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{told}");
    }
    assert!(!record.exists());
}

#[test]
fn an_emulator_of_azure_is_called_over_tls_that_is_trusted() {
    let (invitation, https) = (azure().invitation(), "https://127.0.0.1:1");
    let certificate = file("no-certificate.pem", &json!("no certificate"));
    let certificate = certificate.to_str().unwrap();
    let plan = |flags: &[&str]| azure().deploy(&with(&["plan"], flags), "endpoint", &invitation);
    let told = refused(&plan(&["--endpoint-url", https]));
    assert!(told.contains("`--endpoint-certificate`: missing; name the file"), "{told}");
    let told = refused(&plan(&["--endpoint-url", https, "--endpoint-certificate", "absent.pem"]));
    assert!(told.contains("`--endpoint-certificate`: `absent.pem` cannot be read"), "{told}");
    let told = refused(&plan(&["--endpoint-url", https, "--endpoint-certificate", certificate]));
    assert!(told.contains("certificate"), "{told}");
    let told = refused(&plan(&["--endpoint-url", "http://127.0.0.1:1", "--endpoint-certificate", certificate]));
    assert!(told.contains("`http://127.0.0.1:1` is not an `https://` URL"), "{told}");
    let told = refused(&plan(&["--endpoint-certificate", certificate]));
    assert!(
        told.contains("`--endpoint-certificate`: it is only for an emulator; give the emulator's URL too"),
        "{told}"
    );
    for invited in CLOUDS.iter().filter(|invited| invited.cloud != "azure") {
        let flags = ["plan", "--endpoint-url", "http://127.0.0.1:1", "--endpoint-certificate", certificate];
        let told = refused(&invited.deploy(&flags, "endpoint", &invited.invitation()));
        assert!(told.contains("`--endpoint-certificate`: has no meaning for this cloud"), "{told}");
    }
}

#[test]
fn a_zip_that_is_missing_is_named_before_anything_is_called() {
    let zip = file("code.zip", &json!("not really a zip"));
    let code = alien_core::Code::zip(&std::fs::read(&zip).unwrap());
    let mut invitation = aws().invitation();
    let digest = code.only().unwrap().digest().to_owned();
    invitation["stack"]["resources"][0]["code"] = json!(code);
    let other = file("other.zip", &json!("of another digest"));
    for command in [vec!["plan"], vec!["plan", "--zip", other.to_str().unwrap()]] {
        let told = refused(&aws().deploy(&command, "zipped", &invitation));
        assert!(told.contains("`api`: no file has the digest of its zip") && told.contains(&digest), "{told}");
    }
    let told = refused(&aws().deploy(&["plan", "--zip", "a.zip", "--zip", "b.zip"], "zipped", &invitation));
    assert!(told.contains("`a.zip`: cannot be read") && told.contains("`b.zip`: cannot be read"), "{told}");
    // With the zip it goes on to the cloud.
    let mut invitation = azure().invitation();
    invitation["stack"]["resources"][0]["code"] = json!({ "zip": digest });
    let told = refused(&azure().deploy(&["plan", "--zip", zip.to_str().unwrap()], "zipped", &invitation));
    assert!(told.contains("azure runs a function from an image, and its code is a zip alone"), "{told}");
}

/// What the customer has is the customer's to give, and stands in nothing that the vendor wrote.
#[test]
fn a_network_of_the_customers_is_given_when_setting_up() {
    let invitation = aws().invitation();
    let vpc = "vpc-0a1b2c3d4e5f60718";
    let reviewed = |flags: &[&str]| {
        let output = aws().deploy(&with(&["review", "--documents"], flags), "existing", &invitation);
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(!reviewed(&[]).contains(vpc));
    assert!(reviewed(&["--existing", &format!("net={vpc}")]).contains(&format!("vpc/{vpc}")));
    let subnets = format!("net={vpc},subnet-0a1b2c3d4e5f60718,subnet-1a1b2c3d4e5f60718");
    assert!(reviewed(&["--existing", &subnets]).contains(&format!("vpc/{vpc}")));
    for (wrong, words) in [
        ("data=bucket", "`data`: `bucket` cannot stand in its place"),
        ("gone=vpc-1", "`gone`: `vpc-1` is given for it, and the stack has no such resource"),
        ("net=mine", "`mine` is not the id of a VPC"),
    ] {
        let told = refused(&aws().deploy(&["review", "--existing", wrong], "existing", &invitation));
        assert!(told.contains(words), "{wrong}: {told}");
    }
    for unread in ["net", "net=", "=vpc-1", "net=vpc-1,"] {
        let output = aws().deploy(&["review", "--existing", unread], "existing", &invitation);
        assert_eq!(output.status.code(), Some(2), "{unread}: {}", told(&output));
        assert!(told(&output).contains("`net=vpc-0a1b2c3d`"), "{unread}: {}", told(&output));
    }
}

#[test]
fn a_record_is_of_the_same_deployment_and_the_same_place() {
    let invitation = aws().invitation();
    let good = record(aws(), &invitation);
    let with = |pointer: &str, value: Value| {
        let mut changed = good.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        changed
    };
    let mut unknown = good.clone();
    unknown["surprise"] = json!(1);
    for (wrong, words) in [
        (with("/id", json!("00000000-0000-7000-8000-000000000000")), "the record is of deployment `00000000"),
        (with("/cloud", json!("gcp")), "the record is of cloud `gcp`, but the invitation is of `aws`"),
        (with("/target/account", json!("333333333333")), "`--account`: the record says `333333333333`"),
        (with("/version", json!(7)), "of version 7"),
        (unknown, "unknown field `surprise`"),
        (invitation.clone(), "not the record of a deployment"),
    ] {
        let path = file("wrong-record.json", &wrong);
        let path = path.to_str().unwrap();
        let commands: [&[&str]; 5] =
            [&["plan"], &["status"], &["up", "--yes"], &["down", "--yes"], &["revoke", "--yes"]];
        for command in commands {
            let command: Vec<&str> = command.iter().copied().chain(["--record", path]).collect();
            let told = refused(&aws().deploy(&command, "recorded-wrong", &invitation));
            assert!(told.contains(words), "{command:?}, {words}: {told}");
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), wrong.to_string(), "a record is not lost");
    }
}

#[test]
fn a_record_says_where_the_deployment_is() {
    let invitation = azure().invitation();
    let record = file("where.json", &record(azure(), &invitation));
    let invitation = file("where-invitation.json", &invitation);
    let flags = ["status", "--invitation", invitation.to_str().unwrap()];
    assert!(refused(&alien_deploy(&flags)).contains("`--subscription`: missing"));
    let flags = [&flags[..], &["--record", record.to_str().unwrap()]].concat();
    let told = refused_as(Exit::Credentials, &alien_deploy(&flags));
    assert!(told.contains("no Azure credentials") && !told.contains("missing"), "{told}");
}

#[test]
fn a_record_that_could_not_be_written_is_told_before_anything_is_done() {
    let invitation = aws().invitation();
    for (path, exit) in
        [("no/such/folder/record.json", Exit::Cloud), (env!("CARGO_TARGET_TMPDIR"), Exit::Input), ("..", Exit::Input)]
    {
        let told = refused_as(exit, &aws().deploy(&["up", "--yes", "--record", path], "unwritten", &invitation));
        assert!(told.contains(path) && told.contains("name a file that can be written"), "{told}");
    }
    let missing = aws().deploy(&["up", "--yes"], "unwritten", &invitation);
    assert_eq!(missing.status.code(), Some(2));
}

#[test]
fn nothing_is_left_beside_a_record_that_was_not_written() {
    let folder = nowhere("beside");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir(&folder).unwrap();
    let record = folder.join("record.json");
    let flags = ["up", "--yes", "--record", record.to_str().unwrap(), "--permissions-boundary", "everything"];
    let told = refused(&aws().deploy(&flags, "beside", &aws().invitation()));
    assert!(told.contains("`--permissions-boundary`: `everything` is not"), "{told}");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn a_command_line_that_makes_no_sense_exits_with_2() {
    let commands: [&[&str]; 5] = [&[], &["plan"], &["up", "--invitation", "x"], &["nothing"], &["review", "--yes"]];
    for wrong in commands {
        assert_eq!(alien_deploy(wrong).status.code(), Some(2), "{wrong:?}");
    }
    let both = aws().deploy(&["down", "--yes", "--keep-data", "--delete-data"], "both", &json!({}));
    assert_eq!(both.status.code(), Some(2));
    assert!(told(&both).contains("cannot be used with"), "{}", told(&both));
}
