//! Cloud Storage over gRPC: buckets and their policies are those of the REST API, and each call is enforced, recorded and
//! audited by the name of the method of the REST API.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use alien_sim::gcp::Gcp;
use googleapis_tonic_google_iam_v1::google::iam::v1::{
    Binding, GetIamPolicyRequest, GetPolicyOptions, Policy, SetIamPolicyRequest, TestIamPermissionsRequest,
};
use googleapis_tonic_google_storage_v2::google::rpc;
use googleapis_tonic_google_storage_v2::google::storage::v2::bucket::lifecycle::{Rule, rule};
use googleapis_tonic_google_storage_v2::google::storage::v2::bucket::{
    IamConfig, Lifecycle, SoftDeletePolicy, Versioning, iam_config,
};
use googleapis_tonic_google_storage_v2::google::storage::v2::storage_client::StorageClient;
use googleapis_tonic_google_storage_v2::google::storage::v2::{
    Bucket, CreateBucketRequest, DeleteBucketRequest, DeleteObjectRequest, GetBucketRequest, GetObjectRequest,
    ListBucketsRequest, ListObjectsRequest, ReadObjectRequest, UpdateBucketRequest,
};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use prost::Message as _;
use prost_types::{Duration, FieldMask};
use serde_json::json;
use tonic::body::Body;
use tonic::{Code, Request, Status};

const PROJECT: &str = "acme-project";
const PROJECT_NAME: &str = "//cloudresourcemanager.googleapis.com/projects/acme-project";
const BUCKET: &str = "projects/_/buckets/acme-files";
const BUCKET_NAME: &str = "//storage.googleapis.com/projects/_/buckets/acme-files";

struct World {
    gcp: Gcp,
    client: StorageClient<Client<HttpConnector, Body>>,
}

impl World {
    async fn new() -> Self {
        let gcp = Gcp::start().await.unwrap();
        gcp.project(PROJECT, 123_456_789);
        gcp.bind(PROJECT_NAME, "roles/owner", "user:admin@example.com");
        let transport = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        let client = StorageClient::with_origin(transport, gcp.url().parse().unwrap());
        Self { gcp, client }
    }

    fn admin<M>(&self, message: M) -> Request<M> {
        self.user("admin", message)
    }

    fn user<M>(&self, name: &str, message: M) -> Request<M> {
        let mut request = Request::new(message);
        let token = self.gcp.token(&format!("user:{name}@example.com"));
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        request
    }

    /// A user who holds these permissions on the project.
    fn holder(&self, name: &str, permissions: &[&str]) {
        let role = format!("projects/{PROJECT}/roles/{name}");
        self.gcp.set_role(&role, permissions);
        self.gcp.bind(PROJECT_NAME, &role, &format!("user:{name}@example.com"));
    }

    async fn create(&mut self) -> Bucket {
        let request = self.admin(create());
        self.client.create_bucket(request).await.unwrap().into_inner()
    }
}

fn create() -> CreateBucketRequest {
    CreateBucketRequest {
        parent: "projects/_".into(),
        bucket_id: "acme-files".into(),
        bucket: Some(Bucket {
            project: format!("projects/{PROJECT}"),
            location: "EU".into(),
            labels: [("deployment".to_owned(), "acme".to_owned())].into(),
            versioning: Some(Versioning { enabled: true }),
            iam_config: Some(IamConfig {
                uniform_bucket_level_access: Some(iam_config::UniformBucketLevelAccess {
                    enabled: true,
                    lock_time: None,
                }),
                public_access_prevention: "enforced".into(),
            }),
            soft_delete_policy: Some(SoftDeletePolicy {
                retention_duration: Some(Duration { seconds: 604_800, nanos: 0 }),
                effective_time: None,
            }),
            lifecycle: Some(lifecycle(30)),
            ..Bucket::default()
        }),
        ..CreateBucketRequest::default()
    }
}

