//! A vendor with keys of its own, and a repository.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alien_core::{Artifacts, Clock, Code, Function, Images, Profile, PublishedRelease, Release, Stack};
use alien_release::{FolderTransport, Repository, Root, RootDraft, RootKeys, SigningKey, Transport, Verifier};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::keys::Folder;

/// When all tests begin.
pub(crate) const BEGIN: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// A clock that is set by hand, forward and back.
#[derive(Debug)]
pub(crate) struct SetClock(Mutex<Timestamp>);

impl SetClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(BEGIN)))
    }

    pub(crate) fn set(&self, days: i64) {
        *self.0.lock().unwrap() = BEGIN + SignedDuration::from_hours(24 * days);
    }

    pub(crate) fn set_to(&self, time: Timestamp) {
        *self.0.lock().unwrap() = time;
    }
}

#[async_trait]
impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    async fn sleep(&self, _: Duration) {
        panic!("nothing here waits");
    }
}

/// A vendor: its keys, its repository, and the clock of all.
#[derive(Debug)]
pub(crate) struct Vendor {
    pub(crate) roots: [SigningKey; 3],
    pub(crate) release: SigningKey,
    pub(crate) online: SigningKey,
    pub(crate) root: Root,
    pub(crate) clock: Arc<SetClock>,
    pub(crate) folder: Folder,
}

impl Vendor {
    /// A vendor whose repository is empty.
    pub(crate) async fn new() -> Self {
        let [a, b, c, release, online] = std::array::from_fn(|_| SigningKey::generate().unwrap());
        let keys = RootKeys::new(2, [&a, &b, &c].map(|key| *key.public()), *release.public(), *online.public());
        let mut draft = RootDraft::first(&keys.unwrap(), BEGIN).unwrap();
        draft.sign(&a).await.unwrap();
        draft.sign(&b).await.unwrap();
        let (root, folder) = (draft.finish().unwrap(), Folder::new());
        Repository::create(folder.0.join("repository"), &root).unwrap();
        Self { roots: [a, b, c], release, online, root, clock: SetClock::new(), folder }
    }

    /// A vendor who has published release 1.
    pub(crate) async fn with_release() -> Self {
        let vendor = Self::new().await;
        vendor.publish(1, "first").await;
        vendor
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.0.join("repository")
    }

    pub(crate) fn repository(&self) -> Repository {
        Repository::open(self.path())
            .unwrap()
            .with_clock(Arc::clone(&self.clock) as Arc<dyn Clock>)
            .with_release_key(Arc::new(self.release.clone()))
            .with_online_key(Arc::new(self.online.clone()))
    }

    pub(crate) async fn publish(&self, sequence: u64, content: &str) -> PublishedRelease {
        let (release, artifacts) = release(sequence, content);
        self.repository().publish(&release, None, &artifacts).await.unwrap();
        release
    }

    /// Changes the keys: the first two root keys sign.
    pub(crate) async fn change(&mut self, change: impl FnOnce(RootKeys) -> alien_core::Result<RootKeys>) -> Root {
        let root = self.repository().root().unwrap();
        let keys = change(root.keys().unwrap()).unwrap();
        let mut draft = RootDraft::after(&root, &keys, self.clock.now()).unwrap();
        for key in &self.roots[..2] {
            draft.sign(key).await.unwrap();
        }
        draft.finish().unwrap()
    }

    /// Puts another key in the place of the online key.
    pub(crate) async fn rotate_online(&mut self) {
        let (old, new) = (*self.online.public(), SigningKey::generate().unwrap());
        let root = self.change(|keys| keys.replace(&old, *new.public())).await;
        self.online = new;
        self.repository().add_root(&root).await.unwrap();
    }

    /// Puts another key in the place of the release key.
    pub(crate) async fn rotate_release(&mut self) {
        let (old, new) = (*self.release.public(), SigningKey::generate().unwrap());
        let root = self.change(|keys| keys.replace(&old, *new.public())).await;
        self.release = new;
        self.repository().add_root(&root).await.unwrap();
    }

    /// A customer, who keeps trust in a folder of this name.
    pub(crate) fn customer(&self, name: &str) -> Verifier {
        self.customer_over(name, FolderTransport::new(self.path()))
    }

    pub(crate) fn customer_over(&self, name: &str, transport: impl Transport + 'static) -> Verifier {
        Verifier::new(self.root.clone(), self.trust(name), transport)
            .with_clock(Arc::clone(&self.clock) as Arc<dyn Clock>)
    }

    pub(crate) fn trust(&self, name: &str) -> PathBuf {
        self.folder.0.join(name)
    }

    /// What a customer trusts, as it is on the disk.
    pub(crate) fn trusted(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.trust(name).join("trusted.json")).ok()
    }

    /// A copy of the repository as it is now.
    pub(crate) fn copy(&self, name: &str) -> PathBuf {
        let copy = self.folder.0.join(name);
        copied(&self.path(), &copy);
        copy
    }
}

pub(crate) fn copied(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// A release with one zip, and its bytes.
pub(crate) fn release(sequence: u64, content: &str) -> (PublishedRelease, Artifacts) {
    release_of("acme", sequence, content.as_bytes())
}

pub(crate) fn release_of(product: &str, sequence: u64, content: &[u8]) -> (PublishedRelease, Artifacts) {
    let mut artifacts = Artifacts::default();
    let code = artifacts.insert(content.to_vec());
    let release = Release::new(stack(product, code), artifacts.clone()).unwrap();
    (PublishedRelease::new(sequence.into(), &release, Images::new()).unwrap(), artifacts)
}

fn stack(product: &str, code: Code) -> Stack {
    let mut stack = Stack::builder(product);
    stack.profile("code", Profile::new());
    stack.live("api", Function::new(code, "code"));
    stack.build().unwrap()
}
