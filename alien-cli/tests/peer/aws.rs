//! AWS, by a peer that is not ours.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

use alien_conformance::bootstrap;
use alien_conformance::ministack::Ministack;
use alien_conformance::world::Shipped;
use serde_json::json;

use crate::room::{Agent, Cloud, Variables};

const CUSTOMER: &str = "222222222222";
const VENDOR: &str = "arn:aws:iam::111111111111:user/vendor";

pub(crate) fn cloud(server: Ministack) -> Cloud {
    let url = server.url();
    let credentials = |key: &str, secret: &str| -> Variables {
        vec![("AWS_ACCESS_KEY_ID", key.to_owned()), ("AWS_SECRET_ACCESS_KEY", secret.to_owned())]
    };
    let (key, secret) = vendor(&url);
    let machine = metadata(&agent(&url));
    let address = url.trim_start_matches("http://").parse().unwrap();
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
        agent: Agent {
            name: format!("arn:aws:iam::{CUSTOMER}:role/agent"),
            credentials: vec![("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{machine}"))],
            talks_to: vec![machine, address],
            assign: Box::new(|_| {}),
        },
        code: |says| Shipped::Zip(bootstrap::zip(says)),
        plant: None,
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

/// The metadata service of a machine with the role `agent`, for as long as the tests run
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html>).
fn metadata(credentials: &str) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let credentials = credentials.to_owned();
    thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that went away is none of its business.
            let _ = stream.and_then(|stream| described(stream, &credentials));
        }
    });
    address
}

/// Answers one request.
fn described(mut stream: TcpStream, credentials: &str) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut first, mut line, mut has_token) = (String::new(), String::new(), false);
    reader.read_line(&mut first)?;
    while reader.read_line(&mut line)? > 2 {
        has_token |= line.to_lowercase().starts_with("x-aws-ec2-metadata-token: token");
        line.clear();
    }
    let roles = "/latest/meta-data/iam/security-credentials";
    let body = match first.split_whitespace().take(2).collect::<Vec<_>>()[..] {
        ["PUT", "/latest/api/token"] => Some("token"),
        ["GET", path] if has_token => match path.strip_prefix(roles) {
            Some("/" | "") => Some("agent"),
            Some("/agent") => Some(credentials),
            _ if path == "/latest/meta-data/placement/region" => Some("eu-central-1"),
            _ => None,
        },
        _ => None,
    };
    let status = if body.is_some() { "200 OK" } else { "404 Not Found" };
    let (body, lasts) = (body.unwrap_or_default(), "x-aws-ec2-metadata-token-ttl-seconds: 21600");
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\n{lasts}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}
