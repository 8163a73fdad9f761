//! Log Analytics: <https://learn.microsoft.com/azure/azure-monitor/logs/api/request-format>.

use jiff::{SpanRelativeTo, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::kql::{Column, Problem, Query};
use super::{Ask, Refused};
use crate::audit::REMEMBERED;
use crate::azure::call::{Answer, text};
use crate::azure::entra::token::Stranger;
use crate::azure::rbac::decide::Plane;
use crate::azure::state::State;

/// Source: <https://learn.microsoft.com/azure/azure-monitor/logs/api/access-api>.
const AUDIENCES: &[&str] = &["https://api.loganalytics.io", "https://api.loganalytics.azure.com"];

/// Source: <https://learn.microsoft.com/azure/azure-monitor/logs/granular-rbac-log-analytics>.
const QUERY: &str = "Microsoft.OperationalInsights/workspaces/query/read";
const READ: &str = "Microsoft.OperationalInsights/workspaces/tables/data/read";

const KEY: &str = "POST api.loganalytics.io/query";

/// The table that apps write to: <https://learn.microsoft.com/azure/container-apps/log-options>.
const CONSOLE: &str = "ContainerAppConsoleLogs_CL";
/// The table that the platform writes to about apps.
const SYSTEM: &str = "ContainerAppSystemLogs_CL";

/// A record of a table.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    table: &'static str,
    /// When queries start to find it.
    found: Timestamp,
    body: Value,
}

/// The writer of a record.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// An app.
    Console,
    /// The platform, with the reason of the event.
    System { reason: &'static str },
}

fn columns(table: &str) -> Option<&'static [Column]> {
    match table {
        CONSOLE => Some(&[
            ("TimeGenerated", "datetime"),
            ("ContainerAppName_s", "string"),
            ("RevisionName_s", "string"),
            ("ContainerName_s", "string"),
            ("EnvironmentName_s", "string"),
            ("Log_s", "string"),
            ("Stream_s", "string"),
            ("_timestamp_d", "real"),
        ]),
        SYSTEM => Some(&[
            ("TimeGenerated", "datetime"),
            ("ContainerAppName_s", "string"),
            ("RevisionName_s", "string"),
            ("EnvironmentName_s", "string"),
            ("Log_s", "string"),
            ("Reason_s", "string"),
            ("Type_s", "string"),
            ("_timestamp_d", "real"),
        ]),
        _ => None,
    }
}

impl State {
    /// Logs a line of an app's revision to the workspace of its environment, if it has one.
    pub(crate) fn log(&mut self, app: &str, source: &Source, revision: &str, line: &str) {
        let Ok(body) = self.thing(app).map(|thing| thing.body.clone()) else { return };
        let environment = text(&body, "/properties/environmentId");
        let Some(workspace) = self.logs_of(&environment) else { return };
        let now = self.now();
        let mut record = json!({
            "TimeGenerated": now.to_string(),
            "ContainerAppName_s": text(&body, "/name"),
            "RevisionName_s": revision,
            "EnvironmentName_s": environment.rsplit('/').next(),
            "Log_s": line,
            "_timestamp_d": now.as_duration().as_secs_f64(),
        });
        let table = match source {
            Source::Console => {
                let container = text(&body, "/properties/template/containers/0/name");
                super::super::call::set(&mut record, "ContainerName_s", container);
                super::super::call::set(&mut record, "Stream_s", "stdout");
                CONSOLE
            }
            Source::System { reason } => {
                let kind = if matches!(*reason, "RevisionReady") { "Normal" } else { "Warning" };
                super::super::call::set(&mut record, "Reason_s", *reason);
                super::super::call::set(&mut record, "Type_s", kind);
                SYSTEM
            }
        };
        let found = now + self.data.ingestion;
        let records = self.data.logs.entry(workspace.to_lowercase()).or_default();
        if records.len() >= REMEMBERED {
            records.remove(0);
        }
        records.push(Record { table, found, body: record });
    }
}

pub(super) fn answer(state: &mut State, ask: &Ask<'_>) -> Answer {
    match perform(state, ask) {
        Ok(answer) => answer,
        Err(Failure(status, mut error)) => {
            super::super::call::set(&mut error, "correlationId", Uuid::new_v4().to_string());
            Answer::json(status, &json!({"error": error}))
        }
    }
}

/// The status and the error, as Log Analytics reports it.
struct Failure(u16, Value);

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self(refused.status, json!({"message": refused.message, "code": refused.code}))
    }
}

impl From<Problem> for Failure {
    /// Source: <https://learn.microsoft.com/azure/azure-monitor/logs/api/errors>.
    fn from(problem: Problem) -> Self {
        let (code, message, inner, detail) = match problem {
            Problem::Syntax(detail) => ("SyntaxError", "A recognition error occurred in the query.", "SYN0002", detail),
            Problem::Semantic(detail) => ("SemanticError", "A semantic error occurred.", "SEM0100", detail),
            Problem::Unmodelled(detail) => ("NotModelled", "The query is not emulated.", "SIM0001", detail),
        };
        let innermost = json!({"code": inner, "message": detail});
        Self(
            400,
            json!({
                "message": "The request had some invalid properties",
                "code": "BadArgumentError",
                "innererror": {"code": code, "message": message, "innererror": innermost},
            }),
        )
    }
}

