//! The calls for a queue: a topic, its subscription, and a topic for dead letters with a subscription that keeps them.
//! The queue's topic is created first and deleted last, so that a later run finds all of it.

use std::collections::HashMap;

use alien_core::adapter::{
    Foreign, Marks, Observed, Operate, Operation, Reconcile, Removal, ResultExt, State, field_drift,
};
use alien_core::{Data, Error, ErrorKind, Health, Heartbeat, Queue, Resource, Result};
use async_trait::async_trait;
use google_cloud_pubsub::model::{DeadLetterPolicy, ExpirationPolicy, PushConfig, Subscription, Topic};
use google_cloud_wkt::{Duration, FieldMask};

use super::DEAD_LETTERS;
use crate::Gcp;
use crate::client::policy::{self, Guarded, bind_one};
use crate::client::{Clients, Context, failed, labels};
use crate::identity::bindings::{admit, dismiss};
use crate::naming::relative;
use crate::operations as op;
use crate::operations::Scope;

/// How long dead letters are kept, in seconds: 7 days, Pub/Sub's default
/// (<https://docs.cloud.google.com/pubsub/docs/subscription-message-retention>).
const DEAD_LETTER_RETENTION: i64 = 7 * 24 * 60 * 60;

/// The roles with which Pub/Sub forwards dead letters
/// (<https://docs.cloud.google.com/pubsub/docs/handling-failures#grant_forwarding_permissions>).
const PUBLISHER: &str = "roles/pubsub.publisher";
const SUBSCRIBER: &str = "roles/pubsub.subscriber";

type Row = &'static Operation<Scope>;

/// The topic's name in calls. The names of the subscription and of the dead-letter topic derive from it.
fn topic<'a>(cx: Context<'a>) -> Result<&'a str> {
    cx.full_name(Scope::Topic).map(relative)
}

fn subscription<'a>(cx: Context<'a>) -> Result<&'a str> {
    cx.full_name(Scope::Subscription).map(relative)
}

/// The topic and the subscription for dead letters, which an earlier release may have had.
fn dead_letters(cx: Context<'_>) -> Result<(String, String)> {
    Ok((format!("{}{DEAD_LETTERS}", topic(cx)?), format!("{}{DEAD_LETTERS}", subscription(cx)?)))
}

/// Whether a function of the stack receives the queue's messages by push.
fn is_pushed(cx: Context<'_>) -> Result<bool> {
    let id = cx.resource()?.id().as_str();
    let stack = cx.deployment().stack();
    Ok(stack.resources().iter().any(|resource: &Resource| resource.settings().triggers().any(|queue| queue == id)))
}

