//! Short-lived credentials: <https://docs.cloud.google.com/iam/docs/reference/credentials/rest>.

use std::time::Duration;

use serde_json::{Value, json};

use crate::gcp::call::{Call, Done, done, text};
use crate::gcp::fail::Fail;

pub(super) fn find(id: &str) -> Option<Done> {
    Some(match id {
        "projects.serviceAccounts.generateAccessToken" => done(access_token).body("delegates* scope* lifetime"),
        "projects.serviceAccounts.generateIdToken" => {
            done(id_token).body("delegates* audience includeEmail organizationNumberIncluded")
        }
        _ => return None,
    })
}

/// The strings of a list in the body.
fn texts(call: &Call<'_>, field: &str) -> Vec<String> {
    let items = call.body.get(field).and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Checks the chain of delegates: the caller on the first, each on the next, and the last on the account. Source:
/// <https://docs.cloud.google.com/iam/docs/create-short-lived-credentials-delegated>.
fn chain(call: &mut Call<'_>, permission: &str) -> Result<String, Fail> {
    let mut asker = call.caller.principal.clone();
    for delegate in texts(call, "delegates") {
        let email = delegate.rsplit('/').next().unwrap_or_default().to_owned();
        let name = call.state.account_name(&email).unwrap_or(format!("//iam.googleapis.com/{delegate}"));
        let implicit = "iam.serviceAccounts.implicitDelegation";
        if !call.state.asks(&asker, call.route.method.id, implicit, &name) {
            return Err(Fail::denied(implicit, &delegate));
        }
        asker = format!("serviceAccount:{email}");
    }
    let on = call.on.clone();
    if !call.state.asks(&asker, call.route.method.id, permission, &on) {
        return Err(Fail::denied(permission, crate::gcp::state::relative(&on)));
    }
    let email = text(&call.state.thing(&on)?.body, "/email");
    if !call.state.is_live(&email) {
        return Err(Fail::precondition(format!("The service account {email} is disabled.")));
    }
    Ok(email)
}

fn access_token(call: &mut Call<'_>) -> Result<Value, Fail> {
    let email = chain(call, "iam.serviceAccounts.getAccessToken")?;
    let scopes = texts(call, "scope");
    if scopes.is_empty() {
        return Err(Fail::invalid("The request has no scope: give at least one."));
    }
    let lifetime = match call.text("/lifetime").as_str() {
        "" => Duration::from_secs(3_600),
        text => text
            .strip_suffix('s')
            .and_then(|seconds| seconds.parse::<f64>().ok())
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .filter(|lifetime| !lifetime.is_zero())
            .ok_or_else(|| Fail::invalid(format!("The lifetime `{text}` is not a duration such as `900s`.")))?,
    };
    if lifetime > Duration::from_secs(3_600) {
        return Err(Fail::invalid("The lifetime of an access token is at most 3600s."));
    }
    let token = call.state.access_token(&format!("serviceAccount:{email}"), scopes, lifetime);
    let expires = call.state.now() + lifetime;
    Ok(json!({"accessToken": token, "expireTime": expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()}))
}

fn id_token(call: &mut Call<'_>) -> Result<Value, Fail> {
    let email = chain(call, "iam.serviceAccounts.getOpenIdToken")?;
    let audience = call.text("/audience");
    if audience.is_empty() {
        return Err(Fail::invalid("The request has no audience."));
    }
    Ok(json!({"token": call.state.id_token(&email, &audience)}))
}
