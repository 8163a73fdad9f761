//! The calls for a queue and its dead-letter queue. The dead-letter queue is created first and deleted first: while the
//! queue exists, a later run finds both.

use std::collections::HashMap;

use alien_core::adapter::{Marks, Observed, Operate, Operation, Reconcile, Removal, ResultExt, State, field_drift};
use alien_core::{Data, Error, ErrorKind, Health, Heartbeat, Queue, Result};
use async_trait::async_trait;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};

use crate::Aws;
use crate::client::{Clients, Context, failure};
use crate::operations as op;
use crate::operations::Scope;
use crate::variables::queue_url;

type Row = &'static Operation<Scope>;

/// The operations on one of the two queues.
struct Rows {
    scope: Scope,
    url: [Row; 1],
    attributes: [Row; 1],
    tags: [Row; 1],
    create: [Row; 2],
    set: [Row; 1],
    delete: [Row; 1],
}

const MAIN: &Rows = &Rows {
    scope: Scope::Queue,
    url: [op::GET_QUEUE_URL],
    attributes: [op::GET_QUEUE_ATTRIBUTES],
    tags: [op::LIST_QUEUE_TAGS],
    create: [op::CREATE_QUEUE, op::TAG_QUEUE],
    set: [op::SET_QUEUE_ATTRIBUTES],
    delete: [op::DELETE_QUEUE],
};

const DEAD: &Rows = &Rows {
    scope: Scope::DeadLetters,
    url: [op::GET_DEAD_LETTER_URL],
    attributes: [op::GET_DEAD_LETTER_ATTRIBUTES],
    tags: [op::LIST_DEAD_LETTER_TAGS],
    create: [op::CREATE_DEAD_LETTERS, op::TAG_DEAD_LETTERS],
    set: [op::SET_DEAD_LETTER_ATTRIBUTES],
    delete: [op::DELETE_DEAD_LETTERS],
};

/// How long dead letters are kept, in seconds: 14 days, the longest that SQS allows
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>).
const DEAD_LETTER_RETENTION: u32 = 14 * 24 * 60 * 60;

#[async_trait]
impl Reconcile<Aws, Clients> for Queue {
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        let dead = if self.has_dead_letters() { look(cx, DEAD).await? } else { None };
        if let Some(Observed::Foreign(whose)) = dead {
            return Ok(Observed::Foreign(whose.part(cx.full_name(Scope::Queue)?, "dead-letter queue")));
        }
        let missing = self.has_dead_letters() && dead.is_none();
        let mut drift: Vec<String> =
            missing.then(|| "its dead-letter queue is missing".to_owned()).into_iter().collect();
        let observed = look(cx, MAIN).await?.unwrap_or(Observed::Absent);
        // Only the admin may read the settings.
        if let (Observed::Own { state: State::Finished(_), .. }, false) = (&observed, cx.is_vendors()) {
            let mut fields = changed(cx, MAIN, &attributes(self, redrive(cx, self)?)).await?;
            if dead.is_some() {
                let letters = changed(cx, DEAD, &dead_attributes()).await?;
                fields.extend(letters.iter().map(|field| format!("deadLetters.{field}")));
            }
            drift.extend(field_drift(&fields.iter().map(String::as_str).collect::<Vec<_>>()));
        }
        Ok(observed.drifted(drift))
    }

    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        // CreateQueue returns the URL of a queue that exists, whoever owns it.
        if url(cx, MAIN).await.optional()?.is_some() {
            return Err(Error::new(ErrorKind::AlreadyExists, "a queue of this name already exists"));
        }
        make(cx, MAIN, marks).await.map(drop)
    }

    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        if self.has_dead_letters() {
            dead_letters(cx, marks).await?;
        }
        let name = cx.name(Scope::Queue)?;
        // The queue was just created or found: if it is missing, it has not propagated yet.
        let found = cx.call(&MAIN.url, || async { find(cx, name).await.propagating() });
        let url = found.await?;
        set(cx, MAIN, &url, attributes(self, redrive(cx, self)?)).await?;
        tag(cx, MAIN, &url, tags(marks.all(name))).await
    }

    async fn delete(&self, cx: Context<'_>, data: Data) -> Result<Removal> {
        let own = async |rows| Ok::<_, Error>(matches!(look(cx, rows).await?, Some(Observed::Own { .. })));
        let has_dead = self.has_dead_letters() && own(DEAD).await?;
        let queues = if has_dead { &[DEAD, MAIN][..] } else { &[MAIN][..] };
        if data != Data::Delete {
            let mut messages = 0;
            for rows in queues {
                messages += held(cx, rows).await?;
            }
            if messages > 0 {
                return Ok(Removal::HoldsData(format!("it holds about {messages} messages")));
            }
        }
        for rows in queues {
            remove(cx, rows).await?;
        }
        Ok(Removal::Gone)
    }
}

