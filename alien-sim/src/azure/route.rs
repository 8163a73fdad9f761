//! The methods of Azure Resource Manager, the permissions that they need, and the routing of paths to methods.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::call::Handler;
use super::provider;
use crate::uri::decode;

/// A method of Azure Resource Manager, the actions that it needs, and the page that documents them.
///
/// ```
/// use alien_sim::azure::methods;
///
/// let key = "POST Microsoft.App/containerApps/listSecrets";
/// let list = methods().find(|method| method.key() == key).ok_or("there is no such method")?;
/// assert_eq!(list.actions, ["Microsoft.App/containerApps/listSecrets/action"]);
/// # Ok::<_, &str>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Method {
    /// `GET`, `HEAD`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub verb: &'static str,
    /// The path template, such as `/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}`. A leading
    /// `{scope}` spans segments.
    pub path: &'static str,
    /// The actions that are always needed, on [the
    /// scope](https://learn.microsoft.com/azure/role-based-access-control/scope-overview) that the path names. For a
    /// list, that is the parent.
    pub actions: &'static [&'static str],
    /// The page of Microsoft's documentation that documents them.
    pub source: &'static str,
    /// The implementation, if there is one.
    pub(crate) handler: Option<Handler>,
    /// The fields of the body, as a [`crate::schema`]. `*` allows any body, and an empty schema allows none.
    pub(crate) body: &'static str,
    /// The query parameters other than `api-version`.
    pub(crate) query: &'static [&'static str],
    /// The API versions, if they differ from the provider's.
    pub(crate) versions: &'static [&'static str],
    /// Whether the parent of the path may be missing.
    pub(crate) is_rootless: bool,
    /// Whether the handler checks the actions itself, on each item that it lists.
    pub(crate) is_filtered: bool,
}

/// A path in a subscription.
macro_rules! in_subscription {
    ($rest:literal) => {
        concat!("/subscriptions/{subscriptionId}/providers/", $rest)
    };
}

/// A path in a resource group.
macro_rules! in_group {
    ($rest:literal) => {
        concat!("/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/", $rest)
    };
}

/// A path at any scope.
macro_rules! at_scope {
    ($rest:literal) => {
        concat!("/{scope}/providers/", $rest)
    };
}

pub(crate) use {at_scope, in_group, in_subscription};

/// A row for a method that is not implemented: if it is allowed, it is answered with 501.
pub(crate) const fn row(
    verb: &'static str,
    path: &'static str,
    actions: &'static [&'static str],
    source: &'static str,
) -> Method {
    Method {
        verb,
        path,
        actions,
        source,
        handler: None,
        body: "",
        query: &[],
        versions: &[],
        is_rootless: false,
        is_filtered: false,
    }
}

impl Method {
    pub(crate) const fn done(mut self, handler: Handler) -> Self {
        self.handler = Some(handler);
        self
    }

    /// Sets the fields of the body.
    pub(crate) const fn body(mut self, schema: &'static str) -> Self {
        self.body = schema;
        self
    }

    /// Sets the query parameters other than `api-version`.
    pub(crate) const fn query(mut self, names: &'static [&'static str]) -> Self {
        self.query = names;
        self
    }

    pub(crate) const fn versions(mut self, versions: &'static [&'static str]) -> Self {
        self.versions = versions;
        self
    }

    /// Allows the parent of the path to be missing.
    pub(crate) const fn rootless(mut self) -> Self {
        self.is_rootless = true;
        self
    }

    /// Lets the handler check the actions itself, on each item that it lists.
    pub(crate) const fn filtered(mut self) -> Self {
        self.is_filtered = true;
        self
    }

    /// The name of the method: the verb and the type, such as `PUT Microsoft.App/containerApps`. For a POST, the type
    /// is followed by the last segment, such as `POST Microsoft.App/containerApps/listSecrets`.
    #[must_use]
    pub fn key(&self) -> String {
        let segments = segments(self.path);
        let provider = segments.iter().rposition(|segment| *segment == "providers");
        let named = |segment: &&&str| !segment.starts_with('{');
        let parts: Vec<&str> = match provider {
            // Every second segment is a name, which says nothing about the type.
            Some(at) if segments.len() > at + 1 && !segments.get(at + 1).is_some_and(|name| name.starts_with('{')) => {
                let rest = segments.get(at + 1..).unwrap_or_default();
                let namespace = rest.first().copied();
                let types = rest.iter().skip(1).enumerate().filter(|(n, name)| {
                    n % 2 == 0 || (*n + 2 == rest.len() && self.verb == "POST" && !name.starts_with('{'))
                });
                namespace
                    .into_iter()
                    .chain(types.map(|(_, name)| *name))
                    .filter(|name| !name.starts_with('{'))
                    .collect()
            }
            _ => std::iter::once(&"Microsoft.Resources").chain(segments.iter()).filter(named).copied().collect(),
        };
        format!("{} {}", self.verb, parts.join("/"))
    }
}

/// Lists every known method of Azure Resource Manager. All of them check permissions; some are also implemented.
///
/// Any other method is answered with 501.
pub fn methods() -> impl Iterator<Item = &'static Method> {
    provider::PROVIDERS.iter().flat_map(|provider| provider.tables.iter().copied().flatten())
}

