//! Checks recorded requests against the API descriptions that clouds publish: each must be an existing operation, with
//! the query parameters and the body that it takes.
//!
//! The descriptions are extracts, read from the folder of [`oracle`](crate::oracle). The module of each cloud says what
//! they are extracts of.

pub mod azure;
pub mod gcp;
pub(crate) mod template;

use std::fmt;

use template::Template;

/// An operation as its description names it: `pubsub.projects.topics.create`, `Microsoft.App/ContainerApps.Get`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationName(String);

impl OperationName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OperationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A path of an operation. `T` is what else the cloud's description says about it.
#[derive(Debug)]
struct Route<T> {
    operation: OperationName,
    verb: String,
    path: Template,
    described: T,
}

/// Finds the route that a request is for. The routes are sorted, the nearest first.
///
/// One host stands for the hosts of all APIs, and some APIs share paths, so the first route without a problem is taken.
///
/// # Errors
///
/// If no route has the path and the verb; otherwise what `problems` finds in the nearest route.
fn find<'a, T>(
    fitting: &[&'a Route<T>],
    verb: &str,
    path: &str,
    problems: impl Fn(&Route<T>) -> Vec<String>,
) -> Result<&'a OperationName, Vec<String>> {
    let mut complaints = None;
    for route in fitting.iter().filter(|route| route.verb == verb) {
        let found = problems(route);
        if found.is_empty() {
            return Ok(&route.operation);
        }
        complaints
            .get_or_insert_with(|| found.iter().map(|problem| format!("{}: {problem}", route.operation)).collect());
    }
    Err(complaints.unwrap_or_else(|| {
        let others: Vec<String> =
            fitting.iter().map(|route| format!("`{}` is {}", route.verb, route.operation)).collect();
        vec![format!("no method is `{verb} {path}`: {}", others.join(", "))]
    }))
}

/// What a description says about a query parameter that was sent.
#[derive(Debug)]
enum Sent {
    /// There is no parameter of this name.
    Unknown,
    /// It may be sent once. The text says what is wrong with the value.
    Once(Option<String>),
    /// It may be sent several times. The text says what is wrong with the value.
    Often(Option<String>),
}

/// Returns what is wrong with a query: missing, unknown and repeated parameters, and invalid values.
fn check_query(query: &[(String, String)], required: &[String], described: impl Fn(&str, &str) -> Sent) -> Vec<String> {
    let mut problems: Vec<String> = required
        .iter()
        .filter(|name| !query.iter().any(|(sent, _)| sent == *name))
        .map(|name| format!("the query parameter `{name}` is required"))
        .collect();
    let mut seen: Vec<&str> = Vec::new();
    for (name, value) in query {
        let wrong = match described(name, value) {
            Sent::Unknown => {
                problems.push(format!("there is no query parameter `{name}`"));
                continue;
            }
            Sent::Once(wrong) => {
                if seen.contains(&name.as_str()) {
                    problems.push(format!("the query parameter `{name}` is sent twice"));
                }
                wrong
            }
            Sent::Often(wrong) => wrong,
        };
        seen.push(name);
        problems.extend(wrong.map(|why| format!("the query parameter `{name}` {why}")));
    }
    problems
}
