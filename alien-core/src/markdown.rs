//! Reviews and differences as Markdown, for a pull request or a document.

use std::fmt::Write as _;

use crate::cloud::{Comparison, DisclosureKind, Report, Review, Reviewed, Size, Trusted};
use crate::permission::Layer;
use crate::problem::Problem;
use crate::stack::{ChangeKind, Diff, Who};

impl Reviewed {
    /// The review, the report of the audit, and the sizes of documents, as GitHub-flavored Markdown.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = self.review.to_markdown();
        text.push('\n');
        text.push_str(&self.report.to_markdown());
        if !self.sizes.is_empty() {
            heading(&mut text, "Sizes");
            let sizes = self.sizes.iter().map(|Size { document, unit, size, limit, .. }| {
                [document.clone(), format!("{size} of {limit} {unit}")]
            });
            table(&mut text, ["document", "size"], sizes);
        }
        text
    }
}

impl Review {
    /// What the vendor can and cannot do, as a Markdown table with a row for each resource.
    ///
    /// ```
    /// use alien_core::{Queue, Stack, memory, review};
    ///
    /// let mut stack = Stack::builder("shop");
    /// stack.live("jobs", Queue::new());
    /// let stack = stack.build()?;
    /// let text = review(&stack, &memory::Target::new("acme")?)?.review.to_markdown();
    /// assert!(text.contains("| `jobs` | queue | live | `queue/acme-jobs-4` | see its health and settings |"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail, here and below.
        let _ = write!(text, "## `{}` on {}: what the vendor can do\n\n", self.stack, self.cloud);
        if let Some(pulled) = &self.pulled {
            let _ = write!(text, "{pulled}\n\n");
        }
        let rows = self.rows.iter().map(|row| {
            let (kind, lifecycle) = (row.kind.to_string(), row.lifecycle.to_string());
            [code(&row.resource), kind, lifecycle, code(&row.id), list(&row.can), list(&row.cannot), list(&row.reach)]
        });
        let header = ["resource", "type", "lifecycle", "id", "can", "cannot", "by code it pushes, can reach"];
        table(&mut text, header, rows);
        if !self.beyond.is_empty() {
            heading(&mut text, "What the vendor could also write");
            let rows = self.beyond.iter().map(|beyond| {
                let resources = beyond.resources.iter().map(code).collect::<Vec<_>>();
                [list(&resources), code(&beyond.permission), list(&beyond.what), beyond.then().to_owned()]
            });
            table(&mut text, ["resources", "by", "could", "then"], rows);
        }
        points(&mut text, self.notes.iter().cloned());
        heading(&mut text, "Who comes in, and for how long");
        let trust = self.trust.iter().map(|Trusted { who, may, conditions }| [code(who), code(may), list(conditions)]);
        table(&mut text, ["who", "by", "if"], trust);
        let _ = write!(text, "\n{}\n", self.ends);
        heading(&mut text, "Why the vendor holds which permissions");
        let grants = self.grants.iter().filter(|grant| grant.layer == Layer::Management).map(|grant| {
            let permissions: Vec<String> = grant.permissions.iter().map(code).collect();
            [code(&grant.set), grant.why.clone(), list(&permissions)]
        });
        table(&mut text, ["permission set", "why", "permissions"], grants);
        text
    }
}

impl Report {
    /// The broken promises, the disclosures, and the data within reach of pushed code, as Markdown.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        heading(&mut text, "Promises");
        if self.breaches.is_empty() {
            let layers: Vec<&str> = self.layers.iter().map(|layer| layer.name()).collect();
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "No promise is broken: {} permissions of {} checked.",
                self.checked,
                layers.join(" and ")
            );
        }
        points(&mut text, self.breaches.iter().map(ToString::to_string));
        if !self.disclosures.is_empty() {
            heading(&mut text, "Disclosures");
            let rows = self.disclosures.iter().map(|found| {
                let resource = found.resource.as_deref().map_or_else(|| "(shared)".to_owned(), code);
                [resource, code(&found.permission), found.what.to_string(), found.kind.describe().to_owned()]
            });
            table(&mut text, ["resource", "permission", "what", "why"], rows);
        }
        if !self.reach.through.is_empty() {
            heading(&mut text, "Data within reach of code that the vendor pushes");
            let rows = self.reach.through.iter().map(|through| {
                let data = self.reach.profiles.get(&through.profile).into_iter().flatten().map(|data| {
                    let access: Vec<&str> = data.access.iter().map(|access| access.name()).collect();
                    format!("{} {}", access.join(" and "), code(&data.resource))
                });
                [code(&through.resource), code(&through.profile), list(&data.collect::<Vec<_>>())]
            });
            table(&mut text, ["code", "profile", "data"], rows);
        }
        text
    }
}

