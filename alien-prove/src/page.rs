//! The page of what is not proved.

use std::fmt::Write as _;

use crate::fact::Fact;

const COLUMNS: &str = "| fact | what is relied on | if it is not so | what shows it |\n| --- | --- | --- | --- |";

const BEGIN: &str = "\
# What is relied on and not proved

Nothing of this library has run on a real account yet. Its tests run on emulated clouds, and most of what it relies on stands in the \
clouds' documentation, beside the code that relies on it. This page lists the rest: each fact that no page says and no emulated cloud \
shows, with the page that comes closest, what happens if it is not so, and what shows it.

`alien-prove` shows most of it, with your own credentials, on a scratch deployment that it takes down again. \
Of the rest the last column says what to try by hand. `cargo install --locked --path alien-cli` builds the program:

```console
$ alien-prove run --cloud aws --account 222222222222 --region eu-central-1 --vendor arn:aws:iam::222222222222:role/vendor \\
      --image public.ecr.aws/nginx/nginx@sha256:DIGEST --dry-run
$ alien-prove run --cloud aws --account 222222222222 --region eu-central-1 --vendor arn:aws:iam::222222222222:role/vendor \\
      --image public.ecr.aws/nginx/nginx@sha256:DIGEST --vendor-credentials vendor --out proof
$ alien-prove run --cloud gcp --project scratch-project --project-number 123456789012 --location europe-west3 \\
      --vendor vendor@vendor-project.iam.gserviceaccount.com --vendor-credentials vendor.json \\
      --image us-docker.pkg.dev/cloudrun/container/hello@sha256:DIGEST --out proof-gcp
$ alien-prove run --cloud azure --tenant 11111111-1111-1111-1111-111111111111 \\
      --subscription 22222222-2222-2222-2222-222222222222 --resource-group scratch --location germanywestcentral \\
      --issuer https://oidc.vendor.example.com --issuer-key issuer/issuer-1.pem \\
      --image us-docker.pkg.dev/cloudrun/container/hello@sha256:DIGEST --out proof-azure
```

* `--dry-run` calls nothing. It prints what a run costs, and each call with the right that it needs.
* `--vendor` is whom the scratch deployment trusts: on AWS a role or a user, on Google Cloud a service account. `--vendor-credentials` are its \
credentials, unless you have them already as the admin: on AWS a profile, on Google Cloud the file of a key. On Azure the vendor is \
[the issuer](azure.md#the-vendors-issuer), and its key signs the token.
* `--image` runs as a container, and on Google Cloud and Azure as each function too. There it listens on the port in `PORT`, or on 8080, as the \
image above does; on AWS it has to run, and nothing else. It is one that the cloud can pull: [AWS](aws.md), [Google Cloud](gcp.md), \
[Azure](azure.md). With `--commands` it answers commands, and then these are tried on Google Cloud and Azure too.
* `DIGEST` stands for the 64 hexadecimal digits of the image's digest: `docker buildx imagetools inspect IMAGE` prints it.

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
