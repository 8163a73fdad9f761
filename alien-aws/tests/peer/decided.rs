//! A client that decides as AWS documents it where the peer does not: by the keys of requests to Lambda and ECS, and by the roles that
//! are passed. What it refuses does not reach the peer.

use std::sync::Arc;

use alien_aws::policy::{Policy, Principal, Request, evaluate};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use serde_json::Value;

use crate::keys;
use crate::life::CUSTOMER;

/// A client for a role. `unknown` are keys that this AWS does not have.
pub(crate) fn client(inner: SharedHttpClient, role: &Principal, unknown: &'static [&'static str]) -> SharedHttpClient {
    let policies = role.policies.iter().map(|policy| policy.document.clone()).collect();
    SharedHttpClient::new(Decided { inner, policies, unknown })
}

#[derive(Debug)]
struct Decided<T> {
    inner: T,
    policies: Arc<[Policy]>,
    unknown: &'static [&'static str],
}

impl HttpClient for Decided<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        let (policies, unknown) = (Arc::clone(&self.policies), self.unknown);
        SharedHttpConnector::new(Decided { inner, policies, unknown })
    }
}

impl HttpConnector for Decided<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let refused = asked(&request).into_iter().find(|asked| !self.allows(asked));
        let Some(Asked { action, resource, .. }) = refused else { return self.inner.call(request) };
        let said = format!("User is not authorized to perform: {action} on resource: {resource}");
        let body = serde_json::json!({ "__type": "AccessDeniedException", "message": said }).to_string();
        let mut answer = HttpResponse::new(403.try_into().unwrap(), SdkBody::from(body));
        answer.headers_mut().insert("x-amzn-errortype", "AccessDeniedException");
        HttpConnectorFuture::ready(Ok(answer))
    }
}

impl<T> Decided<T> {
    fn allows(&self, Asked { action, resource, keys }: &Asked) -> bool {
        let known = keys.iter().filter(|(key, _)| !self.unknown.contains(key));
        let keys: Vec<(&str, &str)> = known.map(|(key, value)| (*key, value.as_str())).collect();
        evaluate(&*self.policies, &Request::new(action, resource, &keys)).is_allowed()
    }
}

/// What IAM is asked for a request.
struct Asked {
    action: &'static str,
    resource: String,
    keys: Vec<(&'static str, String)>,
}

/// What IAM is asked for a request about which the peer does not decide; nothing for others.
fn asked(request: &HttpRequest) -> Vec<Asked> {
    let body: Value = serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap_or_default();
    let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
    let one = |action, resource, keys| vec![Asked { action, resource, keys }];
    let of_account = |service: &str, name: &str| format!("arn:aws:{service}:eu-central-1:{CUSTOMER}:{name}");
    let operation = request.headers().get("x-amz-target").and_then(|target| target.rsplit('.').next());
    let path = request.uri().split_once("/2015-03-31/functions").map(|(_, path)| path.replace("%3A", ":"));
    match (request.method(), operation, path.as_deref()) {
        (_, Some("UpdateService"), _) => one("ecs:UpdateService", text("service"), keys::of_ecs(&body)),
        (_, Some("RegisterTaskDefinition"), _) => {
            let family = of_account("ecs", &format!("task-definition/{}:1", text("family")));
            let roles = ["taskRoleArn", "executionRoleArn"].map(text).into_iter().filter(|role| !role.is_empty());
            // <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html>
            let passed = roles.map(|resource| {
                let keys = vec![("iam:PassedToService", "ecs-tasks.amazonaws.com".to_owned())];
                Asked { action: "iam:PassRole", resource, keys }
            });
            one("ecs:RegisterTaskDefinition", family, keys::of_ecs(&body)).into_iter().chain(passed).collect()
        }
        ("PUT", None, Some(path)) if path.ends_with("/configuration") => {
            let function = path.trim_matches('/').trim_end_matches("/configuration").to_owned();
            one("lambda:UpdateFunctionConfiguration", function, of_lambda(&body))
        }
        ("POST", None, Some("")) => {
            let function = of_account("lambda", &format!("function:{}", text("FunctionName")));
            one("lambda:CreateFunction", function, of_lambda(&body))
        }
        _ => Vec::new(),
    }
}

/// The keys that Lambda has for a function's settings, by their fields
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html>,
/// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-api-permissions-ref.html>).
fn of_lambda(body: &Value) -> Vec<(&'static str, String)> {
    let network = &body["VpcConfig"];
    // The network is known by its subnets. Where they are emptied, the key is there and names none.
    let networks = (!network.is_null()).then(|| ("lambda:VpcIds", String::new()));
    let each = [
        ("lambda:SubnetIds", &network["SubnetIds"]),
        ("lambda:SecurityGroupIds", &network["SecurityGroupIds"]),
        ("lambda:Layer", &body["Layers"]),
    ];
    let each = each.into_iter().flat_map(|(key, list)| {
        let texts = list.as_array().into_iter().flatten().filter_map(Value::as_str);
        texts.map(move |text| (key, text.to_owned())).collect::<Vec<_>>()
    });
    networks.into_iter().chain(each).collect()
}
