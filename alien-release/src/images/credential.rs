//! What a registry knows the caller by.

use std::fmt;

use zeroize::Zeroizing;

/// What a registry knows the caller by. It is shown nowhere: not by `Debug`, and in no error.
#[derive(Clone)]
pub struct Credential(pub(super) Secret);

#[derive(Clone)]
pub(super) enum Secret {
    Basic { user: String, password: Zeroizing<String> },
    Bearer(Zeroizing<String>),
}

impl Credential {
    /// A user and a password, which can also be a token in the place of one. The registry, or the service that it names, gives a
    /// token for them, which may only pull.
    #[must_use]
    pub fn basic(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self(Secret::Basic { user: user.into(), password: Zeroizing::new(password.into()) })
    }

    /// A token that the registry takes as it is.
    #[must_use]
    pub fn bearer(token: impl Into<String>) -> Self {
        Self(Secret::Bearer(Zeroizing::new(token.into())))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Secret::Basic { user, .. } => write!(f, "Credential::basic({user:?}, …)"),
            Secret::Bearer(_) => f.write_str("Credential::bearer(…)"),
        }
    }
}