fn perform(state: &mut State, ask: &Ask<'_>) -> Result<Answer, Failure> {
    let (path, query) = ask.parts();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let customer = match (ask.verb, parts.as_slice()) {
        ("POST", ["v1", "workspaces", customer, "query"]) => (*customer).to_owned(),
        _ => {
            return Err(Refused::unmodelled(format!(
                "{} {path} is not emulated: the emulator models POST /v1/workspaces/{{customerId}}/query.",
                ask.verb
            ))
            .into());
        }
    };
    let given: Value = serde_json::from_slice(&ask.body)
        .map_err(|error| Refused::new(400, "BadArgumentError", format!("The body cannot be read: {error}.")))?;
    state.remember(KEY, ask.verb, path, &query, &given);
    state.knobs.before(KEY).map_err(Refused::from)?;
    let caller = state.data_caller(ask.bearer, AUDIENCES).map_err(|stranger| match stranger {
        Stranger::Missing => Failure(
            401,
            json!({"message": "Valid authentication was not provided", "code": "AuthorizationRequiredError"}),
        ),
        other => {
            let detail = match other {
                Stranger::Audience => ("InvalidAudience", "The token is for another audience"),
                Stranger::Expired => ("TokenExpired", "The token has expired"),
                _ => ("SignatureVerificationFailed", "Could not validate the request"),
            };
            Failure(
                401,
                json!({
                    "message": "The provided authentication is not valid for this resource",
                    "code": "InvalidTokenError",
                    "innererror": {"code": detail.0, "message": detail.1},
                }),
            )
        }
    })?;
    let Some(workspace) = state.workspace(&customer).map(|thing| thing.id.clone()) else {
        return Err(Refused::new(404, "WorkspaceNotFoundError", "The workspace could not be found").into());
    };
    let now = state.now();
    let insufficient = || {
        Refused::new(
            403,
            "InsufficientAccessError",
            "The provided credentials have insufficient access to perform the requested operation",
        )
    };
    if !state.asks(&caller, KEY, Plane::Control, QUERY, &workspace) {
        return Err(insufficient().into());
    }
    let unknown = given.as_object().into_iter().flatten().find(|(name, _)| {
        !matches!(name.as_str(), "query" | "timespan" | "workspaces" | "maxRows" | "workspaceFilters")
    });
    if let Some((name, _)) = unknown {
        return Err(Refused::new(400, "BadArgumentError", format!("The body has no field '{name}'.")).into());
    }
    let query = Query::parse(&text(&given, "/query"), now)?;
    // A data action allows reading all tables; an action that names a table allows reading that one:
    // <https://learn.microsoft.com/azure/azure-monitor/logs/manage-table-access>.
    let one = format!("Microsoft.OperationalInsights/workspaces/query/{}/read", query.table);
    if !state.authorise_data(&caller, KEY, READ, &workspace)
        && !state.asks(&caller, KEY, Plane::Control, &one, &workspace)
    {
        return Err(insufficient().into());
    }
    let kept = state.data.logs.get(&workspace.to_lowercase()).map(Vec::as_slice).unwrap_or_default();
    let of_table = kept.iter().filter(|record| record.table == query.table && record.found <= now);
    let records: Vec<Value> = of_table.map(|record| record.body.clone()).collect();
    let Some(columns) = columns(&query.table).filter(|_| !records.is_empty()) else {
        let message = format!("'where' operator: Failed to resolve table or column expression named '{}'", query.table);
        return Err(Problem::Semantic(message).into());
    };
    let span = within(&text(&given, "/timespan"), now)
        .ok_or_else(|| Refused::new(400, "BadArgumentError", "The timespan is not an ISO 8601 duration or interval"))?;
    let is_within = |record: &Value| {
        let at = text(record, "/TimeGenerated").parse::<Timestamp>().unwrap_or(now);
        span.is_none_or(|(from, to)| (from..=to).contains(&at))
    };
    let records: Vec<Value> = records.into_iter().filter(is_within).collect();
    let table = query.run(columns, &records)?;
    state.knobs.after(KEY).map_err(Refused::from)?;
    let columns: Vec<Value> = table.columns.iter().map(|(name, kind)| json!({"name": name, "type": kind})).collect();
    Ok(Answer::json(200, &json!({"tables": [{"name": "PrimaryResult", "columns": columns, "rows": table.rows}]})))
}

/// Parses a time span: a duration up to now, or two times. An empty text is unbounded. Returns `None` if the text is
/// invalid.
fn within(text: &str, now: Timestamp) -> Option<Option<(Timestamp, Timestamp)>> {
    if text.is_empty() {
        return Some(None);
    }
    let before = |at: Timestamp, text: &str| {
        let span: jiff::Span = text.parse().ok()?;
        at.checked_sub(span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?).ok()
    };
    let Some((from, to)) = text.split_once('/') else { return Some(Some((before(now, text)?, now))) };
    if let Ok(from) = from.parse::<Timestamp>() {
        let to = to.parse().ok().or_else(|| {
            let span: jiff::Span = to.parse().ok()?;
            from.checked_add(span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?).ok()
        })?;
        return Some(Some((from, to)));
    }
    let to: Timestamp = to.parse().ok()?;
    Some(Some((before(to, from)?, to)))
}
