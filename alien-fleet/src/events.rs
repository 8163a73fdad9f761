//! The log as a stream.

use std::time::Duration;

use alien_core::Result;
use futures_util::stream::{self, BoxStream, StreamExt as _};

use crate::fleet::Fleet;
use crate::log::Entry;

/// How many entries are read at once.
const PAGE: usize = 500;

/// How often the log is read. Most entries are not announced.
const EVERY: Duration = Duration::from_secs(1);

impl Fleet {
    /// The entries of the log after this number, and then each as it is written, until the stream is dropped.
    ///
    /// # Errors
    ///
    /// The stream ends with the first error of the store.
    pub fn follow(&self, after: u64) -> BoxStream<'static, Result<Entry>> {
        let announced = self.inner.ledger.store().announced();
        let begin = (self.clone(), announced, after, Vec::new().into_iter());
        let entries = stream::try_unfold(begin, |(fleet, mut announced, after, mut page)| async move {
            loop {
                if let Some(entry) = Iterator::next(&mut page) {
                    let entry: Entry = entry;
                    let number = entry.number;
                    return Ok(Some((entry, (fleet, announced, number, page))));
                }
                announced.mark_unchanged();
                page = fleet.inner.log(after, PAGE).await?.into_iter();
                if page.len() == 0 {
                    let changed = async {
                        // A store that is closed announces nothing more.
                        if announced.changed().await.is_err() {
                            std::future::pending::<()>().await;
                        }
                    };
                    tokio::select! {
                        () = changed => {}
                        () = fleet.inner.clock.sleep(EVERY) => {}
                    }
                }
            }
        });
        entries.boxed()
    }
}
