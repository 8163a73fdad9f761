//! Records as files: whole or not at all, through links, with their mode, and one writer at a time.

use std::fs;
use std::path::PathBuf;

use alien_conformance::world::Case;
use alien_core::{Deployment, DeploymentId, ErrorKind, RecordFile, RecordFolder, RecordStore};

use crate::in_process::InProcess;
use crate::records::two;

/// An empty folder, removed with the value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("alien-records-{}", DeploymentId::new()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn deployed(world: &InProcess) -> Deployment {
    let first = two(b"first");
    Case::new(world, "two", first.stack().clone()).up(&first, None).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_folder_keeps_a_record_in_a_file_of_its_own() {
    let (world, folder) = (InProcess::new(), Folder::new());
    let record = deployed(&world).await;
    let store = RecordFolder::new(&folder.0, "ann@build");
    assert_eq!((store.list().await.unwrap(), store.load(record.id).await.unwrap()), (vec![], None));
    let kept = store.save(&record).await.unwrap();
    assert_eq!((kept.revision, kept.writer.as_deref()), (1, Some("ann@build")));
    assert_eq!(store.load(record.id).await.unwrap(), Some(kept.clone()));
    fs::write(folder.0.join("notes.json"), "{}").unwrap();
    assert_eq!(store.list().await.unwrap(), [record.id]);
    assert_eq!(
        folder.names(),
        [format!(".{}.json.lock", record.id), format!("{}.json", record.id), "notes.json".into()]
    );

    let other = RecordFolder::new(&folder.0, "bob@laptop");
    other.save(&kept).await.unwrap();
    let error = store.save(&kept).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.message().starts_with("bob@laptop has changed the record since it was read (revision 2)"), "{error}");
    // What nobody has stored, but once was, is not made again in silence.
    fs::remove_file(folder.0.join(format!("{}.json", record.id))).unwrap();
    let error = store.save(&kept).await.unwrap_err();
    assert!(error.message().starts_with("the record was removed since it was read"), "{error}");
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_link_is_followed_and_the_mode_is_kept() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let (world, folder) = (InProcess::new(), Folder::new());
    let record = deployed(&world).await;
    let (target, link) = (folder.0.join("target.json"), folder.0.join("link.json"));
    let there = RecordFile::new(&target, "here").save(&record).await.unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
    symlink(&target, &link).unwrap();
    RecordFile::new(&link, "here").save(&there).await.unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(RecordFile::new(&target, "here").read().unwrap().unwrap().revision, 2);
    // A link that leads to itself can be written by nobody, and that is known before anything else is done.
    let circle = folder.0.join("circle.json");
    symlink(&circle, &circle).unwrap();
    let error = RecordFile::new(&circle, "here").check().unwrap_err();
    assert!(error.message().contains("name a file that can be written"), "{error}");
    // A link that leads nowhere is no missing record.
    fs::remove_file(&target).unwrap();
    assert_eq!(RecordFile::new(&link, "here").read().unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_or_written_is_told_and_nothing_is_left() {
    let (world, folder) = (InProcess::new(), Folder::new());
    let record = deployed(&world).await;
    for path in [folder.0.join("no/such/record.json"), folder.0.clone(), PathBuf::from("..")] {
        let file = RecordFile::new(&path, "here");
        for error in [file.check().unwrap_err(), file.save(&record).await.unwrap_err()] {
            assert!(error.message().contains("name a file that can be written"), "{error}");
        }
    }
    let path = folder.0.join("record.json");
    let file = RecordFile::new(&path, "here");
    file.check().unwrap();
    assert_eq!((folder.names(), file.read().unwrap()), (vec![], None));
    file.save(&record).await.unwrap();
    let error = file.load(DeploymentId::new()).await.unwrap_err();
    assert!(error.message().contains(&format!("is the record of deployment {}", record.id)), "{error}");
    assert_eq!((file.path(), file.list().await.unwrap()), (path.as_path(), vec![record.id]));
    // What is there and cannot be read is no missing record.
    let error = RecordFile::new(&folder.0, "here").read().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(error.problems()[0].what.contains("is a folder"), "{error}");
    let error = RecordFile::new(path.join("beside"), "here").read().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("name a file that can be read"), "{error}");
    fs::write(&path, "{").unwrap();
    let error = file.save(&record).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input, "a file that is no record is not overwritten: {error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "{");
}

/// Of many programs that read, change and write at once, each change is kept or its writer told.
#[tokio::test(start_paused = true)]
async fn no_write_of_many_at_once_is_lost() {
    let (world, folder) = (InProcess::new(), Folder::new());
    let record = deployed(&world).await;
    let store = RecordFolder::new(&folder.0, "first");
    store.save(&record).await.unwrap();
    let writers = 8;
    let write = |writer: usize| {
        let (folder, id) = (folder.0.clone(), record.id);
        std::thread::spawn(move || {
            let store = RecordFolder::new(folder, format!("writer {writer}"));
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let mut kept = 0;
                while kept < 20 {
                    let mut record = store.load(id).await.unwrap().unwrap();
                    record.versions.insert(format!("w{writer}-{kept}").parse().unwrap(), String::new());
                    match store.save(&record).await {
                        Ok(_) => kept += 1,
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
                    }
                }
            });
        })
    };
    let threads: Vec<_> = (0..writers).map(write).collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let now = store.load(record.id).await.unwrap().unwrap();
    assert_eq!((now.versions.len(), now.revision), (writers * 20, 1 + writers as u64 * 20));
}
