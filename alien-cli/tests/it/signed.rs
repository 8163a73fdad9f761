//! Invitations that are signed, and what `alien-deploy` does with those that are not as the vendor signed them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use alien_conformance::altered::altered;
use alien_core::Code;
use serde_json::{Value, json};

use crate::invite::{CLOUDS, Invited, record};
use crate::{MY_APP, alien, alien_deploy, done, file, looked_at, nowhere, refused, told, with};

/// A vendor with a key.
pub(crate) struct Vendor {
    pub(crate) private: String,
    public: String,
    fingerprint: String,
}

impl Vendor {
    pub(crate) fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&folder);
        let made = done(&alien(&["keys", "vendor", "--out", folder.to_str().unwrap()]));
        let path = |name: &str| folder.join(name).display().to_string();
        let fingerprint = made.split("its fingerprint is ").nth(1).unwrap().lines().next().unwrap().to_owned();
        Self { private: path("vendor.pem"), public: path("public/vendor.pem"), fingerprint }
    }

    fn invitation(&self, invited: &Invited, more: &[&str]) -> Value {
        let begin = ["invite", "--stack", MY_APP, "--cloud", invited.cloud, "--sign", &self.private];
        let output = alien(&[&begin[..], invited.trust, more].concat());
        assert!(told(&output).ends_with(&format!("signed by the key {}\n", self.fingerprint)), "{}", told(&output));
        serde_json::from_str(&done(&output)).unwrap()
    }
}

fn azure() -> &'static Invited {
    let [.., azure] = &CLOUDS;
    azure
}

fn without_signature(invitation: &Value) -> Value {
    let mut unsigned = invitation.clone();
    unsigned.as_object_mut().unwrap().remove("signature").unwrap();
    unsigned
}

/// The commands that read an invitation before they change something, or show what they would change.
fn commands(record: &str) -> [Vec<&str>; 3] {
    [vec!["review"], vec!["plan"], vec!["up", "--yes", "--record", record]]
}

/// It got as far as to the cloud: reviewed, or without credentials here.
fn is_taken(output: &Output) -> bool {
    output.status.success() || told(output).contains("there are no Azure credentials here")
}

/// What is told, if it was refused before the cloud was called.
fn stopped(output: &Output) -> String {
    let told = refused(output);
    assert!(!told.contains("credentials") && told.contains("error: "), "{told}");
    told
}

#[test]
fn what_the_vendor_signed_is_taken_with_its_key_or_its_fingerprint() {
    let vendor = Vendor::new("signed-taken");
    for invited in &CLOUDS {
        let invitation = vendor.invitation(invited, &[]);
        assert_eq!(invitation["signature"]["key"], fs::read_to_string(&vendor.public).unwrap());
        for key in [&vendor.public, &vendor.fingerprint] {
            let output = invited.deploy(&["review", "--vendor-key", key], "signed-taken", &invitation);
            done(&output);
            assert!(!told(&output).contains("not checked"), "{}", told(&output));
        }
    }
    let (invitation, path) = (vendor.invitation(azure(), &[]), nowhere("signed-taken-record.json"));
    for command in commands(path.to_str().unwrap()) {
        let output = azure().deploy(&with(&command, &["--vendor-key", &vendor.public]), "signed-taken", &invitation);
        assert!(is_taken(&output) && !told(&output).contains("not checked"), "{command:?}: {}", told(&output));
    }
}

