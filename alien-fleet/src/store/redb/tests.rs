//! A disk that fails at every write in turn, that loses power, and that is full.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use super::*;

/// A disk in memory. What was not flushed is lost with the power, in part.
#[derive(Debug, Clone, Default)]
struct Disk(Arc<Platter>);

#[derive(Debug)]
struct Platter {
    bytes: Mutex<Vec<u8>>,
    /// As it is after a loss of power, but for what is in `unflushed`.
    flushed: Mutex<Vec<u8>>,
    unflushed: Mutex<Vec<(u64, Vec<u8>)>>,
    /// How many more writes succeed.
    left: AtomicU64,
}

impl Default for Platter {
    fn default() -> Self {
        Self { bytes: Mutex::default(), flushed: Mutex::default(), unflushed: Mutex::default(), left: u64::MAX.into() }
    }
}

impl Disk {
    fn fail_after(&self, writes: u64) {
        self.0.left.store(writes, Ordering::SeqCst);
    }

    fn heal(&self) {
        self.fail_after(u64::MAX);
    }

    fn writes(&self) -> io::Result<()> {
        let left = self.0.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| match left {
            u64::MAX => Some(left),
            left => left.checked_sub(1),
        });
        left.map(drop).map_err(|_| io::ErrorKind::StorageFull.into())
    }

    fn has_failed(&self) -> bool {
        self.0.left.load(Ordering::SeqCst) == 0
    }

    /// Each write that was not flushed is there afterwards, or not.
    fn lose_power(&self, chance: &mut fastrand::Rng) {
        let mut flushed = self.0.flushed.lock().unwrap();
        for (offset, data) in self.0.unflushed.lock().unwrap().drain(..) {
            if chance.bool() {
                write_at(&mut flushed, offset, &data);
            }
        }
        self.0.bytes.lock().unwrap().clone_from(&flushed);
    }
}

fn write_at(bytes: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let offset = usize::try_from(offset).unwrap();
    if bytes.len() < offset + data.len() {
        bytes.resize(offset + data.len(), 0);
    }
    bytes[offset..offset + data.len()].copy_from_slice(data);
}

impl redb::StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.bytes.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        let bytes = self.0.bytes.lock().unwrap();
        out.copy_from_slice(bytes.get(offset..offset + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.writes()?;
        // A new length is on the disk at once: shorter files are what loses most.
        for bytes in [&self.0.bytes, &self.0.flushed] {
            bytes.lock().unwrap().resize(usize::try_from(len).unwrap(), 0);
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.writes()?;
        self.0.unflushed.lock().unwrap().clear();
        self.0.flushed.lock().unwrap().clone_from(&self.0.bytes.lock().unwrap());
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.writes()?;
        write_at(&mut self.0.bytes.lock().unwrap(), offset, data);
        self.0.unflushed.lock().unwrap().push((offset, data.to_vec()));
        Ok(())
    }
}

async fn on(disk: &Disk) -> Result<Embedded> {
    let disk = disk.clone();
    Embedded::with("fleet.redb".into(), Box::new(move |path| file::open_on(disk.clone(), path))).await
}

fn counter() -> Key {
    Key::new(Table::Tail, "", "counter")
}

fn numbered(number: u64) -> Key {
    Key::new(Table::Log, "", format!("{number:05}"))
}

/// Counts one on, and adds a document of this number that waits at it. Some are large, so that the file grows.
async fn count_on(store: &Embedded) -> Result<()> {
    let change = |view: &mut View| {
        let number = view.get::<u64>(&counter())?.unwrap_or_default() + 1;
        let at = i64::try_from(number).ok();
        let large = "x".repeat(if number % 3 == 0 { 100_000 } else { 10 });
        view.put(numbered(number), &large, at.map(|at| Place { queue: 1, at }))?;
        view.put(counter(), &number, at.map(|at| Place { queue: 0, at }))
    };
    store.change(BTreeSet::from([counter()]), Box::new(change)).await
}

async fn counted(store: &Embedded) -> u64 {
    let found = store.read(&[counter()]).await.unwrap().remove(0);
    let number = found.map_or(0, |found| serde_json::from_str::<Value>(&found.text).unwrap().as_u64().unwrap());
    let ids: Vec<_> = store.list(Table::Log, "", None, 1000).await.unwrap().into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, (1..=number).map(|number| format!("{number:05}")).collect::<Vec<_>>(), "as many as were counted");
    store.check().await.unwrap();
    number
}

