//! Blobs: <https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api>.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::xml::{escaped, texts};
use super::{Ask, Refused, http_date, parameter};
use crate::azure::call::Answer;
use crate::azure::entra::token::Stranger;
use crate::azure::rbac::decide::Plane;
use crate::azure::state::{Caller, State, etag};
use crate::uri::decode;

/// Source: <https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory#permissions-for-blob-service-operations>.
const BLOBS: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs";

/// A blob.
#[derive(Clone, Debug)]
pub(crate) struct Blob {
    body: Bytes,
    content_type: String,
    etag: String,
    modified: Timestamp,
    tags: BTreeMap<String, String>,
}

pub(super) fn answer(state: &mut State, ask: &Ask<'_>, account: &str) -> Answer {
    perform(state, ask, account).unwrap_or_else(|refused| {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{}</Code><Message>{}\nRequestId:{}\nTime:{}</Message></Error>",
            escaped(&refused.code),
            escaped(&refused.message),
            Uuid::new_v4(),
            state.now()
        );
        let headers = vec![("content-type", "application/xml".to_owned()), ("x-ms-error-code", refused.code)];
        let body = if ask.verb == "HEAD" { Bytes::new() } else { body.into() };
        Answer { status: refused.status, headers, body }
    })
}

/// Authenticates a caller of an account's data plane.
///
/// # Errors
///
/// A refusal in the words of the storage service.
pub(super) fn caller(state: &State, ask: &Ask<'_>, account: &Value, name: &str) -> Result<Caller, Refused> {
    let (_, query) = ask.parts();
    let scheme = ask.header("authorization").split(' ').next().unwrap_or_default();
    let allows = |field: &str, default: bool| {
        account.pointer(&format!("/properties/{field}")).and_then(Value::as_bool).unwrap_or(default)
    };
    if scheme.starts_with("SharedKey") || !parameter(&query, "sig").is_empty() {
        if !allows("allowSharedKeyAccess", true) {
            return Err(Refused::new(
                403,
                "KeyBasedAuthenticationNotPermitted",
                "Key based authentication is not permitted on this storage account.",
            ));
        }
        return Err(Refused::new(
            403,
            "AuthenticationFailed",
            "Server failed to authenticate the request: the emulator checks no signatures of keys.",
        ));
    }
    if ask.bearer.is_none() {
        if allows("allowBlobPublicAccess", false) {
            return Err(Refused::new(404, "ResourceNotFound", "The specified resource does not exist."));
        }
        return Err(Refused::new(
            409,
            "PublicAccessNotPermitted",
            "Public access is not permitted on this storage account.",
        ));
    }
    // Source: <https://learn.microsoft.com/azure/storage/blobs/authorize-access-azure-active-directory>.
    let own = [
        "https://storage.azure.com".to_owned(),
        format!("https://{name}.blob.core.windows.net"),
        format!("https://{name}.table.core.windows.net"),
    ];
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let caller = state.data_caller(ask.bearer, &own).map_err(|stranger| {
        let detail = match stranger {
            Stranger::Audience => "Audience validation failed. Audience did not match.",
            Stranger::Expired => "Lifetime validation failed. The token is expired.",
            _ => "Signature validation failed.",
        };
        Refused::new(
            401,
            "InvalidAuthenticationInfo",
            format!(
                "Server failed to authenticate the request. Please refer to the information in the www-authenticate header. {detail}"
            ),
        )
    })?;
    if ask.header("x-ms-version") < "2017-11-09" {
        return Err(Refused::new(
            400,
            "MissingRequiredHeader",
            "An HTTP header that's mandatory for this request is not specified: x-ms-version, 2017-11-09 or later.",
        ));
    }
    Ok(caller)
}

pub(super) fn mismatch() -> Refused {
    Refused::new(
        403,
        "AuthorizationPermissionMismatch",
        "This request is not authorized to perform this operation using this permission.",
    )
}

/// Authorises the caller by any one of several data actions.
pub(super) fn any(
    state: &mut State,
    caller: &Caller,
    key: &str,
    actions: &[String],
    scope: &str,
) -> Result<(), Refused> {
    let allowed = actions.iter().any(|action| state.authorise_data(caller, key, action, scope));
    if allowed { Ok(()) } else { Err(mismatch()) }
}

