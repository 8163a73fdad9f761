//! `queue`: a Pub/Sub topic with one subscription. Dead letters go to a topic that the admin creates, on which neither
//! the vendor nor the code has a permission.

#[cfg(feature = "client")]
pub(crate) mod calls;

use std::collections::BTreeMap;

use alien_core::adapter::{On, Placed, Rows, Settings};
use alien_core::{Problem, Queue, Rule, Set, Stack};

use crate::Gcp;
use crate::naming::Paths;
use crate::operations as op;
use crate::operations::Scope;

/// The longest physical name, in characters. Topics and subscriptions may have 255, but labels that contain the name
/// have 63 (<https://docs.cloud.google.com/pubsub/docs/create-topic-labels>).
const MAX: usize = 63;

/// How long Pub/Sub waits for an acknowledgement, in seconds
/// (<https://docs.cloud.google.com/pubsub/docs/subscription-properties#ack_deadline>).
const SHORTEST_DEADLINE: u32 = 10;
const LONGEST_DEADLINE: u32 = 600;

/// How long Pub/Sub waits for the acknowledgement of a message of this queue, in seconds.
pub(super) fn deadline(queue: &Queue) -> u32 {
    queue.visibility_timeout_seconds().clamp(SHORTEST_DEADLINE, LONGEST_DEADLINE)
}

/// The end of the names of the topic and the subscription for dead letters. No other resource's names have it.
const DEAD_LETTERS: &str = "-dead";

/// <https://docs.cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions>,
/// <https://docs.cloud.google.com/pubsub/docs/reference/rest/v1/projects.topics>
const SETTINGS: &[Settings] = &[
    Settings::set_back(&[
        "subscription.ackDeadlineSeconds",
        "subscription.messageRetentionDuration",
        "subscription.expirationPolicy",
        "subscription.deadLetterPolicy.deadLetterTopic",
        "subscription.deadLetterPolicy.maxDeliveryAttempts",
        "subscription.pushConfig",
        "subscription.bigqueryConfig",
        "subscription.cloudStorageConfig",
        "subscription.bigtableConfig",
        "deadLetters.messageRetentionDuration",
        "deadLetters.expirationPolicy",
        "deadLetters.pushConfig",
        "deadLetters.bigqueryConfig",
        "deadLetters.cloudStorageConfig",
        "deadLetters.bigtableConfig",
    ]),
    Settings::customers(
        "how messages are delivered again, and whether those that were acknowledged are kept",
        &["subscription.retryPolicy", "subscription.retainAckedMessages", "subscription.enableExactlyOnceDelivery"],
    ),
    Settings::customers(
        "what becomes of a message on its way",
        &["subscription.messageTransforms", "topic.messageTransforms", "topic.schemaSettings"],
    ),
    Settings::customers("what else is published to it", &["topic.ingestionDataSourceSettings"]),
    Settings::customers(
        "where its messages are kept, for how long beside its subscription, and with which key",
        &["topic.messageStoragePolicy", "topic.messageRetentionDuration", "topic.kmsKeyName"],
    ),
];

impl On<Gcp> for Queue {
    /// Management gets no more than heartbeat: an update can set a push endpoint. A new subscription receives messages
    /// and can push them anywhere, so creating one is part of `reconfigure`.
    fn set(set: Set) -> Rows<Gcp> {
        match set {
            Set::Heartbeat => &[op::GET_TOPIC, op::GET_SUBSCRIPTION],
            Set::Provision => &[
                op::CREATE_TOPIC,
                op::DELETE_TOPIC,
                op::DELETE_SUBSCRIPTION,
                op::GET_DEAD_TOPIC,
                op::DELETE_DEAD_TOPIC,
                op::GET_DEAD_SUBSCRIPTION,
                op::DELETE_DEAD_SUBSCRIPTION,
            ],
            Set::Reconfigure => {
                &[op::CREATE_SUBSCRIPTION, op::ATTACH_SUBSCRIPTION, op::PATCH_TOPIC, op::PATCH_SUBSCRIPTION]
            }
            Set::Setup => &[
                op::GET_TOPIC_POLICY,
                op::SET_TOPIC_POLICY,
                op::GET_SUBSCRIPTION_POLICY,
                op::SET_SUBSCRIPTION_POLICY,
                op::PATCH_DEAD_SUBSCRIPTION,
            ],
            Set::DataRead => &[op::CONSUME],
            Set::DataWrite => &[op::PUBLISH],
            Set::Management | Set::Logs | Set::Dispatch | Set::Invoke | Set::Run => &[],
        }
    }

