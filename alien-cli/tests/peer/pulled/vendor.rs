//! The vendor of a deployment that pulls: `alien` over a manager, which is in this process.

use std::path::Path;
use std::process::Command;

use alien_conformance::world::Shipped;
use alien_core::{Code, ImageDigests, Images, Platform};
use serde_json::Value;

use crate::manager::Manager;
use crate::room::{Room, said, words};

/// The vendor: keys, a repository, and a manager that serves both agents and operators.
pub(super) struct Vendor<'r> {
    room: &'r Room,
    pub(super) manager: Manager,
}

impl<'r> Vendor<'r> {
    pub(super) fn new(room: &'r Room) -> Self {
        let repository = room.path("repository");
        for keys in ["init", "vendor"] {
            room.succeeds("alien", &["keys", keys, "--out", &room.path("keys")]);
        }
        let root = room.path("keys/public/1.root.json");
        let mut init = room.command("alien", &[], &Vec::new());
        let output = init.args(["repository", "init", &repository, "--root", &root]).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        Self { room, manager: Manager::begin(Path::new(&room.path(""))) }
    }

    /// Invites a customer to a stack, by a signed file.
    pub(super) fn invite(&self, stack: &str) -> String {
        let (room, out) = (self.room, self.room.path("invitation.json"));
        let (root, sign) = (room.path("keys/public/1.root.json"), room.path("keys/vendor.pem"));
        let invite = ["invite", "--stack", stack, "--cloud", room.cloud.name, "--pull", "--manager", &self.manager.url];
        room.succeeds("alien", &[&invite[..], &["--root", &root, "--sign", &sign, "--out", &out]].concat());
        out
    }

    /// The flags that release a stack with this code, signed.
    pub(super) fn release(&self, stack: &str, code: &[&Shipped]) -> Vec<String> {
        let mut images = Images::new();
        for code in code {
            if let Shipped::Image(name) = code {
                let digest = Code::zip(name.as_bytes()).only().unwrap().digest().to_owned();
                images.insert(name, Platform::LinuxAmd64, ImageDigests { manifest: digest.clone(), config: digest });
            }
        }
        let images = self.room.write("images.json", &serde_json::to_vec(&images).unwrap());
        let sign = [
            ("--images", images),
            ("--sign", self.room.path("repository")),
            ("--release-key", self.room.path("keys/release.pem")),
            ("--online-key", self.room.path("keys/online.pem")),
        ];
        let flags = sign.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
        let begin = ["release".to_owned(), stack.to_owned()];
        let names: Vec<String> = (0..code.len()).map(|number| format!("code-{number}")).collect();
        let zips: Vec<_> = names.iter().map(String::as_str).zip(code.iter().copied()).collect();
        begin.into_iter().chain(flags).chain(self.room.zips(&zips)).collect()
    }

    /// Releases, and waits for the end. Gives the report.
    pub(super) fn releases(&self, stack: &str, code: &[&Shipped]) -> Value {
        let report = self.does(&[&words(&self.release(stack, code))[..], &["--bake", "1s", "--json"]].concat());
        serde_json::from_str(&report).unwrap()
    }

    /// The health of the only deployment, over all its resources, as its agent reported last.
    pub(super) fn health(&self) -> Value {
        let output = self.command(&["fleet", "heartbeat", "--json"]).output().unwrap();
        let beats: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(beats.as_array().map(Vec::len), Some(1), "{}", said(&output));
        beats[0].clone()
    }

    /// The last rollout, as `rollout status` tells.
    pub(super) fn rollout(&self) -> Value {
        serde_json::from_str(&self.does(&["rollout", "status", "--json"])).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.room.command("alien", &[], &Vec::new());
        command.args(arguments).args(self.manager.flags());
        command
    }

    /// Runs `alien` over the manager. Gives what it printed.
    pub(super) fn does(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same, however it ends.
    pub(super) fn tells(&self, arguments: &[&str]) -> String {
        said(&self.command(arguments).output().unwrap())
    }
}
