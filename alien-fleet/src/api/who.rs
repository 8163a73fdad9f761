//! Who acts. A layer in front of the calls finds it out, and puts a [`Caller`] into the extensions of the request.

use alien_core::{Error, ErrorKind, Result};
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::failure::Failure;
use crate::caller::Caller;
use crate::log::Who;

/// The header that says who acts, where whoever gets in may give any name.
const OPERATOR: HeaderName = HeaderName::from_static("alien-operator");

/// The most bytes of a name.
const LONGEST: usize = 256;

/// The layer where a name is only claimed.
pub(super) async fn claimed(mut request: Request, next: Next) -> Response {
    let name = request.headers().get(OPERATOR).map(HeaderValue::as_bytes);
    let name = name.and_then(|name| std::str::from_utf8(name).ok()).filter(|name| is_name(name));
    let Some(who) = name.map(Who::claimed) else {
        let what = format!("the header `Alien-Operator` has no name of 1 to {LONGEST} bytes; say in it who acts");
        return Failure(Error::new(ErrorKind::Credentials, what)).into_response();
    };
    // Whoever can reach the socket can open the store.
    request.extensions_mut().insert(Caller::unlimited(who));
    next.run(request).await
}

/// Says in a request who acts.
pub(super) fn claim(who: &Who, request: &mut Request) -> Result<()> {
    let name = Some(who.name.as_str()).filter(|name| is_name(name));
    let name = name.and_then(|name| HeaderValue::from_bytes(name.as_bytes()).ok());
    let wrong = || {
        let what = format!("`{}` is no name; write 1 to {LONGEST} bytes, without control characters", who.name);
        Error::new(ErrorKind::Input, what)
    };
    request.headers_mut().insert(OPERATOR, name.ok_or_else(wrong)?);
    Ok(())
}

/// HTTP keeps no space around a header's value.
fn is_name(name: &str) -> bool {
    (1..=LONGEST).contains(&name.len()) && name.trim() == name && !name.chars().any(char::is_control)
}