/// A method, and the parameters of its path.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) method: &'static Method,
    pub(crate) key: &'static str,
    pub(crate) provider: &'static provider::Provider,
    parameters: Vec<(&'static str, String)>,
    /// The path as sent, decoded.
    pub(crate) path: String,
}

impl Route {
    /// A path parameter, by its name without braces. `{scope}` returns the whole scope with its leading slash.
    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.parameters.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    /// The id of the resource whose permissions are checked: for a list, the parent; for an action, the resource that
    /// it acts on.
    pub(crate) fn scope(&self) -> String {
        let template = segments(self.method.path);
        let given: Vec<&str> = self.path.split('/').skip(1).collect();
        let provider = template.iter().rposition(|segment| *segment == "providers");
        let after = provider.map_or(0, |at| at + 2);
        let tail = template.len().saturating_sub(after);
        let end = match provider {
            // A provider's list at a scope is checked at that scope.
            Some(at) if tail <= 1 => at,
            _ if tail % 2 == 1 => template.len() - 1,
            _ => template.len(),
        };
        // `{scope}` spans segments, so the segments after it are counted from the end.
        let end = (end + given.len()).saturating_sub(template.len());
        let text = given.get(..end).unwrap_or_default().join("/");
        format!("/{text}")
    }
}

#[derive(Debug)]
struct End {
    verb: &'static str,
    method: &'static Method,
    key: &'static str,
    provider: &'static provider::Provider,
}

/// A node in the tree of paths.
#[derive(Debug, Default)]
struct Node {
    /// In lower case, because ids ignore case
    /// (<https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules>).
    literals: HashMap<String, usize>,
    any: Option<usize>,
    ends: Vec<End>,
}

/// A tree of all paths. Paths at any scope have their own tree, starting at `providers`.
#[derive(Debug)]
struct Router {
    nodes: Vec<Node>,
}

const FIXED: usize = 0;
const SCOPED: usize = 1;

fn segments(path: &str) -> Vec<&str> {
    path.split('/').skip(1).collect()
}

/// Finds the method of a path, which is still encoded.
pub(crate) fn route(verb: &str, path: &str) -> Option<Route> {
    static ROUTER: OnceLock<Router> = OnceLock::new();
    ROUTER.get_or_init(Router::new).route(verb, path)
}

impl Router {
    fn new() -> Self {
        let mut router = Self { nodes: vec![Node::default(), Node::default()] };
        for provider in provider::PROVIDERS {
            for method in provider.tables.iter().copied().flatten() {
                let mut at = FIXED;
                for segment in segments(method.path) {
                    at = if segment == "{scope}" { SCOPED } else { router.child(at, segment) };
                }
                // There is one key per row, and they live as long as the process.
                let key = String::leak(method.key());
                if let Some(node) = router.nodes.get_mut(at) {
                    node.ends.push(End { verb: method.verb, method, key, provider });
                }
            }
        }
        router
    }

    fn child(&mut self, at: usize, segment: &str) -> usize {
        let new = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else { return at };
        let child = if segment.starts_with('{') {
            *node.any.get_or_insert(new)
        } else {
            *node.literals.entry(segment.to_lowercase()).or_insert(new)
        };
        if child == new {
            self.nodes.push(Node::default());
        }
        child
    }

    fn route(&self, verb: &str, path: &str) -> Option<Route> {
        let trimmed = path.strip_suffix('/').unwrap_or(path);
        let given: Vec<String> = trimmed.strip_prefix('/')?.split('/').map(decode).collect();
        // A name must not contain a slash, even an encoded one, or it could claim to be in another resource.
        if given.iter().any(|segment| segment.is_empty() || segment.contains('/') || segment == "..") {
            return None;
        }
        let lower: Vec<String> = given.iter().map(|segment| segment.to_lowercase()).collect();
        let (end, skipped) = self.walk(FIXED, &lower, verb).map(|end| (end, 0)).or_else(|| {
            // The scope is as long as possible: the last matching `providers` wins.
            let providers = lower.iter().enumerate().rev().filter(|(_, segment)| *segment == "providers");
            let mut found = providers.filter_map(|(at, _)| {
                lower.get(at..).and_then(|rest| self.walk(SCOPED, rest, verb)).map(|end| (end, at))
            });
            found.next()
        })?;
        let template = segments(end.method.path);
        let mut parameters = Vec::new();
        for (at, name) in template.iter().enumerate() {
            let Some(name) = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')) else { continue };
            let value = if name == "scope" {
                format!("/{}", given.get(..skipped).unwrap_or_default().join("/"))
            } else {
                let shift = if template.first() == Some(&"{scope}") { skipped.wrapping_sub(1) } else { 0 };
                given.get(at.wrapping_add(shift)).cloned().unwrap_or_default()
            };
            parameters.push((name, value));
        }
        let path = format!("/{}", given.join("/"));
        Some(Route { method: end.method, key: end.key, provider: end.provider, parameters, path })
    }

    fn walk(&self, at: usize, rest: &[String], verb: &str) -> Option<&End> {
        let node = self.nodes.get(at)?;
        let Some((segment, rest_of)) = rest.split_first() else {
            return node.ends.iter().find(|end| end.verb == verb);
        };
        let literal = node.literals.get(segment).and_then(|next| self.walk(*next, rest_of, verb));
        literal.or_else(|| {
            let next = node.any.filter(|_| !segment.is_empty())?;
            self.walk(next, rest_of, verb)
        })
    }
}
