//! Recorded requests held against Google's published descriptions of its APIs: whatever a client sends must be a method
//! that exists, with query parameters and body fields that the method has.
//!
//! The descriptions are an extract of the discovery documents
//! (<https://developers.google.com/discovery/v1/reference/apis>), read from the folder of [`oracle`](crate::oracle).

mod schema;

use std::fmt;

use regex_lite::Regex;
use serde_json::{Map, Value};

pub use schema::Schemas;

/// The file in the folder of the lists.
pub const FILE: &str = "gcp-contracts.json";

/// Parameters that Google's clients send to every API besides those of the descriptions.
/// Source: <https://cloud.google.com/apis/docs/system-parameters>.
const SYSTEM_PARAMETERS: [&str; 2] = ["$alt", "$apiVersion"];

/// A method of an API, as its description names it: `pubsub.projects.topics.create`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MethodId(String);

impl MethodId {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MethodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The descriptions of all APIs.
#[derive(Debug)]
pub struct Contracts {
    routes: Vec<Route>,
    global: Map<String, Value>,
    apis: Vec<(String, Schemas)>,
}

/// A path of a method.
#[derive(Debug)]
struct Route {
    api: usize,
    method: MethodId,
    verb: String,
    path: Regex,
    /// How many parameters span several segments, and then how many characters are no parameter: the fewest of the first
    /// and the most of the second is the nearest route.
    spans: usize,
    literals: usize,
    has_custom_verb: bool,
    takes_media: bool,
    request: Option<String>,
    required: Vec<String>,
    query: Map<String, Value>,
}

impl Contracts {
    /// Reads the file, where it is there.
    ///
    /// # Panics
    ///
    /// Where it is there and is not of the known format.
    #[must_use]
    pub fn load() -> Option<Self> {
        let text = std::fs::read_to_string(crate::oracle::folder().join(FILE)).ok()?;
        Some(Self::from_json(&serde_json::from_str(&text).expect("the descriptions are JSON")))
    }

    /// Reads the descriptions from the file's content.
    ///
    /// # Panics
    ///
    /// Where it is not of the known format.
    #[must_use]
    pub fn from_json(file: &Value) -> Self {
        let mut routes = Vec::new();
        let mut apis = Vec::new();
        for (number, (api, description)) in file["apis"].as_object().expect("`apis` is a map").iter().enumerate() {
            for (method, record) in description["methods"].as_object().expect("`methods` is a map") {
                let uploads = record["uploadPaths"].as_array().into_iter().flatten().filter_map(Value::as_str);
                routes.push(Route::new(number, method, record["path"].as_str().expect("a path"), record));
                routes.extend(
                    uploads.map(|path| Route { takes_media: true, ..Route::new(number, method, path, record) }),
                );
            }
            apis.push((api.clone(), Schemas::new(description["schemas"].as_object().cloned().unwrap_or_default())));
        }
        routes.sort_by_key(|route| (route.spans, usize::MAX - route.literals));
        Self { routes, global: file["globalQuery"].as_object().cloned().unwrap_or_default(), apis }
    }

    /// Holds a request against the descriptions of all APIs: which method it is. The path is as it was sent, without host
    /// and query; the names and values of the query are decoded.
    ///
    /// # Errors
    ///
    /// All that is wrong with the request: of the method that comes nearest, where several have its path.
    pub fn check(
        &self,
        verb: &str,
        path: &str,
        query: &[(String, String)],
        body: Option<&Value>,
    ) -> Result<MethodId, Vec<String>> {
        self.check_routes(|_| true, verb, path, query, body)
    }

    /// As [`check`](Self::check), where it is known which API the request was for: `run`, `storage`, `compute`.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check); also where there is no description of the API.
    pub fn check_in(
        &self,
        api: &str,
        verb: &str,
        path: &str,
        query: &[(String, String)],
        body: Option<&Value>,
    ) -> Result<MethodId, Vec<String>> {
        let Some(number) = self.apis.iter().position(|(name, _)| name == api) else {
            return Err(vec![format!("there is no description of the API `{api}`")]);
        };
        self.check_routes(|route| route.api == number, verb, path, query, body)
    }

