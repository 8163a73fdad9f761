//! The tables of the database, and how they came to be.

use std::time::Duration;

use alien_core::{Error, ErrorKind, Result};
use deadpool_postgres::{Client, GenericClient};

use super::failure::told;

/// One step from an empty schema to the tables that the store needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migration {
    /// Its number, from 1 on, without a gap.
    pub version: i32,
    /// Its name.
    pub name: &'static str,
    /// Its SQL. It names tables without a schema.
    pub sql: &'static str,
}

pub(super) const ALL: &[Migration] = &[
    Migration { version: 1, name: "documents", sql: include_str!("migrations/1-documents.sql") },
    Migration { version: 2, name: "tokens", sql: include_str!("migrations/2-tokens.sql") },
    Migration { version: 3, name: "agents", sql: include_str!("migrations/3-agents.sql") },
];

/// Brings the schema to the newest version. Programs that do so at the same time wait for each other.
pub(super) async fn run(client: &mut Client, schema: &str) -> Result<()> {
    check_encoding(client).await?;
    // Whoever may only read and write the tables can open a store whose tables are there.
    if is_current(&applied(&*client, schema).await?, schema)? {
        return Ok(());
    }
    let transaction = client.transaction().await.map_err(|error| told(&error))?;
    let wait = WAIT.as_millis();
    let begin = format!(
        // Another program may take its time.
        "SET LOCAL statement_timeout = {wait}; SELECT pg_advisory_xact_lock(hashtextextended('alien-fleet {schema}', 0))"
    );
    transaction.batch_execute(&begin).await.map_err(|error| told(&error))?;
    let before = applied(&transaction, schema).await?;
    if is_current(&before, schema)? {
        return Ok(());
    }
    let table = format!(
        r#"CREATE SCHEMA IF NOT EXISTS "{schema}";
        SET LOCAL search_path TO "{schema}";
        CREATE TABLE IF NOT EXISTS migration (
            version integer PRIMARY KEY,
            name text NOT NULL,
            applied timestamptz NOT NULL DEFAULT clock_timestamp()
        )"#
    );
    transaction.batch_execute(&table).await.map_err(|error| told(&error))?;
    for migration in ALL.iter().skip(before.len()) {
        tracing::info!(schema, version = migration.version, name = migration.name, "migrating the store");
        transaction.batch_execute(migration.sql).await.map_err(|error| told(&error))?;
        let insert = "INSERT INTO migration (version, name) VALUES ($1, $2)";
        transaction.execute(insert, &[&migration.version, &migration.name]).await.map_err(|error| told(&error))?;
    }
    transaction.commit().await.map_err(|error| told(&error))
}

/// How long one program waits for another that migrates.
pub(super) const WAIT: Duration = Duration::from_secs(60);

async fn check_encoding(client: &Client) -> Result<()> {
    let row = client.query_one("SELECT current_setting('server_encoding')", &[]).await.map_err(|error| told(&error))?;
    let encoding: String = row.try_get(0).map_err(|error| told(&error))?;
    if encoding == "UTF8" {
        return Ok(());
    }
    let what = format!("the database has encoding {encoding}; create one with `CREATE DATABASE … ENCODING 'UTF8'`");
    Err(Error::new(ErrorKind::Unsupported, what))
}

/// The versions that the schema has been through, and their names.
async fn applied(client: &impl GenericClient, schema: &str) -> Result<Vec<(i32, String)>> {
    let read = async {
        // Not `to_regclass`: while another program migrates, it goes on saying what it has said once.
        let there = "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = $1 AND tablename = 'migration')";
        if !client.query_one(there, &[&schema]).await?.try_get::<_, bool>(0)? {
            return Ok(Vec::new());
        }
        let versions = format!(r#"SELECT version, name FROM "{schema}".migration ORDER BY version"#);
        let rows = client.query(&versions, &[]).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    };
    read.await.map_err(|error: tokio_postgres::Error| told(&error))
}

/// Whether nothing is left to do.
fn is_current(applied: &[(i32, String)], schema: &str) -> Result<bool> {
    let mut known = ALL.iter();
    for (version, name) in applied {
        let is_known = known.next().is_some_and(|known| (known.version, known.name) == (*version, name.as_str()));
        if !is_known {
            let newest = ALL.last().map_or(0, |newest| newest.version);
            let what = format!(
                "schema `{schema}` of the database has migration {version} `{name}`, and this version of alien-fleet \
                 knows those up to {newest}: use the version that made it, or a newer one"
            );
            return Err(Error::new(ErrorKind::Unsupported, what));
        }
    }
    Ok(known.next().is_none())
}
