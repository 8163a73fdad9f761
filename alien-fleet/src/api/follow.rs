//! Reads the log from Server-Sent Events. <https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream>

use alien_core::{Error, ErrorKind, Result};
use futures_util::stream::{self, BoxStream, StreamExt as _};

use super::body::{Reader, too_large};
use super::calls::events::FAILED;
use crate::log::Entry;

/// The most bytes of an event.
const EVENT: usize = 8 << 20;

/// The entries of a stream. It ends with the first error, and where it was cut: an event that is not whole is none.
pub(super) fn entries(parts: Reader) -> BoxStream<'static, Result<Entry>> {
    let begin = (parts, Vec::new(), Event::default());
    let entries = stream::try_unfold(begin, |(mut parts, mut buffer, mut event)| async move {
        loop {
            if let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                let rest = buffer.split_off(end + 1);
                let line = std::mem::replace(&mut buffer, rest);
                if let Some(entry) = event.line(&line)? {
                    return Ok(Some((entry, (parts, buffer, event))));
                }
            } else if buffer.len() > EVENT {
                return Err(too_large(EVENT));
            } else if let Some(part) = parts.next().await? {
                buffer.extend_from_slice(&part);
            } else {
                return Ok(None);
            }
        }
    });
    entries.boxed()
}

/// An event, as far as it was read.
#[derive(Debug, Default)]
struct Event {
    kind: Vec<u8>,
    data: Vec<u8>,
}

impl Event {
    /// Takes a line, with its end. An empty one ends the event.
    fn line(&mut self, line: &[u8]) -> Result<Option<Entry>> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return std::mem::take(self).read();
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = colon.map_or((line, &[][..]), |colon| line.split_at(colon));
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"event" => self.kind = value.to_vec(),
            b"data" => {
                if self.data.len() + value.len() > EVENT {
                    return Err(too_large(EVENT));
                }
                if !self.data.is_empty() {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
            }
            // The number of the entry is in the entry, and a comment has no name.
            _ => {}
        }
        Ok(None)
    }

    fn read(self) -> Result<Option<Entry>> {
        if self.data.is_empty() {
            return Ok(None);
        }
        let wrong = |error| Error::new(ErrorKind::Internal, "an event is no entry of a log").caused_by(&error);
        if self.kind == FAILED.as_bytes() {
            return Err(serde_json::from_slice(&self.data).map_err(wrong)?);
        }
        // What later versions add is no entry.
        if !self.kind.is_empty() && self.kind != b"message" {
            return Ok(None);
        }
        serde_json::from_slice(&self.data).map(Some).map_err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::Body;
    use axum::response::IntoResponse as _;
    use futures_util::TryStreamExt as _;
    use jiff::Timestamp;

    use super::*;
    use crate::api::calls::events::Events;
    use crate::log::{What, Who};

    fn entry(number: u64) -> Entry {
        let what =
            What::Ordered { rollout: "shop/1".parse().unwrap(), order: "pause: a\r\nline: \u{2028}\n\n".to_owned() };
        let (before, hash) = ("0".repeat(64), "1".repeat(64));
        Entry { number, at: Timestamp::UNIX_EPOCH, who: Who::claimed("ann"), what, before, hash }
    }

    async fn read(body: impl Into<Body>) -> Result<Vec<Entry>> {
        entries(Reader::new(body.into(), usize::MAX, Duration::from_secs(60))).try_collect().await
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_server_tells_is_read_as_it_was_and_so_is_its_failure() {
        let all = vec![entry(1), entry(2), entry(5)];
        let told = stream::iter(all.clone().into_iter().map(Ok)).boxed();
        assert_eq!(read(Events::of(told).into_response().into_body()).await.unwrap(), all);
        let failed = Error::new(ErrorKind::Unavailable, "the store is gone").at("log");
        let told = stream::iter([Ok(entry(1)), Err(failed.clone())]).boxed();
        let mut found =
            entries(Reader::new(Events::of(told).into_response().into_body(), usize::MAX, Duration::from_secs(60)));
        assert_eq!(found.next().await.unwrap().unwrap(), entry(1));
        assert_eq!(found.next().await.unwrap().unwrap_err(), failed);
    }

    #[tokio::test(start_paused = true)]
    async fn where_nothing_happens_a_comment_comes_every_fifteen_seconds() {
        let begun = tokio::time::Instant::now();
        let mut parts = Events::of(stream::pending().boxed()).into_response().into_body().into_data_stream();
        for round in 1..=3 {
            let comment = parts.next().await.unwrap().unwrap();
            assert!(comment.starts_with(b":") && comment.ends_with(b"\n\n"), "{comment:?}");
            assert_eq!(begun.elapsed().as_secs(), round * 15);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_the_standard_allows_is_read() {
        let json = serde_json::to_string(&entry(7)).unwrap();
        let (first, second) = json.split_at(json.find(',').unwrap() + 1);
        for text in [
            format!("data: {json}\n\n"),
            format!("data:{json}\r\n\r\n"),
            format!(": a comment\n\nid: 7\nretry: 5\nevent: message\ndata: {json}\nunknown\n\n"),
            format!("data: {first}\ndata: {second}\n\n"),
            format!("event: later\ndata: {{}}\n\ndata: {json}\n\n"),
            format!("id: 6\n\ndata: {json}\n\ndata: {json}\n"),
        ] {
            assert_eq!(read(text.clone()).await.unwrap(), [entry(7)], "{text}");
            // In parts of a byte.
            let parts = stream::iter(text.clone().into_bytes().into_iter().map(|byte| Ok::<_, Error>(vec![byte])));
            assert_eq!(read(Body::from_stream(parts)).await.unwrap(), [entry(7)], "{text}");
        }
        assert_eq!(read("data: {}\n\n").await.unwrap_err().kind(), ErrorKind::Internal);
        let endless =
            stream::repeat_with(|| Ok::<_, Error>("data: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n".repeat(1000)));
        assert_eq!(read(Body::from_stream(endless)).await.unwrap_err().kind(), ErrorKind::TooLarge);
        let endless = stream::repeat_with(|| Ok::<_, Error>("x".repeat(100_000)));
        assert_eq!(read(Body::from_stream(endless)).await.unwrap_err().kind(), ErrorKind::TooLarge);
    }
}
