//! The whole life of a stack, printed as it goes. `quickstart` and `clouds` share this code.

pub mod around;
pub mod fleet;
pub mod life;
pub mod memory;
pub mod shop;

use std::fmt;
use std::sync::Arc;

use alien_core::{Admin, Impersonate, Invitation};

use around::Around;
use shop::Product;

/// Both sides of a deployment. In reality they are two programs of two companies.
pub struct Sides {
    /// The customer's admin's.
    pub admin: Admin,
    /// The vendor's.
    pub vendor: Arc<dyn Impersonate>,
    /// What the vendor gave the admin.
    pub invitation: Invitation,
    /// The product to set up, and then to update.
    pub product: Product,
    /// A way around the library. Dropping it stops an emulated cloud.
    pub around: Box<dyn Around>,
}

impl fmt::Debug for Sides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sides").field("invitation", &self.invitation.id).finish_non_exhaustive()
    }
}