/// Finds the account of a host: its id, name and body.
pub(super) fn account(state: &State, name: &str) -> Result<(String, Value), Refused> {
    let thing = state.account(name);
    thing
        .map(|thing| (thing.id.clone(), thing.body.clone()))
        .ok_or_else(|| Refused::new(404, "ResourceNotFound", format!("No storage account is named {name}.")))
}

fn perform(state: &mut State, ask: &Ask<'_>, name: &str) -> Result<Answer, Refused> {
    let (path, query) = ask.parts();
    let (container, blob) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    let (container, blob) = (decode(container), decode(blob));
    let (kind, work) = (parameter(&query, "restype"), parameter(&query, "comp"));
    let key = match (ask.verb, container.is_empty(), blob.is_empty(), kind, work) {
        ("POST", true, true, "service", "userdelegationkey") => "POST blob.core.windows.net/userdelegationkey",
        ("GET", false, true, "container", "list") => "GET blob.core.windows.net/blobs",
        ("GET" | "HEAD", false, true, "container", "") => "GET blob.core.windows.net/container",
        ("GET", false, false, "", "") => "GET blob.core.windows.net/blob",
        ("HEAD", false, false, "", "") => "HEAD blob.core.windows.net/blob",
        ("PUT", false, false, "", "") => "PUT blob.core.windows.net/blob",
        ("DELETE", false, false, "", "") => "DELETE blob.core.windows.net/blob",
        ("GET", false, false, "", "tags") => "GET blob.core.windows.net/tags",
        ("PUT", false, false, "", "tags") => "PUT blob.core.windows.net/tags",
        _ => {
            return Err(Refused::unmodelled(format!(
                "{} {} is not emulated: the emulator models Get, Put and Delete Blob, its properties and tags, List Blobs, and Get User Delegation Key.",
                ask.verb, ask.target
            )));
        }
    };
    state.remember(key, ask.verb, path, &query, &Value::Null);
    state.knobs.before(key)?;
    let (id, body) = account(state, name)?;
    let caller = caller(state, ask, &body, name)?;
    let at = State::container_id(&id, &container);
    if key.ends_with("userdelegationkey") {
        let action = "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action";
        if !state.asks(&caller, key, Plane::Control, action, &id) {
            return Err(mismatch());
        }
        return Ok(delegation(state, ask, &caller));
    }
    let actions: &[&str] = match key {
        "PUT blob.core.windows.net/blob" => &["write", "add/action"],
        "DELETE blob.core.windows.net/blob" => &["delete"],
        "GET blob.core.windows.net/tags" => &["tags/read"],
        "PUT blob.core.windows.net/tags" => &["tags/write"],
        _ => &["read"],
    };
    if key.ends_with("/container") {
        let action = "Microsoft.Storage/storageAccounts/blobServices/containers/read";
        if !state.asks(&caller, key, Plane::Control, action, &at) {
            return Err(mismatch());
        }
    } else {
        let mut actions: Vec<String> = actions.iter().map(|action| format!("{BLOBS}/{action}")).collect();
        let is_there = state.data.blobs.get(&at.to_lowercase()).is_some_and(|blobs| blobs.contains_key(&blob));
        if is_there {
            // `add` only covers creating a new blob.
            actions.retain(|action| !action.ends_with("/add/action"));
        }
        any(state, &caller, key, &actions, &at)?;
    }
    if state.thing(&at).is_err() {
        return Err(Refused::new(404, "ContainerNotFound", "The specified container does not exist."));
    }
    let answer = match key {
        "GET blob.core.windows.net/container" => Answer::empty(200),
        "GET blob.core.windows.net/blobs" => list(state, &at, name, &container, &query),
        "PUT blob.core.windows.net/blob" => put(state, ask, &at, &blob)?,
        _ => one(state, ask, key, &at, &blob)?,
    };
    state.knobs.after(key)?;
    Ok(answer)
}

