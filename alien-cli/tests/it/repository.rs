//! `alien keys init` and what follows, `alien repository`, `alien release --sign`, and a fleet that asks for signatures.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::json;

use alien_core::Exit;

use crate::fleet::{Fleet, next, words};
use crate::{alien, done, ended, my_app, refused, refused_as, told, with};

/// A vendor's keys and repository, in a folder of a test's own.
struct Vendor(PathBuf);

impl Vendor {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let vendor = Self(folder);
        done(&vendor.init(&[]));
        done(&alien(&["repository", "init", &vendor.path("repository"), "--root", &vendor.path("public/1.root.json")]));
        vendor
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn init(&self, more: &[&str]) -> Output {
        alien(&with(&["keys", "init", "--out", &self.path("")], more))
    }

    /// The flags of the keys that sign releases.
    fn keys(&self) -> Vec<String> {
        vec!["--release-key".into(), self.path("release.pem"), "--online-key".into(), self.path("online.pem")]
    }

    /// The digest of the first root file, as it is told.
    fn digest(&self) -> String {
        let made = fs::read(self.path("public/1.root.json")).unwrap();
        alien_core::Code::zip(&made).only().unwrap().digest().to_owned()
    }

    fn verify(&self, root: &str, more: &[&str]) -> Output {
        alien(&with(&["repository", "verify", &self.path("repository"), "--root", root], more))
    }

    /// A file by which a fleet trusts this vendor alone.
    fn trust(&self) -> String {
        let trust = json!({ "my-app": { "root": self.digest(), "repository": self.path("repository") } });
        fs::write(self.path("trust.json"), trust.to_string()).unwrap();
        self.path("trust.json")
    }
}

