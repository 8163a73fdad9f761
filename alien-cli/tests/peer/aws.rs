//! AWS, by a peer that is not ours.

use alien_conformance::bootstrap;
use alien_conformance::ministack::Ministack;
use alien_conformance::world::Shipped;

use crate::room::{Cloud, Variables};

const VENDOR: &str = "arn:aws:iam::111111111111:user/vendor";

pub(crate) fn cloud(server: Ministack) -> Cloud {
    let url = server.url();
    let credentials = |key: &str, secret: &str| -> Variables {
        vec![("AWS_ACCESS_KEY_ID", key.to_owned()), ("AWS_SECRET_ACCESS_KEY", secret.to_owned())]
    };
    let (key, secret) = vendor(&url);
    Cloud {
        name: "aws",
        vendor: VENDOR.to_owned(),
        trust: ["--vendor", VENDOR].map(str::to_owned).into(),
        other_vendor: ("user/vendor", "user/another"),
        location: ["--account", "222222222222", "--region", "eu-central-1"].map(str::to_owned).into(),
        endpoint: vec!["--endpoint-url".to_owned(), url],
        admin: credentials("222222222222", "test"),
        vendors: credentials(&key, &secret),
        others: (credentials("333333333333", "test"), "these credentials are of account 333333333333"),
        nobody: "there are no AWS credentials here",
        code: |says| Shipped::Zip(bootstrap::zip(says)),
        there: Box::new(move || {
            let _alive = &server;
            Vec::new()
        }),
    }
}

/// A user of the vendor's account, who may assume roles and nothing else.
fn vendor(url: &str) -> (String, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let root = aws_sdk_iam::config::Credentials::new("111111111111", "test", None, None, "test");
        let config = aws_sdk_iam::Config::builder()
            .behavior_version_latest()
            .region(aws_sdk_iam::config::Region::new("us-east-1"))
            .endpoint_url(url)
            .credentials_provider(root)
            .build();
        let iam = aws_sdk_iam::Client::from_conf(config);
        iam.create_user().user_name("vendor").send().await.unwrap();
        let policy =
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}"#;
        iam.put_user_policy().user_name("vendor").policy_name("assume").policy_document(policy).send().await.unwrap();
        let key = iam.create_access_key().user_name("vendor").send().await.unwrap().access_key.unwrap();
        (key.access_key_id, key.secret_access_key)
    })
}
