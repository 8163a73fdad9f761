//! The calls of a queue: a topic, its subscription, and a topic for dead letters with a subscription that keeps them. What
//! belongs to the queue is made after it and removed before it, so that a later run finds all of it.

use std::collections::HashMap;

use alien_core::engine::mark::{ownership, seal};
use alien_core::engine::{Data, Marks, Observed, Removal};
use alien_core::manage::{Health, Heartbeat};
use alien_core::resource::{Resource, Settings};
use alien_core::{Error, ErrorKind, OrAbsent, Queue, Result};
use google_cloud_pubsub::model::{DeadLetterPolicy, ExpirationPolicy, PushConfig, Subscription, Topic};
use google_cloud_wkt::{Duration, FieldMask};

use crate::client::policy::{self, Guarded, bind_one};
use crate::client::{At, failure, labels};
use crate::identity::calls::{admit, dismiss};
use crate::naming::relative;
use crate::operations as op;
use crate::operations::Place;

/// How long dead letters are kept: 7 days, which is what Pub/Sub keeps without more
/// (<https://docs.cloud.google.com/pubsub/docs/subscription-message-retention>).
const DEAD_LETTER_RETENTION: i64 = 7 * 24 * 60 * 60;

fn settings<'a>(at: At<'a>) -> Result<&'a Queue> {
    match at.resource()?.settings() {
        Settings::Queue(queue) => Ok(queue),
        _ => Err(Error::new(ErrorKind::Defect, "no queue")),
    }
}

/// The topic's name in calls; the subscription's and the dead letters' follow from it.
fn topic<'a>(at: At<'a>) -> Result<&'a str> {
    at.full_name(Place::Topic).map(relative)
}

fn subscription<'a>(at: At<'a>) -> Result<&'a str> {
    at.full_name(Place::Subscription).map(relative)
}

/// The topic and the subscription of dead letters. No other resource's names end so.
fn dead_letters(at: At<'_>) -> Result<(String, String)> {
    Ok((format!("{}-dead", topic(at)?), format!("{}-dead", subscription(at)?)))
}

/// Whether a function of the stack is what the queue's messages are pushed to.
fn is_pushed(at: At<'_>) -> Result<bool> {
    let id = at.resource()?.id().as_str();
    let stack = at.site().stack();
    Ok(stack.resources().iter().any(|resource: &Resource| resource.settings().triggers().any(|queue| queue == id)))
}

pub(crate) async fn observe(at: At<'_>) -> Result<Observed> {
    let name = topic(at)?;
    let Some(found) = look_at_topic(at, name).await.or_absent()? else { return Ok(Observed::Absent) };
    let observed = labels::observed(at.site(), at.full_name(Place::Topic)?, &found.labels);
    let Observed::Own { seal: Some(_), .. } = observed else { return Ok(observed) };
    let subscription = look(at, subscription(at)?).await.or_absent()?;
    Ok(observed.drifted(match subscription {
        None => Some("its subscription is not there".to_owned()),
        Some(found) if found.topic != name => Some(format!("its subscription is on `{}`", found.topic)),
        // Where a function is pushed to is for that function to say.
        Some(found) if pushes(&found) && !is_pushed(at)? => Some("its messages go elsewhere".to_owned()),
        Some(_) => None,
    }))
}

fn pushes(subscription: &Subscription) -> bool {
    subscription.push_config.as_ref().is_some_and(|push| !push.push_endpoint.is_empty())
}

async fn look_at_topic(at: At<'_>, name: &str) -> Result<Topic> {
    at.call(&[op::GET_TOPIC], || async { at.clients.topics.get_topic().set_topic(name).send().await.map_err(failure) })
        .await
}

pub(crate) async fn look(at: At<'_>, name: &str) -> Result<Subscription> {
    at.call(&[op::GET_SUBSCRIPTION], || async {
        at.clients.subscriptions.get_subscription().set_subscription(name).send().await.map_err(failure)
    })
    .await
}

pub(crate) async fn create(at: At<'_>, marks: &Marks) -> Result<()> {
    make_topic(at, topic(at)?, marks).await
}