#[async_trait]
impl Operate<Aws, Clients> for Queue {
    /// The queue's URL
    /// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-message-identifiers.html>).
    async fn address(&self, cx: Context<'_>) -> Result<String> {
        Ok(queue_url(cx.target(), cx.name(Scope::Queue)?))
    }

    async fn heartbeat(&self, cx: Context<'_>) -> Result<Heartbeat> {
        let url = url(cx, MAIN).await?;
        let found = cx.call(&[op::GET_QUEUE_ATTRIBUTES], || async {
            let call =
                cx.clients.sqs().get_queue_attributes().queue_url(&url).attribute_names(QueueAttributeName::QueueArn);
            call.send().await.map_err(failure)
        });
        found.await?;
        Ok(Heartbeat::new(Health::Healthy, "it is there"))
    }
}

/// Looks up one of the two queues; `None` if it does not exist.
async fn look(cx: Context<'_>, rows: &'static Rows) -> Result<Option<Observed>> {
    let Some(url) = url(cx, rows).await.optional()? else { return Ok(None) };
    let tags = cx.call(&rows.tags, || async {
        cx.clients.sqs().list_queue_tags().queue_url(&url).send().await.map_err(failure)
    });
    let Some(tags) = tags.await.optional()? else { return Ok(None) };
    let tags = tags.tags.unwrap_or_default();
    let tags = tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    Ok(Some(Observed::marked(cx.full_name(rows.scope)?, cx.deployment().owner(), tags)))
}

async fn url(cx: Context<'_>, rows: &'static Rows) -> Result<String> {
    let name = cx.name(rows.scope)?;
    cx.call(&rows.url, || find(cx, name)).await
}

async fn find(cx: Context<'_>, name: &str) -> Result<String> {
    let found = cx.clients.sqs().get_queue_url().queue_name(name).send().await.map_err(failure)?;
    found.queue_url.ok_or_else(|| Error::missing_field("URL of the queue"))
}

/// Creates one of the two queues with tags and default attributes, and returns its URL.
async fn make(cx: Context<'_>, rows: &'static Rows, marks: &Marks) -> Result<String> {
    let name = cx.name(rows.scope)?;
    let tags = tags(marks.ownership(cx.name(Scope::Queue)?));
    let made = cx.call(&rows.create, || async {
        let call = cx.clients.sqs().create_queue().queue_name(name).set_tags(Some(tags.clone()));
        call.send().await.map_err(failure)
    });
    made.await?.queue_url.ok_or_else(|| Error::missing_field("URL of the queue"))
}

