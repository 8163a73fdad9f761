//! AWS, by a peer that is not ours.

use std::sync::atomic::Ordering;

use alien_conformance::bootstrap;
use alien_conformance::machine;
use alien_conformance::ministack::Ministack;
use alien_conformance::world::Shipped;
use serde_json::json;

use crate::front;
use crate::room::{Agent, Cloud, Variables};

pub(crate) const CUSTOMER: &str = "222222222222";
const VENDOR: &str = "arn:aws:iam::111111111111:user/vendor";

pub(crate) fn cloud(server: Ministack) -> Cloud {
    let url = server.url();
    let credentials = |key: &str, secret: &str| -> Variables {
        vec![("AWS_ACCESS_KEY_ID", key.to_owned()), ("AWS_SECRET_ACCESS_KEY", secret.to_owned())]
    };
    let (key, secret) = vendor(&url);
    let machine = machine::metadata("eu-central-1", "agent", &agent(&url));
    let address = url.trim_start_matches("http://").parse().unwrap();
    Cloud {
        name: "aws",
        vendor: VENDOR.to_owned(),
        trust: ["--vendor", VENDOR].map(str::to_owned).into(),
        other_vendor: ("user/vendor", "user/another"),
        location: ["--account", "222222222222", "--region", "eu-central-1"].map(str::to_owned).into(),
        endpoint: vec!["--endpoint-url".to_owned(), url],
        admin: credentials(CUSTOMER, "the-secret-of-the-root"),
        vendors: credentials(&key, &secret),
        others: (credentials("333333333333", "test"), "these credentials are of account 333333333333"),
        nobody: "there are no AWS credentials here",
        agent: Agent {
            name: format!("arn:aws:iam::{CUSTOMER}:role/agent"),
            credentials: vec![("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{machine}"))],
            talks_to: vec![machine, address],
            assign: Box::new(|_| {}),
        },
        code: |says| Shipped::Zip(bootstrap::zip(says)),
        plant: None,
        // Every part of a deployment has a role, or is made after one.
        there: Box::new(move || roles(&server.url())),
    }
}

/// The same, behind a proxy that authorizes what the peer authorizes wrongly. It can be made to forget a condition key.
pub(crate) fn documented(server: Ministack) -> Cloud {
    let (url, forgets) = front::before(&server.url());
    let plant = move || {
        forgets.store(true, Ordering::Relaxed);
        "emptied-network"
    };
    let cloud = cloud(server);
    Cloud { endpoint: vec!["--endpoint-url".to_owned(), url], plant: Some(Box::new(plant)), ..cloud }
}

/// IAM, as the root of an account.
pub(crate) fn iam(account: &str, url: &str) -> aws_sdk_iam::Client {
    let root = aws_sdk_iam::config::Credentials::new(account, "test", None, None, "test");
    let config = aws_sdk_iam::Config::builder()
        .behavior_version_latest()
        .region(aws_sdk_iam::config::Region::new("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(root);
    aws_sdk_iam::Client::from_conf(config.build())
}

/// The roles of the customer's account.
fn roles(url: &str) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let found = iam(CUSTOMER, url).list_roles().send().await.unwrap();
        // Those of AWS's own services are the account's, and stay.
        let own = found.roles.into_iter().filter(|role| !role.path.starts_with("/aws-service-role/"));
        own.map(|role| role.role_name).collect()
    })
}

/// A user of the vendor's account, who may assume roles and nothing else.
fn vendor(url: &str) -> (String, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let iam = iam("111111111111", url);
        iam.create_user().user_name("vendor").send().await.unwrap();
        let policy =
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}"#;
        iam.put_user_policy().user_name("vendor").policy_name("assume").policy_document(policy).send().await.unwrap();
        let key = iam.create_access_key().user_name("vendor").send().await.unwrap().access_key.unwrap();
        (key.access_key_id, key.secret_access_key)
    })
}

/// The credentials of a role of the customer's account, as a machine gives them to what runs on it.
fn agent(url: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let root = aws_sdk_iam::config::Credentials::new(CUSTOMER, "test", None, None, "test");
        let config = aws_config::SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .region(aws_config::Region::new("us-east-1"))
            .endpoint_url(url)
            .credentials_provider(aws_sdk_iam::config::SharedCredentialsProvider::new(root))
            .build();
        let (iam, sts) = (aws_sdk_iam::Client::new(&config), aws_sdk_sts::Client::new(&config));
        let trust = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{CUSTOMER}:root"}},"Action":"sts:AssumeRole"}}]}}"#
        );
        iam.create_role().role_name("agent").assume_role_policy_document(trust).send().await.unwrap();
        let policy =
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}"#;
        iam.put_role_policy().role_name("agent").policy_name("assume").policy_document(policy).send().await.unwrap();
        let role = format!("arn:aws:iam::{CUSTOMER}:role/agent");
        let assumed = sts.assume_role().role_arn(role).role_session_name("machine").send().await.unwrap();
        let session = assumed.credentials.unwrap();
        json!({
            "Code": "Success",
            "Type": "AWS-HMAC",
            "LastUpdated": "2026-11-01T00:00:00Z",
            "AccessKeyId": session.access_key_id,
            "SecretAccessKey": session.secret_access_key,
            "Token": session.session_token,
            "Expiration": "2099-01-01T00:00:00Z",
        })
        .to_string()
    })
}