async fn make_topic(at: At<'_>, name: &str, marks: &Marks) -> Result<()> {
    let made = Topic::new().set_name(name).set_labels(ownership(marks, at.name(Place::Topic)?));
    at.call(&[op::CREATE_TOPIC], || async {
        at.clients.topics.create_topic().with_request(made.clone()).send().await.map_err(failure)
    })
    .await
    .map(drop)
}

pub(crate) async fn configure(at: At<'_>, marks: &Marks) -> Result<()> {
    let queue = settings(at)?;
    if queue.has_dead_letters() {
        keep_dead_letters(at, marks).await?;
    }
    let (name, topic) = (subscription(at)?, topic(at)?);
    let visibility = i32::try_from(queue.visibility_timeout_seconds()).unwrap_or(i32::MAX).clamp(10, 600);
    let dead = queue.dead_letter_deliveries().map(|deliveries| {
        let deliveries = i32::try_from(deliveries).unwrap_or(i32::MAX);
        Ok::<_, Error>(
            DeadLetterPolicy::new().set_dead_letter_topic(dead_letters(at)?.0).set_max_delivery_attempts(deliveries),
        )
    });
    let wanted = Subscription::new()
        .set_name(name)
        .set_topic(topic)
        .set_labels(ownership(marks, at.name(Place::Topic)?))
        .set_ack_deadline_seconds(visibility)
        .set_message_retention_duration(Duration::clamp(i64::from(queue.retention_seconds()), 0))
        // Without this it ends when nobody has asked for a month.
        .set_expiration_policy(ExpirationPolicy::new())
        .set_or_clear_dead_letter_policy(dead.transpose()?);
    subscribe(at, &wanted).await?;
    if queue.has_dead_letters() {
        let on = Guarded { subject: at.subject, place: Place::Subscription, name };
        policy::change(at, on, |policy| bind_one(policy, "roles/pubsub.subscriber", &mover(at))).await?;
    }
    let mut fields =
        vec!["ack_deadline_seconds", "message_retention_duration", "expiration_policy", "dead_letter_policy"];
    // Where a function is pushed to is that function's to set.
    let wanted = if is_pushed(at)? {
        wanted
    } else {
        fields.push("push_config");
        wanted.set_push_config(PushConfig::new())
    };
    let mask = FieldMask::default().set_paths(fields);
    at.call(&[op::PATCH_SUBSCRIPTION], || async {
        let call = at.clients.subscriptions.update_subscription().set_subscription(wanted.clone());
        call.set_update_mask(mask.clone()).send().await.map_err(failure)
    })
    .await?;
    admit(at).await?;
    let found = look_at_topic(at, topic).await?.labels;
    let labels = labels::with(found, ownership(marks, at.name(Place::Topic)?).into_iter().chain(seal(marks)));
    let sealed = Topic::new().set_name(topic).set_labels(labels);
    at.call(&[op::PATCH_TOPIC], || async {
        let call = at.clients.topics.update_topic().set_topic(sealed.clone());
        call.set_update_mask(FieldMask::default().set_paths(["labels"])).send().await.map_err(failure)
    })
    .await
    .map(drop)
}

/// Refuses what is another's.
fn own(at: At<'_>, found: &HashMap<String, String>, what: &str) -> Result<()> {
    match labels::observed(at.site(), "", found) {
        Observed::Foreign(whose) => Err(Error::new(ErrorKind::Foreign, format!("{what} is there, and {whose}"))),
        _ => Ok(()),
    }
}

/// Makes a subscription, unless it is there and ours.
async fn subscribe(at: At<'_>, wanted: &Subscription) -> Result<()> {
    let made = at.call(&[op::CREATE_SUBSCRIPTION, op::ATTACH_SUBSCRIPTION], || async {
        at.clients.subscriptions.create_subscription().with_request(wanted.clone()).send().await.map_err(failure)
    });
    match made.await {
        Err(error) if error.kind() == ErrorKind::Exists => {
            let found = look(at, &wanted.name).await?;
            own(at, &found.labels, &format!("the subscription `{}`", found.name))?;
            if found.topic == wanted.topic {
                return Ok(());
            }
            // Its topic was deleted: it gets nothing more, and may hold what nobody has taken.
            let what = format!("the subscription `{}` is on `{}`", found.name, found.topic);
            let help = "take what is in it, delete it, and set up again";
            Err(Error::new(ErrorKind::Refused, format!("{what}; {help}")))
        }
        made => made.map(drop),
    }
}

