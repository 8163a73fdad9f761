//! Log buckets, views, sinks and entries: <https://docs.cloud.google.com/logging/docs/reference/v2/rest>.

use serde_json::{Value, json};

use super::filter::Filter;
use super::{GET_POLICY, SET_POLICY};
use crate::audit::REMEMBERED;
use crate::gcp::call::{Call, Done, done, set, text};
use crate::gcp::fail::Fail;
use crate::gcp::state::{State, project_name, relative};

const BUCKET: &str = "name description createTime updateTime retentionDays locked lifecycleState analyticsEnabled \
    restrictedFields* indexConfigs* cmekSettings*";
const VIEW: &str = "name description createTime updateTime filter";
const SINK: &str = "name resourceName destination filter description disabled exclusions{name description filter disabled createTime updateTime} \
    outputVersionFormat writerIdentity includeChildren interceptChildren bigqueryOptions* createTime updateTime";
const ENTRIES: &str = "logName resource{type labels*} timestamp receiveTimestamp \
    severity=DEFAULT|DEBUG|INFO|NOTICE|WARNING|ERROR|CRITICAL|ALERT|EMERGENCY insertId httpRequest* labels* metadata* \
    operation* trace spanId traceSampled sourceLocation* split* protoPayload* textPayload jsonPayload*";

pub(super) fn find(id: &str) -> Option<Done> {
    Some(match id {
        "entries.list" => done(list).body("resourceNames* projectIds* filter orderBy pageSize pageToken"),
        "entries.write" => done(write).body("*"),
        "projects.locations.buckets.create" => done(create_bucket).body(BUCKET).query(&["bucketId"]),
        "projects.locations.buckets.get" => done(get_bucket),
        "projects.locations.buckets.list" => done(buckets).query(&["pageSize", "pageToken"]),
        "projects.locations.buckets.patch" => done(patch_bucket).body(BUCKET).query(&["updateMask"]),
        "projects.locations.buckets.delete" => done(delete_bucket),
        "projects.locations.buckets.undelete" => done(undelete_bucket),
        "projects.locations.buckets.views.create" => done(create_view).body(VIEW).query(&["viewId"]),
        "projects.locations.buckets.views.get" | "projects.sinks.get" => done(super::get),
        "projects.locations.buckets.views.list" => done(views).query(&["pageSize", "pageToken"]),
        "projects.locations.buckets.views.getIamPolicy" => done(super::policy).body(GET_POLICY),
        "projects.locations.buckets.views.setIamPolicy" => done(super::set_policy).body(SET_POLICY),
        "projects.locations.buckets.views.patch" => done(patch_view).body(VIEW).query(&["updateMask"]),
        "projects.locations.buckets.views.delete" | "projects.sinks.delete" => done(super::delete),
        "projects.sinks.create" => {
            done(create_sink).body(SINK).query(&["uniqueWriterIdentity", "customWriterIdentity"])
        }
        "projects.sinks.list" => done(sinks).query(&["pageSize", "pageToken", "filter"]),
        "projects.sinks.update" | "projects.sinks.patch" => {
            done(patch_sink).body(SINK).query(&["uniqueWriterIdentity", "customWriterIdentity", "updateMask"])
        }
        _ => return None,
    })
}

fn full(name: &str) -> String {
    format!("//logging.googleapis.com/{name}")
}

impl State {
    /// Creates a log bucket with a view of all its logs.
    pub(crate) fn make_log_bucket(&mut self, project: &str, relative: &str, mut body: Value) -> Result<Value, Fail> {
        let now = self.now().to_string();
        set(&mut body, "name", relative);
        set(&mut body, "lifecycleState", "ACTIVE");
        set(&mut body, "createTime", now.clone());
        if body.get("retentionDays").is_none() {
            set(&mut body, "retentionDays", 30);
        }
        self.create(&full(relative), project, body.clone())?;
        let view = format!("{relative}/views/_AllLogs");
        self.create(&full(&view), project, json!({"name": view, "createTime": now}))?;
        Ok(body)
    }

    /// Routes an entry to the default bucket and through the project's sinks. Source:
    /// <https://docs.cloud.google.com/logging/docs/routing/overview>.
    pub(crate) fn write_log(&mut self, project: &str, mut entry: Value) {
        let now = self.now().to_string();
        for field in ["timestamp", "receiveTimestamp"] {
            if entry.get(field).is_none() {
                set(&mut entry, field, now.clone());
            }
        }
        if entry.get("insertId").is_none() {
            set(&mut entry, "insertId", format!("{:016x}", fastrand::u64(..)));
        }
        let mut into = vec![format!("projects/{project}/locations/global/buckets/_Default")];
        let prefix = full(&format!("projects/{project}/sinks/"));
        for (_, sink) in self.things.range(prefix.clone()..).take_while(|(name, _)| name.starts_with(&prefix)) {
            let body = &sink.body;
            if body.get("disabled") == Some(&Value::Bool(true)) || !passes(body, &entry) {
                continue;
            }
            if let Some(bucket) = text(body, "/destination").strip_prefix("logging.googleapis.com/") {
                into.push(bucket.to_owned());
            }
        }
        into.sort();
        into.dedup();
        for bucket in into {
            let name = full(&bucket);
            if self.things.get(&name).is_some_and(|bucket| text(&bucket.body, "/lifecycleState") == "ACTIVE") {
                let entries = self.logs.entry(name).or_default();
                if entries.len() >= REMEMBERED {
                    entries.remove(0);
                }
                entries.push(entry.clone());
            }
        }
    }
}