#[async_trait]
impl Reconcile<Gcp, Clients> for Queue {
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        let name = topic(cx)?;
        let Some(found) = look_at_topic(cx, op::GET_TOPIC, name).await.optional()? else { return Ok(Observed::Absent) };
        let observed =
            Observed::marked(cx.full_name(Scope::Topic)?, cx.deployment().owner(), labels::marks(&found.labels));
        let Observed::Own { state: State::Finished(_), .. } = observed else { return Ok(observed) };
        // The topic tells whose it is; how the rest differs is for the admin to see.
        if cx.is_vendors() {
            return Ok(observed);
        }
        let subscription = look(cx, op::GET_SUBSCRIPTION, subscription(cx)?).await.optional()?;
        let id = cx.full_name(Scope::Topic)?;
        if let Some(whose) = subscription.as_ref().and_then(|found| foreign(cx, &found.labels)) {
            return Ok(Observed::Foreign(whose.part(id, "subscription")));
        }
        Ok(observed.drifted(match subscription {
            None => Some("its subscription does not exist".to_owned()),
            Some(found) if found.topic != name => Some(format!("its subscription is on `{}`", found.topic)),
            // The function itself checks the endpoint of a push to it.
            Some(found) if pushes(&found) && !is_pushed(cx)? => {
                Some("its messages are pushed to an endpoint that the stack does not name".to_owned())
            }
            Some(found) if self.has_dead_letters() => match lost_dead_letters(cx, &found).await? {
                DeadLetters::Kept => changed(self, &found),
                DeadLetters::Lost(how) => Some(how),
                DeadLetters::Foreign(whose, what) => return Ok(Observed::Foreign(whose.part(id, what))),
            },
            Some(found) => changed(self, &found),
        }))
    }

    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        make_topic(cx, topic(cx)?, marks).await
    }

    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        // A new subscription can push messages anywhere, and permissions on both are the admin's to give.
        if cx.is_vendors() {
            return Ok(());
        }
        if self.has_dead_letters() {
            keep_dead_letters(cx, marks).await?;
        }
        let (name, topic) = (subscription(cx)?, topic(cx)?);
        let visibility = i32::try_from(super::deadline(self)).unwrap_or(i32::MAX);
        let dead = deliveries(self).map(|deliveries| {
            Ok::<_, Error>(
                DeadLetterPolicy::new()
                    .set_dead_letter_topic(dead_letters(cx)?.0)
                    .set_max_delivery_attempts(deliveries),
            )
        });
        let wanted = Subscription::new()
            .set_name(name)
            .set_topic(topic)
            .set_labels(marks.ownership(cx.name(Scope::Topic)?))
            .set_ack_deadline_seconds(visibility)
            .set_message_retention_duration(Duration::clamp(i64::from(self.retention_seconds()), 0))
            // By default a subscription expires after a month without a subscriber.
            .set_expiration_policy(ExpirationPolicy::new())
            .set_or_clear_dead_letter_policy(dead.transpose()?);
        subscribe(cx, &wanted, marks).await?;
        if self.has_dead_letters() {
            let on = Guarded { subject: cx.subject, scope: Scope::Subscription, name };
            policy::change(cx, on, |policy| bind_one(policy, SUBSCRIBER, &mover(cx))).await?;
        }
        let mut fields = vec!["ack_deadline_seconds", "dead_letter_policy"];
        fields.extend(["message_retention_duration", "expiration_policy"]);
        fields.extend(EXPORTS);
        // The function itself sets the endpoint of a push to it.
        let wanted = if is_pushed(cx)? {
            wanted
        } else {
            fields.push("push_config");
            wanted.set_push_config(PushConfig::new())
        };
        let mask = FieldMask::default().set_paths(fields);
        cx.call(&[op::PATCH_SUBSCRIPTION], || async {
            let call = cx.clients.subscriptions().await?.update_subscription().set_subscription(wanted.clone());
            call.set_update_mask(mask.clone()).send().await.map_err(failed::subscriptions(cx.clients))
        })
        .await?;
        admit(cx).await?;
        label_topic(cx, topic, &marks.all(cx.name(Scope::Topic)?)).await
    }

    /// Whether the queue is empty is not known: counting messages takes Cloud Monitoring, on which no set has a
    /// permission.
    async fn delete(&self, cx: Context<'_>, data: Data) -> Result<Removal> {
        if data != Data::Delete {
            dismiss(cx).await?;
            return Ok(Removal::HoldsData("it may hold messages".to_owned()));
        }
        // The admin also deletes the dead letters of an earlier release.
        if self.has_dead_letters() || !cx.is_vendors() {
            let (dead, kept) = dead_letters(cx)?;
            let found = cx.found(look(cx, op::GET_DEAD_SUBSCRIPTION, &kept).await)?;
            if found.is_some_and(|found| foreign(cx, &found.labels).is_none()) {
                unsubscribe(cx, op::DELETE_DEAD_SUBSCRIPTION, &kept).await?;
            }
            let found = cx.found(look_at_topic(cx, op::GET_DEAD_TOPIC, &dead).await)?;
            if found.is_some_and(|found| foreign(cx, &found.labels).is_none()) {
                remove_topic(cx, op::DELETE_DEAD_TOPIC, &dead).await?;
            }
        }
        if cx.found(look(cx, op::GET_SUBSCRIPTION, subscription(cx)?).await)?.is_some() {
            unsubscribe(cx, op::DELETE_SUBSCRIPTION, subscription(cx)?).await?;
        }
        remove_topic(cx, op::DELETE_TOPIC, topic(cx)?).await?;
        Ok(Removal::Gone)
    }
}

#[async_trait]
impl Operate<Gcp, Clients> for Queue {
    /// Its topic, `projects/{project}/topics/{topic}`. The subscription's name ends in the same part.
    async fn address(&self, cx: Context<'_>) -> Result<String> {
        topic(cx).map(str::to_owned)
    }