fn lifecycle(age: i32) -> Lifecycle {
    let action = rule::Action { r#type: "Delete".into(), storage_class: String::new() };
    let condition = rule::Condition { age_days: Some(age), is_live: Some(false), ..rule::Condition::default() };
    Lifecycle { rule: vec![Rule { action: Some(action), condition: Some(condition) }] }
}

fn get() -> GetBucketRequest {
    GetBucketRequest { name: BUCKET.into(), ..GetBucketRequest::default() }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, says: &str) -> Status {
    let status = answer.unwrap_err();
    assert_eq!(status.code(), code, "{status:?}");
    assert!(status.message().contains(says), "{status:?}");
    status
}

#[tokio::test]
async fn a_bucket_is_made_read_changed_and_deleted() {
    let mut world = World::new().await;
    let made = world.create().await;
    assert_eq!((made.name.as_str(), made.bucket_id.as_str(), made.location.as_str()), (BUCKET, "acme-files", "EU"));
    assert_eq!(made.project, "projects/123456789");
    assert_eq!(made.lifecycle, Some(lifecycle(30)));
    assert!(made.create_time.is_some());
    assert_eq!(world.gcp.body(BUCKET_NAME).unwrap()["iamConfiguration"]["publicAccessPrevention"], "enforced");

    let read = world.client.get_bucket(world.user("admin", get())).await.unwrap().into_inner();
    assert_eq!(read, made);

    let mask = FieldMask { paths: vec!["labels.deployment".into(), "lifecycle".into(), "versioning".into()] };
    let change = UpdateBucketRequest {
        bucket: Some(Bucket { name: BUCKET.into(), lifecycle: Some(lifecycle(7)), ..Bucket::default() }),
        update_mask: Some(mask),
        if_metageneration_match: Some(made.metageneration),
        ..UpdateBucketRequest::default()
    };
    let changed = world.client.update_bucket(world.admin(change.clone())).await.unwrap().into_inner();
    assert_eq!(changed.lifecycle, Some(lifecycle(7)));
    assert!(changed.labels.is_empty() && !changed.versioning.unwrap_or_default().enabled, "{changed:?}");
    assert_eq!(changed.iam_config, made.iam_config, "what the mask does not name stays");
    assert_eq!(changed.metageneration, made.metageneration + 1);
    let stale = world.client.update_bucket(world.admin(change)).await;
    refused(stale, Code::FailedPrecondition, "");

    let listed = ListBucketsRequest { parent: format!("projects/{PROJECT}"), ..ListBucketsRequest::default() };
    let listed = world.client.list_buckets(world.admin(listed)).await.unwrap().into_inner();
    assert_eq!(listed.buckets, [changed]);

    world.gcp.put_object("acme-files", "a/b c");
    let delete = || DeleteBucketRequest { name: BUCKET.into(), ..DeleteBucketRequest::default() };
    refused(world.client.delete_bucket(world.admin(delete())).await, Code::FailedPrecondition, "");
    let object =
        DeleteObjectRequest { bucket: BUCKET.into(), object: "a/b c".into(), ..DeleteObjectRequest::default() };
    world.client.delete_object(world.admin(object)).await.unwrap();
    world.client.delete_bucket(world.admin(delete())).await.unwrap();
    refused(world.client.get_bucket(world.admin(get())).await, Code::NotFound, "");
    assert_eq!(world.gcp.body(BUCKET_NAME), None);
}

#[tokio::test]
async fn a_second_bucket_of_the_name_is_refused() {
    let mut world = World::new().await;
    world.create().await;
    refused(world.client.create_bucket(world.admin(create())).await, Code::AlreadyExists, "");
}

#[tokio::test]
async fn each_call_needs_its_permission_and_the_refusal_names_it() {
    let mut world = World::new().await;
    world.create().await;
    world.gcp.put_object("acme-files", "one");
    let denied = refused(
        world.client.get_bucket(world.user("nobody", get())).await,
        Code::PermissionDenied,
        "storage.buckets.get",
    );
    let details = rpc::Status::decode(denied.details()).unwrap().details;
    let info = rpc::ErrorInfo::decode(details[0].value.as_slice()).unwrap();
    assert_eq!(
        (info.reason.as_str(), info.metadata["permission"].as_str()),
        ("IAM_PERMISSION_DENIED", "storage.buckets.get")
    );

    world.holder("reader", &["storage.buckets.get"]);
    world.client.get_bucket(world.user("reader", get())).await.unwrap();
    let create = CreateBucketRequest { bucket_id: "other-files".into(), ..create() };
    refused(
        world.client.create_bucket(world.user("reader", create)).await,
        Code::PermissionDenied,
        "storage.buckets.create",
    );
    let change = UpdateBucketRequest {
        bucket: Some(Bucket { name: BUCKET.into(), ..Bucket::default() }),
        update_mask: Some(FieldMask { paths: vec!["labels".into()] }),
        ..UpdateBucketRequest::default()
    };
    refused(
        world.client.update_bucket(world.user("reader", change)).await,
        Code::PermissionDenied,
        "storage.buckets.update",
    );
    let list = ListObjectsRequest { parent: BUCKET.into(), ..ListObjectsRequest::default() };
    refused(
        world.client.list_objects(world.user("reader", list)).await,
        Code::PermissionDenied,
        "storage.objects.list",
    );
    let object = GetObjectRequest { bucket: BUCKET.into(), object: "one".into(), ..GetObjectRequest::default() };
    refused(world.client.get_object(world.user("reader", object)).await, Code::PermissionDenied, "storage.objects.get");
    let read = || ReadObjectRequest { bucket: BUCKET.into(), object: "one".into(), ..ReadObjectRequest::default() };
    refused(
        world.client.read_object(world.user("reader", read())).await,
        Code::PermissionDenied,
        "storage.objects.get",
    );
    refused(world.client.read_object(world.admin(read())).await, Code::Unimplemented, "ReadObject");
    let unknown = Request::new(get());
    refused(world.client.get_bucket(unknown).await, Code::Unauthenticated, "");
}

#[tokio::test]
async fn policies_are_those_of_the_bucket() {
    let mut world = World::new().await;
    world.create().await;
    let ask = || GetIamPolicyRequest {
        resource: BUCKET.into(),
        options: Some(GetPolicyOptions { requested_policy_version: 3 }),
    };
    let policy = world.client.get_iam_policy(world.admin(ask())).await.unwrap().into_inner();
    let binding = Binding {
        role: "roles/storage.objectViewer".into(),
        members: vec!["user:reader@example.com".into()],
        condition: None,
    };
    let set = SetIamPolicyRequest {
        resource: BUCKET.into(),
        policy: Some(Policy { version: 3, bindings: vec![binding.clone()], etag: policy.etag, audit_configs: vec![] }),
        update_mask: None,
    };
    world.client.set_iam_policy(world.admin(set.clone())).await.unwrap();
    refused(world.client.set_iam_policy(world.admin(set)).await, Code::Aborted, "");
    let read = world.client.get_iam_policy(world.admin(ask())).await.unwrap().into_inner();
    assert_eq!(read.bindings, [binding]);

    let test = TestIamPermissionsRequest {
        resource: BUCKET.into(),
        permissions: vec!["storage.objects.get".into(), "storage.objects.delete".into()],
    };
    let held = world.client.test_iam_permissions(world.user("reader", test)).await.unwrap().into_inner();
    assert_eq!(held.permissions, ["storage.objects.get"]);
    let list = ListObjectsRequest { parent: BUCKET.into(), ..ListObjectsRequest::default() };
    world.gcp.put_object("acme-files", "one");
    let listed = world.client.list_objects(world.user("reader", list)).await.unwrap().into_inner();
    assert_eq!(listed.objects.iter().map(|object| object.name.as_str()).collect::<Vec<_>>(), ["one"]);
}

#[tokio::test]
async fn calls_are_recorded_and_audited_under_the_names_of_the_rest_api() {
    let mut world = World::new().await;
    world.create().await;
    drop((world.gcp.take_requests(), world.gcp.take_decisions()));
    world.client.get_bucket(world.admin(get())).await.unwrap();
    let requests = world.gcp.take_requests();
    let methods: Vec<&str> = requests.iter().map(|request| request.method.as_str()).collect();
    assert_eq!(methods, ["storage.buckets.get"]);
    let decisions = world.gcp.take_decisions();
    let decided: Vec<_> =
        decisions.iter().map(|one| (one.method.as_str(), one.permission.as_str(), one.allowed)).collect();
    assert_eq!(decided, [("storage.buckets.get", "storage.buckets.get", true)]);
    assert_eq!(json!(decisions[0].resource), BUCKET_NAME);
}

#[tokio::test]
async fn what_is_not_modelled_is_said_and_never_lost() {
    let mut world = World::new().await;
    let made = world.create().await;
    let bad = GetBucketRequest { name: "acme-files".into(), ..GetBucketRequest::default() };
    refused(world.client.get_bucket(world.admin(bad)).await, Code::InvalidArgument, "projects/_/buckets/NAME");
    let without_mask = UpdateBucketRequest { bucket: Some(made.clone()), ..UpdateBucketRequest::default() };
    refused(
        world.client.update_bucket(world.admin(without_mask)).await,
        Code::InvalidArgument,
        "`update_mask` is required",
    );
    let unknown = UpdateBucketRequest {
        bucket: Some(made),
        update_mask: Some(FieldMask { paths: vec!["location".into()] }),
        ..UpdateBucketRequest::default()
    };
    refused(world.client.update_bucket(world.admin(unknown)).await, Code::InvalidArgument, "`location`");
    let compose = googleapis_tonic_google_storage_v2::google::storage::v2::ComposeObjectRequest::default();
    refused(world.client.compose_object(world.admin(compose)).await, Code::Unimplemented, "ComposeObject");
}
