//! The life of the suite's stack, the same on the peer that it is recorded on and on the recording: every request follows
//! from the answers before it, and from nothing else.

use std::sync::Arc;
use std::time::Duration;

use alien_aws::{Config, Target, Trust};
use alien_conformance::bootstrap;
use alien_conformance::life::product;
use alien_conformance::world::{Shipped, release};
use alien_core::{
    Action, CallConfig, ChangeKind, Clock as _, CommandId, Container, ContainerUpdate, Data, Deployment, DeploymentId,
    Function, Health, Invitation, Lifecycle, Live, LogLine, Manager, Plan, Release, Retry, Stack,
};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::clock::WoundClock;

pub(crate) const CUSTOMER: &str = "222222222222";
pub(crate) const VENDOR: &str = "111111111111";

/// Where a deployment of this name goes.
pub(crate) fn target(prefix: &str) -> Target {
    Target {
        account: CUSTOMER.parse().unwrap(),
        region: "eu-central-1".parse().unwrap(),
        prefix: prefix.parse().unwrap(),
        trust: Trust::Vendor {
            vendor: format!("arn:aws:iam::{VENDOR}:user/vendor").parse().unwrap(),
            external_id: format!("{prefix}-7f3a").parse().unwrap(),
        },
    }
}

/// Everything at one address.
pub(crate) fn config(url: &str, credentials: Credentials, http: SharedHttpClient) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url(url)
        .http_client(http)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

/// Where it is played, and by whom.
pub(crate) struct Stage {
    pub(crate) admin: SdkConfig,
    pub(crate) vendor: SdkConfig,
    pub(crate) clock: Arc<WoundClock>,
}

impl Stage {
    /// No jitter: waits follow from the answers as well.
    fn calling(&self) -> CallConfig {
        let budget = Duration::from_secs(600);
        CallConfig::new(self.clock.clone()).with_retry(Retry { first: Duration::ZERO, most: Duration::ZERO, budget })
    }
}

/// A script that answers every command with itself and writes it to its log, by the runtime API of Lambda
/// (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>): short, and the same on every machine.
const ECHO: &str = r#"
invocations="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while :; do
  next=$(curl -sSi "$invocations/next" | tr -d '\r')
  id=$(printf '%s' "$next" | sed -n 's/^lambda-runtime-aws-request-id: //Ip')
  command=$(printf '%s' "$next" | tail -n 1)
  echo "$command"
  curl -sS -d "$command" "$invocations/$id/response" > /dev/null
done"#;

pub(crate) fn code(says: &str) -> Shipped {
    Shipped::Zip(bootstrap::script(&format!("{says}{ECHO}")))
}

/// The deployment's id.
pub(crate) fn id() -> DeploymentId {
    "00000000-0000-4000-8000-000000000001".parse().unwrap()
}

pub(crate) fn first() -> Release {
    let code = code("first");
    release(&product(&code), &[code])
}

/// The steps of a plan that do something, as it says them.
fn steps(plan: &Plan) -> Vec<String> {
    let done = plan.steps.iter().filter(|step| step.action != Action::Leave);
    done.map(|step| format!("{} {}: {}", step.action, step.subject, step.why)).collect()
}

