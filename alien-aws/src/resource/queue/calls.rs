//! The calls of a queue and of its dead-letter queue. The dead-letter queue is made first and removed first: while the
//! queue is there, a later run finds both.

use std::collections::HashMap;

use alien_core::adapter::{Marks, Observed, Operate, Operation, Reconcile, Removal, ResultExt};
use alien_core::{Data, Error, ErrorKind, Health, Heartbeat, Queue, Result};
use async_trait::async_trait;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::json;

use crate::Aws;
use crate::client::{Clients, Context, failure};
use crate::operations as op;
use crate::operations::Scope;
use crate::target::Target;

type Row = &'static Operation<Scope>;

/// The rows of one of the two queues.
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

/// How long dead letters are kept: as long as SQS keeps anything, 14 days
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>).
const DEAD_LETTER_RETENTION: u32 = 14 * 24 * 60 * 60;

#[async_trait]
impl Reconcile<Aws, Clients> for Queue {
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        if self.has_dead_letters()
            && let Some(Observed::Foreign(whose)) = look(cx, DEAD).await?
        {
            return Ok(Observed::Foreign(format!("of its dead-letter queue, {whose}")));
        }
        Ok(look(cx, MAIN).await?.unwrap_or(Observed::Absent))
    }

    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        // CreateQueue gives the URL of a queue that is there, whosever it is.
        if url(cx, MAIN).await.optional()?.is_some() {
            return Err(Error::new(ErrorKind::AlreadyExists, "there is a queue of this name"));
        }
        make(cx, MAIN, marks).await.map(drop)
    }

    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let redrive = match self.dead_letter_deliveries() {
            Some(deliveries) => {
                dead_letters(cx, marks).await?;
                // The number as text: SQS takes both, and gives it back as text.
                let policy = json!({
                    "deadLetterTargetArn": cx.full_name(Scope::DeadLetters)?,
                    "maxReceiveCount": deliveries.to_string(),
                });
                policy.to_string()
            }
            // Takes the policy away. A dead-letter queue of an earlier release stays: there may be letters in it.
            None => String::new(),
        };
        let name = cx.name(Scope::Queue)?;
        // It was just made or found: where it is missing, that is not known everywhere yet.
        let found = cx.call(&MAIN.url, || async { find(cx, name).await.propagating() });
        let url = found.await?;
        let wanted = [
            (QueueAttributeName::VisibilityTimeout, self.visibility_timeout_seconds().to_string()),
            (QueueAttributeName::MessageRetentionPeriod, self.retention_seconds().to_string()),
            (QueueAttributeName::SqsManagedSseEnabled, "true".to_owned()),
            (QueueAttributeName::RedrivePolicy, redrive),
        ];
        set(cx, MAIN, &url, wanted).await?;
        let tags = tags(marks.finished());
        let finished = cx.call(&[op::TAG_QUEUE], || async {
            cx.clients.sqs.tag_queue().queue_url(&url).set_tags(Some(tags.clone())).send().await.map_err(failure)
        });
        finished.await.map(drop)
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
    /// Its URL
    /// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-message-identifiers.html>).
    async fn address(&self, cx: Context<'_>) -> Result<String> {
        let Target { region, account, .. } = cx.target();
        let domain = if region.partition() == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
        Ok(format!("https://sqs.{region}.{domain}/{account}/{}", cx.name(Scope::Queue)?))
    }

    async fn heartbeat(&self, cx: Context<'_>) -> Result<Heartbeat> {
        let url = url(cx, MAIN).await?;
        let found = cx.call(&[op::GET_QUEUE_ATTRIBUTES], || async {
            let call =
                cx.clients.sqs.get_queue_attributes().queue_url(&url).attribute_names(QueueAttributeName::QueueArn);
            call.send().await.map_err(failure)
        });
        found.await?;
        Ok(Heartbeat::new(Health::Healthy, "it is there"))
    }
}

/// What stands under the name of one of the queues.
async fn look(cx: Context<'_>, rows: &'static Rows) -> Result<Option<Observed>> {
    let Some(url) = url(cx, rows).await.optional()? else { return Ok(None) };
    let tags = cx
        .call(&rows.tags, || async { cx.clients.sqs.list_queue_tags().queue_url(&url).send().await.map_err(failure) });
    let Some(tags) = tags.await.optional()? else { return Ok(None) };
    let tags = tags.tags.unwrap_or_default();
    let tags = tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    Ok(Some(Observed::marked(cx.full_name(rows.scope)?, cx.deployment().id, tags)))
}

