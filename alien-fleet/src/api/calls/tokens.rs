//! Tokens.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};

use crate::access::TokenId;
use crate::api::body::{At, Given, SMALL};
use crate::api::failure::{Answer, Failure, Json};
use crate::api::forms::Made;
use crate::api::router::Acting;
use crate::tokens::{NewToken, Token};

pub(in crate::api) async fn list(Acting(fleet): Acting) -> Answer<Vec<Token>> {
    Ok(Json(fleet.tokens().await?))
}

/// Makes a token. The answer is the only one that has its text, and nobody on the way keeps it.
pub(in crate::api) async fn make(
    Acting(fleet): Acting,
    Given(new): Given<NewToken, SMALL>,
) -> Result<Response, Failure> {
    let (token, text) = fleet.make_token(&new).await?;
    let unkept = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((unkept, Json(Made { token, text })).into_response())
}

pub(in crate::api) async fn revoke(Acting(fleet): Acting, At(id): At<TokenId>) -> Answer<Token> {
    Ok(Json(fleet.revoke_token(&id).await?))
}
