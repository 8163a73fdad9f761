//! Documents, as rows have them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use alien_core::Result;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::connections::Connections;
use super::failure::told;
use super::statements::Statements;
use crate::store::{Document, Key, Place, Table};

/// The document of a row: its text, its queue and its place, from a column on.
pub(super) fn document(row: &Row, first: usize) -> Result<Document, tokio_postgres::Error> {
    let (queue, at): (Option<i16>, Option<i64>) = (row.try_get(first + 1)?, row.try_get(first + 2)?);
    // Only this library writes the column, and it writes a byte.
    let queue = queue.and_then(|queue| u8::try_from(queue).ok());
    let place = queue.zip(at).map(|(queue, at)| Place { queue, at });
    Ok(Document { text: row.try_get(first)?, place })
}

/// The documents of rows that begin with an id.
pub(super) fn listed(rows: &[Row]) -> Result<Vec<(String, Document)>> {
    let read = |row: &Row| Ok((row.try_get(0)?, document(row, 1)?));
    rows.iter().map(read).collect::<Result<_, tokio_postgres::Error>>().map_err(|error| told(&error))
}

/// Groups and ids, by table, each in order.
pub(super) fn keys_by_table<'a>(
    keys: impl IntoIterator<Item = &'a Key>,
) -> BTreeMap<Table, (Vec<&'a str>, Vec<&'a str>)> {
    let mut tables: BTreeMap<Table, (Vec<_>, Vec<_>)> = BTreeMap::new();
    for key in keys {
        let (groups, ids) = tables.entry(key.table).or_default();
        groups.push(key.group.as_str());
        ids.push(key.id.as_str());
    }
    tables
}

/// Reads documents by one statement, so all are as they were at one moment.
pub(super) async fn read(
    connections: &Connections,
    statements: &Statements,
    keys: &[Key],
) -> Result<Vec<Option<Document>>> {
    let wanted: BTreeSet<&Key> = keys.iter().collect();
    let tables = keys_by_table(wanted);
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    let sql = statements.read(&tables.keys().copied().collect());
    let parameters = tables.values().flat_map(|(groups, ids)| [groups as &(dyn ToSql + Sync), ids]);
    let rows = connections.query(&sql, &parameters.collect::<Vec<_>>()).await?;
    let tables: Vec<Table> = tables.into_keys().collect();
    let mut found = HashMap::new();
    for row in rows {
        let (number, group, id, document) = of_table(&row).map_err(|error| told(&error))?;
        if let Some(table) = usize::try_from(number).ok().and_then(|number| tables.get(number)) {
            found.insert(Key::new(*table, group, id), document);
        }
    }
    Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
}

/// The number of the table, the group, the id and the document.
fn of_table(row: &Row) -> Result<(i64, String, String, Document), tokio_postgres::Error> {
    Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, document(row, 3)?))
}