    fn settings() -> &'static [Settings] {
        SETTINGS
    }

    fn name(&self, placed: &Placed<'_, Gcp>, things: &mut Vec<(Scope, String)>) {
        let (paths, id) = (Paths(placed.target), placed.id());
        let name = paths.physical(id, MAX);
        things.push((Scope::Topic, paths.full("pubsub", &["topics/", &name])));
        things.push((Scope::Subscription, paths.full("pubsub", &["subscriptions/", &name])));
        if self.has_dead_letters() {
            things.push((Scope::DeadTopic, paths.full("pubsub", &["topics/", &name, DEAD_LETTERS])));
            things.push((Scope::DeadSubscription, paths.full("pubsub", &["subscriptions/", &name, DEAD_LETTERS])));
        }
    }

    /// Checks names and bounds. Pub/Sub reserves names that begin with `goog`.
    ///
    /// Bounds: <https://docs.cloud.google.com/pubsub/docs/subscription-properties>
    fn check(&self, placed: &Placed<'_, Gcp>, problems: &mut Vec<Problem>) {
        let paths = Paths(placed.target);
        let (hidden, kept) = (self.visibility_timeout_seconds(), self.retention_seconds());
        if hidden != deadline(self) {
            let what =
                format!("Pub/Sub takes a visibility timeout of 10 to 600 seconds, not {hidden}: it uses the nearest");
            let help = "set the visibility timeout to 10 to 600 seconds".to_owned();
            problems.push(Problem::warning(Rule::Cloud, what, help));
        }
        if kept < 600 {
            let what = format!("Pub/Sub takes a retention of at least 600 seconds, not {kept}");
            problems.push(Problem::error(Rule::Cloud, what, "set the retention to 600 seconds or more".to_owned()));
        }
        if let Some(deliveries) = self.dead_letters_after().filter(|deliveries| !(5..=100).contains(deliveries)) {
            let what = format!("Pub/Sub dead-letters a message after 5 to 100 deliveries, not {deliveries}");
            let help = "set the number of deliveries to 5 to 100".to_owned();
            problems.push(Problem::error(Rule::Cloud, what, help));
        }
        let prefix = paths.0.prefix.as_str();
        if prefix.starts_with("goog") {
            problems.push(Problem::error(
                Rule::Cloud,
                format!("Pub/Sub reserves names that begin like `{prefix}-…`"),
                "choose a prefix that does not begin with `goog`".to_owned(),
            ));
        }
    }
}

/// Refuses queues that trigger several functions: a queue's one subscription pushes to one service.
pub(crate) fn check_triggers(stack: &Stack) -> Vec<Problem> {
    let mut functions = BTreeMap::<&str, Vec<&str>>::new();
    for resource in stack.resources() {
        for queue in resource.settings().triggers() {
            functions.entry(queue).or_default().push(resource.id().as_str());
        }
    }
    let several = functions.into_iter().filter(|(_, functions)| functions.len() > 1);
    let problem = |(queue, functions): (&str, Vec<&str>)| {
        let functions = functions.join(" and ");
        let what = format!("on GCP it can trigger only one function, and it triggers {functions}");
        let problem = Problem::error(Rule::Cloud, what, "give each function a queue of its own".to_owned());
        match stack.resource(queue) {
            Some(queue) => problem.on(queue.id()),
            None => problem,
        }
    };
    several.map(problem).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Target, Trust};

    /// What is told of a queue. A stack takes no queue beyond bounds of its own, which are narrower, so one that is in none is checked.
    fn told(queue: &Queue) -> String {
        let mut stack = Stack::builder("shop");
        stack.frozen("jobs", Queue::new());
        let stack = stack.build().unwrap();
        let target = Target {
            project: "customer-project".parse().unwrap(),
            project_number: "123456789012".parse().unwrap(),
            location: "europe-west3".parse().unwrap(),
            prefix: "acme".parse().unwrap(),
            trust: Trust::Vendor("vendor@vendor-project.iam.gserviceaccount.com".parse().unwrap()),
        };
        let mut problems = Vec::new();
        queue.check(&Placed::<Gcp> { stack: &stack, resource: &stack.resources()[0], target: &target }, &mut problems);
        problems.iter().map(Problem::to_string).collect()
    }

    #[test]
    fn queues_that_pubsub_does_not_take_are_refused() {
        let hidden = |seconds| told(&Queue::new().with_visibility_timeout(Duration::from_secs(seconds)));
        let kept = |seconds| told(&Queue::new().with_retention(Duration::from_secs(seconds)));
        let dead = |deliveries| told(&Queue::new().with_dead_letters_after(deliveries));
        for taken in [hidden(10), hidden(600), kept(600), dead(5), dead(100)] {
            assert_eq!(taken, "");
        }
        for seconds in [9, 601] {
            let told = hidden(seconds);
            assert!(told.contains(&format!("10 to 600 seconds, not {seconds}: it uses the nearest")), "{told}");
        }
        assert!(kept(599).contains("a retention of at least 600 seconds, not 599"), "{}", kept(599));
        for deliveries in [4, 101] {
            let told = dead(deliveries);
            assert!(told.contains(&format!("after 5 to 100 deliveries, not {deliveries}")), "{told}");
        }
    }
}
