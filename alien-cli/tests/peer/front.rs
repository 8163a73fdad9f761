//! A proxy in front of AWS's peer. It authorizes, from the role's policies, the requests that the peer authorizes wrongly.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use alien_aws::policy::Policy;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, TRANSFER_ENCODING};

use crate::aws::{CUSTOMER, iam};
use crate::undecided::{Asked, Asking, FORWARDED};

/// The condition key that it no longer sends once it [forgets](before).
const FORGOTTEN: &[&str] = &["lambda:VpcIds"];

struct Front {
    peer: String,
    iam: aws_sdk_iam::Client,
    client: reqwest::Client,
    /// The role of each session, by its access key.
    sessions: Mutex<BTreeMap<String, String>>,
    forgets: Arc<AtomicBool>,
}

/// Starts the proxy; it ends with the test program. Returns its URL, and a flag that makes it forget a condition key.
pub(crate) fn before(peer: &str) -> (String, Arc<AtomicBool>) {
    let forgets = Arc::<AtomicBool>::default();
    let (iam, client, sessions) = (iam(CUSTOMER, peer), reqwest::Client::new(), Mutex::default());
    let front = Front { peer: peer.to_owned(), iam, client, sessions, forgets: Arc::clone(&forgets) };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(Arc::new(front));
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, router).await.unwrap();
        });
    });
    (url, forgets)
}

async fn answer(State(front): State<Arc<Front>>, request: Request) -> Response {
    let (mut head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let path = head.uri.path_and_query().unwrap().to_string();
    let header = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let (target, authorization) = (header("x-amz-target"), header("authorization").unwrap_or_default());
    let (method, target) = (head.method.as_str(), target.as_deref());
    let asking = Asking { method, path: &path, target, authorization: &authorization, body: &body };
    if let Some(refused) = front.refused(&asking).await {
        let answer = Response::builder().status(403).header("x-amzn-errortype", Asked::REFUSED);
        return answer.body(Body::from(refused)).unwrap();
    }
    let (service, as_root) = (asking.service().to_owned(), asking.as_root(CUSTOMER));
    head.headers.insert(FORWARDED, "https".parse().unwrap());
    // The host stays: it is signed.
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING] {
        head.headers.remove(name);
    }
    if let Some(authorization) = as_root {
        head.headers.insert(AUTHORIZATION, authorization.parse().unwrap());
        head.headers.remove("x-amz-security-token");
    }
    let url = format!("{}{path}", front.peer);
    let sent = front.client.request(head.method, url).headers(head.headers).body(body.clone()).send().await.unwrap();
    let mut answer = Response::builder().status(sent.status());
    for (name, value) in sent.headers().iter().filter(|(name, _)| *name != TRANSFER_ENCODING) {
        answer = answer.header(name, value);
    }
    let told = sent.bytes().await.unwrap();
    if service == "sts" {
        front.keep(&String::from_utf8_lossy(&body), &String::from_utf8_lossy(&told));
    }
    answer.body(Body::from(told)).unwrap()
}

impl Front {
    /// Returns the body of the refusal, if the session's role may not make the request.
    async fn refused(&self, asking: &Asking<'_>) -> Option<String> {
        let role = self.sessions.lock().unwrap().get(asking.key()).cloned()?;
        let asked = asking.asked(CUSTOMER);
        if asked.is_empty() {
            return None;
        }
        let policies = self.policies(&role).await;
        let unknown = if self.forgets.load(Ordering::Relaxed) { FORGOTTEN } else { &[] };
        asked.iter().find(|asked| !asked.is_allowed(&policies, unknown)).map(Asked::refusal)
    }

    /// Reads the policies of a role from the peer, inline and attached.
    async fn policies(&self, role: &str) -> Vec<Policy> {
        let mut documents = Vec::new();
        for name in self.iam.list_role_policies().role_name(role).send().await.unwrap().policy_names {
            let found = self.iam.get_role_policy().role_name(role).policy_name(name).send().await.unwrap();
            documents.push(found.policy_document);
        }
        let attached = self.iam.list_attached_role_policies().role_name(role).send().await.unwrap();
        for arn in attached.attached_policies.unwrap_or_default().into_iter().filter_map(|policy| policy.policy_arn) {
            let policy = self.iam.get_policy().policy_arn(&arn).send().await.unwrap().policy.unwrap();
            let version = self.iam.get_policy_version().policy_arn(arn).version_id(policy.default_version_id.unwrap());
            documents.extend(version.send().await.unwrap().policy_version.unwrap().document);
        }
        documents.iter().map(|document| serde_json::from_str(&plain(document)).unwrap()).collect()
    }

    /// Keeps the role of a session that STS began.
    fn keep(&self, asked: &str, told: &str) {
        let role = asked.split('&').find_map(|field| field.strip_prefix("RoleArn=")?.rsplit("%2F").next());
        let key = told.split_once("<AccessKeyId>").and_then(|(_, rest)| rest.split_once('<'));
        if let (Some(role), Some((key, _))) = (role, key) {
            self.sessions.lock().unwrap().insert(key.to_owned(), role.to_owned());
        }
    }
}

/// IAM gives documents percent-encoded (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRolePolicy.html>).
fn plain(document: &str) -> String {
    if document.starts_with('{') {
        return document.to_owned();
    }
    let url = reqwest::Url::parse(&format!("http://localhost/?{document}")).unwrap();
    url.query_pairs().next().unwrap().0.into_owned()
}
