//! Dispatches calls by their path. One function decodes, executes and encodes all unary calls.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use googleapis_tonic_google_iam_v1::google::iam::v1::{
    GetIamPolicyRequest, SetIamPolicyRequest, TestIamPermissionsRequest,
};
use googleapis_tonic_google_storage_v2::google::storage::v2::{
    CreateBucketRequest, DeleteBucketRequest, DeleteObjectRequest, GetBucketRequest, GetObjectRequest,
    ListBucketsRequest, ListObjectsRequest, ReadObjectRequest, ReadObjectResponse, UpdateBucketRequest,
    WriteObjectRequest, WriteObjectResponse,
};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use hyper::body::Body as HttpBody;
use tonic::body::Body;
use tonic::server::{ClientStreamingService, Grpc, UnaryService};
use tonic::{Status, Streaming};
use tonic_prost::ProstCodec;

use super::backend::Backend;
use super::storage::Transcoded;
use super::{iam_internal, storage};

const STORAGE: &str = "google.storage.v2.Storage";
/// Google's clients read the policies of buckets from this service
/// (<https://docs.cloud.google.com/storage/docs/reference/rpc/google.storage.control.v2>).
const CONTROL: &str = "google.storage.control.v2.StorageControl";

/// Answers a call.
pub(super) async fn call<B>(backend: Backend, request: Request<B>) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let (service, method) = path.rsplit_once('/').unwrap_or_default();
    match (service, method) {
        (STORAGE, "CreateBucket") => transcode::<CreateBucketRequest, B>(backend, request).await,
        (STORAGE, "GetBucket") => transcode::<GetBucketRequest, B>(backend, request).await,
        (STORAGE, "UpdateBucket") => transcode::<UpdateBucketRequest, B>(backend, request).await,
        (STORAGE, "DeleteBucket") => transcode::<DeleteBucketRequest, B>(backend, request).await,
        (STORAGE, "ListBuckets") => transcode::<ListBucketsRequest, B>(backend, request).await,
        (STORAGE | CONTROL, "GetIamPolicy") => transcode::<GetIamPolicyRequest, B>(backend, request).await,
        (STORAGE | CONTROL, "SetIamPolicy") => transcode::<SetIamPolicyRequest, B>(backend, request).await,
        (STORAGE | CONTROL, "TestIamPermissions") => {
            transcode::<TestIamPermissionsRequest, B>(backend, request).await
        }
        (STORAGE, "ListObjects") => transcode::<ListObjectsRequest, B>(backend, request).await,
        (STORAGE, "GetObject") => transcode::<GetObjectRequest, B>(backend, request).await,
        (STORAGE, "DeleteObject") => transcode::<DeleteObjectRequest, B>(backend, request).await,
        (STORAGE, "ReadObject") => read_object(backend, request).await,
        (STORAGE, "WriteObject") => write_object(backend, request).await,
        (iam_internal::SERVICE, "TestPermissions") => {
            unary(request, move |_, asked| async move { backend.test_permissions(&asked) }).await
        }
        (iam_internal::SERVICE, "GetPolicy") => {
            unary(request, move |_, asked| async move { backend.policy(&asked) }).await
        }
        (iam_internal::SERVICE, "SetPolicy") => {
            unary(request, move |_, asked| async move { backend.set_policy(asked) }).await
        }
        _ => Status::unimplemented(format!(
            "`{path}` is not modelled over gRPC: of `google.storage.v2.Storage` the methods of buckets, their policies and \
             ListObjects, GetObject, DeleteObject are"
        ))
        .into_http(),
    }
}

/// Executes a call that a request of the REST API can do.
async fn transcode<M, B>(backend: Backend, request: Request<B>) -> Response<Body>
where
    M: Transcoded,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    unary(request, move |bearer, message: M| async move {
        let rest = message.request(&|bucket| backend.bucket(bucket))?;
        backend.rest(&rest, bearer.as_ref(), M::CONFLICT).map(|body| M::answer(&body))
    })
    .await
}

/// Objects cannot be read over gRPC here, but the caller's permission to read is still checked.
async fn read_object<B>(backend: Backend, request: Request<B>) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    unary(request, move |bearer, message: ReadObjectRequest| async move {
        let rest = storage::object_of(&message.bucket, &message.object, message.generation)?;
        backend.rest(&rest, bearer.as_ref(), tonic::Code::Aborted)?;
        Err::<ReadObjectResponse, _>(Status::unimplemented(
            "ReadObject is allowed and not modelled over gRPC: read objects over REST, with `alt=media`",
        ))
    })
    .await
}

/// Objects cannot be written over gRPC here, but the caller's permission to create is still checked.
async fn write_object<B>(backend: Backend, request: Request<B>) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    Grpc::new(ProstCodec::<WriteObjectResponse, WriteObjectRequest>::default())
        .client_streaming(Write(backend), request)
        .await
}

/// Executes a unary call: one message in, one out.
async fn unary<B, M, A, F, R>(request: Request<B>, handler: F) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
    M: prost::Message + Default + 'static,
    A: prost::Message + Default + 'static,
    F: FnOnce(Option<HeaderValue>, M) -> R + Send + 'static,
    R: Future<Output = Result<A, Status>> + Send + 'static,
{
    Grpc::new(ProstCodec::<A, M>::default()).unary(Once(Some(handler)), request).await
}

type Answer<A> = Pin<Box<dyn Future<Output = Result<tonic::Response<A>, Status>> + Send>>;

/// A handler of one call.
struct Once<F>(Option<F>);

impl<F, M, A, R> UnaryService<M> for Once<F>
where
    F: FnOnce(Option<HeaderValue>, M) -> R + Send + 'static,
    R: Future<Output = Result<A, Status>> + Send + 'static,
    A: 'static,
{
    type Response = A;
    type Future = Answer<A>;

    fn call(&mut self, request: tonic::Request<M>) -> Self::Future {
        let handler = self.0.take();
        let (metadata, _, message) = request.into_parts();
        let bearer = metadata.into_headers().remove(AUTHORIZATION);
        match handler {
            Some(handler) => {
                let answer = handler(bearer, message);
                Box::pin(async move { answer.await.map(tonic::Response::new) })
            }
            None => Box::pin(async { Err(Status::internal("a call was answered already")) }),
        }
    }
}

struct Write(Backend);

impl ClientStreamingService<WriteObjectRequest> for Write {
    type Response = WriteObjectResponse;
    type Future = Answer<WriteObjectResponse>;

    fn call(&mut self, request: tonic::Request<Streaming<WriteObjectRequest>>) -> Self::Future {
        let backend = self.0.clone();
        Box::pin(async move {
            let (metadata, _, mut messages) = request.into_parts();
            let bearer = metadata.into_headers().remove(AUTHORIZATION);
            let Some(first) = messages.message().await? else {
                return Err(Status::invalid_argument("a write begins with a `write_object_spec`"));
            };
            let (bucket, object) = storage::written(&first)?;
            backend.may_create(bearer.as_ref(), bucket, object)?;
            Err(Status::unimplemented("WriteObject is allowed and not modelled over gRPC: write objects over REST"))
        })
    }
}
