//! What is relied on and not shown by any documentation or emulated cloud, as data.

use std::fmt::Write as _;

use crate::step::Step;

/// Something that this library relies on, and that neither a cloud's documentation nor an emulated cloud shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fact {
    /// Its name, which does not change: `omitted-network`.
    pub id: &'static str,
    /// What is relied on, as one sentence.
    pub what: &'static str,
    /// The URL of the page that comes closest to saying it.
    pub source: &'static str,
    /// What happens if it is not so.
    pub otherwise: &'static str,
    /// What shows it.
    pub shown: Shown,
}

/// What shows a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// A step of a deployment's life, if it succeeds.
    Step(Step),
    /// An attempt by the name of it, if the cloud refuses it: the vendor makes it with its own session, without this library.
    Refused(&'static str),
    /// Nothing that a program can do: what to do by hand.
    ByHand(&'static str),
}

impl Shown {
    fn words(self) -> String {
        match self {
            Self::Step(step) => format!("`{step}` succeeds"),
            Self::Refused(attempt) => format!("the attempt `{attempt}` is refused"),
            Self::ByHand(what) => format!("by hand: {what}"),
        }
    }
}

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
