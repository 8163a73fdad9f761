//! The SQL of the store. A pooled connection prepares each text once.

use std::collections::BTreeSet;

use crate::store::Table;

/// The statements on the tables of one schema.
#[derive(Debug, Clone)]
pub(super) struct Statements {
    schema: String,
}

impl Statements {
    /// The name of the schema is one that needs no escape.
    pub(super) const fn new(schema: String) -> Self {
        Self { schema }
    }

    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    fn table(&self, table: Table) -> String {
        format!(r#""{}"."{}""#, self.schema, table.name())
    }

    /// Reads documents of several tables as they are at one moment. For each table, in order, two arrays: groups and ids.
    pub(super) fn read(&self, tables: &BTreeSet<Table>) -> String {
        let selects = tables.iter().enumerate().map(|(number, table)| {
            let (groups, ids) = (2 * number + 1, 2 * number + 2);
            format!(
                "SELECT {number}::bigint, d.grp, d.id, d.doc::text, d.queue, d.place \
                 FROM unnest(${groups}::text[], ${ids}::text[]) AS k (grp, id) JOIN {} AS d ON d.grp = k.grp AND d.id = k.id",
                self.table(*table)
            )
        });
        selects.collect::<Vec<_>>().join(" UNION ALL ")
    }

    /// Reads and locks documents, in the order of their keys: whoever locks several of the same then waits for the other.
    pub(super) fn lock(&self, table: Table) -> String {
        format!(
            "SELECT d.grp, d.id, d.doc::text, d.queue, d.place \
             FROM {} AS d JOIN unnest($1::text[], $2::text[]) AS k (grp, id) ON d.grp = k.grp AND d.id = k.id \
             ORDER BY d.grp, d.id FOR UPDATE OF d",
            self.table(table)
        )
    }

    /// Fails if one of the documents is there already.
    pub(super) fn insert(&self, table: Table) -> String {
        format!(
            "INSERT INTO {} (grp, id, doc, queue, place) SELECT grp, id, doc::json, queue, place FROM {NEW}",
            self.table(table)
        )
    }

    /// What is written is no longer taken.
    pub(super) fn update(&self, table: Table) -> String {
        format!(
            "UPDATE {} AS d SET doc = n.doc::json, queue = n.queue, place = n.place, taken_until = NULL \
             FROM {NEW} WHERE d.grp = n.grp AND d.id = n.id",
            self.table(table)
        )
    }

    pub(super) fn delete(&self, table: Table) -> String {
        format!(
            "DELETE FROM {} AS d USING unnest($1::text[], $2::text[]) AS k (grp, id) WHERE d.grp = k.grp AND d.id = k.id",
            self.table(table)
        )
    }

    pub(super) fn list(&self, table: Table) -> String {
        let table = self.table(table);
        format!("SELECT id, doc::text, queue, place FROM {table} WHERE grp = $1 ORDER BY id LIMIT $2")
    }

    pub(super) fn list_after(&self, table: Table) -> String {
        let table = self.table(table);
        format!("SELECT id, doc::text, queue, place FROM {table} WHERE grp = $1 AND id > $3 ORDER BY id LIMIT $2")
    }

    /// Takes documents that nobody else is taking right now. The first part is materialized, so it is carried out once.
    pub(super) fn take(&self, table: Table) -> String {
        let table = self.table(table);
        format!(
            "WITH found AS MATERIALIZED ( \
                SELECT grp, id FROM {table} \
                WHERE grp = $1 AND queue = $2 AND place BETWEEN $3 AND $4 AND (taken_until IS NULL OR taken_until <= $5) \
                ORDER BY place, id LIMIT $6 FOR UPDATE SKIP LOCKED \
             ), taken AS ( \
                UPDATE {table} AS d SET taken_until = $7 FROM found WHERE d.grp = found.grp AND d.id = found.id \
                RETURNING d.id, d.doc::text, d.queue, d.place \
             ) \
             SELECT id, doc, queue, place FROM taken ORDER BY place, id"
        )
    }

    pub(super) fn next(&self, table: Table) -> String {
        let table = self.table(table);
        format!("SELECT place FROM {table} WHERE grp = $1 AND queue = $2 AND place > $3 ORDER BY place LIMIT 1")
    }
}

/// What is written, as arrays: a statement takes as many documents as there are.
const NEW: &str =
    "unnest($1::text[], $2::text[], $3::text[], $4::smallint[], $5::bigint[]) AS n (grp, id, doc, queue, place)";

/// Tells whoever listens, when the transaction is committed.
pub(super) const NOTIFY: &str = "SELECT pg_notify($1, $2)";

/// The time, as the database has it.
pub(super) const TIME: &str = "SELECT clock_timestamp()";
