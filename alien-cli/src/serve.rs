//! Serves the files of a repository over HTTP.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use alien_release::{FolderTransport, Transport as _};
use axum::Router;
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::net::TcpListener;

use crate::args::Shown;
use crate::interrupt::Interrupts;
use crate::output::Failure;

/// The result of `alien repository serve`, which is printed as soon as it answers.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Serves {
    /// The folder of the repository.
    folder: PathBuf,
    /// Where it is served.
    url: String,
}

/// Answers until it is interrupted.
pub(crate) async fn files(folder: &Path, listen: SocketAddr, shown: Shown) -> Result<(), Failure> {
    let refused = |error: std::io::Error| {
        Failure::form("--listen", format!("`{listen}` cannot be listened on: {error}"), "name another address")
    };
    let listener = TcpListener::bind(listen).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let transport = FolderTransport::new(folder);
    let router =
        Router::new().fallback(move |method: Method, uri: Uri| async move { answer(&transport, &method, &uri).await });
    let serves = Serves { folder: folder.to_owned(), url: format!("http://{address}") };
    shown.result(&serves, |Serves { folder, url }| format!("`{}` is at {url}", folder.display()))?;
    let mut interrupts = Interrupts::new()?;
    let stopped = async move { interrupts.next().await };
    axum::serve(listener, router).with_graceful_shutdown(stopped).await.map_err(refused)
}

async fn answer(transport: &FolderTransport, method: &Method, uri: &Uri) -> Response {
    if ![Method::GET, Method::HEAD].contains(method) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let name = uri.path().trim_start_matches('/');
    let pieces = match transport.fetch(name).await {
        Ok(Some(pieces)) => pieces,
        Ok(None) => return StatusCode::NOT_FOUND.into_response(),
        Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    let mut response = Response::new(Body::from_stream(pieces));
    // Only this one is ever written again.
    let caching = if name == "timestamp.json" { "no-cache" } else { "public, max-age=31536000, immutable" };
    let kind = if name.ends_with(".json") { "application/json" } else { "application/octet-stream" };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
