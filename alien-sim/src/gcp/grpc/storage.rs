//! `google.storage.v2.Storage`: maps each call to a request of the REST API. Source:
//! <https://docs.cloud.google.com/storage/docs/reference/rpc/google.storage.v2>.

use googleapis_tonic_google_iam_v1::google::iam::v1::{
    GetIamPolicyRequest, Policy, SetIamPolicyRequest, TestIamPermissionsRequest, TestIamPermissionsResponse,
};
use googleapis_tonic_google_storage_v2::google::storage::v2::write_object_request::FirstMessage;
use googleapis_tonic_google_storage_v2::google::storage::v2::{
    Bucket, CreateBucketRequest, DeleteBucketRequest, DeleteObjectRequest, GetBucketRequest, GetObjectRequest,
    ListBucketsRequest, ListBucketsResponse, ListObjectsRequest, ListObjectsResponse, Object, UpdateBucketRequest,
    WriteObjectRequest,
};
use serde_json::{Value, json};
use tonic::{Code, Status};

use super::bucket::{self, PREFIX};
use super::json::{items, text, texts};
use super::rest::Rest;
use super::{object, policy};

/// A call with an equivalent REST request.
pub(super) trait Transcoded: prost::Message + Default + 'static {
    type Answer: prost::Message + Default + 'static;

    /// The gRPC code of HTTP 409 for this call.
    const CONFLICT: Code = Code::Aborted;

    /// Converts the call to a REST request. `current` returns the stored form of a bucket, for calls that need it.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` if a name has the wrong form, `UNIMPLEMENTED` if a field is not modelled.
    fn request(&self, current: &dyn Fn(&str) -> Option<Value>) -> Result<Rest, Status>;

    fn answer(body: &Value) -> Self::Answer;
}

impl Transcoded for CreateBucketRequest {
    type Answer = Bucket;
    const CONFLICT: Code = Code::AlreadyExists;

    fn request(&self, _: &dyn Fn(&str) -> Option<Value>) -> Result<Rest, Status> {
        if !matches!(self.parent.as_str(), "" | "projects/_") {
            return Err(Status::invalid_argument(
                "`parent` must be `projects/_`: the project is named by `bucket.project`",
            ));
        }
        let Some(bucket) = &self.bucket else { return Err(Status::invalid_argument("`bucket` is required")) };
        let project = project(&bucket.project)?;
        let mut body = bucket::to_json(bucket).map_err(Status::unimplemented)?;
        if let Some(fields) = body.as_object_mut() {
            fields.insert("name".to_owned(), self.bucket_id.as_str().into());
            fields.remove("etag");
        }
        let words = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(Rest::new("POST", ["storage", "v1", "b"])
            .query("project", Some(project))
            .query("predefinedAcl", words(&self.predefined_acl))
            .query("predefinedDefaultObjectAcl", words(&self.predefined_default_object_acl))
            .query("enableObjectRetention", self.enable_object_retention.then_some(true))
            .body(body))
    }

    fn answer(body: &Value) -> Bucket {
        bucket::from_json(body)
    }
}

impl Transcoded for GetBucketRequest {
    type Answer = Bucket;

    fn request(&self, _: &dyn Fn(&str) -> Option<Value>) -> Result<Rest, Status> {
        whole(self.read_mask.as_ref())?;
        Ok(Rest::new("GET", ["storage", "v1", "b", bucket(&self.name)?])
            .query("ifMetagenerationMatch", self.if_metageneration_match)
            .query("ifMetagenerationNotMatch", self.if_metageneration_not_match))
    }

    fn answer(body: &Value) -> Bucket {
        bucket::from_json(body)
    }
}

impl Transcoded for UpdateBucketRequest {
    type Answer = Bucket;

    fn request(&self, current: &dyn Fn(&str) -> Option<Value>) -> Result<Rest, Status> {
        let Some(bucket) = &self.bucket else { return Err(Status::invalid_argument("`bucket` is required")) };
        let name = self::bucket(&bucket.name)?;
        let current = current(name).unwrap_or_else(|| json!({}));
        if !bucket.etag.is_empty() && bucket.etag != text(&current, "etag") {
            return Err(Status::aborted("the etag of the bucket is another by now: read it again"));
        }
        let patch = bucket::patch(&current, bucket, self.update_mask.as_ref()).map_err(Status::invalid_argument)?;
        let words = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(Rest::new("PATCH", ["storage", "v1", "b", name])
            .query("ifMetagenerationMatch", self.if_metageneration_match)
            .query("ifMetagenerationNotMatch", self.if_metageneration_not_match)
            .query("predefinedAcl", words(&self.predefined_acl))
            .query("predefinedDefaultObjectAcl", words(&self.predefined_default_object_acl))
            .body(patch))
    }