    /// Checks that topic and subscription exist and are still connected.
    async fn heartbeat(&self, cx: Context<'_>) -> Result<Heartbeat> {
        let name = topic(cx)?;
        cx.call(&[op::GET_TOPIC], || async {
            cx.clients.topics().await?.get_topic().set_topic(name).send().await.map_err(failed::topics(cx.clients))
        })
        .await?;
        let found = look(cx, op::GET_SUBSCRIPTION, subscription(cx)?).await?;
        Ok(if found.topic == name {
            Heartbeat::new(Health::Healthy, "topic and subscription are there")
        } else {
            Heartbeat::new(Health::Degraded, format!("its subscription is on `{}`", found.topic))
        })
    }
}

fn pushes(subscription: &Subscription) -> bool {
    subscription.push_config.as_ref().is_some_and(|push| !push.push_endpoint.is_empty())
}

/// The fields by which a subscription gives its messages to other services. A set-up empties them.
const EXPORTS: [&str; 3] = ["bigquery_config", "cloud_storage_config", "bigtable_config"];

fn deliveries(queue: &Queue) -> Option<i32> {
    queue.dead_letters_after().map(|deliveries| i32::try_from(deliveries).unwrap_or(i32::MAX))
}

/// How a subscription differs from what the stack says of it.
fn changed(queue: &Queue, found: &Subscription) -> Option<String> {
    let after = found.dead_letter_policy.as_ref().map(|policy| policy.max_delivery_attempts);
    let is_changed = [
        (found.ack_deadline_seconds != i32::try_from(super::deadline(queue)).unwrap_or(i32::MAX), "ackDeadlineSeconds"),
        (after != deliveries(queue), "deadLetterPolicy"),
    ];
    let own = is_changed.into_iter().filter_map(|(is, field)| is.then_some(field));
    let fields: Vec<&str> = own.chain(misused(found, i64::from(queue.retention_seconds()))).collect();
    field_drift(&fields)
}

/// What somebody changed of how long a subscription keeps its messages, and of whom it gives them to.
fn misused(found: &Subscription, retention: i64) -> impl Iterator<Item = &'static str> {
    let kept = found.message_retention_duration.as_ref().map(Duration::seconds);
    let is_changed = [
        (kept != Some(retention), "messageRetentionDuration"),
        // Without a time in it, the policy says that the subscription never expires.
        (found.expiration_policy.as_ref().is_none_or(|policy| policy.ttl.is_some()), "expirationPolicy"),
        (found.bigquery_config.is_some(), "bigqueryConfig"),
        (found.cloud_storage_config.is_some(), "cloudStorageConfig"),
        (found.bigtable_config.is_some(), "bigtableConfig"),
    ];
    is_changed.into_iter().filter_map(|(is, field)| is.then_some(field))
}

async fn look_at_topic(cx: Context<'_>, row: Row, name: &str) -> Result<Topic> {
    cx.call(&[row], || async {
        cx.clients.topics().await?.get_topic().set_topic(name).send().await.map_err(failed::topics(cx.clients))
    })
    .await
}

pub(crate) async fn look(cx: Context<'_>, row: Row, name: &str) -> Result<Subscription> {
    cx.call(&[row], || async {
        cx.clients
            .subscriptions()
            .await?
            .get_subscription()
            .set_subscription(name)
            .send()
            .await
            .map_err(failed::subscriptions(cx.clients))
    })
    .await
}

async fn make_topic(cx: Context<'_>, name: &str, marks: &Marks) -> Result<()> {
    let made = Topic::new().set_name(name).set_labels(marks.ownership(cx.name(Scope::Topic)?));
    cx.call(&[op::CREATE_TOPIC], || async {
        cx.clients
            .topics()
            .await?
            .create_topic()
            .with_request(made.clone())
            .send()
            .await
            .map_err(failed::topics(cx.clients))
    })
    .await
    .map(drop)
}

/// Adds marks to the labels of a topic.
async fn label_topic(cx: Context<'_>, name: &str, marks: &[(&'static str, String)]) -> Result<()> {
    cx.call(&[op::PATCH_TOPIC, op::GET_TOPIC], || async move {
        let found =
            cx.clients.topics().await?.get_topic().set_topic(name).send().await.map_err(failed::topics(cx.clients))?;
        let labelled = Topic::new().set_name(name).set_labels(labels::with(found.labels, marks.to_vec()));
        let call = cx.clients.topics().await?.update_topic().set_topic(labelled);
        call.set_update_mask(FieldMask::default().set_paths(["labels"]))
            .send()
            .await
            .map_err(failed::topics(cx.clients))
    })
    .await
    .map(drop)
}

