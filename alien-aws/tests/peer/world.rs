//! The peer, as the suite knows clouds.

use std::sync::Arc;
use std::time::Duration;

use alien_aws::policy::{Policy, Statement, Text};
use alien_aws::{Aws, Config, Target};
use alien_conformance::bootstrap;
use alien_conformance::fleet::Bare;
use alien_conformance::ministack::Ministack;
use alien_conformance::upgrade::Sent;
use alien_conformance::world::{HurriedClock, Shipped, World, quickly};
use alien_core::adapter::{AccessControl, DeploymentContext};
use alien_core::{Admin, CallConfig, Deployment, DeploymentId, Impersonate, Kind};
use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_credential_types::Credentials;

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
    entries: Entries,
}

/// The root of an account of the peer's, whom it does not restrict.
pub(crate) fn root(account: &str) -> Credentials {
    Credentials::new(account, "test", None, None, "test")
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
        let plain = Plain::new(vendor.clone());
        Self { server, proxy: None, vendor, plain, entries: Entries::default() }
    }

    /// The same, on a server of its own, where everything is remembered.
    pub(crate) async fn recorded() -> Self {
        Self::remembering(Ministack::start().unwrap()).await
    }

    /// The same, where everything is remembered.
    pub(crate) async fn remembering(server: Ministack) -> Self {
        let peer = Self::new(server).await;
        let proxy = Some(Proxy::before(&peer.server.url()).await);
        Self { proxy, ..peer }
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
}

fn role(deployment: &Deployment) -> &str {
    deployment.identity.rsplit('/').next().unwrap()
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

    async fn prepare(&self, deployment: &Deployment) {
        // The policy of a bucket lets nobody in without TLS, which this peer is called without.
        let s3 = aws_sdk_s3::config::Builder::from(&self.customer()).force_path_style(true).build();
        let s3 = aws_sdk_s3::Client::from_conf(s3);
        for (id, arn) in &deployment.resources {
            if deployment.stack.resource(id.as_str()).unwrap().kind() == Kind::Storage {
                s3.delete_bucket_policy().bucket(arn.rsplit(':').next().unwrap()).send().await.unwrap();
            }
        }
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

    /// Since the first version, updates of services have more conditions.
    fn gives_the_vendor_other_rights_than(&self, version: &str) -> bool {
        version == "v1"
    }

    fn is_undecided(&self, permission: &str) -> bool {
        // Calls of these two services run unenforced.
        UNDECIDED.contains(&permission) || ["ecs:", "ec2:"].iter().any(|service| permission.starts_with(service))
    }
}

#[async_trait]
impl Bare for Peer {
    fn sent(&self) -> Vec<Sent> {
        self.take().into_iter().map(|exchange| exchange.sent).collect()
    }

    async fn send(&self, deployment: &Deployment, requests: &[Sent]) {
        self.plain.send(&self.url(), deployment.id, requests).await;
    }
}
