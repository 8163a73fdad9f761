//! The sealed state: what opens it, what is told, and what is left after a kill at any step of a write.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use alien_agent::{State, StateKey, Stop, Watcher, WriteStep};
use alien_core::{DeploymentId, ErrorKind};

pub(crate) fn key(byte: u8) -> StateKey {
    format!("{byte:02x}").repeat(32).parse().unwrap()
}

pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("agent").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn refused(at: &Path, by: &StateKey) -> (ErrorKind, String) {
    let before = fs::read(at.join("state")).ok();
    let error = State::open(at, by).map(drop).unwrap_err();
    assert_eq!(fs::read(at.join("state")).ok(), before, "it is left alone");
    (error.kind(), error.to_string())
}

#[test]
fn a_state_is_made_once_and_opened_by_its_key() {
    let at = folder("made").join("new");
    let id = DeploymentId::new();
    let state = State::create(&at, &key(1), id).unwrap();
    let public = *state.public_key();
    drop(state);
    let (kind, told) = refused(&at, &key(2));
    assert_eq!(kind, ErrorKind::Credentials);
    assert!(told.contains("it was sealed with another key than this one"), "{told}");
    let state = State::open(&at, &key(1)).unwrap();
    assert_eq!((state.deployment(), *state.public_key()), (id, public));
    drop(state);
    let again = State::create(&at, &key(1), id).map(drop).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    let other = State::open_of(&at, &key(1), DeploymentId::new()).map(drop).unwrap_err();
    assert_eq!(other.kind(), ErrorKind::Input);
    assert!(other.to_string().contains(&format!("is of deployment {id}, not of")), "{other}");
    let replaced = State::replace(&at, &key(3), id).unwrap();
    assert_ne!(*replaced.public_key(), public);
    drop(replaced);
    assert_eq!(*State::open(&at, &key(3)).unwrap().public_key(), public_of(&at, &key(3)));
    assert!(at.join("state.replaced").exists());
}

fn public_of(at: &Path, key: &StateKey) -> alien_release::PublicKey {
    State::look(at, key).unwrap().agent_key.parse().unwrap()
}

#[cfg(unix)]
#[test]
fn only_its_owner_may_read_it_and_the_key_is_nowhere_in_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let at = folder("mode").join("new");
    drop(State::create(&at, &key(1), DeploymentId::new()).unwrap());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&at), mode(&at.join("state"))), (0o700, 0o600));
    let file = fs::read(at.join("state")).unwrap();
    assert!(!String::from_utf8_lossy(&file).contains("PRIVATE KEY"));
}

#[test]
fn no_two_agents_run_on_one_state_and_status_is_read_beside_one() {
    let at = folder("locked");
    let state = State::create(&at, &key(1), DeploymentId::new()).unwrap();
    let (kind, told) = refused(&at, &key(1));
    assert_eq!(kind, ErrorKind::Locked);
    assert!(told.contains("another agent runs on the state"), "{told}");
    assert_eq!(State::rekey(&at, &key(1), &key(2)).unwrap_err().kind(), ErrorKind::Locked);
    let status = State::look(&at, &key(1)).unwrap();
    assert_eq!((status.deployment, status.generation, status.has_record), (state.deployment(), 1, false));
    let shown = format!("{status:?} {state:?} {}", serde_json::to_string(&status).unwrap());
    assert!(!shown.contains("PRIVATE"), "{shown}");
    // The lock may be held for an instant after that, by what the program has started meanwhile.
    let ended = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        drop(state);
    });
    State::open(&at, &key(1)).unwrap();
    ended.join().unwrap();
}

