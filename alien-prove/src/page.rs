//! The page of what is not proved.

use std::fmt::Write as _;

use crate::fact::Fact;

const COLUMNS: &str = "| fact | what is relied on | if it is not so | what shows it |\n| --- | --- | --- | --- |";

const BEGIN: &str = "\
# What is relied on and not proved

Nothing of this library has run on a real account yet. Its tests run on emulated clouds, and most of what it relies on stands in the \
clouds' documentation, beside the code that relies on it. This page lists the rest: each fact that no page says and no emulated cloud \
shows, with the page that comes closest, what happens if it is not so, and what shows it.

`alien-prove` shows it, with your own credentials, on a scratch deployment that it takes down again:

```console
$ alien-prove run --cloud aws --account 222222222222 --region eu-central-1 --vendor arn:aws:iam::222222222222:role/vendor \\
      --image public.ecr.aws/nginx/nginx@sha256:DIGEST --dry-run
$ alien-prove run --cloud aws --account 222222222222 --region eu-central-1 --vendor arn:aws:iam::222222222222:role/vendor \\
      --image public.ecr.aws/nginx/nginx@sha256:DIGEST --vendor-credentials vendor --out proof
```

It plans, sets up, enters as the vendor, watches, updates, sends a command, reads logs, tries what must be refused, revokes, sets up \
again, and takes everything down, also after Ctrl-C. Then it prints this table with what it found. The folder of `--out` has that as \
JSON, each call that the library made, and each request with its answer where the cloud's client shows them, without secrets: see \
[what it writes](../alien-prove/README.md). A fact that turns out otherwise is a fault of this library: send the folder with the report.

This page is written from the tables in `alien-prove/src/cloud/`; a test compares them.
";

/// The page of all facts that are not proved, in Markdown: `docs/unproved.md`.
#[must_use]
pub fn page() -> String {
    let mut page = BEGIN.to_owned();
    for cloud in crate::ALL {
        let _ = write!(page, "\n## {}\n\n{}\n", cloud.title(), COLUMNS);
        for Fact { id, what, source, otherwise, shown } in cloud.facts() {
            let _ = writeln!(page, "| `{id}` | {what} [Source]({source}) | {otherwise} | {} |", shown.words());
        }
        page.push_str(
            "\nAttempts, each by the vendor's own session and a client that knows nothing of this library:\n\n",
        );
        for attempt in cloud.attempts() {
            let _ = writeln!(page, "* `{}`: {} (`{}`).", attempt.name, attempt.what, attempt.call);
        }
    }
    page
}
