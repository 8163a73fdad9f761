//! The vendor's product: an API that the vendor may update, and the customer's resources.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use alien_core::adapter::CloudTarget;
use alien_core::{
    Artifacts, Code, DeploymentId, Function, FunctionUpdate, Invitation, Kv, Problems, Profile, Queue, Release, Stack,
    Storage,
};

/// The function that the vendor may update.
pub const LIVE: &str = "api";
/// The function that the vendor may only watch.
pub const FROZEN: &str = "billing";
/// The storage with the customer's files.
pub const FILES: &str = "receipts";

/// Code, in the form that a cloud takes.
#[derive(Debug, Clone)]
pub enum Shipped {
    /// A zip.
    Zip(Arc<[u8]>),
    /// An image, by its digest.
    Image(String),
}

/// Builds the code of a release, by its name.
pub type Ship = fn(release: &str) -> Result<Shipped, Box<dyn Error>>;

/// The product, and how its code is built.
pub struct Product {
    /// The first release.
    pub first: Release,
    ship: Ship,
}

impl fmt::Debug for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)
    }
}

impl Product {
    /// Creates the product, with code in the form that a cloud takes.
    ///
    /// # Errors
    ///
    /// If the code cannot be built.
    pub fn new(ship: Ship) -> Result<Self, Box<dyn Error>> {
        let mut zips = Artifacts::default();
        let mut code = |release: &str| {
            Ok::<_, Box<dyn Error>>(match ship(release)? {
                Shipped::Zip(bytes) => zips.insert(bytes),
                Shipped::Image(image) => image.parse()?,
            })
        };
        let stack = described(code("first")?, code("billing")?)?;
        Ok(Self { first: Release::new(stack, zips)?, ship })
    }

    /// The invitation for a customer.
    ///
    /// # Errors
    ///
    /// None, as long as the product is right.
    pub fn invitation(&self, id: DeploymentId, target: &impl CloudTarget) -> Result<Invitation, Problems> {
        Invitation::new(id, target, self.first.stack().clone())
    }

    /// Builds the next release of the function that the vendor may update.
    ///
    /// # Errors
    ///
    /// If the code cannot be built.
    pub fn second(&self) -> Result<FunctionUpdate, Box<dyn Error>> {
        let update = match (self.ship)("second")? {
            Shipped::Zip(bytes) => FunctionUpdate::new().with_zip(bytes),
            Shipped::Image(image) => FunctionUpdate::new().with_code(image.parse()?),
        };
        Ok(update.with_variable("GREETING", "hello"))
    }
}

fn described(api: Code, billing: Code) -> Result<Stack, Problems> {
    let mut stack = Stack::builder("shop");
    let orders = stack.frozen("orders", Kv::new());
    let receipts = stack.frozen(FILES, Storage::new().with_versions());
    let jobs = stack.frozen("jobs", Queue::new().with_dead_letters_after(5));
    let api = stack.live(LIVE, Function::new(api, "api").with_commands());
    let billing = stack.frozen(FROZEN, Function::new(billing, "billing"));
    stack.link(&api, &orders);
    stack.link(&api, &jobs);
    stack.link(&billing, &receipts);
    stack.profile("api", Profile::new().on(&orders, [Kv::DATA_READ, Kv::DATA_WRITE]).on(&jobs, [Queue::DATA_WRITE]));
    stack.profile("billing", Profile::new().on(&receipts, [Storage::DATA_WRITE]));
    stack.build()
}