#[test]
fn what_is_torn_foreign_newer_or_missing_is_told_as_that() {
    let at = folder("torn");
    let (kind, told) = refused(&at.join("nowhere"), &key(1));
    assert_eq!(kind, ErrorKind::NotFound);
    assert!(told.contains("there is no state in") && told.contains("`init`"), "{told}");
    assert!(!at.join("nowhere").exists());
    drop(State::create(&at, &key(1), DeploymentId::new()).unwrap());
    let whole = fs::read(at.join("state")).unwrap();
    let told = |bytes: &[u8]| {
        fs::write(at.join("state"), bytes).unwrap();
        let (kind, told) = refused(&at, &key(1));
        assert!(told.contains(&at.display().to_string()), "{told}");
        (kind, told)
    };
    for length in [0, 5, 40, 120, whole.len() - 1] {
        let (kind, told) = told(&whole[..length]);
        assert_eq!(kind, ErrorKind::Rejected);
        assert!(told.contains("it is cut off"), "{length}: {told}");
    }
    let text = String::from_utf8_lossy(&whole[..40]).into_owned();
    let newer = [text.replace("state 1 ", "state 9 ").as_bytes(), &whole[40..]].concat();
    let (kind, why) = told(&newer);
    assert_eq!(kind, ErrorKind::Unsupported);
    assert!(why.contains("version 9"), "{why}");
    assert!(told(b"{}\n").1.contains("it is not the state of an agent"));
    // The same contents under the name of another deployment.
    let other = DeploymentId::new().to_string();
    let mine = text.split(' ').nth(2).unwrap();
    let start = whole.windows(mine.len()).position(|part| part == mine.as_bytes()).unwrap();
    let mut stolen = whole.clone();
    stolen[start..start + other.len().min(whole.len())].copy_from_slice(other.as_bytes());
    assert!(told(&stolen).1.contains("its bytes are not those that were sealed"));
}

/// Stops the first write at its n-th step, and says how many steps there were.
fn stopping(at: usize, killed: bool) -> (Watcher, Arc<AtomicUsize>) {
    let steps = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&steps);
    let watcher = move |_: WriteStep| {
        let stop = if killed { Stop::Killed } else { Stop::Failed(std::io::Error::other("No space left on device")) };
        (counted.fetch_add(1, Ordering::SeqCst) == at).then_some(stop)
    };
    (Arc::new(watcher), steps)
}

#[test]
fn rekey_may_be_killed_at_any_step_and_run_again() {
    let mut outcomes = Vec::new();
    for number in 0.. {
        let at = folder(&format!("rekey-{number}"));
        let state = State::create(&at, &key(1), DeploymentId::new()).unwrap();
        let public = *state.public_key();
        drop(state);
        let (watcher, steps) = stopping(number, true);
        State::rekey_watched(&at, &key(1), &key(2), Some(watcher)).unwrap();
        let opens = [1, 2].map(|byte| State::open(&at, &key(byte)).is_ok());
        assert_eq!(opens.iter().filter(|opens| **opens).count(), 1, "one of both keys opens it");
        outcomes.push(opens[1]);
        State::rekey(&at, &key(1), &key(2)).unwrap();
        assert_eq!(*State::open(&at, &key(2)).unwrap().public_key(), public);
        State::rekey(&at, &key(1), &key(2)).unwrap();
        let neither = State::rekey(&at, &key(3), &key(4)).unwrap_err();
        assert_eq!(neither.kind(), ErrorKind::Credentials);
        if steps.load(Ordering::SeqCst) <= number {
            break;
        }
    }
    assert_eq!(outcomes, [false, false, false, false, true, true, true]);
}

#[test]
fn a_disk_that_is_full_leaves_the_state_as_it_was() {
    for number in 0..4 {
        let at = folder(&format!("full-{number}"));
        drop(State::create(&at, &key(1), DeploymentId::new()).unwrap());
        let (watcher, _) = stopping(number, false);
        let error = State::rekey_watched(&at, &key(1), &key(2), Some(watcher)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("No space left on device"), "{error}");
        State::open(&at, &key(1)).unwrap();
        State::rekey(&at, &key(1), &key(2)).unwrap();
    }
}

/// A state as the first version of the agent wrote it: every later version reads it.
#[test]
fn the_state_of_an_earlier_version_is_read() {
    let at = folder("kept");
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/state/v1");
    if std::env::var_os("ALIEN_ACCEPT_LISTS").is_some() && !Path::new(kept).exists() {
        drop(State::create(&at, &key(0x5a), DeploymentId::new()).unwrap());
        fs::create_dir_all(Path::new(kept).parent().unwrap()).unwrap();
        fs::copy(at.join("state"), kept).unwrap();
    }
    fs::copy(kept, at.join("state")).unwrap();
    let status = State::look(&at, &key(0x5a)).unwrap();
    assert_eq!((status.generation, status.floor), (1, None));
    State::open(&at, &key(0x5a)).unwrap();
}
