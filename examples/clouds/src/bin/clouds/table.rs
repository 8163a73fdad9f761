//! The same stack on every cloud available: what the vendor tries, and who refuses it, side by side. Every cell is the
//! result of this run.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;

use alien_core::adapter::Purpose;
use alien_core::{Clock, Data, Deployment, ErrorKind, Frozen, Function, Live, Manager, ResourceId, SystemClock};
use anstream::{eprintln, println};
use comfy_table::{ContentArrangement, Table, presets};

use examples::around::{Attempt, Outcome};
use examples::shop::{FILES, FROZEN, LIVE};
use examples::{Sides, life};

use crate::Cloud;

/// How something is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    WatchFrozen,
    WatchLive,
    UpdateLive,
    Command,
    ReadLog,
    /// Get a live handle, which updates need, for the frozen function.
    TakeForLive,
    /// Update the frozen function without its typed handle.
    UpdateFrozen,
    /// Without the library.
    Round(Attempt),
}

/// The expected result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Allowed,
    Refused,
}

const ROWS: [(&str, Way, Due); 14] = [
    ("watch the frozen function", Way::WatchFrozen, Due::Allowed),
    ("watch the live one", Way::WatchLive, Due::Allowed),
    ("update the live one", Way::UpdateLive, Due::Allowed),
    ("send it a command", Way::Command, Due::Allowed),
    ("read its log", Way::ReadLog, Due::Allowed),
    ("get a live handle for the frozen one", Way::TakeForLive, Due::Refused),
    ("update the frozen one without a typed handle", Way::UpdateFrozen, Due::Refused),
    ("… without the library, with the vendor's own token", Way::Round(Attempt::UpdateFrozen), Due::Refused),
    ("… run the live one with the frozen one's identity", Way::Round(Attempt::RunAsAnother), Due::Refused),
    ("… read one of the customer's files", Way::Round(Attempt::ReadFile), Due::Refused),
    ("… create a function", Way::Round(Attempt::Create), Due::Refused),
    ("… delete the live function", Way::Round(Attempt::DeleteLive), Due::Refused),
    ("… give itself more rights", Way::Round(Attempt::WidenRights), Due::Refused),
    ("assume a session after the customer revoked it", Way::Round(Attempt::Enter), Due::Refused),
];

/// The width of the table and of its first column, in characters.
const WIDTH: usize = 120;
const FIRST: usize = 26;

/// The text of a cell, and whether the result is the expected one.
struct Cell {
    text: String,
    is_due: bool,
    /// Why it could not be tried.
    untried: Option<&'static str>,
}

impl Cell {
    fn of(outcome: &Outcome, due: Due) -> Self {
        let (text, is_due) = match outcome {
            Outcome::Allowed => ("allowed".to_owned(), due == Due::Allowed),
            Outcome::Refused { code, permission, .. } => {
                let text = format!("refused: {code} {permission}");
                (text.trim_end().to_owned(), due == Due::Refused)
            }
            Outcome::Untried(_) => ("–".to_owned(), true),
        };
        let untried = if let Outcome::Untried(why) = outcome { Some(*why) } else { None };
        let text = if is_due { text } else { format!("NOT AS PROMISED: {text}") };
        Self { text, is_due, untried }
    }

    /// Breaks the text into lines of at most `width` characters, after a word or a part of a name.
    fn lines(&self, width: usize) -> String {
        let mut lines = vec![String::new()];
        for part in self.text.split_inclusive([' ', '/', '.']).flat_map(|part| parts(part, width)) {
            match lines.last_mut() {
                Some(line) if line.chars().count() + part.trim_end().chars().count() <= width => line.push_str(&part),
                _ => lines.push(part),
            }
        }
        lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
    }
}

/// Splits a part of a name that is too long for a line before each of its capital letters.
fn parts(part: &str, width: usize) -> Vec<String> {
    if part.trim_end().chars().count() <= width {
        return vec![part.to_owned()];
    }
    let mut parts = vec![String::new()];
    for letter in part.chars() {
        match parts.last_mut() {
            Some(last) if last.is_empty() || !letter.is_ascii_uppercase() => last.push(letter),
            _ => parts.push(letter.to_string()),
        }
    }
    parts
}

/// A deployment, and the manager that tries things on it.
struct Tried<'a> {
    sides: &'a Sides,
    deployment: &'a Deployment,
    manager: Manager,
}

/// Prints the table. AWS is in it by the URL of its peer, or left out for a reason. Fails if a cell is not as expected.
pub(crate) async fn all(aws: Result<&str, &str>) -> Result<(), Box<dyn Error>> {
    let clouds = [Cloud::Memory, Cloud::Gcp, Cloud::Azure].into_iter().chain(aws.ok().map(|url| Cloud::Aws { url }));
    let mut names = Vec::new();
    let mut columns = Vec::new();
    for cloud in clouds {
        eprintln!("{}: setting up, trying, revoking, taking down …", cloud.name());
        names.push(cloud.name());
        columns.push(column(cloud).await.map_err(|error| format!("{}: {error}", cloud.name()))?);
    }
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH as u16);
    table.set_header(["what the vendor tries"].into_iter().chain(names.iter().copied()));
    // The first column takes its own width; each other column has a border and two spaces.
    let width = (WIDTH - FIRST) / columns.len() - 3;
    for (row, (what, ..)) in ROWS.iter().enumerate() {
        let cells = columns.iter().filter_map(|column| column.get(row)).map(|cell| cell.lines(width));
        table.add_row([(*what).to_owned()].into_iter().chain(cells));
    }
    println!("{}", table.trim_fmt());
    for (cloud, column) in names.iter().zip(&columns) {
        let reasons: BTreeSet<&str> = column.iter().filter_map(|cell| cell.untried).collect();
        for reason in reasons {
            println!("–, {cloud}: {reason}.");
        }
    }
    if let Err(why) = aws {
        println!("AWS is left out, since its peer does not run: {why}.");
    }
    let broken = columns.iter().flatten().filter(|cell| !cell.is_due).count();
    if broken == 0 { Ok(()) } else { Err(format!("{broken} cells are not as promised").into()) }
}

