//! What is set up: a small product with every kind of resource, and its next release.

use std::io::{Cursor, Write as _};
use std::sync::Arc;

use alien_core::{
    Adapter, Artifacts, Code, Container, Error, ErrorKind, Function, Kind, Kv, Network, Problems, Profile, Queue,
    Release, Result, Stack, Storage,
};
use zip::result::ZipError;
use zip::write::{SimpleFileOptions, ZipWriter};

/// The network that code is placed in.
pub(crate) const NET: &str = "net";
/// Files.
pub(crate) const DATA: &str = "data";
/// A table.
pub(crate) const CACHE: &str = "cache";
/// A queue.
pub(crate) const JOBS: &str = "jobs";
/// A live function.
pub(crate) const API: &str = "api";
/// A live function in the network.
pub(crate) const INSIDE: &str = "inside";
/// A live container in the network.
pub(crate) const WORKER: &str = "worker";
/// A frozen function, with an identity of its own.
pub(crate) const LEDGER: &str = "ledger";

/// The resources, in the order in which they are watched.
pub(crate) const RESOURCES: [&str; 8] = [NET, DATA, CACHE, JOBS, API, INSIDE, WORKER, LEDGER];
/// Those that are live and run code.
pub(crate) const LIVE: [&str; 3] = [API, INSIDE, WORKER];

/// What the code of `api` says in its log of a command that it gets.
pub(crate) const COMMAND: &str = r#"{"prove":"hello"}"#;

/// A product, and what is released after it.
#[derive(Debug)]
pub struct Product {
    /// What is set up.
    pub(crate) first: Release,
    /// What is released then: other variables, and another zip where the cloud runs zips.
    pub(crate) second: Release,
    /// Whether `api` takes commands.
    pub(crate) commands: bool,
}

impl Product {
    /// Builds the product for a cloud. Where the cloud runs zips, functions have one that answers each command with the command
    /// itself; elsewhere, and for containers, they have the image. `commands` says whether that image answers commands as the
    /// cloud's page asks; a zip does.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] if a zip cannot be written.
    pub fn new(cloud: &dyn Adapter, image: &Code, commands: bool) -> Result<Self> {
        let runs_zips = cloud.code(Kind::Function).is_some_and(|forms| forms.zip);
        let commands = commands || runs_zips;
        let build = |says: &str| {
            let mut zips = Artifacts::default();
            let mut code =
                |says: &str| Ok::<_, Error>(if runs_zips { zips.insert(bootstrap(says)?) } else { image.clone() });
            // What is frozen does not change with a release.
            let (live, frozen) = (code(says)?, code("frozen")?);
            Ok::<_, Error>(Release::new(described(&live, &frozen, image, says, commands)?, zips)?)
        };
        Ok(Self { first: build("first")?, second: build("second")?, commands })
    }

    /// What is set up.
    #[must_use]
    pub const fn stack(&self) -> &Stack {
        self.first.stack()
    }
}

fn described(live: &Code, frozen: &Code, image: &Code, says: &str, commands: bool) -> Result<Stack, Problems> {
    let mut stack = Stack::builder("prove");
    let network = stack.frozen(NET, Network::new("10.87.0.0/16"));
    let data = stack.frozen(DATA, Storage::new().with_versions());
    let cache = stack.live(CACHE, Kv::new().with_time_to_live("expires"));
    let jobs = stack.live(JOBS, Queue::new().with_dead_letters_after(5));
    let function = || Function::new(live.clone(), "product").with_memory_mib(512).with_variable("SAYS", says);
    let api = function().with_trigger(&jobs);
    let api = stack.live(API, if commands { api.with_commands() } else { api });
    stack.live(INSIDE, function().with_network(&network));
    let worker = Container::new(image.clone(), "product").with_variable("SAYS", says).with_network(&network);
    stack.live(WORKER, worker);
    let ledger = stack.frozen(LEDGER, Function::new(frozen.clone(), "ledger").with_memory_mib(512));
    stack.link(&api, &cache);
    stack.link(&ledger, &data);
    let product = Profile::new().on(&cache, [Kv::DATA_READ, Kv::DATA_WRITE]).on(&jobs, [Queue::DATA_READ]);
    stack.profile("product", product);
    stack.profile("ledger", Profile::new().on(&data, [Storage::DATA_WRITE]));
    stack.build()
}

/// Implements the Lambda runtime API with the shell and curl of `provided.al2023`
/// (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-walkthrough.html>).
const BOOTSTRAP: &str = r#"#!/bin/sh
api="http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation"
headers=$(mktemp)
while true; do
    command=$(curl -sS -D "$headers" "$api/next")
    id=$(grep -i '^lambda-runtime-aws-request-id:' "$headers" | tr -d '[:space:]' | cut -d: -f2)
    echo "$command"
    curl -sS -o /dev/null "$api/$id/response" -d "$command"
done
"#;

/// The code of a function on AWS, as a zip: it answers each command with the command itself, and prints it. Each `says` gives another
/// zip that does the same.
///
/// # Errors
///
/// [`ErrorKind::Internal`] if the zip cannot be written.
pub fn bootstrap(says: &str) -> Result<Arc<[u8]>> {
    let write = || {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file("bootstrap", SimpleFileOptions::default().unix_permissions(0o755))?;
        writeln!(zip, "{BOOTSTRAP}# {says}")?;
        zip.finish()
    };
    let unwritten = |error: ZipError| Error::new(ErrorKind::Internal, "a zip cannot be written").caused_by(&error);
    Ok(write().map_err(unwritten)?.into_inner().into())
}
