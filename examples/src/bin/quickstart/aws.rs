//! Both sides on AWS's interface, against a peer on this machine that enforces IAM and knows account ids as keys of their
//! roots, as ministack does.

use std::error::Error;
use std::sync::Arc;

use alien_aws::{Aws, Target};
use alien_core::call::Calling;
use alien_core::{DeploymentId, Invitation, Stack, SystemClock};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_iam::config::{Credentials, SharedCredentialsProvider};
use uuid::Uuid;

use crate::Sides;

const CUSTOMER: &str = "222222222222";
const VENDOR: &str = "111111111111";

pub(crate) async fn sides(stack: Stack, url: &str) -> Result<Sides, Box<dyn Error>> {
    let config = |key: &str, secret: &str| {
        let credentials = Credentials::new(key, secret, None, None, "quickstart");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .endpoint_url(url)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build()
    };
    // The vendor is a user who may assume roles and nothing else.
    let iam = aws_sdk_iam::Client::new(&config(VENDOR, "test"));
    let name = format!("vendor-{}", Uuid::now_v7().simple());
    iam.create_user().user_name(&name).send().await?;
    let policy =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}"#;
    iam.put_user_policy().user_name(&name).policy_name("assume").policy_document(policy).send().await?;
    let key = iam.create_access_key().user_name(&name).send().await?.access_key.ok_or("no access key")?;
    let vendor = config(&key.access_key_id, &key.secret_access_key);

    let id = DeploymentId::from(Uuid::now_v7());
    let target = Target {
        account: CUSTOMER.parse()?,
        region: "eu-central-1".parse()?,
        prefix: "acme".parse()?,
        vendor: format!("arn:aws:iam::{VENDOR}:user/{name}").parse()?,
        external_id: format!("alien-{}", Uuid::new_v4().simple()).parse()?,
    };
    let how = Calling::new(Arc::new(SystemClock));
    let trust = alien_core::trust::<Aws>(&target)?;
    let invitation = Invitation { version: Invitation::VERSION, id, cloud: "aws".to_owned(), trust, stack };
    Ok(Sides {
        emulator: None,
        provisioner: Arc::new(alien_aws::provisioner(&config(CUSTOMER, "test"), id, target, None, how.clone())),
        vendor: Arc::new(alien_aws::impersonator(&vendor, "quickstart", how)),
        invitation,
    })
}