#[test]
fn an_invitation_that_is_altered_in_any_place_is_refused() {
    let (vendor, path) = (Vendor::new("signed-altered"), nowhere("signed-altered-record.json"));
    let invitation = vendor.invitation(azure(), &["--revision", "1"]);
    let all = altered(&invitation);
    for field in ["/id", "/cloud", "/trust/", "/stack/name", "/stack/resources/0/", "/revision", "/signature/key"] {
        assert!(all.iter().any(|(place, _)| place.starts_with(field)), "{field} was not altered");
    }
    let commands = commands(path.to_str().unwrap());
    let (mut by_signature, mut before) = (0, None);
    for (number, (place, altered)) in all.iter().enumerate() {
        let is_read = alien_core::Invitation::from_json(&altered.to_string()).is_ok();
        // Each place is tried with each command, and what else may become of it with one of them.
        let is_first = is_read && before != Some(place);
        let commands = if is_first { &commands[..] } else { &commands[number % 3..=number % 3] };
        for command in commands {
            let command = with(command, &["--vendor-key", &vendor.fingerprint]);
            let told = stopped(&azure().deploy(&command, "signed-altered", altered));
            if is_read {
                (by_signature, before) = (by_signature + 1, Some(place));
                let signature = ["was altered after the key", "is not signed", "signature cannot be read"];
                assert!(signature.iter().any(|words| told.contains(words)), "{command:?} {place}: {told}");
                assert!(told.contains("do not use it"), "{told}");
            }
        }
    }
    assert!(by_signature > 100, "{by_signature}");
    assert!(!path.exists());
}

#[test]
fn an_invitation_of_nobody_or_of_somebody_else_is_refused_with_what_to_do() {
    let (vendor, other) = (Vendor::new("signed-vendor"), Vendor::new("signed-other"));
    let (signed, theirs) = (vendor.invitation(azure(), &[]), other.invitation(azure(), &[]));
    let path = nowhere("signed-other-record.json");
    for command in commands(path.to_str().unwrap()) {
        for key in [&vendor.public, &vendor.fingerprint] {
            let deploy = |invitation: &Value| {
                stopped(&azure().deploy(&with(&command, &["--vendor-key", key]), "signed-other", invitation))
            };
            let said = deploy(&without_signature(&signed));
            let words = format!("the invitation is not signed, and the vendor's key, {}", vendor.fingerprint);
            assert!(said.contains(&words) && said.contains("`alien invite --sign`"), "{said}");
            assert!(said.contains("signed-other-azure.json`: "), "{said}");
            let said = deploy(&theirs);
            let words = format!("is signed by the key {}, and not by the vendor's", other.fingerprint);
            assert!(said.contains(&words) && said.contains("ask the vendor which key is its own"), "{said}");
        }
    }
    // Whoever altered it is found out without a key, too.
    let mut altered = signed;
    altered["trust"]["issuer"] = "https://evil.example.com".into();
    let said = stopped(&azure().deploy(&["review"], "signed-other", &altered));
    assert!(said.contains("was altered after the key"), "{said}");
}

#[test]
fn without_a_key_the_digest_and_the_signer_are_shown_to_be_compared() {
    let vendor = Vendor::new("signed-unchecked");
    let signed = vendor.invitation(azure(), &[]);
    let path = nowhere("signed-unchecked-record.json");
    for command in commands(path.to_str().unwrap()) {
        for (invitation, whose) in
            [(without_signature(&signed), "it is not signed"), (signed.clone(), vendor.fingerprint.as_str())]
        {
            let output = azure().deploy(&command, "signed-unchecked", &invitation);
            assert!(is_taken(&output), "{command:?}: {}", told(&output));
            let digest = Code::zip(invitation.to_string().as_bytes()).only().unwrap().digest().to_owned();
            let said = told(&output);
            for words in ["warning: ", "it was not checked whether the vendor wrote it", whose, &digest, "compare"] {
                assert!(said.contains(words), "{command:?}, {words}: {said}");
            }
        }
    }
}

/// What the first version wrote is never signed.
#[test]
fn the_form_of_the_first_version_is_read_and_said_to_be_unsigned() {
    let [aws, ..] = &CLOUDS;
    let text = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/upgrade/v1/aws/product/invitation.json");
    let invitation: Value = serde_json::from_str(&fs::read_to_string(text).unwrap()).unwrap();
    assert_eq!(invitation["version"], 1);
    let output = aws.deploy(&["review"], "signed-first", &invitation);
    done(&output);
    assert!(told(&output).contains("it is not signed, and its SHA-256 is sha256:"), "{}", told(&output));
    let vendor = Vendor::new("signed-first");
    let said = stopped(&aws.deploy(&["review", "--vendor-key", &vendor.public], "signed-first", &invitation));
    assert!(said.contains("the invitation is not signed"), "{said}");
}

