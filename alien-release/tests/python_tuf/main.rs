//! python-tuf, as an implementation that is not ours: its repositories are taken, its attacks are refused, and its client reads
//! ours. It is installed under `target/` once.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by panicking"
)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use alien_conformance::peer::{self, Need};
use alien_core::{Artifacts, Function, Images, Profile, PublishedRelease, Release, Stack};
use alien_release::{
    FolderTransport, Refusal, RefusalKind, Repository, Root, RootDraft, RootKeys, SigningKey, VerifiedRelease, Verifier,
};
use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use libtest_mimic::Arguments;
use serde_json::{Value, json};

const PACKAGES: [&str; 2] = ["tuf==7.0.1", "securesystemslib[crypto]==1.6.0"];

/// An attack on the second release: its folder, what it is refused as, and the words.
const ATTACKS: [(&str, &str, RefusalKind, &str); 11] = [
    ("replay", "replay", RefusalKind::Replay, "the timestamp 1 is older than 2, which was seen before"),
    ("freeze", "freeze", RefusalKind::Expired, "the timestamp expired at"),
    ("an_expired_list", "expired", RefusalKind::Expired, "the list of releases expired at"),
    ("mix_and_match", "mixed", RefusalKind::Mixed, "`2.snapshot.json` is not the one that the repository names"),
    (
        "a_list_of_another_time",
        "mixed-targets",
        RefusalKind::Mixed,
        "`2.targets.json` is not the one that the repository names",
    ),
    ("wrong_threshold", "threshold", RefusalKind::Unsigned, "the root file needs 2 signatures by its keys, and has 1"),
    (
        "a_strangers_signature",
        "stranger",
        RefusalKind::Unsigned,
        "the list of releases needs 1 signatures by its keys, and has 0",
    ),
    (
        "fast_forward",
        "forward",
        RefusalKind::FastForward,
        "the version of the timestamp went from 2 to 9007199254740991 at once",
    ),
    ("endless_data", "endless", RefusalKind::Endless, "`timestamp.json` has more than 16384 bytes"),
    ("an_endless_zip", "endless-zip", RefusalKind::Endless, "the length that was signed"),
    ("swapped_artifacts", "swapped", RefusalKind::Altered, ".zip` is not the file that was signed"),
];

fn main() {
    let arguments = Arguments::from_args();
    let name = format!("python-tuf-{}", PACKAGES.map(|package| package.rsplit('=').next().unwrap()).join("-"));
    let installed = peer::told("TUF", peer::install(&name, |folder| peer::venv(folder, &PACKAGES)));
    let made = Arc::new(OnceLock::new());
    let trial = |name: &str, test: fn(&Made)| {
        let made = Arc::clone(&made);
        peer::trial(name, Need::WhereRequired, &installed, move |folder: PathBuf| {
            test(made.get_or_init(|| Made::by(&folder)));
            Ok(())
        })
    };
    let mut trials = vec![
        trial("what_python_tuf_makes_is_taken", |made| made.is_taken()),
        trial("a_key_that_python_tuf_rotated_away_is_refused_and_the_new_one_taken", |made| made.rotates()),
        trial("a_wrong_root_digest_is_refused", |made| made.is_of_its_root()),
        trial("python_tufs_client_reads_what_is_made_here_through_a_rotation", |made| made.is_read()),
    ];
    for (name, folder, kind, words) in ATTACKS {
        let made = Arc::clone(&made);
        let test = move |python: PathBuf| {
            made.get_or_init(|| Made::by(&python)).refuses(folder, kind, words);
            Ok(())
        };
        trials.push(peer::trial(&format!("{name}_is_refused"), Need::WhereRequired, &installed, test));
    }
    libtest_mimic::run(&arguments, trials).exit()
}

/// What python-tuf made.
struct Made {
    python: PathBuf,
    folder: PathBuf,
    root: Root,
}