async fn unsubscribe(at: At<'_>, name: &str) -> Result<()> {
    let gone = at.call(&[op::DELETE_SUBSCRIPTION], || async {
        at.clients.subscriptions.delete_subscription().set_subscription(name).send().await.map_err(failure)
    });
    gone.await.or_absent().map(drop)
}

/// Makes the topic of dead letters and what keeps them, and lets Pub/Sub's own account move them there
/// (<https://docs.cloud.google.com/pubsub/docs/handling-failures#grant_forwarding_permissions>).
async fn keep_dead_letters(at: At<'_>, marks: &Marks) -> Result<()> {
    let (dead, kept) = dead_letters(at)?;
    match make_topic(at, &dead, marks).await {
        Err(error) if error.kind() == ErrorKind::Exists => {
            own(at, &look_at_topic(at, &dead).await?.labels, &format!("the topic `{dead}`"))?;
        }
        made => made?,
    }
    let wanted = Subscription::new()
        .set_name(kept)
        .set_topic(&dead)
        .set_labels(ownership(marks, at.name(Place::Topic)?))
        .set_message_retention_duration(Duration::clamp(DEAD_LETTER_RETENTION, 0))
        .set_expiration_policy(ExpirationPolicy::new());
    subscribe(at, &wanted).await?;
    let on = Guarded { subject: at.subject, place: Place::Topic, name: &dead };
    policy::change(at, on, |policy| bind_one(policy, "roles/pubsub.publisher", &mover(at))).await
}

/// Pub/Sub's own account in the project.
fn mover(at: At<'_>) -> String {
    format!("serviceAccount:service-{}@gcp-sa-pubsub.iam.gserviceaccount.com", at.site().target.project_number)
}

/// What is held is not told: to count messages is for Monitoring, which nobody here may read.
pub(crate) async fn delete(at: At<'_>, data: Data) -> Result<Removal> {
    if data != Data::Delete {
        dismiss(at).await?;
        return Ok(Removal::Kept("it may hold messages; delete it with --delete-data".to_owned()));
    }
    // Also those that an earlier release had.
    let (dead, kept) = dead_letters(at)?;
    if look(at, &kept).await.or_absent()?.is_some_and(|found| own(at, &found.labels, "it").is_ok()) {
        unsubscribe(at, &kept).await?;
    }
    if look_at_topic(at, &dead).await.or_absent()?.is_some_and(|found| own(at, &found.labels, "it").is_ok()) {
        remove_topic(at, &dead).await?;
    }
    unsubscribe(at, subscription(at)?).await?;
    remove_topic(at, topic(at)?).await?;
    Ok(Removal::Gone)
}

async fn remove_topic(at: At<'_>, name: &str) -> Result<()> {
    let gone = at.call(&[op::DELETE_TOPIC], || async {
        at.clients.topics.delete_topic().set_topic(name).send().await.map_err(failure)
    });
    gone.await.or_absent().map(drop)
}

/// Whether topic and subscription are there, and messages still go from one to the other.
pub(crate) async fn heartbeat(at: At<'_>) -> Result<Heartbeat> {
    let name = topic(at)?;
    at.call(&[op::GET_TOPIC], || async { at.clients.topics.get_topic().set_topic(name).send().await.map_err(failure) })
        .await?;
    let found = look(at, subscription(at)?).await?;
    Ok(if found.topic == name {
        Heartbeat::new(Health::Healthy, "topic and subscription are there")
    } else {
        Heartbeat::new(Health::Degraded, format!("its subscription is on `{}`", found.topic))
    })
}
