//! The page that says what an update can write is written from the tables of the clouds.

use std::path::Path;

use alien_conformance::{mistakes, writes::chapter};

const HEAD: &str = "\
# What an update can write

A permission to update covers every field of a request, whatever this library sends. A vendor who is let in could call the cloud
with another program, and write any of them. So each cloud's adapter lists all fields of each such request, and for each what
becomes of it:

* **Kept**: a request with the field is denied, by a condition of the permission, or since it needs another permission too.
* **Set back**: `alien-deploy status` tells that it was changed, and the next `alien-deploy up` sets it back. Until then it is as
  the vendor has set it.
* **The vendor's**: code, environment, size, and how it is started and rolled out. A size beyond the bounds that the stack gives, or
  another size where it gives none, is told by `status`, and `up` sets it back. On AWS, IAM keeps a
  container's processors and memory within it; another count of its tasks is told, and `up --reset-live` sets it.
* **It stays**: nothing keeps it and nothing sets it back. It is disclosed here, and by `alien permissions`, `alien audit` and
  `alien-deploy review`.

What code can reach with a field is no more than what the identity that it runs as can reach, unless a line says otherwise.

This page is written from the tables in the code (`On::writes`). Tests compare those with the clouds' own descriptions of their
requests. On the emulators of Google Cloud and Azure a plain client writes each field with the vendor's session; on AWS each field is
asked of the evaluator of policies.

";

const SETTINGS: &str = "
## What is set on things that the vendor does not update

No permission of the vendor's changes these. Somebody with the customer's own rights can, by mistake or on purpose. A set-up compares
what the stack says, and what keeps a thing closed: `alien-deploy status` tells what was changed, and the next `alien-deploy up` sets it
back, also where the thing is frozen. All else is the customer's to choose, and is not compared.

Of identities, a set-up compares whom they trust, every right and every policy that they have, and who else may use them. What others
were given on a thing of the deployment is theirs, and stays.

This chapter is written from the tables in the code (`On::settings`). On the emulators of Google Cloud and Azure a plain client changes
each setting with the admin's credentials, and on a peer of AWS that is not ours, each that it keeps.

";

#[test]
fn the_page_says_what_the_tables_say() {
    let chapters =
        [chapter::<alien_aws::Aws>("AWS"), chapter::<alien_gcp::Gcp>("GCP"), chapter::<alien_azure::Azure>("Azure")];
    let settings = [
        mistakes::chapter::<alien_aws::Aws>("AWS"),
        mistakes::chapter::<alien_gcp::Gcp>("GCP"),
        mistakes::chapter::<alien_azure::Azure>("Azure"),
    ];
    let text = format!("{HEAD}{}{SETTINGS}{}", chapters.join("\n"), settings.join("\n"));
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/fields.md");
    if std::env::var_os("ALIEN_ACCEPT_LISTS").is_some_and(|accept| accept == "1") {
        std::fs::write(&page, &text).unwrap();
    }
    let found = std::fs::read_to_string(&page).unwrap_or_default();
    assert!(found == text, "write docs/fields.md again with ALIEN_ACCEPT_LISTS=1, and review what changed:\n{text}");
}