fn condition(ask: &Ask<'_>, etag: Option<&str>) -> Result<(), Refused> {
    let (wanted, unwanted) = (ask.header("if-match"), ask.header("if-none-match"));
    if etag.is_some() && unwanted == "*" {
        return Err(Refused::new(409, "BlobAlreadyExists", "The specified blob already exists."));
    }
    if !wanted.is_empty() && (etag.is_none() || (wanted != "*" && etag != Some(wanted))) {
        let message = "The condition specified using HTTP conditional header(s) is not met.";
        return Err(Refused::new(412, "ConditionNotMet", message));
    }
    Ok(())
}

/// Source: <https://learn.microsoft.com/rest/api/storageservices/put-blob>.
fn put(state: &mut State, ask: &Ask<'_>, container: &str, name: &str) -> Result<Answer, Refused> {
    match ask.header("x-ms-blob-type") {
        "BlockBlob" => {}
        "" => {
            let message = "An HTTP header that's mandatory for this request is not specified: x-ms-blob-type.";
            return Err(Refused::new(400, "MissingRequiredHeader", message));
        }
        other => return Err(Refused::unmodelled(format!("Blobs of the type {other} are not emulated."))),
    }
    let known = state.data.blobs.get(&container.to_lowercase()).and_then(|blobs| blobs.get(name));
    condition(ask, known.map(|blob| blob.etag.as_str()))?;
    let content_type = [ask.header("x-ms-blob-content-type"), ask.header("content-type"), "application/octet-stream"];
    let content_type = content_type.into_iter().find(|kind| !kind.is_empty()).unwrap_or_default().to_owned();
    let blob = state.write_blob(container, name, ask.body.clone(), content_type);
    Ok(Answer::empty(201)
        .header("etag", blob.etag)
        .header("last-modified", http_date(blob.modified))
        .header("x-ms-request-server-encrypted", "true"))
}

impl State {
    fn write_blob(&mut self, container: &str, name: &str, body: Bytes, content_type: String) -> Blob {
        let etag = format!("\"0x8{}\"", etag().replace(['-', '"'], "").to_uppercase().get(..14).unwrap_or_default());
        let blob = Blob { body, content_type, etag, modified: self.now(), tags: BTreeMap::new() };
        self.data.blobs.entry(container.to_lowercase()).or_default().insert(name.to_owned(), blob.clone());
        blob
    }

    /// Puts a blob without any permission check. Returns false if the container does not exist.
    pub(crate) fn put_blob(&mut self, account: &str, container: &str, name: &str, body: Bytes) -> bool {
        let Some(account) = self.account(account).map(|thing| thing.id.clone()) else { return false };
        let at = Self::container_id(&account, container);
        let is_there = self.thing(&at).is_ok();
        if is_there {
            self.write_blob(&at, name, body, "application/octet-stream".to_owned());
        }
        is_there
    }
}

/// Executes a request on an existing blob.
fn one(state: &mut State, ask: &Ask<'_>, key: &str, container: &str, name: &str) -> Result<Answer, Refused> {
    let now = state.now();
    let blobs = state.data.blobs.entry(container.to_lowercase()).or_default();
    let missing = || Refused::new(404, "BlobNotFound", "The specified blob does not exist.");
    let blob = blobs.get_mut(name).ok_or_else(missing)?;
    condition(ask, Some(&blob.etag)).or_else(|refused| if refused.status == 409 { Ok(()) } else { Err(refused) })?;
    match (ask.verb, key.ends_with("/tags")) {
        ("GET", true) => {
            let tag = |(name, value): (&String, &String)| {
                format!("<Tag><Key>{}</Key><Value>{}</Value></Tag>", escaped(name), escaped(value))
            };
            let tags: String = blob.tags.iter().map(tag).collect();
            let body = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><Tags><TagSet>{tags}</TagSet></Tags>");
            Ok(xml(body))
        }
        ("PUT", true) => {
            let document = String::from_utf8_lossy(&ask.body);
            blob.tags = texts(&document, "Key").into_iter().zip(texts(&document, "Value")).collect();
            Ok(Answer::empty(204))
        }
        ("DELETE", _) => {
            blobs.remove(name);
            Ok(Answer::empty(202).header("x-ms-delete-type-permanent", "true").header("date", http_date(now)))
        }
        (verb, _) => read(ask, blob, verb == "HEAD"),
    }
}

