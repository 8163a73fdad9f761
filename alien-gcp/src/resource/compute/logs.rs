//! The logs of services. All live services share one log bucket, and all frozen ones whose logs the vendor may read
//! share another; a sink fills each.

use alien_core::adapter::{LogPage, LogQuery, Marks, Observed, Reconcile, Removal, ResultExt, State, Subject};
use alien_core::{Data, Error, ErrorKind, Lifecycle, LogLine, Result, Set};
use async_trait::async_trait;
use google_cloud_logging_v2::model::log_entry::Payload;
use google_cloud_logging_v2::model::{LifecycleState, ListLogEntriesRequest, LogBucket, LogEntry, LogSink, LogView};
use google_cloud_wkt::FieldMask;
use jiff::Timestamp;

use super::log_bucket;
use crate::Gcp;
use crate::client::{Clients, Context, description, failed};
use crate::naming::Paths;
use crate::operations as op;
use crate::operations::Scope;

/// How long log entries are kept, in days.
const KEPT: i32 = 30;

/// The log bucket and the sink for the services of one lifecycle.
struct Log<'a> {
    /// The name of the bucket in calls. The sink's name ends in the same part.
    bucket: String,
    /// The names of the services whose logs the vendor may read. If it is empty, there should be no log bucket.
    services: Vec<&'a str>,
}

impl Log<'_> {
    fn id(&self) -> &str {
        alien_core::adapter::last(&self.bucket)
    }

    fn is_wanted(&self) -> bool {
        !self.services.is_empty()
    }

    fn destination(&self) -> String {
        format!("logging.googleapis.com/{}", self.bucket)
    }

    /// Whether the sink sends all that it should to the bucket.
    fn is_filled_by(&self, cx: Context<'_>, sink: &LogSink) -> bool {
        let all = !sink.disabled && sink.exclusions.is_empty();
        all && sink.filter == self.filter(cx) && sink.destination == self.destination()
    }

    /// The sink's filter: the output of the code, without request logs and audit logs
    /// (<https://docs.cloud.google.com/logging/docs/view/logging-query-language>).
    fn filter(&self, cx: Context<'_>) -> String {
        let target = cx.target();
        let printed = |stream: &str| format!("\"projects/{}/logs/run.googleapis.com%2F{stream}\"", target.project);
        let services: Vec<String> = self.services.iter().map(|name| format!("\"{name}\"")).collect();
        format!(
            "resource.type=\"cloud_run_revision\" AND resource.labels.location=\"{}\" AND logName=({} OR {}) AND \
             resource.labels.service_name=({})",
            target.location,
            printed("stdout"),
            printed("stderr"),
            services.join(" OR ")
        )
    }
}

/// The logs of both lifecycles.
fn logs<'a>(cx: Context<'a>) -> Result<Vec<Log<'a>>> {
    let deployment = cx.deployment();
    let mut logs = Vec::new();
    for lifecycle in [Lifecycle::Live, Lifecycle::Frozen] {
        let mut services = Vec::new();
        for grant in deployment.permissions().management.grants.iter().filter(|grant| grant.set == Set::Logs) {
            let Subject::Resource(_) = grant.subject else { continue };
            if deployment.resource(grant.subject)?.lifecycle() == lifecycle {
                services.push(cx.about(grant.subject).name(Scope::Service)?);
            }
        }
        logs.push(Log { bucket: log_bucket(Paths(deployment.target()), lifecycle), services });
    }
    Ok(logs)
}

async fn look(cx: Context<'_>, bucket: &str) -> Result<LogBucket> {
    cx.call(&[op::GET_LOG_BUCKET], || async {
        cx.clients.logs().await?.get_bucket().set_name(bucket).send().await.map_err(failed::logs(cx.clients))
    })
    .await
}

fn is_deleted(bucket: &LogBucket) -> bool {
    bucket.lifecycle_state == LifecycleState::DeleteRequested
}

fn sink_name(cx: Context<'_>, log: &Log<'_>) -> String {
    Paths(cx.target()).in_project(&["sinks/", log.id()])
}

async fn look_at_sink(cx: Context<'_>, log: &Log<'_>) -> Result<LogSink> {
    let name = sink_name(cx, log);
    cx.call(&[op::GET_SINK], || async {
        cx.clients.logs().await?.get_sink().set_sink_name(&name).send().await.map_err(failed::logs(cx.clients))
    })
    .await
}

/// The view that Cloud Logging creates with a bucket. It cannot be changed, but deleted
/// (<https://docs.cloud.google.com/logging/docs/logs-views>).
const VIEW: &str = "_AllLogs";

async fn look_at_view(cx: Context<'_>, log: &Log<'_>) -> Result<LogView> {
    let name = format!("{}/views/{VIEW}", log.bucket);
    cx.call(&[op::GET_LOG_VIEW], || async {
        cx.clients.logs().await?.get_view().set_name(&name).send().await.map_err(failed::logs(cx.clients))
    })
    .await
}

