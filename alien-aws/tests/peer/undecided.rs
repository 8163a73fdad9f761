//! The requests that the peer does not authorize as AWS documents it. They go to the peer with its root's access key. Where a test needs
//! the decision, it is made here, from the role's policies.

use alien_aws::policy::{Policy, Request, evaluate};
use serde_json::{Value, json};

use crate::keys;

/// The services that the peer decides wrongly about, as signatures name them. Of EC2 the vendor calls nothing else.
pub(crate) const SERVICES: [&str; 2] = ["ecs", "ec2"];

/// Operations of DynamoDB that name a table by its ARN, in which the peer does not look for it.
pub(crate) const BY_ARN: [&str; 2] = ["DynamoDB_20120810.ListTagsOfResource", "DynamoDB_20120810.TagResource"];

/// The path of CreateFunction. The name of the function is in its body, where the peer does not look for it.
const CREATE_FUNCTION: &str = "/2015-03-31/functions";

/// The header by which a proxy says whether a client used TLS. The peer is called without TLS and believes this header, and buckets refuse
/// requests that came without.
pub(crate) const FORWARDED: &str = "x-forwarded-proto";

/// The parts of a request that authorization depends on.
pub(crate) struct Asking<'a> {
    pub(crate) method: &'a str,
    /// The path, or the whole address.
    pub(crate) path: &'a str,
    /// The header `X-Amz-Target`.
    pub(crate) target: Option<&'a str>,
    /// The header `Authorization`.
    pub(crate) authorization: &'a str,
    pub(crate) body: &'a [u8],
}

impl<'a> Asking<'a> {
    /// The parts of `Credential=KEY/DATE/REGION/SERVICE/aws4_request`
    /// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html>).
    fn scope(&self) -> impl Iterator<Item = &'a str> {
        let scope = self.authorization.split_once("Credential=").map_or("", |(_, scope)| scope);
        scope.split([',', ' ']).next().unwrap_or_default().split('/')
    }

    /// Returns the access key that signed the request.
    pub(crate) fn key(&self) -> &'a str {
        self.scope().next().unwrap_or_default()
    }

    /// Returns the service in the signature's scope, as `ecs`.
    pub(crate) fn service(&self) -> &'a str {
        self.scope().nth(3).unwrap_or_default()
    }

    /// Returns an `Authorization` header with the root's access key, if the peer authorizes the request wrongly. The peer does not verify
    /// the root's signatures.
    pub(crate) fn as_root(&self, account: &str) -> Option<String> {
        let is_by_arn = self.target.is_some_and(|target| BY_ARN.contains(&target));
        let is_creating = self.method == "POST" && self.path.ends_with(CREATE_FUNCTION);
        let is_decided_wrongly = is_by_arn || is_creating || SERVICES.contains(&self.service());
        let [is, root] = [self.key(), account].map(|key| format!("Credential={key}/"));
        is_decided_wrongly.then(|| self.authorization.replacen(&is, &root, 1))
    }

    /// Returns the actions that IAM checks for it, if they depend on the condition keys of Lambda or ECS, or on a role that is passed: the
    /// peer ignores those. Returns nothing for other requests.
    pub(crate) fn asked(&self, account: &str) -> Vec<Asked> {
        let body: Value = serde_json::from_slice(self.body).unwrap_or_default();
        let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
        let one = |action, resource, keys| vec![Asked { action, resource, keys }];
        let of_account = |service: &str, name: &str| format!("arn:aws:{service}:eu-central-1:{account}:{name}");
        // A call names a thing by its ARN, or by the end of it.
        let whole = |service: &str, before: &str, name: &str| {
            if name.starts_with("arn:") { name.to_owned() } else { of_account(service, &[before, name].concat()) }
        };
        let operation = self.target.and_then(|target| target.rsplit('.').next());
        let path = self.path.split_once(CREATE_FUNCTION).map(|(_, path)| path.replace("%3A", ":"));
        match (self.method, operation, path.as_deref()) {
            (_, Some("UpdateService"), _) => {
                let service = whole("ecs", &format!("service/{}/", text("cluster")), &text("service"));
                one("ecs:UpdateService", service, keys::of_ecs(&body))
            }
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
                let function = whole("lambda", "function:", path.trim_matches('/').trim_end_matches("/configuration"));
                one("lambda:UpdateFunctionConfiguration", function, of_lambda(&body))
            }
            ("POST", None, Some("")) => {
                let function = of_account("lambda", &format!("function:{}", text("FunctionName")));
                one("lambda:CreateFunction", function, of_lambda(&body))
            }
            _ => Vec::new(),
        }
    }
}

/// An action that IAM checks.
pub(crate) struct Asked {
    action: &'static str,
    resource: String,
    keys: Vec<(&'static str, String)>,
}

impl Asked {
    /// The error code of a refusal.
    pub(crate) const REFUSED: &str = "AccessDeniedException";

    /// Returns whether the policies allow it. `unknown` are condition keys that this AWS does not send.
    pub(crate) fn is_allowed(&self, policies: &[Policy], unknown: &[&str]) -> bool {
        let known = self.keys.iter().filter(|(key, _)| !unknown.contains(key));
        let keys: Vec<(&str, &str)> = known.map(|(key, value)| (*key, value.as_str())).collect();
        evaluate(policies, &Request::new(self.action, &self.resource, &keys)).is_allowed()
    }

    /// Returns the body of a refusal. Its status is 403.
    pub(crate) fn refusal(&self) -> String {
        let Self { action, resource, .. } = self;
        let said = format!("User is not authorized to perform: {action} on resource: {resource}");
        json!({ "__type": Self::REFUSED, "message": said }).to_string()
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
