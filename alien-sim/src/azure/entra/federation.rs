//! Exchanges an external token for an Entra token (workload identity federation):
//! <https://learn.microsoft.com/entra/workload-id/workload-identity-federation>.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::azure::call::{Answer, text};
use crate::azure::state::State;
use crate::jwt::Jwt;

/// A federated credential: the issuer and subject that an application or a managed identity trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credential {
    pub(crate) name: String,
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) audience: String,
}

/// The audience of assertions to exchange:
/// <https://learn.microsoft.com/entra/workload-id/workload-identity-federation-create-trust>.
pub(crate) const AUDIENCE: &str = "api://AzureADTokenExchange";

/// The type of the assertion: <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>.
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The allowed clock skew, in seconds.
const SKEW: i64 = 300;

/// A refusal of the token endpoint:
/// <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>.
#[derive(Debug)]
struct Refusal {
    status: u16,
    /// The OAuth error code.
    error: &'static str,
    code: u32,
    message: String,
}

impl Refusal {
    fn answer(&self, now: Timestamp) -> Answer {
        let (trace, correlation) = (Uuid::new_v4(), Uuid::new_v4());
        let time = now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let description = format!(
            "AADSTS{}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {time}",
            self.code, self.message
        );
        Answer::json(
            self.status,
            &json!({
                "error": self.error,
                "error_description": description,
                "error_codes": [self.code],
                "timestamp": time,
                "trace_id": trace.to_string(),
                "correlation_id": correlation.to_string(),
                "error_uri": format!("https://login.microsoftonline.com/error?code={}", self.code),
            }),
        )
    }
}

fn client(code: u32, message: impl Into<String>) -> Refusal {
    Refusal { status: 401, error: "invalid_client", code, message: message.into() }
}

fn request(error: &'static str, code: u32, message: impl Into<String>) -> Refusal {
    Refusal { status: 400, error, code, message: message.into() }
}

impl State {
    /// Answers a request to the token endpoint of a tenant.
    pub(crate) fn grant(&mut self, tenant: &str, form: &[(String, String)]) -> Answer {
        if self.knobs.throttle_tokens > 0 {
            self.knobs.throttle_tokens -= 1;
            let refusal = Refusal {
                status: 429,
                error: "temporarily_unavailable",
                code: 90_055,
                message: "There have been too many requests.".to_owned(),
            };
            return refusal.answer(self.now()).header("retry-after", "1");
        }
        self.granted(tenant, form).unwrap_or_else(|refusal| refusal.answer(self.now()))
    }

    fn granted(&mut self, tenant: &str, form: &[(String, String)]) -> Result<Answer, Refusal> {
        let field = |name: &str| form.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
        if !tenant.eq_ignore_ascii_case(&self.tenant) {
            return Err(request(
                "invalid_request",
                90_002,
                format!(
                    "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."
                ),
            ));
        }
        let id = field("client_id");
        if field("grant_type") != "client_credentials" {
            return Err(request(
                "unsupported_grant_type",
                70_003,
                format!("The app requested an unsupported grant type '{}'.", field("grant_type")),
            ));
        }
        let Some(audience) = field("scope").split_whitespace().next().and_then(|scope| scope.strip_suffix("/.default"))
        else {
            return Err(request(
                "invalid_scope",
                1_002_012,
                format!(
                    "The provided value for scope {} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).",
                    field("scope")
                ),
            ));
        };
        let Some(principal) = self.directory.by_client(id).filter(|principal| principal.kind != "User") else {
            return Err(request(
                "unauthorized_client",
                700_016,
                format!(
                    "Application with identifier '{id}' was not found in the directory '{tenant}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant."
                ),
            ));
        };
        let (object, id) = (principal.object.clone(), principal.client.clone());
        if field("client_assertion_type") != ASSERTION || field("client_assertion").is_empty() {
            return Err(client(
                7_000_218,
                "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
            ));
        }
        self.trusts(&id, field("client_assertion"))?;
        let made = self.access_token(&object, audience).ok_or_else(|| {
            request("unauthorized_client", 700_016, format!("Application with identifier '{id}' was not found."))
        })?;
        Ok(Answer::json(
            200,
            &json!({
                "token_type": "Bearer",
                "expires_in": made.lifetime.as_secs(),
                "ext_expires_in": made.lifetime.as_secs(),
                "access_token": made.token,
            }),
        )
        .header("cache-control", "no-store"))
    }

