//! Who calls, and what they may do.

use alien_core::{Error, ErrorKind, Result, StackName};

use crate::access::{Products, Role, TokenId};
use crate::log::Who;

/// Somebody who calls, and what they may do.
#[derive(Debug, Clone)]
pub struct Caller {
    who: Who,
    role: Role,
    products: Products,
    token: Option<TokenId>,
}

impl Caller {
    /// Somebody who may do everything: whoever has the store may.
    #[must_use]
    pub const fn unlimited(who: Who) -> Self {
        Self { who, role: Role::Admin, products: Products::All, token: None }
    }

    pub(crate) const fn by_token(who: Who, role: Role, products: Products, token: TokenId) -> Self {
        Self { who, role, products, token: Some(token) }
    }

    /// Who it is.
    #[must_use]
    pub const fn who(&self) -> &Who {
        &self.who
    }

    /// The role.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// The products.
    #[must_use]
    pub const fn products(&self) -> &Products {
        &self.products
    }

    /// The token that proved it; `None` if nothing had to.
    #[must_use]
    pub const fn token(&self) -> Option<&TokenId> {
        self.token.as_ref()
    }

    /// Checks that a role is enough.
    ///
    /// # Errors
    ///
    /// [`NotGranted`](ErrorKind::NotGranted) if it is not.
    pub fn may(&self, needed: Role) -> Result<()> {
        if self.role >= needed {
            return Ok(());
        }
        let what = format!("this needs the role `{needed}`, and {} has the role `{}`", self.who, self.role);
        Err(Error::new(ErrorKind::NotGranted, what).because("ask an admin of the fleet for a token of that role"))
    }

    /// Checks that something is done within the products.
    ///
    /// # Errors
    ///
    /// [`NotGranted`](ErrorKind::NotGranted) if it is not.
    pub fn may_for(&self, product: &StackName) -> Result<()> {
        if self.products.has(product) {
            return Ok(());
        }
        let what = format!("{} may do nothing for `{product}`, only for {}", self.who, self.products);
        Err(Error::new(ErrorKind::NotGranted, what).because("ask an admin of the fleet for a token of that product"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_may_do_what_those_before_it_may() {
        for role in Role::ALL {
            let caller = Caller { role, ..Caller::unlimited(Who::claimed("ann")) };
            for needed in Role::ALL {
                assert_eq!(caller.may(needed).is_ok(), needed as u8 <= role as u8, "{role} {needed}");
            }
        }
    }
}
