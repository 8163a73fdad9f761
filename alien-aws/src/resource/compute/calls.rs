//! What the calls of functions and containers share: for their logs and their updates.

use alien_core::adapter::{Change, LogPage, LogQuery, Marks, Observed, ResultExt};
use alien_core::{Error, ErrorKind, LogLine, Result};
use jiff::Timestamp;

use crate::client::{Context, failure};
use crate::operations as op;
use crate::operations::Scope;

/// How long log events are kept, in days.
const KEPT: i32 = 30;

/// The name of the log group, which contains slashes.
pub(crate) fn log_group<'a>(cx: Context<'a>) -> Result<&'a str> {
    let arn = cx.full_name(Scope::LogGroup)?;
    arn.split_once(":log-group:").map(|(_, name)| name).ok_or_else(|| Error::missing_field("log group"))
}

/// Creates the log group of `owner` unless it exists, and sets its retention to a month.
pub(crate) async fn set_up_logs(cx: Context<'_>, marks: &Marks, owner: &str) -> Result<()> {
    let name = log_group(cx)?;
    let made = cx
        .call(&[op::CREATE_LOG_GROUP, op::TAG_LOG_GROUP], || async {
            let tags = marks.ownership(owner).map(|(key, value)| (key.to_owned(), value));
            let request = cx.clients.logs().create_log_group().log_group_name(name).set_tags(Some(tags.into()));
            request.send().await.map_err(failure)
        })
        .await;
    match made {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if let Some(whose) = observe_logs(cx).await?.refused(marks) {
                let what = format!("a log group `{name}` already exists, and {whose}");
                return Err(Error::new(ErrorKind::NotOwned, what).in_operation(op::CREATE_LOG_GROUP.call));
            }
            if marks.again {
                tag_logs(cx, marks, owner).await?;
            }
        }
        made => drop(made?),
    }
    cx.call(&[op::PUT_LOG_RETENTION], || async {
        let request = cx.clients.logs().put_retention_policy().log_group_name(name).retention_in_days(KEPT);
        request.send().await.map_err(failure)
    })
    .await
    .map(drop)
}

/// Deletes the log group if it belongs to the deployment.
pub(crate) async fn remove_logs(cx: Context<'_>) -> Result<()> {
    if !matches!(observe_logs(cx).await?, Observed::Own { .. }) {
        return Ok(());
    }
    let name = log_group(cx)?;
    cx.call(&[op::DELETE_LOG_GROUP], || async {
        cx.clients.logs().delete_log_group().log_group_name(name).send().await.map_err(failure)
    })
    .await
    .optional()
    .map(drop)
}

/// Writes the marks of ownership on the log group.
async fn tag_logs(cx: Context<'_>, marks: &Marks, owner: &str) -> Result<()> {
    let arn = cx.full_name(Scope::LogGroup)?;
    let tags = marks.ownership(owner).map(|(key, value)| (key.to_owned(), value));
    cx.call(&[op::TAG_LOG_GROUP], || async {
        let request = cx.clients.logs().tag_resource().resource_arn(arn).set_tags(Some(tags.clone().into()));
        request.send().await.map_err(failure)
    })
    .await
    .map(drop)
}

/// What was found, with what is so of its log group. The retention of that is not compared: DescribeLogGroups would show
/// every log group of the account.
pub(crate) async fn with_logs(
    cx: Context<'_>,
    found: Observed,
    id: &str,
    drift: impl IntoIterator<Item = String>,
) -> Result<Observed> {
    let logs = match observe_logs(cx).await? {
        Observed::Own { .. } => None,
        Observed::Foreign(whose) => return Ok(Observed::Foreign(whose.part(id, "log group"))),
        _ => Some("its log group is missing".to_owned()),
    };
    Ok(found.drifted(drift.into_iter().chain(logs)))
}

async fn observe_logs(cx: Context<'_>) -> Result<Observed> {
    let arn = cx.full_name(Scope::LogGroup)?;
    let found = cx
        .call(&[op::LIST_LOG_GROUP_TAGS], || async {
            cx.clients.logs().list_tags_for_resource().resource_arn(arn).send().await.map_err(failure)
        })
        .await
        .optional()?;
    Ok(found.map_or(Observed::Absent, |found| {
        let tags = found.tags().into_iter().flatten();
        Observed::marked(arn, cx.deployment().owner(), tags.map(|(key, value)| (key.as_str(), value.as_str())))
    }))
}

/// Reads a page of the log
/// (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html>). Lines may be
/// written after a page without a cursor was read: the next query starts at the time of the last line.
pub(crate) async fn logs(cx: Context<'_>, query: &LogQuery) -> Result<LogPage> {
    let name = log_group(cx)?;
    let page = cx
        .call(&[op::FILTER_LOG_EVENTS], || async {
            let request = cx.clients.logs().filter_log_events().log_group_name(name);
            let request = request.start_time(query.from.as_millisecond()).limit(i32::from(query.limit));
            request.set_next_token(query.cursor.clone()).send().await.map_err(failure)
        })
        .await?;
    let lines = page.events().iter().filter_map(|event| {
        let at = Timestamp::from_millisecond(event.timestamp()?).ok()?;
        Some(LogLine { at, text: event.message()?.trim_end_matches('\n').to_owned() })
    });
    Ok(LogPage { lines: lines.collect(), next: page.next_token().map(str::to_owned) })
}

/// The error of an update of which AWS took nothing. What ran before runs on; after an update that was interrupted, that may
/// not be what the record says.
pub(crate) fn untaken(error: Error, change: &Change) -> Error {
    if error.kind().is_refusal() && !change.again {
        error.because("nothing of it was taken, and what ran before runs on").with_put_back()
    } else {
        error
    }
}