impl Diff {
    /// The changes, who may apply each, the grants that were gained and lost, and what only the customer's admin can
    /// apply, as Markdown.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        if self.changes.is_empty() && self.grants.is_empty() {
            return "Nothing changed.\n".to_owned();
        }
        let mut text = String::new();
        heading(&mut text, "Changes");
        let rows = self.changes.iter().map(|change| {
            let beyond = change.beyond.iter().map(|beyond| format!("; {beyond}")).collect::<String>();
            [code(&change.resource), change.kind.describe() + &beyond, change.who.describe().to_owned()]
        });
        table(&mut text, ["resource", "change", "who may apply it"], rows);
        if !self.grants.is_empty() {
            heading(&mut text, "Permissions");
            let rows = self.grants.iter().map(|grant| {
                let change = grant.change.name().to_owned();
                [code(&grant.holder), change, code(&grant.set), code(&grant.subject), grant.reason.clone()]
            });
            table(&mut text, ["holder", "change", "permission set", "on", "why"], rows);
        }
        let refusals = self.refusals();
        if !refusals.is_empty() {
            heading(&mut text, "Not without the customer's admin");
            points(&mut text, refusals.iter().map(reason));
        }
        text
    }
}

impl Comparison {
    /// What each identity gained and lost, as Markdown. Those changes by which somebody may do more come first.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        heading(&mut text, &self.title());
        if self.is_empty() {
            text.push_str("Nothing changed.\n");
            return text;
        }
        let cell = |cell: String| {
            let lines = cell.lines().map(|line| match line.split_once(' ') {
                // A sentence, or a condition: it begins with a word.
                Some(("if", rest)) => format!("if {}", code(rest)),
                Some(_) => line.to_owned(),
                None => code(line),
            });
            lines.collect::<Vec<_>>().join("\n")
        };
        let rows =
            self.rows().into_iter().map(|[identity, change, what, on]| [code(identity), change, cell(what), cell(on)]);
        table(&mut text, ["identity", "change", "what", "on, or whom"], rows);
        text
    }
}

impl ChangeKind {
    /// The change in words: `added`, `frozen, changed: versioning`.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Added => "added".to_owned(),
            Self::Removed { .. } => "removed".to_owned(),
            Self::Thawed => "was frozen, is live".to_owned(),
            Self::Froze => "was live, is frozen".to_owned(),
            Self::Settings { lifecycle, fields } => format!("{lifecycle}, changed: {}", fields.join(", ")),
        }
    }
}

impl Who {
    /// Who it is, and how they apply the change.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Vendor => "the vendor, by an update",
            Self::Admin => "the customer's admin, by setting up again",
        }
    }
}

impl DisclosureKind {
    /// The reason for the disclosure, in words.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Reveals => "shows more than health",
            Self::Extended => "extended by the stack",
            Self::Indirect => "extended by the stack: indirect data access",
            Self::Wide => "the cloud has no narrower place",
            Self::Unguarded => "the cloud has no condition for it",
            Self::Restored => "the cloud has no condition for it; `up` sets it back",
            Self::Path => "extended by the stack: a known path of escalation",
        }
    }
}

fn heading(text: &mut String, title: &str) {
    let gap = if text.is_empty() { "" } else { "\n" };
    // Writing to a string cannot fail.
    let _ = write!(text, "{gap}### {title}\n\n");
}

fn table<const N: usize>(text: &mut String, header: [&str; N], rows: impl Iterator<Item = [String; N]>) {
    let _ = writeln!(text, "| {} |\n|{}", header.join(" | "), " --- |".repeat(N));
    for row in rows {
        // A cell is one line, and a bar ends it.
        let cells = row.map(|cell| cell.replace('|', "\\|").replace('\n', "<br>"));
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
}

fn points(text: &mut String, points: impl Iterator<Item = String>) {
    for (position, point) in points.enumerate() {
        let gap = if position == 0 && !text.ends_with("\n\n") { "\n" } else { "" };
        let _ = writeln!(text, "{gap}* {}", point.replace('\n', " "));
    }
}

fn reason(problem: &Problem) -> String {
    let at = problem.subject.as_deref().map_or_else(String::new, |subject| format!("{}: ", code(subject)));
    format!("{at}{}; {}", problem.what, problem.help)
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "–".to_owned() } else { items.join("\n") }
}

fn code(name: impl AsRef<str>) -> String {
    format!("`{}`", name.as_ref())
}
