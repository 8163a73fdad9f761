//! Parts of a resource that somebody deleted or turned off: the plan tells, and a set-up makes them again.

use alien_conformance::stacks::IMAGE;
use alien_conformance::world::{Case, Shipped, World, release};
use alien_core::{Code, Container, Data, Deployment, Function, Plan, Profile, Queue, Release, Stack};
use aws_config::SdkConfig;
use aws_sdk_sqs::types::QueueAttributeName;

use crate::world::Peer;

/// A deployment that is set up.
pub(crate) struct SetUp<'p> {
    case: Case<'p, Peer>,
    release: Release,
    pub(crate) deployment: Deployment,
    customer: SdkConfig,
}

impl<'p> SetUp<'p> {
    /// A public function that a queue triggers, and a container.
    async fn of(peer: &'p Peer, prefix: &str) -> Self {
        let code = peer.code("first");
        let mut stack = Stack::builder("parts");
        let jobs = stack.live("jobs", Queue::new().with_dead_letters_after(5));
        stack.live("api", Function::new(code.code(), "execution").with_public_url().with_trigger(&jobs));
        stack.live("worker", Container::new(IMAGE.parse::<Code>().unwrap(), "execution"));
        stack.profile("execution", Profile::new().on(&jobs, [Queue::DATA_READ]));
        Self::with(peer, prefix, stack.build().unwrap(), code).await
    }

    /// A stack, with code that some of it runs.
    pub(crate) async fn with(peer: &'p Peer, prefix: &str, stack: Stack, code: Shipped) -> Self {
        let case = Case::new(peer, prefix, stack.clone());
        let release = release(&stack, &[code]);
        let deployment = case.up(&release, None).await.unwrap();
        Self { case, release, deployment, customer: peer.customer() }
    }

    /// The full name of a resource of this id.
    pub(crate) fn name(&self, id: &str) -> String {
        crate::forbidden::last(&self.deployment.resources[id]).to_owned()
    }

    pub(crate) async fn plan(&self) -> Plan {
        self.case.admin.plan(&self.release).previous(&self.deployment).await.unwrap()
    }

    pub(crate) async fn up(&mut self) {
        self.deployment = self.case.up(&self.release, Some(&self.deployment)).await.unwrap();
    }

    /// The plan updates this resource for this reason and nothing else; after it, a plan is empty.
    pub(crate) async fn is_told_and_mended(&mut self, id: &str, why: &str) {
        let plan = self.plan().await;
        let due: Vec<String> = plan
            .steps
            .iter()
            .filter(|step| step.action != alien_core::Action::Leave)
            .map(|step| format!("{} {}: {}", step.action, step.subject, step.why))
            .collect();
        assert_eq!(due, [format!("update {id}: it is not as it was set up: {why}")], "{plan}");
        self.deployment = self.case.admin.apply(&plan).await.unwrap();
        let plan = self.plan().await;
        assert!(plan.is_empty(), "{plan}");
    }

    pub(crate) async fn down(self) {
        let report = self.case.admin.destroy(&self.deployment).data(Data::Delete).await.unwrap();
        assert_eq!((report.kept, report.foreign), (vec![], vec![]));
    }
}

pub(crate) async fn a_log_group_is_made_again(peer: &Peer) {
    let mut set_up = SetUp::of(peer, "logged").await;
    let logs = aws_sdk_cloudwatchlogs::Client::new(&set_up.customer);
    for (id, service) in [("api", "/aws/lambda/"), ("worker", "/ecs/")] {
        let name = format!("{service}{}", set_up.name(id));
        logs.delete_log_group().log_group_name(&name).send().await.unwrap();
        set_up.is_told_and_mended(id, "its log group is missing").await;
        let found = logs.describe_log_groups().log_group_name_prefix(&name).send().await.unwrap();
        assert_eq!(found.log_groups()[0].retention_in_days(), Some(30), "{name}");
    }
    // One that somebody else made in its place is nobody's to change.
    let name = format!("/ecs/{}", set_up.name("worker"));
    logs.delete_log_group().log_group_name(&name).send().await.unwrap();
    logs.create_log_group().log_group_name(&name).send().await.unwrap();
    let plan = set_up.case.admin.plan(&set_up.release).previous(&set_up.deployment).await.unwrap();
    assert!(plan.to_string().contains("its log group is not this deployment's: it is not marked"), "{plan}");
    let error = set_up.case.admin.apply(&plan).await.unwrap_err();
    assert!(error.to_string().contains("its log group is not this deployment's"), "{error}");
    logs.delete_log_group().log_group_name(&name).send().await.unwrap();
    set_up.down().await;
}