#[test]
fn an_invitation_of_a_lower_revision_than_that_of_the_last_set_up_is_refused() {
    let vendor = Vendor::new("signed-lower");
    let first = vendor.invitation(azure(), &[]);
    assert!(first.get("revision").is_none());
    let mut set_up = record(azure(), &first);
    set_up["invitation"] = json!({ "revision": 1 });
    let recorded = file("signed-lower-record.json", &set_up);
    let recorded = recorded.to_str().unwrap();
    let again = |more: &[&str]| {
        let begin = ["invite", "--stack", MY_APP, "--record", recorded, "--sign", &vendor.private];
        serde_json::from_str::<Value>(&done(&alien(&with(&begin, more)))).unwrap()
    };
    let (second, ninth) = (again(&[]), again(&["--revision", "9"]));
    assert_eq!((&second["revision"], &ninth["revision"]), (&json!(2), &json!(9)));
    let same = again(&["--revision", "1"]);
    let key: &[&str] = &["--vendor-key", &vendor.public];
    for command in [&["plan"][..], &["up", "--yes"], &["status"]] {
        let command = with(command, &["--record", recorded]);
        for flags in [&[][..], key] {
            let said = stopped(&azure().deploy(&with(&command, flags), "signed-lower", &first));
            let words = "the invitation has revision 0, and the last set-up was by revision 1; take the invitation of revision 1";
            assert!(said.contains(words), "{command:?}: {said}");
        }
        for good in [&same, &second, &ninth] {
            let output = azure().deploy(&with(&command, key), "signed-lower", good);
            assert!(is_taken(&output), "{command:?}: {}", told(&output));
        }
    }
    // Access is taken back, and everything taken down, by whichever invitation the admin has.
    for command in [&["revoke", "--yes"][..], &["down", "--yes"]] {
        let output = azure().deploy(&with(command, &["--record", recorded]), "signed-lower", &first);
        assert!(is_taken(&output), "{command:?}: {}", told(&output));
    }
    assert_eq!(fs::read_to_string(recorded).unwrap(), set_up.to_string(), "a record is not lost");
}

#[test]
fn the_record_remembers_the_vendors_key() {
    let (vendor, other) = (Vendor::new("signed-kept"), Vendor::new("signed-kept-other"));
    let invitation = vendor.invitation(azure(), &[]);
    let mut set_up = record(azure(), &invitation);
    set_up["invitation"] = json!({ "vendorKey": vendor.fingerprint });
    let recorded = file("signed-kept-record.json", &set_up);
    let recorded = recorded.to_str().unwrap();
    // Somebody else signs the same.
    let unsigned = without_signature(&invitation);
    let begin = ["invite", "--stack", MY_APP, "--record", recorded, "--sign", &other.private];
    let theirs: Value = serde_json::from_str(&done(&alien(&begin))).unwrap();
    for command in [&["plan"][..], &["up", "--yes"], &["status"]] {
        let command = with(command, &["--record", recorded]);
        let deploy =
            |flags: &[&str], invitation: &Value| azure().deploy(&with(&command, flags), "signed-kept", invitation);
        let output = deploy(&[], &invitation);
        assert!(is_taken(&output) && !told(&output).contains("not checked"), "{}", told(&output));
        assert!(stopped(&deploy(&[], &unsigned)).contains("the invitation is not signed"));
        assert!(stopped(&deploy(&[], &theirs)).contains("and not by the vendor's"));
        // A key that the admin names takes the place of the one that is remembered, and that is told.
        let output = deploy(&["--vendor-key", &other.fingerprint], &theirs);
        let words =
            format!("the vendor's key was {} at the last set-up, and is {} now", vendor.fingerprint, other.fingerprint);
        assert!(is_taken(&output) && told(&output).contains(&words), "{}", told(&output));
        assert!(!told(&deploy(&["--vendor-key", &vendor.public], &invitation)).contains("at the last set-up"));
    }
    set_up["invitation"]["vendorKey"] = json!("sha256:0");
    let wrong = file("signed-kept-wrong.json", &set_up);
    let said = stopped(&azure().deploy(&["plan", "--record", wrong.to_str().unwrap()], "signed-kept", &invitation));
    assert!(said.contains("`sha256:0` is not the fingerprint of a key"), "{said}");
}

