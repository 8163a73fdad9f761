//! The two programs on AWS's peer: a deployment from its invitation to its end, and real kills. Where the peer cannot be
//! had, the tests are reported as ignored; with `ALIEN_PEERS=required` they fail.

#![expect(clippy::unwrap_used, reason = "a suite of tests says what is wrong by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use alien_conformance::bootstrap;
use alien_conformance::life::product;
use alien_conformance::ministack::{self, Ministack};
use alien_conformance::world::Shipped;
use alien_core::{Code, Function, Kv, Profile, Queue, Stack};
use libtest_mimic::Arguments;

fn main() {
    let trial =
        |name: &'static str, test: fn(&Room)| ministack::trial(name, move |server| test(&Room::new(name, server)));
    let trials = vec![
        trial("a_deployment_from_its_invitation_to_its_end", a_deployment),
        trial("programs_killed_at_random_are_finished_by_the_next", kills),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// A folder for files, and the peer.
struct Room {
    folder: PathBuf,
    server: Ministack,
    vendor: (String, String),
}

const CUSTOMER: (&str, &str) = ("222222222222", "test");

impl Room {
    fn new(name: &str, server: Ministack) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let vendor = vendor(&server.url());
        Self { folder, server, vendor }
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn command(&self, program: &str, arguments: &[&str], credentials: (&str, &str)) -> Command {
        let program = match program {
            "alien" => env!("CARGO_BIN_EXE_alien"),
            _ => env!("CARGO_BIN_EXE_alien-deploy"),
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("AWS_ACCESS_KEY_ID", credentials.0)
            .env("AWS_SECRET_ACCESS_KEY", credentials.1)
            .env("AWS_ENDPOINT_URL", self.server.url())
            .env("AWS_CONFIG_FILE", self.path("no-config"))
            .env("AWS_SHARED_CREDENTIALS_FILE", self.path("no-credentials"))
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("ALIEN_OPERATOR", "jo@example.com")
            .stdin(Stdio::null());
        command
    }

    /// Runs a program, as the customer's admin or the vendor, by its name. Gives what it printed.
    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let vendor = (self.vendor.0.as_str(), self.vendor.1.as_str());
        let credentials = if program == "alien" { vendor } else { CUSTOMER };
        self.command(program, arguments, credentials).output().unwrap()
    }

    fn succeeds(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.run(program, arguments);
        let said = said(&output);
        assert!(output.status.success(), "{program} {arguments:?}: {said}");
        said
    }

    fn fails(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.run(program, arguments);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{program} {arguments:?}: {said}");
        said
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A user of the vendor's account, who may assume roles and nothing else.
fn vendor(url: &str) -> (String, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let root = aws_sdk_iam::config::Credentials::new("111111111111", "test", None, None, "test");
        let config = aws_sdk_iam::Config::builder()
            .behavior_version_latest()
            .region(aws_sdk_iam::config::Region::new("us-east-1"))
            .endpoint_url(url)
            .credentials_provider(root)
            .build();
        let iam = aws_sdk_iam::Client::from_conf(config);
        iam.create_user().user_name("vendor").send().await.unwrap();
        let policy =
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}"#;
        iam.put_user_policy().user_name("vendor").policy_name("assume").policy_document(policy).send().await.unwrap();
        let key = iam.create_access_key().user_name("vendor").send().await.unwrap().access_key.unwrap();
        (key.access_key_id, key.secret_access_key)
    })
}

fn words(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

const PLACE: [&str; 4] = ["--account", "222222222222", "--region", "eu-central-1"];
const VENDOR: &str = "arn:aws:iam::111111111111:user/vendor";

fn a_deployment(room: &Room) {
    let stack = |zip: &[u8], memory: u32| {
        let mut stack = Stack::builder("shop");
        let jobs = stack.live("jobs", Queue::new());
        stack.frozen("records", Kv::new());
        stack.live("api", Function::new(Code::zip(zip), "api").memory_mib(memory).commands());
        stack.frozen("ledger", Function::new(Code::zip(&bootstrap::zip("ledger")), "ledger"));
        stack.profile("api", Profile::new().on(&jobs, [Queue::DATA_WRITE]));
        stack.profile("ledger", Profile::new());
        serde_json::to_vec(&stack.build().unwrap()).unwrap()
    };
    let (first, second) = (bootstrap::zip("first"), bootstrap::zip("second"));
    let (zip, ledger) = (room.write("first.zip", &first), room.write("ledger.zip", &bootstrap::zip("ledger")));
    let (file, invitation, record) =
        (room.write("shop.json", &stack(&first, 256)), room.path("invitation.json"), room.path("record.json"));
    room.succeeds("alien", &["invite", "--stack", &file, "--cloud", "aws", "--vendor", VENDOR, "--out", &invitation]);
    let to = |more: &[&str]| -> Vec<String> {
        let begin = ["--invitation", invitation.as_str()];
        begin.iter().chain(&PLACE).chain(more).map(|word| (*word).to_owned()).collect()
    };
    let deploy = |command: &str, more: &[&str]| -> Vec<String> { [vec![command.to_owned()], to(more)].concat() };

    let review = room.succeeds("alien-deploy", &words(&deploy("review", &[])));
    assert!(review.contains(VENDOR) && review.contains("ledger"), "{review}");
    let wanted = ["--zip", &zip, "--zip", &ledger];
    let plan = room.succeeds("alien-deploy", &words(&deploy("plan", &wanted)));
    assert!(plan.contains("create"), "{plan}");
    let up = deploy("up", &[&wanted[..], &["--record", &record, "--yes"]].concat());
    let said = room.succeeds("alien-deploy", &words(&up));
    assert!(said.contains("send"), "{said}");
    room.succeeds("alien-deploy", &words(&deploy("status", &[&wanted[..], &["--record", &record]].concat())));
    // Credentials that are none, or of another account.
    let wrong = room.command("alien-deploy", &words(&up), ("333333333333", "test")).output().unwrap();
    assert!(self::said(&wrong).contains("these credentials are of account 333333333333"), "{}", self::said(&wrong));
    let nobody = room
        .command("alien-deploy", &words(&up), ("", ""))
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .output()
        .unwrap();
    assert!(self::said(&nobody).contains("there are no AWS credentials here"), "{}", self::said(&nobody));

    room.succeeds("alien", &["register", "--invitation", &invitation, "--record", &record]);
    let other = fs::read_to_string(&record).unwrap().replace("user/vendor", "user/another");
    let other = room.write("other.json", other.as_bytes());
    let refused = room.fails("alien", &["register", "--invitation", &invitation, "--record", &other]);
    assert!(refused.contains("user/another"), "{refused}");

    let beats = room.succeeds("alien", &["heartbeat", "--record", &record]);
    assert_eq!(beats.matches("healthy").count(), 4, "{beats}");
    let (next, new_zip) = (room.write("next.json", &stack(&second, 512)), room.write("second.zip", &second));
    let update = ["update", "--record", &record, "--stack", &next, "--zip", &new_zip];
    let dry = room.succeeds("alien", &[&update[..], &["--dry-run"]].concat());
    assert!(dry.contains("code, memoryMib"), "{dry}");
    room.succeeds("alien", &update);
    assert!(room.succeeds("alien", &update).contains("Nothing changed"));
    let answer = room.succeeds("alien", &["dispatch", "--record", &record, "api", r#"{"hello":"world"}"#]);
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer.get("hello").unwrap(), "world");
    let logs = || room.succeeds("alien", &["logs", "--record", &record, "api", "--since", "10m"]);
    let patience = Instant::now() + Duration::from_secs(20);
    while !logs().contains("hello") {
        assert!(Instant::now() < patience, "{}", logs());
        std::thread::sleep(Duration::from_millis(200));
    }
    let unknown = room.fails("alien", &["logs", "--record", &record, "ledger"]);
    assert!(unknown.contains("the vendor may not read its logs"), "{unknown}");

    room.succeeds("alien-deploy", &words(&deploy("revoke", &["--record", &record, "--yes"])));
    let revoked = room.fails("alien", &["heartbeat", "--record", &record]);
    assert!(revoked.contains("the access was revoked"), "{revoked}");
    let down = deploy("down", &["--record", &record, "--delete-data", "--yes"]);
    room.succeeds("alien-deploy", &words(&down));
    let status = room.fails("alien-deploy", &words(&deploy("status", &wanted)));
    assert!(!status.contains("right"), "{status}");
}

/// Ten programs that set up, and some that take down, are killed at moments of chance; the next one converges.
fn kills(room: &Room) {
    let zip = bootstrap::zip("first");
    let stack = serde_json::to_vec(&product(&Shipped::Zip(zip.clone()))).unwrap();
    let (file, zip) = (room.write("stack.json", &stack), room.write("code.zip", &zip));
    let (invitation, record) = (room.path("invitation.json"), room.path("record.json"));
    room.succeeds("alien", &["invite", "--stack", &file, "--cloud", "aws", "--vendor", VENDOR, "--out", &invitation]);
    let begin = |command: &'static str| [&[command, "--invitation", &invitation][..], &PLACE].concat();
    let up = [&begin("up")[..], &["--record", &record, "--zip", &zip, "--yes", "--take-over"]].concat();
    let down = [&begin("down")[..], &["--delete-data", "--yes", "--take-over"]].concat();
    let status = [&begin("status")[..], &["--zip", &zip]].concat();
    let timed = |arguments: &[&str]| {
        let start = Instant::now();
        room.succeeds("alien-deploy", arguments);
        start.elapsed()
    };
    let (whole_up, whole_down) = (timed(&up), timed(&down));
    let mut killed = 0;
    for round in 0..10 {
        let after = whole_up.mul_f64(fastrand::f64());
        killed += usize::from(kill(room.command("alien-deploy", &up, CUSTOMER), after));
        room.succeeds("alien-deploy", &up);
        room.succeeds("alien-deploy", &status);
        if round % 2 == 0 {
            let after = whole_down.mul_f64(fastrand::f64());
            println!("round {round}: killed while it took down, after {after:?}");
            killed += usize::from(kill(room.command("alien-deploy", &down, CUSTOMER), after));
        }
        room.succeeds("alien-deploy", &down);
        let status = room.fails("alien-deploy", &status);
        assert!(!status.contains("right") && !status.contains("differs") && status.contains("missing"), "{status}");
        println!("round {round}: killed while it set up, after {after:?} of {whole_up:?}; finished by the next");
    }
    assert!(killed >= 8, "{killed} of 15 programs were killed before they ended by themselves");
}

/// Kills a program, by SIGKILL, after a while. Tells whether it still ran.
fn kill(mut command: Command, after: Duration) -> bool {
    let mut child: Child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(after);
    let running = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    running
}
