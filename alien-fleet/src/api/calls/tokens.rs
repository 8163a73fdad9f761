//! Tokens.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::access::TokenId;
use crate::api::acting::Acting;
use crate::api::body::{At, Given, SMALL};
use crate::api::describe::{Answers, Draft};
use crate::api::failure::{Answer, Failure, JSON, Json};
use crate::api::forms::Made;
use crate::tokens::{NewToken, Token};

pub(in crate::api) async fn list(Acting(fleet): Acting) -> Answer<Vec<Token>> {
    Ok(Json(fleet.tokens().await?))
}

/// Makes a token. The answer is the only one that has its text.
pub(in crate::api) async fn make(Acting(fleet): Acting, Given(new): Given<NewToken, SMALL>) -> Result<Unkept, Failure> {
    let (token, text) = fleet.make_token(&new).await?;
    Ok(Unkept(Made { token, text }))
}

/// A token that was made. Nobody on the way keeps it.
pub(in crate::api) struct Unkept(Made);

impl IntoResponse for Unkept {
    fn into_response(self) -> Response {
        let unkept = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
        (unkept, Json(self.0)).into_response()
    }
}

impl Answers for Result<Unkept, Failure> {
    fn describe(draft: &mut Draft<'_>) {
        let schema = draft.schema::<Made>();
        draft.answers(200, "The token, and its text.", JSON, schema);
    }
}

pub(in crate::api) async fn revoke(Acting(fleet): Acting, At(id): At<TokenId>) -> Answer<Token> {
    Ok(Json(fleet.revoke_token(&id).await?))
}
