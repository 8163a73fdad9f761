//! Azurite, as storage that is not ours: it takes the physical names that stacks are given, and code needs no key for what
//! is behind them, but a bearer token of the right audience and time.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by panicking"
)]

use std::collections::BTreeSet;

use alien_conformance::azurite::{self, AUDIENCE, Azurite, Certified};
use alien_core::{Kv, Stack, Storage};
use libtest_mimic::Arguments;
use reqwest::{Certificate, Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use target::target;

#[path = "it/target.rs"]
mod target;

/// Blobs have had bearer tokens since 2017-11-09, tables since 2020-12-06
/// (<https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory>).
const VERSION: &str = "2024-11-04";
/// Of another service of Azure's.
const OTHER_AUDIENCE: &str = "https://management.azure.com";

fn main() {
    let arguments = Arguments::from_args();
    let own = [names("acme", "data"), names(&"a".repeat(32), &"d".repeat(63))];
    let accounts: Vec<&str> =
        own.iter().flat_map(|names| [names.storage.as_str(), names.kv.as_str()]).chain(["other"]).collect();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1", "localhost"].map(str::to_owned)).unwrap();
    let certified = Certified { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() };
    let trial = |name, test: fn(&World) -> Result<(), String>| {
        let own = own.clone();
        azurite::trial(name, &accounts, &certified, move |server| Ok(test(&World::new(server, own))?))
    };
    let trials = vec![
        trial("a_bearer_token_is_all_that_blobs_need", blobs_live),
        trial("a_bearer_token_is_all_that_entities_need", entities_live),
        trial("no_token_one_that_is_over_and_one_for_another_are_refused", tokens_are_checked),
        trial("names_that_storage_does_not_take_are_noticed", names_are_checked),
    ];
    libtest_mimic::run(&arguments, trials).exit()
}

/// The names that a stack's storage and its tables have.
#[derive(Debug, Clone)]
struct Names {
    storage: String,
    container: String,
    kv: String,
    table: String,
}

/// What a stack of one storage and one kv is given, read from the ids of its documents.
fn names(prefix: &str, id: &str) -> Names {
    let mut stack = Stack::builder("app");
    let kv = format!("{}k", &id[..id.len() - 1]);
    stack.frozen(id, Storage::new());
    stack.frozen(kv.as_str(), Kv::new());
    let stack = stack.build().unwrap();
    let documents = alien_core::render(&stack, &target(prefix.parse().unwrap())).unwrap().documents;
    let named = |id: &str, below: &str| {
        let path = documents.resources[id].id.as_str();
        let (_, rest) = path.split_once("/providers/Microsoft.Storage/storageAccounts/").expect("an account's id");
        let (account, name) = rest.split_once(below).expect("the id of what is in the account");
        (account.to_owned(), name.to_owned())
    };
    let (storage, container) = named(id, "/blobServices/default/containers/");
    let (kv, table) = named(&kv, "/tableServices/default/tables/");
    Names { storage, container, kv, table }
}

/// A server, the names in it and a client that trusts its certificate alone.
struct World {
    server: Azurite,
    names: [Names; 2],
    client: Client,
    runtime: tokio::runtime::Runtime,
}

impl World {
    fn new(server: Azurite, names: [Names; 2]) -> Self {
        let certificate = Certificate::from_pem(server.certificate().as_bytes()).unwrap();
        let client = Client::builder().no_proxy().tls_certs_only([certificate]).build().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { server, names, client, runtime }
    }

    /// Sends a request and tells the status and the body of the answer.
    fn send(&self, token: &str, verb: Method, url: String, more: &[(&str, &str)], body: &str) -> (StatusCode, String) {
        self.runtime.block_on(async {
            let mut request = self.client.request(verb, url).header("x-ms-version", VERSION);
            if !token.is_empty() {
                request = request.bearer_auth(token);
            }
            for (name, value) in more {
                request = request.header(*name, *value);
            }
            let answer: Response = request.body(body.to_owned()).send().await.expect("an answer");
            (answer.status(), answer.text().await.expect("a body"))
        })
    }
}

/// That an answer is as it should be, or what it is instead.
fn expect((status, body): (StatusCode, String), expected: u16, what: &str) -> Result<String, String> {
    if status.as_u16() == expected { Ok(body) } else { Err(format!("{what}: {status} instead of {expected}: {body}")) }
}

/// A token of this moment.
fn token(audience: &str) -> String {
    azurite::token(&azurite::claims(audience))
}

/// The life of a container and a blob, with a token.
fn blob_life(world: &World, token: &str, account: &str, container: &str) -> Result<(), String> {
    let container = format!("{}/{container}", world.server.blobs(account));
    let at = |rest: &str| format!("{container}{rest}");
    let block = [("x-ms-blob-type", "BlockBlob"), ("content-type", "text/plain")];
    expect(world.send(token, Method::PUT, at("?restype=container"), &[], ""), 201, "the container is made")?;
    expect(world.send(token, Method::PUT, at("/a/b.txt"), &block, "hello"), 201, "a blob is put")?;
    let read = expect(world.send(token, Method::GET, at("/a/b.txt"), &[], ""), 200, "the blob is read")?;
    let listed = expect(
        world.send(token, Method::GET, at("?restype=container&comp=list&prefix=a/"), &[], ""),
        200,
        "the blobs are listed",
    )?;
    expect(world.send(token, Method::DELETE, at("/a/b.txt"), &[], ""), 202, "the blob is deleted")?;
    expect(world.send(token, Method::GET, at("/a/b.txt"), &[], ""), 404, "the blob is gone")?;
    expect(world.send(token, Method::DELETE, at("?restype=container"), &[], ""), 202, "the container is deleted")?;
    if read != "hello" || listed.matches("<Name>a/b.txt</Name>").count() != 1 {
        return Err(format!("the blob is read as `{read}` and listed as {listed}"));
    }
    Ok(())
}

/// The life of a table and an entity, with a token.
fn entity_life(world: &World, token: &str, account: &str, table: &str) -> Result<(), String> {
    let tables = world.server.tables(account);
    let json = [("content-type", "application/json"), ("accept", "application/json;odata=nometadata")];
    let any = [json[0], json[1], ("if-match", "*")];
    let key = format!("{tables}/{table}(PartitionKey='p',RowKey='r')");
    let name = json!({"TableName": table}).to_string();
    expect(world.send(token, Method::POST, format!("{tables}/Tables"), &json, &name), 201, "the table is made")?;
    let entity = json!({"PartitionKey": "p", "RowKey": "r", "value": "hello"}).to_string();
    expect(world.send(token, Method::POST, format!("{tables}/{table}"), &json, &entity), 201, "an entity is put")?;
    let merged = json!({"count": 2}).to_string();
    let merge = Method::from_bytes(b"MERGE").unwrap();
    expect(world.send(token, merge, key.clone(), &any, &merged), 204, "the entity is changed")?;
    let read = expect(world.send(token, Method::GET, key.clone(), &json, ""), 200, "the entity is read")?;
    let query = format!("{tables}/{table}()?$filter=PartitionKey%20eq%20'p'%20and%20count%20eq%202");
    let listed = expect(world.send(token, Method::GET, query, &json, ""), 200, "the entities are listed")?;
    expect(world.send(token, Method::DELETE, key.clone(), &any, ""), 204, "the entity is deleted")?;
    expect(world.send(token, Method::GET, key, &json, ""), 404, "the entity is gone")?;
    expect(
        world.send(token, Method::DELETE, format!("{tables}/Tables('{table}')"), &any, ""),
        204,
        "the table is deleted",
    )?;
    let [read, listed] = [read, listed].map(|body| serde_json::from_str::<Value>(&body).unwrap());
    let is_whole = |entity: &Value| entity["value"] == "hello" && entity["count"] == 2;
    if !is_whole(&read) || !is_whole(&listed["value"][0]) || !listed["value"][1].is_null() {
        return Err(format!("the entity is read as {read} and listed as {listed}"));
    }
    Ok(())
}

fn blobs_live(world: &World) -> Result<(), String> {
    for names in &world.names {
        blob_life(world, &token(AUDIENCE), &names.storage, &names.container)?;
    }
    Ok(())
}

fn entities_live(world: &World) -> Result<(), String> {
    for names in &world.names {
        entity_life(world, &token(AUDIENCE), &names.kv, &names.table)?;
    }
    Ok(())
}

/// Each is refused at the first step; and so the lives above would have failed with it.
fn tokens_are_checked(world: &World) -> Result<(), String> {
    let names = &world.names[0];
    let with = |claim: &str, value: Value| {
        let mut claims = azurite::claims(AUDIENCE);
        claims[claim] = value;
        azurite::token(&claims)
    };
    let tokens = [
        ("no token", String::new()),
        ("one that is over", with("exp", json!(1_600_000_000))),
        ("one that does not hold yet", with("nbf", json!(4_000_000_000_u64))),
        ("one for another service", token(OTHER_AUDIENCE)),
        ("one for another account", token("https://other.blob.core.windows.net")),
        ("one of another issuer", with("iss", json!("https://oidc.vendor.example.com"))),
    ];
    let mut let_through = BTreeSet::new();
    for (what, token) in &tokens {
        let blobs = blob_life(world, token, &names.storage, &names.container);
        let entities = entity_life(world, token, &names.kv, &names.table);
        for (life, of, first) in
            [(blobs, "blobs", "the container is made"), (entities, "entities", "the table is made")]
        {
            let refused = [401, 403].map(|status| format!("{first}: {status}"));
            match life {
                Err(problem) if refused.iter().any(|refused| problem.starts_with(refused)) => {}
                other => _ = let_through.insert(format!("{of}, {what}: {other:?}")),
            }
        }
    }
    // What is refused is the token, not the life.
    blob_life(world, &token(AUDIENCE), &names.storage, &names.container)?;
    entity_life(world, &token(AUDIENCE), &names.kv, &names.table)?;
    if let_through.is_empty() { Ok(()) } else { Err(let_through.into_iter().collect::<Vec<_>>().join("\n")) }
}

/// A name that the services do not take ends the life at its first step: names of any form would not have passed.
fn names_are_checked(world: &World) -> Result<(), String> {
    let names = &world.names[0];
    let mut let_through = Vec::new();
    for container in ["acme--data", "Acme-data", "ac", &"a".repeat(64)] {
        match blob_life(world, &token(AUDIENCE), &names.storage, container) {
            Err(problem) if problem.starts_with("the container is made: 400") => {}
            other => let_through.push(format!("the container `{container}`: {other:?}")),
        }
    }
    for table in ["acme-data", "1acme", "ac", &"a".repeat(64)] {
        match entity_life(world, &token(AUDIENCE), &names.kv, table) {
            Err(problem) if problem.starts_with("the table is made: 400") => {}
            other => let_through.push(format!("the table `{table}`: {other:?}")),
        }
    }
    match blob_life(world, &token(AUDIENCE), "nobody", &names.container) {
        Err(problem) if problem.starts_with("the container is made: 4") => {}
        other => let_through.push(format!("an account that is not there: {other:?}")),
    }
    if let_through.is_empty() { Ok(()) } else { Err(let_through.join("\n")) }
}