/// Lives through everything. `ended` is told after each step, with the record as it is then.
pub(crate) async fn lives(stage: &Stage, mut ended: impl AsyncFnMut(&str, Option<&Deployment>)) {
    let admin = alien_aws::admin(&Config::new(stage.admin.clone()).with_calls(stage.calling()), id(), target("life"));
    let vendor =
        alien_aws::vendor(&Config::new(stage.vendor.clone()).with_operator("test").with_calls(stage.calling()));

    let plan = admin.plan(&first()).run("recorded".parse().unwrap()).await.unwrap();
    let created = [
        "execution",
        "ledger",
        "the platform",
        "what the resources share",
        "cache",
        "data",
        "jobs",
        "api",
        "ledger",
        "mailer",
        "net",
        "worker",
        "the identity that trusts the vendor",
    ];
    assert_eq!(steps(&plan), created.map(|subject| format!("create {subject}: it is not there")));
    assert_eq!(plan.problems, []);
    ended("plan", None).await;

    let made = admin.apply(&plan).run("recorded".parse().unwrap()).await.unwrap();
    assert_eq!(made.stack, *first().stack());
    ended("apply", Some(&made)).await;

    let invitation = Invitation::new(id(), &target("life"), first().stack().clone()).unwrap();
    vendor.register(&invitation, &made).await.unwrap();
    ended("register", Some(&made)).await;

    let manager = Manager::new(vendor, made.clone());
    let mut beats = Vec::new();
    for resource in manager.resources() {
        let beat = manager.heartbeat(&resource).await.unwrap();
        assert_eq!(beat.health, Health::Healthy, "{resource:?}: {beat:?}");
        beats.push(format!("{}: {}", resource.id(), beat.reason));
    }
    let expected = [
        "api: it is Active",
        "cache: ACTIVE",
        "data: it is there",
        "jobs: it is there",
        "ledger: it is Active",
        "mailer: 1 of 1 tasks run",
        "net: it is there",
        "worker: 1 of 1 tasks run",
    ];
    assert_eq!(beats, expected);
    ended("heartbeat", Some(&made)).await;

    let api = manager.find::<Function, Live>("api").unwrap();
    let worker = manager.find::<Container, Live>("worker").unwrap();
    manager.update(&api, code("second").update().with_variable("MODE", "second")).await.unwrap();
    manager.update(&worker, ContainerUpdate::new().with_variable("MODE", "second")).await.unwrap();
    let updated = manager.deployment();
    let changes = updated.stack.diff(&made.stack).changes.into_iter().map(|change| (change.resource, change.kind));
    let settings = |id: &str, fields: &[&str]| {
        let fields = fields.iter().map(ToString::to_string).collect();
        (id.to_owned(), ChangeKind::Settings { lifecycle: Lifecycle::Live, fields })
    };
    let expected = [settings("api", &["code", "environment"]), settings("worker", &["environment"])];
    assert_eq!(changes.collect::<Vec<_>>(), expected);
    assert!(updated.uncertain.is_empty());
    ended("update", Some(&updated)).await;

    let command = br#"{"hello":"world"}"#;
    let answer: Value =
        serde_json::from_slice(&manager.dispatch(&api, command).id(CommandId::from(uuid::Uuid::nil())).await.unwrap())
            .unwrap();
    assert_eq!(answer, json!({ "hello": "world" }));
    ended("dispatch", Some(&updated)).await;

    let line = loop {
        let lines: Vec<LogLine> = manager.logs(&api).since(Timestamp::UNIX_EPOCH).read().try_collect().await.unwrap();
        match lines.into_iter().find(|line| line.text.contains("hello")) {
            Some(line) => break line,
            None => stage.clock.sleep(Duration::from_secs(1)).await,
        }
    };
    assert_eq!(serde_json::from_str::<Value>(&line.text).unwrap(), json!({ "hello": "world" }));
    ended("logs", Some(&updated)).await;

    let plan = admin.plan(&changed()).previous(&updated).run("recorded".parse().unwrap()).await.unwrap();
    let expected = [
        "update ledger: its trust or its permissions changed",
        "update what the resources share: its settings changed",
        "create archive: it is not there",
        "update jobs: its settings changed (deadLetterAfter)",
        "refuse ledger: it is frozen, and its settings changed; take the change back, or allow changes of frozen \
         resources (memoryMib)",
        "update the identity that trusts the vendor: its trust or its permissions changed",
        "refuse mailer: it is frozen, and the stack has it no more; take it back, or allow changes of frozen resources",
    ];
    assert_eq!(steps(&plan), expected);
    let left = plan.steps.iter().filter(|step| step.vendors.is_some()).map(|step| step.subject.as_str());
    assert_eq!(left.collect::<Vec<_>>(), ["api", "worker"], "what the vendor released stays: {plan}");
    ended("plan-of-a-change", Some(&updated)).await;

    let remains = admin.destroy(&updated).run("recorded".parse().unwrap()).await.unwrap();
    let kept = remains.kept.iter().map(|kept| format!("{}: {}", kept.subject, kept.why)).collect::<Vec<_>>();
    assert_eq!(kept, ["cache: nobody can tell whether it is empty without reading its data"]);
    assert_eq!(remains.foreign, []);
    ended("destroy-what-is-empty", Some(&updated)).await;

    let remains = admin.destroy(&updated).data(Data::Delete).run("recorded".parse().unwrap()).await.unwrap();
    assert_eq!((remains.kept, remains.foreign), (vec![], vec![]));
    ended("destroy", Some(&updated)).await;
}

/// The first release with something changed, something frozen changed, something new, and something gone.
fn changed() -> Release {
    let mut stack = serde_json::to_value(first().stack()).unwrap();
    let resources = stack["resources"].as_array_mut().unwrap();
    resources.retain(|resource| resource["id"] != "mailer");
    for resource in resources.iter_mut() {
        match resource["id"].as_str() {
            Some("jobs") => resource["deadLetterAfter"] = 7.into(),
            Some("ledger") => resource["memoryMib"] = 256.into(),
            _ => {}
        }
    }
    resources.push(json!({ "id": "archive", "type": "storage", "lifecycle": "frozen" }));
    release(&Stack::from_json(&stack.to_string()).unwrap(), &[code("first")])
}