pub(crate) async fn a_url_and_its_permissions_are_made_again(peer: &Peer) {
    let mut set_up = SetUp::of(peer, "opened").await;
    let lambda = aws_sdk_lambda::Client::new(&set_up.customer);
    let name = &set_up.name("api").clone();
    for statement in ["alien-public-url", "alien-public-call"] {
        lambda.remove_permission().function_name(name).statement_id(statement).send().await.unwrap();
        set_up.is_told_and_mended("api", &format!("its permission `{statement}` is missing")).await;
        let policy = lambda.get_policy().function_name(name).send().await.unwrap().policy.unwrap();
        assert!(policy.contains(statement), "{policy}");
    }
    lambda.delete_function_url_config().function_name(name).send().await.unwrap();
    set_up.is_told_and_mended("api", "its URL is missing").await;
    let auth = aws_sdk_lambda::types::FunctionUrlAuthType::AwsIam;
    lambda.update_function_url_config().function_name(name).auth_type(auth).send().await.unwrap();
    set_up.is_told_and_mended("api", "its URL is not public").await;
    lambda.get_function_url_config().function_name(name).send().await.unwrap();
    set_up.down().await;
}

pub(crate) async fn a_trigger_is_made_again(peer: &Peer) {
    let mut set_up = SetUp::of(peer, "fired").await;
    let lambda = aws_sdk_lambda::Client::new(&set_up.customer);
    let (name, queue) = (set_up.name("api"), set_up.name("jobs"));
    let mapping = async || {
        let found = lambda.list_event_source_mappings().function_name(&name).send().await.unwrap();
        let there = found.event_source_mappings().iter().filter(|found| found.state() != Some("Deleting"));
        there.map(|found| found.uuid().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first = mapping().await;
    assert_eq!(first.len(), 1);
    lambda.delete_event_source_mapping().uuid(&first[0]).send().await.unwrap();
    set_up.is_told_and_mended("api", &format!("its trigger from `{queue}` is missing")).await;
    let second = mapping().await;
    assert!(second.len() == 1 && second != first, "{second:?}");
    lambda.update_event_source_mapping().uuid(&second[0]).enabled(false).send().await.unwrap();
    set_up.is_told_and_mended("api", &format!("its trigger from `{queue}` is off")).await;
    let third = mapping().await;
    assert!(third.len() == 1 && third != second, "{third:?}");
    // One of another queue is told as well, and goes.
    let sqs = aws_sdk_sqs::Client::new(&set_up.customer);
    let other = sqs.create_queue().queue_name("theirs").send().await.unwrap().queue_url.unwrap();
    let arn = sqs.get_queue_attributes().queue_url(&other).attribute_names(QueueAttributeName::QueueArn);
    let arn = arn.send().await.unwrap().attributes.unwrap().remove(&QueueAttributeName::QueueArn).unwrap();
    lambda.create_event_source_mapping().function_name(&name).event_source_arn(&arn).send().await.unwrap();
    set_up.is_told_and_mended("api", &format!("`{arn}` triggers it, which the stack does not say")).await;
    assert_eq!(mapping().await, third);
    set_up.down().await;
}

pub(crate) async fn a_dead_letter_queue_is_made_again(peer: &Peer) {
    let mut set_up = SetUp::of(peer, "letters").await;
    let sqs = aws_sdk_sqs::Client::new(&set_up.customer);
    let url =
        async |name: &str| sqs.get_queue_url().queue_name(name).send().await.map(|found| found.queue_url.unwrap());
    let main = url(&set_up.name("jobs")).await.unwrap();
    let redrive = QueueAttributeName::RedrivePolicy;
    let found = sqs.get_queue_attributes().queue_url(&main).attribute_names(redrive.clone()).send().await.unwrap();
    let policy: serde_json::Value = serde_json::from_str(&found.attributes.unwrap()[&redrive]).unwrap();
    let dead = crate::forbidden::last(policy["deadLetterTargetArn"].as_str().unwrap()).to_owned();
    sqs.delete_queue().queue_url(url(&dead).await.unwrap()).send().await.unwrap();
    set_up.is_told_and_mended("jobs", "its dead-letter queue is missing").await;
    url(&dead).await.unwrap();
    set_up.down().await;
}
