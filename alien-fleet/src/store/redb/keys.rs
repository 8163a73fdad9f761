//! How keys and documents are written: the order of the bytes is the order of the keys.
//!
//! A text that something follows ends with two zero bytes, and a zero byte in it is written as `00 FF`. So no text can be
//! taken for another and what follows it, and a text comes before all that begin with it.

use super::super::{Document, Key, Place, Table};

fn text(bytes: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        bytes.push(byte);
        if byte == 0 {
            bytes.push(0xFF);
        }
    }
    bytes.extend([0, 0]);
}

/// What the keys of a group's documents begin with. The id follows as it is.
pub(super) fn group(table: Table, group: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(table.name().len() + group.len() + 48);
    text(&mut bytes, table.name());
    text(&mut bytes, group);
    bytes
}

pub(super) fn document(key: &Key) -> Vec<u8> {
    let mut bytes = group(key.table, &key.group);
    bytes.extend(key.id.bytes());
    bytes
}

/// What the places of a group's queue begin with.
pub(super) fn queue(table: Table, name: &str, queue: u8) -> Vec<u8> {
    let mut bytes = group(table, name);
    bytes.push(queue);
    bytes
}

/// A place, with the id of who waits there: for the first of this number, the id is empty.
pub(super) fn place(table: Table, group: &str, place: Place, id: &str) -> Vec<u8> {
    let mut bytes = queue(table, group, place.queue);
    bytes.extend(number(place.at));
    bytes.extend(id.bytes());
    bytes
}

/// The number and the id of a place, from what follows its queue.
pub(super) fn waiting(rest: &[u8]) -> Option<(i64, &str)> {
    let (at, id) = rest.split_first_chunk::<8>()?;
    Some((from_number(*at), std::str::from_utf8(id).ok()?))
}

/// Negative numbers come first.
const fn number(at: i64) -> [u8; 8] {
    (at ^ i64::MIN).to_be_bytes()
}

const fn from_number(bytes: [u8; 8]) -> i64 {
    i64::from_be_bytes(bytes) ^ i64::MIN
}

pub(super) fn encode(document: &Document) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(document.text.len() + 10);
    match document.place {
        None => bytes.push(0),
        Some(Place { queue, at }) => {
            bytes.extend([1, queue]);
            bytes.extend(number(at));
        }
    }
    bytes.extend(document.text.bytes());
    bytes
}

/// The place of a document, and the rest; `None` if the bytes are no document.
pub(super) fn decode_place(bytes: &[u8]) -> Option<(Option<Place>, &[u8])> {
    match bytes.split_first()? {
        (0, text) => Some((None, text)),
        (1, rest) => {
            let (queue, rest) = rest.split_first()?;
            let (at, text) = rest.split_first_chunk::<8>()?;
            Some((Some(Place { queue: *queue, at: from_number(*at) }), text))
        }
        _ => None,
    }
}

pub(super) fn decode(bytes: &[u8]) -> Option<Document> {
    let (place, text) = decode_place(bytes)?;
    Some(Document { text: std::str::from_utf8(text).ok()?.to_owned(), place })
}

/// Which place a document of this key waits at, if the bytes are those of a key.
pub(super) fn waits_at(key: &[u8], place: Place) -> Option<Vec<u8>> {
    let name = end_of_text(key)?;
    let id = name + end_of_text(key.get(name..)?)?;
    let (group, id) = key.split_at_checked(id)?;
    let mut bytes = group.to_vec();
    bytes.push(place.queue);
    bytes.extend(number(place.at));
    bytes.extend(id);
    Some(bytes)
}

/// Where what follows a text begins.
fn end_of_text(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match (bytes.get(at)?, bytes.get(at + 1)) {
            (0, Some(0)) => return Some(at + 2),
            // Within a text, no zero follows a zero.
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Short, and often with zero bytes.
    fn texts() -> impl Strategy<Value = String> {
        proptest::collection::vec(prop_oneof![Just('\0'), Just('\u{1}'), Just('a'), Just('b'), any::<char>()], 0..4)
            .prop_map(|chars| chars.into_iter().collect())
    }

    fn of(group: &str, id: &str) -> Key {
        Key::new(Table::Row, group, id)
    }

    proptest! {
        #[test]
        fn bytes_of_keys_have_the_order_of_keys(
            one in (texts(), texts()), other in (texts(), texts()),
        ) {
            let (left, right) = (document(&of(&one.0, &one.1)), document(&of(&other.0, &other.1)));
            prop_assert_eq!(left.cmp(&right), one.cmp(&other));
            prop_assert_eq!(left.starts_with(&group(Table::Row, &other.0)), one.0 == other.0);
        }

        #[test]
        fn bytes_of_places_have_the_order_of_places(
            one in (texts(), 0_u8..3, any::<i64>(), texts()), other in (texts(), 0_u8..3, any::<i64>(), texts()),
        ) {
            let [left, right] = [&one, &other].map(|(group, queue, at, id)| {
                place(Table::Row, group, Place { queue: *queue, at: *at }, id)
            });
            prop_assert_eq!(left.cmp(&right), one.cmp(&other));
            let rest = left.strip_prefix(&*queue(Table::Row, &one.0, one.1)).unwrap();
            prop_assert_eq!(waiting(rest), Some((one.2, one.3.as_str())));
        }

        #[test]
        fn a_document_comes_back_and_leads_to_its_place(
            text in any::<String>(), waits in proptest::option::of((any::<u8>(), any::<i64>())), key in (texts(), texts()),
        ) {
            let at = waits.map(|(queue, at)| Place { queue, at });
            let kept = Document { text, place: at };
            prop_assert_eq!(decode(&encode(&kept)), Some(kept));
            if let Some(at) = at {
                let expected = place(Table::Row, &key.0, at, &key.1);
                prop_assert_eq!(waits_at(&document(&of(&key.0, &key.1)), at), Some(expected));
            }
        }

        #[test]
        fn what_is_no_document_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            if let Some(document) = decode(&bytes) {
                prop_assert_eq!(encode(&document), bytes);
            }
        }
    }

    #[test]
    fn tables_stay_apart() {
        for one in Table::ALL {
            for other in Table::ALL {
                assert_eq!(group(one, "").starts_with(&group(other, "")), one == other);
            }
        }
    }
}
