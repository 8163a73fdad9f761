//! User-assigned identities and their federated credentials: <https://learn.microsoft.com/rest/api/managedidentity/>.

use serde_json::{Value, json};
use uuid::Uuid;

use super::Provider;
use super::resources::provider;
use crate::azure::call::{Answer, Call, Codes, set, show, text};
use crate::azure::entra::federation::Credential;
use crate::azure::fail::Fail;
use crate::azure::rbac::linked::Link;
use crate::azure::route::{Method, in_group, in_subscription, row};
use crate::azure::state::State;

pub(crate) const PROVIDER: Provider = Provider {
    namespace: "Microsoft.ManagedIdentity",
    versions: &[
        "2024-11-30",
        "2025-01-31-preview",
        "2023-07-31-preview",
        "2023-01-31",
        "2022-01-31-preview",
        "2018-11-30",
    ],
    tables: &[TABLE],
    links: LINKS,
};

/// The operations of the provider.
const SOURCE: &str =
    "https://learn.microsoft.com/azure/role-based-access-control/permissions/identity#microsoftmanagedidentity";

/// To attach an identity to a resource, the caller must be allowed to assign it.
const LINKS: &[Link] = &[Link {
    action: "*/write",
    field: "identity.userAssignedIdentities{}",
    needs: "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",
    source: "https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/identity#managed-identity-operator",
}];

const IDENTITY: &str = in_group!("Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}");
const CREDENTIALS: &str =
    in_group!("Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}/federatedIdentityCredentials");
const CREDENTIAL: &str = in_group!(
    "Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}/federatedIdentityCredentials/{federatedIdentityCredentialResourceName}"
);
const TRUST: &str = "properties!{issuer! subject! audiences! claimsMatchingExpression*}";

#[rustfmt::skip]
const TABLE: &[Method] = &[
    row("POST", in_subscription!("Microsoft.ManagedIdentity/register"), &["Microsoft.ManagedIdentity/register/action"], SOURCE).done(provider),
    row("GET", in_subscription!("Microsoft.ManagedIdentity/userAssignedIdentities"), &["Microsoft.ManagedIdentity/userAssignedIdentities/read"], SOURCE).done(list),
    row("GET", in_group!("Microsoft.ManagedIdentity/userAssignedIdentities"), &["Microsoft.ManagedIdentity/userAssignedIdentities/read"], SOURCE).done(list),
    row("GET", IDENTITY, &["Microsoft.ManagedIdentity/userAssignedIdentities/read"], SOURCE).done(show),
    row("PUT", IDENTITY, &["Microsoft.ManagedIdentity/userAssignedIdentities/write"], SOURCE).done(put).body("location! tags* properties{principalId clientId tenantId isolationScope}"),
    row("PATCH", IDENTITY, &["Microsoft.ManagedIdentity/userAssignedIdentities/write"], SOURCE).done(patch).body("location tags* properties{principalId clientId tenantId isolationScope}"),
    row("DELETE", IDENTITY, &["Microsoft.ManagedIdentity/userAssignedIdentities/delete"], SOURCE).done(delete),
    row("POST", in_group!("Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}/listAssociatedResources"), &["Microsoft.ManagedIdentity/userAssignedIdentities/listAssociatedResources/action"], SOURCE),
    row("POST", in_group!("Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}/revokeTokens"), &["Microsoft.ManagedIdentity/userAssignedIdentities/revokeTokens/action"], SOURCE).done(revoke),
    row("GET", CREDENTIALS, &["Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/read"], SOURCE).done(credentials).query(&["$top"]),
    row("GET", CREDENTIAL, &["Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/read"], SOURCE).done(show),
    row("PUT", CREDENTIAL, &["Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write"], SOURCE).done(trust).body(TRUST),
    row("DELETE", CREDENTIAL, &["Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/delete"], SOURCE).done(distrust),
];

const CODES: Codes = Codes { made: 201, changed: 200, making: 201, changing: 200 };

/// The most credentials that an identity may have:
/// <https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations>.
const MOST: usize = 20;

fn list(call: &mut Call<'_>) -> Result<Answer, Fail> {
    Ok(Answer::list(call.state.list(&call.id, "Microsoft.ManagedIdentity/userAssignedIdentities")))
}

/// Source: <https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftmanagedidentity>.
fn name_is_valid(name: &str) -> Result<(), Fail> {
    let is_valid = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let starts = name.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    if starts && name.chars().all(is_valid) && (3..=128).contains(&name.len()) {
        return Ok(());
    }
    Err(Fail::invalid(
        "InvalidResourceName",
        format!(
            "The resource name '{name}' has to begin with a letter or digit, and have 3 to 128 of letters, digits, '-' and '_'."
        ),
    ))
}

impl State {
    /// The properties of an identity. A new identity gets a new principal.
    pub(crate) fn identity(&mut self, id: &str) -> Value {
        if let Ok(known) = self.thing(id) {
            return known.body.get("properties").cloned().unwrap_or_default();
        }
        let client = Uuid::new_v4().to_string();
        let principal = self.make_principal(&client, "ServicePrincipal", Some(id));
        json!({"principalId": principal, "clientId": client, "tenantId": self.tenant})
    }
}