/// Runs the stack's life on one cloud, with every attempt on the way.
async fn column(cloud: Cloud<'_>) -> Result<Vec<Cell>, Box<dyn Error>> {
    let sides = cloud.sides().await?;
    let plan = sides.admin.plan(&sides.product.first).await?;
    let deployment = sides.admin.apply(&plan).await?;
    sides.around.prepare(&deployment).await?;
    sides.vendor.register(&sides.invitation, &deployment).await?;
    let manager = Manager::new(Arc::clone(&sides.vendor), deployment.clone());
    let tried = Tried { sides: &sides, deployment: &deployment, manager };
    let mut cells = Vec::new();
    for (what, way, due) in ROWS {
        if way == Way::Round(Attempt::Enter) {
            sides.admin.revoke(&deployment).await?;
        }
        let outcome = tried.by(way).await.map_err(|error| format!("{what}: {error}"))?;
        cells.push(Cell::of(&outcome, due));
    }
    let remains = sides.admin.destroy(&deployment).data(Data::Delete).await?;
    // The customer's file is there still, and some clouds leave it to its owner.
    let left = remains.kept.iter().chain(&remains.foreign).filter(|left| left.subject != FILES);
    let left: Vec<String> = left.map(|left| format!("`{}`: {}", left.subject, left.why)).collect();
    if left.is_empty() { Ok(cells) } else { Err(format!("left over: {}", left.join("; ")).into()) }
}

impl Tried<'_> {
    async fn by(&self, way: Way) -> Result<Outcome, Box<dyn Error>> {
        let manager = &self.manager;
        let before = self.sides.around.requests();
        let done = match way {
            Way::WatchFrozen => manager.heartbeat(&manager.find::<Function, Frozen>(FROZEN)?).await.map(drop),
            Way::WatchLive => manager.heartbeat(&manager.find::<Function, Live>(LIVE)?).await.map(drop),
            Way::UpdateLive => {
                let api = manager.find::<Function, Live>(LIVE)?;
                manager.update(&api, self.sides.product.second()?).await.map(drop)
            }
            Way::Command => {
                let api = manager.find::<Function, Live>(LIVE)?;
                manager.dispatch(&api, br#"{"say":"hello"}"#).await.map(drop)
            }
            Way::ReadLog => {
                let begin = SystemClock.now() - std::time::Duration::from_secs(60);
                life::log(manager, &manager.find::<Function, Live>(LIVE)?, begin).await?;
                Ok(())
            }
            Way::TakeForLive => manager.find::<Function, Live>(FROZEN).map(drop),
            Way::UpdateFrozen => {
                let change = life::again_as_it_is(self.deployment, FROZEN)?;
                let session = self.sides.vendor.session(self.deployment, &Purpose::Watch).await?;
                session.update(&FROZEN.parse::<ResourceId>()?, &change).await.map(drop)
            }
            Way::Round(attempt) => return self.sides.around.attempt(self.deployment, attempt).await,
        };
        let Err(error) = done else { return Ok(Outcome::Allowed) };
        let quietly = before.is_none_or(|before| self.sides.around.requests() == Some(before));
        let code = match error.kind() {
            ErrorKind::Input if quietly => "the library's types",
            ErrorKind::NotGranted if quietly => "the session's grants",
            // What the library itself must refuse should never reach the cloud.
            ErrorKind::Denied if !matches!(way, Way::TakeForLive | Way::UpdateFrozen) => "the cloud",
            _ => return Err(error.into()),
        };
        let permission = if before.is_some() && quietly { ", 0 requests" } else { "" };
        let message = error.to_string();
        Ok(Outcome::Refused { code: format!("{code}{permission}"), permission: String::new(), message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str, permission: &str) -> Outcome {
        Outcome::Refused { code: code.to_owned(), permission: permission.to_owned(), message: String::new() }
    }

    #[test]
    fn what_is_allowed_and_must_not_be_is_told_and_so_is_the_opposite() {
        for (outcome, due, text) in [
            (Outcome::Allowed, Due::Refused, "NOT AS PROMISED: allowed"),
            (
                refused("AuthorizationFailed", "x/write"),
                Due::Allowed,
                "NOT AS PROMISED: refused: AuthorizationFailed x/write",
            ),
        ] {
            let cell = Cell::of(&outcome, due);
            assert!(!cell.is_due);
            assert_eq!(cell.text, text);
        }
        assert!(Cell::of(&Outcome::Allowed, Due::Allowed).is_due);
        assert!(Cell::of(&refused("AADSTS70025", ""), Due::Refused).is_due);
    }

    #[test]
    fn lines_end_where_parts_of_names_do() {
        let cell = Cell::of(&refused("AuthorizationFailed", "Microsoft.App/containerApps/write"), Due::Refused);
        assert_eq!(cell.lines(20), "refused:\nAuthorizationFailed\nMicrosoft.App/\ncontainerApps/write");
        assert_eq!(cell.lines(28), "refused: AuthorizationFailed\nMicrosoft.App/containerApps/\nwrite");
        assert_eq!(
            Cell::of(&refused("AccessDeniedException", ""), Due::Refused).lines(12),
            "refused:\nAccessDenied\nException"
        );
    }
}
