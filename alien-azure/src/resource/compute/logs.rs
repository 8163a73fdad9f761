//! Reads the logs of an app from the workspace of its environment.
//! <https://learn.microsoft.com/azure/container-apps/log-monitoring>

use alien_core::adapter::{LogPage, LogQuery};
use alien_core::{Error, ErrorKind, LogLine, Result};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::environment::Workspace;
use crate::client::Context;
use crate::operations as op;
use crate::operations::Scope;

/// The table to which Container Apps writes the output of code.
const TABLE: &str = "ContainerAppConsoleLogs_CL";

/// The answer of a query. <https://learn.microsoft.com/azure/azure-monitor/logs/api/response-format>
#[derive(Deserialize)]
struct Found {
    tables: Vec<Rows>,
}

#[derive(Deserialize)]
struct Rows {
    rows: Vec<Vec<Value>>,
}

/// Reads a page of an app's log. Lines with the same timestamp have no order from which a query could continue. So the
/// cursor is the timestamp of the last line and the number of lines already returned for it; the next page starts at
/// that timestamp and skips them.
pub(crate) async fn read(cx: Context<'_>, query: &LogQuery) -> Result<LogPage> {
    let (from, given) = match query.cursor.as_deref() {
        Some(cursor) => begin(cursor)?,
        None => (query.from, 0),
    };
    let limit = usize::from(query.limit);
    let workspace = cx.full_name(Scope::Workspace)?;
    let workspace: Workspace = cx.call(&[op::LOOK_UP_WORKSPACE], || async { cx.clients.get(workspace).await }).await?;
    let text = format!(
        "{TABLE} | where ContainerAppName_s == '{}' | where TimeGenerated >= datetime({from}) \
         | order by TimeGenerated asc | project TimeGenerated, Log_s | take {}",
        cx.name(Scope::App)?,
        given + limit + 1,
    );
    let id = &workspace.properties.customer_id;
    let body = json!({ "query": text });
    let rows = cx.call(&[op::QUERY_LOGS, op::READ_LOG_TABLES], || async {
        match cx.clients.query(id, &body).await {
            Ok(answer) => Ok(answer.json::<Found>()?.tables.into_iter().next().map(|table| table.rows)),
            // The table is created when code prints something for the first time.
            Err(error) if error.kind() == ErrorKind::Rejected && error.message().contains(TABLE) => Ok(None),
            Err(error) => Err(error),
        }
    });
    let mut lines: Vec<LogLine> = rows.await?.unwrap_or_default().into_iter().skip(given).filter_map(line).collect();
    let more = lines.len() > limit;
    lines.truncate(limit);
    let next = lines.last().filter(|_| more).map(|last| {
        let before = if last.at == from { given } else { 0 };
        let of_it = lines.iter().filter(|line| line.at == last.at).count();
        format!("{} {}", last.at, before + of_it)
    });
    Ok(LogPage { lines, next })
}

/// Parses a cursor: the timestamp at which the earlier page ended, and how many of its lines to skip.
fn begin(cursor: &str) -> Result<(Timestamp, usize)> {
    let parts = cursor.split_once(' ').and_then(|(at, given)| Some((at.parse().ok()?, given.parse().ok()?)));
    parts.ok_or_else(|| Error::new(ErrorKind::Input, "this is not a cursor of an earlier page"))
}

fn line(row: Vec<Value>) -> Option<LogLine> {
    let mut columns = row.into_iter();
    let at = columns.next()?.as_str()?.parse().ok()?;
    let text = columns.next()?.as_str()?.trim_end_matches('\n').to_owned();
    Some(LogLine { at, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_a_moment_and_a_number_of_lines() {
        let (at, given) = begin("2026-01-02T03:04:05.6Z 7").unwrap();
        assert_eq!((at.to_string().as_str(), given), ("2026-01-02T03:04:05.6Z", 7));
        for wrong in ["", "2026-01-02T03:04:05Z", "x 1", "2026-01-02T03:04:05Z -1"] {
            assert_eq!(begin(wrong).unwrap_err().kind(), ErrorKind::Input, "{wrong}");
        }
    }
}