    fn answer(body: &Value) -> Bucket {
        bucket::from_json(body)
    }
}

impl Transcoded for DeleteBucketRequest {
    type Answer = ();
    const CONFLICT: Code = Code::FailedPrecondition;

    fn request(&self, _: &dyn Fn(&str) -> Option<Value>) -> Result<Rest, Status> {
        Ok(Rest::new("DELETE", ["storage", "v1", "b", bucket(&self.name)?])
            .query("ifMetagenerationMatch", self.if_metageneration_match)
            .query("ifMetagenerationNotMatch", self.if_metageneration_not_match))
    }

    fn answer(_: &Value) {}
}

impl Transcoded for ListBucketsRequest {
    type Answer = ListBucketsResponse;

    fn request(&self, _: &dyn Fn(&str) -> Option<Value>) -> Result<Rest, Status> {
        whole(self.read_mask.as_ref())?;
        Ok(Rest::new("GET", ["storage", "v1", "b"])
            .query("project", Some(project(&self.parent)?))
            .query("maxResults", (self.page_size > 0).then_some(self.page_size))
            .query("pageToken", (!self.page_token.is_empty()).then_some(&self.page_token))
            .query("prefix", (!self.prefix.is_empty()).then_some(&self.prefix)))
    }

    fn answer(body: &Value) -> ListBucketsResponse {
        ListBucketsResponse {
            buckets: items(body, "items").map(bucket::from_json).collect(),
            next_page_token: text(body, "nextPageToken"),
            unreachable: texts(body, "unreachable"),
        }
    }
}

impl Transcoded for GetIamPolicyRequest {
    type Answer = Policy;

    fn request(&self, _: &dyn Fn(&str) -> Option<Value>) -> Result<Rest, Status> {
        let version = self.options.as_ref().map(|options| options.requested_policy_version);
        Ok(Rest::new("GET", ["storage", "v1", "b", bucket(&self.resource)?, "iam"])
            .query("optionsRequestedPolicyVersion", version.filter(|version| *version != 0)))
    }

    fn answer(body: &Value) -> Policy {
        policy::from_json(body)
    }
}

impl Transcoded for SetIamPolicyRequest {
    type Answer = Policy;

    fn request(&self, _: &dyn Fn(&str) -> Option<Value>) -> Result<Rest, Status> {
        let Some(policy) = &self.policy else { return Err(Status::invalid_argument("`policy` is required")) };
        if self.update_mask.as_ref().is_some_and(|mask| !mask.paths.iter().any(|path| path == "bindings")) {
            return Err(Status::unimplemented("an `update_mask` without `bindings` is not modelled over gRPC"));
        }
        let body = policy::to_json(policy).map_err(Status::unimplemented)?;
        Ok(Rest::new("PUT", ["storage", "v1", "b", bucket(&self.resource)?, "iam"]).body(body))
    }

    fn answer(body: &Value) -> Policy {
        policy::from_json(body)
    }
}

impl Transcoded for TestIamPermissionsRequest {
    type Answer = TestIamPermissionsResponse;

    fn request(&self, _: &dyn Fn(&str) -> Option<Value>) -> Result<Rest, Status> {
        let path = ["storage", "v1", "b", bucket(&self.resource)?, "iam", "testPermissions"];
        let request = Rest::new("GET", path);
        Ok(self.permissions.iter().fold(request, |request, permission| request.query("permissions", Some(permission))))
    }

    fn answer(body: &Value) -> TestIamPermissionsResponse {
        TestIamPermissionsResponse { permissions: texts(body, "permissions") }
    }
}

impl Transcoded for ListObjectsRequest {
    type Answer = ListObjectsResponse;

    fn request(&self, _: &dyn Fn(&str) -> Option<Value>) -> Result<Rest, Status> {
        whole(self.read_mask.as_ref())?;
        let words = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(Rest::new("GET", ["storage", "v1", "b", bucket(&self.parent)?, "o"])
            .query("maxResults", (self.page_size > 0).then_some(self.page_size))
            .query("pageToken", words(&self.page_token))
            .query("delimiter", words(&self.delimiter))
            .query("includeTrailingDelimiter", self.include_trailing_delimiter.then_some(true))
            .query("prefix", words(&self.prefix))
            .query("versions", self.versions.then_some(true))
            .query("startOffset", words(&self.lexicographic_start))
            .query("endOffset", words(&self.lexicographic_end))
            .query("softDeleted", self.soft_deleted.then_some(true))
            .query("includeFoldersAsPrefixes", self.include_folders_as_prefixes.then_some(true))
            .query("matchGlob", words(&self.match_glob))
            .query("filter", words(&self.filter)))
    }

