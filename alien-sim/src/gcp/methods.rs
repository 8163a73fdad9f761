//! The methods, the permissions that they need, and the routing of paths to methods.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::table::TABLE;
use crate::uri::decode;

/// A method of a Google Cloud API, the permissions that it needs, and the page that documents them.
///
/// ```
/// use alien_sim::gcp::methods;
///
/// let id = "run.projects.locations.services.get";
/// let get = methods().find(|method| method.id == id).ok_or("there is no such method")?;
/// assert_eq!(get.permissions, ["run.services.get"]);
/// assert_eq!(get.source, "https://docs.cloud.google.com/run/docs/reference/iam/permissions");
/// # Ok::<_, &str>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Method {
    /// The id, such as `run.projects.locations.services.get`.
    pub id: &'static str,
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub verb: &'static str,
    /// The path template, such as `/v2/projects/{project}/locations/{location}/services/{service}`.
    pub path: &'static str,
    /// The permissions that are always needed, on the resource that the path names.
    pub permissions: &'static [&'static str],
    /// The permissions that are needed in some cases, or on another resource.
    pub conditional: &'static [&'static str],
    /// The page of Google's documentation that documents them. If none does, a comment at the row says so.
    pub source: &'static str,
}

/// Lists every known method, grouped by resource. All of them check permissions; some are also implemented.
///
/// Any other method is answered with 501. A method with two paths is listed twice.
pub fn methods() -> impl Iterator<Item = &'static Method> {
    TABLE.iter()
}

impl Method {
    /// The API, such as `run.googleapis.com`.
    #[must_use]
    pub fn api(&self) -> String {
        format!("{}.googleapis.com", self.id.split('.').next().unwrap_or_default())
    }
}

/// A node in the tree of paths.
#[derive(Debug, Default)]
struct Node {
    literals: HashMap<&'static str, usize>,
    /// Any single segment; the method knows its name.
    any: Option<usize>,
    /// One or more segments to the end of the path: an even number here, an odd number in `odd`.
    even: Option<usize>,
    odd: Option<usize>,
    /// Methods by verb and by the text after the colon.
    ends: Vec<(&'static str, &'static str, &'static Method)>,
}

/// A tree of all paths.
#[derive(Debug)]
struct Router {
    nodes: Vec<Node>,
}

/// A method, and the parameters of its path.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) method: &'static Method,
    pub(crate) parameters: Vec<(&'static str, String)>,
}

/// Finds the method of a path.
pub(crate) fn route(verb: &str, path: &str) -> Option<Route> {
    static ROUTER: OnceLock<Router> = OnceLock::new();
    ROUTER.get_or_init(|| Router::new(TABLE)).route(verb, path)
}

/// The segments of a template, and the text after its colon.
fn parts(path: &'static str) -> (Vec<&'static str>, &'static str) {
    let (path, custom) = match path.rsplit_once(':') {
        Some((path, custom)) => (path, custom),
        None => (path, ""),
    };
    (path.split('/').skip(1).collect(), custom)
}

impl Router {
    fn new(table: &'static [Method]) -> Self {
        let mut router = Self { nodes: vec![Node::default()] };
        for method in table {
            let (segments, custom) = parts(method.path);
            let mut at = 0;
            for segment in segments {
                at = router.child(at, segment);
            }
            if let Some(node) = router.nodes.get_mut(at) {
                node.ends.push((method.verb, custom, method));
            }
        }
        router
    }

    fn child(&mut self, at: usize, segment: &'static str) -> usize {
        let new = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else { return at };
        let child = match segment {
            "{even**}" => *node.even.get_or_insert(new),
            "{odd**}" => *node.odd.get_or_insert(new),
            _ if segment.starts_with('{') => *node.any.get_or_insert(new),
            _ => *node.literals.entry(segment).or_insert(new),
        };
        if child == new {
            self.nodes.push(Node::default());
        }
        child
    }