/// Creates the view of a bucket's entries again, if somebody deleted it.
async fn show(cx: Context<'_>, log: &Log<'_>) -> Result<()> {
    if look_at_view(cx, log).await.optional()?.is_some() {
        return Ok(());
    }
    let made = cx.call(&[op::CREATE_LOG_VIEW], || async {
        let call = cx.clients.logs().await?.create_view().set_parent(&log.bucket).set_view_id(VIEW);
        call.set_view(LogView::new()).send().await.map_err(failed::logs(cx.clients))
    });
    made.await.unless_exists().map(drop)
}

/// The logs of both lifecycles.
pub(crate) struct Logs;

#[async_trait]
impl Reconcile<Gcp, Clients> for Logs {
    /// Combines both logs: finished if every wanted log has its fingerprint, its sink and its view, and no unwanted one
    /// exists.
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
        for log in logs(cx)? {
            let found = look(cx, &log.bucket).await.optional()?.filter(|bucket| !is_deleted(bucket));
            let observed = found.map_or(Observed::Absent, |found| {
                Observed::marked(log.bucket.as_str(), cx.deployment().owner(), description::marks(&found.description))
            });
            if !log.is_wanted() {
                unwanted.push(observed);
                continue;
            }
            wanted.push(match observed {
                Observed::Own { state: State::Finished(_), .. } => {
                    let sink = look_at_sink(cx, &log).await.optional()?;
                    let whose = sink.as_ref().map(|sink| {
                        Observed::marked("", cx.deployment().owner(), description::marks(&sink.description))
                    });
                    if let Some(Observed::Foreign(whose)) = whose {
                        wanted.push(Observed::Foreign(whose.part(&log.bucket, "sink")));
                        continue;
                    }
                    let drift = match sink {
                        None => Some("its sink does not exist"),
                        Some(sink) if !log.is_filled_by(cx, &sink) => Some("its sink is not as it was set"),
                        Some(_) if look_at_view(cx, &log).await.optional()?.is_none() => {
                            Some("the view of its entries does not exist")
                        }
                        Some(_) => None,
                    };
                    observed.drifted(drift.map(str::to_owned))
                }
                other => other,
            });
        }
        Ok(Observed::together(wanted, unwanted))
    }

    /// Creates the wanted log buckets. A deleted log bucket can be restored for seven days, and its name is taken for
    /// that time (<https://docs.cloud.google.com/logging/docs/buckets#restore>).
    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let mut made = false;
        for log in logs(cx)?.iter().filter(|log| log.is_wanted()) {
            made |= make(cx, log, marks).await?;
        }
        if made { Ok(()) } else { Err(Error::new(ErrorKind::AlreadyExists, "the log buckets already exist")) }
    }

    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        for log in logs(cx)? {
            if !log.is_wanted() {
                remove(cx, &log).await?;
                continue;
            }
            make(cx, &log, marks).await?;
            show(cx, &log).await?;
            fill(cx, &log, marks).await?;
            let bucket = LogBucket::new().set_description(description::of(&marks.all(log.id())));
            patch(cx, &log, bucket, "description").await?;
        }
        Ok(())
    }

    async fn delete(&self, cx: Context<'_>, _: Data) -> Result<Removal> {
        for log in logs(cx)? {
            remove(cx, &log).await?;
        }
        Ok(Removal::Gone)
    }
}

/// Creates or restores a log bucket, unless it exists and belongs to the deployment. Returns whether it did.
async fn make(cx: Context<'_>, log: &Log<'_>, marks: &Marks) -> Result<bool> {
    let description = description::of(&marks.ownership(log.id()));
    let bucket = LogBucket::new().set_description(description).set_retention_days(KEPT);
    match look(cx, &log.bucket).await.optional()? {
        Some(found) => {
            let what = format!("the log bucket `{}`", log.id());
            description::usable(cx.deployment(), &found.description, &what, marks)?;
            if !is_deleted(&found) {
                return Ok(false);
            }
            cx.call(&[op::UNDELETE_LOG_BUCKET], || async {
                cx.clients
                    .logs()
                    .await?
                    .undelete_bucket()
                    .set_name(&log.bucket)
                    .send()
                    .await
                    .map_err(failed::logs(cx.clients))
            })
            .await?;
            patch(cx, log, bucket, "description").await?;
        }
        None => {
            let parent = log.bucket.rsplit_once("/buckets/").map_or("", |(parent, _)| parent);
            let made = cx.call(&[op::CREATE_LOG_BUCKET], || async {
                let call = cx.clients.logs().await?.create_bucket().set_parent(parent).set_bucket_id(log.id());
                call.set_bucket(bucket.clone()).send().await.map_err(failed::logs(cx.clients))
            });
            match made.await {
                // It may be ours if the answer of an earlier attempt was lost.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    let found = look(cx, &log.bucket).await?;
                    description::own(cx.deployment(), &found.description, &format!("the log bucket `{}`", log.id()))?;
                }
                made => drop(made?),
            }
        }
    }
    Ok(true)
}