    fn answer(body: &Value) -> ListObjectsResponse {
        ListObjectsResponse {
            objects: items(body, "items").map(object::from_json).collect(),
            prefixes: texts(body, "prefixes"),
            next_page_token: text(body, "nextPageToken"),
        }
    }
}

impl Transcoded for GetObjectRequest {
    type Answer = Object;

    fn request(&self, _: &dyn Fn(&str) -> Option<Value>) -> Result<Rest, Status> {
        whole(self.read_mask.as_ref())?;
        Ok(Rest::new("GET", ["storage", "v1", "b", bucket(&self.bucket)?, "o", named(&self.object)?])
            .query("generation", (self.generation != 0).then_some(self.generation))
            .query("softDeleted", self.soft_deleted)
            .query("ifGenerationMatch", self.if_generation_match)
            .query("ifGenerationNotMatch", self.if_generation_not_match)
            .query("ifMetagenerationMatch", self.if_metageneration_match)
            .query("ifMetagenerationNotMatch", self.if_metageneration_not_match))
    }

    fn answer(body: &Value) -> Object {
        object::from_json(body)
    }
}

impl Transcoded for DeleteObjectRequest {
    type Answer = ();

    fn request(&self, _: &dyn Fn(&str) -> Option<Value>) -> Result<Rest, Status> {
        Ok(Rest::new("DELETE", ["storage", "v1", "b", bucket(&self.bucket)?, "o", named(&self.object)?])
            .query("generation", (self.generation != 0).then_some(self.generation))
            .query("ifGenerationMatch", self.if_generation_match)
            .query("ifGenerationNotMatch", self.if_generation_not_match)
            .query("ifMetagenerationMatch", self.if_metageneration_match)
            .query("ifMetagenerationNotMatch", self.if_metageneration_not_match))
    }

    fn answer(_: &Value) {}
}

/// The name of the bucket in `projects/_/buckets/NAME`.
fn bucket(name: &str) -> Result<&str, Status> {
    let id = name.strip_prefix(PREFIX).ok_or_else(|| {
        Status::invalid_argument(format!("`{name}` is no bucket: it must have the form `projects/_/buckets/NAME`"))
    })?;
    if id.contains('/') {
        return Err(Status::unimplemented(format!(
            "`{name}` is in a bucket: only buckets themselves are modelled here"
        )));
    }
    named(id)
}

/// The project in `projects/PROJECT`.
fn project(name: &str) -> Result<&str, Status> {
    name.strip_prefix("projects/").filter(|id| !id.is_empty() && !id.contains('/') && *id != "_").ok_or_else(|| {
        Status::invalid_argument(format!("`{name}` is no project: it must have the form `projects/PROJECT`"))
    })
}

fn named(name: &str) -> Result<&str, Status> {
    if name.is_empty() { Err(Status::invalid_argument("a name is empty")) } else { Ok(name) }
}

/// Refuses a read mask, because answers are always whole resources.
fn whole(mask: Option<&prost_types::FieldMask>) -> Result<(), Status> {
    match mask.and_then(|mask| mask.paths.iter().find(|path| *path != "*")) {
        Some(path) => Err(Status::unimplemented(format!("`read_mask` of `{path}` is not modelled: ask for `*`"))),
        None => Ok(()),
    }
}

/// The request that reads the metadata of an object.
pub(super) fn object_of(bucket: &str, object: &str, generation: i64) -> Result<Rest, Status> {
    GetObjectRequest { bucket: bucket.to_owned(), object: object.to_owned(), generation, ..GetObjectRequest::default() }
        .request(&|_| None)
}

/// The bucket and the object that a write goes to.
pub(super) fn written(first: &WriteObjectRequest) -> Result<(&str, &str), Status> {
    let Some(FirstMessage::WriteObjectSpec(spec)) = &first.first_message else {
        return Err(Status::unimplemented(
            "resumable writes are not modelled over gRPC: begin with a `write_object_spec`",
        ));
    };
    let resource = spec.resource.as_ref().ok_or_else(|| Status::invalid_argument("`resource` is required"))?;
    Ok((bucket(&resource.bucket)?, named(&resource.name)?))
}