#[test]
fn keys_are_made_once_for_their_owner_alone_and_never_shown() {
    let vendor = Vendor::new("repository-keys");
    let names = ["online.pem", "release.pem", "root-1.pem", "root-2.pem", "root-3.pem"];
    for name in names {
        assert_eq!(fs::metadata(vendor.path(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    let before: Vec<String> = names.iter().map(|name| fs::read_to_string(vendor.path(name)).unwrap()).collect();
    let said = refused(&vendor.init(&[]));
    assert!(said.contains("already exists, and is never overwritten"), "{said}");
    let after: Vec<String> = names.iter().map(|name| fs::read_to_string(vendor.path(name)).unwrap()).collect();
    assert_eq!(before, after);
    let elsewhere = vendor.path("elsewhere");
    let output = alien(&["keys", "init", "--out", &elsewhere]);
    let said = format!("{}{}", done(&output), told(&output));
    assert!(said.contains("2 of 3 sign a change of keys") && said.contains("its digest is sha256:"), "{said}");
    assert!(!said.contains("PRIVATE"), "{said}");
    let said = refused(&alien(&["keys", "init", "--out", &vendor.path("one"), "--root-keys", "1", "--threshold", "1"]));
    assert!(said.contains("1 root keys must sign, and at least 2 are needed"), "{said}");
    assert!(!Path::new(&vendor.path("one")).exists());
}

#[test]
fn a_passphrase_encrypts_all_keys_but_the_online_one() {
    let vendor = Vendor::new("repository-passphrase");
    let passphrase = |name: &str, text: &str| {
        fs::write(vendor.path(name), text).unwrap();
        vendor.path(name)
    };
    let (right, wrong) =
        (passphrase("right", "correct horse battery\n"), passphrase("wrong", "another horse battery\n"));
    let short = passphrase("short", "horse\n");
    let out = vendor.path("encrypted");
    let init = |file: &str| alien(&["keys", "init", "--out", &out, "--passphrase-file", file]);
    let said = refused(&init(&short));
    assert!(said.contains("has 5 characters, and needs at least 12"), "{said}");
    done(&init(&right));
    for (name, is_encrypted) in [("root-1.pem", true), ("release.pem", true), ("online.pem", false)] {
        let text = fs::read_to_string(format!("{out}/{name}")).unwrap();
        assert_eq!(text.contains("ENCRYPTED"), is_encrypted, "{name}");
    }
    let renew = |file: &str| {
        let (root, key) = (format!("{out}/public/1.root.json"), format!("{out}/root-1.pem"));
        alien(&[
            "keys",
            "renew",
            "--root",
            &root,
            "--root-key",
            &key,
            "--passphrase-file",
            file,
            "--out",
            &format!("{out}/2"),
        ])
    };
    let said = refused(&renew(&wrong));
    assert!(said.contains("the passphrase is wrong"), "{said}");
    assert!(done(&renew(&right)).contains("is not complete"));
}

#[test]
fn a_release_is_signed_and_a_fleet_that_asks_for_signatures_takes_no_other() {
    let vendor = Vendor::new("repository-release");
    let fleet = Fleet::new("repository-fleet");
    fleet.hold_all();
    let (trust, keys, repository) = (vendor.trust(), vendor.keys(), vendor.path("repository"));
    let release = |name: &str, stack: &serde_json::Value, more: &[&str]| {
        let release = fleet.release(name, stack);
        fleet.run(&[&words(&release)[..], &["--trust", &trust, "--no-follow"], more].concat())
    };
    let sign = [&["--sign", &repository], &words(&keys)[..]].concat();

    // Without a key, or with one that signs something else, nothing is written.
    let said = refused(&release("first", &my_app(), &["--sign", &repository]));
    assert!(said.contains("`--release-key`: missing") && said.contains("`--online-key`: missing"), "{said}");
    let (root, online) = (vendor.path("root-1.pem"), vendor.path("online.pem"));
    let said = refused(&release(
        "first",
        &my_app(),
        &["--sign", &repository, "--release-key", &root, "--online-key", &online],
    ));
    assert!(said.contains("is no release key of this repository"), "{said}");
    assert!(!fleet.does(&["fleet", "events"]).contains("published"));

    let output = release("first", &my_app(), &sign);
    assert!(output.status.success(), "{}", told(&output));
    let said = done(&vendor.verify(&vendor.digest(), &[]));
    assert!(
        said.contains("release 1: sha256:") && said.contains("release 1 is signed, with all of its 0 zips"),
        "{said}"
    );

    // What is in the store alone is not rolled out, until it is signed.
    let output = release("second", &next(), &["--allow-frozen-changes"]);
    assert!(ended(&output, Exit::Drift), "{output:?}");
    assert!(told(&output).contains("the repository has no release 3"), "{}", told(&output));
    let publish = ["repository", "publish", &repository, "--release", "3"];
    let said = fleet.does(&[&publish, &words(&keys)[..]].concat());
    assert!(said.contains("signed release 3 and its twin 4"), "{said}");
    let said = fleet.does(&[&publish, &words(&keys)[..]].concat());
    assert!(said.contains("release 3 was signed before, and its twin 4"), "{said}");
    let output = fleet.run(&["release", "--published", "3", "--trust", &trust, "--no-follow"]);
    assert!(output.status.success(), "{}", told(&output));

    // Another root is refused.
    let other = Vendor::new("repository-other");
    let said = refused_as(Exit::Refused, &vendor.verify(&other.digest(), &[]));
    assert!(said.contains("none of the 1 root files of the repository has the digest"), "{said}");
}

#[test]
fn a_release_key_is_rotated_by_two_holders_of_root_keys() {
    let vendor = Vendor::new("repository-rotate");
    let fleet = Fleet::new("repository-rotated");
    fleet.hold_all();
    let (keys, repository) = (vendor.keys(), vendor.path("repository"));
    let release = fleet.release("first", &my_app());
    let sign = [&["--sign", &repository, "--publish-only"], &words(&keys)[..]].concat();
    fleet.does(&[&words(&release)[..], &sign].concat());

    done(&alien(&["keys", "vendor", "--out", &vendor.path("new")]));
    let (first, second) = (vendor.path("public/1.root.json"), vendor.path("2.root.json"));
    let (root, new) = (vendor.path("root-1.pem"), vendor.path("new/public/vendor.pem"));
    let old = done(&alien(&["keys", "show", &vendor.path("release.pem")])).lines().next().unwrap().to_owned();
    let said = done(&alien(&["keys", "rotate", &old, &new, "--root", &first, "--root-key", &root, "--out", &second]));
    assert!(said.contains("is not complete") && said.contains("alien keys sign"), "{said}");
    let said = refused(&alien(&["keys", "sign", &second, "--root", &first, "--root-key", &vendor.path("online.pem")]));
    assert!(said.contains("is no root key"), "{said}");
    let (other, online) = (vendor.path("root-3.pem"), vendor.path("online.pem"));
    let said = done(&alien(&["keys", "sign", &second, "--root", &first, "--root-key", &other]));
    assert!(said.contains("root file 2 is in"), "{said}");

    let new = vendor.path("new/vendor.pem");
    let keys = ["--release-key", &new, "--online-key", &online];
    done(&alien(&[&["repository", "root", &repository, &second], &keys[..]].concat()));
    assert!(done(&vendor.verify(&vendor.digest(), &[])).contains("release 1 is signed"));
    let said = refused(&fleet.run(&[&["repository", "publish", &repository], &words(&vendor.keys())[..]].concat()));
    assert!(said.contains("release key"), "{said}");
    done(&alien(&["repository", "refresh", &repository, "--online-key", &online]));
    // A root key that was lost is taken out; the last release key is not.
    let lost = done(&alien(&["keys", "show", &vendor.path("root-2.pem")])).lines().next().unwrap().to_owned();
    let next = ["--root", &second, "--root-key", &root, "--root-key", &other, "--out", &vendor.path("3.root.json")];
    assert!(done(&alien(&[&["keys", "revoke", &lost], &next[..]].concat())).contains("root file 3 is in"));
    let said = refused(&alien(&["keys", "revoke", &new, "--root", &second, "--out", &vendor.path("4.root.json")]));
    assert!(said.contains("it is a private key"), "{said}");
}

#[test]
fn a_repository_is_served_and_verified_over_http() {
    let vendor = Vendor::new("repository-served");
    let fleet = Fleet::new("repository-served-fleet");
    let (keys, repository) = (vendor.keys(), vendor.path("repository"));
    let release = fleet.release("first", &my_app());
    fleet.does(&[&words(&release)[..], &["--publish-only", "--sign", &repository], &words(&keys)[..]].concat());
    let mut serving = Command::new(env!("CARGO_BIN_EXE_alien"))
        .args(["repository", "serve", &repository, "--listen", "127.0.0.1:0"])
        .env_clear()
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(serving.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim().rsplit(' ').next().unwrap().to_owned();
    let verified = alien(&["repository", "verify", &url, "--root", &vendor.digest()]);
    let stop = Command::new("kill").args(["-INT", &serving.id().to_string()]).status().unwrap();
    assert!(stop.success() && serving.wait().unwrap().success());
    assert!(done(&verified).contains("release 1 is signed"), "{line}");
}
