//! The actions that a request to Azure Resource Manager needs, by a list from outside this project. It checks both the
//! emulator's decisions and a client's table of operations.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::contracts::template::Template;
use crate::oracle;

/// The name of the file in the [`oracle`] folder.
pub const FILE: &str = "azure-arm-map.json";

/// The list.
#[derive(Debug)]
pub struct Actions {
    routes: Vec<Row>,
    links: Vec<Link>,
}

/// A method and a path, and the actions that they need.
#[derive(Debug)]
struct Row {
    verb: String,
    path: Template,
    /// The row holds only for these values of the path's parameters.
    when: Map<String, Value>,
    needed: Needed,
}

/// What a request needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// All of these are needed, on the resource of the path. Compare them without regard to case.
    pub actions: Vec<String>,
    /// Where the row comes from.
    pub basis: Basis,
}

/// Where a row comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Basis {
    /// A published data set contains it.
    Published,
    /// It was derived from the path. The text says where the name of the action was found: `docs`, `dataset`, `listing`
    /// or `no`where.
    Derived(String),
}

/// A property of a body that names another resource, which needs an action too.
#[derive(Debug)]
struct Link {
    action: String,
    property: String,
    linked: String,
}

/// An action that is needed on a resource because a body names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Linked {
    /// The action.
    pub action: String,
    /// The id of the resource, as the body has it.
    pub resource: String,
}

impl Actions {
    /// Reads the file, or returns `None` if it does not exist.
    ///
    /// # Panics
    ///
    /// If the file exists and its format is unknown.
    #[must_use]
    pub fn load() -> Option<Self> {
        oracle::read(FILE).as_ref().map(Self::from_json)
    }

    /// Parses the content of the file.
    ///
    /// # Panics
    ///
    /// If the format is unknown.
    #[must_use]
    pub fn from_json(file: &Value) -> Self {
        let mut routes: Vec<Row> =
            file["routes"].as_array().expect("`routes` is a list").iter().map(Row::from_json).collect();
        routes.sort_by_key(|row| row.path.distance());
        let links = file["linkedAccess"].as_array().expect("`linkedAccess` is a list").iter().map(|link| {
            let [action, property, linked] = ["action", "bodyProperty", "linkedAction"]
                .map(|field| link[field].as_str().expect("a text").to_owned());
            Link { action, property, linked }
        });
        Self { routes, links: links.collect() }
    }

    /// Returns what a request needs: the rows of the nearest path. Several rows are alternatives. `None` means that the
    /// list has no row for the request, which proves nothing.
    #[must_use]
    pub fn actions(&self, verb: &str, path: &str) -> Option<Vec<&Needed>> {
        let mut fitting = self.routes.iter().filter(|row| row.verb == verb && row.fits(path)).peekable();
        let nearest = fitting.peek()?.path.distance();
        Some(fitting.take_while(|row| row.path.distance() == nearest).map(|row| &row.needed).collect())
    }

    /// Checks that the actions asked for are one of the alternatives in the list.
    ///
    /// # Errors
    ///
    /// If none matches, or if the list has no row.
    pub fn check(&self, verb: &str, path: &str, asked: &[&str]) -> Result<(), String> {
        let Some(answers) = self.actions(verb, path) else {
            return Err(format!("the list has no row for `{verb} {path}`"));
        };
        let same =
            |needed: &Needed| lowered(needed.actions.iter().map(String::as_str)) == lowered(asked.iter().copied());
        if answers.iter().any(|needed| same(needed)) {
            return Ok(());
        }
        let all: Vec<String> = answers.iter().map(|needed| needed.actions.join(" and ")).collect();
        let asked = if asked.is_empty() { "nothing".to_owned() } else { asked.join(" and ") };
        Err(format!("`{verb} {path}` needs {}, and {asked} was asked for", all.join(", or ")))
    }

    /// Returns what a request that needs `action` needs in addition because of its body.
    #[must_use]
    pub fn linked(&self, action: &str, body: &Value) -> Vec<Linked> {
        let mut found: Vec<Linked> = Vec::new();
        for link in self.links.iter().filter(|link| link.is_of(action)) {
            let mut resources = Vec::new();
            collect(body, &link.property, &mut resources);
            found.extend(resources.into_iter().map(|resource| Linked { action: link.linked.clone(), resource }));
        }
        found.sort();
        found.dedup();
        found
    }
}

/// Names of actions are compared without regard to case.
fn lowered<'a>(names: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    names.map(str::to_ascii_lowercase).collect()
}

impl Row {
    fn from_json(row: &Value) -> Self {
        let derived = row["source"] == "derived";
        Self {
            verb: row["method"].as_str().expect("a verb").to_owned(),
            path: Template::arm(row["path"].as_str().expect("a path")),
            when: row["when"].as_object().cloned().unwrap_or_default(),
            needed: Needed {
                actions: oracle::texts(&row["actions"]).map(str::to_owned).collect(),
                basis: if derived {
                    Basis::Derived(row["actionSeen"].as_str().unwrap_or_default().to_owned())
                } else {
                    Basis::Published
                },
            },
        }
    }

    fn fits(&self, path: &str) -> bool {
        let Some(parameters) = self.path.parameters(path) else { return false };
        self.when.iter().all(|(name, value)| {
            let sent = parameters.name(name).map_or("", |sent| sent.as_str());
            value.as_str().is_some_and(|value| value.eq_ignore_ascii_case(sent))
        })
    }
}

impl Link {
    fn is_of(&self, action: &str) -> bool {
        match self.action.strip_prefix('*') {
            Some(end) => action.to_ascii_lowercase().ends_with(&end.to_ascii_lowercase()),
            None => self.action.eq_ignore_ascii_case(action),
        }
    }
}

/// Collects the ids at a property of a body: `a.b`, `a[].id` for each item, `a (keys)` for the names of a map.
fn collect(value: &Value, property: &str, found: &mut Vec<String>) {
    let (head, rest) = property.split_once('.').unwrap_or((property, ""));
    if let Some(items) = head.strip_suffix("[]") {
        for item in value[items].as_array().into_iter().flatten() {
            collect(item, rest, found);
        }
    } else if let Some(map) = head.strip_suffix(" (keys)") {
        found.extend(value[map].as_object().into_iter().flat_map(Map::keys).cloned());
    } else if rest.is_empty() {
        found.extend(value[head].as_str().map(str::to_owned));
    } else {
        collect(&value[head], rest, found);
    }
}
