//! The gRPC APIs: Cloud Storage's buckets, and the IAM questions of Google's own emulators.

mod backend;
mod bucket;
mod dispatch;
mod iam_internal;
mod json;
mod object;
mod policy;
mod rest;
mod storage;

use hyper::body::Incoming;
use tonic::body::Body;

use super::state::Shared;

/// Answers a request whose content type is `application/grpc`.
pub(crate) async fn serve(shared: Shared, request: http::Request<Incoming>) -> http::Response<Body> {
    dispatch::call(backend::Backend(shared), request).await
}
