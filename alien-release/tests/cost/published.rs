//! A repository as a vendor has it after a while.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use alien_core::{Artifacts, Function, Images, Profile, PublishedRelease, Release, Stack};
use alien_release::{FolderTransport, Repository, Root, RootDraft, RootKeys, SigningKey, Verifier};

/// The bytes of the last release's zip.
pub(crate) const ZIP: usize = 16 * 1024 * 1024;

pub(crate) struct Published {
    folder: PathBuf,
    root: Root,
}

impl Published {
    /// Publishes a hundred releases of ten functions, in a folder of this one.
    pub(crate) async fn within(folder: &Path) -> Self {
        let folder = folder.join(format!("alien-release-cost-{}", std::process::id()));
        let [a, b, release_key, online_key] = std::array::from_fn(|_| SigningKey::generate().unwrap());
        let keys = RootKeys::new(2, [*a.public(), *b.public()], *release_key.public(), *online_key.public()).unwrap();
        let mut draft = RootDraft::first(&keys, jiff::Timestamp::now()).unwrap();
        draft.sign(&a).await.unwrap();
        draft.sign(&b).await.unwrap();
        let root = draft.finish().unwrap();
        let repository = Repository::create(folder.join("repository"), &root)
            .unwrap()
            .with_release_key(Arc::new(release_key))
            .with_online_key(Arc::new(online_key));
        // As many as a vendor keeps: a hundred releases of ten functions.
        for n in 0..100 {
            let (release, artifacts) = release(2 * n + 1, if n == 99 { ZIP } else { 10 });
            repository.publish(&release, None, &artifacts).await.unwrap();
        }
        Self { folder, root }
    }

    /// Verifies from there what is published, and keeps what is trusted in a folder of this name.
    pub(crate) fn customer(&self, name: &str) -> Verifier {
        let transport = FolderTransport::new(self.folder.join("repository"));
        Verifier::new(self.root.clone(), self.folder.join(name), transport)
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn release(sequence: u64, length: usize) -> (PublishedRelease, Artifacts) {
    let mut artifacts = Artifacts::default();
    let mut bytes = vec![0; length];
    bytes.iter_mut().zip(sequence.to_be_bytes()).for_each(|(byte, number)| *byte = number);
    let code = artifacts.insert(bytes);
    let mut stack = Stack::builder("acme");
    stack.profile("code", Profile::new());
    for n in 0..10 {
        stack.live(format!("f{n}"), Function::new(code.clone(), "code"));
    }
    let release = Release::new(stack.build().unwrap(), artifacts.clone()).unwrap();
    (PublishedRelease::new(sequence.into(), &release, Images::new()).unwrap(), artifacts)
}
