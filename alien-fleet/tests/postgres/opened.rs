//! How a store is opened: tables, versions, rights, TLS.

use std::error::Error as _;

use alien_conformance::postgres::Postgres as Server;
use alien_core::{Error, ErrorKind};
use alien_fleet::store::{Key, Postgres, PostgresOptions, Store, Table};
use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Schema;
use crate::stores::{self, add, change, key, put, read};

async fn refused(options: PostgresOptions) -> Error {
    options.open().await.map(|_| ()).unwrap_err()
}

pub(crate) async fn programs_that_open_an_empty_schema_at_once_make_each_table_once(schema: Schema) {
    let opened = join_all((0..8).map(|_| schema.store())).await;
    for (number, store) in opened.iter().enumerate() {
        put(store, Table::ALL.map(|table| (Key::new(table, "g", "a"), json!(number), None))).await;
    }
    let sql = schema.sql().await;
    let versions = format!(r#"SELECT version, name FROM "{}".migration ORDER BY version"#, schema.name);
    let versions = sql.query(&versions, &[]).await.unwrap();
    let versions: Vec<(i32, String)> = versions.iter().map(|row| (row.get(0), row.get(1))).collect();
    let known = Postgres::migrations().iter().map(|migration| (migration.version, migration.name.to_owned()));
    assert_eq!(versions, known.collect::<Vec<_>>());
    assert!(Postgres::migrations().iter().map(|migration| migration.version).eq(1..=versions.len() as i32));
    let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = $1 ORDER BY 1";
    let tables = sql.query(tables, &[&schema.name]).await.unwrap();
    let mut expected = vec!["migration"];
    expected.extend(Table::ALL.map(Table::name));
    expected.sort_unstable();
    assert_eq!(tables.iter().map(|row| row.get(0)).collect::<Vec<String>>(), expected);
    // What is there is left as it is.
    drop(opened);
    let again = schema.store().await;
    assert_eq!(read(&again, &Key::new(Table::Log, "g", "a")).await, Some(json!(7)));
}

pub(crate) async fn a_newer_version_is_refused_by_name(schema: Schema) {
    drop(schema.store().await);
    let insert = format!(r#"INSERT INTO "{}".migration (version, name) VALUES (99, 'presence')"#, schema.name);
    schema.sql().await.execute(&insert, &[]).await.unwrap();
    let error = refused(schema.options()).await;
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("has migration 99 `presence`"), "{error}");
}

pub(crate) async fn whoever_may_not_create_opens_what_is_there(schema: Schema) {
    let (owner, role) = (schema.sql().await, format!("r{}", Uuid::new_v4().simple()));
    let name = &schema.name;
    owner.batch_execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'narrow'")).await.unwrap();
    let place = schema.url.split_once('@').unwrap().1;
    let narrow = Schema { url: format!("postgres://{role}:narrow@{place}"), ..schema.clone() };
    assert_eq!(refused(narrow.options()).await.kind(), ErrorKind::Denied);
    drop(schema.store().await);
    assert_eq!(refused(narrow.options()).await.kind(), ErrorKind::Denied);
    let grant = format!(
        "GRANT USAGE ON SCHEMA {name} TO {role};
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {name} TO {role}"
    );
    owner.batch_execute(&grant).await.unwrap();
    let store = narrow.store().await;
    put(&store, [(key("a"), json!(1), None)]).await;
    change(&store, [key("a")], |view| add(view, &key("a"), 1)).await.unwrap();
    assert_eq!(read(&store, &key("a")).await, Some(json!(2)));
}

/// The URL of a new database.
async fn database(schema: &Schema, options: &str) -> String {
    let name = format!("d{}", Uuid::new_v4().simple());
    let create = format!("CREATE DATABASE {name} TEMPLATE template0 {options}");
    schema.sql().await.batch_execute(&create).await.unwrap();
    format!("{}/{name}", schema.url.rsplit_once('/').unwrap().0)
}

pub(crate) async fn a_database_that_is_not_utf8_is_refused(schema: Schema) {
    let url = database(&schema, "ENCODING 'LATIN1'").await;
    let error = refused(PostgresOptions::new(url)).await;
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("LATIN1"), "{error}");
}

pub(crate) async fn a_schema_with_another_name_than_allowed_is_refused(schema: Schema) {
    for name in ["", "1a", "Ab", "a-b", "a\"b", "pg_a", "ä", &"a".repeat(49)] {
        let error = refused(schema.options().schema(name)).await;
        assert_eq!(error.kind(), ErrorKind::Input, "{name}");
        assert!(error.to_string().contains(&format!("schema `{name}`")), "{error}");
    }
    drop(schema.options().schema(format!("{:a<48}", schema.name)).open().await.unwrap());
}

pub(crate) async fn ids_are_ordered_as_bytes_in_a_database_that_orders_as_people_do(schema: Schema) {
    let url = database(&schema, "LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'en-US' ENCODING 'UTF8'").await;
    let schema = Schema::at(url);
    let sorted = schema.sql().await.query_one("SELECT 'a' < 'B'", &[]).await.unwrap();
    assert!(sorted.get::<_, bool>(0), "the database does not order as bytes");
    stores::listing::a_group_is_listed_by_id_as_bytes(&schema).await;
    stores::listing::pages_join_into_the_whole(&schema).await;
    stores::changing::changes_of_overlapping_keys_end_and_keep_the_sum(&schema).await;
}

