//! The code of the functions: a script that answers every command with the command itself, and logs it.

use std::io::{Cursor, Write};
use std::sync::Arc;

use alien_core::Code;
use examples::shop::Shipped;
use zip::write::{SimpleFileOptions, ZipWriter};

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

/// A zip with the script. Each `release` gives a different zip that does the same.
pub(crate) fn zip(release: &str) -> Result<Arc<[u8]>, zip::result::ZipError> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("bootstrap", SimpleFileOptions::default().unix_permissions(0o755))?;
    writeln!(zip, "{BOOTSTRAP}# {release}")?;
    Ok(zip.finish()?.into_inner().into())
}

/// An image, by its digest. The emulators answer every command with the command itself, whichever image it is.
pub(crate) fn image(repository: &str, release: &str) -> Shipped {
    // Any digest does, as long as each release has its own.
    let named = Code::zip(release.as_bytes());
    let digest = named.only().map(|form| form.digest().to_owned()).unwrap_or_default();
    Shipped::Image(format!("{repository}@{digest}"))
}
