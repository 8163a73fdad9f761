//! The vendor's product: an API that is the vendor's to update, and what is the customer's.

use std::error::Error;

use alien_core::{Artifacts, Code, Function, FunctionUpdate, Kv, Profile, Queue, Stack, Storage};

use crate::code::{self, Ships};

/// The function that the vendor may update.
pub(crate) const LIVE: &str = "api";
/// The one that the vendor may watch.
pub(crate) const FROZEN: &str = "billing";
/// Where the customer's files are.
pub(crate) const FILES: &str = "receipts";

/// The product, and its code where that is given beside the stack.
pub(crate) fn shop(ships: Ships) -> Result<(Stack, Artifacts), Box<dyn Error>> {
    let mut zips = Artifacts::default();
    let mut ship = |release: &str| -> Result<Code, Box<dyn Error>> {
        Ok(match ships {
            Ships::Zips => zips.insert(code::zip(release)?),
            Ships::Images(repository) => Code::image(code::image(repository, release)),
        })
    };
    let (api, billing) = (ship("first")?, ship("billing")?);
    Ok((described(api, billing)?, zips))
}

fn described(api: Code, billing: Code) -> Result<Stack, alien_core::Problems> {
    let mut stack = Stack::builder("shop");
    let orders = stack.frozen("orders", Kv::new());
    let receipts = stack.frozen(FILES, Storage::new().versioned());
    let jobs = stack.frozen("jobs", Queue::new().dead_letter_after(5));
    let api = stack.live(LIVE, Function::new(api, "api").commands());
    let billing = stack.frozen(FROZEN, Function::new(billing, "billing"));
    stack.link(&api, &orders);
    stack.link(&api, &jobs);
    stack.link(&billing, &receipts);
    stack.profile("api", Profile::new().on(&orders, [Kv::DATA_READ, Kv::DATA_WRITE]).on(&jobs, [Queue::DATA_WRITE]));
    stack.profile("billing", Profile::new().on(&receipts, [Storage::DATA_WRITE]));
    stack.build()
}

/// The next release of the function that the vendor may update.
pub(crate) fn second(ships: Ships) -> Result<FunctionUpdate, Box<dyn Error>> {
    let update = match ships {
        Ships::Zips => FunctionUpdate::new().zip(code::zip("second")?),
        Ships::Images(repository) => FunctionUpdate::new().image(code::image(repository, "second")),
    };
    Ok(update.variable("GREETING", "hello"))
}