impl Made {
    fn by(python: &Path) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("python-tuf-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let files = |sequence: u64, content: &[u8]| {
            let (release, _) = release(sequence, content);
            let (json, zip) = (folder.join(release.file_name()), folder.join(format!("{sequence}.zip")));
            std::fs::write(&json, release.to_json()).unwrap();
            std::fs::write(&zip, content).unwrap();
            let digest = release.zips().keys().next().unwrap()[7..].to_owned();
            BTreeMap::from([(release.file_name(), json), (format!("{digest}.zip"), zip)])
        };
        let (first, second) = (files(1, b"first"), files(3, b"second"));
        let repositories = folder.join("repositories");
        let now = Timestamp::now().as_second();
        let order = json!({ "what": "make", "folder": repositories, "now": now, "first": first, "second": second });
        let told = run(python, &order);
        assert!(told["told"].is_array(), "{told}");
        let root = Root::from_json(&std::fs::read(repositories.join("first/1.root.json")).unwrap()).unwrap();
        Self { python: python.to_owned(), folder, root }
    }

    fn repository(&self, name: &str) -> PathBuf {
        self.folder.join("repositories").join(name)
    }

    /// A customer who keeps trust in a folder of this name, and reads this repository.
    fn customer(&self, trust: &str, repository: &str) -> Verifier {
        let folder = self.folder.join("trust").join(trust);
        std::fs::create_dir_all(&folder).unwrap();
        Verifier::new(self.root.clone(), folder, FolderTransport::new(self.repository(repository)))
    }

    fn trusted(&self, trust: &str) -> String {
        std::fs::read_to_string(self.folder.join("trust").join(trust).join("trusted.json")).unwrap()
    }

    fn is_taken(&self) {
        assert_eq!(self.root.keys().unwrap().threshold(), 2);
        for (repository, sequence, content) in
            [("first", 1, &b"first"[..]), ("second", 1, b"first"), ("second", 3, b"second")]
        {
            let taken = now(self.customer("taken", repository).decide(sequence.into())).unwrap();
            assert_eq!(taken.release(), &release(sequence, content).0);
            assert_eq!(zip(&taken).unwrap(), content);
        }
    }

    fn refuses(&self, repository: &str, kind: RefusalKind, words: &str) {
        now(self.customer(repository, "second").decide(3.into())).unwrap();
        let trusted = self.trusted(repository);
        let refusal = match now(self.customer(repository, repository).decide(3.into())) {
            Ok(taken) => zip(&taken).unwrap_err(),
            Err(refusal) => refusal,
        };
        assert_eq!(refusal.kind(), kind, "{refusal}");
        assert!(refusal.to_string().contains(words), "{refusal}");
        if repository != "swapped" && repository != "endless-zip" {
            assert_eq!(self.trusted(repository), trusted);
        }
        now(self.customer(repository, "second").decide(3.into())).unwrap();
    }

    fn rotates(&self) {
        now(self.customer("rotates", "second").decide(3.into())).unwrap();
        let refusal = now(self.customer("rotates", "rotated").decide(3.into())).unwrap_err();
        assert_eq!(refusal.kind(), RefusalKind::RotatedKey, "{refusal}");
        let words = "the timestamp is signed by a key that was taken out of the repository's keys";
        assert_eq!(refusal.to_string(), words);
        now(self.customer("rotates", "recovered").decide(3.into())).unwrap();
        // What the earlier key signed before is refused too: the later root file is known.
        let refusal = now(self.customer("rotates", "second").decide(3.into())).unwrap_err();
        assert_eq!(refusal.kind(), RefusalKind::RotatedKey, "{refusal}");
    }

    fn is_of_its_root(&self) {
        let digest: alien_core::RootDigest = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
        let repository = || FolderTransport::new(self.repository("second"));
        let trust = |name: &str| self.folder.join("trust").join(name);
        let refusal = now(Verifier::new(digest, trust("wrong"), repository()).decide(3.into())).unwrap_err();
        assert_eq!(refusal.kind(), RefusalKind::WrongRoot, "{refusal}");
        let right = Verifier::new(self.root.digest().clone(), trust("right"), repository());
        now(right.decide(3.into())).unwrap();
    }

    fn is_read(&self) {
        let [a, b, release_key, online_key, other] = std::array::from_fn(|_| SigningKey::generate().unwrap());
        let keys = RootKeys::new(2, [*a.public(), *b.public()], *release_key.public(), *online_key.public()).unwrap();
        let finished = |mut draft: RootDraft| {
            now(draft.sign(&a)).unwrap();
            now(draft.sign(&b)).unwrap();
            draft.finish().unwrap()
        };
        let root = finished(RootDraft::first(&keys, Timestamp::now()).unwrap());
        let folder = self.folder.join("ours");
        let repository = Repository::create(&folder, &root).unwrap().with_release_key(Arc::new(release_key));
        let with_online = |key: &SigningKey| repository.clone().with_online_key(Arc::new(key.clone()));
        let (first, artifacts) = release(1, b"first");
        now(with_online(&online_key).publish(&first, None, &artifacts)).unwrap();
        let client = |names: &[&str]| {
            let order = json!({ "what": "client", "folder": folder, "trust": self.folder.join("trust/python"),
                "targets": self.folder.join("targets"), "root": String::from_utf8_lossy(root.to_json()), "names": names });
            run(&self.python, &order)
        };
        let told = client(&["release-1.json", "release-3.json"]);
        let wanted = json!({ "release-1.json": first.to_json(), "release-3.json": null });
        assert_eq!(told, json!({ "told": wanted }));

        let (third, artifacts) = release(3, b"third");
        let twin = third.twin(&first).unwrap();
        let keys = root.keys().unwrap().replace(online_key.public(), *other.public()).unwrap();
        let second = finished(RootDraft::after(&root, &keys, Timestamp::now()).unwrap());
        now(with_online(&other).add_root(&second)).unwrap();
        now(with_online(&other).publish(&third, Some(&twin), &artifacts)).unwrap();
        now(with_online(&other).refresh()).unwrap();
        let told = client(&["release-3.json", "release-4.json"]);
        let wanted = json!({ "release-3.json": third.to_json(), "release-4.json": twin.to_json() });
        assert_eq!(told, json!({ "told": wanted }));
        // The client is one: what was changed is refused.
        let path = folder.join("timestamp.json");
        let text = std::fs::read_to_string(&path).unwrap();
        let year =
            Timestamp::now().checked_add(SignedDuration::from_hours(7 * 24)).unwrap().to_string()[..4].to_owned();
        std::fs::write(&path, text.replace(&format!("{year}-"), "2099-")).unwrap();
        let told = client(&["release-3.json"]);
        assert!(told["refused"].as_str().is_some_and(|why| why.contains("UnsignedMetadataError")), "{told}");
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn now<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn zip(release: &VerifiedRelease) -> Result<Vec<u8>, Refusal> {
    now(async {
        let digest = release.release().zips().keys().next().unwrap();
        let mut pieces = release.zip(digest).await?;
        let mut all = Vec::new();
        while let Some(piece) = pieces.next().await {
            all.extend_from_slice(&piece?);
        }
        Ok(all)
    })
}

/// A release with one zip, and its bytes.
fn release(sequence: u64, content: &[u8]) -> (PublishedRelease, Artifacts) {
    let mut artifacts = Artifacts::default();
    let code = artifacts.insert(content.to_vec());
    let mut stack = Stack::builder("acme");
    stack.profile("code", Profile::new());
    stack.live("api", Function::new(code, "code"));
    let release = Release::new(stack.build().unwrap(), artifacts.clone()).unwrap();
    (PublishedRelease::new(sequence.into(), &release, Images::new()).unwrap(), artifacts)
}

/// Gives the script an order, and what it says.
fn run(python: &Path, order: &Value) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/tuf_peer.py");
    let mut command = Command::new(python.join("bin/python"));
    let mut child = command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{order}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).expect("a line of JSON")
}
