//! Who calls: the bearer of a token.

use alien_core::{Error, ErrorKind};
use alien_fleet::api::refusal;
use alien_fleet::{Fleet, TokenText, Who};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

/// Who acted, for the log of requests.
#[derive(Debug, Clone)]
pub(crate) struct Acted(pub(crate) Who);

/// The layer that finds out who calls, from `Authorization: Bearer …`.
/// <https://www.rfc-editor.org/rfc/rfc6750#section-2.1>
pub(crate) async fn authenticated(State(fleet): State<Fleet>, mut request: Request, next: Next) -> Response {
    let caller = match bearer(request.headers()) {
        Some(token) => fleet.caller(&token).await,
        None => Err(Error::new(ErrorKind::Credentials, "there is no token; send it as `Authorization: Bearer …`")),
    };
    match caller {
        Ok(caller) => {
            let acted = Acted(caller.who().clone());
            request.extensions_mut().insert(caller);
            let mut response = next.run(request).await;
            response.extensions_mut().insert(acted);
            response
        }
        Err(error) => {
            let is_unknown = error.kind() == ErrorKind::Credentials;
            let mut response = refusal(error);
            if is_unknown {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            response
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<TokenText> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| TokenText::new(token.trim()))
}
