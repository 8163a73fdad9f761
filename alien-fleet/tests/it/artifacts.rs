//! What every store of zips promises, and what becomes of one that was changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alien_core::{Artifacts, ErrorKind};
use alien_fleet::{ArtifactFolder, ArtifactStore, ArtifactsInMemory};
use futures_util::future::try_join_all;

use crate::folder::Folder;

/// One byte more than a zip may have.
const TOO_MANY: usize = 262_144_001;

/// The digest that a release has for these bytes.
fn digest(bytes: &[u8]) -> String {
    let artifacts: Artifacts = [Arc::from(bytes)].into_iter().collect();
    artifacts.iter().next().unwrap().0.to_owned()
}

async fn keeps_what_it_is_given(store: &dyn ArtifactStore) {
    let unknown = digest(b"unknown");
    assert_eq!((store.get(&unknown).await.unwrap(), store.has(&unknown).await.unwrap()), (None, false));
    let large: Vec<u8> = (0..8_500_000_u32).map(|at| (at % 251).to_le_bytes()[0]).collect();
    for bytes in [b"the bytes of a zip".to_vec(), Vec::new(), large] {
        let bytes: Arc<[u8]> = bytes.into();
        let expected = digest(&bytes);
        assert_eq!(store.put(Arc::clone(&bytes)).await.unwrap(), expected);
        // Once more is no failure.
        assert_eq!(store.put(Arc::clone(&bytes)).await.unwrap(), expected);
        assert!(store.has(&expected).await.unwrap());
        assert_eq!(store.get(&expected).await.unwrap(), Some(bytes));
    }
    assert!(!store.has(&unknown).await.unwrap());
    // The digest of nothing, as FIPS 180-4's test vectors give it.
    let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(store.get(empty).await.unwrap().as_deref(), Some(&[][..]));
}

async fn what_is_no_digest_is_not_kept(store: &dyn ArtifactStore) {
    let known = store.put(Arc::from(*b"known")).await.unwrap();
    let digits = known.strip_prefix("sha256:").unwrap();
    let others = [
        "".to_owned(),
        "sha256:".to_owned(),
        digits.to_owned(),
        format!("sha256-{digits}"),
        format!("sha256:{}", digits.to_uppercase()),
        format!("sha256:{digits}0"),
        format!("sha512:{digits}"),
        "sha256:../../../../etc/passwd".to_owned(),
        "../outside".to_owned(),
        "/etc/passwd".to_owned(),
    ];
    for other in others {
        assert_eq!(store.get(&other).await.unwrap(), None, "{other}");
        assert!(!store.has(&other).await.unwrap(), "{other}");
    }
}

async fn what_is_too_large_is_refused(store: &dyn ArtifactStore) {
    let error = store.put(vec![0; TOO_MANY].into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("262144001 bytes, and 262144000 are the most"), "{error}");
}

async fn many_may_put_the_same_at_once(store: Arc<dyn ArtifactStore>) {
    let tasks = (0..12_u8).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let bytes: Arc<[u8]> = vec![number % 3; 100_000].into();
            let digest = store.put(Arc::clone(&bytes)).await.unwrap();
            assert_eq!(store.get(&digest).await.unwrap(), Some(bytes));
        })
    });
    try_join_all(tasks).await.unwrap();
}