/// Source: <https://learn.microsoft.com/rest/api/storageservices/get-blob>.
fn read(ask: &Ask<'_>, blob: &Blob, is_head: bool) -> Result<Answer, Refused> {
    let whole = blob.body.len();
    let range = [ask.header("x-ms-range"), ask.header("range")].into_iter().find(|range| !range.is_empty());
    let range = range.filter(|_| !is_head).and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let mut answer = Answer { status: 200, headers: Vec::new(), body: blob.body.clone() };
    if let Some((from, to)) = range {
        let from: usize = from.parse().unwrap_or(0);
        let to = to.parse::<usize>().unwrap_or(usize::MAX).min(whole.saturating_sub(1));
        if from >= whole {
            let message = "The range specified is invalid for the current size of the resource.";
            return Err(Refused::new(416, "InvalidRange", message));
        }
        answer.status = 206;
        answer.body = blob.body.slice(from..=to.max(from));
        answer = answer.header("content-range", format!("bytes {from}-{to}/{whole}"));
    }
    if is_head {
        answer.body = Bytes::new();
        answer = answer.header("content-length", whole.to_string());
    }
    Ok(answer
        .header("content-type", blob.content_type.clone())
        .header("etag", blob.etag.clone())
        .header("last-modified", http_date(blob.modified))
        .header("accept-ranges", "bytes")
        .header("x-ms-blob-type", "BlockBlob")
        .header("x-ms-lease-status", "unlocked")
        .header("x-ms-lease-state", "available"))
}

fn xml(body: String) -> Answer {
    let headers = vec![("content-type", "application/xml".to_owned())];
    Answer { status: 200, headers, body: body.into() }
}

/// Source: <https://learn.microsoft.com/rest/api/storageservices/list-blobs>.
fn list(state: &State, at: &str, account: &str, container: &str, query: &[(String, String)]) -> Answer {
    let prefix = parameter(query, "prefix");
    let marker = parameter(query, "marker");
    let most: usize = parameter(query, "maxresults").parse().unwrap_or(5_000).clamp(1, 5_000);
    let none = BTreeMap::new();
    let blobs = state.data.blobs.get(&at.to_lowercase()).unwrap_or(&none);
    let mut found = blobs.iter().filter(|(name, _)| name.starts_with(prefix) && name.as_str() > marker);
    let mut items = String::new();
    let mut last = "";
    for (name, blob) in found.by_ref().take(most) {
        last = name;
        items += &format!(
            "<Blob><Name>{}</Name><Properties><Creation-Time>{1}</Creation-Time><Last-Modified>{1}</Last-Modified><Etag>{2}</Etag><Content-Length>{3}</Content-Length><Content-Type>{4}</Content-Type><BlobType>BlockBlob</BlobType><LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState></Properties></Blob>",
            escaped(name),
            http_date(blob.modified),
            escaped(blob.etag.trim_matches('"')),
            blob.body.len(),
            escaped(&blob.content_type)
        );
    }
    let next = if found.next().is_some() { last } else { "" };
    xml(format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\"https://{account}.blob.core.windows.net/\" ContainerName=\"{}\"><Prefix>{}</Prefix><Blobs>{items}</Blobs><NextMarker>{}</NextMarker></EnumerationResults>",
        escaped(container),
        escaped(prefix),
        escaped(next)
    ))
}

/// Source: <https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key>.
fn delegation(state: &State, ask: &Ask<'_>, caller: &Caller) -> Answer {
    let document = String::from_utf8_lossy(&ask.body);
    let time = |name: &str| texts(&document, name).into_iter().next().unwrap_or_else(|| state.now().to_string());
    let mut key = [0; 32];
    key.fill_with(|| fastrand::u8(..));
    xml(format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><UserDelegationKey><SignedOid>{}</SignedOid><SignedTid>{}</SignedTid><SignedStart>{}</SignedStart><SignedExpiry>{}</SignedExpiry><SignedService>b</SignedService><SignedVersion>{}</SignedVersion><Value>{}</Value></UserDelegationKey>",
        caller.object,
        state.tenant,
        escaped(&time("Start")),
        escaped(&time("Expiry")),
        escaped(ask.header("x-ms-version")),
        STANDARD.encode(key)
    ))
}