    fn check_routes(
        &self,
        is_asked: impl Fn(&Route) -> bool,
        verb: &str,
        path: &str,
        query: &[(String, String)],
        body: Option<&Value>,
    ) -> Result<MethodId, Vec<String>> {
        let fitting: Vec<&Route> = self.routes.iter().filter(|route| is_asked(route) && route.fits(path)).collect();
        if fitting.is_empty() {
            return Err(vec![format!("no method has the path `{path}`")]);
        }
        // One host stands for the hosts of all APIs, and some share paths: the first without a complaint is meant.
        let mut complaints = None;
        for route in fitting.iter().filter(|route| route.verb == verb) {
            let problems = self.problems(route, query, body);
            if problems.is_empty() {
                return Ok(route.method.clone());
            }
            complaints.get_or_insert(problems);
        }
        Err(complaints.unwrap_or_else(|| {
            let others: Vec<String> =
                fitting.iter().map(|route| format!("`{}` is {}", route.verb, route.method)).collect();
            vec![format!("no method is `{verb} {path}`: {}", others.join(", "))]
        }))
    }

    fn problems(&self, route: &Route, query: &[(String, String)], body: Option<&Value>) -> Vec<String> {
        let (_, schemas) = &self.apis[route.api];
        let mut problems = Vec::new();
        for name in &route.required {
            if !query.iter().any(|(sent, _)| sent == name) {
                problems.push(format!("{}: the query parameter `{name}` is required", route.method));
            }
        }
        let mut seen: Vec<&str> = Vec::new();
        for (name, value) in query {
            if SYSTEM_PARAMETERS.contains(&name.as_str()) {
                continue;
            }
            let Some(kind) = route.query.get(name).or_else(|| self.global.get(name)).and_then(Value::as_str) else {
                problems.push(format!("{}: there is no query parameter `{name}`", route.method));
                continue;
            };
            let once = kind.strip_suffix('*');
            if once.is_none() && seen.contains(&name.as_str()) {
                problems.push(format!("{}: the query parameter `{name}` is sent twice", route.method));
            }
            seen.push(name);
            if let Err(why) = schema::check_text(once.unwrap_or(kind), value) {
                problems.push(format!("{}: the query parameter `{name}` {why}", route.method));
            }
        }
        match (body, &route.request) {
            (Some(body), Some(request)) if !route.takes_media => {
                let found = schemas.check(request, body);
                problems.extend(found.into_iter().map(|problem| format!("{}: {problem}", route.method)));
            }
            (Some(body), None) if body.as_object().is_none_or(|fields| !fields.is_empty()) => {
                problems.push(format!("{}: it has no body", route.method));
            }
            _ => {}
        }
        problems
    }
}

impl Route {
    fn new(api: usize, method: &str, path: &str, record: &Value) -> Self {
        let mut pattern = String::from("^");
        let (mut spans, mut literals) = (0, 0);
        let mut rest = path;
        while let Some((literal, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').expect("a parameter ends");
            let plain = name.trim_start_matches('+');
            spans += usize::from(plain != name);
            literals += literal.len();
            let own = record["pathParams"][plain].as_str().unwrap_or_default();
            let own = own.trim_start_matches('^').trim_end_matches('$');
            // Of two methods with one path, the one whose pattern says more is meant: `projects/[^/]+` before `[^/]+/[^/]+`.
            literals += own.replace("[^/]+", "").len();
            let any = if plain == name { "[^/]+" } else { ".+" };
            pattern += &format!("{}(?:{})", regex_lite::escape(literal), if own.is_empty() { any } else { own });
            rest = after;
        }
        literals += rest.len();
        pattern += &format!("{}$", regex_lite::escape(rest));
        let words = |value: &Value| {
            value.as_array().into_iter().flatten().filter_map(Value::as_str).map(String::from).collect()
        };
        Self {
            api,
            method: MethodId(method.to_owned()),
            verb: record["httpMethod"].as_str().expect("a verb").to_owned(),
            path: Regex::new(&pattern).expect("the pattern of a path"),
            spans,
            literals,
            has_custom_verb: rest.contains(':'),
            takes_media: false,
            request: record["request"].as_str().map(String::from),
            required: words(&record["requiredQuery"]),
            query: record["query"].as_object().cloned().unwrap_or_default(),
        }
    }

    /// A colon in the last segment begins a custom verb (<https://google.aip.dev/136>): it is never part of a name.
    fn fits(&self, path: &str) -> bool {
        let last = path.rsplit('/').next().unwrap_or_default();
        self.path.is_match(path) && (self.has_custom_verb || !last.contains(':'))
    }
}
