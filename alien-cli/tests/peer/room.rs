//! A folder for files, a cloud, and programs that are run against it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use alien_conformance::printed::{Results, reviewed};
use alien_conformance::world::Shipped;
use alien_core::Exit;

/// Variables of a program's environment.
pub(crate) type Variables = Vec<(&'static str, String)>;

/// A cloud that the programs call.
pub(crate) struct Cloud {
    /// As `--cloud` names it.
    pub(crate) name: &'static str,
    /// Whom the customer trusts.
    pub(crate) vendor: String,
    /// The flags that say so.
    pub(crate) trust: Vec<String>,
    /// Another vendor, whom the customer does not trust: a part of the name, and what takes its place.
    pub(crate) other_vendor: (&'static str, &'static str),
    /// Where the deployment goes.
    pub(crate) location: Vec<String>,
    /// What every call takes.
    pub(crate) endpoint: Vec<String>,
    /// The customer's admin's credentials.
    pub(crate) admin: Variables,
    /// The vendor's.
    pub(crate) vendors: Variables,
    /// Those of someone else, and what is told.
    pub(crate) others: (Variables, &'static str),
    /// What is told where there are none.
    pub(crate) nobody: &'static str,
    /// The customer's agent.
    pub(crate) agent: Agent,
    /// What a function runs that says something.
    pub(crate) code: fn(&str) -> Shipped,
    /// Makes the cloud do what it is relied on not to do, and gives the fact that is false then; `None` where the peer cannot.
    pub(crate) plant: Option<Box<dyn Fn() -> &'static str>>,
    /// The names of all that is there, where the peer tells; the peer ends with this.
    pub(crate) there: Box<dyn Fn() -> Vec<String>>,
}

/// An agent of the customer's, on a machine that gives it credentials.
pub(crate) struct Agent {
    /// The principal, as `--agent` takes it.
    pub(crate) name: String,
    /// Where the machine gives credentials.
    pub(crate) credentials: Variables,
    /// Whom it talks to, beside the manager.
    pub(crate) talks_to: Vec<SocketAddr>,
    /// What the customer does after the set-up with the management identity.
    pub(crate) assign: Box<dyn Fn(&str)>,
}

/// Commands that are not given the endpoint of the cloud.
const WITHOUT_ENDPOINT: [&str; 7] = ["deployments", "fleet", "invite", "keys", "replay", "review", "rollout"];

/// The schemas of what the programs print.
pub(crate) static RESULTS: LazyLock<Results> =
    LazyLock::new(|| Results::new(include_str!("../../../docs/results.schema.json")));

/// A folder for files, and a cloud.
pub(crate) struct Room {
    folder: PathBuf,
    pub(crate) cloud: Cloud,
}

impl Room {
    pub(crate) fn new(name: &str, cloud: Cloud) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self { folder, cloud }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// The flags that hand over the bytes of what is shipped.
    pub(crate) fn zips(&self, shipped: &[(&str, &Shipped)]) -> Vec<String> {
        let mut flags = Vec::new();
        for (name, shipped) in shipped {
            if let Shipped::Zip(bytes) = shipped {
                flags.extend(["--zip".to_owned(), self.write(&format!("{name}.zip"), bytes)]);
            }
        }
        flags
    }

    /// A program with these credentials and no others.
    pub(crate) fn command(&self, program: &str, arguments: &[&str], credentials: &Variables) -> Command {
        let program = match program {
            "alien" => env!("CARGO_BIN_EXE_alien"),
            "alien-prove" => env!("CARGO_BIN_EXE_alien-prove"),
            _ => env!("CARGO_BIN_EXE_alien-deploy"),
        };
        let mut command = Command::new(program);
        // The commands of a fleet that call a cloud are given what they take where they are run.
        let calls = arguments.first().is_some_and(|command| !WITHOUT_ENDPOINT.contains(command));
        if calls {
            command.args(arguments).args(&self.cloud.endpoint);
        } else {
            command.args(arguments);
        }
        command
            .env("HOME", &self.folder)
            .env("AWS_CONFIG_FILE", self.path("no-config"))
            .env("AWS_SHARED_CREDENTIALS_FILE", self.path("no-credentials"))
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("CLOUDSDK_CONFIG", self.path("no-gcloud"))
            .env_remove("AZURE_FEDERATED_TOKEN_FILE")
            .env_remove("IDENTITY_ENDPOINT")
            .env_remove("ALIEN_OIDC_TOKEN")
            .env("ALIEN_OPERATOR", "jo@example.com")
            .envs(credentials.iter().map(|(name, value)| (*name, value.as_str())))
            .stdin(Stdio::null());
        command
    }

    /// Runs a program, as the customer's admin or the vendor, by its name. Gives what it printed.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let credentials = if program == "alien" { &self.cloud.vendors } else { &self.cloud.admin };
        self.command(program, arguments, credentials).output().unwrap()
    }

    pub(crate) fn succeeds(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.run(program, arguments);
        RESULTS.look(program, arguments, &output);
        let said = said(&output);
        assert!(output.status.success(), "{program} {arguments:?}: {said}");
        said
    }

    pub(crate) fn fails(&self, exit: Exit, program: &str, arguments: &[&str]) -> String {
        let output = self.run(program, arguments);
        RESULTS.look(program, arguments, &output);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(exit.code().into()), "{program} {arguments:?}: {said}");
        read(&output);
        said
    }

    /// Hands a stack to the customer, signed. Gives the invitation's file.
    pub(crate) fn invite(&self, stack: &str) -> String {
        let invitation = self.path("invitation.json");
        self.succeeds("alien", &["keys", "vendor", "--out", &self.path("keys")]);
        let (sign, cloud) = (self.path("keys/vendor.pem"), self.cloud.name);
        let invite = ["invite", "--stack", stack, "--cloud", cloud, "--sign", &sign, "--out", &invitation];
        self.succeeds("alien", &[&invite[..], &words(&self.cloud.trust)].concat());
        invitation
    }

    /// Hands a stack to the customer of a deployment that is there. Gives the invitation's file.
    pub(crate) fn invite_again(&self, stack: &str, record: &str) -> String {
        let (invitation, sign) = (self.path("again.json"), self.path("keys/vendor.pem"));
        self.succeeds(
            "alien",
            &["invite", "--stack", stack, "--record", record, "--sign", &sign, "--out", &invitation],
        );
        invitation
    }

    /// A command of the admin's on a deployment that is invited.
    pub(crate) fn deploy(&self, command: &str, invitation: &str, more: &[&str]) -> Vec<String> {
        let begin = [command, "--invitation", invitation].map(str::to_owned);
        let more = more.iter().map(|word| (*word).to_owned());
        begin.into_iter().chain(self.cloud.location.iter().cloned()).chain(more).collect()
    }
}

/// Looks whether somebody has read what a program that failed told.
pub(crate) fn read(output: &Output) {
    let told = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = told.lines().filter(|line| line.starts_with("error: ")).collect();
    reviewed(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peer/messages.txt"), &lines.join("\n"));
}

pub(crate) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

pub(crate) fn words(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}
