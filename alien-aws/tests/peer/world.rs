//! The peer, as the suite knows clouds.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use alien_aws::policy::{Policy, Statement, Text};
use alien_aws::{Agent, Aws, Config, Target, Trust};
use alien_conformance::bootstrap;
use alien_conformance::fleet::Bare;
use alien_conformance::ministack::Ministack;
use alien_conformance::pulled::BothModels;
use alien_conformance::upgrade::Sent;
use alien_conformance::world::{HurriedClock, Shipped, World, quickly};
use alien_core::adapter::{AccessControl, DeploymentContext, Holder, Subject};
use alien_core::{Action, Admin, CallConfig, Deployment, DeploymentId, Impersonate, Kind, ProfileName, Resource};
use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::exchange::Exchange;
use crate::life::{self, CUSTOMER, VENDOR, config};
use crate::unenforced::{self, Entries};
use crate::wire::{Plain, Proxy};

/// What the peer decides wrongly: it looks at another resource than AWS does, or knows no tags of it. Calls of these run
/// unenforced, and the evaluator of this crate gives the verdict. This list can only become shorter.
pub(crate) const UNDECIDED: [&str; 6] = [
    "ecs:DescribeServices",
    "ecs:RegisterTaskDefinition",
    "ecs:UpdateService",
    "ec2:DescribeVpcAttribute",
    "iam:PassRole",
    "lambda:CreateFunction",
];

pub(crate) struct Peer {
    server: Ministack,
    /// Stands before the server, and remembers what goes there.
    proxy: Option<Proxy>,
    vendor: Credentials,
    /// A client that knows nothing of this library.
    plain: Plain,
    /// The credentials of the agent's role.
    agent: Credentials,
    /// The file with the token of an agent that runs in a cluster.
    token: Option<PathBuf>,
    entries: Entries,
}

/// The root of an account of the peer's, whom it does not restrict.
pub(crate) fn root(account: &str) -> Credentials {
    Credentials::new(account, "test", None, None, "test")
}

/// The issuer of the customer's cluster.
const ISSUER: &str = "oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E";