/// Why a part is not this deployment's, by its labels; `None` if it is.
fn foreign(cx: Context<'_>, found: &HashMap<String, String>) -> Option<Foreign> {
    match Observed::marked("", cx.deployment().owner(), labels::marks(found)) {
        Observed::Foreign(whose) => Some(whose),
        _ => None,
    }
}

/// Fails if it belongs to somebody else, or carries no mark and is not to be marked again.
fn usable(cx: Context<'_>, found: &HashMap<String, String>, what: &str, marks: &Marks) -> Result<()> {
    match Observed::marked("", cx.deployment().owner(), labels::marks(found)).refused(marks) {
        Some(whose) => Err(Error::new(ErrorKind::NotOwned, format!("{what} already exists, and {whose}"))),
        None => Ok(()),
    }
}

/// Creates a subscription, unless it exists and belongs to the deployment.
async fn subscribe(cx: Context<'_>, wanted: &Subscription, marks: &Marks) -> Result<()> {
    let made = cx.call(&[op::CREATE_SUBSCRIPTION, op::ATTACH_SUBSCRIPTION], || async {
        cx.clients
            .subscriptions()
            .await?
            .create_subscription()
            .with_request(wanted.clone())
            .send()
            .await
            .map_err(failed::subscriptions(cx.clients))
    });
    match made.await {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let found = look(cx, op::GET_SUBSCRIPTION, &wanted.name).await?;
            usable(cx, &found.labels, &format!("the subscription `{}`", found.name), marks)?;
            if marks.again {
                label_subscription(cx, &found, &marks.ownership(cx.name(Scope::Topic)?)).await?;
            }
            if found.topic == wanted.topic {
                return Ok(());
            }
            // Its topic was deleted: it receives nothing more, but may hold unread messages.
            let what = format!("the subscription `{}` is on `{}`", found.name, found.topic);
            let help = "read its remaining messages, delete it, and set up again";
            Err(Error::new(ErrorKind::Rejected, format!("{what}; {help}")))
        }
        made => made.map(drop),
    }
}

/// Adds marks to the labels of a subscription.
async fn label_subscription(cx: Context<'_>, found: &Subscription, marks: &[(&'static str, String)]) -> Result<()> {
    let labels = labels::with(found.labels.clone(), marks.to_vec());
    // A patch names the topic of the subscription too, though only the fields of the mask are written.
    let labelled = Subscription::new().set_name(&found.name).set_topic(&found.topic).set_labels(labels);
    cx.call(&[op::PATCH_SUBSCRIPTION], || async {
        let call = cx.clients.subscriptions().await?.update_subscription().set_subscription(labelled.clone());
        call.set_update_mask(FieldMask::default().set_paths(["labels"]))
            .send()
            .await
            .map_err(failed::subscriptions(cx.clients))
    })
    .await
    .map(drop)
}

async fn unsubscribe(cx: Context<'_>, row: Row, name: &str) -> Result<()> {
    let rows = [row];
    let gone = cx.call(&rows, || async {
        cx.clients
            .subscriptions()
            .await?
            .delete_subscription()
            .set_subscription(name)
            .send()
            .await
            .map_err(failed::subscriptions(cx.clients))
    });
    gone.await.optional().map(drop)
}