async fn keeps_every_promise(store: Arc<dyn ArtifactStore>) {
    keeps_what_it_is_given(&*store).await;
    what_is_no_digest_is_not_kept(&*store).await;
    what_is_too_large_is_refused(&*store).await;
    many_may_put_the_same_at_once(store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_every_promise() {
    keeps_every_promise(Arc::new(ArtifactsInMemory::default())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_keeps_every_promise() {
    let folder = Folder::new();
    keeps_every_promise(Arc::new(ArtifactFolder::new(folder.join("zips")))).await;
    let names: Vec<_> = fs::read_dir(folder.join("zips")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 7, "nothing is left beside the zips: {names:?}");
    assert!(names.iter().all(|name| name.to_str().unwrap().starts_with("sha256-")), "{names:?}");
}

/// The one file in a folder, at any depth.
fn only_file(folder: &Path) -> PathBuf {
    let mut paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let path = paths.next().unwrap();
    assert_eq!(paths.next(), None);
    if path.is_dir() { only_file(&path) } else { path }
}

/// What somebody changes under the name of a zip is refused by that name, and is there again when the zip is put again. One that is
/// too large is not read at all.
async fn a_change_is_refused(store: &dyn ArtifactStore, change: impl AsyncFn(&str, &[u8])) {
    let zip: Arc<[u8]> = Arc::from(*b"the bytes of a zip");
    let known = store.put(Arc::clone(&zip)).await.unwrap();
    let name = known.replace(':', "-");
    for changed in [&b"the bytes of a zIp"[..], b"the bytes", b"the bytes of a zip, and more", b""] {
        change(&name, changed).await;
        let error = store.get(&known).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
        for words in [&*known, &*digest(changed), &format!("{name}` was changed")] {
            assert!(error.to_string().contains(words), "{error}");
        }
    }
    change(&name, &vec![0; TOO_MANY]).await;
    assert_eq!(store.get(&known).await.unwrap_err().kind(), ErrorKind::TooLarge);
    store.put(Arc::clone(&zip)).await.unwrap();
    assert_eq!(store.get(&known).await.unwrap(), Some(zip));
}

#[tokio::test]
async fn a_changed_file_of_a_folder_is_refused() {
    let folder = Folder::new();
    a_change_is_refused(&ArtifactFolder::new(&*folder), async |name, bytes| {
        let file = folder.join(name);
        assert_eq!(only_file(&folder), file);
        fs::write(&file, bytes).unwrap();
    })
    .await;
}

#[tokio::test]
async fn files_that_no_digest_names_are_not_read() {
    let folder = Folder::new();
    let zips = ArtifactFolder::new(&*folder);
    let digits = "0123456789abcdef".repeat(4);
    for name in ["ab", &digits.replace('0', "g"), &digits.replace('a', "A"), &format!("{digits}0")] {
        fs::write(folder.join(format!("sha256-{name}")), "something else").unwrap();
        let digest = format!("sha256:{name}");
        assert_eq!((zips.get(&digest).await.unwrap(), zips.has(&digest).await.unwrap()), (None, false), "{name}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_pipe_or_a_folder_in_the_place_of_a_zip_is_refused_at_once() {
    let folder = Folder::new();
    let zips = ArtifactFolder::new(&*folder);
    let path = folder.join(digest(b"zip").replace(':', "-"));
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    for make in [|_: &Path| (), |path: &Path| fs::remove_file(path).and_then(|()| fs::create_dir(path)).unwrap()] {
        make(&path);
        let zip = digest(b"zip");
        let read = tokio::time::timeout(std::time::Duration::from_secs(20), zips.get(&zip));
        let error = read.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
        assert!(error.to_string().contains("` is no file; remove it"), "{error}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_and_its_files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let zips = folder.join("zips");
    ArtifactFolder::new(&zips).put(Arc::from(*b"zip")).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&zips), mode(&only_file(&zips))), (0o700, 0o600));
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_told() {
    let folder = Folder::new();
    let error = ArtifactFolder::new(folder.join("none/zips")).put(Arc::from(*b"zip")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("make the folder above it first"), "{error}");
    let file = folder.join("file");
    fs::write(&file, "no folder").unwrap();
    let error = ArtifactFolder::new(&file).put(Arc::from(*b"zip")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    // It is the folder that is wrong, and not a file in it.
    assert!(error.to_string().contains(&format!("`{}` ", file.display())), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "no folder");
    let error = ArtifactFolder::new(&file).get(&digest(b"zip")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}

mod bucket {
    use alien_fleet::ArtifactBucket;
    use object_store::memory::InMemory;
    use object_store::path::Path as Name;
    use object_store::{ObjectStore, ObjectStoreExt as _};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_bucket_in_memory_keeps_every_promise() {
        keeps_every_promise(Arc::new(ArtifactBucket::new(Arc::new(InMemory::new()), "vendor/zips"))).await;
    }

    #[tokio::test]
    async fn a_changed_object_is_refused() {
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let bucket = ArtifactBucket::new(Arc::clone(&objects), "zips");
        a_change_is_refused(&bucket, async |name, bytes| {
            objects.put(&Name::from(format!("zips/{name}")), bytes.to_vec().into()).await.unwrap();
        })
        .await;
    }

    #[tokio::test]
    async fn prefixes_keep_zips_apart() {
        let bucket: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let [one, other] = ["one", "one/more"].map(|prefix| ArtifactBucket::new(Arc::clone(&bucket), prefix));
        let known = one.put(Arc::from(*b"zip")).await.unwrap();
        assert!(one.has(&known).await.unwrap());
        assert!(!other.has(&known).await.unwrap());
        let name = Name::from(format!("one/{}", known.replace(':', "-")));
        assert_eq!(bucket.get(&name).await.unwrap().bytes().await.unwrap(), "zip");
    }
}
