//! The service through which Google's Pub/Sub emulator asks an IAM emulator
//! (<https://cloud.google.com/pubsub/docs/emulator>) which permissions a caller holds on a topic, a subscription or a
//! project. Its messages are not published as a package; these are their fields.

use googleapis_tonic_google_iam_v1::google::iam::v1::Policy;

/// The service name in the paths of calls.
pub(super) const SERVICE: &str = "com.google.cloud.iam.testing.v1.shared.internalapi.IamInternal";

/// The credentials of the call that the emulator received.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(super) struct IamCredentials {
    /// The caller's bearer token. `Debug` never shows it.
    #[prost(string, tag = "1")]
    pub(super) token: String,
}

impl std::fmt::Debug for IamCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IamCredentials").finish_non_exhaustive()
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SetPolicyRequest {
    #[prost(string, tag = "1")]
    pub(super) policy_name: String,
    #[prost(string, tag = "2")]
    pub(super) parent_name: String,
    #[prost(message, optional, tag = "3")]
    pub(super) policy: Option<Policy>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SetPolicyResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) policy: Option<Policy>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct GetPolicyRequest {
    #[prost(string, tag = "1")]
    pub(super) policy_name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct GetPolicyResponse {
    #[prost(string, tag = "1")]
    pub(super) parent_name: String,
    #[prost(message, optional, tag = "2")]
    pub(super) policy: Option<Policy>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct TestPermissionsRequest {
    #[prost(message, optional, tag = "1")]
    pub(super) credentials: Option<IamCredentials>,
    #[prost(string, tag = "2")]
    pub(super) policy_name: String,
    #[prost(string, repeated, tag = "3")]
    pub(super) permissions: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct TestPermissionsResponse {
    /// The requested permissions that the caller holds.
    #[prost(string, repeated, tag = "1")]
    pub(super) permissions: Vec<String>,
}

/// The full resource name of a policy: `resourcemanager/projects/P`, `pubsub/projects/P/topics/T`. Source of full
/// names: <https://cloud.google.com/iam/docs/full-resource-names>.
pub(super) fn full_name(policy: &str) -> Option<String> {
    let (service, path) = policy.split_once('/')?;
    let host = match (service, path.split('/').collect::<Vec<_>>().as_slice()) {
        ("resourcemanager", ["projects", _]) => "cloudresourcemanager.googleapis.com",
        ("pubsub", ["projects", _, "topics" | "subscriptions" | "snapshots" | "schemas", _]) => "pubsub.googleapis.com",
        _ => return None,
    };
    Some(format!("//{host}/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_policies_are_full_resource_names() {
        let cases = [
            ("resourcemanager/projects/p", Some("//cloudresourcemanager.googleapis.com/projects/p")),
            ("pubsub/projects/p/topics/t", Some("//pubsub.googleapis.com/projects/p/topics/t")),
            ("pubsub/projects/p/subscriptions/s", Some("//pubsub.googleapis.com/projects/p/subscriptions/s")),
            ("pubsub/projects/p/queues/q", None),
            ("pubsub/projects/p", None),
            ("projects/p", None),
        ];
        for (policy, expected) in cases {
            assert_eq!(full_name(policy).as_deref(), expected, "{policy}");
        }
    }

    #[test]
    fn a_token_never_shows() {
        let credentials = IamCredentials { token: "Bearer secret".into() };
        let request = TestPermissionsRequest { credentials: Some(credentials), ..TestPermissionsRequest::default() };
        assert!(!format!("{request:?}").contains("secret"));
    }
}