    /// Checks that a client trusts an assertion.
    fn trusts(&self, id: &str, assertion: &str) -> Result<(), Refusal> {
        let jwt = Jwt::parse(assertion)
            .map_err(|why| client(50_027, format!("JWT token is invalid or malformed: {why}.")))?;
        let algorithm = text(&jwt.header, "/alg");
        if algorithm != "RS256" {
            return Err(client(
                5_002_738,
                format!(
                    "Invalid JWT token. '{algorithm}' is not a supported signature algorithm. Supported signing algorithms are: 'RS256, RS384, RS512'"
                ),
            ));
        }
        let (issuer, subject) = (text(&jwt.claims, "/iss"), text(&jwt.claims, "/sub"));
        let now = self.now();
        let none = Vec::new();
        let known = self.directory.federated.get(id).map_or(&none, |known| known.in_effect(now));
        if let Some(keys) = self.directory.issuers.get(&issuer) {
            verify(&jwt, &issuer, keys)?;
        } else if known.iter().any(|credential| credential.issuer == issuer) {
            // The keys of an issuer that no credential trusts are never fetched.
            let keys = discovered(&self.directory.web, &issuer).map_err(|why| {
                client(50_166, format!("Request to External OIDC endpoint failed: '{issuer}'. {why}"))
            })?;
            verify(&jwt, &issuer, &keys)?;
        }
        timely(&jwt.claims, now)?;
        let hint = "Check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation";
        if known.is_empty() {
            let name = self.directory.by_client(id).map_or("", |principal| &principal.name);
            let message = format!("The client '{id}'({name}) has no configured federated identity credentials.");
            return Err(client(70_025, message));
        }
        let of_issuer: Vec<&Credential> = known.iter().filter(|credential| credential.issuer == issuer).collect();
        if of_issuer.is_empty() {
            return Err(client(
                700_211,
                format!(
                    "No matching federated identity record found for presented assertion issuer '{issuer}'. {hint}"
                ),
            ));
        }
        let audiences: Vec<String> = match jwt.claims.get("aud") {
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => vec![text(&jwt.claims, "/aud")],
        };
        let of_subject = |credential: &&&Credential| credential.subject == subject;
        let of_audience = |credential: &&&Credential| audiences.contains(&credential.audience);
        if !of_issuer.iter().any(|credential| of_audience(&credential)) {
            return Err(client(
                700_212,
                format!(
                    "No matching federated identity record found for presented assertion audience '{}'. {hint}",
                    audiences.join(",")
                ),
            ));
        }
        if of_issuer.iter().filter(of_subject).any(|credential| of_audience(&credential)) {
            return Ok(());
        }
        if of_issuer.iter().any(|credential| credential.subject.eq_ignore_ascii_case(&subject)) {
            return Err(client(
                7_002_138,
                format!(
                    "No matching federated identity record found for presented assertion subject '{subject}'. The subject matches with case-insensitive comparison, but not with case-sensitive comparison. {hint}"
                ),
            ));
        }
        Err(client(
            700_213,
            format!("No matching federated identity record found for presented assertion subject '{subject}'. {hint}"),
        ))
    }
}

/// The most keys of an issuer that are kept: <https://learn.microsoft.com/entra/workload-id/workload-identity-federation>.
const MOST_KEYS: usize = 100;

/// Fetches the key set of an issuer, or says why it cannot be had:
/// <https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig>.
fn discovered(web: &BTreeMap<String, Vec<u8>>, issuer: &str) -> Result<Value, String> {
    let fetch = |url: &str| -> Result<Value, String> {
        if !url.starts_with("https://") {
            return Err(format!("'{url}' is not an HTTPS URL."));
        }
        let document = web.get(url).ok_or_else(|| format!("There is nothing at '{url}'."))?;
        serde_json::from_slice(document).map_err(|_| format!("What is at '{url}' is not JSON."))
    };
    let configuration = fetch(&format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')))?;
    // The issuer must be what was asked for, to the letter:
    // <https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfigurationValidation>.
    if text(&configuration, "/issuer") != issuer {
        return Err(format!("It says that the issuer is '{}'.", text(&configuration, "/issuer")));
    }
    // What a provider must tell: <https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata>.
    for required in ["response_types_supported", "subject_types_supported", "id_token_signing_alg_values_supported"] {
        if configuration.get(required).and_then(Value::as_array).is_none_or(Vec::is_empty) {
            return Err(format!("It has no '{required}'."));
        }
    }
    let keys = fetch(&text(&configuration, "/jwks_uri"))?;
    let listed = keys.get("keys").and_then(Value::as_array).ok_or("The key set has no keys.")?;
    Ok(json!({"keys": listed.iter().take(MOST_KEYS).collect::<Vec<_>>()}))
}

fn verify(jwt: &Jwt<'_>, issuer: &str, keys: &Value) -> Result<(), Refusal> {
    if jwt.is_of_set(keys) {
        return Ok(());
    }
    let named = text(&jwt.header, "/kid");
    let mut known = keys.get("keys").and_then(Value::as_array).into_iter().flatten();
    if !named.is_empty() && !known.any(|key| text(key, "/kid") == named) {
        return Err(client(
            7_000_272,
            format!(
                "The certificate with identifier {named} used to sign the federated credential could not be found in the metadata of identity provider {issuer}. Please validate that your Identity Provider's metadata exposes the key used to sign the incoming token."
            ),
        ));
    }
    Err(client(
        700_027,
        "Client assertion failed signature validation. [Reason - The provided signature value did not match the expected signature value.]",
    ))
}

fn timely(claims: &Value, now: Timestamp) -> Result<(), Refusal> {
    let seconds = |name: &str| claims.get(name).and_then(Value::as_i64);
    let (from, until) = (seconds("nbf").or(seconds("iat")).unwrap_or(0), seconds("exp").unwrap_or(0));
    if until + SKEW > now.as_second() && from - SKEW <= now.as_second() {
        return Ok(());
    }
    let time = |seconds: i64| Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |t| t.to_string());
    Err(client(
        700_024,
        format!(
            "Client assertion is not within its valid time range. Current time: {now}, assertion valid from {}, expiry time of assertion {}. Review the documentation at https://docs.microsoft.com/azure/active-directory/develop/active-directory-certificate-credentials .",
            time(from),
            time(until)
        ),
    ))
}
