//! Both sides on the AWS API, against a peer on this machine, such as ministack. The peer must enforce IAM, and accept
//! an account id as the access key of the account's root user.

use std::error::Error;

use alien_aws::{Target, Trust};
use alien_core::{Deployment, DeploymentId};
use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_iam::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::primitives::Blob;
use uuid::Uuid;

use crate::code;
use examples::Sides;
use examples::around::{Around, Attempt, Outcome};
use examples::shop::{FILES, FROZEN, LIVE, Product, Shipped};

const CUSTOMER: &str = "222222222222";
const VENDOR: &str = "111111111111";

pub(crate) async fn sides(url: &str) -> Result<Sides, Box<dyn Error>> {
    let config = |key: &str, secret: &str| configured(url, Credentials::new(key, secret, None, None, "quickstart"));
    // The vendor is a user who may only assume roles.
    let iam = aws_sdk_iam::Client::new(&config(VENDOR, "test"));
    let name = format!("vendor-{}", Uuid::now_v7().simple());
    iam.create_user().user_name(&name).send().await?;
    let policy =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}"#;
    iam.put_user_policy().user_name(&name).policy_name("assume").policy_document(policy).send().await?;
    let key = iam.create_access_key().user_name(&name).send().await?.access_key.ok_or("no access key")?;
    let vendor = config(&key.access_key_id, &key.secret_access_key);

    let id = DeploymentId::new();
    let external_id = format!("alien-{}", Uuid::new_v4().simple());
    let target = Target {
        account: CUSTOMER.parse()?,
        region: "eu-central-1".parse()?,
        prefix: "acme".parse()?,
        trust: Trust::Vendor {
            vendor: format!("arn:aws:iam::{VENDOR}:user/{name}").parse()?,
            external_id: external_id.parse()?,
        },
    };
    let product = Product::new(|release| Ok(Shipped::Zip(code::zip(release)?)))?;
    let invitation = product.invitation(id, &target)?;
    Ok(Sides {
        around: Box::new(Beside {
            url: url.to_owned(),
            admin: config(CUSTOMER, "test"),
            vendor: vendor.clone(),
            external_id: external_id.clone(),
        }),
        admin: alien_aws::admin(&alien_aws::Config::new(config(CUSTOMER, "test")), id, target),
        vendor: alien_aws::vendor(&alien_aws::Config::new(vendor).with_operator("quickstart")),
        invitation,
        product,
    })
}

fn configured(url: &str, credentials: Credentials) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url(url)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

/// The AWS SDK's own clients, with the vendor's credentials.
struct Beside {
    url: String,
    admin: SdkConfig,
    vendor: SdkConfig,
    external_id: String,
}

/// Tells what became of a call.
fn outcome<T, E: ProvideErrorMetadata + Error + 'static, R: std::fmt::Debug + 'static>(
    called: Result<T, SdkError<E, R>>,
) -> Result<Outcome, Box<dyn Error>> {
    let error = match called {
        Ok(_) => return Ok(Outcome::Allowed),
        Err(error) => error,
    };
    let (code, message) = (error.code().unwrap_or_default().to_owned(), error.message().unwrap_or_default().to_owned());
    if !code.starts_with("AccessDenied") {
        return Err(error.into());
    }
    // "… is not authorized to perform: lambda:UpdateFunctionCode on resource: …"
    let permission = message.split("perform: ").nth(1).and_then(|rest| rest.split([' ', ',']).next());
    Ok(Outcome::Refused { code, permission: permission.unwrap_or_default().to_owned(), message })
}

fn s3(config: &SdkConfig) -> aws_sdk_s3::Client {
    aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(config).force_path_style(true).build())
}

#[async_trait]
impl Around for Beside {
    async fn prepare(&self, deployment: &Deployment) -> Result<Option<&'static str>, Box<dyn Error>> {
        if self.url.starts_with("https://") {
            return Ok(None);
        }
        let bucket = deployment.resources.get(FILES).and_then(|arn| arn.rsplit(':').next()).ok_or("no such bucket")?;
        s3(&self.admin).delete_bucket_policy().bucket(bucket).send().await?;
        Ok(Some(
            "This peer is called without TLS, so the bucket's policy, which lets nobody in without, is taken away.",
        ))
    }

    async fn attempt(&self, deployment: &Deployment, attempt: Attempt) -> Result<Outcome, Box<dyn Error>> {
        let sts = aws_sdk_sts::Client::new(&self.vendor);
        let entering = sts.assume_role().role_arn(&deployment.identity).role_session_name("quickstart");
        let entered = entering.external_id(&self.external_id).send().await;
        if attempt == Attempt::Enter {
            return outcome(entered);
        }
        let given = entered?.credentials.ok_or("no credentials")?;
        let token = Some(given.session_token);
        let session = Credentials::new(given.access_key_id, given.secret_access_key, token, None, "quickstart");
        let session = configured(&self.url, session);
        let lambda = aws_sdk_lambda::Client::new(&session);
        let resource = |id: &str| deployment.resources.get(id).map(String::as_str).ok_or("no such resource");
        let (live, frozen) = (resource(LIVE)?, resource(FROZEN)?);
        let zip = Blob::new(code::zip("another")?.to_vec());
        match attempt {
            Attempt::UpdateFrozen => {
                outcome(lambda.update_function_code().function_name(frozen).zip_file(zip).send().await)
            }
            // AWS needs `iam:PassRole` on the other role
            // (<https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html>).
            Attempt::RunAsAnother => {
                Ok(Outcome::Untried("its peer does not check who may pass a role (`iam:PassRole`)"))
            }
            Attempt::ReadFile => {
                let bucket = resource(FILES)?.rsplit(':').next().unwrap_or_default();
                let receipt = aws_sdk_s3::primitives::ByteStream::from_static(b"14.20 EUR");
                s3(&self.admin).put_object().bucket(bucket).key("receipt").body(receipt).send().await?;
                outcome(s3(&session).get_object().bucket(bucket).key("receipt").send().await)
            }
            Attempt::Create => {
                let role = lambda.get_function_configuration().function_name(live).send().await?.role;
                let code = aws_sdk_lambda::types::FunctionCode::builder().zip_file(zip).build();
                let another = lambda.create_function().function_name("another").set_role(role).code(code);
                let another = another.runtime(aws_sdk_lambda::types::Runtime::Providedal2023).handler("bootstrap");
                outcome(another.send().await)
            }
            Attempt::DeleteLive => outcome(lambda.delete_function().function_name(live).send().await),
            Attempt::WidenRights => {
                let role = deployment.identity.rsplit('/').next().unwrap_or_default();
                let all = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
                let iam = aws_sdk_iam::Client::new(&session);
                outcome(iam.put_role_policy().role_name(role).policy_name("all").policy_document(all).send().await)
            }
            Attempt::Enter => Err("it was tried above".into()),
        }
    }

    fn requests(&self) -> Option<usize> {
        None
    }

    fn decided(&self) -> Option<String> {
        None
    }
}