/// Whether a sink accepts an entry: its filter matches, and none of its exclusions does.
fn passes(sink: &Value, entry: &Value) -> bool {
    let takes = |filter: String| Filter::parse(&filter).is_ok_and(|filter| filter.takes(entry));
    let exclusions = sink.get("exclusions").and_then(Value::as_array).into_iter().flatten();
    takes(text(sink, "/filter"))
        && !exclusions
            .filter(|exclusion| exclusion.get("disabled") != Some(&Value::Bool(true)))
            .any(|exclusion| takes(text(exclusion, "/filter")))
}

fn list(call: &mut Call<'_>) -> Result<Value, Fail> {
    let names = call.body.get("resourceNames").and_then(Value::as_array).cloned().unwrap_or_default();
    if names.is_empty() {
        return Err(Fail::invalid("`resourceNames` is empty: name projects or log views."));
    }
    let filter = Filter::parse(&call.text("/filter"))?;
    let mut entries: Vec<Value> = Vec::new();
    for name in names {
        let name = name.as_str().unwrap_or_default();
        let (bucket, view) = match name.split_once("/views/") {
            Some((bucket, _)) => {
                let on = super::canonical(call.state, full(name));
                call.require("logging.views.access", &on)?;
                let view = text(&call.state.thing(&on)?.body, "/filter");
                (super::canonical(call.state, full(bucket)), view)
            }
            None => {
                let id = name.strip_prefix("projects/").unwrap_or_default();
                if id.is_empty() || id.contains('/') {
                    return Err(Fail::invalid(format!("`{name}` is neither a project nor a log view.")));
                }
                let id = call.state.project_id(id).unwrap_or_else(|| id.to_owned());
                call.require("logging.logEntries.list", &project_name(&id))?;
                (full(&format!("projects/{id}/locations/global/buckets/_Default")), String::new())
            }
        };
        let view = Filter::parse(&view)?;
        let kept = call.state.logs.get(&bucket).map(Vec::as_slice).unwrap_or_default();
        entries.extend(kept.iter().filter(|entry| view.takes(entry) && filter.takes(entry)).cloned());
    }
    entries.sort_by(|a, b| {
        let key = |entry: &Value| (text(entry, "/timestamp").parse::<jiff::Timestamp>().ok(), text(entry, "/insertId"));
        key(a).cmp(&key(b))
    });
    match call.text("/orderBy").as_str() {
        "" | "timestamp" | "timestamp asc" => {}
        "timestamp desc" => entries.reverse(),
        other => {
            return Err(Fail::invalid(format!(
                "Entries are ordered by `timestamp asc` or `timestamp desc`, not `{other}`."
            )));
        }
    }
    let from: usize = call.text("/pageToken").parse().unwrap_or(0);
    let size = call.body.get("pageSize").and_then(Value::as_u64).filter(|size| *size > 0).unwrap_or(50);
    let size = usize::try_from(size).unwrap_or(50).min(1_000);
    let page: Vec<Value> = entries.iter().skip(from).take(size).cloned().collect();
    let mut answer = json!({"entries": page});
    if entries.len() > from + size {
        set(&mut answer, "nextPageToken", (from + size).to_string());
    }
    Ok(answer)
}

fn write(call: &mut Call<'_>) -> Result<Value, Fail> {
    let entries = call.body.get("entries").and_then(Value::as_array).cloned().unwrap_or_default();
    for mut entry in entries {
        crate::schema::check(ENTRIES, &mut entry)?;
        for field in ["logName", "resource", "labels"] {
            if let (None, Some(common)) = (entry.get(field), call.body.get(field).cloned()) {
                set(&mut entry, field, common);
            }
        }
        let log = text(&entry, "/logName");
        let Some(project) = log.strip_prefix("projects/").and_then(|rest| rest.split('/').next()) else {
            return Err(Fail::invalid(format!("The log name `{log}` is not `projects/P/logs/L`.")));
        };
        let project = call.state.project_id(project).unwrap_or_else(|| project.to_owned());
        call.require("logging.logEntries.create", &project_name(&project))?;
        call.state.write_log(&project, entry);
    }
    Ok(json!({}))
}

fn create_bucket(call: &mut Call<'_>) -> Result<Value, Fail> {
    let id = call.required("bucketId")?;
    let project = call.project.clone();
    let name = format!("projects/{project}/locations/{}/buckets/{id}", call.parameter("location"));
    let body = if call.body.is_object() { call.body.clone() } else { json!({}) };
    call.state.make_log_bucket(&project, &name, body)
}