pub(crate) async fn a_document_comes_back_byte_for_byte(schema: Schema) {
    let store = schema.store().await;
    let text = "zero \0, quote \", back \\, tab \t, \u{7f}, é, 😀, \u{2028}";
    let odd = json!({"z": 1, "a": [1.0, 1e300, u64::MAX, i64::MIN, -0.0], "": null, text: {"b": text, "a": text}});
    put(&store, [(key("odd"), odd.clone(), None)]).await;
    let found = store.read(&[key("odd")]).await.unwrap().remove(0).unwrap();
    assert_eq!(found.text, serde_json::to_string(&odd).unwrap());
    assert_eq!(serde_json::from_str::<Value>(&found.text).unwrap(), odd);
    // An operator sees JSON.
    put(&store, [(key("plain"), json!({"z": 1}), None)]).await;
    let query = format!(r#"SELECT doc->>'z' FROM "{}"."row" WHERE id = 'plain'"#, schema.name);
    assert_eq!(schema.sql().await.query_one(&query, &[]).await.unwrap().get::<_, String>(0), "1");
}

/// Everything that an error says, in all ways to say it.
fn said(error: &Error) -> String {
    let mut said = format!("{error} {error:?} {error:#?} {}", serde_json::to_string(error).unwrap());
    let mut source = error.source();
    while let Some(cause) = source {
        said += &format!(" {cause} {cause:?}");
        source = cause.source();
    }
    said
}

pub(crate) async fn neither_an_error_nor_debug_shows_the_password(schema: Schema) {
    let place = schema.url.split_once('@').unwrap().1;
    let port = place.split_once(':').unwrap().1.split_once('/').unwrap().0;
    let with = |address: &str| PostgresOptions::new(format!("postgres://alien:hunter2@{address}"));
    let wrong = refused(with(place)).await;
    assert_eq!(wrong.kind(), ErrorKind::Credentials, "{wrong}");
    let elsewhere = refused(with(&format!("127.0.0.1:{port}/elsewhere"))).await;
    assert_eq!(elsewhere.kind(), ErrorKind::Credentials, "whoever has a wrong password does not hear what is there");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let away = refused(with(&format!("127.0.0.1:{closed}/postgres"))).await;
    assert_eq!(away.kind(), ErrorKind::Unavailable, "{away}");
    let unreadable = refused(with(&format!("127.0.0.1:{port}/postgres?no=1"))).await;
    assert_eq!(unreadable.kind(), ErrorKind::Input, "{unreadable}");
    for error in [wrong, elsewhere, away, unreadable] {
        assert!(!said(&error).contains("hunter2"), "{}", said(&error));
    }
    let password = schema.url.split_once("alien:").unwrap().1.split_once('@').unwrap().0.to_owned();
    let missing = format!("{}/elsewhere", schema.url.rsplit_once('/').unwrap().0);
    let missing = refused(PostgresOptions::new(missing)).await;
    assert_eq!(missing.kind(), ErrorKind::NotFound, "{missing}");
    assert!(!said(&missing).contains(&password), "{}", said(&missing));
    let store = schema.store().await;
    let shown = format!("{store:?} {store:#?} {:?} {:#?}", schema.options(), schema.options());
    assert!(!shown.contains(&password), "{shown}");
    assert!(shown.contains("127.0.0.1") && shown.contains(&schema.name), "{shown}");
}

pub(crate) async fn tls_checks_whose_database_it_is(server: Server, certificate: String) {
    let file = std::env::temp_dir().join(format!("{}.pem", Uuid::new_v4()));
    let open = async |certificate: &str, mode: &str| {
        std::fs::write(&file, certificate).unwrap();
        let url = format!("{}?sslmode={mode}&sslrootcert={}", server.url(), file.display());
        PostgresOptions::new(url).open().await
    };
    let encrypted = Schema::of(&server).sql().await;
    let count = async || {
        let count = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                     WHERE ssl AND application_name = 'alien-fleet'";
        encrypted.query_one(count, &[]).await.unwrap().get::<_, i64>(0)
    };
    let plain = open(&certificate, "disable").await.unwrap();
    assert_eq!(count().await, 0);
    let store = open(&certificate, "verify-full").await.unwrap();
    put(&store, [(key("a"), json!(1), None)]).await;
    assert_eq!(count().await, 2, "one that listens, and one for calls");
    assert_eq!(read(&plain, &key("a")).await, Some(json!(1)));
    // Whoever it may be, it is not the one whose certificate is known.
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap().cert.pem();
    for mode in ["require", "verify-ca", "verify-full"] {
        let error = open(&other, mode).await.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(said(&error).contains("certificate"), "{}", said(&error));
    }
    // The certificate is for the address, not for the name.
    let url = server.url().replace("127.0.0.1", "localhost");
    std::fs::write(&file, &certificate).unwrap();
    let named = refused(PostgresOptions::new(format!("{url}?sslmode=require&sslrootcert={}", file.display()))).await;
    assert!(said(&named).contains("certificate"), "{}", said(&named));
    let _ = std::fs::remove_file(&file);
}
