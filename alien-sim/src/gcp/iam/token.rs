//! Tokens: <https://developers.google.com/identity/protocols/oauth2/service-account>.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::gcp::call::text;
use crate::gcp::fail::Fail;
use crate::gcp::state::State;
use crate::jwt::{self, Jwt};

/// The principal and scopes of a bearer token.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) principal: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) expires: Timestamp,
    /// The audience of an ID token. `None` for an access token.
    pub(crate) audience: Option<String>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("principal", &self.principal)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// How long an OAuth token lasts.
pub(crate) const LIFETIME: Duration = Duration::from_secs(3_600);

/// The scope that all APIs of Google Cloud accept.
pub(crate) const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";

impl State {
    /// Issues an access token.
    pub(crate) fn access_token(&mut self, principal: &str, scopes: Vec<String>, lifetime: Duration) -> String {
        let token = format!("ya29.sim.{}", jwt::random());
        let expires = self.now() + lifetime;
        self.tokens.insert(token.clone(), Token { principal: principal.to_owned(), scopes, expires, audience: None });
        token
    }

    /// Issues an ID token for an audience. It has the form of a JWT, but is verified by looking it up.
    pub(crate) fn id_token(&mut self, email: &str, audience: &str) -> String {
        let now = self.now();
        let claims = json!({
            "iss": "https://accounts.google.com",
            "aud": audience,
            "azp": email,
            "sub": email,
            "email": email,
            "email_verified": true,
            "iat": now.as_second(),
            "exp": now.as_second() + 3_600,
        });
        let token = jwt::unsigned(&claims);
        let principal = format!("serviceAccount:{email}");
        let audience = Some(audience.to_owned());
        self.tokens.insert(token.clone(), Token { principal, scopes: Vec::new(), expires: now + LIFETIME, audience });
        token
    }

    /// Revokes the tokens of an account that is deleted or disabled.
    pub(crate) fn end_tokens(&mut self, email: &str) {
        let principal = format!("serviceAccount:{email}");
        self.tokens.retain(|_, token| token.principal != principal);
    }

    /// Creates a key of an account, and returns its key file.
    pub(crate) fn key_file(&mut self, project: &str, email: &str) -> Result<Value, String> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| "no RSA key could be made".to_owned())?;
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(|_| "the RSA key has no PKCS #8 form".to_owned())?;
        let encoded = STANDARD.encode(der.as_ref());
        let mut pem = "-----BEGIN PRIVATE KEY-----\n".to_owned();
        for line in encoded.as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        let id = format!("{:032x}", fastrand::u128(..));
        self.keys.insert(id.clone(), (email.to_owned(), std::sync::Arc::new(pair)));
        let uid = self.account(email).map(|thing| text(&thing.body, "/uniqueId")).unwrap_or_default();
        Ok(json!({
            "type": "service_account",
            "project_id": project,
            "private_key_id": id,
            "private_key": pem,
            "client_email": email,
            "client_id": uid,
            "auth_uri": format!("{}/auth", self.url),
            "token_uri": format!("{}/token", self.url),
            "universe_domain": "googleapis.com",
        }))
    }

    /// Answers the OAuth token endpoint, or fails with `invalid_grant` and the reason.
    pub(crate) fn grant(&mut self, form: &Value) -> Result<Value, Fail> {
        match text(form, "/grant_type").as_str() {
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => self.grant_assertion(&text(form, "/assertion")),
            "refresh_token" => {
                let principal = self
                    .refresh
                    .get(&text(form, "/refresh_token"))
                    .cloned()
                    .ok_or_else(|| Fail::invalid("the refresh token is not known, or was revoked"))?;
                Ok(self.granted(&principal, vec![CLOUD_PLATFORM.to_owned()]))
            }
            other => Err(Fail::invalid(format!("the grant type `{other}` is not modelled"))),
        }
    }

    fn granted(&mut self, principal: &str, scopes: Vec<String>) -> Value {
        let token = self.access_token(principal, scopes, LIFETIME);
        json!({"access_token": token, "expires_in": LIFETIME.as_secs(), "token_type": "Bearer"})
    }

    fn grant_assertion(&mut self, assertion: &str) -> Result<Value, Fail> {
        let refused = |why: &str| Fail::invalid(format!("invalid JWT: {why}"));
        let jwt = Jwt::parse(assertion).map_err(refused)?;
        if text(&jwt.header, "/alg") != "RS256" {
            return Err(refused("its algorithm is not RS256"));
        }
        let claims = &jwt.claims;
        let email = text(claims, "/iss");
        let own = self.keys.iter().filter(|(_, (of, _))| *of == email);
        let keys: Vec<Value> = own.map(|(id, (_, pair))| jwt::public(pair, id)).collect();
        if !jwt.is_of_set(&json!({ "keys": keys })) {
            return Err(refused("its signature is of no key of the issuer"));
        }
        if ![format!("{}/token", self.url), "https://oauth2.googleapis.com/token".to_owned()]
            .contains(&text(claims, "/aud"))
        {
            return Err(refused("its audience is not this token endpoint"));
        }
        let now = self.now().as_second();
        let seconds = |name: &str| claims.get(name).and_then(Value::as_i64).unwrap_or(0);
        if seconds("exp") <= now || seconds("iat") > now + 300 || seconds("exp") - seconds("iat") > 3_600 {
            return Err(refused("it is not valid now, or for more than an hour"));
        }
        if !self.is_live(&email) {
            return Err(refused("its account is disabled or deleted"));
        }
        let audience = text(claims, "/target_audience");
        if !audience.is_empty() {
            return Ok(json!({"id_token": self.id_token(&email, &audience)}));
        }
        let scopes: Vec<String> = text(claims, "/scope").split_whitespace().map(str::to_owned).collect();
        if scopes.is_empty() {
            return Err(refused("it has no scope"));
        }
        Ok(self.granted(&format!("serviceAccount:{email}"), scopes))
    }

    /// Whether an account exists and is not disabled.
    pub(crate) fn is_live(&self, email: &str) -> bool {
        self.account(email).is_some_and(|thing| thing.body.get("disabled") != Some(&Value::Bool(true)))
    }
}
