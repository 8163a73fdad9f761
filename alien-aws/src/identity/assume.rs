//! Assumes the management role: `sts:AssumeRole`, with the external id, for an hour at most.

use std::sync::Arc;
use std::time::SystemTime;

use alien_core::adapter::{AccessControl, Assume, AssumeRequest, AssumedSession, Impersonator, Proof};
use alien_core::{Error, ErrorKind, Impersonate, Model, Result};
use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use jiff::Timestamp;

use crate::Aws;
use crate::client::{Clients, Config, failure};
use crate::identity::MAX_SESSION;
use crate::policy::Policy;
use crate::target::{Agent, Trust};

/// The longest session policy, in characters without white space
/// (<https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>).
const SESSION_POLICY: usize = 2_048;

/// Enters deployments by assuming their management roles, with the credentials of `config`: those of the role or user that
/// targets name as the vendor. A session lasts an hour at most, the limit for a chained role
/// (<https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>).
///
/// Calls `sts:AssumeRole`; then, in sessions, what [`operations`](crate::operations) lists for management.
#[must_use]
pub fn vendor(config: &Config) -> Arc<dyn Impersonate> {
    entering(Model::Push, config)
}

/// Enters the deployments that an agent manages, with the credentials of its own environment: those of the role of the
/// customer's account that targets name, or the token of its service account in a cluster
/// ([`Config::with_web_identity`]). There is no external id: nobody else's role is trusted.
///
/// Calls `sts:AssumeRole` or `sts:AssumeRoleWithWebIdentity`; then, in sessions, what
/// [`operations`](crate::operations) lists for management.
#[must_use]
pub fn agent(config: &Config) -> Arc<dyn Impersonate> {
    entering(Model::Pull, config)
}

fn entering(model: Model, config: &Config) -> Arc<dyn Impersonate> {
    Arc::new(Impersonator::new(Caller { model, config: config.clone() }, config.calls.clone()))
}

/// Assumes management roles with the vendor's credentials, or an agent's.
#[derive(Debug)]
struct Caller {
    model: Model,
    config: Config,
}

#[async_trait]
impl Assume<Aws> for Caller {
    type Clients = Clients;

    fn operation(&self) -> &'static str {
        crate::operations::ASSUME_ROLE.call
    }

    /// Tries the external ids that a safe role rejects: none, and a wrong one. AWS advises this before an ARN from a
    /// customer is trusted, because a role that accepts them exposes the customer to the vendor's other customers
    /// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html>).
    fn wrong_proofs(&self) -> &'static [Proof] {
        match self.model {
            Model::Push => &[Proof::Omitted, Proof::Mismatched],
            Model::Pull => &[],
        }
    }

    fn model(&self) -> Model {
        self.model
    }

    async fn assume(&self, request: &AssumeRequest<Aws>) -> Result<AssumedSession<Clients>> {
        let target = request.deployment.target();
        let policy = request.narrowed.then(|| session_policy(request)).transpose()?;
        let own = self.config.sdk(&target.region);
        let operator = name(&self.config.operator, 40);
        let session = name(&format!("{operator}@{}", request.deployment.stack().digest()), 64);
        let (identity, seconds) = (request.deployment.identity(), i32::try_from(MAX_SESSION).unwrap_or(i32::MAX));
        let external_id = match &target.trust {
            Trust::Vendor { external_id, .. } => match request.proof {
                Proof::Expected => Some(external_id.to_string()),
                Proof::Omitted => None,
                Proof::Mismatched => Some(format!("{}-wrong", request.deployment.id)),
            },
            Trust::Agent(_) => None,
        };
        let sts = Clients::new(&own);
        let sts = sts.sts();
        let credentials = if let Trust::Agent(Agent::Cluster { .. }) = &target.trust {
            let entering = sts.assume_role_with_web_identity().role_arn(identity).role_session_name(session);
            let entering = entering.web_identity_token(self.config.web_identity()?);
            let entered = entering.duration_seconds(seconds).set_policy(policy).send().await.map_err(failure)?;
            entered.credentials
        } else {
            let entering = sts.assume_role().role_arn(identity).role_session_name(session);
            let attributed = self.config.attributed && self.model == Model::Push;
            let entering = entering.duration_seconds(seconds).set_external_id(external_id).set_policy(policy);
            let entering = entering.set_source_identity(attributed.then_some(operator));
            entering.send().await.map_err(failure)?.credentials
        };
        let credentials = credentials.ok_or_else(|| Error::missing_field("credentials"))?;
        let expires: SystemTime =
            (*credentials.expiration()).try_into().map_err(|_| Error::missing_field("time of expiry"))?;
        let expires_at = Timestamp::try_from(expires).map_err(|_| Error::missing_field("time of expiry"))?;
        let session = Credentials::new(
            credentials.access_key_id,
            credentials.secret_access_key,
            Some(credentials.session_token),
            Some(expires),
            "alien",
        );
        let config = own.to_builder().credentials_provider(SharedCredentialsProvider::new(session)).build();
        Ok(AssumedSession { clients: Clients::new(&config), expires: expires_at })
    }
}

