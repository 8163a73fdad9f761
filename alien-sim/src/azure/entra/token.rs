//! Access tokens: <https://learn.microsoft.com/entra/identity-platform/access-tokens>.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use crate::azure::call::AUDIENCES;
use crate::azure::fail::Fail;
use crate::azure::state::{Caller, State};
use crate::jwt;

/// The principal and audience of a bearer token.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) object: String,
    pub(crate) audience: String,
    pub(crate) expires: Timestamp,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("object", &self.object).field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// A newly issued token.
pub(crate) struct Made {
    pub(crate) token: String,
    pub(crate) lifetime: Duration,
    pub(crate) expires: Timestamp,
}

/// The lifetime for users and applications. In Azure it is random, between 60 and 90 minutes:
/// <https://learn.microsoft.com/entra/identity-platform/configurable-token-lifetimes>.
const LIFETIME: Duration = Duration::from_secs(3_600);

/// The lifetime for managed identities:
/// <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/managed-identity-best-practice-recommendations>.
const IDENTITY_LIFETIME: Duration = Duration::from_secs(86_400);

/// Why a data plane does not accept a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stranger {
    /// The request has no bearer token.
    Missing,
    /// Entra did not issue the token.
    Unknown,
    Expired,
    /// The token is for another audience.
    Audience,
}

impl State {
    /// Issues an access token to a principal, for an audience such as `https://management.azure.com/`.
    pub(crate) fn access_token(&mut self, object: &str, audience: &str) -> Option<Made> {
        let principal = self.directory.principal(object)?.clone();
        let is_identity = principal.resource.is_some();
        let usual = if is_identity { IDENTITY_LIFETIME } else { LIFETIME };
        let lifetime = self.directory.lifetime.unwrap_or(usual);
        let now = self.now();
        let expires = now + lifetime;
        let mut claims = json!({
            "aud": audience,
            "iss": format!("https://sts.windows.net/{}/", self.tenant),
            "iat": now.as_second(),
            "nbf": now.as_second(),
            "exp": expires.as_second(),
            "oid": principal.object,
            "sub": principal.object,
            "tid": self.tenant,
            "ver": "1.0",
        });
        if principal.kind == "User" {
            crate::azure::call::set(&mut claims, "idtyp", "user");
            crate::azure::call::set(&mut claims, "upn", principal.client.as_str());
        } else {
            crate::azure::call::set(&mut claims, "idtyp", "app");
            crate::azure::call::set(&mut claims, "appid", principal.client.as_str());
        }
        if let Some(resource) = &principal.resource {
            crate::azure::call::set(&mut claims, "xms_mirid", resource.as_str());
        }
        let token = jwt::unsigned(&claims);
        let known = Token { object: principal.object, audience: audience.to_owned(), expires };
        self.directory.tokens.insert(token.clone(), known);
        Some(Made { token, lifetime, expires })
    }

    /// Identifies the caller of Azure Resource Manager by bearer token.
    ///
    /// # Errors
    ///
    /// 401 if the token is missing or invalid.
    pub(crate) fn arm_caller(&self, bearer: Option<&str>) -> Result<Caller, Fail> {
        let fail = Fail::unauthenticated;
        self.data_caller(bearer, AUDIENCES).map_err(|stranger| match stranger {
            Stranger::Missing => {
                fail("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
            }
            Stranger::Unknown => fail("InvalidAuthenticationToken", "The access token is invalid."),
            Stranger::Expired => fail(
                "ExpiredAuthenticationToken",
                "The access token has expired. Ask Microsoft Entra ID for another one.",
            ),
            Stranger::Audience => fail(
                "InvalidAuthenticationTokenAudience",
                "The access token has been obtained for wrong audience or resource. It should exactly match with one of the allowed audiences 'https://management.core.windows.net/', 'https://management.azure.com/'.",
            ),
        })
    }

    /// Identifies the caller by bearer token, if the token is for one of these audiences. A trailing slash is ignored.
    pub(crate) fn data_caller(&self, bearer: Option<&str>, audiences: &[&str]) -> Result<Caller, Stranger> {
        let bearer = bearer.filter(|bearer| !bearer.is_empty()).ok_or(Stranger::Missing)?;
        let token = self.directory.tokens.get(bearer).ok_or(Stranger::Unknown)?;
        let principal = self.directory.principal(&token.object).ok_or(Stranger::Unknown)?;
        if token.expires <= self.now() {
            return Err(Stranger::Expired);
        }
        let bare = token.audience.trim_end_matches('/');
        if !audiences.iter().any(|audience| audience.trim_end_matches('/').eq_ignore_ascii_case(bare)) {
            return Err(Stranger::Audience);
        }
        Ok(Caller {
            object: principal.object.clone(),
            client: principal.client.clone(),
            audience: token.audience.clone(),
        })
    }
}