async fn url(cx: Context<'_>, rows: &'static Rows) -> Result<String> {
    let name = cx.name(rows.scope)?;
    cx.call(&rows.url, || find(cx, name)).await
}

async fn find(cx: Context<'_>, name: &str) -> Result<String> {
    let found = cx.clients.sqs.get_queue_url().queue_name(name).send().await.map_err(failure)?;
    found.queue_url.ok_or_else(|| Error::missing_field("URL of the queue"))
}

/// Makes one of the queues, with tags and nothing else set. Gives its URL.
async fn make(cx: Context<'_>, rows: &'static Rows, marks: &Marks) -> Result<String> {
    let name = cx.name(rows.scope)?;
    let tags = tags(marks.ownership(cx.name(Scope::Queue)?));
    let made = cx.call(&rows.create, || async {
        let call = cx.clients.sqs.create_queue().queue_name(name).set_tags(Some(tags.clone()));
        call.send().await.map_err(failure)
    });
    made.await?.queue_url.ok_or_else(|| Error::missing_field("URL of the queue"))
}

fn tags(tags: impl IntoIterator<Item = (&'static str, String)>) -> HashMap<String, String> {
    tags.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Makes the dead-letter queue, unless it is there and ours.
async fn dead_letters(cx: Context<'_>, marks: &Marks) -> Result<()> {
    let url = match look(cx, DEAD).await? {
        None => make(cx, DEAD, marks).await?,
        Some(Observed::Foreign(whose)) => {
            return Err(Error::new(ErrorKind::NotOwned, format!("of its dead-letter queue, {whose}")));
        }
        Some(_) => url(cx, DEAD).await?,
    };
    let wanted = [
        (QueueAttributeName::MessageRetentionPeriod, DEAD_LETTER_RETENTION.to_string()),
        (QueueAttributeName::SqsManagedSseEnabled, "true".to_owned()),
    ];
    set(cx, DEAD, &url, wanted).await
}

async fn set<const N: usize>(
    cx: Context<'_>,
    rows: &'static Rows,
    url: &str,
    wanted: [(QueueAttributeName, String); N],
) -> Result<()> {
    let wanted = HashMap::from(wanted);
    let done = cx.call(&rows.set, || async {
        let call = cx.clients.sqs.set_queue_attributes().queue_url(url).set_attributes(Some(wanted.clone()));
        call.send().await.map_err(failure)
    });
    done.await.map(drop)
}

/// About how many messages there are, whoever can see them. What was sent less than a minute ago may be missing
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html>).
async fn held(cx: Context<'_>, rows: &'static Rows) -> Result<u64> {
    const COUNTS: [QueueAttributeName; 3] = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
    ];
    let Some(url) = url(cx, rows).await.optional()? else { return Ok(0) };
    let found = cx.call(&rows.attributes, || async {
        let call = cx.clients.sqs.get_queue_attributes().queue_url(&url).set_attribute_names(Some(COUNTS.to_vec()));
        call.send().await.map_err(failure)
    });
    let found = found.await?.attributes.unwrap_or_default();
    let count = |name| found.get(name).and_then(|text| text.parse::<u64>().ok());
    COUNTS.iter().map(count).sum::<Option<u64>>().ok_or_else(|| Error::missing_field("number of messages"))
}

/// Deletes one of the queues and waits until it can no longer be found, which takes up to a minute
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html>).
async fn remove(cx: Context<'_>, rows: &'static Rows) -> Result<()> {
    let Some(url) = url(cx, rows).await.optional()? else { return Ok(()) };
    let deleted =
        cx.call(&rows.delete, || async { cx.clients.sqs.delete_queue().queue_url(&url).send().await.map_err(failure) });
    deleted.await.optional()?;
    let name = cx.name(rows.scope)?;
    let still = cx.call(&rows.url, || async {
        find(cx, name).await?;
        Err::<(), _>(Error::new(ErrorKind::Busy, "it is being deleted"))
    });
    still.await.optional().map(drop)
}