/// Turns text into a session name: letters, digits and `+=,.@_-`.
fn name(text: &str, max: usize) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "+=,.@_-".contains(c) { c } else { '-' };
    let name: String = text.chars().map(plain).take(max).collect();
    // A session name has at least two characters.
    if name.len() < 2 { format!("{name}--") } else { name }
}

/// The policy that limits a session to its grants. A session may do only what both its role and this policy allow.
fn session_policy(request: &AssumeRequest<Aws>) -> Result<String> {
    let rendered = Aws::principal(&request.deployment.layout, &request.grants);
    let statements = rendered.policies.into_iter().flat_map(|policy| policy.document.statements).collect();
    let policy = serde_json::to_string(&Policy::new(statements))
        .map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?;
    if policy.len() > SESSION_POLICY {
        let what =
            format!("the session policy has {} characters, but AWS accepts at most {SESSION_POLICY}", policy.len());
        return Err(Error::new(ErrorKind::TooLarge, what));
    }
    Ok(policy)
}

#[cfg(test)]
mod tests {
    use alien_core::adapter::{CallContext, Gate, Operate as _, Purpose};
    use alien_core::{CallConfig, Code, Container, Function, Profile, Stack};

    use super::*;
    use crate::policy::{Request, evaluate};
    use crate::testing::{placed, sdk, two};

    /// The session of an update may update its own resource, and no other live one.
    #[test]
    fn a_session_policy_holds_what_the_update_takes() {
        let deployment = two();
        let grants = Purpose::Update(["api".parse().unwrap()].into()).narrow(&deployment).unwrap();
        let request = AssumeRequest { deployment, grants, narrowed: true, proof: Proof::Expected };
        let policy: Policy = serde_json::from_str(&session_policy(&request).unwrap()).unwrap();
        for (action, name, allowed) in [
            ("lambda:UpdateFunctionCode", "acme-api-4", true),
            ("lambda:GetFunctionConfiguration", "acme-api-4", true),
            ("lambda:UpdateFunctionCode", "acme-jobs-4", false),
            ("logs:FilterLogEvents", "acme-api-4", false),
        ] {
            let arn = format!("arn:aws:lambda:eu-central-1:222222222222:function:{name}");
            let decision = evaluate([&policy], &Request::new(action, &arn, &[]));
            assert_eq!(decision.is_allowed(), allowed, "{action} on {name}: {decision:?}");
        }
    }

    /// A session of an update is narrowed by AWS too, so its policy must fit, whatever the names.
    #[test]
    fn the_session_policy_of_a_service_with_the_longest_names_fits() {
        let id = "w".repeat(63);
        let image = format!("222222222222.dkr.ecr.eu-central-1.amazonaws.com/worker@sha256:{}", "0".repeat(64));
        let mut stack = Stack::builder("one");
        stack.live(id.clone(), Container::new(image.parse::<Code>().unwrap(), "execution"));
        stack.profile("execution", Profile::new());
        let deployment = placed(stack.build().unwrap(), &"p".repeat(32));
        let grants = Purpose::Update([id.parse().unwrap()].into()).narrow(&deployment).unwrap();
        let request = AssumeRequest { deployment, grants, narrowed: true, proof: Proof::Expected };
        let policy = session_policy(&request).unwrap();
        assert!(policy.contains("ecs:UpdateService") && policy.len() <= SESSION_POLICY, "{}", policy.len());
    }

    /// Accepts every AssumeRole call, and answers every other call with an empty JSON object.
    fn open(request: &str) -> String {
        let entered = "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>a</AccessKeyId>\
                       <SecretAccessKey>b</SecretAccessKey><SessionToken>c</SessionToken>\
                       <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult>\
                       </AssumeRoleResponse>";
        if request.starts_with("Action=AssumeRole") { entered } else { "{}" }.to_owned()
    }

    #[tokio::test]
    async fn a_session_builds_the_clients_that_it_uses_and_no_others() {
        let vendor = Caller { model: Model::Push, config: Config::new(sdk(open)) };
        let deployment = two();
        let grants = deployment.permissions().management.clone();
        let request = AssumeRequest {
            deployment: deployment.clone(),
            grants: grants.clone(),
            narrowed: false,
            proof: Proof::Expected,
        };
        let clients = vendor.assume(&request).await.unwrap().clients;
        assert_eq!(clients.built(), [""; 0], "a session that is not used yet");
        let gate = Gate::<Aws>::new(deployment.clone(), grants, CallConfig::default());
        let cx = CallContext { clients: &clients, gate: &gate, subject: deployment.subject("api").unwrap() };
        let function = cx.resource().unwrap().settings_of::<Function>().unwrap();
        function.heartbeat(cx).await.unwrap();
        assert_eq!(clients.built(), ["lambda"]);
        assert_eq!(clients.clone().built(), ["lambda"], "clones share what is built");
    }

    #[test]
    fn a_session_name_is_one_that_aws_takes() {
        assert_eq!(name("Jo Doe <jo@example.com>", 40), "Jo-Doe--jo@example.com-");
        assert_eq!(name("", 40), "--");
        assert_eq!(name(&"x".repeat(80), 64).len(), 64);
    }
}