/// Counts until something fails, and returns how often it succeeded.
async fn count_to(store: &Embedded, end: u64) -> (u64, Option<Error>) {
    for number in 0..end {
        if let Err(error) = count_on(store).await {
            return (number, Some(error));
        }
    }
    (end, None)
}

#[tokio::test]
async fn whichever_write_fails_nothing_acknowledged_is_lost_and_it_works_again() {
    let mut failures = 0;
    for writes in 0.. {
        let disk = Disk::default();
        let store = on(&disk).await.unwrap();
        disk.fail_after(writes);
        let (done, error) = count_to(&store, 4).await;
        let Some(error) = error else { break };
        failures += 1;
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("no space left"), "{error}");
        // While the disk is full: an error again, and no answer that is wrong.
        let again = count_on(&store).await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::Unavailable, "{again}");
        disk.heal();
        let found = counted(&store).await;
        assert!((done..=done + 1).contains(&found), "{done} were acknowledged, and {found} are there");
        assert_eq!(count_to(&store, 3).await.0, 3);
        assert_eq!(counted(&store).await, found + 3);
    }
    assert!(failures > 20, "only {failures} writes failed");
}

#[tokio::test]
async fn whenever_power_is_lost_nothing_acknowledged_is() {
    let mut losses = 0;
    for writes in 0.. {
        let disk = Disk::default();
        let mut chance = fastrand::Rng::with_seed(writes);
        let store = on(&disk).await.unwrap();
        disk.fail_after(writes);
        let (done, error) = count_to(&store, 4).await;
        if error.is_none() {
            break;
        }
        losses += 1;
        assert!(disk.has_failed());
        drop(store);
        disk.lose_power(&mut chance);
        disk.heal();
        let store = on(&disk).await.unwrap();
        let found = counted(&store).await;
        assert!((done..=done + 1).contains(&found), "{done} were acknowledged, and {found} are there");
        assert_eq!(count_to(&store, 2).await.0, 2);
    }
    assert!(losses > 20, "only {losses} losses of power");
}

#[tokio::test]
async fn what_was_taken_stays_taken_when_a_write_fails() {
    let disk = Disk::default();
    let store = on(&disk).await.unwrap();
    count_to(&store, 2).await;
    let span = Span { queue: 1, first: i64::MIN, last: i64::MAX };
    let at = |second| Timestamp::from_second(second).unwrap();
    let take = async || store.take(Table::Log, "", span, 9, at(0), at(10)).await.unwrap().len();
    assert_eq!(take().await, 2);
    disk.fail_after(0);
    count_on(&store).await.unwrap_err();
    disk.heal();
    assert_eq!(take().await, 0);
}

#[tokio::test]
async fn a_check_finds_an_index_that_differs() {
    let store = on(&Disk::default()).await.unwrap();
    count_to(&store, 2).await;
    store.check().await.unwrap();
    let spoil = |work: fn(&mut redb::Table<'_, &[u8], ()>)| {
        store.run(move |_, database| {
            let transaction = database.begin_write()?;
            work(&mut transaction.open_table(PLACES)?);
            Ok(transaction.commit()?)
        })
    };
    let stray = || keys::place(Table::Log, "", Place { queue: 1, at: 77 }, "stray");
    spoil(|places| {
        drop(places.insert(&*keys::place(Table::Log, "", Place { queue: 1, at: 77 }, "stray"), ()).unwrap())
    })
    .await
    .unwrap();
    assert_eq!(store.check().await.unwrap_err().kind(), ErrorKind::Input);
    let stray = stray();
    store
        .run(move |_, database| {
            let transaction = database.begin_write()?;
            transaction.open_table(PLACES)?.remove(&*stray)?;
            Ok(transaction.commit()?)
        })
        .await
        .unwrap();
    store.check().await.unwrap();
    spoil(|places| drop(places.pop_first().unwrap())).await.unwrap();
    let error = store.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(error.to_string().contains("`fleet.redb` is damaged"), "{error}");
}