fn put(call: &mut Call<'_>) -> Result<Answer, Fail> {
    name_is_valid(call.name())?;
    let id = call.id.clone();
    let properties = call.state.identity(&id);
    let body = call.resource(properties);
    call.write(body, CODES, None)
}

fn patch(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let mut body = call.state.thing(&call.id)?.body.clone();
    if let Some(tags) = call.body.get("tags") {
        set(&mut body, "tags", tags.clone());
    }
    if !call.text("/location").is_empty() {
        let location = call.text("/location");
        set(&mut body, "location", location);
    }
    call.write(body, CODES, None)
}

fn delete(call: &mut Call<'_>) -> Result<Answer, Fail> {
    call.delete(200, None)
}

/// Source: <https://learn.microsoft.com/rest/api/managedidentity/user-assigned-identities>.
fn revoke(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let object = text(&call.state.thing(&call.id)?.body, "/properties/principalId");
    call.state.directory.tokens.retain(|_, token| token.object != object);
    Ok(Answer::empty(200))
}

fn credentials(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let kind = "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials";
    Ok(Answer::list(call.state.list(&call.id, kind)))
}

/// The identity that a credential belongs to: its id and client id.
fn identity_of(call: &Call<'_>) -> Result<(String, String), Fail> {
    let id = call.id.split('/').take(9).collect::<Vec<_>>().join("/");
    let client = text(&call.state.thing(&id)?.body, "/properties/clientId");
    Ok((id, client))
}

/// Refuses a write while another one of the same identity is in progress:
/// <https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations#errors>.
fn alone(call: &mut Call<'_>, identity: &str) -> Result<(), Fail> {
    let Some(left) = call.state.knobs.federation_conflicts.checked_sub(1) else { return Ok(()) };
    call.state.knobs.federation_conflicts = left;
    Err(Fail::conflict(
        "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity",
        format!(
            "Too many Federated Identity Credentials are written concurrently for the managed identity '{identity}'. Concurrent Federated Identity Credentials writes under the same managed identity are not supported."
        ),
    ))
}

fn trust(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let (identity, client) = identity_of(call)?;
    alone(call, &identity)?;
    let (name, issuer, subject) =
        (call.name().to_owned(), call.text("/properties/issuer"), call.text("/properties/subject"));
    let invalid = |message: String| Err(Fail::invalid("BadRequest", message));
    let is_named = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && (3..=120).contains(&name.len());
    if !is_named {
        return invalid(format!(
            "The name '{name}' of a federated identity credential has to begin with a letter or digit, and have 3 to 120 of letters, digits, '-' and '_'."
        ));
    }
    let audiences = call.body.pointer("/properties/audiences").and_then(Value::as_array).cloned().unwrap_or_default();
    let [audience] = audiences.as_slice() else {
        return invalid("A federated identity credential has exactly one audience.".to_owned());
    };
    let Some(audience) = audience.as_str().filter(|audience| !audience.is_empty()) else {
        return invalid("The audience of a federated identity credential is a text.".to_owned());
    };
    if !issuer.starts_with("https://") || issuer.chars().count() > 600 {
        return invalid(format!("The issuer '{issuer}' has to be an https URL of at most 600 characters."));
    }
    if subject.is_empty() || subject.chars().count() > 600 {
        return invalid("The subject has to have 1 to 600 characters.".to_owned());
    }
    let known = call.state.directory.federated.get(&client).map(|known| known.latest.clone()).unwrap_or_default();
    let others: Vec<&Credential> = known.iter().filter(|other| !other.name.eq_ignore_ascii_case(&name)).collect();
    if others.iter().any(|other| other.issuer == issuer && other.subject == subject) {
        return Err(Fail::conflict(
            "Conflict",
            "Issuer and subject combination already exists for this Managed Identity.",
        ));
    }
    if others.len() >= MOST {
        return invalid(format!(
            "The managed identity '{identity}' has {MOST} federated identity credentials, which is the most."
        ));
    }
    let credential = Credential { name, issuer, subject, audience: audience.to_owned() };
    let properties =
        json!({"issuer": credential.issuer, "subject": credential.subject, "audiences": [credential.audience]});
    let body = call.resource(properties);
    let answer = call.write(body, CODES, None)?;
    let credentials = others.into_iter().cloned().chain([credential]).collect();
    call.state.write_federated(&client, credentials);
    Ok(answer)
}

fn distrust(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let (identity, client) = identity_of(call)?;
    if call.state.thing(&call.id).is_ok() {
        alone(call, &identity)?;
        let name = call.name().to_owned();
        let known = call.state.directory.federated.get(&client).map(|known| known.latest.clone()).unwrap_or_default();
        let left = known.into_iter().filter(|other| !other.name.eq_ignore_ascii_case(&name)).collect();
        call.state.write_federated(&client, left);
    }
    call.delete(200, None)
}