/// The credentials of a role of the customer's account, as a machine has them.
async fn agent(url: &str) -> Credentials {
    let root = config(url, root(CUSTOMER), unenforced::client(&Entries::default()));
    let iam = aws_sdk_iam::Client::new(&root);
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{CUSTOMER}:root"}},"Action":"sts:AssumeRole"}}]}}"#
    );
    iam.create_role().role_name("agent").assume_role_policy_document(trust).send().await.unwrap();
    let policy =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}"#;
    iam.put_role_policy().role_name("agent").policy_name("assume").policy_document(policy).send().await.unwrap();
    let arn = format!("arn:aws:iam::{CUSTOMER}:role/agent");
    let sts = aws_sdk_sts::Client::new(&root);
    let found = sts.assume_role().role_arn(arn).role_session_name("machine").send().await.unwrap().credentials.unwrap();
    Credentials::new(found.access_key_id, found.secret_access_key, Some(found.session_token), None, "test")
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some(path) = &self.token {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Peer {
    /// A user of the vendor's account, who may assume roles and nothing else: the peer restricts only users and roles.
    pub(crate) async fn new(server: Ministack) -> Self {
        let iam =
            aws_sdk_iam::Client::new(&config(&server.url(), root(VENDOR), unenforced::client(&Entries::default())));
        iam.create_user().user_name("vendor").send().await.unwrap();
        let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sts:AssumeRole","sts:SetSourceIdentity"],"Resource":"*"}]}"#;
        iam.put_user_policy().user_name("vendor").policy_name("assume").policy_document(policy).send().await.unwrap();
        let key = iam.create_access_key().user_name("vendor").send().await.unwrap().access_key.unwrap();
        let vendor = Credentials::new(key.access_key_id, key.secret_access_key, None, None, "test");
        let plain = Plain::new();
        let agent = agent(&server.url()).await;
        Self { server, proxy: None, vendor, plain, agent, token: None, entries: Entries::default() }
    }

    /// The same, where an agent runs in a cluster.
    pub(crate) async fn in_a_cluster(server: Ministack) -> Self {
        let path = std::env::temp_dir().join(format!("alien-aws-token-{}", uuid::Uuid::new_v4()));
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = serde_json::json!({
            "iss": format!("https://{ISSUER}"), "aud": "sts.amazonaws.com", "sub": "system:serviceaccount:shop:agent",
        });
        let token = format!("{}.{}.signature", part(serde_json::json!({ "alg": "RS256" })), part(claims));
        std::fs::write(&path, token).unwrap();
        let mut peer = Self::new(server).await;
        peer.token = Some(path);
        peer
    }

    /// The same, on a server of its own, where everything is remembered.
    pub(crate) async fn recorded() -> Self {
        Self::remembering(Ministack::start().unwrap()).await
    }

    /// The same, where everything is remembered.
    pub(crate) async fn remembering(server: Ministack) -> Self {
        let mut peer = Self::new(server).await;
        let proxy = Some(Proxy::before(&peer.server.url()).await);
        peer.proxy = proxy;
        peer
    }

    /// What went there, and forgets it.
    pub(crate) fn take(&self) -> Vec<Exchange> {
        self.proxy.as_ref().unwrap().take()
    }

    /// The requests that changed something.
    pub(crate) fn changes(&self) -> Vec<Sent> {
        self.proxy.as_ref().unwrap().changes()
    }

    pub(crate) fn url(&self) -> String {
        self.proxy.as_ref().map_or_else(|| self.server.url(), |proxy| proxy.url().to_owned())
    }

    pub(crate) fn customer(&self) -> SdkConfig {
        self.with(root(CUSTOMER))
    }

    pub(crate) fn vendor_config(&self) -> SdkConfig {
        self.with(self.vendor.clone())
    }

    /// The vendor's, whose requests go over a client around that of all others.
    pub(crate) fn vendor_over(&self, around: impl FnOnce(SharedHttpClient) -> SharedHttpClient) -> SdkConfig {
        config(&self.url(), self.vendor.clone(), around(unenforced::client(&self.entries)))
    }

    pub(crate) fn with(&self, credentials: Credentials) -> SdkConfig {
        config(&self.url(), credentials, unenforced::client(&self.entries))
    }

    /// What STS was asked for last.
    pub(crate) fn last_entry(&self) -> String {
        self.entries.lock().unwrap().last().cloned().unwrap_or_default()
    }

    pub(crate) fn iam(&self) -> aws_sdk_iam::Client {
        aws_sdk_iam::Client::new(&self.customer())
    }

    /// The credentials of the management role, as any client of AWS can get them with the vendor's own.
    pub(crate) async fn session(&self, deployment: &Deployment) -> SdkConfig {
        let sts = aws_sdk_sts::Client::new(&self.vendor_config());
        let assumed = sts
            .assume_role()
            .role_arn(&deployment.identity)
            .role_session_name("plain")
            .external_id(deployment.target.field("externalId").unwrap())
            .send()
            .await
            .unwrap();
        let found = assumed.credentials.unwrap();
        let session =
            Credentials::new(found.access_key_id, found.secret_access_key, Some(found.session_token), None, "test");
        self.with(session)
    }

    /// Calls EC2, as the customer's root. Returns its answer, or what it says against it.
    pub(crate) async fn ec2(&self, action: &str, params: &[(&str, &str)]) -> Result<String, String> {
        self.plain.ec2(&self.url(), action, params).await
    }
}

fn role(deployment: &Deployment) -> &str {
    deployment.identity.rsplit('/').next().unwrap()
}

impl BothModels for Peer {
    fn agents_target(&self, prefix: &str) -> Target {
        let agent = match self.token {
            None => Agent::Role("agent".parse().unwrap()),
            Some(_) => Agent::Cluster { issuer: ISSUER.parse().unwrap(), account: "shop/agent".parse().unwrap() },
        };
        Target { trust: Trust::Agent(agent), ..self.target(prefix) }
    }

    fn agent(&self, how: CallConfig) -> Arc<dyn Impersonate> {
        let config = match &self.token {
            None => Config::new(self.with(self.agent.clone())),
            // Nobody's credentials: the token alone lets it in.
            Some(path) => {
                Config::new(self.with(Credentials::new("nobody", "x", None, None, "test"))).with_web_identity(path)
            }
        };
        alien_aws::agent(&config.with_operator("test").with_calls(how))
    }
}

/// The documents that the library renders for the vendor.
pub(crate) fn rendered(deployment: &Deployment) -> alien_aws::policy::Principal {
    let context = DeploymentContext::<Aws>::of(deployment).unwrap();
    Aws::principal(&context.layout, &context.permissions().management)
}

#[async_trait]
impl World for Peer {
    type Cloud = Aws;

    fn target(&self, prefix: &str) -> Target {
        life::target(prefix)
    }

    fn calling(&self) -> CallConfig {
        quickly(HurriedClock::begin(), Duration::from_secs(120))
    }

    fn admin(&self, id: DeploymentId, target: Target, how: CallConfig) -> Admin {
        alien_aws::admin(&Config::new(self.customer()).with_calls(how), id, target)
    }

    fn vendor(&self, how: CallConfig) -> Arc<dyn Impersonate> {
        alien_aws::vendor(&Config::new(self.vendor_config()).with_operator("test").with_calls(how))
    }

    fn code(&self, says: &str) -> Shipped {
        Shipped::Zip(bootstrap::zip(says))
    }

    async fn take_away(&self, deployment: &Deployment, permission: &str, on: &[String]) {
        for policy in rendered(deployment).policies {
            let statements = policy.document.statements.into_iter().flat_map(|statement| {
                if statement.actions.iter().all(|action| action != permission) {
                    return vec![statement];
                }
                // What is taken away of some things stays for the others that the statement is about.
                let (taken, kept): (Vec<Text>, Vec<Text>) =
                    statement.resources.iter().cloned().partition(|resource| on.iter().any(|name| name == resource));
                let mut actions = statement.actions.clone();
                actions.retain(|action| action != permission);
                vec![
                    Statement { resources: kept, sid: format!("{}Kept", statement.sid), ..statement.clone() },
                    Statement { resources: taken, actions, ..statement },
                ]
            });
            let statements: Vec<Statement> =
                statements.filter(|s| !s.resources.is_empty() && !s.actions.is_empty()).collect();
            let document = serde_json::to_string(&Policy::new(statements)).unwrap();
            let put = self.iam().put_role_policy().role_name(role(deployment)).policy_name(&policy.name);
            put.policy_document(document).send().await.unwrap();
        }
    }

    async fn give_back(&self, deployment: &Deployment) {
        for policy in rendered(deployment).policies {
            let document = serde_json::to_string(&policy.document).unwrap();
            let put = self.iam().put_role_policy().role_name(role(deployment)).policy_name(&policy.name);
            put.policy_document(document).send().await.unwrap();
        }
    }

    /// Since the first version, updates of services have more conditions, and services are started as a role of their own, which
    /// takes rights from the roles that their code runs as.
    fn is_set_anew(&self, version: &str, context: &DeploymentContext<Aws>, subject: Subject) -> Option<Action> {
        let is_container = |resource: &Resource| resource.kind() == Kind::Container;
        // Since then the code of functions in a network is denied what Lambda does there.
        let is_other = |profile: &ProfileName| {
            context.stack().resources().iter().any(|resource| {
                let own = resource.settings().compute().filter(|code| code.profile == profile.as_str());
                own.is_some_and(|code| is_container(resource) || code.network.is_some())
            })
        };
        let is_anew = match (subject, context.holder(subject)) {
            (Subject::Resource(_), _) => context.resource(subject).is_ok_and(is_container),
            (_, Some(Holder::Platform)) => return Some(Action::Create),
            (_, Some(Holder::Profile(profile))) => is_other(profile),
            (_, holder) => holder == Some(&Holder::Vendor),
        };
        (version == "v1" && is_anew).then_some(Action::Update)
    }

    fn is_undecided(&self, permission: &str) -> bool {
        // Calls of these two services run unenforced.
        UNDECIDED.contains(&permission) || ["ecs:", "ec2:"].iter().any(|service| permission.starts_with(service))
    }
}

#[async_trait]
impl Bare for Peer {
    type Session = Credentials;

    fn sent(&self) -> Vec<Sent> {
        self.take().into_iter().map(|exchange| exchange.sent).collect()
    }

    fn enters(&self, sent: &Sent) -> bool {
        sent.headers["service"] == "sts"
    }

    async fn enter(&self, _: &Deployment, sent: &Sent) -> Credentials {
        self.plain.enter(&self.url(), sent, self.vendor.clone()).await
    }

    async fn send(&self, session: &Credentials, sent: &Sent) {
        self.plain.send(&self.url(), sent, session.clone()).await;
    }
}