/// A deleted bucket remains for 7 days, marked as deleted.
fn get_bucket(call: &mut Call<'_>) -> Result<Value, Fail> {
    let missing = || Fail::missing(relative(&call.on));
    call.state.things.get(&call.on).map(|thing| thing.body.clone()).ok_or_else(missing)
}

fn buckets(call: &mut Call<'_>) -> Result<Value, Fail> {
    Ok(super::list(call, &format!("{}/buckets", call.on), "buckets"))
}

fn save(call: &mut Call<'_>, mut body: Value) -> Result<Value, Fail> {
    set(&mut body, "updateTime", call.state.now().to_string());
    call.state.thing_mut(&call.on)?.body = body.clone();
    Ok(body)
}

fn patch_bucket(call: &mut Call<'_>) -> Result<Value, Fail> {
    let mask = call.required("updateMask")?;
    let body = super::merged(call, BUCKET, &mask, &call.body)?;
    save(call, body)
}

fn delete_bucket(call: &mut Call<'_>) -> Result<Value, Fail> {
    if call.on.ends_with("/_Default") || call.on.ends_with("/_Required") {
        return Err(Fail::invalid("The buckets `_Default` and `_Required` cannot be deleted."));
    }
    let thing = call.state.thing_mut(&call.on)?;
    thing.deleted = true;
    set(&mut thing.body, "lifecycleState", "DELETE_REQUESTED");
    let below = format!("{}/", call.on);
    for (_, view) in call.state.things.range_mut(below.clone()..).take_while(|(name, _)| name.starts_with(&below)) {
        view.deleted = true;
    }
    Ok(json!({}))
}

fn undelete_bucket(call: &mut Call<'_>) -> Result<Value, Fail> {
    let below = format!("{}/", call.on);
    let on = call.on.clone();
    let Some(thing) = call.state.things.get_mut(&on).filter(|thing| thing.deleted) else {
        return Err(Fail::precondition("The bucket is not deleted."));
    };
    thing.deleted = false;
    set(&mut thing.body, "lifecycleState", "ACTIVE");
    for (_, view) in call.state.things.range_mut(below.clone()..).take_while(|(name, _)| name.starts_with(&below)) {
        view.deleted = false;
    }
    Ok(json!({}))
}

fn create_view(call: &mut Call<'_>) -> Result<Value, Fail> {
    let id = call.required("viewId")?;
    call.state.thing(&call.on)?;
    Filter::parse(&call.text("/filter"))?;
    let name = format!("{}/views/{id}", call.on);
    let mut body = if call.body.is_object() { call.body.clone() } else { json!({}) };
    set(&mut body, "name", relative(&name));
    set(&mut body, "createTime", call.state.now().to_string());
    let project = call.project.clone();
    call.state.create(&name, &project, body.clone())?;
    Ok(body)
}

fn views(call: &mut Call<'_>) -> Result<Value, Fail> {
    Ok(super::list(call, &format!("{}/views", call.on), "views"))
}

fn patch_view(call: &mut Call<'_>) -> Result<Value, Fail> {
    let mask = call.query("updateMask").to_owned();
    let body = super::merged(call, VIEW, &mask, &call.body)?;
    Filter::parse(&text(&body, "/filter"))?;
    save(call, body)
}

fn create_sink(call: &mut Call<'_>) -> Result<Value, Fail> {
    let id = call.text("/name");
    if id.is_empty() || call.text("/destination").is_empty() {
        return Err(Fail::invalid("A sink needs `name` and `destination`."));
    }
    Filter::parse(&call.text("/filter"))?;
    let name = full(&format!("projects/{}/sinks/{id}", call.project));
    let mut body = call.body.clone();
    set(&mut body, "resourceName", relative(&name));
    set(&mut body, "createTime", call.state.now().to_string());
    set(&mut body, "updateTime", call.state.now().to_string());
    // A sink to a log bucket in the same project needs no identity.
    let number = call.state.projects.get(&call.project).map_or(0, |project| project.number);
    let own = [
        format!("logging.googleapis.com/projects/{}/", call.project),
        format!("logging.googleapis.com/projects/{number}/"),
    ];
    let destination = text(&body, "/destination");
    if !own.iter().any(|own| destination.starts_with(own)) {
        let writer = format!("serviceAccount:service-{number}@gcp-sa-logging.iam.gserviceaccount.com");
        set(&mut body, "writerIdentity", writer);
    }
    let project = call.project.clone();
    call.state.create(&name, &project, body.clone())?;
    Ok(body)
}

fn sinks(call: &mut Call<'_>) -> Result<Value, Fail> {
    let below = full(&format!("projects/{}/sinks", call.project));
    Ok(super::list(call, &below, "sinks"))
}

fn patch_sink(call: &mut Call<'_>) -> Result<Value, Fail> {
    // The fields that an update without a mask writes:
    // <https://docs.cloud.google.com/logging/docs/reference/v2/rest/v2/projects.sinks/update>.
    let mask = match call.query("updateMask") {
        "" => "destination,filter,includeChildren".to_owned(),
        mask => mask.to_owned(),
    };
    let body = super::merged(call, SINK, &mask, &call.body)?;
    Filter::parse(&text(&body, "/filter"))?;
    save(call, body)
}
