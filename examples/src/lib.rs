//! The whole life of a stack, told as it goes: what `quickstart` and `clouds` share.

pub mod around;
pub mod life;
pub mod memory;
pub mod shop;

use std::fmt;
use std::sync::Arc;

use alien_core::{Admin, Impersonate, Invitation};

use around::Around;
use shop::Product;

/// Both sides of a deployment. In life they are two programs, of two companies.
pub struct Sides {
    /// The customer's admin's.
    pub admin: Admin,
    /// The vendor's.
    pub vendor: Arc<dyn Impersonate>,
    /// What the vendor gave the admin.
    pub invitation: Invitation,
    /// What is set up, and then updated.
    pub product: Product,
    /// The way round both. An emulated cloud ends with this.
    pub around: Box<dyn Around>,
}

impl fmt::Debug for Sides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sides").field("invitation", &self.invitation.id).finish_non_exhaustive()
    }
}