async fn patch(cx: Context<'_>, log: &Log<'_>, bucket: LogBucket, field: &str) -> Result<()> {
    cx.call(&[op::PATCH_LOG_BUCKET], || async {
        let call = cx.clients.logs().await?.update_bucket().set_name(&log.bucket).set_bucket(bucket.clone());
        let sent = call.set_update_mask(FieldMask::default().set_paths([field])).send().await;
        sent.map_err(failed::logs(cx.clients)).propagating()
    })
    .await
    .map(drop)
}

/// Creates or updates the sink of a log bucket. A sink to a log bucket in the same project needs no permission of its
/// own (<https://docs.cloud.google.com/logging/docs/export/configure_export_v2#dest-auth>).
async fn fill(cx: Context<'_>, log: &Log<'_>, marks: &Marks) -> Result<()> {
    let name = sink_name(cx, log);
    let sink = LogSink::new()
        .set_name(log.id())
        .set_destination(log.destination())
        .set_filter(log.filter(cx))
        .set_description(description::of(&marks.ownership(log.id())));
    if look_at_sink(cx, log).await.optional()?.is_none() {
        let parent = Paths(cx.target()).parent();
        let made = cx.call(&[op::CREATE_SINK], || async {
            let call = cx.clients.logs().await?.create_sink().set_parent(&parent);
            call.set_sink(sink.clone()).set_unique_writer_identity(true).send().await.map_err(failed::logs(cx.clients))
        });
        match made.await {
            // It may be ours if the answer of an earlier attempt was lost.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => drop(made?),
        }
    }
    let found = look_at_sink(cx, log).await?;
    description::usable(cx.deployment(), &found.description, &format!("the sink `{}`", log.id()), marks)?;
    if log.is_filled_by(cx, &found) && !marks.again {
        return Ok(());
    }
    cx.call(&[op::UPDATE_SINK], || async {
        let call = cx.clients.logs().await?.update_sink().set_sink_name(&name).set_sink(sink.clone());
        let call = call.set_unique_writer_identity(true);
        let fields = ["destination", "filter", "description", "disabled", "exclusions"];
        let mask = FieldMask::default().set_paths(fields);
        call.set_update_mask(mask).send().await.map_err(failed::logs(cx.clients))
    })
    .await
    .map(drop)
}

/// Deletes a log bucket and its sink if they are ours. The sink goes first: while the bucket exists, a later run finds
/// the sink.
async fn remove(cx: Context<'_>, log: &Log<'_>) -> Result<()> {
    let Some(found) = look(cx, &log.bucket).await.optional()?.filter(|bucket| !is_deleted(bucket)) else {
        return Ok(());
    };
    if let Observed::Foreign(_) = Observed::marked("", cx.deployment().owner(), description::marks(&found.description))
    {
        return Ok(());
    }
    let name = sink_name(cx, log);
    if let Some(found) = look_at_sink(cx, log).await.optional()? {
        description::own(cx.deployment(), &found.description, &format!("the sink `{}`", log.id()))?;
        let gone = cx.call(&[op::DELETE_SINK], || async {
            cx.clients.logs().await?.delete_sink().set_sink_name(&name).send().await.map_err(failed::logs(cx.clients))
        });
        gone.await.optional()?;
    }
    let gone = cx.call(&[op::DELETE_LOG_BUCKET], || async {
        cx.clients.logs().await?.delete_bucket().set_name(&log.bucket).send().await.map_err(failed::logs(cx.clients))
    });
    gone.await.optional().map(drop)
}

/// Reads a page of the log of one service, from the view of its bucket
/// (<https://docs.cloud.google.com/logging/docs/reference/v2/rest/v2/entries/list>).
pub(crate) async fn read(cx: Context<'_>, query: &LogQuery) -> Result<LogPage> {
    let filter = format!(
        "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"{}\" AND timestamp>=\"{}\"",
        cx.name(Scope::Service)?,
        query.from
    );
    let request = ListLogEntriesRequest::new()
        .set_resource_names([cx.full_name(Scope::LogView)?])
        .set_filter(filter)
        .set_order_by("timestamp asc")
        .set_page_size(i32::from(query.limit))
        .set_page_token(query.cursor.clone().unwrap_or_default());
    let page = cx.call(&[op::READ_LOG_VIEW], || async {
        cx.clients
            .log_entries()
            .await?
            .list_log_entries()
            .with_request(request.clone())
            .send()
            .await
            .map_err(failed::log_entries(cx.clients))
    });
    let page = page.await?;
    let next = (!page.next_page_token.is_empty()).then_some(page.next_page_token);
    Ok(LogPage { lines: page.entries.into_iter().filter_map(line).collect(), next })
}

/// Converts an entry to a line. The output of code is text, or one line of JSON.
fn line(entry: LogEntry) -> Option<LogLine> {
    let at = entry.timestamp?;
    let at = Timestamp::new(at.seconds(), at.nanos()).ok()?;
    let text = match entry.payload? {
        Payload::TextPayload(text) => text,
        Payload::JsonPayload(fields) => match fields.get("message").and_then(|message| message.as_str()) {
            Some(message) => message.to_owned(),
            None => serde_json::to_string(&fields).ok()?,
        },
        // Google's own entries: requests and audit logs.
        _ => return None,
    };
    Some(LogLine { at, text: text.trim_end_matches('\n').to_owned() })
}