#[test]
fn the_vendors_key_is_a_file_or_a_fingerprint_and_may_stand_in_the_environment() {
    let (vendor, other) = (Vendor::new("signed-named"), Vendor::new("signed-named-other"));
    let invitation = vendor.invitation(azure(), &[]);
    let review = |key: &str| stopped(&azure().deploy(&["review", "--vendor-key", key], "signed-named", &invitation));
    let short = &vendor.fingerprint[..70];
    for (key, words) in [
        ("absent.pem", "`absent.pem`: cannot be read"),
        (short, "`--vendor-key`: "),
        (vendor.private.as_str(), "it is a private key; give its public half"),
        (MY_APP, "it is not in PEM"),
    ] {
        let said = review(key);
        assert!(said.contains(words), "{key}: {said}");
    }
    let path = file("signed-named.json", &invitation);
    let with_variable = |value: &str, flags: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_alien-deploy"));
        program.args(["review", "--invitation", path.to_str().unwrap()]).args(azure().location).args(flags);
        looked_at(program.stdin(Stdio::null()).env_clear().env("ALIEN_VENDOR_KEY", value))
    };
    for key in [&vendor.public, &vendor.fingerprint] {
        let output = with_variable(key, &[]);
        done(&output);
        assert!(!told(&output).contains("not checked"), "{}", told(&output));
    }
    assert!(stopped(&with_variable(&other.public, &[])).contains("and not by the vendor's"));
    assert!(stopped(&with_variable(short, &[])).contains("`ALIEN_VENDOR_KEY`: "));
    done(&with_variable(&other.public, &["--vendor-key", &vendor.public]));
    // An empty variable is none.
    assert!(told(&with_variable("", &[])).contains("not checked"));
}

#[test]
fn an_invitation_is_written_signed_and_the_customer_is_told_what_to_compare() {
    let vendor = Vendor::new("signed-written");
    let invite = |name: &str, more: &[&str]| -> (PathBuf, String) {
        let path = nowhere(name);
        let begin = ["invite", "--stack", MY_APP, "--cloud", "gcp", "--out", path.to_str().unwrap()];
        let output = alien(&[&begin[..], CLOUDS[1].trust, more].concat());
        assert_eq!(done(&output), "");
        (path, told(&output))
    };
    let (path, said) = invite("signed-written.json", &["--sign", &vendor.private]);
    // Beside what is told of images that only their owner lets others pull.
    let said = said.lines().filter(|line| !line.starts_with("warning: ")).collect::<Vec<_>>();
    assert_eq!(said, [format!("signed by the key {}", vendor.fingerprint)]);
    let flags = ["review", "--invitation", path.to_str().unwrap(), "--vendor-key", &vendor.fingerprint];
    done(&alien_deploy(&with(&flags, CLOUDS[1].location)));
    let (path, said) = invite("unsigned-written.json", &[]);
    let digest = Code::zip(&fs::read(path).unwrap()).only().unwrap().digest().to_owned();
    assert!(said.contains("not signed") && said.contains(&digest), "{said}");
    // What is wrong with the key and with the stack is told together, and nothing is written.
    let path = nowhere("signed-unwritten.json");
    let flags = ["invite", "--stack", "absent.json", "--cloud", "gcp", "--sign", "absent.pem"];
    let said = refused(&alien(&with(&flags, &["--out", path.to_str().unwrap()])));
    assert!(said.contains("absent.json") && said.contains("absent.pem") && said.contains("`--vendor`"), "{said}");
    assert!(!path.exists());
}