    fn route(&self, verb: &str, path: &str) -> Option<Route> {
        let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        let (last, custom) = match segments.last()?.rsplit_once(':') {
            Some((last, custom)) => (last, custom),
            None => (*segments.last()?, ""),
        };
        let mut verbless = segments.clone();
        if let Some(end) = verbless.last_mut() {
            *end = last;
        }
        let method = self
            .walk(0, &verbless, verb, custom)
            .or_else(|| if custom.is_empty() { None } else { self.walk(0, &segments, verb, "") })?;
        let (template, _) = parts(method.path);
        let with_colon = !method.path.contains(':');
        let given = if with_colon { &segments } else { &verbless };
        let mut parameters = Vec::new();
        for (at, name) in template.iter().enumerate() {
            let Some(name) = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')) else { continue };
            let value = if name.ends_with("**") {
                given.get(at..).unwrap_or_default().join("/")
            } else {
                decode(given.get(at).copied().unwrap_or_default())
            };
            parameters.push((name, value));
        }
        Some(Route { method, parameters })
    }

    fn walk(&self, at: usize, rest: &[&str], verb: &str, custom: &str) -> Option<&'static Method> {
        let node = self.nodes.get(at)?;
        let Some((segment, rest_of)) = rest.split_first() else {
            return node.ends.iter().find(|end| end.0 == verb && end.1 == custom).map(|end| end.2);
        };
        if let Some(found) = node.literals.get(segment).and_then(|next| self.walk(*next, rest_of, verb, custom)) {
            return Some(found);
        }
        if let (Some(next), false) = (node.any, segment.is_empty())
            && let Some(found) = self.walk(next, rest_of, verb, custom)
        {
            return Some(found);
        }
        let tail = if rest.len().is_multiple_of(2) { node.even } else { node.odd };
        tail.and_then(|next| self.walk(next, &[], verb, custom))
    }
}

impl Route {
    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.parameters.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    /// The full resource name that the path names. For a collection, that is its parent.
    pub(crate) fn resource(&self) -> String {
        let (template, _) = parts(self.method.path);
        let mut segments: Vec<String> = template
            .iter()
            .map(|part| match part.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) => self.parameter(name).to_owned(),
                None => (*part).to_owned(),
            })
            .collect();
        // A copy is checked on its target.
        let target = template.iter().position(|part| matches!(*part, "copyTo" | "rewriteTo")).unwrap_or(0);
        let start = segments.iter().skip(target).position(|s| s == "projects" || s == "b");
        let start = start.map_or(segments.len(), |start| target + start);
        let mut segments = segments.split_off(start);
        let api = self.method.id.split('.').next().unwrap_or_default();
        if api == "storage" && segments.first().is_some_and(|first| first == "projects") {
            segments.truncate(2);
        } else if api == "storage" {
            if segments.len() % 2 == 1 || self.method.path.contains("/iam/") {
                segments.truncate(if segments.len() > 4 { 4 } else { 2 });
            }
            let [_, bucket, rest @ ..] = segments.as_slice() else { return String::new() };
            let object = match rest {
                [kind, name, ..] if kind == "o" => format!("/objects/{name}"),
                _ => String::new(),
            };
            return format!("//storage.googleapis.com/projects/_/buckets/{bucket}{object}");
        }
        // `global` is a single segment; everything else is a pair of collection and id.
        let alone = usize::from(api == "compute" && segments.get(2).is_some_and(|s| s == "global"));
        if (segments.len() - alone) % 2 == 1 {
            segments.pop();
        }
        if alone == 1 && segments.len() == 3 {
            segments.pop();
        }
        if api == "firestore" {
            // For IAM, everything in a database is the database.
            segments.truncate(4);
        }
        if segments.len() <= 2 {
            return format!("//cloudresourcemanager.googleapis.com/{}", segments.join("/"));
        }
        let service = if api == "iamcredentials" { "iam" } else { api };
        format!("//{service}.googleapis.com/{}", segments.join("/"))
    }
}