/// Creates the dead-letter topic and its subscription, and allows Pub/Sub's service account to forward messages to it
/// (<https://docs.cloud.google.com/pubsub/docs/handling-failures#grant_forwarding_permissions>).
async fn keep_dead_letters(cx: Context<'_>, marks: &Marks) -> Result<()> {
    let (dead, kept) = dead_letters(cx)?;
    match make_topic(cx, &dead, marks).await {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let found = look_at_topic(cx, op::GET_DEAD_TOPIC, &dead).await?;
            usable(cx, &found.labels, &format!("the topic `{dead}`"), marks)?;
            if marks.again {
                label_topic(cx, &dead, &marks.ownership(cx.name(Scope::Topic)?)).await?;
            }
        }
        made => made?,
    }
    let wanted = Subscription::new()
        .set_name(kept)
        .set_topic(&dead)
        .set_labels(marks.ownership(cx.name(Scope::Topic)?))
        .set_message_retention_duration(Duration::clamp(DEAD_LETTER_RETENTION, 0))
        .set_expiration_policy(ExpirationPolicy::new());
    subscribe(cx, &wanted, marks).await?;
    let found = look(cx, op::GET_DEAD_SUBSCRIPTION, &wanted.name).await?;
    if misused_letters(&found).is_some() {
        let wanted = wanted.set_push_config(PushConfig::new());
        let kept = ["message_retention_duration", "expiration_policy", "push_config"];
        let mask = FieldMask::default().set_paths(kept.into_iter().chain(EXPORTS));
        cx.call(&[op::PATCH_DEAD_SUBSCRIPTION], || async {
            let call = cx.clients.subscriptions().await?.update_subscription().set_subscription(wanted.clone());
            call.set_update_mask(mask.clone()).send().await.map_err(failed::subscriptions(cx.clients))
        })
        .await?;
    }
    let on = Guarded { subject: cx.subject, scope: Scope::Topic, name: &dead };
    policy::change(cx, on, |policy| bind_one(policy, PUBLISHER, &mover(cx))).await
}

/// What somebody changed of the subscription that keeps dead letters.
fn misused_letters(kept: &Subscription) -> Option<String> {
    let push = pushes(kept).then_some("pushConfig");
    let fields: Vec<String> = push
        .into_iter()
        .chain(misused(kept, DEAD_LETTER_RETENTION))
        .map(|field| format!("deadLetters.{field}"))
        .collect();
    field_drift(&fields.iter().map(String::as_str).collect::<Vec<_>>())
}

/// What is so of that which keeps dead letters.
enum DeadLetters {
    Kept,
    /// Something of it is missing.
    Lost(String),
    /// This part of it is not the deployment's.
    Foreign(Foreign, &'static str),
}

async fn lost_dead_letters(cx: Context<'_>, found: &Subscription) -> Result<DeadLetters> {
    let (dead, kept) = dead_letters(cx)?;
    let lost = |how: &str| Ok(DeadLetters::Lost(how.to_owned()));
    if found.dead_letter_policy.as_ref().is_none_or(|policy| policy.dead_letter_topic != dead) {
        return lost("its dead letters are not kept");
    }
    let Some(topic) = look_at_topic(cx, op::GET_DEAD_TOPIC, &dead).await.optional()? else {
        return lost("its topic for dead letters does not exist");
    };
    if let Some(whose) = foreign(cx, &topic.labels) {
        return Ok(DeadLetters::Foreign(whose, "topic for dead letters"));
    }
    let Some(kept) = look(cx, op::GET_DEAD_SUBSCRIPTION, &kept).await.optional()?.filter(|kept| kept.topic == dead)
    else {
        return lost("the subscription that keeps its dead letters does not exist");
    };
    if let Some(whose) = foreign(cx, &kept.labels) {
        return Ok(DeadLetters::Foreign(whose, "subscription for dead letters"));
    }
    if let Some(how) = misused_letters(&kept) {
        return Ok(DeadLetters::Lost(how));
    }
    let forwards = [(Scope::Topic, dead.as_str(), PUBLISHER), (Scope::Subscription, &found.name, SUBSCRIBER)];
    for (scope, name, role) in forwards {
        let policy = policy::seen(cx, Guarded { subject: cx.subject, scope, name }).await?;
        if policy.is_some_and(|policy| !policy::lacking(&policy, &mover(cx), &[(role, None)]).is_empty()) {
            return lost("Pub/Sub may not forward its dead letters");
        }
    }
    Ok(DeadLetters::Kept)
}

/// Pub/Sub's service account in the project.
pub(crate) fn mover(cx: Context<'_>) -> String {
    format!("serviceAccount:service-{}@gcp-sa-pubsub.iam.gserviceaccount.com", cx.target().project_number)
}

async fn remove_topic(cx: Context<'_>, row: Row, name: &str) -> Result<()> {
    let rows = [row];
    let gone = cx.call(&rows, || async {
        cx.clients.topics().await?.delete_topic().set_topic(name).send().await.map_err(failed::topics(cx.clients))
    });
    gone.await.optional().map(drop)
}