fn tags(tags: impl IntoIterator<Item = (&'static str, String)>) -> HashMap<String, String> {
    tags.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Creates the dead-letter queue, unless it exists and belongs to the deployment.
async fn dead_letters(cx: Context<'_>, marks: &Marks) -> Result<()> {
    let url = match look(cx, DEAD).await? {
        None => make(cx, DEAD, marks).await?,
        Some(found) => {
            if let Some(whose) = found.refused(marks) {
                let what = format!("its dead-letter queue already exists, and {whose}");
                return Err(Error::new(ErrorKind::NotOwned, what));
            }
            let url = url(cx, DEAD).await?;
            if marks.again {
                tag(cx, DEAD, &url, tags(marks.ownership(cx.name(Scope::Queue)?))).await?;
            }
            url
        }
    };
    set(cx, DEAD, &url, dead_attributes()).await
}

/// The attributes of the queue, as the stack says.
fn attributes(queue: &Queue, redrive: String) -> [(QueueAttributeName, String); 4] {
    [
        (QueueAttributeName::VisibilityTimeout, queue.visibility_timeout_seconds().to_string()),
        (QueueAttributeName::MessageRetentionPeriod, queue.retention_seconds().to_string()),
        (QueueAttributeName::SqsManagedSseEnabled, "true".to_owned()),
        (QueueAttributeName::RedrivePolicy, redrive),
    ]
}

/// The attributes of the dead-letter queue.
fn dead_attributes() -> [(QueueAttributeName, String); 2] {
    [
        (QueueAttributeName::MessageRetentionPeriod, DEAD_LETTER_RETENTION.to_string()),
        (QueueAttributeName::SqsManagedSseEnabled, "true".to_owned()),
    ]
}

/// The policy by which messages go to the dead-letter queue. An empty one removes it; a dead-letter queue of an earlier
/// release stays, since it may hold messages.
fn redrive(cx: Context<'_>, queue: &Queue) -> Result<String> {
    let Some(deliveries) = queue.dead_letters_after() else { return Ok(String::new()) };
    // A number as text: SQS accepts both, and returns text.
    let policy = json!({
        "deadLetterTargetArn": cx.full_name(Scope::DeadLetters)?,
        "maxReceiveCount": deliveries.to_string(),
    });
    Ok(policy.to_string())
}

/// The attributes of one of the two queues that are not as they should be.
async fn changed(cx: Context<'_>, rows: &'static Rows, wanted: &[(QueueAttributeName, String)]) -> Result<Vec<String>> {
    let url = url(cx, rows).await?;
    let names: Vec<QueueAttributeName> = wanted.iter().map(|(name, _)| name.clone()).collect();
    let names = [names, vec![QueueAttributeName::KmsMasterKeyId]].concat();
    let found = cx.call(&rows.attributes, || async {
        let call = cx.clients.sqs().get_queue_attributes().queue_url(&url).set_attribute_names(Some(names.clone()));
        call.send().await.map_err(failure)
    });
    let found = found.await?.attributes.unwrap_or_default();
    let is = |name: &QueueAttributeName| found.get(name).map_or("", String::as_str);
    // Under a key of the customer's a queue is encrypted too, and then SQS's own encryption is off.
    let has_key = !is(&QueueAttributeName::KmsMasterKeyId).is_empty();
    let same = |(name, due): &&(QueueAttributeName, String)| match name {
        QueueAttributeName::RedrivePolicy => same_redrive(is(name), due),
        QueueAttributeName::SqsManagedSseEnabled => has_key || is(name) == due,
        _ => is(name) == due,
    };
    Ok(wanted.iter().filter(|attribute| !same(attribute)).map(|(name, _)| name.as_str().to_owned()).collect())
}

/// Whether two redrive policies send the same messages to the same queue. The number of deliveries is a number or a text.
fn same_redrive(found: &str, due: &str) -> bool {
    let read = |text: &str| {
        let policy: Value = serde_json::from_str(text).ok()?;
        let most = policy.get("maxReceiveCount")?;
        let most = most.as_str().map_or_else(|| most.to_string(), str::to_owned);
        Some((policy.get("deadLetterTargetArn")?.as_str()?.to_owned(), most))
    };
    read(found) == read(due)
}

/// Writes tags, beside those that are there.
async fn tag(cx: Context<'_>, rows: &'static Rows, url: &str, tags: HashMap<String, String>) -> Result<()> {
    let [_, row] = rows.create;
    let row = [row];
    let done = cx.call(&row, || async {
        cx.clients.sqs().tag_queue().queue_url(url).set_tags(Some(tags.clone())).send().await.map_err(failure)
    });
    done.await.map(drop)
}

async fn set<const N: usize>(
    cx: Context<'_>,
    rows: &'static Rows,
    url: &str,
    wanted: [(QueueAttributeName, String); N],
) -> Result<()> {
    let [row] = rows.set;
    if !cx.holds(row) {
        return Ok(());
    }
    let wanted = HashMap::from(wanted);
    let done = cx.call(&rows.set, || async {
        let call = cx.clients.sqs().set_queue_attributes().queue_url(url).set_attributes(Some(wanted.clone()));
        call.send().await.map_err(failure)
    });
    done.await.map(drop)
}

/// The approximate number of messages, visible or not. Messages sent within the last minute may be missing
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html>).
async fn held(cx: Context<'_>, rows: &'static Rows) -> Result<u64> {
    const COUNTS: [QueueAttributeName; 3] = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
    ];
    let Some(url) = url(cx, rows).await.optional()? else { return Ok(0) };
    let found = cx.call(&rows.attributes, || async {
        let call = cx.clients.sqs().get_queue_attributes().queue_url(&url).set_attribute_names(Some(COUNTS.to_vec()));
        call.send().await.map_err(failure)
    });
    let found = found.await?.attributes.unwrap_or_default();
    let count = |name| found.get(name).and_then(|text| text.parse::<u64>().ok());
    COUNTS.iter().map(count).sum::<Option<u64>>().ok_or_else(|| Error::missing_field("number of messages"))
}

/// Deletes one of the two queues and waits until it can no longer be found, which takes up to a minute
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html>).
async fn remove(cx: Context<'_>, rows: &'static Rows) -> Result<()> {
    let Some(url) = url(cx, rows).await.optional()? else { return Ok(()) };
    let deleted = cx
        .call(&rows.delete, || async { cx.clients.sqs().delete_queue().queue_url(&url).send().await.map_err(failure) });
    deleted.await.optional()?;
    let name = cx.name(rows.scope)?;
    let still = cx.call(&rows.url, || async {
        find(cx, name).await?;
        Err::<(), _>(Error::new(ErrorKind::Busy, "it is being deleted"))
    });
    still.await.optional().map(drop)
}
